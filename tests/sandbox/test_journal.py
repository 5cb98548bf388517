"""The state file: nothing that was answered is lost when the process is killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sternpost.sandbox import journal as journal_module
from sternpost.sandbox import seed
from tests.sandbox.conftest import START_MS, Client, agent_event


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "sandbox" / "state.json"


def journal_of(file: Path) -> Path:
    return file.with_name(file.name + ".journal")


async def use_everything(client: Client) -> None:
    """One of each kind of change."""
    await client.set(segment__lagMs=0, track__sameMs="collapse", visibility="instant")
    await client.track("A", "u1", "par::acc", properties={"ü": "é", "n": 1})
    await client.write(
        [{"visitorId": "u1", "values": {"plan": "pro"}}, {"visitorId": "gone", "values": {"a": 1}}]
    )
    await client.api("POST", "metadata/schema/visitor/custom", [{"name": "f", "type": "number"}])
    await client.agent(agent_event("track", "_PENDO_T_x", track_event_name="Anon"))
    await client.agent(agent_event("identify", "u1", props={"old_visitor_id": "_PENDO_T_x"}))
    await client.agent(agent_event("track", "_PENDO_T_y", track_event_name="Still anonymous"))
    await client.api("POST", "segment/upload", {"name": "S", "visitors": ["u1"]})
    await client.api("POST", "feedback", {"title": "x"})
    await client.api("POST", "bulkdelete/visitor", {"visitors": ["gone"]})
    await client.post("/__sandbox/clock", {"advanceMs": 3_600_000})
    await client.post("/data/track", b"\xff\xfe", {"x-pendo-integration-key": seed.TRACK_SECRET_WEB})
    await client.set(visibility="hourly")
    await client.track("Waits", "u1", timestamp=START_MS + 1)


async def picture(client: Client) -> dict[str, Any]:
    """All that the sandbox can be asked for."""
    paths = ("state", "diagnostics", "switches", "clock")
    control = {path: (await client.get(f"/__sandbox/{path}")).json() for path in paths}
    api = {
        path: (await client.api("GET", path)).json()
        for path in (
            "segment",
            "bulkdelete",
            "feedback",
            "tracktype",
            "visitor/u1",
            "metadata/schema/visitor",
        )
    }
    summary = (await client.get("/__sandbox/summary")).json()
    return control | api | {name: summary[name] for name in ("pending", "eventsTotal", "requests", "mau")}


def reopened(make: Callable[..., Client], client: Client, file: Path) -> Client:
    """The sandbox after its process was killed: nobody said goodbye."""
    client.app.close()
    return make(state_file=file)


async def test_everything_survives(make: Callable[..., Client], file: Path) -> None:
    """After a kill every change is there again, by the journal; and once more, by the snapshot."""
    client = make(state_file=file)
    await use_everything(client)
    before = await picture(client)
    # What only the pictures themselves added to the request counter is not in the journal.
    before.pop("requests")
    for _ in range(2):
        client = reopened(make, client, file)
        after = await picture(client)
        after.pop("requests")
        assert after == before
    await client.post("/__sandbox/process")
    await client.set(visibility="instant")
    await client.agent(agent_event("identify", "u2", props={"old_visitor_id": "_PENDO_T_y"}))
    owners = {event["event"]: event["visitorId"] for event in await client.events(type="track")}
    assert owners == {"A": "u1", "Anon": "u1", "Still anonymous": "u2", "Waits": "u1"}


async def test_a_reset_survives(make: Callable[..., Client], file: Path) -> None:
    """A reset stays a reset, and goes back to the switches of the start it happened in."""
    client = make(state_file=file, switches={"track.sameMs": "collapse"})
    await client.track("Old", "u1")
    await client.post("/__sandbox/reset")
    await client.track("New", "u2")
    await client.track("Collapses", "u2")
    client = reopened(make, client, file)
    assert [event["event"] for event in await client.events()] == ["New"]


async def test_switches_of_a_new_start_win(make: Callable[..., Client], file: Path) -> None:
    """--set of this start stands above what the file remembers; what it does not name stays."""
    client = make(state_file=file)
    await client.set(track__sameMs="collapse", track__nested="drop")
    client.app.close()
    client = make(state_file=file, switches={"track.sameMs": "keep"})
    switches = (await client.get("/__sandbox/switches")).json()
    assert (switches["track.sameMs"], switches["track.nested"]) == ("keep", "drop")


async def test_a_torn_last_line(make: Callable[..., Client], file: Path) -> None:
    """A write that the crash cut in half was never answered: it is cut off, and said; then all goes on."""
    client = make(state_file=file)
    await client.track("Whole", "u1")
    await client.track("Torn", "u2", timestamp=1)
    client.app.close()
    raw = journal_of(file).read_bytes()
    journal_of(file).write_bytes(raw[:-20])
    client = make(state_file=file)
    assert [event["event"] for event in await client.events()] == ["Whole"]
    assert "journal_torn" in await client.codes()
    await client.track("Next", "u3", timestamp=2)
    client = reopened(make, client, file)
    assert [event["event"] for event in await client.events()] == ["Whole", "Next"]


async def test_any_cut_is_survived(make: Callable[..., Client], file: Path) -> None:
    """Wherever the journal ends, the start succeeds with a prefix of what was sent."""
    client = make(state_file=file)
    for n in range(3):
        await client.track(f"E{n}", "u1", timestamp=START_MS + n)
    client.app.close()
    snapshot, raw = file.read_bytes(), journal_of(file).read_bytes()
    for cut in range(len(raw) + 1):
        file.write_bytes(snapshot)
        journal_of(file).write_bytes(raw[:cut])
        client = make(state_file=file)
        names = [event["event"] for event in await client.events()]
        assert names == [f"E{n}" for n in range(raw[:cut].count(b"\n") - 1)] or (names == [] and cut < 10)
        client.app.close()


async def test_a_crash_while_folding(make: Callable[..., Client], file: Path) -> None:
    """Killed between writing the snapshot and beginning a new journal: nothing counts twice."""
    client = make(state_file=file)
    await client.track("Once", "u1")
    client.app.close()
    old_journal = journal_of(file).read_bytes()
    make(state_file=file).app.close()
    journal_of(file).write_bytes(old_journal)
    client = make(state_file=file)
    assert len(await client.events()) == 1


async def test_folding_when_large(
    make: Callable[..., Client], file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal above its bound becomes a snapshot while the sandbox runs."""
    client = make(state_file=file)
    monkeypatch.setattr(journal_module, "JOURNAL_BYTES_MAX", 1_000)
    for n in range(20):
        await client.track(f"E{n}", "u1", timestamp=START_MS + n)
    assert journal_of(file).stat().st_size < 2_000
    assert json.loads(file.read_bytes())["generation"] > 2
    client = reopened(make, client, file)
    assert len(await client.events()) == 20


async def test_files_that_cannot_be_used(make: Callable[..., Client], file: Path, tmp_path: Path) -> None:
    """A file in use, of another region or version, damaged, or of strangers is refused with a clear sentence."""
    client = make(state_file=file)
    await client.track("E", "u1")
    with pytest.raises(ValueError, match="in use by another sandbox"):
        make(state_file=file)
    client.app.close()
    with pytest.raises(ValueError, match="of region us"):
        make(state_file=file, region="eu")
    snapshot, journal = file.read_bytes(), journal_of(file).read_bytes()
    cases = [
        (b"{", journal, "cannot be read"),
        (snapshot.replace(b'"version":1', b'"version":2'), journal, "another version"),
        (snapshot, b"x\n" + journal, "does not begin with its generation"),
        (snapshot, b"99\n", "do not belong together"),
        (snapshot, journal.replace(b"[", b"(", 1), "Line 2 .* damaged"),
    ]
    for bad_snapshot, bad_journal, message in cases:
        file.write_bytes(bad_snapshot)
        journal_of(file).write_bytes(bad_journal)
        with pytest.raises(ValueError, match=message):
            make(state_file=file)
    with pytest.raises(ValueError, match="cannot be opened"):
        make(state_file=tmp_path)
    file.write_bytes(snapshot)
    journal_of(file).write_bytes(journal)
    assert len(await make(state_file=file).events()) == 1


async def test_a_journal_that_cannot_be_written(
    make: Callable[..., Client], file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be kept is not acknowledged."""
    client = make(state_file=file)

    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    answer = await client.track("E", "u1")
    assert (answer.status, "No space left" in answer.text) == (503, True)


async def test_files_are_private(make: Callable[..., Client], file: Path) -> None:
    """Nobody else on the machine reads them."""
    make(state_file=file)
    assert {oct(path.stat().st_mode & 0o777) for path in (file, journal_of(file))} == {"0o600"}


async def test_lifespan_lets_go_of_the_file(make: Callable[..., Client], file: Path) -> None:
    """Startup and shutdown are answered; after it another process may have the file."""
    client = make(state_file=file)
    incoming = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[str] = []

    async def receive() -> Any:
        return incoming.pop(0)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await client.app({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    make(state_file=file)


SERVER = """
import pathlib, socket, sys, uvicorn
from sternpost.sandbox.app import create_app
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen(100)
print(listener.getsockname()[1], flush=True)
app = create_app(state_file=pathlib.Path(sys.argv[1]))
uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off")).run(sockets=[listener])
"""


class Server:
    """A sandbox in a process of its own."""

    def __init__(self, file: Path) -> None:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(file)], stdout=subprocess.PIPE, env=environment
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        # The socket listens before the server runs: connecting waits in its queue.
        return await asyncio.open_connection("127.0.0.1", self.port)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


async def exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, method: str, path: str, body: bytes = b""
) -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nhost: x\r\nx-pendo-integration-key: {seed.TRACK_SECRET_WEB}\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    answer = await reader.readuntil(b"\r\n\r\n")
    length = int(answer.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    return answer.split(b" ")[1] + await reader.readexactly(length)


async def test_kill_nine(file: Path) -> None:
    """Whatever a killed process had answered is there after the restart, under load from several connections."""
    file.parent.mkdir(parents=True)
    answered: list[str] = []
    server = Server(file)

    async def load(connection: int) -> None:
        reader, writer = await server.open()
        try:
            for n in range(10_000):
                name = f"{connection}-{n}"
                body = json.dumps({"type": "track", "event": "E", "visitorId": name, "timestamp": n}).encode()
                if await exchange(reader, writer, "POST", "/data/track", body) == b"200":
                    answered.append(name)
                if len(answered) == 400:
                    server.kill()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    await asyncio.gather(*(load(connection) for connection in range(4)))
    assert len(answered) >= 400
    server = Server(file)
    reader, writer = await server.open()
    state = json.loads((await exchange(reader, writer, "GET", "/__sandbox/state"))[3:])
    writer.close()
    server.kill()
    kept = {event["visitorId"] for event in state["events"]}
    assert set(answered) <= kept


async def test_a_dropped_connection_carries_no_byte(file: Path) -> None:
    """Under a genuine server a fault with drop closes the connection without an answer."""
    file.parent.mkdir(parents=True)
    server = Server(file)
    reader, writer = await server.open()
    await exchange(reader, writer, "POST", "/__sandbox/faults", b'{"match":"/data","drop":"after","times":1}')
    with pytest.raises(asyncio.IncompleteReadError) as caught:
        await exchange(
            reader,
            writer,
            "POST",
            "/data/track",
            b'{"type":"track","event":"E","visitorId":"u","timestamp":1}',
        )
    assert caught.value.partial == b""
    writer.close()
    reader, writer = await server.open()
    assert b'"visitorId":"u"' in await exchange(reader, writer, "GET", "/__sandbox/state")
    writer.close()
    server.kill()
