"""A server whose configuration is not a file of the operator's: destinations that its editors make cannot reach into the network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.running import Answer, Program, Sandbox, basic, pendo, request
from tests.waiting import until


class Stored(Program):
    """`sternpost serve` on all addresses, with its workspace in the store."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.data = folder / "data"
        super().__init__(
            folder,
            "serve",
            "--host",
            "0.0.0.0",
            "--port",
            "0",
            "--data-dir",
            str(self.data),
            "--no-open",
            *flags,
        )
        port = self.started(lambda: self._server_file())["url"].rpartition(":")[2]
        self.url = f"http://127.0.0.1:{port}"

    def _server_file(self) -> Any:
        file = self.data / "server.json"
        return json.loads(file.read_text()) if file.exists() else None

    def api(self, method: str, path: str, body: Any = None) -> Answer:
        token = (self.data / "api-token").read_text().strip()
        data = None if body is None else json.dumps(body).encode()
        return request(self.url, method, f"/api/v1/{path}", data, {"Authorization": f"Bearer {token}"})

    def connect(self, destination: dict[str, Any]) -> None:
        """A destination, with a source of its own that sends to it."""
        name = destination["id"]
        for path, body in [
            ("sources", {"id": name, "name": name, "type": "server", "writeKey": f"wk-{name}"}),
            ("destinations", destination),
            ("connections", {"source": name, "destination": name, "mode": "cloud"}),
        ]:
            answer = self.api("POST", path, body)
            assert answer.status in {200, 201}, answer

    def standing(self, name: str) -> Any:
        """Where the one event of that source stands."""
        (entry,) = self.api("GET", f"events/{name}").json()["events"]
        return entry["destinations"][0]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    running = Stored(tmp_path_factory.mktemp("stored"))
    yield running
    running.end()


HOSTS = ["localhost", "2130706433", "[::ffff:127.0.0.1]", "0.0.0.0", "169.254.169.254"]


@pytest.mark.parametrize("kind", ["webhook", "pendo"])
def test_destinations_that_point_inside(server: Stored, sandbox: Sandbox, kind: str) -> None:
    """Webhooks and custom hosts of Pendo alike, however the address is written: blocked with the reason, nobody inside hears a byte."""
    before = len(sandbox.requests())
    port = sandbox.url.rpartition(":")[2]
    names = []
    for number, host in enumerate(HOSTS):
        name = f"{kind}-{number}"
        url = f"http://{host}:{port}"
        if kind == "pendo":
            destination = pendo(sandbox, name, hosts={"api": url, "data": url, "content": url})
        else:
            destination = {"id": name, "name": name, "type": "webhook", "settings": {"url": f"{url}/hook"}}
        server.connect(destination)
        names.append(name)
        body = json.dumps({"userId": "u", "event": "E", "messageId": name}).encode()
        assert request(server.url, "POST", "/v1/track", body, basic(f"wk-{name}")).status == 200
    for name in names:
        until(lambda: server.standing(name)["state"] == "blocked", what=name)  # noqa: B023
        assert server.standing(name)["reason"] == "address_not_allowed"
    assert len(sandbox.requests()) == before


def test_what_the_operator_allows(sandbox: Sandbox, tmp_path: Path) -> None:
    """--allow-private-hosts names a network: it is reached."""
    server = Stored(tmp_path, "--allow-private-hosts", "127.0.0.0/8")
    try:
        server.connect(pendo(sandbox, "inside"))
        body = json.dumps({"userId": "inside", "event": "E", "messageId": "inside"}).encode()
        assert request(server.url, "POST", "/v1/track", body, basic("wk-inside")).status == 200
        until(lambda: server.standing("inside")["state"] == "delivered")
    finally:
        server.end()
