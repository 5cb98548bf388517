"""The phase `accept`: durable requests and events per second, nothing being delivered."""

from __future__ import annotations

import bodies
import load as wrk
import store
from report import Figure, percentile
from shared import Bench


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
