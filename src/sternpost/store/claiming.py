"""`claim`: lease the lanes that are due, longest due first, and read their oldest events."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Protocol

from sternpost.limits import GATE_RECHECK_S
from sternpost.model import Event, LaneKey, Membership, Person, Run, Waiting
from sternpost.store import damage, profiles
from sternpost.store.accepting import FLAG_LINKED, FLAG_TYPE_SET
from sternpost.store.base import Claim
from sternpost.store.names import Names, replayed_gate

#: Bodies handed out at once; a claim stops there and the next goes on. Meanwhile accepting waits: some 5,700 usual events take 0.1 s.
CLAIM_BYTES_MAX = 4 * 1024 * 1024

SELECT_DUE = (
    "SELECT no, lane, window_pos, window_until, backing_off, 0 FROM lanes WHERE destination_no = ? AND channel_no = ? AND pending > 0 "
    "AND behind = 0 AND ready_at <= ? ORDER BY ready_at LIMIT ?"
)
#: Lanes of replayed events: handed out when there is room that no live lane wants.
SELECT_DUE_BEHIND = (
    "SELECT no, lane, window_pos, window_until, backing_off, 1 FROM lanes WHERE destination_no = ? AND channel_no = ? AND pending > 0 "
    "AND behind = 1 AND ready_at <= ? ORDER BY ready_at LIMIT ?"
)
SELECT_LATEST_DUE = tuple(
    statement.replace("ORDER BY ready_at", "ORDER BY ready_at DESC")
    for statement in (SELECT_DUE, SELECT_DUE_BEHIND)
)
SELECT_RUN = (
    "SELECT d.seq, d.attempts, d.first_attempt_at, d.parts_done, d.gated, d.person, d.ord, e.source_no, "
    "coalesce(e.message_id, e.message_key), e.received_at, e.type, e.flags, e.at_ms, e.page_ms, e.user_id, e.anonymous_id, "
    "e.request_ip, e.body, d.reply_lost FROM deliveries d JOIN events e ON e.seq = d.seq "
    "WHERE d.lane_no = ? AND d.pos < ? ORDER BY d.pos, d.ord, d.seq LIMIT ?"
)
SELECT_GATE = (
    "SELECT 1 FROM deliveries d INDEXED BY deliveries_gate WHERE d.destination_no = ?1 AND d.gate = ?2 AND (d.seq < ?3 OR (d.ord <> 0 AND ?4 <> 0 AND d.ord < ?4 "
    "AND (SELECT l.lane FROM lanes l WHERE l.no = d.lane_no) = ?5)) LIMIT 1"
)
#: What comes while these are on their way is ordered among itself, behind them: the claim closes the window of what it takes.
LEASE_LANE = "UPDATE lanes SET lease = ?, ready_at = ?, waits_for = NULL, window_until = CASE WHEN ? THEN window_until ELSE 0 END WHERE no = ?"
NEXT_DUE = (
    "SELECT min(at) FROM ("
    "SELECT min(ready_at) AS at FROM lanes WHERE destination_no = ?1 AND channel_no = ?2 AND pending > 0 AND behind = 0 UNION ALL "
    "SELECT min(ready_at) FROM lanes WHERE destination_no = ?1 AND channel_no = ?2 AND pending > 0 AND behind = 1)"
)
EVERY_POSITION = 2**62


class Careful(Protocol):
    """How a claim reads a damaged store."""

    reading: sqlite3.Connection  #: another connection

    def set_aside(self, cx: sqlite3.Connection, lane: LaneKey, lane_no: int, seqs: Sequence[int]) -> None: ...


def claim(
    cx: sqlite3.Connection,
    names: Names,
    destination_id: str,
    channel: str,
    *,
    now: float,
    lanes_max: int,
    run_max: int,
    lease_s: float,
    lease: str,
    open_gates: bool,
    latest_first: bool,
    backing_off_max: int,
    careful: Careful | None = None,
) -> Claim:
    """See `store.base.Store.claim`. `careful`: rows are read one by one, and what cannot be read is set aside."""
    destination_no = names.number(cx, "destination", destination_id)
    channel_no = names.number(cx, "channel", channel)
    runs: list[Run] = []
    left = CLAIM_BYTES_MAX
    people: dict[str, tuple[Membership, ...]] = {}
    select_due, select_due_behind = SELECT_LATEST_DUE if latest_first else (SELECT_DUE, SELECT_DUE_BEHIND)
    due = cx.execute(select_due, (destination_no, channel_no, now, lanes_max)).fetchall()
    if len(due) < lanes_max:
        due += cx.execute(
            select_due_behind, (destination_no, channel_no, now, lanes_max - len(due))
        ).fetchall()
    for no, lane, window_pos, window_until, backing_off, behind in due:
        if left <= 0:
            break
        window_open = window_until > now
        before_pos = window_pos if window_open else EVERY_POSITION
        most = backing_off_max if backing_off else run_max
        if careful is None:
            rows = cx.execute(SELECT_RUN, (no, before_pos, most)).fetchall()
        else:
            rows, unreadable = damage.readable_run(cx, careful.reading, no, before_pos, most)
            if unreadable:
                careful.set_aside(cx, LaneKey(destination_id, channel, lane), no, unreadable)
                if not rows:
                    continue
        if not rows:
            # All that waits is within its window (rule G4).
            cx.execute("UPDATE lanes SET ready_at = ? WHERE no = ?", (window_until, no))
            continue
        waiting: list[Waiting] = []
        waits_for: str | None = None
        for row in rows:
            person_key = profiles.person_key(row[5] or row[14], row[15])
            gate = replayed_gate(person_key) if behind else person_key
            if (
                row[4]
                and not open_gates
                and cx.execute(SELECT_GATE, (destination_no, gate, row[0], row[6], lane)).fetchone()
            ):
                waits_for = gate
                break
            if person_key not in people:
                people[person_key] = profiles.memberships(cx, person_key, now)
            waiting.append(_waiting(cx, names, row, people[person_key]))
            left -= len(row[17])
            if left <= 0:
                break
        if not waiting:
            cx.execute(
                "UPDATE lanes SET waits_for = ?, ready_at = ? WHERE no = ?",
                (waits_for, now + GATE_RECHECK_S, no),
            )
            continue
        cx.execute(LEASE_LANE, (lease, now + lease_s, window_open, no))
        runs.append(Run(LaneKey(destination_id, channel, lane), lease, tuple(waiting)))
    following = cx.execute(NEXT_DUE, (destination_no, channel_no)).fetchone()[0]
    return Claim(tuple(runs), following)


def _waiting(cx: sqlite3.Connection, names: Names, row: Any, memberships: tuple[Membership, ...]) -> Waiting:
    flags = row[11]
    event = Event(
        message_id=row[8],
        source_id=names.name(cx, "source", row[7]),
        type=row[10],
        type_set=bool(flags & FLAG_TYPE_SET),
        received_at=row[9],
        request_ip=row[16],
        body=row[17],
        user_id=row[14],
        anonymous_id=row[15],
        at_ms=row[12],
        page_ms=row[13],
        seq=row[0],
    )
    person = Person(row[5] or row[14], memberships, linked=bool(flags & FLAG_LINKED))
    return Waiting(
        event, person, attempts=row[1], first_attempt_at=row[2], parts_done=row[3], reply_lost=bool(row[18])
    )
