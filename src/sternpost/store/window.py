"""A bounded walk back over kept events, by the conditions that SQLite can tell. It lets more pass rather than less: whoever asks compares
again what was found.
"""

from __future__ import annotations

import sqlite3
import string
from collections.abc import Collection, Sequence
from typing import Any, Protocol

from sternpost.reasons import REASONS
from sternpost.store.accepting import DELIVERED, REJECTED, SKIPPED
from sternpost.store.names import Names

STATE_NUMBERS = {"delivered": DELIVERED, "skipped": SKIPPED, "rejected": REJECTED}
#: Reasons that only an event with an end can have.
ENDS = frozenset(code for code, reason in REASONS.items() if reason.stage in {"skipped", "rejected"})
SELECT_NEWEST = "SELECT max(seq) FROM events"
SELECT_OLDEST = "SELECT min(seq) FROM events"
SELECT_RECEIVED = "SELECT received_at FROM events WHERE seq < ? ORDER BY seq DESC LIMIT 1"
_WAITS = (
    "EXISTS (SELECT 1 FROM deliveries d WHERE d.destination_no IN (SELECT no FROM names WHERE kind = 'destination') AND d.seq = e.seq) "
    "OR EXISTS (SELECT 1 FROM held h WHERE h.seq = e.seq)"
)
#: An ASCII text in any case, where an event can have it. What JSON writes as \u… is looked at by whoever asks.
_HAS_TEXT = (
    "instr(lower(e.body), {0}) OR instr(lower(e.message_key), {0}) OR instr(lower(e.user_id), {0}) OR instr(lower(e.anonymous_id), {0}) "
    "OR instr(e.body, '\\u') OR e.source_no IN (SELECT no FROM names WHERE kind = 'source' AND instr(lower(name), {0})) "
    "OR e.fanout_no IN (SELECT no FROM fanouts WHERE instr(lower(routes), {0}))"
)


class Wanted(Protocol):
    """The conditions, as `views.Selection` has them."""

    @property
    def sources(self) -> frozenset[str]: ...
    @property
    def types(self) -> frozenset[str]: ...
    @property
    def user_ids(self) -> frozenset[str]: ...
    @property
    def anonymous_ids(self) -> frozenset[str]: ...
    @property
    def received_from(self) -> float | None: ...
    @property
    def received_until(self) -> float | None: ...
    @property
    def destinations(self) -> frozenset[str]: ...
    @property
    def states(self) -> Collection[str]: ...
    @property
    def reasons(self) -> frozenset[str]: ...
    @property
    def notes(self) -> frozenset[str]: ...
    @property
    def texts(self) -> tuple[frozenset[str], ...]: ...


def walk(
    cx: sqlite3.Connection, names: Names, wanted: Wanted, start: int, rows_max: int, scan_max: int
) -> tuple[list[int], int | None]:
    """Up to `rows_max` seqs below `start`, newest first, looking at `scan_max` events at most; and where to go on, None at the end."""
    newest = cx.execute(SELECT_NEWEST).fetchone()[0]
    if newest is None:
        return [], None
    top = min(start, newest + 1)
    floor = max(top - scan_max, 0)
    values: list[Any] = [top, floor]
    conditions = ["e.seq < ?1 AND e.seq >= ?2", *_conditions(cx, names, wanted, values)]
    statement = f"SELECT e.seq, e.type FROM events e WHERE {' AND '.join(conditions)} ORDER BY e.seq DESC LIMIT {int(rows_max)}"
    rows = cx.execute(statement, values).fetchall()
    seqs = [int(seq) for seq, kind in rows if not wanted.types or kind.strip().lower() in wanted.types]
    if len(rows) == rows_max:
        return seqs, int(rows[-1][0])
    below = cx.execute(SELECT_RECEIVED, (floor,)).fetchone()
    if below is None or (wanted.received_from is not None and below[0] < wanted.received_from):
        return seqs, None
    return seqs, floor


def _conditions(cx: sqlite3.Connection, names: Names, wanted: Wanted, values: list[Any]) -> list[str]:
    found = []

    def among(column: str, of: Collection[Any]) -> None:
        found.append(f"{column} IN ({_marks(values, list(of))})")

    if wanted.sources:
        among("e.source_no", [names.known(cx, "source", name) for name in wanted.sources])
    if wanted.types:
        blanks = _marks(values, [string.whitespace])
        kinds = _marks(values, list(wanted.types))
        found.append(f"(lower(trim(e.type, {blanks})) IN ({kinds}) OR e.type GLOB '*[^ -~]*')")
    if wanted.user_ids:
        among("e.user_id", wanted.user_ids)
    if wanted.anonymous_ids:
        among("e.anonymous_id", wanted.anonymous_ids)
    if wanted.received_from is not None:
        found.append(f"e.received_at >= {_marks(values, [wanted.received_from])}")
    if wanted.received_until is not None:
        found.append(f"e.received_at <= {_marks(values, [wanted.received_until])}")
    found += [
        f"({' OR '.join(_HAS_TEXT.format(_marks(values, [one])) for one in sorted(text))})"
        for text in wanted.texts
    ]
    found += _outcome(cx, names, wanted, values)
    return found


def _outcome(cx: sqlite3.Connection, names: Names, wanted: Wanted, values: list[Any]) -> list[str]:
    """What is asked of the end at one destination; events that wait somewhere pass too, unless none of them can match."""
    parts = ["o.seq = e.seq"]
    if wanted.destinations:
        numbers = [names.known(cx, "destination", name) for name in wanted.destinations]
        parts.append(f"o.destination_no IN ({_marks(values, numbers)})")
    final = [STATE_NUMBERS[state] for state in wanted.states if state in STATE_NUMBERS]
    if final:
        parts.append(f"o.state IN ({_marks(values, final)})")
    if wanted.reasons:
        parts.append(f"o.reason IN ({_marks(values, sorted(wanted.reasons))})")
    if wanted.notes:
        noted = " OR ".join(f"instr(o.more, {_marks(values, [note])})" for note in sorted(wanted.notes))
        parts.append(f"({noted})")
    if len(parts) == 1:
        return []
    condition = f"EXISTS (SELECT 1 FROM outcomes o WHERE {' AND '.join(parts)})"
    only_final = bool(wanted.states) and len(final) == len(wanted.states)
    # What waits has no notes, and none of the reasons that end an event without a try.
    ended = bool(wanted.reasons) and wanted.reasons <= ENDS
    if only_final or ended or wanted.notes:
        return [condition]
    return [f"({condition} OR {_WAITS})"]


def _marks(values: list[Any], more: Sequence[Any]) -> str:
    """Numbered marks for these values, which are added."""
    values += more
    return ",".join(f"?{len(values) - len(more) + number + 1}" for number in range(len(more)))
