"""The control paths under /__sandbox: what came in, and what tests and people may set (interface.md, 4).

Everything answers JSON; a refusal is `{"error": "a clear sentence"}`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from sternpost.sandbox import faults, jzb, limits, switches
from sternpost.sandbox.diagnostics import title
from sternpost.sandbox.identity import is_anonymous, process_all, tick
from sternpost.sandbox.model import Diagnostic, Reply, Request, error_reply, json_reply
from sternpost.sandbox.payload import NotJson, decode_json, query_of
from sternpost.sandbox.state import RecordedRequest, State, event_view, state_view

_SECRET_HEADERS = (
    b"authorization",
    b"x-pendo-integration-key",
    b"x-pendo-track-event-secret",
    b"cookie",
    b"auth-token",
)
_SECRET_CHARS_SHOWN = 8
_JWT = re.compile(r'(\bjwt(?:"\s*:\s*"|=))([^"&]{8})[^"&]+')
_CLOCK_MS_MAX = 253_402_300_799_000  #: the year 9999


# --- reading ----------------------------------------------------------------------------------------------------------


def get_state(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """The subscription in its fixed shape."""
    return json_reply(200, state_view(state))


def get_events(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """The events, filtered by any of visitorId, accountId, event, type."""
    query = query_of(request.query)
    unknown = query.keys() - {"visitorId", "accountId", "event", "type"}
    if unknown:
        return error_reply(
            400,
            f"Events are filtered by visitorId, accountId, event and type, not by {min(unknown)!r}.",
        )
    views = (event_view(event) for event in state.events)
    return json_reply(
        200, [view for view in views if all(view[key] == value for key, value in query.items())]
    )


def get_diagnostics(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """What Pendo would silently lose, and why; filtered by code, if asked."""
    code = query_of(request.query).get("code")
    return json_reply(200, [view for view in diagnostics_view(state) if code in (None, view["code"])])


def diagnostics_view(state: State) -> list[dict[str, Any]]:
    """The diagnostics, oldest first; what the sandbox itself had to let go stands at the end."""
    views = [diagnostic_view(diagnostic) for diagnostic in state.diagnostics]
    views.extend(
        {
            "code": "memory_limit",
            "requestId": None,
            "path": "",
            "explanation": f"The sandbox keeps a bounded amount; of {what}, the {number:,} oldest were removed.",
            "title": title("memory_limit"),
            "at": None,
        }
        for what, number in state.kept.dropped.items()
    )
    return views


def diagnostic_view(diagnostic: Diagnostic) -> dict[str, Any]:
    """One diagnostic as it is answered."""
    return {
        "code": diagnostic.code,
        "requestId": diagnostic.request_id,
        "path": diagnostic.path,
        "explanation": diagnostic.explanation,
        "title": title(diagnostic.code),
        "at": diagnostic.at_ms,
    }


def get_requests(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """The latest requests, oldest first; `limit` gives only the last ones."""
    limit = query_of(request.query).get("limit", "")
    if limit and not limit.isdecimal():
        return error_reply(400, "limit is a whole number.")
    recorded = list(state.requests)
    return json_reply(
        200, [request_view(entry) for entry in (recorded[-int(limit) :] if limit else recorded)]
    )


def request_view(entry: RecordedRequest) -> dict[str, Any]:
    """A request as it came: secrets shortened, the jzb decoded as far as it is small enough to show."""
    request = entry.request
    view: dict[str, Any] = {
        "requestId": request.id,
        "at": request.at_ms,
        "method": request.method,
        "path": request.path,
        "query": _JWT.sub(r"\1\2…", request.query),
        "headers": {name.decode("latin-1"): _shown(name, value) for name, value in request.headers.items()},
        "body": _JWT.sub(r"\1\2…", request.body.decode(errors="replace")),
        "bodyBytes": entry.body_bytes,
        "decoded": _decoded(request),
        "status": entry.status,
    }
    if entry.fault:
        view["fault"] = True
    return view


def _shown(name: bytes, value: bytes) -> str:
    text = value.decode("latin-1")
    return (
        f"{text[:_SECRET_CHARS_SHOWN]}…"
        if name in _SECRET_HEADERS and len(text) > _SECRET_CHARS_SHOWN
        else text
    )


def _decoded(request: Request) -> Any:
    if not request.path.startswith(("/data/", "/agent/")):
        return None
    packed = query_of(request.query).get("jzb")
    if packed is None and request.method == "POST":
        try:
            body = decode_json(request.body)
        except NotJson:
            return None
        packed = body.get("events") if isinstance(body, dict) else None
    if not isinstance(packed, str):
        return None
    try:
        return jzb.decode(packed, bytes_max=limits.DECODED_KEPT_BYTES)
    except jzb.BadJzb as error:
        return {"error": str(error)}


def get_summary(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """Numbers: cheap to ask for, for the live page and for benchmarks."""
    return json_reply(200, summary_view(state, request.at_ms))


def summary_view(state: State, now_ms: int) -> dict[str, Any]:
    """How much there is, and the monthly active visitors, identified and anonymous apart [S: hc/360032202751]."""
    identified = anonymous = 0
    since_ms = now_ms - limits.MAU_WINDOW_MS
    for record_id, visitor in state.kept.visitors.items():
        if visitor.last_visit_ms is not None and visitor.last_visit_ms >= since_ms:
            if is_anonymous(record_id):
                anonymous += 1
            else:
                identified += 1
    counted = anonymous if state.switch("identity.anonymousTracking") == "on" else 0
    return {
        "region": state.region,
        "now": now_ms,
        "version": state.version,
        "visitors": len(state.kept.visitors),
        "accounts": len(state.kept.accounts),
        "eventsKept": len(state.events),
        "eventsTotal": state.kept.events_total,
        "pending": len(state.kept.pending),
        "diagnostics": len(state.diagnostics),
        "requests": state.kept.next_request_id - 1,
        "faults": len(state.faults),
        "mau": {"identified": identified, "anonymous": anonymous, "counted": identified + counted},
        "dropped": dict(state.kept.dropped),
    }


# --- setting ----------------------------------------------------------------------------------------------------------


def get_switches(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """Every switch with its value; with `describe=1` also default, allowed values and note."""
    if query_of(request.query).get("describe"):
        return json_reply(200, switches.describe(state.kept.switches))
    return json_reply(200, state.kept.switches)


def post_switches(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """Set some switches: `{"name": value}`. All or none."""
    try:
        changes = _body_object(request)
        if changes.keys() == {"switches"} and isinstance(changes["switches"], dict):
            changes = changes["switches"]
        state.kept.switches.update(switches.parse(changes))
    except ValueError as error:
        return error_reply(400, str(error))
    return _done(request, state.kept.switches)


def reset(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """Back to the seed, switches, clock and faults included; `{"switches": {…}}` sets some at once."""
    try:
        body = _body_object(request)
        unknown = sorted(body.keys() - {"switches"})
        wanted = body.get("switches") or {}
        if unknown or not isinstance(wanted, dict):
            return error_reply(400, 'reset takes no body, or {"switches": {"name": value}}.')
        changes = switches.parse(wanted)
    except ValueError as error:
        return error_reply(400, str(error))
    state.reset()
    state.kept.switches.update(changes)
    return _done(request, {"reset": True, "switches": state.kept.switches})


def get_faults(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """The faults that are in force."""
    return json_reply(200, [faults.view(fault) for fault in state.faults])


def post_faults(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """Add a fault, or a list of them; an empty list removes all."""
    try:
        body = decode_json(request.body)
        orders = body if isinstance(body, list) else [body]
        parsed = [faults.parse(order) for order in orders]
    except (NotJson, ValueError) as error:
        return error_reply(400, str(error))
    if not orders:
        state.faults.clear()
    if len(state.faults) + len(parsed) > limits.FAULTS_MAX:
        return error_reply(400, f"There may be {limits.FAULTS_MAX} faults at once; reset removes all.")
    state.faults.extend(parsed)
    return json_reply(200, [faults.view(fault) for fault in state.faults])


def get_clock(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """The sandbox's time."""
    return json_reply(200, {"now": request.at_ms})


def post_clock(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """Set the clock (`now`) or move it on (`advanceMs`); it goes on running from there."""
    try:
        body = _body_object(request)
    except ValueError as error:
        return error_reply(400, str(error))
    if body.keys() not in ({"now"}, {"advanceMs"}):
        return error_reply(400, 'The clock takes {"now": ms} or {"advanceMs": n}.')
    ((name, value),) = body.items()
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        return error_reply(400, f"{name} is a whole number of milliseconds, not below 0.")
    now_ms = value if name == "now" else request.at_ms + value
    if now_ms > _CLOCK_MS_MAX:
        return error_reply(400, "The clock ends with the year 9999.")
    state.kept.clock_offset_ms += now_ms - request.at_ms
    tick(state, now_ms)
    return json_reply(200, {"now": now_ms})


def process(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """Run the hourly processing now."""
    return _done(request, {"processed": process_all(state)})


def _body_object(request: Request) -> dict[str, Any]:
    """The body as an object: JSON, a form of the page, or nothing; raises ValueError."""
    if not request.body.strip():
        return {}
    if _is_form(request):
        try:
            return dict(parse_qsl(request.body.decode(), keep_blank_values=True, max_num_fields=1_000))
        except ValueError:
            raise ValueError("The form cannot be read.") from None
    try:
        body = decode_json(request.body)
    except NotJson as error:
        raise ValueError(str(error)) from None
    if not isinstance(body, dict):
        raise ValueError("The body must be a JSON object.")  # noqa: TRY004 - one kind of error for all mistakes
    return body


def _is_form(request: Request) -> bool:
    return request.headers.get(b"content-type", b"").startswith(b"application/x-www-form-urlencoded")


def _done(request: Request, content: Any) -> Reply:
    """The answer to a setting; a form of the page goes back to the page."""
    if _is_form(request) and b"text/html" in request.headers.get(b"accept", b""):
        return Reply(303, headers=((b"location", b"/__sandbox/"),))
    return json_reply(200, content)
