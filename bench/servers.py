"""The servers that figures are compared with, on the Listener and event loop of Sternpost itself.

    python bench/servers.py noop PORT     reads the body, answers ok: what the HTTP server costs without a product
    python bench/servers.py sink PORT     stands in for Pendo at no cost, and knows when each event arrived
    python bench/servers.py refuse PORT   answers 403 to everything, so that what was accepted stays waiting
    python bench/servers.py many PORT     many destinations under one address each, /NAME, of which any may be told to be in trouble

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
SOME_EVERY = 100  #: with the trouble `some`, every so many-th person gets 500
_N = re.compile(rb'"n":"(\d+)"')
_USER = re.compile(rb'"user-(\d+)"')

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


class Many:
    """Destinations by the first part of their address; remembers when each had which event, and can be told what to do wrong.

    POST /__bench/trouble {"name": "hang" | "some" | "500" | "403" | "429" | …} replaces what was told before.
    """

    def __init__(self) -> None:
        self.received: dict[str, list[tuple[int, bytes]]] = {}
        self.answers: dict[str, int] = {}  #: requests by destination, however they were answered
        self.trouble: dict[str, str] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = await _body(receive)
        _, name, path = (scope["path"] + "/").split("/", 2)
        if name == "__bench":
            await _answer(send, 200, json.dumps(self._asked(path.rstrip("/"), body)).encode())
            return
        self.answers[name] = self.answers.get(name, 0) + 1
        trouble = self.trouble.get(name, "")
        if trouble == "hang":
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        if trouble == "some":
            found = _USER.search(body)
            trouble = "500" if found and int(found[1]) % SOME_EVERY == 0 else ""
        if trouble:
            await _answer(send, int(trouble), b"")
        elif path.startswith("api/v1/token"):
            await _answer(send, 200, b'{"valid":true,"writeAccess":true}')
        else:
            received = self.received.setdefault(name, [])
            if len(received) < RECEIVED_MAX:
                received.append((time.monotonic_ns(), body))
            await _answer(send, 200, b"")

    def _asked(self, what: str, body: bytes) -> Any:
        if what == "trouble":
            self.trouble = json.loads(body)
        if what == "received":
            taken, self.received = self.received, {}
            return {
                name: [(int(found[1]), at) for at, text in entries if (found := _N.search(text))]
                for name, entries in taken.items()
            }
        return {
            "received": {name: len(entries) for name, entries in self.received.items()},
            "answers": self.answers,
            "trouble": self.trouble,
        }


async def _run(app: Any, port: int) -> None:
    task = await Listener(app, bind("127.0.0.1", port)).listen()
    await asyncio.wait([task], timeout=LIFETIME_S)


if __name__ == "__main__":
    APPS = {"noop": noop, "sink": Sink(), "refuse": refuse, "many": Many()}
    run_async(_run(APPS[sys.argv[1]], int(sys.argv[2])))
