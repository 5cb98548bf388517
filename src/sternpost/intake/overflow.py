"""Under pressure, requests are kept as they came, and spread into events and lanes afterwards.

Accepting an event costs several times what writing its bytes costs. While so many come that they queue for the disk, each request
becomes one row (an `Arrival`): checked at the door like every other, durable when it is answered. A task of this process spreads
arrivals in their order.

Only the source that floods goes this way: what others send goes straight into its tables meanwhile. The order per person holds: as long as
anything waits, a source that has arrivals goes on making them, and so does every request about a person who may be in one. Who that is
is not known of arrivals from before a start, so until these are spread everything is kept as it came.

Bounds: `ARRIVALS_EVENTS_MAX` and `ARRIVALS_BYTES_MAX`; above them accepting waits for spreading, and answers 503 when that takes longer
than any accept may. Spreading has a share of its own also during a flood, and all of the writer when nothing else wants it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from sternpost.errors import StoreError
from sternpost.intake.intake import Intake
from sternpost.limits import (
    ARRIVALS_BYTES_MAX,
    ARRIVALS_EVENTS_MAX,
    ARRIVALS_PEOPLE_MAX,
    SPREAD_EVENTS_MAX,
    STRAIGHT_EVENTS_MAX,
)
from sternpost.model import Accepted, Arrival, Event
from sternpost.store.base import Spread, Store
from sternpost.wire import postponed

log = structlog.get_logger("sternpost.intake")

PAUSE_S = 0.05  #: between two steps while others wait for the writer: a step takes 16 ms, so that spreading has a quarter of it
AGAIN_S = 1.0  #: after a step that failed: the disk is full, say


class Overflow:
    """Keeps requests as they came, and spreads them."""

    def __init__(
        self,
        store: Store,
        intake: Intake,
        *,
        queued_events: Callable[[], int],
        new_id: Callable[[], str],
        straight_events_max: int = STRAIGHT_EVENTS_MAX,
        events_max: int = ARRIVALS_EVENTS_MAX,
        bytes_max: int = ARRIVALS_BYTES_MAX,
    ) -> None:
        """`new_id`: a messageId for an event that came without one."""
        self._store = store
        self._intake = intake
        self._queued_events = queued_events
        self._new_id = new_id
        self._straight_events_max = straight_events_max
        self._events_max = events_max
        self._bytes_max = bytes_max
        self._everybody = store.arrivals.events > 0  #: it is not known who is in arrivals
        self._sources: set[str] = set()  #: that have arrivals
        self._people: set[str] = set()  #: ids in arrivals
        self._arriving = 0  #: requests that are on their way into arrivals
        self._asking = 0  #: who waits in `caught_up`
        self._woken = asyncio.Event()
        self._moved = asyncio.Event()  #: replaced after each step
        self.problem = ""  #: why spreading does not go on, for people

    def wanted(self, source_id: str) -> bool:
        """Whether what a source sends now is to be kept as it came."""
        if self._intake.in_hand.get(source_id, 0) > self._straight_events_max:
            return True
        return self._anything() and (self._everybody or source_id in self._sources)

    def behind(self, events: Sequence[Event]) -> bool:
        """Whether one of these events may belong behind what has arrived, so that their request is to be kept as it came."""
        if not self._anything():
            return False
        people = self._people
        return self._everybody or any(
            event.user_id in people or event.anonymous_id in people for event in events
        )

    def _anything(self) -> bool:
        """Whether anything waits, or is about to. Asked from threads too."""
        return self._store.arrivals.events > 0 or self._arriving > 0

    async def arrive(self, parts: Sequence[Arrival]) -> None:
        """Keep a request; durable when it returns. Raises StoreFull, StoreUnavailable, TimeoutError."""
        self._intake.admit()
        self._remember(parts)
        self._arriving += 1
        try:
            with self._intake.deadlines.start():
                while not self._has_room():
                    await self._step_done()
                await self._store.arrive(parts)
        finally:
            self._arriving -= 1
        self._woken.set()

    async def run(self) -> None:
        """Spread whatever waits, for ever."""
        while True:
            if not self._store.arrivals.events:
                self._woken.clear()
                await self._woken.wait()
            try:
                if not await self.step() and self._store.arrivals.events:
                    await asyncio.sleep(AGAIN_S)  # one was set aside, say; never in a circle
            except StoreError as error:
                await self._pause(str(error))
            except Exception as error:
                # A defect of ours. What arrived is where it was, or in its lanes, and /health says so.
                log.exception("spread_failed")
                await self._pause(f"{type(error).__name__}: {error}")
            else:
                self.problem = ""
                if self._queued_events() and not self._asking:
                    await asyncio.sleep(PAUSE_S)

    async def step(self) -> int:
        """Spread some events; how many. Raises StoreError."""
        spread = await self._store.spread(self._entries, events_max=SPREAD_EVENTS_MAX, now=self._intake.now())
        count = sum(len(one.entries) for one in spread)
        if not self._anything():
            self._everybody = False
            self._sources.clear()
            self._people.clear()
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()
        self._tell(spread)
        return count

    async def caught_up(self, within_s: float | None) -> bool:
        """Wait until what has arrived by now is spread: whoever asks for events means these too. False: it takes longer."""
        if not self._store.arrivals.events:
            return True
        waiting = self._store.arrivals
        goal = waiting.gone + waiting.events
        self._asking += 1
        try:
            async with asyncio.timeout(within_s):
                # What was being written may have been rolled back: then the goal is never reached, and nothing waits.
                while waiting.gone < goal and waiting.events:
                    await self._step_done()
        except TimeoutError:
            return False
        finally:
            self._asking -= 1
        return True

    def _remember(self, parts: Sequence[Arrival]) -> None:
        for part in parts:
            self._sources.add(part.source_id)
            if not self._everybody:
                self._people.update(part.people)
        if len(self._people) > ARRIVALS_PEOPLE_MAX:
            self._everybody = True
            # A new set: a thread that looked at `_everybody` before goes on in the old one.
            self._people = set()

    def _has_room(self) -> bool:
        waiting = self._store.arrivals
        return waiting.events < self._events_max and waiting.bytes < self._bytes_max

    async def _step_done(self) -> None:
        self._woken.set()
        await self._moved.wait()

    async def _pause(self, problem: str) -> None:
        if problem != self.problem:
            log.warning("spread_waits", error=problem)
        self.problem = problem
        await asyncio.sleep(AGAIN_S)

    def _entries(self, arrival: Arrival) -> list[Accepted]:
        """Its events with their routes by the workspace in force; of a source that is gone they have none, and are kept."""
        events = postponed.events(arrival, self._new_id)
        fanout = self._intake.fanout
        source = fanout.workspace.sources.get(arrival.source_id)
        if source is None:
            return [Accepted(event) for event in events]
        return [fanout.accepted(event, source) for event in events]

    def _tell(self, spread: Sequence[Spread]) -> None:
        for one in spread:
            self._intake.tell(one.source_id, one.entries, one.receipt)
