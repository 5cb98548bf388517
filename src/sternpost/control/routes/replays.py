"""Replays: what one would be, begin, look, pause, resume, cancel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from sternpost.control import audit, fate, replays
from sternpost.control.answers import ApiError
from sternpost.control.context import Context
from sternpost.control.operation import AFTER, LIMIT, NEXT, Operation
from sternpost.control.preview import rebuilt
from sternpost.control.replays import Estimate, Wanted
from sternpost.control.routes.common import (
    actor_of,
    body_of,
    destination_of,
    no_such,
    page_of,
    preview_of,
    principal_of,
    text_of,
)
from sternpost.control.schema import (
    COUNT,
    NUMBER,
    REQUEST,
    TEXT,
    TEXTS,
    TIME,
    YES_NO,
    list_of,
    one_of,
    or_null,
    record,
    texted,
)
from sternpost.limits import REPLAY_RATE_MAX, REPLAYS_OPEN_MAX
from sternpost.model import DestinationConfig
from sternpost.store.base import NewReplay, Replay, ReplayState

RATE_SHARE = 0.5  #: of the destination's own rate, when none is given: live events keep the other half
ONLY = ("not_delivered", "all")

WANTED: Mapping[str, Any] = {
    "destination": {"type": "string", "description": "Where to; may be left out when there is one."},
    "q": {"type": "string", "description": "Filter line, e.g. type:track event:Checkout -user:test."},
    "from": {"type": "string", "description": "Received since then: 2026-11-03T10:00, 2h, yesterday."},
    "to": {"type": "string", "description": "Received until then."},
    "source": {"type": "string", "description": "Ids of sources, separated by commas."},
    "type": {"type": "string", "description": "Types of calls, separated by commas."},
    "user": {"type": "string", "description": "User ids, separated by commas."},
    "anonymousId": {"type": "string", "description": "Anonymous ids, separated by commas."},
    "only": {
        "type": "string",
        "enum": list(ONLY),
        "default": "not_delivered",
        "description": "not_delivered: what was skipped, was rejected or was never meant for the destination. all: also what was "
        "delivered.",
    },
    "ratePerSecond": {
        "type": "number",
        "exclusiveMinimum": 0,
        "maximum": REPLAY_RATE_MAX,
        "description": "Events per second at most; default: half of the destination's ratePerSecond.",
    },
}
#: Members of the request that say the same as a key of the filter.
KEYS = {
    "from": "since",
    "to": "until",
    "source": "source",
    "type": "type",
    "user": "user",
    "anonymousId": "anon",
}


REPLAY = record(
    {
        "id": TEXT,
        "destination": TEXT,
        "state": one_of("running", "paused", "done", "cancelled"),
        "detail": texted(TEXT, "Why."),
        "filter": TEXT,
        "from": or_null(TIME),
        "to": or_null(TIME),
        "only": one_of(*ONLY),
        "ratePerSecond": NUMBER,
        "createdAt": TIME,
        "createdBy": TEXT,
        "changedAt": TIME,
        "estimated": COUNT,
        "progress": {"type": "number", "minimum": 0, "maximum": 1},
        "lookedAt": COUNT,
        "queued": texted(COUNT, "Put back into lanes."),
        **dict.fromkeys(("waiting", "delivered", "skipped", "rejected", "withdrawn"), COUNT),
        "underWay": texted(COUNT, "Left alone: they waited for their first delivery."),
        "notConnected": COUNT,
    },
    title="Replay",
)
ESTIMATE: Mapping[str, Any] = {
    "destination": TEXT,
    "filter": TEXT,
    "from": or_null(TIME),
    "to": or_null(TIME),
    "only": one_of(*ONLY),
    "count": COUNT,
    "exact": texted(YES_NO, "Else it is reckoned from a part."),
    "people": COUNT,
    "bytes": COUNT,
    "firstAt": or_null(TIME),
    "lastAt": or_null(TIME),
    "delivered": COUNT,
    "underWay": COUNT,
    "notConnected": COUNT,
    "ratePerSecond": NUMBER,
    "seconds": NUMBER,
    "warnings": TEXTS,
    "samples": list_of(
        record(
            {
                "messageId": TEXT,
                "source": TEXT,
                "type": TEXT,
                "name": TEXT,
                "receivedAt": TIME,
                "requests": list_of(REQUEST),
                "reason": or_null(TEXT),
                "explanation": TEXT,
            },
            title="WouldBeSent",
        ),
        text="The first events, with what would be sent.",
    ),
}


async def list_replays(context: Context, request: Request) -> Any:
    page, following = page_of(request, await context.store.replays())
    return {"replays": [replays.shown(job) for job in page], "next": following}


async def get_replay(context: Context, request: Request) -> Any:
    return replays.shown(await _job(context, request))


async def estimate_replay(context: Context, request: Request) -> Any:
    audit.nothing_changed(request)
    body = await body_of(request)
    config, what, rate = _asked(context, request, body)
    return await _estimated(context, config, what, rate)


async def begin_replay(context: Context, request: Request) -> Any:
    body = await body_of(request)
    config, what, rate = _asked(context, request, body)
    found = await _counted(context, config, what)
    if not found.count:
        raise ApiError(
            400,
            "No kept event fits, so there is nothing to replay.",
            "Widen the time or the filter; choose all instead of not_delivered to send again what was delivered.",
            underWay=found.under_way,
            notConnected=found.not_connected,
        )
    new = NewReplay(
        config.id,
        what.written(),
        what.everything,
        rate,
        actor_of(request),
        found.count,
        found.first_seq if found.exact else 1,
    )
    told = {
        "destination": config.id,
        "from": fate.when(what.filter.since),
        "to": fate.when(what.filter.until),
        "only": "all" if what.everything else "not_delivered",
        "ratePerSecond": rate,
        "estimated": found.count,
        # A filter may name people, whom the log must not remember.
        "filtered": bool(what.filter.line),
    }
    audit.intend(request, "", **told)
    no = await context.store.add_replay(new, now=context.clock())
    if not no:
        raise ApiError(
            409,
            f"{REPLAYS_OPEN_MAX} replays are open, which is the most.",
            "Wait for one to end, or cancel one.",
        )
    context.replays_changed()
    job = replays.shown(await _job_of(context, no))
    audit.note(request, str(no), **told)
    return job


async def pause_replay(context: Context, request: Request) -> Any:
    return await _changed(context, request, "paused")


async def resume_replay(context: Context, request: Request) -> Any:
    body = await body_of(request, may_be_empty=True)
    rate = _rate(body, None) if "ratePerSecond" in body else None
    return await _changed(context, request, "running", rate=rate)


async def cancel_replay(context: Context, request: Request) -> Any:
    job = await _job(context, request)
    detail = f"Cancelled by {actor_of(request)}."
    cancelled = await replays.cancel(context.store, job.no, detail=detail, now=context.clock())
    if cancelled is None:
        raise _ended(job)
    audit.note(request, str(job.no))
    context.replays_changed()
    return replays.shown(await _job_of(context, job.no))


async def _changed(
    context: Context, request: Request, state: ReplayState, *, rate: float | None = None
) -> dict[str, Any]:
    job = await _job(context, request)
    detail = f"Paused by {actor_of(request)}." if state == "paused" else ""
    changed = await context.store.change_replay(job.no, state, now=context.clock(), detail=detail, rate=rate)
    if changed is None:
        raise _ended(job)
    audit.note(request, str(job.no), **({"ratePerSecond": [job.rate, rate]} if rate is not None else {}))
    context.replays_changed()
    return replays.shown(changed)


def _ended(job: Replay) -> ApiError:
    return ApiError(
        409, f"The replay {job.no} has ended: it is {job.state}.", "Begin a new one.", state=job.state
    )


async def _job(context: Context, request: Request) -> Replay:
    given: str = request.path_params["replay"]
    if given.isascii() and given.isdigit() and len(given) < 19:
        return await _job_of(context, int(given))
    raise no_such("replay", given, {})


async def _job_of(context: Context, no: int) -> Replay:
    jobs = {str(job.no): job for job in await context.store.replays()}
    if str(no) not in jobs:
        raise no_such("replay", str(no), jobs)
    return jobs[str(no)]


def _asked(
    context: Context, request: Request, body: Mapping[str, Any]
) -> tuple[DestinationConfig, Wanted, float]:
    """What a request means. Raises ApiError, FilterError."""
    known = [name for name in body if name not in WANTED]
    if known:
        raise ApiError(400, f"There is no `{known[0][:40]}` here.", f"There are: {', '.join(WANTED)}.")
    configured = context.workspaces.current.destinations
    if body.get("destination") is None and len(configured) == 1:
        config = next(iter(configured.values()))
    elif body.get("destination") is None:
        raise ApiError(400, "`destination` is missing.", f"There are: {', '.join(configured) or 'none'}.")
    else:
        config = destination_of(context, text_of(body, "destination"))
    only = body.get("only", ONLY[0])
    if only not in ONLY:
        raise ApiError(400, "`only` must be not_delivered or all.")
    keys = {key: text_of(body, name) for name, key in KEYS.items() if body.get(name) not in {None, ""}}
    line = text_of(body, "q") if body.get("q") is not None else ""
    what = replays.wanted(config.id, line, keys, everything=only == "all", now=context.clock())
    if what.filter.of_a_person and not principal_of(request).personal_data:
        # How many events there are would tell whose they are.
        raise ApiError(
            403, "You may not choose events by a person.", "Leave ids and words out of the filter."
        )
    return config, what, _rate(body, max(1.0, config.rate_per_second * RATE_SHARE))


def _rate(body: Mapping[str, Any], usual: float | None) -> float:
    rate = body.get("ratePerSecond", usual)
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate <= REPLAY_RATE_MAX:
        raise ApiError(400, f"`ratePerSecond` must be a number above 0 and at most {REPLAY_RATE_MAX:g}.")
    return float(rate)


async def _counted(context: Context, config: DestinationConfig, what: Wanted) -> Estimate:
    stale_s = context.destinations[config.type].spec.stale_s
    return await replays.estimate(
        context.views, context.workspaces.current, what, now=context.clock(), stale_s=stale_s
    )


async def _estimated(
    context: Context, config: DestinationConfig, what: Wanted, rate: float
) -> dict[str, Any]:
    found = await _counted(context, config, what)
    effective = min(rate, config.rate_per_second) if config.rate_per_second else rate
    return {
        "destination": config.id,
        "filter": what.filter.line,
        "from": fate.when(what.filter.since),
        "to": fate.when(what.filter.until),
        "only": "all" if what.everything else "not_delivered",
        "count": found.count,
        "exact": found.exact,
        "people": found.people,
        "bytes": found.size_bytes,
        "firstAt": fate.when(found.first_at),
        "lastAt": fate.when(found.last_at),
        "delivered": found.delivered,
        "underWay": found.under_way,
        "notConnected": found.not_connected,
        "ratePerSecond": rate,
        "seconds": round(found.count / effective, 1),
        "warnings": await _warnings(context, config, found, rate),
        "samples": await _samples(context, config, found.samples),
    }


async def _warnings(context: Context, config: DestinationConfig, found: Estimate, rate: float) -> list[str]:
    """What a person should know before it begins, each a sentence."""
    said: list[str] = []
    about = "" if found.exact else "About "
    if not config.enabled:
        said.append(f"{config.name} is switched off: the replay would pause at once.")
    for channel in await context.views.blocked_channels():
        if channel.destination_id == config.id:
            said.append(
                f"{config.name} is blocked ({channel.reason}): the replay waits until that is corrected."
            )
            break
    if found.stale:
        days = (context.destinations[config.type].spec.stale_s or 0) / 86_400
        said.append(
            f"{about}{found.stale:,} of them are older than {days:g} days: {config.type.capitalize()} may never show them."
        )
    if found.delivered:
        said.append(
            f"{about}{found.delivered:,} of them were delivered already and would be delivered again: they may count twice there."
        )
    if found.profiles and found.delivered:
        said.append(
            "Identify and group calls write again what was true when they came, over what came later; replay only track events if that "
            "matters."
        )
    if found.under_way:
        said.append(f"{found.under_way:,} more still wait for their first delivery and are left alone.")
    if found.not_connected:
        said.append(
            f"{found.not_connected:,} more came from sources that are not connected to {config.name} and are left out."
        )
    if config.rate_per_second and rate > config.rate_per_second:
        said.append(
            f"{config.name} takes {config.rate_per_second:g} requests per second at most (ratePerSecond), so it will be slower where each "
            "event is a request."
        )
    return said


async def _samples(
    context: Context, config: DestinationConfig, seqs: tuple[int, ...]
) -> list[dict[str, Any]]:
    """The first events, with the requests that they would cause."""
    workspace = context.workspaces.current
    found = []
    now = context.clock()
    for kept in (await context.views.by_seqs(seqs)).kept:
        event = kept.event
        previewed, _ = await preview_of(
            context, event, config, workspace.sources.get(event.source_id), linked=kept.linked
        )
        requests = rebuilt(
            previewed, context.destinations[config.type], config, at=now, record=context.request_record
        )
        stopped = previewed.stopped
        entry = fate.compose(kept, workspace, attempts=False)
        found.append(
            {
                "messageId": event.message_id,
                "source": event.source_id,
                "type": event.type,
                "name": entry["name"],
                "receivedAt": entry["receivedAt"],
                "requests": [] if isinstance(requests, str) else list(requests),
                "reason": stopped.reason if stopped else None,
                "explanation": fate.explanation(stopped.reason, stopped.detail)[0] if stopped else "",
            }
        )
    return found


OPERATIONS = (
    Operation(
        list_replays,
        "GET",
        "/replays",
        "Replays, the newest first",
        "replays, next",
        query=(LIMIT, AFTER),
        members={"replays": list_of(REPLAY), "next": NEXT},
    ),
    Operation(
        begin_replay,
        "POST",
        "/replays",
        "Deliver kept events again",
        "the replay",
        role="editor",
        body=WANTED,
        schema=REPLAY,
    ),
    Operation(
        estimate_replay,
        "POST",
        "/replays/estimate",
        "What a replay would be; nothing is done",
        "count, people, bytes, seconds, warnings, samples",
        role="editor",
        body=WANTED,
        members=ESTIMATE,
    ),
    Operation(get_replay, "GET", "/replays/{replay}", "How a replay stands", "the replay", schema=REPLAY),
    Operation(
        pause_replay,
        "POST",
        "/replays/{replay}/pause",
        "Queue nothing more for now",
        "the replay",
        role="editor",
        schema=REPLAY,
    ),
    Operation(
        resume_replay,
        "POST",
        "/replays/{replay}/resume",
        "Go on, at another rate if one is given",
        "the replay",
        role="editor",
        body={"ratePerSecond": WANTED["ratePerSecond"]},
        schema=REPLAY,
    ),
    Operation(
        cancel_replay,
        "POST",
        "/replays/{replay}/cancel",
        "End it; what was not sent gets back the outcome it had",
        "the replay",
        role="editor",
        schema=REPLAY,
    ),
)
