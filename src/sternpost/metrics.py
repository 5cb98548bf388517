"""Every metric of Sternpost in one list: its name, kind, meaning and labels.

Labels hold ids of sources and destinations, reasons, paths and states: all of them bounded by the workspace or by closed lists. A
write key, an address or an id of a person is never a label. The registry is handed in, so that two servers in one process (or two
tests) share nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
#: A delivery takes milliseconds when all is well, and hours behind a destination that is down.
_LATE_SECONDS = (
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    15.0,
    60.0,
    300.0,
    3_600.0,
    86_400.0,
)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric as people see it."""

    name: str  #: as in the output; counters end in _total
    kind: Literal["counter", "gauge", "histogram"]
    meaning: str  #: a sentence
    labels: tuple[str, ...] = ()


ACCEPTED = Metric(
    "sternpost_events_accepted_total",
    "counter",
    "Events answered with 200 by the gateway, duplicates included.",
    ("source",),
)
REFUSED = Metric(
    "sternpost_requests_refused_total",
    "counter",
    "Requests that were turned away, by reason; source is empty when the write key belongs to none.",
    ("reason", "source"),
)
DUPLICATES = Metric(
    "sternpost_events_duplicate_total",
    "counter",
    "Accepted events whose messageId was known already; the first was kept.",
    ("source",),
)
BOTS = Metric(
    "sternpost_events_bot_total",
    "counter",
    "Accepted events whose user agent calls itself bot, crawler or spider; nothing is dropped.",
    ("source",),
)
DELIVERED = Metric(
    "sternpost_events_delivered_total", "counter", "Events accepted by a destination.", ("destination",)
)
SKIPPED = Metric(
    "sternpost_events_skipped_total",
    "counter",
    "Events not sent on purpose, by reason.",
    ("destination", "reason"),
)
REJECTED = Metric(
    "sternpost_events_rejected_total",
    "counter",
    "Events that became dead letters, by reason.",
    ("destination", "reason"),
)
WAITING = Metric(
    "sternpost_events_waiting",
    "gauge",
    "Events that wait for a destination: pending, retrying or blocked.",
    ("destination",),
)
OLDEST_WAITING_SECONDS = Metric(
    "sternpost_oldest_waiting_seconds",
    "gauge",
    "Age of the oldest event that is pending, retrying or blocked; held events do not count.",
    ("destination",),
)
ARRIVALS = Metric(
    "sternpost_events_arrived",
    "gauge",
    "Events that are accepted and not in their lanes yet, because very many came at once.",
)
HELD = Metric(
    "sternpost_events_held",
    "gauge",
    "Events of anonymous people that wait for an identify, where a destination holds them.",
    ("destination",),
)
BLOCKED = Metric(
    "sternpost_channel_blocked",
    "gauge",
    "1 while nothing can be sent through a channel of a destination until a person acts, else 0. Pendo has the channels metadata and track.",
    ("destination", "channel"),
)
DELIVERY_SECONDS = Metric(
    "sternpost_delivery_seconds",
    "histogram",
    "Time from receiving an event until the destination had accepted it.",
    ("destination",),
)
REPLIES = Metric(
    "sternpost_replies_total",
    "counter",
    "Requests made to a destination by what came back: 2xx, 3xx, 4xx, 5xx, or none.",
    ("destination", "status"),
)
STORE_SECONDS = Metric(
    "sternpost_store_seconds", "histogram", "Time of a store operation until it returned.", ("operation",)
)
REQUEST_SECONDS = Metric(
    "sternpost_request_seconds",
    "histogram",
    "Time of a client's request from its first byte until its answer, by path.",
    ("path",),
)
ACCEPTING = Metric(
    "sternpost_accepting",
    "gauge",
    "1 while events can be accepted durably, else 0; asked of the disk at most once a second, as /health is.",
)
STORE_NOTICES = Metric(
    "sternpost_store_notices",
    "gauge",
    "What was found damaged in the store or had to be set aside, as many as /health has notices; 0 when all is well.",
)
STORE_BYTES = Metric("sternpost_store_bytes", "gauge", "Bytes of the store that hold something.")
STORE_BYTES_MAX = Metric("sternpost_store_bytes_max", "gauge", "The bound of --bytes-max.")
DISK_FREE_BYTES = Metric(
    "sternpost_disk_free_bytes", "gauge", "Bytes that may still be written on the disk of the data directory."
)
WORKSPACE_REVISION = Metric(
    "sternpost_workspace_revision", "gauge", "Revision of the workspace that is in use."
)

METRICS: tuple[Metric, ...] = (
    ACCEPTED,
    REFUSED,
    DUPLICATES,
    BOTS,
    DELIVERED,
    SKIPPED,
    REJECTED,
    WAITING,
    OLDEST_WAITING_SECONDS,
    ARRIVALS,
    HELD,
    BLOCKED,
    DELIVERY_SECONDS,
    REPLIES,
    STORE_SECONDS,
    REQUEST_SECONDS,
    ACCEPTING,
    STORE_NOTICES,
    STORE_BYTES,
    STORE_BYTES_MAX,
    DISK_FREE_BYTES,
    WORKSPACE_REVISION,
)


class Metrics:
    """The metrics of one server, as attributes: `metrics.delivered.labels(destination="pendo").inc()`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self.accepted = self._counter(ACCEPTED)
        self.refused = self._counter(REFUSED)
        self.duplicates = self._counter(DUPLICATES)
        self.bots = self._counter(BOTS)
        self.delivered = self._counter(DELIVERED)
        self.skipped = self._counter(SKIPPED)
        self.rejected = self._counter(REJECTED)
        self.waiting = self._gauge(WAITING)
        self.oldest_waiting_seconds = self._gauge(OLDEST_WAITING_SECONDS)
        self.arrivals = self._gauge(ARRIVALS)
        self.held = self._gauge(HELD)
        self.channel_blocked = self._gauge(BLOCKED)
        self.delivery_seconds = self._histogram(DELIVERY_SECONDS, _LATE_SECONDS)
        self.replies = self._counter(REPLIES)
        self.store_seconds = self._histogram(STORE_SECONDS)
        self.request_seconds = self._histogram(REQUEST_SECONDS)
        self.accepting = self._gauge(ACCEPTING)
        self.store_notices = self._gauge(STORE_NOTICES)
        self.store_bytes = self._gauge(STORE_BYTES)
        self.store_bytes_max = self._gauge(STORE_BYTES_MAX)
        self.disk_free_bytes = self._gauge(DISK_FREE_BYTES)
        self.workspace_revision = self._gauge(WORKSPACE_REVISION)

    def render(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def _counter(self, metric: Metric) -> Counter:
        return Counter(metric.name, metric.meaning, metric.labels, registry=self._registry)

    def _gauge(self, metric: Metric) -> Gauge:
        return Gauge(metric.name, metric.meaning, metric.labels, registry=self._registry)

    def _histogram(self, metric: Metric, buckets: tuple[float, ...] = _SECONDS) -> Histogram:
        return Histogram(metric.name, metric.meaning, metric.labels, registry=self._registry, buckets=buckets)
