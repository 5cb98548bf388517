"""The read side of one person: known ids, accounts, lanes that wait, and events in order across sources."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from sternpost.model import Membership
from sternpost.store import profiles
from sternpost.store.kept import Kept
from sternpost.store.names import key
from sternpost.store.persons import ids_of
from sternpost.store.views import Views

SCAN_ROWS_MAX = 200_000  #: events looked at for one page of a person, newest first; a fifth of a second
ROWS = 50
LINKS_MAX = 200

SELECT_EVENTS = (
    "SELECT seq FROM (SELECT seq, user_id, anonymous_id FROM events WHERE seq < ? ORDER BY seq DESC LIMIT ?) "
    "WHERE user_id = ? OR (user_id = '' AND anonymous_id IN ({})) OR anonymous_id = ? ORDER BY seq DESC LIMIT ?"
)
SELECT_LINKS = (
    "SELECT anonymous_id, user_id, at_ms FROM links WHERE user_id = ?1 UNION "
    "SELECT anonymous_id, user_id, at_ms FROM links WHERE anonymous_id = ?2 ORDER BY at_ms DESC LIMIT ?3"
)
SELECT_LANES = (
    "SELECT d.name, c.name, l.no, l.pending, l.ready_at, l.lease, l.behind FROM lanes l JOIN names d ON d.no = l.destination_no "
    "JOIN names c ON c.no = l.channel_no WHERE l.destination_no IN (SELECT no FROM names WHERE kind = 'destination') "
    "AND l.channel_no IN (SELECT no FROM names WHERE kind = 'channel') AND l.lane = ? AND l.pending > 0"
)
SELECT_HEAD = (
    "SELECT coalesce(e.message_id, e.message_key), e.received_at, d.reason FROM deliveries d JOIN events e ON e.seq = d.seq "
    "WHERE d.lane_no = ? ORDER BY d.pos, d.ord, d.seq LIMIT 1"
)
EVERY_SEQ = 2**62


@dataclass(frozen=True, slots=True)
class LinkRow:
    """An anonymousId that turned out to be a user."""

    anonymous_id: str
    user_id: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class LaneRow:
    """A lane of the person in which something waits."""

    destination_id: str
    channel: str
    waiting: int
    since: float  #: when its oldest event was received
    message_id: str  #: of that event, behind which the others wait
    reason: str | None  #: why its last try did not end it
    ready_at: float
    leased: bool
    behind: bool  #: of replayed events


@dataclass(frozen=True, slots=True)
class PersonRows:
    """What the store knows of one person."""

    links: Sequence[LinkRow]
    memberships: Sequence[Membership]  #: the latest first
    lanes: Sequence[LaneRow]
    events: Sequence[Kept]  #: the latest first
    next: int | None


async def person_rows(
    views: Views, person_id: str, *, limit: int = ROWS, before: int | None = None
) -> PersonRows:
    """Everything for one page of a person, by user id or anonymous id."""

    def read(
        cx: sqlite3.Connection,
    ) -> tuple[list[LinkRow], list[Membership], list[LaneRow], list[int], int | None]:
        who = ids_of(cx, person_id)
        links = [LinkRow(*row) for row in cx.execute(SELECT_LINKS, (person_id, key(person_id), LINKS_MAX))]
        # At time 0 nothing was used long ago, so that reading does not write.
        memberships = [
            *profiles.memberships(cx, key(f"u:{person_id}"), 0.0),
            *profiles.memberships(cx, key(f"a:{person_id}"), 0.0),
        ]
        lanes = []
        for lane in (name for person in who.keys for name in (key(person), key(f"r:{person}"))):
            for destination, channel, no, pending, ready_at, lease, behind in cx.execute(
                SELECT_LANES, (lane,)
            ).fetchall():
                head = cx.execute(SELECT_HEAD, (no,)).fetchone()
                if head is not None:
                    lanes.append(
                        LaneRow(
                            destination,
                            channel,
                            pending,
                            head[1],
                            head[0],
                            head[2],
                            ready_at,
                            lease is not None,
                            bool(behind),
                        )
                    )
        start = EVERY_SEQ if before is None else before
        anonymous = [*who.anonymous_ids][:LINKS_MAX]
        seqs = [
            int(row[0])
            for row in cx.execute(
                SELECT_EVENTS.format(",".join("?" * len(anonymous))),
                (start, SCAN_ROWS_MAX, person_id, *anonymous, person_id, limit + 1),
            )
        ]
        oldest = cx.execute(
            "SELECT min(seq) FROM (SELECT seq FROM events WHERE seq < ? ORDER BY seq DESC LIMIT ?)",
            (start, SCAN_ROWS_MAX),
        ).fetchone()[0]
        more = cx.execute("SELECT 1 FROM events WHERE seq < ? LIMIT 1", (oldest or 0,)).fetchone()
        following = seqs[limit - 1] if len(seqs) > limit else oldest if more else None
        return links, memberships[::-1], lanes, seqs[:limit], following

    links, memberships, lanes, seqs, following = await views.read(read)
    rows = await views.by_seqs(seqs)
    if rows.left:
        following = rows.left[0] + 1
    return PersonRows(links, memberships, lanes, rows.kept, following)
