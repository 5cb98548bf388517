"""`accept`: events, deliveries, lanes, links and memberships in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from sternpost.limits import HOLD_MAX_EVENTS
from sternpost.model import Accepted, Event, Link, Route
from sternpost.person import link_of, not_later
from sternpost.store import profiles
from sternpost.store.base import Receipt
from sternpost.store.names import LANES_REMEMBERED_MAX, Deltas, Names, key, storable

FLAG_TYPE_SET = 1
FLAG_LINKED = 2
#: The path that an event came by and its place in the batch lie above the flags: a column each would cost more than they say.
PATH_SHIFT, PATH_MASK = 4, 0x1F
POSITION_SHIFT = 9
#: By number; one that is not listed is kept as the first, which says nothing. New ones go to the end.
PATHS = (
    "", "/v1/identify", "/v1/track", "/v1/page", "/v1/screen", "/v1/group", "/v1/alias", "/v1/merge", "/v1/batch", "/v1/import",
    "/beacon/v1/batch", "/pixel/v1/track", "/pixel/v1/page",
)  # fmt: skip
_PATH_BITS = {path: number << PATH_SHIFT for number, path in enumerate(PATHS)}
DELIVERED, SKIPPED, REJECTED = 1, 2, 3

#: On a tie of the page's clock: identify, then group, then the rest (rule G4).
_RANK = {"identify": 0, "group": 1}
#: Taken from the `ord` of released events, which then stand in front of everything that has their position, oldest first.
_BEFORE_LINK = 2**60

INSERT_EVENT = (
    "INSERT INTO events (source_no, message_key, received_at, type, flags, fanout_no, at_ms, page_ms, user_id, "
    "anonymous_id, request_ip, message_id, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (source_no, message_key) DO NOTHING"
)
INSERT_DELIVERY = "INSERT INTO deliveries (destination_no, seq, lane_no, pos, ord, gated, gate, person) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
SELECT_LANE = "SELECT no, backing_off, window_pos, window_until FROM lanes WHERE destination_no = ? AND channel_no = ? AND lane = ?"
INSERT_LANE = "INSERT INTO lanes (destination_no, channel_no, lane, pending, ready_at, window_pos, window_until) VALUES (?, ?, ?, 1, ?, ?, ?)"
#: Without a settle window one statement does: nothing of the lane is needed before it is written.
UPSERT_LANE = (
    "INSERT INTO lanes (destination_no, channel_no, lane, pending, ready_at) VALUES (?, ?, ?, 1, ?) "
    "ON CONFLICT (destination_no, channel_no, lane) DO UPDATE SET pending = pending + 1, "
    "ready_at = CASE WHEN pending = 0 AND lease IS NULL THEN excluded.ready_at ELSE ready_at END RETURNING no, backing_off"
)
#: The same for a lane whose number is remembered: a row is found by its number in half the time. Whether it still is that lane, another
#: process may have changed; then nothing is updated.
COUNT_IN_LANE = (
    "UPDATE lanes SET pending = pending + 1, ready_at = CASE WHEN pending = 0 AND lease IS NULL THEN ?5 ELSE ready_at END "
    "WHERE no = ?4 AND lane = ?3 AND channel_no = ?2 AND destination_no = ?1"
)
#: A lane that was empty becomes due; one that waits, backs off or is leased keeps its time.
UPDATE_LANE = (
    "UPDATE lanes SET pending = pending + 1, ready_at = CASE WHEN pending = 0 AND lease IS NULL THEN ?2 ELSE ready_at END, "
    "window_pos = ?3, window_until = ?4 WHERE no = ?1"
)
INSERT_HELD = (
    "INSERT INTO held (destination_no, anonymous_id, at_ms, seq, channel_no, page_ms, gate, gated, expires_at) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
SELECT_OVERFLOW = "SELECT at_ms, seq FROM held WHERE destination_no = ? AND anonymous_id = ? ORDER BY at_ms DESC, seq DESC LIMIT -1 OFFSET ?"
SELECT_HELD = (
    "SELECT h.destination_no, h.anonymous_id, h.at_ms, h.seq, h.channel_no, h.page_ms, h.gate, h.gated, e.anonymous_id, e.type "
    "FROM held h JOIN events e ON e.seq = h.seq"
)
#: Destinations are few: naming them all lets the primary key find one anonymousId's events.
HELD_OF_ANONYMOUS = (
    "h.destination_no IN (SELECT no FROM names WHERE kind = 'destination') AND h.anonymous_id = ?"
)
SOURCE_OF = "SELECT source_no FROM events WHERE seq = ?"
DELETE_HELD = "DELETE FROM held WHERE destination_no = ? AND anonymous_id = ? AND at_ms = ? AND seq = ?"


class Acceptor:
    """Everything one transaction of `accept` collects on its way."""

    def __init__(self, cx: sqlite3.Connection, names: Names, deltas: Deltas, now: float) -> None:
        self.cx = cx
        self.names = names
        self.deltas = deltas
        self.now = now
        self.due: dict[tuple[str, str], float] = {}

    def accept(self, entries: Sequence[Accepted]) -> Receipt:
        seqs = []
        received: dict[str, int] = {}
        for entry in entries:
            seq = self._accept(entry)
            seqs.append(seq)
            if seq:
                source_id = entry.event.source_id
                received[source_id] = received.get(source_id, 0) + 1
        # Counted once for the request: an event of a batch should cost as little as it can.
        for source_id, count in received.items():
            self.deltas.add(f"s:{source_id}", "received", count)
            self.deltas.ticks.add(
                0, self.names.number(self.cx, "source", source_id), self.now, "received", count
            )
        stored = sum(received.values())
        due = tuple((destination, channel, at) for (destination, channel), at in self.due.items())
        return Receipt(stored, len(seqs) - stored, tuple(seqs), due)

    def _accept(self, entry: Accepted) -> int:
        entry = _mended(entry)
        event = entry.event
        cx = self.cx
        source_no = self.names.number(cx, "source", event.source_id)
        message_key = key(event.message_id)
        link = entry.link
        if link is not None and link.if_seen and not profiles.seen(cx, link.anonymous_id):
            link = None
        flags = (FLAG_TYPE_SET if event.type_set else 0) | (
            FLAG_LINKED if link is not None and link.if_seen else 0
        )
        flags |= _PATH_BITS.get(event.path, 0) | event.position << POSITION_SHIFT
        cursor = cx.execute(
            INSERT_EVENT,
            (
                source_no,
                message_key,
                event.received_at,
                event.type,
                flags,
                self.names.fanout(cx, _once_each(entry.routes)),
                event.at_ms,
                event.page_ms,
                event.user_id,
                event.anonymous_id,
                event.request_ip,
                None if message_key == event.message_id else event.message_id,
                event.body,
            ),
        )
        if not cursor.rowcount:
            cx.execute(
                "UPDATE events SET seen = seen + 1 WHERE source_no = ? AND message_key = ?",
                (source_no, message_key),
            )
            self.deltas.add(f"s:{event.source_id}", "duplicates", 1)
            self.deltas.ticks.add(0, source_no, self.now, "duplicates")
            return 0
        seq = int(cursor.lastrowid or 0)
        for route in _once_each(entry.routes):
            self._route(event, route, seq)
        if entry.membership is not None:
            profiles.add_membership(
                cx,
                entry.membership,
                user_id=event.user_id,
                anonymous_id=event.anonymous_id,
                now=self.now,
                seq=seq,
            )
        if link is not None:
            profiles.add_link(cx, link, now=self.now, seq=seq)
            self._release(link, seq)
        return seq

    def _route(self, event: Event, route: Route, seq: int) -> None:
        person: str | None = None
        if route.held:
            link = link_of(profiles.links(self.cx, event.anonymous_id, self.now), event)
            if link is None:
                self._hold(event, route, seq)
                return
            person = link.user_id
        self.enqueue(event, route, seq, person=person)

    def enqueue(
        self, event: Event, route: Route, seq: int, *, person: str | None, link_seq: int | None = None
    ) -> None:
        """Put one event into its lane, at the place of its acceptance; with `link_seq` it was released by that event."""
        cx = self.cx
        destination_no = self.names.number(cx, "destination", route.destination_id)
        lane = (destination_no, self.names.number(cx, "channel", route.channel), key(event.lane))
        pos, order, ready_at = seq, 0, self.now
        if route.settle_s or link_seq is not None:
            lane_no, backing_off, pos, order, ready_at = self._in_window(event, route, lane, seq, link_seq)
        elif route.gate:
            lane_no, backing_off = cx.execute(UPSERT_LANE, (*lane, ready_at)).fetchone()
        else:
            lane_no, backing_off = self._counted(lane, ready_at), 0
        gate: str | None = None
        if route.gate and not backing_off:
            # Behind a lane that backs off nobody waits for this one: rule G3 asks only for a first try that can come.
            gate = profiles.person_key(person or event.user_id, event.anonymous_id)
        cx.execute(
            INSERT_DELIVERY, (destination_no, seq, lane_no, pos, order, int(route.gated), gate, person)
        )
        self.deltas.add(f"d:{route.destination_id}", f"waiting:{route.channel}", 1)
        due_key = (route.destination_id, route.channel)
        self.due[due_key] = min(self.due.get(due_key, ready_at), ready_at)

    def _counted(self, lane: tuple[int, int, str], ready_at: float) -> int:
        """Count one event in a lane of which nothing else is asked; its number."""
        known = self.names.lanes.get(lane)
        if known is not None and self.cx.execute(COUNT_IN_LANE, (*lane, known, ready_at)).rowcount:
            return known
        number = int(self.cx.execute(UPSERT_LANE, (*lane, ready_at)).fetchone()[0])
        if len(self.names.lanes) >= LANES_REMEMBERED_MAX:
            self.names.lanes.clear()
        self.names.lanes[lane] = number
        return number

    def _in_window(
        self, event: Event, route: Route, lane: tuple[int, int, str], seq: int, link_seq: int | None
    ) -> tuple[int, int, int, int, float]:
        """Count one event in a lane with a settle window: the lane's number, whether it backs off, position, order, and when due."""
        row = self.cx.execute(SELECT_LANE, lane).fetchone()
        lane_no, backing_off, window_pos, window_until = row or (0, 0, 0, 0.0)
        pos, ready_at = seq, self.now
        order = page_order(event)
        # Rule G4: events of a page come each in their own request, in any order; neighbours within the window take the order
        # of the page's clock. The window is a position in the lane that they share. What a link releases joins an open one, and so does
        # what its page sent in order.
        if window_until > self.now:
            pos, ready_at = window_pos, window_until
        elif link_seq is None and not route.in_order:
            pos, ready_at = seq, self.now + route.settle_s
            window_pos, window_until = pos, ready_at
        elif link_seq is not None:
            pos, order = link_seq, order - _BEFORE_LINK
        if row is None:
            cursor = self.cx.execute(INSERT_LANE, (*lane, ready_at, window_pos, window_until))
            lane_no = int(cursor.lastrowid or 0)
        else:
            self.cx.execute(UPDATE_LANE, (lane_no, ready_at, window_pos, window_until))
        return lane_no, backing_off, pos, order, ready_at

    def _hold(self, event: Event, route: Route, seq: int) -> None:
        cx = self.cx
        destination_no = self.names.number(cx, "destination", route.destination_id)
        anonymous = key(event.anonymous_id)
        cx.execute(
            INSERT_HELD,
            (
                destination_no,
                anonymous,
                event.at_ms,
                seq,
                self.names.number(cx, "channel", route.channel),
                event.page_ms,
                int(route.gate),
                int(route.gated),
                event.at_ms / 1000 + route.hold_s,
            ),
        )
        self.deltas.add(f"d:{route.destination_id}", "held", 1)
        over = cx.execute(SELECT_OVERFLOW, (destination_no, anonymous, HOLD_MAX_EVENTS)).fetchall()
        for at_ms, old in over:
            self.end_held(route.destination_id, destination_no, anonymous, at_ms, old, "anonymous_overflow")

    def end_held(
        self, destination_id: str, destination_no: int, anonymous: str, at_ms: int, seq: int, reason: str
    ) -> None:
        """A held event ends as skipped."""
        self.cx.execute(DELETE_HELD, (destination_no, anonymous, at_ms, seq))
        self.cx.execute(
            "INSERT OR REPLACE INTO outcomes (seq, destination_no, state, reason, at, attempts) VALUES (?, ?, ?, ?, ?, 0)",
            (seq, destination_no, SKIPPED, reason, self.now),
        )
        self.deltas.add(f"d:{destination_id}", "held", -1)
        self.deltas.add(f"d:{destination_id}", "skipped", 1)
        self.deltas.add(f"d:{destination_id}", f"skipped:{reason}", 1)
        source_no = self.cx.execute(SOURCE_OF, (seq,)).fetchone()[0]
        self.deltas.ticks.add(destination_no, source_no, self.now, f"skipped:{reason}")

    def _release(self, link: Link, seq: int) -> None:
        """Rule I7.3: the held events that this link explains go into their lanes, in front of what comes after the link."""
        for held in held_rows(self.cx, HELD_OF_ANONYMOUS, (key(link.anonymous_id),)):
            if not_later(held.event, link):
                self.unhold(held, person=link.user_id, link_seq=seq)

    def unhold(self, held: HeldRow, *, person: str | None = None, link_seq: int | None = None) -> None:
        """One held event goes into its lane."""
        self.cx.execute(DELETE_HELD, (held.destination_no, held.anonymous_key, held.at_ms, held.seq))
        destination_id = self.names.name(self.cx, "destination", held.destination_no)
        self.deltas.add(f"d:{destination_id}", "held", -1)
        route = Route(
            destination_id,
            self.names.name(self.cx, "channel", held.channel_no),
            gate=bool(held.gate),
            gated=bool(held.gated),
        )
        self.enqueue(held.event, route, held.seq, person=person, link_seq=link_seq)


def page_order(event: Event) -> int:
    """The place of an event within a window: by the page's clock, on a tie by rank (rule G4)."""
    clock = event.page_ms if event.page_ms is not None else event.at_ms
    return clock * 4 + _RANK.get(event.type.strip().lower(), 2)


def _once_each(routes: tuple[Route, ...]) -> tuple[Route, ...]:
    """An event goes to each destination once; of several routes to one the first counts."""
    if len(routes) < 2:
        return routes
    return tuple({route.destination_id: route for route in reversed(routes)}.values())[::-1]


def _mended(entry: Accepted) -> Accepted:
    """The entry with texts that UTF-8 can write; nearly always the entry itself."""
    event, link, membership = entry.event, entry.link, entry.membership
    texts = [event.message_id, event.type, event.user_id, event.anonymous_id, event.request_ip]
    if link is not None:
        texts += (link.anonymous_id, link.user_id)
    if membership is not None:
        texts += (membership.group_id, membership.anonymous_id)
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        event = replace(
            event,
            message_id=storable(event.message_id),
            type=storable(event.type),
            user_id=storable(event.user_id),
            anonymous_id=storable(event.anonymous_id),
            request_ip=storable(event.request_ip),
        )
        if link is not None:
            link = replace(link, anonymous_id=storable(link.anonymous_id), user_id=storable(link.user_id))
        if membership is not None:
            membership = replace(
                membership,
                group_id=storable(membership.group_id),
                anonymous_id=storable(membership.anonymous_id),
            )
        return replace(entry, event=event, link=link, membership=membership)
    return entry


class HeldRow:
    """A row of SELECT_HELD, with as much of its event as its lane needs."""

    __slots__ = ("anonymous_key", "at_ms", "channel_no", "destination_no", "event", "gate", "gated", "seq")

    def __init__(
        self,
        destination_no: int,
        anonymous_key: str,
        at_ms: int,
        seq: int,
        channel_no: int,
        page_ms: int | None,
        gate: int,
        gated: int,
        anonymous_id: str,
        kind: str,
    ) -> None:
        self.destination_no = destination_no
        self.anonymous_key = anonymous_key
        self.at_ms = at_ms
        self.seq = seq
        self.channel_no = channel_no
        self.gate = gate
        self.gated = gated
        self.event = Event(
            "",
            "",
            kind,
            False,
            0.0,
            "",
            b"",
            anonymous_id=anonymous_id,
            at_ms=at_ms,
            page_ms=page_ms,
            seq=seq,
        )


def held_rows(cx: sqlite3.Connection, where: str, values: Iterable[object]) -> list[HeldRow]:
    """Held events by a condition of our own."""
    return [
        HeldRow(*row)
        for row in cx.execute(f"{SELECT_HELD} WHERE {where} ORDER BY h.at_ms, h.seq", tuple(values))
    ]
