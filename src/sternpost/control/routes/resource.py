"""Sources, destinations and connections are created, changed, switched and removed alike: here is how, and `Resource` has what differs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from starlette.requests import Request

from sternpost.control import changes
from sternpost.control.answers import Answered, ApiError
from sternpost.control.changes import Change, Document, Entry, Kind
from sternpost.control.context import Context
from sternpost.control.operation import CHANGED, DRY_RUN, IF_MATCH, Handler, Operation
from sternpost.control.routes.common import body_of, text_of
from sternpost.control.schema import Schema

Match = Literal["needed", "if given"]


@dataclass(frozen=True, slots=True)
class Resource:
    """What differs between sources and destinations."""

    kind: Kind
    #: One as it is in force, with its `etag`.
    shown: Callable[[Context, Request, str], Awaitable[dict[str, Any]]]
    #: One as a dry run would make it: without counts and ETag.
    planned: Callable[[Request, Change, str], dict[str, Any]]
    #: The entry of a new one, made of what a request says and an id that is free.
    entry: Callable[[Context, Entry], Entry]
    usual: Mapping[str, Any]  #: members, and the value of each that the document leaves out
    answered: tuple[str, ...]  #: members of answers that no request sets
    fixed: Mapping[str, tuple[str, str]]  #: members that cannot be changed: the sentence, and what to do


async def read(context: Context, request: Request, resource: Resource) -> Answered:
    """One of them, with its ETag."""
    shown = await resource.shown(context, request, request.path_params[resource.kind])
    return Answered(shown, 200, {"etag": shown["etag"]})


async def create(context: Context, request: Request, resource: Resource) -> Answered:
    """Add one; its id is made of its name unless the request says it."""
    body = await body_of(request, {"name", "type"})
    name = text_of(body, "name")
    given = {member: value for member, value in _given(resource, body).items() if value is not None}

    def make(document: Document) -> Document:
        entry = {"id": changes.free_id(document, resource.kind, name), **given}
        return changes.added(document, resource.kind, resource.entry(context, entry))

    change = await changes.change(context, request, make, kind=resource.kind, key=None)
    listed = change.workspace.sources if resource.kind == "source" else change.workspace.destinations
    return await answer(context, request, resource, change, list(listed)[-1], status=201)


async def change(context: Context, request: Request, resource: Resource) -> Answered:
    """Change what the body names."""
    body = await body_of(request)
    entry = changes.known(context, resource.kind, request.path_params[resource.kind])
    for member, refusal in resource.fixed.items():
        if body.get(member, entry[member]) != entry[member]:
            raise ApiError(400, *refusal)
    patch = {member: value for member, value in body.items() if member not in resource.fixed}
    return await patched(context, request, resource, patch, match="needed")


async def switch(context: Context, request: Request, resource: Resource, *, on: bool) -> Answered:
    """Enable or disable one."""
    return await patched(context, request, resource, {"enabled": on})


async def patched(
    context: Context,
    request: Request,
    resource: Resource,
    patch: Mapping[str, Any],
    *,
    match: Match = "if given",
) -> Answered:
    """Merge a patch into an entry."""
    identifier = request.path_params[resource.kind]

    def make(document: Document) -> Document:
        known = changes.known(context, resource.kind, identifier)
        entry = changes.merged(known, _given(resource, patch))
        return changes.replaced(document, resource.kind, identifier, entry)

    done = await changes.change(context, request, make, kind=resource.kind, key=identifier, match=match)
    return await answer(context, request, resource, done, identifier)


async def remove(context: Context, request: Request, kind: Kind, key: str) -> dict[str, Any]:
    """Remove one of any kind, with the connections that it has."""
    done = await changes.change(
        context, request, lambda document: changes.removed(document, kind, key), kind=kind, key=key
    )
    return {"changes": done.lines, "dryRun": done.dry, "revision": context.workspaces.current.revision}


async def answer(
    context: Context,
    request: Request,
    resource: Resource,
    done: Change,
    identifier: str,
    *,
    status: int = 200,
) -> Answered:
    """What is said after a change."""
    if done.dry:
        planned = resource.planned(request, done, identifier)
        return changes.made(context, done, resource.kind, planned, "", status=200)
    shown = await resource.shown(context, request, identifier)
    return changes.made(context, done, resource.kind, shown, shown["etag"], status=status)


def _given(resource: Resource, body: Mapping[str, Any]) -> Entry:
    """What a request says, as the document has it: None for what is as usual. Raises ApiError for what is not set here."""
    for name in resource.answered:
        if name in body:
            raise ApiError(400, f"`{name}` is not set here.", "Leave it out.")
    return {
        name: None if name in resource.usual and value == resource.usual[name] else value
        for name, value in body.items()
    }


def changing(
    handler: Handler, method: str, path: str, summary: str, kind: Kind, schema: Schema, **more: Any
) -> Operation:
    """The operation of a change, which answers what it changed; PATCH needs If-Match."""
    return Operation(
        handler,
        method,
        path,
        summary,
        f"{kind}, changes, warnings, dryRun, revision",
        role="editor",
        query=(DRY_RUN,),
        headers=(IF_MATCH,) if method == "PATCH" else (),
        members={kind: schema, **CHANGED},
        **more,
    )


def removing(handler: Handler, path: str, summary: str) -> Operation:
    """The operation that removes something; it needs If-Match."""
    return Operation(
        handler,
        "DELETE",
        path,
        summary,
        "changes, dryRun, revision",
        role="editor",
        query=(DRY_RUN,),
        headers=(IF_MATCH,),
        members={name: CHANGED[name] for name in ("changes", "dryRun", "revision")},
    )
