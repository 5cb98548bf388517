"""One event again: what the button of its page does."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from sternpost.control import audit
from sternpost.control.again import again, undoes
from sternpost.control.answers import ApiError
from sternpost.control.context import Context
from sternpost.control.filters import Filter, Term
from sternpost.control.operation import Operation
from sternpost.control.replays import Wanted
from sternpost.control.routes.common import actor_of, body_of, destination_of, text_of
from sternpost.control.schema import TEXT, one_of
from sternpost.store.base import NewReplay
from sternpost.store.candidates import last_seq
from sternpost.store.kept import Kept, Standing
from sternpost.store.standing import later_profile

SAID = {
    "retry": "It went back into its lane.",
    "now": "It is due now.",
    "replay": "It is being delivered once more, behind what is new.",
    "ask": "The destination is asked now whether it works again.",
}


async def try_again(context: Context, request: Request) -> Any:
    body = await body_of(request, {"messageId", "source", "destination"})
    config = destination_of(context, text_of(body, "destination"))
    kept = await context.views.events_by_message_id(text_of(body, "messageId"), text_of(body, "source"))
    if not kept:
        raise ApiError(404, "No such event of this source is kept.", "Compare the id with GET /events.")
    [entry] = kept
    standing = next((one for one in entry.standings if one.destination_id == config.id), None)
    if standing is None:
        raise ApiError(
            409,
            f"The event was not fanned out to {config.id}.",
            "Replay it once its source is connected.",
        )
    found = await possible(context, entry, standing)
    now = context.clock()
    audit.intend(request, config.id, messageId=entry.event.message_id, how=found["how"])
    match found["how"]:
        case "retry":
            route = context.route_for(entry.event, config.id)
            which = (entry.event.seq, config.id)
            receipt = await context.store.retry_rejected(
                [which], {which: route} if route is not None else {}, now=now
            )
            context.wake(receipt.due)
        case "now":
            context.wake(await context.store.hasten(config.id, entry.event.seq, now=now))
        case "ask":
            context.ask_again(config.id)
        case "replay":
            await _replay(context, request, entry, config.id, now)
        case _:
            raise ApiError(409, "It cannot be tried again now.", found["why"])
    return {"how": found["how"], "said": SAID[found["how"]]}


async def possible(context: Context, kept: Kept, standing: Standing) -> dict[str, Any]:
    """What may be done about an event at a destination."""
    later = None
    if undoes(kept, standing):
        later = await later_profile(context.views, kept.event, standing.destination_id)
    return again(kept, standing, context.workspaces.current, later=later)


async def _replay(context: Context, request: Request, kept: Kept, destination: str, now: float) -> None:
    """A replay of this event alone; it is among the replays, and its delivery stands behind live ones."""
    event = kept.event
    route = context.route_for(event, destination)
    if route is None:
        raise ApiError(409, "Its source is not connected to the destination any more.", "Connect them first.")
    one = Filter((Term("", (event.message_id,)),), event.received_at - 0.002, event.received_at + 0.002)
    new = NewReplay(
        destination,
        Wanted(destination, one, everything=True).written(),
        True,
        1.0,
        actor_of(request),
        1,
        event.seq,
    )
    no = await context.store.add_replay(new, now=now)
    if not no:
        raise ApiError(409, "Too many replays are open.", "Wait for one to end, or cancel one.")
    replayed = await context.store.replay(
        no,
        [(event.seq, route)],
        after=event.seq - 1,
        cursor=await last_seq(context.views),
        looked_at=1,
        not_connected=0,
        now=now,
    )
    if replayed is not None:
        context.wake(replayed.receipt.due)
    context.replays_changed()


OPERATIONS = (
    Operation(
        try_again,
        "POST",
        "/again",
        "Try one event again at one destination, now",
        "how, said",
        role="editor",
        body={"messageId": TEXT, "source": TEXT, "destination": TEXT},
        required=("messageId", "source", "destination"),
        members={"how": one_of(*SAID), "said": TEXT},
    ),
)
