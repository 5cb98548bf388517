"""Who an event belongs to: ids, do not process, merges, associations (pendo.md, "Identity rules").

Pendo learns everything about identity from events. The web agent's `identify` event is the only merge signal, and it
merges an anonymous visitor into an identified one, never two identified ones [S: hc/21202637874587].
"""

from __future__ import annotations

from typing import Any

from sternpost.sandbox import limits
from sternpost.sandbox.losses import diagnose_properties, diagnose_timestamp
from sternpost.sandbox.metadata import write_agent_fields
from sternpost.sandbox.model import Event, Request
from sternpost.sandbox.state import ANONYMOUS_PREFIX, Arrival, State

PLACEHOLDERS = ("VISITOR-UNIQUE-ID", "ACCOUNT-UNIQUE-ID")  #: of Pendo's snippet; they count as missing [S, O]
HOUR_MS = 3_600_000


def usable_id(value: Any) -> str | None:
    """The id as Pendo keeps it, or None when it counts as missing [S, O].

    Ids are texts, case-sensitive; numbers become decimal texts. Blank ones, placeholders, `::`, booleans and objects are none.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = value if isinstance(value, str) else f"{value:.17g}" if isinstance(value, float) else str(value)
    if not text.strip() or len(text) > limits.ID_CHARS_MAX or text in PLACEHOLDERS or text.strip() == "::":
        return None
    return text


def usable_account_id(state: State, value: Any) -> str | None:
    """As `usable_id`; `parent::child` needs both parts while parent accounts are on [S: hc/360032201831]."""
    text = usable_id(value)
    if text is not None and "::" in text and state.switch("parentAccounts") == "on":
        parent, _, child = text.partition("::")
        if not parent.strip() or not child.strip():
            return None
    return text


def is_anonymous(visitor_id: str) -> bool:
    """Whether the agent (or who imitates it) made that id [S, O]."""
    return visitor_id.startswith(ANONYMOUS_PREFIX)


def resolve(state: State, visitor_id: str) -> str:
    """The visitor that an id belongs to now: a merged anonymous id follows its merge [A: identity.lateEvents]."""
    if state.kept.aliases and state.switch("identity.lateEvents") == "follow":
        return state.kept.aliases.get(visitor_id, visitor_id)
    return visitor_id


def account_of(state: State, source: Request | Arrival, value: Any) -> str | None:
    """The account id of an event; an unusable one is ignored and diagnosed."""
    account_id = usable_account_id(state, value)
    if account_id is None:
        if value is not None:
            state.note(source, "bad_id", f"The account id {value!r} counts as missing.")
        return None
    if "::" in account_id:
        if state.switch("parentAccounts") == "on":
            state.record("parentAccount", account_id.partition("::")[0], source.at_ms)
        else:
            state.note(
                source,
                "account_parent_syntax",
                f"Parent accounts are not enabled; {account_id!r} is an account like any other.",
            )
    return account_id


def opted_out(
    state: State, source: Request | Arrival, visitor_id: str | None, account_id: str | None
) -> bool:
    """Whether data of that visitor or account is not processed; diagnosed."""
    if visitor_id is not None and state.do_not_process("visitor", visitor_id):
        state.note(
            source,
            "do_not_process",
            f"The visitor {visitor_id!r} is marked do not process; its data was dropped.",
        )
        return True
    if account_id is not None and state.do_not_process("account", account_id):
        state.note(
            source,
            "do_not_process",
            f"The account {account_id!r} is marked do not process; its data was dropped.",
        )
        return True
    return False


# --- arrivals and the hourly processing ------------------------------------------------------------------------------


def arrive(state: State, arrival: Arrival) -> None:
    """Process an event now, or with the next hourly run [behaviour S: hc/10508118459035; mechanism A: visibility]."""
    if state.switch("visibility") == "instant":
        process_arrival(state, arrival)
        return
    state.kept.pending.append(arrival)
    state.pending_bytes += arrival.size
    if len(state.kept.pending) >= limits.PENDING_MAX or state.pending_bytes > limits.PENDING_BYTES_MAX:
        process_all(state)


def process_all(state: State) -> int:
    """The hourly processing: show what waited; answers with how many events that were."""
    waiting, state.kept.pending = state.kept.pending, []
    state.pending_bytes = 0
    for arrival in waiting:
        process_arrival(state, arrival)
    return len(waiting)


def tick(state: State, now_ms: int) -> None:
    """Run the hourly processing when the clock has passed an hour."""
    hour = now_ms // HOUR_MS
    if hour != state.kept.processed_hour:
        state.kept.processed_hour = hour
        if state.kept.pending:
            process_all(state)


def process_arrival(state: State, arrival: Arrival) -> None:
    """Keep what arrived, under the visitor it belongs to now."""
    if arrival.event is not None:
        event = arrival.event
        event.visitor_id = resolve(state, event.visitor_id)
        state.keep(event)
    elif arrival.agent is not None:
        _process_agent_event(state, arrival, arrival.agent)


# --- the web agent's events ------------------------------------------------------------------------------------------


def _process_agent_event(state: State, arrival: Arrival, sent: dict[str, Any]) -> None:
    event_type = sent.get("type")
    if not isinstance(event_type, str) or not event_type:
        state.note(arrival, "bad_body", "An event of the batch has no type.")
        return
    props = sent.get("props")
    props = props if isinstance(props, dict) else {}
    visitor_id = usable_id(sent.get("visitor_id"))
    if visitor_id is None:
        state.note(
            arrival,
            "bad_id",
            f"The visitor id {sent.get('visitor_id')!r} of a {event_type} event counts as missing; the event was ignored.",
        )
        return
    account_id = account_of(state, arrival, sent.get("account_id"))
    if opted_out(state, arrival, visitor_id, account_id):
        return
    if event_type == "identify":
        _identify(state, arrival, visitor_id, props)
    visitor_id = resolve(state, visitor_id)
    if opted_out(state, arrival, visitor_id, None):
        return
    name = sent.get("track_event_name")
    if event_type == "track" and not (isinstance(name, str) and name):
        state.note(arrival, "bad_body", "A track event without a name; the event was ignored.")
        return
    timestamp = sent.get("browser_time")
    if isinstance(timestamp, bool) or not isinstance(timestamp, int):
        timestamp = arrival.at_ms
    context = {"url": sent.get("url"), "userAgent": arrival.user_agent}
    event = Event(
        type=event_type,
        event=name if event_type == "track" else None,
        visitor_id=visitor_id,
        account_id=account_id,
        timestamp=timestamp,
        properties=props,
        context={key: value for key, value in context.items() if value},
        app=arrival.app,
        at_ms=arrival.at_ms,
        size=arrival.size,
        server=False,
    )
    if event_type == "track":
        diagnose_timestamp(state, arrival, event.timestamp)
        diagnose_properties(state, arrival, event)
        if account_id is None:
            state.note(arrival, "no_account", f"The event {name!r} carries no account.")
    state.keep(event)
    if arrival.user_agent:
        state.kept.visitors[visitor_id].user_agent = arrival.user_agent
    if event_type == "meta":
        _meta(state, arrival, visitor_id, account_id, props)


def _identify(state: State, arrival: Arrival, visitor_id: str, props: dict[str, Any]) -> None:
    """Merge an anonymous visitor into the identified one, if that is what the event says [S: hc/23167058328091]."""
    old = usable_id(props.get("old_visitor_id"))
    if old is None or old == visitor_id or not is_anonymous(old) or is_anonymous(visitor_id):
        return
    if state.switch("identity.mapping") == "off":
        state.note(
            arrival,
            "identity_mapping_off",
            f"The history of {old!r} stays apart from {visitor_id!r}: two ids for one person.",
        )
        return
    state.repoint(old, visitor_id, arrival.at_ms)


def _meta(
    state: State, arrival: Arrival, visitor_id: str, account_id: str | None, props: dict[str, Any]
) -> None:
    """Write the metadata of a `meta` event to the group agent [S]; the ids in it are no fields [O]."""
    if state.switch("app.blockAgentMetadata") == "on":
        state.note(
            arrival,
            "object_dropped",
            "The app blocks metadata of the agent (blockAgentMetadata); the meta event was ignored.",
        )
        return
    visitor_fields = _fields(props.get("visitor"))
    language = visitor_fields.pop("language", None)
    visitor = state.record("visitor", visitor_id, arrival.at_ms)
    if isinstance(language, str):
        if state.switch("meta.language") == "auto":
            visitor.group("auto")["language"] = language
        else:
            visitor_fields["language"] = language
    write_agent_fields(state, arrival, "visitor", visitor_id, visitor_fields)
    if account_id is None:
        return
    write_agent_fields(state, arrival, "account", account_id, _fields(props.get("account")))
    parent_id, divided, _ = account_id.partition("::")
    if divided and state.switch("parentAccounts") == "on":
        write_agent_fields(state, arrival, "parentAccount", parent_id, _fields(props.get("parentAccount")))


def _fields(value: Any) -> dict[str, Any]:
    return {key: item for key, item in value.items() if key != "id"} if isinstance(value, dict) else {}
