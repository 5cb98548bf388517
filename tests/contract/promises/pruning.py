"""Pruning: what goes, in which order, and what never does."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from sternpost.errors import StoreFull
from sternpost.limits import LANE_IDLE_S
from sternpost.model import Outcome, Route
from tests.contract.lab import DEAD, DONE, HOLD, NOW, SKIP, TRACK, Lab, entry, names_of
from tests.contract.promise import promise


@promise
async def prune_by_age(lab: Lab) -> None:
    """What was accepted before a moment and waits nowhere goes, dead letters too; what waits, is held, or is younger stays."""
    await lab.accept(*(entry(f"{n}", user=f"u{n}", received_at=NOW - 100) for n in ("done", "dead", "waits")))
    await lab.accept(entry("held", HOLD, anon="a", received_at=NOW - 100))
    await lab.accept(entry("young", user="udone", received_at=NOW))
    await lab.accept(entry("twice", Route("hook", ""), TRACK, user="udone", received_at=NOW - 100))
    for run in (await lab.claim()).runs:
        if run.key.lane in {"u:udone", "u:udead"}:
            await lab.settle(run, DONE if run.key.lane == "u:udone" else DEAD)
    pruned = await lab.prune(before=NOW - 50)
    assert (pruned.events, pruned.full) == (2, False)
    assert [lab.fate(n) for n in ("done", "dead", "waits", "held", "young")] == [
        "unknown",
        "unknown",
        "waiting",
        "held",
        "delivered",
    ]
    assert lab.fate("twice", "hook") == "waiting"
    assert lab.fate("twice") == "delivered"
    lab.check()
    assert (await lab.accept(entry("done", user="udone"))).stored == 1, "a pruned id may come again"
    receipt = await lab.accept(entry("new"))
    assert receipt.seqs[0] > 7, "positions are never used twice"


@promise
async def prune_by_bytes(lab: Lab) -> None:
    """Above the bytes delivered and skipped events go first, then dead letters, oldest first; never what waits; the file shrinks."""
    kinds: dict[str, Outcome] = {"done": DONE, "skip": SKIP, "dead": DEAD}
    for i in range(300):
        for kind in (*kinds, "wait"):
            await lab.accept(entry(f"{kind}{i}", user=kind, body=b"x" * 2_000))
    for run in (await lab.claim(run_max=1_000)).runs:
        if run.key.lane[2:] in kinds:
            await lab.settle(run, kinds[run.key.lane[2:]])
    before = lab.engine.bytes_on_disk(lab.place)

    def left(kind: str) -> list[int]:
        return sorted(
            int(name[4:]) for (name,) in lab.rows("SELECT message_key FROM events") if name.startswith(kind)
        )

    pruned = await lab.prune(bytes_max=before * 4 // 5)
    assert not pruned.full
    assert 0 < pruned.events <= 600
    lab.check()
    assert left("dead") == left("wait") == list(range(300))
    pruned = await lab.prune(bytes_max=before * 5 // 12)
    assert not pruned.full
    assert left("done") == left("skip") == []
    assert left("wait") == list(range(300))
    dead = left("dead")
    assert dead == list(range(300 - len(dead), 300)), "dead letters go oldest first"
    await lab.prune(bytes_max=1)
    assert lab.engine.bytes_on_disk(lab.place) < before * 5 // 12
    assert lab.counters() == {"waiting:track": 300}


@promise
async def full_of_what_waits(lab: Lab) -> None:
    """When what waits fills the space alone, accept raises StoreFull and keeps nothing, until prune finds it better."""
    await lab.accept(*(entry(f"m{i}", body=b"x" * 5_000) for i in range(100)))
    pruned = await lab.prune(bytes_max=420_000)
    assert (pruned.events, pruned.full) == (0, True)
    with pytest.raises(StoreFull):
        await lab.accept(entry("refused"))
    assert len(await lab.deliver()) == 100
    pruned = await lab.prune(bytes_max=420_000)
    assert (pruned.events, pruned.full) == (100, False)
    assert (await lab.accept(entry("m200"))).stored == 1


@promise
async def not_full_while_something_can_go(lab: Lab) -> None:
    """Prune looks at everything before it says full: also at what was settled behind the place it had come to."""
    await lab.accept(*(entry(f"old{i}", user="old", body=b"x" * 3_000) for i in range(600)))
    await lab.accept(*(entry(f"new{i}", user="new", body=b"x" * 3_000) for i in range(600)))
    runs = {run.key.lane: run for run in (await lab.claim(run_max=1_000)).runs}
    await lab.settle(runs["u:new"], DONE)
    removed = 0
    while not removed:
        removed = (await lab.store.prune(now=lab.now, before=0, bytes_max=1_500_000)).events
    await lab.settle(runs["u:old"], DONE)
    more = True
    while more:
        pruned = await lab.store.prune(now=lab.now, before=0, bytes_max=1_500_000)
        assert not pruned.full
        more = pruned.more
    assert lab.engine.bytes_on_disk(lab.place) < 1_700_000


@promise
async def idle_lanes_go(lab: Lab) -> None:
    """Rows of lanes that were empty for an hour go; lanes with something in them stay, and an old lane can begin anew."""
    await lab.accept(entry("m1", user="idle"), entry("n1", user="waits"), entry("o1", user="late"))
    for run in (await lab.claim()).runs:
        if run.key.lane == "u:idle":
            await lab.settle(run, DONE)
    lab.now += LANE_IDLE_S - 1
    await lab.settle(next(r for r in (await lab.claim()).runs if r.key.lane == "u:late"), DONE)
    await lab.prune()
    assert lab.rows("SELECT count(*) FROM lanes") == [(3,)]
    lab.now += 2
    await lab.prune()
    assert sorted(lane for (lane,) in lab.rows("SELECT lane FROM lanes")) == ["u:late", "u:waits"]
    lab.now += 2 * LANE_IDLE_S
    await lab.prune()
    assert lab.rows("SELECT lane FROM lanes") == [("u:waits",)]
    await lab.accept(entry("m2", user="idle"))
    assert sorted(await lab.deliver()) == ["m2", "n1"]


@promise
async def a_lane_is_one_whoever_writes_it(lab: Lab) -> None:
    """Events that several processes put into one lane keep its order, its lease and its count."""
    second, third = lab.another(), lab.another()
    await lab.accept(entry("m1"))
    run = await lab.one()
    await second.accept([entry("m2")], now=lab.now)
    await second.accept([entry("m3")], now=lab.now)
    await lab.none()
    await lab.settle(run, DONE)
    run = await lab.one()
    assert names_of(run) == ["m2", "m3"]
    await lab.settle(run, DONE, release=False)
    await third.accept([entry("m4")], now=lab.now)
    await lab.none()
    await lab.settle(replace(run, events=()), DONE)
    assert await lab.deliver() == ["m4"]
    assert lab.rows("SELECT pending FROM lanes") == [(0,)]


@promise
async def a_row_used_again_is_another_lane(lab: Lab) -> None:
    """What one process remembers of a lane does not put its events into another that took the place meanwhile."""
    other = lab.another()
    await lab.accept(entry("m1", user="alice"))
    await lab.deliver()
    lab.now += 2 * LANE_IDLE_S
    for _ in range(3):
        await other.prune(now=lab.now, before=0.0, bytes_max=10**9)
    assert lab.rows("SELECT lane FROM lanes") == []
    await other.accept([entry("n1", user="bob")], now=lab.now)
    await lab.accept(entry("m2", user="alice"))
    runs = (await lab.claim()).runs
    assert sorted((run.key.lane, names_of(run)) for run in runs) == [("u:alice", ["m2"]), ("u:bob", ["n1"])]
