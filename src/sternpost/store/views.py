"""The read side of the store: where events stand, what is counted, what failed.

Own read-only connections, one per thread of a small pool: readers of a WAL file never wait for the writer, and the event loop never
waits for them. Every function reads one snapshot. Nothing here scans a large table: look-ups go by seq, by messageId or by an index, and
what walks over events does so in windows of `SCAN_ROWS_MAX` and says where the next one begins. Rows and bytes of an answer are bounded.

Here is what many ask for. What one kind of page asks for is beside it: functions that get a `Views` and use its `read`, `names` and `kept`.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sternpost.errors import StoreDamaged, StoreUnavailable
from sternpost.limits import PAGE_ROWS_MAX
from sternpost.model import Event, Link, Membership, Person
from sternpost.person import link_of
from sternpost.reasons import ReasonCode
from sternpost.store import arrivals, profiles
from sternpost.store.database import connect
from sternpost.store.kept import SELECT_CHANNELS, Kept, KeptEvents, Rows
from sternpost.store.names import Names, key
from sternpost.store.selection import Selection, selected
from sternpost.store.trouble import unavailable

THREADS = 2  #: more would only fight with the writer for the interpreter
PREFIX_CHARS_MIN = 6  #: of a shortened messageId

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Page:
    """Some events of a list, and where the next page begins."""

    kept: tuple[Kept, ...]
    next: int | None  #: seq to hand in for the next page; None = this was the last


@dataclass(frozen=True, slots=True)
class BlockedChannel:
    """A channel that can do nothing until a person acts."""

    destination_id: str
    channel: str
    reason: ReasonCode
    detail: str
    since: float


@dataclass(frozen=True, slots=True)
class Span:
    """Which events are kept."""

    oldest_received_at: float | None  #: None = no event is kept
    pruned: bool  #: some were kept once and are not any more


SELECT_SEQS_OF_MESSAGE = (
    "SELECT seq FROM events WHERE source_no IN (SELECT no FROM names WHERE kind = 'source' AND name = coalesce(?, name)) "
    "AND message_key = ?"
)
SELECT_SEQS_OF_PREFIX = (
    "SELECT seq FROM events WHERE source_no IN (SELECT no FROM names WHERE kind = 'source') "
    "AND message_key >= ? AND message_key < ? LIMIT 2"
)
SELECT_COUNTERS = "SELECT scope, name, n FROM counters"
SELECT_OLDEST_WAITING = "SELECT e.received_at FROM deliveries d JOIN events e ON e.seq = d.seq WHERE d.destination_no = ? ORDER BY d.seq LIMIT 1"
SELECT_OLDEST = "SELECT seq, received_at FROM events ORDER BY seq LIMIT 1"
SELECT_LAST_SEQ = "SELECT seq FROM sqlite_sequence WHERE name = 'events'"

EVERY_SEQ = 2**62


def seqs_of_message(cx: sqlite3.Connection, message_id: str, source: str | None = None) -> list[int]:
    """The events of a messageId, of every source that sent it or of one."""
    return [int(seq) for (seq,) in cx.execute(SELECT_SEQS_OF_MESSAGE, (source, key(message_id)))]


class Views:
    """Reads a store's file while others write it. Methods raise StoreUnavailable when it cannot be read."""

    def __init__(self, path: Path, *, threads: int = THREADS) -> None:
        """`path` is the file of a store that exists. Connections are opened by the threads that need them."""
        self.path = path
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="sternpost-views")
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._opening = threading.Lock()
        self.names = Names()  #: names by number; used within `read`
        self.kept = KeptEvents(self.names)  #: used within `read`

    # --- single events -----------------------------------------------------------------------------------------------

    async def events_by_message_id(
        self, message_id: str, source: str | None = None, *, prefix: bool = False
    ) -> tuple[Kept, ...]:
        """The events of this messageId, one per source that sent it, with their tries; () when none is kept.

        With `prefix`, an id that is not known may be the beginning of exactly one that is.
        """

        def read(cx: sqlite3.Connection) -> tuple[Kept, ...]:
            seqs = sorted(seqs_of_message(cx, message_id, source))
            if not seqs and prefix and len(message_id) >= PREFIX_CHARS_MIN and key(message_id) == message_id:
                seqs = [
                    int(seq)
                    for (seq,) in cx.execute(SELECT_SEQS_OF_PREFIX, (message_id, message_id + "\U0010ffff"))
                ]
                if len(seqs) != 1:
                    return ()
            found: list[Kept] = []
            left: Sequence[int] = seqs
            while left:
                # Sources are few, and each keeps an id once: however large they are, all of them are the answer.
                rows = self.kept.load(cx, left, tries=True)
                found += rows.kept
                left = rows.left
            if seqs and not found:
                raise StoreDamaged(
                    "The event is in the store, and the page that holds it is damaged.",
                    "Stop the server, then `sternpost salvage` or `sternpost restore`.",
                )
            return tuple(entry for entry in found if source in {None, entry.event.source_id})

        return await self.read(read)

    async def arrivals_naming(
        self, texts: tuple[bytes, bytes], out_of_time: Callable[[], bool]
    ) -> arrivals.Named:
        """The oldest arrivals in whose bodies one of two texts is; see `arrivals.naming`."""
        return await self.read(lambda cx: arrivals.naming(cx, texts, out_of_time))

    async def by_seqs(self, seqs: Sequence[int], *, tries: bool = False) -> Rows:
        """The kept ones of these events, in the order given; `left` are those that the bounds did not let in."""
        wanted = list(dict.fromkeys(seqs))
        return await self.read(lambda cx: self.kept.load(cx, wanted, tries=tries))

    async def person(self, event: Event, user_id: str = "", groups: Sequence[str] = ()) -> Person:
        """What the store knows about the people of an event, as `claim` hands it out. `user_id`: what a link gave it, else a link that
        is known now is used. `groups`: further accounts whose parents are wanted.
        """

        def read(cx: sqlite3.Connection) -> Person:
            user = user_id or event.user_id
            if not user and event.anonymous_id:
                link: Link | None = link_of(profiles.links(cx, event.anonymous_id, 0.0), event)
                user = link.user_id if link else ""
            # At time 0 nothing was used long ago, so that reading does not write.
            memberships: tuple[Membership, ...] = profiles.memberships(
                cx, profiles.person_key(user, event.anonymous_id), 0.0
            )
            wanted = dict.fromkeys([*(membership.group_id for membership in memberships), *groups])
            return Person(user, memberships, profiles.parents(cx, list(wanted)))

        return await self.read(read)

    async def span(self) -> Span:
        """From when on events are kept."""

        def read(cx: sqlite3.Connection) -> Span:
            oldest = cx.execute(SELECT_OLDEST).fetchone()
            last = cx.execute(SELECT_LAST_SEQ).fetchone()
            if oldest is None:
                return Span(None, pruned=last is not None and last[0] > 0)
            return Span(oldest[1], pruned=oldest[0] > 1)

        return await self.read(read)

    # --- counts ------------------------------------------------------------------------------------------------------

    async def stats(
        self, *, destinations: Iterable[str], sources: Iterable[str], bytes_max: int, now: float
    ) -> dict[str, Any]:
        """`GET /api/v1/stats` as in interface.md. `destinations` and `sources` are present even when nothing was ever kept of them."""
        configured = list(destinations), list(sources)

        def read(cx: sqlite3.Connection) -> dict[str, Any]:
            counters: dict[str, dict[str, int]] = {}
            for scope, name, n in cx.execute(SELECT_COUNTERS):
                counters.setdefault(scope, {})[name] = n
            blocked = {
                (self.names.name(cx, "destination", row[0]), self.names.name(cx, "channel", row[1]))
                for row in cx.execute(SELECT_CHANNELS).fetchall()
            }
            known = {scope[2:]: counts for scope, counts in counters.items() if scope.startswith("d:")}
            shown = dict.fromkeys(
                [*configured[0], *(name for name in sorted(known) if any(known[name].values()))]
            )
            arrived = arrivals.summary(cx, now)
            heard = {scope[2:]: counts for scope, counts in counters.items() if scope.startswith("s:")}
            sources_shown = dict.fromkeys(
                [*configured[1], *(name for name in sorted(heard) if any(heard[name].values()))]
            )
            return {
                "destinations": {
                    name: {
                        **_destination_counts(name, known.get(name, {}), blocked),
                        # What arrived and is in no lane yet is for each of them, as far as anybody knows.
                        "oldestPendingSeconds": max(self._oldest_s(cx, name, now), arrived["oldestSeconds"]),
                    }
                    for name in shown
                },
                "sources": {
                    name: {
                        "received": heard.get(name, {}).get("received", 0),
                        "duplicates": heard.get(name, {}).get("duplicates", 0),
                    }
                    for name in sources_shown
                },
                "arrivals": arrived,
                "disk": {"bytes": self.size_bytes(), "bytesMax": bytes_max},
            }

        return await self.read(read)

    async def blocked_channels(self) -> tuple[BlockedChannel, ...]:
        """Channels that wait for a person."""

        def read(cx: sqlite3.Connection) -> tuple[BlockedChannel, ...]:
            return tuple(
                BlockedChannel(
                    self.names.name(cx, "destination", destination_no),
                    self.names.name(cx, "channel", channel_no),
                    reason,
                    detail,
                    since,
                )
                for destination_no, channel_no, reason, detail, since in cx.execute(
                    SELECT_CHANNELS
                ).fetchall()
            )

        return await self.read(read)

    def size_bytes(self) -> int:
        """What the store takes on the disk: the file and its log."""
        size = 0
        for path in (self.path, self.path.with_name(f"{self.path.name}-wal")):
            with contextlib.suppress(OSError):
                size += path.stat().st_size
        return size

    # --- lists -------------------------------------------------------------------------------------------------------

    async def recent(
        self, limit: int, selection: Selection | None = None, *, before: int | None = None
    ) -> Page:
        """The newest events that `selection` lets pass, newest first. Looks at `SCAN_ROWS_MAX` events at most, so that a page may be
        empty although there is a next one.
        """
        chosen = selection or Selection()
        rows_max = max(1, min(limit, PAGE_ROWS_MAX))
        start = EVERY_SEQ if before is None else before

        def read(cx: sqlite3.Connection) -> Page:
            seqs, following = selected(cx, self.names, chosen, start, rows_max)
            rows = self.kept.load(cx, seqs, tries=False)
            if rows.left:
                following = rows.left[0] + 1
            return Page(tuple(kept for kept in rows.kept if chosen.stands(kept)), following)

        return await self.read(read)

    # --- reading -----------------------------------------------------------------------------------------------------

    async def read(self, run: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run a function on one snapshot, in a thread of the pool. Raises StoreUnavailable."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._pool, self._snapshot, run)
        except sqlite3.Error as error:
            raise unavailable(error) from error
        except RuntimeError as error:
            # The pool refuses work once it was shut down.
            raise StoreUnavailable("The store is closed.") from error

    def close(self) -> None:
        """Wait for what is being read, and let go of the file."""
        self._pool.shutdown(wait=True)
        for connection in self._connections:
            connection.close()
        self._connections.clear()

    def _snapshot(self, run: Callable[[sqlite3.Connection], Result]) -> Result:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = connect(self.path, readonly=True)
            self._local.connection = connection
            with self._opening:
                self._connections.append(connection)
        connection.execute("BEGIN")
        try:
            return run(connection)
        finally:
            # It only read; after a damaged page SQLite refuses to commit even that.
            connection.execute("ROLLBACK")

    def _oldest_s(self, cx: sqlite3.Connection, destination_id: str, now: float) -> float:
        number = self.names.known(cx, "destination", destination_id)
        row = cx.execute(SELECT_OLDEST_WAITING, (number,)).fetchone() if number is not None else None
        return round(max(0.0, now - row[0]), 3) if row else 0


def _destination_counts(
    destination_id: str, counts: Mapping[str, int], blocked: set[tuple[str, str]]
) -> dict[str, int]:
    """Every kept event in exactly one of seven numbers."""
    pending = retrying = stopped = 0
    for name, n in counts.items():
        kind, colon, channel = name.partition(":")
        if kind != "waiting" or not colon:
            continue
        if (destination_id, channel) in blocked:
            stopped += n
        else:
            tried = counts.get(f"retrying:{channel}", 0)
            retrying += tried
            pending += n - tried
    return {
        "pending": pending,
        "held": counts.get("held", 0),
        "retrying": retrying,
        "blocked": stopped,
        "delivered": counts.get("delivered", 0),
        "skipped": counts.get("skipped", 0),
        "rejected": counts.get("rejected", 0),
    }
