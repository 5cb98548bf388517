"""A real server and a real sandbox, each a process of its own, as people run them; and the HTTP that tests speak with them.

Nothing here waits a fixed time: `until` looks again and again and gives up at a deadline.
"""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import quote, urlsplit

import yaml

from tests.waiting import until

ROOT = Path(__file__).parent.parent.parent
START_S = 30.0  #: a busy machine with two cores needs a second or two; more is a hang
FINAL = frozenset({"delivered", "skipped", "rejected"})

INTEGRATION_KEY = "33333333-3333-4333-8333-333333333333.us"
TRACK_SECRET = "55555555-5555-4555-8555-555555555555"

#: What the banner remarks on, and uvicorn's own words about what others did.
HARMLESS = ("Note: ", "timeout graceful shutdown exceeded", "Invalid HTTP request received.")

Found = TypeVar("Found")


# --- HTTP -------------------------------------------------------------------------------------------------------------


@dataclass
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    """One connection that is kept; sends the headers it is given and no others but Host and Content-Length."""

    def __init__(self, url: str, *, timeout_s: float = 30.0) -> None:
        self._http = http.client.HTTPConnection(urlsplit(url).netloc, timeout=timeout_s)

    def __call__(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        self._http.putrequest(method, path, skip_accept_encoding=True)
        for name, value in (headers or {}).items():
            self._http.putheader(name, value)
        if body is not None or method in {"POST", "PUT"}:
            self._http.putheader("Content-Length", str(len(body or b"")))
        self._http.endheaders(body)
        reply = self._http.getresponse()
        return Answer(reply.status, reply.getheaders(), reply.read())

    def close(self) -> None:
        self._http.close()


def request(
    url: str, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> Answer:
    """One request on a connection of its own."""
    connection = Connection(url)
    try:
        return connection(method, path, body, headers)
    finally:
        connection.close()


def basic(write_key: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{write_key}:".encode()).decode()}


# --- processes --------------------------------------------------------------------------------------------------------


class Program:
    """A `sternpost` command that runs until it is stopped. Its standard error is kept as `log`."""

    #: How the command is started; its arguments follow.
    command: tuple[str, ...] = ("-m", "sternpost")

    def __init__(self, folder: Path, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / f"{arguments[0]}.log"
        self._out = folder / f"{arguments[0]}.out"
        # Settings of whoever runs the tests must not reach the programs under test.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("STERNPOST_")}
        with self._log.open("ab") as log, self._out.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, *self.command, *arguments],
                cwd=folder,
                env={**inherited, "PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1", **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
            )

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def out(self) -> str:
        return self._out.read_text(errors="replace")

    def started(self, condition: Callable[[], Found | None]) -> Found:
        """What the condition gives once the program is ready; says what the program said when it ends instead."""

        def ready() -> Found | None:
            if self.process.poll() is not None:
                raise RuntimeError(f"ended with {self.process.returncode}:\n{self.log}\n{self.out}")
            return condition()

        return until(ready, within_s=START_S, what=f"start of {self.folder}")

    def kill(self) -> None:
        """As `kill -9` does."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self, within_s: float = 20.0) -> int:
        """Politely, by SIGTERM; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
            raise AssertionError(f"did not stop within {within_s:g} s:\n{self.log}") from None

    def end(self) -> None:
        """However it stands; for finalizers."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)


class Sandbox(Program):
    """`sternpost sandbox` on a free port, in memory."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "sandbox", "--port", "0")
        found = self.started(lambda: re.search(r"http://127\.0\.0\.1:\d+", self.out))
        self.url = found[0]

    def get(self, path: str) -> Any:
        return request(self.url, "GET", f"/__sandbox/{path}").json()

    def post(self, path: str, body: Any) -> Any:
        answer = request(self.url, "POST", f"/__sandbox/{path}", json.dumps(body).encode())
        assert answer.status == 200, answer.body
        return answer.json()

    def state(self) -> Any:
        return self.get("state")

    def events(self, **query: str) -> list[dict[str, Any]]:
        """Events in the order in which they came in."""
        return self.get(
            "events?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
        )

    def requests(self) -> list[dict[str, Any]]:
        """Pendo's requests in the order in which they came in."""
        return self.get("requests")

    @contextlib.contextmanager
    def faults(self, *orders: Mapping[str, Any]) -> Iterator[None]:
        """Faults that are in force until the block ends."""
        self.post("faults", list(orders))
        try:
            yield
        finally:
            self.post("faults", [])


class Server(Program):
    """`sternpost serve` on a free port with a workspace file of its own."""

    def __init__(
        self,
        folder: Path,
        workspace: Mapping[str, Any],
        *flags: str,
        env: Mapping[str, str] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.data = folder / "data"
        self.file = folder / "workspace.yaml"
        self.write(workspace)
        self._flags = flags
        self._env = env
        self._port = "0"
        self._begin()

    def fixed_port(self, port: int) -> None:
        """Start at this port from now on, for clients that go on sending to the address they know."""
        self._port = str(port)

    def received(self) -> int:
        """Events that are kept of the source `backend`; 0 while nobody answers."""
        try:
            return int(self.stats()["sources"]["backend"]["received"])
        except (OSError, http.client.HTTPException):
            return 0

    def _begin(self) -> None:
        # A killed server leaves this file; without it, its being there tells that the new one is ready.
        (self.data / "server.json").unlink(missing_ok=True)
        super().__init__(
            self.file.parent, "serve", "--port", self._port, "--data-dir", str(self.data), "--workspace", str(self.file),
            "--no-open", *self._flags, env=self._env,
        )  # fmt: skip

        def address() -> str | None:
            path = self.data / "server.json"
            return str(json.loads(path.read_text())["url"]) if path.exists() else None

        self.url = self.started(address)

    def again(self) -> None:
        """Start once more on the same data directory."""
        assert self.process.poll() is not None
        self._begin()

    def write(self, workspace: Mapping[str, Any] | str) -> None:
        """Replace the workspace file in one step, as editors do."""
        text = workspace if isinstance(workspace, str) else yaml.safe_dump(dict(workspace), sort_keys=False)
        temporary = self.file.with_suffix(".new")
        temporary.write_text(text)
        temporary.replace(self.file)

    def send(self, write_key: str, path: str, body: Any, **headers: str) -> Answer:
        """An event, or `/v1/batch`, as SDKs do."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return request(self.url, "POST", path, data, {**basic(write_key), **headers})

    def accept(self, write_key: str, *events: Mapping[str, Any]) -> None:
        """Events as one batch, which must be accepted."""
        answer = self.send(write_key, "/v1/batch", {"batch": list(events)})
        assert (answer.status, answer.body) == (200, b"ok"), (answer, self.log)

    # --- what people and programs may ask

    def api(self, path: str, method: str = "GET") -> Answer:
        token = (self.data / "api-token").read_text().strip()
        return request(self.url, method, f"/api/v1/{path}", headers={"Authorization": f"Bearer {token}"})

    def entries(self, message_id: str) -> list[dict[str, Any]]:
        """The fate of an event, one entry for each source that sent it; [] when it is not kept."""
        answer = self.api(f"events/{quote(message_id, safe='')}")
        if answer.status == 404:
            return []
        assert answer.status == 200, answer.body
        return answer.json()["events"]

    def fate(self, message_id: str, destination: str = "pendo") -> dict[str, Any] | None:
        """Where the event stands at that destination."""
        for entry in self.entries(message_id):
            for standing in entry["destinations"]:
                if standing["destination"] == destination:
                    return standing
        return None

    def state_of(self, message_id: str, destination: str = "pendo") -> str | None:
        found = self.fate(message_id, destination)
        return found["state"] if found else None

    def reaches(
        self, message_id: str, *states: str, destination: str = "pendo", within_s: float = 20.0
    ) -> dict[str, Any]:
        """Wait until the event is in one of these states; its fate then."""
        wanted = set(states or FINAL)

        def there() -> dict[str, Any] | None:
            found = self.fate(message_id, destination)
            assert found is not None, f"{message_id} is not known"
            assert found["state"] in wanted, f"{message_id}: {found['state']} {found['reason']}"
            return found

        return until(there, within_s=within_s, what=f"{message_id} {sorted(wanted)}")

    def live(self, query: str = "") -> Live:
        """The stream of live events, open when this returns."""
        return Live(self.url, (self.data / "api-token").read_text().strip(), query)

    def stats(self) -> Any:
        answer = self.api("stats")
        assert answer.status == 200, answer.body
        return answer.json()

    def kept(self, destination: str = "pendo") -> int:
        """How many events are kept for a destination, in whatever state."""
        counts = self.stats()["destinations"][destination]
        return sum(
            counts[state]
            for state in ("pending", "held", "retrying", "blocked", "delivered", "skipped", "rejected")
        )

    def idle(self, destination: str = "pendo") -> bool:
        """Whether nothing waits for that destination."""
        counts = self.stats()["destinations"][destination]
        return not any(counts[state] for state in ("pending", "retrying", "blocked"))

    @property
    def rss_mb(self) -> float:
        """What the process holds in memory."""
        status = Path(f"/proc/{self.process.pid}/status")
        if status.exists():
            return int(re.findall(r"VmRSS:\s+(\d+)", status.read_text())[0]) / 1024
        shown = subprocess.run(
            ["ps", "-o", "rss=", "-p", str(self.process.pid)], capture_output=True, text=True, check=True
        )
        return int(shown.stdout) / 1024

    def complaints(self) -> list[str]:
        """What the log says about defects: traces, errors, and whatever is not one of the server's own lines."""
        found = []
        for line in self.log.splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                if not any(harmless in line for harmless in HARMLESS):
                    found.append(line)
                continue
            if entry.get("level") in {"error", "critical"} or "exception" in entry or "Traceback" in line:
                found.append(line)
        return found


class Live:
    """Live events, collected by a thread; a context that closes the stream."""

    def __init__(self, url: str, token: str, query: str) -> None:
        self._http = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        self._http.request("GET", f"/api/v1/live{query}", headers={"Authorization": f"Bearer {token}"})
        self._reply = self._http.getresponse()
        assert self._reply.status == 200, self._reply.read()
        self._entries: list[dict[str, Any]] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError, ValueError, AttributeError, http.client.HTTPException):
            for line in self._reply:
                if line.startswith(b"data:"):
                    found = json.loads(line[5:])
                    if "messageId" in found:
                        self._entries.append(found)

    def entries(self) -> list[dict[str, Any]]:
        return list(self._entries)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError, AttributeError):
            self._http.sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._http.close()


# --- workspaces -------------------------------------------------------------------------------------------------------


def pendo(sandbox: Sandbox, name: str = "pendo", **settings: Any) -> dict[str, Any]:
    """A Pendo destination that points to the sandbox and is as quick as it can be."""
    return {
        "id": name,
        "name": name,
        "type": "pendo",
        "settings": {
            "region": "custom",
            "hosts": {"api": sandbox.url, "data": sandbox.url, "content": sandbox.url},
            "apiKey": "11111111-1111-4111-8111-111111111111",
            "integrationKey": INTEGRATION_KEY,
            "trackEventSecret": TRACK_SECRET,
            "ratePerSecond": 10_000,
            **settings,
        },
    }


def source(name: str, kind: str = "server", **more: Any) -> dict[str, Any]:
    return {"id": name, "name": name, "type": kind, "writeKey": f"wk-{name}", **more}


def connected(
    sources: Iterable[Mapping[str, Any]], destinations: Iterable[Mapping[str, Any]], *pairs: tuple[str, str]
) -> dict[str, Any]:
    """A workspace; without pairs every source is connected to every destination."""
    sources, destinations = list(sources), list(destinations)
    chosen = pairs or [(one["id"], other["id"]) for one in sources for other in destinations]
    return {
        "version": 1,
        "sources": sources,
        "destinations": destinations,
        "connections": [{"source": one, "destination": other, "mode": "cloud"} for one, other in chosen],
    }


# --- load -------------------------------------------------------------------------------------------------------------


@dataclass
class Sender(threading.Thread):
    """A client with its own connection and its own people, that sends numbered events until the server is gone or it is told to stop.

    What was not answered is sent again by the next sender with the same messageIds, as SDKs do.
    """

    url: str
    write_key: str
    people: list[str]
    numbers: dict[str, int]  #: the next number of each person
    unsure: list[dict[str, Any]]  #: events whose answer did not come
    pick: Callable[[], int]  #: events of the next request
    limit: int = 10**9
    acknowledged: list[str] = field(default_factory=list)
    refused: list[Answer] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self.enough = threading.Event()

    def __hash__(self) -> int:
        return id(self)

    def run(self) -> None:
        connection = Connection(self.url)
        turn = 0
        while not self.enough.is_set() and (self.unsure or len(self.acknowledged) < self.limit):
            if not self.unsure:
                person = self.people[turn % len(self.people)]
                turn += 1
                self.unsure = [self._event(person) for _ in range(self.pick())]
            try:
                if len(self.unsure) == 1:
                    body = json.dumps(self.unsure[0]).encode()
                    answer = connection("POST", "/v1/track", body, basic(self.write_key))
                else:
                    body = gzip.compress(json.dumps({"batch": self.unsure}).encode(), 1)
                    answer = connection(
                        "POST", "/v1/batch", body, {**basic(self.write_key), "Content-Encoding": "gzip"}
                    )
            except (OSError, http.client.HTTPException):
                break  # the server is gone, and nobody knows whether it took them
            if answer.status != 200:
                self.refused.append(answer)
                break
            self.acknowledged += [event["messageId"] for event in self.unsure]
            self.unsure = []
        connection.close()

    def _event(self, person: str) -> dict[str, Any]:
        number = self.numbers[person]
        self.numbers[person] = number + 1
        return {
            "type": "track",
            "userId": person,
            "event": "numbered",
            "properties": {"n": number},
            "messageId": f"{person}-{number}",
        }
