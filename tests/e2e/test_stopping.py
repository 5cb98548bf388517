"""What survives when a server under load is killed or stopped: everything that it answered 200 for, in order, delivered to the end."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import random
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from tests.e2e.running import (
    Connection,
    Sandbox,
    Sender,
    Server,
    basic,
    connected,
    pendo,
    request,
    source,
)
from tests.waiting import until

CONNECTIONS = 4
PEOPLE_EACH = 3


class Load:
    """Several connections that send numbered events of their own people, through as many lives of the server as it takes."""

    def __init__(self, server: Server, name: str, seed: int) -> None:
        self.server = server
        self.random = random.Random(seed)
        self.people = [[f"{name}-{c}-{p}" for p in range(PEOPLE_EACH)] for c in range(CONNECTIONS)]
        self.numbers = dict.fromkeys(itertools.chain(*self.people), 0)
        self.unsure: list[list[dict[str, Any]]] = [[] for _ in range(CONNECTIONS)]
        self.acknowledged: list[str] = []

    def begin(self) -> None:
        chance = random.Random(self.random.random())
        self.senders = [
            Sender(
                self.server.url, "wk-backend", self.people[n], self.numbers, self.unsure[n],
                # Mostly single events, now and then a batch.
                pick=lambda: chance.choice([1, 1, 1, 1, 1, 12]),
                limit=150,
            )
            for n in range(CONNECTIONS)
        ]  # fmt: skip
        for sender in self.senders:
            sender.start()

    def count(self) -> int:
        return sum(len(sender.acknowledged) for sender in self.senders)

    def end(self) -> None:
        """All connections have ended; what they learned is kept for the next life."""
        for n, sender in enumerate(self.senders):
            sender.enough.set()
            sender.join(30)
            assert not sender.is_alive()
            assert all(answer.status == 503 for answer in sender.refused), sender.refused
            self.acknowledged += sender.acknowledged
            self.unsure[n] = sender.unsure

    def finish(self) -> None:
        """What had no answer is sent again, with the same ids."""
        self.begin()
        for sender in self.senders:
            sender.limit = 0
        until(lambda: all(not sender.is_alive() for sender in self.senders), what="repeats were answered")
        self.end()
        assert not any(self.unsure)


def check_order(sandbox: Sandbox, load: Load, repeats_max: int) -> None:
    """Each person's events are all at Pendo, in order; one whose answer was lost may be there twice, side by side."""
    repeated = 0
    for person, sent in load.numbers.items():
        numbers = [event["properties"]["n"] for event in sandbox.events(visitorId=person)]
        assert [number for number, _ in itertools.groupby(numbers)] == list(range(sent)), person
        repeated += len(numbers) - sent
    assert repeated <= repeats_max


def all_there(server: Server, sandbox: Sandbox, load: Load) -> None:
    def arrived() -> bool:
        total = sum(load.numbers.values())
        kept = server.stats()
        assert kept["sources"]["backend"]["received"] == total
        assert kept["destinations"]["pendo"]["delivered"] == total
        return True

    until(arrived, within_s=40, what="everything is delivered")
    for message_id in load.acknowledged[:: max(1, len(load.acknowledged) // 50)]:
        assert server.state_of(message_id) == "delivered"


def test_kill_nine_loses_nothing_that_was_answered(sandbox: Sandbox, serve: Callable[..., Server]) -> None:
    """Killed under load at random moments, several times: every event answered 200 is there and reaches Pendo, in order per person."""
    server = serve(connected([source("backend")], [pendo(sandbox)]))
    load = Load(server, f"kill-{time.time_ns()}", seed=20261123)
    rounds = int(os.environ.get("KILLS", "4"))  #: more in `make soak`
    for _ in range(rounds):
        load.begin()
        aim = load.random.randint(1, 400)
        until(lambda: load.count() >= aim or not any(s.is_alive() for s in load.senders), every_s=0.001)  # noqa: B023
        server.kill()
        load.end()
        server.again()
    load.finish()
    assert len(load.acknowledged) > 100
    all_there(server, sandbox, load)
    # Of each lane at most the request that was on its way when the server died.
    check_order(sandbox, load, repeats_max=rounds * CONNECTIONS * PEOPLE_EACH)


def visit(device: str) -> list[dict[str, Any]]:
    """What one device sends: somebody anonymous, who logs in, leaves, and somebody else who logs in on it."""
    one, other = f"{device}-one", f"{device}-other"
    calls: list[dict[str, Any]] = [
        {"type": "track", "event": "a0"},
        {"type": "track", "event": "a1"},
        {"type": "identify", "userId": one, "traits": {"who": "one"}},
        {"type": "group", "userId": one, "groupId": f"{device}-account", "traits": {"plan": "pro"}},
        {"type": "track", "event": "b0", "userId": one},
        {"type": "track", "event": "c0"},
        {"type": "track", "event": "c1"},
        {"type": "identify", "userId": other, "traits": {"who": "other"}},
        {"type": "track", "event": "d0", "userId": other},
    ]
    begun = time.time() - 60
    for number, call in enumerate(calls):
        call["anonymousId"] = device
        call["messageId"] = f"{device}-{number}"
        call["timestamp"] = f"{datetime.fromtimestamp(begun + number, UTC):%Y-%m-%dT%H:%M:%S.000Z}"
    return calls


def test_kill_nine_while_people_log_in(sandbox: Sandbox, serve: Callable[..., Server]) -> None:
    """Killed while anonymous events are held, linked and released: each device's events end at whom they belong to, in order, with the
    account of the group call.
    """
    server = serve(connected([source("backend")], [pendo(sandbox, anonymousVisitors="hold")]))
    run = time.time_ns()
    devices = [[f"visit-{run}-{thread}-{n}" for n in range(15)] for thread in range(4)]
    waiting = [[call for device in mine for call in visit(device)] for mine in devices]
    total = sum(len(calls) for calls in waiting)

    def send(calls: list[dict[str, Any]]) -> None:
        connection = Connection(server.url)
        while calls:
            try:
                body = json.dumps(calls[0]).encode()
                answer = connection("POST", f"/v1/{calls[0]['type']}", body, basic("wk-backend"))
            except (OSError, http.client.HTTPException):
                return  # nobody knows whether it was taken; it is sent again
            assert answer.status == 200
            calls.pop(0)

    for left in (0.8, 0.5, 0.2, 0):
        threads = [threading.Thread(target=send, args=(calls,)) for calls in waiting]
        for thread in threads:
            thread.start()
        until(lambda: sum(len(calls) for calls in waiting) <= total * left, every_s=0.001)  # noqa: B023
        server.kill()
        for thread in threads:
            thread.join(30)
        server.again()
    until(
        lambda: (
            (counts := server.stats()["destinations"]["pendo"])["delivered"] == total and not counts["held"]
        ),
        within_s=40,
        what="everything is delivered",
    )

    def told(visitor: str) -> list[str]:
        return [
            event for event, _ in itertools.groupby(e["event"] for e in sandbox.events(visitorId=visitor))
        ]

    for device in itertools.chain(*devices):
        assert told(f"{device}-one") == ["a0", "a1", "b0"]
        assert told(f"{device}-other") == ["c0", "c1", "d0"]
        assert {e["accountId"] for e in sandbox.events(visitorId=f"{device}-one", event="b0")} == {
            f"{device}-account"
        }
        assert sandbox.events(visitorId=device) == []


def test_settings_that_change_under_load_cost_nothing(sandbox: Sandbox, serve: Callable[..., Server]) -> None:
    """The destination's connections are replaced, and its rate is changed, while events flow: each event is delivered once, in order."""
    server = serve(connected([source("backend")], [pendo(sandbox)]))
    name = f"change-{time.time_ns()}"
    load = Load(server, name, seed=3)
    # Slow enough that requests are on their way whenever the file is applied.
    with sandbox.faults({"match": {"path": "/data/track", "bodyContains": name}, "delayMs": 50}):
        changes: list[dict[str, Any]] = [{"concurrency": 3}, {"concurrency": 50, "ratePerSecond": 500}]
        for revision, settings in enumerate(changes):
            load.begin()
            server.write(connected([source("backend")], [pendo(sandbox, **settings)]))
            until(lambda: server.log.count('"event": "workspace_applied"') == revision + 1, within_s=10)  # noqa: B023
            assert not server.idle()
            load.end()
    load.finish()
    all_there(server, sandbox, load)
    check_order(sandbox, load, repeats_max=0)


def test_sigterm_under_load_ends_in_seconds_and_loses_nothing(
    sandbox: Sandbox, serve: Callable[..., Server]
) -> None:
    """A polite stop exits with 0 in seconds; after it nothing is missing, and nothing was sent twice."""
    server = serve(connected([source("backend")], [pendo(sandbox)]))
    load = Load(server, f"term-{time.time_ns()}", seed=7)
    for aim in (50, 250):
        load.begin()
        until(lambda: load.count() >= aim, every_s=0.001)  # noqa: B023
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 10
        assert not (server.data / "server.json").exists()
        load.end()
        server.again()
    load.finish()
    all_there(server, sandbox, load)
    check_order(sandbox, load, repeats_max=0)


def test_sigterm_waits_for_the_request_that_is_on_its_way(
    sandbox: Sandbox, serve: Callable[..., Server]
) -> None:
    """A delivery that Pendo is about to answer is not cut off: it is delivered once, not once more after the next start."""
    server = serve(connected([source("backend")], [pendo(sandbox)]))
    person = f"slow-{time.time_ns()}"
    match = {"path": "/data/track", "bodyContains": person}
    with sandbox.faults({"match": match, "delayMs": 1_000}):
        server.accept("wk-backend", {"type": "track", "userId": person, "event": "slow", "messageId": person})
        until(lambda: sandbox.events(visitorId=person), what="the request is there")
        assert server.stop() == 0
    server.again()
    assert server.reaches(person)["state"] == "delivered"
    assert len(sandbox.events(visitorId=person)) == 1


def test_idle_connections_do_not_hold_up_a_stop(sandbox: Sandbox, serve: Callable[..., Server]) -> None:
    """Clients that keep their connections open, and one that sends half a request, do not keep the server from ending."""
    import socket
    from urllib.parse import urlsplit

    server = serve(connected([source("backend")], [pendo(sandbox)]))
    address = urlsplit(server.url)
    idle = socket.create_connection((address.hostname, address.port))
    idle.sendall(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n")
    assert idle.recv(100).startswith(b"HTTP/1.1 200")
    half = socket.create_connection((address.hostname, address.port))
    half.sendall(
        b"POST /v1/track HTTP/1.1\r\nHost: x\r\nAuthorization: Basic d2stYmFja2VuZDo=\r\nContent-Length: 100\r\n\r\n{"
    )
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < 10
    half.settimeout(5)
    # Whoever was in the middle of something hears that it may come again, not a closed connection.
    assert half.recv(1000).startswith(b"HTTP/1.1 503")
    idle.close()
    half.close()


def test_a_second_server_on_the_same_data_is_refused(sandbox: Sandbox, serve: Callable[..., Server]) -> None:
    """It says which process has the directory, ends with 1, and the first goes on; after a kill the directory is free at once."""
    import subprocess
    import sys

    from tests.e2e.running import ROOT

    server = serve(connected([source("backend")], [pendo(sandbox)]))

    def second() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "sternpost", "serve", "--port", "0", "--data-dir", str(server.data), "--no-open"],
            cwd=server.folder, env={"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin"},
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip

    refused = second()
    assert refused.returncode == 1
    assert f"is in use by process {server.process.pid}" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert request(server.url, "GET", "/health").status == 200
    assert server.send("wk-backend", "/v1/track", {"userId": "after", "event": "E"}).status == 200
    server.kill()
    server.again()
    assert request(server.url, "GET", "/health").status == 200


def test_health_is_green_only_while_events_are_accepted(
    sandbox: Sandbox, serve: Callable[..., Server]
) -> None:
    """From the first answer on, /health says 200 and events are taken; while the server stops, nothing is half accepted."""
    server = serve(connected([source("backend")], [pendo(sandbox)]))
    answers: list[int] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            try:
                answers.append(server.send("wk-backend", "/v1/track", {"userId": "h", "event": "E"}).status)
            except OSError:
                return

    asking = threading.Thread(target=ask)
    asking.start()
    until(lambda: len(answers) > 20)
    assert server.stop() == 0
    stop.set()
    asking.join(10)
    assert set(answers) <= {200, 503}
    taken = answers.count(200)
    server.again()
    received = server.stats()["sources"]["backend"]["received"]
    # The answer to the last one may have been lost on its way.
    assert taken <= received <= taken + 1


def test_a_live_stream_does_not_hold_up_a_stop(sandbox: Sandbox, serve: Callable[..., Server]) -> None:
    """Somebody watches the live events while the server is told to stop: the stream ends, and the server at once, with 0 and without a trace."""
    server = serve(connected([source("backend")], [pendo(sandbox)]))
    with server.live() as live:
        server.accept("wk-backend", {"type": "track", "userId": "l", "event": "E", "messageId": "seen live"})
        until(lambda: [one for one in live.entries() if one["messageId"] == "seen live"])
        began = time.monotonic()
        assert server.stop() == 0
        # Not the five seconds of grace that open requests have.
        assert time.monotonic() - began < 4


def test_ctrl_c_is_a_polite_stop(sandbox: Sandbox, serve: Callable[..., Server]) -> None:
    """SIGINT ends the server as SIGTERM does; a second one while it stops changes nothing."""
    import signal

    server = serve(connected([source("backend")], [pendo(sandbox)]))
    server.accept("wk-backend", {"type": "track", "userId": "c", "event": "E", "messageId": "ctrl c"})
    server.process.send_signal(signal.SIGINT)
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(20) == 0
    server.again()
    assert server.reaches("ctrl c")["state"] == "delivered"


def test_a_full_store_refuses_and_recovers(sandbox: Sandbox, serve: Callable[..., Server]) -> None:
    """What waits for a blocked destination fills the space that is allowed: events are refused with 503 and Retry-After, /health says why,
    nothing that was accepted is given up; once the destination takes them, events are accepted again.
    """
    wrong = "99999999-9999-4999-8999-999999999999"
    server = serve(
        connected([source("backend")], [pendo(sandbox, trackEventSecret=wrong)]),
        "--bytes-max",
        "4MB",
    )
    run = f"full-{time.time_ns()}"
    accepted: list[str] = []

    def refused() -> bool:
        name = f"{run}-{len(accepted)}"
        event = {"userId": run, "event": "E", "messageId": name, "context": {"filler": "x" * 200_000}}
        answer = server.send("wk-backend", "/v1/track", event)
        if answer.status == 200:
            accepted.append(name)
            return False
        assert answer.status == 503, answer
        assert answer.body == b"Service Unavailable\n"
        assert int(answer.header("retry-after") or 0) > 0
        return True

    until(refused, within_s=30, what="the store is full")
    assert len(accepted) > 5
    health = request(server.url, "GET", "/health")
    assert health.status == 503
    assert "--bytes-max" in health.json()["problem"]
    server.write(connected([source("backend")], [pendo(sandbox)]))
    for name in accepted:
        server.reaches(name, "delivered")
    until(lambda: not refused(), within_s=30, what="events are accepted again")
    assert request(server.url, "GET", "/health").status == 200
    assert len(sandbox.events(visitorId=run)) >= len(accepted) - 1
