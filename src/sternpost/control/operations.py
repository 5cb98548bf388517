"""Every operation of the control API in one list: routes, roles, parameters, and the OpenAPI document that describes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sternpost import __version__
from sternpost.control.auth import Role
from sternpost.model import STATES

MOUNT = "/api/v1"

FILTERS = (
    ("q", "Filter line, e.g. dest:pendo state:rejected since:2h."),
    ("source", "Ids of sources, separated by commas."),
    ("destination", "Ids of destinations, separated by commas."),
    ("type", "Types of calls, separated by commas."),
    ("state", f"States, separated by commas: {', '.join(STATES)}."),
)
LIMIT = ("limit", "Rows of a page, at most 500.")

TEXT: Mapping[str, Any] = {"type": "string"}
OBJECT: Mapping[str, Any] = {"type": "object"}
LETTERS: Mapping[str, Any] = {
    "destination": {"type": "string", "description": "Whose dead letters."},
    "reason": {"type": "string", "description": "Only those with this reason."},
    "messageIds": {
        "type": "array",
        "items": TEXT,
        "maxItems": 500,
        "description": "Only the events with these ids.",
    },
    "limit": {"type": "integer", "minimum": 1, "maximum": 10_000, "default": 500},
    "after": {"type": "string", "description": "`next` of an earlier answer."},
}
DOCUMENT: Mapping[str, Any] = {
    "document": {"type": "object", "description": "The whole workspace; a masked secret keeps its value."},
    "yaml": {"type": "string", "description": "The same as the text of a workspace file."},
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    name: str  #: of the function that answers
    method: str
    path: str  #: below MOUNT, as a route of starlette
    summary: str
    answer: str  #: what the JSON holds
    role: Role = "viewer"
    query: tuple[tuple[str, str], ...] = ()
    body: Mapping[str, Any] = field(default_factory=dict)  #: members of the JSON object
    required: tuple[str, ...] = ()
    media_type: str = "application/json"

    @property
    def shown_path(self) -> str:
        """The path as documentation writes it."""
        return re.sub(r"\{(\w+):\w+\}", r"{\1}", self.path).replace("{message_id}", "{messageId}")


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "events",
        "GET",
        "/events",
        "The newest events, newest first",
        "events, next",
        query=(*FILTERS, LIMIT, ("before", "`next` of an earlier page.")),
    ),
    Operation(
        "event",
        "GET",
        "/events/{message_id:path}",
        "The fate of an event",
        "events: one per source that sent this messageId",
        query=(
            ("source", "Only the event of this source."),
            ("prefix", "1: the id may be the beginning of exactly one, from six characters."),
        ),
    ),
    Operation(
        "live",
        "GET",
        "/live",
        "Live events",
        "server-sent events",
        query=FILTERS,
        media_type="text/event-stream",
    ),
    Operation("stats", "GET", "/stats", "Counts", "destinations, sources, disk"),
    Operation("failures", "GET", "/failures", "Dead letters, grouped by destination and reason", "failures"),
    Operation(
        "failure_entries",
        "GET",
        "/failures/{destination}/{reason}",
        "The dead letters of a group, oldest first",
        "events, next",
        query=(LIMIT, ("after", "`next` of an earlier page.")),
    ),
    Operation(
        "retry_failures",
        "POST",
        "/failures/retry",
        "Put dead letters back into their lanes",
        "retried, notConnected, left, next",
        role="editor",
        body=LETTERS,
        required=("destination",),
    ),
    Operation(
        "discard_failures",
        "POST",
        "/failures/discard",
        "End dead letters as skipped",
        "discarded, left, next",
        role="editor",
        body={**LETTERS, "note": {"type": "string", "description": "Why; kept with the events."}},
        required=("destination", "note"),
    ),
    Operation(
        "try_event",
        "POST",
        "/try",
        "What would be sent for an event; with send, what comes back",
        "steps, requests, state, reason, explanation, remedy, diagnostics, replies",
        role="editor",
        body={
            "destination": TEXT,
            "event": {"type": "object", "description": "As a client would send it, with its type."},
            "source": {"type": "string", "description": "Default: the first that is connected."},
            "send": {"type": "boolean", "default": False, "description": "Really send it."},
        },
        required=("destination", "event"),
    ),
    Operation(
        "workspace",
        "GET",
        "/workspace",
        "The workspace in force, secrets masked",
        "revision, readFrom, writable, document, warnings, problem",
    ),
    Operation(
        "apply_workspace",
        "PUT",
        "/workspace",
        "Bring a new workspace into force",
        "revision, changes, warnings",
        role="owner",
        body={
            **DOCUMENT,
            "revision": {"type": "integer", "description": "Refuse when it is not this one any more."},
        },
    ),
    Operation(
        "diff_workspace",
        "POST",
        "/workspace/diff",
        "What a new workspace would change",
        "changes, revision",
        role="editor",
        body=DOCUMENT,
    ),
    Operation(
        "sources", "GET", "/sources", "Sources with their write keys and counts", "sources", role="owner"
    ),
    Operation("destinations", "GET", "/destinations", "Destinations and how they are", "destinations"),
    Operation(
        "doctor",
        "GET",
        "/doctor",
        "Checks of the server and of every destination",
        "ok, checks",
        role="editor",
    ),
    Operation("reasons", "GET", "/reasons", "Every reason and note with its remedy", "reasons, notes"),
    Operation(
        "refused",
        "GET",
        "/refused",
        "Requests that were turned away, the latest first",
        "refused",
        query=(LIMIT,),
    ),
    Operation("openapi", "GET", "/openapi.json", "This document", "an OpenAPI 3.1 document"),
)


def openapi() -> dict[str, Any]:
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
    schema: Mapping[str, Any] = TEXT if operation.media_type == "text/event-stream" else OBJECT
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": f"Answers: {operation.answer}. Role: {operation.role}.",
        "parameters": [
            *(
                {"name": name, "in": "path", "required": True, "schema": TEXT}
                for name in re.findall(r"\{(\w+)\}", operation.shown_path)
            ),
            *(
                {"name": name, "in": "query", "required": False, "description": text, "schema": TEXT}
                for name, text in operation.query
            ),
        ],
        "responses": {
            "200": {"description": operation.answer, "content": {operation.media_type: {"schema": schema}}},
            "default": {
                "description": "What is wrong, and what to do",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
            },
        },
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
