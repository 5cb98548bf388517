"""`prune`: kept events are bounded by age and by bytes, and the space returns to the disk. What waits is never removed."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from sternpost.limits import LANE_IDLE_S, PROFILE_KEPT_DAYS, PRUNE_CHUNK_EVENTS
from sternpost.store import profiles
from sternpost.store.accepting import DELIVERED, REJECTED, SKIPPED
from sternpost.store.base import Pruned
from sternpost.store.names import Deltas, Names

DAY_S = 86_400.0
VACUUM_PAGES = 2_000  #: pages given back per step (16 MB): a bounded pause
STATE_NAMES = {DELIVERED: "delivered", SKIPPED: "skipped", REJECTED: "rejected"}

NOTHING_WAITS = (
    "NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.destination_no IN (SELECT no FROM names WHERE kind = 'destination') "
    "AND d.seq = e.seq) AND NOT EXISTS (SELECT 1 FROM held h WHERE h.seq = e.seq)"
)
NO_DEAD_LETTER = f"NOT EXISTS (SELECT 1 FROM outcomes o WHERE o.seq = e.seq AND o.state = {REJECTED})"


class Pruner:
    """One pass after another over the oldest events; remembers where it was, since what waits may be very many."""

    def __init__(self) -> None:
        self._after_seq = {"age": 0, "bytes": 0, "letters": 0}

    def step(
        self,
        cx: sqlite3.Connection,
        names: Names,
        deltas: Deltas,
        *,
        now: float,
        before: float,
        bytes_max: int,
        used_bytes: int,
    ) -> Pruned:
        """Remove at most `PRUNE_CHUNK_EVENTS` events."""
        removed = self._remove(cx, names, deltas, "age", f"received_at < {before!r} AND {NOTHING_WAITS}")
        full = False
        if not removed and used_bytes > bytes_max:
            removed = self._remove(cx, names, deltas, "bytes", f"{NOTHING_WAITS} AND {NO_DEAD_LETTER}")
            if not removed:
                removed = self._remove(cx, names, deltas, "letters", NOTHING_WAITS)
            full = not removed
        cx.execute(f"PRAGMA incremental_vacuum({VACUUM_PAGES})").fetchall()
        if not removed:
            cx.execute(
                "DELETE FROM lanes WHERE no IN (SELECT no FROM lanes WHERE pending = 0 AND ready_at < ? LIMIT ?)",
                (now - LANE_IDLE_S, PRUNE_CHUNK_EVENTS),
            )
            profiles.prune(
                cx, before=before, kept_since=now - PROFILE_KEPT_DAYS * DAY_S, limit=PRUNE_CHUNK_EVENTS
            )
        return Pruned(removed, more=bool(removed), full=full)

    def _remove(self, cx: sqlite3.Connection, names: Names, deltas: Deltas, why: str, condition: str) -> int:
        rows = cx.execute(
            f"SELECT e.seq, e.source_no, e.seen FROM events e WHERE e.seq > ? AND {condition} ORDER BY e.seq LIMIT ?",
            (self._after_seq[why], PRUNE_CHUNK_EVENTS),
        ).fetchall()
        if not rows:
            self._after_seq[why] = 0
            return 0
        # The next step begins behind this one; when it finds nothing, the one after it begins anew.
        self._after_seq[why] = rows[-1][0]
        remove_events(cx, names, deltas, rows)
        return len(rows)


def remove_events(
    cx: sqlite3.Connection, names: Names, deltas: Deltas, rows: Sequence[tuple[int, int, int]]
) -> None:
    """Remove events (seq, source_no, seen) with everything that hangs on them, and take them out of the counters."""
    for seq, source_no, seen in rows:
        for destination_no, state, reason in cx.execute(
            "DELETE FROM outcomes WHERE seq = ? RETURNING destination_no, state, reason", (seq,)
        ).fetchall():
            scope = f"d:{names.name(cx, 'destination', destination_no)}"
            name = STATE_NAMES[state]
            deltas.add(scope, name, -1)
            if reason is not None:
                deltas.add(scope, f"{name}:{reason}", -1)
        cx.execute("DELETE FROM tries WHERE seq = ?", (seq,))
        cx.execute("DELETE FROM events WHERE seq = ?", (seq,))
        scope = f"s:{names.name(cx, 'source', source_no)}"
        deltas.add(scope, "received", -1)
        deltas.add(scope, "duplicates", 1 - seen)
