"""Destinations and how they are."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from sternpost.control import audit, health
from sternpost.control.context import Context
from sternpost.control.operation import Operation
from sternpost.control.routes.common import body_of, destination_of, no_such, text_of, totals, warnings


async def destinations(context: Context, request: Request) -> Any:
    workspace = context.workspaces.current
    counts = (await totals(context))["destinations"]
    blocked = await context.views.blocked_channels()
    found = []
    for config in workspace.destinations.values():
        own = [channel for channel in blocked if channel.destination_id == config.id]
        found.append(
            {
                "id": config.id,
                "name": config.name,
                "type": config.type,
                "enabled": config.enabled,
                "state": health.sentence(config, own, counts[config.id]),
                "blocked": [health.blocked_entry(channel) for channel in own],
                "warnings": [
                    warning["message"] for warning in warnings(context) if warning["destination"] == config.id
                ],
                "counts": counts[config.id],
            }
        )
    return {"destinations": found}


async def resume_destination(context: Context, request: Request) -> Any:
    config = destination_of(context, request.path_params["destination"])
    body = await body_of(request, may_be_empty=True)
    channel = text_of(body, "channel") if body.get("channel") is not None else None
    channels = context.destinations[config.type].spec.channels
    if channel is not None and channel not in channels:
        raise no_such("channel", channel, dict.fromkeys(channels))
    resumed = list(await context.resume(config.id, channel))
    audit.note(request, config.id, resumed=resumed)
    return {"resumed": resumed}


OPERATIONS = (
    Operation(destinations, "GET", "/destinations", "Destinations and how they are", "destinations"),
    Operation(
        resume_destination,
        "POST",
        "/destinations/{destination}/resume",
        "Go on with what is blocked",
        "resumed",
        role="editor",
        body={"channel": {"type": "string", "description": "Only this channel; default: all."}},
    ),
)
