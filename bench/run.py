"""`make bench`: what Sternpost does on this machine, each figure beside its baseline measured in the same run.

    make bench                          about a quarter of an hour
    make bench ARGS=--quick             about a minute, less exact
    make bench ARGS="--only accept"     one phase: start, accept, deliver, latency, flow, browser
    make bench ARGS=--full              also those that take long: loads, isolation, restart, backlog

Prints a table and writes JSON to .bench/. Exits with 1 when an event that was answered with 200 is not in the store, or anything else
was lost: such figures are worth nothing. docs/performance.md says what is measured and how.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from phases import LARGE, PHASES
from processes import BenchError
from report import REPOSITORY, Report
from shared import Bench, Plan

DISK_FREE_BYTES_MIN = 15_000_000_000
DISK_FREE_BYTES_MIN_QUICK = 2_000_000_000


def main(given: Sequence[str] | None = None) -> int:
    arguments = read_arguments(given)
    plan = plan_of(arguments)
    folder = Path(arguments.out)
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    wanted = DISK_FREE_BYTES_MIN_QUICK if arguments.quick else DISK_FREE_BYTES_MIN
    if free < wanted:
        print(
            f"The disk of {folder} has {free / 1e9:.1f} GB left; {wanted / 1e9:.0f} GB are needed. Give --out.",
            file=sys.stderr,
        )
        return 1
    report = Report({key: value for key, value in vars(arguments).items() if key != "out"})
    source = Path(arguments.source).resolve() if arguments.source else None
    # SIGTERM ends a run as Ctrl+C does: through every `finally`, so that nothing is left.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    scratch = Path(tempfile.mkdtemp(prefix="run-", dir=folder.resolve()))
    try:
        bench = Bench(plan, report, scratch, source)
        for name in arguments.only or (one for one in PHASES if arguments.full or one not in LARGE):
            try:
                PHASES[name](bench)
            except BenchError as error:
                report.fail(f"{name}: {error}")
    except KeyboardInterrupt:
        print("Interrupted; nothing was written.", file=sys.stderr)
        return 130
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print(report.table())
    path = report.write(folder)
    print(f"\n{time.monotonic() - began:.0f} s. Written to {path} and latest.json beside it.")
    return 1 if report.failures else 0


def plan_of(arguments: argparse.Namespace) -> Plan:
    if arguments.quick:
        return Plan(
            seconds=min(arguments.seconds, 4),
            rounds=2,
            connections=arguments.connections,
            log_seconds=1,
            backlog_tracks=6_000,
            backlog_identifies=10_000,
            rates=(200, 500, 1_000),
            rate_seconds=4,
            starts=1,
            browser_rounds=3,
            events_max=300_000,
            isolation_rounds=2,
            isolation_seconds=2,
            isolation_events=1_000,
            isolation_waiting=100_000,
            load_seconds=2,
            burst_events=300,
            bursts=2,
            restart_waiting=100_000,
            restarts=2,
            backlogs=(100_000,),
        )
    return Plan(
        seconds=arguments.seconds,
        rounds=2,
        connections=arguments.connections,
        log_seconds=5,
        backlog_tracks=40_000,
        backlog_identifies=50_000,
        rates=(200, 500, 1_000),
        rate_seconds=min(30, max(2, arguments.seconds / 2)),
        starts=5,
        browser_rounds=10,
        events_max=2_500_000,
    )


def read_arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench", description="Measure Sternpost on this machine, beside baselines."
    )
    parser.add_argument(
        "--seconds",
        type=_seconds,
        default=60,
        help="of load for each figure of wrk, and as long for its baseline [60]",
    )
    parser.add_argument(
        "--connections", type=int, choices=range(1, 1_001), metavar="N", default=64, help="of wrk [64]"
    )
    parser.add_argument("--quick", action="store_true", help="everything in about a minute")
    parser.add_argument(
        "--only", action="append", choices=list(PHASES), help="one phase; may be given several times"
    )
    parser.add_argument(
        "--full",
        action="store_true",
        help=f"also the phases that take minutes each: {', '.join(sorted(LARGE))}",
    )
    parser.add_argument(
        "--source", metavar="DIR", help="a folder with another sternpost package to measure (its src)"
    )
    parser.add_argument("--out", metavar="DIR", default=str(REPOSITORY / ".bench"), help="[.bench]")
    return parser.parse_args(given)


def _seconds(text: str) -> float:
    value = float(text)
    if not 2 <= value <= 600:
        raise argparse.ArgumentTypeError("give 2 to 600 seconds")
    return value


if __name__ == "__main__":
    sys.exit(main())
