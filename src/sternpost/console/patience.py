"""Patience with guessing: who failed too often to sign in has to wait, or is slowed down. Bounded memory, whoever asks.

An address that failed too often waits. A name is not shut out, since then anybody could shut out its owner: its tries are looked at one
after the other, each after a pause.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Awaitable, Callable

FAILURES_MAX = 10  #: sign-ins that fail, per address, per name and `FAILURES_S`
FAILURES_S = 600.0
REMEMBERED_MAX = 10_000  #: addresses and names each; those that failed least lately go
PAUSE_S = 2.0  #: before each try of a name that failed too often
QUEUE_MAX = 10  #: tries of such a name that wait for their turn; more are turned away


class Patience:
    """Counts failures per address and per name."""

    def __init__(
        self, *, clock: Callable[[], float], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._addresses = _Failures(clock)
        self._names = _Failures(clock)
        self._turns: dict[str, asyncio.Lock] = {}
        self._queued: dict[str, int] = {}

    def wait_s(self, address: str) -> float:
        """How long this address has to wait before its next try; 0 = not at all."""
        return self._addresses.full_for_s(address)

    @contextlib.asynccontextmanager
    async def turn(self, name: str) -> AsyncIterator[bool]:
        """A try of a name: at once, or slowed down when it failed too often. False: too many wait already."""
        if not self._names.full_for_s(name):
            yield True
            return
        if self._queued.get(name, 0) >= QUEUE_MAX:
            yield False
            return
        self._queued[name] = self._queued.get(name, 0) + 1
        try:
            async with self._turns.setdefault(name, asyncio.Lock()):
                await self._sleep(PAUSE_S)
                yield True
        finally:
            self._queued[name] -= 1
            if not self._queued[name]:
                del self._queued[name], self._turns[name]

    def failed(self, address: str, name: str) -> None:
        self._addresses.add(address)
        self._names.add(name)

    def succeeded(self, address: str, name: str) -> None:
        self._addresses.forget(address)
        self._names.forget(name)


class _Failures:
    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._at: OrderedDict[str, deque[float]] = OrderedDict()

    def add(self, key: str) -> None:
        self._at.setdefault(key, deque(maxlen=FAILURES_MAX)).append(self._clock())
        self._at.move_to_end(key)
        while len(self._at) > REMEMBERED_MAX:
            self._at.popitem(last=False)

    def forget(self, key: str) -> None:
        self._at.pop(key, None)

    def full_for_s(self, key: str) -> float:
        since = self._clock() - FAILURES_S
        recent = [at for at in self._at.get(key, ()) if at > since]
        return recent[0] - since if len(recent) >= FAILURES_MAX else 0.0
