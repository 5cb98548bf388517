"""How a destination maps what comes, told from the events of the last day."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
from starlette.requests import Request

from sternpost.control import fate
from sternpost.control.answers import ApiError
from sternpost.control.auth import PRINCIPAL
from sternpost.control.context import Context
from sternpost.control.mapping import BLOCKS, NAMES_MAX, Mapped, blocks
from sternpost.control.operation import Operation, Parameter
from sternpost.control.preview import preview
from sternpost.control.routes.common import destination_of, preview_of
from sternpost.control.schema import (
    COUNT,
    NOTE,
    OBJECT,
    TEXT,
    TEXTS,
    TIME,
    by_name,
    list_of,
    one_of,
    or_null,
    record,
    texted,
)
from sternpost.model import DestinationConfig, Event, Person
from sternpost.store.selection import Selection

DAY_S = 86_400.0
EVENTS_MAX = 500  #: the newest of the last day
PEOPLE_MAX = 20  #: offered for the preview


BLOCK = record(
    {
        "block": one_of(*(name for name, _, _ in BLOCKS)),
        "events": COUNT,
        "rows": list_of(
            record(
                {
                    "path": TEXT,
                    "fields": TEXTS,
                    "type": TEXT,
                    "count": COUNT,
                    "example": TEXT,
                    "warnings": list_of(NOTE),
                },
                title="MappedTrait",
            ),
            most=NAMES_MAX,
        ),
    },
    title="MappingBlock",
)


async def destination_mapping(context: Context, request: Request) -> Any:
    if not request.scope[PRINCIPAL].personal_data:
        raise ApiError(403, "This shows personal data, which you may not see.", "An owner can allow it.")
    config = destination_of(context, request.path_params["destination"])
    workspace = context.workspaces.current
    sources = frozenset(one.source_id for one in workspace.connections if one.destination_id == config.id)
    now = context.clock()
    kept = (
        (await context.views.recent(EVENTS_MAX, Selection(sources=sources, received_from=now - DAY_S))).kept
        if sources
        else ()
    )
    events = [one.event for one in kept]

    def mapped(event: Event) -> Mapped:
        return _mapped(context, config, event, now)

    # Of whom the most is known first: those who identified themselves.
    told = sorted(events, key=lambda one: one.type.strip().lower() != "identify")
    people = list(dict.fromkeys(one.user_id for one in told if one.user_id))[:PEOPLE_MAX]
    wanted = request.query_params.get("user") or (people[0] if people else "")
    return {
        "destination": config.id,
        "since": fate.when(now - DAY_S),
        "events": len(events),
        "blocks": blocks(events, mapped),
        "people": people,
        "preview": await _preview(context, config, events, wanted) if wanted else None,
        "anonymous": {
            one.mode: _resolved(config, one.mode)
            for one in workspace.connections
            if one.destination_id == config.id
        },
    }


def _mapped(context: Context, config: DestinationConfig, event: Event, now: float) -> Mapped:
    """What an event would send, as fields; without asking who the person was."""
    workspace = context.workspaces.current
    # Consent, lists and modes are not asked here: they stop events, and change no field.
    plain = replace(config, enabled=True, consent=(), event_filtering=type(config.event_filtering)())
    connection = workspace.connection(event.source_id, config.id)
    source = workspace.sources.get(event.source_id)
    destination = context.destinations[config.type]
    previewed = preview(
        event,
        source=replace(source, blocked_events=frozenset()) if source else None,
        config=plain,
        connection=replace(connection, mode="cloud") if connection else None,
        destination=destination,
        person=Person(event.user_id or "somebody"),
        now_ms=int(now * 1000),
    )
    if previewed.plan is None:
        return None, previewed.stopped.notes if previewed.stopped else ()
    fields: dict[str, Any] = {}
    for part in previewed.plan.parts:
        sent = msgspec.json.decode(destination.call([part], config.settings, now).body)
        for item in sent if isinstance(sent, list) else [sent]:
            found = item.get("values", item.get("properties")) if isinstance(item, dict) else None
            fields.update(found if isinstance(found, dict) else {})
    return fields, previewed.plan.notes


async def _preview(
    context: Context, config: DestinationConfig, events: list[Event], user: str
) -> dict[str, Any]:
    """What the destination will know of one person by its newest identify and group calls, oldest first, later ones winning."""
    workspace = context.workspaces.current
    known: dict[str, dict[str, Any]] = {"visitor": {}, "account": {}}
    for event in reversed(events):
        kind = event.type.strip().lower()
        if event.user_id != user or kind not in {"identify", "group"}:
            continue
        previewed, _ = await preview_of(context, event, config, workspace.sources.get(event.source_id))
        for part in previewed.plan.parts if previewed.plan else ():
            sent = msgspec.json.decode(
                context.destinations[config.type].call([part], config.settings, context.clock()).body
            )
            for item in sent if isinstance(sent, list) else ():
                for key, block in (("visitorId", "visitor"), ("accountId", "account")):
                    if key in item:
                        known[block].update({key: item[key], **item.get("values", {})})
    return {"user": user, **known}


def _resolved(config: DestinationConfig, mode: str) -> str:
    """What happens with anonymous people on a connection of that mode."""
    chosen = getattr(config.settings, "anonymous_visitors", "")
    if chosen == "auto":
        return "skip" if mode == "cloud" else "prefix"
    return str(chosen)


OPERATIONS = (
    Operation(
        destination_mapping,
        "GET",
        "/destinations/{destination}/mapping",
        "How traits become fields, by the events of the last day",
        "blocks, people, preview, anonymous",
        role="editor",
        query=(Parameter("user", "Whose preview; default: the newest."),),
        members={
            "destination": TEXT,
            "since": TIME,
            "events": texted(COUNT, "That were looked at."),
            "blocks": list_of(BLOCK, most=len(BLOCKS)),
            "people": {**TEXTS, "maxItems": PEOPLE_MAX},
            "preview": or_null(record({"user": TEXT, "visitor": OBJECT, "account": OBJECT})),
            "anonymous": by_name(TEXT, "What happens with anonymous people, by mode."),
        },
    ),
)
