"""What would be sent for an event, and sending it for real."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import msgspec
from msgspec import structs
from starlette.requests import Request

from sternpost.control import audit, fate
from sternpost.control.answers import ApiError
from sternpost.control.context import Context
from sternpost.control.operation import Operation
from sternpost.control.preview import MAPPING, Preview, rebuilt
from sternpost.control.routes.common import body_of, destination_of, no_such, preview_of, text_of
from sternpost.control.schema import (
    NOTE,
    NUMBER,
    REPLY,
    REQUEST,
    STATE_OR_NULL,
    TEXT,
    list_of,
    one_of,
    or_null,
    record,
)
from sternpost.destinations.base import Plan
from sternpost.model import (
    Blocked,
    Delivered,
    DestinationConfig,
    Event,
    Outcome,
    Person,
    Rejected,
    Reply,
    Retry,
    Skipped,
    Source,
    Split,
)
from sternpost.wire import decode
from sternpost.wire import message as wire_message

TRIED = record(
    {
        "destination": TEXT,
        "source": or_null(TEXT),
        "messageId": TEXT,
        "userId": TEXT,
        "steps": list_of(
            record({"name": TEXT, "result": one_of("passed", "stopped"), "detail": TEXT}, title="CheckedStep")
        ),
        "requests": list_of(REQUEST),
        "state": STATE_OR_NULL,
        "reason": or_null(TEXT),
        "explanation": TEXT,
        "remedy": TEXT,
        "diagnostics": list_of(NOTE),
    },
    {
        "replies": list_of(
            record(
                {"reply": or_null(REPLY), "ms": or_null(NUMBER), "error": or_null(TEXT)}, title="ReplyToTry"
            ),
            text="With `send`: what came back for each request.",
        )
    },
    title="Tried",
)


async def try_event(context: Context, request: Request) -> Any:
    audit.nothing_changed(request)
    body = await body_of(request, {"destination", "event"})
    config = destination_of(context, text_of(body, "destination"))
    source = _source(context, body, config)
    event = _tried_event(context, body.get("event"), source)
    previewed, person = await preview_of(context, event, config, source)
    destination = context.destinations[config.type]
    answer: dict[str, Any] = {
        "destination": config.id,
        "source": source.id if source else None,
        "messageId": event.message_id,
        "userId": person.user_id,
        "steps": [asdict(step) for step in previewed.steps],
        "requests": [],
        "state": None,
        "reason": None,
        "explanation": "",
        "remedy": "",
        "diagnostics": [],
    }
    if previewed.plan is None:
        assert previewed.stopped is not None
        if _would_wait(context, event, config, source, previewed, person):
            text, remedy, _ = fate.explanation("held_for_identity", "")
            held = {"state": "held", "reason": "held_for_identity", "explanation": text, "remedy": remedy}
            return {**answer, **held}
        return {**answer, **_outcome(previewed.stopped)}
    now = context.clock()
    requests = rebuilt(previewed, destination, config, at=now, record=context.request_record)
    if isinstance(requests, str):
        raise ApiError(500, "The request for this event could not be made.", "The server's log says why.")
    answer["requests"] = list(requests)
    answer["diagnostics"] = [structs.asdict(note) for note in previewed.plan.notes]
    answer["explanation"] = previewed.plan.detail
    if body.get("send") is True:
        audit.note(request, config.id, messageId=event.message_id)
        return {**answer, **await _sent(context, config, previewed.plan, now)}
    return answer


def _source(context: Context, body: Mapping[str, Any], config: DestinationConfig) -> Source | None:
    """The source that is named, else the first that is connected to the destination, else any."""
    workspace = context.workspaces.current
    if body.get("source") is not None:
        identifier = text_of(body, "source")
        if identifier not in workspace.sources:
            raise no_such("source", identifier, workspace.sources)
        return workspace.sources[identifier]
    for connection in workspace.connections:
        if connection.destination_id == config.id:
            return workspace.sources[connection.source_id]
    return next(iter(workspace.sources.values()), None)


def _tried_event(context: Context, event: object, source: Source | None) -> Event:
    if not isinstance(event, dict):
        raise ApiError(
            400,
            "`event` must be an object.",
            'Send e.g. {"type": "track", "event": "Hello", "userId": "u1"}.',
        )
    try:
        [made] = decode.decode_batch(
            b'{"batch":[' + msgspec.json.encode(event) + b"]}",
            allow_empty=False,
            source_id=source.id if source else "",
            received_at=context.clock(),
            request_ip="",
            new_id=context.new_id,
        )
    except decode.Refused as refused:
        text, remedy, _ = fate.explanation(refused.reason, refused.detail)
        raise ApiError(
            400, f"The server would refuse this event: {text}", remedy, reason=refused.reason
        ) from None
    except (UnicodeEncodeError, OverflowError):
        raise ApiError(400, "The event holds a value that cannot be written as JSON.") from None
    return made


def _would_wait(
    context: Context,
    event: Event,
    config: DestinationConfig,
    source: Source | None,
    previewed: Preview,
    person: Person,
) -> bool:
    """Whether delivery would hold an anonymous event for a link, instead of skipping it."""
    connection = context.workspaces.current.connection(event.source_id, config.id)
    message = wire_message.read(event, source.type if source else "server")
    if person.user_id or connection is None or isinstance(message, Rejected):
        return False
    if previewed.steps[-1].name != MAPPING:
        return False
    destination = context.destinations[config.type]
    return destination.holds(message, connection.mode, config.settings) is not None


async def _sent(context: Context, config: DestinationConfig, plan: Plan, now: float) -> dict[str, Any]:
    """Send the requests of a plan in order, until one does not succeed."""
    destination = context.destinations[config.type]
    replies: list[dict[str, Any]] = []
    outcome: Outcome = Delivered()
    for part in plan.parts:
        reply: Reply = await context.send(config.id, destination.call([part], config.settings, now))
        reading = destination.read(reply, [part], config.settings)
        outcome = Retry(reading.reason, reading.detail) if isinstance(reading, Split) else reading[0]
        replies.append(
            {
                "reply": context.reply_record(reply),
                "ms": reply.ms,
                "error": f"{reply.error}: {reply.error_detail}" if reply.status is None else None,
            }
        )
        if not isinstance(outcome, Delivered):
            break
    said = _outcome(outcome)
    if isinstance(outcome, Delivered):
        said["explanation"] = outcome.detail or plan.detail
        said["diagnostics"] = [structs.asdict(note) for note in (*plan.notes, *outcome.notes)]
    return {"replies": replies, **said}


def _outcome(outcome: Outcome) -> dict[str, Any]:
    """An outcome of a try in the words of a fate."""
    state = {
        Delivered: "delivered",
        Skipped: "skipped",
        Rejected: "rejected",
        Retry: "retrying",
        Blocked: "blocked",
    }[type(outcome)]
    reason = None if isinstance(outcome, Delivered) else outcome.reason
    text, remedy, _ = fate.explanation(reason, outcome.detail)
    said: dict[str, Any] = {"state": state, "reason": reason, "explanation": text, "remedy": remedy}
    if isinstance(outcome, Skipped | Rejected):
        said["diagnostics"] = [structs.asdict(note) for note in outcome.notes]
    return said


OPERATIONS = (
    Operation(
        try_event,
        "POST",
        "/try",
        "What would be sent for an event; with send, what comes back",
        "steps, requests, state, reason, explanation, remedy, diagnostics, replies",
        role="editor",
        body={
            "destination": TEXT,
            "event": {"type": "object", "description": "As a client would send it, with its type."},
            "source": {"type": "string", "description": "Default: the first that is connected."},
            "send": {"type": "boolean", "default": False, "description": "Really send it."},
        },
        required=("destination", "event"),
        schema=TRIED,
    ),
)
