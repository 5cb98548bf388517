"""What the phases share: how much is measured, servers to measure, and the steps that several of them take."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import bodies
import client
import load as wrk
import store
from processes import HERE, BenchError, Program, Usage, free_port
from report import Report

from sternpost.sandbox import seed

RATE = 100_000  #: ratePerSecond: more than any machine reaches, so that it bounds nothing
CONCURRENCY = 64
POLL_S = 0.02
DRAIN_S_MAX = 300.0
FILL_S_MAX = 900.0
PREFILL_BATCH = 100
HEADERS = {"Authorization": wrk.AUTHORIZATION, "Content-Type": "application/json"}

WORKSPACE = """\
version: 1
sources:
  - {{id: bench, name: Bench, type: server, writeKey: {write_key}}}
destinations:
  - id: pendo
    name: Bench
    type: pendo
    settings:
      region: custom
      hosts: {{api: {url}, data: {url}, content: {url}}}
      integrationKey: {integration_key}
      trackEventSecret: {track_secret}
      ratePerSecond: {rate}
      concurrency: {concurrency}
connections:
  - {{source: bench, destination: pendo, mode: cloud}}
"""
WRONG_KEY = "99999999-9999-4999-8999-999999999999"


@dataclass
class Plan:
    """How long and how much."""

    seconds: float  #: of wrk for each figure, and as long for its baseline
    rounds: int  #: the seconds are shared out, figure and baseline in turn
    connections: int
    log_seconds: float
    backlog_tracks: int
    backlog_identifies: int
    rates: tuple[float, ...]
    rate_seconds: float
    starts: int
    browser_rounds: int  #: page views of each SDK; below 10 without the slow network
    events_max: int  #: of one run of wrk
    isolation_rounds: int = 12
    isolation_seconds: float = 2.0  #: of each round, at a steady pace and as fast as it can
    isolation_events: int = 1_500  #: as fast as they are taken, to each of the destinations
    isolation_backlog: int = 10_000
    isolation_waiting: int = 1_000_000
    load_seconds: float = 8.0  #: of wrk for each load of the phase `loads`, and as long for its baseline
    burst_events: int = 1_000
    bursts: int = 6
    restart_waiting: int = 1_000_000
    restarts: int = 5
    backlogs: tuple[int, ...] = (100_000, 5_000_000)


@dataclass
class Spread:
    """Events that were accepted as they came, and got into their lanes once the load was over."""

    events: int = 0
    seconds: float = 0.0
    cpu_s: float = 0.0


class Bench:
    """What the phases share."""

    def __init__(self, plan: Plan, report: Report, folder: Path, source: Path | None) -> None:
        self.plan = plan
        self.report = report
        self.folder = folder
        self._source = source
        self._count = 0

    def say(self, text: str) -> None:
        print(f"  {text}", file=sys.stderr, flush=True)

    # --- servers -----------------------------------------------------------------------------------------------------

    def program(self, name: str, *argv: str, port: int) -> Program:
        self._count += 1
        return Program(
            f"{name}-{self._count}",
            [sys.executable, *argv],
            port=port,
            folder=self.folder,
            source=self._source,
        )

    def other(self, kind: str) -> contextlib.AbstractContextManager[Program]:
        """`noop`, `sink` or `refuse` of servers.py, listening."""
        port = free_port()
        return self._listening(self.program(kind, str(HERE / "servers.py"), kind, str(port), port=port))

    def sandbox(self) -> contextlib.AbstractContextManager[Program]:
        """Our stand-in for Pendo, in memory."""
        port = free_port()
        return self._listening(
            self.program("sandbox", "-m", "sternpost", "sandbox", "--port", str(port), port=port)
        )

    @contextlib.contextmanager
    def _listening(self, program: Program) -> Iterator[Program]:
        try:
            program.start()
            program.wait_listening()
            yield program
        finally:
            program.kill()

    @contextlib.contextmanager
    def data_dir(self) -> Iterator[Path]:
        self._count += 1
        path = self.folder / f"data-{self._count}"
        path.mkdir()
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def workspace(self, data_dir: Path, destination: Program, *, right_keys: bool = True) -> Path:
        """The workspace file of a server; written again, it changes a running one."""
        path = data_dir / "bench-workspace.yaml"
        new = path.with_suffix(".new")
        new.write_text(
            WORKSPACE.format(
                write_key=wrk.WRITE_KEY,
                url=destination.url,
                integration_key=seed.INTEGRATION_KEY if right_keys else f"{WRONG_KEY}.us",
                track_secret=seed.TRACK_SECRET_WEB if right_keys else WRONG_KEY,
                rate=RATE,
                concurrency=CONCURRENCY,
            )
        )
        new.replace(path)
        return path

    def prepared(self, data_dir: Path, workspace: Path) -> Program:
        """A server that is not started yet."""
        port = free_port()
        argv = ["-m", "sternpost", "serve", "--port", str(port), "--data-dir", str(data_dir)]
        argv += ["--workspace", str(workspace), "--bytes-max", "100GB", "--no-open", "--log-format", "json"]
        return self.program("sternpost", *argv, port=port)

    @contextlib.contextmanager
    def server(self, data_dir: Path, workspace: Path) -> Iterator[Program]:
        """A server that accepts events; killed at the end, so that what it said is what the disk must hold."""
        program = self.prepared(data_dir, workspace)
        try:
            program.start()
            program.wait_200(bodies.Filler(bodies.TRACK, secrets.token_hex(4)).event(0), HEADERS)
            yield program
        finally:
            program.kill()

    def fill(
        self, data_dir: Path, count: int, *, people: int, to: Sequence[str], source: str = "bench"
    ) -> None:
        """Events of 0.7 KB that wait for `to` (destination:channel each), written by the package that is measured."""
        self.say(f"{count:,} events that wait")
        argv = [str(HERE / "filling.py"), str(data_dir), "--events", str(count), "--people", str(people)]
        argv += ["--source", source, *(word for one in to for word in ("--to", one))]
        program = self.program("filling", *argv, port=0)
        program.start()
        program.wait_ended(FILL_S_MAX)

    # --- steps -------------------------------------------------------------------------------------------------------

    def in_turn(
        self,
        program: Program,
        baseline: Program,
        data_dir: Path,
        *,
        batch: int,
        people: int = bodies.PEOPLE,
        seconds: float | None = None,
    ) -> tuple[list[wrk.Load], wrk.Load, Usage, Usage, Spread]:
        """wrk against both, in turn: what disturbs the machine disturbs both. What the server still has to do is waited for, except
        after the last round: then it is killed.
        """
        loads: dict[str, list[wrk.Load]] = {"own": [], "base": []}
        usages = {"own": Usage(), "base": Usage()}
        spread = Spread()
        # With an even number of rounds the server comes last: it is killed at once, with requests on their way.
        targets = [("own", program), ("base", baseline)]
        for number in range(self.plan.rounds):
            for name, target in targets if number % 2 == 0 else reversed(targets):
                with target.watched() as usage:
                    loads[name].append(
                        wrk.run_wrk(
                            target.url,
                            self.folder,
                            batch=batch,
                            connections=self.plan.connections,
                            seconds=(seconds or self.plan.seconds) / self.plan.rounds,
                            events_max=self.plan.events_max,
                            people=people,
                        )
                    )
                usages[name].cpu_s += usage.cpu_s
                usages[name].rss_mb = max(usages[name].rss_mb, usage.rss_mb)
                if name == "own" and number < self.plan.rounds - 1:
                    self.spread(program, data_dir, spread)
        return loads["own"], wrk.together(loads["base"]), usages["own"], usages["base"], spread

    def spread(self, program: Program, data_dir: Path, so_far: Spread) -> None:
        """Wait until all that was accepted is in its lanes."""
        connection = store.connect(data_dir)
        try:
            events = left = store.arrivals(connection)
            with program.watched() as usage:
                began = time.perf_counter()
                while left:
                    if time.perf_counter() - began > DRAIN_S_MAX:
                        raise BenchError(f"{left} events do not get into their lanes.")
                    time.sleep(POLL_S)
                    left = store.arrivals(connection)
                so_far.seconds += time.perf_counter() - began if events else 0.0
            so_far.events += events
            so_far.cpu_s += usage.cpu_s
        finally:
            connection.close()

    def check_stored(self, what: str, data_dir: Path, loads: list[wrk.Load]) -> None:
        for one in loads:
            missing = store.losses(
                data_dir,
                one.run,
                begun=one.begun,
                answered=one.answered,
                batch=one.batch,
                connections=one.connections,
            )
            if missing:
                self.report.fail(f"{what}: lost {missing}.")
            if one.refused or one.broken:
                self.report.fail(f"{what}: {one.refused} requests were refused, {one.broken} broke.")

    def prefill(self, program: Program, data_dir: Path, templates: tuple[str, ...], count: int) -> None:
        """Events that wait in their lanes; all of them must be in the store."""
        run = secrets.token_hex(4)
        filler = bodies.Filler(templates, run)
        posted = client.run(
            client.post_all(f"{program.url}/v1/batch", filler.batches(count, PREFILL_BATCH), HEADERS)
        )
        stored = store.count(data_dir, run)
        if posted.failed or stored != count:
            self.report.fail(
                f"backlog: {posted.failed} batches were refused, {stored} of {count} events are in the store."
            )
        # They came as a flood: what is measured next is not to share its time with putting them into their lanes.
        self.spread(program, data_dir, Spread())

    def drain(self, data_dir: Path, destination: Program, count: int) -> tuple[float, int]:
        """Give the server the right keys and wait until `count` events are delivered; seconds from the first to the last, and how many."""
        connection = store.connect(data_dir)
        try:
            before = store.counter(connection, "delivered")
            self.workspace(data_dir, destination)
            seen: list[tuple[float, int]] = []
            until = time.perf_counter() + DRAIN_S_MAX
            while not seen or seen[-1][1] < count:
                now = time.perf_counter()
                if now > until:
                    break
                delivered = store.counter(connection, "delivered") - before
                if delivered:
                    seen.append((now, delivered))
                time.sleep(POLL_S)
            if len(seen) < 2:
                raise BenchError("Nothing, or everything at once, was delivered: give a larger backlog.")
            # What came before the first look is left out of both.
            return seen[-1][0] - seen[0][0], seen[-1][1] - seen[0][1]
        finally:
            connection.close()
