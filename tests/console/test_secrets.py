"""No secret in anything the server says: distinctive ones are planted wherever one may be, and every answer, page, export, metric, log line
and command is searched for them, plain and as base64.
"""

from __future__ import annotations

import base64
import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from sternpost.console.pages import PAGES
from sternpost.control.operations import OPERATIONS
from tests.cli.programs import running, sternpost
from tests.waiting import until

OWNER_TOKEN = "sp-planted-owner-token-11aa"
INTEGRATION_KEY = "planted-integration-key-22bb.us"
TRACK_SECRET = "planted-track-secret-33cc"
SIGNING_SECRET = "planted-signing-secret-44dd"
HEADER_SECRET = "planted-header-secret-55ee"
PASSWORD = "planted password 66ff"
SECRETS = (OWNER_TOKEN, INTEGRATION_KEY, TRACK_SECRET, SIGNING_SECRET, HEADER_SECRET, PASSWORD)
ENV = {"STERNPOST_API_TOKEN": OWNER_TOKEN}
COMMANDS = (
    ("doctor",), ("doctor", "--json"), ("workspace", "show"), ("workspace", "export"), ("failures", "list"), ("failures", "list", "--json"),
    ("events", "get", "m1", "--json"), ("events", "get", "m1"), ("replay", "list"), ("people", "show", "u1"),
)  # fmt: skip


def document(port: int) -> dict[str, Any]:
    """Secrets in every field that takes one; the destinations answer nobody."""
    host = f"http://127.0.0.1:{port}"
    return {
        "version": 1,
        "sources": [{"id": "web", "name": "Web", "type": "web", "writeKey": "wk-web"},
                    {"id": "back", "name": "Back", "type": "server", "writeKey": "wk-back"}],
        "destinations": [
            {"id": "pendo", "name": "Pendo", "type": "pendo", "settings": {
                "region": "custom", "hosts": {"api": host, "data": host, "content": host}, "integrationKey": INTEGRATION_KEY,
                "trackEventSecret": TRACK_SECRET}},
            {"id": "hook", "name": "Hook", "type": "webhook", "settings": {
                "url": f"{host}/hook", "headers": {"X-Key": HEADER_SECRET}, "signingSecret": SIGNING_SECRET}},
        ],
        "connections": [{"source": source, "destination": destination, "mode": "cloud"}
                        for source in ("web", "back") for destination in ("pendo", "hook")],
    }  # fmt: skip


class Server:
    """Asks a running server, and keeps everything it says."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.said: list[tuple[str, str]] = []
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))

    def ask(self, method: str, path: str, content: Any = None, *, form: Any = None, api: bool = True) -> str:
        headers = {"authorization": f"Bearer {OWNER_TOKEN}"} if api else {}
        body = urlencode(form).encode() if form is not None else None
        if content is not None:
            body = json.dumps(content).encode()
        request = urllib.request.Request(f"{self.base}{path}", body, headers, method=method)
        try:
            with self._opener.open(request, timeout=20) as reply:
                found = reply.read().decode("utf-8", "replace") + str(reply.headers)
        except urllib.error.HTTPError as error:
            found = error.read().decode("utf-8", "replace") + str(error.headers)
        self.said.append((f"{method} {path}", found))
        return found


def forms_of(secret: str) -> Iterator[str]:
    """A secret as it could stand somewhere: plain, in an address, and as base64 wherever it begins within three bytes."""
    yield secret
    yield quote(secret, safe="")
    for before in range(3):
        encoded = base64.b64encode(b"x" * before + secret.encode()).decode().rstrip("=")
        yield encoded[4 if before else 0 : -2]


def address(path: str) -> str:
    known = {"source": "web", "destination": "pendo", "user": "owner", "reason": "server_error"}
    return re.sub(r"\{(\w+)(?::\w+)?\}", lambda found: known.get(found[1], "m1"), path)


def test_no_secret_anywhere(tmp_path: Path) -> None:
    env = {**ENV, "STERNPOST_ALLOW_PRIVATE_HOSTS": "127.0.0.0/8"}
    with running("serve", "--port", "0", "--log-level", "debug", cwd=tmp_path, env=env) as program:
        setup = program.line(r"Set up +(\S+)")[1]
        server = Server(setup.partition("/console/")[0])
        assert "revision" in server.ask(
            "PUT", "/api/v1/workspace", {"document": document(int(server.base.rpartition(":")[2]))}
        )
        # Secrets where they do not belong: in events, as write keys, in addresses, in names.
        event = {"userId": "u1", "event": f"Order {TRACK_SECRET}", "properties": {"key": INTEGRATION_KEY, "h": {HEADER_SECRET: SIGNING_SECRET}}}  # fmt: skip
        for key, message in (("wk-back", "m1"), (INTEGRATION_KEY, "m2")):
            name = base64.b64encode(f"{key}:".encode()).decode()
            request = urllib.request.Request(
                f"{server.base}/v1/track",
                json.dumps({**event, "messageId": message}).encode(),
                {"authorization": f"Basic {name}"},
            )
            try:
                urllib.request.urlopen(request).close()
            except urllib.error.HTTPError as error:
                assert error.code == 401
        session = sign_in(server, setup)
        token = json.loads(
            server.ask("POST", "/api/v1/tokens", {"name": "planted", "role": "viewer"}).partition("}")[0]
            + "}"
        )["token"]
        server.said.clear()  # its answer is the one place where a token is shown
        until(lambda: '"tries":0' not in server.ask("GET", "/api/v1/events/m1"))
        for operation in OPERATIONS:
            if operation.method == "GET" and operation.name != "live":
                server.ask("GET", f"/api/v1{address(operation.path)}")
        for page in PAGES:
            if page[0] == "GET":
                server.ask("GET", f"/console{address(page[1])}", api=False)
        for path in ("/metrics", "/health", "/version", "/sourceConfig?writeKey=wk-web", "/console/events/m1?dest=hook",
                     "/console/events?tab=refused", "/console/nothing", "/api/v1/nothing", f"/console/search?q={quote(TRACK_SECRET)}"):  # fmt: skip
            server.ask("GET", path)
        for command in COMMANDS:
            done = sternpost(*command, cwd=tmp_path, env=env)
            server.said.append((" ".join(command), done.out + done.err))
        assert program.stop() == 0
        server.said.append(("log", program.errors() + "\n".join(program.seen[1:])))
    assert len(server.said) > 40
    hidden = (*SECRETS, session, token)
    for what, said in server.said:
        for secret in hidden:
            for form in forms_of(secret):
                # What a visitor typed into the address is theirs already.
                if TRACK_SECRET in form and "search" in what:
                    continue
                assert form not in said, (what, secret, form)


def sign_in(server: Server, setup: str) -> str:
    """The owner with a password; the session's token."""
    path = setup.removeprefix(server.base)
    found = re.search(r'name="form_token" value="(\w+)"', server.ask("GET", path, api=False))
    assert found is not None
    server.ask("POST", path, form={"form_token": found[1]}, api=False)
    page = server.ask("GET", "/console/settings", api=False)
    found = re.search(r'name="form_token" value="(\w+)"', page)
    assert found is not None
    form = {"form_token": found[1], "new": PASSWORD, "again": PASSWORD}
    assert "The password is set." in server.ask("POST", "/console/settings/password", form=form, api=False)
    [jar] = [
        one for one in vars(server._opener)["handlers"] if isinstance(one, urllib.request.HTTPCookieProcessor)
    ]
    [session] = [cookie.value for cookie in jar.cookiejar if cookie.name == "sternpost_session"]
    assert session
    return session
