"""Kept events are delivered again: jobs whose place is kept in the transaction that puts events into lanes.

A replayed event leaves its outcome and waits again, in a lane of its person's own that stands **behind**: `claim` hands it out only when
no live lane wants the room. So live events wait neither behind replayed ones of their person nor for their metadata; among themselves
replayed events keep the order of acceptance, the window of rule G4 and the gates of rule G3. What became of an event before is kept
beside its delivery, so that a cancelled job can put it back.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from sternpost.limits import REPLAYS_KEPT_MAX, REPLAYS_OPEN_MAX
from sternpost.model import Event, Route
from sternpost.person import link_of
from sternpost.store import profiles
from sternpost.store.accepting import DELIVERED, REJECTED, SELECT_LANE, SKIPPED, UPDATE_LANE, page_order
from sternpost.store.base import NewReplay, Receipt, Replay, Replayed, ReplayState
from sternpost.store.names import Deltas, Names, key, replayed_gate, storable

STATE_NAMES = {DELIVERED: "delivered", SKIPPED: "skipped", REJECTED: "rejected"}
#: Which states a person (or the pump) may bring a job into.
NEXT_STATES: dict[str, tuple[ReplayState, ...]] = {
    "running": ("running", "paused", "cancelled", "done"),
    "paused": ("running", "paused", "cancelled"),
    "done": (),
    "cancelled": (),
}

COLUMNS = tuple(field.name for field in fields(Replay) if field.name not in {"waiting", "results"})
SELECT_REPLAYS = f"SELECT {', '.join(COLUMNS)} FROM replays ORDER BY no DESC"
SELECT_OPEN = (
    f"SELECT {', '.join(COLUMNS)} FROM replays WHERE state IN ('running', 'paused') ORDER BY no DESC"
)
SELECT_REPLAY = f"SELECT {', '.join(COLUMNS)} FROM replays WHERE no = ?"
INSERT_REPLAY = (
    "INSERT INTO replays (destination, wanted, everything, rate, created_at, created_by, estimated, last_seq, cursor, state, changed_at) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'running', ?)"
)
COUNT_OPEN = "SELECT count(*) FROM replays WHERE state IN ('running', 'paused')"
SELECT_OLD = (
    "SELECT no FROM replays WHERE state NOT IN ('running', 'paused') ORDER BY no DESC LIMIT -1 OFFSET ?"
)
ADVANCE = (
    "UPDATE replays SET cursor = ?2, looked_at = looked_at + ?3, queued = queued + ?4, under_way = under_way + ?5, "
    "not_connected = not_connected + ?6, changed_at = ?7 WHERE no = ?1"
)
SELECT_EVENT = "SELECT type, user_id, anonymous_id, at_ms, page_ms, received_at FROM events WHERE seq = ?"
SELECT_UNDER_WAY = (
    "SELECT 1 FROM deliveries WHERE destination_no = ?1 AND seq = ?2 UNION ALL "
    "SELECT 1 FROM held WHERE seq = ?2 AND destination_no = ?1 LIMIT 1"
)
SELECT_OUTCOME = (
    "SELECT state, reason, at, ms, status, attempts, more FROM outcomes WHERE seq = ? AND destination_no = ?"
)
DELETE_OUTCOME = "DELETE FROM outcomes WHERE seq = ? AND destination_no = ?"
INSERT_OUTCOME = (
    "INSERT OR REPLACE INTO outcomes (seq, destination_no, state, reason, at, ms, status, attempts, more) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
INSERT_LANE_BEHIND = (
    "INSERT INTO lanes (destination_no, channel_no, lane, pending, ready_at, window_pos, window_until, behind) "
    "VALUES (?, ?, ?, 1, ?, ?, ?, 1)"
)
INSERT_REPLAYED = (
    "INSERT INTO deliveries (destination_no, seq, lane_no, pos, ord, gated, gate, person, replay_no, before) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
#: A lane that is leased is being worked on; what was handed out is left to its worker.
SELECT_WITHDRAWN = (
    "SELECT d.destination_no, d.seq, d.lane_no, d.before, d.first_attempt_at, l.channel_no FROM deliveries d JOIN lanes l "
    "ON l.no = d.lane_no WHERE d.replay_no = ?1 AND (l.lease IS NULL OR l.ready_at <= ?2) LIMIT ?3"
)
DELETE_DELIVERY = "DELETE FROM deliveries WHERE destination_no = ? AND seq = ?"
LEAVE_LANE = "UPDATE lanes SET pending = pending - 1 WHERE no = ?"


def scope(no: int) -> str:
    """Where a job's own counters are kept: what waits, and how what it sent has ended."""
    return f"r:{no}"


def add(cx: sqlite3.Connection, new: NewReplay, *, now: float) -> int:
    """A new job, which begins at once; 0 when too many are open. The oldest that have ended are forgotten."""
    if cx.execute(COUNT_OPEN).fetchone()[0] >= REPLAYS_OPEN_MAX:
        return 0
    for (no,) in cx.execute(SELECT_OLD, (REPLAYS_KEPT_MAX - 1,)).fetchall():
        cx.execute("DELETE FROM replays WHERE no = ?", (no,))
        cx.execute("DELETE FROM counters WHERE scope = ?", (scope(no),))
    (last_seq,) = cx.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()
    cursor = cx.execute(
        INSERT_REPLAY,
        (
            new.destination,
            storable(new.wanted),
            int(new.everything),
            new.rate,
            now,
            storable(new.created_by),
            new.estimated,
            last_seq,
            new.first_seq - 1,
            now,
        ),
    )
    return int(cursor.lastrowid or 0)


def jobs(cx: sqlite3.Connection, no: int | None = None, *, only_open: bool = False) -> list[Replay]:
    """The jobs that are remembered, the newest first; or one of them. Counters must have been written."""
    if no is not None:
        rows = cx.execute(SELECT_REPLAY, (no,))
    else:
        rows = cx.execute(SELECT_OPEN if only_open else SELECT_REPLAYS)
    found = []
    for row in rows.fetchall():
        counted = dict(
            cx.execute("SELECT name, n FROM counters WHERE scope = ?", (scope(row[0]),)).fetchall()
        )
        values: dict[str, Any] = dict(zip(COLUMNS, row, strict=True))
        values["everything"] = bool(values["everything"])
        found.append(
            Replay(
                **values,
                waiting=counted.get("waiting", 0),
                results={
                    name: counted.get(name, 0) for name in ("delivered", "skipped", "rejected", "withdrawn")
                },
            )
        )
    return found


def change(
    cx: sqlite3.Connection, no: int, state: ReplayState, *, detail: str, rate: float | None, now: float
) -> Replay | None:
    """Bring a job into another state, or stay in it with another rate; None when there is no such way."""
    found = jobs(cx, no)
    if not found or state not in NEXT_STATES[found[0].state]:
        return None
    cx.execute(
        "UPDATE replays SET state = ?, detail = ?, rate = ?, changed_at = ? WHERE no = ?",
        (state, storable(detail), found[0].rate if rate is None else rate, now, no),
    )
    return jobs(cx, no)[0]


class Replayer:
    """One step of a job: events go back into lanes, and the job's place moves on with them."""

    def __init__(self, cx: sqlite3.Connection, names: Names, deltas: Deltas, now: float) -> None:
        self.cx = cx
        self.names = names
        self.deltas = deltas
        self.now = now
        self.due: dict[tuple[str, str], float] = {}

    def step(
        self,
        no: int,
        entries: Sequence[tuple[int, Route]],
        *,
        after: int,
        cursor: int,
        looked_at: int,
        not_connected: int,
    ) -> Replayed | None:
        """See `store.base.Store.replay`."""
        found = jobs(self.cx, no)
        if not found or found[0].state != "running" or found[0].cursor != after:
            return None
        job = found[0]
        queued = under_way = 0
        for seq, route in entries:
            match self._again(job, seq, route):
                case True:
                    queued += 1
                case None:
                    under_way += 1
        self.cx.execute(ADVANCE, (no, cursor, looked_at, queued, under_way, not_connected, self.now))
        due = tuple((destination, channel, at) for (destination, channel), at in self.due.items())
        return Replayed(queued, under_way, Receipt(queued, 0, (), due))

    def _again(self, job: Replay, seq: int, route: Route) -> bool | None:
        """Whether one event waits again; None when it still does."""
        cx = self.cx
        destination_no = self.names.number(cx, "destination", route.destination_id)
        row = cx.execute(SELECT_EVENT, (seq,)).fetchone()
        if row is None:
            return False  # pruned meanwhile
        if cx.execute(SELECT_UNDER_WAY, (destination_no, seq)).fetchone():
            return None
        outcome = cx.execute(SELECT_OUTCOME, (seq, destination_no)).fetchone()
        if outcome is not None and outcome[0] == DELIVERED and not job.everything:
            return False
        event = Event(
            "", "", row[0], False, row[5], "", b"",
            user_id=row[1], anonymous_id=row[2], at_ms=row[3], page_ms=row[4], seq=seq,
        )  # fmt: skip
        person: str | None = None
        before: str | None = None
        if outcome is not None:
            more = json.loads(outcome[6]) if outcome[6] else {}
            person = more.get("person")
            more.pop("replay", None)  # of an earlier time
            before = json.dumps([*outcome[:6], json.dumps(more) if more else None])
            cx.execute(DELETE_OUTCOME, (seq, destination_no))
            _count_outcome(self.deltas, route.destination_id, outcome[0], outcome[1], -1)
        if person is None and route.held:
            link = link_of(profiles.links(cx, event.anonymous_id, self.now), event)
            person = link.user_id if link else None
        self._enqueue(job.no, event, route, destination_no, person, before)
        return True

    def _enqueue(
        self, no: int, event: Event, route: Route, destination_no: int, person: str | None, before: str | None
    ) -> None:
        cx = self.cx
        channel_no = self.names.number(cx, "channel", route.channel)
        lane = key(f"r:{event.lane}")
        row = cx.execute(SELECT_LANE, (destination_no, channel_no, lane)).fetchone()
        lane_no, backing_off, window_pos, window_until = row or (0, 0, 0, 0.0)
        pos, order = event.seq, 0
        if route.settle_s:
            # The window of rule G4 as it was then: what came within it shares its position, in the order of the page's clock.
            order = page_order(event)
            if window_until > event.received_at:
                pos = window_pos
            else:
                window_pos, window_until = pos, event.received_at + route.settle_s
        gate: str | None = None
        if route.gate and not backing_off:
            gate = replayed_gate(profiles.person_key(person or event.user_id, event.anonymous_id))
        if row is None:
            cursor = cx.execute(
                INSERT_LANE_BEHIND, (destination_no, channel_no, lane, self.now, window_pos, window_until)
            )
            lane_no = int(cursor.lastrowid or 0)
        else:
            cx.execute(UPDATE_LANE, (lane_no, self.now, window_pos, window_until))
        cx.execute(
            INSERT_REPLAYED,
            (
                destination_no,
                event.seq,
                lane_no,
                pos,
                order,
                int(route.gated),
                gate,
                person,
                no,
                before,
            ),
        )
        self.deltas.add(f"d:{route.destination_id}", f"waiting:{route.channel}", 1)
        self.deltas.add(scope(no), "waiting", 1)
        self.due[route.destination_id, route.channel] = self.now

    def withdraw(self, no: int, rows_max: int) -> int:
        """Put back what a cancelled job has not sent yet, each with the outcome it had."""
        cx = self.cx
        rows = cx.execute(SELECT_WITHDRAWN, (no, self.now, rows_max)).fetchall()
        for destination_no, seq, lane_no, before, first_attempt_at, channel_no in rows:
            destination_id = self.names.name(cx, "destination", destination_no)
            channel = self.names.name(cx, "channel", channel_no)
            cx.execute(DELETE_DELIVERY, (destination_no, seq))
            cx.execute(LEAVE_LANE, (lane_no,))
            self.deltas.add(f"d:{destination_id}", f"waiting:{channel}", -1)
            if first_attempt_at is not None:
                self.deltas.add(f"d:{destination_id}", f"retrying:{channel}", -1)
            if before is not None:
                state, reason, *rest = json.loads(before)
                cx.execute(INSERT_OUTCOME, (seq, destination_no, state, reason, *rest))
                _count_outcome(self.deltas, destination_id, state, reason, 1)
            self.deltas.add(scope(no), "waiting", -1)
            self.deltas.add(scope(no), "withdrawn", 1)
        return len(rows)


def _count_outcome(deltas: Deltas, destination_id: str, state: int, reason: str | None, n: int) -> None:
    name = STATE_NAMES[state]
    deltas.add(f"d:{destination_id}", name, n)
    if reason is not None:
        deltas.add(f"d:{destination_id}", f"{name}:{reason}", n)


def remembered(replay_no: int, before: str | None) -> dict[str, Any]:
    """What the outcome of a replayed event keeps: the job, and what became of the event before."""
    if before is None:
        return {"no": replay_no}
    state, reason, at, *_ = json.loads(before)
    return {"no": replay_no, "before": [STATE_NAMES[state], reason, at]}
