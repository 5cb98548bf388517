"""Where the facts come from: the store's read side, the disk and the workspace in force."""

from __future__ import annotations

from collections.abc import Callable

from sternpost.alerts.conditions import SPAN_S, STEADY_HOURS, Facts
from sternpost.health import Health
from sternpost.model import Workspace
from sternpost.store import standing
from sternpost.store.letters import failure_groups
from sternpost.store.series import HOUR, MINUTE, merged
from sternpost.store.views import Views


async def gather(
    *,
    views: Views,
    workspace: Workspace,
    health: Health,
    bytes_max: int,
    clock: Callable[[], float],
) -> Facts:
    """The facts of now. Costs some milliseconds of a reading connection. Raises StoreError when the store cannot be read."""
    now = clock()
    destinations, sources = list(workspace.destinations), list(workspace.sources)
    stats = await views.stats(destinations=destinations, sources=sources, bytes_max=bytes_max, now=now)
    minute = int(now) // MINUTE * MINUTE + MINUTE
    recent = await standing.series_rows(
        views, destinations, [], step=MINUTE, since=minute - SPAN_S, until=minute
    )
    last = await standing.series_rows(views, [], sources, step=MINUTE, since=minute - HOUR, until=minute)
    hour = int(now - HOUR) // HOUR * HOUR
    steady = await standing.series_rows(
        views, [], sources, step=HOUR, since=hour - STEADY_HOURS * HOUR, until=hour
    )
    tried = {}
    for name in destinations:
        slots = merged(recent.destinations[name].values())
        tried[name] = (slots.total("delivered"), slots.total("rejected"))
    well, shown = await health()
    return Facts(
        now=now,
        accepting=well,
        problem=shown["problem"] or "",
        notices=shown["notices"],
        blocked=await views.blocked_channels(),
        oldest_s={name: stats["destinations"][name]["oldestPendingSeconds"] for name in destinations},
        tried=tried,
        failures=await failure_groups(views),
        sources=tuple(workspace.sources.values()),
        last_hour={name: merged(last.sources[name].values()).total("received") for name in sources},
        hours={
            name: sum(1 for slot in steady.sources[name].values() if slot.total("received"))
            for name in sources
        },
        store_share=stats["disk"]["bytes"] / bytes_max,
        disk_free_bytes=shown["diskFreeBytes"],
    )
