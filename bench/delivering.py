"""The phases `deliver` and `flow`: what a backlog is delivered at, and what is delivered while more comes."""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path

import bodies
import client
import load as wrk
import store
from processes import Program
from report import Figure
from shared import CONCURRENCY, Bench

from sternpost.sandbox import seed

METADATA_ITEMS = 1_000


def deliver(bench: Bench) -> None:
    """A backlog of identifies, then one of tracks, drained to the sandbox; track once more to a sink that costs nothing."""
    plan = bench.plan
    with bench.sandbox() as sandbox:
        # Identifies first: then the sandbox knows the people, as Pendo would.
        identifies(bench, sandbox)
        tracks(bench, sandbox, "sandbox", plan.backlog_tracks)
    with bench.other("sink") as sink:
        tracks(bench, sink, "sink", plan.backlog_tracks)


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
