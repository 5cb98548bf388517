"""Every operation of the control API in one list, and the OpenAPI document that describes them.

An operation is a function beside its `Operation` in a module of `routes`; a new module is added to the list here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from sternpost import __version__
from sternpost.control.context import Context
from sternpost.control.operation import DRY_RUN, IF_MATCH, MOUNT, OBJECT, TEXT, Operation
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


async def openapi(context: Context, request: Request) -> Any:
    return document()


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
    Operation(openapi, "GET", "/openapi.json", "This document", "an OpenAPI 3.1 document"),
)


#: Statuses of errors: the name of the answer in the document, and when it comes.
_REFUSALS = {
    400: ("NotUnderstood", "A parameter, the filter or the body cannot be understood."),
    401: ("NoToken", "No token, or one that is unknown, revoked or expired."),
    403: ("NotAllowed", "The role or the sight of personal data is missing."),
    404: ("NotFound", "There is no such thing."),
    409: ("Conflict", "What is there now forbids it; the message says what."),
    412: ("Changed", "It was changed since its ETag was read."),
    413: ("TooLarge", "The body is larger than 1 MB."),
    422: ("NotValid", "The workspace would not be valid; `problems` lists every mistake."),
    428: ("NoIfMatch", "A change without If-Match."),
    500: ("Defect", "A defect of ours; the number in the message is in the server's log."),
    503: ("NotNow", "The store cannot be read or written now, or too many watch."),
}


def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document of the operations."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.shown_path, {})[operation.method.lower()] = _described(operation)
    return {
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
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
                }
                for name, when in _REFUSALS.values()
            },
            "schemas": {
                "Error": {
                    "type": "object",
                    "required": ["error"],
                    "properties": {
                        "error": {
                            "type": "object",
                            "required": ["message", "remedy"],
                            "properties": {"message": TEXT, "remedy": TEXT},
                        }
                    },
                }
            },
        },
    }


def _described(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.handler.__module__.rpartition(".")[2]],
        "summary": operation.summary,
        "description": f"Answers: {operation.answer}. Role: {operation.role}.",
        "parameters": [
            *(
                {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
                for name in re.findall(r"\{(\w+)\}", operation.shown_path)
            ),
            *(
                {"name": name, "in": place, "required": False, "description": text, "schema": schema}
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
    if operation.members:
        return {
            "type": "object",
            "required": list(operation.members),
            "properties": dict(operation.members),
        }
    return operation.schema or OBJECT
