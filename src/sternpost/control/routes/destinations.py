"""Destinations: where events go, by which settings, and how each is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request

from sternpost.control import audit, changes, fate, health
from sternpost.control.changes import Entry
from sternpost.control.context import Context
from sternpost.control.operation import AFTER, LIMIT, NEXT, Operation
from sternpost.control.routes import resource
from sternpost.control.routes.common import (
    body_of,
    destination_of,
    no_such,
    page_of,
    text_of,
    totals,
    warnings,
)
from sternpost.control.routes.resource import Resource, changing, removing
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
    return await resource.read(context, request, DESTINATIONS)


async def create_destination(context: Context, request: Request) -> Any:
    return await resource.create(context, request, DESTINATIONS)


async def change_destination(context: Context, request: Request) -> Any:
    return await resource.change(context, request, DESTINATIONS)


async def enable_destination(context: Context, request: Request) -> Any:
    return await resource.switch(context, request, DESTINATIONS, on=True)


async def disable_destination(context: Context, request: Request) -> Any:
    return await resource.switch(context, request, DESTINATIONS, on=False)


async def delete_destination(context: Context, request: Request) -> Any:
    return await resource.remove(context, request, "destination", request.path_params["destination"])


async def _one(context: Context, request: Request, identifier: str) -> dict[str, Any]:
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
                "state": health.sentence(config, own, counts[config.id], context.pace(config.id)),
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


def _planned(request: Request, change: changes.Change, identifier: str) -> dict[str, Any]:
    config = change.workspace.destinations[identifier]
    return {"id": identifier, "name": config.name, "type": config.type, "enabled": config.enabled}


def _entry(context: Context, entry: Entry) -> Entry:
    # Settings that are null are as usual.
    settings = entry.get("settings")
    return {**entry, "settings": changes.merged({}, settings)} if isinstance(settings, dict) else entry


DESTINATIONS = Resource(
    kind="destination",
    shown=_one,
    planned=_planned,
    entry=_entry,
    usual={"enabled": True},
    answered=("state", "blocked", "warnings", "counts", "secrets", "connections", "lastCheck", "etag"),
    fixed={
        "id": ("The id of a destination cannot be changed.", "What waits for it is kept under it."),
        "type": ("The type of a destination cannot be changed.", "Add another destination."),
    },
)
#: A dry run knows only what the request says.
_ONE = without(DESTINATION, *(name for name in SINGLE if name not in {"id", "name", "type", "enabled"}))

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
    changing(
        create_destination,
        "POST",
        "/destinations",
        "Add a destination",
        "destination",
        _ONE,
        body={
            "id": {"type": "string", "description": "Default: made of the name."},
            "type": {"type": "string", "description": "One of the catalogue."},
            **DESTINATION_FIELDS,
        },
        required=("name", "type"),
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
    changing(
        change_destination,
        "PATCH",
        "/destinations/{destination}",
        "Change a destination; what is not named stays, null means the default",
        "destination",
        _ONE,
        body=DESTINATION_FIELDS,
    ),
    removing(
        delete_destination,
        "/destinations/{destination}",
        "Remove a destination and its connections; what waits for it ends as skipped",
    ),
    changing(
        enable_destination,
        "POST",
        "/destinations/{destination}/enable",
        "Switch a destination on",
        "destination",
        _ONE,
    ),
    changing(
        disable_destination,
        "POST",
        "/destinations/{destination}/disable",
        "Switch a destination off: events that come are skipped",
        "destination",
        _ONE,
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
