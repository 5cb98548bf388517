"""Arrivals that cannot be spread are set aside, so that those behind them go on: nobody waits for one request for ever.

Two things can be wrong. The arrival can be read, and yet its events cannot be accepted: a defect of ours, or a damaged page in the tables they
belong into. Then its row moves into the table `aside`, as it came, and the next start (a corrected version, a salvaged store) tries it
again. Or its own page is damaged: then the whole table gets another name, and what can be read of it goes into a new one. What is lost by that is counted, and
named as far as it can be.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sternpost.model import Arrival
from sternpost.store.arrivals import COLUMNS, SCOPE, SELECT_ONE, Waiting
from sternpost.store.names import Deltas
from sternpost.store.salvage import behind
from sternpost.store.trouble import damaged

WHY_CHARS_MAX = 500
CHUNK_ROWS = 20  #: read at a time, 5 MB at most

PUT = f"INSERT INTO aside (at, why, {COLUMNS}) SELECT ?, ?, {COLUMNS} FROM arrivals WHERE no = ?"
#: They came before all that waits now.
TAKE_BACK = (
    f"INSERT INTO arrivals (no, {COLUMNS}) SELECT (SELECT min(0, coalesce(min(no), 0)) FROM arrivals) - (SELECT max(no) FROM aside) + no - 1, "
    f"{COLUMNS} FROM aside"
)
SELECT_COUNT = f"SELECT n FROM counters WHERE scope = '{SCOPE}' AND name = 'aside'"
COUNT = "INSERT OR REPLACE INTO counters (scope, name, n) VALUES (?, ?, ?)"
#: From a number on, never from behind one: to look for what is behind another would lead into the gap.
SELECT_ROWS = f"SELECT no, {COLUMNS} FROM arrivals WHERE no >= ? ORDER BY no LIMIT ?"
SELECT_HEAD = "SELECT no, source, events FROM arrivals WHERE no >= ? ORDER BY no LIMIT 1"
INSERT = f"INSERT INTO arrivals (no, {COLUMNS}) VALUES ({', '.join('?' * 9)})"
SELECT_LEFT = "SELECT name FROM sqlite_master WHERE name GLOB 'arrivals_damaged_*' ORDER BY name"


@dataclass(slots=True)
class Renewed:
    """What came out of a damaged table."""

    kept_as: str  #: the name that the damaged table has now
    events: int = 0  #: that could be read
    bytes: int = 0
    lost: int = 0  #: events
    lost_of: Counter[str] = field(default_factory=Counter)  #: of them by source, where it could be read


def count(cx: sqlite3.Connection) -> int:
    """How many events are set aside."""
    row = cx.execute(SELECT_COUNT).fetchone()
    return int(row[0]) if row is not None else 0


def left_over(cx: sqlite3.Connection) -> list[str]:
    """Tables whose pages are damaged, by name."""
    return [name for (name,) in cx.execute(SELECT_LEFT)]


def oldest(cx: sqlite3.Connection) -> tuple[int, Arrival]:
    """The arrival that is next, with its number. Raises sqlite3.Error when it cannot be read, also when there is none although one is counted."""
    row = cx.execute(SELECT_ONE).fetchone()
    if row is None:
        raise sqlite3.DatabaseError("no arrival is there")
    return row[0], Arrival(*row[1:])


def put(
    cx: sqlite3.Connection, deltas: Deltas, waiting: Waiting, no: int, arrival: Arrival, why: str, now: float
) -> None:
    """Set an arrival aside."""
    cx.execute(PUT, (now, why[:WHY_CHARS_MAX], no))
    cx.execute("DELETE FROM arrivals WHERE no = ?", (no,))
    waiting.take(deltas, arrival.events, len(arrival.body))
    deltas.add(SCOPE, "aside", arrival.events)


def take_back(cx: sqlite3.Connection) -> None:
    """At the start: what was set aside waits again, in front of everything that came since. A transaction of its own. Raises sqlite3.Error."""
    if not count(cx):
        return
    cx.execute("BEGIN IMMEDIATE")
    try:
        events, size = cx.execute("SELECT sum(events), sum(length(body)) FROM aside").fetchone()
        cx.execute(TAKE_BACK)
        cx.execute("DELETE FROM aside")
        before = Waiting.read(cx)
        cx.execute(COUNT, (SCOPE, "events", before.events + (events or 0)))
        cx.execute(COUNT, (SCOPE, "bytes", before.bytes + (size or 0)))
        cx.execute(COUNT, (SCOPE, "aside", 0))
        cx.execute("COMMIT")
    except BaseException:
        if cx.in_transaction:
            cx.execute("ROLLBACK")
        raise


def renew(cx: sqlite3.Connection, reading: sqlite3.Connection, now: float) -> Renewed:
    """Give the damaged table of arrivals another name, and bring what can be read of it into a new one: a transaction of its own, in a thread.

    `reading` is a connection of its own: a transaction that has met a malformed page cannot write any more. Raises sqlite3.Error.
    """
    found = Renewed(f"arrivals_damaged_{now:.0f}")
    cx.execute("BEGIN IMMEDIATE")
    try:
        before = Waiting.read(cx).events
        [(sql,)] = cx.execute("SELECT sql FROM sqlite_master WHERE name = 'arrivals'").fetchall()
        cx.execute(f"ALTER TABLE arrivals RENAME TO {found.kept_as}")
        cx.execute(sql)
        for row in _readable(reading, found):
            cx.execute(INSERT, row)
            found.events += row[6]
            found.bytes += len(row[8])
        cx.execute(COUNT, (SCOPE, "events", found.events))
        cx.execute(COUNT, (SCOPE, "bytes", found.bytes))
        cx.execute("COMMIT")
    except BaseException:
        if cx.in_transaction:
            cx.execute("ROLLBACK")
        raise
    found.lost = before - found.events
    return found


def _readable(cx: sqlite3.Connection, found: Renewed) -> Iterator[tuple[Any, ...]]:
    """Every row of the damaged table that can be read; as this connection sees it, it still has its name."""
    start, chunk = -(2**62), CHUNK_ROWS
    while True:
        try:
            rows = cx.execute(SELECT_ROWS, (start, chunk)).fetchall()
        except sqlite3.DatabaseError as error:
            if not damaged(error):
                raise
            if chunk > 1:
                chunk = 1
                continue
            following = _step_over(cx, start, found)
            if following is None:
                return
            start, chunk = following, CHUNK_ROWS
            continue
        yield from rows
        if len(rows) < chunk:
            return
        start = rows[-1][0] + 1


def _step_over(cx: sqlite3.Connection, start: int, found: Renewed) -> int | None:
    """The number to go on from, after a row that cannot be read; None when there is nothing more."""
    try:
        # Of a row whose body is on another page its beginning may be readable.
        head = cx.execute(SELECT_HEAD, (start,)).fetchone()
    except sqlite3.DatabaseError as error:
        if not damaged(error):
            raise
        return behind(cx, "arrivals", "no", max(start - 1, 0))
    if head is None:
        return None
    found.lost_of[head[1]] += head[2]
    return int(head[0]) + 1
