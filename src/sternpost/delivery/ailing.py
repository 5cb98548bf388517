"""Whether the destination of a channel answers at all: while it does not, a few tries a second look for the moment at which it does again.

Each lane backs off by itself, which is right for a person whose events fail. When nobody's go through, a thousand lanes that each try again are
a load for a destination that is trying to get up, and for the destinations beside it. So after `AILING_AFTER` requests in a row without
one that ended, only `AILING_LANES` lanes are tried every `AILING_PAUSE_S`. The first answer that ends an event lifts it, and everything that
is due goes on at once.
"""

from __future__ import annotations

from collections.abc import Sequence

from sternpost.limits import AILING_AFTER, AILING_QUIET_S
from sternpost.model import Blocked, Outcome, Retry


class Ailing:
    """Requests of one channel in a row after which everything was to be tried again."""

    def __init__(self) -> None:
        self._failed = 0
        self._ended_at = float("-inf")  #: when a request last ended an event
        self._began_at = 0.0  #: when the first of the requests in a row failed
        self._ails = False

    def __bool__(self) -> bool:
        return self._ails

    @property
    def since(self) -> float | None:
        """Unix seconds: since when nothing got through; None while the destination answers."""
        return self._began_at if self._ails else None

    def clear(self) -> None:
        """Nothing is known of it: its settings changed, say."""
        self._failed = 0
        self._ails = False

    def add(self, outcomes: Sequence[Outcome], now: float) -> None:
        """Take note of what became of one request."""
        if not all(isinstance(outcome, Retry | Blocked) for outcome in outcomes):
            self._failed = 0
            self._ended_at = now
            self._ails = False
        # "Not so fast" is an answer, and the pace follows it; a refused key stops the channel.
        elif all(isinstance(outcome, Retry) and not outcome.slow_channel for outcome in outcomes):
            self._began_at = self._began_at if self._failed else now
            self._failed += 1
            # Some people's failures may come in a row although others' events go through.
            self._ails = self._failed >= AILING_AFTER and now - self._ended_at >= AILING_QUIET_S
