"""How many of a channel's last answers were final refusals: a backlog that is all refused waits for a person instead of ending."""

from __future__ import annotations

from collections import Counter, deque

from sternpost.limits import REFUSED_OF_LAST, REFUSED_SHARE
from sternpost.model import Blocked, Delivered, Outcome, Rejected, Skipped
from sternpost.reasons import REASONS, ReasonCode


class Refusals:
    """The last answers that ended an event, of one channel. What is tried again says nothing yet."""

    def __init__(self) -> None:
        self._reasons: deque[ReasonCode | None] = deque(maxlen=REFUSED_OF_LAST)
        self._refused = 0

    def add(self, outcome: Outcome) -> Blocked | None:
        """Take note of an answer; why the channel is to stop, when too many were refusals."""
        if not isinstance(outcome, Delivered | Skipped | Rejected):
            return None
        refused = isinstance(outcome, Rejected) and _there(outcome.reason)
        if len(self._reasons) == REFUSED_OF_LAST and self._reasons[0] is not None:
            self._refused -= 1
        self._reasons.append(outcome.reason if isinstance(outcome, Rejected) and refused else None)
        self._refused += refused
        if len(self._reasons) < REFUSED_OF_LAST or self._refused < REFUSED_SHARE * REFUSED_OF_LAST:
            return None
        [(reason, _)] = Counter(reason for reason in self._reasons if reason is not None).most_common(1)
        return Blocked(
            "too_many_rejected",
            f"{self._refused} of the last {REFUSED_OF_LAST} answers; most often: {REASONS[reason].title} ({reason}).",
        )

    def clear(self) -> None:
        """A person has looked: begin anew."""
        self._reasons.clear()
        self._refused = 0


def _there(reason: ReasonCode) -> bool:
    """Whether the destination itself refused the event: not we, and not the time it took."""
    return REASONS[reason].stage == "refused_there" and reason != "gave_up"
