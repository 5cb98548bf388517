"""How fast a destination is asked, and whether it answers, as the control side sees it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a destination may be asked, and how far its turns are given away."""

    limit: float  #: requests per second, as configured
    now: float  #: requests per second that are let through now: less than the limit after answers with 429
    wait_s: float  #: how long a request that comes now waits for its turn
    silent_since: float | None = (
        None  #: unix seconds; since then nothing got through, and it is only looked at now and then
    )
