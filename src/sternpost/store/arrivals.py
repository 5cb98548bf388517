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
FOUND_MAX = 20  #: arrivals looked into for one messageId: it is in one, or in a few that repeat it

COLUMNS = "source, received_at, request_ip, path, call, events, before, body"
INSERT = f"INSERT INTO arrivals ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
SELECT_OLDEST = f"SELECT no, {COLUMNS} FROM arrivals ORDER BY no"
SELECT_NAMING = f"SELECT {COLUMNS} FROM arrivals WHERE instr(body, ?) OR instr(body, ?) ORDER BY no LIMIT ?"
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
) -> list[Spread]:
    """Accept the events of the oldest arrivals and remove these: `events_max` events at most, or one arrival."""
    done: list[Spread] = []
    first = last = count = size = 0
    with closing(cx.execute(SELECT_OLDEST)) as rows:
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


def naming(cx: sqlite3.Connection, texts: tuple[bytes, bytes]) -> list[Arrival]:
    """The oldest arrivals in whose bodies one of two texts is."""
    return [Arrival(*columns) for columns in cx.execute(SELECT_NAMING, (*texts, FOUND_MAX))]


def summary(cx: sqlite3.Connection, now: float) -> dict[str, Any]:
    """What waits, and for how long, as `GET /api/v1/stats` says it."""
    waiting = Waiting.read(cx)
    since = cx.execute(SELECT_SINCE).fetchone()
    return {
        "events": waiting.events,
        "bytes": waiting.bytes,
        "oldestSeconds": round(max(0.0, now - since[0]), 3) if since else 0.0,
    }
