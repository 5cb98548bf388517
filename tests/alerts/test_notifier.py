"""The loop: what cannot be sent waits in order, within a bound; and a real server tells a real webhook."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sternpost.alerts.conditions import Facts
from sternpost.alerts.notifier import WAITING_MAX, Notifier
from sternpost.model import Call, Reply
from tests.e2e.running import Sandbox, Server, connected, pendo, source
from tests.waiting import until


async def test_waits_until_it_can_be_sent() -> None:
    """Messages keep their order while the webhook is down; the newest are kept."""
    facts = [Facts(now=0.0, accepting=True, oldest_s={f"d{n}": 999.0 for n in range(WAITING_MAX + 5)})]
    sent: list[Any] = []
    status: list[int | None] = [None]

    async def gather() -> Facts:
        return facts[0]

    async def send(call: Call) -> Reply:
        if status[0] == 200:
            sent.append(json.loads(call.body))
        return Reply(status[0], {}, b"", 1)

    notifier = Notifier("http://127.0.0.1:9/x", facts=gather, send=send, console="http://here")
    await notifier.once()
    assert sent == []
    status[0] = 500
    await notifier.once()
    status[0] = 200
    for _ in range(6):
        await notifier.once()
    assert [message["subject"] for message in sent] == [f"d{n}" for n in range(5, WAITING_MAX + 5)]
    assert sent[0]["text"] == (
        "Sternpost: d5 is 17 minutes behind. See whether it answers with errors, or gets more than ratePerSecond lets out. "
        "http://here/console/destinations/d5"
    )


class Webhook:
    def __init__(self) -> None:
        got: list[Any] = []
        self.got = got

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                got.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/s3cr3t"


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    found = Webhook()
    yield found
    found.server.shutdown()


def test_blocked_and_over(tmp_path: Path, webhook: Webhook) -> None:
    """A refused key is told of with what to do; once it is corrected and what waited is delivered, that is told too."""
    sandbox = Sandbox(tmp_path / "sandbox")
    wrong = connected(
        [source("backend")], [pendo(sandbox, trackEventSecret="77777777-7777-4777-8777-777777777777")]
    )
    server = Server(tmp_path / "server", wrong, "--alert-webhook", webhook.url)
    try:
        server.accept("wk-backend", {"type": "track", "event": "e", "userId": "u", "messageId": "alert-1"})
        until(lambda: webhook.got, within_s=30, what="it is told")
        first = webhook.got[0]
        assert (first["kind"], first["subject"], first["state"]) == (
            "destination_blocked",
            "pendo",
            "started",
        )
        assert first["link"] == f"{server.url}/console/destinations/pendo"
        assert "nothing is lost" in first["text"]
        server.write(connected([source("backend")], [pendo(sandbox)]))
        until(lambda: server.state_of("alert-1") == "delivered", within_s=30, what="it drains")
        until(lambda: len(webhook.got) > 1, within_s=30, what="the end is told")
        assert [message["state"] for message in webhook.got] == ["started", "over"]
        assert "s3cr3t" not in server.log
    finally:
        server.end()
        sandbox.end()
