"""A destination that refuses everything: its backlog waits for a person, also over a kill, and drains after resume."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.e2e.running import Sandbox, Server, connected, pendo, source
from tests.e2e.test_replay import command
from tests.waiting import until


def test_a_backlog_that_is_refused_waits_for_a_person(sandbox: Sandbox, serve: Callable[..., Server]) -> None:
    """Pendo answers 400 to everything: delivery stops with a part of the backlog in failures, stays stopped after kill -9, doctor says so;
    resumed and retried by the commands, every event arrives.
    """
    run = f"refused-{time.time_ns()}"
    server = serve(connected([source("backend")], [pendo(sandbox, concurrency=8)]))
    total = 600
    with sandbox.faults(
        {"match": {"path": "/data/track", "bodyContains": run}, "status": 400, "body": "no such event"}
    ):
        for start in range(0, total, 100):
            server.accept(
                "wk-backend",
                *(
                    {"type": "track", "userId": f"{run}-{n % 40}", "event": "E", "messageId": f"{run}-{n}"}
                    for n in range(start, start + 100)
                ),
            )
        until(lambda: server.stats()["destinations"]["pendo"]["blocked"] > 0, what="it is blocked")
        server.kill()
        server.again()
        counts = server.stats()["destinations"]["pendo"]
        assert 200 <= counts["rejected"] <= 260
        assert counts["blocked"] == total - counts["rejected"]
        said = command(server, "doctor")
        assert said.returncode == 1
        assert "Nearly all of the last events were rejected there" in said.stdout
        shown = command(server, "failures", "show", "pendo", "refused_by_destination").stdout
        assert "events rejected" in shown
    assert "is tried again" in command(server, "failures", "resume", "pendo").stdout
    until(lambda: server.stats()["destinations"]["pendo"]["blocked"] == 0)
    assert "put back" in command(server, "failures", "retry", "pendo").stdout
    until(
        lambda: server.stats()["destinations"]["pendo"]["delivered"] == total, within_s=40, what="all arrive"
    )
