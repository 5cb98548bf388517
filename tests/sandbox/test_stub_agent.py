"""The stub agent in a genuine browser: the same steps as the capture, and the same state. Skipped where there is no Chromium."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from sternpost.sandbox import seed
from tests.sandbox.test_journal import Server

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync --dump-dom --virtual-time-budget=20000"
).split()

PAGE = """<!doctype html><body><pre id="out"></pre><script>
(function (p, d, key, host) {
  p = window.pendo = window.pendo || {}; p._q = p._q || [];
  ["initialize", "identify", "updateOptions", "pageLoad", "track"].forEach(function (name) {
    p[name] = p[name] || function () { p._q[name === "initialize" ? "unshift" : "push"]([name].concat([].slice.call(arguments))); };
  });
  var s = d.createElement("script"); s.src = host + "/agent/static/" + key + "/pendo.js"; d.head.appendChild(s);
})(0, document, "KEY", "HOST");
function wait(ms) { return new Promise(function (done) { setTimeout(done, ms); }); }
pendo.track("Queued before the agent", {});
pendo.initialize({ initializeImmediately: true, account: { id: "acc-1", planLevel: "Gold" } });
(async function () {
  var out = { readyBefore: !!(pendo.isReady && pendo.isReady()) };
  while (!(pendo.isReady && pendo.isReady())) await wait(20);
  out.anonymous = pendo.getVisitorId(); out.isAnonymous = pendo.isAnonymousVisitor();
  pendo.track("Anon Event", { n: 1, ok: true, s: "é", none: undefined }); pendo.track("", {}); pendo.track("Bad props", "str");
  pendo.identify({ visitor: { id: "user-1", email: "u@e.x", firstName: "A", firstname: "B" }, account: { id: "acc-1", planLevel: "Gold" } });
  pendo.track("Known Event", { d: new Date(0) });
  await pendo.flushNow();
  pendo.identify("user-2", "acc-2"); await pendo.flushNow();
  pendo.identify({ visitor: { id: "VISITOR-UNIQUE-ID" }, account: { id: "acc-2" }, parentAccount: { id: "par-1" } }); await pendo.flushNow();
  out.account = pendo.getAccountId(); out.visitor = pendo.getVisitorId();
  pendo.clearSession(); out.cleared = pendo.getVisitorId();
  var noise = ""; while (noise.length < 9000) noise += Math.random().toString(36);
  pendo.track("Big", { blob: noise }); await pendo.flushNow();
  pendo.track("Left behind", {}); await pendo.flushNow({ unload: true }); await wait(500);
  document.getElementById("out").textContent = JSON.stringify(out);
})();
</script>"""


def fetch(port: int, path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
        return json.load(answer)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_the_steps_of_the_capture(tmp_path: Path) -> None:
    """Acceptance 3, our half: queue, merge, placeholder, parent account, clearSession, GET, POST and beacon."""
    server = Server(tmp_path / "state.json")
    try:
        page = tmp_path / "page.html"
        page.write_text(
            PAGE.replace("KEY", seed.APP_KEY_WEB).replace("HOST", f"http://127.0.0.1:{server.port}")
        )
        done = subprocess.run(
            [str(CHROMIUM), *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", page.as_uri()],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        out = json.loads(done.stdout.partition('<pre id="out">')[2].partition("</pre>")[0])
        state, codes = (
            fetch(server.port, "/__sandbox/state"),
            {entry["code"] for entry in fetch(server.port, "/__sandbox/diagnostics")},
        )
        requests = fetch(server.port, "/__sandbox/requests")
    finally:
        server.kill()
    assert (out["readyBefore"], out["isAnonymous"], out["visitor"], out["account"]) == (
        False,
        True,
        "user-2",
        "par-1::acc-2",
    )
    assert out["anonymous"].startswith("_PENDO_T_")
    assert out["cleared"] not in (out["anonymous"], "user-2")
    owners = {event["event"]: event["visitorId"] for event in state["events"] if event["type"] == "track"}
    assert owners == {
        "Queued before the agent": "user-1",
        "Anon Event": "user-1",
        "Bad props": "user-1",
        "Known Event": "user-1",
        "Big": out["cleared"],
        "Left behind": out["cleared"],
    }
    properties = {event["event"]: event["properties"] for event in state["events"]}
    assert properties["Anon Event"] == {"n": 1, "ok": True, "s": "é"}
    assert properties["Bad props"] == {"__err__": "str"}
    assert properties["Known Event"] == {"d": "1970-01-01T00:00:00.000Z"}
    assert state["visitors"]["user-1"]["metadata"]["agent"] == {"email": "u@e.x", "firstname": "B"}
    assert state["visitors"]["user-1"]["accounts"] == ["acc-1"]
    assert state["visitors"]["user-2"]["accounts"] == ["acc-2", "par-1::acc-2"]
    assert state["accounts"]["acc-1"]["metadata"]["agent"] == {"planlevel": "Gold"}
    assert "bad_jzb" not in codes
    ptm = [request for request in requests if "/ptm.gif/" in request["path"]]
    assert {request["method"] for request in ptm} == {"GET", "OPTIONS", "POST"}
    assert {request["status"] for request in requests} == {200, 204}
    assert any("/guide.json/" in request["path"] for request in requests)
