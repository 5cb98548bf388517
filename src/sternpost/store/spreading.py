"""What arrived goes into its lanes: many arrivals in one transaction, and around those that cannot be spread.

One arrival must not stop all others. When a transaction fails over what was to be written, they go one by one: what cannot be accepted is set
aside, and a table of arrivals that cannot be read any more is renewed from what can (`aside`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import structlog

from sternpost.errors import StoreDamaged, StoreError
from sternpost.model import Accepted, Arrival
from sternpost.store import arrivals, aside
from sternpost.store.accepting import Acceptor
from sternpost.store.base import Spread
from sternpost.store.database import Database, connect
from sternpost.store.names import Deltas, Names
from sternpost.store.trouble import unavailable

log = structlog.get_logger("sternpost.store")

EntriesOf = Callable[[Arrival], Sequence[Accepted]]

#: Arrivals set aside in one step, so that whoever waits for it is told of what was spread.
ASIDE_AT_ONCE_MAX = 50


class Spreader:
    """Spreads the arrivals of one store."""

    def __init__(self, database: Database, names: Names, deltas: Deltas, path: Path) -> None:
        """What an earlier run set aside waits again."""
        self._database = database
        self._names = names
        self._deltas = deltas
        self._path = path
        self._take_back()
        self.waiting = arrivals.Waiting.read(database.connection)

    async def spread(self, entries_of: EntriesOf, *, events_max: int, now: float) -> Sequence[Spread]:
        """See `store.base.Store.spread`."""

        def run(cx: sqlite3.Connection, select: str = arrivals.SELECT_OLDEST) -> list[Spread]:
            acceptor = Acceptor(cx, self._names, self._deltas, now)
            return arrivals.spread(cx, self._deltas, self.waiting, acceptor, entries_of, events_max, select)

        try:
            return await self._database.write(run, weight=events_max)
        except Exception as error:
            if not _its_own(error):
                raise
        done: list[Spread] = []
        put_aside = 0
        while (
            sum(len(one.entries) for one in done) < events_max
            and put_aside < ASIDE_AT_ONCE_MAX
            and self.waiting.events
        ):
            try:
                no, arrival = self._next()
                try:
                    done += await self._database.write(lambda cx: run(cx, arrivals.SELECT_ONE))
                except Exception as error:
                    if not _its_own(error):
                        raise
                    await self._set_aside(no, arrival, error, now)
                    put_aside += 1
            except StoreDamaged:
                # It can neither be spread nor set aside: its own table is damaged.
                await self._renew(now)
            except StoreError:
                if not done:
                    raise
                break
        return done

    def _take_back(self) -> None:
        connection = self._database.connection
        try:
            aside.take_back(connection)
        except sqlite3.Error as error:
            self._database.found_damage(
                f"Accepted events that were set aside cannot be taken up again ({error}). They stay where they are; `sternpost salvage` makes a "
                "store with those that can be read."
            )
        try:
            left = aside.left_over(connection)
        except sqlite3.Error as error:
            left = []
            self._database.found_damage(f"The list of the store's tables cannot be read ({error}).")
        for kept_as in left:
            self._database.found_damage(
                f"The store's table {kept_as} holds what is left of accepted events that could not be read; `sternpost salvage` makes a store "
                "without it."
            )

    def _next(self) -> tuple[int, Arrival]:
        with closing(connect(self._path, readonly=True)) as reading:
            try:
                return aside.oldest(reading)
            except sqlite3.Error as error:
                raise unavailable(error) from error

    async def _renew(self, now: float) -> None:
        with closing(connect(self._path, readonly=True)) as reading:

            def renew(cx: sqlite3.Connection) -> aside.Renewed:
                found = aside.renew(cx, reading, now)
                # Before the next transaction begins, which may add to it.
                self.waiting.events, self.waiting.bytes = found.events, found.bytes
                self.waiting.gone += found.lost
                return found

            found = await self._database.alone(renew)
        log.error("arrivals_renewed", kept_as=found.kept_as, read=found.events, lost=found.lost)
        known = ", ".join(f"{n:,} of {source}" for source, n in sorted(found.lost_of.items()))
        self._database.found_damage(
            f"{found.lost:,} accepted events that were not in their lanes yet could not be read{f' ({known})' if known else ''}: their page of "
            f"the store is damaged. What is left of them is in its table {found.kept_as}; `sternpost salvage` makes a store without it."
        )

    async def _set_aside(self, no: int, arrival: Arrival, error: Exception, now: float) -> None:
        why = str(error) if isinstance(error, StoreError) else f"{type(error).__name__}: {error}"
        log.error(
            "arrival_set_aside",
            source=arrival.source_id,
            events=arrival.events,
            error=why,
            exc_info=None if isinstance(error, StoreError) else error,
        )
        await self._database.write(
            lambda cx: aside.put(cx, self._deltas, self.waiting, no, arrival, why, now)
        )
        self._database.found_damage(
            f"{arrival.events:,} accepted events of the source {arrival.source_id} could not be put into their lanes and were set aside ({why}). They "
            "are kept, and tried again at the next start; other events go on."
        )


def _its_own(error: Exception) -> bool:
    """Whether an error is about what was to be written, not about the disk: to try it again does not help."""
    return isinstance(error, StoreDamaged) or not isinstance(error, StoreError | MemoryError)
