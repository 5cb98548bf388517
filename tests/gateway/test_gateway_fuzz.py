"""Whatever is sent, the gateway answers with a status of the contract, and keeps all of a request or nothing."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from sternpost.wire.message import read, received
from tests.gateway.door import KEY, Door, basic

STATUSES = {200, 204, 400, 401, 403, 404, 405, 413, 429, 503}
PATHS = ["/v1/track", "/v1/identify", "/v1/batch", "/v1/import", f"/beacon/v1/batch?writeKey={KEY}"]

# Texts of JSON rather than values: surrogates, huge numbers and keys given twice cannot be had from json.dumps.
atoms = st.sampled_from(
    [
        "null",
        "true",
        "0",
        "-1.5e3",
        "1e400",
        "9" * 40,
        '""',
        '"a"',
        '"\\ud800"',
        '"\\u0000"',
        '"é"',
        "NaN",
        "[",
        "}",
        '"',
    ]
)
ids = st.sampled_from(
    ['"u1"', '""', "null", "5", '" \\u0000 "', '{"id":1}', '"\\ud800"', "true", "1e400", "[[]]"]
)
texts = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda items: "[" + ",".join(items) + "]"),
        st.lists(
            st.tuples(st.sampled_from(['"p"', '"batch"', '"userId"', '"\\ud800"']), inner), max_size=4
        ).map(lambda items: "{" + ",".join(f"{key}:{value}" for key, value in items) + "}"),
    ),
    max_leaves=12,
)
events = st.builds(
    lambda user, anonymous, rest: f'{{"userId":{user},"anonymousId":{anonymous},"p":{rest}}}', ids, ids, texts
)
bodies = st.one_of(
    st.binary(max_size=300),
    texts.map(str.encode),
    events.map(str.encode),
    st.lists(events | texts, max_size=4).map(lambda items: ('{"batch":[' + ",".join(items) + "]}").encode()),
    st.integers(0, 3_000).map(lambda n: b'{"userId":"u","p":' + b"[" * n + b"]" * n + b"}"),
    st.integers(0, 3_000).map(lambda n: b'{"batch":[{"userId":"u"},' + b'{"a":' * n),
)


def run(door: Door, *args: Any, **kwargs: Any) -> Any:
    return asyncio.run(door.request(*args, **kwargs))


def check(door: Door, answer: Any) -> None:
    assert answer.status in STATUSES
    assert (answer.status == 200) or not door.events
    assert door.accepts == (1 if door.events else 0)
    assert (door.gateway._requests, door.gateway._bodies.held_bytes) == (0, 0)
    for event in door.events:
        event_texts = (event.message_id, event.type, event.user_id, event.anonymous_id, event.lane)
        assert all(text.encode() is not None for text in event_texts)
        assert event.message_id
        assert event.user_id or event.anonymous_id
        read(event, "web")
        json.dumps(received(event), allow_nan=False).encode()


@given(st.sampled_from(PATHS), bodies)
@example("/v1/track", b'{"userId":"u","p":"\xff\\ud800"}')
@settings(max_examples=400, deadline=None)
def test_any_body(path: str, body: bytes) -> None:
    """Any bytes, nearly JSON, deep, with odd texts and numbers: 200 or 400, and everything accepted can be read again."""
    door = Door()
    answer = run(door, "POST", path, headers=basic(), body=body)
    check(door, answer)
    assert answer.status in {200, 400}
    if door.events:
        assert all(event.body in body for event in door.events)


@given(st.sampled_from(PATHS), bodies, st.integers(0, 60), st.binary(max_size=30), st.integers(1, 50))
@settings(max_examples=200, deadline=None)
def test_any_packed_body_in_any_pieces(path: str, body: bytes, cut: int, tail: bytes, size: int) -> None:
    """Gzip, cut off or with something behind it, in pieces of any size."""
    packed = gzip.compress(body)
    packed = packed[: len(packed) - cut] + tail
    pieces = [packed[at : at + size] for at in range(0, len(packed), size)] or [b""]
    door = Door()
    answer = run(door, "POST", path, headers=basic() | {"Content-Encoding": "gzip"}, pieces=pieces)
    check(door, answer)
    assert answer.status in {200, 400}


@given(
    st.sampled_from(["GET", "POST", "HEAD", "PUT", "OPTIONS", "X"]),
    st.sampled_from(
        [*PATHS, "/pixel/v1/track", "/pixel/v1/page", "/health", "/version", "/robots.txt", "/v1/x"]
    ),
    st.binary(max_size=60),
    st.lists(
        st.tuples(
            st.sampled_from(
                [
                    "Authorization",
                    "Origin",
                    "Content-Encoding",
                    "Content-Length",
                    "X-Forwarded-For",
                    "User-Agent",
                    "Access-Control-Request-Method",
                    "Access-Control-Request-Headers",
                ]
            ),
            st.text(alphabet=st.characters(max_codepoint=255), max_size=30),
        ),
        max_size=6,
    ),
    bodies,
)
@settings(max_examples=400, deadline=None)
def test_any_request(
    method: str, path: str, query: bytes, headers: list[tuple[str, str]], body: bytes
) -> None:
    """Any method, query and headers."""
    door = Door()
    if "?" not in path:
        path += "?" + query.decode("latin-1")
    check(door, run(door, method, path, headers=headers, body=body, content_length=False))


@given(st.sampled_from(["track", "page"]), st.text(alphabet='ab.=&%"+2eventnaidusr', max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_pixel(kind: str, query: str) -> None:
    """Always the picture; an event, if it makes one."""
    door = Door()
    answer = run(door, "GET", f"/pixel/v1/{kind}?writeKey={KEY}&{query}")
    check(door, answer)
    assert answer.body.startswith(b"GIF89a")
    assert bool(door.events) != bool(door.refused.entries())
