"""The store against a simple model: random accepts, claims, settlements, expiries and crashes under a fake clock, many seeds.

The model knows, per lane, what waits and who holds the lane until when. After each seed everything is worked off: what was accepted has
been settled, in the order of its lane, and nothing is stuck.
"""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sternpost import limits
from sternpost.model import LaneKey, Route, Run

from .lab import AGAIN, DAY_S, DEAD, DONE, NOW, SKIP, SQLITE, Engine, Lab, entry, identify, lab_of

ENGINES = [SQLITE]
STEPS = 150
LEASE_S = 30.0


@dataclass
class Lane:
    waiting: list[int] = field(default_factory=list)  #: seqs in the order of acceptance
    lease: str = ""
    until: float = 0.0  #: leased or backing off


@dataclass
class Driver:
    """Does something at random, tells the model, and compares."""

    lab: Lab
    chance: random.Random
    lanes: dict[LaneKey, Lane] = field(default_factory=lambda: defaultdict(Lane))
    held: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))  #: by anonymousId
    runs: list[Run] = field(default_factory=list)  #: of workers, living and dead
    ids: int = 0
    final: set[int] = field(default_factory=set)
    accepted: set[int] = field(default_factory=set)

    async def accept(self) -> None:
        entries, places = [], []
        for _ in range(self.chance.randrange(1, 6)):
            repeated = self.ids and self.chance.random() < 0.2
            if not repeated:
                self.ids += 1
            name = f"m{self.chance.randrange(1, self.ids + 1) if repeated else self.ids}"
            user, anon = self.chance.choice(["u1", "u2", "u3"]), self.chance.choice(["", "", "a1", "a2"])
            kind = self.chance.random()
            if anon and kind < 0.3:
                route = Route("pendo", "track", held=True, hold_s=30 * DAY_S)
                # Later than every link, so that only a link to come explains it.
                entries.append(entry(name, route, anon=anon, at=self.ids))
                places.append(("hold", anon))
            elif anon and kind < 0.5:
                entries.append(identify(name, anon, user, Route("pendo", "metadata"), at=self.ids))
                places.append(("link", anon))
            else:
                channel = self.chance.choice(["track", "metadata"])
                entries.append(entry(name, Route("pendo", channel), user=user, anon=anon, at=self.ids))
                places.append((channel, anon))
        receipt = await self.lab.accept(*entries)
        for seq, accepted, (place, anon) in zip(receipt.seqs, entries, places, strict=True):
            if not seq:
                continue
            self.accepted.add(seq)
            lane = accepted.event.lane
            if place == "hold":
                self.held[anon].append(seq)
                continue
            channel = "metadata" if place == "link" else place
            self.lanes[LaneKey("pendo", channel, lane)].waiting.append(seq)
            if place == "link":
                # All held were accepted before, at an earlier time of theirs: they go in the order of acceptance.
                self.lanes[LaneKey("pendo", "track", lane)].waiting += self.held.pop(anon, [])

    async def claim(self) -> None:
        channel = self.chance.choice(["track", "metadata"])
        lanes_max, run_max = self.chance.randrange(1, 5), self.chance.randrange(1, 6)
        claimed = await self.lab.claim(channel, lanes_max=lanes_max, run_max=run_max, lease_s=LEASE_S)
        due = [
            key
            for key, lane in self.lanes.items()
            if key.channel == channel and lane.waiting and lane.until <= self.lab.now
        ]
        assert len(claimed.runs) == min(lanes_max, len(due))
        for run in claimed.runs:
            assert run.key in due, "a lane was handed out that is not due"
            lane = self.lanes[run.key]
            seqs = [waiting.event.seq for waiting in run.events]
            assert seqs == lane.waiting[:run_max], "not the oldest of the lane, in order"
            lane.lease, lane.until = run.lease, self.lab.now + LEASE_S
        self.runs += claimed.runs
        waiting = [lane.until for key, lane in self.lanes.items() if key.channel == channel and lane.waiting]
        assert (claimed.next_due_at is None) == (not waiting)
        if claimed.next_due_at is not None and min(waiting) > self.lab.now:
            assert claimed.next_due_at == min(waiting)

    async def settle(self) -> None:
        if not self.runs:
            return
        run = self.runs.pop(self.chance.randrange(len(self.runs)))
        lane = self.lanes[run.key]
        count = self.chance.randrange(len(run.events) + 1)
        outcomes: list[Any] = [self.chance.choice([DONE, DONE, SKIP, DEAD]) for _ in range(count)]
        backs_off = count < len(run.events) and self.chance.random() < 0.3
        release = backs_off or self.chance.random() < 0.7
        ready_at = self.lab.now + self.chance.choice([1, 20, 90]) if backs_off else None
        if backs_off:
            outcomes.append(AGAIN)
        settling = await self.lab.settle(
            Run(run.key, run.lease, run.events[: len(outcomes)]),
            *(outcomes or [DONE]),
            release=release,
            ready_at=ready_at,
            backing_off=backs_off,
        )
        if lane.lease != run.lease:
            assert settling.lost == (run.key,)
            return
        assert not settling.lost
        for waiting in run.events[:count]:
            if waiting.event.seq in lane.waiting:
                lane.waiting.remove(waiting.event.seq)
                self.final.add(waiting.event.seq)
        if release:
            lane.lease, lane.until = "", ready_at or self.lab.now
        else:
            lane.until = max(lane.until, self.lab.now + limits.LEASE_S)
            self.runs.append(Run(run.key, run.lease, run.events[count:]))

    async def pass_time(self) -> None:
        self.lab.now += self.chance.choice([0.5, 5, 40])

    async def crash(self) -> None:
        self.lab.reopen()
        self.chance.shuffle(self.runs)
        del self.runs[: len(self.runs) // 2]

    async def prune(self) -> None:
        await self.lab.store.prune(now=self.lab.now, before=NOW - 1, bytes_max=10**12)

    async def drain(self) -> None:
        for anon in list(self.held):
            self.ids += 1
            receipt = await self.lab.accept(
                identify(f"m{self.ids}", anon, "u1", Route("pendo", "metadata"), at=self.ids)
            )
            self.accepted.update(receipt.seqs)
            self.final.update(receipt.seqs)
            self.final.update(self.held.pop(anon))
        self.lab.now += 1_000
        for channel in ("track", "metadata"):
            await self.lab.deliver(channel, lanes_max=3, run_max=4)
        for lane in self.lanes.values():
            self.final.update(lane.waiting)


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
@pytest.mark.parametrize("seed", range(24))
async def test_against_the_model(engine: Engine, seed: int, tmp_path: Path) -> None:
    """Whatever happens in whatever order: each event in one place, lanes in order, counters equal to rows, nothing stuck."""
    with lab_of(engine, tmp_path) as lab:
        driver = Driver(lab, random.Random(seed))
        deeds = [driver.accept, driver.claim, driver.settle, driver.pass_time, driver.prune, driver.crash]
        for step in range(STEPS):
            (deed,) = driver.chance.choices(deeds, weights=[5, 6, 6, 2, 0.3, 0.3])
            await deed()
            if step % 25 == 0:
                lab.check()
        lab.check()
        waiting = sum(len(lane.waiting) for lane in driver.lanes.values())
        assert lab.rows("SELECT count(*) FROM deliveries") == [(waiting,)]
        assert lab.rows("SELECT count(*) FROM held") == [(sum(map(len, driver.held.values())),)]
        await driver.drain()
        assert lab.rows("SELECT count(*) FROM deliveries") == lab.rows("SELECT count(*) FROM held") == [(0,)]
        assert {seq for (seq,) in lab.rows("SELECT seq FROM outcomes")} == driver.accepted == driver.final
