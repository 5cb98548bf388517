"""The real pipeline behind the door in one process: intake, store, delivery. Only the destination's answers are ours."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from sternpost.delivery.addresses import AddressRule
from sternpost.delivery.engine import Engine
from sternpost.delivery.surroundings import Surroundings
from sternpost.destinations.registry import DESTINATIONS
from sternpost.intake.intake import Intake
from sternpost.model import Call, Reply
from sternpost.store.sqlite import SqliteStore
from sternpost.wire import decode
from sternpost.workspace.document import parse

OK = Reply(200, {}, b"", 1)

PENDO = {
    "region": "custom",
    "hosts": {"api": "http://api.test", "data": "http://data.test", "content": "http://content.test"},
    "apiKey": "11111111-1111-4111-8111-111111111111",
    "integrationKey": "33333333-3333-4333-8333-333333333333.us",
    "trackEventSecret": "55555555-5555-4555-8555-555555555555",
    "ratePerSecond": 10_000,
}


def workspace(
    *,
    source_type: str = "server",
    settings: Mapping[str, Any] | None = None,
    mode: str = "cloud",
    **hooks: Mapping[str, Any],
):
    """One source `src`, a Pendo destination `pendo` (unless settings is None), webhooks by name; all connected."""
    destinations = []
    if settings is not None:
        destinations.append(
            {"id": "pendo", "name": "Pendo", "type": "pendo", "settings": {**PENDO, **settings}}
        )
    for name, values in hooks.items():
        destinations.append(
            {
                "id": name,
                "name": name,
                "type": "webhook",
                "settings": {"url": f"http://{name}.test/", "ratePerSecond": 10_000, **values},
            }
        )
    return parse(
        {
            "version": 1,
            "sources": [{"id": "src", "name": "src", "type": source_type, "writeKey": "wk"}],
            "destinations": destinations,
            "connections": [
                {"source": "src", "destination": d["id"], "mode": mode if d["type"] == "pendo" else "cloud"}
                for d in destinations
            ],
        },
        destinations=DESTINATIONS,
    )


Answer = Callable[[Call], Reply | Awaitable[Reply]]


@dataclass
class Sent:
    at: float
    call: Call

    @property
    def json(self) -> Any:
        return json.loads(self.call.body) if self.call.body else None


class Watcher:
    """Collects what the pipeline says, and lets tests wait for it."""

    def __init__(self) -> None:
        self.outcomes: dict[tuple[str, int], list[Any]] = {}
        self.notes: dict[str, list[Any]] = {}
        self.channel_states: list[tuple[str, str, Any]] = []
        self.receipts: list[Any] = []
        self.changed = asyncio.Event()

    def accepted(self, source, entries, receipt) -> None:
        self.receipts.append(receipt)

    def settled(self, destination_id, settled) -> None:
        for item in settled:
            self.outcomes.setdefault((destination_id, item.seq), []).append(item.outcome)
        self.changed.set()

    def replied(self, destination_id, reply) -> None: ...

    def blocked(self, destination_id, channel, blocked) -> None:
        self.channel_states.append((destination_id, channel, blocked))
        self.changed.set()


@dataclass
class Pipeline:
    path: Path
    answer: Answer = lambda call: OK
    settings: Any = None
    give_up_s: float = 72 * 3600.0
    clock: Callable[[], float] = time.time
    random: Callable[[], float] = lambda: 0.02
    stopped: Callable[[Any, str], bool] = lambda event, user_id: False
    sent: list[Sent] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        self.watcher = Watcher()
        self.store = SqliteStore(self.path / "store.db")
        around = Surroundings(
            store=self.store,
            workspace=lambda: self.settings,
            clock=self.clock,
            random=self.random,
            observer=self.watcher,
            wake=lambda due: self.engine.wake(due),
            give_up_s=self.give_up_s,
            stopped=self.stopped,
        )
        pipeline = self

        class Client:
            def __init__(self, rule: AddressRule, connections: int) -> None: ...

            async def __call__(self, call: Call) -> Reply:
                pipeline.sent.append(Sent(pipeline.clock(), call))
                reply = pipeline.answer(call)
                return reply if isinstance(reply, Reply) else await reply

            async def close(self) -> None: ...

        self.engine = Engine(
            around, DESTINATIONS, addresses=lambda config: AddressRule(everything=True), client=Client
        )
        self.intake = Intake(
            self.store,
            workspace=lambda: self.settings,
            destinations=DESTINATIONS,
            clock=self.clock,
            queued_events=lambda: self.store.queued_events,
            wake=self.engine.wake,
            observer=self.watcher,
        )
        await self.engine.apply()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.engine.stop()
        self.store.close()

    async def send(self, *bodies: Mapping[str, Any], in_order: bool = False) -> list[int]:
        """Accept events as one batch; their seqs (0: a duplicate)."""
        batch = json.dumps({"batch": list(bodies)}).encode()
        counter = iter(range(10**9))
        events = decode.decode_batch(
            batch,
            allow_empty=False,
            source_id="src",
            received_at=self.clock(),
            request_ip="203.0.113.9",
            new_id=lambda: f"id-{time.time_ns()}-{next(counter)}",
            in_order=in_order,
        )
        await self.intake.accept(self.settings.sources["src"], events)
        return list(self.watcher.receipts[-1].seqs)

    async def until(self, condition: Callable[[], Any], *, within_s: float = 10.0) -> Any:
        async with asyncio.timeout(within_s):
            while not (found := condition()):
                self.watcher.changed.clear()
                try:
                    async with asyncio.timeout(0.05):
                        await self.watcher.changed.wait()
                except TimeoutError:
                    pass
        return found

    def last(self, destination_id: str, seq: int) -> Any:
        found = self.watcher.outcomes.get((destination_id, seq))
        return found[-1] if found else None

    async def outcome(self, destination_id: str, seq: int, *, final: bool = True) -> Any:
        """The outcome of an event, when there is one."""

        def done() -> Any:
            outcome = self.last(destination_id, seq)
            if outcome is None or (final and type(outcome).__name__ in {"Retry", "Blocked"}):
                return None
            return outcome

        return await self.until(done)
