"""Which events a list shows: the conditions, and two bounded walks back over what is kept that find the events which SQLite can tell.

They let more pass rather than less: whoever asks compares again what was found.
"""

from __future__ import annotations

import heapq
import sqlite3
import string
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sternpost.model import State
from sternpost.reasons import REASONS, ReasonCode
from sternpost.store.accepting import DELIVERED, REJECTED, SKIPPED
from sternpost.store.kept import Kept
from sternpost.store.names import Names

SCAN_ROWS_MAX = 20_000  #: events looked at per call; some 20 ms
WAITING_STATES: frozenset[State] = frozenset({"pending", "retrying", "blocked"})
STATE_NUMBERS = {"delivered": DELIVERED, "skipped": SKIPPED, "rejected": REJECTED}
#: Reasons that only an event with an end can have.
ENDS = frozenset(code for code, reason in REASONS.items() if reason.stage in {"skipped", "rejected"})
SELECT_NEWEST = "SELECT max(seq) FROM events"
SELECT_OLDEST = "SELECT min(seq) FROM events"
SELECT_RECEIVED = "SELECT received_at FROM events WHERE seq < ? ORDER BY seq DESC LIMIT 1"
SELECT_REJECTED_BACKWARDS = (
    "SELECT o.seq FROM outcomes o WHERE o.destination_no = ? AND o.reason = ? AND o.state = 3 AND o.seq < ? "
    "ORDER BY o.seq DESC LIMIT ?"
)
SELECT_WAITING_BACKWARDS = (
    "SELECT seq FROM deliveries WHERE destination_no = ? AND seq < ? ORDER BY seq DESC LIMIT ?"
)
SELECT_HELD_BACKWARDS = "SELECT DISTINCT seq FROM held WHERE seq < ? ORDER BY seq DESC LIMIT ?"
SELECT_REJECTED_COUNTS = (
    "SELECT scope, name, n FROM counters WHERE scope GLOB 'd:*' AND name GLOB 'rejected:*' AND n > 0"
)
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

    def stands(self, kept: Kept) -> bool:
        """Whether the event stands somewhere as asked."""
        if not self.states and not self.destinations:
            return True
        return any(
            (not self.states or standing.state in self.states)
            and (not self.destinations or standing.destination_id in self.destinations)
            for standing in kept.standings
        )


def selected(
    cx: sqlite3.Connection, names: Names, chosen: Selection, start: int, rows_max: int
) -> tuple[list[int], int | None]:
    """Up to `rows_max` seqs below `start`, newest first, looking at `SCAN_ROWS_MAX` events at most; and where to go on, None at the end."""
    if chosen.by_index:
        return _indexed(cx, names, chosen, start, rows_max)
    return _walk(cx, names, chosen, start, rows_max)


def rejected_groups(cx: sqlite3.Connection) -> list[tuple[str, ReasonCode, int]]:
    """Destination and reason of the dead letters that there are, and how many."""
    return [
        (scope[2:], cast("ReasonCode", name.removeprefix("rejected:")), n)
        for scope, name, n in cx.execute(SELECT_REJECTED_COUNTS)
    ]


def seqs_by(cx: sqlite3.Connection, statement: str, values: tuple[Any, ...]) -> Iterator[int]:
    """What a statement finds, one by one."""
    return (int(seq) for (seq,) in cx.execute(statement, values))


def _indexed(
    cx: sqlite3.Connection, names: Names, chosen: Selection, start: int, rows_max: int
) -> tuple[list[int], int | None]:
    """Walk back over what waits or is a dead letter, however far down it lies."""
    lists: list[Iterable[int]] = []
    destinations = chosen.destinations or [
        name for (name,) in cx.execute("SELECT name FROM names WHERE kind = 'destination'")
    ]
    if chosen.states & WAITING_STATES:
        for name in destinations:
            number = names.known(cx, "destination", name)
            lists.append(seqs_by(cx, SELECT_WAITING_BACKWARDS, (number, start, SCAN_ROWS_MAX)))
    if "held" in chosen.states:
        lists.append(seqs_by(cx, SELECT_HELD_BACKWARDS, (start, SCAN_ROWS_MAX)))
    if "rejected" in chosen.states:
        for destination_id, reason, _ in rejected_groups(cx):
            if destination_id in destinations:
                number = names.known(cx, "destination", destination_id)
                lists.append(seqs_by(cx, SELECT_REJECTED_BACKWARDS, (number, reason, start, SCAN_ROWS_MAX)))
    sources = {names.known(cx, "source", name) for name in chosen.sources}
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


def _walk(
    cx: sqlite3.Connection, names: Names, chosen: Selection, start: int, rows_max: int
) -> tuple[list[int], int | None]:
    """Walk back over all that is kept, within a window."""
    newest = cx.execute(SELECT_NEWEST).fetchone()[0]
    if newest is None:
        return [], None
    top = min(start, newest + 1)
    floor = max(top - SCAN_ROWS_MAX, 0)
    values: list[Any] = [top, floor]
    conditions = ["e.seq < ?1 AND e.seq >= ?2", *_conditions(cx, names, chosen, values)]
    statement = f"SELECT e.seq, e.type FROM events e WHERE {' AND '.join(conditions)} ORDER BY e.seq DESC LIMIT {int(rows_max)}"
    rows = cx.execute(statement, values).fetchall()
    seqs = [int(seq) for seq, kind in rows if not chosen.types or kind.strip().lower() in chosen.types]
    if len(rows) == rows_max:
        return seqs, int(rows[-1][0])
    below = cx.execute(SELECT_RECEIVED, (floor,)).fetchone()
    if below is None or (chosen.received_from is not None and below[0] < chosen.received_from):
        return seqs, None
    return seqs, floor


def _conditions(cx: sqlite3.Connection, names: Names, chosen: Selection, values: list[Any]) -> list[str]:
    found = []

    def among(column: str, of: Collection[Any]) -> None:
        found.append(f"{column} IN ({_marks(values, list(of))})")

    if chosen.sources:
        among("e.source_no", [names.known(cx, "source", name) for name in chosen.sources])
    if chosen.types:
        blanks = _marks(values, [string.whitespace])
        kinds = _marks(values, list(chosen.types))
        found.append(f"(lower(trim(e.type, {blanks})) IN ({kinds}) OR e.type GLOB '*[^ -~]*')")
    if chosen.user_ids:
        among("e.user_id", chosen.user_ids)
    if chosen.anonymous_ids:
        among("e.anonymous_id", chosen.anonymous_ids)
    if chosen.received_from is not None:
        found.append(f"e.received_at >= {_marks(values, [chosen.received_from])}")
    if chosen.received_until is not None:
        found.append(f"e.received_at <= {_marks(values, [chosen.received_until])}")
    found += [
        f"({' OR '.join(_HAS_TEXT.format(_marks(values, [one])) for one in sorted(text))})"
        for text in chosen.texts
    ]
    found += _outcome(cx, names, chosen, values)
    return found


def _outcome(cx: sqlite3.Connection, names: Names, chosen: Selection, values: list[Any]) -> list[str]:
    """What is asked of the end at one destination; events that wait somewhere pass too, unless none of them can match."""
    parts = ["o.seq = e.seq"]
    if chosen.destinations:
        numbers = [names.known(cx, "destination", name) for name in chosen.destinations]
        parts.append(f"o.destination_no IN ({_marks(values, numbers)})")
    final = [STATE_NUMBERS[state] for state in chosen.states if state in STATE_NUMBERS]
    if final:
        parts.append(f"o.state IN ({_marks(values, final)})")
    if chosen.reasons:
        parts.append(f"o.reason IN ({_marks(values, sorted(chosen.reasons))})")
    if chosen.notes:
        noted = " OR ".join(f"instr(o.more, {_marks(values, [note])})" for note in sorted(chosen.notes))
        parts.append(f"({noted})")
    if len(parts) == 1:
        return []
    condition = f"EXISTS (SELECT 1 FROM outcomes o WHERE {' AND '.join(parts)})"
    only_final = bool(chosen.states) and len(final) == len(chosen.states)
    # What waits has no notes, and none of the reasons that end an event without a try.
    ended = bool(chosen.reasons) and chosen.reasons <= ENDS
    if only_final or ended or chosen.notes:
        return [condition]
    return [f"({condition} OR {_WAITS})"]


def _marks(values: list[Any], more: Sequence[Any]) -> str:
    """Numbered marks for these values, which are added."""
    values += more
    return ",".join(f"?{len(values) - len(more) + number + 1}" for number in range(len(more)))
