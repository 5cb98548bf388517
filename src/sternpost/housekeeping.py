"""What has to be done now and then: held events expire, old events go, space returns to the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from sternpost.errors import StoreError
from sternpost.store.base import Store

log = structlog.get_logger("sternpost")

#: How often it is looked at; held events expire to the day, a full store is noticed within seconds.
EVERY_S = 5.0
PAUSE_S = 0.02  #: between two steps of a long clean-up, so that accepting goes on in between


class Housekeeping:
    """Keeps the store within its bounds."""

    def __init__(
        self,
        store: Store,
        *,
        clock: Callable[[], float],
        retention_s: float,
        bytes_max: int,
        look_first: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`look_first`: what is done before the rest, each time."""
        self._look_first = look_first
        self._store = store
        self._clock = clock
        self._retention_s = retention_s
        self._bytes_max = bytes_max

    async def run(self) -> None:
        """Look every few seconds, for ever."""
        while True:
            try:
                await self.once()
            except StoreError as error:
                # The disk is full, say; the next round tries again, and /health says why nothing is accepted meanwhile.
                log.warning("housekeeping_failed", error=str(error))
            await asyncio.sleep(EVERY_S)

    async def once(self) -> None:
        """Everything that is due now, in small steps."""
        if self._look_first is not None:
            await self._look_first()
        while await self._store.expire_held(now=self._clock()):  # noqa: ASYNC110 - a pause between steps, not a wait for something
            await asyncio.sleep(PAUSE_S)
        while True:
            now = self._clock()
            pruned = await self._store.prune(
                now=now, before=now - self._retention_s, bytes_max=self._bytes_max
            )
            if not pruned.more:
                return
            await asyncio.sleep(PAUSE_S)
