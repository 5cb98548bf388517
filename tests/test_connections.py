"""The time limits of connections, with a clock of the test's own: a real listening socket, real clients, and looks at the connections of later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sternpost import limits
from sternpost.connections import Connection, Watch
from sternpost.server import Listener, bind
from tests.e2e.siege import post

LARGE = b"x" * 8_000_000


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers with how many bytes it read; a large file; or never."""
    path = scope["path"]
    if path == "/never":
        await asyncio.Event().wait()
    size, more = 0, path != "/early"
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message["body"])
        more = message["more_body"]
    body = LARGE if path == "/large" else b"%d" % size
    head = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": body})


class Clients:
    """Clients of a listener of this process."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._writers: list[asyncio.StreamWriter] = []

    async def __call__(
        self, sent: bytes = b"", *, limit: int = 65_536
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._listener.port, limit=limit)
        self._writers.append(writer)
        writer.write(sent)
        await self.settled()
        return reader, writer

    async def settled(self) -> None:
        """What was sent has been read, and what it asks for has begun."""
        for _ in range(10):
            await asyncio.sleep(0.005)

    @property
    def connections(self) -> set[Connection]:
        return self._listener.server_state.connections  # type: ignore[return-value]

    def look(self, after_s: float) -> None:
        """What the watch will see then."""
        now = asyncio.get_running_loop().time()
        for at in (0.0, after_s):
            for one in list(self.connections):
                one.look(now + at)

    def close(self) -> None:
        for writer in self._writers:
            writer.close()


@asynccontextmanager
async def listening(**changed: int) -> AsyncIterator[Clients]:
    listener = Listener(app, bind("127.0.0.1", 0))
    if changed:
        listener.config.http = Watch(**changed)  # type: ignore[assignment]
    task = await listener.listen()
    clients = Clients(listener)
    try:
        yield clients
    finally:
        clients.close()
        listener.should_exit = listener.force_exit = True
        await task


@pytest.mark.parametrize(
    ("sent", "stays_s", "answer"),
    [
        (b"", limits.KEEP_ALIVE_S, b""),
        (b"GET / HT", limits.HEAD_TIMEOUT_S, b"HTTP/1.1 408"),
        (b"GET / HTTP/1.1\r\nA: b\r\n", limits.HEAD_TIMEOUT_S, b"HTTP/1.1 408"),
        (post("/", length=10) + b"12345", limits.BODY_BACKSTOP_S, b"HTTP/1.1 408"),
        (post("/", b"Transfer-Encoding: chunked") + b"1\r\nx\r\n", limits.BODY_BACKSTOP_S, b"HTTP/1.1 408"),
        (post("/early", length=10) + b"12345", limits.REST_TIMEOUT_S, b"HTTP/1.1 200"),
        (b"GET / HTTP/1.1\r\n\r\nGET / HT", limits.HEAD_TIMEOUT_S, b"HTTP/1.1 200"),
    ],
    ids=["silent", "half a line", "half a head", "half a body", "half a chunked body", "half a body behind its answer", "half of the second"],
)  # fmt: skip
async def test_each_phase_has_its_time(sent: bytes, stays_s: float, answer: bytes) -> None:
    """A connection stays for so long and no longer; who is in the middle of a request is told."""
    async with listening() as clients:
        reader, _ = await clients(sent)
        clients.look(stays_s - 1)
        await clients.settled()
        assert len(clients.connections) == 1
        clients.look(stays_s)
        assert (await asyncio.wait_for(reader.read(), 10)).startswith(answer)


async def test_a_request_that_is_worked_on_has_all_the_time() -> None:
    """A stream is an answer, too: it is not for the connection to say when it is too long."""
    async with listening() as clients:
        await clients(b"GET /never HTTP/1.1\r\n\r\n")
        clients.look(1_000_000.0)
        await clients.settled()
        assert len(clients.connections) == 1


async def test_an_answer_that_is_not_read() -> None:
    """It may lie for UNREAD_TIMEOUT_S; who reads something now and then may take as long as it likes."""
    async with listening() as clients:
        reader, _ = await clients(b"GET /large HTTP/1.1\r\n\r\n", limit=1_000)
        clients.look(limits.UNREAD_TIMEOUT_S - 1)
        await clients.settled()
        assert len(clients.connections) == 1
        await reader.readexactly(3_000_000)
        await clients.settled()
        clients.look(limits.UNREAD_TIMEOUT_S - 1)
        assert len(clients.connections) == 1
        clients.look(limits.UNREAD_TIMEOUT_S)
        await clients.settled()
        assert not clients.connections


async def test_a_connection_that_is_used_stays() -> None:
    """Request after request, whatever the time between two looks."""
    async with listening() as clients:
        reader, writer = await clients()
        for _ in range(3):
            writer.write(post("/", length=3) + b"abc")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
            assert await reader.readexactly(1) == b"3"
            await clients.settled()
            clients.look(0.0)
            clients.look(limits.KEEP_ALIVE_S - 1)
        assert len(clients.connections) == 1


async def test_who_waits_longest_gives_way() -> None:
    """First those that never asked anything, then those whose last answer is the oldest; never one whose answer is owed."""
    async with listening(connections_max=3) as clients:
        working, _ = await clients(b"GET /never HTTP/1.1\r\n\r\n")
        used, used_writer = await clients(b"GET / HTTP/1.1\r\n\r\n")
        assert (await used.readuntil(b"\r\n\r\n0")).startswith(b"HTTP/1.1 200")
        silent, _ = await clients()
        fourth, _ = await clients(b"GET /never HTTP/1.1\r\n\r\n")
        assert await asyncio.wait_for(_ends(silent), 10)
        assert len(clients.connections) < 4
        assert not working.at_eof()
        assert not fourth.at_eof()


async def test_when_all_are_being_answered_the_newcomer_goes() -> None:
    """Nobody's request is cut off for somebody else's."""
    async with listening(connections_max=2) as clients:
        for _ in range(2):
            await clients(b"GET /never HTTP/1.1\r\n\r\n")
        third, _ = await clients()
        assert await asyncio.wait_for(_ends(third), 10)
        assert len(clients.connections) == 2


async def _ends(reader: asyncio.StreamReader) -> bool:
    try:
        return await reader.read() == b""
    except ConnectionError:
        return True
