"""Every case of the contract's `gateway.json`, in this process and, once, through a real server."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from base64 import b64decode
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import uvicorn

from tests.gateway.door import Answer, Door

CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent / "data" / "gateway.json").read_text(encoding="utf-8")
)["cases"]


def body_of(case: dict[str, Any]) -> bytes:
    made = case.get("bodyGenerator")
    text = made["prefix"] + made["repeat"] * made["count"] + made["suffix"] if made else case.get("body", "")
    body = text.encode()
    if case.get("bodyEncoding") == "gzip":
        return gzip.compress(body)
    if case.get("bodyEncoding") == "gzip-truncated":
        return gzip.compress(body)[:-12]
    return body


def fits(wanted: Any, given: Any) -> bool:
    if isinstance(wanted, dict) and "$regex" in wanted:
        return isinstance(given, str) and re.search(wanted["$regex"], given) is not None
    if isinstance(wanted, dict):
        return isinstance(given, dict) and all(fits(item, given.get(key)) for key, item in wanted.items())
    return bool(wanted == given)


def check_answer(case: dict[str, Any], answer: Any) -> None:
    expect = case["expect"]
    assert answer.status == expect["status"]
    if "body" in expect:
        assert answer.body == expect["body"].encode()
    if "bodyContains" in expect:
        assert expect["bodyContains"].encode() in answer.body
    if "bodyBase64Prefix" in expect:
        assert answer.body.startswith(b64decode(expect["bodyBase64Prefix"]))
    for name, wanted in expect.get("headers", {}).items():
        given: Any = answer.header(name)
        if isinstance(wanted, str) and "," in wanted:
            assert given is not None
            wanted, given = ([part.strip().lower() for part in text.split(",")] for text in (wanted, given))
        assert fits(wanted, given), name
    for name in expect.get("headersAbsent", []):
        assert answer.header(name) is None
    if answer.status == 200 and case["path"].startswith(("/v1/", "/beacon/")):
        assert answer.header("content-type") == "text/plain; charset=utf-8"
        assert answer.body == b"ok"
    if answer.status >= 400:
        assert answer.header("content-type") == "text/plain; charset=utf-8"
        assert answer.header("x-content-type-options") == "nosniff"
        assert answer.body.endswith(b"\n")


def check_events(case: dict[str, Any], events: list[dict[str, Any]]) -> None:
    expect = case["expect"]
    for stored in expect.get("stored", []):
        found = [event for event in events if fits(stored["find"], event)]
        assert found, stored["find"]
        assert any(fits(stored["match"], event) for event in found), (stored["match"], found)
    ids = {event["messageId"] for event in events}
    assert not ids & set(expect.get("notStored", []))
    if expect["status"] != 200:
        assert not events
    if "storedCount" in expect:
        assert len(events) == expect["storedCount"]


def test_all_cases_are_here() -> None:
    """The copy of the cases is complete."""
    assert len(CASES) == 85


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
async def test_case(case: dict[str, Any]) -> None:
    """A request of the contract gets exactly the contract's answer, and exactly its events are accepted."""
    door = Door()
    answer = await door.request(case["method"], case["path"], headers=case["headers"], body=body_of(case))
    check_answer(case, answer)
    check_events(case, door.shown())


async def test_all_cases_through_a_real_server() -> None:
    """The same answers come out of uvicorn over a socket, one connection after another."""
    door = Door()
    config = uvicorn.Config(
        door.gateway, host="127.0.0.1", port=0, lifespan="off", log_level="error", proxy_headers=False
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    try:
        while not server.started:
            await asyncio.sleep(0)
        port = server.servers[0].sockets[0].getsockname()[1]
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            for case in CASES:
                door.events.clear()
                body = body_of(case)
                async with session.request(
                    case["method"],
                    f"http://127.0.0.1:{port}{case['path']}",
                    headers=case["headers"],
                    data=body or None,
                    skip_auto_headers=("User-Agent", "Content-Type", "Accept", "Accept-Encoding"),
                    allow_redirects=False,
                ) as reply:
                    headers = [(name.lower(), value) for name, value in reply.headers.items()]
                    answer = Answer(reply.status, headers, await reply.read())
                check_answer(case, answer)
                check_events(case, door.shown())
    finally:
        server.should_exit = True
        await serving
