"""The server routes under /data: track, segmentio, agentic (pendo.md, "Sending track events", "Other server routes").

200 does not mean processed [S: w6w]: a body that can be read is answered with 200 and no body, and what Pendo would lose
of it is only diagnosed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sternpost.sandbox import jzb, seed
from sternpost.sandbox.auth import app_of_secret
from sternpost.sandbox.identity import account_of, arrive, opted_out, resolve, usable_id
from sternpost.sandbox.limits import JZB_EVENTS_MAX
from sternpost.sandbox.losses import diagnose_properties, diagnose_timestamp
from sternpost.sandbox.metadata import Refused, write_fields
from sternpost.sandbox.model import EMPTY_OK, Event, Reply, Request, text_reply
from sternpost.sandbox.payload import NotJson, decode_json, query_of
from sternpost.sandbox.state import ANONYMOUS_PREFIX, Arrival, Kind, State

_TIMESTAMP_MAX = 2**53  #: beyond it JSON numbers are not exact in most clients


class BadBody(Exception):
    """The body cannot be used; the message is the answer's text."""


# --- POST /data/track ------------------------------------------------------------------------------------------------


def track(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """One track event [S: Postman collection, hc/360032294291]."""
    app = app_of_secret(state, request)
    if app is None:
        return Reply(state.switch("track.wrongSecretStatus"))
    try:
        body = decode_json(request.body)
        event = _track_event(state, request, body, app)
    except (NotJson, BadBody) as error:
        state.note(request, "bad_body", str(error))
        status = state.switch("track.badBodyStatus")
        return EMPTY_OK if status == 200 else text_reply(status, str(error))
    if event is not None:
        take_event(state, request, event)
    return EMPTY_OK


def take_event(state: State, request: Request, event: Event) -> None:
    """Diagnose a server's track event and let it arrive."""
    visitor_id = resolve(state, event.visitor_id)
    if state.switch("dnp.serverData") == "drop" and opted_out(state, request, visitor_id, event.account_id):
        return
    diagnose_timestamp(state, request, event.timestamp)
    diagnose_properties(state, request, event)
    if event.account_id is None:
        state.note(
            request, "no_account", f"The event {event.event!r} carries no account; account reports miss it."
        )
    if state.repeated(visitor_id, event.type, event.timestamp):
        state.note(request, "same_ms", f"{visitor_id!r} already has an event at {event.timestamp}.")
        if state.switch("track.sameMs") == "collapse":
            return
    if visitor_id not in state.kept.visitors:
        drop = state.switch("track.unknownVisitor") == "drop"
        consequence = "the event was dropped" if drop else "a new person appears"
        state.note(request, "unknown_visitor", f"The visitor {visitor_id!r} was not known; {consequence}.")
        if drop:
            return
    arrive(state, Arrival(request.id, request.path, request.at_ms, event.app, "", event.size, event))


def _track_event(state: State, request: Request, body: Any, app: str) -> Event | None:
    """The event in the body; None when its visitor id counts as missing; raises BadBody when Pendo could not read it."""
    if not isinstance(body, dict):
        raise BadBody("The body must be one JSON object; there is no batch form.")
    if body.get("type") != "track":
        raise BadBody('The field type must be "track".')
    name, sent_id, timestamp = body.get("event"), body.get("visitorId"), body.get("timestamp")
    if not isinstance(name, str) or not name:
        raise BadBody("The field event is required and is a text.")
    if not isinstance(sent_id, str) or not sent_id:
        raise BadBody("The field visitorId is required and is a text.")
    if isinstance(timestamp, bool) or not isinstance(timestamp, int) or abs(timestamp) > _TIMESTAMP_MAX:
        raise BadBody("The field timestamp is required and is an integer: milliseconds since 1970.")
    visitor_id = usable_id(sent_id)
    if visitor_id is None:
        state.note(request, "bad_id", f"The visitor id {sent_id!r} counts as missing; the event was dropped.")
        return None
    return Event(
        type="track",
        event=name,
        visitor_id=visitor_id,
        account_id=account_of(state, request, body.get("accountId")),
        timestamp=timestamp,
        properties=_object(state, request, body, "properties"),
        context=_object(state, request, body, "context"),
        app=app,
        at_ms=request.at_ms,
        size=len(request.body),
        server=True,
    )


def _object(state: State, request: Request, body: dict[str, Any], name: str) -> dict[str, Any]:
    value = body.get(name)
    if isinstance(value, dict):
        return value
    if value is not None:
        state.note(request, "bad_body", f"The field {name} is not an object and was ignored.")
    return {}


# --- POST /data/segmentio/{key} --------------------------------------------------------------------------------------


def segmentio(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """Raw Segment calls [S: hc/28403116836763]; metadata goes to the group segmentio."""
    app = seed.APPS.get(params["key"])
    status = state.switch("segmentio.status")
    if app is None:
        state.note(
            request, "secret_mixup", "The address names no app key of this subscription; nothing was kept."
        )
        return Reply(status)
    try:
        body = decode_json(request.body)
    except NotJson as error:
        state.note(request, "bad_body", str(error))
        return text_reply(400, str(error))
    if not isinstance(body, dict):
        return text_reply(400, "The body must be one JSON object.")
    if 200 <= status < 300:
        _segment_call(state, request, body, app)
    return Reply(status)


def _segment_call(state: State, request: Request, call: dict[str, Any], app: str) -> None:
    user_id, anonymous_id = usable_id(call.get("userId")), usable_id(call.get("anonymousId"))
    # Segment's and RudderStack's integrations name anonymous visitors like this [S].
    visitor_id = user_id or (ANONYMOUS_PREFIX + anonymous_id if anonymous_id else None)
    traits = call.get("traits") if isinstance(call.get("traits"), dict) else {}
    match call.get("type"):
        case "identify" if visitor_id is not None:
            _segment_metadata(state, request, "visitor", visitor_id, traits)
        case "group":
            group_id = account_of(state, request, call.get("groupId"))
            if group_id is not None:
                _segment_metadata(state, request, "account", group_id, traits)
        case "track" if visitor_id is not None:
            _segment_track(state, request, call, app, visitor_id)
        case _:
            state.note(request, "bad_body", "Only identify, group and track of a known person are read.")


def _segment_track(state: State, request: Request, call: dict[str, Any], app: str, visitor_id: str) -> None:
    name = call.get("event")
    if state.switch("segmentio.track") == "off":
        state.note(
            request, "segmentio_off", f"Track is not switched on for this route; {name!r} was dropped."
        )
        return
    if not isinstance(name, str) or not name:
        state.note(request, "bad_body", "A track call without an event name was dropped.")
        return
    properties = call.get("properties") if isinstance(call.get("properties"), dict) else {}
    context = call.get("context") if isinstance(call.get("context"), dict) else {}
    assert isinstance(properties, dict) and isinstance(context, dict)  # noqa: PT018 - for the type checker
    group_id = properties.get("groupId", context.get("groupId"))
    take_event(
        state,
        request,
        Event(
            type="track",
            event=name,
            visitor_id=visitor_id,
            account_id=account_of(state, request, group_id),
            timestamp=_epoch_ms(call.get("timestamp"), request.at_ms),
            properties=properties,
            context=context,
            app=app,
            at_ms=request.at_ms,
            size=len(request.body),
            server=True,
        ),
    )


def _segment_metadata(state: State, request: Request, kind: Kind, record_id: str, traits: Any) -> None:
    if kind == "visitor":
        record_id = resolve(state, record_id)
    ids = (record_id, None) if kind == "visitor" else (None, record_id)
    if state.switch("dnp.serverData") == "drop" and opted_out(state, request, *ids):
        return
    record = state.record(kind, record_id, request.at_ms)
    try:
        write_fields(
            state,
            request,
            kind,
            "segmentio",
            record_id,
            record,
            {key: value for key, value in traits.items() if key != "id"},
        )
    except Refused:
        return  # the diagnostic type_mismatch has been recorded


def _epoch_ms(value: Any, otherwise: int) -> int:
    if isinstance(value, str):
        try:
            return int(datetime.fromisoformat(value).timestamp() * 1000)
        except (ValueError, OverflowError):
            return otherwise
    return (
        value
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _TIMESTAMP_MAX
        else otherwise
    )


# --- /data/agentic ---------------------------------------------------------------------------------------------------


def agentic(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """Events of conversations with an AI agent, by a server [S: OpenAPI]; the secret is the track secret."""
    app = app_of_secret(state, request)
    if app is None:
        return Reply(state.switch("track.wrongSecretStatus"))
    try:
        _take_agentic(state, request, decode_json(request.body), app)
    except NotJson as error:
        state.note(request, "bad_body", str(error))
        return text_reply(400, str(error))
    return EMPTY_OK


def agentic_sdk(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """The same from Pendo's server SDK: a jzb in the query, or as text body [S: pendo-server-sdk]."""
    app = seed.APPS.get(params["key"])
    if app is None:
        state.note(request, "secret_mixup", "The address names no app key of this subscription.")
        return Reply(state.switch("data.unknownKeyStatus"))
    packed = query_of(request.query).get("jzb") or request.body.decode("latin-1")
    try:
        _take_agentic(state, request, jzb.decode(packed), app)
    except jzb.BadJzb as error:
        state.note(request, "bad_jzb", str(error))
        return text_reply(400, str(error))
    return EMPTY_OK


def _take_agentic(state: State, request: Request, body: Any, app: str) -> None:
    events = body if isinstance(body, list) else [body]
    for sent in events[:JZB_EVENTS_MAX]:
        visitor_id = usable_id(sent.get("visitor_id")) if isinstance(sent, dict) else None
        if visitor_id is None or not isinstance(sent.get("type"), str):
            state.note(request, "bad_body", "An agentic event needs a type and a visitor_id; it was dropped.")
            continue
        account_id = account_of(state, request, sent.get("account_id"))
        visitor_id = resolve(state, visitor_id)
        if state.switch("dnp.serverData") == "drop" and opted_out(state, request, visitor_id, account_id):
            continue
        timestamp = _epoch_ms(sent.get("timestamp"), request.at_ms)
        # Here ids are derived from (visitor, type, timestamp): equal milliseconds collapse [S: pendo-server-sdk].
        if state.repeated(visitor_id, sent["type"], timestamp):
            state.note(
                request,
                "same_ms",
                f"{visitor_id!r} already has a {sent['type']!r} at {timestamp}; the two collapse into one.",
            )
            continue
        props, context = sent.get("props"), sent.get("context")
        event = Event(
            type=sent["type"],
            event=None,
            visitor_id=visitor_id,
            account_id=account_id,
            timestamp=timestamp,
            properties=props if isinstance(props, dict) else {},
            context=context if isinstance(context, dict) else {},
            app=app,
            at_ms=request.at_ms,
            size=len(request.body) // len(events),
            server=True,
        )
        arrive(state, Arrival(request.id, request.path, request.at_ms, app, "", event.size, event))
