"""What watching costs: live events at 1,000 events a second, and as fast as the server takes them.

    python bench/live.py                  about a minute and a half
    python bench/live.py --seconds 5      per measurement
    python bench/live.py --rounds 3       of each comparison

Two servers are not compared: one server is loaded in turn with nobody watching, and with a console page and an API client watching. At a
steady 1,000 events a second each event must be told to the client, with its end, and none be lost on the way. As fast as possible,
the throughput with watchers must stay within 5 % of that without (the median over the rounds). Exits with 1 when it does not.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import shutil
import statistics
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from console import TOKEN, Asker, free_port
from processes import BenchError, Program
from report import REPOSITORY

RATE = 1_000
CONNECTIONS = 8
BATCH = 50
LOSS_MAX = 0.05
WORKSPACE = """version: 1
sources:
  - {id: web, name: Web, type: server, writeKey: wk-bench}
destinations:
  - id: hook
    name: Hook
    type: webhook
    settings: {url: "http://127.0.0.1:9/", eventFiltering: {mode: allow, events: [Nothing]}}
connections:
  - {source: web, destination: hook, mode: cloud}
"""
KEY = {
    "authorization": "Basic " + base64.b64encode(b"wk-bench:").decode(),
    "content-type": "application/json",
}


def body(count: int) -> bytes:
    """A batch of events as a web SDK writes them; each is skipped by the destination's list, so that it has an end at once."""
    return json.dumps(
        {
            "batch": [
                {
                    "type": "track",
                    "event": "Order Completed",
                    "userId": f"user-{number % 1000}",
                    "messageId": str(uuid.uuid4()),
                    "properties": {"total": 12.5, "note": "x" * 400},
                    "context": {"library": {"name": "bench", "version": "1"}},
                }
                for number in range(count)
            ]
        }
    ).encode()


@dataclass
class Watcher:
    """Reads a stream and counts what it tells."""

    received: int = 0
    settled: int = 0
    lost: int = 0
    rows: int = 0
    frames: int = 0
    delays: list[float] = field(default_factory=list)

    async def api(self, session: aiohttp.ClientSession, url: str) -> None:
        async with session.get(f"{url}/api/v1/live", headers={"authorization": f"Bearer {TOKEN}"}) as reply:
            async for line in reply.content:
                if line.startswith(b'data: {"lost"'):
                    self.lost += json.loads(line[6:])["lost"]
                elif line.startswith(b"data: "):
                    if b'"state":"skipped"' in line:
                        self.settled += 1
                    else:
                        self.received += 1

    async def console(self, session: aiohttp.ClientSession, url: str, cookie: str) -> None:
        async with session.get(f"{url}/console/live?q=", headers={"cookie": cookie}) as reply:
            async for line in reply.content:
                if line.startswith(b"data: "):
                    found = json.loads(line[6:])
                    self.rows += len(found["rows"])
                    self.lost += found["lost"]
                    self.frames += 1


async def steadily(session: aiohttp.ClientSession, url: str, seconds: float) -> tuple[int, list[float]]:
    """RATE events a second in batches of ten, on time whether earlier ones were answered or not: (events, time until the 200)."""
    took: list[float] = []
    sent = 0
    open_requests: set[asyncio.Task[None]] = set()

    async def one(due: float) -> None:
        async with session.post(f"{url}/v1/batch", data=body(10), headers=KEY) as reply:
            if reply.status != 200:
                raise BenchError(f"A batch was answered with {reply.status}.")
        took.append(time.monotonic() - due)

    began = time.monotonic()
    while (now := time.monotonic()) < began + seconds:
        due = began + sent / RATE
        if due > now:
            await asyncio.sleep(due - now)
        task = asyncio.create_task(one(due))
        open_requests.add(task)
        task.add_done_callback(open_requests.discard)
        sent += 10
    await asyncio.gather(*open_requests)
    return sent, took


async def flat_out(session: aiohttp.ClientSession, url: str, seconds: float) -> tuple[float, int]:
    """(events accepted per second, how many), as fast as they are answered."""
    bodies = [body(BATCH) for _ in range(2_000)]
    end = time.monotonic() + seconds
    accepted = 0

    async def client() -> None:
        nonlocal accepted
        while time.monotonic() < end and bodies:
            async with session.post(f"{url}/v1/batch", data=bodies.pop(), headers=KEY) as reply:
                if reply.status != 200:
                    raise BenchError(f"A batch was answered with {reply.status}.")
            accepted += BATCH

    began = time.monotonic()
    await asyncio.gather(*(client() for _ in range(CONNECTIONS)))
    return accepted / (time.monotonic() - began), accepted


async def measure(server: Program, arguments: argparse.Namespace) -> int:
    url, port = server.url, server.port
    failed = 0
    timeout = aiohttp.ClientTimeout(total=None)
    async with (
        aiohttp.ClientSession(timeout=timeout) as watching,
        aiohttp.ClientSession(timeout=timeout) as sending,
    ):
        asker = Asker(port)
        asker.sign_in()
        await steadily(sending, url, 2)  # warm
        _, alone = await steadily(sending, url, arguments.seconds)
        watcher, page, tasks = await watch(watching, url, asker.cookie)
        sent, took = await steadily(sending, url, arguments.seconds)
        await asyncio.sleep(2)
        stop(tasks)
        told = watcher.received
        print(f"Steady, {RATE:,} events/s for {arguments.seconds:g} s:")
        print(
            f"  until the 200, nobody watching   p50 {quantile(alone, 0.5):6.1f} ms   p99 {quantile(alone, 0.99):6.1f} ms"
        )
        print(
            f"  until the 200, watched           p50 {quantile(took, 0.5):6.1f} ms   p99 {quantile(took, 0.99):6.1f} ms"
        )
        print(
            f"  told by the API                  {told:,} of {sent:,} received, {watcher.settled:,} settled, {watcher.lost:,} lost"
        )
        print(
            f"  told by the console              {page.rows:,} rows in {page.frames} frames, {page.lost:,} more than it shows"
        )
        if told < sent or watcher.lost:
            failed += 1
            print("  FAILED: not every event was told")
        rates: dict[bool, list[float]] = {False: [], True: []}
        costs: dict[bool, list[float]] = {False: [], True: []}
        for number in range(arguments.rounds):
            # In turn the one and the other first: the store grows, and other programs come and go.
            for watched in (False, True) if number % 2 else (True, False):
                await drained(sending, url)
                tasks = (await watch(watching, url, asker.cookie))[2] if watched else []
                cpu = server.cpu_s()
                rate, count = await flat_out(sending, url, arguments.seconds)
                rates[watched].append(rate)
                costs[watched].append((server.cpu_s() - cpu) / count * 1e6)
                stop(tasks)
        ratio = statistics.median(rates[True]) / statistics.median(rates[False])
        print(
            f"Flat out, batches of {BATCH}, {CONNECTIONS} connections, medians of {arguments.rounds} rounds:"
        )
        for watched, name in ((False, "nobody watching"), (True, "watched")):
            print(
                f"  {name:16} {statistics.median(rates[watched]):8,.0f} events/s   {statistics.median(costs[watched]):6.1f} us of CPU each   "
                f"{[round(one) for one in rates[watched]]}"
            )
        print(f"  ratio            {ratio:8.3f}")
        if ratio < 1 - LOSS_MAX:
            failed += 1
            print(f"  FAILED: more than {LOSS_MAX:.0%} slower")
    return failed


async def drained(session: aiohttp.ClientSession, url: str) -> None:
    """Wait until nothing waits, so that each measurement begins alike."""
    while True:
        async with session.get(f"{url}/api/v1/stats", headers={"authorization": f"Bearer {TOKEN}"}) as reply:
            counts = (await reply.json())["destinations"]["hook"]
        if not counts["pending"]:
            return
        await asyncio.sleep(0.1)


async def watch(
    session: aiohttp.ClientSession, url: str, cookie: str
) -> tuple[Watcher, Watcher, list[asyncio.Task[None]]]:
    by_api, by_console = Watcher(), Watcher()
    tasks = [
        asyncio.create_task(by_api.api(session, url)),
        asyncio.create_task(by_console.console(session, url, cookie)),
    ]
    await asyncio.sleep(0.5)
    return by_api, by_console, tasks


def stop(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()


def quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=REPOSITORY / ".bench")
    parser.add_argument("--source", type=Path, help="a folder with another sternpost package")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="live-", dir=arguments.out))
    data = folder / "data"
    data.mkdir(mode=0o700)
    (data / "api-token").write_text(TOKEN)
    (data / "api-token").chmod(0o600)
    (folder / "workspace.yaml").write_text(WORKSPACE)
    port = free_port()
    argv = [
        sys.executable, "-m", "sternpost", "serve", "--no-open", "--port", str(port), "--data-dir", str(data),
        "--workspace", str(folder / "workspace.yaml"),
    ]  # fmt: skip
    server = Program("live", argv, port=port, folder=folder, source=arguments.source)
    server.start()
    try:
        server.wait_listening()
        return 1 if asyncio.run(measure(server, arguments)) else 0
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
