"""Live rows: what the live stream tells, rendered by the template of the page, at most five times a second."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

import msgspec
from starlette.types import Receive, Scope, Send

from sternpost.control.live import HEARTBEAT_S, NOTHING_NEW, RECONNECT_MS, Listener, Lost, send_events

PACE_S = 0.2  #: people read no faster
ROWS_PER_FRAME_MAX = 250  #: of what came within a pace the newest, at 1,000 events a second all; the page says how many more there were
ROWS_AT_ONCE = 20  #: rendered before others get their turn: a millisecond or two


class RowStream:
    """The answer of `GET /console/live`: server-sent events with rows of HTML, until the browser goes."""

    def __init__(self, listener: Listener, render: Callable[[Mapping[str, Any]], str]) -> None:
        self._listener = listener
        self._render = render

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send_events(self._listener, self._frames(), receive, send)

    async def _frames(self) -> AsyncGenerator[bytes, None]:
        frame = b"retry: %d\n\n" % RECONNECT_MS
        while not self._listener.closed:
            yield frame
            await asyncio.sleep(PACE_S)
            taken = await self._listener.take(HEARTBEAT_S)
            frame = await self._frame(taken) if taken else NOTHING_NEW

    async def _frame(self, taken: list[bytes | Lost]) -> bytes:
        lost = sum(one.count for one in taken if isinstance(one, Lost))
        # Of an event that came and was settled within a pace, the page needs where it stands now.
        latest: dict[tuple[str, str], Mapping[str, Any]] = {}
        for one in taken:
            if isinstance(one, bytes):
                entry = _decoded(one)
                which = (entry["source"], entry["messageId"])
                latest.pop(which, None)
                latest[which] = entry
        entries = list(latest.values())
        lost += max(0, len(entries) - ROWS_PER_FRAME_MAX)
        rows = []
        for number, entry in enumerate(entries[-ROWS_PER_FRAME_MAX:], 1):
            # Half a surrogate pair in a name of a client's is no text that can travel.
            rows.append(self._render(entry).encode("utf-8", "replace").decode())
            if not number % ROWS_AT_ONCE:
                await asyncio.sleep(0)
        return b"data: " + msgspec.json.encode({"rows": rows, "lost": lost}) + b"\n\n"


def _decoded(entry: bytes) -> Mapping[str, Any]:
    try:
        found: dict[str, Any] = msgspec.json.decode(entry)
    except msgspec.DecodeError:
        found = json.loads(entry.decode("utf-8", "replace"))
    return found
