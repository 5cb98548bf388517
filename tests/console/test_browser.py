"""The console in a real browser, before a real `sternpost demo`: every page in both schemes, narrow and wide."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.cli.programs import fetch, running
from tests.console.screens import NARROW, SCREENS, WIDE, send
from tests.demo import browser
from tests.waiting import until

pytestmark = pytest.mark.skipif(
    browser.PROGRAM is None and not os.environ.get("CI"), reason="no Chromium here; apt-get install chromium"
)

HOSTILE = "<script>document.title='owned'</script><img src=x onerror=alert(1)>"
HOSTILE_NAME = "<img src=x onerror=alert(3)>"  #: of a user, a source, a destination and a token
#: Accessibility rules (axe-core, of the browser's development packages): WCAG 2 A and AA, and best practice.
AXE = Path(__file__).parents[2] / "browser/node_modules/axe-core/axe.min.js"
VIOLATIONS = """axe.run(document, {resultTypes: ["violations"]}).then((found) => found.violations.map(
  (one) => `${one.id} (${one.impact}): ${one.nodes.slice(0, 3).map((node) => node.html.slice(0, 200)).join(" | ")}`))"""
#: What a person would stumble over, asked of the page itself.
STUMBLES = """(() => {
  const found = [];
  if (document.documentElement.scrollWidth > innerWidth) found.push(`sideways: ${document.documentElement.scrollWidth}`);
  if (document.querySelectorAll("h1").length !== 1) found.push("not one h1");
  let level = 0;
  for (const heading of document.querySelectorAll("main h1, main h2, main h3")) {
    const own = Number(heading.tagName[1]);
    if (level && own > level + 1) found.push(`heading out of order: ${heading.textContent}`);
    level = own;
  }
  for (const one of document.querySelectorAll("button, input:not([type=hidden]), a.button, summary, select")) {
    const box = one.getBoundingClientRect();
    const style = getComputedStyle(one);
    if (!box.width || one.closest(".hidden") || one.classList.contains("hidden") || ["radio", "checkbox"].includes(one.type) || style.visibility === "hidden") continue;
    if (box.height < 24) found.push(`small: ${one.outerHTML.slice(0, 80)} ${box.height}`);
    if (!(one.textContent.trim() || one.getAttribute("aria-label") || (one.labels && one.labels.length))) found.push(`nameless: ${one.outerHTML.slice(0, 80)}`);
  }
  return found;
})()"""


async def test_every_page(tmp_path: Path) -> None:
    """From the printed address to every page; nothing is asked of another host, nothing is complained about, nothing goes sideways,
    and what a client sent stays text. Then the work itself: live rows, a trace that goes on by itself, keys, retry.
    """
    with running("demo", "--port", "0", "--sandbox-port", "0", "--no-open", cwd=tmp_path) as demo:
        setup = demo.line(r"Set up +(\S+)")[1]
        sandbox = demo.line(r"Sandbox +(\S+)/__sandbox/")[1]
        base = setup.partition("/console/")[0]
        async with browser.page() as page:
            await page.size(1280, 900)
            await page.open(setup)
            await page.run("document.querySelector('main button').click()")
            await page.until("location.pathname === '/console/'")

            # The minute: the button on Home, and the event's page follows it until it is delivered.
            await page.until("!!document.querySelector('form[action=\"/console/test-event\"] button')")
            await page.run("document.querySelector('form[action=\"/console/test-event\"] button').click()")
            await page.until("document.querySelector('.verdict.delivered') !== null")
            assert "Delivered to Pendo sandbox" in await page.run(
                "document.querySelector('.verdict').textContent"
            )

            # Live: a row appears by itself, and its state changes in place; a paused list waits.
            await page.open(f"{base}/console/events")
            await page.until("document.getElementById('live-state').textContent.includes('Live.')")
            assert send(base, "wk-backend", "/v1/track", {"messageId": "good", "userId": "u1", "event": "Order", "properties": {"cart": {"id": 1}}}) == 200  # fmt: skip
            await page.until("/Order[^]*delivered/.test(document.querySelector('#rows tbody tr').innerText)")
            await page.run("document.getElementById('pause').click()")
            assert send(base, "wk-backend", "/v1/track", {"messageId": "bad", "userId": "VISITOR-UNIQUE-ID", "event": HOSTILE}) == 200  # fmt: skip
            await page.until("/Paused; [1-9]/.test(document.getElementById('live-state').textContent)")
            assert "Order" in await page.run("document.querySelector('#rows tbody tr').innerText")
            await page.run("document.getElementById('pause').click()")
            await page.until("document.querySelector('#rows tbody tr').innerText.includes('rejected')")
            assert send(base, "wk-nobody", "/v1/track", {"userId": "u", "event": "x"}) == 401

            name_everything(base, tmp_path)
            assert AXE.exists() or not os.environ.get("CI"), "run scripts/bootstrap.sh clients"
            for screen in SCREENS:
                path = f"/console{screen.path}"
                for width in (WIDE, NARROW):
                    for dark in (False, True):
                        await page.size(width, 900, dark=dark)
                        await page.open(f"{base}{path}")
                        assert await page.run(STUMBLES) == [], (path, width, dark)
                        if AXE.exists():
                            await page.run(AXE.read_text() + ";0")
                            assert await page.run(VIOLATIONS) == [], (path, width, dark)
                        assert await page.run("document.title") != "owned"
                        assert (
                            await page.run("document.querySelectorAll('main img, main script').length") == 0
                        )
                        assert await page.run(
                            "getComputedStyle(document.documentElement).backgroundColor"
                        ) == ("rgb(18, 25, 26)" if dark else "rgb(246, 244, 239)")

            if AXE.exists():
                # The check itself finds something where there is something.
                await page.run("document.documentElement.removeAttribute('lang')")
                await page.run(AXE.read_text() + ";0")
                assert "html-has-lang" in str(await page.run(VIOLATIONS))

            # Keys: / goes to the search, g d to the destinations, j and Enter into the first row.
            await page.size(1280, 900)
            await page.open(f"{base}/console/events")
            await key(page, "/")
            await page.until("document.activeElement.id === 'search'")
            await page.run("document.activeElement.blur()")
            await key(page, "j")
            await page.until("document.activeElement.className === 'open'")
            await key(page, "?")
            await page.until("document.getElementById('keys').open")
            await page.run("document.getElementById('keys').close()")
            await key(page, "g")
            await key(page, "d")
            await page.until("location.pathname === '/console/destinations'")

            # Tabs of a source: the arrow keys choose one, without a script, and only that one is there.
            await page.open(f"{base}/console/sources/backend")
            shown = "[...document.querySelectorAll('.snippet')].filter((one) => one.offsetParent).map((one) => one.querySelector('code').id)"
            assert await page.run(shown) == ["snippet-node"]
            await page.run("document.getElementById('tab-node').focus()")
            await page.call(
                "Input.dispatchKeyEvent",
                type="rawKeyDown",
                key="ArrowRight",
                code="ArrowRight",
                windowsVirtualKeyCode=39,
            )
            await page.until(f"{shown}[0] === 'snippet-python'")

            # One more row in a form without asking the server; it has names of its own.
            await page.open(f"{base}/console/destinations/pendo/settings")
            await page.run("document.querySelector('[data-more=consent]').click()")
            assert await page.run("document.activeElement.name") == "s.consent.1.provider"
            assert await page.run(
                "new Set([...document.querySelectorAll('[id]')].map((one) => one.id)).size === document.querySelectorAll('[id]').length"
            )

            # A destination in trouble: the trace tells it and goes on by itself once the trouble is over.
            faults = {"match": "/data/track", "status": 503, "body": "busy", "times": 4}
            fetch(f"{sandbox}/__sandbox/faults", content=faults, headers={"content-type": "application/json"})
            send(base, "wk-backend", "/v1/track", {"messageId": "late", "userId": "u2", "event": "Late"})
            await page.open(f"{base}/console/events/late")
            await page.until("document.querySelector('.verdict.delivered') !== null", 40)
            assert await page.run("document.querySelectorAll('.tries a').length") >= 2

            # A dead letter: retried from the list.
            await page.open(f"{base}/console/failures")
            await page.run(
                "[...document.querySelectorAll('button')].find((one) => one.textContent.startsWith('Retry all')).click()"
            )
            await page.until("!!document.querySelector('.said')")

            # Without a script everything can still be read, and the form still posts.
            await page.call("Emulation.setScriptExecutionDisabled", value=True)
            await page.open(f"{base}/console/events/good")
            assert "Delivered to Pendo sandbox" in await page.run("document.body.innerText")
            await page.call("Emulation.setScriptExecutionDisabled", value=False)

            hosts = {urlsplit(url).netloc for url in page.requested if not url.startswith("data:")}
            assert hosts == {urlsplit(base).netloc}
            # Two of the pages say that there is no such thing, with the status 404, which Chromium notes.
            assert [one for one in page.complaints if "status of 404" not in one] == []
        # The one-time address stands in no log, and the server stops although somebody watched.
        assert setup.rpartition("/")[2] not in demo.errors()
        assert demo.stop() == 0


def name_everything(base: str, folder: Path) -> None:
    """A user, a token, a source and a destination whose names would run in a careless page."""
    token = (folder / "sternpost-demo/api-token").read_text().strip()
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    for path in ("/users", "/tokens"):
        fetch(f"{base}/api/v1{path}", content={"name": HOSTILE_NAME, "role": "viewer"}, headers=headers)
    workspace = fetch(f"{base}/api/v1/workspace", headers=headers)["document"]
    workspace["sources"].append({"id": "hostile", "name": HOSTILE_NAME, "type": "server"})
    workspace["destinations"].append(
        {
            "id": "hostile",
            "name": HOSTILE_NAME,
            "type": "webhook",
            "enabled": False,
            "settings": {"url": "https://hooks.example.com/"},
        }
    )
    request = urllib.request.Request(
        f"{base}/api/v1/workspace", json.dumps({"document": workspace}).encode(), headers, method="PUT"
    )
    with urllib.request.urlopen(request) as reply:
        assert reply.status == 200


async def key(page: browser.Page, text: str) -> None:
    for kind in ("keyDown", "keyUp"):
        await page.call("Input.dispatchKeyEvent", type=kind, key=text, text=text if kind == "keyDown" else "")


def test_serve_prints_the_address(tmp_path: Path) -> None:
    """`sternpost serve` prints it while nobody owns the server, and the console's plain address afterwards; `/` leads there."""
    with running("serve", "--port", "0", cwd=tmp_path) as server:
        setup = server.line(r"Set up +(\S+)")[1]
        server.line(r"Stop with")
        assert len(server.seen) <= 12
        base = setup.partition("/console/")[0]
        assert urllib.request.urlopen(f"{base}/").url.startswith(f"{base}/console/sign-in")
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        page = opener.open(setup).read().decode()
        token = page.partition('name="form_token" value="')[2][:32]
        found = opener.open(setup, data=f"form_token={token}".encode())
        assert found.url == f"{base}/console/"
        assert setup.rpartition("/")[2] not in server.errors()
        assert server.stop() == 0
    with running("serve", "--port", "0", cwd=tmp_path) as server:
        server.line(r"Console +(\S+)/console/")
        server.line(r"Stop with")
        assert not any("/setup/" in line for line in server.seen)
        until(lambda: server.stop() == 0)
