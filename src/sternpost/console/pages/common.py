"""What pages of several groups share."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import msgspec

from sternpost.console import snippets, words
from sternpost.console.inside import ApiProblem
from sternpost.console.surroundings import Surroundings, Visit
from sternpost.control.changes import LISTS, Kind, key_of
from sternpost.control.verify import CHECKED
from sternpost.errors import WorkspaceError
from sternpost.store.kept import Kept
from sternpost.workspace.file import load_document

LIST_ROWS = 100  #: of a page of users, sources, rules and the like
SAMPLE_EVENTS = 500  #: the newest ones, for what no counter says
FOLLOWED = "console:followed"


#: Spans of time that pictures show: as in the address, and in words.
SPANS = (("1h", "Last hour"), ("24h", "Last day"), ("7d", "Last week"), ("35d", "Last five weeks"))


async def paged(around: Surroundings, visit: Visit, path: str, *, after: str = "after") -> dict[str, Any]:
    """One page of a list of the API. `after` is what the page's own address calls the place where it begins."""
    found: dict[str, Any] = await around.api.get(path, {"limit": str(LIST_ROWS), "after": visit.query(after)})
    return {**found, "after": visit.query(after)}


def span_chosen(visit: Visit) -> str:
    """The span in the address; any other is the first."""
    wanted = visit.query("since")
    return wanted if wanted in dict(SPANS) else SPANS[0][0]


def name_of(around: Surroundings, destination_id: str) -> str:
    config = around.context.workspaces.current.destinations.get(destination_id)
    return config.name if config else destination_id


def is_own(kept: Kept) -> bool:
    """Whether an event came from the console or the command line, and says nothing about the app."""
    return any(f'"{name}"'.encode() in kept.event.body for name in snippets.OWN_LIBRARIES)


def check_passed(facts: Mapping[str, str], destination_id: str) -> bool:
    kept = facts.get(f"{CHECKED}{destination_id}")
    return bool(kept and msgspec.json.decode(kept)["ok"])


def events_said(count: int) -> str:
    return "1 event" if count == 1 else f"{words.number(count)} events"


def read_only(around: Surroundings, kind: Kind, identifier: str = "") -> dict[str, Any]:
    """For forms: the workspace file that is the truth, and the line where a thing stands in it; "" when forms may change things."""
    path = around.context.workspaces.path
    if path is None:
        return {"read_only": "", "read_only_line": None}
    line = None
    keys = [key_of(kind, entry) for entry in around.context.workspaces.document.get(LISTS[kind]) or []]
    if identifier in keys:
        with contextlib.suppress(WorkspaceError):
            place = f"{LISTS[kind]}[{keys.index(identifier)}]"
            line = load_document(path).lines.get(place)
    return {"read_only": str(path), "read_only_line": line}


def changed_meanwhile(problem: ApiProblem) -> dict[str, Any] | None:
    """What somebody else changed while a form was open; None when that is not the problem."""
    if problem.status != 412:
        return None
    return {name: problem.body.get(name) for name in ("changedBy", "changedAt", "changes", "etag")}
