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
from sternpost.control.operation import DRY_RUN, MOUNT, OBJECT, TEXT, Operation
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
        "summary": operation.summary,
        "description": f"Answers: {operation.answer}. Role: {operation.role}.",
        "parameters": [
            *(
                {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
                for name in re.findall(r"\{(\w+)\}", operation.shown_path)
            ),
            *(
                {"name": name, "in": place, "required": False, "description": text, "schema": TEXT}
                for place, parameters in (("query", operation.query), ("header", operation.headers))
                for name, text in parameters
            ),
        ],
        "responses": {
            str(operation.status): {
                "description": operation.answer,
                "content": {operation.media_type: {"schema": _answer(operation)}},
            },
            "default": {
                "description": "What is wrong, and what to do",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
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
