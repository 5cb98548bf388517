"""A person forgotten by a real server that is killed in between, and by a real sandbox."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from tests.e2e.running import Sandbox, Server, connected, pendo, source
from tests.e2e.test_replay import command
from tests.waiting import until


def test_forgotten_here_and_at_pendo(sandbox: Sandbox, serve: Callable[..., Server]) -> None:
    """Asked by the command while Pendo is away, killed, started again: every byte of the person is gone from the files, Pendo is asked
    once it is back, and the receipt says so. Others keep their events.
    """
    who, other = f"forget-{time.time_ns()}@example.com", f"stay-{time.time_ns()}"
    sandbox.post("switches", {"bulkdelete.lagMs": 500})
    server = serve(connected([source("backend")], [pendo(sandbox)]))
    for person in (who, other):
        server.accept(
            "wk-backend",
            {
                "type": "identify",
                "userId": person,
                "traits": {"plan": f"plan of {person}"},
                "messageId": f"i {person}",
            },
            {"type": "track", "userId": person, "event": "E", "messageId": f"t {person}"},
        )
        server.reaches(f"t {person}", "delivered")
        server.reaches(f"i {person}", "delivered")
    with sandbox.faults({"match": {"path": "/api/v1/bulkdelete/visitor"}, "status": 503, "times": 1}):
        asked = json.loads(
            command(server, "people", "forget", who, "--note", "test", "--yes", "--json").stdout
        )
        assert asked["state"] in {"removing", "asking"}
        server.kill()
        server.again()

        def removed() -> bool:
            [deletion] = server.api("deletions").json()["deletions"]
            return deletion["here"]["compacted"] is True

        until(removed, what="it is removed here")
    assert server.fate(f"t {who}") is None
    assert server.state_of(f"t {other}") == "delivered"
    until(
        lambda: server.api("deletions").json()["deletions"][0]["state"] == "done",
        within_s=90,
        what="Pendo has deleted",
    )
    content = b"".join(file.read_bytes() for file in server.data.glob("sternpost.db*"))
    assert who.encode() not in content
    assert other.encode() in content
    assert who not in sandbox.state()["visitors"]
    assert other in sandbox.state()["visitors"]
    assert "1 deletion, 0 under way" in command(server, "people", "list").stdout
