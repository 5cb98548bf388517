"""The read side of replays: walk over kept events in order, and where each stands at one destination."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Literal

from sternpost.store.accepting import DELIVERED, REJECTED, SKIPPED
from sternpost.store.selection import SCAN_ROWS_MAX
from sternpost.store.views import Views

Stand = Literal["waiting", "held", "delivered", "skipped", "rejected", ""]
_STANDS: dict[int, Stand] = {DELIVERED: "delivered", SKIPPED: "skipped", REJECTED: "rejected"}

SELECT_CANDIDATES = (
    "SELECT e.seq, n.name, e.type, e.received_at, e.at_ms, e.user_id, e.anonymous_id, length(e.body), o.state, d.seq IS NOT NULL, "
    "EXISTS (SELECT 1 FROM held h WHERE h.seq = e.seq AND h.destination_no = ?1) "
    "FROM events e JOIN names n ON n.no = e.source_no "
    "LEFT JOIN outcomes o ON o.seq = e.seq AND o.destination_no = ?1 "
    "LEFT JOIN deliveries d ON d.destination_no = ?1 AND d.seq = e.seq "
    "WHERE e.seq > ?2 AND e.seq <= ?3 ORDER BY e.seq LIMIT ?4"
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A kept event, without its body."""

    seq: int
    source_id: str
    type: str
    received_at: float
    at_ms: int
    user_id: str
    anonymous_id: str
    size_bytes: int
    stands: Stand  #: at the destination in question; "" = it was never meant for it

    @property
    def person(self) -> str:
        return f"u:{self.user_id}" if self.user_id else f"a:{self.anonymous_id}"


async def candidates(
    views: Views, destination: str, *, after: int, until: int, rows_max: int = SCAN_ROWS_MAX
) -> list[Candidate]:
    """Events behind `after` up to `until`, oldest first, at most `rows_max`; fewer: these were the last."""

    def read(cx: sqlite3.Connection) -> list[Candidate]:
        row = cx.execute(
            "SELECT no FROM names WHERE kind = 'destination' AND name = ?", (destination,)
        ).fetchone()
        rows = cx.execute(SELECT_CANDIDATES, (row[0] if row else None, after, until, rows_max))
        return [
            Candidate(
                seq, source, kind, received_at, at_ms, user_id, anonymous_id, size,
                "held" if held else "waiting" if waits else _STANDS.get(state, ""),
            )
            for seq, source, kind, received_at, at_ms, user_id, anonymous_id, size, state, waits, held in rows
        ]  # fmt: skip

    return await views.read(read)


async def last_seq(views: Views) -> int:
    """The youngest event that is kept; 0 when none is."""

    def read(cx: sqlite3.Connection) -> int:
        return int(cx.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0])

    return await views.read(read)
