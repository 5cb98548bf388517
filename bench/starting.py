"""The phase `start`: how long a server takes to its first 200, and what it needs at rest."""

from __future__ import annotations

import statistics
import time

import bodies
from processes import HERE, Program, free_port
from report import Figure
from shared import HEADERS, Bench


def start(bench: Bench) -> None:
    """Time from the command to the first 200, and memory at rest."""
    bench.say("start")
    fresh: list[float] = []
    again: list[float] = []
    base: list[float] = []
    body = bodies.Filler(bodies.TRACK, "00000000").event(1)
    idle_mb = noop_mb = 0.0

    def timed(program: Program) -> float:
        began = time.perf_counter()
        program.start()
        program.wait_200(body, HEADERS)
        return time.perf_counter() - began

    with bench.other("sink") as sink:
        for _ in range(bench.plan.starts):
            with bench.data_dir() as data_dir:
                workspace = bench.workspace(data_dir, sink)
                for found in (fresh, again):
                    program = bench.prepared(data_dir, workspace)
                    try:
                        found.append(timed(program))
                        if found is again:
                            time.sleep(1)
                            idle_mb = program.rss_mb()
                    finally:
                        program.stop()
            port = free_port()
            program = bench.program("noop", str(HERE / "servers.py"), "noop", str(port), port=port)
            try:
                base.append(timed(program))
                noop_mb = program.rss_mb()
            finally:
                program.kill()
    base_s = statistics.median(base)
    for name, title, found in (
        ("fresh", "start to first 200, new data directory", fresh),
        ("again", "start to first 200, existing one", again),
    ):
        bench.report.add(
            Figure(
                f"start.{name}_s", title, statistics.median(found), "s", base_s, "no-op app", {"all": found}
            )
        )
    bench.report.add(Figure("memory.idle_mb", "memory at rest", idle_mb, "MB", noop_mb, "no-op app"))
