"""What the API says of events that are accepted and not in their lanes yet: never that they are unknown."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from typing import Any

import pytest

from sternpost.control import api, persons, unspread
from sternpost.errors import StoreError
from sternpost.model import Accepted, Arrival
from sternpost.tasks import running
from sternpost.wire import postponed

from .bench import Bench


async def arrive(bench: Bench, *bodies: dict[str, Any], source: str = "backend") -> None:
    await bench.overflow.arrive(
        postponed.arrivals(
            json.dumps({"batch": bodies}).encode(),
            call="",
            allow_empty=False,
            source_id=source,
            received_at=bench.now,
            request_ip="203.0.113.9",
            path="/v1/batch",
        )
    )


def track(name: str, user: str = "ann", **more: Any) -> dict[str, Any]:
    return {"type": "track", "event": "E", "userId": user, "messageId": name, **more}


async def test_its_fate_while_it_waits(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """When it takes too long to wait for: pending at each destination of its source, with the reason, as the event it will be."""
    monkeypatch.setattr(api, "CATCH_UP_S", 0.01)
    await arrive(bench, track("m1"), track("m/é ü"), track("m2", properties={"x": '"m3"'}))
    for name, address in (("m1", "m1"), ("m/é ü", "m%2F%C3%A9%20%C3%BC")):
        [event] = (await bench.get(f"/events/{address}"))["events"]
        assert (event["messageId"], event["source"], event["userId"]) == (name, "backend", "ann")
        assert [(one["destination"], one["state"], one["reason"]) for one in event["destinations"]] == [
            ("pendo", "pending", "queued"),
            ("hook", "pending", "queued"),
        ]
        assert "Very many events came at once." in event["destinations"][0]["explanation"]
    assert (await bench.ask("GET", "/events/m3")).status == 404
    assert (await bench.ask("GET", "/events/m1?source=web")).status == 404
    bench.now += 12
    stats = await bench.get("/stats")
    assert stats["arrivals"]["events"] == 3
    assert stats["arrivals"]["oldestSeconds"] == 12
    assert stats["destinations"]["pendo"]["oldestPendingSeconds"] == 12


async def test_questions_see_what_came_before_them(bench: Bench) -> None:
    """A list, a count, a fate: asked after the 200, they tell of the event, which is in its lanes by then."""
    async with running(bench.overflow.run()):
        await arrive(bench, track("m1"), track("m2"))
        listed = (await bench.get("/events"))["events"]
        assert {event["messageId"] for event in listed} == {"m1", "m2"}
        await arrive(bench, track("m3"))
        assert (await bench.get("/stats"))["sources"]["backend"]["received"] == 3
        await arrive(bench, track("m4"))
        assert (await bench.fate("m4"))["state"] == "pending"


async def test_a_person_is_forgotten_with_what_arrived(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also an anonymousId that only arrivals linked to it; while they cannot be spread, the deletion waits and says nothing is done."""
    monkeypatch.setattr(api, "CATCH_UP_S", 0.01)
    monkeypatch.setattr(persons, "CATCH_UP_S", 0.01)
    await bench.persons.start()
    await arrive(
        bench,
        {"type": "identify", "userId": "ann", "anonymousId": "a1", "messageId": "m1"},
        {"type": "track", "event": "E", "anonymousId": "a1", "messageId": "m2"},
        track("m3", "bob"),
    )
    await bench.persons.forget("ann", by="tests", note="")
    with pytest.raises(Exception, match="not in their lanes"):
        await bench.persons.step()
    [deletion] = await bench.persons.tables.deletions()
    assert deletion.state == "removing"
    async with running(bench.overflow.run()):
        await bench.overflow.caught_up(30.0)
    await bench.persons.step()
    assert (await bench.ask("GET", "/events/m1")).status == 404
    assert (await bench.ask("GET", "/events/m2")).status == 404
    assert (await bench.fate("m3", "hook"))["state"] == "pending"


async def test_whether_it_is_unknown_may_take_too_long_to_say(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Among very many it is looked for only so long: then nobody says that it is unknown."""
    monkeypatch.setattr(api, "CATCH_UP_S", 0.01)
    await arrive(bench, track("m1"))
    monkeypatch.setattr(unspread, "LOOK_S", -1.0)
    assert (await bench.ask("GET", "/events/m1")).status == 503
    monkeypatch.setattr(unspread, "LOOK_S", 60.0)
    assert (await bench.ask("GET", "/events/m2")).status == 404
    assert (await bench.fate("m1"))["state"] == "pending"


async def test_what_was_set_aside_has_a_fate_and_is_not_forgotten_by_halves(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that cannot be spread: its events are not unknown, and nobody says that a person is forgotten while they are kept."""
    monkeypatch.setattr(api, "CATCH_UP_S", 0.01)
    await bench.persons.start()
    await arrive(bench, track("m1"), track("m2", "bob"))

    def breaks(arrival: Arrival) -> list[Accepted]:
        raise ValueError("a defect")

    await bench.store.spread(breaks, events_max=10, now=bench.now)
    fate = await bench.fate("m1")
    assert (fate["state"], fate["reason"]) == ("pending", "queued")
    assert "a defect" in fate["explanation"]
    assert (await bench.get("/stats"))["arrivals"]["setAside"] == 2
    await bench.persons.forget("ann", by="tests", note="")
    with pytest.raises(StoreError, match="set aside"):
        await bench.persons.step()
    [deletion] = await bench.persons.tables.deletions()
    assert deletion.state == "removing"


async def test_a_stop_covers_ids_that_only_arrivals_link(bench: Bench) -> None:
    """Who is stopped or forgotten is so under an anonymousId, too, whose link was accepted before and is spread afterwards."""
    await bench.persons.start()

    def link(user: str, anonymous: str) -> dict[str, Any]:
        return {"type": "identify", "userId": user, "anonymousId": anonymous, "messageId": f"l-{user}"}

    await arrive(bench, link("ann", "a1"), link("bob", "b1"), track("m9", "cid"))
    await bench.persons.stop("ann", by="tests", note="")
    await bench.persons.forget("bob", by="tests", note="")
    assert not bench.persons.knows("a1")
    async with running(bench.overflow.run()):
        await bench.persons.step()
    assert bench.persons.knows("a1")
    assert bench.persons.knows("b1")
    await bench.persons.allow("ann")
    assert not bench.persons.knows("a1")


async def test_a_stop_is_completed_also_when_the_store_had_no_room(bench: Bench) -> None:
    """What could not be written is written by the next step."""
    await bench.persons.start()
    await arrive(bench, {"type": "identify", "userId": "ann", "anonymousId": "a1", "messageId": "l"})
    await bench.persons.stop("ann", by="tests", note="")
    with contextlib.closing(sqlite3.connect(bench.store.path)) as other:
        other.execute(
            "CREATE TRIGGER full BEFORE INSERT ON stopped BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
        )
        async with running(bench.overflow.run()):
            with pytest.raises(Exception, match="disk is full"):
                await bench.persons.step()
            other.execute("DROP TRIGGER full")
            await bench.persons.step()
    assert bench.persons.knows("a1")


async def test_a_new_workspace_tells_of_what_arrived(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events that are in no lane yet go by the new workspace: whoever applies one is told how many there are."""
    monkeypatch.setattr(api, "CATCH_UP_S", 0.01)
    await arrive(bench, track("m1"), track("m2"))
    document = (await bench.get("/workspace"))["document"]
    same = (await bench.ask("POST", "/workspace/diff", {"document": document})).json
    assert same["consequences"] == []
    document["connections"] = [one for one in document["connections"] if one["source"] != "backend"]
    told = (await bench.ask("POST", "/workspace/diff", {"document": document})).json
    assert told["consequences"] == [
        "2 accepted events are not in their lanes yet, because very many came at once: they go where the new workspace says."
    ]
