"""What runs in processes of their own: `python child.py <job> <place> <argument…>`; a job reports in lines on standard output."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from sternpost.errors import StoreUnavailable  # noqa: E402
from sternpost.model import Attempt, Delivered, Route, Settled, Settlement  # noqa: E402
from sternpost.store.sqlite import SqliteStore  # noqa: E402
from tests.contract.faults import FAULTS  # noqa: E402
from tests.contract.lab import NOW, SQLITE, entry  # noqa: E402
from tests.contract.promises.arrivals import arrival, events_of  # noqa: E402

ENGINES = {"sqlite": SQLITE}


def say(*words: object) -> None:
    print(*words, flush=True)


async def accept_and_hang(store: SqliteStore, batches: str, size: str) -> None:
    """Says `accepted n` as soon as accept returns, goes on, and never closes anything."""
    for batch in range(int(batches)):
        await store.accept([entry(f"{batch}-{i}", user=f"u{i % 7}") for i in range(int(size))], now=NOW)
        say("accepted", batch)
    await asyncio.sleep(3_600)


async def arrive_and_hang(store: SqliteStore, batches: str, size: str) -> None:
    """Says `arrived n` as soon as arrive returns, spreads some now and then, and never closes anything."""
    for batch in range(int(batches)):
        await store.arrive([arrival(*(f"{batch}-{i}" for i in range(int(size))))])
        say("arrived", batch)
        if batch % 3 == 2:
            await store.spread(events_of, events_max=2 * int(size), now=NOW)
    await asyncio.sleep(3_600)


async def accept_once(store: SqliteStore, start_at: str, prefix: str, count: str) -> None:
    """Accepts at a given moment; says how many were new."""
    await asyncio.sleep(max(0.0, float(start_at) - time.time()))
    receipt = await store.accept([entry(f"{prefix}{i}") for i in range(int(count))], now=NOW)
    say("stored", receipt.stored)


async def disk_full(store: SqliteStore) -> None:
    """The system refuses to let files grow; later it does not."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    await store.accept([entry("before")], now=NOW)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    refused = accepted = 0
    for i in range(50):
        try:
            await store.accept([entry(f"during-{i}", body=b"x" * 20_000)], now=NOW)
            accepted += 1
        except StoreUnavailable:
            refused += 1
    say("refused", refused, "accepted", accepted)
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    await store.accept([entry("after")], now=NOW)
    say("after")


async def client(store: SqliteStore, name: str, lanes: str, batches: str) -> None:
    """Sends every batch twice, as a client does whose answer was lost; other clients send the same."""
    for batch in range(int(batches)):
        entries = [
            entry(f"{batch}-{i}", Route("pendo", "track"), user=f"u{(batch + i) % int(lanes)}")
            for i in range(10)
        ]
        for _ in range(2):
            await store.accept(entries, now=time.time())
    say("sent", name)


async def worker(store: SqliteStore, name: str, log: str, lease_s: str, hang_after: str) -> None:
    """Claims, writes down what it sends before it settles, settles; until it is told to stop or killed. With `hang_after` it hangs
    when it has sent so many, in the middle of a run."""
    sends = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    sent = 0
    while not Path(f"{log}.stop").exists():
        now = time.time()
        claim = await store.claim("pendo", "track", now=now, lanes_max=1, run_max=3, lease_s=float(lease_s))
        for run in claim.runs:
            for waiting in run.events:
                os.write(sends, f"send {name} {run.lease} {run.key.lane} {waiting.event.seq}\n".encode())
                sent += 1
                if sent == int(hang_after):
                    say("hanging", name)
                    await asyncio.sleep(3_600)
            settled = [
                Settled(w.event.seq, Delivered(), now, Attempt(now, 1, None, {"status": 200}))
                for w in run.events
            ]
            settling = await store.settle([Settlement(run.key, run.lease, settled)], now=time.time())
            if settling.lost:
                os.write(sends, f"lost {name} {run.lease} - 0\n".encode())
        if not claim.runs:
            await asyncio.sleep(0.005)
    say("stopped", name)


JOBS = {
    job.__name__: job for job in (accept_and_hang, arrive_and_hang, accept_once, disk_full, client, worker)
}


def main() -> None:
    job, engine, place, fault, *arguments = sys.argv[1:]
    if fault:
        FAULTS[fault].break_it(setattr)
    store = ENGINES[engine].open(Path(place))
    asyncio.run(JOBS[job](store, *arguments))
    store.close()


if __name__ == "__main__":
    main()
