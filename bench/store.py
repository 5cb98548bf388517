"""The file of the store as the benchmark sees it: what is in it, how large it is, and what SQLite alone can do on this disk."""

from __future__ import annotations

import re
import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

STORE_FILE = "sternpost.db"
EVENTS_PER_COMMIT = 50
OF_RUN = "substr(message_key, 10, 8) = ?"  #: see bodies.message_id and load.lua
EDGE = 4  #: an unanswered request is among the last so many per connection


def connect(data_dir: Path) -> sqlite3.Connection:
    """Reads only."""
    return sqlite3.connect(f"{(data_dir / STORE_FILE).as_uri()}?mode=ro", uri=True, timeout=30)


def counter(connection: sqlite3.Connection, name: str, destination: str = "pendo") -> int:
    """A counter that the store keeps exactly."""
    row = connection.execute(
        "SELECT n FROM counters WHERE scope = ? AND name = ?", (f"d:{destination}", name)
    ).fetchone()
    return int(row[0]) if row else 0


def count(data_dir: Path, run: str) -> int:
    """Events of one run in the store."""
    return sum(requests(data_dir, run).values())


def arrivals(connection: sqlite3.Connection) -> int:
    """Events that are durable and not in their lanes yet."""
    row = connection.execute("SELECT n FROM counters WHERE scope = 'arrivals' AND name = 'events'").fetchone()
    return int(row[0]) if row else 0


def requests(data_dir: Path, run: str) -> Counter[tuple[int, int]]:
    """How many events of each request (thread and number) of one run are in the store, among its events or its arrivals."""
    connection = connect(data_dir)
    try:
        # One moment for both: what is spread meanwhile would be in neither.
        connection.execute("BEGIN")
        found = Counter(
            {
                (int(thread), int(request)): int(events)
                for thread, request, events in connection.execute(
                    "SELECT substr(message_key, 19, 2), substr(message_key, 22, 10), count(*) FROM events "
                    f"WHERE {OF_RUN} GROUP BY 1, 2",
                    (run,),
                )
            }
        )
        named = re.compile(rb'"messageId": ?"[^"]{9}%s.(\d\d).(\d{10})' % run.encode())
        if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'arrivals'").fetchone():
            for (body,) in connection.execute("SELECT body FROM arrivals"):
                found.update((int(thread), int(request)) for thread, request in named.findall(body))
        return found
    finally:
        connection.close()


def losses(
    data_dir: Path, run: str, *, begun: Sequence[int], answered: int, batch: int, connections: int
) -> str:
    """What is missing of a run of wrk; "" when every event that was answered is there.

    The messageIds hold thread and number of their request. A request that is missing must be one of those that had no answer when
    wrk stopped: not more than these, and only among the last.
    """
    stored = requests(data_dir, run)
    size = max(batch, 1)
    torn = sum(1 for events in stored.values() if events != size)
    if torn:
        return f"{torn} batches are in the store in parts"
    if len(stored) < answered:
        return f"{(answered - len(stored)) * size} events of {answered * size} that were answered with 200"
    for thread, number in enumerate(begun):
        early = [n for n in range(number - EDGE * connections) if (thread, n) not in stored]
        if early:
            return f"{len(early) * size} events that were answered with 200, the first is number {early[0]}"
    return ""


def bytes_on_disk(data_dir: Path) -> int:
    """The store's file once its log is folded in. Only when no server runs on it."""
    path = data_dir / STORE_FILE
    connection = sqlite3.connect(path, timeout=30)
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        free, page = (
            int(connection.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("freelist_count", "page_size")
        )
    finally:
        connection.close()
    return path.stat().st_size - free * page


@dataclass(frozen=True)
class GroupCommit:
    """What SQLite wrote durably."""

    events: int
    seconds: float
    commit_ms: list[float]  #: of each commit, sorted


def group_commit(folder: Path, bodies: Sequence[bytes], *, seconds: float, events_max: int) -> GroupCommit:
    """Bodies into a table without any index, EVENTS_PER_COMMIT a transaction, WAL and synchronous=FULL."""
    path = folder / "group-commit.db"
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        for pragma in ("page_size = 8192", "journal_mode = WAL", "synchronous = FULL", "fullfsync = ON"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("CREATE TABLE log (seq INTEGER PRIMARY KEY, body BLOB NOT NULL)")
        rows = [(bodies[n % len(bodies)],) for n in range(EVENTS_PER_COMMIT)]
        commit_ms: list[float] = []
        events = 0
        started = now = time.perf_counter()
        while now - started < seconds and events < events_max:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO log (body) VALUES (?)", rows)
            connection.execute("COMMIT")
            events += EVENTS_PER_COMMIT
            before, now = now, time.perf_counter()
            commit_ms.append((now - before) * 1000)
    finally:
        connection.close()
        for left in folder.glob("group-commit.db*"):
            left.unlink()
    return GroupCommit(events, now - started, sorted(commit_ms))
