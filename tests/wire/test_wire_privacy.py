"""Masking: what a source says is private is dropped or hashed before anything else looks at it."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sternpost.model import Masking
from sternpost.wire.privacy import hashed, masked, masked_address
from sternpost.wire.refused import Refused

KEY = b"k" * 32
H = hashed("a@x.example", KEY)


def single(event: dict[str, Any], masking: Masking) -> Any:
    return json.loads(masked(json.dumps(event).encode(), masking, KEY, batch=False))


@pytest.mark.parametrize(
    ("event", "masking", "expected"),
    [
        # Traits are masked wherever the SDK put them.
        (
            {"traits": {"email": "a@x.example", "plan": "pro"}, "context": {"traits": {"email": "a@x.example"}}},
            Masking(hash=("traits.email",)),
            {"traits": {"email": H, "plan": "pro"}, "context": {"traits": {"email": H}}},
        ),
        ({"traits": {"email": "a@x.example"}}, Masking(drop=("traits",)), {}),
        ({"properties": {"a": {"b": 1, "c": 2}}}, Masking(drop=("properties.a.b",)), {"properties": {"a": {"c": 2}}}),
        # Lists are walked through, and a star is any key.
        (
            {"properties": {"people": [{"mail": "a@x.example", "n": 1}, {"n": 2}, 3]}},
            Masking(hash=("properties.people.mail",)),
            {"properties": {"people": [{"mail": H, "n": 1}, {"n": 2}, 3]}},
        ),
        (
            {"properties": {"one": {"ip": "1.1.1.1"}, "two": {"ip": "2.2.2.2"}}},
            Masking(drop=("properties.*.ip",)),
            {"properties": {"one": {}, "two": {}}},
        ),
        # A number and the text of it are one person; null stays null; objects are hashed as a whole.
        ({"userId": 42}, Masking(hash=("userId",)), {"userId": hashed("42", KEY)}),
        ({"traits": {"a": None}}, Masking(hash=("traits.a",)), {"traits": {"a": None}}),
        ({"traits": {"a": {"y": 1, "x": 2}}}, Masking(hash=("traits.a",)), {"traits": {"a": hashed('{"x":2,"y":1}', KEY)}}),
        # What is not there, or no object where one was expected, stays.
        ({"traits": "text", "n": 1.0}, Masking(drop=("traits.email", "other.x")), {"traits": "text", "n": 1.0}),
    ],
)  # fmt: skip
def test_paths(event: dict[str, Any], masking: Masking, expected: Any) -> None:
    assert single(event, masking) == expected


def test_batches() -> None:
    """Each event of a batch; what is no object stays for the door to refuse. What lies beside the events belongs to none and is not kept:
    under a flood a batch is written down as it came.
    """
    events = [{"traits": {"email": "a@x.example"}}, 5]
    body = json.dumps({"batch": events, "context": {"traits": {"email": "a@x.example"}}}).encode()
    assert json.loads(masked(body, Masking(hash=("traits.email",)), KEY, batch=True)) == {
        "batch": [{"traits": {"email": H}}, 5]
    }


def test_batches_are_bounded_first() -> None:
    """Four megabytes can be two million entries: they are counted before anything is made of them."""
    body = b'{"batch":[' + b",".join([b"{}"] * 1_000_000) + b"]}"
    tracemalloc.start()
    try:
        with pytest.raises(Refused, match="1,000,000 events"):
            masked(body, Masking(drop=("traits.email",)), KEY, batch=True)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100_000_000


def test_unusual_json() -> None:
    """Half a surrogate pair is masked like any other body; what is no JSON is refused, never let through."""
    body = rb'{"userId":"u","traits":{"email":"a@x.example","odd":"\ud800"}}'
    assert json.loads(masked(body, Masking(drop=("traits.email",)), KEY, batch=False))["traits"] == {
        "odd": "\ud800"
    }
    for wrong in (b"", b"{", b'{"traits":{"email":"a@x.example"}} x'):
        with pytest.raises(Refused, match="is not JSON"):
            masked(wrong, Masking(drop=("traits.email",)), KEY, batch=False)


def test_key() -> None:
    """The same value and key give the same hash, another key another one; nothing of the value shows."""
    assert hashed("a@x.example", KEY) == H
    assert hashed("a@x.example", b"o" * 32) != H
    assert len(H) == 32
    assert int(H, 16) >= 0


def test_address() -> None:
    """`context.ip` is also where the request came from."""
    assert masked_address("192.0.2.7", Masking(drop=("context.ip",)), KEY) == ""
    assert masked_address("192.0.2.7", Masking(hash=("context.ip",)), KEY) == hashed("192.0.2.7", KEY)
    assert masked_address("192.0.2.7", Masking(drop=("traits.ip",)), KEY) == "192.0.2.7"


SECRET = "s3cr3t-value"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "mail"]), inner, max_size=3),
    max_leaves=10,
)  # fmt: skip


def planted(value: Any) -> Any:
    """The value with the secret under each `mail`."""
    if isinstance(value, dict):
        return {name: SECRET if name == "mail" else planted(inner) for name, inner in value.items()}
    return [planted(item) for item in value] if isinstance(value, list) else value


@given(JSON, st.booleans())
def test_nothing_is_left(value: Any, drop: bool) -> None:
    """Whatever surrounds it, a value under a masked path is gone from the bytes, and everything else is as it was."""
    event = {"userId": "u", "properties": {"x": planted(value), "y": value}}
    paths = tuple("properties.x" + ".*" * depth + ".mail" for depth in range(6))
    body = json.dumps(event).encode()
    found = masked(body, Masking(drop=paths) if drop else Masking(hash=paths), KEY, batch=False)
    assert SECRET.encode() not in found
    assert json.loads(found)["properties"]["y"] == json.loads(body)["properties"]["y"]
