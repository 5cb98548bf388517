"""The read side of dead letters: their groups, what was said about each, and the events themselves, oldest first."""

from __future__ import annotations

import heapq
import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from sternpost.limits import PAGE_ROWS_MAX
from sternpost.reasons import ReasonCode
from sternpost.store.accepting import REJECTED
from sternpost.store.selection import rejected_groups, seqs_by
from sternpost.store.trouble import damaged
from sternpost.store.views import Page, Views, seqs_of_message

SAMPLES_PER_GROUP = 10  #: dead letters shown with their group

SELECT_NEWEST = (
    "SELECT o.seq, coalesce(e.message_id, e.message_key), n.name, e.type, o.at, o.more, e.user_id, e.anonymous_id, e.received_at "
    "FROM outcomes o JOIN events e ON e.seq = o.seq JOIN names n ON n.no = e.source_no "
    "WHERE o.destination_no = ? AND o.reason = ? AND o.state = 3 ORDER BY o.seq DESC LIMIT ?"
)
SELECT_ALONE = "SELECT seq, at, more FROM outcomes WHERE destination_no = ? AND reason = ? AND state = 3 ORDER BY seq DESC LIMIT ?"
SELECT_FIRST_RECEIVED = (
    "SELECT e.received_at FROM outcomes o JOIN events e ON e.seq = o.seq "
    "WHERE o.destination_no = ? AND o.reason = ? AND o.state = 3 ORDER BY o.seq LIMIT 1"
)
SELECT_FIRST_AT = (
    "SELECT at, more FROM outcomes WHERE destination_no = ? AND reason = ? AND state = 3 ORDER BY seq LIMIT 1"
)
SELECT_OLDEST = (
    "SELECT seq FROM outcomes WHERE destination_no = ? AND reason = ? AND state = 3 AND seq > ? "
    "ORDER BY seq LIMIT ?"
)
SELECT_OUTCOME = "SELECT state, reason FROM outcomes WHERE seq = ? AND destination_no = ?"
SELECT_SAID = (
    "SELECT o.seq, o.more, coalesce(e.message_id, e.message_key), e.user_id, e.anonymous_id FROM outcomes o "
    "JOIN events e ON e.seq = o.seq WHERE o.seq = ? AND o.destination_no = ?"
)


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter as its group needs it."""

    seq: int
    message_id: str
    source_id: str
    type: str
    at: float  #: when it was rejected
    since: float  #: when it was for the first time: it may have been tried again since
    detail: str  #: what was said
    user_id: str
    anonymous_id: str
    received_at: float

    @property
    def person(self) -> str:
        return f"u:{self.user_id}" if self.user_id else f"a:{self.anonymous_id}"

    @property
    def ids(self) -> tuple[str, ...]:
        """What is its own and not its group's."""
        return (self.message_id, self.user_id, self.anonymous_id)


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Dead letters of one destination with one reason."""

    destination_id: str
    reason: ReasonCode
    count: int
    first_at: float  #: when its oldest event was rejected, for the first time if it was tried again
    last_at: float  #: when the newest was
    samples: tuple[Letter, ...]  #: newest first


async def failure_groups(views: Views) -> tuple[FailureGroup, ...]:
    """Dead letters by destination and reason, the largest group first."""

    def read(cx: sqlite3.Connection) -> tuple[FailureGroup, ...]:
        groups = []
        for destination, reason, count in rejected_groups(cx):
            which = (views.names.known(cx, "destination", destination), reason)
            samples = _newest(cx, which, SAMPLES_PER_GROUP)
            first = cx.execute(SELECT_FIRST_AT, which).fetchone()
            if samples and first is not None:
                groups.append(
                    FailureGroup(destination, reason, count, _since(*first), samples[0].at, tuple(samples))
                )
        return tuple(sorted(groups, key=lambda group: -group.count))

    return await views.read(read)


async def newest_letters(
    views: Views, destination: str, reason: str, *, rows_max: int
) -> tuple[list[Letter], float | None]:
    """The newest dead letters of a destination and reason, and when the event of the oldest one was received, where that can be read."""

    def read(cx: sqlite3.Connection) -> tuple[list[Letter], float | None]:
        which = (views.names.known(cx, "destination", destination), reason)
        letters = _newest(cx, which, rows_max)
        try:
            first = cx.execute(SELECT_FIRST_RECEIVED, which).fetchone()
        except sqlite3.DatabaseError as error:
            if not damaged(error):
                raise
            first = None
        return letters, first[0] if first else None

    return await views.read(read)


async def kept_failures(
    views: Views, destination: str, reason: str | None, limit: int, after: int = 0
) -> Page:
    """Dead letters of a destination (and reason), oldest first, with their tries."""
    rows_max = max(1, min(limit, PAGE_ROWS_MAX))

    def read(cx: sqlite3.Connection) -> Page:
        seqs = _oldest(cx, views, destination, reason, after, rows_max + 1)
        rows = views.kept.load(cx, seqs[:rows_max], tries=True)
        more = len(seqs) > rows_max or bool(rows.left)
        return Page(rows.kept, rows.kept[-1].event.seq if more and rows.kept else None)

    return await views.read(read)


async def dead_letters(
    views: Views,
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
            return tuple(_oldest(cx, views, destination, reason, after, rows_max))
        number = views.names.known(cx, "destination", destination)
        found = {
            seq for one in message_ids[:PAGE_ROWS_MAX] for seq in seqs_of_message(cx, one) if seq > after
        }
        rejected = []
        for seq in sorted(found):
            row = cx.execute(SELECT_OUTCOME, (seq, number)).fetchone()
            if row is not None and row[0] == REJECTED and reason in {None, row[1]}:
                rejected.append(seq)
        return tuple(rejected[:rows_max])

    return await views.read(read)


async def rejected_count(views: Views, destination: str, reason: str | None = None) -> int:
    """How many dead letters a destination (and reason) has."""

    def read(cx: sqlite3.Connection) -> int:
        return sum(
            n for name, code, n in rejected_groups(cx) if name == destination and reason in {None, code}
        )

    return await views.read(read)


async def said_of(
    views: Views, destination: str, seqs: tuple[int, ...]
) -> dict[int, tuple[str, tuple[str, ...]]]:
    """What was said about some dead letters, and the ids that are each one's own."""

    def read(cx: sqlite3.Connection) -> dict[int, tuple[str, tuple[str, ...]]]:
        number = views.names.known(cx, "destination", destination)
        found = (cx.execute(SELECT_SAID, (seq, number)).fetchone() for seq in seqs)
        return {row[0]: (_detail(row[1]), tuple(row[2:])) for row in found if row is not None}

    return await views.read(read)


def _oldest(
    cx: sqlite3.Connection, views: Views, destination: str, reason: str | None, after: int, rows_max: int
) -> list[int]:
    number = views.names.known(cx, "destination", destination)
    reasons = (
        [reason]
        if reason is not None
        else [code for name, code, _ in rejected_groups(cx) if name == destination]
    )
    lists = [seqs_by(cx, SELECT_OLDEST, (number, code, after, rows_max)) for code in reasons]
    return [seq for seq, _ in zip(heapq.merge(*lists), range(rows_max), strict=False)]


def _newest(cx: sqlite3.Connection, which: tuple[int | None, str], rows_max: int) -> list[Letter]:
    try:
        rows = cx.execute(SELECT_NEWEST, (*which, rows_max)).fetchall()
    except sqlite3.DatabaseError as error:
        if not damaged(error):
            raise
        return _without_events(cx, which, rows_max)
    return [
        Letter(
            seq,
            message_id,
            source,
            kind,
            at,
            _since(at, more),
            _detail(more),
            user_id,
            anonymous_id,
            received_at,
        )
        for seq, message_id, source, kind, at, more, user_id, anonymous_id, received_at in rows
    ]


def _without_events(cx: sqlite3.Connection, which: tuple[int | None, str], rows_max: int) -> list[Letter]:
    """Dead letters of events that cannot be read: what was written down when they were set aside."""
    names = dict(cx.execute("SELECT no, name FROM names WHERE kind = 'source'"))
    letters = []
    for seq, at, more in cx.execute(SELECT_ALONE, (*which, rows_max)):
        known = json.loads(more) if more else {}
        message_id, source = known.get("messageId", ""), names.get(known.get("sourceNo"), "")
        letters.append(Letter(seq, message_id, source, "", at, _since(at, more), _detail(more), "", "", at))
    return letters


def _since(at: float, more: str | None) -> float:
    """When what was rejected at a moment was first rejected for its reason."""
    return float(json.loads(more).get("since", at)) if more else at


def _detail(more: str | None) -> str:
    return str(json.loads(more).get("detail", "")) if more else ""
