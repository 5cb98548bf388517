"""A disk that is full, nearly full, read-only or taken away: what the server answers, what it says about it, and that it goes on by itself.

Each with the real server, under the same promise: what was answered 200 is delivered, and what could not be kept was answered 503.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e import disks
from tests.e2e.running import (
    ROOT,
    Answer,
    Sandbox,
    Server,
    basic,
    connected,
    pendo,
    request,
    source,
)
from tests.waiting import until

Serve = Callable[..., Server]


@pytest.fixture
def mounts() -> Iterator[contextlib.ExitStack]:
    """File systems that stay mounted until the servers of the test have ended: name it before `serve`."""
    with contextlib.ExitStack() as stack:
        yield stack


def event(n: int, name: str = "e", user: str = "") -> dict[str, Any]:
    return {"type": "track", "event": name, "userId": user or f"{name}-user", "messageId": f"{name}-{n}"}


def door(server: Server) -> list[Answer]:
    """One event by each way in that can be refused."""
    key = "wk-backend"
    one = json.dumps({"event": "refused", "userId": "nobody"}).encode()
    many = json.dumps({"batch": [event(1, "refused")]}).encode()
    packed = {**basic(key), "Content-Type": "text/plain"}
    return [
        request(server.url, "POST", "/v1/track", one, basic(key)),
        request(server.url, "POST", "/v1/batch", many, basic(key)),
        request(server.url, "POST", "/v1/import", many, basic(key)),
        request(server.url, "POST", f"/beacon/v1/batch?writeKey={key}", many, packed),
    ]


def refuses(server: Server) -> bool:
    """Every way in answers 503 and when to come again."""
    for answer in door(server):
        assert answer.status == 503, answer
        assert int(answer.header("Retry-After") or "0") >= 1
    return True


def health(server: Server) -> tuple[int, Any]:
    answer = request(server.url, "GET", "/health")
    return answer.status, answer.json()


def unwell(server: Server) -> Any:
    """What /health says once it is 503: what is wrong, and what to do."""

    def said() -> Any:
        status, body = health(server)
        assert status == 503, body
        assert body["problem"]
        assert body["remedy"]
        return body

    return until(said, within_s=10)


def accepts(server: Server, n: int) -> bool:
    answer = server.send("wk-backend", "/v1/batch", {"batch": [event(n, "after")]})
    assert answer.status == 200, answer
    return True


@pytest.mark.parametrize("form", disks.FORMS)
def test_a_full_disk(
    form: str, sandbox: Sandbox, mounts: contextlib.ExitStack, serve: Serve, tmp_path: Path
) -> None:
    """Not a byte can be written, not even to the log: 503 by every way in, /health says what and what to do, the server neither turns in
    circles nor fills its log; when there is room it goes on by itself, and everything that was answered 200 is delivered once.
    """
    user = f"full-{form}-{time.time_ns()}"
    disk = mounts.enter_context(disks.small_disk(form, tmp_path / "server-0"))
    server = serve(connected([source("backend")], [pendo(sandbox)]))
    with sandbox.faults({"match": {"path": "/data/track"}, "status": 503}):
        server.accept("wk-backend", *(event(n, "before", user) for n in range(5)))
        server.reaches("before-0", "retrying")
        disk.fill(server)
        until(lambda: refuses(server), within_s=10)
        said = unwell(server)
        assert "disk" in said["problem"].lower() or "write" in said["problem"].lower(), said
    # Its destination works again, and the disk does not: what is answered cannot be written down.
    worked, lines, began = disks.cpu_s(server.process.pid), server.log.count("\n"), time.monotonic()
    until(lambda: time.monotonic() - began > 2.5 and refuses(server), within_s=10)
    assert disks.cpu_s(server.process.pid) - worked < 0.5 * (time.monotonic() - began)
    disk.clear(server)
    until(lambda: accepts(server, 1), within_s=15)
    until(lambda: health(server)[0] == 200, within_s=5)
    assert server.process.poll() is None
    for n in range(5):
        server.reaches(f"before-{n}", "delivered", within_s=30)
    server.reaches("after-1", "delivered", within_s=30)
    assert not server.entries("refused-1")
    assert server.log.count("\n") - lines < 60, server.log
    sent = [one["event"] for one in sandbox.events(visitorId=user)]
    assert len(sent) >= 5
    assert server.stop() == 0


@pytest.mark.skipif(not disks.can_mount(), reason="only a file system of its own has a size")
def test_a_nearly_full_disk_stops_accepting_first(
    sandbox: Sandbox, mounts: contextlib.ExitStack, serve: Serve, tmp_path: Path
) -> None:
    """Before the disk is full nothing more is accepted, and what waits is delivered: that makes room, where accepting would take the rest."""
    disk = mounts.enter_context(disks.small_disk("mounted", tmp_path / "server-0"))
    assert isinstance(disk, disks.Small)
    server = serve(connected([source("backend")], [pendo(sandbox)]))
    with sandbox.faults({"match": {"path": "/data/track"}, "status": 503}):
        server.accept("wk-backend", *(event(n, "low") for n in range(20)))
        server.reaches("low-0", "retrying")
        disk.fill(server, leave_bytes=40 * disks.MB)  # of 200: above a twentieth
        until(lambda: accepts(server, 2), within_s=10)
        disk.fill(server, leave_bytes=6 * disks.MB)
        until(lambda: refuses(server), within_s=10)
        said = unwell(server)
        assert "MB left" in said["problem"]
        assert "Free space" in said["remedy"]
    for n in range(20):
        server.reaches(f"low-{n}", "delivered", within_s=30)
    assert refuses(server)
    disk.clear(server)
    until(lambda: accepts(server, 1), within_s=10)
    until(lambda: health(server)[0] == 200, within_s=5)


def test_a_file_system_that_becomes_read_only(
    sandbox: Sandbox, mounts: contextlib.ExitStack, serve: Serve, tmp_path: Path
) -> None:
    """As Linux does after a disk error: open files refuse to be written to. 503, the reason, and after a repair nothing that was answered
    200 is missing. Without an ext4 of its own: files that may not grow.
    """
    user, image, place = f"ro-{time.time_ns()}", tmp_path / "image", tmp_path / "server-0" / "data"
    ext4 = contextlib.ExitStack()
    mounts.push(ext4)
    if disks.can_break():
        assert ext4.enter_context(disks.small_ext4(image, place))
    server = serve(connected([source("backend")], [pendo(sandbox)]))
    with sandbox.faults({"match": {"path": "/data/track"}, "status": 503}):
        server.accept("wk-backend", *(event(n, "ro", user) for n in range(50)))
        if disks.can_break():
            disks.break_ext4(place)
        else:
            disks.Limited().fill(server)
        until(lambda: refuses(server), within_s=10)
        said = unwell(server)
        assert "read-only" in said["problem"] or not disks.can_break(), said
        assert "dmesg" in said["remedy"], said
        server.stop()  # politely, although it can write nothing any more
    if disks.can_break():
        ext4.close()
        assert ext4.enter_context(disks.small_ext4(image, place))
    server.again()
    for n in range(50):
        server.reaches(f"ro-{n}", "delivered", within_s=30)


def test_a_directory_that_cannot_be_written_to_at_the_start(tmp_path: Path) -> None:
    """One sentence, exit status 1, and nothing is made."""
    data = tmp_path / "data"
    data.mkdir()
    (tmp_path / "workspace.yaml").write_text(yaml.safe_dump(connected([source("backend")], [])))
    with disks.mounted(data, "-t", "tmpfs", "-o", "ro", "tmpfs") as read_only:
        if not read_only:
            data.chmod(0o555)
            assert not os.access(data, os.W_OK), "run the tests as a user of their own"
        ended = subprocess.run(
            [sys.executable, "-m", "sternpost", "serve", "--port", "0", "--data-dir", str(data), "--no-open"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert ended.returncode == 1
        assert ended.stderr.count("\n") == 1
        assert "Cannot write to" in ended.stderr
        assert "Give --data-dir a place" in ended.stderr
        assert not list(data.iterdir())


@pytest.mark.parametrize(("ending", "end"), [("-wal", "killed"), ("-shm", "politely"), ("", "killed")])
def test_a_file_of_the_store_is_removed_while_it_runs(
    ending: str, end: str, sandbox: Sandbox, serve: Serve
) -> None:
    """Somebody tidies up. What is written now would be gone with the process: nothing more is accepted, /health says why, what the log held is
    folded into the store, and the next start has it. The store's own file, removed, takes what it held with it; that is said, too.
    """
    server = serve(connected([source("backend")], [pendo(sandbox)]))
    with sandbox.faults({"match": {"path": "/data/track"}, "status": 503}):
        server.accept("wk-backend", *(event(n, f"gone{ending}-{end}") for n in range(10)))
        (server.data / f"sternpost.db{ending}").unlink()
        until(lambda: refuses(server), within_s=10)
        said = unwell(server)
        assert f"sternpost.db{ending} was removed or replaced" in said["problem"]
        assert "start it again" in said["remedy"]
        if not ending:
            return
        if end == "politely":
            assert server.stop() == 0
        else:
            # The log that nobody sees any more has been folded once the file alone holds the events.
            until(
                lambda: b"gone" + ending.encode() in (server.data / "sternpost.db").read_bytes(), within_s=10
            )
            server.kill()
    server.again()
    for n in range(10):
        server.reaches(f"gone{ending}-{end}-{n}", "delivered", within_s=30)
