"""A gateway in this process with a clock that stands still and a store that remembers: requests in, answers and events out."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from prometheus_client import CollectorRegistry

from sternpost.gateway.app import Gateway
from sternpost.gateway.refused_log import RefusedLog
from sternpost.limits import ARRIVAL_BYTES_MAX
from sternpost.metrics import Metrics
from sternpost.model import Arrival, Event, Source, Workspace
from sternpost.wire import postponed
from sternpost.wire.message import received

KEY = "enabled-write-key"
EVENT = b'{"userId":"u1","event":"e","messageId":"m1"}'
WEB = Source("enabled-source", "Enabled source", "web", KEY)
OFF = Source("disabled-source", "Disabled source", "server", "disabled-write-key", enabled=False)
START = 1_790_000_000.25
CROWDED: ContextVar[bool] = ContextVar("crowded", default=False)


def basic(write_key: str = KEY, password: str = "") -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{write_key}:{password}".encode()).decode()}


@dataclass
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name.lower()), None)


@dataclass
class Door:
    """The gateway with everything it is given, and what it did."""

    sources: Sequence[Source] = (WEB, OFF)
    now: float = START
    trusted_proxies: Any = None
    accepting: Callable[[Source, list[Event]], Awaitable[None]] | None = None
    healthy: bool = True
    #: requests are to be kept as they came; the suite runs with and without
    crowded: bool = field(default_factory=lambda: CROWDED.get())
    events: list[Event] = field(default_factory=list)
    accepts: int = 0
    parts: list[int] = field(default_factory=list)  #: events of what was kept as it came

    def __post_init__(self) -> None:
        self.use(*self.sources)
        self._ids = 0
        self.registry = CollectorRegistry()
        self.refused = RefusedLog(salt=b"salt")
        self.gateway = Gateway(
            accept=self._accept,
            arrive=self._arrive,
            crowded=lambda source_id: self.crowded,
            behind=lambda events: False,
            workspace=lambda: self.workspace,
            clock=lambda: self.now,
            new_id=self._new_id,
            metrics=Metrics(self.registry),
            refused=self.refused,
            health=self._health,
            trusted_proxies=self.trusted_proxies,
            timer=lambda: self.now,
        )

    def use(self, *sources: Source) -> None:
        self.workspace = Workspace(sources={source.id: source for source in sources})

    async def post(self, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
        return await self.request("POST", path, headers=basic() if headers is None else headers, body=body)

    async def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        pieces: Sequence[bytes] | None = None,
        content_length: bool = True,
        ending: str = "http.request",
        peer: tuple[str, int] | None = ("192.0.2.7", 5000),
    ) -> Answer:
        pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
        bare, _, query = path.partition("?")
        raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in pairs]
        if content_length and pieces is None:
            raw.append((b"content-length", str(len(body)).encode()))
        parts = [body] if pieces is None else list(pieces)
        messages: list[dict[str, Any]] = [
            {"type": "http.request", "body": part, "more_body": index < len(parts) - 1}
            for index, part in enumerate(parts)
        ]
        if ending != "http.request":
            messages[-1] = {"type": ending}
        self.read = 0

        async def receive() -> dict[str, Any]:
            self.read += 1
            return messages.pop(0) if messages else {"type": "http.disconnect"}

        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": bare,
            "query_string": query.encode("latin-1"),
            "headers": raw,
            "client": peer,
        }
        await self.gateway(scope, receive, send)
        start, *rest = sent
        content = b"".join(message.get("body", b"") for message in rest)
        return Answer(
            start["status"], [(k.decode(), v.decode("latin-1")) for k, v in start["headers"]], content
        )

    def shown(self) -> list[dict[str, Any]]:
        return [received(event) for event in self.events]

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0

    async def _accept(self, source: Source, events: list[Event]) -> None:
        self.accepts += 1
        if self.accepting:
            await self.accepting(source, events)
        assert events
        assert all(event.source_id == source.id for event in events)
        self.events.extend(events)

    async def _arrive(self, parts: Sequence[Arrival]) -> None:
        events = [event for part in parts for event in postponed.events(part, self._new_id)]
        assert len(events) == sum(part.events for part in parts)
        assert all(part.events == 1 or len(part.body) <= ARRIVAL_BYTES_MAX for part in parts)
        self.parts += [part.events for part in parts]
        await self._accept(self.workspace.sources[parts[0].source_id], events)

    async def _health(self) -> tuple[bool, dict[str, Any]]:
        return self.healthy, {"status": "ok" if self.healthy else "store unavailable"}

    def _new_id(self) -> str:
        self._ids += 1
        return str(UUID(int=self._ids, version=4))
