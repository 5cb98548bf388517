"""Arrivals: requests kept as they came, one row each, until they are spread into events, deliveries and lanes.

Keeping one costs a fifth of what accepting its events costs, so a burst is durable, and answered, at the pace of the disk. Spreading
does what `accept` does, in order of arrival, and removes the row in the same transaction: an event is in one of the two places.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from sternpost.model import Accepted, Arrival
from sternpost.store.accepting import Acceptor
from sternpost.store.base import Spread
from sternpost.store.names import Deltas

SCOPE = "arrivals"  #: of the counters
LOOK_ROWS = 200  #: looked into between two looks at the clock: of the largest 50 MB
FOUND_MAX = 20  #: arrivals looked into for one messageId: it is in one, or in a few that repeat it

COLUMNS = "source, received_at, request_ip, path, call, events, before, body"
INSERT = f"INSERT INTO arrivals ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
SELECT_OLDEST = f"SELECT no, {COLUMNS} FROM arrivals ORDER BY no"
SELECT_NAMING = f"SELECT {COLUMNS} FROM arrivals WHERE no > ? AND no <= ? AND (instr(body, ?) OR instr(body, ?)) ORDER BY no LIMIT ?"
SELECT_LAST = "SELECT max(no) FROM (SELECT no FROM arrivals WHERE no > ? ORDER BY no LIMIT ?)"
SELECT_ASIDE_NAMING = (
    f"SELECT why, {COLUMNS} FROM aside WHERE instr(body, ?) OR instr(body, ?) ORDER BY no LIMIT ?"
)
SELECT_ONE = f"{SELECT_OLDEST} LIMIT 1"  #: which does not touch the page behind it
SELECT_SINCE = "SELECT received_at FROM arrivals ORDER BY no LIMIT 1"
SELECT_WAITING = f"SELECT coalesce(sum(n), 0) FROM counters WHERE scope = '{SCOPE}' AND name = ?"
DELETE = "DELETE FROM arrivals WHERE no >= ? AND no <= ?"


@dataclass(slots=True)
class Waiting:
    """What waits in arrivals: what is being written now is in it already, what is being spread until that is on disk.

    Whoever asks whether anything waits decides by it who goes behind whom, so it is never less than what the file may turn out to hold.
    """

    events: int = 0
    bytes: int = 0  #: of bodies
    gone: int = 0  #: events that wait no more, since the start
    _added: tuple[int, int] = (0, 0)  #: by the transaction that is not committed yet
    _taken: tuple[int, int] = (0, 0)  #: by the same

    @classmethod
    def read(cls, cx: sqlite3.Connection) -> Waiting:
        """As the file says."""
        events, size = (
            int(cx.execute(SELECT_WAITING, (name,)).fetchone()[0]) for name in ("events", "bytes")
        )
        return cls(events, size)

    def committed(self) -> None:
        self.gone += self._taken[0]
        self._end(self._taken)

    def rolled_back(self) -> None:
        self._end(self._added)

    def add(self, deltas: Deltas, events: int, size: int) -> None:
        self.events += events
        self.bytes += size
        self._added = (self._added[0] + events, self._added[1] + size)
        deltas.add(SCOPE, "events", events)
        deltas.add(SCOPE, "bytes", size)

    def take(self, deltas: Deltas, events: int, size: int) -> None:
        self._taken = (self._taken[0] + events, self._taken[1] + size)
        deltas.add(SCOPE, "events", -events)
        deltas.add(SCOPE, "bytes", -size)

    def _end(self, less: tuple[int, int]) -> None:
        self.events -= less[0]
        self.bytes -= less[1]
        self._added = self._taken = (0, 0)


def keep(cx: sqlite3.Connection, deltas: Deltas, waiting: Waiting, parts: Sequence[Arrival]) -> None:
    """Keep the parts of one request."""
    for part in parts:
        cx.execute(
            INSERT,
            (
                part.source_id,
                part.received_at,
                part.request_ip,
                part.path,
                part.call,
                part.events,
                part.before,
                part.body,
            ),
        )
        waiting.add(deltas, part.events, len(part.body))


def spread(
    cx: sqlite3.Connection,
    deltas: Deltas,
    waiting: Waiting,
    acceptor: Acceptor,
    entries_of: Callable[[Arrival], Sequence[Accepted]],
    events_max: int,
    select: str = SELECT_OLDEST,
) -> list[Spread]:
    """Accept the events of the oldest arrivals and remove these: `events_max` events at most, or one arrival."""
    done: list[Spread] = []
    first = last = count = size = 0
    with closing(cx.execute(select)) as rows:
        for no, *columns in rows:
            arrival = Arrival(*columns)
            if done and count + arrival.events > events_max:
                break
            entries = entries_of(arrival)
            done.append(Spread(arrival.source_id, entries, acceptor.accept(entries)))
            first, last = first or no, no
            count += arrival.events
            size += len(arrival.body)
    if done:
        cx.execute(DELETE, (first, last))
        waiting.take(deltas, count, size)
    return done


@dataclass(frozen=True, slots=True)
class Named:
    """Requests in whose bodies a text is."""

    arrivals: list[Arrival]  #: the oldest, `FOUND_MAX` at most
    aside: list[tuple[str, Arrival]]  #: the same of those that were set aside, with why
    complete: bool  #: everything was looked at, or enough was found


def naming(cx: sqlite3.Connection, texts: tuple[bytes, bytes], out_of_time: Callable[[], bool]) -> Named:
    """The oldest requests in whose bodies one of two texts is. A million of them take seconds: it ends when `out_of_time` says so."""
    apart = [(row[0], Arrival(*row[1:])) for row in cx.execute(SELECT_ASIDE_NAMING, (*texts, FOUND_MAX))]
    found: list[Arrival] = []
    after = -(2**62)
    while len(found) < FOUND_MAX:
        last = cx.execute(SELECT_LAST, (after, LOOK_ROWS)).fetchone()[0]
        if last is None:
            return Named(found, apart, complete=True)
        if out_of_time():
            return Named(found, apart, complete=False)
        rows = cx.execute(SELECT_NAMING, (after, last, *texts, FOUND_MAX - len(found)))
        found += [Arrival(*columns) for columns in rows]
        after = last
    return Named(found, apart, complete=True)


def summary(cx: sqlite3.Connection, now: float) -> dict[str, Any]:
    """What waits, and for how long, as `GET /api/v1/stats` says it."""
    waiting = Waiting.read(cx)
    since = cx.execute(SELECT_SINCE).fetchone()
    return {
        "events": waiting.events,
        "bytes": waiting.bytes,
        "setAside": int(cx.execute(SELECT_WAITING, ("aside",)).fetchone()[0]),
        "oldestSeconds": round(max(0.0, now - since[0]), 3) if since else 0.0,
    }
