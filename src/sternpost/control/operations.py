"""Every operation of the control API in one list, and the OpenAPI document that describes them.

An operation is a function beside its `Operation` in a module of `routes`; a new module is added to the list here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from starlette.requests import Request

from sternpost import __version__
from sternpost.control.context import Context
from sternpost.control.operation import DRY_RUN, IF_MATCH, MOUNT, PLACE_DIGITS_MAX, Operation
from sternpost.control.routes import (
    again,
    catalogue,
    connections,
    destinations,
    events,
    failures,
    insight,
    mapping,
    people,
    persons,
    replays,
    revisions,
    rules,
    seen,
    server,
    sources,
    tries,
    verifying,
    workspace,
)
from sternpost.control.schema import (
    COUNT,
    OBJECT,
    PROBLEMS,
    TEXT,
    TEXTS,
    TIME,
    Schema,
    hoisted,
    list_of,
    one_of,
    or_null,
    record,
    texted,
)


async def openapi(context: Context, request: Request) -> Any:
    return _written()


OPERATIONS: tuple[Operation, ...] = (
    *events.OPERATIONS,
    *failures.OPERATIONS,
    *again.OPERATIONS,
    *replays.OPERATIONS,
    *persons.OPERATIONS,
    *mapping.OPERATIONS,
    *tries.OPERATIONS,
    *workspace.OPERATIONS,
    *revisions.OPERATIONS,
    *sources.OPERATIONS,
    *destinations.OPERATIONS,
    *insight.OPERATIONS,
    *seen.OPERATIONS,
    *rules.OPERATIONS,
    *connections.OPERATIONS,
    *catalogue.OPERATIONS,
    *verifying.OPERATIONS,
    *server.OPERATIONS,
    *people.OPERATIONS,
    Operation(openapi, "GET", "/openapi.json", "This document", "an OpenAPI 3.1 document", schema=OBJECT),
)


#: Statuses of errors: the name of the answer in the document, when it comes, and what some have beside `error`.
_REFUSALS: Mapping[int, tuple[str, str, Mapping[str, Schema]]] = {
    400: (
        "NotUnderstood",
        "A parameter, the filter or the body cannot be understood.",
        {
            "reason": texted(TEXT, "Why the server would refuse the event that was to be tried."),
            "underWay": texted(COUNT, "Of a replay without events: those that wait anyway."),
            "notConnected": texted(COUNT, "Of a replay without events: those of other sources."),
        },
    ),
    401: ("NoToken", "No token, or one that is unknown, revoked or expired.", {}),
    403: ("NotAllowed", "The role or the sight of personal data is missing.", {}),
    404: (
        "NotFound",
        "There is no such thing.",
        {
            "known": one_of(
                "refused",
                "malformed",
                "never_seen",
                "never_seen_or_pruned",
                text="Of an event: what is known of it.",
            ),
            "reason": texted(TEXT, "Of a refused event."),
            "keptSince": or_null(texted(TIME, "Events from before are gone.")),
        },
    ),
    409: (
        "Conflict",
        "What is there now forbids it; the message says what.",
        {
            "file": texted(TEXT, "The workspace file that is the truth."),
            "revision": texted(COUNT, "The workspace's now."),
            "state": texted(TEXT, "Of a replay that has ended."),
            "users": list_of(TEXT, most=20, text="Who an anonymous id turned out to be."),
        },
    ),
    412: (
        "Changed",
        "It was changed since its ETag was read.",
        {
            "etag": texted(TEXT, "Of what it is now."),
            "changedBy": TEXT,
            "changedAt": or_null(TIME),
            "changes": texted(TEXTS, "Against what was read, a line each."),
        },
    ),
    413: ("TooLarge", "The body is larger than 1 MB.", {}),
    422: (
        "NotValid",
        "The workspace would not be valid; `problems` lists every mistake.",
        {"problems": PROBLEMS},
    ),
    428: ("NoIfMatch", "A change without If-Match.", {}),
    500: ("Defect", "A defect of ours; the number in the message is in the server's log.", {}),
    503: ("NotNow", "The store cannot be read or written now, or too many watch.", {}),
}
_SEGMENT: Schema = {"type": "string", "minLength": 1}
_NUMBERED: Schema = {"type": "string", "pattern": f"^[0-9]{{1,{PLACE_DIGITS_MAX}}}$"}
_PATHS: Mapping[str, Schema] = {
    "revision": _NUMBERED,
    "other": _NUMBERED,
    "replay": _NUMBERED,
    "person": {"type": "string", "minLength": 1, "maxLength": persons.ID_CHARS_MAX},
}
_ERROR = record({"message": TEXT, "remedy": texted(TEXT, "What to do.")}, title="Error")


@cache
def _written() -> dict[str, Any]:
    """The document, made once."""
    return document()


def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document of the operations."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.shown_path, {})[operation.method.lower()] = _described(operation)
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "Sternpost control API", "version": __version__},
        "servers": [{"url": MOUNT}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "responses": {
                name: {
                    "description": when,
                    "content": {"application/json": {"schema": record({"error": _ERROR}, more)}},
                }
                for name, when, more in _REFUSALS.values()
            },
        },
    }
    schemas: dict[str, Any] = {}
    document = hoisted(document, schemas)
    document["components"]["schemas"] = schemas
    return dict(document)


def _described(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.handler.__module__.rpartition(".")[2]],
        "summary": operation.summary,
        "description": f"Answers: {operation.answer}. Role: {operation.role}.",
        "parameters": [
            *(
                {"name": name, "in": "path", "required": True, "schema": _PATHS.get(name, _SEGMENT)}
                for name in re.findall(r"\{(\w+)\}", operation.shown_path)
            ),
            *(
                {
                    "name": name,
                    "in": place,
                    "required": False,
                    "description": text,
                    "schema": schema,
                    # Of a list: a,b,c
                    **({"style": "form", "explode": False} if schema["type"] == "array" else {}),
                }
                for place, parameters in (("query", operation.query), ("header", operation.headers))
                for name, text, schema in parameters
            ),
        ],
        "responses": {
            str(operation.status): {
                "description": operation.answer,
                "content": {operation.media_type: {"schema": _answer(operation)}},
            },
            **{
                str(status): {"$ref": f"#/components/responses/{_REFUSALS[status][0]}"}
                for status in _refusals(operation)
            },
        },
    }
    if operation.status != 200 and DRY_RUN in operation.query:
        described["responses"]["200"] = {
            **described["responses"][str(operation.status)],
            "description": "Dry run",
        }
    if operation.body:
        described["requestBody"] = {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "properties": dict(operation.body),
                        "required": list(operation.required),
                    }
                }
            },
        }
    return described


def _refusals(operation: Operation) -> list[int]:
    """The statuses of the errors with which an operation may answer."""
    found = {400, 401, 403, 500, 503, *operation.refuses}
    if "{" in operation.path or operation.body:
        found.add(404)
    if operation.method != "GET":
        found.add(409)
    if operation.body:
        found.add(413)
    if operation.workspace:
        found.add(422)
    if IF_MATCH in operation.headers:
        found |= {412, 428}
    return sorted(found)


def _answer(operation: Operation) -> Mapping[str, Any]:
    """The schema of an answer when all is well."""
    if operation.media_type == "text/event-stream":
        return TEXT
    return record(operation.members) if operation.members else operation.schema
