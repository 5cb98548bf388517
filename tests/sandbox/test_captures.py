"""Recorded requests of the genuine agent in pages with genuine SDKs: the sandbox holds what the page itself said at the end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sternpost.sandbox import jzb, seed
from tests.sandbox.conftest import Client

CAPTURES = json.loads(
    (Path(__file__).parent.parent / "data" / "browser_captures.json").read_text(encoding="utf-8")
)["agent"]
PTM = f"/data/ptm.gif/{seed.APP_KEY_WEB}?v=2&ct=1"


def stored(part: dict[str, Any]) -> dict[str, Any]:
    """A part of the page's metadata as Pendo stores it: names in lower case, without what has a place of its own."""
    return {key.lower(): value for key, value in part.items() if key not in {"id", "language"}}


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda capture: capture["recorded"])
async def test_replay(client: Client, capture: dict[str, Any]) -> None:
    """Visitor, account and track events, whether they came by GET or by POST."""
    for request in capture["requests"]:
        packed = jzb.encode(request["events"])
        if request["method"] == "GET":
            answer = await client.get(f"{PTM}&jzb={packed}")
        else:
            answer = await client.post(f"{PTM}&s={len(packed)}", {"events": packed})
        assert answer.status == 200
        assert answer.headers["content-type"] == "image/gif"
    state, page = await client.state(), capture["state"]
    visitor = state["visitors"][page["visitorId"]]
    assert visitor["metadata"]["agent"] == stored(page["metadata"]["visitor"])
    if page["accountId"]:
        assert page["accountId"] in visitor["accounts"]
        account = state["accounts"][page["accountId"]]["metadata"].get("agent", {})
        assert account == stored(page["metadata"]["account"])
    sent = [
        (event["track_event_name"], event["visitor_id"], event.get("account_id"), event["props"])
        for request in capture["requests"]
        for event in request["events"]
        if event["type"] == "track"
    ]
    kept = [
        (event["event"], event["visitorId"], event["accountId"], event["properties"])
        for event in state["events"]
        if event["type"] == "track"
    ]
    assert kept == sent
