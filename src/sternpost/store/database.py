"""One SQLite file, opened for durability, and group commit.

Statements run where they are called, in the event loop's own thread: two threads of one Python process fight over the interpreter
lock at every row, and measured ten times slower under load. Only BEGIN and COMMIT, which wait for the disk, run in a thread of their own;
what is asked meanwhile travels in the next transaction. So one commit carries the events of every request that came during
the last one: group commit without a fixed wait.

Durability: WAL and `synchronous=FULL`. With NORMAL a power cut may undo what was answered with 200.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from sternpost.errors import StoreDamaged, StoreError, StoreTooNew, StoreUnavailable
from sternpost.store.beside import companion
from sternpost.store.trouble import explain, unavailable

SQLITE_VERSION_MIN = (
    3,
    37,
    0,
)  #: RETURNING (3.35) and STRICT-era fixes; Debian 12 brings 3.40, macOS 13 brings 3.39
BUSY_TIMEOUT_S = 10.0  #: how long one process waits for another's transaction
WAL_BYTES_MAX = 64 * 1024 * 1024  #: the log is cut back to this after a checkpoint
WAL_FOLD_PAGES = 6_000  #: the log is folded into the file after so many pages, 48 MB: a page written often is folded in once
CACHE_KIB = 32 * 1024  #: page cache of the writing connection; memory is promised to stay below 300 MB in all
PATIENCE_S = 0.005  #: so long an operation that nobody waits for looks for company, so that it needs no commit of its own
DAMAGE_SENTENCES_MAX = 20  #: one is enough to act on

Result = TypeVar("Result")


@dataclass(slots=True)
class _Operation:
    run: Callable[[sqlite3.Connection], Any]
    weight: int
    done: asyncio.Future[Any]
    alone: bool = False  #: outside of a transaction, in the thread


def connect(path: Path, *, readonly: bool = False) -> sqlite3.Connection:
    """A connection with our settings. Raises sqlite3.Error."""
    uri = f"{path.absolute().as_uri()}{'?mode=ro' if readonly else ''}"
    connection = sqlite3.connect(
        uri,
        uri=True,
        isolation_level=None,
        timeout=BUSY_TIMEOUT_S,
        check_same_thread=False,
        cached_statements=256,
    )
    if not readonly:
        if not connection.execute("PRAGMA page_count").fetchone()[0]:
            # These count only for a new file, before its first table; and setting the vacuum mode writes to the file.
            connection.execute("PRAGMA page_size = 8192")
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        # On macOS fsync leaves the data in the drive's cache; elsewhere this changes nothing.
        connection.execute("PRAGMA fullfsync = ON")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_MAX}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_FOLD_PAGES}")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB if not readonly else CACHE_KIB // 8}")
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def migrations() -> list[tuple[int, str]]:
    """The numbered schema files, oldest first."""
    folder = files("sternpost.store") / "schema"
    found = [
        (int(entry.name[:4]), entry.read_text()) for entry in folder.iterdir() if entry.name.endswith(".sql")
    ]
    return sorted(found)


def migrate(connection: sqlite3.Connection, name: str) -> None:
    """Bring the schema to this program's version, each step in one transaction. Raises StoreTooNew; then nothing was changed."""
    steps = migrations()
    newest = steps[-1][0]
    connection.execute("BEGIN IMMEDIATE")
    try:
        current = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if current > newest:
            raise StoreTooNew(
                f"{name} was written by a later Sternpost (schema {current}; this one knows {newest}). "
                "Install that version or a later one; nothing was changed."
            )
        for number, script in steps:
            if number > current:
                for statement in _statements(script):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("COMMIT")
    except BaseException:
        # After some errors (a full disk) SQLite has rolled back by itself.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _statements(script: str) -> list[str]:
    # executescript() would commit the open transaction; so the file is cut at complete statements instead.
    statements, current = [], ""
    for line in script.splitlines(keepends=True):
        current += line
        if sqlite3.complete_statement(current):
            statements.append(current)
            current = ""
    return statements


class Database:
    """The writing connection of one process, with group commit."""

    def __init__(
        self,
        path: Path,
        *,
        events_per_commit: int,
        observe: Callable[[str, float], None] | None = None,
        notices: Sequence[str] = (),
    ) -> None:
        """Open (and make, and migrate) the file. Raises StoreError with a sentence that says what is wrong."""
        if sqlite3.sqlite_version_info < SQLITE_VERSION_MIN:
            raise StoreError(
                f"This Python brings SQLite {sqlite3.sqlite_version}; "
                f"{'.'.join(map(str, SQLITE_VERSION_MIN))} or later is needed. Use a newer Python."
            )
        self.path = path
        self._weight_max = events_per_commit
        self._observe = observe or (lambda name, seconds: None)
        #: What was found to be damaged, as sentences: what was set aside earlier, and what came to light since the start.
        self.damage: list[str] = list(notices[-DAMAGE_SENTENCES_MAX:])
        try:
            self.connection = connect(path)
            try:
                migrate(self.connection, str(path))
            except BaseException:
                self.connection.close()
                raise
        except sqlite3.Error as error:
            trouble = explain(error)
            raise StoreError(f"Cannot open the store {path}. {trouble.what} {trouble.remedy}") from error
        self._queue: deque[_Operation] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sternpost-commit")
        self._pump: asyncio.Task[None] | None = None
        self._hurried = False  #: somebody waits for what is in the queue
        self._patience: asyncio.TimerHandle | None = None  #: runs while only patient operations are in it
        self._closed = False
        #: What is written once for all operations of a transaction, what is noted when it is on disk, and what is forgotten when it is
        #: rolled back.
        self.before_commit: list[Callable[[sqlite3.Connection], None]] = []
        self.on_commit: list[Callable[[], None]] = []
        self.on_rollback: list[Callable[[], None]] = []
        self.queued_weight = 0

    async def write(
        self, run: Callable[[sqlite3.Connection], Result], *, weight: int = 1, patient: bool = False
    ) -> Result:
        """Run a function inside the next transaction; its result is returned once that is on disk. `patient`: it needs no transaction of
        its own, and comes in the next one that somebody is waiting for, after `PATIENCE_S` at the latest.

        An exception of the function undoes only its own work and is raised here. Raises StoreUnavailable when the disk fails.
        """
        beside = companion()
        if beside is None:
            return await self._ask(run, weight=weight, patient=patient)

        def accompanied(connection: sqlite3.Connection) -> tuple[Result, bool]:
            before = connection.total_changes
            result = run(connection)
            changed = connection.total_changes != before
            if changed:
                beside.write(connection)
            return result, changed

        result, changed = await self._ask(accompanied, weight=weight)
        if changed:
            beside.kept()
        return result

    async def alone(self, run: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run a function between two transactions, in the thread: what SQLite does not do within one, such as VACUUM. Others wait."""
        return await self._ask(run, weight=1, alone=True)

    async def _ask(
        self,
        run: Callable[[sqlite3.Connection], Result],
        *,
        weight: int,
        alone: bool = False,
        patient: bool = False,
    ) -> Result:
        if self._closed:
            raise StoreUnavailable("The store is closed.")
        loop = asyncio.get_running_loop()
        operation = _Operation(run, weight, loop.create_future(), alone)
        self._queue.append(operation)
        self.queued_weight += weight
        if not patient:
            self._hurry(loop)
        elif self._patience is None and not self._hurried:
            self._patience = loop.call_later(PATIENCE_S, self._hurry, loop)
        result: Result = await operation.done
        return result

    def _hurry(self, loop: asyncio.AbstractEventLoop) -> None:
        """What is in the queue goes to disk now, those that nobody waits for, too."""
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        self._hurried = True
        if self._pump is None or self._pump.done():
            self._pump = loop.create_task(self._work())

    async def _run_alone(self, operation: _Operation) -> None:
        try:
            result = await asyncio.get_running_loop().run_in_executor(
                self._thread, operation.run, self.connection
            )
        except Exception as error:
            if not operation.done.done():
                operation.done.set_exception(self._explained(error))
        else:
            if not operation.done.done():
                operation.done.set_result(result)

    async def _work(self) -> None:
        while self._queue and self._hurried:
            if self._queue[0].alone:
                operation = self._queue.popleft()
                self._hurried = bool(self._queue)
                try:
                    await self._run_alone(operation)
                finally:
                    self.queued_weight -= operation.weight
                continue
            batch: list[_Operation] = []
            weight = 0
            while self._queue:
                first = self._queue[0]
                if first.alone or (batch and weight + first.weight > self._weight_max):
                    break
                weight += first.weight
                batch.append(self._queue.popleft())
            # What comes during the commit may be patient again; what is left in the queue is not.
            self._hurried = bool(self._queue)
            try:
                await self._commit(batch)
            finally:
                self.queued_weight -= weight

    async def _commit(self, batch: Sequence[_Operation]) -> None:
        """One transaction for many operations; when one of them fails, each gets a transaction of its own."""
        loop = asyncio.get_running_loop()
        started = time.perf_counter()
        results: list[Any] = []
        failure: Exception | None = None
        try:
            await self._begin(loop)
            results = [operation.run(self.connection) for operation in batch]
            for write in self.before_commit:
                write(self.connection)
            await loop.run_in_executor(self._thread, self.connection.execute, "COMMIT")
        except Exception as error:
            failure = error
            self._rollback()
        self._observe("commit", time.perf_counter() - started)
        if failure is None:
            for note in self.on_commit:
                note()
            for operation, result in zip(batch, results, strict=True):
                if not operation.done.done():
                    operation.done.set_result(result)
        elif len(batch) > 1 and not isinstance(failure, sqlite3.OperationalError):
            for operation in batch:
                await self._commit([operation])
        else:
            for operation in batch:
                if not operation.done.done():
                    operation.done.set_exception(self._explained(failure))

    async def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        if self.connection.in_transaction:
            # The disk failed even when the one before was to be undone.
            self.connection.execute("ROLLBACK")
        try:
            # Nobody else writes in the usual single process: then this takes microseconds and needs no thread.
            self.connection.execute("PRAGMA busy_timeout = 0")
            self.connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            self.connection.execute(f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT_S * 1000)}")
            await loop.run_in_executor(self._thread, self.connection.execute, "BEGIN IMMEDIATE")

    def _rollback(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self.connection.execute("ROLLBACK")
        for forget in self.on_rollback:
            forget()

    def _explained(self, error: Exception) -> Exception:
        if not isinstance(error, sqlite3.Error):
            return error
        known = unavailable(error)
        if isinstance(known, StoreDamaged):
            self.found_damage(f"{known} {known.remedy}")
        return known

    def found_damage(self, sentence: str) -> None:
        """Remember what was found to be damaged, for those who look at the server's health."""
        if sentence not in self.damage and len(self.damage) < DAMAGE_SENTENCES_MAX:
            self.damage.append(sentence)

    def size_bytes(self) -> int:
        """Bytes of the file that hold something."""
        pages, free, page = (
            int(self.connection.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count", "page_size")
        )
        return (pages - free) * page

    def close(self) -> None:
        """Let go of the file; what was not committed is answered with StoreUnavailable."""
        if self._closed:
            return
        self._closed = True
        if self._patience is not None:
            self._patience.cancel()
        self._thread.shutdown(wait=True)
        for operation in self._queue:
            if not operation.done.done():
                operation.done.set_exception(StoreUnavailable("The store is closed."))
        self._queue.clear()
        self.connection.close()
