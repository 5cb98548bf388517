"""Traces: the spans of one event meet, tell its way and nothing about whose it is; a real server sends them to a collector."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sternpost import tracing
from sternpost.errors import UsageError
from tests.e2e.running import Sandbox, Server, connected, pendo, source
from tests.waiting import until


class Collector:
    """Takes OTLP over HTTP, as an OpenTelemetry collector does."""

    def __init__(self) -> None:
        spans: list[Any] = []
        self.spans = spans
        self.raw = b""

        class Handler(BaseHTTPRequestHandler):
            def do_POST(handler) -> None:
                body = handler.rfile.read(int(handler.headers["content-length"]))
                self.raw += body
                request = ExportTraceServiceRequest.FromString(body)
                for resource in request.resource_spans:
                    for scope in resource.scope_spans:
                        spans.extend(scope.spans)
                handler.send_response(200)
                handler.end_headers()

            def log_message(handler, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def collector() -> Iterator[Collector]:
    found = Collector()
    yield found
    found.server.shutdown()


def attributes(span: Any) -> dict[str, Any]:
    return {
        one.key: getattr(one.value, one.value.WhichOneof("value"))
        for one in span.attributes
        if one.value.WhichOneof("value")
    }


def test_of_an_event(tmp_path: Path, collector: Collector) -> None:
    """Delivered after a restart of the server: one trace all the same, with the answer's status; no word of the event itself."""
    sandbox = Sandbox(tmp_path / "sandbox")
    flags = ("--otlp-endpoint", collector.url, "--trace-share", "1")
    with sandbox.faults({"match": "/data/track", "status": 503, "times": 1000}):
        server = Server(tmp_path / "server", connected([source("backend")], [pendo(sandbox)]), *flags)
        server.accept(
            "wk-backend",
            {
                "type": "track",
                "event": "s3cr3t-name",
                "userId": "s3cr3t-person",
                "properties": {"s3cr3t": "s3cr3t"},
                "messageId": "trace-1",
            },
        )
        assert server.reaches("trace-1", "retrying")
        server.stop()
    server.again()
    try:
        assert server.reaches("trace-1", "delivered")
        server.stop()  # which sends what was gathered
        assert len(collector.spans) >= 3
        assert len({span.trace_id for span in collector.spans}) == 1
        (root,) = [span for span in collector.spans if not span.parent_span_id]
        assert root.name == "accept track"
        assert attributes(root)["sternpost.source"] == "backend"
        assert root.start_time_unix_nano <= root.end_time_unix_nano
        deliveries = [span for span in collector.spans if span.parent_span_id]
        assert {span.parent_span_id for span in deliveries} == {root.span_id}
        assert len({span.span_id for span in collector.spans}) == len(collector.spans)
        last = attributes(deliveries[-1])
        assert (last["sternpost.state"], last["http.response.status_code"]) == ("delivered", 200)
        first = attributes(deliveries[0])
        assert (first["sternpost.state"], first["sternpost.reason"]) == ("retrying", "server_error")
        assert b"s3cr3t" not in collector.raw
    finally:
        server.end()
        sandbox.end()


def test_share(tmp_path: Path, collector: Collector) -> None:
    """A share of the events is traced, each wholly or not at all; a collector that is away holds up nothing."""
    sandbox = Sandbox(tmp_path / "sandbox")
    flags = ("--otlp-endpoint", collector.url, "--trace-share", "0.3")
    server = Server(tmp_path / "server", connected([source("backend")], [pendo(sandbox)]), *flags)
    try:
        events = [
            {"type": "track", "event": "e", "userId": f"u{n}", "messageId": f"share-{n}"} for n in range(100)
        ]
        server.accept("wk-backend", *events)
        until(server.idle, what="all are delivered")
        server.stop()
        roots = {span.trace_id for span in collector.spans if not span.parent_span_id}
        assert 10 < len(roots) < 55
        assert {span.trace_id for span in collector.spans if span.parent_span_id} == roots
    finally:
        server.end()
        sandbox.end()


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names what to install."""
    monkeypatch.setitem(__import__("sys").modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(UsageError, match=r'pip install "sternpost\[otel\]"'):
        tracing.open_tracing("http://127.0.0.1:4318", 1.0, lambda: 0.0)
