"""From the door to the disk: fan out, accept durably, tell whoever has to know. Bounded in events and in time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from sternpost.destinations.base import Destination
from sternpost.errors import StoreUnavailable
from sternpost.intake.deadlines import Deadlines
from sternpost.intake.fanout import Fanout
from sternpost.limits import ACCEPT_QUEUE_EVENTS_MAX, ACCEPT_TIMEOUT_S
from sternpost.model import Accepted, Event, Route, Source, Workspace
from sternpost.store.base import Receipt, Store

Due = Iterable[tuple[str, str, float]]


class Observer(Protocol):
    """Is told what was accepted."""

    def accepted(self, source_id: str, entries: Sequence[Accepted], receipt: Receipt) -> None: ...


class Intake:
    """Accepts events for the gateway. Group commit is the store's: what comes during one commit travels in the next."""

    def __init__(
        self,
        store: Store,
        *,
        workspace: Callable[[], Workspace],
        destinations: Mapping[str, Destination],
        clock: Callable[[], float],
        queued_events: Callable[[], int],
        wake: Callable[[Due], None],
        observer: Observer,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """`check` raises StoreFull or StoreUnavailable while nothing is to be accepted."""
        self._store = store
        self._workspace = workspace
        self._destinations = destinations
        self._clock = clock
        self._queued_events = queued_events
        self._wake = wake
        self._observer = observer
        self._check = check
        self._fanout = Fanout(workspace(), destinations)
        self.deadlines = Deadlines(ACCEPT_TIMEOUT_S)
        self.in_hand: dict[str, int] = {}  #: events on their way to the disk, by source

    @property
    def fanout(self) -> Fanout:
        """The routes of the workspace in force."""
        workspace = self._workspace()
        if self._fanout.workspace is not workspace:
            self._fanout = Fanout(workspace, self._destinations)
        return self._fanout

    def route(self, event: Event, destination_id: str) -> Route | None:
        """Where an event that was accepted earlier goes by the workspace of now."""
        return self.fanout.route(event, destination_id)

    def replayed(self, event: Event, destination_id: str) -> Route | None:
        """As `route`, for an event that is delivered again."""
        return self.fanout.replayed(event, destination_id)

    async def accept(self, source: Source, events: Sequence[Event]) -> None:
        """Make the events durable; all or none. Raises StoreFull, StoreUnavailable, TimeoutError."""
        self.admit()
        fanout = self.fanout
        entries = [fanout.accepted(event, source) for event in events]
        self.in_hand[source.id] = self.in_hand.get(source.id, 0) + len(events)
        try:
            with self.deadlines.start():
                receipt = await self._store.accept(entries, now=self.now())
        finally:
            self.in_hand[source.id] -= len(events)
        self.tell(source.id, entries, receipt)

    def admit(self) -> None:
        """Raises StoreFull or StoreUnavailable while nothing is to be accepted."""
        self._check()
        if self._queued_events() > ACCEPT_QUEUE_EVENTS_MAX:
            raise StoreUnavailable("More events wait for the disk than may be kept in memory.")

    def now(self) -> float:
        """Unix seconds of our clock."""
        return self._clock()

    def tell(self, source_id: str, entries: Sequence[Accepted], receipt: Receipt) -> None:
        """Tell whoever has to know that events are in their lanes."""
        self._observer.accepted(source_id, entries, receipt)
        self._wake(receipt.due)
