"""Everything a subscription holds, with its bounds. Functions elsewhere change it; nothing here knows HTTP.

Visitors, accounts and events are kept in order of arrival; when a bound is hit the oldest go and `dropped` counts them.
Only anonymous visitors have an index of their events: a merge must find them at once, and nobody else is ever re-pointed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, Literal, TypeAlias

import msgspec

from sternpost.sandbox import limits, switches
from sternpost.sandbox.diagnostics import Code
from sternpost.sandbox.model import BulkDelete, Diagnostic, Event, Fault, Field, Record, Request, Segment

Kind: TypeAlias = Literal["visitor", "account", "parentAccount"]
KINDS: tuple[Kind, ...] = ("visitor", "account", "parentAccount")
ANONYMOUS_PREFIX = "_PENDO_T_"  #: of anonymous visitor ids [S, O]

#: Fields that exist from the start, read only [S: rows of `visitors` and `accounts`].
_AUTO_FIELDS = {
    "visitor": {
        "id": "string",
        "idhash": "number",
        "firstvisit": "time",
        "lastvisit": "time",
        "lastupdated": "time",
        "lastbrowsername": "string",
        "lastoperatingsystem": "string",
        "lastuseragent": "string",
        "accountid": "string",
        "accountids": "list",
        "language": "string",
    },
    "account": {
        "id": "string",
        "idhash": "number",
        "firstvisit": "time",
        "lastvisit": "time",
        "lastupdated": "time",
    },
    "parentAccount": {"id": "string", "idhash": "number", "lastupdated": "time"},
}


class Arrival(msgspec.Struct):
    """An event that was accepted and waits for (or is at) its processing."""

    request_id: int
    path: str
    at_ms: int
    app: str
    user_agent: str
    size: int
    event: Event | None = None  #: by a server route: ready to be kept
    agent: dict[str, Any] | None = None  #: by the agent: as it came, identity not yet worked out


class Kept(msgspec.Struct):
    """The part of the state that is written to the state file as it is."""

    switches: dict[str, Any]
    clock_offset_ms: int = 0
    processed_hour: int = 0
    next_id: int = 1  #: of segments, jobs, deletions and feedback
    next_request_id: int = 1
    events_total: int = 0  #: ever accepted since the reset
    visitors: dict[str, Record] = {}
    accounts: dict[str, Record] = {}
    parents: dict[str, Record] = {}
    fields: dict[str, dict[str, dict[str, Field]]] = {}
    aliases: dict[str, str] = {}  #: merged anonymous id → identified id
    dnp_visitors: dict[str, None] = {}
    dnp_accounts: dict[str, None] = {}
    event_names: dict[str, dict[str, int]] = {}  #: app → track event name → first seen, ms
    property_keys: dict[str, None] = {}
    segments: dict[str, Segment] = {}
    exports: dict[str, str] = {}  #: job → segment
    bulk_deletes: dict[str, BulkDelete] = {}
    bulk_delete_last_ms: int | None = None
    feedback: dict[str, dict[str, Any]] = {}
    pending: list[Arrival] = []  #: waits for the hourly run
    dropped: dict[str, int] = {}  #: what went because a bound was hit


class RecordedRequest(msgspec.Struct):
    """A request with its answer, kept for people and tests."""

    request: Request
    status: int | None  #: None: the connection was closed without an answer
    body_bytes: int
    fault: bool


class State:
    """One subscription, what came in, and the faults to be injected."""

    def __init__(self, region: str, base_switches: Mapping[str, Any]) -> None:
        self.region = region
        self.base_switches = dict(base_switches)
        #: Wakes the live page; counts every change that the page shows.
        self.version = 0
        self.requests: deque[RecordedRequest] = deque()
        self.requests_bytes = 0
        self.reset()

    def reset(self) -> None:
        """Back to the seed. Request ids go on, so that a diagnostic never names two requests."""
        next_request_id = self.kept.next_request_id if hasattr(self, "kept") else 1
        self.load(
            Kept(switches=switches.defaults() | self.base_switches, next_request_id=next_request_id), [], []
        )
        for kind in KINDS:
            fields = self.kept.fields.setdefault(kind, {"auto": {}, "agent": {}, "custom": {}})
            fields["auto"] = {
                name: Field(field_type, name) for name, field_type in _AUTO_FIELDS[kind].items()
            }
        # Every subscription has this segment; it was not made by the API, so it cannot be changed through it.
        self.kept.segments["everyone"] = Segment("everyone", "Everyone", {}, False, 0, 0)
        self.requests.clear()
        self.requests_bytes = 0

    def load(self, kept: Kept, events: list[Event], diagnostics: list[Diagnostic]) -> None:
        """Take over what a snapshot held, and work out what is derived from it."""
        self.kept = kept
        self.events: deque[Event] = deque(events)
        self.events_bytes = sum(event.size for event in events)
        self.anonymous_events: dict[str, deque[Event]] = {}
        for event in events:
            if event.visitor_id.startswith(ANONYMOUS_PREFIX):
                self.anonymous_events.setdefault(event.visitor_id, deque()).append(event)
        self.metadata_bytes = {
            kind: sum(record.size for record in self.records(kind).values()) for kind in KINDS
        }
        self.pending_bytes = sum(arrival.size for arrival in kept.pending)
        self.diagnostics: deque[Diagnostic] = deque(diagnostics, limits.DIAGNOSTICS_KEPT_MAX)
        self.faults: list[Fault] = []
        newest = events[-limits.SAME_MS_ENTRIES_MAX :]
        self.recent = {(event.visitor_id, event.type, event.timestamp) for event in newest if event.server}
        self.recent_before: set[tuple[str, str, int]] = set()
        self.property_values: dict[str, set[int]] = {}
        self.property_values_count = 0
        self.rate_window = 0
        self.rate_count = 0
        self.version += 1

    # --- switches, notes ---------------------------------------------------------------------------------------------

    def switch(self, name: str) -> Any:
        """The present value of a switch."""
        return self.kept.switches[name]

    def note(self, source: Request | Arrival, code: Code, explanation: str) -> None:
        """Record why something would not show up at Pendo."""
        request_id = source.id if isinstance(source, Request) else source.request_id
        if len(explanation) > limits.EXPLANATION_CHARS_MAX:
            explanation = explanation[: limits.EXPLANATION_CHARS_MAX - 1] + "…"
        if len(self.diagnostics) == limits.DIAGNOSTICS_KEPT_MAX:
            self.count_dropped("diagnostics")
        self.diagnostics.append(Diagnostic(code, request_id, source.path[:200], explanation, source.at_ms))

    def count_dropped(self, what: str, number: int = 1) -> None:
        """A bound was hit and something went."""
        self.kept.dropped[what] = self.kept.dropped.get(what, 0) + number

    def new_id(self, prefix: str) -> str:
        """The next id; counted, not random, so that replaying the journal gives the same ones."""
        number = self.kept.next_id
        self.kept.next_id += 1
        return f"{prefix}-{number:06d}"

    # --- visitors and accounts ---------------------------------------------------------------------------------------

    def records(self, kind: Kind) -> dict[str, Record]:
        """The visitors, accounts or parent accounts by id."""
        if kind == "visitor":
            return self.kept.visitors
        return self.kept.accounts if kind == "account" else self.kept.parents

    def record(self, kind: Kind, record_id: str, at_ms: int) -> Record:
        """The record of that id, made when it is not there."""
        records = self.records(kind)
        record = records.get(record_id)
        if record is None:
            record = records[record_id] = Record(at_ms)
            if len(records) > limits.VISITORS_MAX:
                self.drop_oldest(kind)
        return record

    def drop_oldest(self, kind: Kind) -> None:
        """Remove the oldest records, a chunk at once."""
        records = self.records(kind)
        oldest = list(islice(records, min(limits.EVICT_CHUNK, len(records) - 1)))
        for record_id in oldest:
            self.metadata_bytes[kind] -= records.pop(record_id).size
        self.count_dropped(f"{kind}s", len(oldest))

    def resize(self, kind: Kind, record: Record, size: int) -> None:
        """The metadata of a record has a new size."""
        self.metadata_bytes[kind] += size - record.size
        record.size = size
        while self.metadata_bytes[kind] > limits.METADATA_BYTES_MAX and len(self.records(kind)) > 1:
            self.drop_oldest(kind)

    def do_not_process(self, kind: Kind, record_id: str | None) -> bool:
        """Whether that visitor or account has been opted out."""
        return record_id in (self.kept.dnp_visitors if kind == "visitor" else self.kept.dnp_accounts)

    def set_do_not_process(self, kind: Kind, record_id: str, *, on: bool) -> None:
        """Opt a visitor or an account out, or in again."""
        ids = self.kept.dnp_visitors if kind == "visitor" else self.kept.dnp_accounts
        if not on:
            ids.pop(record_id, None)
            return
        ids[record_id] = None
        if len(ids) > limits.DNP_IDS_MAX:
            for oldest in list(islice(ids, limits.EVICT_CHUNK)):
                del ids[oldest]
            self.count_dropped("do-not-process ids", limits.EVICT_CHUNK)

    # --- events ------------------------------------------------------------------------------------------------------

    def keep(self, event: Event) -> None:
        """Keep an event; its visitor and account come into being, and the visitor belongs to the account from now on [S]."""
        at_ms = event.at_ms
        visitor = self.record("visitor", event.visitor_id, at_ms)
        if visitor.first_visit_ms is None:
            visitor.first_visit_ms = at_ms
        visitor.last_visit_ms = visitor.updated_ms = at_ms
        if event.account_id is not None:
            account = self.record("account", event.account_id, at_ms)
            if account.first_visit_ms is None:
                account.first_visit_ms = at_ms
            account.last_visit_ms = account.updated_ms = at_ms
            self.associate(visitor, event.account_id, at_ms)
        self.events.append(event)
        self.events_bytes += event.size
        self.kept.events_total += 1
        if event.visitor_id.startswith(ANONYMOUS_PREFIX):
            self.anonymous_events.setdefault(event.visitor_id, deque()).append(event)
        while len(self.events) > limits.EVENTS_KEPT_MAX or self.events_bytes > limits.EVENTS_KEPT_BYTES_MAX:
            self._drop_oldest_event()

    def associate(self, visitor: Record, account_id: str, at_ms: int) -> None:
        """Remember that the visitor was seen with the account, in order of first appearance [S: hc/12350019801755]."""
        visitor.last_account = account_id
        if account_id not in visitor.accounts:
            visitor.accounts[account_id] = at_ms
            if len(visitor.accounts) > limits.ACCOUNTS_PER_VISITOR_MAX:
                del visitor.accounts[next(iter(visitor.accounts))]
                self.count_dropped("accounts of a visitor")

    def _drop_oldest_event(self) -> None:
        event = self.events.popleft()
        self.events_bytes -= event.size
        anonymous = self.anonymous_events.get(event.visitor_id)
        if anonymous is not None:
            anonymous.popleft()
            if not anonymous:
                del self.anonymous_events[event.visitor_id]
        self.count_dropped("events")

    def repeated(self, visitor_id: str, event_type: str, timestamp: int) -> bool:
        """Whether that visitor has recently had an event of the type in the same millisecond."""
        key = (visitor_id, event_type, timestamp)
        if key in self.recent or key in self.recent_before:
            return True
        self.recent.add(key)
        # Two generations of sets: forgetting the oldest half costs nothing, and needs no order of its own.
        if len(self.recent) > limits.SAME_MS_ENTRIES_MAX:
            self.recent_before, self.recent = self.recent, set()
        return False

    def erase_record(self, kind: Kind, record_id: str) -> None:
        """Remove one record, and only it."""
        record = self.records(kind).pop(record_id, None)
        if record is not None:
            self.metadata_bytes[kind] -= record.size

    # --- erasure and merge -------------------------------------------------------------------------------------------

    def erase(self, kind: Kind, ids: set[str]) -> None:
        """Remove visitors or accounts with all their events."""
        for record_id in ids:
            self.erase_record(kind, record_id)
        if kind == "visitor":
            self._keep_only(lambda event: event.visitor_id not in ids)
        else:
            self._keep_only(lambda event: event.account_id not in ids)
            for visitor in self.kept.visitors.values():
                for record_id in ids & visitor.accounts.keys():
                    del visitor.accounts[record_id]
                if visitor.last_account in ids:
                    visitor.last_account = next(reversed(visitor.accounts), None)

    def _keep_only(self, wanted: Callable[[Event], bool]) -> None:
        self.events = deque(event for event in self.events if wanted(event))
        self.events_bytes = sum(event.size for event in self.events)
        for record_id, events in list(self.anonymous_events.items()):
            left = deque(event for event in events if wanted(event))
            if left:
                self.anonymous_events[record_id] = left
            else:
                del self.anonymous_events[record_id]

    def repoint(self, old: str, new: str, at_ms: int) -> int:
        """Give everything of an anonymous visitor to an identified one; answers with how many events moved."""
        moved = self.anonymous_events.pop(old, deque())
        for event in moved:
            event.visitor_id = new
        anonymous = self.kept.visitors.pop(old, None)
        if anonymous is not None:
            self.metadata_bytes["visitor"] -= anonymous.size
            visitor = self.record("visitor", new, at_ms)
            appearances = sorted(
                [*anonymous.accounts.items(), *visitor.accounts.items()], key=lambda item: item[1]
            )
            visitor.accounts = {}
            for account_id, first_ms in appearances:
                visitor.accounts.setdefault(account_id, first_ms)
            visitor.last_account = visitor.last_account or anonymous.last_account
            visits = [ms for ms in (visitor.first_visit_ms, anonymous.first_visit_ms) if ms is not None]
            visitor.first_visit_ms = min(visits, default=None)
            visitor.last_visit_ms = visitor.last_visit_ms or anonymous.last_visit_ms
            visitor.user_agent = visitor.user_agent or anonymous.user_agent
        self.kept.aliases[old] = new
        if len(self.kept.aliases) > limits.ALIASES_MAX:
            for oldest in list(islice(self.kept.aliases, limits.EVICT_CHUNK)):
                del self.kept.aliases[oldest]
            self.count_dropped("merged anonymous ids", limits.EVICT_CHUNK)
        return len(moved)

    def now_ms(self, wall_ms: int) -> int:
        """The sandbox's clock: the machine's, moved by `/__sandbox/clock`."""
        return wall_ms + self.kept.clock_offset_ms


def event_view(event: Event) -> dict[str, Any]:
    """An event in the fixed shape of `/__sandbox/state` (interface.md, 4)."""
    return {
        "type": event.type,
        "event": event.event,
        "visitorId": event.visitor_id,
        "accountId": event.account_id,
        "timestamp": event.timestamp,
        "properties": event.properties,
        "context": event.context,
    }


def state_view(state: State) -> dict[str, Any]:
    """`GET /__sandbox/state`. `parentAccounts` and `dropped` appear only when there is something to say."""
    view: dict[str, Any] = {
        "visitors": {
            record_id: {"metadata": visitor.metadata(), "accounts": list(visitor.accounts)}
            for record_id, visitor in state.kept.visitors.items()
        },
        "accounts": {
            record_id: {"metadata": account.metadata()} for record_id, account in state.kept.accounts.items()
        },
        "events": [event_view(event) for event in state.events],
    }
    if state.kept.parents:
        view["parentAccounts"] = {
            record_id: {"metadata": parent.metadata()} for record_id, parent in state.kept.parents.items()
        }
    if state.kept.dropped:
        view["dropped"] = dict(state.kept.dropped)
    return view
