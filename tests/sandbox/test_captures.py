"""Recorded requests of the genuine agent in pages with genuine SDKs: the sandbox holds what the page itself said at the end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sternpost.sandbox import jzb, seed
from tests.sandbox.conftest import Client

FOLDER = Path(__file__).parent.parent / "data" / "captures"
CAPTURES = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}
WITH_AGENT = {name: capture for name, capture in CAPTURES.items() if "agent" in capture}
PTM = f"/data/ptm.gif/{seed.APP_KEY_WEB}?v=2&ct=1"


def stored(part: dict[str, Any]) -> dict[str, Any]:
    """A part of the page's metadata as Pendo stores it: names in lower case, without what has a place of its own."""
    return {key.lower(): value for key, value in part.items() if key not in {"id", "language"}}


def said_at_the_end(capture: dict[str, Any]) -> dict[str, Any]:
    """What the page said of the agent; where it was left before it could, what the agent sent of one user and account, the later over the earlier."""
    if "pendoStateAtEnd" in capture:
        state: dict[str, Any] = capture["pendoStateAtEnd"]
        return state
    metas = [event for request in capture["agent"] for event in request["events"] if event["type"] == "meta"]
    metas.sort(key=lambda event: event["browser_time"])
    parts: dict[str, dict[str, Any]] = {"visitor": {}, "account": {}}
    for event in metas:
        for part, values in parts.items():
            values |= event["props"][part]
    return {"visitorId": metas[-1]["visitor_id"], "accountId": metas[-1]["account_id"], "metadata": parts}


@pytest.mark.parametrize("capture", WITH_AGENT.values(), ids=WITH_AGENT)
async def test_replay(client: Client, capture: dict[str, Any]) -> None:
    """Visitor, account and track events, whether they came by GET or by POST."""
    for request in capture["agent"]:
        packed = jzb.encode(request["events"])
        if request["method"] == "GET":
            answer = await client.get(f"{PTM}&jzb={packed}")
        else:
            answer = await client.post(f"{PTM}&s={len(packed)}", {"events": packed})
        assert answer.status == 200
        assert answer.headers["content-type"] == "image/gif"
    state, page = await client.state(), said_at_the_end(capture)
    visitor = state["visitors"][page["visitorId"]]
    assert visitor["metadata"]["agent"] == stored(page["metadata"]["visitor"])
    if page["accountId"]:
        assert page["accountId"] in visitor["accounts"]
        account = state["accounts"][page["accountId"]]["metadata"].get("agent", {})
        assert account == stored(page["metadata"]["account"])
    sent = [
        (event["track_event_name"], event["visitor_id"], event.get("account_id"), event["props"])
        for request in capture["agent"]
        for event in request["events"]
        if event["type"] == "track"
    ]
    kept = [
        (event["event"], event["visitorId"], event["accountId"], event["properties"])
        for event in state["events"]
        if event["type"] == "track"
    ]
    assert kept == sent
