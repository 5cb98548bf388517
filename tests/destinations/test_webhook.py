"""The webhook destination."""

import hashlib
import hmac
import json

import pytest
from msgspec.structs import replace

from sternpost import __version__
from sternpost.destinations.base import Known, Plan
from sternpost.destinations.webhook import WEBHOOK
from sternpost.model import Blocked, Delivered, Event, Message, Person, Rejected, Reply, Retry, Secret, Split
from sternpost.wire import message as wire

URL = "https://hooks.example.com/events"
BODY = (
    b'{ "userId":"u1", "event":"e", "n":12345678901234567890123, "price":1.10, "nested":{"id": "007", "x": 1e2},'
    b' "timestamp":"2023-11-14 22:15", "text":"\\u00e9 \xc3\xa9", "type":"other", "request_ip":"1.1.1.1"}'
)


def settings(**values):
    return WEBHOOK.parse({"url": URL} | values)


def event(body=BODY):
    return Event(
        "m1", "src", "track", True, 1_700_000_100.25, "9.9.9.9", body, user_id="u1", at_ms=1_700_000_100_000
    )


def sent(body=BODY, chosen=None, now=1_700_000_200.9):
    read = wire.read(event(body), "server")
    assert isinstance(read, Message)
    chosen = chosen or settings()
    plan = WEBHOOK.plan(read, Person("u1"), chosen, Known(0))
    assert isinstance(plan, Plan)
    return WEBHOOK.call(plan.parts, chosen, now)


def test_the_event_is_posted():
    call = sent()
    assert (call.method, call.url) == ("POST", URL)
    assert call.headers == {"User-Agent": f"Sternpost/{__version__}", "Content-Type": "application/json"}
    assert json.loads(call.body) | {"rudderId": ""} == {
        "userId": "u1",
        "event": "e",
        "n": 12345678901234567890123,
        "price": 1.1,
        "nested": {"id": "007", "x": 100.0},
        "text": "é é",
        "type": "track",
        "messageId": "m1",
        "rudderId": "",
        "request_ip": "1.1.1.1",
        "receivedAt": "2023-11-14T22:15:00.250Z",
        "originalTimestamp": "2023-11-14T22:15:00.250Z",
        "sentAt": "2023-11-14T22:15:00.250Z",
        "timestamp": "2023-11-14T22:15:00.000Z",
    }


@pytest.mark.parametrize(
    "unchanged",
    [
        b'"n":12345678901234567890123',
        b'"price":1.10',
        b'"nested":{"id": "007", "x": 1e2}',
        b'"text":"\\u00e9 \xc3\xa9"',
    ],
)
def test_values_travel_byte_for_byte(unchanged):
    assert unchanged in sent().body


def test_bytes_that_are_not_utf8_are_not_passed_on():
    body = sent(b'{"userId":"u1","type":"track","event":"\xff","price":1.10}').body
    assert json.loads(body.decode())["event"] == "\ufffd"


def test_what_cannot_be_written_is_rejected():
    message = Message(event(b"{"), {"a": "\ud800"}, "server")
    plan = WEBHOOK.plan(message, Person(""), settings(), Known(0))
    assert isinstance(plan, Rejected)
    assert plan.reason == "encoding_impossible"


def test_the_signature():
    call = sent(chosen=settings(signingSecret=Secret("key")))
    digest = hmac.new(b"key", b"1700000200." + call.body, hashlib.sha256).hexdigest()
    assert call.headers["Sternpost-Signature"] == f"t=1700000200,v1={digest}"


def test_headers_and_what_is_hidden_of_them():
    call = sent(
        chosen=settings(headers={"X-Token": Secret("abc"), "X-Plain": "b c", "Authorization": "Bearer x"})
    )
    assert call.headers["X-Token"] == "abc"
    assert call.headers["X-Plain"] == "b c"
    assert {"x-token", "authorization"} <= call.secret_headers
    assert "x-plain" not in call.secret_headers


def test_a_user_agent_of_ones_own():
    assert sent(chosen=settings(headers={"user-agent": "mine"})).headers.get("User-Agent") is None


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"url": None}, "url"),
        ({"url": "hooks.example.com"}, "url"),
        ({"url": "ftp://x"}, "url"),
        ({"url": "https://u:p@x"}, "url"),
        ({"url": "https://x:0"}, "url"),
        ({"url": "https://[x"}, "url"),
        ({"url": "https://x/ y"}, "url"),
        ({"headers": []}, "headers"),
        ({"headers": {"a b": "c"}}, "headers"),
        ({"headers": {"Host": "c"}}, "headers"),
        ({"headers": {"Content-Length": "1"}}, "headers"),
        ({"headers": {"a": "b\r\nc: d"}}, "headers.a"),
        ({"headers": {"a": Secret("b\nc")}}, "headers.a"),
        ({"headers": {"a": 5}}, "headers.a"),
        ({"headers": {"a": "é"}}, "headers.a"),
    ],
)
def test_what_cannot_be_is_refused(values, field):
    with pytest.raises(ValueError, match=f"^{field}: "):
        settings(**values)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, Delivered),
        (204, Delivered),
        (301, Rejected),
        (403, Blocked),
        (404, Rejected),
        (429, Retry),
        (503, Retry),
        (None, Retry),
    ],
)
def test_answers(status, kind):
    message = wire.read(event(), "server")
    assert isinstance(message, Message)
    plan = WEBHOOK.plan(message, Person("u1"), settings(), Known(0))
    assert isinstance(plan, Plan)
    outcomes = WEBHOOK.read(Reply(status, {}, b"", 1), plan.parts, settings())
    assert not isinstance(outcomes, Split)
    (outcome,) = outcomes
    assert isinstance(outcome, kind)


def test_cloud_only_and_every_type():
    assert set(WEBHOOK.spec.modes.values()) == {frozenset({"cloud"})}
    assert WEBHOOK.spec.types == frozenset()
    assert {WEBHOOK.channel(kind, settings()) for kind in ("track", "foo", "")} == {""}


def test_an_event_without_changes_needs_no_door():
    """A message whose body names less than the event's bytes sends what the message names."""
    whole = wire.read(event(), "server")
    assert isinstance(whole, Message)
    message = replace(whole, body={"event": "e", "type": "track"})
    plan = WEBHOOK.plan(message, Person(""), settings(), Known(0))
    assert isinstance(plan, Plan)
    assert plan.parts[0].payload == b'{"event":"e","type":"track"}'
