"""Dead letters: groups, entries, retry, discard."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from sternpost.control import audit, fate
from sternpost.control.alike import LOOKED_AT, PATHS_MAX, alike, change_before
from sternpost.control.answers import HEADERS, Answers, ApiError
from sternpost.control.auth import Principal
from sternpost.control.context import Context
from sternpost.control.operation import AFTER, LIMIT, NEXT, Operation
from sternpost.control.personal import PREFIX
from sternpost.control.routes.common import (
    PAGE_ROWS,
    actor_of,
    body_of,
    cursor,
    destination_of,
    limit_of,
    number_of,
    page_of,
    principal_of,
    text_of,
)
from sternpost.control.schema import (
    COUNT,
    OBJECT,
    TEXT,
    TIME,
    TRIED_ENTRY,
    WHO,
    YES_NO,
    list_of,
    or_null,
    record,
    texted,
)
from sternpost.control.shapes import shape_of
from sternpost.limits import PAGE_ROWS_MAX
from sternpost.model import Route as EventRoute
from sternpost.reasons import REASONS
from sternpost.store.letters import (
    SAMPLES_PER_GROUP,
    FailureGroup,
    Letter,
    dead_letters,
    failure_groups,
    kept_failures,
    newest_letters,
    rejected_count,
    said_of,
)
from sternpost.store.revisions import CHANGES_KEPT_MAX, REVISIONS_KEPT_MAX, Revision
from sternpost.wire import message as wire_message

LETTERS_PER_REQUEST = 10_000  #: dead letters retried or discarded at once
SHAPED_MAX = 5_000  #: dead letters of one reason that are told apart by what was said; the newest
SHAPES_MAX = 20  #: shown of one reason, the largest
JSON_LINES = "application/x-ndjson"
NOTE_CHARS_MAX = 500

LETTERS: Mapping[str, Any] = {
    "destination": {"type": "string", "description": "Whose dead letters."},
    "reason": {"type": "string", "description": "Only those with this reason."},
    "shape": {
        "type": "string",
        "description": "Only those of which the same was said: a `shape` of a group.",
    },
    "messageIds": {
        "type": "array",
        "items": TEXT,
        "maxItems": 500,
        "description": "Only the events with these ids.",
    },
    "limit": {"type": "integer", "minimum": 1, "maximum": 10_000, "default": 500},
    "after": {"type": "string", "description": "`next` of an earlier answer."},
}


_SAMPLE = record(
    {"messageId": TEXT, "source": TEXT, "type": TEXT, "at": or_null(TIME), "detail": TEXT}, title="Sample"
)
_SAMPLES = list_of(_SAMPLE, most=SAMPLES_PER_GROUP, text="The newest.")
_SHAPE = record(
    {
        "shape": texted(TEXT, "What was said, numbers as # and ids as …."),
        "count": COUNT,
        "people": COUNT,
        "firstAt": or_null(TIME),
        "lastAt": or_null(TIME),
        "samples": _SAMPLES,
    },
    title="Shape",
)
GROUP = record(
    {
        "destination": TEXT,
        "reason": TEXT,
        "title": TEXT,
        "explanation": TEXT,
        "remedy": TEXT,
        "who": WHO,
        "count": COUNT,
        "people": COUNT,
        "exact": texted(YES_NO, f"Whether all were looked at; else the newest {SHAPED_MAX:,}."),
        "firstAt": or_null(TIME),
        "lastAt": or_null(TIME),
        "beganAfter": or_null(
            record(
                {
                    "revision": COUNT,
                    "at": TIME,
                    "by": TEXT,
                    "changes": list_of(TEXT, most=CHANGES_KEPT_MAX + 1),
                },
                text="The change of the workspace that came shortly before the first of them.",
            )
        ),
        "oldestReceivedAt": or_null(TIME),
        "shapes": list_of(_SHAPE, most=SHAPES_MAX, text="The largest."),
        "moreShapes": COUNT,
        "samples": _SAMPLES,
    },
    title="Failures",
)
LEFT = {"left": texted(COUNT, "That are still dead letters."), "next": NEXT}


async def failures(context: Context, request: Request) -> Any:
    page, following = page_of(request, await failure_groups(context.views))
    revisions = await context.facts.workspace_revisions(before=None, limit=REVISIONS_KEPT_MAX)
    return {"failures": [await _group(context, group, revisions) for group in page], "next": following}


async def _group(context: Context, group: FailureGroup, revisions: Sequence[Revision]) -> dict[str, Any]:
    """One destination and reason, and within it what was said, without what differs from event to event."""
    text, remedy, who = fate.explanation(group.reason, "")
    letters, received_at = await newest_letters(
        context.views, group.destination_id, group.reason, rows_max=SHAPED_MAX
    )
    shapes: dict[str, list[Letter]] = {}
    for letter in letters:
        shapes.setdefault(shape_of(letter.detail, letter.ids), []).append(letter)
    shown = sorted(shapes.items(), key=lambda found: -len(found[1]))
    # Tried again, they keep when they were rejected first: what changed since then is not the cause.
    first_at = min([group.first_at, *(letter.since for letter in letters)])
    last_at = max([group.last_at, *(letter.at for letter in letters)])
    change = change_before(first_at, revisions)
    return {
        "destination": group.destination_id,
        "reason": group.reason,
        "title": REASONS[group.reason].title if group.reason in REASONS else group.reason,
        "explanation": text,
        "remedy": remedy,
        "who": who,
        "count": group.count,
        "people": len({letter.person for letter in letters}),
        "exact": group.count <= SHAPED_MAX,
        "firstAt": fate.when(first_at),
        "lastAt": fate.when(last_at),
        "beganAfter": None
        if change is None
        else {
            "revision": change.number,
            "at": fate.when(change.at),
            "by": change.author,
            "changes": list(change.changes),
        },
        "oldestReceivedAt": fate.when(received_at),
        "shapes": [
            {
                "shape": shape,
                "count": len(found),
                "people": len({letter.person for letter in found}),
                "firstAt": fate.when(min(letter.since for letter in found)),
                "lastAt": fate.when(max(letter.at for letter in found)),
                "samples": [_sample(letter) for letter in found[:SAMPLES_PER_GROUP]],
            }
            for shape, found in shown[:SHAPES_MAX]
        ],
        "moreShapes": max(0, len(shown) - SHAPES_MAX),
        "samples": [_sample(letter) for letter in letters[:SAMPLES_PER_GROUP]],
    }


def _sample(letter: Letter) -> dict[str, Any]:
    return {
        "messageId": letter.message_id,
        "source": letter.source_id,
        "type": letter.type,
        "at": fate.when(letter.at),
        "detail": letter.detail,
    }


async def failure_entries(context: Context, request: Request) -> Any:
    destination, reason = request.path_params["destination"], request.path_params["reason"]
    await _known_letters(context, destination)
    page = await kept_failures(
        context.views, destination, reason, limit_of(request, PAGE_ROWS), number_of(request, "after") or 0
    )
    workspace = context.workspaces.current
    return {
        "events": [fate.compose(kept, workspace) for kept in page.kept],
        "next": cursor(page.next),
    }


async def alike_failures(context: Context, request: Request) -> Any:
    destination, reason = request.path_params["destination"], request.path_params["reason"]
    await _known_letters(context, destination)
    letters, _ = await newest_letters(context.views, destination, reason, rows_max=LOOKED_AT)
    rows = await context.views.by_seqs([letter.seq for letter in letters])
    same, differs = alike([wire_message.received(kept.event) for kept in rows.kept])
    if not principal_of(request).personal_data:
        # As in the fate of one event.
        same = context.personal.answer({"messageId": "", "event": same, "destinations": []})["event"]
    return {"looked": len(rows.kept), "same": same, "differs": differs}


async def retry_failures(context: Context, request: Request) -> Any:
    wanted = await _letters(context, await body_of(request, {"destination"}))
    retried = not_connected = 0
    audit.intend(request, wanted.destination, reason=wanted.reason)
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
    audit.intend(request, wanted.destination, reason=wanted.reason, note=note)
    said = f'Discarded by {actor_of(request)}: "{note}"'
    while seqs := await _next_letters(context, wanted):
        discarded += await context.store.discard_rejected(
            [(seq, wanted.destination) for seq in seqs], said, now=context.clock()
        )
        audit.note(request, wanted.destination, reason=wanted.reason, discarded=discarded, note=note)
    return {"discarded": discarded, **await _left(context, wanted)}


async def export_failures(context: Context, request: Request) -> Any:
    destination, reason = request.path_params["destination"], request.path_params["reason"]
    await _known_letters(context, destination)
    return exported(context, destination, reason, principal_of(request))


def exported(context: Context, destination: str, reason: str, who: Principal) -> Response:
    """The dead letters of a group as a file of JSON lines, read page by page as it is sent; as this reader may see them."""
    answers = Answers(lambda: context.workspaces.current)

    async def lines() -> AsyncIterator[bytes]:
        after: int | None = 0
        while after is not None:
            page = await kept_failures(context.views, destination, reason, PAGE_ROWS_MAX, after)
            for kept in page.kept:
                entry = fate.compose(kept, context.workspaces.current)
                yield answers.encode(entry if who.personal_data else context.personal.answer(entry)) + b"\n"
            after = page.next

    headers = {
        "content-disposition": f'attachment; filename="failures-{_file_name(destination)}-{_file_name(reason)}.jsonl"',
        **{name.decode(): value.decode() for name, value in HEADERS},
    }
    return StreamingResponse(lines(), media_type=JSON_LINES, headers=headers)


def _file_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", text)[:60]


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
        text_of(body, "shape") if body.get("shape") is not None else None,
    )


async def _next_letters(context: Context, wanted: _Letters) -> tuple[int, ...]:
    """Some of the dead letters that are meant; () when there are no more, or as many as were asked for."""
    while True:
        seqs = await dead_letters(
            context.views,
            wanted.destination,
            wanted.reason,
            wanted.message_ids,
            limit=wanted.left,
            after=wanted.after,
        )
        if not seqs:
            return ()
        wanted.after = seqs[-1]
        if wanted.shape is not None:
            said = await said_of(context.views, wanted.destination, seqs)
            seqs = tuple(
                seq
                for seq, (detail, ids) in said.items()
                if _is_shape(context, wanted.shape, shape_of(detail, ids))
            )
        if seqs:
            wanted.left -= len(seqs)
            return seqs


def _is_shape(context: Context, wanted: str, shape: str) -> bool:
    """Whether a shape is the one that is meant: who may not see personal data names its hash."""
    return wanted == shape or (wanted.startswith(PREFIX) and wanted == context.personal.hidden(shape))


async def _left(context: Context, wanted: _Letters) -> dict[str, Any]:
    left = await rejected_count(context.views, wanted.destination, wanted.reason)
    return {"left": left, "next": str(wanted.after) if left and not wanted.left else None}


async def _known_letters(context: Context, destination: str) -> None:
    """Dead letters of a destination that was removed can still be looked at and discarded."""
    if destination not in context.workspaces.current.destinations and not (
        await rejected_count(context.views, destination)
    ):
        destination_of(context, destination)


class _Letters:
    """Which dead letters are meant, and how many are still to be taken."""

    def __init__(
        self,
        destination: str,
        reason: str | None,
        message_ids: Sequence[str] | None,
        left: int,
        after: int,
        shape: str | None,
    ) -> None:
        self.destination = destination
        self.reason = reason
        self.message_ids = message_ids
        self.left = left
        self.after = after
        self.shape = shape  #: only those of which the same was said


OPERATIONS = (
    Operation(
        failures,
        "GET",
        "/failures",
        "Dead letters, grouped by destination and reason, the largest group first",
        "failures, next",
        query=(LIMIT, AFTER),
        members={"failures": list_of(GROUP), "next": NEXT},
    ),
    Operation(
        failure_entries,
        "GET",
        "/failures/{destination}/{reason}",
        "The dead letters of a group, oldest first",
        "events, next",
        query=(LIMIT, AFTER),
        members={"events": list_of(TRIED_ENTRY), "next": NEXT},
    ),
    Operation(
        alike_failures,
        "GET",
        "/failures/{destination}/{reason}/alike",
        "What the newest dead letters of a group have in common",
        "looked, same, differs",
        personal="own",
        members={
            "looked": COUNT,
            "same": texted(OBJECT, "An event with the members that have the same value in all."),
            "differs": list_of(TEXT, most=PATHS_MAX, text="Paths that all have, with values that differ."),
        },
    ),
    Operation(
        export_failures,
        "GET",
        "/failures/{destination}/{reason}/export",
        "The dead letters of a group as JSON lines",
        "one entry of `events` a line",
        role="editor",
        media_type=JSON_LINES,
        schema=TEXT,
        personal="own",
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
        members={"retried": COUNT, "notConnected": COUNT, **LEFT},
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
        members={"discarded": COUNT, **LEFT},
    ),
)
