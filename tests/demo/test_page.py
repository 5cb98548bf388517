"""The demo shop: what it serves, what it lets through, and that it asks no other host for anything."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from sternpost.commandline import CommandLine
from sternpost.demo import page
from sternpost.demo.page import create_app, rudderstack_sdk
from sternpost.demo.shown import Shopfront, shopfronts
from sternpost.destinations.registry import DESTINATIONS
from sternpost.workspace.document import parse
from sternpost.workspace.stored import demo_document

SANDBOX = "http://127.0.0.1:8090"
STATIC = Path(page.__file__).parent / "static"
EVENTS = {
    "events": [
        {
            "messageId": "m1",
            "type": "group",
            "name": "",
            "userId": "u1",
            "event": {
                "groupId": "g",
                "secretly": "long",
                "context": {"library": {"variant": "sternpost", "version": "1"}},
            },
            "destinations": [
                {
                    "destination": "pendo",
                    "state": "delivered",
                    "reason": None,
                    "explanation": "It answered 200.",
                    "remedy": "",
                    "attempts": [{"request": {"headers": {"x": "masked"}}}],
                }
            ],
        },
        {"messageId": "m2", "type": "track", "name": "Hello", "userId": "", "seen": {"library": "curl 1"}},
    ]
}
FRONTS = [Shopfront("web", 'wk-"web"', "hybrid"), Shopfront("web-cloud", "wk-cloud", "cloud")]
STATE = {
    "visitors": {
        "u1": {"metadata": {"agent": {"name": "Name"}, "custom": {"plan": "pro"}, "auto": {"id": "u1"}}, "accounts": ["g"]},
        "u2": {"metadata": {"agent": {}}, "accounts": []},
    },
    "accounts": {"g": {"metadata": {"agent": {"industry": "Industry"}}}},
    "events": [
        {"type": "track", "event": "a", "visitorId": "u2", "accountId": "g", "timestamp": 1, "properties": {"n": 1}, "context": {}},
        {"type": "load", "event": None, "visitorId": "u2", "accountId": "", "timestamp": 2, "properties": {}, "context": {}},
        {"type": "track", "event": "b", "visitorId": "u1", "accountId": "", "timestamp": 3, "properties": {}, "context": {}},
    ],
}  # fmt: skip


async def ask(
    path: str,
    *,
    method: str = "GET",
    state: Any = STATE,
    fronts: Sequence[Shopfront] = FRONTS,
    rudderstack: bytes | None = None,
) -> tuple[int, dict[str, str], bytes]:
    """One request to the app in this process."""

    async def events_of(anonymous_id: str) -> Any:
        assert ":" not in anonymous_id, "an id must not become more than a value of the filter"
        return EVENTS if anonymous_id == "a1" else None

    async def read(url: str) -> Any:
        assert url == f"{SANDBOX}/__sandbox/state"
        if isinstance(state, Exception):
            raise state
        return state

    app = create_app(
        sandbox_url=lambda: SANDBOX,
        shopfronts=lambda: fronts,
        events_of=events_of,
        read_sandbox=read,
        rudderstack=rudderstack,
        commands=CommandLine(".venv/bin/sternpost", " --data-dir 'a b'"),
    )
    status, headers, body = 0, {}, b""

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        nonlocal status, headers, body
        if message["type"] == "http.response.start":
            status = message["status"]
            headers = {name.decode(): value.decode() for name, value in message["headers"]}
        body += message.get("body", b"")

    raw, _, query = path.partition("?")
    scope = {
        "type": "http",
        "method": method,
        "path": unquote(raw),
        "raw_path": raw.encode(),
        "query_string": query.encode(),
        "headers": [],
    }
    await app(scope, receive, send)
    return status, headers, body


async def test_page() -> None:
    """The page names the sandbox and the chosen mode, and its policy allows this origin and the sandbox only."""
    status, headers, body = await ask("/demo/")
    assert status == 200
    assert headers["content-type"] == "text/html; charset=utf-8"
    policy = headers["content-security-policy"]
    assert policy.startswith(f"default-src 'none'; script-src 'self' {SANDBOX}; style-src 'self';")
    assert f"connect-src 'self' {SANDBOX};" in policy
    assert "unsafe" not in policy
    text = body.decode()
    assert f'href="{SANDBOX}/__sandbox/"' in text
    assert '<a href="?mode=hybrid" aria-current="true">Hybrid</a><a href="?mode=cloud">Cloud</a>' in text
    assert '<script async src="/lib/sp.min.js"></script>' in text
    assert "wk-&quot;web&quot;" in text
    assert "RudderStack" not in text
    # Lines to copy begin as the server was started, and find it.
    assert "<code>.venv/bin/sternpost tail --data-dir &#x27;a b&#x27;</code>" in text
    assert "<code>sternpost" not in text
    assert "{{" not in text
    assert "?mode=device" not in text, "no source is connected in that mode"


async def test_mode_is_a_source() -> None:
    """The snippet loads with the write key of the source that is connected in the chosen mode; an unknown mode is the first."""
    assert b'load("wk-\\"web\\"", location.origin)' in (await ask("/demo/snippet.js"))[2]
    assert b'load("wk-cloud", location.origin)' in (await ask("/demo/snippet.js?mode=cloud"))[2]
    assert b'load("wk-\\"web\\"", location.origin)' in (await ask("/demo/snippet.js?mode=nonsense"))[2]
    assert (await ask("/demo/", fronts=[]))[0] == 404


def test_shopfronts() -> None:
    """The demo's workspace has a web source for each mode; those that are switched off are not offered."""
    document: Any = demo_document(SANDBOX)
    found = shopfronts(parse(document, destinations=DESTINATIONS))
    assert [(one.mode, one.write_key) for one in found] == [
        ("hybrid", "wk-web"),
        ("device", "wk-web-device"),
        ("cloud", "wk-web-cloud"),
    ]
    document["sources"][0]["enabled"] = False
    assert [one.mode for one in shopfronts(parse(document, destinations=DESTINATIONS))] == ["device", "cloud"]


async def test_rudderstack(tmp_path: Path) -> None:
    """RudderStack's own SDK is offered where the checkout has it, and nowhere else."""
    assert (await ask("/demo/rudderstack.js"))[0] == 404
    assert b"rudderstack.js" not in (await ask("/demo/?sdk=rudderstack"))[2]
    text = (await ask("/demo/?mode=cloud&sdk=rudderstack", rudderstack=b"// genuine"))[2].decode()
    assert text.index("rudderstack.js") < text.index('src="snippet.js?mode=cloud&amp;sdk=rudderstack"')
    assert "sp.min.js" not in text
    assert (await ask("/demo/rudderstack.js", rudderstack=b"// genuine"))[2] == b"// genuine"
    script = (await ask("/demo/snippet.js?mode=cloud&sdk=rudderstack", rudderstack=b"// genuine"))[2]
    assert b"new window.rudderanalytics.RudderAnalytics()" in script
    assert b'load("wk-cloud"' in script

    place = tmp_path / "browser/node_modules/@rudderstack/analytics-js/dist/npm/modern/bundled/umd"
    place.mkdir(parents=True)
    (place / "index.js").write_text("// genuine")
    assert rudderstack_sdk(tmp_path) is None, "not a checkout"
    (tmp_path / "pyproject.toml").touch()
    assert rudderstack_sdk(tmp_path) == b"// genuine"


async def test_files() -> None:
    for name in ("page.css", "shop.js", "panel.js"):
        status, headers, body = await ask(f"/demo/{name}")
        assert status == 200
        assert body == (STATIC / name).read_bytes()
        assert headers["x-content-type-options"] == "nosniff"
    status, headers, _ = await ask("/demo")
    assert (status, headers["location"]) == (307, "/demo/")
    assert (await ask("/demo/../etc/passwd"))[0] == 404
    assert (await ask("/demo/nothing"))[0] == 404
    assert (await ask("/demo/", method="POST"))[0] == 405


async def test_recent() -> None:
    """Of an event the page gets what it shows, and nothing of its content, its requests or a token."""
    status, _, body = await ask("/demo/recent/a1")
    assert status == 200
    told = {
        "destination": "pendo",
        "state": "delivered",
        "reason": None,
        "explanation": "It answered 200.",
        "remedy": "",
    }
    assert json.loads(body)["events"] == [
        {"messageId": "m1", "type": "group", "userId": "u1", "name": "g", "library": "Sternpost’s SDK 1", "destinations": [told]},
        {"messageId": "m2", "type": "track", "userId": "", "name": "Hello", "library": "curl 1", "destinations": []},
    ]  # fmt: skip
    for unknown in ("a2", "x" * 300, "", "a1%20source:web", "%22"):
        assert json.loads((await ask(f"/demo/recent/{unknown}"))[2]) == {"events": []}


async def test_sandbox_state() -> None:
    """Counts, and the newest of each kind; who did something last comes first."""
    found = json.loads((await ask("/demo/sandbox-state"))[2])
    assert found["counts"] == {"visitors": 2, "accounts": 1, "events": 2}
    assert [visitor["id"] for visitor in found["visitors"]] == ["u1", "u2"]
    assert found["visitors"][0] == {"id": "u1", "fields": {"name": "Name", "plan": "pro"}, "accounts": ["g"]}
    assert found["accounts"] == [{"id": "g", "fields": {"industry": "Industry"}}]
    assert [event["event"] for event in found["events"]] == ["b", "a"]


@pytest.mark.parametrize(
    "state", [OSError("gone"), ValueError("no JSON"), {}, [], {"visitors": 1, "accounts": 2, "events": 3}]
)
async def test_sandbox_that_does_not_answer(state: Any) -> None:
    found = json.loads((await ask("/demo/sandbox-state", state=state))[2])
    assert found == {"error": f"The sandbox at {SANDBOX} does not answer."}


def test_nothing_from_elsewhere() -> None:
    """No address of another host in the files, no inline script or style; small."""
    html = (STATIC / "page.html").read_text()
    for name in ("page.html", "page.css", "shop.js", "panel.js", "snippet.js", "rudderstack-load.js"):
        text = (STATIC / name).read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"(https?:)?//[a-z0-9.-]+\.[a-z]{2,}", text), name
    assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son[a-z]+=", html)
    assert sum(path.stat().st_size for path in STATIC.iterdir()) <= 60_000


def test_documented_calls() -> None:
    """The first person is the one of the documented calls."""
    script = (STATIC / "shop.js").read_text()
    for text in (
        'userId: "name123"',
        'name: "Name Surname"',
        'createdAt: "Thu Mar 24 2020 17:46:45 GMT+0000 (UTC)"',
        'company: { name: "Company", industry: "Industry", employees: 123, email: "abc@xyz.com" }',
    ):
        assert text in script


def luminance(color: str) -> float:
    channels = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(scheme: str) -> None:
    """Every text colour is read on every ground with a contrast of at least 4.5 to 1, in both schemes."""
    css = (STATIC / "page.css").read_text()
    light, dark = re.findall(r":root \{(.*?)\}", css, re.DOTALL)[:2]
    colors = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", light if scheme == "light" else dark))
    pairs = [
        (text, ground)
        for text in ("ink", "soft", "accent", "good", "wait", "bad")
        for ground in ("ground", "surface")
    ]
    for text, ground in [*pairs, ("ink", "tint"), ("soft", "tint"), ("on-accent", "accent")]:
        first, second = sorted((luminance(colors[text]), luminance(colors[ground])), reverse=True)
        assert (first + 0.05) / (second + 0.05) >= 4.5, (text, ground)
