"""Requests to the apps of this process: a page asks the same API that commands ask, and sends a test event through the same door."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Iterator, Mapping, MutableMapping
from contextvars import ContextVar
from typing import Any
from urllib.parse import quote, unquote, urlencode

import msgspec
from starlette.types import ASGIApp

from sternpost.control.auth import PRINCIPAL, Principal


class ApiProblem(Exception):
    """The API's answer when it cannot do as asked."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        error = body.get("error") or {}
        self.status = status
        self.body = body
        self.message = str(error.get("message", "The server did not answer as expected."))
        self.remedy = str(error.get("remedy", ""))
        super().__init__(self.message)


#: Who is visiting: set for the time of a page function, so that no page can ask for more than its visitor may.
_asking: ContextVar[Principal | None] = ContextVar("asking", default=None)


@contextlib.contextmanager
def asking(who: Principal | None) -> Iterator[None]:
    """What is asked of the API within is asked by this user; by nobody, who gets no answer, outside."""
    token = _asking.set(who)
    try:
        yield
    finally:
        _asking.reset(token)


class Api:
    """The control API, asked as the user who is visiting."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """GET of a path below /api/v1, whose parts are quoted. Raises ApiProblem."""
        return await self.call("GET", path, query=query)

    async def every(self, path: str, name: str) -> list[Any]:
        """All entries of a list, whose member is `name`, page by page. For lists whose bound is known to be small. Raises ApiProblem."""
        found: list[Any] = []
        query: dict[str, str] = {}
        while True:
            page = await self.get(path, query)
            found += page[name]
            if page["next"] is None:
                return found
            query = {"after": page["next"]}

    async def post(self, path: str, content: Mapping[str, Any]) -> Any:
        """POST to a path below /api/v1. Raises ApiProblem."""
        return await self.call("POST", path, content)

    async def call(
        self,
        method: str,
        path: str,
        content: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, str] | None = None,
        match: str = "",
    ) -> Any:
        """Any request to a path below /api/v1, whose parts are quoted; `match` is the ETag that was read. Raises ApiProblem."""
        who = _asking.get()
        headers = [(b"content-type", b"application/json")] if content is not None else []
        if match:
            headers.append((b"if-match", match.encode("latin-1", "replace")))
        status, body = await request(
            self._app,
            method,
            f"/api/v1{path}",
            query=urlencode({name: value for name, value in (query or {}).items() if value}),
            headers=headers,
            body=msgspec.json.encode(content) if content is not None else b"",
            more={PRINCIPAL: who} if who is not None else {},
        )
        return _read(status, body)


async def send_event(gateway: ASGIApp, write_key: str, path: str, content: Mapping[str, Any]) -> int:
    """Send an event as a client would; the answer's status."""
    name = base64.b64encode(f"{write_key}:".encode())
    headers = [(b"authorization", b"Basic " + name), (b"content-type", b"application/json")]
    status, _ = await request(gateway, "POST", path, headers=headers, body=msgspec.json.encode(content))
    return status


async def request(
    app: ASGIApp,
    method: str,
    path: str,
    *,
    query: str = "",
    headers: list[tuple[bytes, bytes]],
    body: bytes = b"",
    more: Mapping[str, Any] | None = None,
) -> tuple[int, bytes]:
    """One request to an app of this process: status and body."""
    status, answered = 0, bytearray()
    asked = False

    async def receive() -> MutableMapping[str, Any]:
        nonlocal asked
        if asked:
            return {"type": "http.disconnect"}
        asked = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        nonlocal status
        status = message.get("status", status)
        answered.extend(message.get("body", b""))

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [*headers, (b"content-length", str(len(body)).encode())],
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", 0),
        **(more or {}),
    }
    await app(scope, receive, send)
    return status, bytes(answered)


def part(text: str) -> str:
    """A text as one part of a path."""
    return quote(text, safe="")


def _read(status: int, body: bytes) -> Any:
    try:
        answer = msgspec.json.decode(body)
    except msgspec.DecodeError:
        # Half a surrogate pair in what a client sent, which only the standard library lets pass.
        answer = json.loads(body)
    if status >= 400:
        raise ApiProblem(status, answer)
    return answer
