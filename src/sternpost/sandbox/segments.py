"""Segments made through the API (pendo.md, "Segments") [S: hc/27418681207707, OpenAPI, Segment Pendo Audiences]."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from sternpost.sandbox import limits
from sternpost.sandbox.model import Reply, Request, Segment, json_reply, message_reply
from sternpost.sandbox.payload import NotJson, decode_json, query_of
from sternpost.sandbox.state import State


class BadRequest(Exception):
    """The body cannot be used; the message is the answer's."""


# --- reading ----------------------------------------------------------------------------------------------------------


def list_segments(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """`GET /api/v1/segment[?createdByApi=true]`."""
    only_api = query_of(request.query).get("createdByApi") == "true"
    return json_reply(
        200, [_view(segment) for segment in state.kept.segments.values() if segment.by_api or not only_api]
    )


def get_segment(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """`GET /api/v1/segment/{id}`."""
    segment = state.kept.segments.get(params["id"])
    return _unknown() if segment is None else json_reply(200, _view(segment))


def status(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """`GET /api/v1/segment/{id}/status`: whether a write is under way."""
    segment = state.kept.segments.get(params["id"])
    if segment is None:
        return _unknown()
    return json_reply(200, {"status": "pending" if request.at_ms < segment.pending_until_ms else "completed"})


def _view(segment: Segment) -> dict[str, Any]:
    return {
        "id": segment.id,
        "name": segment.name,
        "createdByApi": segment.by_api,
        "visitorCount": len(segment.visitors),
        "createdAt": segment.created_ms,
        "lastUpdatedAt": segment.updated_ms,
    }


# --- writing ----------------------------------------------------------------------------------------------------------


def upload(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """`POST /api/v1/segment/upload {name, visitors}`; at least one visitor."""
    try:
        body = _object(request)
        name = _name(body)
        visitors = _ids(body.get("visitors", []))
    except BadRequest as error:
        return message_reply(400, str(error))
    if not visitors:
        return message_reply(
            state.switch("segment.emptyUploadStatus"), "A segment needs at least one visitor."
        )
    if len(state.kept.segments) >= limits.SEGMENTS_MAX or not _fits(state, len(visitors)):
        return message_reply(
            400,
            f"The sandbox keeps {limits.SEGMENTS_MAX:,} segments with {limits.SEGMENT_IDS_TOTAL_MAX:,} ids in all.",
        )
    segment = Segment(
        state.new_id("segment"), name, dict.fromkeys(visitors), True, request.at_ms, request.at_ms
    )
    state.kept.segments[segment.id] = segment
    _written(state, segment, request.at_ms)
    return json_reply(200, {"segmentId": segment.id})


def put_segment(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """`PUT /api/v1/segment/{id}`: another name, another list of visitors, or both."""
    segment = _writable(state, request, params["id"])
    if isinstance(segment, Reply):
        return segment
    try:
        body = _object(request)
        name = _name(body) if "name" in body else segment.name
        visitors = dict.fromkeys(_ids(body["visitors"])) if "visitors" in body else segment.visitors
    except BadRequest as error:
        return message_reply(400, str(error))
    if not _fits(state, len(visitors) - len(segment.visitors)):
        return message_reply(400, f"The sandbox keeps {limits.SEGMENT_IDS_TOTAL_MAX:,} ids in all segments.")
    segment.name, segment.visitors = name, visitors
    _written(state, segment, request.at_ms)
    return json_reply(200, _view(segment))


def delete_segment(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """`DELETE /api/v1/segment/{id}`."""
    segment = _writable(state, request, params["id"])
    if isinstance(segment, Reply):
        return segment
    del state.kept.segments[segment.id]
    return Reply(200)


def put_visitor(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """`PUT /api/v1/segment/{id}/visitor/{visitorId}`."""
    return _change_one(state, request, params, "add")


def delete_visitor(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """`DELETE /api/v1/segment/{id}/visitor/{visitorId}`."""
    return _change_one(state, request, params, "remove")


def _change_one(state: State, request: Request, params: Mapping[str, str], operation: str) -> Reply:
    segment = _writable(state, request, params["id"])
    if isinstance(segment, Reply):
        return segment
    outcome = _apply(state, segment, {"op": operation, "path": "/visitors", "value": [params["visitor"]]})
    if outcome["status"] == 200:
        _written(state, segment, request.at_ms)
    return json_reply(outcome["status"], {"message": outcome["message"]})


def patch_visitors(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """`PATCH /api/v1/segment/{id}/visitor`: at most 10 operations and 1,000 visitors; each has its own status."""
    segment = _writable(state, request, params["id"])
    if isinstance(segment, Reply):
        return segment
    try:
        operations = _object(request).get("patch")
    except BadRequest as error:
        return message_reply(400, str(error))
    if not isinstance(operations, list) or not operations:
        return message_reply(400, 'The body must be {"patch": [operations]}.')
    values = (operation.get("value") for operation in operations if isinstance(operation, dict))
    ids = sum(len(value) for value in values if isinstance(value, list))
    if len(operations) > limits.SEGMENT_PATCH_OPERATIONS_MAX or ids > limits.SEGMENT_PATCH_IDS_MAX:
        over = f"At most {limits.SEGMENT_PATCH_OPERATIONS_MAX} operations and {limits.SEGMENT_PATCH_IDS_MAX:,} visitors a call."
        return message_reply(state.switch("segment.overLimitStatus"), over)
    outcomes = [_apply(state, segment, operation) for operation in operations]
    _written(state, segment, request.at_ms)
    return json_reply(200, {"multistatus": outcomes})


def _apply(state: State, segment: Segment, operation: Any) -> dict[str, Any]:
    """Carry out one operation; its own status, message and name."""
    name = operation.get("op") if isinstance(operation, dict) else None
    if name not in ("add", "remove"):
        return {
            "status": 400,
            "message": "op must be add or remove",
            "operation": name if isinstance(name, str) else None,
        }
    if operation.get("path") != "/visitors":
        return {"status": 400, "message": "path must be /visitors", "operation": name}
    try:
        ids = _ids(operation.get("value"))
    except BadRequest as error:
        return {"status": 400, "message": str(error), "operation": name}
    if name == "remove":
        for record_id in ids:
            segment.visitors.pop(record_id, None)
    elif len(segment.visitors) + len(ids) > limits.SEGMENT_IDS_MAX or not _fits(state, len(ids)):
        return {
            "status": 400,
            "message": f"the sandbox keeps {limits.SEGMENT_IDS_MAX:,} visitors of a segment",
            "operation": name,
        }
    else:
        segment.visitors.update(dict.fromkeys(ids))
    return {"status": 200, "message": "success", "operation": name}


def _writable(state: State, request: Request, record_id: str) -> Segment | Reply:
    """The segment, or why it cannot be changed now."""
    segment = state.kept.segments.get(record_id)
    if segment is None:
        return _unknown()
    if not segment.by_api:
        return message_reply(
            state.switch("segment.foreignStatus"), "Only segments made through the API can be changed."
        )
    if request.at_ms < segment.pending_until_ms:
        state.note(request, "segment_in_progress", f"Another write of segment {segment.id} is under way.")
        return message_reply(409, "Operation in progress")
    return segment


def _written(state: State, segment: Segment, now_ms: int) -> None:
    segment.updated_ms = now_ms
    segment.pending_until_ms = now_ms + state.switch("segment.lagMs")


def _fits(state: State, more: int) -> bool:
    return (
        sum(len(segment.visitors) for segment in state.kept.segments.values()) + more
        <= limits.SEGMENT_IDS_TOTAL_MAX
    )


def _object(request: Request) -> dict[str, Any]:
    try:
        body = decode_json(request.body)
    except NotJson as error:
        raise BadRequest(str(error)) from None
    if not isinstance(body, dict):
        raise BadRequest("The body must be a JSON object.")
    return body


def _name(body: dict[str, Any]) -> str:
    name = body.get("name")
    if not isinstance(name, str) or not name or len(name) > limits.ID_CHARS_MAX:
        raise BadRequest("A segment has a name.")
    return name


def _ids(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(
        isinstance(record_id, str) and 0 < len(record_id) <= limits.ID_CHARS_MAX for record_id in value
    ):
        raise BadRequest("visitors must be a list of ids")
    if len(value) > limits.SEGMENT_IDS_MAX:
        raise BadRequest(f"the sandbox keeps {limits.SEGMENT_IDS_MAX:,} visitors of a segment")
    return value


def _unknown() -> Reply:
    return message_reply(404, "There is no segment of that id.")


# --- export -----------------------------------------------------------------------------------------------------------


def export(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """`POST /api/v1/segment/{id}/visitors`: a job; here it is complete at once."""
    if params["id"] not in state.kept.segments:
        return _unknown()
    job = state.new_id("export")
    state.kept.exports[job] = params["id"]
    if len(state.kept.exports) > limits.EXPORTS_MAX:
        del state.kept.exports[next(iter(state.kept.exports))]
    return json_reply(200, {"jobId": job})


def export_status(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """`…/visitors/{job}/status`."""
    if _exported(state, params) is None:
        return message_reply(404, "There is no such job.")
    return json_reply(200, {"jobId": params["job"], "status": "completed"})


def export_results(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """`…/visitors/{job}/results/{csv|json}`; the segment Everyone has every visitor."""
    segment = _exported(state, params)
    if segment is None or params["format"] not in ("csv", "json"):
        return message_reply(404, "There is no such job or format.")
    visitors = list(segment.visitors if segment.by_api else state.kept.visitors)
    if params["format"] == "json":
        return json_reply(200, [{"visitorId": visitor} for visitor in visitors])
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(["visitorId"])
    rows.writerows([visitor] for visitor in visitors)
    return Reply(200, text.getvalue().encode(), b"text/csv; charset=utf-8")


def _exported(state: State, params: Mapping[str, str]) -> Segment | None:
    if state.kept.exports.get(params["job"]) != params["id"]:
        return None
    return state.kept.segments.get(params["id"])
