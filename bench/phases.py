"""What is measured: each phase sets up its own servers and data directory, adds its figures to the report, and takes all down."""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import bodies
import browser_sdk
import client
import isolation
import load as wrk
import loads
import restart
import store
from processes import HERE, BenchError, Program, Usage, free_port
from report import Figure, Report, percentile

from sternpost.sandbox import seed

RATE = 100_000  #: ratePerSecond: more than any machine reaches, so that it bounds nothing
CONCURRENCY = 64
POLL_S = 0.02
DRAIN_S_MAX = 300.0
SETTLE_S_MAX = 30.0
FILL_S_MAX = 900.0
PREFILL_BATCH = 100
METADATA_ITEMS = 1_000
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

    def _program(self, name: str, *argv: str, port: int) -> Program:
        self._count += 1
        return Program(
            f"{name}-{self._count}",
            [sys.executable, *argv],
            port=port,
            folder=self.folder,
            source=self._source,
        )

    @contextlib.contextmanager
    def other(self, kind: str) -> Iterator[Program]:
        """`noop`, `sink` or `refuse` of servers.py, listening."""
        port = free_port()
        program = self._program(kind, str(HERE / "servers.py"), kind, str(port), port=port)
        try:
            program.start()
            program.wait_listening()
            yield program
        finally:
            program.kill()

    @contextlib.contextmanager
    def sandbox(self) -> Iterator[Program]:
        """Our stand-in for Pendo, in memory."""
        port = free_port()
        program = self._program("sandbox", "-m", "sternpost", "sandbox", "--port", str(port), port=port)
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
        return self._program("sternpost", *argv, port=port)

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
        program = self._program("filling", *argv, port=0)
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
        """Events that wait; all of them must be in the store."""
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


# --- phases ------------------------------------------------------------------------------------------------------------


def accept(bench: Bench) -> None:
    """Durable requests and events per second, nothing being delivered (the destination refuses the key, so events wait)."""
    report, plan = bench.report, bench.plan
    if not wrk.available():
        report.left_out.append("durable requests: wrk is not installed (Debian: apt-get install wrk).")
        return
    samples = [bodies.Filler(bodies.TRACK, "00000000").event(n) for n in range(60)]
    bench.say("raw group commit")
    raw = store.group_commit(bench.folder, samples, seconds=plan.log_seconds, events_max=plan.events_max * 10)
    raw_per_s = raw.events / raw.seconds
    with bench.other("noop") as noop, bench.other("refuse") as refuse:
        for batch, name, what in ((0, "single", "single events"), (100, "batch", "batches of 100")):
            bench.say(f"accept: {what}")
            with bench.data_dir() as data_dir:
                with bench.server(data_dir, bench.workspace(data_dir, refuse, right_keys=False)) as server:
                    loads, base, usage, base_usage, spread = bench.in_turn(
                        server, noop, data_dir, batch=batch
                    )
                bench.check_stored(what, data_dir, loads)
                own = wrk.together(loads)
                waiting_bytes = store.bytes_on_disk(data_dir)
                stored = sum(store.count(data_dir, load.run) for load in loads)
            report.add(
                Figure(
                    f"accept.{name}.requests_per_s",
                    f"{what}, durable",
                    own.requests_per_s,
                    "requests/s",
                    base.requests_per_s,
                    "no-op app",
                    {
                        "requests": own.answered,
                        "seconds": own.seconds,
                        "connections": plan.connections,
                        "body_bytes": own.event_bytes,
                    },
                )
            )
            if batch:
                report.add(
                    Figure(
                        f"accept.{name}.events_per_s",
                        f"{what}, durable, their events",
                        own.events_per_s,
                        "events/s",
                        raw_per_s,
                        f"SQLite alone, {store.EVENTS_PER_COMMIT} a commit",
                        {
                            "commit_p50_ms": percentile(raw.commit_ms, 0.5),
                            "commit_p99_ms": percentile(raw.commit_ms, 0.99),
                        },
                    )
                )
            for share in (0.5, 0.99):
                report.add(
                    Figure(
                        f"accept.{name}.p{share * 100:.0f}_ms",
                        f"{what}, latency p{share * 100:.0f} at {plan.connections} connections",
                        wrk.latency_ms(own, share),
                        "ms",
                        wrk.latency_ms(base, share),
                        "no-op app",
                    )
                )
            report.add(
                Figure(
                    f"accept.{name}.cpu_us_per_event",
                    f"{what}, CPU of the server",
                    usage.cpu_s / max(own.events, 1) * 1e6,
                    "µs/event",
                    base_usage.cpu_s / max(base.events, 1) * 1e6,
                    "no-op app",
                )
            )
            if spread.events:
                report.add(
                    Figure(
                        f"accept.{name}.spread_per_s",
                        f"{what}, into their lanes once the load is over",
                        spread.events / spread.seconds,
                        "events/s",
                        None,
                        "",
                        {"events": spread.events, "cpu_us_per_event": spread.cpu_s / spread.events * 1e6},
                    )
                )
            report.add(
                Figure(
                    f"accept.{name}.rss_mb",
                    f"{what}, memory at most",
                    usage.rss_mb,
                    "MB",
                    base_usage.rss_mb,
                    "no-op app",
                )
            )
            report.add(
                Figure(
                    f"accept.{name}.disk_bytes_per_event",
                    f"{what}, disk while they wait",
                    waiting_bytes / max(stored, 1),
                    "bytes",
                    own.event_bytes,
                    "the bodies",
                )
            )


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
            program = bench._program("noop", str(HERE / "servers.py"), "noop", str(port), port=port)
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


def deliver(bench: Bench) -> None:
    """A backlog of identifies, then one of tracks, drained to the sandbox; track once more to a sink that costs nothing."""
    plan = bench.plan
    with bench.sandbox() as sandbox:
        # Identifies first: then the sandbox knows the people, as Pendo would.
        identifies(bench, sandbox)
        tracks(bench, sandbox, "sandbox", plan.backlog_tracks)
    with bench.other("sink") as sink:
        tracks(bench, sink, "sink", plan.backlog_tracks)


def identifies(bench: Bench, sandbox: Program) -> None:
    """Identifies settled per second, many visitors in one metadata request."""
    count = bench.plan.backlog_identifies
    bench.say(f"deliver: {count:,} identifies to the sandbox")
    with (
        bench.data_dir() as data_dir,
        bench.other("refuse") as refuse,
        bench.server(data_dir, bench.workspace(data_dir, refuse, right_keys=False)) as server,
    ):
        bench.prefill(server, data_dir, bodies.IDENTIFY, count)
        with server.watched() as usage, sandbox.watched() as sandbox_usage:
            seconds, delivered = bench.drain(data_dir, sandbox, count)
        check_delivered(bench, "identifies", data_dir, count)
    requests = [
        b"["
        + b",".join(
            b'{"visitorId":"user-%06d","values":{"email":"someone@example.com","firstName":"Some","lastName":"One","name":"Some One",'
            b'"plan":"enterprise","logins":"%d","createdAt":"2024-03-24T17:46:45.000Z","company_name":"Example Ltd"}}'
            % (person, turn)
            for person in range(METADATA_ITEMS)
        )
        + b"]"
        for turn in range(max(1, count // METADATA_ITEMS))
    ]
    raw = client.run(
        client.post_all(
            f"{sandbox.url}/api/v1/metadata/visitor/agent/value?create=true",
            requests,
            {"x-pendo-integration-key": seed.INTEGRATION_KEY, "content-type": "application/json"},
        )
    )
    bench.report.add(
        Figure(
            "deliver.identify.events_per_s",
            "identifies settled, sandbox",
            delivered / seconds,
            "events/s",
            raw.answered * METADATA_ITEMS / raw.seconds,
            f"raw POSTs of {METADATA_ITEMS} items",
            {
                "events": count,
                "server_cpu_us_per_event": usage.cpu_s / count * 1e6,
                "sandbox_cpu_us_per_event": sandbox_usage.cpu_s / count * 1e6,
            },
        )
    )


def tracks(bench: Bench, destination: Program, name: str, count: int) -> None:
    """Track events delivered per second, one request each, beside raw POSTs of such requests."""
    bench.say(f"deliver: {count:,} track events to the {name}")
    rest_bytes = 0
    with bench.data_dir() as data_dir, bench.other("refuse") as refuse:
        with bench.server(data_dir, bench.workspace(data_dir, refuse, right_keys=False)) as server:
            bench.prefill(server, data_dir, bodies.TRACK, count)
            # Half of the raw POSTs before, half after.
            raw = [raw_tracks(destination, count // 4)]
            arrived = arrivals(destination, name)
            with server.watched() as usage, destination.watched() as other_usage:
                seconds, delivered = bench.drain(data_dir, destination, count)
            check_delivered(bench, f"tracks to the {name}", data_dir, count)
            arrived = arrivals(destination, name) - arrived
            if arrived < count:
                bench.report.fail(f"tracks to the {name}: {arrived} of {count} arrived.")
            raw.append(raw_tracks(destination, count // 4))
        rest_bytes = store.bytes_on_disk(data_dir)
    answered, raw_s = sum(one.answered for one in raw), sum(one.seconds for one in raw)
    if any(one.failed for one in raw):
        bench.report.fail(f"raw POSTs to the {name}: some were not answered with 200.")
    bench.report.add(
        Figure(
            f"deliver.track.{name}.events_per_s",
            f"track events delivered, {name}",
            delivered / seconds,
            "events/s",
            answered / raw_s,
            "raw aiohttp POSTs",
            {
                "events": count,
                "seconds": seconds,
                f"{name}_cpu_us_per_event": other_usage.cpu_s / count * 1e6,
            },
        )
    )
    bench.report.add(
        Figure(
            f"deliver.track.{name}.cpu_us_per_event",
            f"track events delivered, {name}, CPU of the server",
            usage.cpu_s / count * 1e6,
            "µs/event",
            sum(one.cpu_s for one in raw) / max(answered, 1) * 1e6,
            "raw aiohttp POSTs",
        )
    )
    bench.report.add(
        Figure(
            f"deliver.track.{name}.rss_mb",
            f"track events delivered, {name}, memory at most",
            usage.rss_mb,
            "MB",
        )
    )
    if name == "sink":
        sizes = [len(bodies.Filler(bodies.TRACK, "00000000").event(n)) for n in range(300)]
        bench.report.add(
            Figure(
                "deliver.track.disk_bytes_per_event",
                "disk once they are delivered",
                rest_bytes / count,
                "bytes",
                statistics.mean(sizes),
                "the bodies",
            )
        )


def raw_tracks(destination: Program, count: int) -> client.Posted:
    """POSTs of the requests that our delivery makes, by a client that does nothing else."""
    now_ms = int(time.time() * 1000)
    requests = (
        b'{"type":"track","event":"Report Exported","visitorId":"user-%06d","accountId":"account-%03d","timestamp":%d,"properties":'
        b'{"n":"%d","format":"xlsx","rows":18250,"filters":"region=EMEA;quarter=Q3;status=open","duration_ms":1843,"scheduled":false},'
        b'"context":{"ip":"198.51.100.23","userAgent":"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36"}}'
        % (n % bodies.PEOPLE, n % bodies.ACCOUNTS, now_ms - n, n)
        for n in range(count)
    )
    return client.run(
        client.post_all(
            f"{destination.url}/data/track",
            requests,
            {"x-pendo-integration-key": seed.TRACK_SECRET_WEB, "content-type": "application/json"},
            at_once=CONCURRENCY,
        )
    )


def arrivals(destination: Program, name: str) -> int:
    """How many requests the destination has taken so far."""
    if name == "sandbox":
        latest = client.get_json(f"{destination.url}/__sandbox/requests?limit=1")
        return int(latest[-1]["requestId"]) if latest else 0
    return int(client.get_json(f"{destination.url}/__bench/count"))


def check_delivered(bench: Bench, what: str, data_dir: Path, count: int) -> None:
    connection = store.connect(data_dir)
    try:
        delivered = store.counter(connection, "delivered")
        others = {name: store.counter(connection, name) for name in ("skipped", "rejected")}
    finally:
        connection.close()
    if delivered < count or any(others.values()):
        bench.report.fail(f"{what}: {delivered} of {count} were delivered, {json.dumps(others)}.")


def latency(bench: Bench) -> None:
    """Accept to delivered at a steady pace, from the moment an event was due to the moment a sink received it."""
    plan = bench.plan
    with (
        bench.other("sink") as sink,
        bench.data_dir() as data_dir,
        bench.server(data_dir, bench.workspace(data_dir, sink)) as server,
    ):
        first = 1_000_000
        for rate in plan.rates:
            bench.say(f"latency at {rate:g} events/s")
            filler = bodies.Filler(bodies.TRACK, secrets.token_hex(4))
            base = steady(bench, sink, sink, "/data/track", filler, rate, plan.rate_seconds / 2, first)
            with server.watched() as usage:
                own = steady(bench, server, sink, "/v1/track", filler, rate, plan.rate_seconds, first)
            first += 1_000_000
            for share in (0.5, 0.99):
                name = f"p{share * 100:.0f}"
                bench.report.add(
                    Figure(
                        f"latency.{rate:g}.delivered_{name}_ms",
                        f"accept to delivered at {rate:g}/s, {name}",
                        percentile(own[1], share),
                        "ms",
                        percentile(base[1], share),
                        "POST to the sink itself",
                        {"events": len(own[1])},
                    )
                )
            for share in (0.5, 0.99):
                name = f"p{share * 100:.0f}"
                bench.report.add(
                    Figure(
                        f"latency.{rate:g}.accept_{name}_ms",
                        f"accept (until the 200) at {rate:g}/s, {name}",
                        percentile(own[0], share),
                        "ms",
                        percentile(base[0], share),
                        "POST to the sink itself",
                    )
                )
            bench.report.add(
                Figure(
                    f"latency.{rate:g}.cpu_us_per_event",
                    f"CPU of the server at {rate:g}/s",
                    usage.cpu_s / len(own[1]) * 1e6,
                    "µs/event",
                )
            )


def steady(
    bench: Bench,
    target: Program,
    sink: Program,
    path: str,
    filler: bodies.Filler,
    rate: float,
    seconds: float,
    first: int,
) -> tuple[list[float], list[float]]:
    """Sorted milliseconds until the answer, and until the sink received it."""
    client.get_json(f"{sink.url}/__bench/received")  # and forgets what came before
    sent = client.run(
        client.post_steadily(
            target.url + path, filler.event, HEADERS, rate=rate, seconds=seconds, first=first
        )
    )
    until = time.monotonic() + SETTLE_S_MAX
    while time.monotonic() < until:
        if client.get_json(f"{sink.url}/__bench/count") >= len(sent.due_ns):
            break
        time.sleep(0.1)
    # Of an event that came twice the first arrival counts.
    received = dict(reversed(client.get_json(f"{sink.url}/__bench/received")))
    delivered = sorted((received[n] - due) / 1e6 for n, due in sent.due_ns.items() if n in received)
    if sent.failed or len(delivered) < len(sent.due_ns):
        bench.report.fail(
            f"{rate:g} events/s to {target.name}: {sent.failed} were refused, "
            f"{len(sent.due_ns) - len(delivered)} of {len(sent.due_ns)} did not arrive."
        )
    if not delivered:
        raise BenchError(f"Nothing arrived at {rate:g} events/s. Output of {target.name}: {target.tail()}")
    return sorted(sent.answered_ms), delivered


def flow(bench: Bench) -> None:
    """Both at once: singles as fast as they are taken, while a sink receives them."""
    if not wrk.available():
        return
    bench.say("accept and deliver at once")
    plan = bench.plan
    with bench.other("sink") as sink, bench.data_dir() as data_dir:
        with bench.server(data_dir, bench.workspace(data_dir, sink)) as server:
            before = arrivals(sink, "sink")
            with server.watched() as usage:
                one = wrk.run_wrk(
                    server.url,
                    bench.folder,
                    batch=0,
                    connections=plan.connections,
                    seconds=plan.seconds / plan.rounds,
                    events_max=plan.events_max,
                )
            arrived = arrivals(sink, "sink") - before
        bench.check_stored("accept and deliver", data_dir, [one])
    bench.report.add(
        Figure(
            "flow.delivered_per_s",
            "at once: delivered to the sink",
            arrived / one.seconds,
            "events/s",
            one.requests_per_s,
            "accepted meanwhile",
            {"rss_mb": usage.rss_mb},
        )
    )


PHASES: dict[str, Callable[[Bench], None]] = {
    "start": start,
    "accept": accept,
    "deliver": deliver,
    "latency": latency,
    "flow": flow,
    "browser": browser_sdk.measure,
    "loads": loads.measure,
    "isolation": isolation.measure,
    "restart": restart.measure,
    "backlog": loads.backlog,
}
LARGE = frozenset(
    {"loads", "isolation", "restart", "backlog"}
)  #: minutes each, and gigabytes: only on demand
