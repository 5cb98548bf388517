"""The fate of an event, in each state, as `GET /events/{messageId}` tells it."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from sternpost.model import Blocked, Delivered, Note, Rejected, Reply, Retry, Skipped
from tests.control.bench import NOW, TRACK_SECRET, Bench

TRACK = {"type": "track", "event": "Checkout", "userId": "u1", "messageId": "m1"}


async def test_entry(bench: Bench) -> None:
    """An entry says what the event is, when it came, and holds it as received with what was added."""
    await bench.accept(
        {
            **TRACK,
            "originalTimestamp": "2027-01-15T07:00:00Z",
            "sentAt": "2027-01-15T07:59:59Z",
            "context": {"library": {"name": "rudder-python", "version": "2"}},
        }
    )
    await bench.accept({**TRACK})
    [entry] = (await bench.get("/events/m1"))["events"]
    assert (entry["messageId"], entry["source"], entry["type"], entry["name"]) == (
        "m1",
        "backend",
        "track",
        "Checkout",
    )
    assert (entry["userId"], entry["anonymousId"]) == ("u1", "")
    assert entry["receivedAt"] == "2027-01-15T08:00:00.000Z"
    assert entry["originalTimestamp"] == "2027-01-15T07:00:00.000Z"
    assert entry["timestamp"] == "2027-01-15T07:00:01.000Z"
    assert entry["seen"] == {"times": 2, "path": "", "position": 1, "library": "rudder-python 2"}
    assert entry["event"]["messageId"] == "m1"
    assert entry["event"]["rudderId"]
    assert [standing["destination"] for standing in entry["destinations"]] == ["pendo", "hook"]


async def test_pending(bench: Bench) -> None:
    """New: queued, not tried, nothing to do."""
    await bench.accept(TRACK)
    fate = await bench.fate("m1")
    assert (fate["state"], fate["reason"], fate["who"]) == ("pending", "queued", "time")
    assert fate["attempts"] == []
    assert fate["nextAttemptAt"] is None
    assert fate["verdict"] == "Waiting for its turn at Pendo production."


async def test_behind(bench: Bench) -> None:
    """Behind an event of the same person that is being retried; the fate names it."""
    await bench.accept(TRACK, {**TRACK, "messageId": "m2"})
    await bench.settle("pendo", "track", Retry("server_error", "It answered 503."), wait_s=38)
    fate = await bench.fate("m2")
    assert (fate["state"], fate["reason"], fate["waitsFor"]) == ("pending", "behind_earlier_event", "m1")


async def test_behind_gate(bench: Bench) -> None:
    """A track event waits for the person's identify, which is in another lane."""
    await bench.accept(
        {"type": "identify", "userId": "u1", "messageId": "i1", "traits": {"plan": "pro"}}, TRACK
    )
    claim = await bench.store.claim("pendo", "track", now=bench.now, lanes_max=10, run_max=10, lease_s=60)
    assert not claim.runs
    fate = await bench.fate("m1")
    assert (fate["state"], fate["reason"], fate["waitsFor"]) == ("pending", "behind_earlier_event", "i1")


async def test_held(bench: Bench) -> None:
    """Anonymous events wait for a link."""
    await bench.accept({"type": "track", "event": "Look", "anonymousId": "a1", "messageId": "m1"})
    fate = await bench.fate("m1")
    assert (fate["state"], fate["reason"], fate["channel"]) == ("held", "held_for_identity", "track")


async def test_retrying(bench: Bench) -> None:
    """Tried: the reason of the last try, its request and reply with the key masked, and when it is tried again."""
    await bench.accept(TRACK)
    await bench.settle("pendo", "track", Retry("server_error", "It answered 503."), wait_s=38)
    fate = await bench.fate("m1")
    assert (fate["state"], fate["reason"]) == ("retrying", "server_error")
    assert fate["explanation"].endswith("It answered 503.")
    assert fate["nextAttemptAt"] == "2027-01-15T08:00:38.000Z"
    [attempt] = fate["attempts"]
    assert (attempt["at"], attempt["ms"], attempt["outcome"], attempt["waitS"]) == (
        "2027-01-15T08:00:00.000Z", 21, "retry", 38,
    )  # fmt: skip
    assert attempt["request"]["headers"]["x-pendo-integration-key"].startswith("••••")
    assert attempt["reply"] == {"status": 503, "headers": {"content-type": "text/plain"}, "body": "no"}
    assert TRACK_SECRET not in json.dumps(fate)


async def test_blocked(bench: Bench) -> None:
    """A blocked channel blocks what waits in it, tried or not; the other channel goes on."""
    await bench.accept(
        TRACK, {**TRACK, "messageId": "m2"}, {"type": "identify", "userId": "u2", "messageId": "i2"}
    )
    await bench.settle("pendo", "track", Blocked("key_refused", "It answered 403."))
    await bench.store.block("pendo", "track", "key_refused", "It answered 403.", now=bench.now)
    for message_id in ("m1", "m2"):
        fate = await bench.fate(message_id)
        assert (fate["state"], fate["reason"], fate["who"]) == ("blocked", "key_refused", "owner")
        assert fate["remedy"]
    assert (await bench.fate("i2"))["state"] == "pending"
    assert [attempt["outcome"] for attempt in (await bench.fate("m1"))["attempts"]] == ["blocked"]


async def test_delivered_at_once(bench: Bench) -> None:
    """The request of a delivery at the first try was not kept: it is made again, and says so."""
    await bench.accept({**TRACK, "properties": {"total": 42}})
    bench.now += 2
    await bench.settle("pendo", "track", Delivered("Pendo took it.", (Note("no_account"),)))
    fate = await bench.fate("m1")
    assert (fate["state"], fate["reason"], fate["explanation"]) == ("delivered", None, "Pendo took it.")
    assert fate["verdict"] == "Delivered to Pendo production 2.0 s after it was received."
    assert fate["diagnostics"] == [{"code": "no_account", "path": "", "detail": ""}]
    [attempt] = fate["attempts"]
    assert attempt["request"]["rebuilt"] is True
    assert attempt["request"]["url"].endswith("/data/track")
    assert json.loads(attempt["request"]["body"])["properties"] == {"total": 42}
    assert attempt["request"]["headers"]["x-pendo-integration-key"].startswith("••••")
    assert attempt["reply"]["status"] == 200


async def test_delivered_and_never_shown(bench: Bench) -> None:
    """What the destination took and may never show is not simply delivered."""
    await bench.accept(TRACK)
    notes = (Note("no_account"), Note("too_old", "timestamp", "9 days old"))
    await bench.settle("pendo", "track", Delivered(notes=notes))
    assert (await bench.fate("m1"))["verdict"] == (
        "Delivered to Pendo production 0.0 s after it was received. Pendo may never process events older than 7 days (9 days old)."
    )


async def test_delivered_after_retry(bench: Bench) -> None:
    """Tries that failed stay; the last one is the delivery."""
    await bench.accept(TRACK)
    await bench.settle("pendo", "track", Retry("server_error"), wait_s=2)
    bench.now += 3
    await bench.settle("pendo", "track", Delivered())
    fate = await bench.fate("m1")
    assert (fate["state"], fate["tries"]) == ("delivered", 2)
    assert [(attempt["outcome"], attempt["request"].get("rebuilt")) for attempt in fate["attempts"]] == [
        ("retry", None), ("delivered", True),
    ]  # fmt: skip
    assert "after 2 tries, 3.0 s" in fate["verdict"]


async def test_delivered_of_two_requests(bench: Bench) -> None:
    """A group call with a parent account makes two requests: both are shown."""
    document = bench.context.workspaces.shown()
    document["destinations"][0]["settings"]["parentAccountTrait"] = "parent"
    await bench.holder.apply(document)
    await bench.accept(
        {
            "type": "group", "userId": "u1", "groupId": "c", "messageId": "g1",
            "traits": {"parent": {"id": "p", "region": "north"}, "name": "C"},
        }
    )  # fmt: skip
    await bench.settle("pendo", "metadata", Delivered())
    attempts = (await bench.fate("g1"))["attempts"]
    assert ["/parentAccount/" in attempt["request"]["url"] for attempt in attempts] == [True, False]
    assert [attempt["reply"] is not None for attempt in attempts] == [False, True]


async def test_delivered_cannot_be_rebuilt(bench: Bench) -> None:
    """When the settings of now would stop the event, the request stays away with a reason."""
    await bench.accept(TRACK)
    await bench.settle("pendo", "track", Delivered())
    document = bench.context.workspaces.shown()
    document["connections"] = document["connections"][2:]
    await bench.holder.apply(document)
    [attempt] = (await bench.fate("m1"))["attempts"]
    assert attempt["request"] is None
    assert "not_connected" in attempt["requestMissing"]


async def test_skipped(bench: Bench) -> None:
    """Not sent on purpose: reason, detail, no attempts."""
    await bench.accept(TRACK)
    await bench.settle("pendo", "track", Skipped("anonymous", "No userId."), sent=False)
    fate = await bench.fate("m1")
    assert (fate["state"], fate["reason"], fate["attempts"]) == ("skipped", "anonymous", [])
    assert fate["explanation"].endswith("No userId.")


async def test_rejected(bench: Bench) -> None:
    """A dead letter keeps its last try."""
    await bench.accept(TRACK)
    await bench.settle(
        "pendo",
        "track",
        Rejected("refused_by_destination", 'It answered 400: "no".'),
        reply=Reply(400, {}, b"no", 9),
    )
    fate = await bench.fate("m1")
    assert (fate["state"], fate["reason"]) == ("rejected", "refused_by_destination")
    assert [attempt["reply"]["status"] for attempt in fate["attempts"]] == [400]


async def test_without_connections(bench: Bench) -> None:
    """A source without connections gives an empty list."""
    await bench.accept(TRACK, source="alone")
    [entry] = (await bench.get("/events/m1"))["events"]
    assert entry["destinations"] == []
    assert entry["verdict"]


async def test_two_sources(bench: Bench) -> None:
    """One id from two sources: both, or the one that is asked for."""
    await bench.accept(TRACK)
    await bench.accept(TRACK, source="web")
    assert [entry["source"] for entry in (await bench.get("/events/m1"))["events"]] == ["backend", "web"]
    assert [entry["source"] for entry in (await bench.get("/events/m1?source=web"))["events"]] == ["web"]
    assert (await bench.ask("GET", "/events/m1?source=alone")).status == 404
    assert (await bench.ask("GET", "/events/m1?source=nobody")).status == 404


@pytest.mark.parametrize(
    "message_id",
    [
        "a/b", "/a", "a/", "//", "..", "../../stats", "%2F", "a%20b", "a b", "a?b=c#d", "ünï-☃-💥", "'; DROP TABLE events; --", "x" * 5000,
        "#abc", "<script>", '"quoted"', "a\\b", "stats", "0", "null", "*", "a%", "_",
    ],
)  # fmt: skip
async def test_hostile_ids(bench: Bench, message_id: str) -> None:
    """An id is any text: it is found when it was accepted, and 404 when it was not."""
    address = f"/events/{quote(message_id, safe='')}"
    unknown = await bench.ask("GET", address)
    assert unknown.status == 404
    assert unknown.json["known"] == "never_seen"
    await bench.accept({**TRACK, "messageId": message_id})
    [entry] = (await bench.get(address))["events"]
    assert entry["messageId"] == message_id
    assert (await bench.ask("GET", address, mounted=True)).json == (await bench.ask("GET", address)).json


async def test_event_that_is_hard_to_write(bench: Bench) -> None:
    """What a client may send and JSON writers refuse is shown mended."""
    await bench.accept(
        b'{"type":"track","event":"E","userId":"u","messageId":"m1","properties":{"a":"\\ud800","b":123456789012345678901234567890}}'
    )
    [entry] = (await bench.get("/events/m1"))["events"]
    assert entry["event"]["properties"]["b"]


async def test_shortened_ids(bench: Bench) -> None:
    """With prefix=1 the beginning of exactly one id is enough; without, ids are exact."""
    await bench.accept(
        {**TRACK, "messageId": "abcdef-1"},
        {**TRACK, "messageId": "abcdef-2"},
        {**TRACK, "messageId": "xyzxyz-1"},
    )
    assert (await bench.ask("GET", "/events/xyzxyz")).status == 404
    assert (await bench.ask("GET", "/events/xyzxyz?prefix=1")).json["events"][0]["messageId"] == "xyzxyz-1"
    assert (await bench.ask("GET", "/events/abcdef?prefix=1")).status == 404
    assert (await bench.ask("GET", "/events/abcdef-2?prefix=1")).status == 200


async def test_unknown_but_refused(bench: Bench) -> None:
    """An id that stands in a refused request is said to have been refused, and why."""
    bench.refused.add(
        at=NOW, path="/v1/track", status=400, reason="no_identity", detail="The event has neither.", source_id="backend",
        write_key="wk-backend", origin="", address="203.0.113.9", agent="", body=b'{"messageId":"lost-1"}',
    )  # fmt: skip
    answer = await bench.ask("GET", "/events/lost-1")
    assert (answer.status, answer.json["known"], answer.json["reason"]) == (404, "refused", "no_identity")
    assert answer.json["error"]["remedy"]


async def test_unknown_and_pruned(bench: Bench) -> None:
    """Once something was pruned, an unknown id may have been."""
    await bench.accept({**TRACK, "messageId": "old"}, source="alone")
    bench.now += 100
    await bench.accept({**TRACK, "messageId": "new"}, source="alone")
    await bench.store.prune(now=bench.now, before=bench.now - 50, bytes_max=10**12)
    answer = await bench.ask("GET", "/events/old")
    assert (answer.status, answer.json["known"]) == (404, "never_seen_or_pruned")
    assert answer.json["keptSince"] == "2027-01-15T08:01:40.000Z"
