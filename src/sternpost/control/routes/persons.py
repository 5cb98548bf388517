"""The people of the events: what is known of one, stop, allow, forget, and what a destination holds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from starlette.requests import Request

from sternpost.control import audit, fate, persons
from sternpost.control.answers import ApiError
from sternpost.control.auth import PRINCIPAL
from sternpost.control.context import Context
from sternpost.control.operation import AFTER, BEFORE, LIMIT, NEXT, Operation, Parameter
from sternpost.control.routes.common import (
    PAGE_ROWS,
    actor_of,
    body_of,
    choice_of,
    cursor,
    destination_of,
    limit_of,
    number_of,
    text_of,
)
from sternpost.control.schema import (
    COUNT,
    ENTRY,
    OBJECT,
    TEXT,
    TIME,
    YES_NO,
    by_name,
    list_of,
    one_of,
    or_null,
    record,
    texted,
)
from sternpost.destinations.base import ReadsBack
from sternpost.limits import MEMBERSHIPS_PER_PERSON_MAX, PAGE_ROWS_MAX, STOPPED_MAX
from sternpost.store.person_view import LINKS_MAX, person_rows
from sternpost.store.persons import receipts, stops
from sternpost.wire import message as wire_message

#: Of a page: when somebody was stopped, and the digest.
STOPPED_PLACE = r"([0-9]{1,12}\.[0-9]{1,12})~([0-9a-f]{32})"
NOTE_CHARS_MAX = 500
ID_CHARS_MAX = 1_000
KINDS: tuple[Literal["visitor", "account"], ...] = ("visitor", "account")
REASON = {"note": {"type": "string", "description": "Why; kept with it."}}


RECEIPT = record(
    {
        "id": TEXT,
        "person": texted(TEXT, "A digest."),
        "state": one_of("removing", "asking", "done"),
        "askedAt": TIME,
        "askedBy": TEXT,
        "note": TEXT,
        "here": record(
            {
                "events": COUNT,
                "profiles": COUNT,
                "removedAt": or_null(TIME),
                "compacted": or_null(
                    texted(YES_NO, "Whether the file was rewritten, so that no byte is left.")
                ),
            }
        ),
        "destinations": list_of(
            record(
                {
                    "destination": TEXT,
                    "state": one_of("waiting", "asked", "done", "cannot", "removed"),
                    "job": or_null(TEXT),
                    "askedAt": or_null(TIME),
                    "doneAt": or_null(TIME),
                    "said": TEXT,
                    "tries": COUNT,
                    "nextAt": or_null(TIME),
                },
                title="DeletionThere",
            )
        ),
    },
    title="Deletion",
)
PERSON: Mapping[str, Any] = {
    "id": TEXT,
    "stopped": YES_NO,
    "ids": list_of(
        record({"userId": TEXT, "anonymousId": TEXT, "since": TIME}, title="Identified"), most=LINKS_MAX
    ),
    "accounts": list_of(
        record({"groupId": TEXT, "since": TIME, "parents": by_name(TEXT)}, title="Membership"),
        most=2 * MEMBERSHIPS_PER_PERSON_MAX,
    ),
    "traits": texted(OBJECT, "Of the newest identify on this page."),
    "lanes": list_of(
        record(
            {
                "destination": TEXT,
                "channel": TEXT,
                "waiting": COUNT,
                "since": TIME,
                "behind": texted(TEXT, "The messageId of the first that waits."),
                "reason": or_null(TEXT),
                "replayed": YES_NO,
                "beingSent": YES_NO,
                "nextAt": or_null(TIME),
            },
            title="WaitingLane",
        )
    ),
    "deletion": or_null(RECEIPT),
    "events": list_of(ENTRY),
    "next": NEXT,
}


async def person(context: Context, request: Request) -> Any:
    """What the store knows of a person."""
    _may_see(request)
    who = _id(request)
    rows = await person_rows(
        context.views, who, limit=limit_of(request, PAGE_ROWS), before=number_of(request, "before")
    )
    workspace = context.workspaces.current
    events = [fate.compose(kept, workspace, attempts=False) for kept in rows.events]
    deletions = await context.persons.tables.deletions(person_id=who)
    if (
        number_of(request, "before") is None
        and not events
        and not rows.links
        and not rows.memberships
        and not deletions
        and not context.persons.knows(who)
    ):
        raise ApiError(
            404,
            "Nothing is known of a person with this id.",
            "Ids are case-sensitive. Events older than the retention are gone; so is whoever was forgotten.",
        )
    return {
        "id": who,
        "stopped": context.persons.knows(who),
        "ids": [
            {"userId": one.user_id, "anonymousId": one.anonymous_id, "since": fate.when(one.at_ms / 1000)}
            for one in rows.links
        ],
        "accounts": [
            {"groupId": one.group_id, "since": fate.when(one.at_ms / 1000), "parents": dict(one.parents)}
            for one in rows.memberships
        ],
        "traits": next(
            (_traits(kept) for kept in rows.events if kept.event.type.strip().lower() == "identify"), {}
        ),
        "lanes": [
            {
                "destination": lane.destination_id,
                "channel": lane.channel,
                "waiting": lane.waiting,
                "since": fate.when(lane.since),
                "behind": lane.message_id,
                "reason": lane.reason,
                "replayed": lane.behind,
                "beingSent": lane.leased,
                "nextAt": fate.when(lane.ready_at),
            }
            for lane in rows.lanes
        ],
        "deletion": persons.shown(deletions[0]) if deletions else None,
        "events": events,
        "next": cursor(rows.next),
    }


async def stop_person(context: Context, request: Request) -> Any:
    who, note = _id(request), await _note(request)
    audit.intend(request, f"person {context.persons.short(who)}", note=note)
    if not await context.persons.stop(who, by=actor_of(request), note=note):
        raise ApiError(409, f"{STOPPED_MAX:,} ids are stopped, which is the most.", "Allow some again.")
    audit.note(request, f"person {context.persons.short(who)}", note=note)
    return {"id": who, "stopped": True}


async def allow_person(context: Context, request: Request) -> Any:
    who = _id(request)
    audit.intend(request, f"person {context.persons.short(who)}")
    allowed = await context.persons.allow(who)
    audit.note(request, f"person {context.persons.short(who)}")
    return {"id": who, "stopped": False, "changed": allowed}


async def forget_person(context: Context, request: Request) -> Any:
    who, note = _id(request), await _note(request)
    ids, users = await context.persons.tables.ids_of(who)
    if users and not ids.anonymous_ids:
        named = ", ".join(users[:3])
        raise ApiError(
            409,
            f"This anonymous id turned out to be the user {named}, to whom its events belong.",
            "Forget that user; its anonymous ids go with it.",
            users=users[:20],
        )
    audit.intend(request, f"person {context.persons.short(who)}", note=note)
    deletion = await context.persons.forget(who, by=actor_of(request), note=note)
    audit.note(request, f"person {context.persons.short(who)}", deletion=deletion.no, note=note)
    return persons.shown(deletion)


async def stopped_people(context: Context, request: Request) -> Any:
    _may_see(request)
    limit = limit_of(request, PAGE_ROWS_MAX)
    found = await context.views.read(stops(limit=limit + 1, after=_stopped_after(request)))
    page = found[:limit]
    return {
        "stopped": [
            {"id": one.id, "since": fate.when(one.stopped_at), "by": one.stopped_by, "note": one.note}
            for one in page
        ],
        "next": f"{page[-1].stopped_at!r}~{page[-1].digest.hex()}" if len(found) > limit else None,
    }


async def list_deletions(context: Context, request: Request) -> Any:
    limit = limit_of(request, PAGE_ROWS_MAX)
    found = await context.views.read(receipts(limit=limit + 1, before=number_of(request, "after")))
    return {
        "deletions": [persons.shown(one) for one in found[:limit]],
        "next": cursor(found[limit - 1].no if len(found) > limit else None),
    }


async def read_back(context: Context, request: Request) -> Any:
    """Ask a destination what it holds; nothing is changed there."""
    _may_see(request)
    config = destination_of(context, request.path_params["destination"])
    destination: object = context.destinations[config.type]
    kind = choice_of(request, "kind", KINDS)
    who = _id(request)
    call = destination.read_back(kind, who, config.settings) if isinstance(destination, ReadsBack) else None
    if call is None or not isinstance(destination, ReadsBack):
        raise ApiError(
            409,
            f"{config.name} cannot be asked what it holds.",
            "For Pendo, set its integration key; other destinations do not tell.",
        )
    held, said = destination.read_held(await context.send(config.id, call))
    return {"destination": config.id, "kind": kind, "id": who, "held": held, "said": said}


def _stopped_after(request: Request) -> tuple[float, bytes] | None:
    """Where a page of stopped people begins: the time and the digest of the last one before it. Raises ApiError."""
    text = request.query_params.get("after", "")
    if not text:
        return None
    found = re.fullmatch(STOPPED_PLACE, text)
    if found is None:
        raise ApiError(400, "after is no place in this list.", "Take `next` of an earlier answer.")
    return float(found[1]), bytes.fromhex(found[2])


def _may_see(request: Request) -> None:
    if not request.scope[PRINCIPAL].personal_data:
        raise ApiError(403, "This shows personal data, which you may not see.", "An owner can allow it.")


def _id(request: Request) -> str:
    given = str(request.path_params["person"])
    who = given.strip()
    if not who or len(given) > ID_CHARS_MAX:
        raise ApiError(400, f"The id of a person has 1 to {ID_CHARS_MAX} characters.")
    return who


async def _note(request: Request) -> str:
    body = await body_of(request, {"note"})
    note = text_of(body, "note").strip()
    if not note or len(note) > NOTE_CHARS_MAX:
        raise ApiError(400, f"Say why in `note`, in at most {NOTE_CHARS_MAX} characters.")
    return note


def _traits(kept: Any) -> dict[str, Any]:
    """The traits of an identify call, wherever the client put them."""
    body = wire_message.received(kept.event)
    context = body.get("context")
    nested = context.get("traits") if isinstance(context, dict) else None
    own = body.get("traits")
    return {**(nested if isinstance(nested, dict) else {}), **(own if isinstance(own, dict) else {})}


OPERATIONS = (
    Operation(
        stopped_people,
        "GET",
        "/stopped",
        "Who is stopped by name, the latest first",
        "stopped, next",
        role="editor",
        query=(
            LIMIT,
            Parameter(
                "after",
                "`next` of an earlier page.",
                {"type": "string", "pattern": f"^({STOPPED_PLACE})?$"},
            ),
        ),
        members={
            "stopped": list_of(
                record({"id": TEXT, "since": TIME, "by": TEXT, "note": TEXT}, title="StoppedPerson")
            ),
            "next": NEXT,
        },
    ),
    Operation(
        list_deletions,
        "GET",
        "/deletions",
        "People who were forgotten, without who they were, the latest first",
        "deletions, next",
        query=(LIMIT, AFTER),
        members={"deletions": list_of(RECEIPT), "next": NEXT},
    ),
    Operation(
        stop_person,
        "POST",
        "/people/{person:path}/stop",
        "Accept and skip further events of a person",
        "id, stopped",
        role="editor",
        body=REASON,
        required=("note",),
        members={"id": TEXT, "stopped": YES_NO},
    ),
    Operation(
        allow_person,
        "POST",
        "/people/{person:path}/allow",
        "Lift a stop",
        "id, stopped, changed",
        role="editor",
        members={"id": TEXT, "stopped": YES_NO, "changed": YES_NO},
    ),
    Operation(
        forget_person,
        "POST",
        "/people/{person:path}/forget",
        "Delete a person here and at the destinations that can",
        "the receipt",
        role="editor",
        body=REASON,
        required=("note",),
        schema=RECEIPT,
    ),
    Operation(
        person,
        "GET",
        "/people/{person:path}",
        "What is known of a person",
        "ids, accounts, traits, lanes, deletion, events, next",
        role="editor",
        query=(LIMIT, BEFORE),
        members=PERSON,
    ),
    Operation(
        read_back,
        "GET",
        "/destinations/{destination}/held/{person:path}",
        "What a destination holds of a visitor or an account",
        "held, said",
        role="editor",
        query=(
            Parameter(
                "kind",
                "What it is there.",
                {"type": "string", "enum": list(KINDS), "default": "visitor"},
            ),
        ),
        members={
            "destination": TEXT,
            "kind": one_of(*KINDS),
            "id": TEXT,
            "held": or_null(texted(OBJECT, "For Pendo the metadata by group.")),
            "said": TEXT,
        },
        refuses=(409,),
    ),
)
