"""Sources: where events come from, each with its write key."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.requests import Request

from sternpost.control import changes
from sternpost.control.answers import Answered, ApiError
from sternpost.control.auth import PRINCIPAL, allows
from sternpost.control.changes import Document, Entry
from sternpost.control.context import Context
from sternpost.control.operation import AFTER, CHANGED, DRY_RUN, IF_MATCH, LIMIT, NEXT, Operation
from sternpost.control.routes.common import body_of, page_of, text_of, totals
from sternpost.control.schema import COUNT, MODE, TEXT, TEXTS, TIME, list_of, or_null, record, texted, without
from sternpost.model import Source, Workspace
from sternpost.workspace.document import PREVIOUS_KEYS_MAX

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
#: Members that a request may set, and how the document spells their absence.
_OPTIONAL = {"enabled": True, "allowedOrigins": [], "blockedEvents": [], "requestsPerSecond": 0}


async def sources(context: Context, request: Request) -> Any:
    every = list(context.workspaces.current.sources.values())
    page, following = page_of(request, every)
    counts, tags = (await totals(context))["sources"], changes.tags(context, "source")
    return {
        "sources": [_shown(context, request, source, counts, tags[source.id]) for source in page],
        "next": following,
    }


async def source(context: Context, request: Request) -> Any:
    identifier = request.path_params["source"]
    entry_tag = changes.tag(context, changes.known(context, "source", identifier))
    return Answered(await _one(context, request, identifier), 200, {"etag": entry_tag})


async def create_source(context: Context, request: Request) -> Any:
    body = await body_of(request, {"name", "type"})
    name = text_of(body, "name")

    def make(document: Document) -> Document:
        given = {member: value for member, value in _given(body).items() if value is not None}
        entry: Entry = {"id": changes.free_id(document, "source", name), **given}
        entry.setdefault("writeKey", context.new_write_key())
        return changes.added(document, "source", entry)

    change = await changes.change(context, request, make, kind="source", key=None)
    identifier = list(change.workspace.sources)[-1]
    return await _changed(context, request, change, identifier, status=201)


async def change_source(context: Context, request: Request) -> Any:
    body = await body_of(request)
    return await _change(
        context, request, {name: value for name, value in body.items() if name != "id"}, body
    )


async def enable_source(context: Context, request: Request) -> Any:
    return await _change(context, request, {"enabled": None}, match="if given")


async def disable_source(context: Context, request: Request) -> Any:
    return await _change(context, request, {"enabled": False}, match="if given")


async def delete_source(context: Context, request: Request) -> Any:
    identifier = request.path_params["source"]
    change = await changes.change(
        context,
        request,
        lambda document: changes.removed(document, "source", identifier),
        kind="source",
        key=identifier,
    )
    return {"changes": change.lines, "dryRun": change.dry, "revision": context.workspaces.current.revision}


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
    return await _changed(context, request, change, identifier)


async def end_previous_keys(context: Context, request: Request) -> Any:
    return await _change(context, request, {"previousWriteKeys": None}, match="if given")


async def _change(
    context: Context,
    request: Request,
    patch: Mapping[str, Any],
    body: Mapping[str, Any] | None = None,
    *,
    match: Any = "needed",
) -> Answered:
    identifier = request.path_params["source"]
    if body is not None and body.get("id", identifier) != identifier:
        raise ApiError(400, "The id of a source cannot be changed.", "Its events are kept under it.")

    def make(document: Document) -> Document:
        entry = changes.merged(changes.known(context, "source", identifier), _given(patch))
        return changes.replaced(document, "source", identifier, entry)

    change = await changes.change(context, request, make, kind="source", key=identifier, match=match)
    return await _changed(context, request, change, identifier)


def _given(body: Mapping[str, Any]) -> Entry:
    """What a request says about a source, as the document has it: None for what is as usual."""
    for name in ("connections", "received", "duplicates", "etag"):
        if name in body:
            raise ApiError(400, f"`{name}` is not set here.", "Leave it out.")
    return {
        name: None if name in _OPTIONAL and value == _OPTIONAL[name] else value
        for name, value in body.items()
    }


async def _changed(
    context: Context, request: Request, change: changes.Change, identifier: str, *, status: int = 200
) -> Answered:
    if change.dry:
        shown: Any = _plain(request, change.workspace.sources[identifier], change.workspace)
        return changes.made(context, change, "source", shown, "", status=200)
    entry_tag = changes.tag(context, changes.known(context, "source", identifier))
    shown = await _one(context, request, identifier)
    return changes.made(context, change, "source", shown, entry_tag, status=status)


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


#: A dry run knows neither counts nor old keys nor an ETag.
_ONE = {"source": without(SOURCE, "previousWriteKeys", "received", "duplicates", "etag"), **CHANGED}

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
    Operation(
        create_source,
        "POST",
        "/sources",
        "Add a source",
        "source, changes, warnings, dryRun, revision",
        role="editor",
        query=(DRY_RUN,),
        body={
            "id": {"type": "string", "description": "Default: made of the name."},
            **SOURCE_FIELDS,
            "writeKey": {"type": "string", "description": "Default: a random one."},
        },
        required=("name", "type"),
        members=_ONE,
        status=201,
    ),
    Operation(
        source,
        "GET",
        "/sources/{source}",
        "One source",
        "the source itself",
        schema=SOURCE,
    ),
    Operation(
        change_source,
        "PATCH",
        "/sources/{source}",
        "Change a source; what is not named stays, null means the default",
        "source, changes, warnings, dryRun, revision",
        role="editor",
        query=(DRY_RUN,),
        headers=(IF_MATCH,),
        body=SOURCE_FIELDS,
        members=_ONE,
    ),
    Operation(
        delete_source,
        "DELETE",
        "/sources/{source}",
        "Remove a source and its connections; its events stay until they are pruned",
        "changes, dryRun, revision",
        role="editor",
        query=(DRY_RUN,),
        headers=(IF_MATCH,),
        members={name: CHANGED[name] for name in ("changes", "dryRun", "revision")},
    ),
    Operation(
        enable_source,
        "POST",
        "/sources/{source}/enable",
        "Switch a source on",
        "source, changes, warnings, dryRun, revision",
        role="editor",
        query=(DRY_RUN,),
        members=_ONE,
    ),
    Operation(
        disable_source,
        "POST",
        "/sources/{source}/disable",
        "Switch a source off: its requests are refused",
        "source, changes, warnings, dryRun, revision",
        role="editor",
        query=(DRY_RUN,),
        members=_ONE,
    ),
    Operation(
        rotate_write_key,
        "POST",
        "/sources/{source}/rotate-write-key",
        "Give a source a new write key; the old one is still taken for a while",
        "source, changes, warnings, dryRun, revision",
        role="editor",
        query=(DRY_RUN,),
        body={
            "overlapHours": {
                "type": "number",
                "minimum": 0,
                "maximum": OVERLAP_HOURS_MAX,
                "default": OVERLAP_HOURS,
                "description": "How long the old key is still taken; 0 ends it at once.",
            }
        },
        members=_ONE,
    ),
    Operation(
        end_previous_keys,
        "DELETE",
        "/sources/{source}/previous-write-keys",
        "End all earlier write keys of a source now",
        "source, changes, warnings, dryRun, revision",
        role="editor",
        query=(DRY_RUN,),
        members=_ONE,
    ),
)
