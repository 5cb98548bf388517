"""Events: the newest ones, the fate of one, and the live stream."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from starlette.requests import Request

from sternpost import ids
from sternpost.control import fate, steps, unspread
from sternpost.control.answers import ApiError
from sternpost.control.changes import ENTRIES_MAX
from sternpost.control.context import Context
from sternpost.control.live import LiveStream
from sternpost.control.operation import BEFORE, FILTERS, LIMIT, MOUNT, NEXT, Operation, Parameter
from sternpost.control.preview import rebuilt
from sternpost.control.routes.again import possible
from sternpost.control.routes.common import (
    PAGE_ROWS,
    cursor,
    filter_of,
    flag_of,
    limit_of,
    no_such,
    number_of,
    preview_of,
)
from sternpost.control.schema import ENTRY, FATE, list_of
from sternpost.limits import PAGE_ROWS_MAX
from sternpost.store.kept import Kept

PAGES_PER_REQUEST = 8  #: of the store, while a filter looks for matches
LOOK_S = 0.06  #: then the answer is what was found so far, with where to go on: nobody waits long for a page


async def events(context: Context, request: Request) -> Any:
    wanted = filter_of(context, request)
    limit = limit_of(request, PAGE_ROWS)
    before = number_of(request, "before")
    found: list[dict[str, Any]] = []
    workspace = context.workspaces.current
    selection = wanted.selection()
    # What the store cannot tell is looked for in larger pages, most of which may not match.
    if wanted.selected:
        rows = limit
    elif selection.texts or selection.reasons or selection.notes:
        rows = min(2 * limit, PAGE_ROWS_MAX)
    else:
        rows = PAGE_ROWS_MAX
    timer = asyncio.get_running_loop().time
    until = timer() + LOOK_S
    for _ in range(PAGES_PER_REQUEST):
        page = await context.views.recent(rows, selection, before=before)
        for kept in page.kept:
            entry = fate.compose(kept, workspace, attempts=False, pace=context.pace)
            if wanted.hidden:
                entry = context.personal.answer(entry)
            if wanted.matches(entry):
                found.append(entry)
                if len(found) == limit:
                    following = page.next if kept is page.kept[-1] else kept.event.seq
                    return {"events": found, "next": cursor(following)}
        before = page.next
        if before is None or timer() > until:
            break
    return {"events": found, "next": cursor(before)}


async def event(context: Context, request: Request) -> Any:
    message_id: str = request.path_params["message_id"]
    source = request.query_params.get("source") or None
    kept = await context.views.events_by_message_id(message_id, source, prefix=flag_of(request, "prefix"))
    if not kept:
        kept = await unspread.events_by_message_id(context, message_id, source)
    if not kept:
        raise await _unknown(context, message_id, source)
    return {"events": [await _entry(context, entry) for entry in kept]}


async def live(context: Context, request: Request) -> Any:
    wanted = filter_of(context, request)
    workspace = context.workspaces.current
    for term in wanted.terms:
        # What is kept may be of a source that was removed; of one that is not there nothing will ever come.
        known = {"source": workspace.sources, "dest": workspace.destinations}.get(term.key)
        if known is None or term.exclude:
            continue
        for value in term.values:
            if value not in known:
                missing = no_such("source" if term.key == "source" else "destination", value, known)
                raise ApiError(400, missing.message, missing.remedy)
    return LiveStream(context.live.listen(wanted))


async def _entry(context: Context, kept: Kept) -> dict[str, Any]:
    """The fate of one event, with the requests of delivered tries made again."""
    workspace = context.workspaces.current
    requests: dict[str, fate.Rebuilt] = {}
    for standing in kept.standings:
        if standing.state != "delivered" or standing.ms is None:
            continue
        config = workspace.destinations.get(standing.destination_id)
        if config is None:
            requests[standing.destination_id] = "Its request was not kept, and the destination was removed."
            continue
        at = standing.settled_at or kept.event.received_at
        previewed, _ = await preview_of(
            context,
            kept.event,
            config,
            workspace.sources.get(kept.event.source_id),
            user_id=standing.user_id,
            linked=kept.linked,
            at=at,
        )
        requests[standing.destination_id] = rebuilt(
            previewed,
            context.destinations[config.type],
            config,
            at=at,
            record=context.request_record,
        )
    entry = fate.compose(kept, workspace, requests=requests, pace=context.pace)
    by_destination = {standing.destination_id: standing for standing in kept.standings}
    for standing in entry["destinations"]:
        standing["steps"] = steps.steps(entry, standing, workspace)
        standing["again"] = await possible(context, kept, by_destination[standing["destination"]])
    entry["notFor"] = steps.not_for(entry, workspace)
    return entry


async def _unknown(context: Context, message_id: str, source: str | None) -> ApiError:
    """404, and which of these is true as far as it is known: refused, pruned, or never seen."""
    named = msgspec.json.encode(message_id).decode()
    for entry in context.refused():
        if entry.sample and named in entry.sample and source in {None, entry.source_id}:
            text, remedy, _ = fate.explanation(entry.reason, entry.detail)
            return ApiError(
                404,
                f"No event has this messageId, but a request that names it was refused: {text}",
                remedy,
                known="refused",
                reason=entry.reason,
            )
    if ids.clean(message_id) != message_id or not message_id:
        return ApiError(
            404,
            "This cannot be a messageId: it has spaces at an end, line ends or invisible characters, which are removed from ids when "
            "events come.",
            f"Ask for {ids.clean(message_id)[:100]}, or copy the id from the client's log.",
            known="malformed",
        )
    span = await context.views.span()
    if not span.pruned:
        return ApiError(
            404,
            "No event with this messageId was ever accepted here.",
            f"Compare the id with what the client sent; {MOUNT}/refused lists requests that were turned away.",
            known="never_seen",
        )
    since = f" Kept are events since {fate.when(span.oldest_received_at)}." if span.oldest_received_at else ""
    return ApiError(
        404,
        f"No event with this messageId is kept: it was never accepted, or it was older and has been pruned.{since}",
        "Compare the id with what the client sent, or lengthen --retention-days.",
        known="never_seen_or_pruned",
        keptSince=fate.when(span.oldest_received_at),
    )


OPERATIONS = (
    Operation(
        events,
        "GET",
        "/events",
        "The newest events, newest first",
        "events, next",
        query=(*FILTERS, LIMIT, BEFORE),
        members={"events": list_of(ENTRY), "next": NEXT},
    ),
    Operation(
        event,
        "GET",
        "/events/{message_id:path}",
        "The fate of an event",
        "events: one per source that sent this messageId",
        query=(
            Parameter("source", "Only the event of this source."),
            Parameter(
                "prefix",
                "The id may be the beginning of exactly one, from six characters.",
                {"type": "boolean"},
            ),
        ),
        members={"events": list_of(FATE, most=ENTRIES_MAX)},
    ),
    Operation(
        live,
        "GET",
        "/live",
        "Live events",
        "server-sent events",
        query=FILTERS,
        media_type="text/event-stream",
        personal="own",
    ),
)
