"""One event again: what the button of its page does."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from sternpost.control.again import again
from sternpost.control.answers import ApiError
from sternpost.control.context import Context
from sternpost.control.operation import TEXT, Operation
from sternpost.control.routes.common import body_of, destination_of, text_of

SAID = {
    "retry": "It went back into its lane.",
    "now": "It is due now.",
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
    found = again(entry, standing, context.workspaces.current)
    now = context.clock()
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
        case _:
            raise ApiError(409, "It cannot be tried again now.", found["why"])
    return {"how": found["how"], "said": SAID[found["how"]]}


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
    ),
)
