"""Bodies into events: what is accepted, what is refused with which reason, and what an event then holds."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest

from sternpost import limits
from sternpost.model import Event
from sternpost.wire.decode import Refused, decode_batch, decode_single

AT = 1_790_000_000.25
GIVEN: dict[str, Any] = {
    "source_id": "web",
    "received_at": AT,
    "request_ip": "192.0.2.7",
    "new_id": lambda: "new-id",
}


def single(body: bytes, kind: str = "track") -> Event:
    (event,) = decode_single(kind, body, **GIVEN)
    return event


def batch(body: bytes, *, allow_empty: bool = False) -> list[Event]:
    return decode_batch(body, allow_empty=allow_empty, **GIVEN)


def why(body: bytes, *, of_batch: bool = False, allow_empty: bool = False) -> str:
    with pytest.raises(Refused) as refused:
        batch(body, allow_empty=allow_empty) if of_batch else single(body)
    return refused.value.reason


def test_an_event_is_filled_completely() -> None:
    """Ids are cleaned, the type is the endpoint's, times are read; the body stays the client's."""
    body = json.dumps(
        {
            "messageId": " m\u00001 ",
            "userId": 456,
            "anonymousId": "a\u200b1",
            "type": "identify",
            "originalTimestamp": "2026-01-01T00:00:00.000Z",
            "sentAt": "2026-01-01T00:00:10.000Z",
        }
    ).encode()
    assert single(body) == Event(
        message_id="m1",
        source_id="web",
        type="track",
        type_set=True,
        received_at=AT,
        request_ip="192.0.2.7",
        body=body,
        user_id="456",
        anonymous_id="a1",
        at_ms=1_790_000_000_250 - 10_000,
        page_ms=1_767_225_600_000,
    )


def test_a_timestamp_that_can_be_read_is_taken_as_it_is() -> None:
    """Without any correction, in the future or long ago; one that cannot be read counts as none."""
    assert single(b'{"userId":"u","timestamp":"2099-01-01","sentAt":"2000-01-01"}').at_ms == 4_070_908_800_000
    assert single(b'{"userId":"u","timestamp":"soon"}').at_ms == 1_790_000_000_250
    assert single(b'{"userId":"u","timestamp":1700000000}').at_ms == 1_790_000_000_250


@pytest.mark.parametrize("message_id", ['""', "null", "5", "{}", '" \\u0000\\u00a0\\u034f "', "true"])
def test_an_unusable_message_id_is_replaced(message_id: str) -> None:
    """Empty after the clean-up, or not a text: a new one."""
    assert single(b'{"userId":"u","messageId":' + message_id.encode() + b"}").message_id == "new-id"


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        ('"foo"', "foo"),
        ('" Track "', " Track "),
        ("5", ""),
        ("null", ""),
        ("{}", ""),
        ('"\\ud800x"', "\ufffdx"),
    ],
)
def test_the_type_of_a_batch_is_taken_as_sent(sent: str, kind: str) -> None:
    """Any text; nothing is checked. What is no text is no type."""
    (event,) = batch(b'{"batch":[{"userId":"u","type":' + sent.encode() + b"}]}")
    assert (event.type, event.type_set) == (kind, False)


@pytest.mark.parametrize("body", [b"", b" ", b"x", b"{", b'{"userId":"u"', b'{"userId":"u"}x', b"[1", b"nul"])
@pytest.mark.parametrize("of_batch", [False, True])
def test_what_is_no_json(body: bytes, of_batch: bool) -> None:
    """Is refused as such, also where its beginning would be wrong for another reason."""
    assert why(body, of_batch=of_batch) == "bad_json"


@pytest.mark.parametrize(
    "value",
    [
        "NaN",
        "Infinity",
        "-Infinity",
        "01",
        "1.",
        "+1",
        "'x'",
        '"\t"',
        "[1,]",
        '{"a":1,}',
        '"\\x"',
        "tru",
        '"\\ud8"',
    ],
)
@pytest.mark.parametrize("odd", ["", ',"s":"\\ud800"'], ids=["plain", "surrogate"])
def test_near_json_is_no_json(value: str, odd: str) -> None:
    """For the fast reader and for the strict one that reads what the fast one refuses."""
    event = f'{{"userId":"u"{odd},"p":{value}}}'.encode()
    assert why(event) == "bad_json"
    assert why(b'{"batch":[' + event + b"]}", of_batch=True) == "bad_json"


@pytest.mark.parametrize(
    "value",
    [
        "1e400",
        "-1e400",
        "9" * 30,
        "9" * 5_000,
        '"\\ud800"',
        '"\\udc00"',
        '"\\ud83d\\ude00"',
        '"\\u0000"',
        '"\x7f"',
    ],
    ids=lambda value: value[:12],
)
@pytest.mark.parametrize("name", ["p", "userId", "messageId", "type"])
def test_odd_values_are_accepted_and_kept(value: str, name: str) -> None:
    """What RudderStack's check of JSON lets through is accepted: numbers beyond any float, halves of surrogate pairs, NUL."""
    body = f'{{"anonymousId":"a","{name}": {value}}}'.encode()
    assert single(body).body == body
    envelope = b' {"batch": [ ' + body + b" ,\n" + body + b'], "\\ud800":1}'
    assert [event.body for event in batch(envelope)] == [body, body]
    for event in [single(body), *batch(envelope)]:
        for text in (event.message_id, event.type, event.user_id):
            text.encode()  # a store can write it


@pytest.mark.parametrize("bad", [b"\xff", b"\xed\xa0\x80", b"\xc3"])
@pytest.mark.parametrize("name", ["p", "userId"])
def test_bytes_that_are_not_utf8_are_accepted_and_kept(bad: bytes, name: str) -> None:
    """RudderStack's check of a body does not look at them; in an id they count as U+FFFD, as in its store."""
    body = b'{"anonymousId":"a","s":"\\ud800","' + name.encode() + b'":"x' + bad + b'y"}'
    for own in (body, body.replace(b'"s":"\\ud800",', b"")):
        (event,) = batch(b'{"x":"' + bad + b'","batch":[' + own + b"]}")
        assert event.body == single(own).body == own
        if name == "userId":
            assert event.user_id.startswith("x\ufffd")
            assert event.user_id == single(own).user_id


def test_of_a_key_given_twice_the_last_counts() -> None:
    """As in every JSON reader behind the door; also for the batch itself."""
    assert single(b'{"userId":"a","userId":"b"}').user_id == "b"
    assert batch(b'{"batch":[{"userId":"a"}],"batch":[{"userId":"b"}]}')[0].user_id == "b"
    assert batch(b'{"batch":[{"userId":"a"}],"batch":[{"userId":"b","s":"\\ud800"}]}')[0].user_id == "b"


@pytest.mark.parametrize("body", [b"[]", b"[{}]", b"1", b'"x"', b"null", b"true", b'"\\ud800"', b"1e400"])
def test_what_is_json_but_no_object(body: bytes) -> None:
    """Is no event; an envelope like that holds no batch."""
    assert why(body) == "not_an_event"
    assert why(body, of_batch=True) == "empty_batch"
    assert batch(body, allow_empty=True) == []


@pytest.mark.parametrize("batch_", [b"{}", b'{"userId":"u"}', b'"x"', b"5", b"true", b'"\\ud800"', b"1e400"])
def test_a_batch_that_is_no_list(batch_: bytes) -> None:
    """Present, and neither a list nor null: no event, for imports too."""
    body = b'{"batch":' + batch_ + b"}"
    assert why(body, of_batch=True) == why(body, of_batch=True, allow_empty=True) == "not_an_event"


@pytest.mark.parametrize("body", [b"{}", b'{"batch":null}', b'{"batch":[]}', b'{"batch":[],"s":"\\ud800"}'])
def test_a_batch_without_events(body: bytes) -> None:
    """Is refused; an import may be empty."""
    assert why(body, of_batch=True) == "empty_batch"
    assert batch(body, allow_empty=True) == []


def test_the_first_bad_event_decides_and_json_comes_before_all() -> None:
    """The order of checks: JSON of the whole body, then per event: is it an object, has it an identity."""
    assert why(b'{"batch":[{"userId":"u"},5,{}]}', of_batch=True) == "not_an_event"
    assert why(b'{"batch":[{"userId":"u"},{},5]}', of_batch=True) == "no_identity"
    assert why(b'{"batch":[{},5}', of_batch=True) == "bad_json"
    deep = b"[" * limits.JSON_DEPTH_MAX + b"]" * limits.JSON_DEPTH_MAX
    assert why(b'{"batch":[{},{"userId":"u","p":' + deep + b"}]}", of_batch=True) == "bad_json"
    with pytest.raises(Refused, match="Event 2 of the batch"):
        batch(b'{"batch":[{"userId":"u"},{}]}')


@pytest.mark.parametrize("identity", ['""', "null", '" "', '"\\u0000\\u00a0\\u034f"', '"\\u200b\\u3164"'])
def test_an_identity_that_is_empty_after_the_clean_up(identity: str) -> None:
    """Is none."""
    assert why(f'{{"userId":{identity},"anonymousId":{identity}}}'.encode()) == "no_identity"


@pytest.mark.parametrize("opener", [b"[", b'{"a":'])
def test_depth_is_bounded(opener: bytes) -> None:
    """To 200 levels of an event, its own included; brackets in texts do not count. A million levels do no harm."""
    closer = b"]" if opener == b"[" else b"}"

    def nested(levels: int) -> bytes:
        return b'{"userId":"u","s":"[[[{{{\\"[","p":' + opener * levels + b"1" + closer * levels + b"}"

    most = limits.JSON_DEPTH_MAX - 1
    assert single(nested(most)).user_id == "u"
    assert len(batch(b'{"batch":[' + nested(most) + b"," + nested(most) + b"]}")) == 2
    for levels in (most + 1, 500, 5_000, 300_000):
        assert why(nested(levels)) == "bad_json"
        assert why(b'{"batch":[' + nested(levels) + b"]}", of_batch=True) == "bad_json"
        assert why(opener * levels) == "bad_json"


def test_many_brackets_are_not_deep() -> None:
    """A flat event with thousands of lists and texts full of brackets is accepted, with or without escapes in them."""
    body = json.dumps({"userId": "u", "p": [[{}], '"[{' * 50, "\\"] * 2_000}).encode()
    assert single(body).body == body


def test_ids_of_a_megabyte() -> None:
    """Are accepted whole."""
    long = "x" * 1_000_000
    event = single(json.dumps({"userId": long, "messageId": long}).encode())
    assert (event.user_id, event.message_id) == (long, long)


def test_an_event_does_not_keep_its_batch_alive() -> None:
    """One waiting event of a large batch holds its own bytes, not the request's."""
    body = b'{"batch":[' + b",".join([b'{"userId":"u","p":"%s"}' % (b"x" * 1_000)] * 1_000) + b"]}"
    tracemalloc.start()
    try:
        event = batch(body)[500]
        current, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert event.user_id == "u"
    assert current < 100_000


def test_a_body_may_be_a_bytearray_of_somebody_else() -> None:
    """What is kept of a batch is bytes of its own."""
    assert type(batch(b'{"batch":[{"userId":"u"}]}')[0].body) is bytes


@pytest.mark.parametrize("entry", [b'{"userId":1}', b"{}", b"1", b'{"userId":"\\ud800"}'])
def test_a_batch_of_too_many_entries_is_refused_before_anything_is_made_of_them(
    entry: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the entries are, read by the quick reader or by the strict one; as many as the bound pass."""
    monkeypatch.setattr(limits, "BATCH_EVENTS_MAX", 3)
    body = b'{"batch":[' + b",".join([entry] * 4) + b"]}"
    assert why(body, of_batch=True) == "request_too_large"
    assert len(batch(b'{"batch":[' + b",".join([b'{"userId":1}'] * 3) + b"]}")) == 3
