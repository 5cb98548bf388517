"""Live events: whoever watches is told of each event once when it was received, and again when its state changes.

    intake, delivery ── publish ──▶ changes ── Views.by_seqs, some at once ──▶ entries ── filter ──▶ a bounded queue per listener

`publish` costs nothing while nobody listens, and never waits: what comes faster than it can be looked up or sent is dropped, oldest
first, and each listener is told how many. Watching must not slow down what is watched: up to `FLOOD_PER_S` changes a second everything
is told; when more happens than people or programs can follow, some of the newest now and then are.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from starlette.types import Receive, Scope, Send

from sternpost.control import fate
from sternpost.control.answers import HEADERS, Answers
from sternpost.control.filters import EVERYTHING, Filter
from sternpost.control.personal import Personal
from sternpost.errors import SternpostError, StoreError
from sternpost.limits import LIVE_LISTENERS_MAX, LIVE_QUEUE_ENTRIES_MAX
from sternpost.model import Workspace
from sternpost.store.kept import Kept, Rows

log = structlog.get_logger("sternpost.control")

HEARTBEAT_S = 15.0  #: proxies close what is silent for a minute
RECONNECT_MS = 2_000  #: what browsers wait before they come back
NOTHING_NEW = b": nothing new\n\n"  #: the heartbeat, a comment that readers of a stream pass over
BATCH_EVENTS = 50  #: looked up and composed at once: a few milliseconds of the event loop
#: Changes: 1,000 events a second, received and settled at two destinations, are told in full.
FLOOD_PER_S = 3_500
FLOOD_BURST = 1_500  #: changes that may come at once
FLOOD_PAUSE_S = 0.4  #: between two batches of a flood: some 125 messages a second, 1 % of a core
QUEUE_BYTES_MAX = 8 * 1024 * 1024  #: per listener; a single event may have 4 MB

PIECE_BYTES = 65_536  #: of a stream that are handed to the connection at once: a listener that does not read holds no more

Change = tuple[int, str | None]  #: (seq, destination whose outcome it is); None: it was received


class TooManyListeners(SternpostError):
    """As many people watch as this server takes."""


class Lookup(Protocol):
    """The part of `Views` that the live stream needs."""

    async def by_seqs(self, seqs: Sequence[int], *, tries: bool = False) -> Rows: ...


@dataclass(frozen=True, slots=True)
class Lost:
    """So many messages were dropped here because the listener, or the look-up, was too slow."""

    count: int


class Listener:
    """One who watches, with a queue of its own."""

    def __init__(self, wanted: Filter, leave: Callable[[Listener], None]) -> None:
        self.wanted = wanted
        self.closed = False
        self._leave = leave
        self._queue: deque[bytes] = deque()
        self._bytes = 0
        self._lost = 0
        self._ready = asyncio.Event()

    async def take(self, wait_s: float = HEARTBEAT_S) -> list[bytes | Lost]:
        """All that is queued, as soon as there is something; [] when nothing came within `wait_s`, or when it was closed."""
        try:
            await asyncio.wait_for(self._ready.wait(), wait_s)
        except TimeoutError:
            return []
        self._ready.clear()
        taken: list[bytes | Lost] = [Lost(self._lost)] if self._lost else []
        taken += self._queue
        self._queue.clear()
        self._bytes = self._lost = 0
        return taken

    def offer(self, entry: bytes) -> None:
        """Queue an entry; the oldest go when there are too many."""
        self._queue.append(entry)
        self._bytes += len(entry)
        while len(self._queue) > LIVE_QUEUE_ENTRIES_MAX or (
            self._bytes > QUEUE_BYTES_MAX and len(self._queue) > 1
        ):
            self._bytes -= len(self._queue.popleft())
            self._lost += 1
        self._ready.set()

    def lose(self, count: int) -> None:
        """Say that messages were dropped before they reached the queue."""
        self._lost += count
        self._ready.set()

    def close(self) -> None:
        """Watch no longer."""
        self.closed = True
        self._leave(self)
        self._ready.set()


class _Flood:
    """Whether more happens than can be told: a bucket that fills at that rate, so that a burst is no flood."""

    def __init__(self, timer: Callable[[], float]) -> None:
        self._timer = timer
        self._at = timer()
        self._left = float(FLOOD_BURST)
        self.now = False

    def add(self, count: int) -> None:
        """So many changes happened."""
        at = self._timer()
        self._left = min(FLOOD_BURST, self._left + (at - self._at) * FLOOD_PER_S) - count
        self._at = at
        if self._left < 0:
            self._left, self.now = 0.0, True
        elif self._left > FLOOD_BURST / 2:
            self.now = False


class LiveHub:
    """Tells listeners what happens to events."""

    def __init__(
        self,
        views: Lookup,
        workspace: Callable[[], Workspace],
        pace: fate.PaceOf = lambda destination_id: None,
        *,
        personal: Personal,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        """`personal` hides values from listeners whose filter says so. `timer`: seconds that passed."""
        self._flood = _Flood(timer)
        self._views = views
        self._pace = pace
        self._workspace = workspace
        self._answers = Answers(workspace)
        self._personal = personal
        self._listeners: list[Listener] = []
        self._changes: deque[Change] = deque()
        self._dropped = 0
        self._work: asyncio.Task[None] | None = None
        self._closed = False

    def publish(self, changes: Iterable[Change]) -> None:
        """Say that events were received (seq, None) or settled (seq, destination). Called in the event loop; returns at once."""
        if not self._listeners:
            return
        before = len(self._changes)
        self._changes.extend(changes)
        self._flood.add(len(self._changes) - before)
        self._skip(len(self._changes) - LIVE_QUEUE_ENTRIES_MAX)
        if self._changes and (self._work is None or self._work.done()):
            self._work = asyncio.get_running_loop().create_task(self._look_up(), name="live")

    def listen(self, wanted: Filter = EVERYTHING) -> Listener:
        """Begin to watch. Raises TooManyListeners. The caller closes the listener."""
        if self._closed or len(self._listeners) >= LIVE_LISTENERS_MAX:
            raise TooManyListeners("Too many are watching. Close another live view and try again.")
        listener = Listener(wanted, self._remove)
        self._listeners.append(listener)
        return listener

    @property
    def listeners(self) -> int:
        """How many watch."""
        return len(self._listeners)

    def close(self) -> None:
        """End all streams, so that the server can stop."""
        self._closed = True
        for listener in list(self._listeners):
            listener.close()
        if self._work is not None:
            self._work.cancel()

    def _remove(self, listener: Listener) -> None:
        if listener in self._listeners:
            self._listeners.remove(listener)
        if not self._listeners:
            self._changes.clear()
            self._dropped = 0

    def _skip(self, count: int) -> None:
        """Drop the oldest changes."""
        for _ in range(count):
            self._changes.popleft()
        self._dropped += max(0, count)

    async def _look_up(self) -> None:
        while self._changes and self._listeners:
            self._tell_dropped()
            if self._flood.now:
                self._skip(len(self._changes) - BATCH_EVENTS)
            batch = [self._changes.popleft() for _ in range(min(BATCH_EVENTS, len(self._changes)))]
            try:
                kept = await self._load([seq for seq, _ in batch])
                self._tell(batch, kept)
                if self._flood.now:
                    await asyncio.sleep(FLOOD_PAUSE_S)
            except StoreError as error:
                log.warning("live_lookup_failed", error=str(error))
                self._dropped += len(batch)
            except Exception:
                # A defect of ours costs these messages, and says so; the stream goes on.
                log.exception("live_failed")
                self._dropped += len(batch)
        self._tell_dropped()

    async def _load(self, seqs: Sequence[int]) -> dict[int, Kept]:
        found: dict[int, Kept] = {}
        left: Sequence[int] = seqs
        while left:
            rows = await self._views.by_seqs(left)
            found.update((kept.event.seq, kept) for kept in rows.kept)
            left = rows.left
        return found

    def _tell(self, batch: Sequence[Change], found: Mapping[int, Kept]) -> None:
        workspace = self._workspace()
        told: set[int] = set()
        for seq, destination in batch:
            kept = found.get(seq)
            # One look-up shows the outcome at every destination: settled by two at once is one message.
            if kept is None or (destination is not None and seq in told):
                continue
            if destination is None:
                kept = fate.as_received(kept)
            else:
                told.add(seq)
            self._send(fate.compose(kept, workspace, attempts=False, pace=self._pace))

    def _send(self, entry: Mapping[str, Any]) -> None:
        # Encoded at most once for those who see personal data, and once for the others.
        shown: dict[bool, Mapping[str, Any]] = {False: entry}
        encoded: dict[bool, bytes] = {}
        for listener in self._listeners:
            hidden = listener.wanted.hidden
            if hidden and True not in shown:
                shown[True] = self._personal.answer(entry)
            if listener.wanted.matches(shown[hidden]):
                if hidden not in encoded:
                    encoded[hidden] = self._answers.encode(shown[hidden])
                listener.offer(encoded[hidden])

    def _tell_dropped(self) -> None:
        if self._dropped:
            for listener in self._listeners:
                listener.lose(self._dropped)
            self._dropped = 0


class LiveStream:
    """The answer of `GET /live`: server-sent events until the client goes or the server stops."""

    def __init__(self, listener: Listener, *, heartbeat_s: float = HEARTBEAT_S) -> None:
        self._listener = listener
        self._heartbeat_s = heartbeat_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        frames = self._frames(head=scope["method"] == "HEAD")
        await send_events(self._listener, frames, receive, send, headers=HEADERS)

    async def _frames(self, *, head: bool) -> AsyncGenerator[bytes, None]:
        parts: Iterable[bytes] = (b"retry: %d\n\n" % RECONNECT_MS,)
        while not self._listener.closed and not head:
            for part in parts:
                yield part
            taken = await self._listener.take(self._heartbeat_s)
            parts = pieces(taken) if taken else (NOTHING_NEW,)


async def send_events(
    listener: Listener,
    frames: AsyncGenerator[bytes, None],
    receive: Receive,
    send: Send,
    *,
    headers: Sequence[tuple[bytes, bytes]] = (),
) -> None:
    """Answer with server-sent events, until they end or the client goes; then the listener is closed."""
    gone = asyncio.get_running_loop().create_task(_until_gone(receive))
    gone.add_done_callback(lambda _: listener.close())
    start = {
        "type": "http.response.start",
        "status": 200,
        "headers": [
            (b"content-type", b"text/event-stream; charset=utf-8"),
            # Proxies that gather answers would hold events back.
            (b"x-accel-buffering", b"no"),
            *headers,
        ],
    }
    try:
        await send(start)
        async with contextlib.aclosing(frames):
            async for frame in frames:
                await send({"type": "http.response.body", "body": frame, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    except OSError:
        pass  # the client went while something was sent
    finally:
        gone.cancel()
        listener.close()


def frame(message: bytes | Lost) -> bytes:
    """One server-sent event. JSON of ours has no line feed in it."""
    if isinstance(message, Lost):
        return b'event: lost\ndata: {"lost":%d}\n\n' % message.count
    return b"data: " + message + b"\n\n"


def pieces(messages: Iterable[bytes | Lost]) -> Iterator[bytes]:
    """Server-sent events, joined or cut to about PIECE_BYTES: what listeners queue is shared among them, what is on its way to one is not."""
    small: list[bytes] = []
    size = 0
    for message in messages:
        large = isinstance(message, bytes) and len(message) > PIECE_BYTES
        if small and (large or size > PIECE_BYTES):
            yield b"".join(small)
            small, size = [], 0
        if isinstance(message, bytes) and large:
            yield b"data: "
            for at in range(0, len(message), PIECE_BYTES):
                yield message[at : at + PIECE_BYTES]
            yield b"\n\n"
        else:
            small.append(frame(message))
            size += len(small[-1])
    if small:
        yield b"".join(small)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
