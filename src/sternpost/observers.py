"""Who is told what happened: metrics, and the people who watch live. Nothing here decides anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from sternpost.metrics import Metrics
from sternpost.model import Accepted, Blocked, Delivered, Rejected, Reply, Settled, Skipped
from sternpost.rules.bots import is_bot, may_name_bot
from sternpost.store.base import Receipt
from sternpost.tracing import Tracing
from sternpost.wire import facts

DESTINATIONS_CACHED_MAX = 256  #: counters of a destination (and status) that are found once

Change = tuple[int, str | None]  #: (seq, destination); None: it was received


class Observers:
    """Passes on what intake and delivery say."""

    def __init__(
        self,
        metrics: Metrics,
        publish: Callable[[Sequence[Change]], None],
        tracing: Tracing | None = None,
    ) -> None:
        """`publish` tells the live stream; it costs nothing when nobody listens."""
        self._metrics = metrics
        # Finding a counter by its labels costs more than counting: those of every delivery are found once.
        self._delivered = lru_cache(DESTINATIONS_CACHED_MAX)(metrics.delivered.labels)
        self._seconds = lru_cache(DESTINATIONS_CACHED_MAX)(metrics.delivery_seconds.labels)
        self._replies = lru_cache(DESTINATIONS_CACHED_MAX)(metrics.replies.labels)
        self._publish = publish
        self._tracing = tracing

    def accepted(self, source_id: str, entries: Sequence[Accepted], receipt: Receipt) -> None:
        if receipt.duplicates:
            self._metrics.duplicates.labels(source=source_id).inc(receipt.duplicates)
        bots = sum(
            1 for entry in entries if may_name_bot(entry.event.body) and is_bot(facts.user_agent(entry.event))
        )
        if bots:
            self._metrics.bots.labels(source=source_id).inc(bots)
        self._publish([(seq, None) for seq in receipt.seqs if seq])
        if self._tracing is not None:
            self._tracing.accepted(source_id, entries, receipt)

    def settled(self, destination_id: str, settled: Sequence[Settled]) -> None:
        for item in settled:
            match item.outcome:
                case Delivered():
                    self._delivered(destination_id).inc()
                    if item.received_at is not None:
                        self._seconds(destination_id).observe(max(item.at - item.received_at, 0.0))
                case Skipped(reason):
                    self._metrics.skipped.labels(destination=destination_id, reason=reason).inc()
                case Rejected(reason):
                    self._metrics.rejected.labels(destination=destination_id, reason=reason).inc()
                case _:
                    pass
        self._publish([(item.seq, destination_id) for item in settled])
        if self._tracing is not None:
            self._tracing.settled(destination_id, settled)

    def replied(self, destination_id: str, reply: Reply) -> None:
        status = f"{reply.status // 100}xx" if reply.status is not None else "none"
        self._replies(destination_id, status).inc()

    def blocked(self, destination_id: str, channel: str, blocked: Blocked | None) -> None:
        # Said by the worker's log and the channel's row; the live stream shows it with the next change of an event.
        pass
