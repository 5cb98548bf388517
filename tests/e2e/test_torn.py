"""Files of the store that are cut, overwritten, emptied or missing: what the real server does with them, at its start and while it runs."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.running import ROOT, Sandbox, Server, connected, pendo, request, source
from tests.waiting import until

Serve = Callable[..., Server]
PAGE = 8192


def event(n: int, name: str) -> dict[str, Any]:
    return {
        "type": "track",
        "event": name,
        "userId": f"{name}-{n % 5}",
        "messageId": f"{name}-{n}",
        "properties": {"mark": f"mark-{n:03d}", "text": "x" * 450},
        "context": {"more": "y" * 1000},
    }


@pytest.fixture
def killed(sandbox: Sandbox, serve: Serve, request: pytest.FixtureRequest) -> Iterator[tuple[Server, str]]:
    """A server that was killed while thirty events waited; the prefix of their messageIds."""
    name = f"torn-{abs(hash(request.node.name)) % 10**8}"
    server = serve(connected([source("backend")], [pendo(sandbox)]))
    with sandbox.faults({"match": {"path": "/data/track"}, "status": 503}):
        for n in range(30):
            server.accept("wk-backend", event(n, name))
        server.kill()
    yield server, name


def store_of(server: Server) -> Path:
    return server.data / "sternpost.db"


def fold(path: Path) -> None:
    """The log into the file, as if the server had been stopped."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def overwrite(path: Path, *pages: int) -> None:
    with path.open("r+b") as file:
        for page in pages:
            file.seek(page * PAGE)
            file.write(b"\xa5" * PAGE)


def pages_with(path: Path, text: str, *, without: str = "\0never\0") -> list[int]:
    data = path.read_bytes()
    found = [data[at : at + PAGE] for at in range(0, len(data), PAGE)]
    return [no for no, page in enumerate(found) if text.encode() in page and without.encode() not in page]


def health(server: Server) -> tuple[int, Any]:
    answer = request(server.url, "GET", "/health")
    return answer.status, answer.json()


def command(server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sternpost", *arguments],
        cwd=server.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def refuses_to_start(server: Server, *sentences: str) -> None:
    """One line that says what is wrong and what to do; exit status 1."""
    ended = command(
        server, "serve", "--port", "0", "--data-dir", str(server.data), "--workspace", str(server.file), "--no-open"
    )  # fmt: skip
    assert ended.returncode == 1, ended.stderr
    assert ended.stderr.count("\n") == 1, ended.stderr
    for sentence in sentences:
        assert sentence in ended.stderr


def test_a_log_that_was_cut_while_the_server_was_down(killed: tuple[Server, str]) -> None:
    """It starts with what is whole, keeps the cut log, says so wherever somebody looks, and goes on; each event that it has is delivered."""
    server, name = killed
    log = server.data / "sternpost.db-wal"
    os.truncate(log, log.stat().st_size * 2 // 3)
    server.again()
    status, body = health(server)
    assert status == 200
    [notice] = body["notices"]
    assert "sternpost.db-wal.damaged-" in notice
    assert "set_aside" in server.log
    kept = [n for n in range(30) if server.entries(f"{name}-{n}")]
    assert kept == list(range(len(kept)))
    assert 0 < len(kept) < 30
    for n in (*kept, *range(len(kept), 30)):
        server.accept("wk-backend", event(n, name))  # SDKs that still have them send them again
    for n in range(30):
        server.reaches(f"{name}-{n}", "delivered", within_s=30)
    found = command(server, "doctor", "--data-dir", str(server.data))
    assert found.returncode == 1
    assert "damaged" in found.stdout


def test_a_damaged_page_of_events(killed: tuple[Server, str]) -> None:
    """Its events are failures with a reason and their names; the other events of the same people are delivered, and new ones are accepted."""
    server, name = killed
    fold(store_of(server))
    [page] = pages_with(store_of(server), "mark-012")
    overwrite(store_of(server), page)
    server.again()

    def ended() -> bool:
        counts = server.stats()["destinations"]["pendo"]
        assert counts["rejected"] > 0, counts
        assert counts["delivered"] + counts["rejected"] == 30, counts
        return True

    until(ended, within_s=30)
    [group] = server.api("failures").json()["failures"]
    assert group["reason"] == "unreadable"
    ids = {sample["messageId"] for sample in group["samples"]}
    assert ids <= {f"{name}-{n}" for n in range(30)}
    assert len(ids) == min(group["count"], len(group["samples"])) > 0
    status, body = health(server)
    assert status == 200
    assert "damaged" in body["notices"][0]
    server.accept("wk-backend", event(40, name))
    server.reaches(f"{name}-40", "delivered", within_s=30)


def test_a_damaged_index_and_what_can_be_salvaged(killed: tuple[Server, str]) -> None:
    """What needs the page is answered 503 and /health says why; salvage makes a sound store of the rest, and the server goes on with it."""
    server, name = killed
    fold(store_of(server))
    overwrite(
        store_of(server),
        *pages_with(store_of(server), f"{name}-20", without="mark-"),
        *pages_with(store_of(server), "mark-012"),
    )
    server.again()
    answer = server.send("wk-backend", "/v1/track", event(20, name))
    assert answer.status == 503
    assert answer.header("Retry-After")
    assert "sternpost salvage" in str(health(server)[1])
    server.stop()
    done = command(server, "salvage", "--data-dir", str(server.data))
    assert done.returncode == 0, done.stderr
    assert "Places that could not be read" in done.stdout
    assert list(server.data.glob("sternpost.db.damaged-*"))
    server.again()
    assert "set aside" in health(server)[1]["notices"][0]
    for n in range(30):
        server.accept("wk-backend", event(n, name))
    for n in range(30):
        server.reaches(f"{name}-{n}", "delivered", "rejected", within_s=30)


@pytest.mark.parametrize("what", ["first page", "schema", "emptied"])
def test_a_store_in_which_nothing_can_be_found(what: str, killed: tuple[Server, str], tmp_path: Path) -> None:
    """No start, and one sentence: never a new store in its place. A backup brings it back, whatever is there."""
    server, name = killed
    path = store_of(server)
    fold(path)
    backup = tmp_path / "backup.db"
    assert command(server, "backup", str(backup), "--data-dir", str(server.data)).returncode == 0
    match what:
        case "first page":
            overwrite(path, 0)
        case "schema":
            overwrite(path, *pages_with(path, "CREATE TABLE"))
        case "emptied":
            os.truncate(path, 0)
    before = path.read_bytes()
    refuses_to_start(server, "sternpost restore", "sternpost.db")
    assert path.read_bytes() == before
    done = command(server, "restore", str(backup), "--data-dir", str(server.data), "--yes")
    assert done.returncode == 0, done.stderr
    server.again()
    for n in range(30):
        server.reaches(f"{name}-{n}", "delivered", within_s=30)


def test_a_half_written_workspace_file_and_a_missing_key(killed: tuple[Server, str]) -> None:
    """The file: one error with its line, and no start. The key: a new one is made, and no event is lost."""
    server, name = killed
    text = server.file.read_text()
    server.file.write_text(text[: len(text) * 2 // 3] + "\n  - {id: half")
    ended = command(
        server, "serve", "--port", "0", "--data-dir", str(server.data), "--workspace", str(server.file), "--no-open"
    )  # fmt: skip
    assert ended.returncode != 0
    assert "workspace.yaml line" in ended.stderr
    server.file.write_text(text)
    (server.data / "secret-key").unlink()
    server.again()
    assert (server.data / "secret-key").stat().st_mode & 0o777 == 0o600
    for n in range(30):
        server.reaches(f"{name}-{n}", "delivered", within_s=30)


def test_pages_overwritten_while_the_server_runs(sandbox: Sandbox, serve: Serve) -> None:
    """Some of it is in memory, some is read again: every event gets an end, and the server neither dies nor stands still."""
    server = serve(connected([source("backend")], [pendo(sandbox)]))
    with sandbox.faults({"match": {"path": "/data/track"}, "status": 503}):
        for n in range(30):
            server.accept("wk-backend", event(n, "live"))
        copy = server.data / "copy.db"
        shutil.copy(store_of(server), copy)
        with closing(sqlite3.connect(store_of(server), isolation_level=None)) as connection:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        overwrite(store_of(server), *pages_with(store_of(server), "mark-012"))
    server.stop()
    server.again()

    def ended() -> bool:
        counts = server.stats()["destinations"]["pendo"]
        assert counts["delivered"] + counts["rejected"] == 30, counts
        return True

    until(ended, within_s=40)
    assert health(server)[0] == 200
