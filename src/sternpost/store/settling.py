"""`settle`: record outcomes and give lanes back. Also what people do with dead letters."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, assert_never

from msgspec.structs import asdict, replace

from sternpost.limits import ATTEMPTS_KEPT_MAX, LEASE_S
from sternpost.model import (
    Attempt,
    Blocked,
    Delivered,
    Event,
    LaneKey,
    Rejected,
    Retry,
    Route,
    Settled,
    Settlement,
    Skipped,
)
from sternpost.store import replaying
from sternpost.store.accepting import DELIVERED, REJECTED, SKIPPED, SOURCE_OF, Acceptor
from sternpost.store.base import Settling
from sternpost.store.names import Deltas, Names, storable
from sternpost.store.series import late

ATTEMPTS_KEPT_FIRST = 3  #: the first tries show how it began; of the rest the last are kept

LEASED_LANE = "SELECT no FROM lanes WHERE destination_no = ? AND channel_no = ? AND lane = ? AND lease = ?"
RELEASE_LANE = "UPDATE lanes SET pending = pending - ?, lease = NULL, ready_at = ?, backing_off = ?, waits_for = NULL WHERE no = ? RETURNING pending"
KEEP_LANE = "UPDATE lanes SET pending = pending - ?, ready_at = max(ready_at, ?) WHERE no = ?"
#: The gates of a lane open with its first try, also those behind a head that will be tried again (rule G3).
SELECT_GATES = "SELECT DISTINCT gate FROM deliveries WHERE lane_no = ? AND gate IS NOT NULL"
OPEN_GATES = "UPDATE deliveries SET gate = NULL WHERE lane_no = ? AND gate IS NOT NULL"
WAKE_GATED = (
    "UPDATE lanes INDEXED BY lanes_gated SET waits_for = NULL, ready_at = ? WHERE destination_no = ? AND waits_for = ? "
    "RETURNING channel_no"
)
TAKE_DELIVERY = (
    "DELETE FROM deliveries WHERE destination_no = ? AND seq = ? AND lane_no = ? "
    "RETURNING attempts, gate, person, reason, first_attempt_at, replay_no, before"
)
INSERT_OUTCOME = (
    "INSERT OR REPLACE INTO outcomes (seq, destination_no, state, reason, at, ms, status, attempts, more) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
RETRY_DELIVERY = (
    "UPDATE deliveries SET attempts = attempts + 1, first_attempt_at = coalesce(first_attempt_at, ?4), parts_done = ?5, reason = ?6, "
    "detail = ?7, reply_lost = max(reply_lost, ?8) WHERE destination_no = ?1 AND seq = ?2 AND lane_no = ?3"
)
TAKE_REJECTED = (
    "DELETE FROM outcomes WHERE seq = ? AND destination_no = ? AND state = ? "
    "RETURNING state, reason, at, ms, status, attempts, more"
)
REMEMBER_BEFORE = "UPDATE deliveries SET before = ? WHERE destination_no = ? AND seq = ?"
#: A refused key says nothing about the event: such a try does not count towards giving it up.
BLOCK_DELIVERY = "UPDATE deliveries SET parts_done = ?4, reason = ?5, detail = ?6 WHERE destination_no = ?1 AND seq = ?2 AND lane_no = ?3"


#: In ASCII: what a destination said may hold half of a surrogate pair, which no UTF-8 text holds.
_written = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), default=str).encode


def settle(
    cx: sqlite3.Connection, names: Names, deltas: Deltas, settlements: Sequence[Settlement], *, now: float
) -> Settling:
    """See `store.base.Store.settle`."""
    lost: list[LaneKey] = []
    due: dict[tuple[str, str], float] = {}
    for settlement in settlements:
        lane_key = settlement.key
        destination_no = names.number(cx, "destination", lane_key.destination_id)
        channel_no = names.number(cx, "channel", lane_key.channel)
        row = cx.execute(
            LEASED_LANE, (destination_no, channel_no, lane_key.lane, settlement.lease)
        ).fetchone()
        if row is None:
            lost.append(lane_key)
            continue
        lane_no = int(row[0])
        gates: set[str] = set()
        ended = 0
        for settled in settlement.settled:
            if _settle_one(cx, names, deltas, lane_key, destination_no, lane_no, settled, gates):
                ended += 1
        if settlement.release:
            ready_at = settlement.ready_at if settlement.ready_at is not None else now
            left = cx.execute(
                RELEASE_LANE, (ended, ready_at, int(settlement.backing_off), lane_no)
            ).fetchall()[0][0]
            if left:
                _soonest(due, (lane_key.destination_id, lane_key.channel), ready_at)
        else:
            cx.execute(KEEP_LANE, (ended, now + LEASE_S, lane_no))
        for person in gates:
            woken = cx.execute(WAKE_GATED, (now, destination_no, person)).fetchall()
            for (channel_number,) in woken:
                _soonest(due, (lane_key.destination_id, names.name(cx, "channel", channel_number)), now)
    return Settling(
        tuple(lost), tuple((destination, channel, at) for (destination, channel), at in due.items())
    )


def _soonest(due: dict[tuple[str, str], float], who: tuple[str, str], at: float) -> None:
    due[who] = min(due.get(who, at), at)


def _settle_one(
    cx: sqlite3.Connection,
    names: Names,
    deltas: Deltas,
    lane: LaneKey,
    destination_no: int,
    lane_no: int,
    settled: Settled,
    gates: set[str],
) -> bool:
    """One event's outcome; whether it was a final one. Adds the people whose gate opened."""
    outcome = settled.outcome
    scope = f"d:{lane.destination_id}"
    match outcome:
        case Delivered() | Skipped() | Rejected():
            rows = cx.execute(TAKE_DELIVERY, (destination_no, settled.seq, lane_no)).fetchall()
            if not rows:
                return False
            attempts, gate, person, waited_for, first_attempt_at, replay_no, before = rows[0]
            if gate:
                gates.add(gate)
            if settled.attempt is not None:
                attempts += 1
                # A delivery at the first try can be rebuilt; what was tried before, or was refused, is kept.
                if waited_for is not None or not isinstance(outcome, Delivered):
                    _keep_try(cx, destination_no, settled.seq, settled.attempt)
            state, name = (
                (DELIVERED, "delivered")
                if isinstance(outcome, Delivered)
                else (SKIPPED, "skipped")
                if isinstance(outcome, Skipped)
                else (REJECTED, "rejected")
            )
            reason = None if isinstance(outcome, Delivered) else outcome.reason
            attempt = settled.attempt
            status = attempt.reply.get("status") if attempt is not None and attempt.reply else None
            cx.execute(
                INSERT_OUTCOME,
                (
                    settled.seq,
                    destination_no,
                    state,
                    reason,
                    settled.at,
                    attempt.ms if attempt is not None else None,
                    status,
                    attempts,
                    _more(
                        outcome,
                        person,
                        replaying.remembered(replay_no, before) if replay_no is not None else None,
                        _rejected_since(before, reason) if state == REJECTED and before else None,
                    ),
                ),
            )
            deltas.add(scope, f"waiting:{lane.channel}", -1)
            if first_attempt_at is not None:
                deltas.add(scope, f"retrying:{lane.channel}", -1)
            deltas.add(scope, name, 1)
            if reason is not None:
                deltas.add(scope, f"{name}:{reason}", 1)
            source_no = names.number(cx, "source", settled.source_id) if settled.source_id else 0
            kind = name if reason is None else f"{name}:{reason}"
            deltas.ticks.add(destination_no, source_no, settled.at, kind)
            # How late a replayed event comes says nothing about the destination.
            if state == DELIVERED and settled.received_at is not None and replay_no is None:
                deltas.ticks.add(destination_no, 0, settled.at, late(settled.at - settled.received_at))
            if replay_no is not None:
                deltas.add(replaying.scope(replay_no), "waiting", -1)
                deltas.add(replaying.scope(replay_no), name, 1)
            return True
        case Retry() | Blocked():
            before = cx.execute(
                "SELECT first_attempt_at FROM deliveries WHERE destination_no = ? AND seq = ? AND lane_no = ?",
                (destination_no, settled.seq, lane_no),
            ).fetchone()
            if before is None:
                return False
            which = (destination_no, settled.seq, lane_no)
            if isinstance(outcome, Retry):
                cx.execute(
                    RETRY_DELIVERY,
                    (
                        *which,
                        settled.at,
                        settled.parts_done,
                        outcome.reason,
                        storable(outcome.detail),
                        int(settled.reply_lost),
                    ),
                )
                if before[0] is None:
                    deltas.add(scope, f"retrying:{lane.channel}", 1)
            else:
                cx.execute(
                    BLOCK_DELIVERY, (*which, settled.parts_done, outcome.reason, storable(outcome.detail))
                )
            if settled.attempt is not None:
                _keep_try(cx, destination_no, settled.seq, settled.attempt)
                kind = "retrying" if isinstance(outcome, Retry) else "blocked"
                source_no = names.number(cx, "source", settled.source_id) if settled.source_id else 0
                deltas.ticks.add(destination_no, source_no, settled.at, f"{kind}:{outcome.reason}")
            opened = cx.execute(SELECT_GATES, (lane_no,)).fetchall()
            if opened:
                gates.update(gate for (gate,) in opened)
                cx.execute(OPEN_GATES, (lane_no,))
            return False
        case _:
            assert_never(outcome)


def _rejected_since(before: str, reason: str | None) -> float | None:
    """When an event that is rejected again was rejected first; None when it was not, or for another reason."""
    state, earlier, at, *_, more = json.loads(before)
    if state != REJECTED or earlier != reason:
        return None
    return float((json.loads(more) if more else {}).get("since", at))


def _more(
    outcome: Delivered | Skipped | Rejected,
    person: str | None,
    replay: Mapping[str, Any] | None,
    since: float | None,
) -> str | None:
    more: dict[str, Any] = {}
    if outcome.detail:
        more["detail"] = outcome.detail
    if outcome.notes:
        more["notes"] = [[note.code, note.path, note.detail] for note in outcome.notes]
    if person:
        more["person"] = person
    if replay:
        more["replay"] = replay
    if since is not None:
        more["since"] = since
    return _written(more) if more else None


def _keep_try(cx: sqlite3.Connection, destination_no: int, seq: int, attempt: Attempt) -> None:
    """Keep a try; of very many the first and the last stay."""
    which = (seq, destination_no)
    record = _written(asdict(attempt)).encode()
    n = cx.execute(
        "SELECT coalesce(max(n), 0) + 1 FROM tries WHERE seq = ? AND destination_no = ?", which
    ).fetchone()[0]
    cx.execute("INSERT INTO tries (seq, destination_no, n, record) VALUES (?, ?, ?, ?)", (*which, n, record))
    over = n - (ATTEMPTS_KEPT_MAX - ATTEMPTS_KEPT_FIRST)
    if over > ATTEMPTS_KEPT_FIRST:
        cx.execute("DELETE FROM tries WHERE seq = ? AND destination_no = ? AND n = ?", (*which, over))


def retry_rejected(
    acceptor: Acceptor, seqs: Sequence[tuple[int, str]], routes: Mapping[tuple[int, str], Route]
) -> int:
    """Dead letters go back into their lanes, each at the place its age gives it; without a route they stay."""
    cx, names, deltas = acceptor.cx, acceptor.names, acceptor.deltas
    count = 0
    for seq, destination_id in seqs:
        route = routes.get((seq, destination_id))
        before = _take_rejected(cx, names, deltas, seq, destination_id) if route is not None else None
        if route is None or before is None:
            continue
        row = cx.execute(
            "SELECT type, user_id, anonymous_id, at_ms, page_ms FROM events WHERE seq = ?", (seq,)
        ).fetchone()
        event = Event(
            "",
            "",
            row[0],
            False,
            0.0,
            "",
            b"",
            user_id=row[1],
            anonymous_id=row[2],
            at_ms=row[3],
            page_ms=row[4],
            seq=seq,
        )
        # Its first try was long ago: it has no neighbours to wait for, and nobody waits for it.
        route = replace(route, settle_s=0.0, gate=False)
        person = (json.loads(before[-1]) if before[-1] else {}).get("person")
        acceptor.enqueue(event, route, seq, person=person)
        # Should it be rejected again, it is known since when it is.
        destination_no = names.number(cx, "destination", destination_id)
        cx.execute(REMEMBER_BEFORE, (json.dumps(before), destination_no, seq))
        count += 1
    return count


def discard_rejected(
    cx: sqlite3.Connection,
    names: Names,
    deltas: Deltas,
    seqs: Sequence[tuple[int, str]],
    note: str,
    *,
    now: float,
) -> int:
    """Dead letters end as skipped, with who and why."""
    count = 0
    for seq, destination_id in seqs:
        if _take_rejected(cx, names, deltas, seq, destination_id) is None:
            continue
        more = json.dumps({"detail": note}) if note else None
        cx.execute(
            INSERT_OUTCOME,
            (
                seq,
                names.number(cx, "destination", destination_id),
                SKIPPED,
                "discarded_by_operator",
                now,
                None,
                None,
                0,
                more,
            ),
        )
        deltas.add(f"d:{destination_id}", "skipped", 1)
        deltas.add(f"d:{destination_id}", "skipped:discarded_by_operator", 1)
        source_no = cx.execute(SOURCE_OF, (seq,)).fetchone()[0]
        deltas.ticks.add(
            names.number(cx, "destination", destination_id), source_no, now, "skipped:discarded_by_operator"
        )
        count += 1
    return count


def _take_rejected(
    cx: sqlite3.Connection, names: Names, deltas: Deltas, seq: int, destination_id: str
) -> Sequence[Any] | None:
    """Take a dead letter away; its outcome as `deliveries.before` keeps it, None when it is none any more."""
    destination_no = names.known(cx, "destination", destination_id)
    rows = cx.execute(TAKE_REJECTED, (seq, destination_no, REJECTED)).fetchall()
    if not rows:
        return None
    deltas.add(f"d:{destination_id}", "rejected", -1)
    deltas.add(f"d:{destination_id}", f"rejected:{rows[0][1]}", -1)
    outcome: Sequence[Any] = rows[0]
    return outcome
