"""The phase `restart`: from the command to the first 200 with a million events that wait, after SIGKILL and after a polite stop.

"Cold" means that the kernel's cache of the store's files is dropped before the start, as after a start of the machine.
"""

from __future__ import annotations

import os
import secrets
import statistics
import sys
import time
from pathlib import Path

import bodies
import isolation
import store
from report import Figure
from shared import HEADERS, Bench

PEOPLE = 100_000
WORK_S = 1.0  #: a server that is killed had so long to take lanes in hand
HOWS = {
    "killed": "after SIGKILL",
    "killed_cold": "after SIGKILL, files not in memory",
    "stopped": "after a polite stop",
    "stopped_cold": "after a polite stop, files not in memory",
}


def measure(bench: Bench) -> None:
    """Starts on a store with events that wait, and on one without, in turn."""
    count = bench.plan.restart_waiting
    with (
        bench.other("many") as many,
        bench.data_dir() as full,
        bench.data_dir() as empty,
    ):
        # Everything waits: half for a destination that fails, so that lanes are tried and leased; half behind a refused key.
        isolation.tell(many, {"fails": "500", "refuses": "403"})
        names = ("fails", "refuses")
        bench.fill(full, count, people=PEOPLE, to=("fails:", "refuses:track"))
        rounds: dict[str, list[tuple[float, float]]] = {how: [] for how in HOWS}
        rss_mb = 0.0
        posted = 0
        for how in ("killed", "stopped"):  # the first start of each is not counted: nobody was killed before
            for number in range(bench.plan.restarts * 2 + 1):
                cold = number % 2 == 0
                found = []
                for data_dir in (full, empty):
                    path = isolation.workspace(data_dir, names, many)
                    if cold:
                        forget(data_dir)
                    program = bench.prepared(data_dir, path)
                    try:
                        began = time.perf_counter()
                        program.start()
                        program.wait_200(bodies.Filler(bodies.TRACK, secrets.token_hex(4)).event(0), HEADERS)
                        found.append(time.perf_counter() - began)
                        time.sleep(WORK_S)
                        if data_dir is full:
                            posted += 1
                            rss_mb = max(rss_mb, program.rss_mb())
                    finally:
                        program.kill() if how == "killed" else program.stop()
                if number:
                    rounds[how + ("_cold" if cold else "")].append((found[0], found[1]))
        check(bench, full, names, count + posted)
    for how, title in HOWS.items():
        bench.report.add(
            Figure(
                f"restart.{how}_s",
                f"start to first 200, {count:,} wait, {title}",
                statistics.median(value for value, _ in rounds[how]),
                "s",
                statistics.median(value for _, value in rounds[how]),
                "nothing waits",
                {"slowest_s": max(value for value, _ in rounds[how])},
                rounds=rounds[how],
            )
        )
    bench.report.add(Figure("restart.rss_mb", f"memory with {count:,} that wait", rss_mb, "MB"))


def check(bench: Bench, data_dir: Path, names: tuple[str, ...], count: int) -> None:
    """Every event waits for each of the destinations, over all kills."""
    connection = store.connect(data_dir)
    try:
        for name, channel in zip(names, ("", "track"), strict=True):
            rows = connection.execute(
                "SELECT count(*) FROM deliveries WHERE destination_no = "
                "(SELECT no FROM names WHERE kind = 'destination' AND name = ?)",
                (name,),
            ).fetchone()[0]
            counted = store.counter(connection, f"waiting:{channel}", name)
            if not rows == counted == count:
                bench.report.fail(
                    f"restart: {rows} of {count} events wait for {name}, its counter says {counted}."
                )
    finally:
        connection.close()


def forget(data_dir: Path) -> None:
    """Let the kernel drop its cache of the store's files (Linux)."""
    if sys.platform != "linux":
        return
    for path in data_dir.glob(f"{store.STORE_FILE}*"):
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
