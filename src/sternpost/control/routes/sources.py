"""Sources: where events come from, each with its write key."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.requests import Request

from sternpost.control import changes
from sternpost.control.answers import ApiError
from sternpost.control.auth import PRINCIPAL, allows
from sternpost.control.changes import Document, Entry
from sternpost.control.context import Context
from sternpost.control.operation import AFTER, LIMIT, NEXT, Operation
from sternpost.control.routes import resource
from sternpost.control.routes.common import body_of, page_of, totals
from sternpost.control.routes.resource import Resource, changing, removing
from sternpost.control.schema import COUNT, MODE, TEXT, TEXTS, TIME, list_of, or_null, record, texted, without
from sternpost.model import Source, Workspace
from sternpost.workspace.sources import PREVIOUS_KEYS_MAX

OVERLAP_HOURS = 24.0  #: how long an old write key is taken when a rotation does not say
OVERLAP_HOURS_MAX = 90 * 24.0  #: an app of last quarter
KEY_SHOWN_CHARS = 4  #: of a write key, at its end, for roles that may not send

PRIVACY = record(
    {"drop": TEXTS, "hash": TEXTS}, title="Privacy", text="Paths of what is not kept as it came."
)
SOURCE_FIELDS: Mapping[str, Any] = {
    "name": {"type": "string", "maxLength": 200},
    "type": {"type": "string", "enum": ["web", "mobile", "server"]},
    "enabled": {"type": "boolean"},
    "allowedOrigins": {**TEXTS, "description": "Pages that may send, scheme and host; none: any."},
    "blockedEvents": {**TEXTS, "description": "Names of track events that are skipped."},
    "requestsPerSecond": {
        "type": "number",
        "minimum": 0,
        "maximum": 1_000_000,
        "description": "0: no limit.",
    },
}
SOURCE = record(
    {
        "id": TEXT,
        **SOURCE_FIELDS,
        "privacy": or_null(PRIVACY),
        "writeKey": texted(TEXT, "In full for editors and owners."),
        "previousWriteKeys": list_of(
            record({"endsIn": TEXT, "until": TIME}, title="PreviousWriteKey"),
            most=PREVIOUS_KEYS_MAX,
            text="Rotated out, and still taken until then.",
        ),
        "connections": list_of(record({"destination": TEXT, "mode": MODE}, title="ConnectionOfSource")),
        "received": texted(COUNT, "Kept events."),
        "duplicates": COUNT,
        "etag": TEXT,
    },
    title="Source",
)


async def sources(context: Context, request: Request) -> Any:
    every = list(context.workspaces.current.sources.values())
    page, following = page_of(request, every)
    counts, tags = (await totals(context))["sources"], changes.tags(context, "source")
    return {
        "sources": [_shown(context, request, source, counts, tags[source.id]) for source in page],
        "next": following,
    }


async def source(context: Context, request: Request) -> Any:
    return await resource.read(context, request, SOURCES)


async def create_source(context: Context, request: Request) -> Any:
    return await resource.create(context, request, SOURCES)


async def change_source(context: Context, request: Request) -> Any:
    return await resource.change(context, request, SOURCES)


async def enable_source(context: Context, request: Request) -> Any:
    return await resource.switch(context, request, SOURCES, on=True)


async def disable_source(context: Context, request: Request) -> Any:
    return await resource.switch(context, request, SOURCES, on=False)


async def delete_source(context: Context, request: Request) -> Any:
    return await resource.remove(context, request, "source", request.path_params["source"])


async def rotate_write_key(context: Context, request: Request) -> Any:
    identifier = request.path_params["source"]
    body = await body_of(request, may_be_empty=True)
    hours = body.get("overlapHours", OVERLAP_HOURS)
    if isinstance(hours, bool) or not isinstance(hours, int | float) or not 0 <= hours <= OVERLAP_HOURS_MAX:
        raise ApiError(
            400,
            f"`overlapHours` must be a number from 0 to {OVERLAP_HOURS_MAX:g}.",
            "0 ends the old key at once.",
        )
    now = context.clock()

    def make(document: Document) -> Document:
        entry = dict(changes.known(context, "source", identifier))
        old = context.workspaces.current.sources[identifier]
        kept = [
            {"writeKey": key.write_key, "until": _moment(key.until)}
            for key in old.previous_keys
            if key.until > now
        ]
        if hours:
            kept.append({"writeKey": old.write_key, "until": _moment(now + hours * 3600)})
        if len(kept) > PREVIOUS_KEYS_MAX:
            raise ApiError(
                409,
                f"{PREVIOUS_KEYS_MAX} earlier keys of this source are still taken.",
                "Rotate with overlapHours 0, or end one of them first.",
            )
        entry["writeKey"] = context.new_write_key()
        entry["previousWriteKeys"] = kept
        if not kept:
            del entry["previousWriteKeys"]
        return changes.replaced(document, "source", identifier, entry)

    change = await changes.change(
        context,
        request,
        make,
        kind="source",
        key=identifier,
        match="if given",
        note=f"New write key for {identifier}",
    )
    return await resource.answer(context, request, SOURCES, change, identifier)


async def end_previous_keys(context: Context, request: Request) -> Any:
    return await resource.patched(context, request, SOURCES, {"previousWriteKeys": None})


async def _one(context: Context, request: Request, identifier: str) -> dict[str, Any]:
    counts = (await totals(context))["sources"]
    entry_tag = changes.tag(context, changes.known(context, "source", identifier))
    return _shown(context, request, context.workspaces.current.sources[identifier], counts, entry_tag)


def _shown(
    context: Context, request: Request, source: Source, counts: Mapping[str, Any], entry_tag: str
) -> dict[str, Any]:
    shown = _plain(request, source, context.workspaces.current)
    now = context.clock()
    shown["previousWriteKeys"] = [
        {"endsIn": key.write_key[-KEY_SHOWN_CHARS:], "until": _moment(key.until)}
        for key in source.previous_keys
        if key.until > now
    ]
    return {**shown, **counts[source.id], "etag": entry_tag}


def _plain(request: Request, source: Source, workspace: Workspace) -> dict[str, Any]:
    sends = allows(request.scope[PRINCIPAL].role, "editor")
    return {
        "id": source.id,
        "name": source.name,
        "type": source.type,
        "enabled": source.enabled,
        "writeKey": source.write_key if sends else f"…{source.write_key[-KEY_SHOWN_CHARS:]}",
        "allowedOrigins": list(source.allowed_origins),
        "blockedEvents": sorted(source.blocked_events),
        "requestsPerSecond": source.requests_per_second,
        "privacy": {"drop": list(source.masking.drop), "hash": list(source.masking.hash)}
        if source.masking
        else None,
        "connections": [
            {"destination": connection.destination_id, "mode": connection.mode}
            for connection in workspace.connections
            if connection.source_id == source.id
        ],
    }


def _moment(seconds: float) -> str:
    whole = datetime.fromtimestamp(0, UTC) + timedelta(seconds=int(seconds))
    return whole.isoformat().replace("+00:00", "Z")


def _planned(request: Request, change: changes.Change, identifier: str) -> dict[str, Any]:
    return _plain(request, change.workspace.sources[identifier], change.workspace)


def _entry(context: Context, entry: Entry) -> Entry:
    return entry if "writeKey" in entry else {**entry, "writeKey": context.new_write_key()}


SOURCES = Resource(
    kind="source",
    shown=_one,
    planned=_planned,
    entry=_entry,
    usual={"enabled": True, "allowedOrigins": [], "blockedEvents": [], "requestsPerSecond": 0},
    answered=("connections", "received", "duplicates", "etag"),
    fixed={"id": ("The id of a source cannot be changed.", "Its events are kept under it.")},
)
#: A dry run knows neither counts nor old keys nor an ETag.
_ONE = without(SOURCE, "previousWriteKeys", "received", "duplicates", "etag")

OPERATIONS = (
    Operation(
        sources,
        "GET",
        "/sources",
        "Sources with their counts",
        "sources, next",
        query=(LIMIT, AFTER),
        members={"sources": list_of(SOURCE), "next": NEXT},
    ),
    changing(
        create_source,
        "POST",
        "/sources",
        "Add a source",
        "source",
        _ONE,
        body={
            "id": {"type": "string", "description": "Default: made of the name."},
            **SOURCE_FIELDS,
            "writeKey": {"type": "string", "description": "Default: a random one."},
        },
        required=("name", "type"),
        status=201,
    ),
    Operation(source, "GET", "/sources/{source}", "One source", "the source itself", schema=SOURCE),
    changing(
        change_source,
        "PATCH",
        "/sources/{source}",
        "Change a source; what is not named stays, null means the default",
        "source",
        _ONE,
        body=SOURCE_FIELDS,
    ),
    removing(
        delete_source,
        "/sources/{source}",
        "Remove a source and its connections; its events stay until they are pruned",
    ),
    changing(enable_source, "POST", "/sources/{source}/enable", "Switch a source on", "source", _ONE),
    changing(
        disable_source,
        "POST",
        "/sources/{source}/disable",
        "Switch a source off: its requests are refused",
        "source",
        _ONE,
    ),
    changing(
        rotate_write_key,
        "POST",
        "/sources/{source}/rotate-write-key",
        "Give a source a new write key; the old one is still taken for a while",
        "source",
        _ONE,
        body={
            "overlapHours": {
                "type": "number",
                "minimum": 0,
                "maximum": OVERLAP_HOURS_MAX,
                "default": OVERLAP_HOURS,
                "description": "How long the old key is still taken; 0 ends it at once.",
            }
        },
    ),
    changing(
        end_previous_keys,
        "DELETE",
        "/sources/{source}/previous-write-keys",
        "End all earlier write keys of a source now",
        "source",
        _ONE,
    ),
)
