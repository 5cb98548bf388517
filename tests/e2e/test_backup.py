"""`backup` of a server under load, `restore` elsewhere: what was answered 200 before it is there, each once, and goes on."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.cli.programs import COMMAND, environment
from tests.e2e.running import Sandbox, Sender, Server, connected, pendo, source
from tests.waiting import until


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], cwd=cwd, env=environment(), capture_output=True, text=True, timeout=60
    )


def test_under_load(sandbox: Sandbox, serve: Callable[..., Server], tmp_path: Path) -> None:
    """Two backups while clients send: each has every event that was acknowledged before it began, its fate, and its counts."""
    server = serve(connected([source("backend")], [pendo(sandbox)]))
    people = [[f"backup-{time.time_ns()}-{c}-{p}" for p in range(3)] for c in range(2)]
    numbers = {person: 0 for own in people for person in own}
    senders = [Sender(server.url, "wk-backend", own, numbers, [], pick=lambda: 3) for own in people]
    for sender in senders:
        sender.start()
    copies = []
    for n in range(2):
        until(lambda: min(len(sender.acknowledged) for sender in senders) > 30 * (n + 1), what="load")  # noqa: B023
        before = [message_id for sender in senders for message_id in sender.acknowledged]
        copy = tmp_path / f"copy-{n}.db"
        done = run("backup", str(copy), "--data-dir", str(server.data), "--json", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        copies.append((copy, before, json.loads(done.stdout)))
    for sender in senders:
        sender.enough.set()
        sender.join(30)
        assert not sender.refused
    again = run("backup", str(copies[0][0]), "--data-dir", str(server.data), cwd=tmp_path)
    assert again.returncode == 1
    assert "exists already" in again.stderr
    server.stop()

    copy, before, facts = copies[1]
    assert facts["events"] >= len(before) > 0
    data = tmp_path / "elsewhere"
    done = run("restore", str(copy), "--data-dir", str(data), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    workspace = connected([source("backend")], [pendo(sandbox)])
    (tmp_path / "restored").mkdir()
    data.rename(tmp_path / "restored" / "data")
    restored = Server(tmp_path / "restored", workspace)
    try:

        def all_delivered() -> bool:
            stats = restored.stats()
            return bool(
                stats["sources"]["backend"]["received"] == facts["events"]
                and stats["destinations"]["pendo"]["delivered"] == facts["events"]
            )

        until(all_delivered, within_s=30, what="what waited in the copy is delivered")
        for message_id in before[:: max(1, len(before) // 40)]:
            assert restored.state_of(message_id) == "delivered"
        running = run("restore", str(copy), "--data-dir", str(restored.data), "--yes", cwd=tmp_path)
        assert running.returncode == 1
        assert "in use" in running.stderr
    finally:
        restored.end()
    # At Pendo nobody misses an event; what was delivered after the copy was made may be there twice.
    for person, sent in numbers.items():
        arrived = {event["properties"]["n"] for event in sandbox.events(visitorId=person)}
        assert arrived == set(range(sent))
