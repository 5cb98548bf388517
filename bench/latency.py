"""The phase `latency`: from the moment an event was due until its 200, and until a sink received it, at a steady pace."""

from __future__ import annotations

import secrets
import time

import bodies
import client
from processes import BenchError, Program
from report import Figure, percentile
from shared import HEADERS, Bench

SETTLE_S_MAX = 30.0


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
            for place, name, title in (
                (1, "delivered", "accept to delivered"),
                (0, "accept", "accept (until the 200)"),
            ):
                for share in (0.5, 0.99):
                    percent = f"p{share * 100:.0f}"
                    bench.report.add(
                        Figure(
                            f"latency.{rate:g}.{name}_{percent}_ms",
                            f"{title} at {rate:g}/s, {percent}",
                            percentile(own[place], share),
                            "ms",
                            percentile(base[place], share),
                            "POST to the sink itself",
                            {"events": len(own[place])},
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
