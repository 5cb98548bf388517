"""Promises about arrivals: requests kept as they came, and spread into events and lanes afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from sternpost.errors import StoreFull
from sternpost.model import Accepted, Arrival
from sternpost.store.base import Spread
from tests.contract.lab import DONE, GATE, GATED, HOLD, NOW, Lab, entry, identify
from tests.contract.promise import promise


def arrival(*names: str, source: str = "web", received_at: float = NOW) -> Arrival:
    """A request of events whose names are its body."""
    body = " ".join(names).encode()
    return Arrival(source, received_at, "192.0.2.7", "/v1/batch", "", len(names), 0, body)


def events_of(arrived: Arrival) -> list[Accepted]:
    return [
        entry(name, user=name.partition("-")[0], source=arrived.source_id, received_at=arrived.received_at)
        for name in arrived.body.decode().split()
    ]


async def spread(lab: Lab, events_max: int = 10_000) -> Sequence[Spread]:
    return await lab.store.spread(events_of, events_max=events_max, now=lab.now)


@promise
async def arrivals_are_kept(lab: Lab) -> None:
    """When arrive returns, a request is on the disk as it came, counted, and in no lane yet; also after the next start."""
    await lab.store.arrive([arrival("ann-1", "bob-1"), arrival("ann-2")])
    assert lab.rows("SELECT body, events FROM arrivals ORDER BY no") == [(b"ann-1 bob-1", 2), (b"ann-2", 1)]
    await lab.none()
    lab.reopen()
    assert (lab.store.arrivals.events, lab.store.arrivals.bytes) == (3, 16)
    lab.check()
    [first, second] = await spread(lab)
    assert [kept.event.message_id for kept in first.entries] == ["ann-1", "bob-1"]
    assert (first.receipt.stored, second.receipt.stored) == (2, 1)
    assert (lab.store.arrivals.events, lab.store.arrivals.bytes) == (0, 0)
    assert sorted(await lab.deliver()) == ["ann-1", "ann-2", "bob-1"]


@promise
async def arrivals_are_spread_in_their_order(lab: Lab) -> None:
    """Oldest first, in steps that are bounded and take one arrival at least; each in its person's lane behind what came before."""
    await lab.accept(entry("ann-0", user="ann"))
    for number in range(1, 5):
        await lab.store.arrive([arrival(f"ann-{number}", f"bob-{number}", f"cid-{number}")])
    assert [len(done.entries) for done in await spread(lab, events_max=7)] == [3, 3]
    assert [len(done.entries) for done in await spread(lab, events_max=1)] == [3]
    assert lab.store.arrivals.events == 3
    await spread(lab)
    assert not await spread(lab)
    await lab.accept(entry("ann-5", user="ann"))
    run = next(run for run in (await lab.claim()).runs if run.key.lane == "u:ann")
    assert [waiting.event.message_id for waiting in run.events] == [f"ann-{number}" for number in range(6)]


@promise
async def arrivals_and_events_are_kept_once(lab: Lab) -> None:
    """A messageId counts once, whether it came straight, in an arrival, or both, before and after."""
    await lab.accept(entry("ann-1", user="ann"))
    await lab.store.arrive([arrival("ann-1", "ann-2", "ann-2")])
    await lab.store.arrive([arrival("ann-2", "ann-3")])
    receipts = [done.receipt for done in await spread(lab)]
    assert [(receipt.stored, receipt.duplicates) for receipt in receipts] == [(1, 2), (1, 1)]
    assert (await lab.accept(entry("ann-3", user="ann"))).duplicates == 1
    assert lab.counters("s:web") == {"received": 3, "duplicates": 4}
    assert await lab.deliver() == ["ann-1", "ann-2", "ann-3"]


@promise
async def one_arrival_stops_no_others(lab: Lab) -> None:
    """One that cannot be spread is set aside as it came, in one transaction, and counted; those around it go on; the next start tries it
    again, before what came since.
    """

    def breaks(arrived: Arrival) -> list[Accepted]:
        if arrived.body == b"bob-1 bob-2":
            raise ValueError("a defect")
        return events_of(arrived)

    await lab.store.arrive([arrival("ann-1")])
    await lab.store.arrive([arrival("bob-1", "bob-2")])
    await lab.store.arrive([arrival("cid-1")])
    while lab.store.arrivals.events:
        await lab.store.spread(breaks, events_max=10, now=lab.now)
    lab.check()
    assert sorted(await lab.deliver()) == ["ann-1", "cid-1"]
    assert "2 accepted events of the source web" in lab.store.notices[0]
    await lab.store.arrive([arrival("bob-3")])
    lab.reopen()
    assert lab.store.arrivals.events == 3
    lab.check()
    await spread(lab)
    assert await lab.deliver() == ["bob-1", "bob-2", "bob-3"]
    lab.check()


@promise
async def arrivals_that_cannot_be_written_are_not_counted(lab: Lab) -> None:
    """A request that the disk does not take is refused and leaves no trace, and so are those that shared its commit."""
    await lab.store.arrive([arrival("ann-1")])
    free = lab.engine.run_out_of_space(lab.store)
    large = Arrival("web", NOW, "192.0.2.7", "/v1/batch", "", 1, 0, b"ann-3" + b" " * 200_000)
    results = await asyncio.gather(
        lab.store.arrive([arrival("ann-2")]), lab.store.arrive([large]), return_exceptions=True
    )
    assert [type(result).__name__ for result in results] == ["StoreUnavailable"] * 2
    assert lab.store.arrivals.events == 1
    free()
    lab.check()
    await lab.store.arrive([arrival("ann-4")])
    await spread(lab)
    assert await lab.deliver() == ["ann-1", "ann-4"]


@promise
async def a_full_store_takes_no_arrivals(lab: Lab) -> None:
    """When what waits fills the store, arrive refuses as accept does; what has arrived is spread nevertheless, so that it is delivered."""
    await lab.accept(entry("ann-1", user="ann", body=b"x" * 100_000))
    await lab.store.arrive([arrival("ann-2")])
    assert (await lab.prune(bytes_max=1)).full
    with pytest.raises(StoreFull):
        await lab.store.arrive([arrival("ann-3")])
    await spread(lab)
    assert await lab.deliver() == ["ann-1", "ann-2"]


@promise
async def arrivals_link_and_hold(lab: Lab) -> None:
    """What accept does beside the lanes is done when arrivals are spread: events are held, links release them, gates are set."""
    kinds = {
        "held": entry("held", HOLD, anon="a1", at=1),
        "link": identify("link", "a1", "ann", GATE, at=2),
        "after": entry("after", GATED, user="ann", anon="a1", at=3),
    }

    def made(arrived: Arrival) -> list[Accepted]:
        return [kinds[name] for name in arrived.body.decode().split()]

    await lab.store.arrive([arrival("held")])
    await lab.store.spread(made, events_max=10, now=lab.now)
    assert lab.fate("held") == "held"
    await lab.store.arrive([arrival("link", "after")])
    await lab.store.spread(made, events_max=10, now=lab.now)
    assert lab.rows("SELECT anonymous_id, user_id FROM links") == [("a1", "ann")]
    run = await lab.one("metadata")
    await lab.settle(run, DONE)
    assert await lab.deliver() == ["held", "after"]


@promise
async def who_is_in_arrivals_is_still_known(lab: Lab) -> None:
    """Links and memberships of the time of an arrival are kept until it is spread, however long that takes: the retention is that of what
    waits.
    """
    await lab.accept(identify("old", "a1", "ann", at=1))
    await lab.accept(identify("new", "a1", "bob", at=2))
    await lab.deliver("metadata")
    await lab.store.arrive([arrival("cid-1", received_at=NOW - 10)])
    lab.now += 30 * 86_400
    await lab.prune(before=lab.now - 7 * 86_400)
    assert lab.rows("SELECT user_id FROM links ORDER BY at_ms") == [("ann",), ("bob",)]
    await spread(lab)
    await lab.deliver()
    await lab.prune(before=lab.now - 7 * 86_400)
    assert lab.rows("SELECT user_id FROM links ORDER BY at_ms") == [("bob",)]
    assert lab.rows("SELECT count(*) FROM events") == [(0,)]
