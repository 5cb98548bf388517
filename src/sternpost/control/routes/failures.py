"""Dead letters: groups, entries, retry, discard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request

from sternpost.control import audit, fate
from sternpost.control.answers import ApiError
from sternpost.control.context import Context
from sternpost.control.operation import LIMIT, TEXT, Operation
from sternpost.control.routes.common import (
    PAGE_ROWS,
    body_of,
    cursor,
    destination_of,
    limit_of,
    number_of,
    text_of,
)
from sternpost.limits import PAGE_ROWS_MAX
from sternpost.model import Route as EventRoute
from sternpost.reasons import REASONS

LETTERS_PER_REQUEST = 10_000  #: dead letters retried or discarded at once
NOTE_CHARS_MAX = 500

LETTERS: Mapping[str, Any] = {
    "destination": {"type": "string", "description": "Whose dead letters."},
    "reason": {"type": "string", "description": "Only those with this reason."},
    "messageIds": {
        "type": "array",
        "items": TEXT,
        "maxItems": 500,
        "description": "Only the events with these ids.",
    },
    "limit": {"type": "integer", "minimum": 1, "maximum": 10_000, "default": 500},
    "after": {"type": "string", "description": "`next` of an earlier answer."},
}


async def failures(context: Context, request: Request) -> Any:
    groups = []
    for group in await context.views.failures():
        text, remedy, who = fate.explanation(group.reason, "")
        groups.append(
            {
                "destination": group.destination_id,
                "reason": group.reason,
                "title": REASONS[group.reason].title if group.reason in REASONS else group.reason,
                "explanation": text,
                "remedy": remedy,
                "who": who,
                "count": group.count,
                "firstAt": fate.when(group.first_at),
                "lastAt": fate.when(group.last_at),
                "samples": [
                    {
                        "messageId": sample.message_id,
                        "source": sample.source_id,
                        "type": sample.type,
                        "at": fate.when(sample.at),
                        "detail": sample.detail,
                    }
                    for sample in group.samples
                ],
            }
        )
    return {"failures": groups}


async def failure_entries(context: Context, request: Request) -> Any:
    destination, reason = request.path_params["destination"], request.path_params["reason"]
    await _known_letters(context, destination)
    page = await context.views.failure_entries(
        destination, reason, limit_of(request, PAGE_ROWS), number_of(request, "after") or 0
    )
    workspace = context.workspaces.current
    return {
        "events": [fate.compose(kept, workspace) for kept in page.kept],
        "next": cursor(page.next),
    }


async def retry_failures(context: Context, request: Request) -> Any:
    wanted = await _letters(context, await body_of(request, {"destination"}))
    retried = not_connected = 0
    while seqs := await _next_letters(context, wanted):
        routes: dict[tuple[int, str], EventRoute] = {}
        left: Sequence[int] = seqs
        while left:
            rows = await context.views.by_seqs(left)
            left = rows.left
            for kept in rows.kept:
                route = context.route_for(kept.event, wanted.destination)
                if route is not None:
                    routes[kept.event.seq, wanted.destination] = route
        receipt = await context.store.retry_rejected(list(routes), routes, now=context.clock())
        context.wake(receipt.due)
        retried += receipt.stored
        audit.note(request, wanted.destination, reason=wanted.reason, retried=retried)
        not_connected += len(seqs) - len(routes)
    return {"retried": retried, "notConnected": not_connected, **await _left(context, wanted)}


async def discard_failures(context: Context, request: Request) -> Any:
    body = await body_of(request, {"destination", "note"})
    note = text_of(body, "note").strip()
    if not note:
        raise ApiError(400, "A discard needs a note.", "Say why in `note`; it is kept with the events.")
    if len(note) > NOTE_CHARS_MAX:
        raise ApiError(400, f"The note is longer than {NOTE_CHARS_MAX} characters.", "Shorten it.")
    wanted = await _letters(context, body)
    discarded = 0
    while seqs := await _next_letters(context, wanted):
        discarded += await context.store.discard_rejected(
            [(seq, wanted.destination) for seq in seqs], note, now=context.clock()
        )
        audit.note(request, wanted.destination, reason=wanted.reason, discarded=discarded, note=note)
    return {"discarded": discarded, **await _left(context, wanted)}


async def _letters(context: Context, body: Mapping[str, Any]) -> _Letters:
    destination = text_of(body, "destination")
    await _known_letters(context, destination)
    limit = body.get("limit", PAGE_ROWS_MAX)
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= LETTERS_PER_REQUEST:
        raise ApiError(400, f"`limit` must be a number from 1 to {LETTERS_PER_REQUEST}.")
    ids = body.get("messageIds")
    if ids is not None and (
        not isinstance(ids, list)
        or len(ids) > PAGE_ROWS_MAX
        or not all(isinstance(entry, str) for entry in ids)
    ):
        raise ApiError(400, f"`messageIds` must be a list of at most {PAGE_ROWS_MAX} texts.")
    after = body.get("after")
    if after is not None and not (isinstance(after, str) and after.isdigit() and len(after) < 19):
        raise ApiError(400, "`after` must be the `next` of an earlier answer.")
    return _Letters(
        destination,
        text_of(body, "reason") or None if "reason" in body else None,
        ids,
        limit,
        int(after or 0),
    )


async def _next_letters(context: Context, wanted: _Letters) -> tuple[int, ...]:
    seqs = await context.views.dead_letters(
        wanted.destination, wanted.reason, wanted.message_ids, limit=wanted.left, after=wanted.after
    )
    if seqs:
        wanted.left -= len(seqs)
        wanted.after = seqs[-1]
    return seqs


async def _left(context: Context, wanted: _Letters) -> dict[str, Any]:
    left = await context.views.rejected(wanted.destination, wanted.reason)
    return {"left": left, "next": str(wanted.after) if left and not wanted.left else None}


async def _known_letters(context: Context, destination: str) -> None:
    """Dead letters of a destination that was removed can still be looked at and discarded."""
    if destination not in context.workspaces.current.destinations and not (
        await context.views.rejected(destination)
    ):
        destination_of(context, destination)


class _Letters:
    """Which dead letters are meant, and how many are still to be taken."""

    def __init__(
        self, destination: str, reason: str | None, message_ids: Sequence[str] | None, left: int, after: int
    ) -> None:
        self.destination = destination
        self.reason = reason
        self.message_ids = message_ids
        self.left = left
        self.after = after


OPERATIONS = (
    Operation(failures, "GET", "/failures", "Dead letters, grouped by destination and reason", "failures"),
    Operation(
        failure_entries,
        "GET",
        "/failures/{destination}/{reason}",
        "The dead letters of a group, oldest first",
        "events, next",
        query=(LIMIT, ("after", "`next` of an earlier page.")),
    ),
    Operation(
        retry_failures,
        "POST",
        "/failures/retry",
        "Put dead letters back into their lanes",
        "retried, notConnected, left, next",
        role="editor",
        body=LETTERS,
        required=("destination",),
    ),
    Operation(
        discard_failures,
        "POST",
        "/failures/discard",
        "End dead letters as skipped",
        "discarded, left, next",
        role="editor",
        body={**LETTERS, "note": {"type": "string", "description": "Why; kept with the events."}},
        required=("destination", "note"),
    ),
)
