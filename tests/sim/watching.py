"""What is looked at while a run goes on: who settles what, and what is logged."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from typing import TYPE_CHECKING, Any

import structlog

from sternpost.errors import StoreError
from sternpost.store import settling

if TYPE_CHECKING:
    from .world import World


class Fences:
    """What a settlement may change: only a lane that is leased by its own lease, looked at from inside the transaction."""

    def __init__(self, world: World) -> None:
        self.world = world

    def __call__(
        self, cx: sqlite3.Connection, names: Any, deltas: Any, settlements: Any, *, now: float
    ) -> Any:
        leased = {
            (destination, channel, lane): lease
            for destination, channel, lane, lease in cx.execute(
                "SELECT d.name, c.name, l.lane, l.lease FROM lanes l JOIN names d ON d.no = l.destination_no "
                "JOIN names c ON c.no = l.channel_no WHERE l.lease IS NOT NULL"
            )
        }
        settled = self.real(cx, names, deltas, settlements, now=now)
        for settlement in settlements:
            key = settlement.key
            owner = leased.get((key.destination_id, key.channel, key.lane))
            if (key in settled.lost) != (owner != settlement.lease):
                self.world.wrong(
                    f"{settlement.lease} settled {key}, which is leased by {owner}: lost {settled.lost}"
                )
        return settled

    def __enter__(self) -> None:
        self.real = settling.settle
        settling.settle = self

    def __exit__(self, *_: object) -> None:
        settling.settle = self.real


class Logs:
    """What the program logs: exceptions that nobody planned are found in it."""

    def __init__(self, world: World) -> None:
        self.world = world

    def __call__(self, logger: Any, method: str, event: dict[str, Any]) -> dict[str, Any]:
        if not self.world.loop.ghosts:
            error = event.get("exc_info")
            error = sys.exc_info()[1] if error is True else error
            name = event.get("event")
            self.world.note("log", name)
            if error is not None and not isinstance(error, StoreError | asyncio.CancelledError):
                self.world.wrong(f"{name}: {error!r}")
        raise structlog.DropEvent

    def __enter__(self) -> None:
        self.before = structlog.get_config()["processors"]
        self.kept = list(self.before)
        self.before[:] = [self]

    def __exit__(self, *_: object) -> None:
        self.before[:] = self.kept
