"""The read side of dead letters: what was said about each, newest or oldest first, without bodies."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass

from sternpost.store.trouble import damaged
from sternpost.store.views import Views

SELECT_NEWEST = (
    "SELECT o.seq, coalesce(e.message_id, e.message_key), n.name, e.type, o.at, o.more, e.user_id, e.anonymous_id, e.received_at "
    "FROM outcomes o JOIN events e ON e.seq = o.seq JOIN names n ON n.no = e.source_no "
    "WHERE o.destination_no = ? AND o.reason = ? AND o.state = 3 ORDER BY o.seq DESC LIMIT ?"
)
SELECT_ALONE = "SELECT seq, at, more FROM outcomes WHERE destination_no = ? AND reason = ? AND state = 3 ORDER BY seq DESC LIMIT ?"
SELECT_FIRST = (
    "SELECT o.at, e.received_at FROM outcomes o JOIN events e ON e.seq = o.seq "
    "WHERE o.destination_no = ? AND o.reason = ? AND o.state = 3 ORDER BY o.seq LIMIT 1"
)
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


async def newest_letters(
    views: Views, destination: str, reason: str, *, rows_max: int
) -> tuple[list[Letter], tuple[float, float] | None]:
    """The newest dead letters of a destination and reason, and of the oldest one: when it was rejected, when received."""

    def read(cx: sqlite3.Connection) -> tuple[list[Letter], tuple[float, float] | None]:
        number = views.names.known(cx, "destination", destination)
        which = (number, reason)
        try:
            rows = cx.execute(SELECT_NEWEST, (*which, rows_max)).fetchall()
            first = cx.execute(SELECT_FIRST, which).fetchone()
        except sqlite3.DatabaseError as error:
            if not damaged(error):
                raise
            return _without_events(cx, which, rows_max), None
        letters = [
            Letter(seq, message_id, source, kind, at, _detail(more), user_id, anonymous_id, received_at)
            for seq, message_id, source, kind, at, more, user_id, anonymous_id, received_at in rows
        ]
        return letters, first

    return await views.read(read)


def _without_events(cx: sqlite3.Connection, which: tuple[int | None, str], rows_max: int) -> list[Letter]:
    """Dead letters of events that cannot be read: what was written down when they were set aside."""
    names = dict(cx.execute("SELECT no, name FROM names WHERE kind = 'source'"))
    letters = []
    for seq, at, more in cx.execute(SELECT_ALONE, (*which, rows_max)):
        known = json.loads(more) if more else {}
        message_id, source = known.get("messageId", ""), names.get(known.get("sourceNo"), "")
        letters.append(Letter(seq, message_id, source, "", at, _detail(more), "", "", at))
    return letters


async def said_of(
    views: Views, destination: str, seqs: tuple[int, ...]
) -> dict[int, tuple[str, tuple[str, ...]]]:
    """What was said about some dead letters, and the ids that are each one's own."""

    def read(cx: sqlite3.Connection) -> dict[int, tuple[str, tuple[str, ...]]]:
        number = views.names.known(cx, "destination", destination)
        found = (cx.execute(SELECT_SAID, (seq, number)).fetchone() for seq in seqs)
        return {row[0]: (_detail(row[1]), tuple(row[2:])) for row in found if row is not None}

    return await views.read(read)


def _detail(more: str | None) -> str:
    return str(json.loads(more).get("detail", "")) if more else ""
