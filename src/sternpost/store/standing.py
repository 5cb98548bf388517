"""How a destination stands: what the counters, the lanes and the series say about it. Used by `control.health`.

Every function reads one snapshot and looks at a bounded number of rows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sternpost.model import Event
from sternpost.store import series
from sternpost.store.names import Names
from sternpost.store.selection import SCAN_ROWS_MAX
from sternpost.store.series import ReasonSeen, Slot
from sternpost.store.views import Views

OLDEST_ROWS_MAX = 2_000  #: waiting events looked at for the slowest lanes, oldest first
LANES_SHOWN = 10

SELECT_COUNTERS = "SELECT name, n FROM counters WHERE scope = ? AND n > 0"
SELECT_OLDEST = (
    "SELECT d.lane_no, e.received_at, coalesce(e.message_id, e.message_key), e.user_id, e.anonymous_id, d.person, l.pending, "
    "l.channel_no, d.reason FROM deliveries d JOIN events e ON e.seq = d.seq JOIN lanes l ON l.no = d.lane_no "
    "WHERE d.destination_no = ? ORDER BY d.seq LIMIT ?"
)


SELECT_LATER_PROFILE = (
    "SELECT coalesce(e.message_id, e.message_key) FROM events e WHERE e.seq > ?1 AND e.seq <= ?2 "
    "AND ((?3 <> '' AND e.user_id = ?3) OR (?4 <> '' AND e.anonymous_id = ?4)) AND lower(trim(e.type)) IN ('identify', 'group', 'alias', 'merge') "
    "AND EXISTS (SELECT 1 FROM outcomes o WHERE o.seq = e.seq AND o.destination_no = ?5 AND o.state = 1) ORDER BY e.seq LIMIT 1"
)


@dataclass(frozen=True, slots=True)
class Lane:
    """A lane that waits: the events of one person."""

    channel: str
    user_id: str
    anonymous_id: str
    waiting: int
    since: float  #: when its oldest event was received
    message_id: str  #: of that event
    reason: str | None  #: why its last try did not end it


@dataclass(frozen=True, slots=True)
class DestinationRows:
    """What the store knows about one destination."""

    counters: Mapping[str, int]  #: by name: waiting:<channel>, retrying:<channel>, skipped:<reason>, …
    slots: Mapping[int, Slot]  #: by their beginning, those in which anything happened
    reasons: Mapping[tuple[str, str], ReasonSeen]  #: by (kind, reason), as far back as the series go
    slowest: Sequence[Lane]


async def destination_rows(
    views: Views, destination_id: str, *, step: int, since: int, until: int
) -> DestinationRows:
    """Everything for the page of a destination's health, of one moment."""

    def read(cx: sqlite3.Connection) -> DestinationRows:
        counters = dict(cx.execute(SELECT_COUNTERS, (f"d:{destination_id}",)).fetchall())
        number = views.names.known(cx, "destination", destination_id)
        if number is None:
            return DestinationRows(counters, {}, {}, ())
        return DestinationRows(
            counters,
            series.read(cx, number, step=step, since=since, until=until),
            series.reasons(cx, number),
            _slowest(cx, views.names, number),
        )

    return await views.read(read)


@dataclass(frozen=True, slots=True)
class SeriesRows:
    """Counts over time, by id."""

    destinations: Mapping[str, Mapping[int, Slot]]
    sources: Mapping[str, Mapping[int, Slot]]


async def series_rows(
    views: Views,
    destinations: Sequence[str],
    sources: Sequence[str],
    *,
    step: int,
    since: int,
    until: int,
) -> SeriesRows:
    """The series of destinations and sources in [since, until)."""

    def read(cx: sqlite3.Connection) -> SeriesRows:
        by_destination = {}
        for name in destinations:
            number = views.names.known(cx, "destination", name)
            by_destination[name] = (
                series.read(cx, number, step=step, since=since, until=until) if number is not None else {}
            )
        door = series.read(cx, 0, step=step, since=since, until=until)
        by_source: dict[str, dict[int, Slot]] = {name: {} for name in sources}
        for at, slot in door.items():
            for (source_no, kind), n in slot.counts.items():
                name = views.names.name(cx, "source", source_no)
                if name in by_source:
                    by_source[name].setdefault(at, Slot()).counts[0, kind] = n
        return SeriesRows(by_destination, by_source)

    return await views.read(read)


async def stopped_by_connection(
    views: Views, destinations: Sequence[str], *, since: int, until: int
) -> dict[tuple[str, str], dict[tuple[str, str], int]]:
    """How many events of each (source, destination) were skipped and rejected in [since, until), by (kind, reason)."""

    def read(cx: sqlite3.Connection) -> dict[tuple[str, str], dict[tuple[str, str], int]]:
        found: dict[tuple[str, str], dict[tuple[str, str], int]] = {}
        for name in destinations:
            number = views.names.known(cx, "destination", name)
            if number is None:
                continue
            whole = series.merged(series.read(cx, number, step=series.DAY, since=since, until=until).values())
            for (source_no, kind), n in whole.counts.items():
                if source_no and ":" in kind:
                    source = views.names.name(cx, "source", source_no)
                    state, _, reason = kind.partition(":")
                    found.setdefault((source, name), {})[state, reason] = n
        return found

    return await views.read(read)


async def later_profile(views: Views, event: Event, destination_id: str) -> str | None:
    """The messageId of a later identify, group or alias of the same person that was delivered there, among the next events."""

    def read(cx: sqlite3.Connection) -> str | None:
        number = views.names.known(cx, "destination", destination_id)
        values = (event.seq, event.seq + SCAN_ROWS_MAX, event.user_id, event.anonymous_id, number)
        row = cx.execute(SELECT_LATER_PROFILE, values).fetchone()
        return str(row[0]) if row else None

    return await views.read(read)


def _slowest(cx: sqlite3.Connection, names: Names, destination_no: int) -> tuple[Lane, ...]:
    lanes: dict[int, Lane] = {}
    for row in cx.execute(SELECT_OLDEST, (destination_no, OLDEST_ROWS_MAX)):
        lane_no, received_at, message_id, user_id, anonymous_id, person, pending, channel_no, reason = row
        if lane_no in lanes:
            continue
        lanes[lane_no] = Lane(
            names.name(cx, "channel", channel_no),
            person or user_id,
            anonymous_id,
            pending,
            received_at,
            message_id,
            reason,
        )
        if len(lanes) == LANES_SHOWN:
            break
    return tuple(lanes.values())
