"""`prune`: kept events are bounded by age and by bytes, and the space returns to the disk. What waits is never removed.

Every step looks at a bounded number of rows, whatever the size of the store, since accept waits for it. The steps of a pass go from
the oldest event to the newest, in three phases: too old; delivered and skipped ones while there are too many bytes; then dead
letters. A phase about bytes ends with a pass that found nothing, so nothing is missed that was settled behind it meanwhile.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import groupby

from sternpost.limits import LANE_IDLE_S, PROFILE_KEPT_DAYS, PRUNE_CHUNK_EVENTS
from sternpost.store import series
from sternpost.store.accepting import DELIVERED, REJECTED, SKIPPED
from sternpost.store.base import Pruned
from sternpost.store.names import Deltas, Names

DAY_S = 86_400.0
WINDOW_ROWS = 5_000  #: rows looked at in one step: some 10 ms
STEPS_OVER_MAX = 10_000  #: events on damaged pages passed over in one pass; more damage than that is for `sternpost salvage`
VACUUM_PAGES = 2_000  #: pages given back per step (16 MB): a bounded pause
STATE_NAMES = {DELIVERED: "delivered", SKIPPED: "skipped", REJECTED: "rejected"}

NOTHING_WAITS = (
    "NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.destination_no IN (SELECT no FROM names WHERE kind = 'destination') "
    "AND d.seq = e.seq) AND NOT EXISTS (SELECT 1 FROM held h WHERE h.seq = e.seq)"
)
NO_DEAD_LETTER = f"NOT EXISTS (SELECT 1 FROM outcomes o WHERE o.seq = e.seq AND o.state = {REJECTED})"
PHASES = TOO_OLD, TOO_MANY_BYTES, STILL_TOO_MANY = ("age", "bytes", "letters")
CONDITIONS = {
    TOO_OLD: f"e.received_at < :before AND {NOTHING_WAITS}",
    TOO_MANY_BYTES: f"{NOTHING_WAITS} AND {NO_DEAD_LETTER}",
    STILL_TOO_MANY: NOTHING_WAITS,
}
SELECT_WINDOW = "SELECT max(seq), min(received_at) FROM (SELECT seq, received_at FROM events WHERE seq > ? ORDER BY seq LIMIT ?)"
SELECT_REMOVABLE = (
    "SELECT e.seq, e.source_no, e.seen FROM events e WHERE e.seq > :after AND e.seq <= :last AND "
)
OLDEST_WAITING = (
    "SELECT min(at) FROM (SELECT min(e.received_at) AS at FROM names n JOIN events e ON e.seq = (SELECT min(d.seq) FROM deliveries d "
    "WHERE d.destination_no = n.no) WHERE n.kind = 'destination' "
    "UNION ALL SELECT received_at FROM arrivals WHERE no = (SELECT min(no) FROM arrivals) "
    "UNION ALL SELECT received_at FROM aside WHERE no = (SELECT min(no) FROM aside))"
)
#: One page: Python's sqlite3 takes a single step of a statement without columns, and each step of this one gives back a page.
GIVE_BACK = "PRAGMA incremental_vacuum(1)"
LANES_WINDOW = "SELECT max(no), count(*) FROM (SELECT no FROM lanes WHERE no > ? ORDER BY no LIMIT ?)"
DELETE_IDLE_LANES = "DELETE FROM lanes WHERE no > ? AND no <= ? AND pending = 0 AND ready_at < ?"


class Pruner:
    """Remembers where it was, since what waits may be very many."""

    def __init__(self) -> None:
        self._full = False
        self._after_lane = 0
        self._after_person = {"links": "", "memberships": ""}
        self._begin(TOO_OLD)

    def _begin(self, phase: str) -> None:
        self._phase = phase
        self._window = WINDOW_ROWS
        self._stepped_over = 0
        self._after_seq = 0
        self._found = False

    def step_over(self) -> bool:
        """The last step met a damaged page: look more closely, then pass over it. False when the damage is not among the events of a window."""
        if self._window > 1:
            self._window //= 2
            return True
        self._stepped_over += 1
        self._after_seq += 1
        return self._stepped_over <= STEPS_OVER_MAX

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
        """Look at one window of events, and remove at most `PRUNE_CHUNK_EVENTS` of them."""
        too_big = used_bytes > bytes_max
        if not too_big and self._phase != TOO_OLD:
            self._begin(TOO_OLD)
        removed, at_end = self._remove(cx, names, deltas, before)
        self._full = self._full and too_big and not removed
        more = too_big or not at_end
        if at_end and too_big:
            if self._found and self._phase != TOO_OLD:
                self._begin(self._phase)
            elif self._phase != STILL_TOO_MANY:
                self._begin(PHASES[PHASES.index(self._phase) + 1])
            else:
                self._full, more = True, False
        for _ in range(min(VACUUM_PAGES, cx.execute("PRAGMA freelist_count").fetchone()[0])):
            cx.execute(GIVE_BACK)
        if not more:
            self._begin(TOO_OLD)
            self._sweep_lanes(cx, idle_since=now - LANE_IDLE_S)
            series.roll_up(cx, now=now)
            # What still waits asks for the account of its own time, however old it is.
            waiting_since = cx.execute(OLDEST_WAITING).fetchone()[0]
            self._sweep_profiles(
                cx,
                before=before if waiting_since is None else min(before, waiting_since),
                kept_since=now - PROFILE_KEPT_DAYS * DAY_S,
            )
        return Pruned(removed, more=more, full=self._full)

    def _remove(
        self, cx: sqlite3.Connection, names: Names, deltas: Deltas, before: float
    ) -> tuple[int, bool]:
        """How many were removed, and whether the pass has come to its end."""
        last, oldest = cx.execute(SELECT_WINDOW, (self._after_seq, self._window)).fetchone()
        if last is None or (self._phase == TOO_OLD and oldest >= before):
            return 0, True
        rows = cx.execute(
            f"{SELECT_REMOVABLE}{CONDITIONS[self._phase]} ORDER BY e.seq LIMIT :limit",
            {"after": self._after_seq, "last": last, "before": before, "limit": PRUNE_CHUNK_EVENTS},
        ).fetchall()
        self._after_seq = rows[-1][0] if len(rows) == PRUNE_CHUNK_EVENTS else last
        self._window = min(2 * self._window, WINDOW_ROWS)  # it is small behind a damaged page
        self._found = self._found or bool(rows)
        remove_events(cx, names, deltas, rows)
        return len(rows), False

    def _sweep_lanes(self, cx: sqlite3.Connection, *, idle_since: float) -> None:
        last, count = cx.execute(LANES_WINDOW, (self._after_lane, WINDOW_ROWS)).fetchone()
        cx.execute(DELETE_IDLE_LANES, (self._after_lane, last, idle_since))
        self._after_lane = last if count == WINDOW_ROWS else 0

    def _sweep_profiles(self, cx: sqlite3.Connection, *, before: float, kept_since: float) -> None:
        """Remove what nobody used for very long, and what was replaced before the retention began."""
        for table, who, third in (("links", "anonymous_id", "user_id"), ("memberships", "person", "seq")):
            rows = cx.execute(
                f"SELECT {who}, at_ms, {third}, used_at FROM {table} WHERE {who} > ? ORDER BY {who}, at_ms, {third} LIMIT ?",
                (self._after_person[table], WINDOW_ROWS),
            ).fetchall()
            people = [list(profile) for _, profile in groupby(rows, key=lambda row: row[0])]
            at_end = len(rows) < WINDOW_ROWS
            if not at_end:
                people.pop()  # it may go on behind the window
            self._after_person[table] = "" if at_end else people[-1][0][0]
            gone = [
                row[:3]
                for profile in people
                for row, newer in zip(profile, [*profile[1:], None], strict=True)
                if row[3] < kept_since or (newer is not None and newer[1] < before * 1000)
            ]
            cx.executemany(f"DELETE FROM {table} WHERE {who} = ? AND at_ms = ? AND {third} = ?", gone)


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
