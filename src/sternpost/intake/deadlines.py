"""A time limit for many waiters at once, with one timer among them.

`asyncio.timeout` sets and cancels a timer for each request, a tenth of what accepting one costs. Here all limits are of one length, so
they pass in the order in which they were set: a queue and one timer for its head do. The meaning is the same: whoever waits too long is
cancelled, and sees TimeoutError.
"""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType
from typing import Self


class Deadline:
    """One waiter: `with deadlines.start():` around what may take too long. Raises TimeoutError when it did."""

    __slots__ = ("at", "before", "over", "passed", "task")

    def __init__(self, at: float, task: asyncio.Task[object]) -> None:
        self.at = at  #: in the loop's time
        self.task = task
        self.before = task.cancelling()  #: cancellations that the waiter brought with it
        self.over = False  #: the waiter is done
        self.passed = False  #: it was cancelled for having waited too long

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over = True
        # A cancellation by somebody else that comes at the same moment stays one.
        if self.passed and self.task.uncancel() <= self.before and kind is asyncio.CancelledError:
            raise TimeoutError from error


class Deadlines:
    """Deadlines of one length, in seconds. Bounded by what waits: those that are over leave with the first that is not before them."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._waiting: deque[Deadline] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> Deadline:
        """The running task's deadline, from now on. Must be called in a task."""
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        if task is None:
            raise RuntimeError("A deadline needs a task.")
        deadline = Deadline(loop.time() + self._limit_s, task)
        self._forget()
        self._waiting.append(deadline)
        if self._timer is None:
            self._timer = loop.call_at(deadline.at, self._look, loop)
        return deadline

    def _forget(self) -> None:
        while self._waiting and self._waiting[0].over:
            self._waiting.popleft()

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time()
        while self._waiting and (self._waiting[0].over or self._waiting[0].at <= now):
            deadline = self._waiting.popleft()
            if not deadline.over:
                deadline.passed = True
                deadline.task.cancel()
        if self._waiting:
            self._timer = loop.call_at(self._waiting[0].at, self._look, loop)
