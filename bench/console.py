"""How fast the console and the API's lists are with many kept events.

    python bench/console.py                       100,000 events, every page and list 40 times
    python bench/console.py --events 1000000
    python bench/console.py --keep DIR            leaves the filled data directory there (sternpost serve --data-dir DIR/data)

Fills a store with a realistic mix, of the last day, through the parts that accept and settle; then starts `sternpost serve` on it, signs in,
and asks for each page one after the other, over one connection. Exits with 1 when the 95th percentile of any is above 200 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import http.client
import json
import os
import random
import re
import shutil
import statistics
import sys
import tempfile
import time
import urllib.parse
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from processes import BenchError, Program
from report import REPOSITORY

from sternpost.delivery import records
from sternpost.destinations.registry import DESTINATIONS
from sternpost.intake.fanout import Fanout
from sternpost.model import (
    Call,
    Delivered,
    Note,
    Outcome,
    Rejected,
    Reply,
    Retry,
    Settled,
    Settlement,
    Skipped,
)
from sternpost.store.sqlite import SqliteStore
from sternpost.wire.decode import decode_batch
from sternpost.workspace.holder import WorkspaceHolder
from sternpost.workspace.secrets import SecretKey

LIMIT_MS = 200.0
SLOTS = 96  #: of the day, in which events came
PEOPLE = 5_000
TOKEN = "sp_bench-token-of-the-console"
KEY = bytes(range(32))
DOCUMENT: dict[str, Any] = {
    "version": 1,
    "sources": [
        {"id": "web", "name": "Web app", "type": "web", "writeKey": "wk-web", "blockedEvents": ["Noise"]},
        {"id": "backend", "name": "Backend", "type": "server", "writeKey": "wk-backend"},
        {"id": "ios", "name": "iOS app", "type": "mobile", "writeKey": "wk-ios"},
    ],
    "destinations": [
        {
            "id": "pendo",
            "name": "Pendo production",
            "type": "pendo",
            "settings": {
                "region": "custom",
                # Nothing listens there: nothing changes while it is measured.
                "hosts": dict.fromkeys(("api", "data", "content"), "http://127.0.0.1:9"),
                "integrationKey": "33333333-3333-4333-8333-333333333333.us",
                "trackEventSecret": "55555555-5555-4555-8555-555555555555",
                "anonymousVisitors": "hold",
            },
        },
        {
            "id": "hook",
            "name": "Our own endpoint",
            "type": "webhook",
            "settings": {"url": "http://127.0.0.1:9/events"},
        },
    ],
    "connections": [
        {"source": source, "destination": "pendo", "mode": "cloud"} for source in ("web", "backend", "ios")
    ]
    + [{"source": "backend", "destination": "hook", "mode": "cloud"}],
}
LIBRARIES = {
    "web": ("RudderLabs JavaScript SDK", ("3.34.1", "3.33.0")),
    "backend": ("rudder-sdk-python", ("2.1.5",)),
    "ios": ("rudder-ios-library", ("1.31.0", "1.30.2", "1.28.0")),
}
NAMES = [f"{what} {done}" for what in ("Order", "Report", "Invoice", "Project", "Member", "Plan", "Search", "Export", "Filter", "File")
         for done in ("Created", "Opened", "Changed", "Deleted", "Shared", "Failed")]  # fmt: skip


def events(count: int, rng: random.Random, at: float) -> Iterator[tuple[str, dict[str, Any]]]:
    """(source, event) of a mix of clients."""
    for _ in range(count):
        source = rng.choices(("web", "backend", "ios"), (5, 3, 2))[0]
        person = f"user-{int(PEOPLE * rng.random() ** 2)}"
        name, versions = LIBRARIES[source]
        event: dict[str, Any] = {
            "messageId": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
            "anonymousId": f"anon-{person}",
            "originalTimestamp": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(at)),
            "context": {
                "library": {"name": name, "version": rng.choice(versions)},
                "app": {"name": "Example", "version": "4.2.0"},
                "page": {
                    "path": "/checkout",
                    "url": "https://shop.example.com/checkout",
                    "title": "Checkout",
                },
                "locale": "en-GB",
            },
        }
        if rng.random() < 0.97:
            event["userId"] = person
        kind = rng.random()
        if kind < 0.75:
            event |= {
                "type": "track",
                "event": rng.choice(NAMES) if rng.random() < 0.98 else "Noise",
                "properties": {
                    "plan": rng.choice(("free", "pro", "team")),
                    "total": round(rng.random() * 500, 2),
                    "items": rng.randrange(9),
                    "trial": rng.random() < 0.3,
                    "note": "x" * rng.randrange(300),
                    "cart": {"id": rng.randrange(10_000), "lines": [1, 2]},
                },
            }
        elif kind < 0.87:
            event |= {"type": "identify", "traits": {"plan": "pro", "employees": rng.randrange(500), "email": f"{person}@example.com"}}  # fmt: skip
        elif kind < 0.95:
            event |= {"type": "page", "name": rng.choice(("Home", "Pricing", "Docs"))}
        else:
            event |= {"type": "group", "groupId": f"account-{rng.randrange(200)}", "traits": {"name": "Example Ltd"}}  # fmt: skip
        yield source, event


def outcome(rng: random.Random) -> Outcome:
    """What became of an event at a destination."""
    chance = rng.random()
    if chance < 0.90:
        return Delivered(notes=(Note("nested_property", "properties.cart", "It was sent as cart_id."),) if rng.random() < 0.5 else ())  # fmt: skip
    if chance < 0.95:
        return Skipped(rng.choice(("filtered_by_consent", "page_off", "filtered_by_deny_list", "anonymous")), "It was so.")  # fmt: skip
    if chance < 0.98:
        return Rejected(rng.choice(("bad_id", "refused_by_destination", "gave_up")), "It answered 400.")
    return Retry("server_error", "It answered 503.")


async def fill(folder: Path, count: int) -> None:
    """A data directory as a day of use leaves it."""
    folder.mkdir(parents=True)
    store = SqliteStore(folder / "sternpost.db")
    holder = WorkspaceHolder(
        destinations=DESTINATIONS,
        keeper=store,
        key=SecretKey(KEY),
        env={},
        clock=time.time,
        path=None,
    )
    await holder.start(DOCUMENT)
    fanout = Fanout(holder.current, DESTINATIONS)
    rng = random.Random(1)
    now = time.time()
    call = Call(
        "POST", "http://127.0.0.1:9/data/track", {"content-type": "application/json"}, b'{"type":"track"}'
    )
    for slot in range(SLOTS):
        at = now - 86_400 * (SLOTS - slot) / SLOTS
        by_source: dict[str, list[bytes]] = {}
        for source, event in events(count // SLOTS + (1 if slot < count % SLOTS else 0), rng, at):
            by_source.setdefault(source, []).append(json.dumps(event).encode())
        for source, bodies in by_source.items():
            for start in range(0, len(bodies), 500):
                decoded = decode_batch(
                    b'{"batch":[' + b",".join(bodies[start : start + 500]) + b"]}",
                    allow_empty=False,
                    source_id=source,
                    received_at=at,
                    request_ip="203.0.113.9",
                    new_id=lambda: str(uuid.uuid4()),
                )
                entries = [fanout.accepted(event, holder.current.sources[source]) for event in decoded]
                await store.accept(entries, now=at)
        for destination, channel in (("pendo", "metadata"), ("pendo", "track"), ("hook", "")):
            if slot == SLOTS - 1 and channel == "track":
                continue  # the newest wait
            await settle(store, destination, channel, rng, at, call)
    store.close()


async def settle(
    store: SqliteStore, destination: str, channel: str, rng: random.Random, at: float, call: Call
) -> None:
    while True:
        claim = await store.claim(
            destination, channel, now=at + 1, lanes_max=500, run_max=100, lease_s=60, open_gates=True
        )
        if not claim.runs:
            return
        settlements = []
        for run in claim.runs:
            settled = []
            backing_off = False
            for waiting in run.events:
                became = outcome(rng)
                took = rng.expovariate(0.5)
                attempt = None
                if not isinstance(became, Skipped):
                    reply = (
                        Reply(200, {}, b"", 40)
                        if isinstance(became, Delivered)
                        else Reply(503, {}, b"no", 90)
                    )
                    attempt = records.attempt(
                        at=at + took,
                        call=None if isinstance(became, Delivered) else call,
                        reply=reply,
                        outcome=became,
                    )
                event = waiting.event
                settled.append(
                    Settled(
                        event.seq,
                        became,
                        event.received_at + took,
                        attempt,
                        source_id=event.source_id,
                        received_at=event.received_at,
                    )
                )
                if isinstance(became, Retry):
                    backing_off = True
                    break
            ready_at = at + 200_000 if backing_off else None
            settlements.append(
                Settlement(run.key, run.lease, settled, ready_at=ready_at, backing_off=backing_off)
            )
        await store.settle(settlements, now=at + 1)


# --- asking -----------------------------------------------------------------------------------------------------------


@dataclass
class Measured:
    """How long one address took."""

    path: str
    p50: float
    p95: float
    size: int
    status: int


class Asker:
    """One connection that is signed in to the console and has the API's token."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.cookie = ""

    def ask(
        self, method: str, path: str, body: str = "", **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        given = {
            "accept": "text/html",
            "authorization": f"Bearer {TOKEN}",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        if self.cookie:
            given["cookie"] = self.cookie
        self._connection.request(method, path, body, given)
        reply = self._connection.getresponse()
        answered = reply.read()
        for name, value in reply.getheaders():
            if name.lower() == "set-cookie":
                self.cookie = value.partition(";")[0]
        return reply.status, {name.lower(): value for name, value in reply.getheaders()}, answered

    def sign_in(self) -> None:
        """By a one-time address, as `sternpost access` prints it."""
        _, _, answer = self.ask("POST", "/api/v1/access")
        path = json.loads(answer)["path"]
        _, _, page = self.ask("GET", path)
        token = re.search(rb'name="form_token" value="(\w+)"', page)
        if token is None:
            raise BenchError("The one-time address has no form.")
        form = urllib.parse.urlencode({"form_token": token[1].decode()})
        status, _, page = self.ask("POST", path, form, content_type="application/x-www-form-urlencoded")
        if status != 303:
            raise BenchError(f"Signing in was answered with {status}.")

    def measure(self, path: str, times: int) -> Measured:
        took = []
        status, body = 0, b""
        for number in range(times + 2):
            began = time.perf_counter()
            status, _, body = self.ask("GET", path)
            if number >= 2:
                took.append((time.perf_counter() - began) * 1000)
        took.sort()
        return Measured(
            path, statistics.median(took), took[min(len(took) - 1, int(0.95 * len(took)))], len(body), status
        )


def addresses(asker: Asker) -> list[str]:
    """Every page and list, with the filters that people use."""
    _, _, body = asker.ask("GET", "/api/v1/events?limit=500")
    newest = json.loads(body)["events"]
    _, _, body = asker.ask("GET", "/api/v1/events?q=state:rejected&limit=1")
    rejected = json.loads(body)["events"][0]
    filters = ("", "state:rejected", "state:retrying", "dest:pendo state:delivered", "source:ios", "type:group", "user:user-4", "user:user-nobody",
               'event:"Order Created"', "checkout", "nothing-like-this", "reason:filtered_by_consent", "since:1h", "library:ios", "-type:track note:nested_property")  # fmt: skip
    events = [f"/events?q={urllib.parse.quote(line)}" if line else "/events" for line in filters]
    one, other = urllib.parse.quote(newest[0]["messageId"]), urllib.parse.quote(rejected["messageId"])
    pages = [
        "/", *events, "/events?before=50000", "/events?tab=refused", f"/events/{one}", f"/events/{other}",
        "/events/never-seen", "/failures", "/sources", "/sources/web", "/sources/web/seen", "/sources/ios", "/destinations", "/destinations/pendo",
        "/destinations/pendo?since=24h", "/destinations/pendo?since=35d", "/destinations/hook", "/rules", "/settings", "/search?q=user-4",
        "/sources/new", "/sources/web/settings", "/destinations/new", "/destinations/new/pendo", "/destinations/pendo/settings",
        "/destinations/pendo/connect", "/destinations/pendo/mapping", "/people", "/people/user-4", "/people/user-nobody", "/replay", "/try",
        "/try?source=web&name=Order+Created", "/failures/export?destination=pendo", "/settings/people", "/settings/tokens", "/settings/sessions",
        "/settings/audit", "/settings/revisions",
    ]  # fmt: skip
    lists = [
        *events, f"/events/{one}", "/stats", "/stats/series", "/stats/series?since=24h&step=minute", "/stats/series?since=7d", "/failures",
        "/failures/pendo/bad_id", "/sources", "/sources/web/seen", "/destinations", "/destinations/pendo/health", "/rules", "/refused", "/reasons",
    ]  # fmt: skip
    return [f"/console{path}" for path in pages] + [f"/api/v1{path}" for path in lists]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=40, help="requests per address")
    parser.add_argument("--keep", type=Path, help="leave the filled data directory below this folder")
    parser.add_argument("--out", type=Path, default=REPOSITORY / ".bench")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    folder = arguments.keep or Path(tempfile.mkdtemp(prefix="console-", dir=arguments.out))
    data = folder / "data"
    try:
        if not data.exists():
            began = time.perf_counter()
            asyncio.run(fill(data, arguments.events))
            print(f"{arguments.events:,} events kept in {time.perf_counter() - began:.0f} s, {sum(file.stat().st_size for file in data.iterdir()) / 1e6:.0f} MB")  # fmt: skip
        (data / "api-token").write_text(TOKEN)
        (data / "api-token").chmod(0o600)
        (data / "secret-key").write_text(base64.b64encode(KEY).decode())
        (data / "secret-key").chmod(0o600)
        data.chmod(0o700)
        return measure(data, folder, arguments)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        if not arguments.keep:
            shutil.rmtree(folder, ignore_errors=True)


def measure(data: Path, folder: Path, arguments: argparse.Namespace) -> int:
    port = free_port()
    argv = [
        sys.executable, "-m", "sternpost", "serve", "--no-open", "--port", str(port), "--data-dir", str(data), "--retention-days", "30",
    ]  # fmt: skip
    server = Program("console", argv, port=port, folder=folder, source=None)
    server.start()
    try:
        server.wait_listening()
        time.sleep(2)  # what starts with the server has started
        asker = Asker(port)
        asker.sign_in()
        found = [asker.measure(path, arguments.times) for path in addresses(asker)]
    finally:
        server.stop()
    slow = 0
    print(f"{'address':64} {'p50':>9} {'p95':>9} {'size':>9}")
    for one in found:
        mark = ""
        if one.p95 > LIMIT_MS:
            mark, slow = "  SLOW", slow + 1
        if one.status >= 400 and "never-seen" not in one.path:
            mark = f"  answered {one.status}"
        print(f"{one.path[:64]:64} {one.p50:6.1f} ms {one.p95:6.1f} ms {one.size / 1000:6.1f} kB{mark}")
    worst = max(found, key=lambda one: one.p95)
    print(
        f"\nSlowest: {worst.path}, p95 {worst.p95:.0f} ms. Limit {LIMIT_MS:g} ms: {'kept' if not slow else f'broken {slow} times'}."
    )
    (arguments.out / "console.json").write_text(
        json.dumps({"events": arguments.events, "pages": [vars(one) for one in found]}, indent=1)
    )
    return 1 if slow else 0


def free_port() -> int:
    import socket

    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


if __name__ == "__main__":
    os.environ.pop("STERNPOST_API_TOKEN", None)
    sys.exit(main())
