"""Programs broken on purpose: mistakes that somebody could make anywhere between the door and the destination. The simulation is worth
its seconds when it notices each of them (`test_faults.py`); `tests/contract/faults.py` is the same for the store alone.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from sternpost.delivery import batches, desk, engine, pacing, worker
from sternpost.intake.intake import Intake
from sternpost.intake.overflow import Overflow
from sternpost.limits import BLOCKED_PROBE_S
from sternpost.model import Delivered, Retry
from sternpost.store import claiming, settling
from sternpost.store.accepting import Acceptor
from sternpost.store.database import Database
from tests.contract.faults import (
    Break,
    _around,
    _put,
    _statement,
    _uncounted,
    _with,
    _without_window,
)


@dataclass(frozen=True)
class Fault:
    break_it: Break
    kind: str  #: of scenario that must notice it
    says: str  #: what the complaint is about, so that it is not noticed by chance


# --- faults that need more than a word --------------------------------------------------------------------------------


async def _answered_before_the_commit(self: Database, batch: Any) -> None:
    loop = asyncio.get_running_loop()
    await self._begin(loop)
    for operation in batch:
        operation.done.set_result(operation.run(self.connection))
    try:
        await loop.run_in_executor(self._thread, self.connection.execute, "COMMIT")
    except Exception:
        self._rollback()


def _half_is_dropped(original: Any) -> Any:
    async def deliver_halves(self: Any, parts: Any, first: Any, second: Any) -> Any:
        results = {id(part): result for part, result in zip(first, await self.deliver(first), strict=True)}
        return [results.get(id(part), (Delivered(), None)) for part in parts]

    return deliver_halves


def _results_of_neighbours(original: Any) -> Any:
    async def deliver(self: Any, parts: Any) -> Any:
        results = await original(self, parts)
        return [*results[1:], results[0]]

    return deliver


def _keeps_leases(original: Any) -> Any:
    """A polite stop leaves what it holds to the leases' end."""

    async def settle(self: Any, lane: Any, **how: Any) -> None:
        if not (self._stopping and how.get("release")):
            await original(self, lane, **how)

    return settle


async def _nothing(*args: Any, **named: Any) -> None: ...


async def _never_well(self: Any) -> bool:
    self._probe_at = self._around.clock() + BLOCKED_PROBE_S
    return False


def _not_busy(original: Any) -> Any:
    def flush(self: Any) -> None:
        self._busy.clear()
        original(self)

    return flush


def _never_again(original: Any) -> Any:
    """A retry ends the event, as if it had been delivered."""

    async def conclude(self: Any, lane: Any, waiting: Any, outcome: Any, attempt: Any, **more: Any) -> Any:
        if isinstance(outcome, Retry) and waiting.attempts == 1:
            outcome = Delivered()
        return await original(self, lane, waiting, outcome, attempt, **more)

    return conclude


def _half_of_a_request(original: Any) -> Any:
    async def accept(self: Intake, source: Any, events: Any) -> None:
        await original(self, source, events[: max(1, len(events) - 1)])

    return accept


def _without_the_last(original: Any) -> Any:
    def entries(self: Overflow, arrival: Any) -> Any:
        found = original(self, arrival)
        return found[: max(1, len(found) - 1)]

    return entries


def _goes_on(original: Any) -> Any:
    """After one that must be tried again the lane goes on with the next."""

    async def conclude(self: Any, lane: Any, waiting: Any, outcome: Any, attempt: Any, **more: Any) -> Any:
        if isinstance(outcome, Retry) and waiting is not lane.run.events[-1]:
            self._note_try(lane, waiting, outcome, attempt, 1.0, parts_done=more.get("parts_done"))
            return False
        return await original(self, lane, waiting, outcome, attempt, **more)

    return conclude


_PLACE = "d.pos, d.ord, d.seq"

FAULTS: dict[str, Fault] = {
    # the door and the disk
    "answered before the commit": Fault(
        _put(Database, "_commit", _answered_before_the_commit), "disk", "answered 200 and is lost"
    ),
    "the last of a request is dropped": Fault(
        _around(Intake, "accept", _half_of_a_request), "calm", "answered 200 and is lost"
    ),
    "what comes goes past what has arrived": Fault(
        _put(Overflow, "behind", lambda self, events: False), "calm", "is stored behind it"
    ),
    "a spread arrival is not all of it": Fault(
        _around(Overflow, "_entries", _without_the_last), "calm", "answered 200 and is lost"
    ),
    "settled is not counted": Fault(_around(settling, "settle", _uncounted), "calm", "books"),
    "a dead letter without a reason": Fault(
        _statement(settling, "INSERT_OUTCOME", "(?, ?, ?, ?,", "(?, ?, ?, substr(?, 0, 1),"),
        "weather",
        "ended as|books",
    ),
    # orders
    "newest first": Fault(
        _statement(claiming, "SELECT_RUN", _PLACE, "d.pos DESC, d.ord DESC, d.seq DESC"),
        "calm",
        "came before",
    ),
    "a gate is lost": Fault(
        _statement(claiming, "SELECT_GATE", "LIMIT 1", "LIMIT 0"), "calm", "came earlier"
    ),
    "a page's own order is lost": Fault(_around(Acceptor, "enqueue", _without_window), "calm", "came before"),
    "a retry lets the others pass": Fault(
        _statement(settling, "RETRY_DELIVERY", "SET attempts", "SET pos = pos + 1000000, attempts"),
        "weather",
        "came before",
    ),
    "a lane goes on behind a retry": Fault(
        _around(worker.ChannelWorker, "_conclude", _goes_on), "weather", "came before"
    ),
    # leases
    "a settle that ignores the lease": Fault(
        _statement(settling, "LEASED_LANE", "lease = ?", "? IS NOT NULL"), "zombie", "is leased by"
    ),
    "a lease that never ends": Fault(
        _statement(claiming, "LEASE_LANE", "ready_at = ?", "ready_at = ? + 1e9"), "zombie", "still waiting"
    ),
    "a stop keeps its leases": Fault(
        _around(worker.ChannelWorker, "_settle", _keeps_leases), "crashes", "kept leases"
    ),
    "a lease that ends before its work": Fault(
        _around(claiming, "claim", _with(lease_s=5.0)), "weather", "leased by|sent to .* again"
    ),
    # batches
    "a batch gives its neighbours' results": Fault(
        _around(desk.Desk, "deliver", _results_of_neighbours), "calm", "ended as"
    ),
    "half of a split batch is dropped": Fault(
        _around(desk.Desk, "_deliver_halves", _half_is_dropped), "calm", "ended as|never saw it"
    ),
    "an id is in two requests at once": Fault(
        _around(batches.Batches, "_flush", _not_busy), "calm", "in flight twice"
    ),
    # the destination's troubles
    "a second retry is taken for a delivery": Fault(
        _around(worker.ChannelWorker, "_conclude", _never_again), "weather", "ended as"
    ),
    "Retry-After is not heard": Fault(
        _around(worker, "backoff_s", _with(asked_s=None)), "weather", "are asked for"
    ),
    "429 does not slow down": Fault(
        _put(pacing.Pacer, "slow_down", lambda self, asked_s: None), "weather", "pause that 429 asked for"
    ),
    "no pace": Fault(_put(pacing.Pacer, "turn", _nothing), "weather", "allowed"),
    "a blocked channel is never probed": Fault(
        _put(worker.ChannelWorker, "_probe", _never_well), "weather", "still waiting"
    ),
    # people and the workspace
    "a link forgets what was held": Fault(
        _put(Acceptor, "_release", lambda self, link, seq: None), "calm", "and ended as"
    ),
    "released under nobody": Fault(
        _around(Acceptor, "unhold", _with(person=None)), "calm", "and ended as|it belongs to"
    ),
    "what a removed destination leaves waits for ever": Fault(
        _put(engine.Engine, "_drain", _nothing), "changes", "still waiting"
    ),
    "held events stay held though nothing holds": Fault(
        _put(engine.Engine, "_release_what_is_no_longer_held", _nothing), "changes", "these are held"
    ),
}
