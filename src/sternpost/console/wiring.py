"""The console with everything it needs, for `main`."""

from __future__ import annotations

import contextlib

import structlog
from prometheus_client import Counter
from starlette.types import ASGIApp

from sternpost import access as data_dir
from sternpost import limits
from sternpost.commandline import CommandLine
from sternpost.console.access import Access
from sternpost.console.app import create_console
from sternpost.console.guard import MOUNT
from sternpost.console.inside import Api
from sternpost.console.pulse import Pulse
from sternpost.console.surroundings import Limit, Surroundings
from sternpost.console.words import size
from sternpost.control.context import Context
from sternpost.metrics import Metrics
from sternpost.server import is_loopback
from sternpost.settings import Settings
from sternpost.store.sqlite import SqliteStore
from sternpost.tasks import running

__all__ = ["MOUNT", "create"]

log = structlog.get_logger("sternpost.console")


async def create(
    settings: Settings,
    context: Context,
    *,
    api: ASGIApp,
    gateway: ASGIApp,
    store: SqliteStore,
    metrics: Metrics,
    sandbox_url: str | None,
    commands: CommandLine,
    stack: contextlib.AsyncExitStack,
) -> tuple[ASGIApp, str]:
    """The console's app, and the token of its one-time address, "" when somebody owns the server."""
    on_loopback = is_loopback(settings.host)
    access = Access(
        context.people, context.audit, context.attempts, clock=context.clock, on_loopback=on_loopback
    )
    setup_token = await access.start()
    pulse = Pulse(
        lambda: (counted(metrics.accepted) - counted(metrics.duplicates), counted(metrics.delivered)),
        clock=context.clock,
    )
    await stack.enter_async_context(running(pulse.run()))
    if not on_loopback:
        log.warning(
            "console_not_encrypted",
            hint="Other machines can reach the console over plain HTTP. Put a proxy with TLS in front before signing in from elsewhere.",
        )
    app = create_console(
        Surroundings(
            context=context,
            api=Api(api),
            gateway=gateway,
            access=access,
            facts=store,
            pulse=pulse,
            clock=context.clock,
            on_loopback=on_loopback,
            retention_s=settings.retention_days * 86_400,
            store=f"SQLite in {data_dir.shown(settings.data_dir)}",
            limits=in_force(settings),
            sandbox_url=sandbox_url,
            commands=commands,
            trusted_proxies=settings.trusted_proxies,
        )
    )
    return app, setup_token


def in_force(settings: Settings) -> tuple[Limit, ...]:
    """The limits that people meet, and why each is there."""
    return (
        Limit(
            "Retention",
            f"{settings.retention_days:g} days",
            "Events that are done are kept so long, for looking at them and for recognising repeats (--retention-days). What waits is "
            "always kept.",
        ),
        Limit(
            "Space",
            size(settings.bytes_max),
            "Above it the oldest that are done go first, so that the disk does not grow without end (--bytes-max).",
        ),
        Limit(
            "Giving up",
            f"{settings.give_up_hours:g} hours",
            "So long after its first try an event becomes a failure, where it can be retried (--give-up-hours).",
        ),
        Limit(
            "Request",
            size(limits.REQUEST_BODY_BYTES_MAX),
            "The largest body of a client's request, unpacked; RudderStack's limit.",
        ),
        Limit(
            "Request to a destination",
            f"{limits.REQUEST_TIMEOUT_S:g} s",
            "Then it counts as unanswered and is tried again.",
        ),
        Limit(
            "Tries kept",
            f"{limits.ATTEMPTS_KEPT_MAX} per event and destination",
            "The first three and the last seventeen, so that one event cannot fill the disk.",
        ),
        Limit(
            "Watchers",
            f"{limits.LIVE_LISTENERS_MAX} at once",
            "Live views of this console and of sternpost tail; watching must not slow down delivery.",
        ),
    )


def counted(counter: Counter) -> float:
    """What a counter stands at, all its labels together."""
    return sum(
        sample.value
        for family in counter.collect()
        for sample in family.samples
        if sample.name.endswith("_total")
    )
