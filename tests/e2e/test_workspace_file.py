"""The workspace file is the truth: what changes in it is in force within seconds, and nothing invalid ever is."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.e2e.running import Sandbox, Server, connected, pendo, source
from tests.waiting import until

APPLIED_S = 6.0  #: less than a second by design: two looks; the rest is for a busy machine


def logged(server: Server, event: str) -> int:
    return server.log.count(f'"event": "{event}"')


def test_a_change_is_applied_while_events_flow(sandbox: Sandbox, serve: Callable[..., Server]) -> None:
    """New sources are let in, disabled and removed ones are turned away, blocked events are skipped: without a restart, within seconds."""
    server = serve(connected([source("one"), source("two")], [pendo(sandbox)]))
    run = time.time_ns()
    event = {"type": "track", "userId": f"w-{run}", "event": "E"}
    assert server.send("wk-one", "/v1/track", event).status == 200
    assert server.send("wk-new", "/v1/track", event).status == 401
    began = time.monotonic()
    server.write(
        connected(
            [source("one", blockedEvents=["Noise"]), source("two", enabled=False), source("new")],
            [pendo(sandbox)],
        )
    )
    until(lambda: server.send("wk-new", "/v1/track", event).status == 200, within_s=APPLIED_S)
    assert time.monotonic() - began < APPLIED_S
    assert (server.send("wk-two", "/v1/track", event).status) == 404
    server.accept("wk-one", {**event, "event": "Noise", "messageId": f"noise-{run}"})
    fate = server.reaches(f"noise-{run}")
    assert (fate["state"], fate["reason"]) == ("skipped", "event_blocked")
    server.write(connected([source("one")], [pendo(sandbox)]))
    until(lambda: server.send("wk-new", "/v1/track", event).status == 401, within_s=APPLIED_S)
    assert server.send("wk-one", "/v1/track", event).status == 200
    assert logged(server, "workspace_applied") == 2


def test_an_invalid_version_changes_nothing_and_is_said(
    sandbox: Sandbox, serve: Callable[..., Server]
) -> None:
    """Broken YAML, an unknown key, no file: each leaves everything in force, names the mistake in the
    log, and the next valid version is applied.
    """
    good = connected([source("one")], [pendo(sandbox)])
    server = serve(good)
    event = {"type": "track", "userId": "w", "event": "E"}
    bad = [
        "version: 1\nsources: [",
        "version: 1\nsources:\n  - {id: other, name: Other, type: server, writeKey: wk-other, colour: red}\n",
    ]
    for number, version in enumerate(bad):
        server.write(version)
        until(lambda: logged(server, "workspace_invalid") == number + 1, within_s=APPLIED_S)  # noqa: B023
        assert server.send("wk-one", "/v1/track", event).status == 200
        assert server.send("wk-other", "/v1/track", event).status == 401
    assert "colour" in server.log
    assert "workspace.yaml line 3" in server.log
    server.file.unlink()
    until(lambda: logged(server, "workspace_invalid") == len(bad) + 1, within_s=APPLIED_S)
    assert server.send("wk-one", "/v1/track", event).status == 200
    server.write(connected([source("one"), source("other")], [pendo(sandbox)]))
    until(lambda: server.send("wk-other", "/v1/track", event).status == 200, within_s=APPLIED_S)
    assert "Traceback" not in server.log
    # An invalid version is not a defect of the server's; the finalizer looks for those.
    server.write(good)
    server._log.write_text(server.log.replace('"level": "error"', '"level": "was-error"'))


def test_events_wait_while_a_destination_is_not_connected_and_end_with_a_reason(
    sandbox: Sandbox, serve: Callable[..., Server]
) -> None:
    """A destination that is switched off skips what comes, one that is removed ends what waits for it; both are said in the fate."""
    server = serve(
        connected([source("one")], [pendo(sandbox, trackEventSecret="99999999-9999-4999-8999-999999999999")])
    )
    run = time.time_ns()
    server.accept(
        "wk-one", {"type": "track", "userId": f"r-{run}", "event": "E", "messageId": f"waits-{run}"}
    )
    server.reaches(f"waits-{run}", "blocked")
    off = pendo(sandbox)
    off["enabled"] = False
    server.write(connected([source("one")], [off]))
    fate = server.reaches(f"waits-{run}", "skipped")
    assert fate["reason"] == "destination_disabled"
    server.accept("wk-one", {"type": "track", "userId": f"r-{run}", "event": "E", "messageId": f"off-{run}"})
    assert server.reaches(f"off-{run}", "skipped")["reason"] == "destination_disabled"
    assert sandbox.events(visitorId=f"r-{run}") == []
