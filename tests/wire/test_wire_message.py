"""Events decoded: what is written in, what is rejected, and what people are shown."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from sternpost.model import Event, Message, Rejected
from sternpost.wire.decode import decode_batch
from sternpost.wire.message import read, received

AT = 1_790_000_000.25


def event(body: bytes, **changes: Any) -> Event:
    (decoded,) = decode_batch(
        b'{"batch":[' + body + b"]}",
        allow_empty=False,
        source_id="web",
        received_at=AT,
        request_ip="192.0.2.7",
        new_id=lambda: "new-id",
    )
    return replace(decoded, **changes)


def message(body: bytes, **changes: Any) -> dict[str, Any]:
    got = read(event(body, **changes), "web")
    assert isinstance(got, Message)
    return dict(got.body)


def test_what_the_door_adds() -> None:
    """Ids always; time of receipt and address where the event has none; the four times by rule 6.2."""
    body = message(b'{"userId":"u1","originalTimestamp":"2026-01-01 00:00","sentAt":"2026-01-01T00:00:01Z"}')
    assert body == {
        "userId": "u1",
        "messageId": "new-id",
        "rudderId": "70ed05e5-8c09-4d2d-9a5a-0c2b7a0c6d3c",
        "receivedAt": "2026-09-21T14:13:20.250Z",
        "request_ip": "192.0.2.7",
        "originalTimestamp": "2026-01-01T00:00:00.000Z",
        "sentAt": "2026-01-01T00:00:01.000Z",
        "timestamp": "2026-09-21T14:13:19.250Z",
    } | {"rudderId": body["rudderId"]}


def test_what_the_event_has_stays() -> None:
    """Its own receivedAt and request_ip; a rudderId and a type of a single event are replaced."""
    own = b'{"userId":"u","receivedAt":"x","request_ip":"y","rudderId":"z","type":"page","messageId":" m "}'
    body = message(own, type="track", type_set=True)
    assert (body["receivedAt"], body["request_ip"], body["type"], body["messageId"]) == (
        "x",
        "y",
        "track",
        "m",
    )
    assert body["rudderId"] != "z"
    assert message(own)["type"] == "page"
    assert message(own.replace(b'"x"', b"null").replace(b'"y"', b"null"))["request_ip"] == "192.0.2.7"


def test_numbers_survive() -> None:
    """Integers of any size that can be written again, and floats."""
    big = b"9" * 40
    body = message(b'{"userId":"u","n":' + big + b',"f":0.1,"i":9007199254740993}')
    assert msgspec.json.encode([body["n"], body["f"], body["i"]]) == b"[" + big + b",0.1,9007199254740993]"


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ('{"a":["\\ud800"]}', "properties.a[0] "),
        ('{"\\udfff":1}', "A name in properties "),
        ("[1e400]", "properties[0] is 1e400"),
        ('{"n":' + "9" * 5_000 + "}", "properties.n "),
    ],
)
def test_what_cannot_be_written_is_rejected_and_shown(value: str, named: str) -> None:
    """Rejected with the place; people still see the event, mended so that it can be written."""
    odd = event(b'{"userId":"u","properties":' + value.encode() + b"}")
    outcome = read(odd, "web")
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "encoding_impossible"
    assert outcome.detail.startswith(named)
    shown = json.loads(msgspec.json.encode(received(odd)))
    assert shown["messageId"] == "new-id"
    assert shown["properties"]


def test_bytes_that_are_not_utf8_are_delivered_as_replacements() -> None:
    """As RudderStack's store does; nothing is rejected for them."""
    assert message(b'{"userId":"u","p":"x\xffy"}')["p"] == "x\ufffdy"


def test_received_keeps_the_clients_times() -> None:
    """People see what was sent: times in the client's own spelling, none added."""
    shown = received(event(b'{"userId":"u","sentAt":"1/2/2026"}'))
    assert shown["sentAt"] == "1/2/2026"
    assert "timestamp" not in shown


@given(st.binary(max_size=200))
def test_received_never_raises(body: bytes) -> None:
    """Not even for bodies that no door would have let in."""
    odd = Event("m", "s", "track", type_set=True, received_at=AT, request_ip="", body=body, user_id="u")
    shown = received(odd)
    assert shown["messageId"] == "m"
    msgspec.json.encode(shown)


def test_received_of_a_hopelessly_deep_body() -> None:
    """Shows what is known of the event."""
    odd = Event("m", "s", "", type_set=False, received_at=AT, request_ip="", body=b"[" * 100_000)
    assert received(odd)["messageId"] == "m"
