"""How the server is: `/health` for whoever sends events, `/metrics` for whoever watches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.types import Receive, Scope, Send

from sternpost import __version__
from sternpost.control.auth import WhoIs, may_read_metrics
from sternpost.destinations.base import Destination
from sternpost.disk import Disk
from sternpost.errors import StoreUnavailable
from sternpost.metrics import Metrics
from sternpost.model import Workspace
from sternpost.server import answer
from sternpost.store.sqlite import SqliteStore
from sternpost.store.views import Views

HEALTH_FRESH_S = 1.0  #: a health check writes to the disk at most once a second


class Health:
    """Whether events can be accepted durably now: asked of the disk itself, at most once a second."""

    def __init__(
        self,
        store: SqliteStore,
        disk: Disk,
        clock: Callable[[], float],
        *,
        spreading: Callable[[], str] = lambda: "",
    ) -> None:
        """`spreading`: why what arrived does not get into its lanes; "" while it does."""
        self._store = store
        self._spreading = spreading
        self._disk = disk
        self._clock = clock
        self._asked_at = 0.0
        self._answer: tuple[bool, dict[str, Any]] = (False, {})

    async def __call__(self) -> tuple[bool, dict[str, Any]]:
        now = self._clock()
        if not 0 <= now - self._asked_at < HEALTH_FRESH_S:
            self._answer = await self._ask()
            self._asked_at = now
        return self._answer

    async def _ask(self) -> tuple[bool, dict[str, Any]]:
        problem = remedy = ""
        if self._store.full:
            problem = "What waits for delivery fills the space that --bytes-max allows."
            remedy = "Look which destination does not take its events, or raise --bytes-max."
        elif (refusal := self._disk.refusal()) is not None:
            problem, remedy = refusal.what, refusal.remedy
        else:
            try:
                await self._store.remember({"health": f"{self._clock():.0f}"})
            except StoreUnavailable as error:
                problem, remedy = " ".join(filter(None, (str(error), self._disk.complaint()))), error.remedy
        if not problem and (problem := self._spreading()):
            remedy = "What was accepted is on the disk. Look into the server's log; it is tried again every second."
        return not problem, {
            "status": "unavailable" if problem else "ok",
            "problem": problem or None,
            "remedy": remedy or None,
            "notices": list(self._store.notices),
            "version": __version__,
            "diskFreeBytes": self._disk.free_bytes(),
        }


class MetricsPage:
    """`/metrics`: Prometheus' text; what is counted in the store is asked when it is scraped."""

    def __init__(
        self,
        metrics: Metrics,
        views: Views,
        workspace: Callable[[], Workspace],
        *,
        clock: Callable[[], float],
        who_is: WhoIs,
        listens_on_loopback: bool,
        health: Health,
        destinations: Mapping[str, Destination],
        bytes_max: int,
    ) -> None:
        self._metrics = metrics
        self._views = views
        self._workspace = workspace
        self._clock = clock
        self._who_is = who_is
        self._open = listens_on_loopback
        self._health = health
        self._destinations = destinations
        self._bytes_max = bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != "/metrics":
            await answer(send, 404, b"404 page not found\n")
            return
        if not may_read_metrics(scope["headers"], listens_on_loopback=self._open, who_is=self._who_is):
            await answer(
                send,
                401,
                b"Send an API token: Authorization: Bearer TOKEN.\n",
                (b"www-authenticate", b"Bearer"),
            )
            return
        await self._measure()
        await answer(
            send, 200, self._metrics.render(), content_type=b"text/plain; version=0.0.4; charset=utf-8"
        )

    async def _measure(self) -> None:
        """Ask what only the store and the disk know."""
        metrics, workspace = self._metrics, self._workspace()
        stats = await self._views.stats(
            destinations=workspace.destinations,
            sources=workspace.sources,
            bytes_max=self._bytes_max,
            now=self._clock(),
        )
        # What belongs to a destination that was removed does not stay for ever at its last value.
        for gauge in (metrics.waiting, metrics.held, metrics.oldest_waiting_seconds, metrics.channel_blocked):
            gauge.clear()
        metrics.arrivals.set(stats["arrivals"]["events"])
        for destination, counts in stats["destinations"].items():
            waiting = counts["pending"] + counts["retrying"] + counts["blocked"]
            metrics.waiting.labels(destination=destination).set(waiting)
            metrics.held.labels(destination=destination).set(counts["held"])
            metrics.oldest_waiting_seconds.labels(destination=destination).set(counts["oldestPendingSeconds"])
        for config in workspace.destinations.values():
            for channel in self._destinations[config.type].spec.channels:
                metrics.channel_blocked.labels(destination=config.id, channel=channel).set(0)
        for blocked in await self._views.blocked_channels():
            metrics.channel_blocked.labels(destination=blocked.destination_id, channel=blocked.channel).set(1)
        well, shown = await self._health()
        metrics.accepting.set(1 if well else 0)
        metrics.store_notices.set(len(shown["notices"]))
        metrics.disk_free_bytes.set(shown["diskFreeBytes"])
        metrics.store_bytes.set(stats["disk"]["bytes"])
        metrics.store_bytes_max.set(self._bytes_max)
