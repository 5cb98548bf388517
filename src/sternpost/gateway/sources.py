"""Whose a request is: the source of a write key, whether the page may use it, and whether it may send more now."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

from sternpost import limits
from sternpost.keys import SourceKeys
from sternpost.model import Source, Workspace
from sternpost.wire import auth
from sternpost.wire.refused import Refused


class WriteKeys:
    """Sources by write key, and by whole Authorization headers, for one workspace snapshot at a time."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._of: Workspace | None = None
        self._sources = SourceKeys()
        self._headers: dict[bytes, tuple[str, Source]] = {}

    def by_key(self, write_key: str, workspace: Workspace) -> Source | None:
        self._look_at(workspace)
        return self._sources.find(write_key, self._clock())

    def by_header(self, authorization: bytes, workspace: Workspace) -> tuple[str, Source | None]:
        """The header's write key ("" = none), and the source that it belongs to."""
        self._look_at(workspace)
        known = self._headers.get(authorization)
        if known is not None:
            return known
        write_key = auth.write_key_of_header(authorization)
        source = self._sources.current(write_key)
        if source is None:
            return write_key, self._sources.find(write_key, self._clock())
        # Only present keys are remembered; still, passwords make as many headers of one key as somebody likes.
        if len(self._headers) >= limits.AUTH_CACHE_ENTRIES_MAX:
            self._headers.clear()
        self._headers[authorization] = (write_key, source)
        return write_key, source

    def id_of(self, write_key: str, workspace: Workspace) -> str | None:
        source = self.by_key(write_key, workspace) if write_key else None
        return source.id if source else None

    def _look_at(self, workspace: Workspace) -> None:
        if workspace is not self._of:
            self._of = workspace
            self._sources = SourceKeys(workspace)
            self._headers.clear()


class Rates:
    """A token bucket per source: a second's worth of events at most, refilled all the time."""

    def __init__(self) -> None:
        self._buckets: dict[str, tuple[float, float]] = {}  # source id → (tokens, when)

    def spend(self, source: Source, events: int, now: float) -> None:
        """Take one token per event. Raises Refused (too_many_requests) when there are not enough.

        A batch larger than a bucket passes when the bucket is full and leaves a debt: it could never pass otherwise.
        """
        rate = source.requests_per_second
        size = max(rate, 1.0)
        tokens, at = self._buckets.get(source.id, (size, now))
        tokens = min(size, tokens + max(now - at, 0.0) * rate)
        needed = min(float(events), size)
        if tokens < needed:
            self._buckets[source.id] = (tokens, now)
            wait_s = max(1, ceil((needed - tokens) / rate))
            raise Refused(
                "too_many_requests",
                detail=f"The source {source.name} may send {rate:g} events a second.",
                headers={"Retry-After": str(wait_s)},
            )
        self._buckets[source.id] = (tokens - events, now)


def same_origin(origin: bytes, source: Source) -> bool:
    given = origin.decode("latin-1").lower()
    return any(given == allowed.lower().rstrip("/") for allowed in source.allowed_origins)
