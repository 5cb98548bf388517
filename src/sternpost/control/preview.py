"""What would be sent for an event, step by step, by the code that delivers. Pure: nothing is sent.

Used by `sternpost try`, and to make the requests of delivered events again, which are not kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import structlog

from sternpost import rules
from sternpost.destinations.base import Destination, Known, Plan
from sternpost.model import (
    Call,
    Connection,
    DestinationConfig,
    Event,
    Person,
    Rejected,
    Skipped,
    Source,
)
from sternpost.reasons import ReasonCode
from sternpost.wire import message as wire_message

log = structlog.get_logger("sternpost.control")

#: The checks in the order in which they are made, and the reasons for which each may stop an event. What no check names is the
#: mapping's.
CHECKS: tuple[tuple[str, frozenset[ReasonCode]], ...] = (
    ("readable", frozenset({"encoding_impossible"})),
    ("blocked events of the source", frozenset({"event_blocked"})),
    ("connection", frozenset({"not_connected"})),
    ("destination switched on", frozenset({"destination_disabled"})),
    ("integrations object", frozenset({"filtered_by_integrations"})),
    ("consent", frozenset({"filtered_by_consent"})),
    ("type", frozenset({"event_type_missing", "type_not_supported"})),
    ("mode", frozenset({"sent_by_browser"})),
    ("event filter", frozenset({"filtered_by_allow_list", "filtered_by_deny_list"})),
)
MAPPING = "mapping"


@dataclass(frozen=True, slots=True)
class Step:
    """One check on the way to a destination."""

    name: str
    result: Literal["passed", "stopped"]
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """What delivery would do with an event now."""

    steps: tuple[Step, ...]
    plan: Plan | None  #: None when `stopped`
    stopped: Skipped | Rejected | None


def preview(
    event: Event,
    *,
    source: Source | None,
    config: DestinationConfig,
    connection: Connection | None,
    destination: Destination,
    person: Person,
    now_ms: int,
) -> Preview:
    """Rules and mapping for one event. Schemas that delivery would fetch from the destination are not known here."""
    message = wire_message.read(event, source.type if source else "server")
    if isinstance(message, Rejected):
        return _stopped(message)
    if (stopped := rules.decide(message, source, config, connection, destination.spec)) is not None:
        return _stopped(stopped)
    assert connection is not None
    try:
        plan = destination.plan(message, person, config.settings, Known(now_ms, connection.mode))
    except Exception as error:
        log.exception("preview_failed", destination=config.id)
        return _stopped(Rejected("internal_error", f"{type(error).__name__} while the event was mapped."))
    if not isinstance(plan, Plan):
        return _stopped(plan, mapped=True)
    return Preview((*_passed(len(CHECKS)), Step(MAPPING, "passed", plan.detail)), plan, None)


def rebuilt(
    previewed: Preview,
    destination: Destination,
    config: DestinationConfig,
    *,
    at: float,
    record: Callable[[Call], Mapping[str, Any]],
) -> Sequence[Mapping[str, Any]] | str:
    """The requests of an event as they would be made at that time, masked; or why they cannot be made again."""
    if previewed.plan is None:
        reason = previewed.stopped.reason if previewed.stopped else "unknown"
        return f"Its request was not kept, and by the settings of now the event would not be sent ({reason})."
    try:
        return [record(destination.call([part], config.settings, at)) for part in previewed.plan.parts]
    except Exception as error:
        log.exception("rebuild_failed", destination=config.id)
        return f"Its request was not kept and cannot be made again ({type(error).__name__})."


def accounts_of(event: Event) -> list[str]:
    """The accounts that an event names, whose parents the mapping may ask for."""
    body = wire_message.received(event)
    context = body.get("context")
    named = (body.get("groupId"), context.get("groupId") if isinstance(context, dict) else None)
    return [
        str(value).strip() for value in named if isinstance(value, str | int) and not isinstance(value, bool)
    ]


def _passed(count: int) -> tuple[Step, ...]:
    return tuple(Step(name, "passed") for name, _ in CHECKS[:count])


def _stopped(why: Skipped | Rejected, *, mapped: bool = False) -> Preview:
    for position, (name, reasons) in enumerate(CHECKS if not mapped else ()):
        if why.reason in reasons:
            return Preview((*_passed(position), Step(name, "stopped", why.detail)), None, why)
    return Preview((*_passed(len(CHECKS)), Step(MAPPING, "stopped", why.detail)), None, why)
