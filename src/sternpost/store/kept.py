"""Kept events, and where each stands: rows into values. Rows and bytes of an answer are bounded.

How a state is told from the rows (interface.md): a row in `deliveries` waits (blocked when its channel is in `channels`, retrying when it
has a first try, else pending), one in `held` is held, one in `outcomes` is final. Each event has one of them per destination.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sternpost.limits import PAGE_ROWS_MAX
from sternpost.model import Event, Note, State
from sternpost.reasons import ReasonCode
from sternpost.store.accepting import (
    DELIVERED,
    FLAG_LINKED,
    FLAG_TYPE_SET,
    PATH_MASK,
    PATH_SHIFT,
    PATHS,
    POSITION_SHIFT,
    REJECTED,
    SKIPPED,
)
from sternpost.store.names import Names
from sternpost.store.replaying import remembered
from sternpost.store.trouble import damaged

PAGE_BYTES_MAX = 4 * 1024 * 1024  #: bodies and tries read at once; one body alone may have 4 MB

FINAL_STATES: Mapping[int, State] = {DELIVERED: "delivered", SKIPPED: "skipped", REJECTED: "rejected"}


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one event stands at one destination."""

    destination_id: str
    channel: str  #: "" when it is not known any more
    state: State
    reason: ReasonCode | None = None
    detail: str = ""
    notes: tuple[Note, ...] = ()
    attempts: int = 0  #: tries that counted
    tries: tuple[Mapping[str, Any], ...] = ()  #: records of `model.Attempt`; only when asked for
    next_attempt_at: float | None = None  #: of what is being retried; None while it is being tried
    waits_for: str | None = None  #: messageId of the event that goes first
    user_id: str = ""  #: the userId that a link gave it
    first_attempt_at: float | None = None
    settled_at: float | None = None  #: of a final state
    ms: int | None = None  #: of the last try; None when nothing was sent
    status: int | None = None  #: the destination's last answer
    replay_no: int | None = None  #: the replay that brought it here last
    before: tuple[State, str | None, float] | None = None  #: state, reason and moment that the replay ended


@dataclass(frozen=True, slots=True)
class Kept:
    """An event that is kept, and where it stands at each destination that it was fanned out to."""

    event: Event
    seen: int  #: how often its messageId came
    linked: bool  #: it is an alias that made a link
    standings: tuple[Standing, ...]


@dataclass(frozen=True, slots=True)
class Rows:
    """Some events, and what the bounds did not let in."""

    kept: tuple[Kept, ...]
    left: tuple[int, ...] = ()  #: seqs to ask for in another call


# {} stands for a list of question marks.

SELECT_SIZES = "SELECT seq, length(body) FROM events WHERE seq IN ({})"
SELECT_TRY_SIZES = "SELECT seq, sum(length(record)) FROM tries WHERE seq IN ({}) GROUP BY seq"
SELECT_EVENTS = (
    "SELECT seq, source_no, coalesce(message_id, message_key), received_at, type, flags, fanout_no, seen, at_ms, page_ms, user_id, "
    "anonymous_id, request_ip, body FROM events WHERE seq IN ({})"
)
SELECT_OUTCOMES = "SELECT seq, destination_no, state, reason, at, ms, status, attempts, more FROM outcomes WHERE seq IN ({})"
SELECT_DELIVERIES = (
    "SELECT d.seq, d.destination_no, d.lane_no, d.attempts, d.person, d.first_attempt_at, d.reason, d.detail, l.channel_no, l.ready_at, "
    "l.lease, l.waits_for, d.replay_no, d.before FROM deliveries d JOIN lanes l ON l.no = d.lane_no "
    "WHERE d.destination_no IN (SELECT no FROM names WHERE kind = 'destination') AND d.seq IN ({})"
)
SELECT_HELD = "SELECT seq, destination_no, channel_no, expires_at FROM held WHERE seq IN ({})"
SELECT_TRIES = (
    "SELECT seq, destination_no, record FROM tries WHERE seq IN ({}) ORDER BY seq, destination_no, n"
)
SELECT_HEAD = "SELECT seq, first_attempt_at FROM deliveries WHERE lane_no = ? ORDER BY pos, ord, seq LIMIT 1"
SELECT_GATE = "SELECT min(seq) FROM deliveries WHERE destination_no = ? AND gate = ?"
SELECT_MESSAGE_ID = "SELECT coalesce(message_id, message_key) FROM events WHERE seq = ?"
SELECT_CHANNELS = "SELECT destination_no, channel_no, reason, detail, since FROM channels"

NO_RECORD = "The store has no record of what became of it."


class KeptEvents:
    """Reads events with their standings, within a snapshot of whoever asks."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._fanouts: dict[int, tuple[tuple[str, str], ...]] = {}

    def load(self, cx: sqlite3.Connection, seqs: Sequence[int], *, tries: bool) -> Rows:
        """The kept ones of these events, in the order given; `left` are those that the bounds did not let in."""
        wanted, left = self._bounded(cx, seqs, tries=tries)
        if not wanted:
            return Rows((), left)
        events = {row[0]: row for row in _rows(cx, SELECT_EVENTS, wanted)}
        found: dict[int, dict[str, Standing]] = {seq: {} for seq in events}
        records: dict[tuple[int, int], list[Mapping[str, Any]]] = {}
        if tries:
            for seq, destination_no, record in _rows(cx, SELECT_TRIES, wanted):
                records.setdefault((seq, destination_no), []).append(json.loads(record))
        channels = {(row[0], row[1]): row for row in cx.execute(SELECT_CHANNELS).fetchall()}
        routes = {seq: dict(self._routes(cx, row[6])) for seq, row in events.items()}

        def at_destinations(statement: str) -> Iterator[tuple[Any, str, tuple[Mapping[str, Any], ...]]]:
            """Rows of these events, each with its destination and its tries."""
            for row in _rows(cx, statement, wanted):
                if row[0] in events:
                    name = self._names.name(cx, "destination", row[1])
                    yield row, name, tuple(records.get((row[0], row[1]), ()))

        for row, name, tried in at_destinations(SELECT_OUTCOMES):
            found[row[0]][name] = _settled(row, name, routes[row[0]].get(name, ""), tried)
        for row, name, tried in at_destinations(SELECT_DELIVERIES):
            found[row[0]][name] = self._waiting(cx, row, name, tried, channels)
        for row, name, tried in at_destinations(SELECT_HELD):
            channel = self._names.name(cx, "channel", row[2])
            found[row[0]][name] = Standing(name, channel, "held", "held_for_identity", tries=tried)
        return Rows(
            tuple(self._kept(cx, events[seq], routes[seq], found[seq]) for seq in wanted if seq in events),
            left,
        )

    def _bounded(
        self, cx: sqlite3.Connection, seqs: Sequence[int], *, tries: bool
    ) -> tuple[list[int], tuple[int, ...]]:
        """As many of these events as may be read at once; at least one."""
        first = list(seqs[:PAGE_ROWS_MAX])
        if not first:
            return [], ()
        sizes: dict[int, int] = dict(_rows(cx, SELECT_SIZES, first))
        for seq, size in _rows(cx, SELECT_TRY_SIZES, first) if tries else ():
            sizes[seq] = sizes.get(seq, 0) + size
        total = 0
        for index, seq in enumerate(first):
            total += sizes.get(seq, 0)
            if total > PAGE_BYTES_MAX and index:
                return first[:index], tuple(seqs[index:])
        return first, tuple(seqs[PAGE_ROWS_MAX:])

    def _kept(
        self, cx: sqlite3.Connection, row: Any, routes: Mapping[str, str], found: dict[str, Standing]
    ) -> Kept:
        event = Event(
            message_id=row[2],
            source_id=self._names.name(cx, "source", row[1]),
            type=row[4],
            type_set=bool(row[5] & FLAG_TYPE_SET),
            received_at=row[3],
            request_ip=row[12],
            body=row[13],
            user_id=row[10],
            anonymous_id=row[11],
            at_ms=row[8],
            page_ms=row[9],
            seq=row[0],
            path=_path(row[5]),
            position=row[5] >> POSITION_SHIFT,
        )
        standings = []
        for name, channel in routes.items():
            if name in found:
                standings.append(found.pop(name))
            else:
                # Without a row of any kind the event was lost on its way: said loudly instead of looking fine.
                standings.append(Standing(name, channel, "rejected", "internal_error", NO_RECORD))
        return Kept(event, row[7], bool(row[5] & FLAG_LINKED), (*standings, *found.values()))

    def _waiting(
        self,
        cx: sqlite3.Connection,
        row: Any,
        destination_id: str,
        tries: tuple[Mapping[str, Any], ...],
        channels: Mapping[tuple[int, int], Any],
    ) -> Standing:
        seq, destination_no, lane_no, attempts, person, first_at, reason, detail = row[:8]
        channel_no, ready_at, lease, waits_for, replay_no, replaced = row[8:]
        state: State = "pending"
        next_at: float | None = None
        before: int | None = None
        if (blocked := channels.get((destination_no, channel_no))) is not None:
            state, reason, detail = "blocked", blocked[2], blocked[3]
        elif first_at is not None:
            state = "retrying"
            next_at = None if lease else ready_at
        else:
            reason, detail = "queued", "It is on its way." if lease else ""
            head = cx.execute(SELECT_HEAD, (lane_no,)).fetchone()
            if head is not None and head[0] != seq and head[1] is not None:
                reason, detail, before = "behind_earlier_event", "", head[0]
            elif waits_for is not None and not lease:
                gate = cx.execute(SELECT_GATE, (destination_no, waits_for)).fetchone()[0]
                if gate is not None and gate != seq:
                    reason, before = "behind_earlier_event", gate
                    detail = "What says who the person is goes first."
        return Standing(
            destination_id,
            self._names.name(cx, "channel", channel_no),
            state,
            reason,
            detail or "",
            attempts=attempts,
            tries=tries,
            next_attempt_at=next_at,
            waits_for=self._message_id(cx, before),
            user_id=person or "",
            first_attempt_at=first_at,
            **_replayed(remembered(replay_no, replaced) if replay_no is not None else None),
        )

    def _message_id(self, cx: sqlite3.Connection, seq: int | None) -> str | None:
        row = cx.execute(SELECT_MESSAGE_ID, (seq,)).fetchone() if seq is not None else None
        return str(row[0]) if row else None

    def _routes(self, cx: sqlite3.Connection, fanout_no: int) -> tuple[tuple[str, str], ...]:
        routes = self._fanouts.get(fanout_no)
        if routes is None:
            text = cx.execute("SELECT routes FROM fanouts WHERE no = ?", (fanout_no,)).fetchone()[0]
            routes = self._fanouts[fanout_no] = tuple(
                (destination, channel) for destination, channel in json.loads(text)
            )
        return routes


def _settled(row: Any, destination_id: str, channel: str, tries: tuple[Mapping[str, Any], ...]) -> Standing:
    more = more_of(row[8])
    return Standing(
        destination_id,
        channel,
        FINAL_STATES[row[2]],
        row[3],
        more.get("detail", ""),
        tuple(Note(code, path, detail) for code, path, detail in more.get("notes", ())),
        attempts=row[7],
        tries=tries,
        user_id=more.get("person", ""),
        settled_at=row[4],
        ms=row[5],
        status=row[6],
        **_replayed(more.get("replay")),
    )


def _path(flags: int) -> str:
    number = flags >> PATH_SHIFT & PATH_MASK
    # Another version may know a path that this one does not.
    return PATHS[number] if number < len(PATHS) else ""


def _rows(cx: sqlite3.Connection, statement: str, seqs: Sequence[int]) -> list[Any]:
    try:
        return cx.execute(statement.format(",".join("?" * len(seqs))), list(seqs)).fetchall()
    except sqlite3.DatabaseError as error:
        if not damaged(error) or not seqs:
            raise
        if len(seqs) == 1:
            return []
        # One damaged page must not hide what is on the others.
        middle = len(seqs) // 2
        return [*_rows(cx, statement, seqs[:middle]), *_rows(cx, statement, seqs[middle:])]


def more_of(text: str | None) -> dict[str, Any]:
    """What an outcome says besides its columns."""
    found: dict[str, Any] = json.loads(text) if text else {}
    return found


def _replayed(replay: Mapping[str, Any] | None) -> dict[str, Any]:
    """The fields of a Standing that tell of a replay."""
    if not replay:
        return {}
    before = replay.get("before")
    return {"replay_no": replay["no"], "before": tuple(before) if before else None}
