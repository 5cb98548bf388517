"""Parts of many lanes travel in one request: batches by key, in order, never the same id in two requests at once (rules V4, G3)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from sternpost.delivery.desk import Result
from sternpost.destinations.base import Batching, Part

Deliver = Callable[[Sequence[Part]], Awaitable[list[Result]]]


@dataclass(slots=True)
class _Submission:
    """Consecutive parts of one lane; they travel together."""

    parts: Sequence[Part]
    done: asyncio.Future[list[Result]]
    ids: frozenset[str]
    size_bytes: int


class Batches:
    """The open batch and the requests on their way, for one batch key."""

    def __init__(
        self, deliver: Deliver, batching: Batching, busy: set[str], siblings: Callable[[], Iterable[Batches]]
    ) -> None:
        """`busy`: ids of all requests on their way of this channel, shared by its batches; `siblings` are those, this one too."""
        self._deliver = deliver
        self._batching = batching
        self._busy = busy
        self._siblings = siblings
        self._open: list[_Submission] = []
        self._open_items = 0  #: parts in `_open`
        self._open_bytes = 0
        self._in_flight = 0
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._flush_planned = False

    @property
    def idle(self) -> bool:
        return not self._open and not self._in_flight

    async def submit(self, parts: Sequence[Part]) -> list[Result]:
        """Send these parts, in company when there is some; one result per part."""
        loop = asyncio.get_running_loop()
        ids = frozenset(identity for part in parts for identity in part.ids)
        submission = _Submission(parts, loop.create_future(), ids, sum(part.size_bytes for part in parts))
        self._open.append(submission)
        self._open_items += len(parts)
        self._open_bytes += submission.size_bytes
        self._plan_flush(loop)
        return await submission.done

    def _plan_flush(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._in_flight == 0 or self._full():
            # Not at once but when this turn of the loop is over: lanes that were claimed together get into one request.
            if not self._flush_planned:
                self._flush_planned = True
                loop.call_soon(self._flush)
        elif self._timer is None:
            self._timer = loop.call_later(self._batching.linger_s, self._flush)

    def _full(self) -> bool:
        return self._open_items >= self._batching.items_max or self._open_bytes >= self._batching.bytes_max

    def _flush(self) -> None:
        """Send as much of what is open as one request takes, and as may go now."""
        self._flush_planned = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        taken: list[_Submission] = []
        left: list[_Submission] = []
        ids: set[str] = set()
        waiting_ids: set[str] = set()
        size = 0
        for submission in self._open:
            own = submission.ids
            fits = not taken or (
                len(ids) + len(own - ids) <= self._batching.items_max
                and size + submission.size_bytes <= self._batching.bytes_max
            )
            # Behind one that must wait, another with the same id waits too: the later one comes later.
            if not fits or not own.isdisjoint(self._busy) or not own.isdisjoint(waiting_ids):
                left.append(submission)
                waiting_ids |= own
                continue
            taken.append(submission)
            ids |= own
            size += submission.size_bytes
            self._open_items -= len(submission.parts)
            self._open_bytes -= submission.size_bytes
        self._open = left
        if not taken:
            return
        self._busy |= ids
        self._in_flight += 1
        task = asyncio.get_running_loop().create_task(self._send(taken, ids))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self._open:
            self._plan_flush(asyncio.get_running_loop())

    async def _send(self, taken: Sequence[_Submission], ids: set[str]) -> None:
        parts = [part for submission in taken for part in submission.parts]
        try:
            results = await self._deliver(parts)
        except BaseException as error:
            for submission in taken:
                if not submission.done.done():
                    submission.done.set_exception(
                        error if isinstance(error, Exception) else asyncio.CancelledError()
                    )
            if not isinstance(error, Exception):
                raise
        else:
            position = 0
            for submission in taken:
                own = results[position : position + len(submission.parts)]
                position += len(submission.parts)
                if not submission.done.done():
                    submission.done.set_result(own)
        finally:
            self._busy -= ids
            self._in_flight -= 1
            for batches in self._siblings():
                # Settings that change give an id another key: those who wait there for the id have no request that would wake them.
                if batches._open:
                    # When this turn is over: lanes whose events just ended may bring their next ones.
                    asyncio.get_running_loop().call_soon(batches._flush)

    async def cancel(self) -> None:
        """Give up what is open or on its way."""
        if self._timer is not None:
            self._timer.cancel()
        for submission in self._open:
            submission.done.cancel()
        self._open.clear()
        self._open_items = self._open_bytes = 0
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
