"""Every case of the contract's `gateway.json` over HTTP against a real server, with what becomes of the events behind the door."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.running import Answer, Sandbox, Server, request
from tests.gateway.test_gateway_cases import body_of, check_answer, fits
from tests.waiting import until

DATA = json.loads((Path(__file__).parent.parent / "data" / "gateway.json").read_text(encoding="utf-8"))
CASES: list[dict[str, Any]] = DATA["cases"]
ABOUT = DATA["_about"]


@pytest.fixture(scope="module")
def server(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The workspace of the contract, beside a sandbox."""
    workspace = yaml.safe_load(ABOUT["fixture"]["workspace_yaml"])
    settings = workspace["destinations"][0]["settings"]
    settings["hosts"] = dict.fromkeys(("api", "data", "content"), sandbox.url)
    # Not part of the fixture: 5001 events at 100 requests a second would outlive the tests.
    settings["ratePerSecond"] = 10_000
    running = Server(tmp_path_factory.mktemp("door"), workspace)
    yield running
    running.end()
    assert not running.complaints()


def ask(server: Server, case: dict[str, Any]) -> Answer:
    return request(server.url, case["method"], case["path"], body_of(case) or None, case["headers"])


def check_stored(server: Server, case: dict[str, Any]) -> None:
    """What must be kept is kept as it was received, what must not be is not."""
    expect = case["expect"]
    for stored in expect.get("stored", []):
        if "messageId" not in stored["find"]:
            continue  # found among the live events, see below
        entries = server.entries(stored["find"]["messageId"])
        assert entries, stored["find"]
        assert any(fits(stored["match"], entry["event"]) for entry in entries), (stored["match"], entries)
        assert all(
            [standing["destination"] for standing in entry["destinations"]] == ["pendo"] for entry in entries
        )
    for message_id in expect.get("notStored", []):
        assert server.entries(message_id) == []


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_case(server: Server, case: dict[str, Any]) -> None:
    """A request of the contract gets exactly the contract's answer; exactly its events are kept, and each gets an end."""
    before = server.kept()
    answer = ask(server, case)
    check_answer(case, answer)
    check_stored(server, case)
    expect = case["expect"]
    grown = server.kept() - before
    if "storedCount" in expect:
        assert grown == expect["storedCount"]
    elif expect["status"] != 200:
        assert grown == 0
    else:
        assert grown == len(expect.get("stored", []))
    for stored in expect.get("stored", []):
        if "messageId" in stored["find"]:
            server.reaches(stored["find"]["messageId"])


def test_a_message_id_of_invisible_characters_is_replaced(server: Server) -> None:
    """The case whose event is found by another field than its id: it is seen among the live events, under an id of ours."""
    (case,) = [case for case in CASES if case["id"] == "gw-messageid-invisible-replaced"]
    (stored,) = case["expect"]["stored"]
    with server.live() as live:
        assert ask(server, case).status == 200
        entry = until(
            lambda: next((one for one in live.entries() if fits(stored["find"], one["event"])), None)
        )
        assert fits(stored["match"], entry["event"])
        assert server.reaches(entry["messageId"])
        # Received, and once more at each change of a state.
        until(
            lambda: (
                [
                    one["destinations"][0]["state"]
                    for one in live.entries()
                    if one["messageId"] == entry["messageId"]
                ][-1]
                != "pending"
            )
        )


def test_all_that_was_answered_survives_a_kill_right_behind_the_answers(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """A 200 is sent only when the events are durable: all cases, then kill -9, then every event of `stored` is still there."""
    workspace = yaml.safe_load(ABOUT["fixture"]["workspace_yaml"])
    workspace["destinations"][0]["settings"]["hosts"] = dict.fromkeys(("api", "data", "content"), sandbox.url)
    server = Server(tmp_path, workspace)
    try:
        cases = [
            case for case in CASES if case["expect"].get("stored") and "storedCount" not in case["expect"]
        ]
        assert len(cases) >= 20
        for case in cases:
            assert ask(server, case).status == 200
        server.kill()
        server.again()
        for case in cases:
            check_stored(server, case)
        until(lambda: server.idle(), what="all delivered")
    finally:
        server.end()
    assert not server.complaints()


def test_cross_origin_rules_hold_on_every_path_and_answer(server: Server) -> None:
    """Contract 5.4: the caller's origin is echoed on answers of every kind; the control API never sends these headers."""
    origin = {"Origin": "https://app.example.com"}
    for method, path in [
        ("GET", "/health"), ("GET", "/version"), ("GET", "/robots.txt"), ("POST", "/v1/track"), ("POST", "/v1/foo"),
        ("GET", "/v1/track"), ("GET", "/pixel/v1/page?writeKey=no"), ("POST", "/beacon/v1/batch"),
    ]:  # fmt: skip
        answer = request(server.url, method, path, headers=origin)
        assert answer.header("access-control-allow-origin") == "https://app.example.com", (method, path)
        assert answer.header("access-control-allow-credentials") == "true"
        assert answer.header("vary") == "Origin"
    preflight = request(
        server.url, "OPTIONS", "/v1/batch", None,
        {**origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "anonymousid, x-mine"},
    )  # fmt: skip
    assert (preflight.status, preflight.body) == (204, b"")
    assert preflight.header("access-control-allow-headers") == "anonymousid, x-mine"
    assert preflight.header("access-control-max-age") == "900"
    for path in ("/api/v1/stats", "/console/"):
        answer = request(server.url, "GET", path, headers=origin)
        assert answer.header("access-control-allow-origin") is None, path
