"""Fills a store with events that wait, through the store's own accept, in a process of its own: a million in about half a minute.

    python bench/filling.py DATA_DIR --events 1000000 --people 10000 --source bench --to pendo:track

The data directory must not be in use. The events are of 0.7 KB, as RudderStack's SDK for Node.js shapes them, and due at once. The file is not
synchronised while it is filled (nothing of it was answered), but it is when this ends.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import sys
import time
from pathlib import Path

import bodies

from sternpost.model import Accepted, Route
from sternpost.store.sqlite import SqliteStore
from sternpost.wire import decode

BATCH = 500
#: Of the filling process only: messageIds are random, and their index grows beyond the usual cache.
CACHE_KIB = 512 * 1024


async def fill(
    data_dir: Path, *, events: int, people: int, source: str, routes: tuple[Route, ...], run: str
) -> None:
    """Accept so many events."""
    path = data_dir / "sternpost.db"
    store = SqliteStore(path)
    connection = store._database.connection
    for pragma in ("synchronous = OFF", f"cache_size = -{CACHE_KIB}", "wal_autocheckpoint = 60000"):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    filler = bodies.Filler(bodies.TRACK[:1], run, people=people)
    for batch in filler.batches(events, BATCH):
        now = time.time()
        decoded = decode.decode_batch(
            batch,
            allow_empty=False,
            source_id=source,
            received_at=now,
            request_ip="203.0.113.9",
            new_id=lambda: secrets.token_hex(16),
        )
        receipt = await store.accept([Accepted(event, routes) for event in decoded], now=now)
        if receipt.stored != len(decoded):
            raise SystemExit(f"{len(decoded) - receipt.stored} events were there already.")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    store.close()
    with path.open("rb") as file:
        os.fsync(file.fileno())


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--events", type=int, required=True)
    parser.add_argument("--people", type=int, default=bodies.PEOPLE)
    parser.add_argument("--source", default="bench")
    parser.add_argument("--run", default="", help="8 characters, part of every messageId")
    parser.add_argument("--to", action="append", required=True, metavar="DESTINATION:CHANNEL")
    arguments = parser.parse_args()
    routes = tuple(Route(*to.partition(":")[::2]) for to in arguments.to)
    asyncio.run(
        fill(
            arguments.data_dir,
            events=arguments.events,
            people=arguments.people,
            source=arguments.source,
            routes=routes,
            run=arguments.run or secrets.token_hex(4),
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
