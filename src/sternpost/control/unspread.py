"""The fate of events that are accepted and durable, and not in their lanes yet, because very many came at once."""

from __future__ import annotations

import json

from sternpost.control.context import Context
from sternpost.model import Event
from sternpost.store.kept import Kept, Standing
from sternpost.wire import postponed

WHY = "Very many events came at once. It is on the disk, and gets into its lane when those that came before have."


async def events_by_message_id(context: Context, message_id: str, source: str | None) -> tuple[Kept, ...]:
    """Events of this messageId among the arrivals, one per source, with the places where they will go by the workspace of now."""
    # As JSON writers write it: with characters beyond ASCII as they are, or escaped.
    plain = json.dumps(message_id, ensure_ascii=False).encode("utf-8", "replace")
    escaped = json.dumps(message_id).encode()
    found: dict[str, Event] = {}
    for arrival in await context.views.arrivals_naming((plain, escaped)):
        for event in postponed.events(arrival, lambda: ""):
            if event.message_id == message_id and source in {None, event.source_id}:
                found.setdefault(event.source_id, event)
    return tuple(
        Kept(event, 1, linked=False, standings=_standings(context, event)) for event in found.values()
    )


def _standings(context: Context, event: Event) -> tuple[Standing, ...]:
    routes = (
        context.route_for(event, connection.destination_id)
        for connection in context.workspaces.current.connections
        if connection.source_id == event.source_id
    )
    return tuple(
        Standing(route.destination_id, route.channel, "pending", "queued", WHY)
        for route in routes
        if route is not None
    )
