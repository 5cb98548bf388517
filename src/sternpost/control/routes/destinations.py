"""Destinations: where events go, by which settings, and how each is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request

from sternpost.control import audit, changes, fate, health
from sternpost.control.answers import Answered, ApiError
from sternpost.control.changes import Document, Entry
from sternpost.control.context import Context
from sternpost.control.operation import AFTER, CHANGED, DRY_RUN, IF_MATCH, LIMIT, NEXT, Operation
from sternpost.control.routes.common import (
    body_of,
    destination_of,
    no_such,
    page_of,
    text_of,
    totals,
    warnings,
)
from sternpost.control.schema import (
    BLOCKED,
    CHECK,
    COUNTS,
    MODE,
    TEXT,
    TEXTS,
    TIME,
    YES_NO,
    list_of,
    or_null,
    record,
    texted,
    without,
)
from sternpost.control.verify import CHECKED
from sternpost.model import DestinationConfig

DESTINATION_FIELDS: Mapping[str, Any] = {
    "name": {"type": "string", "maxLength": 200},
    "enabled": {"type": "boolean"},
    "settings": {
        "type": "object",
        "description": "By the fields of the catalogue. A masked secret keeps its value.",
    },
}
LISTED: Mapping[str, Any] = {
    "id": TEXT,
    "name": TEXT,
    "type": TEXT,
    "enabled": {"type": "boolean"},
    "state": {"type": "string", "description": "A sentence."},
    "blocked": list_of(BLOCKED),
    "warnings": TEXTS,
    "counts": COUNTS,
    "etag": TEXT,
}
SINGLE: Mapping[str, Any] = {
    **LISTED,
    "settings": {"type": "object", "description": "As they were written, secrets masked."},
    "secrets": list_of(
        record(
            {
                "path": TEXT,
                "reference": texted(TEXT, "${NAME} or file:PATH, when it is kept elsewhere."),
                "endsIn": texted(TEXT, "Its last two characters."),
                "since": or_null(TIME),
                "by": TEXT,
            },
            title="KnownSecret",
        ),
        text="What may be said about them.",
    ),
    "connections": list_of(record({"source": TEXT, "mode": MODE}, title="ConnectionOfDestination")),
    "lastCheck": or_null(record({"ok": YES_NO, "at": TIME, "checks": list_of(CHECK)}, title="LastCheck")),
}
DESTINATION = record(SINGLE, title="Destination")


async def destinations(context: Context, request: Request) -> Any:
    every = list(context.workspaces.current.destinations.values())
    page, following = page_of(request, every)
    return {"destinations": await _listed(context, page), "next": following}


async def destination(context: Context, request: Request) -> Any:
    shown = await _one(context, request.path_params["destination"])
    return Answered(shown, 200, {"etag": shown["etag"]})


async def create_destination(context: Context, request: Request) -> Any:
    body = await body_of(request, {"name", "type"})
    name = text_of(body, "name")
    given = {member: value for member, value in _given(body).items() if value is not None}

    def make(document: Document) -> Document:
        entry: Entry = {"id": changes.free_id(document, "destination", name), **given}
        if isinstance(entry.get("settings"), dict):
            entry["settings"] = changes.merged({}, entry["settings"])
        return changes.added(document, "destination", entry)

    change = await changes.change(context, request, make, kind="destination", key=None)
    return await _changed(context, change, list(change.workspace.destinations)[-1], status=201)


async def change_destination(context: Context, request: Request) -> Any:
    body = await body_of(request)
    identifier = request.path_params["destination"]
    if body.get("id", identifier) != identifier:
        raise ApiError(
            400, "The id of a destination cannot be changed.", "What waits for it is kept under it."
        )
    entry = changes.known(context, "destination", identifier)
    if body.get("type", entry["type"]) != entry["type"]:
        raise ApiError(400, "The type of a destination cannot be changed.", "Add another destination.")
    return await _change(context, request, body)


async def enable_destination(context: Context, request: Request) -> Any:
    return await _change(context, request, {"enabled": None}, match="if given")


async def disable_destination(context: Context, request: Request) -> Any:
    return await _change(context, request, {"enabled": False}, match="if given")


async def delete_destination(context: Context, request: Request) -> Any:
    identifier = request.path_params["destination"]
    change = await changes.change(
        context,
        request,
        lambda document: changes.removed(document, "destination", identifier),
        kind="destination",
        key=identifier,
    )
    return {"changes": change.lines, "dryRun": change.dry, "revision": context.workspaces.current.revision}


async def _change(
    context: Context, request: Request, patch: Mapping[str, Any], *, match: Any = "needed"
) -> Answered:
    identifier = request.path_params["destination"]

    def make(document: Document) -> Document:
        entry = changes.merged(changes.known(context, "destination", identifier), _given(patch))
        return changes.replaced(document, "destination", identifier, entry)

    change = await changes.change(context, request, make, kind="destination", key=identifier, match=match)
    return await _changed(context, change, identifier)


def _given(body: Mapping[str, Any]) -> Entry:
    """What a request says about a destination, as the document has it: None for what is as usual."""
    for name in ("state", "blocked", "warnings", "counts", "secrets", "connections", "lastCheck", "etag"):
        if name in body:
            raise ApiError(400, f"`{name}` is not set here.", "Leave it out.")
    return {name: None if (name, value) == ("enabled", True) else value for name, value in body.items()}


async def _changed(
    context: Context, change: changes.Change, identifier: str, *, status: int = 200
) -> Answered:
    if change.dry:
        config = change.workspace.destinations[identifier]
        shown: Any = {"id": identifier, "name": config.name, "type": config.type, "enabled": config.enabled}
        return changes.made(context, change, "destination", shown, "", status=200)
    shown = await _one(context, identifier)
    return changes.made(context, change, "destination", shown, shown["etag"], status=status)


async def _one(context: Context, identifier: str) -> dict[str, Any]:
    entry = changes.known(context, "destination", identifier)
    workspace = context.workspaces.current
    [shown] = await _listed(context, [workspace.destinations[identifier]])
    checked = (await context.facts.remembered(f"{CHECKED}{identifier}")).get(f"{CHECKED}{identifier}")
    masked = context.workspaces.masked({"destinations": [entry]})["destinations"][0]
    return {
        **shown,
        "settings": masked.get("settings") or {},
        "secrets": [
            {**secret, "since": fate.when(secret["since"])}
            for secret in await context.workspaces.secrets(identifier)
        ],
        "connections": [
            {"source": connection.source_id, "mode": connection.mode}
            for connection in workspace.connections
            if connection.destination_id == identifier
        ],
        "lastCheck": json.loads(checked) if checked else None,
    }


async def _listed(context: Context, configs: Sequence[DestinationConfig]) -> list[dict[str, Any]]:
    counts = (await totals(context))["destinations"]
    blocked = await context.views.blocked_channels()
    remarks, tags = warnings(context), changes.tags(context, "destination")
    found = []
    for config in configs:
        own = [channel for channel in blocked if channel.destination_id == config.id]
        found.append(
            {
                "id": config.id,
                "name": config.name,
                "type": config.type,
                "enabled": config.enabled,
                "state": health.sentence(config, own, counts[config.id]),
                "blocked": [health.blocked_entry(channel) for channel in own],
                "warnings": [one["message"] for one in remarks if one["destination"] == config.id],
                "counts": counts[config.id],
                "etag": tags[config.id],
            }
        )
    return found


async def resume_destination(context: Context, request: Request) -> Any:
    config = destination_of(context, request.path_params["destination"])
    body = await body_of(request, may_be_empty=True)
    channel = text_of(body, "channel") if body.get("channel") is not None else None
    channels = context.destinations[config.type].spec.channels
    if channel is not None and channel not in channels:
        raise no_such("channel", channel, dict.fromkeys(channels))
    audit.intend(request, config.id, channel=channel)
    resumed = list(await context.resume(config.id, channel))
    audit.note(request, config.id, resumed=resumed)
    return {"resumed": resumed}


#: A dry run knows only what the request says.
_ONE = {
    "destination": without(
        DESTINATION, *(name for name in SINGLE if name not in {"id", "name", "type", "enabled"})
    ),
    **CHANGED,
}

OPERATIONS = (
    Operation(
        destinations,
        "GET",
        "/destinations",
        "Destinations and how they are",
        "destinations, next",
        query=(LIMIT, AFTER),
        members={
            "destinations": list_of(record(LISTED, title="ListedDestination")),
            "next": NEXT,
        },
    ),
    Operation(
        create_destination,
        "POST",
        "/destinations",
        "Add a destination",
        "destination, changes, warnings, dryRun, revision",
        role="editor",
        query=(DRY_RUN,),
        body={
            "id": {"type": "string", "description": "Default: made of the name."},
            "type": {"type": "string", "description": "One of the catalogue."},
            **DESTINATION_FIELDS,
        },
        required=("name", "type"),
        members=_ONE,
        status=201,
    ),
    Operation(
        destination,
        "GET",
        "/destinations/{destination}",
        "One destination with its settings",
        "the destination itself",
        schema=DESTINATION,
    ),
    Operation(
        change_destination,
        "PATCH",
        "/destinations/{destination}",
        "Change a destination; what is not named stays, null means the default",
        "destination, changes, warnings, dryRun, revision",
        role="editor",
        query=(DRY_RUN,),
        headers=(IF_MATCH,),
        body=DESTINATION_FIELDS,
        members=_ONE,
    ),
    Operation(
        delete_destination,
        "DELETE",
        "/destinations/{destination}",
        "Remove a destination and its connections; what waits for it ends as skipped",
        "changes, dryRun, revision",
        role="editor",
        query=(DRY_RUN,),
        headers=(IF_MATCH,),
        members={name: CHANGED[name] for name in ("changes", "dryRun", "revision")},
    ),
    Operation(
        enable_destination,
        "POST",
        "/destinations/{destination}/enable",
        "Switch a destination on",
        "destination, changes, warnings, dryRun, revision",
        role="editor",
        query=(DRY_RUN,),
        members=_ONE,
    ),
    Operation(
        disable_destination,
        "POST",
        "/destinations/{destination}/disable",
        "Switch a destination off: events that come are skipped",
        "destination, changes, warnings, dryRun, revision",
        role="editor",
        query=(DRY_RUN,),
        members=_ONE,
    ),
    Operation(
        resume_destination,
        "POST",
        "/destinations/{destination}/resume",
        "Go on with what is blocked",
        "resumed",
        role="editor",
        body={"channel": {"type": "string", "description": "Only this channel; default: all."}},
        members={"resumed": texted(TEXTS, "The channels.")},
    ),
)
