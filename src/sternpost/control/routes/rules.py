"""Everything that stops an event between its source and a destination, in the order in which it acts, with what each stopped in the last day."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from starlette.requests import Request

from sternpost.control import fate
from sternpost.control.context import Context
from sternpost.control.operation import AFTER, LIMIT, NEXT, Operation
from sternpost.control.preview import CHECKS, MAPPING
from sternpost.control.routes.common import page_of
from sternpost.control.schema import COUNT, MODE, TEXT, TIME, YES_NO, list_of, one_of, record, texted
from sternpost.model import Connection, DestinationConfig, Source
from sternpost.reasons import REASONS
from sternpost.store import series
from sternpost.store.standing import stopped_by_connection

NAMES_SHOWN_MAX = 20  #: of a list of event names
#: Ends that are no rule's: a person's, or the destination's.
NO_RULE = frozenset({"discarded_by_operator", "do_not_process", "missing_id"})


RULES = record(
    {
        "source": TEXT,
        "destination": TEXT,
        "mode": MODE,
        "rules": list_of(
            record(
                {
                    "name": TEXT,
                    "setting": texted(TEXT, "As set now, in words."),
                    "active": texted(YES_NO, "Whether it can stop anything as it is set."),
                    "stopped": COUNT,
                    "reasons": list_of(
                        record(
                            {
                                "reason": TEXT,
                                "state": one_of("skipped", "rejected"),
                                "title": TEXT,
                                "count": COUNT,
                            },
                            title="Stopped",
                        )
                    ),
                },
                title="Rule",
            ),
            text="In the order in which they act.",
        ),
    },
    title="Rules",
)


async def rules(context: Context, request: Request) -> Any:
    workspace = context.workspaces.current
    now = context.clock()
    since, until = series.whole_slots(now - series.DAY, now, series.HOUR)
    stopped = await stopped_by_connection(
        context.views, list(workspace.destinations), since=since, until=until
    )
    found = []
    page, following = page_of(request, list(workspace.connections))
    for connection in page:
        source = workspace.sources[connection.source_id]
        config = workspace.destinations[connection.destination_id]
        counts = stopped.get((source.id, config.id), {})
        found.append(
            {
                "source": source.id,
                "destination": config.id,
                "mode": connection.mode,
                "rules": _rules(context, source, config, connection, counts),
            }
        )
    return {"since": fate.when(since), "connections": found, "next": following}


def _rules(
    context: Context,
    source: Source,
    config: DestinationConfig,
    connection: Connection,
    counts: Mapping[tuple[str, str], int],
) -> list[dict[str, Any]]:
    entries = []
    named: set[str] = set()
    for name, reasons in CHECKS:
        named |= reasons
        setting, active = _setting(context, name, source, config, connection)
        entries.append({"name": name, "setting": setting, "active": active, **_stopped(reasons, counts)})
    mapping = {
        reason.code
        for reason in REASONS.values()
        if reason.stage in {"skipped", "rejected"} and reason.code not in named | NO_RULE
    }
    setting = "What the destination cannot take, by its settings."
    entries.append({"name": MAPPING, "setting": setting, "active": True, **_stopped(mapping, counts)})
    return entries


def _stopped(reasons: Collection[str], counts: Mapping[tuple[str, str], int]) -> dict[str, Any]:
    stopped = [
        {"reason": code, "state": kind, "title": known.title, "count": n}
        for (kind, code), n in sorted(counts.items())
        if code in reasons and kind in {"skipped", "rejected"} and (known := REASONS.get(code)) is not None  # type: ignore[call-overload]
    ]
    return {"stopped": sum(int(one["count"]) for one in stopped), "reasons": stopped}


def _setting(
    context: Context, name: str, source: Source, config: DestinationConfig, connection: Connection
) -> tuple[str, bool]:
    """What a check goes by, and whether it can stop anything as things are set."""
    spec = context.destinations[config.type].spec
    match name:
        case "readable":
            return "Values that cannot be written as JSON again.", True
        case "blocked events of the source":
            blocked = sorted(source.blocked_events)
            return (f"blockedEvents: {_names(blocked)}" if blocked else "blockedEvents is empty."), bool(
                blocked
            )
        case "connection":
            return "Connected; events that waited when a connection was removed end here.", True
        case "destination switched on":
            return (
                "It is switched on." if config.enabled else "It is switched off: everything stops here."
            ), (not config.enabled)
        case "integrations object":
            return f"A call excludes it with integrations: {spec.display_name}: false, or All: false.", True
        case "consent":
            if not config.consent:
                return "No consent is needed.", False
            needed = [
                f"{one.provider} ({one.resolution_strategy or 'and'}): {_names(one.consents)}"
                for one in config.consent
            ]
            return "; ".join(needed), True
        case "type":
            return (f"It takes {_names(sorted(spec.types))}." if spec.types else "It takes every type."), True
        case "mode":
            device = connection.mode == "device"
            said = "Device: the page itself sends, the server nothing." if device else f"{connection.mode.capitalize()}: the server sends."  # fmt: skip
            return said, device
        case "event filter":
            filtering = config.event_filtering
            if filtering.mode == "off":
                return "No list is in force.", False
            verb = "Only these track events pass" if filtering.mode == "allow" else "These track events stop"
            return f"{verb}: {_names(filtering.events) or 'none'}", True
        case _:
            return "", True


def _names(names: Any) -> str:
    shown = ", ".join(list(names)[:NAMES_SHOWN_MAX])
    return shown if len(names) <= NAMES_SHOWN_MAX else f"{shown} and {len(names) - NAMES_SHOWN_MAX} more"


OPERATIONS = (
    Operation(
        rules,
        "GET",
        "/rules",
        "What stops events, per connection, with what each rule stopped in the last day",
        "since, connections, next",
        query=(LIMIT, AFTER),
        members={"since": TIME, "connections": list_of(RULES), "next": NEXT},
    ),
)
