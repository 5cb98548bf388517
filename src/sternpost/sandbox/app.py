"""The sandbox as an ASGI application: a thin shell around `core.handle`.

The shell reads the body within its bound, reads the clock, injects faults, writes the journal before it answers, and
records the request. It has no framework in it, because it is also what benchmarks deliver to.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from starlette.types import Receive, Scope, Send

from sternpost.sandbox import core, faults, limits, page
from sternpost.sandbox import switches as switch_table
from sternpost.sandbox.journal import Journal, request_of
from sternpost.sandbox.model import Diagnostic, Fault, Reply, Request, error_reply
from sternpost.sandbox.seed import REGION_HOSTS
from sternpost.sandbox.state import RecordedRequest, State

_log = logging.getLogger("sternpost.sandbox")


class Sandbox:
    """One sandbox: its state, its state file if it has one, and its clock."""

    def __init__(self, state: State, journal: Journal | None, clock: Callable[[], float]) -> None:
        self.state = state
        self.journal = journal
        self.clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> Any:
        """ASGI 3. Answers something other than None only to have the server drop the connection (see `_drop`)."""
        if scope["type"] == "http":
            return await self._http(scope, receive, send)
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        return None

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> Any:
        body = await _read_body(receive)
        if body is None:
            return None
        state = self.state
        wall_ms = int(self.clock() * 1000)
        path = scope["path"]
        raw_path = scope.get("raw_path")
        request = Request(
            state.kept.next_request_id,
            state.now_ms(wall_ms),
            "GET" if scope["method"] == "HEAD" else scope["method"],
            path,
            raw_path.decode("latin-1") if raw_path else path,
            scope["query_string"].decode("latin-1"),
            dict(scope["headers"]),
            body,
        )
        if path.startswith(core.CONTROL_PREFIX) or path == "/":
            await _answer(send, self._control(request, wall_ms))
            return None
        state.kept.next_request_id += 1
        fault = faults.take(state, request) if state.faults else None
        if fault is not None:
            return await self._faulty(send, request, wall_ms, fault)
        reply = self._handle(request, wall_ms)
        self._record(request, reply.status)
        await _answer(send, reply)
        return None

    def _control(self, request: Request, wall_ms: int) -> Reply:
        """A control path: not part of Pendo, so neither recorded nor subject to faults."""
        foreign = _foreign_origin(request)
        if foreign is not None:
            return error_reply(403, f"Pages of {foreign} may not control the sandbox.")
        own = page.respond(self.state, request)
        return self._handle(request, wall_ms) if own is None else own

    def _handle(self, request: Request, wall_ms: int) -> Reply:
        if len(request.body) > limits.REQUEST_BODY_BYTES_MAX:
            return error_reply(
                413, f"The sandbox takes bodies of at most {limits.REQUEST_BODY_BYTES_MAX:,} bytes."
            )
        reply = core.handle(self.state, request)
        if core.changes_something(request):
            self.state.version += 1
            if self.journal is not None:
                return self._journalled(self.journal, request, wall_ms, reply)
        return reply

    def _journalled(self, journal: Journal, request: Request, wall_ms: int, reply: Reply) -> Reply:
        """The reply once the request is in the journal; without that it must not be given."""
        try:
            journal.append(request, wall_ms)
            journal.fold_if_large(self.state)
        except OSError as error:
            _log.exception("the state file cannot be written: %s", journal.path)
            return error_reply(503, f"The state file cannot be written: {error.strerror}.")
        return reply

    async def _faulty(self, send: Send, request: Request, wall_ms: int, fault: Fault) -> Any:
        """Do to a request what a fault orders."""
        reply: Reply | None = None
        if fault.drop == "after" or (not fault.drop and fault.status is None):
            reply = self._handle(request, wall_ms)
        if fault.delay_ms:
            await asyncio.sleep(fault.delay_ms / 1000)
        if fault.drop:
            self._record(request, None, fault=True)
            return _drop()
        if fault.status is not None:
            reply = faults.reply(fault)
        assert reply is not None
        self._record(request, reply.status, fault=True)
        await _answer(send, reply)
        return None

    def _record(self, request: Request, status: int | None, *, fault: bool = False) -> None:
        """Keep the request for `/__sandbox/requests`, bounded in number and bytes."""
        state = self.state
        size = len(request.body)
        if size > limits.REQUEST_BODY_KEPT_BYTES:
            request.body = request.body[: limits.REQUEST_BODY_KEPT_BYTES]
        state.requests.append(RecordedRequest(request, status, size, fault))
        state.requests_bytes += len(request.body) + len(request.query)
        while (
            len(state.requests) > limits.REQUESTS_KEPT_MAX
            or state.requests_bytes > limits.REQUESTS_KEPT_BYTES_MAX
        ):
            oldest = state.requests.popleft().request
            state.requests_bytes -= len(oldest.body) + len(oldest.query)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            else:
                self.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    def close(self) -> None:
        """Let another process have the state file. Nothing needs saving: it has been written already."""
        if self.journal is not None:
            self.journal.close()


def create_app(
    *,
    region: str = "us",
    switches: Mapping[str, str] | None = None,
    state_file: Path | None = None,
    clock: Callable[[], float] = time.time,
) -> Sandbox:
    """A sandbox of one region; raises ValueError with a clear sentence for a bad region, switch or state file."""
    if region not in REGION_HOSTS:
        raise ValueError(f"There is no region {region[:50]!r}; the regions are {', '.join(REGION_HOSTS)}.")
    base = switch_table.parse(switches or {})
    state = State(region, base)
    journal = None
    if state_file is not None:
        journal = Journal(state_file)
        try:
            _recover(state, journal, base)
        except (ValueError, OSError) as error:
            journal.close()
            raise ValueError(str(error)) from None
    return Sandbox(state, journal, clock)


def _recover(state: State, journal: Journal, base: Mapping[str, Any]) -> None:
    """Bring back what the state file holds: the snapshot, then the journalled requests, then the switches of this start."""
    snapshot, entries = journal.read(state.region)
    if snapshot is not None:
        state.base_switches = snapshot.base_switches
        state.load(snapshot.kept, snapshot.events, snapshot.diagnostics)
        # A switch that is younger than the file starts with its default.
        state.kept.switches = switch_table.defaults() | {
            name: value for name, value in state.kept.switches.items() if name in switch_table.SWITCHES
        }
    for entry in entries:
        request = request_of(entry, state.now_ms(entry.wall_ms))
        if not request.path.startswith(core.CONTROL_PREFIX):
            state.kept.next_request_id = max(state.kept.next_request_id, request.id + 1)
        core.handle(state, request)
    state.base_switches = dict(base)
    state.kept.switches.update(base)
    if journal.torn:
        now_ms = state.now_ms(entries[-1].wall_ms) if entries else 0
        state.diagnostics.append(Diagnostic("journal_torn", 0, "", journal.torn, now_ms))
        _log.warning("%s", journal.torn)
    journal.fold(state)


async def _read_body(receive: Receive) -> bytes | None:
    """The whole body, cut one byte above its bound; None when the client went away."""
    message = await receive()
    if message["type"] == "http.disconnect":
        return None
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        return body
    whole, size = bytearray(body), len(body)  # not a list: a client may send single bytes
    while message.get("more_body", False):
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        # What exceeds the bound is read, so that the client hears the answer, and let go.
        part = message.get("body", b"")
        if size <= limits.REQUEST_BODY_BYTES_MAX:
            whole += part
        size += len(part)
    return bytes(whole)


async def _answer(send: Send, reply: Reply) -> None:
    headers = [(b"content-type", reply.content_type), *reply.headers]
    if reply.status >= 200 and reply.status not in (204, 304):
        headers.append((b"content-length", b"%d" % len(reply.body)))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


def _drop() -> str:
    """What makes the server close the connection without a byte.

    ASGI has no message for that. uvicorn closes the connection at once when an application answers with anything but
    None, and logs the value; so the value says why.
    """
    return "a dropped connection, as a fault ordered"


def _foreign_origin(request: Request) -> str | None:
    """The origin of another site's page that tries to set something; reading is forbidden to it by the browser."""
    origin = request.header(b"origin")
    if request.method in ("GET", "OPTIONS") or not origin:
        return None
    host = origin.partition("://")[2]
    name = host.rpartition(":")[0] or host
    if host == request.header(b"host") or name in ("127.0.0.1", "localhost", "[::1]"):
        return None
    return origin[:200]
