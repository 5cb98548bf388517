"""Bring every row that can be read out of a damaged store into a new one, and tell what could not be.

Tables are read from both ends, and those with a number as their key from behind each gap, too, so that one damaged page costs only what is on
it. Nothing is guessed: an event whose row is lost is named from the index (source and messageId) and gone; an event of which it cannot be
told what became of it at a destination is a dead letter there that says so. Lanes and counters are made anew from the rows.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sternpost.errors import StoreError
from sternpost.model import Event
from sternpost.store import arrivals
from sternpost.store.accepting import DELIVERED, REJECTED, SKIPPED
from sternpost.store.database import connect, migrate, migrations
from sternpost.store.names import key
from sternpost.store.trouble import damaged, explain

CHUNK_ROWS = 200  #: read at a time
NAMED_MAX = 100_000  #: lost events that are named
TELL = "The store was damaged: what became of it here could not be read. Retry it; it may have been delivered before."
STATES = {DELIVERED: "delivered", SKIPPED: "skipped", REJECTED: "rejected"}
#: Keys that begin with a number which rows are spread over evenly: behind a gap reading goes on.
NUMBERED = {"outcomes": "seq", "tries": "seq"}


@dataclass(slots=True)
class Salvaged:
    """What came out of it."""

    rows: Counter[str] = field(default_factory=Counter)  #: table → rows that were read
    gaps: Counter[str] = field(default_factory=Counter)  #: table → places at which rows could not be read
    lost: list[tuple[str, str]] = field(
        default_factory=list
    )  #: events: source and messageId, at most NAMED_MAX
    lost_by_source: Counter[str] = field(default_factory=Counter)  #: "" where not even the source is known
    untold: Counter[str] = field(
        default_factory=Counter
    )  #: destination → events whose fate there could not be read


def salvage(damaged_store: Path, target: Path, *, now: float) -> Salvaged:
    """Make a new store at `target` from what can be read of one that nobody uses. Raises StoreError when nothing can be read."""
    found = Salvaged()
    descriptor = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    os.close(descriptor)
    try:
        with closing(_open(damaged_store)) as old, closing(connect(target)) as new:
            migrate(new, str(target))
            new.execute("PRAGMA synchronous = OFF")  # the file counts only once it is complete
            new.execute("BEGIN")
            for table, columns in _tables(new):
                _copy(old, new, table, columns, found)
            _names(old, new)
            _name_the_lost(old, new, found)
            _mend(new, found, now)
            new.execute("COMMIT")
            new.execute("PRAGMA synchronous = FULL")
            # One file, which needs no log beside it until a server opens it.
            new.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        trouble = explain(error)
        raise StoreError(
            f"Nothing can be read of {damaged_store}. {trouble.what} Use a backup: `sternpost restore`."
        ) from error
    return found


def _open(path: Path) -> sqlite3.Connection:
    connection = connect(path, readonly=True)
    try:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    newest = migrations()[-1][0]
    if version != newest:
        connection.close()
        raise StoreError(
            f"{path} has schema {version}, this Sternpost {newest}. Salvage it with the version that wrote it."
        )
    return connection


def _tables(new: sqlite3.Connection) -> list[tuple[str, list[str]]]:
    names = [
        name
        for (name,) in new.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB 'sqlite_*' ORDER BY rowid"
        )
    ]
    return [(name, [row[1] for row in new.execute(f"PRAGMA table_info({name})")]) for name in names]


# --- reading ----------------------------------------------------------------------------------------------------------


def _copy(
    old: sqlite3.Connection, new: sqlite3.Connection, table: str, columns: Sequence[str], found: Salvaged
) -> None:
    insert = f"INSERT OR REPLACE INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    keys = [
        row[1] for row in sorted(new.execute(f"PRAGMA table_info({table})"), key=lambda row: row[5]) if row[5]
    ]
    for row in _rows(old, table, columns, keys, found):
        try:
            new.execute(insert, row)
            found.rows[table] += 1
        except sqlite3.IntegrityError:
            found.gaps[table] += 1  # what stands there is no row of ours


def _rows(
    old: sqlite3.Connection, table: str, columns: Sequence[str], keys: Sequence[str], found: Salvaged
) -> Iterator[tuple[Any, ...]]:
    """Every row that can be read, forwards up to the first gap, then from behind each gap, then backwards from the end."""
    number = NUMBERED.get(table) or (keys[0] if len(keys) == 1 and _is_number(old, table, keys[0]) else None)
    places = [columns.index(name) for name in keys]
    last: tuple[Any, ...] | None = None
    start: tuple[Any, ...] | None = None
    while True:
        broken = False
        for row in _read_on(old, table, columns, keys, start):
            if row is None:
                broken = True
                break
            last = tuple(row[place] for place in places)
            yield row
        if not broken:
            return
        found.gaps[table] += 1
        if number is None:
            break
        following = behind(old, table, number, int(last[0]) if last is not None else 0)
        if following is None:
            return
        # Everything of that number and above; numbers come before texts.
        start = last = (following, *([-(2**62)] * (len(keys) - 1)))
    # Text keys cannot be counted up: the other end is read backwards.
    yield from _backwards(old, table, columns, keys, places, last)


def _is_number(old: sqlite3.Connection, table: str, column: str) -> bool:
    return any(row[1] == column and row[2] == "INTEGER" for row in old.execute(f"PRAGMA table_info({table})"))


def _read_on(
    old: sqlite3.Connection,
    table: str,
    columns: Sequence[str],
    keys: Sequence[str],
    start: tuple[Any, ...] | None,
) -> Iterator[tuple[Any, ...] | None]:
    """Rows from a key on, in its order; None, and no more, where one cannot be read."""
    order = ", ".join(keys)
    chunk = CHUNK_ROWS
    places = [columns.index(name) for name in keys]
    # Behind a gap the very first key counts: to look for what is behind another one would lead into the gap.
    last, than = start, ">="
    while True:
        where = "" if last is None else f"WHERE ({order}) {than} ({', '.join('?' * len(keys))})"
        statement = f"SELECT {', '.join(columns)} FROM {table} {where} ORDER BY {order} LIMIT {chunk}"
        try:
            rows = old.execute(statement, last or ()).fetchall()
        except sqlite3.DatabaseError as error:
            if not _unreadable(error):
                raise
            if chunk == 1:
                yield None
                return
            chunk = 1
            continue
        yield from rows
        if len(rows) < chunk:
            return
        last, than = tuple(rows[-1][place] for place in places), ">"


def _backwards(
    old: sqlite3.Connection,
    table: str,
    columns: Sequence[str],
    keys: Sequence[str],
    places: Sequence[int],
    until: tuple[Any, ...] | None,
) -> Iterator[tuple[Any, ...]]:
    order = ", ".join(f"{name} DESC" for name in keys)
    below: tuple[Any, ...] | None = None
    while True:
        where = "" if below is None else f"WHERE ({', '.join(keys)}) < ({', '.join('?' * len(keys))})"
        statement = f"SELECT {', '.join(columns)} FROM {table} {where} ORDER BY {order} LIMIT 1"
        try:
            row = old.execute(statement, below or ()).fetchone()
        except sqlite3.DatabaseError as error:
            if not _unreadable(error):
                raise
            return
        if row is None:
            return
        below = tuple(row[place] for place in places)
        if below == until:
            return
        yield row


def behind(old: sqlite3.Connection, table: str, number: str, after: int) -> int | None:
    """The smallest number behind a gap from which on rows can be read; None when there is none."""

    def reads(start: int) -> bool:
        try:
            row = old.execute(
                f"SELECT {number} FROM {table} WHERE {number} >= ? ORDER BY {number} LIMIT 1", (start,)
            ).fetchone()
            return row is not None and bool(
                old.execute(f"SELECT * FROM {table} WHERE {number} = ?", (row[0],)).fetchone()
            )
        except sqlite3.DatabaseError as error:
            if not _unreadable(error):
                raise
            return False

    step, low = 1, after + 1
    while not reads(after + 1 + step):
        low, step = after + 1 + step, step * 2
        if step > 2**40:
            return None
    high = after + 1 + step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reads(middle) else (middle, high)
    return high


def _unreadable(error: sqlite3.DatabaseError) -> bool:
    return damaged(error) or isinstance(error, sqlite3.OperationalError)  # a page that the disk does not give


# --- what it means ----------------------------------------------------------------------------------------------------


def _names(old: sqlite3.Connection, new: sqlite3.Connection) -> None:
    """What stands for names everywhere: its index holds all of it a second time. What neither has is called by its number."""
    for table, columns in (("names", "no, kind, name"), ("fanouts", "no, routes")):
        with contextlib.suppress(sqlite3.DatabaseError):
            for row in old.execute(f"SELECT {columns} FROM {table} INDEXED BY sqlite_autoindex_{table}_1"):
                marks = ", ".join("?" * len(row))
                new.execute(f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({marks})", row)
    for kind, used in (
        ("source", "SELECT source_no FROM events"),
        (
            "destination",
            "SELECT destination_no FROM deliveries UNION SELECT destination_no FROM held UNION SELECT destination_no FROM outcomes",
        ),
        ("channel", "SELECT channel_no FROM lanes UNION SELECT channel_no FROM held"),
    ):
        new.execute(
            f"WITH used (no) AS ({used}) INSERT INTO names (no, kind, name) SELECT DISTINCT no, ?, 'lost-' || no FROM used "
            "WHERE no NOT IN (SELECT no FROM names)",
            (kind,),
        )
    new.execute("INSERT OR IGNORE INTO fanouts (routes) VALUES ('[]')")
    new.execute(
        "UPDATE events SET fanout_no = (SELECT no FROM fanouts WHERE routes = '[]') WHERE fanout_no NOT IN (SELECT no FROM fanouts)"
    )


def _name_the_lost(old: sqlite3.Connection, new: sqlite3.Connection, found: Salvaged) -> None:
    """Events whose rows are lost, by the index that holds their source and messageId."""
    named = dict(new.execute("SELECT no, name FROM names"))
    last: tuple[Any, ...] | None = None
    while True:
        where = "" if last is None else "WHERE (source_no, message_key) > (?, ?)"
        try:
            rows = old.execute(
                f"SELECT source_no, message_key, seq FROM events INDEXED BY events_by_message {where} "
                f"ORDER BY source_no, message_key LIMIT {CHUNK_ROWS}",
                last or (),
            ).fetchall()
        except sqlite3.DatabaseError as error:
            if not _unreadable(error):
                raise
            found.gaps["events_by_message"] += 1
            return
        for source_no, message_key, seq in rows:
            if new.execute("SELECT 1 FROM events WHERE seq = ?", (seq,)).fetchone() is None:
                source = named.get(source_no, "")
                found.lost_by_source[source] += 1
                if len(found.lost) < NAMED_MAX:
                    found.lost.append((source, message_key))
        if len(rows) < CHUNK_ROWS:
            return
        last = rows[-1][:2]


def _mend(new: sqlite3.Connection, found: Salvaged, now: float) -> None:
    """Make the rows fit together again."""
    for table in ("deliveries", "held", "outcomes", "tries"):
        new.execute(f"DELETE FROM {table} WHERE seq NOT IN (SELECT seq FROM events)")
    new.execute(
        "DELETE FROM held WHERE (destination_no, seq) IN (SELECT destination_no, seq FROM deliveries)"
    )
    new.execute(
        "DELETE FROM outcomes WHERE (destination_no, seq) IN (SELECT destination_no, seq FROM deliveries)"
    )
    _lanes(new, now)
    _untold(new, found, now)
    _counters(new, found)


def _lanes(new: sqlite3.Connection, now: float) -> None:
    homeless = new.execute(
        "SELECT d.lane_no, d.destination_no, d.seq, e.user_id, e.anonymous_id, f.routes FROM deliveries d JOIN events e ON e.seq = d.seq "
        "LEFT JOIN fanouts f ON f.no = e.fanout_no WHERE d.lane_no NOT IN (SELECT no FROM lanes)"
    ).fetchall()
    numbers = {(kind, name): no for no, kind, name in new.execute("SELECT no, kind, name FROM names")}
    destinations = {no: name for (kind, name), no in numbers.items() if kind == "destination"}
    for lane_no, destination_no, seq, user_id, anonymous_id, routes in homeless:
        channel = dict(json.loads(routes or "[]")).get(destinations.get(destination_no, ""))
        channel_no = numbers.get(("channel", channel)) if channel is not None else None
        if channel_no is None:
            new.execute("DELETE FROM deliveries WHERE destination_no = ? AND seq = ?", (destination_no, seq))
            continue
        event = Event("", "", "", False, 0.0, "", b"", user_id=user_id, anonymous_id=anonymous_id)
        which = (destination_no, channel_no, key(event.lane))
        new.execute(
            "INSERT OR IGNORE INTO lanes (no, destination_no, channel_no, lane, pending, ready_at) VALUES (?, ?, ?, ?, 0, ?)",
            (lane_no, *which, now),
        )
        new.execute(
            "UPDATE deliveries SET lane_no = (SELECT no FROM lanes WHERE destination_no = ? AND channel_no = ? AND lane = ?) "
            "WHERE destination_no = ? AND seq = ?",
            (*which, destination_no, seq),
        )
    new.execute(
        "UPDATE lanes SET pending = (SELECT count(*) FROM deliveries d WHERE d.lane_no = lanes.no), lease = NULL, waits_for = NULL, "
        "ready_at = min(ready_at, ?)",
        (now,),
    )


def _untold(new: sqlite3.Connection, found: Salvaged, now: float) -> None:
    """Events that are nowhere: a dead letter each, which a person may retry."""
    numbers = dict(new.execute("SELECT name, no FROM names WHERE kind = 'destination'"))
    for seq, routes in new.execute(
        "SELECT e.seq, f.routes FROM events e JOIN fanouts f ON f.no = e.fanout_no"
    ).fetchall():
        for destination, _ in json.loads(routes):
            where = (numbers.get(destination), seq)
            if where[0] is None or any(
                new.execute(f"SELECT 1 FROM {table} WHERE destination_no = ? AND seq = ?", where).fetchone()
                for table in ("deliveries", "outcomes", "held")
            ):
                continue
            new.execute(
                "INSERT INTO outcomes (destination_no, seq, state, reason, at, attempts, more) VALUES (?, ?, ?, 'unreadable', ?, 0, ?)",
                (*where, REJECTED, now, json.dumps({"detail": TELL})),
            )
            found.untold[destination] += 1


def _counters(new: sqlite3.Connection, found: Salvaged) -> None:
    counted: Counter[tuple[str, str]] = Counter()
    named = dict(new.execute("SELECT no, name FROM names"))
    for destination, channel, first, replay, n in new.execute(
        "SELECT d.destination_no, l.channel_no, d.first_attempt_at IS NOT NULL, d.replay_no, count(*) FROM deliveries d "
        "JOIN lanes l ON l.no = d.lane_no GROUP BY 1, 2, 3, 4"
    ):
        scope = f"d:{named[destination]}"
        counted[scope, f"waiting:{named[channel]}"] += n
        if first:
            counted[scope, f"retrying:{named[channel]}"] += n
        if replay is not None:
            counted[f"r:{replay}", "waiting"] += n
    for destination, n in new.execute("SELECT destination_no, count(*) FROM held GROUP BY 1"):
        counted[f"d:{named[destination]}", "held"] += n
    for destination, state, reason, n in new.execute(
        "SELECT destination_no, state, reason, count(*) FROM outcomes GROUP BY 1, 2, 3"
    ):
        counted[f"d:{named[destination]}", STATES[state]] += n
        if reason is not None:
            counted[f"d:{named[destination]}", f"{STATES[state]}:{reason}"] += n
    for source, n, seen in new.execute("SELECT source_no, count(*), sum(seen) FROM events GROUP BY 1"):
        counted[f"s:{named[source]}", "received"] += n
        counted[f"s:{named[source]}", "duplicates"] += seen - n
    [(arrived,)] = new.execute(
        "SELECT coalesce(sum(n), 0) FROM counters WHERE scope = ? AND name IN ('events', 'aside')",
        (arrivals.SCOPE,),
    ).fetchall()
    [(kept, aside)] = new.execute(
        "SELECT (SELECT coalesce(sum(events), 0) FROM arrivals), (SELECT coalesce(sum(events), 0) FROM aside)"
    ).fetchall()
    if arrived > kept + aside:
        found.lost_by_source[""] += arrived - kept - aside
    counted[arrivals.SCOPE, "aside"] += aside
    for n, size in new.execute("SELECT sum(events), sum(length(body)) FROM arrivals"):
        counted[arrivals.SCOPE, "events"] += n or 0
        counted[arrivals.SCOPE, "bytes"] += size or 0
    # How replayed events have ended is told for as long as the job is remembered; that cannot be counted again.
    new.execute("DELETE FROM counters WHERE scope NOT GLOB 'r:*' OR name = 'waiting'")
    new.executemany(
        "INSERT OR REPLACE INTO counters (scope, name, n) VALUES (?, ?, ?)",
        [(scope, name, n) for (scope, name), n in counted.items() if n],
    )
