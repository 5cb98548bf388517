"""Copies of a store, made while it is in use, and put back.

A copy is one SQLite file: events, fates, people, workspace (its secrets stay encrypted), everything of one moment. SQLite's own online
backup makes it under one read transaction, so the server goes on accepting; its write-ahead log grows meanwhile and is folded in
afterwards. A copy is checked page by page before it gets its name, and again before it is put back.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sternpost.errors import StoreError, StoreTooNew
from sternpost.store import arrivals, aside
from sternpost.store.database import BUSY_TIMEOUT_S, migrations

UNFINISHED = ".unfinished"  #: ends the name of a copy until it is complete and checked
PROBLEMS_SHOWN_MAX = 3  #: of what SQLite finds wrong with a file
_SEALED = re.compile(rb"sealed:v1:([0-9a-f]{8}):")


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy holds."""

    bytes: int  #: of the file
    events: int  #: kept, those that arrived and are in no lane yet included
    waiting: int  #: deliveries that wait, held ones included, and what arrived
    newest_at: float | None  #: when the newest event was received, unix seconds
    revision: int  #: of the workspace
    key_ids: frozenset[str]  #: of the secret keys that open the secrets of its workspace


def back_up(store: Path, copy: Path) -> Copied:
    """Write a copy of a store that may be in use to a new file. Raises StoreError; then no file of that name is left."""
    if not store.is_file():
        raise StoreError(f"There is no store at {store}. Give --data-dir the data directory of a server.")
    if copy.exists():
        raise StoreError(f"{copy} exists already. Give the copy another name; nothing was written.")
    unfinished = copy.with_name(copy.name + UNFINISHED)
    try:
        _copy(store, unfinished)
        copied = examine(unfinished)
        _to_disk(unfinished)
        # A link, not a rename: whoever made a file of that name meanwhile keeps it.
        os.link(unfinished, copy)
    except FileExistsError:
        raise StoreError(f"{copy} exists already. Give the copy another name.") from None
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"Cannot copy {store} to {copy}: {_why(error)}.") from error
    finally:
        remove(unfinished)
    _to_disk(copy.parent)
    return copied


def put_back(copy: Path, store: Path, *, aside: Callable[[], str]) -> Path | None:
    """Make a copy the store of a data directory that no server uses; the caller holds its lock.

    An existing store is moved beside it under a name that ends in `aside()`; that path is returned, None when there was none.
    Raises StoreError; then the store is as it was.
    """
    unfinished = store.with_name(store.name + UNFINISHED)
    try:
        _copy(copy, unfinished)
        examine(unfinished)
        _to_disk(unfinished)
        moved = None
        if store.exists():
            moved = store.with_name(f"{store.name}.{aside()}")
            move(store, moved)
        for ending in ("-wal", "-shm"):
            store.with_name(store.name + ending).unlink(missing_ok=True)
        unfinished.rename(store)
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"Cannot put {copy} back as {store}: {_why(error)}.") from error
    finally:
        remove(unfinished)
    _to_disk(store.parent)
    return moved


def examine(copy: Path) -> Copied:
    """What a copy holds. Raises StoreError when it is no store, is damaged, or was written by a later Sternpost."""
    if not copy.is_file():
        raise StoreError(f"There is no file {copy}.")
    try:
        with closing(_reading(copy)) as connection:
            version = int(connection.execute("PRAGMA user_version").fetchone()[0])
            newest = migrations()[-1][0]
            if version > newest:
                raise StoreTooNew(
                    f"{copy} was written by a later Sternpost (schema {version}; this one knows {newest}). Install that version."
                )
            problems = [
                str(row[0])
                for row in connection.execute(f"PRAGMA integrity_check({PROBLEMS_SHOWN_MAX})").fetchall()
            ]
            if problems != ["ok"]:
                raise StoreError(f"{copy} is damaged: {'; '.join(problems)[:500]}. Use another copy.")
            return _summary(connection, copy.stat().st_size)
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"{copy} is no copy of a Sternpost store: {_why(error)}.") from error


def _summary(connection: sqlite3.Connection, size: int) -> Copied:
    # Counted where an earlier version's copy has it, too: nothing arrived there.
    arrived = arrivals.Waiting.read(connection).events + aside.count(connection)
    events = arrived + int(connection.execute("SELECT count(*) FROM events").fetchone()[0])
    newest = [
        float(row[0])
        for table, key in (("events", "seq"), *((("arrivals", "no"),) if arrived else ()))
        for row in connection.execute(f"SELECT received_at FROM {table} ORDER BY {key} DESC LIMIT 1")
    ]
    waiting = arrived + sum(
        int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
        for table in ("deliveries", "held")
    )
    workspace = connection.execute(
        "SELECT revision, document FROM workspaces ORDER BY revision DESC LIMIT 1"
    ).fetchone()
    revision, document = workspace or (0, b"")
    keys = _SEALED.findall(document if isinstance(document, bytes) else str(document).encode())
    return Copied(
        bytes=size,
        events=events,
        waiting=waiting,
        newest_at=max(newest, default=None),
        revision=int(revision),
        key_ids=frozenset(key.decode() for key in keys),
    )


def _copy(source: Path, target: Path) -> None:
    """All pages at once: in steps, every write of the server would make SQLite begin again."""
    remove(target)
    descriptor = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)  # it holds personal data
    os.close(descriptor)
    with closing(_reading(source)) as reading, closing(sqlite3.connect(target)) as writing:
        reading.backup(writing, pages=-1)
        # One file, which needs no log beside it until a server opens it.
        writing.execute("PRAGMA journal_mode = DELETE")


def _reading(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S)


def move(store: Path, to: Path) -> None:
    """Give a store that nobody uses another name; its log goes into it, or with it when the store is damaged. Raises OSError."""
    with contextlib.suppress(sqlite3.Error):
        _fold(store)
    for ending in ("-wal", ""):
        part = store.with_name(store.name + ending)
        if part.exists():
            part.rename(to.with_name(to.name + ending))


def _fold(store: Path) -> None:
    """Fold the write-ahead log into its file, so that the file alone is the whole store."""
    with closing(sqlite3.connect(store, timeout=BUSY_TIMEOUT_S)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Remove a store, with what lies beside it."""
    for ending in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + ending).unlink(missing_ok=True)


def _why(error: Exception) -> str:
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower()
    return str(error)
