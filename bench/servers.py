"""The servers that figures are compared with, on the Listener and event loop of Sternpost itself.

    python bench/servers.py noop PORT     reads the body, answers ok: what the HTTP server costs without a product
    python bench/servers.py sink PORT     stands in for Pendo at no cost, and knows when each event arrived
    python bench/servers.py refuse PORT   answers 403 to everything, so that what was accepted stays waiting

Each ends by itself after an hour, should nobody end it.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from typing import Any

from sternpost.cli.serve import run_async
from sternpost.server import Listener, bind

LIFETIME_S = 3_600
RECEIVED_MAX = 2_000_000
_N = re.compile(rb'"n":"(\d+)"')

_OK_HEADERS = [
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-length", b"2"),
]


async def _body(receive: Any) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body", False):
        message = await receive()
        body += message.get("body", b"")
    return body


async def _answer(send: Any, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def noop(scope: Any, receive: Any, send: Any) -> None:
    """The least that an ASGI app can do with a request."""
    message = await receive()
    while message.get("more_body", False):
        message = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": _OK_HEADERS})
    await send({"type": "http.response.body", "body": b"ok"})


async def refuse(scope: Any, receive: Any, send: Any) -> None:
    """A destination whose keys are wrong."""
    await _body(receive)
    await _answer(send, 403, b"")


class Sink:
    """Takes track events and metadata; remembers when (monotonic clock, one for the whole machine) each request arrived."""

    def __init__(self) -> None:
        self.received: list[tuple[int, bytes]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = await _body(receive)
        path = scope["path"]
        if path == "/__bench/received":
            taken, self.received = self.received, []
            pairs = [(int(found[1]), at) for at, text in taken if (found := _N.search(text))]
            await _answer(send, 200, json.dumps(pairs).encode())
        elif path == "/__bench/count":
            await _answer(send, 200, str(len(self.received)).encode())
        elif path.startswith("/api/v1/token"):
            await _answer(send, 200, b'{"valid":true,"writeAccess":true}')
        elif path.startswith("/api/v1/metadata"):
            total = len(json.loads(body))
            await _answer(send, 200, b'{"total":%d,"updated":%d,"failed":0}' % (total, total))
        else:
            if len(self.received) < RECEIVED_MAX:
                self.received.append((time.monotonic_ns(), body))
            await _answer(send, 200, b"")


async def _run(app: Any, port: int) -> None:
    task = await Listener(app, bind("127.0.0.1", port)).listen()
    await asyncio.wait([task], timeout=LIFETIME_S)


if __name__ == "__main__":
    run_async(_run({"noop": noop, "sink": Sink(), "refuse": refuse}[sys.argv[1]], int(sys.argv[2])))
