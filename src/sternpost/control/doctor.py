"""`doctor`: looks at disk, clock, store and workspace, asks every destination, and says what is wrong and what to do."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Sequence
from typing import Any

from sternpost.control import fate, verify
from sternpost.control.context import Context
from sternpost.control.verify import check
from sternpost.model import DestinationConfig

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


async def _disk(context: Context) -> dict[str, Any]:
    free, used = context.disk_free_bytes(), context.views.size_bytes()
    message = f"{_size(free)} free, {_size(used)} of {_size(context.bytes_max)} used by kept events."
    if used > DISK_USED_WARNING * context.bytes_max:
        return check("disk", "warning", message, remedy="Raise --bytes-max, or shorten --retention-days.")
    if free < DISK_FREE_WARNING_BYTES:
        return check(
            "disk", "warning", message, remedy="Free some space: without it events are answered with 503."
        )
    return check("disk", "ok", message)


def _clock(offsets: Sequence[float]) -> dict[str, Any]:
    if not offsets:
        return check("clock", "info", "Not compared: no destination answered with its time.")
    offset = sorted(offsets)[len(offsets) // 2]
    if abs(offset) <= CLOCK_OFF_MAX_S:
        return check("clock", "ok", f"{abs(offset):.0f} s off.")
    way = "behind" if offset > 0 else "ahead"
    return check(
        "clock",
        "fail",
        f"This machine's clock is {abs(offset):.0f} s {way} that of the destinations.",
        remedy="Set it, and keep it right with NTP: times of events are corrected by it.",
    )


async def _store(context: Context) -> dict[str, Any]:
    fine, body = await context.health()
    if fine and body.get("notices"):
        return check("store", "fail", " ".join(body["notices"]), remedy="Keep the files until that is clear.")
    if fine:
        return check("store", "ok", f"SQLite {sqlite3.sqlite_version}; events can be made durable.")
    return check(
        "store",
        "fail",
        str(body.get("problem") or "Events cannot be made durable now."),
        remedy=str(body.get("remedy") or "Free space, or give the store a place that can be written to."),
    )


def _workspace(context: Context) -> dict[str, Any]:
    workspace, problem = context.workspaces.current, context.workspaces.problem
    place = workspace.read_from or "the store"
    if problem is not None:
        return check(
            "workspace",
            "fail",
            f"The newest version is not in force: {problem}",
            remedy="Correct it; until then the last valid one is used.",
        )
    counts = ", ".join(
        f"{len(found)} {word}{'' if len(found) == 1 else 's'}"
        for word, found in (("source", workspace.sources), ("destination", workspace.destinations))
    )
    return check("workspace", "ok", f"Revision {workspace.revision} from {place}: {counts}.")


async def _destination(
    context: Context, config: DestinationConfig
) -> tuple[list[dict[str, Any]], list[float]]:
    """The checks of one destination, and how far its clock is from ours."""
    if not config.enabled:
        return [check("state", "info", "Switched off.", destination=config.id)], []
    found = []
    for channel in await context.views.blocked_channels():
        if channel.destination_id == config.id:
            text, remedy, _ = fate.explanation(channel.reason, channel.detail)
            what = f"channel {channel.channel}" if channel.channel else "delivery"
            found.append(
                check(what, "fail", f"Blocked: {text}", remedy=_elsewhere(remedy), destination=config.id)
            )
    checks, offsets = await verify.examine(context, config)
    return [*found, *checks], offsets


def _elsewhere(remedy: str) -> str:
    """A remedy without the advice to do what was just done."""
    sentences = re.split(r"(?<=\.) ", remedy)
    return " ".join(sentence for sentence in sentences if "sternpost doctor" not in sentence)


def _size(count: int) -> str:
    if count >= 1_000_000_000:
        return f"{count / 1_000_000_000:.1f} GB"
    return f"{count / 1_000_000:.1f} MB"
