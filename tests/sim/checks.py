"""What holds after every run. Fates are compared with what the other side says it answered, orders with a small model of their own."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.contract.lab import Lab

from .destination import (
    BLOCKED,
    DELIVERED,
    DO_NOT_PROCESS,
    MISSING,
    RETRY,
    SPLIT,
    UNREADABLE,
    Sent,
)
from .scenario import EPOCH

if TYPE_CHECKING:
    from .program import Program
    from .world import World

WAITING = (
    "SELECT n.name, l.lane, d.seq, d.reason, l.lease, l.ready_at FROM deliveries d JOIN lanes l ON l.no = d.lane_no "
    "JOIN names n ON n.no = d.destination_no LIMIT 20"
)
ARRIVED = "SELECT 'arrived', no, source, received_at FROM arrivals LIMIT 20"
STATES = {1: "delivered", 2: "skipped", 3: "rejected"}
WINDOW_S = 0.3
BACKOFF_MIN_S = 0.05
PROMPT_S = 3.0  #: in a calm world every event is tried within this: its window, its gate, its turn


class Stuck(Exception):
    """Something waits for ever."""


@dataclass
class Row:
    """An event as it is kept."""

    seq: int
    n: int
    source: str
    received_at: float
    type: str
    user_id: str
    anonymous_id: str
    at_ms: int
    page_ms: int | None
    routes: dict[str, str]  #: destination → channel
    accepted_at: float  #: into its lanes: at once, or when what arrived was spread

    @property
    def lane(self) -> str:
        return f"a:{self.anonymous_id}" if self.anonymous_id else f"u:{self.user_id}"


class Books(Lab):
    """The checks of the store's contract suite on the file of a run."""

    def __init__(self, world: World) -> None:
        self.world = world

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.world.rows(sql, *values)


def encode(value: Any) -> bytes:
    return json.dumps(value).encode()


def memory(world: World, program: Program) -> None:
    """Nothing is left in memory of what was on its way."""
    for name, running in program.engine._running.items():
        for channel, worker in running.workers.items():
            busy = sorted(worker._busy)
            open_batches = [
                key for key, batches in worker._batches.items() if not batches.idle or batches._tasks
            ]
            if worker._lanes or busy or open_batches:
                world.wrong(
                    f"{name}/{channel} still holds lanes {len(worker._lanes)}, ids {busy}, batches {open_batches}"
                )
        if running.desk._slots._value != running.desk.config.concurrency:
            world.wrong(f"{name}: slots are missing")
        if len(running.desk._stamps) > 10_000 or len(running.desk._skip_ids) > 100_000:
            world.wrong(f"{name}: memory is not bounded")
    if program.store.queued_events or program.requests:
        world.wrong(
            f"still at work: {program.store.queued_events} rows for the disk, {program.requests} requests at the door"
        )


def everything(world: World) -> None:
    """Every invariant that can be read from the file and the ledger."""
    try:
        Books(world).check()
    except AssertionError as error:
        world.wrong(f"books: {str(error)[:600]}")
    events = _events(world)
    _accepted(world, events)
    _in_order_of_answers(world, events)
    fates = {
        (destination, seq): (f"{STATES[state]}:{reason}" if reason else STATES[state], attempts)
        for destination, seq, state, reason, attempts in world.rows(
            "SELECT n.name, o.seq, o.state, o.reason, o.attempts FROM outcomes o JOIN names n ON n.no = o.destination_no"
        )
    }
    journal: dict[tuple[str, int], list[Sent]] = defaultdict(list)
    for sent in world.other.sent:
        for n in sent.events:
            journal[sent.destination, n].append(sent)
    model = Lanes(world, events)
    for event in events:
        for destination in event.routes:
            fate, _ = fates.get((destination, event.seq), ("nowhere", 0))
            _fate(world, event, destination, fate, journal[destination, event.n])
            _once(world, event, destination, journal[destination, event.n])
            _backoff(world, event, destination, journal[destination, event.n])
            if world.scenario.calm:
                _prompt(world, event, destination, journal[destination, event.n], model)
    _told(world)
    _order(world, events, fates, journal, model)
    _person(world, events, fates, journal, model)
    _gates(world, events, journal, model)
    blocked = world.rows("SELECT n.name, c.reason FROM channels c JOIN names n ON n.no = c.destination_no")
    if blocked and not {name for name, _ in blocked} <= _may_stay_blocked(world):
        world.wrong(f"channels are said to be blocked although they work: {blocked}")


def _may_stay_blocked(world: World) -> set[str]:
    """A channel in which nothing waits cannot be probed; it stays blocked until something comes."""
    refused = {
        s.destination for s in world.other.sent if BLOCKED in s.verdicts.values() or (not s.items and s.reply)
    }
    return refused | world.removed


def _events(world: World) -> list[Row]:
    return [
        Row(
            seq,
            int(message[1:]),
            source,
            received_at,
            kind,
            user,
            anonymous,
            at_ms,
            page_ms,
            dict(json.loads(routes)),
            world.spread.get((message, received_at), (received_at, None))[0],
        )
        for seq, message, source, received_at, kind, user, anonymous, at_ms, page_ms, routes in world.rows(
            "SELECT e.seq, e.message_key, n.name, e.received_at, e.type, e.user_id, e.anonymous_id, e.at_ms, e.page_ms, f.routes "
            "FROM events e JOIN names n ON n.no = e.source_no JOIN fanouts f ON f.no = e.fanout_no ORDER BY e.seq"
        )
    ]


def _accepted(world: World, events: Iterable[Row]) -> None:
    """Kept exactly once what the client was told is kept; nothing of what was refused."""
    kept = [event.n for event in events]
    if len(kept) != len(set(kept)):
        world.wrong(f"events are kept twice: {sorted(n for n in kept if kept.count(n) > 1)}")
    told: dict[int, set[str]] = defaultdict(set)
    for attempt in world.attempts:
        for call in attempt.request.calls:
            told[call.n].add(attempt.told)
    for n, answers in told.items():
        if "ok" in answers and n not in kept:
            world.wrong(f"e{n} was answered 200 and is lost")
        if answers == {"refused"} and n in kept:
            world.wrong(f"e{n} was refused and is kept")


def _in_order_of_answers(world: World, events: Iterable[Row]) -> None:
    """What a person's client sends after an answer is stored behind what was answered, whichever way both went."""
    if world.jumped:
        return  # an attempt is known by our clock
    began: dict[tuple[int, float], float] = {}
    answered: dict[int, float] = {}
    for attempt in world.attempts:
        for call in attempt.request.calls:
            began[call.n, attempt.wall] = attempt.began
            if attempt.told == "ok":
                answered[call.n] = min(answered.get(call.n, attempt.ended), attempt.ended)
    lanes: dict[str, list[Row]] = defaultdict(list)
    for event in events:
        lanes[event.lane].append(event)
    for lane in lanes.values():
        last: Row | None = None  # of those so far, the one that came last
        for event in lane:
            if last is not None and answered.get(event.n, 1e9) < began[last.n, last.received_at]:
                world.wrong(f"e{event.n} was answered before e{last.n} came, and is stored behind it")
            if last is None or began[last.n, last.received_at] < began[event.n, event.received_at]:
                last = event


# --- fates --------------------------------------------------------------------------------------------------------------


def _fate(world: World, event: Row, destination: str, fate: str, sends: list[Sent]) -> None:
    """One final fate, and one that the answers explain."""
    answered = [sent for sent in sends if sent.answered_at is not None]
    verdicts = [sent.verdicts[event.n] for sent in answered if not _partial(sent, event.n, DELIVERED)]
    who = f"e{event.n} ({event.type}, seq {event.seq}) at {destination}"
    said = [f"{sent.verdicts.get(event.n)}@{sent.at:.2f}" for sent in sends][-6:]
    if not _explained(world, event, destination, fate, verdicts, answered):
        world.wrong(f"{who} ended as {fate}; its answers were {said}")
    # What an undisturbed program was told is what becomes of the event.
    for sent in answered:
        verdict = sent.verdicts[event.n]
        if (
            sent.program.tainted
            or verdict in {RETRY, BLOCKED, SPLIT, UNREADABLE}
            or _partial(sent, event.n, DELIVERED)
        ):
            continue
        if fate != verdict and not (verdict == MISSING and fate.endswith(":missing_id")):
            world.wrong(f"{who} was told {verdict} and ended as {fate}")
        break


def _told(world: World) -> None:
    """Whoever reads that an event was given up finds what was tried last."""
    silent = world.rows(
        "SELECT seq, destination_no FROM outcomes o WHERE reason = 'gave_up' AND NOT EXISTS "
        "(SELECT 1 FROM tries t WHERE t.seq = o.seq AND t.destination_no = o.destination_no)"
    )
    if silent:
        world.wrong(f"given up, and no try is kept: {silent}")


def _partial(sent: Sent, n: int, verdict: str) -> bool:
    """The first request of two: a group call with a parent account."""
    return sent.part == "parentAccount" and sent.verdicts.get(n) == verdict


def _explained(
    world: World, event: Row, destination: str, fate: str, verdicts: list[str], answered: list[Sent]
) -> bool:
    state, _, reason = fate.partition(":")
    scenario = world.scenario
    call = scenario.calls[event.n]
    if fate in verdicts:
        return True
    if reason == "missing_id":
        return MISSING in verdicts
    if reason == "gave_up":
        # What it needs to know first could not be read: that is a try too, and one that the other lanes share.
        asked = (s for s in world.other.sent if s.destination == destination and not s.items and s.reply)
        tried = sorted(sent.answered_wall for sent in (*answered, *asked) if sent.answered_at is not None)
        return len(tried) > 1 and tried[-1] - tried[0] >= scenario.give_up_s - 1.0
    if reason == "unexpected_reply":
        return UNREADABLE in verdicts
    if state != "skipped":
        return False
    match reason:
        case "destination_disabled":
            return ("disabled", destination) in world.ever
        case "not_connected":
            return ("removed", destination) in world.ever or (
                "disconnected",
                (event.source, destination),
            ) in world.ever
        case "do_not_process":
            # Remembered for a day: nobody asks again.
            return any(DO_NOT_PROCESS in sent.verdicts.values() for sent in world.other.sent)
        case "anonymous":
            return not event.user_id and bool({("anonymous", "skip"), ("anonymous", "hold")} & world.ever)
        case "anonymous_expired":
            return event.seq in world.held_before or (not event.user_id and world.jumped)
        case "page_off":
            return event.type == "page"
        case "nothing_to_write":
            return (event.type == "identify" and not call.body["traits"]) or event.type == "alias"
        case "alias_unsupported":
            return event.type == "alias"
    return False


def _once(world: World, event: Row, destination: str, sends: list[Sent]) -> None:
    """What was answered for good to an undisturbed program is not sent again, neither by it nor by its successor."""
    final: Sent | None = None
    for sent in sends:
        if final is not None and not final.program.tainted and sent.at >= (final.answered_at or 0.0):
            world.wrong(
                f"e{event.n} is sent to {destination} again at {sent.at:.2f} by {sent.program.name}, although "
                f"{final.program.name} was told {final.verdicts[event.n]} at {final.answered_at:.2f}"
            )
            return
        if (
            sent.answered_at is not None
            and sent.verdicts[event.n] not in {RETRY, BLOCKED, SPLIT, UNREADABLE}
            and sent.part != "parentAccount"
        ):
            final = sent


def _backoff(world: World, event: Row, destination: str, sends: list[Sent]) -> None:
    for sent, following in zip(sends, sends[1:], strict=False):
        if sent.program.tainted or sent.program is not following.program or sent.answered_at is None:
            continue
        if sent.verdicts[event.n] in {RETRY, UNREADABLE}:
            least = max(BACKOFF_MIN_S, sent.seconds or 0.0) - 0.001
            if following.at - sent.answered_at < least:
                world.wrong(
                    f"e{event.n} is sent to {destination} again {following.at - sent.answered_at:.3f} s after a failure, {least:.2f} s "
                    f"are asked for"
                )


def _prompt(world: World, event: Row, destination: str, sends: list[Sent], model: Lanes) -> None:
    """In a calm world everything happens once and soon."""
    if not sends or (event.n, destination) in model.held_ever:
        return
    came = event.received_at - EPOCH
    first = sends[0].wall
    if first - event.received_at > PROMPT_S:
        world.wrong(
            f"e{event.n} came at {came:.2f} and was first sent to {destination} after {first - event.received_at:.2f} s"
        )


# --- orders -------------------------------------------------------------------------------------------------------------


class Lanes:
    """Rules G4 and I7 once more, on the events as they were kept: where each stands in its lane, and whose a held one is."""

    def __init__(self, world: World, events: list[Row]) -> None:
        self.held_ever: set[tuple[int, str]] = set()
        self.person: dict[int, str] = {}  #: event → the user that a link gave it
        self.place: dict[tuple[str, int], tuple[int, int, int]] = {}
        self._windows: dict[tuple[str, str, str], tuple[int, float]] = {}
        self._links: dict[str, list[Row]] = defaultdict(list)
        self._held: dict[str, list[tuple[Row, str]]] = defaultdict(list)
        seen: set[str] = set()
        workspaces = {(attempt.request.source, attempt.wall): attempt.workspace for attempt in world.attempts}
        for event in events:
            at_the_door = (event.received_at, workspaces[event.source, event.received_at])
            _, workspace = world.spread.get((f"m{event.n}", event.received_at), at_the_door)
            body = world.scenario.calls[event.n].body
            for destination, channel in event.routes.items():
                if destination == "pendo" and _holds(event, workspace):
                    owner = self._owner(event)
                    if owner is None:
                        self.held_ever.add((event.n, destination))
                        self._held[event.anonymous_id].append((event, channel))
                        continue
                    self.person[event.n] = owner
                    # The route of a held event has no window.
                    self._enqueue(event, destination, channel, settle=False)
                    continue
                self._enqueue(
                    event, destination, channel, settle=event.source == "web" and destination == "pendo"
                )
            linked = ""
            if event.type == "identify" and event.user_id and event.anonymous_id:
                linked = event.anonymous_id
            elif event.type == "alias" and event.user_id and body["previousId"] in seen:
                linked = body["previousId"]
            if linked:
                self._links[linked].append(event)
                self._release(linked, event)
            if event.anonymous_id:
                seen.add(event.anonymous_id)

    def _owner(self, event: Row) -> str | None:
        later = [
            link for link in self._links[event.anonymous_id] if _not_later(event, link, event.anonymous_id)
        ]
        first: Row | None = None
        for link in later:
            if first is None or not _not_later(first, link, event.anonymous_id):
                first = link
        return first.user_id if first is not None else None

    def _release(self, anonymous_id: str, link: Row) -> None:
        held = sorted(self._held[anonymous_id], key=lambda pair: (pair[0].at_ms, pair[0].seq))
        self._held[anonymous_id] = []
        for event, channel in held:
            if _not_later(event, link, anonymous_id):
                self.person[event.n] = link.user_id
                self._enqueue(event, "pendo", channel, settle=False, link=link)
            else:
                self._held[anonymous_id].append((event, channel))

    def _enqueue(
        self, event: Row, destination: str, channel: str, *, settle: bool, link: Row | None = None
    ) -> None:
        key = (destination, channel, event.lane)
        now = (link or event).accepted_at
        pos, order = event.seq, 0
        if settle or link is not None:
            clock = event.page_ms if event.page_ms is not None else event.at_ms
            order = clock * 4 + {"identify": 0, "group": 1}.get(event.type, 2)
            window_pos, until = self._windows.get(key, (0, 0.0))
            if until > now:
                pos = window_pos
            elif link is None:
                self._windows[key] = (event.seq, now + WINDOW_S)
            else:
                pos, order = link.seq, order - 2**60
        self.place[destination, event.n] = (pos, order, event.seq)


def _holds(event: Row, workspace: Any) -> bool:
    config = workspace.destinations.get("pendo")
    if config is None or event.user_id or config.settings.anonymous("cloud") != "hold" or not config.enabled:
        return False
    return event.type in {"track", "identify"} or (event.type == "page" and config.settings.page_events)


def _not_later(this: Row, other: Row, anonymous_id: str) -> bool:
    same = this.anonymous_id == other.anonymous_id == anonymous_id
    if same and this.page_ms is not None and other.page_ms is not None:
        return this.page_ms <= other.page_ms
    return this.at_ms <= other.at_ms


def _order(
    world: World,
    events: list[Row],
    fates: dict[tuple[str, int], tuple[str, int]],
    journal: dict[tuple[str, int], list[Sent]],
    model: Lanes,
) -> None:
    """Per lane, what was delivered was first stored there in the order of the lane."""
    exact = not world.jumped and not any("shared" in program.tainted for program in world.programs)
    released = (
        any(what == "anonymous" for what, _ in world.ever)
        and len([w for w in world.ever if w[0] == "anonymous"]) > 1
    )
    lanes: dict[tuple[str, str, str], list[tuple[tuple[int, int, int], float, Row]]] = defaultdict(list)
    for event in events:
        for destination, channel in event.routes.items():
            if fates.get((destination, event.seq), ("", 0))[0] != DELIVERED:
                continue
            held = (event.n, destination) in model.held_ever
            if held and released:
                continue  # it may have come free when the setting changed
            if not exact and (held or event.source != "srv"):
                continue
            stored = [
                sent.stored_at
                for sent in journal[destination, event.n]
                if event.n in sent.stored and sent.part != "parentAccount" and sent.stored_at is not None
            ]
            if not stored:
                world.wrong(f"e{event.n} is said to be delivered to {destination}, which never saw it")
                continue
            place = model.place[destination, event.n] if exact else (event.seq, 0, 0)
            lanes[destination, channel, event.lane].append((place, min(stored), event))
    for key, entries in lanes.items():
        entries.sort(key=lambda entry: entry[0])
        for (_, before, first), (_, after, second) in zip(entries, entries[1:], strict=False):
            if after < before and not _halved(journal[key[0], first.n], first.n, second.n):
                world.wrong(f"lane {key}: e{second.n} came before e{first.n} ({after:.3f} < {before:.3f})")


def _halved(sent: list[Sent], first: int, second: int) -> bool:
    """Whether two events were in one request under different ids, and it was refused as a whole: its halves come in any order, since what
    they change is different.
    """
    return any(
        one.reply is not None
        and (one.reply.status or 0) >= 400
        and {first, second} <= set(one.events)
        and not any({first, second} <= set(found) for found in one.items.values())
        for one in sent
    )


def _person(
    world: World,
    events: list[Row],
    fates: dict[tuple[str, int], tuple[str, int]],
    journal: dict[tuple[str, int], list[Sent]],
    model: Lanes,
) -> None:
    """Each event is delivered under its person: the user, the one that a link names, or the anonymous visitor."""
    holds = {setting for what, setting in world.ever if what == "anonymous"} == {"hold"}
    for event in events if holds and not world.jumped else ():
        fate, _ = fates.get(("pendo", event.seq), ("", 0))
        if event.n in model.person and fate in {"skipped:anonymous", "skipped:anonymous_expired"}:
            world.wrong(f"e{event.n} is {model.person[event.n]}'s, and ended as {fate}")
    for event in events:
        if event.type not in {"track", "page", "identify"}:
            continue
        for sent in journal["pendo", event.n]:
            (visitor,) = [identity for identity, found in sent.items.items() if event.n in found]
            expected = {event.user_id or model.person.get(event.n, "")}
            if not event.user_id and (("anonymous", "prefix") in world.ever):
                expected.add(f"_PENDO_T_{event.anonymous_id}")
            if visitor not in expected:
                world.wrong(f"e{event.n} was sent under {visitor}, it belongs to {sorted(expected)}")


def _gates(world: World, events: list[Row], journal: dict[tuple[str, int], list[Sent]], model: Lanes) -> None:
    """Rule G3, where nothing fails: a track event waits for earlier metadata of its person."""
    if not world.scenario.calm:
        return
    firsts: dict[str, list[tuple[int, float, int]]] = defaultdict(list)
    for event in events:
        if (
            event.type in {"identify", "group"}
            and journal["pendo", event.n]
            and (event.n, "pendo") not in model.held_ever
        ):
            person = event.user_id or model.person.get(event.n) or event.anonymous_id
            firsts[person].append((event.seq, journal["pendo", event.n][0].at, event.n))
    for event in events:
        if event.type not in {"track", "page"} or not journal["pendo", event.n]:
            continue
        if (event.n, "pendo") in model.held_ever:
            continue
        person = event.user_id or model.person.get(event.n) or event.anonymous_id
        at = journal["pendo", event.n][0].at
        for seq, first, n in firsts[person]:
            if seq < event.seq and first > at:
                world.wrong(
                    f"e{event.n} of {person} was sent at {at:.3f}, before e{n} ({first:.3f}), which came earlier"
                )
