"""Replays of a real server that is killed in the middle."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from tests.e2e.running import ROOT, Sandbox, Server, connected, pendo, source
from tests.waiting import until

PEOPLE, EACH = 20, 15


def command(server: Server, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sternpost", *words, "--data-dir", str(server.data)],
        cwd=server.folder, env={"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def job(server: Server, number: str) -> dict[str, Any]:
    found: dict[str, Any] = server.api(f"replays/{number}").json()
    return found


def test_a_replay_goes_on_after_kill_nine(sandbox: Sandbox, serve: Callable[..., Server]) -> None:
    """Events that were skipped for want of a key are replayed once it is there. The server is killed in the middle, twice; every event
    arrives, in the order of its person, and only what was on its way may come twice. Live events do not wait for the replay.
    """
    run = f"replay-{time.time_ns()}"
    without = pendo(sandbox)
    del without["settings"]["trackEventSecret"]
    server = serve(connected([source("backend")], [without]))
    for number in range(EACH):
        server.accept(
            "wk-backend",
            *(
                {"type": "track", "userId": f"{run}-{person}", "event": "E", "messageId": f"{run}-{person}-{number}", "properties": {"n": number}}
                for person in range(PEOPLE)
            ),
        )  # fmt: skip
    total = PEOPLE * EACH
    until(lambda: server.stats()["destinations"]["pendo"]["skipped"] == total, what="all are skipped")
    assert command(server, "replay", "--dry-run").stdout.startswith(f"{total} events of {PEOPLE} people")
    server.write(connected([source("backend")], [pendo(sandbox)]))
    until(lambda: '"event": "workspace_applied"' in server.log)
    begun = json.loads(
        command(server, "replay", "--rate", "60", "--filter", "reason:key_missing", "--json").stdout
    )
    assert (begun["state"], begun["estimated"]) == ("running", total)
    for share in (0.2, 0.5):
        until(lambda: job(server, begun["id"])["delivered"] >= total * share, what="some are delivered")  # noqa: B023
        assert job(server, begun["id"])["state"] == "running"
        server.kill()
        server.again()
    live = f"{run}-0"
    server.accept(
        "wk-backend", {"type": "track", "userId": live, "event": "live", "messageId": f"{run}-live"}
    )
    assert server.reaches(f"{run}-live")["state"] == "delivered"
    assert job(server, begun["id"])["state"] == "running", "the live event waited for the replay"
    ended = until(lambda: (found := job(server, begun["id"]))["state"] == "done" and found, within_s=40)
    assert (ended["queued"], ended["delivered"], ended["waiting"]) == (total, total, 0)
    repeated = 0
    for person in range(PEOPLE):
        numbers = [
            event["properties"]["n"] for event in sandbox.events(visitorId=f"{run}-{person}", event="E")
        ]
        assert [number for number, _ in itertools.groupby(numbers)] == list(range(EACH))
        repeated += len(numbers) - EACH
    assert repeated <= 2 * PEOPLE
    fate = server.fate(f"{run}-3-7")
    assert fate is not None
    assert fate["replay"]["before"]["reason"] == "key_missing"
    assert "done" in command(server, "replay", "list").stdout
