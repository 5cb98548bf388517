"""How much came and went over time: counts per minute, hour and day, written by the transactions that accept and settle.

`Ticks` gathers them beside the counters and writes each changed row once per transaction, so that they are as exact and as durable as
what they count, and cost a dictionary entry per event. Minutes become hours after a day and hours become days after five weeks
(`roll_up`), so that the table is bounded by how many sources, destinations and reasons there are, not by how many events come.

How long deliveries took is kept as a histogram: bucket k holds what took at most 2^(k/2) milliseconds and more than the bucket before,
so that a percentile is read to within a fifth of its value.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

MINUTE, HOUR, DAY = 60, 3_600, 86_400
STEPS = (MINUTE, HOUR, DAY)
MINUTES_KEPT_S = 26 * HOUR  #: a whole day by the minute, wherever one is in the hour
HOURS_KEPT_S = 35 * DAY  #: five weeks by the hour
DAYS_KEPT_S = 400 * DAY  #: a year and a bit
ROLL_UP_SLOTS = 60  #: slots of a destination moved per step, so that accept never waits long
POINTS_MAX = 1_500  #: of one answer: a day by the minute has 1,440
LATE_BUCKETS = 64  #: the last one begins at 34 days
ROWS_MAX = 100_000  #: read for one answer; some 100 ms

LATE = tuple(f"late:{bucket}" for bucket in range(LATE_BUCKETS))

UPSERT = (
    "INSERT INTO series (destination_no, step, slot, source_no, name, n) VALUES (?, ?, ?, ?, ?, ?) "
    "ON CONFLICT DO UPDATE SET n = n + excluded.n"
)
OLD_SLOTS = "SELECT DISTINCT slot FROM series WHERE destination_no = ? AND step = ? AND slot < ? LIMIT ?"
TAKE_SLOT = (
    "DELETE FROM series WHERE destination_no = ? AND step = ? AND slot = ? RETURNING source_no, name, n"
)
SELECT_SPAN = (
    "SELECT slot / ?1 * ?1 AS at, source_no, name, sum(n) FROM series WHERE destination_no = ?2 AND step = ?3 AND slot >= ?4 "
    "AND slot < ?5 GROUP BY at, source_no, name LIMIT ?6"
)
SELECT_SEEN = (
    "SELECT name, sum(n), min(slot), max(slot) FROM series WHERE destination_no = ?1 AND step = ?2 AND slot >= ?3 "
    "AND name >= 'r' AND name < 't' GROUP BY name"
)


class Ticks:
    """Changes of the series in one transaction."""

    def __init__(self) -> None:
        self._changes: dict[tuple[int, int, int, str], int] = {}

    def add(self, destination_no: int, source_no: int, at: float, name: str, n: int = 1) -> None:
        """Count something that happened at a moment."""
        change = (destination_no, int(at) // MINUTE, source_no, name)
        self._changes[change] = self._changes.get(change, 0) + n

    def write(self, cx: sqlite3.Connection) -> None:
        """Write what was gathered."""
        if self._changes:
            cx.executemany(
                UPSERT,
                [
                    (destination_no, MINUTE, minute * MINUTE, source_no, name, n)
                    for (destination_no, minute, source_no, name), n in self._changes.items()
                ],
            )
            self._changes.clear()

    def forget(self) -> None:
        """The transaction was rolled back."""
        self._changes.clear()


def late(seconds: float) -> str:
    """The name under which a delivery is counted that took so long."""
    ms = seconds * 1000
    return LATE[min(LATE_BUCKETS - 1, math.ceil(2 * math.log2(ms)))] if ms > 1 else LATE[0]


def percentile(buckets: Mapping[int, int], share: float) -> float | None:
    """Within how many seconds this share of the counted deliveries came; None when none was counted."""
    total = sum(buckets.values())
    wanted = share * total
    below = 0
    for bucket in sorted(buckets):
        count = buckets[bucket]
        if count and below + count >= wanted:
            lower = 2 ** ((bucket - 1) / 2) if bucket else 0.0
            return (lower + (2 ** (bucket / 2) - lower) * (wanted - below) / count) / 1000
        below += count
    return None


def roll_up(cx: sqlite3.Connection, *, now: float) -> None:
    """One bounded step of making minutes to hours, hours to days, and of forgetting old days. Housekeeping takes one every few seconds."""
    everywhere = [0, *(no for (no,) in cx.execute("SELECT no FROM names WHERE kind = 'destination'"))]
    for step, longer, kept_s in (
        (MINUTE, HOUR, MINUTES_KEPT_S),
        (HOUR, DAY, HOURS_KEPT_S),
        (DAY, 0, DAYS_KEPT_S),
    ):
        # Whole slots of the longer step, so that an hour is never half in minutes.
        before = int(now - kept_s) // (longer or step) * (longer or step)
        for destination_no in everywhere:
            for (slot,) in cx.execute(OLD_SLOTS, (destination_no, step, before, ROLL_UP_SLOTS)).fetchall():
                rows = cx.execute(TAKE_SLOT, (destination_no, step, slot)).fetchall()
                if longer:
                    cx.executemany(
                        UPSERT,
                        [
                            (destination_no, longer, slot // longer * longer, source_no, name, n)
                            for source_no, name, n in rows
                        ],
                    )


# --- reading ----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Slot:
    """What happened in one slot of time."""

    counts: dict[tuple[int, str], int] = field(default_factory=dict)  #: by (source_no, name)
    late: dict[int, int] = field(default_factory=dict)  #: deliveries by bucket of how long they took

    def kinds(self) -> dict[str, int]:
        """How many of each kind, whatever their source and reason."""
        found: dict[str, int] = {}
        for (_, name), n in self.counts.items():
            kind = name.partition(":")[0]
            found[kind] = found.get(kind, 0) + n
        return found

    def total(self, kind: str, source_no: int | None = None) -> int:
        """How many of a kind (`delivered`, `skipped`, …), whatever their reason."""
        return sum(
            n
            for (source, name), n in self.counts.items()
            if name.partition(":")[0] == kind and source_no in {None, source}
        )


@dataclass(frozen=True, slots=True)
class ReasonSeen:
    """A reason as the series know it."""

    count: int
    first_at: float  #: the beginning of the minute, hour or day in which it was seen first
    last_at: float  #: of the one in which it was seen last


def read(
    cx: sqlite3.Connection, destination_no: int, *, step: int, since: int, until: int
) -> dict[int, Slot]:
    """What happened at a destination (0: at the door) in each slot of [since, until), both whole slots. Slots without anything are left out."""
    found: dict[int, Slot] = {}
    for kept in STEPS:
        for at, source_no, name, n in cx.execute(
            SELECT_SPAN, (step, destination_no, kept, since, until, ROWS_MAX)
        ):
            slot = found.setdefault(at, Slot())
            if name.startswith("late:"):
                bucket = int(name[5:])
                slot.late[bucket] = slot.late.get(bucket, 0) + n
            else:
                slot.counts[source_no, name] = slot.counts.get((source_no, name), 0) + n
    return found


def merged(slots: Iterable[Slot]) -> Slot:
    """Several slots as one."""
    whole = Slot()
    for slot in slots:
        for pair, n in slot.counts.items():
            whole.counts[pair] = whole.counts.get(pair, 0) + n
        for bucket, n in slot.late.items():
            whole.late[bucket] = whole.late.get(bucket, 0) + n
    return whole


def reasons(
    cx: sqlite3.Connection, destination_no: int, *, since: int = 0
) -> dict[tuple[str, str], ReasonSeen]:
    """Since when and how often each (kind, reason) was seen, as far back as the series go."""
    found: dict[tuple[str, str], ReasonSeen] = {}
    for step in STEPS:
        for name, n, first, last in cx.execute(SELECT_SEEN, (destination_no, step, since)):
            kind, _, reason = name.partition(":")
            if not reason:
                continue
            other = found.get((kind, reason))
            found[kind, reason] = ReasonSeen(
                n + (other.count if other else 0),
                min(first, other.first_at) if other else first,
                max(last, other.last_at) if other else last,
            )
    return found


def whole_slots(since: float, until: float, step: int) -> tuple[int, int]:
    """The slots that cover a span, at most `POINTS_MAX` of them, the latest ones."""
    end = (int(until) // step + 1) * step
    begin = int(since) // step * step
    return max(begin, end - POINTS_MAX * step), end


def step_for(span_s: float) -> int:
    """The step that shows a span best: some 60 to 200 points."""
    if span_s <= 3 * HOUR:
        return MINUTE
    return HOUR if span_s <= 8 * DAY else DAY
