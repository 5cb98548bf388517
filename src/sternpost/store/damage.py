"""Events whose rows cannot be read any more: each is set aside as a dead letter with a reason, so that its lane goes on.

Only for pages that SQLite calls malformed; an error of the disk itself may pass, and is tried again. Whatever can be named is: the index by
messageId lies on other pages than the events.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sternpost.model import LaneKey
from sternpost.store.accepting import REJECTED
from sternpost.store.names import Deltas, Names
from sternpost.store.trouble import damaged

SELECT_WAITING = (
    "SELECT seq, attempts, first_attempt_at, parts_done, gated, person, ord, reply_lost FROM deliveries "
    "WHERE lane_no = ? AND pos < ? ORDER BY pos, ord, seq LIMIT ?"
)
SELECT_EVENT = (
    "SELECT source_no, coalesce(message_id, message_key), received_at, type, flags, at_ms, page_ms, user_id, anonymous_id, request_ip, body "
    "FROM events WHERE seq = ?"
)
#: The index alone: it holds the row's number, too.
SELECT_NAMES = "SELECT seq, source_no, message_key FROM events INDEXED BY events_by_message"
TAKE = "DELETE FROM deliveries WHERE destination_no = ? AND seq = ? RETURNING attempts, gate, first_attempt_at, replay_no"
INSERT = "INSERT OR REPLACE INTO outcomes (seq, destination_no, state, reason, at, attempts, more) VALUES (?, ?, ?, 'unreadable', ?, ?, ?)"
SHRINK_LANE = "UPDATE lanes SET pending = pending - ? WHERE no = ?"
OPEN_GATES = "UPDATE lanes INDEXED BY lanes_gated SET waits_for = NULL, ready_at = ? WHERE destination_no = ? AND waits_for = ?"


def readable_run(
    cx: sqlite3.Connection, reading: sqlite3.Connection, lane_no: int, before_pos: int, run_max: int
) -> tuple[list[Any], list[int]]:
    """The rows of a lane's oldest events as `claiming.SELECT_RUN` has them, read one by one, and those that cannot be read. Raises
    sqlite3.Error when the lane itself cannot be.

    `reading` is a connection of its own: a transaction that has met a malformed page cannot write any more.
    """
    rows: list[Any] = []
    unreadable: list[int] = []
    for seq, attempts, first, parts, gated, person, order, lost in cx.execute(
        SELECT_WAITING, (lane_no, before_pos, run_max)
    ).fetchall():
        try:
            event = reading.execute(SELECT_EVENT, (seq,)).fetchone()
        except sqlite3.DatabaseError as error:
            if not damaged(error):
                raise
            event = None
        if event is None:
            unreadable.append(seq)
        else:
            rows.append((seq, attempts, first, parts, gated, person, order, *event, lost))
    return rows, unreadable


class SettingAside:
    """Ends events that cannot be read as dead letters that say so, and lets their lane and whoever waits for them go on."""

    def __init__(self, reading: sqlite3.Connection, names: Names, deltas: Deltas, now: float) -> None:
        self.reading = reading
        self._names = names
        self._deltas = deltas
        self._now = now

    def set_aside(self, cx: sqlite3.Connection, lane: LaneKey, lane_no: int, seqs: Sequence[int]) -> None:
        """Take some of a lane's events out of it."""
        names, deltas, now = self._names, self._deltas, self._now
        known = named(self.reading, seqs)
        destination_no = names.number(cx, "destination", lane.destination_id)
        scope = f"d:{lane.destination_id}"
        for seq in seqs:
            [(attempts, gate, first_attempt_at, replay_no)] = cx.execute(
                TAKE, (destination_no, seq)
            ).fetchall()
            source_no, message_id = known.get(seq, (0, ""))
            more = {
                "detail": f"Its row (number {seq}) is on a page of the store that is damaged.",
                "messageId": message_id,
                "sourceNo": source_no,
            }
            cx.execute(INSERT, (seq, destination_no, REJECTED, now, attempts, json.dumps(more)))
            deltas.add(scope, f"waiting:{lane.channel}", -1)
            if first_attempt_at is not None:
                deltas.add(scope, f"retrying:{lane.channel}", -1)
            deltas.add(scope, "rejected", 1)
            deltas.add(scope, "rejected:unreadable", 1)
            deltas.ticks.add(destination_no, source_no, now, "rejected:unreadable")
            if replay_no is not None:
                deltas.add(f"r:{replay_no}", "waiting", -1)
                deltas.add(f"r:{replay_no}", "rejected", 1)
            if gate:
                cx.execute(OPEN_GATES, (now, destination_no, gate))
        cx.execute(SHRINK_LANE, (len(seqs), lane_no))


def named(cx: sqlite3.Connection, seqs: Collection[int]) -> dict[int, tuple[int, str]]:
    """Source and messageId of events whose rows cannot be read, as far as the index still tells."""
    wanted = set(seqs)
    found: dict[int, tuple[int, str]] = {}
    rows: Iterable[Any] = cx.execute(SELECT_NAMES)
    try:
        for seq, source_no, message_key in rows:
            if seq in wanted:
                found[seq] = (source_no, message_key)
    except sqlite3.DatabaseError as error:
        if not damaged(error):
            raise
    return found
