"""What describes one operation of the control API, beside the function that answers it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from starlette.requests import Request

from sternpost.control.auth import Role
from sternpost.control.context import Context
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
AFTER = ("after", "`next` of an earlier page.")
DRY_RUN = ("dryRun", "1: say what would change, and change nothing.")
IF_MATCH = (
    "If-Match",
    "The ETag that was read; * means whatever it is now. 412 when it changed, 428 when missing.",
)

TEXT: Mapping[str, Any] = {"type": "string"}
TEXTS: Mapping[str, Any] = {"type": "array", "items": TEXT}
OBJECT: Mapping[str, Any] = {"type": "object"}
#: Members of the answer to a change of the workspace.
CHANGED: Mapping[str, Any] = {
    "changes": {
        **TEXTS,
        "description": "A line each; no line: nothing changed, and there is no new revision.",
    },
    "warnings": {
        "type": "array",
        "items": {
            "type": "object",
            "required": ["destination", "message"],
            "properties": {"destination": TEXT, "message": TEXT},
        },
    },
    "dryRun": {"type": "boolean"},
    "revision": {"type": "integer", "description": "In force now."},
}

#: Answers a request: what becomes the JSON of the answer, or an app that answers by itself (a stream). Raises ApiError.
Handler: TypeAlias = Callable[[Context, Request], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    handler: Handler
    method: str
    path: str  #: below MOUNT, as a route of starlette
    summary: str
    answer: str  #: what the JSON holds
    role: Role = "viewer"
    query: tuple[tuple[str, str], ...] = ()
    body: Mapping[str, Any] = field(default_factory=dict)  #: members of the JSON object
    required: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()  #: that a request may carry
    members: Mapping[str, Any] = field(
        default_factory=dict
    )  #: of the answer's object, with their schemas; all are there
    schema: Mapping[str, Any] = field(default_factory=dict)  #: of the answer, where `members` does not say it
    status: int = 200  #: of the answer when all is well
    media_type: str = "application/json"
    #: How it treats a reader who may not see personal data. "hash": the dispatcher hides values in its JSON (see `personal`). "own": it
    #: answers by itself, e.g. a stream, and hides them itself. "refuse": nothing would be left of its answer.
    personal: Literal["hash", "own", "refuse"] = "hash"

    refuses: tuple[int, ...] = ()  #: statuses of errors beside those that follow from its form

    @property
    def workspace(self) -> bool:
        """Whether it checks a whole workspace, and may find it not valid."""
        return DRY_RUN in self.query or "/workspace" in self.path or self.path == "/verify"

    @property
    def name(self) -> str:
        """Its operationId."""
        return self.handler.__name__

    @property
    def shown_path(self) -> str:
        """The path as documentation writes it."""
        return re.sub(r"\{(\w+):\w+\}", r"{\1}", self.path).replace("{message_id}", "{messageId}")
