"""A server that is killed under a flood: whatever it answered is kept, once, wherever it was at that moment, and in each person's order."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing

from tests.e2e.running import Connection, Sandbox, Server, basic, connected, pendo, source
from tests.waiting import until

CLIENTS = 16  #: one person each: what a client sends after an answer comes after it
BATCH = 150
BEFORE_KILL = 120  #: answered batches


def test_killed_while_requests_are_kept_as_they_came(sandbox: Sandbox, serve: Callable[..., Server]) -> None:
    """More at once than go straight into their lanes: killed in the middle, started again, nothing that was answered is missing."""
    server = serve(connected([source("backend")], [{**pendo(sandbox), "enabled": False}]))
    run = f"flood-{time.time_ns()}"
    answered: list[tuple[int, int]] = []

    def client(person: int) -> None:
        try:
            connection = Connection(server.url)
            for number in range(10_000):
                batch = [
                    {"type": "track", "event": "E", "userId": f"{run}-{person}", "messageId": f"{run}-{person}-{number}-{n}"}
                    for n in range(BATCH)
                ]  # fmt: skip
                headers = {**basic("wk-backend"), "Content-Type": "application/json"}
                answer = connection("POST", "/v1/batch", json.dumps({"batch": batch}).encode(), headers)
                if answer.status == 200:
                    answered.append((person, number))
        except OSError:
            return  # it was killed
        except Exception as error:
            if type(error).__module__ != "http.client":
                raise

    clients = [threading.Thread(target=client, args=(person,)) for person in range(CLIENTS)]
    for one in clients:
        one.start()
    until(lambda: len(answered) >= BEFORE_KILL, within_s=60, every_s=0.001)
    server.kill()
    for one in clients:
        one.join(30)
    with closing(sqlite3.connect(server.data / "sternpost.db")) as file:
        [(left,)] = file.execute("SELECT count(*) FROM arrivals").fetchall()
    assert left, "the flood was too small for this test"
    server.again()
    until(lambda: server.stats()["arrivals"]["events"] == 0, within_s=60, what="all of it is in its lanes")
    with closing(sqlite3.connect(server.data / "sternpost.db")) as file:
        rows = file.execute("SELECT message_key FROM events ORDER BY seq").fetchall()
    kept: dict[int, list[tuple[int, int]]] = {person: [] for person in range(CLIENTS)}
    for (key,) in rows:
        person, number, n = map(int, key.removeprefix(f"{run}-").split("-"))
        kept[person].append((number, n))
    for person, events in kept.items():
        numbers = sorted({number for number, _ in events})
        assert events == [(number, n) for number in numbers for n in range(BATCH)]
        assert {number for who, number in answered if who == person} <= set(numbers)
