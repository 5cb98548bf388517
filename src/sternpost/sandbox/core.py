"""From a request to a reply: region, rate, key, route. Pure: the state, the request and the time in it decide everything.

That is what makes the journal simple: the same requests in the same order give the same state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

from sternpost.sandbox import (
    agent_side,
    aggregation,
    bulk_delete,
    control,
    feedback,
    lists,
    metadata_routes,
    people,
    segments,
    track,
)
from sternpost.sandbox.auth import check_api_key, foreign_host
from sternpost.sandbox.identity import tick
from sternpost.sandbox.model import EMPTY_FORBIDDEN, Reply, Request, error_reply, message_reply
from sternpost.sandbox.payload import segments_of
from sternpost.sandbox.state import State

Handler: TypeAlias = Callable[[State, Request, Mapping[str, str]], Reply]
CONTROL_PREFIX = "/__sandbox"


class Route(NamedTuple):
    """One method of one path."""

    method: str
    path: str  #: `{name}` stands for one segment
    handler: Handler
    reads: bool = False  #: a POST that changes nothing, so the read-only key will do


ROUTES: tuple[Route, ...] = (
    # --- server side: events
    Route("POST", "/data/track", track.track),
    Route("POST", "/data/segmentio/{key}", track.segmentio),
    Route("POST", "/data/agentic", track.agentic),
    Route("GET", "/data/agenticsdk/{key}", track.agentic_sdk),
    Route("POST", "/data/agenticsdk/{key}", track.agentic_sdk),
    # --- server side: the API
    Route("GET", "/api/v1/token/verify", lists.verify_key),
    Route("GET", "/api/v1/metadata/schema/{kind}", metadata_routes.get_schema),
    Route("POST", "/api/v1/metadata/schema/{kind}/{group}", metadata_routes.post_schema),
    Route("DELETE", "/api/v1/metadata/schema/{kind}/{group}/{field}", metadata_routes.delete_schema),
    Route("GET", "/api/v1/metadata/dependencies", metadata_routes.dependencies),
    Route("GET", "/api/v1/metadata/dependencies/{kind}/{group}/{field}", metadata_routes.dependencies),
    Route("POST", "/api/v1/metadata/{kind}/{group}/value", metadata_routes.write_values),
    Route("GET", "/api/v1/metadata/{kind}/{group}/value/{id}/{field}", metadata_routes.get_value),
    Route("PUT", "/api/v1/metadata/{kind}/{group}/value/{id}/{field}", metadata_routes.put_value),
    Route("GET", "/api/v1/visitor/{id}", people.get_visitor),
    Route("GET", "/api/v1/visitor/{id}/history", people.history),
    Route("GET", "/api/v1/account/{id}", people.get_account),
    Route("POST", "/api/v1/bulkdelete/{kind}", bulk_delete.request_delete),
    Route("GET", "/api/v1/bulkdelete", bulk_delete.list_deletes),
    Route("GET", "/api/v1/bulkdelete/{id}", bulk_delete.get_delete),
    Route("GET", "/api/v1/segment", segments.list_segments),
    Route("POST", "/api/v1/segment/upload", segments.upload),
    Route("GET", "/api/v1/segment/{id}", segments.get_segment),
    Route("PUT", "/api/v1/segment/{id}", segments.put_segment),
    Route("DELETE", "/api/v1/segment/{id}", segments.delete_segment),
    Route("GET", "/api/v1/segment/{id}/status", segments.status),
    Route("PATCH", "/api/v1/segment/{id}/visitor", segments.patch_visitors),
    Route("PUT", "/api/v1/segment/{id}/visitor/{visitor}", segments.put_visitor),
    Route("DELETE", "/api/v1/segment/{id}/visitor/{visitor}", segments.delete_visitor),
    Route("POST", "/api/v1/segment/{id}/visitors", segments.export, reads=True),
    Route("GET", "/api/v1/segment/{id}/visitors/{job}/status", segments.export_status),
    Route("GET", "/api/v1/segment/{id}/visitors/{job}/results/{format}", segments.export_results),
    Route("GET", "/api/v1/tracktype", lists.track_types),
    Route("GET", "/api/v1/page", lists.empty_list),
    Route("GET", "/api/v1/feature", lists.empty_list),
    Route("GET", "/api/v1/guide", lists.empty_list),
    Route("GET", "/api/v1/report", lists.empty_list),
    Route("POST", "/api/v1/aggregation", aggregation.aggregate, reads=True),
    Route("GET", "/api/v1/feedback", feedback.list_items),
    Route("POST", "/api/v1/feedback", feedback.create),
    Route("GET", "/api/v1/feedback/{id}", feedback.get_item),
    Route("PATCH", "/api/v1/feedback/{id}", feedback.change),
    Route("DELETE", "/api/v1/feedback/{id}", feedback.delete),
    # --- agent side
    Route("GET", "/agent/static/{key}/pendo.js", agent_side.script),
    Route("GET", "/agent/static/{key}/config.json", agent_side.config),
    Route("GET", "/data/ptm.gif/{key}", agent_side.ptm_get),
    Route("POST", "/data/ptm.gif/{key}", agent_side.ptm_post),
    Route("GET", "/data/guide.json/{key}", agent_side.guide_json),
    Route("POST", "/data/guide.json/{key}", agent_side.guide_json),
    Route("GET", "/data/guide.js/{key}", agent_side.guide_js),
    Route("GET", "/data/guide.gif/{key}", agent_side.gif),
    Route("GET", "/data/log.gif/{key}", agent_side.gif),
    Route("POST", "/data/errorlog", agent_side.recorded),
    Route("POST", "/data/errorlog/{key}", agent_side.recorded),
    Route("GET", "/data/segmentflag.json/{key}", agent_side.segment_flags),
    Route("POST", "/data/segmentflag.json/{key}", agent_side.segment_flags),
    *(
        Route(method, f"/data/{name}{key}", agent_side.not_interpreted)
        for method in ("GET", "POST")
        for name in ("rec", "recordingconf", "devlog", "agentic.gif")
        for key in ("", "/{key}")
    ),
    # --- control
    Route("GET", "/__sandbox/state", control.get_state),
    Route("GET", "/__sandbox/requests", control.get_requests),
    Route("GET", "/__sandbox/events", control.get_events),
    Route("GET", "/__sandbox/diagnostics", control.get_diagnostics),
    Route("GET", "/__sandbox/summary", control.get_summary),
    Route("GET", "/__sandbox/switches", control.get_switches),
    Route("POST", "/__sandbox/switches", control.post_switches),
    Route("POST", "/__sandbox/reset", control.reset),
    Route("GET", "/__sandbox/faults", control.get_faults),
    Route("POST", "/__sandbox/faults", control.post_faults),
    Route("GET", "/__sandbox/clock", control.get_clock),
    Route("POST", "/__sandbox/clock", control.post_clock),
    Route("POST", "/__sandbox/process", control.process),
)


def handle(state: State, request: Request) -> Reply:
    """The answer to a request, after what it changes has been changed."""
    tick(state, request.at_ms)
    bulk_delete.complete_due(state, request.at_ms)
    path = request.path
    if path.startswith(CONTROL_PREFIX):
        return _control(state, request)
    is_data = path.startswith(("/data/", "/agent/"))
    if is_data and request.method == "OPTIONS":
        return agent_side.preflight(state, request)
    reply = _pendo(state, request, is_data=is_data)
    return agent_side.with_cors(state, reply) if is_data else reply


def changes_something(request: Request) -> bool:
    """Whether a request must be in the journal: everything but reading. The agent and an SDK send data with GET, too."""
    if request.method not in ("GET", "OPTIONS"):
        return request.path != "/__sandbox/faults"
    return request.path.startswith(("/data/ptm.gif/", "/data/agenticsdk/"))


def _control(state: State, request: Request) -> Reply:
    route, params = _find(request)
    if route is None:
        if params is not None:
            return error_reply(405, f"{request.path} takes {' or '.join(params)}, not {request.method}.")
        return error_reply(404, "There is no such control path; docs/reference/sandbox.md lists them.")
    return route.handler(state, request, params or {})


def _pendo(state: State, request: Request, *, is_data: bool) -> Reply:
    host = foreign_host(state, request)
    if host is not None:
        state.note(
            request,
            "secret_mixup",
            f"The request was meant for {host}, and this subscription is in region {state.region}.",
        )
        return EMPTY_FORBIDDEN
    limited = _rate_limit(state, request)
    if limited is not None:
        return limited
    route, params = _find(request)
    if not is_data:
        if not request.path.startswith("/api/v1/"):
            return message_reply(404, "Not Found")
        writes = request.method != "GET" and not (route is not None and route.reads)
        refusal = check_api_key(state, request, writes=writes)
        if refusal is not None:
            return refusal
    if route is None:
        return message_reply(404, "Not Found") if params is None else message_reply(405, "Method Not Allowed")
    return route.handler(state, request, params or {})


def _rate_limit(state: State, request: Request) -> Reply | None:
    """429 above so many requests in one second of the clock [A: rate.perSecond, rate.retryAfter]."""
    per_second = state.switch("rate.perSecond")
    if per_second == "off":
        return None
    if request.at_ms // 1000 != state.rate_window:
        state.rate_window, state.rate_count = request.at_ms // 1000, 0
    state.rate_count += 1
    if state.rate_count <= per_second:
        return None
    return Reply(429, headers=((b"retry-after", str(state.switch("rate.retryAfter")).encode()),))


# --- finding the route ------------------------------------------------------------------------------------------------

_FIXED = {(route.method, route.path): route for route in ROUTES if "{" not in route.path}
_PATTERNS: dict[int, list[tuple[tuple[str, ...], Route]]] = {}
for _route in ROUTES:
    _pattern = segments_of(_route.path)
    _PATTERNS.setdefault(len(_pattern), []).append((_pattern, _route))


def _find(request: Request) -> tuple[Route | None, dict[str, str] | None]:
    """The route with its parameters; (None, methods) when only another method is known; (None, None) when nothing is."""
    fixed = _FIXED.get((request.method, request.path))
    if fixed is not None:
        return fixed, None
    parts = segments_of(request.raw_path)
    methods: dict[str, str] = {}
    for pattern, route in _PATTERNS.get(len(parts), ()):
        params = _match(pattern, parts)
        if params is not None:
            if route.method == request.method:
                return route, params
            methods[route.method] = ""
    return None, methods or None


def _match(pattern: tuple[str, ...], parts: tuple[str, ...]) -> dict[str, str] | None:
    params = {}
    for wanted, part in zip(pattern, parts, strict=True):
        if wanted.startswith("{"):
            params[wanted[1:-1]] = part
        elif wanted != part:
            return None
    return params
