"""Rule G3: a track event waits for the first try of earlier metadata of its person."""

from __future__ import annotations

from msgspec.structs import replace

from sternpost.limits import GATE_RECHECK_S
from sternpost.model import Blocked
from tests.contract.lab import AGAIN, DEAD, DONE, GATE, GATED, LEASE_S, SKIP, TRACK, Lab, entry, names_of
from tests.contract.promise import promise


@promise
async def gates_hold_back(lab: Lab) -> None:
    """A gated event waits for the first try of an earlier gate event of its person; a later gate does not matter."""
    await lab.accept(entry("t0", GATED), entry("i1", GATE), entry("t1", GATED), entry("t2", GATED))
    run = await lab.one()
    assert names_of(run) == ["t0"]
    await lab.settle(run, DONE)
    assert (await lab.none()).next_due_at == lab.now + GATE_RECHECK_S
    settling = await lab.settle(await lab.one("metadata"), DONE)
    assert ("pendo", "track", lab.now) in settling.due
    run = await lab.one()
    assert names_of(run) == ["t1", "t2"]
    await lab.accept(entry("i2", GATE))
    await lab.settle(run, AGAIN, ready_at=lab.now)
    assert names_of(await lab.one()) == ["t1", "t2"]


@promise
async def gates_reach_across_lanes(lab: Lab) -> None:
    """A person has several lanes (browser, server): a gate in one holds back gated events in the other; other people go on."""
    await lab.accept(
        entry("i1", GATE, user="ann", anon="phone"),
        entry("t1", GATED, user="ann"),
        entry("t2", GATED, user="ann", anon="laptop"),
        entry("t3", GATED, user="bob"),
        entry("t4", GATED, anon="phone"),
        entry("t5", replace(GATED, destination_id="hook"), user="ann"),
    )
    runs = (await lab.claim()).runs
    assert sorted(names_of(run) for run in runs) == [["t3"], ["t4"]]
    assert names_of(await lab.one(destination="hook")) == ["t5"]
    await lab.settle(await lab.one("metadata"), SKIP)
    assert sorted(names_of(run) for run in (await lab.claim()).runs) == [["t1"], ["t2"]]


@promise
async def gates_open_at_the_first_try(lab: Lab) -> None:
    """Any outcome of a first try opens the gate: also Retry and Blocked, and for all that waits behind a head that is tried again."""
    for person, outcome in (("ann", DEAD), ("bob", AGAIN), ("eve", Blocked("key_refused"))):
        await lab.accept(entry(f"i-{person}", GATE, user=person), entry(f"j-{person}", GATE, user=person))
        await lab.accept(entry(f"t-{person}", GATED, user=person))
        await lab.none()
        run = await lab.one("metadata")
        both = (outcome, outcome) if outcome is DEAD else (outcome,)
        settling = await lab.settle(run, *both, ready_at=lab.now + 300, backing_off=outcome is not DEAD)
        assert ("pendo", "track", lab.now) in settling.due
        assert await lab.deliver() == [f"t-{person}"]


@promise
async def nobody_waits_behind_a_lane_that_backs_off(lab: Lab) -> None:
    """A gate event that comes behind a backing-off head holds nobody back, also one of another person in that lane."""
    await lab.accept(entry("i1", GATE, user="ann", anon="a"), entry("i2", GATE, user="bob", anon="a"))
    run = await lab.one("metadata")
    await lab.accept(entry("t1", GATED, user="bob"))
    await lab.settle(run, AGAIN, ready_at=lab.now + 300, backing_off=True)
    assert await lab.deliver() == ["t1"]
    await lab.accept(entry("i3", GATE, user="ann", anon="a"), entry("t2", GATED, user="ann"))
    assert await lab.deliver() == ["t2"]


@promise
async def open_gates(lab: Lab) -> None:
    """With open_gates (the gating channel is blocked) nothing waits for metadata."""
    await lab.accept(entry("i1", GATE), entry("t1", GATED))
    await lab.none()
    assert (await lab.none(open_gates=True)).next_due_at == lab.now + GATE_RECHECK_S
    lab.now += GATE_RECHECK_S
    assert names_of(await lab.one(open_gates=True)) == ["t1"]


@promise
async def gates_in_a_window(lab: Lab) -> None:
    """Within a window the page's clock says which is earlier: a track before its identify waits when the page made it later."""
    gate, gated = replace(GATE, settle_s=0.3), replace(GATED, settle_s=0.3)
    await lab.accept(entry("t2", gated, user="ann", anon="a", page=2))
    await lab.accept(entry("i1", gate, user="ann", anon="a", page=1, kind="identify"))
    lab.now += 0.3
    await lab.none()
    await lab.settle(await lab.one("metadata"), DONE)
    assert names_of(await lab.one()) == ["t2"]


@promise
async def a_gate_opens_for_a_lane_that_waits_by_itself(lab: Lab) -> None:
    """An opening gate does not cut short a back-off that began meanwhile."""
    await lab.accept(entry("t1", GATED), entry("i1", GATE), entry("t2", GATED))
    zombie = await lab.one()
    lab.now += LEASE_S
    claimed = await lab.one()
    await lab.settle(claimed, DONE)
    assert zombie.lease != claimed.lease
    await lab.none()
    await lab.accept(entry("n", TRACK, user="bob"))
    run = await lab.one()
    await lab.settle(run, AGAIN, ready_at=lab.now + 100, backing_off=True)
    await lab.settle(await lab.one("metadata"), DONE)
    assert names_of(await lab.one()) == ["t2"]


@promise
async def retried_dead_letters_are_no_gates(lab: Lab) -> None:
    """A dead letter has had its first try: put back, it holds nobody back."""
    receipt = await lab.accept(entry("i1", GATE))
    await lab.settle(await lab.one("metadata"), DEAD)
    which = (receipt.seqs[0], "pendo")
    await lab.store.retry_rejected([which], {which: GATE}, now=lab.now)
    await lab.accept(entry("t1", GATED))
    assert names_of(await lab.one()) == ["t1"]
