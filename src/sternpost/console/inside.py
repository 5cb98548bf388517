"""Requests to the apps of this process: a page asks the same API that commands ask, and sends a test event through the same door."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, MutableMapping
from typing import Any
from urllib.parse import quote, unquote, urlencode

import msgspec

from sternpost.server import App


class ApiProblem(Exception):
    """The API's answer when it cannot do as asked."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        error = body.get("error") or {}
        self.status = status
        self.body = body
        self.message = str(error.get("message", "The server did not answer as expected."))
        self.remedy = str(error.get("remedy", ""))
        super().__init__(self.message)


class Api:
    """The control API, asked with the owner's token, which never leaves this process."""

    def __init__(self, app: App, token: str) -> None:
        self._app = app
        self._authorization = (b"authorization", f"Bearer {token}".encode())

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """GET of a path below /api/v1, whose parts are quoted. Raises ApiProblem."""
        status, body = await request(
            self._app,
            "GET",
            f"/api/v1{path}",
            query=urlencode({name: value for name, value in (query or {}).items() if value}),
            headers=[self._authorization],
        )
        return _read(status, body)

    async def post(self, path: str, content: Mapping[str, Any]) -> Any:
        """POST to a path below /api/v1. Raises ApiProblem."""
        status, body = await request(
            self._app,
            "POST",
            f"/api/v1{path}",
            headers=[self._authorization, (b"content-type", b"application/json")],
            body=msgspec.json.encode(content),
        )
        return _read(status, body)


async def send_event(gateway: App, write_key: str, path: str, content: Mapping[str, Any]) -> int:
    """Send an event as a client would; the answer's status."""
    name = base64.b64encode(f"{write_key}:".encode())
    headers = [(b"authorization", b"Basic " + name), (b"content-type", b"application/json")]
    status, _ = await request(gateway, "POST", path, headers=headers, body=msgspec.json.encode(content))
    return status


async def request(
    app: App,
    method: str,
    path: str,
    *,
    query: str = "",
    headers: list[tuple[bytes, bytes]],
    body: bytes = b"",
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
