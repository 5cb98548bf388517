"""The demo shop: what it serves, what it lets through, and that it asks no other host for anything."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from sternpost.demo import page
from sternpost.demo.page import create_app

SANDBOX = "http://127.0.0.1:8090"
STATIC = Path(page.__file__).parent / "static"
FATE = {
    "events": [
        {
            "messageId": "m1",
            "event": {"secretly": "long"},
            "destinations": [
                {
                    "destination": "pendo",
                    "state": "delivered",
                    "reason": None,
                    "explanation": "It answered 200.",
                    "remedy": "",
                    "attempts": [{"request": {"headers": {"x": "masked"}}}],
                    "nextAttemptAt": None,
                }
            ],
        }
    ]
}
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


async def ask(path: str, *, method: str = "GET", state: Any = STATE) -> tuple[int, dict[str, str], bytes]:
    """One request to the app in this process."""
    asked: list[str] = []

    async def fate(message_id: str) -> Any:
        asked.append(message_id)
        return FATE if message_id == "m/1" else None

    async def read(url: str) -> Any:
        assert url == f"{SANDBOX}/__sandbox/state"
        if isinstance(state, Exception):
            raise state
        return state

    app = create_app(sandbox_url=lambda: SANDBOX, write_key='wk-"web"', api=fate, read_sandbox=read)
    messages: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        messages.append(message)

    from urllib.parse import unquote

    scope = {
        "type": "http",
        "method": method,
        "path": unquote(path),
        "raw_path": path.encode(),
        "headers": [],
    }
    await app(scope, receive, send)
    headers = {name.decode(): value.decode() for name, value in messages[0]["headers"]}
    return messages[0]["status"], headers, messages[1]["body"]


async def test_page() -> None:
    """The page names the write key and the sandbox, and its policy allows this origin and the sandbox only."""
    status, headers, body = await ask("/demo/")
    assert status == 200
    assert headers["content-type"] == "text/html; charset=utf-8"
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert f"connect-src 'self' {SANDBOX};" in policy
    assert "unsafe" not in policy
    text = body.decode()
    assert 'data-write-key="wk-&quot;web&quot;"' in text
    assert f'href="{SANDBOX}/__sandbox/"' in text
    assert "{{" not in text


async def test_files() -> None:
    for name in ("page.css", "page.js"):
        status, headers, body = await ask(f"/demo/{name}")
        assert status == 200
        assert body == (STATIC / name).read_bytes()
        assert headers["x-content-type-options"] == "nosniff"
    status, headers, _ = await ask("/demo")
    assert (status, headers["location"]) == (307, "/demo/")
    assert (await ask("/demo/../etc/passwd"))[0] == 404
    assert (await ask("/demo/nothing"))[0] == 404
    assert (await ask("/demo/", method="POST"))[0] == 405


async def test_fate() -> None:
    """Of a fate the page gets what it shows, and nothing of the event, its requests or a token."""
    status, _, body = await ask("/demo/fate/m%2F1")
    assert status == 200
    assert json.loads(body) == {
        "known": True,
        "destinations": [
            {
                "destination": "pendo",
                "state": "delivered",
                "reason": None,
                "explanation": "It answered 200.",
                "remedy": "",
                "nextAttemptAt": None,
            }
        ],
    }
    for unknown in ("m2", "x" * 300, ""):
        assert json.loads((await ask(f"/demo/fate/{unknown}"))[2]) == {"known": False, "destinations": []}


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
    for name in ("page.html", "page.css", "page.js"):
        text = (STATIC / name).read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"(https?:)?//[a-z0-9.-]+\.[a-z]{2,}", text), name
    assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son[a-z]+=", html)
    assert (STATIC / "page.js").stat().st_size <= 60_000
    assert (STATIC / "page.css").stat().st_size <= 30_000


def test_documented_calls() -> None:
    """The buttons make exactly the documented calls."""
    script = (STATIC / "page.js").read_text()
    for text in (
        'userId: "name123"',
        'name: "Name Surname"',
        'createdAt: "Thu Mar 24 2020 17:46:45 GMT+0000 (UTC)"',
        'traits: { name: "Company", industry: "Industry", employees: 123, email: "abc@xyz.com" }',
        'event: "test track event", properties: { revenue: 30, currency: "USD", userId: "12345" }',
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
