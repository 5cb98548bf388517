"""The phases `loads` and `backlog`: other shapes of load than the usual one, and stores in which much waits.

`loads`: batches of 3 and 20; 1, 100 and 100,000 people; bursts; 1, 2 and 8 destinations, webhooks and Pendo. `backlog`: 100,000 and
5,000,000 events of 0.7 KB that wait, beside a store in which none does.
"""

from __future__ import annotations

import contextlib
import secrets
import time

import bodies
import client
import isolation
import load as wrk
from isolation import Side, Values
from report import Figure, percentile
from shared import HEADERS, Bench

BATCHES = (3, 20)
PEOPLE = (1, 100, 100_000)
BURST_EVERY_S = 2.0
#: Destinations by their kinds; `p…` are of type Pendo (see isolation.PENDO).
WHERE = {
    "1 webhook": ("w1",),
    "1 Pendo": ("p1",),
    "2 webhooks": ("w1", "w2"),
    "8, of them 2 Pendo": ("w1", "w2", "w3", "w4", "w5", "w6", "p1", "p2"),
}
BACKLOG_PEOPLE = 100_000
BACKLOG_CONNECTIONS = 64


def measure(bench: Bench) -> None:
    """The shapes of load."""
    if not wrk.available():
        bench.report.left_out.append("loads: wrk is not installed (Debian: apt-get install wrk).")
        return
    with bench.other("noop") as noop, bench.other("many") as many:
        isolation.tell(many, {"refuses": "403"})
        shapes = [(batch, bodies.PEOPLE, f"batches of {batch}") for batch in BATCHES]
        shapes += [(0, people, f"single events, people: {people:,}") for people in PEOPLE]
        for batch, people, what in shapes:
            bench.say(f"loads: {what}")
            with bench.data_dir() as data_dir:
                path = isolation.workspace(data_dir, ["refuses"], many)
                with bench.server(data_dir, path) as server:
                    own, base, usage, base_usage, _ = bench.in_turn(
                        server,
                        noop,
                        data_dir,
                        batch=batch,
                        people=people,
                        seconds=bench.plan.load_seconds,
                    )
                bench.check_stored(f"loads, {what}", data_dir, own)
            together = wrk.together(own)
            name = f"loads.batch_{batch}" if batch else f"loads.people_{people}"
            bench.report.add(
                Figure(
                    f"{name}.events_per_s",
                    f"{what}, durable",
                    together.events_per_s,
                    "events/s",
                    base.events_per_s,
                    "no-op app",
                    {
                        "p50_ms": wrk.latency_ms(together, 0.5),
                        "p99_ms": wrk.latency_ms(together, 0.99),
                        "rss_mb": usage.rss_mb,
                    },
                )
            )
            bench.report.add(
                Figure(
                    f"{name}.cpu_us_per_event",
                    f"{what}, CPU of the server",
                    usage.cpu_s / max(together.events, 1) * 1e6,
                    "µs/event",
                    base_usage.cpu_s / max(base.events, 1) * 1e6,
                    "no-op app",
                )
            )
        bursts(bench)
    for title, names in WHERE.items():
        destinations(bench, title, names)


def bursts(bench: Bench) -> None:
    """Many events at one moment: how long until each has its 200, and until it arrived."""
    events, count = bench.plan.burst_events, bench.plan.bursts
    bench.say(f"loads: bursts of {events:,}")
    filler = bodies.Filler(bodies.TRACK, secrets.token_hex(4))
    with isolation.side(bench, False, ["w1"], trouble={}) as own:
        found = []
        for target, first in ((f"{own.many.url}/direct/", 0), (f"{own.server.url}/v1/track", 10**6)):
            found.append(
                client.run(
                    client.post_bursts(
                        target,
                        filler.event,
                        HEADERS,
                        events=events,
                        bursts=count,
                        every_s=BURST_EVERY_S,
                        first=first,
                    )
                )
            )
        base, sent = found
        isolation.until(
            lambda: isolation.counts(own.many).get("w1", 0) >= len(sent.due_ns), "arrivals of bursts"
        )
        arrived = isolation.received(own.many)
    missing = [n for n in sent.due_ns if n not in arrived["w1"]]
    if sent.failed or base.failed or missing:
        bench.report.fail(f"bursts: {sent.failed} were refused, {len(missing)} did not arrive.")
    own_ms = sorted((arrived["w1"][n] - due) / 1e6 for n, due in sent.due_ns.items() if n in arrived["w1"])
    base_ms = sorted((arrived["direct"][n] - due) / 1e6 for n, due in base.due_ns.items())
    for what, title, values, baseline in (
        ("accept", "until the 200", sorted(sent.answered_ms), sorted(base.answered_ms)),
        ("delivered", "until it arrived", own_ms, base_ms),
    ):
        for share in (0.5, 0.99):
            bench.report.add(
                Figure(
                    f"loads.burst.{what}_p{share * 100:.0f}_ms",
                    f"{events:,} events at one moment, {title}, p{share * 100:.0f}",
                    percentile(values, share),
                    "ms",
                    percentile(baseline, share),
                    "POST to the sink itself",
                )
            )


def destinations(bench: Bench, title: str, names: tuple[str, ...]) -> None:
    """Accepted as fast as it can, and until everything arrived everywhere, beside raw POSTs to the same place."""
    bench.say(f"loads: to {title}")
    with isolation.side(bench, False, names, trouble={}) as own:
        filler = bodies.Filler(bodies.TRACK, secrets.token_hex(4))
        raw = client.run(
            client.post_all(
                f"{own.many.url}/direct/",
                (filler.event(n) for n in range(bench.plan.isolation_events * 2)),
                HEADERS,
                at_once=isolation.CONCURRENCY,
            )
        )
        with own.server.watched() as usage:
            values = isolation.flat_out(bench, own, names, f"to {title}")
    bench.report.add(
        Figure(
            f"loads.to_{'_'.join(title.replace(',', '').split())}.per_s",
            f"delivered to {title}, together",
            values["delivered_per_s"] * len(names),
            "events/s",
            raw.answered / raw.seconds,
            "raw aiohttp POSTs",
            {"accepted_per_s": values["accepted_per_s"], "rss_mb": usage.rss_mb, "cpu_s": usage.cpu_s},
        )
    )


# --- stores in which much waits ------------------------------------------------------------------------------------------


def backlog(bench: Bench) -> None:
    """Accepting, and claiming with delivery, while much waits and while nothing does."""
    if not wrk.available():
        return
    for count in bench.plan.backlogs:
        waits(bench, count)


def waits(bench: Bench, count: int) -> None:
    """In turn: one server on a store in which `count` wait, one on an empty one. First accepting alone, then delivering from what waits."""
    names = ("w1", "p1")
    few = bench.plan.isolation_events * bench.plan.isolation_rounds * 4

    with contextlib.ExitStack() as stack:
        many = stack.enter_context(bench.other("many"))
        isolation.tell(many, {"w1": "403", "p1": "403"})
        sides = []
        for events in (few, count):
            data_dir = stack.enter_context(bench.data_dir())
            bench.fill(data_dir, events, people=BACKLOG_PEOPLE, to=("w1:",))
            server = stack.enter_context(
                bench.server(data_dir, isolation.workspace(data_dir, names, many))
            )  # fmt: skip
            sides.append(Side(server, many, data_dir, troubled=events == count))

        def accept(measured: Side) -> Values:
            own = wrk.run_wrk(
                measured.server.url,
                bench.folder,
                batch=0,
                connections=BACKLOG_CONNECTIONS,
                seconds=bench.plan.isolation_seconds,
                events_max=bench.plan.events_max,
                people=BACKLOG_PEOPLE,
            )
            bench.check_stored(f"backlog of {count:,}", measured.data_dir, [own])
            return {"accepted_per_s": own.requests_per_s, "accept_p99_ms": wrk.latency_ms(own, 0.99)}

        def deliver(measured: Side) -> Values:
            isolation.received(many)
            time.sleep(bench.plan.isolation_seconds)
            return {
                "delivered_per_s": isolation.counts(many).get("w1", 0) / bench.plan.isolation_seconds,
            }

        bench.say(f"backlog of {count:,}: accepting")
        rounds = isolation.in_turn(bench, sides[0], sides[1], accept)
        isolation.tell(many, {"p1": "403"})
        for one in sides:
            isolation.change(one.data_dir)
        bench.say(f"backlog of {count:,}: claiming and delivering")
        later = isolation.in_turn(bench, sides[0], sides[1], deliver)
    against = f"{few:,} wait"
    title = f"{count:,} wait"
    shown = {
        "accepted_per_s": ("single events accepted", "requests/s"),
        "accept_p99_ms": ("latency p99", "ms"),
        "rss_mb": ("memory", "MB"),
    }
    part = f"backlog.{count}"
    isolation.report(bench, part, title, against, rounds, shown)
    isolation.report(bench, part, title, against, later, {"delivered_per_s": ("claimed and delivered", "events/s")})  # fmt: skip
