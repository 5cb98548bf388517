"""Rule G4: events of a page that come within a window take the order of its clock."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.contract.lab import AGAIN, DONE, LEASE_S, NOW, TRACK, WINDOW, Lab, entry, names_of
from tests.contract.promise import promise


@promise
async def a_window_orders_by_the_pages_clock(lab: Lab) -> None:
    """Events of a lane that come within the window after the first are handed out together, by the page's clock."""
    await lab.accept(entry("m3", WINDOW, anon="a", page=3))
    lab.now += 0.1
    await lab.accept(entry("m1", WINDOW, anon="a", page=1))
    lab.now += 0.1
    await lab.accept(entry("m2", WINDOW, anon="a", at=2))
    assert (await lab.none()).next_due_at == pytest.approx(NOW + 0.3)
    lab.now = NOW + 0.3
    assert names_of(await lab.one()) == ["m1", "m2", "m3"]


@promise
async def ties_in_a_window(lab: Lab) -> None:
    """At the same moment of the page: identify, then group, then the rest, then the order of acceptance; types as sent."""
    for name, kind in (("t1", "track"), ("g", "Group"), ("p", "page"), ("i", " identify "), ("t2", "track")):
        await lab.accept(entry(name, WINDOW, anon="a", page=1, kind=kind))
    lab.now += 1
    assert names_of(await lab.one()) == ["i", "g", "t1", "p", "t2"]


@promise
async def late_for_the_window(lab: Lab) -> None:
    """What comes after the window follows, even when nothing was claimed yet and the page's clock says it was earlier."""
    await lab.accept(entry("m5", WINDOW, anon="a", page=5))
    lab.now += 0.31
    await lab.accept(entry("m2", WINDOW, anon="a", page=2))
    await lab.accept(entry("m1", WINDOW, anon="a", page=1))
    assert names_of(await lab.one()) == ["m5"]
    lab.now += LEASE_S
    assert names_of(await lab.one()) == ["m5", "m1", "m2"]


@promise
async def a_claim_closes_its_window(lab: Lab) -> None:
    """What comes while a window's events are on their way is ordered among itself, behind them."""
    await lab.accept(entry("m5", WINDOW, anon="a", page=5), entry("m6", WINDOW, anon="a", page=6))
    lab.now += 0.3
    run = await lab.one(run_max=1)
    lab.now -= 0.1  # a request that took its time before the claim and was written after it
    await lab.accept(entry("m4", WINDOW, anon="a", page=4))
    lab.now += 0.1
    await lab.accept(entry("m3", WINDOW, anon="a", page=3))
    await lab.settle(run, AGAIN, ready_at=lab.now, backing_off=True)
    lab.now += 1
    assert names_of(await lab.one()) == ["m5", "m6", "m3", "m4"]


@promise
async def a_window_does_not_hold_up_what_is_before_it(lab: Lab) -> None:
    """Events before an open window are handed out while those in it wait for their neighbours."""
    await lab.accept(entry("m1", TRACK, anon="a"))
    await lab.accept(entry("m2", WINDOW, anon="a", page=2))
    run = await lab.one()
    assert names_of(run) == ["m1"]
    await lab.settle(run, DONE)
    assert (await lab.none()).next_due_at == pytest.approx(lab.now + 0.3)
    await lab.accept(entry("m0", WINDOW, anon="a", page=0))
    lab.now += 0.3
    assert names_of(await lab.one()) == ["m0", "m2"]


@promise
async def what_was_sent_in_order_waits_for_nobody(lab: Lab) -> None:
    """An event whose page sends in order opens no window; where others wait in one, it joins them."""
    orderly = replace(WINDOW, in_order=True)
    await lab.accept(entry("m2", orderly, anon="a", page=2), entry("m1", orderly, anon="a", page=1))
    run = await lab.one()
    assert names_of(run) == ["m2", "m1"], "in the order in which they came"
    await lab.settle(run, DONE, DONE)
    await lab.accept(entry("m5", WINDOW, anon="a", page=5))
    await lab.accept(entry("m4", orderly, anon="a", page=4))
    await lab.accept(entry("m3", WINDOW, anon="a", page=3))
    assert (await lab.none()).next_due_at == pytest.approx(lab.now + 0.3)
    lab.now += 0.3
    assert names_of(await lab.one()) == ["m3", "m4", "m5"]


@promise
async def a_window_in_a_lane_that_backs_off(lab: Lab) -> None:
    """A backing-off lane keeps its time when new events come; each window keeps its own order behind the head."""
    await lab.accept(entry("m1", WINDOW, anon="a", page=1))
    lab.now += 0.3
    await lab.settle(await lab.one(), AGAIN, ready_at=lab.now + 100, backing_off=True)
    await lab.accept(entry("m4", WINDOW, anon="a", page=4))
    await lab.accept(entry("m3", WINDOW, anon="a", page=3))
    lab.now += 1
    await lab.accept(entry("m2", WINDOW, anon="a", page=2))
    assert (await lab.none()).next_due_at == pytest.approx(NOW + 100.3)
    lab.now += 100
    assert names_of(await lab.one()) == ["m1", "m3", "m4", "m2"]


@promise
async def servers_do_not_wait(lab: Lab) -> None:
    """Without a window events are due at once, in the order of acceptance."""
    await lab.accept(entry("m2", page=2), entry("m1", page=1))
    assert names_of(await lab.one()) == ["m2", "m1"]
