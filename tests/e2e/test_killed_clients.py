"""Killed again and again under what a genuine SDK sends: its own retries fill the gaps, and everything that it was answered for arrives."""

from __future__ import annotations

import itertools
import os
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.running import Sandbox, Server, connected, pendo, source, until

PEOPLE = 4
EVENTS_EACH = 150


def test_a_genuine_sdk_survives_kills(sandbox: Sandbox, serve: Callable[..., Server]) -> None:
    """rudder-sdk-python sends while the server is killed at random moments and started again at the same address. Nothing that the SDK does
    not report as failed is missing; each person's events are at Pendo in the order of the calls.
    """
    client_module = pytest.importorskip("rudderstack.analytics.client", reason="make test installs the SDKs")
    server = serve(connected([source("backend")], [pendo(sandbox)]))
    port = server.url.rpartition(":")[2]
    server.fixed_port(int(port))
    run, chance = f"sdk-{time.time_ns()}", random.Random(11)
    failed: list[Any] = []
    client = client_module.Client(
        "wk-backend", host=server.url, gzip=True, upload_interval=0.02, upload_size=5, max_retries=60,
        on_error=lambda error, batch: failed.extend(message["messageId"] for message in batch),
    )  # fmt: skip
    over = threading.Event()

    def call() -> None:
        for n, person in itertools.product(range(EVENTS_EACH), range(PEOPLE)):
            name = f"{run}-{person}"
            client.track(user_id=name, event="E", properties={"n": n}, message_id=f"{name}-{n}")
            over.wait(0.002)
        client.flush()

    calling = threading.Thread(target=call)
    calling.start()
    kills = int(os.environ.get("KILLS", "4"))
    for round_ in range(kills):
        aim = (round_ + chance.random()) * PEOPLE * EVENTS_EACH / kills
        until(lambda: server.received() >= aim or not calling.is_alive(), every_s=0.001)  # noqa: B023
        server.kill()
        server.again()
    calling.join(120)
    assert not calling.is_alive()
    client.join()
    total = PEOPLE * EVENTS_EACH
    lost = set(failed)
    until(
        lambda: server.stats()["destinations"]["pendo"]["delivered"] >= total - len(lost),
        within_s=60,
        what="everything is delivered",
    )
    assert server.received() + len(lost) >= total
    for person in range(PEOPLE):
        name = f"{run}-{person}"
        numbers = [event["properties"]["n"] for event in sandbox.events(visitorId=name)]
        expected = [n for n in range(EVENTS_EACH) if f"{name}-{n}" not in lost]
        assert [n for n, _ in itertools.groupby(numbers)] == expected
