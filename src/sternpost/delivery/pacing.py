"""How fast and when again: the rate of a destination, and the backoff of a lane. No I/O; clock and randomness come in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sternpost.limits import RETRY_BASE_S, RETRY_CAP_S

SLOWER, FASTER = 0.7, 1.1  #: a 429 takes 30 % of the rate away; each recovery step gives 10 % back
RECOVER_EVERY_S = 10.0
CATCH_UP_S = 0.1  #: may be caught up with, so that a late wake-up does not cost rate
PAUSE_AFTER_429_S = 1.0  #: when the destination names no time of its own
RATE_MIN = 1.0  #: requests per second that are left after many 429


def backoff_s(attempts: int, *, random: Callable[[], float], asked_s: float | None = None) -> float:
    """Seconds until the next try: exponential from 1 s, doubling, at most 300 s, full jitter; never before what the destination
    asked for (Retry-After).

    `attempts` counts the tries so far, the failed one included.
    """
    ceiling: float = min(RETRY_CAP_S, RETRY_BASE_S * 2 ** min(attempts - 1, 20))
    # Full jitter, but not zero: an immediate repeat helps nobody.
    waited = max(0.05, random() * ceiling)
    return waited if asked_s is None else max(waited, asked_s)


class Pacer:
    """Lets requests of one destination through at its rate (both channels together), slower after a 429."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._rate = 100.0  #: as configured
        self._share = 1.0  #: of the configured rate, after 429
        self._next_at = 0.0
        self._left_at = 0.0  #: when the last request left, by the schedule
        self.paused_until = 0.0  #: unix seconds; no request before, a 429 asked for it
        self._recovered_at = 0.0

    def configure(self, rate_per_second: float) -> None:
        self._rate = max(rate_per_second, 0.001)

    @property
    def rate(self) -> float:
        """Requests per second at this moment."""
        return max(min(RATE_MIN, self._rate), self._rate * self._share)

    @property
    def wait_s(self) -> float:
        """How long a request that comes now waits for its turn."""
        return max(0.0, max(self._next_at, self.paused_until) - self._clock())

    @property
    def limit(self) -> float:
        """Requests per second as configured."""
        return self._rate

    def slow_down(self, asked_s: float | None) -> None:
        """The destination answered 429."""
        now = self._clock()
        if now >= self.paused_until:
            # Answers of requests that left together count as one.
            self._share = max(self._share * SLOWER, RATE_MIN / max(self._rate, RATE_MIN))
        self.paused_until = max(self.paused_until, now + (PAUSE_AFTER_429_S if asked_s is None else asked_s))
        self._recovered_at = self.paused_until

    async def turn(self) -> None:
        """Wait for this request's turn."""
        while True:
            now = self._clock()
            if self._share < 1.0 and now - self._recovered_at >= RECOVER_EVERY_S:
                self._share = min(1.0, self._share * FASTER)
                self._recovered_at = now
            at = max(self._next_at, self.paused_until, now - CATCH_UP_S)
            self._next_at = at + 1.0 / self.rate
            if at > now:
                await asyncio.sleep(at - now)
            # Where everything stood still (a machine that slept), all that waited wakes at once.
            while True:
                now = self._clock()
                self._left_at = min(self._left_at, now + CATCH_UP_S)  # a clock that was set back stops nobody
                early_s = self._left_at + 1.0 / self.rate - now
                if early_s <= CATCH_UP_S:
                    break
                await asyncio.sleep(early_s)
            if now >= self.paused_until:
                self._left_at = max(self._left_at + 1.0 / self.rate, now - CATCH_UP_S)
                return
            # A 429 came meanwhile: queue again behind the pause.
