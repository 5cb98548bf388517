"""A sandbox in process, called as an HTTP client would, with a clock that tests move."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest

from sternpost.sandbox import jzb, seed
from sternpost.sandbox.app import Sandbox, create_app

#: 2026-11-23T10:30:00Z: half past, so that "this hour" and "a past hour" are both near.
START_MS = 1_795_429_800_000
DATA = Path(__file__).parent / "data"


class FakeClock:
    """A clock that stands still until it is moved."""

    def __init__(self, now_ms: int = START_MS) -> None:
        self.now_ms = now_ms

    def __call__(self) -> float:
        return self.now_ms / 1000

    def advance(self, ms: int) -> None:
        self.now_ms += ms


@dataclass
class Answer:
    """What came back; status None means that the connection was dropped."""

    status: int | None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Calls the application as an ASGI server does."""

    def __init__(self, app: Sandbox, clock: FakeClock) -> None:
        self.app = app
        self.clock = clock

    async def request(
        self,
        method: str,
        url: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        chunks: list[bytes] | None = None,
    ) -> Answer:
        raw_path, _, query = url.partition("?")
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        parts = chunks if chunks is not None else [content]
        messages = [
            {"type": "http.request", "body": part, "more_body": n + 1 < len(parts)}
            for n, part in enumerate(parts)
        ]
        sent: list[Any] = []

        async def receive() -> Any:
            return messages.pop(0) if messages else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        result = await self.app(
            {
                "type": "http",
                "method": method,
                "path": unquote(raw_path),
                "raw_path": raw_path.encode(),
                "query_string": query.encode(),
                "headers": [
                    (name.lower().encode(), value.encode("latin-1"))
                    for name, value in {"host": "127.0.0.1:8090", **(headers or {})}.items()
                ],
            },
            receive,
            send,
        )
        if result is not None:
            assert sent == [], "a dropped connection must not carry a byte"
            return Answer(None)
        start, end = sent
        return Answer(
            start["status"],
            {name.decode(): value.decode("latin-1") for name, value in start["headers"]},
            end["body"],
        )

    async def get(self, url: str, **headers: str) -> Answer:
        return await self.request(
            "GET", url, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )

    async def post(self, url: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        return await self.request("POST", url, body, headers)

    # --- Pendo's routes with the right keys

    async def track(
        self, event: str = "E", visitor: str = "u1", account: str | None = "a1", **more: Any
    ) -> Answer:
        body = {
            "type": "track",
            "event": event,
            "visitorId": visitor,
            "timestamp": self.clock.now_ms,
            "properties": {},
            "context": {},
            **more,
        }
        if account is not None:
            body["accountId"] = account
        return await self.post("/data/track", body, {"x-pendo-integration-key": seed.TRACK_SECRET_WEB})

    async def api(
        self, method: str, path: str, body: Any = None, key: str = seed.INTEGRATION_KEY, **headers: str
    ) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.request(method, f"/api/v1/{path}", body, {"x-pendo-integration-key": key, **named})

    async def write(
        self, items: Any, kind: str = "visitor", group: str = "agent", create: bool = True
    ) -> Any:
        return (
            await self.api(
                "POST", f"metadata/{kind}/{group}/value" + ("?create=true" if create else ""), items
            )
        ).json()

    async def agent(
        self, *events: Any, key: str = seed.APP_KEY_WEB, extra: str = "", **headers: str
    ) -> Answer:
        return await self.get(
            f"/data/ptm.gif/{key}?v=2&ct=1&jzb={jzb.encode(list(events))}{extra}", **headers
        )

    # --- control

    async def set(self, **switches: Any) -> None:
        changes = {name.replace("__", "."): value for name, value in switches.items()}
        assert (await self.post("/__sandbox/switches", changes)).status == 200

    async def state(self) -> Any:
        return (await self.get("/__sandbox/state")).json()

    async def events(self, **query: str) -> Any:
        return (
            await self.get(
                "/__sandbox/events?" + "&".join(f"{key}={quote(value)}" for key, value in query.items())
            )
        ).json()

    async def diagnostics(self) -> Any:
        return (await self.get("/__sandbox/diagnostics")).json()

    async def codes(self) -> list[str]:
        return [entry["code"] for entry in await self.diagnostics()]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def make(clock: FakeClock) -> Callable[..., Client]:
    """A further sandbox: another region, switches from the start, a state file."""

    def build(**options: Any) -> Client:
        return Client(create_app(clock=clock, **options), clock)

    return build


@pytest.fixture
def client(make: Callable[..., Client]) -> Client:
    return make()


def agent_event(event_type: str, visitor: str, account: str | None = None, **more: Any) -> dict[str, Any]:
    """An event as the web agent puts it into a batch."""
    return {
        "type": event_type,
        "browser_time": START_MS,
        "visitor_id": visitor,
        "account_id": account,
        "url": "http://shop.example/",
        "props": {},
        **more,
    }
