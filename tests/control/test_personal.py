"""Personal data: who may not see it gets hashes that can be compared, from every operation and in the live stream, and finds by them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sternpost.control.auth import Principal
from sternpost.control.operations import OPERATIONS
from sternpost.control.personal import Personal
from sternpost.model import Blocked, Rejected, Reply, Retry
from tests.control.bench import NOW, Bench
from tests.control.test_api import called

#: Distinctive values of a person, in each place that an event has for one.
PRIVATE: dict[str, Any] = {
    "userId": "ann-id@example.com", "anonymousId": "anon-71f3-ann", "traits": {"email": "ann-trait@example.com", "plan": "plan-of-ann"},
    "context": {
        "traits": {"city": "Anntown"}, "ip": "198.51.100.77", "page": {"url": "https://app.example.com/ann-page?mail=ann-url@example.com"},
        "device": {"id": "device-of-ann"}, "groupId": "group-of-ann", "library": {"name": "lib-open", "version": "1"},
    },
    "properties": {"total": 4711.25, "nested": [{"note": "note-of-ann"}], "phone": "+49 555 0177"},
}  # fmt: skip
VALUES = (
    "ann-id@example.com", "ann-id%40example.com", "anon-71f3-ann", "ann-trait@example.com", "plan-of-ann", "Anntown", "198.51.100.77", "ann-page",
    "ann-url@example.com", "device-of-ann", "group-of-ann", "4711.25", "note-of-ann", "0177", "ann-other@example.com",
)  # fmt: skip


async def reader(bench: Bench, role: str = "viewer", *, personal_data: bool = False) -> str:
    token, _ = await bench.people.add_token(
        f"{role}-{personal_data}", role, personal_data=personal_data, days=None, by=Principal("x", "owner")
    )
    return token


async def fill(bench: Bench) -> None:
    """Events of a person in every state, with requests and answers that repeat what was sent."""
    for number in range(6):
        kind = {"type": "track", "event": "Order"} if number % 2 else {"type": "identify"}
        await bench.accept({**PRIVATE, **kind, "messageId": f"m{number}"})
    loud = Reply(400, {}, json.dumps({"bad": list(VALUES)}).encode(), 3)
    said = 'The visitor "ann-id@example.com" has no "plan-of-ann" (198.51.100.77).'
    await bench.settle("hook", "", Rejected("refused_by_destination", said), reply=loud)
    await bench.settle("pendo", "metadata", Retry("server_error", said), reply=loud, wait_s=1.0)
    await bench.settle("pendo", "track", Blocked("key_refused", said), reply=loud)
    bench.refused.add(at=NOW, path="/v1/track", status=400, reason="bad_json", detail="", source_id="web", write_key="wk-web", origin="",
                      address="198.51.100.77", agent="", body=json.dumps(PRIVATE).encode())  # fmt: skip


@pytest.mark.parametrize("role", ["viewer", "editor"])
async def test_no_value_in_any_answer(bench: Bench, role: str) -> None:
    """Every operation that this role may use; a new one that shows a person in a form of its own is found here."""
    await fill(bench)
    token = await reader(bench, role)
    seen = 0
    for operation in OPERATIONS:
        if operation.name == "live":
            continue
        method, path, body = called(operation)
        if operation.name == "try_event":
            body = {**body, "event": {"type": "track", "event": "A", "anonymousId": "anon-71f3-ann"}}
        answer = await bench.ask(method, path, body, token=token)
        seen += answer.status == 200
        for value in VALUES:
            assert value not in answer.body.decode(), (operation.name, value)
    assert seen >= 8


async def test_hashes_can_be_compared(bench: Bench) -> None:
    """The same value is the same hash in every place; structure, names, states and messageIds stay."""
    await fill(bench)
    token = await reader(bench)
    events = (await bench.ask("GET", "/events?destination=hook", token=token)).json["events"]
    clear = (await bench.get("/events?destination=hook"))["events"]
    assert [one["messageId"] for one in events] == [one["messageId"] for one in clear]
    assert len({one["userId"] for one in events}) == 1
    assert (
        events[0]["userId"]
        == events[0]["event"]["userId"]
        == Personal(b"k" * 32).hidden("ann-id@example.com")
    )
    assert events[0]["userId"] != Personal(b"l" * 32).hidden("ann-id@example.com")
    assert events[0]["name"] == "Order"
    assert events[0]["event"].keys() == clear[0]["event"].keys()
    assert events[0]["event"]["properties"].keys() == PRIVATE["properties"].keys()
    assert events[0]["event"]["context"]["library"] == {"name": "lib-open", "version": "1"}
    assert [one["state"] for one in events[0]["destinations"]] == [
        one["state"] for one in clear[0]["destinations"]
    ]
    trace = (await bench.ask("GET", "/events/m0", token=token)).json["events"][0]
    [hook] = [one for one in trace["destinations"] if one["destination"] == "hook"]
    assert "hidden:" in hook["explanation"]


async def test_filters_ask_what_is_seen(bench: Bench) -> None:
    """By the hash a person is found, by the id not: guesses cannot be tried out."""
    await fill(bench)
    await bench.accept({"type": "track", "event": "B", "userId": "somebody-else"})
    token = await reader(bench)
    hidden = Personal(b"k" * 32).hidden

    async def found(q: str) -> int:
        answer = await bench.ask("GET", f"/events?q={q}", token=token)
        assert answer.status == 200
        return len(answer.json["events"])

    assert await found("event:B") == 1
    for key, value in (
        ("user", "ann-id@example.com"),
        ("anon", "anon-71f3-ann"),
        ("account", "group-of-ann"),
    ):
        assert await found(f"{key}:{value}") == 0
        assert await found(f'{key}:"{hidden(value)}"') == 6
    assert await found("ann-id") == 0
    assert await found(f'-user:"{hidden("ann-id@example.com")}"') == 1


async def test_live(bench: Bench) -> None:
    """One stream, two readers: each sees what it may, and its filter is asked of that."""
    from dataclasses import replace

    from sternpost.control.filters import EVERYTHING, Filter, Term

    clear = bench.live.listen()
    veiled = bench.live.listen(replace(EVERYTHING, hidden=True))
    guess = bench.live.listen(Filter((Term("user", ("ann-id@example.com",)),), hidden=True))
    [seq] = await bench.accept({**PRIVATE, "type": "track", "event": "Order", "messageId": "m1"})
    bench.live.publish([(seq, None)])
    [plain] = await clear.take(5)
    [hashed] = await veiled.take(5)
    assert isinstance(plain, bytes)
    assert isinstance(hashed, bytes)
    assert b"ann-id@example.com" in plain
    for value in VALUES:
        assert value.encode() not in hashed
    assert json.loads(hashed)["messageId"] == "m1"
    assert await guess.take(0) == []


async def test_replays_cannot_ask_for_a_person(bench: Bench) -> None:
    await fill(bench)
    token = await reader(bench, "editor")
    for more in ({"user": "ann-id@example.com"}, {"q": "user:ann-id@example.com"}, {"q": "ann-id"}):
        body = {"destination": "hook", "only": "all", **more}
        assert (await bench.ask("POST", "/replays/estimate", body, token=token)).status == 403
        assert (await bench.ask("POST", "/replays/estimate", body)).status == 200


async def test_allowed(bench: Bench) -> None:
    await fill(bench)
    token = await reader(bench, personal_data=True)
    assert b"ann-id@example.com" in (await bench.ask("GET", "/events", token=token)).body


@pytest.mark.parametrize(
    "value", ["", None, 0, False, 1.5, "x", "hidden:", {"a": [1, {"b": "c"}]}, "half \ud800"]
)
def test_any_value(value: Any) -> None:
    """Every value is hidden, and hiding twice changes nothing."""
    personal = Personal(b"k")
    entry = {"messageId": "m", "event": {"properties": {"p": value}}, "destinations": [], "userId": value}
    once = personal.answer(entry)
    assert personal.answer(once) == once
    if value not in ("", None):
        assert once["event"]["properties"]["p"] != value
