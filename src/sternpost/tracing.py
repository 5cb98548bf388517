"""OpenTelemetry traces, for whoever asks for them: `sternpost[otel]` and `--otlp-endpoint`.

One trace for an event: a span from receiving it until it is safe, and below it one for each destination until its fate is settled. Ids
of trace and root span are made from source and order of acceptance, so that the spans of one event meet although they are written days
and restarts apart, and so that which events are traced (`--trace-share`) is decided once. Spans hold ids of sources and destinations,
types, states and reasons; never a person's id, a name of an event, a property or a key.

Exporting is the SDK's: in batches, in a thread of its own, bounded; what the collector does not take is dropped and never holds up an event.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sternpost import __version__
from sternpost.errors import UsageError
from sternpost.model import (
    Accepted,
    Blocked,
    Delivered,
    Outcome,
    Rejected,
    Retry,
    Settled,
    Skipped,
)
from sternpost.store.base import Receipt

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

QUEUE_SPANS_MAX = 4_096  #: that wait for the collector; about 4 MB
BATCH_SPANS_MAX = 512  #: in one request to it
MISSING = 'Traces need OpenTelemetry. Install it: pip install "sternpost[otel]".'


class Tracing:
    """Spans for what intake and delivery tell."""

    def __init__(self, provider: TracerProvider, share: float, clock: Callable[[], float]) -> None:
        from opentelemetry import trace

        self._trace = trace
        self._tracer = provider.get_tracer("sternpost", __version__)
        self._ids = provider.id_generator
        self._clock = clock
        self._below = int(share * 2**32)  #: of the first 32 bits of a trace's id

    def accepted(self, source_id: str, entries: Sequence[Accepted], receipt: Receipt) -> None:
        """A span for each new event of a request: from its receipt until it was safe."""
        for entry, seq in zip(entries, receipt.seqs, strict=True):
            if not seq:
                continue
            trace_id, span_id = self._of(source_id, seq)
            if not self._chosen(trace_id):
                continue
            with self._named(trace_id, span_id):
                span = self._tracer.start_span(
                    f"accept {_kind(entry.event.type)}",
                    context=self._trace.set_span_in_context(self._trace.INVALID_SPAN),
                    kind=self._trace.SpanKind.SERVER,
                    start_time=_ns(entry.event.received_at),
                    attributes={
                        "sternpost.source": source_id,
                        "sternpost.type": _kind(entry.event.type),
                        "sternpost.seq": seq,
                        "sternpost.destinations": [route.destination_id for route in entry.routes],
                    },
                )
            span.end(_ns(self._clock()))

    def settled(self, destination_id: str, settled: Sequence[Settled]) -> None:
        """A span for each outcome: of a try, from its beginning; of what ended without one, from the event's receipt."""
        for item in settled:
            trace_id, parent_id = self._of(item.source_id, item.seq)
            if not self._chosen(trace_id):
                continue
            state, reason = _state(item.outcome)
            attempt = item.attempt
            tried_s = (attempt.ms or 0) / 1000 if attempt is not None else 0.0
            begun = item.at - tried_s if attempt is not None else item.received_at or item.at
            attributes: dict[str, Any] = {"sternpost.destination": destination_id, "sternpost.state": state}
            if reason:
                attributes["sternpost.reason"] = reason
            if attempt is not None and attempt.reply is not None:
                attributes["http.response.status_code"] = attempt.reply["status"]
            parent = self._trace.NonRecordingSpan(
                self._trace.SpanContext(
                    trace_id,
                    parent_id,
                    is_remote=True,
                    trace_flags=self._trace.TraceFlags(self._trace.TraceFlags.SAMPLED),
                )
            )
            span = self._tracer.start_span(
                f"deliver {destination_id}",
                context=self._trace.set_span_in_context(parent),
                kind=self._trace.SpanKind.CLIENT,
                start_time=_ns(begun),
                attributes=attributes,
            )
            if state in ("rejected", "blocked"):
                span.set_status(self._trace.StatusCode.ERROR, reason or "")
            span.end(_ns(item.at))

    def _of(self, source_id: str, seq: int) -> tuple[int, int]:
        digest = hashlib.sha256(f"sternpost trace {source_id} {seq}".encode()).digest()
        # No id may be zero; that one in 2^64 is moved.
        return int.from_bytes(digest[:16]) or 1, int.from_bytes(digest[16:24]) or 1

    def _chosen(self, trace_id: int) -> bool:
        return trace_id >> 96 < self._below

    @contextmanager
    def _named(self, trace_id: int, span_id: int) -> Iterator[None]:
        self._ids.next = (trace_id, span_id)  # type: ignore[attr-defined]
        try:
            yield
        finally:
            self._ids.next = None  # type: ignore[attr-defined]


def open_tracing(endpoint: str, share: float, clock: Callable[[], float]) -> tuple[Tracing, TracerProvider]:
    """Traces to an OTLP collector over HTTP; the provider is shut down at the end. Raises UsageError when the extra is missing."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON
    except ImportError:
        raise UsageError(MISSING) from None

    class Ids(RandomIdGenerator):
        """Gives the ids that are asked for, else random ones."""

        next: tuple[int, int] | None = None

        def generate_trace_id(self) -> int:
            return self.next[0] if self.next else super().generate_trace_id()

        def generate_span_id(self) -> int:
            return self.next[1] if self.next else super().generate_span_id()

    # The SDK logs each batch that a collector does not take, with a trace; spans are dropped then, which its users know.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    provider = TracerProvider(
        resource=Resource.create({"service.name": "sternpost", "service.version": __version__}),
        id_generator=Ids(),
        sampler=ALWAYS_ON,  # the share was decided before a span is made
    )
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    provider.add_span_processor(
        BatchSpanProcessor(exporter, max_queue_size=QUEUE_SPANS_MAX, max_export_batch_size=BATCH_SPANS_MAX)
    )
    return Tracing(provider, share, clock), provider


def _state(outcome: Outcome) -> tuple[str, str | None]:
    match outcome:
        case Delivered():
            return "delivered", None
        case Skipped(reason):
            return "skipped", reason
        case Rejected(reason):
            return "rejected", reason
        case Retry(reason):
            return "retrying", reason
        case Blocked(reason):
            return "blocked", reason


def _kind(text: str) -> str:
    # The client's words only where they are words of the dialect.
    kind = text.strip().lower()
    return kind if kind in ("identify", "track", "page", "screen", "group", "alias", "merge") else "other"


def _ns(at: float) -> int:
    return int(at * 1_000_000_000)
