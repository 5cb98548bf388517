"""`python -m tests.fuzz --minutes 5 [decode gzip jzb yaml]`: searches for inputs that break a promise, with atheris (coverage-guided,
libFuzzer) where it is installed, else by chance. A finding ends the search with a status other than 0, and is written beside you.
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .mutate import mutated
from .targets import TARGETS


def guided(name: str, seconds: float) -> int:
    """One target under atheris, in a process of its own: libFuzzer ends its process."""
    with tempfile.TemporaryDirectory() as folder:
        for number, sample in enumerate(TARGETS[name].samples):
            (Path(folder) / str(number)).write_bytes(sample)
        command = [sys.executable, "-m", "tests.fuzz.guided", name, folder]
        return subprocess.run(
            [
                *command,
                f"-max_total_time={max(1, int(seconds))}",
                "-max_len=20000",
                "-verbosity=0",
                "-print_final_stats=1",
            ],
            check=False,
        ).returncode


def by_chance(name: str, seconds: float) -> int:
    """One target with changed samples until the time is over."""
    target, seed, tried = TARGETS[name], random.randrange(10**9), 0
    chance, ends = random.Random(seed), time.monotonic() + seconds
    while time.monotonic() < ends:
        data = mutated(chance, target.samples)
        tried += 1
        try:
            target.run(data)
        except Exception:
            path = Path(f"crash-{name}-{seed}-{tried}")
            path.write_bytes(data)
            print(f"{name}: {path} breaks a promise; replay: python -m tests.fuzz --replay {path} {name}")
            raise
    print(f"{name}: {tried} inputs, seed {seed}, nothing found")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", choices=[[], *TARGETS], help="which (default: all)")
    parser.add_argument("--minutes", type=float, default=2.0, help="for all of them together")
    parser.add_argument("--replay", type=Path, help="run the targets with this file only")
    parser.add_argument("--by-chance", action="store_true", help="without atheris, though it is there")
    given = parser.parse_args()
    names = given.targets or list(TARGETS)
    if given.replay is not None:
        for name in names:
            TARGETS[name].run(given.replay.read_bytes())
        return 0
    search = by_chance if given.by_chance or importlib.util.find_spec("atheris") is None else guided
    return max(search(name, given.minutes * 60 / len(names)) for name in names)


if __name__ == "__main__":
    sys.exit(main())
