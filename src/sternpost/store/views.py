"""The read side of the store: where events stand, what is counted, what failed.

Own read-only connections, one per thread of a small pool: readers of a WAL file never wait for the writer, and the event loop never
waits for them. Every function reads one snapshot. Nothing here scans a large table: look-ups go by seq, by messageId or by an index, and
what walks over events does so in windows of `SCAN_ROWS_MAX` and says where the next one begins. Rows and bytes of an answer are bounded.

How a state is told from the rows (interface.md): a row in `deliveries` waits (blocked when its channel is in `channels`, retrying when it
has a first try, else pending), one in `held` is held, one in `outcomes` is final. Each event has one of them per destination.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import json
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from sternpost.errors import StoreDamaged, StoreUnavailable
from sternpost.limits import PAGE_ROWS_MAX
from sternpost.model import Arrival, Event, Link, Membership, Note, Person, State
from sternpost.person import link_of
from sternpost.reasons import ReasonCode
from sternpost.store import arrivals, profiles
from sternpost.store.accepting import (
    DELIVERED,
    FLAG_LINKED,
    FLAG_TYPE_SET,
    PATH_MASK,
    PATH_SHIFT,
    PATHS,
    POSITION_SHIFT,
    REJECTED,
    SKIPPED,
)
from sternpost.store.database import connect
from sternpost.store.names import Names, key
from sternpost.store.replaying import remembered
from sternpost.store.trouble import damaged, unavailable
from sternpost.store.window import walk

THREADS = 2  #: more would only fight with the writer for the interpreter
SCAN_ROWS_MAX = 20_000  #: events looked at per call of `recent`; some 20 ms
PAGE_BYTES_MAX = 4 * 1024 * 1024  #: bodies and tries read at once; one body alone may have 4 MB
SAMPLES_PER_GROUP = 10  #: dead letters shown with their group
PREFIX_CHARS_MIN = 6  #: of a shortened messageId

FINAL_STATES: Mapping[int, State] = {DELIVERED: "delivered", SKIPPED: "skipped", REJECTED: "rejected"}
WAITING_STATES: frozenset[State] = frozenset({"pending", "retrying", "blocked"})

Result = TypeVar("Result")


# --- what is read ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one event stands at one destination."""

    destination_id: str
    channel: str  #: "" when it is not known any more
    state: State
    reason: ReasonCode | None = None
    detail: str = ""
    notes: tuple[Note, ...] = ()
    attempts: int = 0  #: tries that counted
    tries: tuple[Mapping[str, Any], ...] = ()  #: records of `model.Attempt`; only when asked for
    next_attempt_at: float | None = None  #: of what is being retried; None while it is being tried
    waits_for: str | None = None  #: messageId of the event that goes first
    user_id: str = ""  #: the userId that a link gave it
    first_attempt_at: float | None = None
    settled_at: float | None = None  #: of a final state
    ms: int | None = None  #: of the last try; None when nothing was sent
    status: int | None = None  #: the destination's last answer
    replay_no: int | None = None  #: the replay that brought it here last
    before: tuple[State, str | None, float] | None = None  #: state, reason and moment that the replay ended


@dataclass(frozen=True, slots=True)
class Kept:
    """An event that is kept, and where it stands at each destination that it was fanned out to."""

    event: Event
    seen: int  #: how often its messageId came
    linked: bool  #: it is an alias that made a link
    standings: tuple[Standing, ...]


@dataclass(frozen=True, slots=True)
class Rows:
    """Some events, and what the bounds did not let in."""

    kept: tuple[Kept, ...]
    left: tuple[int, ...] = ()  #: seqs to ask for in another call


@dataclass(frozen=True, slots=True)
class Page:
    """Some events of a list, and where the next page begins."""

    kept: tuple[Kept, ...]
    next: int | None  #: seq to hand in for the next page; None = this was the last


@dataclass(frozen=True, slots=True)
class Selection:
    """What `recent` can tell without decoding a body. Empty = any."""

    sources: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()  #: lower case
    user_ids: frozenset[str] = frozenset()
    anonymous_ids: frozenset[str] = frozenset()
    received_from: float | None = None
    received_until: float | None = None
    destinations: frozenset[str] = frozenset()  #: used together with `states`
    states: frozenset[State] = frozenset()
    reasons: frozenset[str] = frozenset()  #: of an end; what waits passes
    notes: frozenset[str] = frozenset()  #: of an end; what waits passes
    #: of each group one text is in the event, in lower case and ASCII; more may pass
    texts: tuple[frozenset[str], ...] = ()

    @property
    def by_index(self) -> bool:
        """Whether the states asked for have an index that leads to them: what waits, and dead letters."""
        return bool(self.states) and not self.states & {"delivered", "skipped"}


@dataclass(frozen=True, slots=True)
class Sample:
    """A dead letter as its group shows it."""

    seq: int
    message_id: str
    source_id: str
    type: str
    at: float
    detail: str


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Dead letters of one destination with one reason."""

    destination_id: str
    reason: ReasonCode
    count: int
    first_at: float  #: when the oldest event of the group was rejected
    last_at: float  #: when the newest was
    samples: tuple[Sample, ...]  #: newest first


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


# --- statements -----------------------------------------------------------------------------------------------------
# {} stands for a list of question marks.

SELECT_SEQS_OF_MESSAGE = (
    "SELECT seq FROM events WHERE source_no IN (SELECT no FROM names WHERE kind = 'source' AND name = coalesce(?, name)) "
    "AND message_key = ?"
)
SELECT_SEQS_OF_PREFIX = (
    "SELECT seq FROM events WHERE source_no IN (SELECT no FROM names WHERE kind = 'source') "
    "AND message_key >= ? AND message_key < ? LIMIT 2"
)
SELECT_SIZES = "SELECT seq, length(body) FROM events WHERE seq IN ({})"
SELECT_TRY_SIZES = "SELECT seq, sum(length(record)) FROM tries WHERE seq IN ({}) GROUP BY seq"
SELECT_EVENTS = (
    "SELECT seq, source_no, coalesce(message_id, message_key), received_at, type, flags, fanout_no, seen, at_ms, page_ms, user_id, "
    "anonymous_id, request_ip, body FROM events WHERE seq IN ({})"
)
SELECT_OUTCOMES = "SELECT seq, destination_no, state, reason, at, ms, status, attempts, more FROM outcomes WHERE seq IN ({})"
SELECT_DELIVERIES = (
    "SELECT d.seq, d.destination_no, d.lane_no, d.attempts, d.person, d.first_attempt_at, d.reason, d.detail, l.channel_no, l.ready_at, "
    "l.lease, l.waits_for, d.replay_no, d.before FROM deliveries d JOIN lanes l ON l.no = d.lane_no "
    "WHERE d.destination_no IN (SELECT no FROM names WHERE kind = 'destination') AND d.seq IN ({})"
)
SELECT_HELD = "SELECT seq, destination_no, channel_no, expires_at FROM held WHERE seq IN ({})"
SELECT_TRIES = (
    "SELECT seq, destination_no, record FROM tries WHERE seq IN ({}) ORDER BY seq, destination_no, n"
)
SELECT_CHANNELS = "SELECT destination_no, channel_no, reason, detail, since FROM channels"
SELECT_HEAD = "SELECT seq, first_attempt_at FROM deliveries WHERE lane_no = ? ORDER BY pos, ord, seq LIMIT 1"
SELECT_GATE = "SELECT min(seq) FROM deliveries WHERE destination_no = ? AND gate = ?"
SELECT_MESSAGE_ID = "SELECT coalesce(message_id, message_key) FROM events WHERE seq = ?"
SELECT_COUNTERS = "SELECT scope, name, n FROM counters"
SELECT_OLDEST_WAITING = "SELECT e.received_at FROM deliveries d JOIN events e ON e.seq = d.seq WHERE d.destination_no = ? ORDER BY d.seq LIMIT 1"
SELECT_REJECTED = (
    "SELECT o.seq FROM outcomes o WHERE o.destination_no = ? AND o.reason = ? AND o.state = 3 AND o.seq > ? "
    "ORDER BY o.seq LIMIT ?"
)
SELECT_REJECTED_BACKWARDS = (
    "SELECT o.seq FROM outcomes o WHERE o.destination_no = ? AND o.reason = ? AND o.state = 3 AND o.seq < ? "
    "ORDER BY o.seq DESC LIMIT ?"
)
SELECT_WAITING_BACKWARDS = (
    "SELECT seq FROM deliveries WHERE destination_no = ? AND seq < ? ORDER BY seq DESC LIMIT ?"
)
SELECT_HELD_BACKWARDS = "SELECT DISTINCT seq FROM held WHERE seq < ? ORDER BY seq DESC LIMIT ?"
SELECT_SAMPLES = (
    "SELECT o.seq, coalesce(e.message_id, e.message_key), e.source_no, e.type, o.at, o.more FROM outcomes o JOIN events e ON e.seq = o.seq "
    "WHERE o.destination_no = ? AND o.reason = ? AND o.state = 3 ORDER BY o.seq DESC LIMIT ?"
)
SELECT_SAMPLES_ALONE = "SELECT seq, at, more FROM outcomes WHERE destination_no = ? AND reason = ? AND state = 3 ORDER BY seq DESC LIMIT ?"
SELECT_FIRST_REJECTED = "SELECT o.at FROM outcomes o WHERE o.destination_no = ? AND o.reason = ? AND o.state = 3 ORDER BY o.seq LIMIT 1"
SELECT_OLDEST = "SELECT seq, received_at FROM events ORDER BY seq LIMIT 1"
SELECT_LAST_SEQ = "SELECT seq FROM sqlite_sequence WHERE name = 'events'"

EVERY_SEQ = 2**62
NO_RECORD = "The store has no record of what became of it."


class Views:
    """Reads a store's file while others write it. Methods raise StoreUnavailable when it cannot be read."""

    def __init__(self, path: Path, *, threads: int = THREADS) -> None:
        """`path` is the file of a store that exists. Connections are opened by the threads that need them."""
        self.path = path
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="sternpost-views")
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._opening = threading.Lock()
        self._names = Names()
        self._fanouts: dict[int, tuple[tuple[str, str], ...]] = {}

    # --- single events -----------------------------------------------------------------------------------------------

    async def events_by_message_id(
        self, message_id: str, source: str | None = None, *, prefix: bool = False
    ) -> tuple[Kept, ...]:
        """The events of this messageId, one per source that sent it, with their tries; () when none is kept.

        With `prefix`, an id that is not known may be the beginning of exactly one that is.
        """

        def read(cx: sqlite3.Connection) -> tuple[Kept, ...]:
            seqs = sorted(_seqs(cx, SELECT_SEQS_OF_MESSAGE, (source, key(message_id))))
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
                rows = self._load(cx, left, tries=True)
                found += rows.kept
                left = rows.left
            if seqs and not found:
                raise StoreDamaged(
                    "The event is in the store, and the page that holds it is damaged.",
                    "Stop the server, then `sternpost salvage` or `sternpost restore`.",
                )
            return tuple(entry for entry in found if source in {None, entry.event.source_id})

        return await self._read(read)

    async def arrivals_naming(self, texts: tuple[bytes, bytes]) -> list[Arrival]:
        """The oldest arrivals in whose bodies one of two texts is; they are few."""
        return await self._read(lambda cx: arrivals.naming(cx, texts))

    async def by_seqs(self, seqs: Sequence[int], *, tries: bool = False) -> Rows:
        """The kept ones of these events, in the order given; `left` are those that the bounds did not let in."""
        wanted = list(dict.fromkeys(seqs))
        return await self._read(lambda cx: self._load(cx, wanted, tries=tries))

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

        return await self._read(read)

    async def span(self) -> Span:
        """From when on events are kept."""

        def read(cx: sqlite3.Connection) -> Span:
            oldest = cx.execute(SELECT_OLDEST).fetchone()
            last = cx.execute(SELECT_LAST_SEQ).fetchone()
            if oldest is None:
                return Span(None, pruned=last is not None and last[0] > 0)
            return Span(oldest[1], pruned=oldest[0] > 1)

        return await self._read(read)

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
                (self._name(cx, "destination", row[0]), self._name(cx, "channel", row[1]))
                for row in cx.execute(SELECT_CHANNELS).fetchall()
            }
            known = {scope[2:]: counts for scope, counts in counters.items() if scope.startswith("d:")}
            shown = dict.fromkeys(
                [*configured[0], *(name for name in sorted(known) if _counts_anything(known[name]))]
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

        return await self._read(read)

    async def blocked_channels(self) -> tuple[BlockedChannel, ...]:
        """Channels that wait for a person."""

        def read(cx: sqlite3.Connection) -> tuple[BlockedChannel, ...]:
            return tuple(
                BlockedChannel(
                    self._name(cx, "destination", destination_no),
                    self._name(cx, "channel", channel_no),
                    reason,
                    detail,
                    since,
                )
                for destination_no, channel_no, reason, detail, since in cx.execute(
                    SELECT_CHANNELS
                ).fetchall()
            )

        return await self._read(read)

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
            if chosen.by_index:
                seqs, following = self._indexed(cx, chosen, start, rows_max)
            else:
                seqs, following = walk(cx, self._names, chosen, start, rows_max, SCAN_ROWS_MAX)
            rows = self._load(cx, seqs, tries=False)
            if rows.left:
                following = rows.left[0] + 1
            return Page(tuple(kept for kept in rows.kept if _stands(kept, chosen)), following)

        return await self._read(read)

    async def failures(self) -> tuple[FailureGroup, ...]:
        """Dead letters by destination and reason, the largest group first."""

        def read(cx: sqlite3.Connection) -> tuple[FailureGroup, ...]:
            groups = []
            for destination_id, reason, count in self._rejected_groups(cx):
                number = self._names.known(cx, "destination", destination_id)
                rows = _samples(cx, number, reason)
                first = cx.execute(SELECT_FIRST_REJECTED, (number, reason)).fetchone()
                if not rows or first is None:
                    continue
                samples = tuple(
                    Sample(
                        seq,
                        message_id,
                        self._name(cx, "source", source_no) if source_no else "",
                        kind,
                        at,
                        _more(more).get("detail", ""),
                    )
                    for seq, message_id, source_no, kind, at, more in rows
                )
                groups.append(FailureGroup(destination_id, reason, count, first[0], rows[0][4], samples))
            return tuple(sorted(groups, key=lambda group: -group.count))

        return await self._read(read)

    async def failure_entries(self, destination: str, reason: str | None, limit: int, after: int = 0) -> Page:
        """Dead letters of a destination (and reason), oldest first, with their tries."""
        rows_max = max(1, min(limit, PAGE_ROWS_MAX))

        def read(cx: sqlite3.Connection) -> Page:
            seqs = self._rejected_seqs(cx, destination, reason, after, rows_max + 1)
            rows = self._load(cx, seqs[:rows_max], tries=True)
            more = len(seqs) > rows_max or bool(rows.left)
            return Page(rows.kept, rows.kept[-1].event.seq if more and rows.kept else None)

        return await self._read(read)

    async def dead_letters(
        self,
        destination: str,
        reason: str | None = None,
        message_ids: Sequence[str] | None = None,
        *,
        limit: int,
        after: int = 0,
    ) -> tuple[int, ...]:
        """The seqs of dead letters behind `after`, oldest first: of a destination, a reason, or of these messageIds."""
        rows_max = max(0, min(limit, PAGE_ROWS_MAX))

        def read(cx: sqlite3.Connection) -> tuple[int, ...]:
            if message_ids is None:
                return tuple(self._rejected_seqs(cx, destination, reason, after, rows_max))
            number = self._names.known(cx, "destination", destination)
            found: set[int] = set()
            for message_id in message_ids[:PAGE_ROWS_MAX]:
                found.update(
                    int(seq)
                    for (seq,) in cx.execute(SELECT_SEQS_OF_MESSAGE, (None, key(message_id)))
                    if seq > after
                )
            rejected = []
            for seq in sorted(found):
                row = cx.execute(
                    "SELECT state, reason FROM outcomes WHERE seq = ? AND destination_no = ?", (seq, number)
                ).fetchone()
                if row is not None and row[0] == REJECTED and reason in {None, row[1]}:
                    rejected.append(seq)
            return tuple(rejected[:rows_max])

        return await self._read(read)

    async def rejected(self, destination: str, reason: str | None = None) -> int:
        """How many dead letters a destination (and reason) has."""

        def read(cx: sqlite3.Connection) -> int:
            return sum(
                n
                for name, code, n in self._rejected_groups(cx)
                if name == destination and reason in {None, code}
            )

        return await self._read(read)

    async def read(self, run: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run a function on one snapshot, in a thread of the pool: what other modules of the store ask. Raises StoreUnavailable."""
        return await self._read(run)

    @property
    def names(self) -> Names:
        """Names by number; used within `read`."""
        return self._names

    def close(self) -> None:
        """Wait for what is being read, and let go of the file."""
        self._pool.shutdown(wait=True)
        for connection in self._connections:
            connection.close()
        self._connections.clear()

    async def reading(self, run: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run a reading function of another module of the store (e.g. `store.access.audit_rows`). Raises StoreError."""
        return await self._read(run)

    # --- below: in a thread of the pool ------------------------------------------------------------------------------

    async def _read(self, run: Callable[[sqlite3.Connection], Result]) -> Result:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._pool, self._snapshot, run)
        except sqlite3.Error as error:
            raise unavailable(error) from error
        except RuntimeError as error:
            # The pool refuses work once it was shut down.
            raise StoreUnavailable("The store is closed.") from error

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

    def _name(self, cx: sqlite3.Connection, kind: str, number: int) -> str:
        return self._names.name(cx, kind, number)

    def _routes(self, cx: sqlite3.Connection, fanout_no: int) -> tuple[tuple[str, str], ...]:
        routes = self._fanouts.get(fanout_no)
        if routes is None:
            text = cx.execute("SELECT routes FROM fanouts WHERE no = ?", (fanout_no,)).fetchone()[0]
            routes = self._fanouts[fanout_no] = tuple(
                (destination, channel) for destination, channel in json.loads(text)
            )
        return routes

    def _oldest_s(self, cx: sqlite3.Connection, destination_id: str, now: float) -> float:
        number = self._names.known(cx, "destination", destination_id)
        row = cx.execute(SELECT_OLDEST_WAITING, (number,)).fetchone() if number is not None else None
        return round(max(0.0, now - row[0]), 3) if row else 0

    # --- lists, below ------------------------------------------------------------------------------------------------

    def _indexed(
        self, cx: sqlite3.Connection, chosen: Selection, start: int, rows_max: int
    ) -> tuple[list[int], int | None]:
        """Walk back over what waits or is a dead letter, however far down it lies."""
        lists: list[Iterable[int]] = []
        names = chosen.destinations or [
            name for (name,) in cx.execute("SELECT name FROM names WHERE kind = 'destination'")
        ]
        if chosen.states & WAITING_STATES:
            for name in names:
                number = self._names.known(cx, "destination", name)
                lists.append(_seqs(cx, SELECT_WAITING_BACKWARDS, (number, start, SCAN_ROWS_MAX)))
        if "held" in chosen.states:
            lists.append(_seqs(cx, SELECT_HELD_BACKWARDS, (start, SCAN_ROWS_MAX)))
        if "rejected" in chosen.states:
            for destination_id, reason, _ in self._rejected_groups(cx):
                if destination_id in names:
                    number = self._names.known(cx, "destination", destination_id)
                    lists.append(_seqs(cx, SELECT_REJECTED_BACKWARDS, (number, reason, start, SCAN_ROWS_MAX)))
        sources = {self._names.known(cx, "source", name) for name in chosen.sources}
        seqs: list[int] = []
        previous: int | None = None
        looked_at = 0
        for seq in heapq.merge(*lists, reverse=True):
            if seq == previous:
                continue
            previous = seq
            looked_at += 1
            row = cx.execute(
                "SELECT source_no, type, user_id, anonymous_id, received_at FROM events WHERE seq = ?", (seq,)
            ).fetchone()
            if chosen.received_from is not None and row[4] < chosen.received_from:
                return seqs, None
            if (
                (not chosen.sources or row[0] in sources)
                and (not chosen.types or row[1].strip().lower() in chosen.types)
                and (not chosen.user_ids or row[2] in chosen.user_ids)
                and (not chosen.anonymous_ids or row[3] in chosen.anonymous_ids)
                and (chosen.received_until is None or row[4] <= chosen.received_until)
            ):
                seqs.append(seq)
            if len(seqs) == rows_max or looked_at == SCAN_ROWS_MAX:
                return seqs, seq
        return seqs, None

    def _rejected_groups(self, cx: sqlite3.Connection) -> list[tuple[str, ReasonCode, int]]:
        return [
            (scope[2:], cast("ReasonCode", name.removeprefix("rejected:")), n)
            for scope, name, n in cx.execute(SELECT_COUNTERS)
            if scope.startswith("d:") and name.startswith("rejected:") and n > 0
        ]

    def _rejected_seqs(
        self, cx: sqlite3.Connection, destination: str, reason: str | None, after: int, rows_max: int
    ) -> list[int]:
        number = self._names.known(cx, "destination", destination)
        reasons = (
            [reason]
            if reason is not None
            else [code for name, code, _ in self._rejected_groups(cx) if name == destination]
        )
        lists = [_seqs(cx, SELECT_REJECTED, (number, code, after, rows_max)) for code in reasons]
        return [seq for seq, _ in zip(heapq.merge(*lists), range(rows_max), strict=False)]

    # --- rows into values --------------------------------------------------------------------------------------------

    def _load(self, cx: sqlite3.Connection, seqs: Sequence[int], *, tries: bool) -> Rows:
        wanted, left = self._bounded(cx, seqs, tries=tries)
        if not wanted:
            return Rows((), left)
        events = {row[0]: row for row in _rows(cx, SELECT_EVENTS, wanted)}
        found: dict[int, dict[str, Standing]] = {seq: {} for seq in events}
        records: dict[tuple[int, int], list[Mapping[str, Any]]] = {}
        if tries:
            for seq, destination_no, record in _rows(cx, SELECT_TRIES, wanted):
                records.setdefault((seq, destination_no), []).append(json.loads(record))
        channels = {(row[0], row[1]): row for row in cx.execute(SELECT_CHANNELS).fetchall()}
        routes = {seq: dict(self._routes(cx, row[6])) for seq, row in events.items()}
        for standing_of, statement in (
            (self._settled, SELECT_OUTCOMES),
            (self._waiting, SELECT_DELIVERIES),
            (self._held, SELECT_HELD),
        ):
            for row in _rows(cx, statement, wanted):
                seq, destination_no = row[0], row[1]
                if seq not in events:
                    continue
                name = self._name(cx, "destination", destination_no)
                found[seq][name] = standing_of(
                    cx,
                    row,
                    name,
                    routes[seq].get(name, ""),
                    tuple(records.get((seq, destination_no), ())),
                    channels,
                )
        return Rows(
            tuple(self._kept(cx, events[seq], routes[seq], found[seq]) for seq in wanted if seq in events),
            left,
        )

    def _bounded(
        self, cx: sqlite3.Connection, seqs: Sequence[int], *, tries: bool
    ) -> tuple[list[int], tuple[int, ...]]:
        """As many of these events as may be read at once; at least one."""
        first = list(seqs[:PAGE_ROWS_MAX])
        if not first:
            return [], ()
        sizes: dict[int, int] = dict(_rows(cx, SELECT_SIZES, first))
        for seq, size in _rows(cx, SELECT_TRY_SIZES, first) if tries else ():
            sizes[seq] = sizes.get(seq, 0) + size
        total = 0
        for index, seq in enumerate(first):
            total += sizes.get(seq, 0)
            if total > PAGE_BYTES_MAX and index:
                return first[:index], tuple(seqs[index:])
        return first, tuple(seqs[PAGE_ROWS_MAX:])

    def _kept(
        self, cx: sqlite3.Connection, row: Any, routes: Mapping[str, str], found: dict[str, Standing]
    ) -> Kept:
        event = Event(
            message_id=row[2],
            source_id=self._name(cx, "source", row[1]),
            type=row[4],
            type_set=bool(row[5] & FLAG_TYPE_SET),
            received_at=row[3],
            request_ip=row[12],
            body=row[13],
            user_id=row[10],
            anonymous_id=row[11],
            at_ms=row[8],
            page_ms=row[9],
            seq=row[0],
            path=_path(row[5]),
            position=row[5] >> POSITION_SHIFT,
        )
        standings = []
        for name, channel in routes.items():
            if name in found:
                standings.append(found.pop(name))
            else:
                # Without a row of any kind the event was lost on its way: said loudly instead of looking fine.
                standings.append(Standing(name, channel, "rejected", "internal_error", NO_RECORD))
        return Kept(event, row[7], bool(row[5] & FLAG_LINKED), (*standings, *found.values()))

    def _settled(
        self,
        cx: sqlite3.Connection,
        row: Any,
        destination_id: str,
        channel: str,
        tries: tuple[Mapping[str, Any], ...],
        channels: Mapping[tuple[int, int], Any],
    ) -> Standing:
        more = _more(row[8])
        return Standing(
            destination_id,
            channel,
            FINAL_STATES[row[2]],
            row[3],
            more.get("detail", ""),
            tuple(Note(code, path, detail) for code, path, detail in more.get("notes", ())),
            attempts=row[7],
            tries=tries,
            user_id=more.get("person", ""),
            settled_at=row[4],
            ms=row[5],
            status=row[6],
            **_replayed(more.get("replay")),
        )

    def _waiting(
        self,
        cx: sqlite3.Connection,
        row: Any,
        destination_id: str,
        channel: str,
        tries: tuple[Mapping[str, Any], ...],
        channels: Mapping[tuple[int, int], Any],
    ) -> Standing:
        seq, destination_no, lane_no, attempts, person, first_at, reason, detail = row[:8]
        channel_no, ready_at, lease, waits_for, replay_no, replaced = row[8:]
        state: State = "pending"
        next_at: float | None = None
        before: int | None = None
        if (blocked := channels.get((destination_no, channel_no))) is not None:
            state, reason, detail = "blocked", blocked[2], blocked[3]
        elif first_at is not None:
            state = "retrying"
            next_at = None if lease else ready_at
        else:
            reason, detail = "queued", "It is on its way." if lease else ""
            head = cx.execute(SELECT_HEAD, (lane_no,)).fetchone()
            if head is not None and head[0] != seq and head[1] is not None:
                reason, detail, before = "behind_earlier_event", "", head[0]
            elif waits_for is not None and not lease:
                gate = cx.execute(SELECT_GATE, (destination_no, waits_for)).fetchone()[0]
                if gate is not None and gate != seq:
                    reason, before = "behind_earlier_event", gate
                    detail = "What says who the person is goes first."
        return Standing(
            destination_id,
            self._name(cx, "channel", channel_no),
            state,
            reason,
            detail or "",
            attempts=attempts,
            tries=tries,
            next_attempt_at=next_at,
            waits_for=self._message_id(cx, before),
            user_id=person or "",
            first_attempt_at=first_at,
            **_replayed(remembered(replay_no, replaced) if replay_no is not None else None),
        )

    def _held(
        self,
        cx: sqlite3.Connection,
        row: Any,
        destination_id: str,
        channel: str,
        tries: tuple[Mapping[str, Any], ...],
        channels: Mapping[tuple[int, int], Any],
    ) -> Standing:
        return Standing(
            destination_id, self._name(cx, "channel", row[2]), "held", "held_for_identity", tries=tries
        )

    def _message_id(self, cx: sqlite3.Connection, seq: int | None) -> str | None:
        row = cx.execute(SELECT_MESSAGE_ID, (seq,)).fetchone() if seq is not None else None
        return str(row[0]) if row else None


def _path(flags: int) -> str:
    number = flags >> PATH_SHIFT & PATH_MASK
    # Another version may know a path that this one does not.
    return PATHS[number] if number < len(PATHS) else ""


def _rows(cx: sqlite3.Connection, statement: str, seqs: Sequence[int]) -> list[Any]:
    try:
        return cx.execute(statement.format(",".join("?" * len(seqs))), list(seqs)).fetchall()
    except sqlite3.DatabaseError as error:
        if not damaged(error) or not seqs:
            raise
        if len(seqs) == 1:
            return []
        # One damaged page must not hide what is on the others.
        middle = len(seqs) // 2
        return [*_rows(cx, statement, seqs[:middle]), *_rows(cx, statement, seqs[middle:])]


def _samples(cx: sqlite3.Connection, number: int | None, reason: str) -> list[Any]:
    """The newest dead letters of a group; of events that cannot be read, what was written down when they were set aside."""
    try:
        return cx.execute(SELECT_SAMPLES, (number, reason, SAMPLES_PER_GROUP)).fetchall()
    except sqlite3.DatabaseError as error:
        if not damaged(error):
            raise
    found = []
    for seq, at, more in cx.execute(SELECT_SAMPLES_ALONE, (number, reason, SAMPLES_PER_GROUP)):
        known = _more(more)
        found.append((seq, known.get("messageId", ""), known.get("sourceNo", 0), "", at, more))
    return found


def _seqs(cx: sqlite3.Connection, statement: str, values: tuple[Any, ...]) -> Iterator[int]:
    return (int(seq) for (seq,) in cx.execute(statement, values))


def _more(text: str | None) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text) if text else {}
    return found


def _replayed(replay: Mapping[str, Any] | None) -> dict[str, Any]:
    """The fields of a Standing that tell of a replay."""
    if not replay:
        return {}
    before = replay.get("before")
    return {"replay_no": replay["no"], "before": tuple(before) if before else None}


def _counts_anything(counts: Mapping[str, int]) -> bool:
    return any(counts.values())


def _stands(kept: Kept, chosen: Selection) -> bool:
    if not chosen.states and not chosen.destinations:
        return True
    return any(
        (not chosen.states or standing.state in chosen.states)
        and (not chosen.destinations or standing.destination_id in chosen.destinations)
        for standing in kept.standings
    )


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
