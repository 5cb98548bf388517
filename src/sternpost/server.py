"""Listening: our own socket, uvicorn without its signal handlers, and the paths of the port shared out among the apps."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import socket
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from sternpost import limits
from sternpost.connections import Watch
from sternpost.errors import CommandError

BACKLOG = 2_048  #: connections that wait to be taken
STOP_GRACE_S = 5  #: open requests may take so long when the server stops


class Listener(uvicorn.Server):
    """A uvicorn server that leaves signals to us: they stop the whole program, in its own order."""

    def __init__(self, app: ASGIApp, bound: socket.socket) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=Watch(_connections_max()),  # type: ignore[arg-type]  # whatever makes protocols will do
                loop="none",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,  # the gateway decides whose X-Forwarded-For counts
                backlog=BACKLOG,
                timeout_keep_alive=limits.KEEP_ALIVE_S,
                timeout_graceful_shutdown=STOP_GRACE_S,
            )
        )
        self._bound = bound

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    @property
    def port(self) -> int:
        return int(self._bound.getsockname()[1])

    async def listen(self) -> asyncio.Task[None]:
        """Begin to accept connections; the task ends when the server has stopped."""
        task = asyncio.get_running_loop().create_task(self.serve(sockets=[self._bound]), name="http")
        while not self.started:
            if task.done():
                await task
                raise CommandError("The HTTP server did not start; the log says why.")
            await asyncio.sleep(0.005)
        return task


def bind(host: str, port: int, *, flag: str = "--port") -> socket.socket:
    """A listening socket. Raises CommandError with a sentence that says what to do."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        bound = socket.socket(family, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(BACKLOG)
        bound.setblocking(False)
    except socket.gaierror:
        raise CommandError(
            f'There is no address "{host}" here. Give --host an address of this machine, e.g. 127.0.0.1.'
        ) from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            owner = _listening_process(port)
            who = f" (by process {owner})" if owner else ""
            raise CommandError(
                f"Port {port} is in use{who}. Use {flag} {port + 1}, or stop the other program."
            ) from None
        if error.errno == errno.EACCES:
            raise CommandError(
                f"Port {port} may not be used by this user. Use {flag} 8080, or another above 1023."
            ) from None
        raise CommandError(
            f"Cannot listen on {host}:{port}: {error.strerror}. Give another --host or {flag}."
        ) from None
    return bound


def _connections_max() -> int:
    """How many connections may be open: CONNECTIONS_MAX, or what the system leaves of its open files. Asks it for as many as it gives."""
    try:
        import resource
    except ImportError:  # Windows, whose sockets are no files
        return limits.CONNECTIONS_MAX
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.CONNECTIONS_MAX + limits.FILES_RESERVED
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            more = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (more, hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return limits.CONNECTIONS_MAX
    return max(soft - limits.FILES_RESERVED, soft // 2)


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to a bound address."""
    if host == "localhost":
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


def shown_host(host: str) -> str:
    """The host as it stands in an address that people can use: a wildcard becomes the machine's name."""
    if host in {"", "0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host


def _listening_process(port: int) -> int | None:
    """The process that listens on a port, where this machine lets us see it (Linux, same user)."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                    inodes.add(f"socket:[{fields[9]}]")
    for entry in Path("/proc").glob("[0-9]*/fd/*") if inodes else ():
        with contextlib.suppress(OSError):
            if str(entry.readlink()) in inodes:
                return int(entry.parts[2])
    return None


async def answer(
    send: Send,
    status: int,
    body: bytes,
    *headers: tuple[bytes, bytes],
    content_type: bytes = b"text/plain; charset=utf-8",
) -> None:
    """A whole answer at once."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", content_type),
                (b"content-length", str(len(body)).encode()),
                (b"x-content-type-options", b"nosniff"),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})


async def _cut_short(send: Send) -> None:
    """End an answer that was begun, or begin and end one."""
    with contextlib.suppress(Exception):
        try:
            await answer(
                send, 503, b"Service Unavailable\n", (b"retry-after", b"1"), (b"connection", b"close")
            )
        except RuntimeError:  # it was begun
            await send({"type": "http.response.body", "body": b""})


class Paths:
    """The app of the port: the gateway's paths go straight to it, the others by their beginning."""

    def __init__(
        self, gateway: ASGIApp, handles: Callable[[str], bool], apps: dict[str, ASGIApp], front: str
    ) -> None:
        """`apps` by the beginning of their paths; `front` is where `GET /` leads, "" for a plain page."""
        self._gateway = gateway
        self._handles = handles
        self._apps = apps
        self._front = front

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            await self._route(scope, receive, send)
        except asyncio.CancelledError:
            # The server stops, and this request has outlived its grace: a stream, or a client that does not finish its body. uvicorn
            # would log a trace; the client is told to come again instead.
            await _cut_short(send)

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if self._handles(path):
            await self._gateway(scope, receive, send)
            return
        for beginning, app in self._apps.items():
            if path.startswith(beginning):
                await app(scope, receive, send)
                return
        if path == "/" and self._front:
            await answer(send, 307, b"", (b"location", self._front.encode()))
        elif path == "/":
            await answer(
                send,
                200,
                b"This is Sternpost. It accepts events under /v1/; see /health and /api/v1/openapi.json.\n",
            )
        else:
            await answer(send, 404, b"404 page not found\n")


async def fetch(app: ASGIApp, path: str, *headers: tuple[bytes, bytes]) -> tuple[int, bytes]:
    """GET a path of an app in this process: its status and body."""
    status, body = 0, b""
    raw, _, query = path.encode().partition(b"?")

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        nonlocal status, body
        status = message.get("status", status)
        body += message.get("body", b"")

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": unquote(raw.decode()),
        "raw_path": raw,
        "query_string": query,
        "headers": list(headers),
    }
    await app(scope, receive, send)
    return status, body
