"""An event loop with a clock of its own: when nothing is ready, time jumps to the next timer.

One handle runs per turn, so that a crash, or a process that is stopped by its machine, can come between any two steps. Which process a
handle belongs to travels in its context. What the store hands to its thread (BEGIN and COMMIT, which wait for a disk) is done by the
process's `Disk` after a while of virtual time, in this one thread, so that a run depends on nothing but its seed.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Protocol


class Process(Protocol):
    """Whoever runs handles and may be stopped or killed."""

    dead: bool
    frozen: bool
    kept: list[asyncio.Handle]  #: handles that did not run: it is dead, or frozen for now

    def disk(self, func: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """A coroutine that does what the thread would have done."""


PROCESS: ContextVar[Process | None] = ContextVar("process", default=None)


class Quiet(Exception):
    """Nothing is ready and no timer runs, although somebody still waits: the simulation itself is stuck."""


class VirtualLoop(asyncio.BaseEventLoop):
    """See the module."""

    def __init__(self, *, steps_max: int) -> None:
        super().__init__()
        self._virtual_now = 0.0
        self._steps_max = steps_max
        self.steps = 0
        self.ghosts = (
            False  #: handles of dead processes run: only to take them down, behind the end of the run
        )
        self.on_step: Callable[[int], None] = lambda step: None
        self.complaints: list[str] = []
        self.set_exception_handler(self._complain)

    def time(self) -> float:
        return self._virtual_now

    def _run_once(self) -> None:
        ready, scheduled = self._ready, self._scheduled  # type: ignore[attr-defined]
        if not ready:
            while scheduled and scheduled[0]._cancelled:
                heapq.heappop(scheduled)._scheduled = False
            if not scheduled:
                raise Quiet("nothing is ready and no timer runs")
            self._virtual_now = max(self._virtual_now, scheduled[0]._when)
        while scheduled and scheduled[0]._when <= self._virtual_now:
            timer = heapq.heappop(scheduled)
            timer._scheduled = False
            if not timer._cancelled:
                ready.append(timer)
        if not ready:
            return
        handle = ready.popleft()
        if handle._cancelled:
            return
        process = handle._context.get(PROCESS)
        if process is not None and not self.ghosts and (process.dead or process.frozen):
            process.kept.append(handle)
            return
        self.steps += 1
        if self.steps > self._steps_max:
            raise Quiet(f"more than {self._steps_max} steps: something turns in a circle")
        handle._run()
        self.on_step(self.steps)

    def again(self, handles: list[asyncio.Handle]) -> None:
        """Handles that waited for their process to go on."""
        self._ready.extend(handles)  # type: ignore[attr-defined]

    def run_in_executor(  # type: ignore[override]  # what it gives is awaited all the same
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> Any:
        process = PROCESS.get()
        if process is None:
            future = self.create_future()
            future.set_result(func(*args))
            return future
        return self.create_task(process.disk(func, args))

    def _complain(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if not self.ghosts:
            self.complaints.append(f"{context.get('message')} {context.get('exception')!r}")

    def _process_events(self, event_list: Any) -> None:
        pass

    def _write_to_self(self) -> None:
        pass
