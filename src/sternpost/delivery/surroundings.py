"""What delivery is given from outside: the store, the workspace, time, chance, and whom to tell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sternpost.model import Blocked, Event, Reply, Settled, Workspace
from sternpost.store.base import Store


class Observer(Protocol):
    """Is told what happened; never decides anything."""

    def settled(self, destination_id: str, settled: Sequence[Settled]) -> None: ...
    def replied(self, destination_id: str, reply: Reply) -> None: ...
    def blocked(self, destination_id: str, channel: str, blocked: Blocked | None) -> None: ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a worker is given from outside."""

    store: Store
    workspace: Callable[[], Workspace]
    clock: Callable[[], float]
    random: Callable[[], float]
    observer: Observer
    wake: Callable[
        [Iterable[tuple[str, str, float]]], None
    ]  #: (destination, channel, when) that got something to do
    give_up_s: float
    #: whether the person of an event (and the userId that a link gave it) is stopped
    stopped: Callable[[Event, str], bool] = lambda event, user_id: False
