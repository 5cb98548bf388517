"""The fate of events that are accepted and durable, and not in their lanes yet, because very many came at once."""

from __future__ import annotations

import json
import time

from sternpost.control.context import Context
from sternpost.errors import StoreUnavailable
from sternpost.model import Arrival, Event
from sternpost.store.kept import Kept, Standing
from sternpost.wire import postponed

WHY = "Very many events came at once. It is on the disk, and gets into its lane when those that came before have."
ASIDE = (
    "Its request could not be put into lanes and was set aside as it came; the next start tries it again. {}"
)
LOOK_S = 2.0  #: for a messageId among what arrived: a million events of 1 kB take 2.6 s


async def events_by_message_id(context: Context, message_id: str, source: str | None) -> tuple[Kept, ...]:
    """Events of this messageId among the arrivals, one per source, with the places where they will go by the workspace of now. Raises
    StoreUnavailable when there are too many to look through: then nobody can say yet that it is unknown.
    """
    # As JSON writers write it: with characters beyond ASCII as they are, or escaped.
    plain = json.dumps(message_id, ensure_ascii=False).encode("utf-8", "replace")
    escaped = json.dumps(message_id).encode()
    ends_at = time.monotonic() + LOOK_S
    named = await context.views.arrivals_naming((plain, escaped), lambda: time.monotonic() > ends_at)
    found: dict[str, tuple[Event, str]] = {}
    for why, arrival in [
        *((ASIDE.format(why), one) for why, one in named.aside),
        *((WHY, one) for one in named.arrivals),
    ]:
        for event in _events(arrival, message_id):
            if event.message_id == message_id and source in {None, event.source_id}:
                found.setdefault(event.source_id, (event, why))
    if not found and not named.complete:
        raise StoreUnavailable(
            "Very many events came at once, and not all of them are in their lanes yet.",
            "Ask again in a moment.",
        )
    return tuple(
        Kept(event, 1, linked=False, standings=_standings(context, event, why))
        for event, why in found.values()
    )


def _events(arrival: Arrival, message_id: str) -> list[Event]:
    try:
        return postponed.events(arrival, lambda: "")
    except Exception:
        # Why it was set aside. All that is known of the event is its name.
        return [
            Event(
                message_id,
                arrival.source_id,
                arrival.call,
                False,
                arrival.received_at,
                arrival.request_ip,
                b"{}",
                path=arrival.path,
            )
        ]


def _standings(context: Context, event: Event, why: str) -> tuple[Standing, ...]:
    routes = (
        context.route_for(event, connection.destination_id)
        for connection in context.workspaces.current.connections
        if connection.source_id == event.source_id
    )
    return tuple(
        Standing(route.destination_id, route.channel, "pending", "queued", why)
        for route in routes
        if route is not None
    )
