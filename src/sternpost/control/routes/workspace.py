"""The whole workspace as one document."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from starlette.requests import Request

from sternpost.control import audit
from sternpost.control.answers import ApiError
from sternpost.control.auth import allows
from sternpost.control.changes import author_of
from sternpost.control.context import Context
from sternpost.control.operation import Operation
from sternpost.control.routes.common import body_of, principal_of, totals, warnings
from sternpost.control.schema import COUNT, OBJECT, TEXT, TEXTS, WARNINGS, YES_NO, or_null, texted
from sternpost.errors import WorkspaceError
from sternpost.model import Workspace
from sternpost.workspace import yaml

DOCUMENT: Mapping[str, Any] = {
    "document": {"type": "object", "description": "The whole workspace; a masked secret keeps its value."},
    "yaml": {"type": "string", "description": "The same as the text of a workspace file."},
}

_CONSEQUENCES = texted(
    TEXTS, "What becomes of events that wait for a destination which is removed or switched off."
)


async def workspace(context: Context, request: Request) -> Any:
    workspaces = context.workspaces
    return {
        "revision": workspaces.current.revision,
        "readFrom": workspaces.current.read_from,
        "writable": workspaces.path is None,
        "document": workspaces.shown(),
        "warnings": warnings(context),
        "problem": str(workspaces.problem) if workspaces.problem is not None else None,
    }


async def diff_workspace(context: Context, request: Request) -> Any:
    audit.nothing_changed(request)
    document, lines = _document(context, await body_of(request))
    # Who may not apply it is not told which variables the server has.
    owns = allows(principal_of(request).role, "owner")
    with _with_lines(lines):
        changes, after = context.workspaces.preview(document, secrets_required=owns)
    return {
        "changes": changes,
        "consequences": await _consequences(context, after),
        "revision": context.workspaces.current.revision,
    }


async def apply_workspace(context: Context, request: Request) -> Any:
    workspaces = context.workspaces
    body = await body_of(request)
    if workspaces.path is not None:
        raise ApiError(
            409,
            f"The workspace comes from the file {workspaces.path}.",
            "Change that file; the server applies it by itself.",
            file=str(workspaces.path),
        )
    document, lines = _document(context, body)
    async with context.applying:
        before = workspaces.current.revision
        if body.get("revision") not in (None, before):  # no set: a body may hold what has no hash
            raise ApiError(
                409,
                f"The workspace was changed meanwhile: its revision is {before}.",
                "Read it again, look at the difference, and apply your change to it.",
                revision=before,
            )
        with _with_lines(lines):
            # A whole workspace is held to what a workspace file is: nothing comes into force that would be blocked at once.
            changes, after = workspaces.preview(document, secrets_required=True)
            consequences = await _consequences(context, after)
            audit.intend(request, f"revision {before + 1}", changes=changes)
            await workspaces.apply(document, author=author_of(request), secrets_required=True)
        audit.note(request, f"revision {workspaces.current.revision}", changes=changes)
    return {
        "revision": workspaces.current.revision,
        "changes": changes,
        "consequences": consequences,
        "warnings": warnings(context),
    }


async def _consequences(context: Context, after: Workspace) -> list[str]:
    """What becomes of events that wait now, a sentence for each destination that a new workspace no longer delivers to."""
    stats = await totals(context)
    before, counts, arrived = context.workspaces.current, stats["destinations"], stats["arrivals"]["events"]
    found = []
    ways = ((one.sources.keys(), one.destinations.keys(), one.connections) for one in (before, after))
    if arrived and next(ways) != next(ways):
        what = f"{arrived:,} accepted {'event is' if arrived == 1 else 'events are'} not in their lanes yet"
        found.append(f"{what}, because very many came at once: they go where the new workspace says.")
    for config in before.destinations.values():
        new = after.destinations.get(config.id)
        waiting = sum(counts[config.id][state] for state in ("pending", "held", "retrying", "blocked"))
        if waiting and config.enabled and (new is None or not new.enabled):
            what = f"{waiting:,} {'event waits' if waiting == 1 else 'events wait'} for {config.name}"
            why = "which is removed" if new is None else "which is switched off"
            found.append(f"{what}, {why}: skipped then, and kept for a replay until retention ends.")
    return found


def _document(context: Context, body: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, int]]:
    """The workspace document of a request, and the lines of its text when it came as YAML."""
    document, text = body.get("document"), body.get("yaml")
    lines: Mapping[str, int] = {}
    if isinstance(text, str) and document is None:
        loaded = yaml.load(text)
        document, lines = loaded.data, loaded.lines
    if not isinstance(document, dict):
        raise ApiError(
            400,
            "The request holds no workspace.",
            'Send {"document": {…}} or {"yaml": "…"} with the whole workspace.',
        )
    return document, lines


@contextlib.contextmanager
def _with_lines(lines: Mapping[str, int]) -> Iterator[None]:
    """Problems that are raised within get the lines of the text that the document came from."""
    try:
        yield
    except WorkspaceError as error:
        problems = [
            replace(problem, line=problem.line or lines.get(problem.path)) for problem in error.problems
        ]
        raise WorkspaceError(problems, error.file) from None


OPERATIONS = (
    Operation(
        workspace,
        "GET",
        "/workspace",
        "The workspace in force, secrets masked",
        "revision, readFrom, writable, document, warnings, problem",
        members={
            "revision": COUNT,
            "readFrom": texted(TEXT, "The workspace file; empty: it lives in the store."),
            "writable": YES_NO,
            "document": texted(OBJECT, "As a workspace file has it, secrets masked."),
            "warnings": WARNINGS,
            "problem": or_null(texted(TEXT, "Why the newest version of the file is not in force.")),
        },
    ),
    Operation(
        apply_workspace,
        "PUT",
        "/workspace",
        "Bring a new workspace into force",
        "revision, changes, consequences, warnings",
        role="owner",
        body={
            **DOCUMENT,
            "revision": {"type": "integer", "description": "Refuse when it is not this one any more."},
        },
        members={"revision": COUNT, "changes": TEXTS, "consequences": _CONSEQUENCES, "warnings": WARNINGS},
    ),
    Operation(
        diff_workspace,
        "POST",
        "/workspace/diff",
        "What a new workspace would change",
        "changes, consequences, revision",
        role="editor",
        body=DOCUMENT,
        members={"changes": TEXTS, "consequences": _CONSEQUENCES, "revision": COUNT},
    ),
)
