"""Connections of clients: uvicorn's HTTP protocol with the bounds that it lacks, so that no client can take what others need.

A head (request line and headers) is bounded in bytes, in headers and in time; so are trailers and chunk extensions, what is asked before
earlier answers were given, what is sent behind an answer, and how long an answer may be left unread. There are only so many connections:
when one more comes, those that have waited longest without a request give way.

An ordinary request pays well under a microsecond: time is watched by one look at all connections every few seconds (`Watch`), never by a
timer of its own. This does not bound bodies in bytes (each app does), and knows nothing of what is asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import http
from typing import Any, Literal, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from sternpost import limits

Phase = Literal["idle", "head", "body", "rest", "answer"]

LOOK_EVERY_S = 5.0  #: time limits are held within that; a look at 5,000 connections takes some milliseconds
GIVE_WAY = 50  #: connections that are closed at once when there are too many, so that not each newcomer costs a look at all

#: Seconds that a connection may stay in a phase. An answer may take long (a stream does), as long as it is read.
_PHASE_S: dict[Phase, float] = {
    "idle": limits.KEEP_ALIVE_S,
    "head": limits.HEAD_TIMEOUT_S,
    "body": limits.BODY_BACKSTOP_S,
    "rest": limits.REST_TIMEOUT_S,
}


class _TooMuch(Exception):
    """A head is beyond its bounds; raised in a callback it stops the parser."""


class Connection(HttpToolsProtocol):
    """One connection. Between two looks of its `Watch` it only counts."""

    def __init__(
        self,
        watch: Watch,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config=config, server_state=server_state, app_state=app_state, _loop=_loop)
        self._watch = watch
        self._refused_with = 400  # the status when the parser stops
        self._ending = False  # nothing more is read; it closes behind the answers that are owed
        self._whole = True  # the newest request has arrived completely
        self._upgrade = False  # the newest head asks for another protocol
        self._quiet_bytes = (
            0  # read since something came of it: a head, a piece of a body, the end of a message
        )
        self._rest_bytes = 0  # that came behind an answer, and are thrown away
        self._resumed = False  # the client read something since the last look
        self._unsent_bytes = 0  # at the last look
        self._phase: tuple[Phase, object] = ("idle", None)
        self._phase_at = 0.0  # when a look first saw this phase
        self._read_at = 0.0  # when a look last saw that the client reads

    # --- what happens for every request

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._phase_at = self._read_at = self.loop.time()
        self._watch.come(self)

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        if self._ending:
            self._take_rest(data)
            return
        self._quiet_bytes += len(data)
        while True:
            try:
                self.parser.feed_data(data)
                break
            except httptools.HttpParserUpgrade as upgrade:
                # No other protocol is spoken here, and a request may be answered as what it is (RFC 9110, 7.8). Java's client asks with
                # every request whether it may speak HTTP/2, and httptools would leave out such a request's body.
                data = self._as_plain() + data[upgrade.args[0] :]
            except httptools.HttpParserError:
                self._refuse(self._refused_with)
                return
        if self._quiet_bytes > limits.HEAD_BYTES_MAX or (self.headers and self._too_many_headers()):
            self._refuse(431)

    def on_headers_complete(self) -> None:
        if self._too_many_headers() or (
            # What was read may hold more than this head, so that is only a reason to count.
            self._quiet_bytes > limits.HEAD_BYTES_MAX and self._head_bytes() > limits.HEAD_BYTES_MAX
        ):
            self._refused_with = 431
            raise _TooMuch
        if len(self.pipeline) >= limits.PIPELINED_MAX:
            raise _TooMuch
        self._quiet_bytes = 0
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise _TooMuch
            self._upgrade = True
            return
        self._whole = False
        self._rest_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._quiet_bytes = 0
        if self.cycle.response_complete:
            self._take_rest(body)
            return
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self._upgrade:
            return
        self._quiet_bytes = 0
        self._whole = True
        super().on_message_complete()

    def resume_writing(self) -> None:
        self._resumed = True
        super().resume_writing()

    # --- what is refused below HTTP

    def _newest(self) -> RequestResponseCycle | None:
        # Typed as if there always were one.
        return cast("RequestResponseCycle | None", self.cycle)

    def _too_many_headers(self) -> bool:
        return len(self.headers) > limits.HEADERS_MAX

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _as_plain(self) -> bytes:
        """The head of a request that asks for another protocol, without that wish, for a parser that has not heard of it."""
        self._upgrade = False
        lines = [
            b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        ]
        for name, value in self.headers:
            if name == b"connection":
                value = b"close" if b"close" in value.lower() else b""  # noqa: PLW2901
            if name != b"upgrade" and (name != b"connection" or value):
                lines.append(name + b": " + value)
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def _take_rest(self, data: bytes) -> None:
        # Who closes a connection with something unread in it takes back the answer that was just sent; so it is read, for a while.
        self._rest_bytes += len(data)
        if self._rest_bytes > limits.REST_BYTES_MAX:
            self.transport.abort()

    def _refuse(self, status: int) -> None:
        """Parse nothing more, and close: with this answer where no other is owed, else behind those that are."""
        if self._ending or self.transport.is_closing():
            return
        self._ending = True
        self._rest_bytes = 0
        self.flow.resume_reading()
        cycle = self._newest()
        owed = cycle is not None and not cycle.response_complete
        if cycle is not None and owed and self._whole:
            cycle.keep_alive = (
                False  # the newest of those whose answer is owed; the connection closes behind it
            )
            return
        if cycle is not None and not self._whole:
            if not owed:
                self._linger()  # this request has its answer
                return
            if self.pipeline or cycle.response_started:
                # Another answer comes first, or this one was begun: a client must not take one for the other.
                self.transport.abort()
                return
            cycle.disconnected = True
            cycle.message_event.set()
        said = http.HTTPStatus(status).phrase.encode() + b"\n"
        self.transport.write(
            b"HTTP/1.1 %d %b\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
            % (status, said[:-1], len(said), said)
        )
        self._linger()

    def _linger(self) -> None:
        self.transport.write_eof()
        self.loop.call_later(limits.LINGER_S, self.transport.abort)

    # --- what the watch asks and does

    def look(self, now: float) -> None:
        """End what has taken too long."""
        phase = self._phase_now()
        if phase[0] != self._phase[0] or phase[1] is not self._phase[1]:
            self._phase, self._phase_at = phase, now
        unsent = self.transport.get_write_buffer_size()
        if not unsent or unsent < self._unsent_bytes or self._resumed:
            self._read_at = now
        self._unsent_bytes, self._resumed = unsent, False
        if now - self._read_at >= limits.UNREAD_TIMEOUT_S:
            self.transport.abort()
        elif now - self._phase_at >= _PHASE_S.get(phase[0], float("inf")):
            if phase[0] in {"head", "body"}:
                self._refuse(408)
            else:
                self.transport.close()

    def waits_since(self) -> tuple[bool, float] | None:
        """What connections give way by, the smallest first: has it ever asked something, and since when does it ask nothing? None while an
        answer is owed.
        """
        cycle = self._newest()
        if cycle is None:
            return (False, self._phase_at)
        if not cycle.response_complete:
            return None
        handle = self.timeout_keep_alive_task
        return (True, handle.when() - self.timeout_keep_alive if handle is not None else self._phase_at)

    def give_way(self) -> None:
        """Close at once."""
        self.transport.abort()

    def _phase_now(self) -> tuple[Phase, object]:
        cycle = self._newest()
        scope: object = self.scope
        if scope is not None and (cycle is None or cycle.scope is not scope):
            return "head", scope
        if cycle is None:
            return "idle", None
        if cycle.response_complete:
            return ("idle" if self._whole else "rest"), cycle
        return ("answer" if self._whole else "body"), cycle


class Watch:
    """Looks at all connections of one listening socket every few seconds while there are any, and keeps them below a number."""

    def __init__(self, connections_max: int) -> None:
        self._max = connections_max
        self._connections: set[Connection] = set()
        self._timer: asyncio.TimerHandle | None = None

    def __call__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> Connection:
        """A new connection, as uvicorn asks for it."""
        return Connection(self, config, server_state, app_state, _loop)

    def come(self, newcomer: Connection) -> None:
        """A connection was made."""
        self._connections = newcomer.connections  # type: ignore[assignment]  # uvicorn's own set: gone ones leave it
        if len(self._connections) > self._max:
            self._make_room(newcomer)
        if self._timer is None:
            self._timer = newcomer.loop.call_later(LOOK_EVERY_S, self._look, newcomer.loop)

    def _make_room(self, newcomer: Connection) -> None:
        waiting = [
            (since, id(one), one)
            for one in self._connections
            if one is not newcomer and not one.transport.is_closing() and (since := one.waits_since())
        ]
        for _, _, one in heapq.nsmallest(GIVE_WAY, waiting):
            one.give_way()
        if not waiting:
            newcomer.give_way()  # all others are being answered

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for one in list(self._connections):
            with contextlib.suppress(RuntimeError):  # its socket closed between two looks
                one.look(now)
        self._timer = loop.call_later(LOOK_EVERY_S, self._look, loop) if self._connections else None
