"""`sternpost serve` as a process: banner, refusals to start, stopping, being killed."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import time
from pathlib import Path

from tests.cli.programs import Program, fetch, free_port, running, sternpost
from tests.waiting import until

LAST_LINE = r"Stop with Ctrl\+C"


def url_of(program: Program) -> str:
    program.line(LAST_LINE)
    return next(found[1] for line in program.seen if (found := re.search(r"Send to +(\S+)", line)))


def test_first_start(tmp_path: Path) -> None:
    """Without arguments to speak of: the banner tells a real address and key, and its lines work as printed."""
    started = time.monotonic()
    with running("serve", "--port", "0", cwd=tmp_path) as server:
        url = url_of(server)
        assert time.monotonic() - started < 15  # two seconds on a free machine; tests share theirs
        assert server.seen[0] == "Sternpost 0.1.0 is ready · store: SQLite in ./sternpost-data"
        assert len(server.seen) <= 12
        assert max(map(len, server.seen)) <= 100
        assert "\x1b" not in "".join(server.seen)
        assert fetch(f"{url}/health")["status"] == "ok"
        key = next(found[0] for line in server.seen if (found := re.search(r"wk-[0-9a-f]{32}", line)))

        sent = sternpost("send", "track", "--event", "Hello", "--user-id", "me", cwd=tmp_path)
        assert sent.status == 0, sent.err
        message_id = sent.out.split()[1]
        assert sent.out == f"sent  {message_id}   follow it: sternpost events get {message_id}\n"
        fate = sternpost("events", "get", message_id[:8], cwd=tmp_path)
        assert fate.status == 0, fate.err
        assert "connected to no destination" in fate.out
        assert 'first, track "Hello" of me' in fate.out

        data = tmp_path / "sternpost-data"
        assert stat.S_IMODE(data.stat().st_mode) == 0o700
        assert json.loads((data / "server.json").read_text()) == {"url": url, "pid": server.process.pid}
        # A key is no secret in a page, but a log is copied to places where nobody expects one.
        assert key not in server.errors()

        stopped = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - stopped < 10
        assert not (data / "server.json").exists()
    assert "No server runs on ./sternpost-data" in sternpost("tail", cwd=tmp_path).err


def test_interrupt(tmp_path: Path) -> None:
    """Ctrl+C stops a server as politely as SIGTERM."""
    with running("serve", "--port", "0", cwd=tmp_path) as server:
        server.line(LAST_LINE)
        assert server.stop(signal.SIGINT) == 0


def test_second_server(tmp_path: Path) -> None:
    """A second server on a data directory is refused and named; after kill -9 nothing blocks the next, and nothing is lost."""
    with running("serve", "--port", "0", cwd=tmp_path) as first:
        first.line(LAST_LINE)
        second = sternpost("serve", "--port", "0", cwd=tmp_path)
        assert second.status == 1
        assert f"./sternpost-data is in use by process {first.process.pid}." in second.err
        message_id = sternpost("send", "identify", "--user-id", "u1", cwd=tmp_path).out.split()[1]
        assert first.stop(signal.SIGKILL) == -signal.SIGKILL
    assert (tmp_path / "sternpost-data/server.json").exists()
    assert "No server runs on" in sternpost("events", "get", message_id, cwd=tmp_path).err
    with running("serve", "--port", "0", cwd=tmp_path) as again:
        again.line(LAST_LINE)
        found = sternpost("events", "get", message_id, "--json", cwd=tmp_path)
        assert json.loads(found.out)["events"][0]["messageId"] == message_id


def test_port_taken(tmp_path: Path) -> None:
    port = str(free_port())
    with running("serve", "--port", port, "--data-dir", "a", cwd=tmp_path) as first:
        first.line(LAST_LINE)
        second = sternpost("serve", "--port", port, "--data-dir", "b", cwd=tmp_path)
        assert second.status == 1
        assert re.search(
            rf"Port {port} is in use( \(by process \d+\))?\. Use --port {int(port) + 1}", second.err
        )
        assert not (tmp_path / "b").exists()  # a start that failed leaves nothing behind
        # The banner's command finds a server that is not in a default place.
        assert any(line.endswith("--user-id me --data-dir a") for line in first.seen)


def test_invalid_workspace(tmp_path: Path) -> None:
    """Every problem with file, line and remedy; nothing starts."""
    (tmp_path / "workspace.yaml").write_text(
        "version: 1\n"
        "sources:\n"
        "  - {id: web, name: Web, type: wep}\n"
        "destinations:\n"
        "  - id: pendo\n"
        "    name: Pendo\n"
        "    type: pendo\n"
        "    settings:\n"
        "      region: usa\n"
        "      integrationKey: ${SURELY_NOT_SET}\n"
    )
    found = sternpost("serve", "--port", "0", "--workspace", "workspace.yaml", cwd=tmp_path)
    assert found.status == 1
    assert found.out == ""
    for text in (
        "workspace.yaml line 3, ",
        "workspace.yaml line 9, destinations[0].settings.region",
        "SURELY_NOT_SET",
    ):
        assert text in found.err
    assert not (tmp_path / "sternpost-data").exists()
    checked = sternpost("workspace", "check", "workspace.yaml", cwd=tmp_path)
    assert (checked.status, checked.out) == (1, "")
    assert set(checked.err.splitlines()) <= set(found.err.splitlines())


def test_unwritable_data_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = sternpost("serve", "--port", "0", "--data-dir", "file", cwd=tmp_path)
    assert found.status == 1
    assert "./file is a file. Give --data-dir a directory." in found.err
    if os.getuid() != 0:
        (tmp_path / "closed").mkdir(mode=0o500)
        found = sternpost("serve", "--port", "0", "--data-dir", "closed", cwd=tmp_path)
        assert "Cannot write to ./closed: permission denied." in found.err


def test_settings_from_environment_and_file(tmp_path: Path) -> None:
    """Flags win over the environment, that over sternpost.toml; and the other commands find the server the same way."""
    (tmp_path / "sternpost.toml").write_text('data-dir = "from-file"\nport = 1\n')
    with running("serve", cwd=tmp_path, env={"STERNPOST_PORT": "0"}) as server:
        server.line(LAST_LINE)
        assert (tmp_path / "from-file/server.json").exists()
        sent = sternpost("send", "identify", "--user-id", "u", cwd=tmp_path)
        assert sent.status == 0, sent.err


def test_token_from_environment(tmp_path: Path) -> None:
    """With STERNPOST_API_TOKEN no token is written, and a command without it is told what is missing."""
    env = {"STERNPOST_API_TOKEN": "a-token-of-the-test-0123456789"}
    with running("serve", "--port", "0", cwd=tmp_path, env=env) as server:
        url = url_of(server)
        assert not (tmp_path / "sternpost-data/api-token").exists()
        refused = sternpost("workspace", "show", cwd=tmp_path)
        assert refused.status == 1
        assert "token" in refused.err
        assert sternpost("workspace", "show", cwd=tmp_path, env=env).status == 0
        (tmp_path / "token").write_text(env["STERNPOST_API_TOKEN"])
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        found = sternpost("workspace", "show", "--url", url, "--token-file", "../token", cwd=elsewhere)
        assert found.status == 0, found.err


def test_workspace_file_is_watched(tmp_path: Path) -> None:
    """The file is the truth: the banner names it, a change is applied, and `workspace apply` is refused with its name."""
    path = tmp_path / "workspace.yaml"
    text = "version: 1\nsources:\n  - {id: web, name: Web, type: web, writeKey: wk-web}\n"
    path.write_text(text)
    with running("serve", "--port", "0", "--workspace", "workspace.yaml", cwd=tmp_path) as server:
        server.line(LAST_LINE)
        assert any("workspace.yaml, applied again whenever it changes" in line for line in server.seen)
        path.write_text(text + "  - {id: ios, name: iOS, type: mobile, writeKey: wk-ios}\n")
        until(lambda: "wk-ios" in sternpost("workspace", "show", cwd=tmp_path).out)
        refused = sternpost("workspace", "apply", "workspace.yaml", cwd=tmp_path)
        assert refused.status == 1
        assert "workspace.yaml" in refused.err


def test_stopping_while_somebody_watches(tmp_path: Path) -> None:
    """A live stream does not hold a server back, and `tail` waits for it to come again."""
    with running("serve", "--port", "0", cwd=tmp_path) as server:
        server.line(LAST_LINE)
        with running("tail", "--json", cwd=tmp_path) as tail:
            until(lambda: _sent_and_seen(tmp_path, tail))
            assert server.stop(seconds=10) == 0
            until(lambda: "trying again" in tail.errors())
            with running("serve", "--port", "0", cwd=tmp_path) as again:
                again.line(LAST_LINE)
                until(lambda: _sent_and_seen(tmp_path, tail))
                assert tail.stop(signal.SIGINT) == 130


def _sent_and_seen(place: Path, tail: Program) -> bool:
    """Send an event, and see whether somebody who watches is told of it; the first ones may come before the stream is open."""
    sternpost("send", "identify", "--user-id", "u", cwd=place)
    seen = not tail.lines.empty()
    while not tail.lines.empty():
        tail.lines.get()
    return seen
