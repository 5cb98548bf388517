"""How much came and went in each minute of the last hour, by the counters of this process."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

EVERY_S = 5.0
MINUTES = 60
RECENT_S = 60.0


@dataclass(frozen=True, slots=True)
class Beat:
    """What the counters stood at."""

    at: float
    received: float
    delivered: float


class Pulse:
    """Looks at two counters every few seconds. They only grow, whatever is pruned from the store meanwhile."""

    def __init__(self, read: Callable[[], tuple[float, float]], *, clock: Callable[[], float]) -> None:
        """`read` gives (received, delivered) since the process began."""
        self._read = read
        self._clock = clock
        self._beats: deque[Beat] = deque(maxlen=int(MINUTES * 60 / EVERY_S) + 1)
        self.look()

    async def run(self) -> None:
        """Look, for ever."""
        while True:
            await asyncio.sleep(EVERY_S)
            self.look()

    def look(self) -> None:
        received, delivered = self._read()
        self._beats.append(Beat(self._clock(), received, delivered))

    def last_minute(self) -> tuple[int, int]:
        """(received, delivered) in the last sixty seconds, or since the start when that was later."""
        now = Beat(self._clock(), *self._read())
        then = next((beat for beat in self._beats if beat.at >= now.at - RECENT_S), now)
        return round(now.received - then.received), round(now.delivered - then.delivered)

    def minutes(self) -> list[tuple[int, int]]:
        """(received, delivered) of each of the last sixty minutes, oldest first."""
        now = self._clock()
        found = [[0.0, 0.0] for _ in range(MINUTES)]
        beats = [*self._beats, Beat(now, *self._read())]
        for earlier, later in itertools.pairwise(beats):
            ago = int((now - later.at) // 60)
            if 0 <= ago < MINUTES:
                slot = found[MINUTES - 1 - ago]
                slot[0] += later.received - earlier.received
                slot[1] += later.delivered - earlier.delivered
        return [(round(received), round(delivered)) for received, delivered in found]
