"""The bodies of requests: kept byte for byte, unpacked, bounded in size, in time, and all together."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib
from typing import Any

import pytest

from sternpost import limits
from sternpost.model import Source
from tests.gateway.door import EVENT, KEY, Door, basic


async def test_an_event_is_kept_byte_for_byte() -> None:
    """Spaces, key order, escapes, large numbers: what arrives is what is kept, alone and in a batch."""
    own = (
        b'{ "userId" : "u1",\t"n":123456789012345678901234567890, "f":1e400, "s":"\\u00e9\xc3\xa9","d":1.10 }'
    )
    door = Door()
    assert (await door.post("/v1/track", own)).status == 200
    assert (
        await door.post("/v1/batch", b'{"sentAt":"x","batch":[ ' + own + b" , " + own + b"]}")
    ).status == 200
    assert [event.body for event in door.events] == [own] * 3


@pytest.mark.parametrize(("size", "status"), [(4_096_000, 200), (4_096_001, 413)])
@pytest.mark.parametrize("way", ["length", "chunked", "gzip"])
async def test_the_limit_is_on_decoded_bytes(size: int, status: int, way: str) -> None:
    """4,096,000 bytes pass and one more does not, whether the length is announced, chunked or packed."""
    frame = b'{"userId":"u1","p":"' + b'"}'
    body = frame[:-2] + b"a" * (size - len(frame)) + frame[-2:]
    door = Door()
    if way == "gzip":
        answer = await door.post("/v1/track", gzip.compress(body), basic() | {"Content-Encoding": "gzip"})
    elif way == "chunked":
        pieces = [body[at : at + 65_536] for at in range(0, size, 65_536)]
        answer = await door.request("POST", "/v1/track", headers=basic(), pieces=pieces)
    else:
        answer = await door.post("/v1/track", body)
    assert answer.status == status
    assert len(door.events) == (status == 200)


async def test_too_large_comes_before_json_and_identity_but_after_the_write_key() -> None:
    """Over the limit, 413 hides what else is wrong with the body; a wrong key is 401 without a byte read."""
    door = Door()
    assert (await door.post("/v1/track", b"x" * 4_096_001)).status == 413
    assert door.read == 0
    assert (await door.post("/v1/track", b"x" * 4_096_001, basic("other"))).status == 401
    assert door.read == 0


@pytest.mark.parametrize("bomb", ["one member", "many members", "empty members"])
async def test_a_gzip_bomb_costs_no_memory(bomb: str) -> None:
    """A small body that unpacks to gigabytes is refused after the limit, with memory of a few bodies."""
    if bomb == "one member":
        packer = zlib.compressobj(9, zlib.DEFLATED, 31)
        packed = b"".join(packer.compress(bytes(1_000_000)) for _ in range(1_000)) + packer.flush()
    elif bomb == "many members":
        packed = gzip.compress(bytes(1_000_000)) * 1_000
    else:
        packed = gzip.compress(b"") * 100_000
    door = Door()
    tracemalloc.start()
    try:
        answer = await door.post("/v1/track", packed, basic() | {"Content-Encoding": "gzip"})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answer.status == (400 if bomb == "empty members" else 413)
    assert peak < 5 * limits.REQUEST_BODY_BYTES_MAX
    assert not door.events


async def test_several_gzip_members_in_any_pieces_are_one_body() -> None:
    """A packed body may have several members, and arrive byte by byte."""
    packed = gzip.compress(EVENT[:20]) + gzip.compress(EVENT[20:])
    door = Door()
    pieces = [packed[at : at + 1] for at in range(len(packed))]
    headers = basic() | {"Content-Encoding": "GZIP"}
    assert (await door.request("POST", "/v1/track", headers=headers, pieces=pieces)).status == 200
    assert door.events[0].body == EVENT


@pytest.mark.parametrize(
    "packed",
    [b"", b"\x1f\x8b", gzip.compress(EVENT)[:-1], gzip.compress(EVENT) + b"\0\0", b"plain", EVENT],
    ids=["empty", "header", "cut", "padded", "text", "json"],
)
async def test_what_is_not_gzip_is_the_clients_fault(packed: bytes) -> None:
    """400, not 500: repeating it would not help."""
    door = Door()
    answer = await door.post("/v1/track", packed, basic() | {"Content-Encoding": "gzip"})
    assert (answer.status, answer.body) == (400, b"failed to read body from request\n")
    assert answer.header("sternpost-reason") == "bad_encoding"


async def test_other_codings_are_not_decoded() -> None:
    """A deflated body is no JSON; a plain one is read although its header names another coding, as RudderStack does."""
    door = Door()
    headers = basic() | {"Content-Encoding": "deflate"}
    assert (await door.post("/v1/track", zlib.compress(EVENT), headers)).body == b"invalid json\n"
    assert (await door.post("/v1/track", EVENT, headers)).status == 200


async def test_a_client_that_goes_away_leaves_nothing() -> None:
    """A body that ends with the connection is not kept, and gives its memory back."""
    door = Door()
    for pieces in ([b""], [EVENT[:10], b""]):
        answer = await door.request(
            "POST", "/v1/track", headers=basic(), pieces=pieces, ending="http.disconnect"
        )
        assert answer.header("sternpost-reason") == "body_not_read"
    assert not door.events
    assert door.gateway._bodies.held_bytes == 0


async def test_a_body_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that starts a body and falls silent is let go after BODY_TIMEOUT_S, with an answer that asks for a repeat."""
    monkeypatch.setattr(limits, "BODY_TIMEOUT_S", 0.0)
    door = Door()
    sent: list[Any] = []
    messages = [{"type": "http.request", "body": EVENT[:5], "more_body": True}]

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop()
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(name.lower().encode(), value.encode()) for name, value in basic().items()]
    scope = {"type": "http", "method": "POST", "path": "/v1/track", "headers": headers, "client": None}
    await door.gateway(scope, receive, send)
    assert sent[0]["status"] == 500
    assert sent[1]["body"] == b"failed to read body from request\n"
    assert (door.gateway._requests, door.gateway._bodies.held_bytes) == (0, 0)


async def test_open_requests_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """One request more than the bound is 503 with Retry-After, before its key is looked at; others go on."""
    monkeypatch.setattr(limits, "REQUESTS_IN_FLIGHT_MAX", 1)
    storing = asyncio.Event()

    async def slow(source: Source, events: list[Any]) -> None:
        await storing.wait()

    door = Door(accepting=slow)
    first = asyncio.create_task(door.post("/v1/track", EVENT))
    await asyncio.sleep(0)
    answer = await door.post("/v1/track", EVENT, {})
    assert (answer.status, answer.body) == (503, b"Service Unavailable\n")
    assert answer.header("retry-after") == "1"
    assert (await door.request("GET", f"/pixel/v1/page?writeKey={KEY}&userId=u")).status == 200
    storing.set()
    assert (await first).status == 200
    assert len(door.events) == 1
    assert (await door.post("/v1/track", EVENT)).status == 200


async def test_open_bodies_are_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bodies that together pass the bound are 503 with Retry-After; their bytes are free again afterwards."""
    monkeypatch.setattr(limits, "BODY_BYTES_IN_FLIGHT_MAX", 2 * len(EVENT))
    storing = asyncio.Event()

    async def slow(source: Source, events: list[Any]) -> None:
        await storing.wait()

    door = Door(accepting=slow)
    open_ = [asyncio.create_task(door.post("/v1/track", EVENT)) for _ in range(2)]
    await asyncio.sleep(0)
    assert (await door.post("/v1/track", EVENT)).header("sternpost-reason") == "overloaded"
    storing.set()
    assert [answer.status for answer in await asyncio.gather(*open_)] == [200, 200]
    assert (door.gateway._requests, door.gateway._bodies.held_bytes) == (0, 0)


async def test_a_large_batch_is_kept_in_parts() -> None:
    """So many events that others would wait for them are kept as they came, whether or not their source floods."""
    door = Door(crowded=False)
    body = b'{"batch":[' + b",".join([b'{"userId":"u"}'] * 2_001) + b"]}"
    assert (await door.post("/v1/batch", body)).status == 200
    assert door.parts == [500, 500, 500, 500, 1]
    assert [event.position for event in door.events] == list(range(1, 2_002))
    await door.post("/v1/batch", b'{"batch":[' + b",".join([b'{"userId":"u"}'] * 500) + b"]}")
    assert len(door.parts) == 5
