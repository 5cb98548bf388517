"""What describes one operation of the control API, beside the function that answers it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias

from starlette.requests import Request

from sternpost.control.auth import Role
from sternpost.control.context import Context
from sternpost.control.filters import FILTER_CHARS_MAX
from sternpost.control.schema import STATE, TEXT, TEXTS, WARNINGS, YES_NO
from sternpost.limits import PAGE_ROWS_MAX
from sternpost.wire import times

MOUNT = "/api/v1"
PLACE_DIGITS_MAX = 18  #: of a number that says where a page begins: what fits into 64 bits


class Parameter(NamedTuple):
    """What a request may say in its address or in a header."""

    name: str
    text: str
    schema: Mapping[str, Any] = TEXT


#: Where a page begins: a number that means something to us only.
PLACE: Mapping[str, Any] = {"type": "string", "pattern": f"^[0-9]{{0,{PLACE_DIGITS_MAX}}}$"}
NEXT: Mapping[str, Any] = {
    "type": ["string", "null"],
    "description": "Where the next page begins; null on the last.",
}

#: A time: a moment, or how long ago.
MOMENT: Mapping[str, Any] = {
    "type": "string",
    "maxLength": times.TEXT_CHARS_MAX,
    "examples": ["2026-11-03T10:00:00Z", "2h", "30m", "3d", "today", "yesterday"],
}
FILTERS = (
    Parameter(
        "q",
        "Filter line, e.g. dest:pendo state:rejected since:2h.",
        {"type": "string", "maxLength": FILTER_CHARS_MAX},
    ),
    Parameter("source", "Ids of sources.", TEXTS),
    Parameter("destination", "Ids of destinations.", TEXTS),
    Parameter("type", "Types of calls, in any case.", TEXTS),
    Parameter("state", "States.", {"type": "array", "items": STATE}),
)
LIMIT = Parameter("limit", "Rows of a page.", {"type": "integer", "minimum": 1, "maximum": PAGE_ROWS_MAX})
AFTER = Parameter("after", "`next` of an earlier page.", PLACE)
BEFORE = Parameter("before", "`next` of an earlier page.", PLACE)
DRY_RUN = Parameter("dryRun", "Say what would change, and change nothing.", {"type": "boolean"})
IF_MATCH = Parameter(
    "If-Match",
    "The ETag that was read; * means whatever it is now. 412 when it changed, 428 when missing.",
)

#: Members of the answer to a change of the workspace.
CHANGED: Mapping[str, Any] = {
    "changes": {
        **TEXTS,
        "description": "A line each; no line: nothing changed, and there is no new revision.",
    },
    "warnings": WARNINGS,
    "dryRun": YES_NO,
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
    query: tuple[Parameter, ...] = ()
    body: Mapping[str, Any] = field(default_factory=dict)  #: members of the JSON object
    required: tuple[str, ...] = ()
    headers: tuple[Parameter, ...] = ()  #: that a request may carry
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
