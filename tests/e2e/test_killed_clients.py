"""Killed again and again under what a genuine SDK sends: its own retries fill the gaps, and everything that it was answered for arrives."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.running import Sandbox, Server, basic, connected, pendo, source
from tests.waiting import until

SCRIPT = Path(__file__).with_name("kills.lua")
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


CONNECTIONS = 2
PAUSE_MS = 2


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed; make test does it")
def test_wrk_through_kills(sandbox: Sandbox, serve: Callable[..., Server], tmp_path: Path) -> None:
    """wrk sends numbered events through one connection a person while the server is killed at random moments and started again. wrk repeats
    nothing; every number that it saw answered with 200 reaches Pendo, each person's in the order in which they were sent.
    """
    server = serve(connected([source("backend")], [pendo(sandbox)]))
    server.fixed_port(int(server.url.rpartition(":")[2]))
    run, chance = f"wrk-{time.time_ns()}", random.Random(20261125)
    folder = tmp_path / "answered"
    folder.mkdir()
    people = [f"{run}-{number}" for number in range(CONNECTIONS)]

    def answered(person: str) -> list[int]:
        file = folder / person.rpartition("-")[2]
        # The last line may be half written.
        return [int(line) for line in file.read_text().split("\n")[:-1]] if file.exists() else []

    def count() -> int:
        return sum(len(answered(person)) for person in people)

    # While nobody listens wrk tries again and again without a pause; the server that starts needs the processor.
    load = subprocess.Popen(
        ["nice", "-n", "19", "wrk", "-t", str(CONNECTIONS), "-c", str(CONNECTIONS), "-d", "24h", "--timeout", "10s", "-s", str(SCRIPT),
         server.url, "--", run, basic("wk-backend")["Authorization"], str(folder), str(PAUSE_MS)],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    kills = int(os.environ.get("KILLS", "4"))
    try:
        for _ in range(kills):
            aim = count() + chance.randint(1, 250)
            until(lambda: count() >= aim, within_s=60, every_s=0.002)  # noqa: B023
            server.kill()
            server.again()
        aim = count() + 50
        until(lambda: count() >= aim, within_s=60)
    finally:
        load.send_signal(signal.SIGINT)
        load.wait(30)
    until(lambda: server.idle(), within_s=60 + kills, what="everything is delivered")
    sent = arrived = 0
    for person in people:
        numbers = [event["properties"]["n"] for event in sandbox.events(visitorId=person)]
        # What was on its way when the server died may be there twice, side by side.
        once = [number for number, _ in itertools.groupby(numbers)]
        assert once == sorted(set(once)), person
        missing = set(answered(person)) - set(once)
        assert not missing, (person, sorted(missing)[:10])
        sent += len(answered(person))
        arrived += len(once)
    assert server.received() == arrived
    print(
        f"{kills} kills; {sent} events answered, {arrived} stored and delivered, none of the answered missing"
    )
    assert sent > 25 * (kills + 1)
