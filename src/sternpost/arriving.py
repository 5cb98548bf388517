"""Bodies that are on their way: who is given up when it takes too long, or when others need the room.

Without this a client that sends a byte now and then, a few thousand times at once, would keep everybody else out.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from sternpost import limits
from sternpost.wire.refused import Refused


class Asking(Protocol):
    """A request whose body is read."""

    body_bytes: int  #: held of it
    given_up: Refused | None  #: why its body is not waited for any longer

    def __hash__(self) -> int: ...


class Arriving:
    """Requests whose bodies are still arriving, the oldest first: who is given up when it takes too long or others need the room."""

    _LOOK_EVERY_S = 1.0

    def __init__(self) -> None:
        self._since: dict[Asking, tuple[float, asyncio.Task[Any]]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self.leaving_bytes = 0  #: of those that were given up and are not gone yet

    def begin(self, request: Asking) -> None:
        """Its body is waited for, in this task."""
        task = asyncio.current_task()
        assert task is not None
        loop = task.get_loop()
        self._since[request] = (loop.time(), task)
        if self._timer is None:
            self._timer = loop.call_later(min(self._LOOK_EVERY_S, limits.BODY_TIMEOUT_S), self._look, loop)

    def end(self, request: Asking) -> None:
        """Its body is complete, or nobody waits for it any longer."""
        self._since.pop(request, None)

    def gone(self, request: Asking) -> None:
        """One that was given up has been answered; its bytes are free."""
        self.leaving_bytes -= request.body_bytes

    def give_way(self, bytes_needed: int = 0, needs: Asking | None = None) -> bool:
        """Give up the oldest bodies but `needs`, until so many bytes, or one request's place, are free. False when not enough are old enough."""
        freed = 0
        for request, (since, task) in list(self._since.items()):
            if task.get_loop().time() - since < limits.BODY_PATIENCE_S:
                return False
            if request is needs or (bytes_needed and not request.body_bytes):
                continue
            freed += request.body_bytes
            self._give_up(
                request,
                task,
                Refused(
                    "overloaded",
                    text="Service Unavailable",
                    detail="It was slow, and others needed its room.",
                    headers={"Retry-After": "1"},
                ),
            )
            if freed >= bytes_needed:
                return True
        return False

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
        wait_s = min(self._LOOK_EVERY_S, limits.BODY_TIMEOUT_S)
        self._timer = loop.call_later(wait_s, self._look, loop) if self._since else None

    def _give_up(self, request: Asking, task: asyncio.Task[Any], why: Refused) -> None:
        del self._since[request]
        request.given_up = why
        self.leaving_bytes += request.body_bytes
        task.cancel()
