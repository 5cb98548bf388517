"""The phase `isolation`: what the trouble of some destinations, of some people, and of a million events that wait costs the others.

For each part two servers run, one with the trouble and one without. They are measured in turn, for a few seconds each and several rounds; the one
that is not measured stands still. Figures are medians over the rounds.

- *Neighbours*: eight destinations, one of them the sandbox. With the trouble one hangs, one answers 500, one refuses its key (403), one says
  429; the other four are compared with themselves.
- *People*: one destination, 10,000 people; with the trouble it answers 500 to 100 of them.
- *Waiting*: three destinations, of which one is dead; with the trouble a million events wait for it.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import secrets
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bodies
import client
import load as wrk
import store
from processes import BenchError, Program, free_port
from report import Figure, percentile
from servers import SOME_EVERY
from shared import HEADERS, Bench

from sternpost.sandbox import seed

RATE = 100_000
STEADY_RATE = 100.0  #: events per second, to each destination: about half of what one core delivers to eight
CONCURRENCY = 16
PEOPLE = 10_000
WAIT_S_MAX = 120.0
WARM_S = 1.0

#: Of eight destinations the first four are well.
WELL = ("w1", "w2", "p1", "sandbox")
TROUBLE = {"hangs": "hang", "fails": "500", "refuses": "403", "slows": "429"}
PENDO = frozenset({"p1", "p2", "sandbox", "refuses"})

#: Where the events of each measurement begin, so that none is taken for another's; wrk's and a backlog's are below. A multiple of all people.
NUMBERS = itertools.count(10_000_000, 1_000_000)

Values = dict[str, float]


def measure(bench: Bench) -> None:
    """All parts."""
    if not wrk.available():
        bench.report.left_out.append("isolation: wrk is not installed (Debian: apt-get install wrk).")
        return
    neighbours(bench)
    people(bench)
    waiting(bench)


# --- workspaces ----------------------------------------------------------------------------------------------------------


def workspace(data_dir: Path, names: Sequence[str], many: Program, sandbox: Program | None = None) -> Path:
    """Destinations at `many` by name (of type Pendo where PENDO says so), and the sandbox; connected with the source `bench`."""
    destinations: list[dict[str, Any]] = []
    for name in names:
        url = sandbox.url if name == "sandbox" and sandbox is not None else f"{many.url}/{name}"
        pace = {"ratePerSecond": RATE, "concurrency": CONCURRENCY}
        if name in PENDO:
            keys = {"integrationKey": seed.INTEGRATION_KEY, "trackEventSecret": seed.TRACK_SECRET_WEB}
            hosts = {"api": url, "data": url, "content": url}
            kind, settings = "pendo", {"region": "custom", "hosts": hosts, **keys, **pace}
        else:
            kind, settings = "webhook", {"url": f"{url}/", **pace}
        destinations.append({"id": name, "name": name, "type": kind, "settings": settings})
    document = {
        "version": 1,
        "sources": [{"id": "bench", "name": "Bench", "type": "server", "writeKey": wrk.WRITE_KEY}],
        "destinations": destinations,
        "connections": [{"source": "bench", "destination": name, "mode": "cloud"} for name in names],
    }
    path = data_dir / "bench-workspace.yaml"
    new = path.with_suffix(".new")
    new.write_text(json.dumps(document))  # JSON is YAML
    new.replace(path)
    return path


def tell(many: Program, trouble: Mapping[str, str]) -> None:
    """Let destinations be in trouble, and no others."""
    posted = client.run(
        client.post_all(f"{many.url}/__bench/trouble", [json.dumps(dict(trouble)).encode()], {})
    )
    if posted.failed:
        raise BenchError("The destinations could not be told what to do wrong.")


def received(many: Program) -> dict[str, dict[int, int]]:
    """What arrived where since it was asked last: number of the event → when first (ns). Arrivals are forgotten."""
    found = client.get_json(f"{many.url}/__bench/received")
    return {name: dict(reversed(entries)) for name, entries in found.items()}


def counts(many: Program) -> dict[str, int]:
    """How many requests each has taken since arrivals were asked for."""
    found: dict[str, int] = client.get_json(f"{many.url}/__bench/count")["received"]
    return found


def until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + WAIT_S_MAX
    while not condition():
        if time.monotonic() > end:
            raise BenchError(f"Not within {WAIT_S_MAX:g} s: {what}.")
        time.sleep(0.05)


# --- what is measured with and without a trouble -------------------------------------------------------------------------


def steadily(
    bench: Bench,
    measured: Side,
    names: Sequence[str],
    *,
    people: int,
    rate: float,
    failing: bool = False,
) -> Values:
    """Latencies at a steady pace, until the 200 and until it arrived (over all of `names`). With `failing`, nothing arrives of every hundredth person."""
    server, many = measured.server, measured.many
    filler = bodies.Filler(bodies.TRACK, secrets.token_hex(4), people=people)
    first = next(NUMBERS)
    latencies: list[float] = []
    answered: list[float] = []
    for seconds in (WARM_S, bench.plan.isolation_seconds):
        sent = client.run(
            client.post_steadily(
                f"{server.url}/v1/track", filler.event, HEADERS, rate=rate, seconds=seconds, first=first
            )
        )
        first += len(sent.due_ns)
        if sent.failed:
            bench.report.fail(f"isolation: {sent.failed} events were refused at a steady pace.")
        due = {n: at for n, at in sent.due_ns.items() if not failing or n % people % SOME_EVERY}
        arrived: dict[str, dict[int, int]] = {name: {} for name in names}

        def all_there(due: dict[int, int] = due, arrived: dict[str, dict[int, int]] = arrived) -> bool:
            for name, entries in received(many).items():
                arrived.setdefault(name, {}).update(entries)
            return all(due.keys() <= arrived[name].keys() for name in names)

        until(all_there, "arrivals at a steady pace")
        # Of the warming up nothing counts.
        latencies = [(arrived[name][n] - due[n]) / 1e6 for name in names for n in due if n in arrived[name]]
        answered = sent.answered_ms
    return {
        "arrived_p50_ms": percentile(sorted(latencies), 0.5),
        "arrived_p99_ms": percentile(sorted(latencies), 0.99),
        "accepted_p50_ms": percentile(sorted(answered), 0.5),
        "accepted_p99_ms": percentile(sorted(answered), 0.99),
    }


def flat_out(bench: Bench, measured: Side, names: Sequence[str], what: str) -> Values:
    """As fast as events are accepted, and until all have arrived (at all of `names`)."""
    server, many, data_dir = measured.server, measured.many, measured.data_dir
    connection = store.connect(data_dir)
    try:

        def delivered() -> dict[str, int]:
            return {name: store.counter(connection, "delivered", name) for name in names}

        before = delivered()
        received(many)
        one = wrk.run_wrk(
            server.url,
            bench.folder,
            batch=0,
            connections=bench.plan.connections,
            seconds=bench.plan.isolation_seconds,
            events_max=bench.plan.isolation_events,
        )
        until(
            lambda: all(number - before[name] >= one.answered for name, number in delivered().items()),
            f"deliveries {what}",
        )
        # The counters may still have counted an event of the part before, whose arrival was waited for.
        until(
            lambda: all(counts(many).get(name, 0) >= one.answered for name in names if name != "sandbox"),
            f"arrivals {what}",
        )
    finally:
        connection.close()
    missing = store.losses(
        data_dir, one.run, begun=one.begun, answered=one.answered, batch=0, connections=one.connections
    )
    if missing or one.refused or one.broken:
        bench.report.fail(
            f"isolation {what}: lost {missing or 0}, {one.refused} refused, {one.broken} broken."
        )
    arrived = received(many)
    rates = []
    for name in names:
        if name == "sandbox":
            continue
        at = sorted(arrived[name].values())
        if len(at) < one.answered:
            bench.report.fail(f"isolation {what}: {len(at)} of {one.answered} arrived at {name}.")
        rates.append((len(at) - 1) / ((at[-1] - at[0]) / 1e9))
    return {
        "accepted_per_s": one.requests_per_s,
        "delivered_per_s": statistics.mean(rates),
        "flat_accept_p99_ms": wrk.latency_ms(one, 0.99),
    }


def report(
    bench: Bench,
    part: str,
    title: str,
    against: str,
    rounds: list[tuple[Values, Values]],
    shown: Mapping[str, tuple[str, str]],
) -> None:
    """Medians over the rounds, of those with the trouble beside those without."""
    for name, (what, unit) in shown.items():
        pairs = [(trouble[name], calm[name]) for trouble, calm in rounds]
        bench.report.add(
            Figure(
                f"{part}.{name}",
                f"{title}: {what}",
                statistics.median(value for value, _ in pairs),
                unit,
                statistics.median(value for _, value in pairs),
                against,
                rounds=pairs,
            )
        )


LATENCIES = {
    "arrived_p50_ms": (f"event to arrival at {STEADY_RATE:g}/s, p50", "ms"),
    "arrived_p99_ms": (f"event to arrival at {STEADY_RATE:g}/s, p99", "ms"),
    "accepted_p50_ms": (f"until the 200 at {STEADY_RATE:g}/s, p50", "ms"),
    "accepted_p99_ms": (f"until the 200 at {STEADY_RATE:g}/s, p99", "ms"),
}
RATES = {
    "accepted_per_s": ("accepted, as fast as it can", "events/s"),
    "delivered_per_s": ("delivered to each of the well ones", "events/s"),
}


@dataclass(frozen=True)
class Side:
    """One of the two servers that are compared, with what belongs to it."""

    server: Program
    many: Program
    data_dir: Path
    troubled: bool


@contextlib.contextmanager
def side(
    bench: Bench,
    troubled: bool,
    names: Sequence[str],
    *,
    trouble: Mapping[str, str],
    sandbox: Program | None = None,
    waiting: int = 0,
) -> Iterator[Side]:
    """A server and its destinations."""
    with bench.other("many") as many, bench.data_dir() as data_dir:
        tell(many, trouble if troubled else {})
        path = workspace(data_dir, names, many, sandbox)
        if waiting:
            dead(path)
            if troubled:
                bench.fill(data_dir, waiting, people=PEOPLE, to=("dead:",))
        with bench.server(data_dir, path) as server:
            yield Side(server, many, data_dir, troubled)


def in_turn(bench: Bench, calm: Side, troubled: Side, one: Callable[[Side], Values]) -> list[tuple[Values, Values]]:  # fmt: skip
    """(with the trouble, without) for each round; both run all the time, and the one that is not measured stands still."""
    rounds = []
    for number in range(bench.plan.isolation_rounds):
        found: dict[bool, Values] = {}
        pair = (calm, troubled) if number % 2 else (troubled, calm)
        for measured, other in (pair, pair[::-1]):
            with other.server.paused():
                before = measured.server.cpu_s()
                found[measured.troubled] = one(measured)
                found[measured.troubled]["cpu_s"] = measured.server.cpu_s() - before
                found[measured.troubled]["rss_mb"] = measured.server.rss_mb()
        rounds.append((found[True], found[False]))
    return rounds


USED = {"cpu_s": ("CPU of the server for a round", "s"), "rss_mb": ("memory", "MB")}


# --- the parts -----------------------------------------------------------------------------------------------------------


def neighbours(bench: Bench) -> None:
    """Eight destinations, four of them in trouble."""
    bench.say("isolation: eight destinations, all well and four in trouble")
    names = (*WELL, *TROUBLE)

    def one(measured: Side) -> Values:
        values = steadily(bench, measured, WELL[:3], people=bodies.PEOPLE, rate=STEADY_RATE)
        return values | flat_out(bench, measured, WELL, "of eight destinations")

    with (
        bench.sandbox() as sandbox,
        side(bench, False, names, trouble=TROUBLE, sandbox=sandbox) as calm,
        side(bench, True, names, trouble=TROUBLE, sandbox=sandbox) as troubled,
    ):
        rounds = in_turn(bench, calm, troubled, one)
        check_trouble(bench, troubled.many, troubled.data_dir)
    report(bench, "isolation.neighbours", "four of eight in trouble", "all eight well", rounds, {**LATENCIES, **RATES, **USED})  # fmt: skip


def check_trouble(bench: Bench, many: Program, data_dir: Path) -> None:
    """The trouble must have been there, or the figures say nothing."""
    answers: dict[str, int] = client.get_json(f"{many.url}/__bench/count")["answers"]
    connection = store.connect(data_dir)
    try:
        for name in TROUBLE:
            if not answers.get(name) or store.counter(connection, "delivered", name):
                bench.report.fail(f"isolation: {name} was not in trouble.")
    finally:
        connection.close()


def people(bench: Bench) -> None:
    """One destination, 10,000 people, of whom a hundred get errors."""
    bench.say(f"isolation: 10,000 people, none and {PEOPLE // SOME_EVERY} with errors")
    rate = bench.plan.rates[0]

    def one(measured: Side) -> Values:
        values = drained(bench, measured)
        return values | steadily(bench, measured, ["w1"], people=PEOPLE, rate=rate, failing=measured.troubled)

    trouble = {"w1": "some"}
    with (
        side(bench, False, ["w1"], trouble=trouble) as calm,
        side(bench, True, ["w1"], trouble=trouble) as troubled,
    ):
        rounds = in_turn(bench, calm, troubled, one)
    shown = {
        "delivered_per_s": ("a backlog of the 9,900 others delivered", "events/s"),
        "arrived_p50_ms": (f"event to arrival at {rate:g}/s, p50", "ms"),
        "arrived_p99_ms": (f"event to arrival at {rate:g}/s, p99", "ms"),
        **USED,
    }
    report(bench, "isolation.people", "100 of 10,000 people with errors", "nobody with errors", rounds, shown)


def drained(bench: Bench, measured: Side) -> Values:
    """A backlog of events of PEOPLE (accepted while the destination refuses its key): what comes of those without trouble, per second."""
    server, many, data_dir = measured.server, measured.many, measured.data_dir
    count = bench.plan.isolation_backlog
    trouble = client.get_json(f"{many.url}/__bench/count")["trouble"]
    tell(many, {"w1": "403"})
    # Until its first answer the destination has what is accepted; then it is blocked.
    filler = bodies.Filler(bodies.TRACK, secrets.token_hex(4), people=PEOPLE)
    client.run(client.post_all(f"{server.url}/v1/batch", filler.batches(count, 100), HEADERS))
    expected = [n for n in range(count) if n % PEOPLE % SOME_EVERY]
    received(many)
    tell(many, trouble)
    change(data_dir)
    arriving = len(expected) if trouble else count
    until(lambda: counts(many).get("w1", 0) >= arriving, "the backlog of the others")
    arrived = received(many)["w1"]
    missing = [n for n in expected if n not in arrived]
    if missing:
        bench.report.fail(f"isolation: {len(missing)} of {len(expected)} of the others did not arrive.")
    at = sorted(arrived[n] for n in expected if n in arrived)
    return {"delivered_per_s": (len(at) - 1) / ((at[-1] - at[0]) / 1e9)}


def change(data_dir: Path) -> None:
    """Change the first destination, so that it is tried again although its key was refused."""
    path = data_dir / "bench-workspace.yaml"
    document = json.loads(path.read_text())
    document["destinations"][0]["settings"]["headers"] = {"X-Bench": secrets.token_hex(4)}
    new = path.with_suffix(".new")
    new.write_text(json.dumps(document))
    new.replace(path)


def waiting(bench: Bench) -> None:
    """Three destinations, of which one is dead; a million events wait for it, or none."""
    count = bench.plan.isolation_waiting
    names = ("w1", "p1", "dead")

    def one(measured: Side) -> Values:
        values = steadily(bench, measured, names[:2], people=bodies.PEOPLE, rate=STEADY_RATE)
        return values | flat_out(bench, measured, names[:2], "beside a dead destination")

    with (
        side(bench, False, names, trouble={}, waiting=count) as calm,
        side(bench, True, names, trouble={}, waiting=count) as troubled,
    ):
        bench.say(f"isolation: none and {count:,} events wait for a dead destination")
        rounds = in_turn(bench, calm, troubled, one)
    report(bench, "isolation.waiting", f"{count:,} wait for a dead one", "none wait for it", rounds, {**LATENCIES, **RATES, **USED})  # fmt: skip


def dead(path: Path) -> Path:
    """Let nobody listen at the address of the last destination."""
    document = json.loads(path.read_text())
    document["destinations"][-1]["settings"]["url"] = f"http://127.0.0.1:{free_port()}/"
    path.write_text(json.dumps(document))
    return path
