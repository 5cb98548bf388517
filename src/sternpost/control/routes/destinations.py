"""Destinations and how they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request

from sternpost.control import fate
from sternpost.control.context import Context
from sternpost.control.operation import Operation
from sternpost.control.routes.common import totals, warnings
from sternpost.model import DestinationConfig
from sternpost.store.views import BlockedChannel


async def destinations(context: Context, request: Request) -> Any:
    workspace = context.workspaces.current
    counts = (await totals(context))["destinations"]
    blocked = await context.views.blocked_channels()
    found = []
    for config in workspace.destinations.values():
        own = [channel for channel in blocked if channel.destination_id == config.id]
        found.append(
            {
                "id": config.id,
                "name": config.name,
                "type": config.type,
                "enabled": config.enabled,
                "state": _health(config, own, counts[config.id]),
                "blocked": [_blocked(channel) for channel in own],
                "warnings": [
                    warning["message"] for warning in warnings(context) if warning["destination"] == config.id
                ],
                "counts": counts[config.id],
            }
        )
    return {"destinations": found}


def _health(config: DestinationConfig, blocked: Sequence[BlockedChannel], counts: Mapping[str, Any]) -> str:
    """The state of a destination as a sentence."""
    if not config.enabled:
        return "Switched off. Events that come are skipped."
    if config.secret_problem:
        return f"Blocked: {config.secret_problem}"
    if blocked:
        since = min(channel.since for channel in blocked)
        text, _, _ = fate.explanation(blocked[0].reason, blocked[0].detail)
        what = f" ({', '.join(channel.channel for channel in blocked if channel.channel)})"
        return f"Blocked since {fate.when(since)}{what if what != ' ()' else ''}: {text}"
    if counts["retrying"]:
        return f"Delivering; {counts['retrying']} events are being tried again."
    if counts["pending"]:
        return f"Delivering, {counts['oldestPendingSeconds']:.1f} s behind."
    return "Nothing waits."


def _blocked(channel: BlockedChannel) -> dict[str, Any]:
    text, remedy, who = fate.explanation(channel.reason, channel.detail)
    return {
        "channel": channel.channel,
        "reason": channel.reason,
        "explanation": text,
        "remedy": remedy,
        "who": who,
        "since": fate.when(channel.since),
    }


OPERATIONS = (
    Operation(destinations, "GET", "/destinations", "Destinations and how they are", "destinations"),
)
