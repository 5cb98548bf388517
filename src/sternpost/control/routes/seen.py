"""What a source sends: event names with their properties, and the libraries."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request

from sternpost.control import fate, noticing
from sternpost.control.auth import PRINCIPAL
from sternpost.control.context import Context
from sternpost.control.operation import AFTER, LIMIT, NEXT, Operation
from sternpost.control.routes.common import no_such, page_of
from sternpost.control.schema import (
    COUNT,
    TEXT,
    TEXTS,
    TIME,
    YES_NO,
    by_name,
    list_of,
    or_null,
    record,
    texted,
)
from sternpost.store import seen
from sternpost.store.seen import Property
from sternpost.wire import message as wire_message

EXAMPLE_EVENTS_MAX = 200  #: events that examples are taken from
EXAMPLE_CHARS_MAX = 80


SEEN = record(
    {
        "type": TEXT,
        "name": TEXT,
        "count": COUNT,
        "firstAt": TIME,
        "lastAt": TIME,
        "blocked": YES_NO,
        "alike": texted(TEXTS, "Other names that differ only in case or spaces."),
        "properties": list_of(
            record(
                {
                    "path": TEXT,
                    "types": by_name(COUNT),
                    "conflict": texted(YES_NO, "More than one type besides null."),
                    "count": COUNT,
                    "firstAt": TIME,
                    "lastAt": TIME,
                    "example": or_null(TEXT),
                },
                title="SeenProperty",
            ),
            most=noticing.PROPERTIES_PER_EVENT_MAX,
        ),
    },
    title="SeenEvent",
)


async def source_seen(context: Context, request: Request) -> Any:
    identifier: str = request.path_params["source"]
    sources = context.workspaces.current.sources
    source = sources.get(identifier)
    if source is None:
        raise no_such("source", identifier, sources)
    found = await seen.of_source(context.views, identifier)
    personal = request.scope[PRINCIPAL].personal_data
    known = sorted(found.events.items(), key=lambda item: (-item[1].count, item[0]))
    page, following = page_of(request, known)
    bodies = await _bodies(context, [event for _, event in page]) if personal else {}
    alike = _alike([name for kind, name in found.events if kind == "track"])
    events = []
    for (kind, name), event in page:
        events.append(
            {
                "type": kind,
                "name": name,
                "count": event.count,
                "firstAt": fate.when(event.first_at),
                "lastAt": fate.when(event.last_at),
                "blocked": kind == "track" and name in source.blocked_events,
                "alike": alike.get(name, []) if kind == "track" else [],
                "properties": [
                    _property(path, one, bodies) for path, one in sorted(event.properties.items())
                ],
            }
        )
    return {
        "source": identifier,
        "events": events,
        "next": following,
        "libraries": [
            {
                "library": one.name,
                "count": one.count,
                "firstAt": fate.when(one.first_at),
                "lastAt": fate.when(one.last_at),
            }
            for one in found.libraries
        ],
        "behind": found.behind,
        "over": {"events": found.names_over, "properties": found.properties_over},
    }


async def _bodies(context: Context, events: Any) -> dict[int, Mapping[str, Any]]:
    """The bodies of the last events that had each property, the newest of them."""
    seqs = {one.seq for event in events for one in event.properties.values()}
    rows = await context.views.by_seqs(sorted(seqs, reverse=True)[:EXAMPLE_EVENTS_MAX])
    return {kept.event.seq: wire_message.received(kept.event) for kept in rows.kept}


def _property(path: str, one: Property, bodies: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    body = bodies.get(one.seq)
    example: str | None = None
    if body is not None and (value := noticing.value_at(body, path)) is not None:
        example = json.dumps(value, ensure_ascii=False)
        example = example if len(example) <= EXAMPLE_CHARS_MAX else f"{example[:EXAMPLE_CHARS_MAX]}…"
    return {
        "path": path,
        "types": one.types,
        "conflict": len(one.types.keys() - {"null"}) > 1,
        "count": one.count,
        "firstAt": fate.when(one.first_at),
        "lastAt": fate.when(one.last_at),
        "example": example,
    }


def _alike(names: Sequence[str]) -> dict[str, list[str]]:
    """Names that differ only in case or spaces, by each of them."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault("".join(name.casefold().split()), []).append(name)
    return {name: [other for other in group if other != name] for group in groups.values() for name in group}


OPERATIONS = (
    Operation(
        source_seen,
        "GET",
        "/sources/{source}/seen",
        "What a source sends: events, properties and their types, libraries",
        "source, events, next, libraries, behind, over",
        query=(LIMIT, AFTER),
        members={
            "source": TEXT,
            "events": list_of(SEEN),
            "next": NEXT,
            "libraries": list_of(
                record(
                    {"library": TEXT, "count": COUNT, "firstAt": TIME, "lastAt": TIME}, title="SeenLibrary"
                ),
                most=noticing.LIBRARIES_PER_SOURCE_MAX,
            ),
            "behind": texted(COUNT, "Kept events that were not looked at yet, of all sources."),
            "over": record({"events": COUNT, "properties": COUNT}, text="What there was no room for."),
        },
    ),
)
