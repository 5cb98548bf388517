"""The bodies of requests: read within bounds, each and all together; given up when they take too long, or when others need the room.

Without this a client that sends a byte now and then, a few thousand times at once, would keep everybody else out.
"""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.types import Message, Receive

from sternpost import limits
from sternpost.gateway.request import Request
from sternpost.wire import unpack
from sternpost.wire.refused import Refused

LOOK_EVERY_S = 1.0  #: at what takes too long
GZIP_OVERHEAD_BYTES = 65_536  #: a packed body may be this much larger than what it unpacks to
RETRY_AFTER_S = 1  #: an overload passes quickly


class Bodies:
    """Reads the bodies of requests, and knows which are still on their way, the oldest first."""

    def __init__(self) -> None:
        self.held_bytes = 0  #: of all bodies whose requests are not answered yet
        self._leaving_bytes = 0  #: of those that were given up and are not answered yet
        self._since: dict[Request, tuple[float, asyncio.Task[Any]]] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def read(self, request: Request, receive: Receive) -> bytes:
        """A body, unpacked; it is held until `release`. Raises Refused: request_too_large, bad_encoding, body_not_read, overloaded."""
        gzip = unpack.Gzip(limits.REQUEST_BODY_BYTES_MAX) if request.gzip else None
        # A packed body is bounded too: parts that unpack to nothing must not be read for ever.
        wire_bytes_max = limits.REQUEST_BODY_BYTES_MAX + (GZIP_OVERHEAD_BYTES if gzip else 0)
        if request.content_length > wire_bytes_max:
            raise unpack.too_large(limits.REQUEST_BODY_BYTES_MAX)
        self._wait_for(request)
        try:
            message = await receive()
            data: bytes = message.get("body", b"")
            if gzip is None and not message.get("more_body", False) and message["type"] == "http.request":
                # Nearly every body comes in one piece.
                if len(data) > wire_bytes_max:
                    raise unpack.too_large(limits.REQUEST_BODY_BYTES_MAX)
                self._hold(request, len(data))
                return bytes(data)
            return await self._read_pieces(request, receive, message, gzip, wire_bytes_max)
        except asyncio.CancelledError:
            if request.given_up is None:
                raise  # the server stops
            if task := asyncio.current_task():
                task.uncancel()
            raise request.given_up from None
        finally:
            self._since.pop(request, None)

    def release(self, request: Request) -> None:
        """It has been answered; what was held of its body is free."""
        self.held_bytes -= request.body_bytes
        if request.given_up is not None:
            self._leaving_bytes -= request.body_bytes

    def give_way(self, bytes_needed: int = 0, needs: Request | None = None) -> bool:
        """Give up the oldest bodies but `needs`, until so many bytes, or one request's place, are free. False when not enough are old enough."""
        freed = 0
        for request, (since, task) in list(self._since.items()):
            if task.get_loop().time() - since < limits.BODY_PATIENCE_S:
                return False
            if request is needs or (bytes_needed and not request.body_bytes):
                continue
            freed += request.body_bytes
            self._give_up(request, task, overloaded("It was slow, and others needed its room."))
            if freed >= bytes_needed:
                return True
        return False

    async def _read_pieces(
        self,
        request: Request,
        receive: Receive,
        message: Message,
        gzip: unpack.Gzip | None,
        wire_bytes_max: int,
    ) -> bytes:
        body = bytearray()  # not a list: a client that sends single bytes must not cost fifty times its body
        wire_bytes = 0
        while True:
            if message["type"] != "http.request":
                raise Refused("body_not_read", detail="The client went away before its body was complete.")
            data: bytes = message.get("body", b"")
            wire_bytes += len(data)
            if wire_bytes > wire_bytes_max:
                raise unpack.too_large(limits.REQUEST_BODY_BYTES_MAX)
            piece = gzip.feed(data) if gzip else data
            self._hold(request, len(piece))
            body += piece
            if not message.get("more_body", False):
                break
            message = await receive()
        if gzip:
            gzip.finish()
        return bytes(body)

    def _hold(self, request: Request, more_bytes: int) -> None:
        request.body_bytes += more_bytes
        self.held_bytes += more_bytes
        # What gives way is freed in a moment; until then it is a little more than the bound.
        excess = self.held_bytes - limits.BODY_BYTES_IN_FLIGHT_MAX - self._leaving_bytes
        if excess > 0 and not self.give_way(excess, request):
            raise overloaded("The bodies of all open requests together are too large.")

    def _wait_for(self, request: Request) -> None:
        """Its body is waited for, in this task."""
        task = asyncio.current_task()
        assert task is not None
        loop = task.get_loop()
        self._since[request] = (loop.time(), task)
        if self._timer is None:
            self._timer = loop.call_later(min(LOOK_EVERY_S, limits.BODY_TIMEOUT_S), self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        due = loop.time() - limits.BODY_TIMEOUT_S
        for request, (since, task) in list(self._since.items()):
            if since > due:
                break
            self._give_up(
                request,
                task,
                Refused(
                    "body_not_read",
                    detail=f"The body did not arrive in {limits.BODY_TIMEOUT_S:g} seconds.",
                ),
            )
        wait_s = min(LOOK_EVERY_S, limits.BODY_TIMEOUT_S)
        self._timer = loop.call_later(wait_s, self._look, loop) if self._since else None

    def _give_up(self, request: Request, task: asyncio.Task[Any], why: Refused) -> None:
        del self._since[request]
        request.given_up = why
        self._leaving_bytes += request.body_bytes
        task.cancel()


def overloaded(detail: str) -> Refused:
    """Requests or bytes have run out."""
    return Refused("overloaded", detail=detail, headers={"Retry-After": str(RETRY_AFTER_S)})
