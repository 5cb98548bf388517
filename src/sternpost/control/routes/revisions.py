"""Revisions of the workspace: what was changed when and by whom, the difference of two, and the way back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from sternpost.control import audit, changes, fate
from sternpost.control.answers import ApiError
from sternpost.control.context import Context
from sternpost.control.operation import BEFORE, DRY_RUN, LIMIT, NEXT, Operation
from sternpost.control.routes.common import PAGE_ROWS, body_of, flag_of, limit_of, number_of, warnings
from sternpost.control.schema import COUNT, TEXT, TEXTS, TIME, WARNINGS, YES_NO, list_of, record
from sternpost.store.revisions import REVISIONS_KEPT_MAX, Revision

_MEMBERS: Mapping[str, Any] = {
    "revision": {"type": "integer"},
    "at": TIME,
    "by": {"type": "string", "description": "A person's or a token's name; empty: not known."},
    "note": TEXT,
    "changes": {**TEXTS, "description": "Against the revision before, without secrets."},
    "inForce": {"type": "boolean"},
}


async def revisions(context: Context, request: Request) -> Any:
    limit = limit_of(request, PAGE_ROWS)
    before = number_of(request, "before")
    found = await context.facts.workspace_revisions(before=before, limit=limit + 1)
    page = found[:limit]
    return {
        "revisions": [_shown(context, one) for one in page],
        "next": str(page[-1].number) if len(found) > limit else None,
        "kept": REVISIONS_KEPT_MAX,
    }


async def revision(context: Context, request: Request) -> Any:
    number = _number(request.path_params["revision"])
    one, document = await _known(context, number)
    return {**_shown(context, one), "document": context.workspaces.masked(document)}


async def diff_revisions(context: Context, request: Request) -> Any:
    old, new = _number(request.path_params["revision"]), _number(request.path_params["other"])
    _, before = await _known(context, old)
    _, after = await _known(context, new)
    return {"from": old, "to": new, "changes": context.workspaces.difference(before, after)}


async def roll_back(context: Context, request: Request) -> Any:
    await body_of(request, may_be_empty=True)
    changes.writable(context)
    number = _number(request.path_params["revision"])
    dry = flag_of(request, "dryRun")
    async with context.applying:
        _, document = await _known(context, number)
        # Who decided since then where something is sent is not overruled.
        changes.own_addresses(context, request, document)
        lines = context.workspaces.difference(context.workspaces.document, document)
        if lines and not dry:
            audit.intend(request, f"revision {number}", changes=lines)
            await context.workspaces.restore(number, author=changes.author_of(request))
            audit.note(request, f"revision {number}", changes=lines)
        else:
            audit.nothing_changed(request)
    return {
        "changes": lines,
        "warnings": warnings(context),
        "dryRun": dry,
        "revision": context.workspaces.current.revision,
    }


async def _known(context: Context, number: int) -> tuple[Revision, Mapping[str, Any]]:
    kept = await context.facts.workspace_revision(number)
    document = await context.workspaces.revision(number)
    if kept is None or document is None:
        raise ApiError(
            404,
            f"There is no revision {number}.",
            f"The newest {REVISIONS_KEPT_MAX} are kept; GET /api/v1/workspace/revisions lists them.",
        )
    return kept[0], document


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise ApiError(404, f'There is no revision "{text[:40]}".', "Revisions have whole numbers.")
    return int(text)


def _shown(context: Context, one: Revision) -> dict[str, Any]:
    return {
        "revision": one.number,
        "at": fate.when(one.at),
        "by": one.author,
        "note": one.note,
        "changes": list(one.changes),
        "inForce": context.workspaces.path is None and one.number == context.workspaces.current.revision,
    }


OPERATIONS = (
    Operation(
        revisions,
        "GET",
        "/workspace/revisions",
        "Revisions of the workspace, newest first",
        "revisions, next, kept",
        query=(LIMIT, BEFORE),
        members={
            "revisions": list_of(record(_MEMBERS, title="Revision")),
            "next": NEXT,
            "kept": {"type": "integer", "description": "So many at most."},
        },
    ),
    Operation(
        revision,
        "GET",
        "/workspace/revisions/{revision}",
        "One revision with its document, secrets masked",
        "revision, at, by, note, changes, inForce, document",
        members={**_MEMBERS, "document": {"type": "object"}},
    ),
    Operation(
        diff_revisions,
        "GET",
        "/workspace/revisions/{revision}/diff/{other}",
        "What changed from one revision to another",
        "from, to, changes",
        members={"from": {"type": "integer"}, "to": {"type": "integer"}, "changes": TEXTS},
    ),
    Operation(
        roll_back,
        "POST",
        "/workspace/revisions/{revision}/restore",
        "Bring an earlier revision back, as a new one",
        "changes, warnings, dryRun, revision",
        role="editor",
        query=(DRY_RUN,),
        members={
            "changes": TEXTS,
            "warnings": WARNINGS,
            "dryRun": YES_NO,
            "revision": COUNT,
        },
    ),
)
