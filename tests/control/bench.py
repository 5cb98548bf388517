"""What the control tests share: a real store in a temporary file, real destinations, a sender that is a function, an ASGI caller."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from sternpost.browserside import AgentHealth
from sternpost.control.answers import Answers
from sternpost.control.api import create_api
from sternpost.control.attempts import Attempts
from sternpost.control.audit import AuditLog
from sternpost.control.auth import owner_token
from sternpost.control.context import Context
from sternpost.control.live import LiveHub
from sternpost.control.people import People
from sternpost.control.personal import Personal
from sternpost.control.persons import Persons
from sternpost.control.replays import Pump
from sternpost.delivery import records
from sternpost.destinations.registry import DESTINATIONS
from sternpost.gateway.refused_log import RefusedLog
from sternpost.intake.fanout import Fanout
from sternpost.intake.intake import Intake
from sternpost.intake.overflow import Overflow
from sternpost.model import (
    Call,
    Delivered,
    DestinationConfig,
    Event,
    Outcome,
    Reply,
    Retry,
    Settled,
    Settlement,
)
from sternpost.store.access import AccessTables
from sternpost.store.persons import PersonTables
from sternpost.store.sqlite import SqliteStore
from sternpost.store.views import Views
from sternpost.wire.decode import decode_batch
from sternpost.workspace.holder import WorkspaceHolder
from sternpost.workspace.secrets import SecretKey

from . import conforms

TOKEN = "sp_a-token-for-tests"
NOW = 1_800_000_000.0
INTEGRATION_KEY = "secret-integration-key-7d1f.us"
TRACK_SECRET = "secret-track-9a3e-77aa"
HEADER_SECRET = "secret-header-55cc-1b1b"
SIGNING_SECRET = "secret-signing-33ee-9c9c"

DOCUMENT: dict[str, Any] = {
    "version": 1,
    "sources": [
        {"id": "web", "name": "Web app", "type": "web", "writeKey": "wk-web"},
        {"id": "backend", "name": "Backend", "type": "server", "writeKey": "wk-backend"},
        {"id": "alone", "name": "Alone", "type": "server", "writeKey": "wk-alone"},
    ],
    "destinations": [
        {
            "id": "pendo",
            "name": "Pendo production",
            "type": "pendo",
            "settings": {
                "region": "us",
                "integrationKey": INTEGRATION_KEY,
                "trackEventSecret": TRACK_SECRET,
                "anonymousVisitors": "hold",
            },
        },
        {
            "id": "hook",
            "name": "Our endpoint",
            "type": "webhook",
            "settings": {
                "url": "https://hooks.example.com/events",
                "headers": {"X-Team": HEADER_SECRET},
                "signingSecret": SIGNING_SECRET,
            },
        },
        {
            "id": "spare",
            "name": "Spare",
            "type": "webhook",
            "settings": {"url": "https://spare.example.com/"},
        },
    ],
    "connections": [
        {"source": "web", "destination": "pendo", "mode": "cloud"},
        {"source": "backend", "destination": "pendo", "mode": "cloud"},
        {"source": "backend", "destination": "hook", "mode": "cloud"},
    ],
}


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Bench:
    store: SqliteStore
    views: Views
    live: LiveHub
    holder: WorkspaceHolder
    refused: RefusedLog
    now: float = NOW
    sent: list[tuple[str, Call]] = field(default_factory=list)
    reply: Callable[[str, Call], Reply] = lambda destination, call: Reply(200, {}, b"{}", 5)
    woken: list[Any] = field(default_factory=list)
    healthy: bool = True
    bytes_max: int = 10_000_000_000
    made: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.pump = Pump(
            self.store,
            self.views,
            workspace=lambda: self.holder.current,
            clock=lambda: self.now,
            route_for=lambda event, destination: self.fanout.replayed(event, destination),
            wake=lambda due: self.woken.extend(due),
        )
        self.tables = AccessTables(self.store)
        self.people = People(self.tables, clock=lambda: self.now, own_token=owner_token(TOKEN))
        self.forgotten: list[str] = []
        self.intake = Intake(
            self.store,
            workspace=lambda: self.holder.current,
            destinations=DESTINATIONS,
            clock=lambda: self.now,
            queued_events=lambda: self.store.queued_events,
            wake=lambda due: self.woken.extend(due),
            observer=self,
        )
        self.overflow = Overflow(
            self.store,
            self.intake,
            queued_events=lambda: self.store.queued_events,
            new_id=lambda: f"made-{next(self.made)}",
        )
        self.persons = Persons(
            PersonTables(self.store),
            self.views,
            workspace=lambda: self.holder.current,
            destinations=DESTINATIONS,
            clock=lambda: self.now,
            send=self._send,
            caught_up=self.overflow.caught_up,
            forget_in_memory=self._forget,
        )
        self.agents = AgentHealth()
        audit = AuditLog(self.tables, clock=lambda: self.now, answers=Answers(lambda: self.holder.current))
        self.context = Context(
            store=self.store,
            views=self.views,
            live=self.live,
            facts=self.store,
            workspaces=self.holder,
            destinations=DESTINATIONS,
            clock=lambda: self.now,
            people=self.people,
            personal=Personal(b"k" * 32),
            audit=audit,
            attempts=Attempts(audit, clock=lambda: self.now),
            route_for=lambda event, destination: self.fanout.route(event, destination),
            wake=lambda due: self.woken.extend(due),
            send=self._send,
            ask=self._ask,
            new_write_key=lambda: f"wk-made-{next(self.made)}",
            request_record=records.request_record,
            reply_record=records.reply_record,
            refused=self.refused.entries,
            health=self._health,
            disk_free_bytes=lambda: 41_000_000_000,
            bytes_max=self.bytes_max,
            new_id=lambda: "tried",
            resume=self._resume,
            caught_up=self.overflow.caught_up,
            persons=self.persons,
            replays_changed=self.pump.woken,
            agents=self.agents.of,
        )
        self.app = create_api(self.context)

    @property
    def fanout(self) -> Fanout:
        return Fanout(self.holder.current, DESTINATIONS)

    def accepted(self, source_id: str, entries: Any, receipt: Any) -> None:
        """As the observer of the intake."""

    async def _send(self, destination: str, call: Call) -> Reply:
        self.sent.append((destination, call))
        return self.reply(destination, call)

    def _forget(self, ids: Iterable[str]) -> None:
        self.forgotten += ids

    async def _resume(self, destination: str, channel: str | None) -> list[str]:
        blocked = [
            one.channel for one in await self.views.blocked_channels() if one.destination_id == destination
        ]
        resumed = [name for name in blocked if channel in {None, name}]
        for name in resumed:
            await self.store.block(destination, name, None, "", now=self.now)
        return resumed

    async def _ask(self, config: DestinationConfig, call: Call) -> Reply:
        return await self._send(config.id, call)

    async def _health(self) -> tuple[bool, dict[str, Any]]:
        return self.healthy, {"problem": None if self.healthy else "The disk is full."}

    # --- events ------------------------------------------------------------------------------------------------------

    async def accept(self, *bodies: dict[str, Any] | bytes, source: str = "backend") -> tuple[int, ...]:
        raw = [body if isinstance(body, bytes) else json.dumps(body).encode() for body in bodies]
        events = decode_batch(
            b'{"batch":[' + b",".join(raw) + b"]}",
            allow_empty=False,
            source_id=source,
            received_at=self.now,
            request_ip="203.0.113.9",
            new_id=lambda: "made",
        )
        return await self.keep(events)

    async def keep(self, events: Sequence[Event]) -> tuple[int, ...]:
        sources = self.holder.current.sources
        entries = [self.fanout.accepted(event, sources[event.source_id]) for event in events]
        return (await self.store.accept(entries, now=self.now)).seqs

    async def settle(
        self,
        destination: str,
        channel: str,
        *outcomes: Outcome,
        reply: Reply | None = None,
        call: Call | None = None,
        wait_s: float | None = None,
        sent: bool = True,
    ) -> list[int]:
        """Claim what is due and settle it, in order, with these outcomes; what has none is given back."""
        claim = await self.store.claim(
            destination, channel, now=self.now, lanes_max=100, run_max=100, lease_s=60
        )
        left = list(outcomes)
        seqs = []
        for run in claim.runs:
            settled = []
            ready_at = None
            for waiting in run.events:
                if not left:
                    break
                outcome = left.pop(0)
                attempt = (
                    records.attempt(
                        at=self.now,
                        call=None if isinstance(outcome, Delivered) else call or CALL,
                        reply=reply or (Reply(200, {}, b"", 12) if isinstance(outcome, Delivered) else REPLY),
                        outcome=outcome,
                        wait_s=wait_s,
                    )
                    if sent
                    else None
                )
                settled.append(
                    Settled(
                        waiting.event.seq,
                        outcome,
                        self.now,
                        attempt,
                        source_id=waiting.event.source_id,
                        received_at=waiting.event.received_at,
                    )
                )
                seqs.append(waiting.event.seq)
                if isinstance(outcome, Retry):
                    ready_at = self.now + (wait_s or 1.0)
            await self.store.settle(
                [
                    Settlement(
                        run.key, run.lease, settled, ready_at=ready_at, backing_off=ready_at is not None
                    )
                ],
                now=self.now,
            )
        assert not left, "fewer events were due than outcomes were given"
        return seqs

    # --- requests ----------------------------------------------------------------------------------------------------

    async def ask(
        self, method: str, path: str, content: Any = None, *, token: str | None = TOKEN, mounted: bool = False
    ) -> Answer:
        """A request to /api/v1 + path, whose path is as it stands in an address."""
        headers = [(b"authorization", f"Bearer {token}".encode())] if token is not None else []
        body = (
            content
            if isinstance(content, bytes)
            else b""
            if content is None
            else json.dumps(content).encode()
        )
        answer = await call(self.app, method, f"/api/v1{path}", headers=headers, body=body, mounted=mounted)
        conforms.check(method, path, answer.status, answer.headers, answer.body)
        return answer

    async def get(self, path: str) -> Any:
        answer = await self.ask("GET", path)
        assert answer.status == 200, answer.body
        return answer.json

    async def fate(self, message_id: str, destination: str = "pendo") -> dict[str, Any]:
        [event] = (await self.get(f"/events/{message_id}"))["events"]
        [standing] = [entry for entry in event["destinations"] if entry["destination"] == destination]
        return standing

    def close(self) -> None:
        self.live.close()
        self.views.close()
        self.store.close()


CALL = Call(
    "POST",
    "https://data.pendo.io/data/track",
    {"x-pendo-integration-key": TRACK_SECRET},
    b"{}",
    frozenset({"x-pendo-integration-key"}),
)
REPLY = Reply(503, {"content-type": "text/plain"}, b"no", 21)


def scope_of(
    method: str, path: str, headers: Sequence[tuple[bytes, bytes]], *, mounted: bool = False
) -> dict[str, Any]:
    raw, _, query = path.partition("?")
    return {
        "type": "http",
        "http_version": "1.1",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "method": method,
        "scheme": "http",
        "path": unquote(raw),
        "raw_path": raw.encode(),
        "query_string": query.encode(),
        "root_path": "/api/v1" if mounted else "",
        "headers": list(headers),
        "client": ("127.0.0.1", 1234),
        "server": ("127.0.0.1", 8080),
    }


async def call(
    app: Any,
    method: str,
    path: str,
    *,
    headers: Sequence[tuple[bytes, bytes]] = (),
    body: bytes = b"",
    mounted: bool = False,
) -> Answer:
    sent: list[Any] = []
    left = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        if left:
            return left.pop()
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope_of(method, path, headers, mounted=mounted), receive, send)
    assert sent[0]["type"] == "http.response.start"
    return Answer(
        sent[0]["status"],
        {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]},
        b"".join(message.get("body", b"") for message in sent[1:]),
    )


async def make(
    path: Path,
    document: dict[str, Any] | None = None,
    *,
    file: Path | None = None,
    observe: Callable[[str, float], None] | None = None,
) -> Bench:
    store = SqliteStore(path / "store.db", observe=observe)
    made: list[Bench] = []
    holder = WorkspaceHolder(
        destinations=DESTINATIONS,
        keeper=store,
        key=SecretKey(b"k" * 32),
        env={},
        clock=lambda: made[0].now if made else NOW,
        path=file,
    )
    await holder.start(document or DOCUMENT)
    views = Views(path / "store.db")
    live = LiveHub(views, lambda: holder.current, personal=Personal(b"k" * 32))
    made.append(Bench(store, views, live, holder, RefusedLog()))
    return made[0]
