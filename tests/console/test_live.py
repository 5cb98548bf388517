"""Live rows: each as the page would have rendered it, at a reader's pace; and the numbers of the last hour."""

from __future__ import annotations

import asyncio
import html
import json
from typing import Any

from sternpost.console.pulse import Pulse
from tests.console.house import Browser, House
from tests.control.bench import scope_of

TRACK = {"type": "track", "event": "Checkout", "userId": "u1", "messageId": "m1"}


class Stream:
    """A browser that watches."""

    def __init__(self, browser: Browser, query: str = "") -> None:
        self.frames: asyncio.Queue[bytes] = asyncio.Queue()
        self.status = 0
        self._gone = asyncio.Event()
        cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        scope = scope_of("GET", f"/console/live?q={query}", [(b"cookie", cookie.encode())])
        self.task = asyncio.create_task(browser.app(scope, self._receive, self._send))

    async def _receive(self) -> Any:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        self.status = message.get("status", self.status)
        if message.get("body"):
            self.frames.put_nowait(message["body"])

    async def rows(self) -> Any:
        frame = await asyncio.wait_for(self.frames.get(), 5)
        assert frame.startswith(b"data: "), frame
        return json.loads(frame[6:])

    async def close(self) -> None:
        self._gone.set()
        await asyncio.wait_for(self.task, 30)


async def test_rows(home: House) -> None:
    browser = await home.owner()
    stream = Stream(browser)
    assert (await asyncio.wait_for(stream.frames.get(), 5)).startswith(b"retry: ")
    assert stream.status == 200
    [seq] = await home.bench.accept({**TRACK, "event": "<b>bold</b>"})
    home.bench.live.publish([(seq, None)])
    found = await stream.rows()
    [row] = found["rows"]
    assert found["lost"] == 0
    assert html.escape("<b>bold</b>") in row
    assert row in await browser.get("/console/events")
    home.bench.live.publish([(seq, "pendo")])
    assert len((await stream.rows())["rows"]) == 1
    home.bench.live.close()
    await stream.close()
    assert home.bench.live.listeners == 0


async def test_filtered(home: House) -> None:
    browser = await home.owner()
    stream = Stream(browser, "type:identify")
    await asyncio.wait_for(stream.frames.get(), 5)
    seqs = await home.bench.accept(TRACK, {"type": "identify", "userId": "u2"})
    home.bench.live.publish([(seq, None) for seq in seqs])
    assert len((await stream.rows())["rows"]) == 1
    home.bench.live.close()
    await stream.close()


async def test_too_much_for_a_reader(home: House) -> None:
    """A frame has at most 250 rows, the newest, and says how many more there were; half a letter breaks nothing."""
    browser = await home.owner()
    stream = Stream(browser)
    await asyncio.wait_for(stream.frames.get(), 5)
    seqs = [
        (await home.bench.accept({**TRACK, "messageId": f"m{n}", "event": "\ud800"}))[0] for n in range(300)
    ]
    home.bench.live.publish([(seq, None) for seq in seqs])
    rows = lost = 0
    while rows + lost < 300:
        found = await stream.rows()
        assert len(found["rows"]) <= 250
        rows, lost = rows + len(found["rows"]), lost + found["lost"]
    home.bench.live.close()
    await stream.close()


async def test_strangers_watch_nothing(home: House) -> None:
    assert (await home.browser().ask("GET", "/console/live", accept="text/event-stream")).status == 303
    browser = await home.owner()
    assert (await browser.ask("GET", "/console/live?q=stat:x")).status == 400


def test_pulse() -> None:
    """Counters that only grow become numbers of the last minute and of each minute of the last hour."""
    now, received, delivered = 0.0, 0.0, 0.0
    pulse = Pulse(lambda: (received, delivered), clock=lambda: now)
    for _ in range(2 * 720):
        now += 5
        received += 10
        delivered += 5
        pulse.look()
    assert pulse.last_minute() == (120, 60)
    minutes = pulse.minutes()
    assert len(minutes) == 60
    assert all(entry == (120, 60) for entry in minutes[1:-1])
    assert sum(entry[0] for entry in minutes) <= 60 * 120
    now += 3_600
    assert pulse.last_minute() == (0, 0)
