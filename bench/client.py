"""Our own HTTP client of the measurements: a backlog sent quickly, raw POSTs as baseline, and a steady pace for latencies.

It runs in the process of the benchmark, on the same event loop and HTTP client as Sternpost's delivery.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aiohttp
import uvicorn

Result = TypeVar("Result")
REQUEST_S_MAX = 30.0
BATCHES_AT_ONCE = 8
BURST_CONNECTIONS = 100


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """On the loop that the server uses."""
    with asyncio.Runner(loop_factory=uvicorn.Config(app="", loop="auto").get_loop_factory()) as runner:
        return runner.run(work)


def _session(connections: int) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=REQUEST_S_MAX),
        skip_auto_headers=("User-Agent", "Accept-Encoding"),
    )


@dataclass
class Posted:
    """What became of many requests."""

    answered: int = 0  #: with 200
    failed: int = 0
    seconds: float = 0.0
    cpu_s: float = 0.0  #: of this process
    delivered_s: dict[int, float] = field(default_factory=dict)
    answered_s: list[float] = field(default_factory=list)  #: from the moment it was due until its answer


async def post_all(
    url: str, bodies: Iterable[bytes], headers: Mapping[str, str], *, at_once: int = BATCHES_AT_ONCE
) -> Posted:
    """All bodies as fast as they are taken, `at_once` of them on their way."""
    posted = Posted()
    left = iter(bodies)
    async with _session(at_once) as session:

        async def work() -> None:
            for body in left:
                try:
                    async with session.post(url, data=body, headers=headers) as response:
                        await response.read()
                        if response.status == 200:
                            posted.answered += 1
                        else:
                            posted.failed += 1
                except (aiohttp.ClientError, TimeoutError):
                    posted.failed += 1

        started, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(work() for _ in range(at_once)))
        posted.seconds, posted.cpu_s = time.perf_counter() - started, time.process_time() - cpu
    return posted


@dataclass
class Steady:
    """A steady pace of single events."""

    due_ns: dict[int, int] = field(default_factory=dict)  #: event number → when it was to be sent (monotonic)
    answered_ms: list[float] = field(default_factory=list)
    failed: int = 0


async def post_steadily(
    url: str,
    make: Callable[[int], bytes],
    headers: Mapping[str, str],
    *,
    rate: float,
    seconds: float,
    first: int = 0,
) -> Steady:
    """One event each 1/rate s, whether earlier ones were answered or not: latencies count from the moment an event was due."""
    steady = Steady()
    loop = asyncio.get_running_loop()
    async with _session(0) as session:

        async def post(n: int) -> None:
            try:
                async with session.post(url, data=make(n), headers=headers) as response:
                    await response.read()
                    if response.status != 200:
                        steady.failed += 1
            except (aiohttp.ClientError, TimeoutError):
                steady.failed += 1
            else:
                steady.answered_ms.append((time.monotonic_ns() - steady.due_ns[n]) / 1e6)

        tasks: set[asyncio.Task[None]] = set()
        count = int(rate * seconds)
        began_ns = time.monotonic_ns() + 50_000_000
        for index in range(count):
            due_ns = began_ns + int(index / rate * 1e9)
            left = (due_ns - time.monotonic_ns()) / 1e9
            if left > 0:
                await asyncio.sleep(left)
            steady.due_ns[first + index] = due_ns
            task = loop.create_task(post(first + index))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        if tasks:
            await asyncio.wait(tasks, timeout=REQUEST_S_MAX)
    return steady


async def post_bursts(
    url: str,
    make: Callable[[int], bytes],
    headers: Mapping[str, str],
    *,
    events: int,
    bursts: int,
    every_s: float,
    first: int = 0,
) -> Steady:
    """So many events at one moment, on 100 connections, and again after a while: latencies count from that moment."""
    steady = Steady()
    async with _session(BURST_CONNECTIONS) as session:

        async def post(n: int, due_ns: int) -> None:
            try:
                async with session.post(url, data=make(n), headers=headers) as response:
                    await response.read()
                    if response.status != 200:
                        steady.failed += 1
                        return
            except (aiohttp.ClientError, TimeoutError):
                steady.failed += 1
                return
            steady.answered_ms.append((time.monotonic_ns() - due_ns) / 1e6)

        for burst in range(bursts):
            due_ns = time.monotonic_ns()
            numbers = range(first + burst * events, first + (burst + 1) * events)
            steady.due_ns.update(dict.fromkeys(numbers, due_ns))
            await asyncio.gather(*(post(n, due_ns) for n in numbers))
            await asyncio.sleep(max(0.0, every_s - (time.monotonic_ns() - due_ns) / 1e9))
    return steady


def get_json(url: str) -> Any:
    """One answer as JSON."""

    async def ask() -> Any:
        async with _session(1) as session, session.get(url) as response:
            return await response.json(content_type=None)

    return run(ask())
