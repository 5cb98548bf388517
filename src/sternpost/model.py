"""The data that flows through Sternpost, as frozen values.

Events are accepted, wait in lanes, and are delivered. Everything here is plain data: no I/O, no clock, no behaviour beyond
what a value can say about itself. Read this file first, then `store/base.py` and `delivery/worker.py`.

What is made for every event is a msgspec Struct, which costs a tenth of a frozen dataclass and is as frozen; `gc=False`, since nothing in
it can point back to it.

Units: `*_at` and `now` are unix seconds (float) of *our* clock; `*_ms` are integer unix milliseconds of an *event's* clock.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import msgspec

from sternpost.notes import NoteCode
from sternpost.reasons import ReasonCode

Mode: TypeAlias = Literal["device", "cloud", "hybrid"]
SourceType: TypeAlias = Literal["web", "mobile", "server"]
State: TypeAlias = Literal["pending", "held", "retrying", "blocked", "delivered", "skipped", "rejected"]
STATES: tuple[State, ...] = ("pending", "held", "retrying", "blocked", "delivered", "skipped", "rejected")


# --- events ---------------------------------------------------------------------------------------------------------


class Event(msgspec.Struct, frozen=True, gc=False):
    """One call of a client, as it was sent, plus what the gateway knows about it."""

    message_id: str  #: unique within its source; the client's, cleaned, or a new UUID v4
    source_id: str  #: the source whose write key it carried
    type: str  #: the endpoint's name, or the type as sent in a batch; "" when that was absent or no text
    type_set: bool  #: True when the endpoint decided the type, which then replaces the body's
    received_at: float  #: unix seconds of our clock
    request_ip: str  #: the client's address as the gateway saw it; used when the body names none
    body: bytes  #: the client's JSON object, byte for byte
    user_id: str = ""  #: userId as cleaned text ("" = none)
    anonymous_id: str = ""  #: anonymousId as cleaned text ("" = none)
    at_ms: int = 0  #: the corrected timestamp (contract 6.2)
    page_ms: int | None = None  #: originalTimestamp as sent; None when absent or unreadable
    seq: int = 0  #: order of acceptance, given by the store; 0 before
    path: str = ""  #: the door's path it came by, e.g. /v1/batch; "" when it is not known
    position: int = 0  #: its place in the batch that it came in, from 1; 0: it came alone
    in_order: bool = False  #: its page sends one batch at a time and says so (rule G4); not kept

    @property
    def lane(self) -> str:
        """The ordering key: the anonymousId, else the userId; the prefix keeps the two apart."""
        return f"a:{self.anonymous_id}" if self.anonymous_id else f"u:{self.user_id}"


class Link(msgspec.Struct, frozen=True, gc=False):
    """An anonymousId became a userId (`identify` with both, or `alias` whose previousId is the anonymousId)."""

    anonymous_id: str
    user_id: str
    at_ms: int
    page_ms: int | None
    if_seen: bool = False  #: an alias: a link only when the store has seen this anonymousId (rule I8)


class Membership(msgspec.Struct, frozen=True, gc=False):
    """A person belongs to an account since a moment (a `group` call)."""

    group_id: str
    at_ms: int  #: corrected timestamp of the group call
    page_ms: int | None  #: its originalTimestamp
    anonymous_id: (
        str  #: the anonymousId of the call, "" when it had none (rule G4 compares page clocks within one)
    )
    parents: Mapping[str, str] = msgspec.field(
        default_factory=dict
    )  #: trait name → id of the parent account (rule I5)


class Route(msgspec.Struct, frozen=True, gc=False):
    """Where one event goes: decided by the intake from the workspace snapshot, stored with the event."""

    destination_id: str
    channel: str
    settle_s: float = 0.0  #: rule G4: how long the lane waits for neighbours that are still on their way
    in_order: bool = False  #: with settle_s: nothing before it is on its way; it joins others that wait, and makes nobody wait
    held: bool = False  #: waits for a link instead of for its turn (anonymousVisitors: hold)
    hold_s: float = 0.0  #: with held: seconds of the event's own clock after which it expires
    gate: bool = False  #: rule G3: later events of this person in `gated` channels wait for its first try
    gated: bool = False  #: rule G3: waits for earlier `gate` events of its person at this destination


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """An event with everything `Store.accept` writes in one transaction."""

    event: Event
    routes: tuple[Route, ...] = ()
    link: Link | None = None
    membership: Membership | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request, or a part of a large one, that was checked and kept as it came: its events are made when it is spread."""

    source_id: str
    received_at: float
    request_ip: str
    path: str  #: the door's path
    call: str  #: of a single event its type; "" = the body is a batch
    events: int  #: how many are in the body, at least one
    before: int  #: how many of the same request are in earlier parts
    body: bytes  #: unpacked, and masked where the source masks; at most `limits.ARRIVAL_BYTES_MAX`, or one event
    #: ids of the people in it, users and anonymous ones alike; () when it was read from the store
    people: Collection[str] = ()


# --- requests and what became of them -------------------------------------------------------------------------------


class Call(msgspec.Struct, frozen=True, gc=False):
    """An HTTP request as data: built by a destination, sent only by the engine."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    secret_headers: frozenset[str] = frozenset()  #: header names (lower case) whose values are never shown


class Reply(msgspec.Struct, frozen=True, gc=False):
    """What came back. Without a status nothing came back, and `error` says why."""

    status: int | None
    headers: Mapping[str, str]  #: names in lower case
    body: bytes  #: at most `limits.REPLY_BODY_BYTES_MAX`
    ms: int  #: how long it took
    error: ReasonCode | None = None  #: timeout, connection_refused, … when there is no status
    error_detail: str = ""


class Note(msgspec.Struct, frozen=True, gc=False):
    """A remark on a delivery: the partner said yes, but something was changed or may not show."""

    code: NoteCode
    path: str = ""  #: `traits.address`, `properties.cart`; "" when it concerns the whole event
    detail: str = ""


class Delivered(msgspec.Struct, frozen=True, gc=False):
    """Accepted by the destination. Final."""

    detail: str = ""  #: a sentence for people, e.g. what the next event will do
    notes: tuple[Note, ...] = ()


class Skipped(msgspec.Struct, frozen=True, gc=False):
    """Not sent on purpose. Final."""

    reason: ReasonCode
    detail: str = ""  #: the rule and the values that decided
    notes: tuple[Note, ...] = ()
    remember_s: float = 0.0  #: skip the same ids for that long without asking again (DNP_REMEMBER_H)


class Rejected(msgspec.Struct, frozen=True, gc=False):
    """Will never succeed as it is: a dead letter that a person may retry. Final."""

    reason: ReasonCode
    detail: str = ""
    notes: tuple[Note, ...] = ()


class Retry(msgspec.Struct, frozen=True, gc=False):
    """May succeed later; only this lane waits."""

    reason: ReasonCode
    detail: str = ""
    after_s: float | None = None  #: what the destination asked for (Retry-After); None = our own backoff
    tries_max: int | None = (
        None  #: give up with this reason after so many tries; None = after RETRY_MAX_AGE_H
    )
    slow_channel: bool = False  #: the whole channel slows down (429)


class Blocked(msgspec.Struct, frozen=True, gc=False):
    """Nothing can succeed until a person acts: the destination's channel waits, nothing is lost."""

    reason: ReasonCode
    detail: str = ""


Outcome: TypeAlias = Delivered | Skipped | Rejected | Retry | Blocked
Final: TypeAlias = Delivered | Skipped | Rejected


class Split(msgspec.Struct, frozen=True, gc=False):
    """An answer of `read`: the batch is to be sent again in halves, to find which item it means."""

    reason: ReasonCode
    detail: str = ""


# --- lanes ----------------------------------------------------------------------------------------------------------


class LaneKey(msgspec.Struct, frozen=True, gc=False):
    destination_id: str
    channel: str
    lane: str


class Person(msgspec.Struct, frozen=True, gc=False):
    """What the store knows about the people of one event, for `account_at`."""

    user_id: str  #: the event's userId, or the one a link gave a held event; "" = anonymous
    memberships: tuple[Membership, ...] = ()  #: oldest first
    group_parents: Mapping[str, Mapping[str, str]] = msgspec.field(
        default_factory=dict
    )  #: account id → its parents
    linked: bool = False  #: of an alias: its previousId was an anonymousId and is now linked to its userId


class Waiting(msgspec.Struct, frozen=True, gc=False):
    """One event on its way to one destination, as `claim` hands it out."""

    event: Event
    person: Person
    attempts: int = 0  #: tries that counted so far
    first_attempt_at: float | None = None
    parts_done: int = 0  #: requests of this event that have succeeded already
    reply_lost: bool = False  #: a try ended without an answer, so the destination may have it (rule G6)


class Run(msgspec.Struct, frozen=True, gc=False):
    """The oldest waiting events of one lane, leased to one worker."""

    key: LaneKey
    lease: str  #: random; a settlement with another one changes nothing
    events: tuple[Waiting, ...]


class Attempt(msgspec.Struct, frozen=True, gc=False):
    """A try as it is kept: request and reply with secrets masked, texts bounded."""

    at: float
    ms: int
    request: (
        Mapping[str, Any] | None
    )  #: {method, url, headers, body}; None for a delivered try that can be rebuilt
    reply: Mapping[str, Any] | None  #: {status, headers, body}
    error: str | None = None
    outcome: str = ""  #: delivered | skipped | rejected | retry | blocked
    wait_s: float | None = None


class Settled(msgspec.Struct, frozen=True, gc=False):
    """The outcome of one event of a run."""

    seq: int
    outcome: Outcome
    at: float
    attempt: Attempt | None = None  #: None when nothing was sent (a rule decided)
    parts_done: int = 0  #: with Retry: how many requests of this event need no repeating
    reply_lost: bool = False  #: with Retry: the try ended without an answer
    source_id: str = ""  #: the event's, for the counts by source
    received_at: float | None = None  #: the event's, for the counts of how long deliveries took


class Settlement(msgspec.Struct, frozen=True, gc=False):
    """What a worker reports about a leased run. Events it does not mention stay as they were."""

    key: LaneKey
    lease: str
    settled: Sequence[Settled] = ()
    release: bool = True  #: give the lane back; False keeps (and renews) the lease
    ready_at: float | None = None  #: with release: not before; None = at once
    backing_off: bool = False  #: the head was tried and will be tried again at ready_at


# --- the workspace snapshot -----------------------------------------------------------------------------------------


class Secret:
    """A text that must not be shown: `str()` and `repr()` mask it, `reveal()` gives it to whoever sends the request."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __str__(self) -> str:
        # Two characters of a short secret would give too much of it away.
        return f"••••{self._value[-2:]}" if len(self._value) >= 12 else "••••"

    __repr__ = __str__

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(("Secret", self._value))


@dataclass(frozen=True, slots=True)
class Masking:
    """What a source's events lose before they are stored: paths such as `traits.email` (see `wire.privacy`)."""

    drop: tuple[str, ...] = ()  #: the value goes
    hash: tuple[str, ...] = ()  #: a keyed hash takes its place


@dataclass(frozen=True, slots=True)
class PreviousKey:
    """A write key that was rotated out and is still taken for a while."""

    write_key: str
    until: float  #: unix seconds


@dataclass(frozen=True, slots=True)
class Source:
    id: str
    name: str
    type: SourceType
    write_key: str
    enabled: bool = True
    allowed_origins: tuple[str, ...] = ()  #: empty = any
    blocked_events: frozenset[str] = frozenset()
    requests_per_second: float = 0.0  #: 0 = no limit
    masking: Masking | None = None  #: None = everything is stored as it was sent
    previous_keys: tuple[PreviousKey, ...] = ()


@dataclass(frozen=True, slots=True)
class Consent:
    """One entry of a destination's consent settings (contract 6.6)."""

    provider: str
    resolution_strategy: str  #: "and" | "or" | ""
    consents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EventFiltering:
    mode: Literal["off", "allow", "deny"] = "off"
    events: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DestinationConfig:
    """A configured destination. `settings` is the frozen settings type of its kind, secrets inside as `Secret`."""

    id: str
    name: str
    type: str
    enabled: bool
    settings: Any
    event_filtering: EventFiltering = EventFiltering()
    consent: tuple[Consent, ...] = ()
    rate_per_second: float = 100.0
    concurrency: int = 64
    secret_problem: str = (
        ""  #: a secret that could not be read, as a sentence; the destination is then blocked
    )


@dataclass(frozen=True, slots=True)
class Connection:
    source_id: str
    destination_id: str
    mode: Mode


@dataclass(frozen=True, slots=True)
class Workspace:
    """Sources, destinations and connections as one frozen, validated snapshot."""

    revision: int = 0
    sources: Mapping[str, Source] = field(default_factory=dict)  #: by id
    destinations: Mapping[str, DestinationConfig] = field(default_factory=dict)  #: by id
    connections: tuple[Connection, ...] = ()
    read_from: str = ""  #: the workspace file's name, "" when the store holds it
    _between: Mapping[tuple[str, str], Connection] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        between = {(one.source_id, one.destination_id): one for one in reversed(self.connections)}
        object.__setattr__(self, "_between", between)

    def connection(self, source_id: str, destination_id: str) -> Connection | None:
        """The connection between the two, None when there is none."""
        return self._between.get((source_id, destination_id))


# --- a message: an event decoded for rules and destinations -----------------------------------------------------------


class Message(msgspec.Struct, frozen=True, gc=False):
    """An event decoded, with what the gateway adds to it (made by `wire.message.read`)."""

    event: Event
    body: Mapping[
        str, Any
    ]  #: the event as received; for whoever sends all of it with messageId, receivedAt, rudderId, request_ip … written in
    source_type: SourceType

    @property
    def type(self) -> str:
        """The type in lower case without spaces around; "" when absent or no text."""
        return self.event.type.strip().lower()
