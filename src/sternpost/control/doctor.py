"""`doctor`: looks at disk, clock, store and workspace, asks every destination, and says what is wrong and what to do."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from typing import Any

from sternpost.control import fate
from sternpost.control.context import Context
from sternpost.model import Call, DestinationConfig, Reply

CHECK_TIMEOUT_S = 10.0  #: of one request; commands wait for fifteen seconds
CLOCK_OFF_MAX_S = 30.0  #: beyond, times of events are visibly wrong
DISK_USED_WARNING = 0.8  #: of --bytes-max
DISK_FREE_WARNING_BYTES = 1_000_000_000


async def examine(context: Context) -> dict[str, Any]:
    """All checks; `ok` when none of them fails."""
    asked = await asyncio.gather(
        *(_destination(context, config) for config in context.workspaces.current.destinations.values())
    )
    clocks = [offset for _, offsets in asked for offset in offsets]
    checks = [
        await _disk(context),
        _clock(clocks),
        await _store(context),
        _workspace(context),
        *(check for checks, _ in asked for check in checks),
    ]
    return {"ok": all(check["result"] != "fail" for check in checks), "checks": checks}


async def examine_destination(context: Context, config: DestinationConfig) -> dict[str, Any]:
    """The checks of one destination alone; `ok` when none of them fails."""
    checks, _ = await _destination(context, config)
    return {"ok": all(check["result"] != "fail" for check in checks), "checks": checks}


def _check(
    name: str, result: str, message: str, *, remedy: str = "", destination: str | None = None
) -> dict[str, Any]:
    return {
        "name": name,
        "destination": destination,
        "result": result,
        "message": message,
        "remedy": remedy,
    }


async def _disk(context: Context) -> dict[str, Any]:
    free, used = context.disk_free_bytes(), context.views.size_bytes()
    message = f"{_size(free)} free, {_size(used)} of {_size(context.bytes_max)} used by kept events."
    if used > DISK_USED_WARNING * context.bytes_max:
        return _check("disk", "warning", message, remedy="Raise --bytes-max, or shorten --retention-days.")
    if free < DISK_FREE_WARNING_BYTES:
        return _check(
            "disk", "warning", message, remedy="Free some space: without it events are answered with 503."
        )
    return _check("disk", "ok", message)


def _clock(offsets: Sequence[float]) -> dict[str, Any]:
    if not offsets:
        return _check("clock", "info", "Not compared: no destination answered with its time.")
    offset = sorted(offsets)[len(offsets) // 2]
    if abs(offset) <= CLOCK_OFF_MAX_S:
        return _check("clock", "ok", f"{abs(offset):.0f} s off.")
    way = "behind" if offset > 0 else "ahead"
    return _check(
        "clock",
        "fail",
        f"This machine's clock is {abs(offset):.0f} s {way} that of the destinations.",
        remedy="Set it, and keep it right with NTP: times of events are corrected by it.",
    )


async def _store(context: Context) -> dict[str, Any]:
    fine, body = await context.health()
    if fine:
        return _check("store", "ok", f"SQLite {sqlite3.sqlite_version}; events can be made durable.")
    return _check(
        "store",
        "fail",
        str(body.get("problem") or "Events cannot be made durable now."),
        remedy="Free space, or give the store a place that can be written to.",
    )


def _workspace(context: Context) -> dict[str, Any]:
    workspace, problem = context.workspaces.current, context.workspaces.problem
    place = workspace.read_from or "the store"
    if problem is not None:
        return _check(
            "workspace",
            "fail",
            f"The newest version is not in force: {problem}",
            remedy="Correct it; until then the last valid one is used.",
        )
    counts = f"{len(workspace.sources)} sources, {len(workspace.destinations)} destinations"
    return _check("workspace", "ok", f"Revision {workspace.revision} from {place}: {counts}.")


async def _destination(
    context: Context, config: DestinationConfig
) -> tuple[list[dict[str, Any]], list[float]]:
    """The checks of one destination, and how far its clock is from ours."""
    destination = context.destinations[config.type]
    found: list[dict[str, Any]] = []
    offsets: list[float] = []
    if not config.enabled:
        return [_check("state", "info", "Switched off.", destination=config.id)], []
    if config.secret_problem:
        found.append(
            _check(
                "secrets", "fail", config.secret_problem, remedy="Set it and restart.", destination=config.id
            )
        )
    for channel in await context.views.blocked_channels():
        if channel.destination_id == config.id:
            text, remedy, _ = fate.explanation(channel.reason, channel.detail)
            what = f"channel {channel.channel}" if channel.channel else "delivery"
            found.append(_check(what, "fail", f"Blocked: {text}", remedy=remedy, destination=config.id))
    found += [
        _check("settings", "warning", fact, destination=config.id)
        for fact in destination.facts(config.settings)
    ]
    checks = list(destination.checks(config.settings))
    replies = await asyncio.gather(
        *(_ask(context, config.id, call) for _, call, _ in checks if call is not None)
    )
    answered = iter(replies)
    for name, call, finding in checks:
        if call is None:
            if finding:
                found.append(_check(name, "info", finding, destination=config.id))
            continue
        reply = next(answered)
        fine, sentence = destination.read_check(name, reply, config.settings)
        found.append(_check(name, "ok" if fine else "fail", sentence, destination=config.id))
        if (offset := _offset_s(reply, context.clock())) is not None:
            offsets.append(offset)
    return found, offsets


async def _ask(context: Context, destination_id: str, call: Call) -> Reply:
    try:
        return await asyncio.wait_for(context.send(destination_id, call), CHECK_TIMEOUT_S)
    except TimeoutError:
        detail = f"No answer within {CHECK_TIMEOUT_S:g} s."
        return Reply(None, {}, b"", int(CHECK_TIMEOUT_S * 1000), "timeout", detail)


def _offset_s(reply: Reply, now: float) -> float | None:
    """How far the destination's clock is ahead of ours, by the Date of its answer."""
    try:
        return parsedate_to_datetime(reply.headers.get("date", "")).timestamp() - now
    except (TypeError, ValueError):
        return None


def _size(count: int) -> str:
    if count >= 1_000_000_000:
        return f"{count / 1_000_000_000:.1f} GB"
    return f"{count / 1_000_000:.1f} MB"
