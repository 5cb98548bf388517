"""What can be seen over time: series, and the health of a destination."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from sternpost.control import fate, health
from sternpost.control.answers import ApiError
from sternpost.control.context import Context
from sternpost.control.filters import FilterError, moment
from sternpost.control.operation import MOMENT, Operation, Parameter
from sternpost.control.routes.common import destination_of, no_such, totals
from sternpost.control.schema import (
    BLOCKED,
    COUNT,
    COUNTS,
    NUMBER,
    STATE,
    STATE_OR_NULL,
    TEXT,
    TEXTS,
    TIME,
    WHO,
    YES_NO,
    by_name,
    list_of,
    one_of,
    or_null,
    record,
    texted,
)
from sternpost.store import series
from sternpost.store.letters import failure_groups
from sternpost.store.selection import Selection
from sternpost.store.standing import LANES_SHOWN, destination_rows, series_rows

SPAN_S = 3_600  #: when no time is given: the last hour, by the minute
SAMPLE_EVENTS = 500  #: the newest ones of a destination, for samples and for what waits
STEP_NAMES: Mapping[str, int] = {"minute": series.MINUTE, "hour": series.HOUR, "day": series.DAY}
SPAN_QUERY = (
    Parameter("since", "Beginning of the span, e.g. 24h or 2026-11-03T10:00; default: an hour ago.", MOMENT),
    Parameter("until", "End of the span; default: now.", MOMENT),
    Parameter(
        "step",
        "Default: what suits the span. At most 1,500 slots, the latest ones.",
        {"type": "string", "enum": list(STEP_NAMES)},
    ),
)


_SPAN: Mapping[str, Any] = {
    "step": one_of(*STEP_NAMES),
    "stepSeconds": {"type": "integer", "enum": list(STEP_NAMES.values())},
    "since": TIME,
    "until": TIME,
    "slots": list_of(TIME, most=series.POINTS_MAX, text="The beginning of each."),
}
_LATE = {"type": ["number", "null"], "description": "Seconds; null without a delivery."}
_PERCENTILES: Mapping[str, Any] = {name: _LATE for name, _ in health.SHARES}
_LATENCY = record({"count": COUNT, **_PERCENTILES}, title="Latency")
_NUMBERS = list_of(COUNT, most=series.POINTS_MAX, text="One for each slot.")
_POINTS: Mapping[str, Any] = {
    **dict.fromkeys(health.KINDS, _NUMBERS),
    **{name: list_of(_LATE, most=series.POINTS_MAX) for name in _PERCENTILES},
}
SERIES: Mapping[str, Any] = {
    **_SPAN,
    "destinations": by_name(record({**_POINTS, "latency": _LATENCY}, title="DestinationSeries")),
    "sources": by_name(record({"received": _NUMBERS, "duplicates": _NUMBERS}, title="SourceSeries")),
}
HEALTH: Mapping[str, Any] = {
    "destination": TEXT,
    "name": TEXT,
    "type": TEXT,
    "enabled": YES_NO,
    "state": texted(TEXT, "A sentence."),
    "counts": COUNTS,
    "funnel": record(
        {
            "rows": list_of(
                record(
                    {
                        "name": TEXT,
                        "title": TEXT,
                        "count": COUNT,
                        "percent": NUMBER,
                        "state": STATE_OR_NULL,
                        "filter": texted(TEXT, "The states of its events, separated by commas."),
                    },
                    title="FunnelRow",
                ),
                most=8,
            ),
            "total": COUNT,
            "missing": {"type": "integer", "description": "What no row holds: 0."},
        }
    ),
    "channels": list_of(
        record(
            {"channel": TEXT, "waiting": COUNT, "retrying": COUNT, "blocked": or_null(BLOCKED)},
            title="Channel",
        )
    ),
    "reasons": list_of(
        record(
            {
                "state": STATE,
                "reason": TEXT,
                "title": TEXT,
                "explanation": TEXT,
                "remedy": TEXT,
                "who": WHO,
                "count": COUNT,
                "exact": texted(YES_NO, "Of all kept events; else of the newest `sampled`."),
                "firstAt": or_null(TIME),
                "lastAt": or_null(TIME),
                "samples": texted(TEXTS, "messageIds."),
            },
            title="ReasonThere",
        )
    ),
    "sampled": COUNT,
    "latency": _LATENCY,
    "triesPerDelivery": or_null(NUMBER),
    "series": record({**_SPAN, **_POINTS}),
    "pace": or_null(
        record(
            {
                "limitPerSecond": NUMBER,
                "nowPerSecond": NUMBER,
                "waitS": NUMBER,
                "silentSince": or_null(
                    texted(TIME, "Since when nothing gets through; null while it answers.")
                ),
            },
            title="Pace",
        )
    ),
    "drain": record(
        {
            "waiting": COUNT,
            "perSecond": NUMBER,
            "measured": texted(YES_NO, "At the rate of the last minutes; else at the rate that is allowed."),
            "seconds": or_null(texted(NUMBER, "Null when nothing moves.")),
        }
    ),
    "slowest": list_of(
        record(
            {
                "channel": TEXT,
                "userId": TEXT,
                "anonymousId": TEXT,
                "waiting": COUNT,
                "since": TIME,
                "seconds": NUMBER,
                "messageId": TEXT,
                "reason": or_null(TEXT),
                "explanation": TEXT,
            },
            title="SlowLane",
        ),
        most=LANES_SHOWN,
    ),
    "agent": record(
        {
            "total": COUNT,
            "missing": COUNT,
            "percent": NUMBER,
            "pages": list_of(
                record(
                    {
                        "state": one_of("loaded", "blocked", "failed", "slow"),
                        "page": TEXT,
                        "detail": TEXT,
                        "count": COUNT,
                        "lastAt": TIME,
                    },
                    title="AgentReport",
                ),
                most=health.AGENT_PAGES,
            ),
        },
        text="What pages reported about the partner's browser agent since the server started.",
    ),
}


def span_of(context: Context, request: Request) -> tuple[int, int, int]:
    """(step, since, until) of a request, in whole slots."""
    now = context.clock()
    try:
        since = moment(request.query_params.get("since") or "", now, "since") or now - SPAN_S
        until = moment(request.query_params.get("until") or "", now, "until") or now
    except FilterError as error:
        raise ApiError(400, str(error)) from None
    if since >= until:
        raise ApiError(400, "The span is empty: `since` is not before `until`.", "Write e.g. since=24h.")
    name = request.query_params.get("step") or ""
    if name and name not in STEP_NAMES:
        raise ApiError(400, f'There is no step "{name[:40]}".', "Use minute, hour or day.")
    step = STEP_NAMES[name] if name else series.step_for(until - since)
    return step, *series.whole_slots(since, until, step)


def shown_span(step: int, since: int, until: int) -> dict[str, Any]:
    """A span as every answer shows it."""
    return {
        "step": next(name for name, seconds in STEP_NAMES.items() if seconds == step),
        "stepSeconds": step,
        "since": fate.when(since),
        "until": fate.when(until),
        "slots": [fate.when(at) for at in range(since, until, step)],
    }


async def stats_series(context: Context, request: Request) -> Any:
    step, since, until = span_of(context, request)
    workspace = context.workspaces.current
    destinations = _chosen(request, "destination", workspace.destinations)
    sources = _chosen(request, "source", workspace.sources)
    rows = await series_rows(context.views, destinations, sources, step=step, since=since, until=until)
    return {
        **shown_span(step, since, until),
        "destinations": {
            name: {
                **health.points(slots, step=step, since=since, until=until),
                "latency": health.latency(slots),
            }
            for name, slots in rows.destinations.items()
        },
        "sources": {
            name: {
                kind: [slots[at].total(kind) if at in slots else 0 for at in range(since, until, step)]
                for kind in ("received", "duplicates")
            }
            for name, slots in rows.sources.items()
        },
    }


async def destination_health(context: Context, request: Request) -> Any:
    config = destination_of(context, request.path_params["destination"])
    step, since, until = span_of(context, request)
    now = context.clock()
    counts = (await totals(context))["destinations"][config.id]
    rows = await destination_rows(context.views, config.id, step=step, since=since, until=until)
    # What was settled in the last minutes, whatever span is looked at.
    begin, end = series.whole_slots(now - health.RATE_WINDOW_S, now, series.MINUTE)
    lately = await series_rows(context.views, [config.id], [], step=series.MINUTE, since=begin, until=end)
    blocked = [
        channel for channel in await context.views.blocked_channels() if channel.destination_id == config.id
    ]
    recent = await context.views.recent(SAMPLE_EVENTS, Selection(destinations=frozenset({config.id})))
    letters: dict[str, list[str]] = {
        group.reason: [sample.message_id for sample in group.samples]
        for group in await failure_groups(context.views)
        if group.destination_id == config.id
    }
    pace = context.pace(config.id)
    waiting = counts["pending"] + counts["retrying"] + counts["blocked"]
    return {
        "destination": config.id,
        "name": config.name,
        "type": config.type,
        "enabled": config.enabled,
        "state": health.sentence(config, blocked, counts, pace),
        "counts": counts,
        "funnel": health.funnel(counts, rows.counters),
        "channels": health.channels(context.destinations[config.type].spec.channels, rows.counters, blocked),
        "reasons": health.reasons(config.id, rows.counters, rows.reasons, letters, recent.kept),
        "sampled": len(recent.kept),
        "latency": health.latency(rows.slots),
        "triesPerDelivery": health.tries_per_delivery(series.merged(rows.slots.values())),
        "series": {
            **shown_span(step, since, until),
            **health.points(rows.slots, step=step, since=since, until=until),
        },
        "pace": health.pace_entry(pace),
        "drain": health.drain(waiting, health.settled_since(lately.destinations[config.id], begin), pace),
        "slowest": [health.lane(entry, now) for entry in rows.slowest],
        "agent": health.agent(context.agents(config.id)),
    }


def _chosen(request: Request, name: str, known: Mapping[str, Any]) -> list[str]:
    """The ids that a request names, else all."""
    text = request.query_params.get(name)
    if not text:
        return list(known)
    wanted = [part for part in text.split(",") if part]
    for identifier in wanted:
        if identifier not in known:
            raise no_such(name, identifier, known)
    return wanted


OPERATIONS = (
    Operation(
        stats_series,
        "GET",
        "/stats/series",
        "Counts over time, by destination and source",
        "step, since, until, slots, destinations, sources",
        query=(
            Parameter("destination", "Ids of destinations; default: all.", TEXTS),
            Parameter("source", "Ids of sources; default: all.", TEXTS),
            *SPAN_QUERY,
        ),
        members=SERIES,
        refuses=(404,),
    ),
    Operation(
        destination_health,
        "GET",
        "/destinations/{destination}/health",
        "How a destination is: funnel, reasons, latency, what waits",
        "state, counts, funnel, channels, reasons, latency, series, pace, drain, slowest, agent",
        query=SPAN_QUERY,
        members=HEALTH,
    ),
)
