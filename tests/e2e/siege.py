"""What every attack on a real server is measured by: how much memory the server took, and whether an ordinary client noticed anything."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from tests.e2e.running import Answer, Connection, Sandbox, Server, basic
from tests.waiting import until

#: How much larger the attacks are than in `make test`; `make soak` sets it.
SIEGE = int(os.environ.get("SIEGE", "1"))
CALM = "calm"  #: the source of the ordinary client; its write key is wk-calm
PAUSE_S = 0.01  #: between two events of the ordinary client


class Peak:
    """The most memory that a process held at once since `reset`, as the kernel counted it."""

    def __init__(self, pid: int) -> None:
        self._folder = Path(f"/proc/{pid}")
        self.reset()

    def reset(self) -> None:
        with contextlib.suppress(OSError):
            (self._folder / "clear_refs").write_text("5")
        self.start_mb = self.now_mb

    @property
    def now_mb(self) -> float:
        return self._read("VmRSS")

    @property
    def mb(self) -> float:
        """The high-water mark."""
        return self._read("VmHWM")

    @property
    def growth_mb(self) -> float:
        return self.mb - self.start_mb

    def _read(self, name: str) -> float:
        found = re.search(rf"{name}:\s+(\d+)", (self._folder / "status").read_text())
        return int(found[1]) / 1024 if found else 0.0


class Bystander(threading.Thread):
    """An ordinary client on its own source: an event at a time, half of them on a connection that it keeps, half on new ones.

    It repeats what is answered with 503 or 429, as every SDK does, and counts that; any other answer, and a connection that ends without
    one, is a failure.
    """

    def __init__(self, server: Server, person: str) -> None:
        super().__init__(daemon=True)
        self.person = person
        self._url = server.url
        self._enough = threading.Event()
        self.sent: list[str] = []
        self.repeated = 0
        self.failures: list[str] = []
        self.slowest_s = 0.0

    def run(self) -> None:
        kept = Connection(self._url)
        while not self._enough.is_set():
            name = f"{self.person}-{len(self.sent)}"
            event = {"type": "track", "userId": self.person, "event": name, "messageId": name}
            connection = kept if len(self.sent) % 2 else Connection(self._url)
            began = time.monotonic()
            try:
                answer = connection("POST", "/v1/track", json.dumps(event).encode(), basic(f"wk-{CALM}"))
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(f"{name}: {type(error).__name__}: {error}")
                kept.close()
                kept = Connection(self._url)
                continue
            finally:
                self.slowest_s = max(self.slowest_s, time.monotonic() - began)
                if connection is not kept:
                    connection.close()
            if answer.status == 200:
                self.sent.append(name)
            elif answer.status in {429, 503}:
                assert answer.header("retry-after")
                self.repeated += 1
            else:
                self.failures.append(f"{name}: {answer.status} {answer.body[:100]!r}")
            self._enough.wait(PAUSE_S)
        kept.close()

    def stop(self) -> None:
        self._enough.set()
        self.join(60)
        assert not self.is_alive()


@contextlib.contextmanager
def siege(
    server: Server, sandbox: Sandbox, what: str, *, growth_mb_max: float, repeats_max: int = 0
) -> Iterator[Peak]:
    """An attack, made in the block. During all of it an ordinary client sends; each of its events is accepted and reaches Pendo once, in
    order. Memory rises by no more than `growth_mb_max` over what it was before.
    """
    server.accept(f"wk-{CALM}", {"type": "track", "userId": "warm", "event": "E"})
    until(lambda: server.idle(), what="quiet before the attack")
    bystander = Bystander(server, f"{what}-{time.time_ns()}")
    peak = Peak(server.process.pid)
    bystander.start()
    until(lambda: bystander.sent, what="the bystander's first event")
    before = len(bystander.sent)
    try:
        yield peak
        during = len(bystander.sent) - before
        until(lambda: len(bystander.sent) > before + during, what="the bystander goes on")
    finally:
        bystander.stop()
    assert not bystander.failures, bystander.failures[:5]
    assert bystander.repeated <= repeats_max
    assert server.process.poll() is None
    until(
        lambda: [e["event"] for e in sandbox.events(visitorId=bystander.person)] == bystander.sent,
        within_s=40,
        what="all of the bystander's events are at Pendo, in order",
    )
    print(
        f"{what}: peak {peak.mb:.0f} MB, +{peak.growth_mb:.0f} MB (bound {growth_mb_max:g}); bystander {len(bystander.sent)} events, "
        f"{during} during the attack, slowest {bystander.slowest_s * 1000:.0f} ms, repeated {bystander.repeated}"
    )
    assert peak.growth_mb <= growth_mb_max
    assert not server.complaints()


class Raw:
    """A client below HTTP: bytes as they are."""

    def __init__(self, server: Server, *, timeout_s: float = 20.0) -> None:
        address = urlsplit(server.url)
        self._socket = socket.create_connection((address.hostname, address.port or 0), timeout=timeout_s)

    def send(self, data: bytes) -> bool:
        """Whether it could be sent; False when the server has closed the connection."""
        try:
            self._socket.sendall(data)
        except (ConnectionError, TimeoutError):
            return False
        return True

    def until_closed(self) -> bytes:
        """All that comes until the server closes; raises TimeoutError when it does not."""
        said = b""
        try:
            while data := self._socket.recv(65_536):
                said += data
        except ConnectionError:
            pass
        return said

    def answer(self, end: bytes) -> bytes:
        """What comes until it ends so."""
        said = b""
        while not said.endswith(end):
            data = self._socket.recv(65_536)
            assert data, said
            said += data
        return said

    def receive_some(self) -> bytes:
        """What has come, as soon as it is something."""
        return self._socket.recv(4_096)

    @property
    def closed(self) -> bool:
        """Whether the server has closed it; what it said is thrown away."""
        self._socket.setblocking(False)
        try:
            while self._socket.recv(65_536):
                pass
        except BlockingIOError:
            return False
        except OSError:
            return True
        finally:
            with contextlib.suppress(OSError):
                self._socket.setblocking(True)
        return True

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextlib.contextmanager
def many(server: Server, count: int, *, pause_s: float = 0.0) -> Iterator[list[Raw]]:
    """So many connections, open at once; after each fifty a pause."""
    with contextlib.ExitStack() as stack:
        clients = []
        for number in range(count):
            clients.append(stack.enter_context(Raw(server)))
            if number % 50 == 49:
                time.sleep(pause_s)
        yield clients


def post(
    path: str = "/v1/batch", *headers: bytes, key: str = "wk-backend", length: int | None = None
) -> bytes:
    """The head of a request."""
    lines = [b"POST %b HTTP/1.1" % path.encode(), b"Host: x"]
    if key:
        lines.append(b"Authorization: " + basic(key)["Authorization"].encode())
    if length is not None:
        lines.append(b"Content-Length: %d" % length)
    return b"\r\n".join([*lines, *headers]) + b"\r\n\r\n"


def in_threads(count: int, work: Callable[[int], Any]) -> list[Any]:
    """What `work(n)` gave, for n below `count`, all at once; a failure of one is raised."""
    found: list[Any] = [None] * count
    failed: list[BaseException] = []

    def run(number: int) -> None:
        try:
            found[number] = work(number)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive()
    if failed:
        raise failed[0]
    return found


__all__ = ["CALM", "SIEGE", "Answer", "Bystander", "Peak", "Raw", "in_threads", "many", "post", "siege"]
