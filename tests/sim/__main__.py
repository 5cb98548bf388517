"""Runs seeds outside pytest: `python -m tests.sim 123 456` tells what happened in each, `python -m tests.sim --minutes 10` looks for failing
ones among new seeds, in as many processes as asked for.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed

from . import world
from .scenario import draw

SEEDS_EACH = 25  #: that one process runs before it looks at the clock


def several(first: int, count: int) -> tuple[int, list[str]]:
    """Run some seeds: how many, and what was wrong."""
    broken = []
    with world.folder() as folder, world.many() as ended:
        for seed in range(first, first + count):
            try:
                world.run(seed, folder)
            except world.Broken as error:
                broken.append(str(error))
            ended()
    return count, broken


def search(first: int, seconds: float, jobs: int) -> int:
    """Run seeds until the time is over; how many failed."""
    ends = time.monotonic() + seconds
    done, failed, following = 0, 0, first
    with ProcessPoolExecutor(jobs) as pool:
        running = {
            pool.submit(several, (following := following + SEEDS_EACH) - SEEDS_EACH, SEEDS_EACH)
            for _ in range(jobs)
        }
        while running:
            finished = next(as_completed(running))
            running.discard(finished)
            count, broken = finished.result()
            done += count
            failed += len(broken)
            for text in broken:
                print(text, flush=True)
            if time.monotonic() < ends:
                running.add(pool.submit(several, following, SEEDS_EACH))
                following += SEEDS_EACH
    print(f"{done} seeds from {first} on, {failed} failed")
    return failed


def show(seed: int, *, digest: bool) -> int:
    """One seed with everything that happened in it."""
    with world.folder() as folder:
        run = world.World(draw(seed), folder)
        problem = ""
        try:
            run.run()
        except world.Broken as error:
            problem = str(error)
    if digest:
        print(seed, run.scenario.kind, len(run.trace), hashlib.sha256(repr(run.trace).encode()).hexdigest())
    else:
        for entry in run.trace:
            print(*entry)
        print(problem or f"seed {seed} ({run.scenario.kind}): everything holds")
    return bool(problem)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("seeds", nargs="*", type=int, help="run these and tell what happened")
    parser.add_argument("--minutes", type=float, help="run new seeds for so long")
    parser.add_argument("--first", type=int, help="the first of them (default: by chance)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--digest", action="store_true", help="only a digest of what happened")
    given = parser.parse_args()
    if given.minutes is not None:
        first = given.first if given.first is not None else random.randrange(10**6, 10**9)
        return search(first, given.minutes * 60, given.jobs) > 0
    return max((show(seed, digest=given.digest) for seed in given.seeds), default=0)


if __name__ == "__main__":
    sys.exit(main())
