"""The published SDKs send RudderStack's documented calls to a real server; what Pendo then has is what the documentation promises."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.clients.front import Front
from tests.clients.sdks import SDKS, Call, Send
from tests.e2e.running import Sandbox, Server, connected, pendo, source
from tests.waiting import until

KEY = "wk-backend"


def documented_calls() -> list[Call]:
    """The three calls of RudderStack's documentation for Pendo, with messageIds to find them by."""
    run = uuid.uuid4().hex
    return [
        (
            "identify",
            {
                "userId": "name123",
                "traits": {
                    "name": "Name Surname",
                    "first_name": "Name",
                    "last_name": "Surname",
                    "email": "name@surname.com",
                    "createdAt": "Thu Mar 24 2020 17:46:45 GMT+0000 (UTC)",
                },
                "messageId": f"identify-{run}",
            },
        ),
        (
            "group",
            {
                "userId": "name123",
                "groupId": "groupId",
                "traits": {
                    "name": "Company",
                    "industry": "Industry",
                    "employees": 123,
                    "email": "abc@xyz.com",
                },
                "messageId": f"group-{run}",
            },
        ),
        (
            "track",
            {
                "userId": "name123",
                "event": "test track event",
                "properties": {"revenue": 30, "currency": "USD", "userId": "12345"},
                "messageId": f"track-{run}",
            },
        ),
    ]


def check_documented_state(sandbox: Sandbox, *, sent_from: float) -> None:
    """Field by field, and nothing besides."""
    state = sandbox.state()
    assert list(state["visitors"]) == ["name123"]
    visitor = state["visitors"]["name123"]
    assert visitor["metadata"]["agent"] == {
        "name": "Name Surname",
        "first_name": "Name",
        "last_name": "Surname",
        "email": "name@surname.com",
        "createdat": "2020-03-24T17:46:45.000Z",
    }
    assert visitor["accounts"] == ["groupId"]
    assert list(state["accounts"]) == ["groupId"]
    assert state["accounts"]["groupId"]["metadata"]["agent"] == {
        "name": "Company",
        "industry": "Industry",
        "employees": 123,
        "email": "abc@xyz.com",
    }
    (event,) = state["events"]
    assert sent_from * 1000 - 1 <= event.pop("timestamp") <= time.time() * 1000 + 1
    assert event == {
        "type": "track",
        "event": "test track event",
        "visitorId": "name123",
        "accountId": "groupId",
        "properties": {"revenue": 30, "currency": "USD", "userId": "12345"},
        "context": {},
    }
    assert sandbox.get("diagnostics") == []


@pytest.fixture
def server(sandbox: Sandbox, serve: Callable[..., Server]) -> Server:
    """A server that has never seen anybody, beside a sandbox in its first state."""
    sandbox.post("reset", {})
    return serve(connected([source("backend")], [pendo(sandbox)]))


@pytest.fixture(params=list(SDKS))
def make(request: pytest.FixtureRequest) -> Callable[..., Send]:
    return SDKS[request.param]


def test_the_three_documented_calls(server: Server, sandbox: Sandbox, make: Callable[..., Send]) -> None:
    """identify, group and track, each in its own request, become a visitor, an account and a track event; each has its fate under the
    SDK's own messageId.
    """
    began = time.time()
    calls = documented_calls()
    make(each=True)(server.url, KEY, calls)
    for _, message in calls:
        fate = server.reaches(message["messageId"])
        assert (fate["state"], fate["reason"]) == ("delivered", None)
        assert [attempt["reply"]["status"] for attempt in fate["attempts"]] == [200]
    check_documented_state(sandbox, sent_from=began)
    assert server.stats()["sources"]["backend"] == {"received": 3, "duplicates": 0}


def test_a_batch(server: Server, sandbox: Sandbox, make: Callable[..., Send]) -> None:
    """The documented calls and 200 events more, as many to a request as the SDK likes: all arrive, each person's in order, each once."""
    began = time.time()
    people = [f"batch-{n}" for n in range(4)]
    tracks: list[Call] = [
        (
            "track",
            {
                "userId": people[n % 4],
                "event": "numbered",
                "properties": {"n": n},
                "messageId": f"{began}-{n}",
            },
        )
        for n in range(200)
    ]
    calls = documented_calls()
    make(each=False)(server.url, KEY, [*calls, *tracks])
    until(lambda: server.stats()["destinations"]["pendo"]["delivered"] == 203, what="all are delivered")
    for number, person in enumerate(people):
        assert [event["properties"]["n"] for event in sandbox.events(visitorId=person)] == list(
            range(number, 200, 4)
        )
    (event,) = sandbox.events(event="test track event")
    assert event["accountId"] == "groupId"
    assert (
        sandbox.state()["visitors"]["name123"]["metadata"]["agent"]["createdat"] == "2020-03-24T17:46:45.000Z"
    )
    for _, message in [*calls, tracks[0], tracks[-1]]:
        assert server.state_of(message["messageId"]) == "delivered"


@pytest.mark.parametrize("trouble", ["503", "reply lost"])
def test_the_sdk_repeats_what_was_not_acknowledged(
    server: Server,
    sandbox: Sandbox,
    make: Callable[..., Send],
    trouble: Any,
) -> None:
    """After a 503, and after an answer that got lost, the SDK sends the same messageIds again, and Pendo gets each event once."""
    began = time.time()
    calls = documented_calls()
    with Front(server.url, trouble, times=1).open() as front:
        make(each=True)(front.url, KEY, calls)
    ids = [event["messageId"] for body in front.bodies for event in body["batch"]]
    wanted = [message["messageId"] for _, message in calls]
    assert list(dict.fromkeys(ids)) == wanted
    assert len(ids) > len(wanted)
    for message_id in wanted:
        server.reaches(message_id, "delivered")
    check_documented_state(sandbox, sent_from=began)
    counts = server.stats()["sources"]["backend"]
    assert counts["received"] == 3
    assert (counts["duplicates"] > 0) is (trouble == "reply lost")


def test_a_wrong_write_key_is_final_for_every_sdk(
    server: Server,
    sandbox: Sandbox,
    make: Callable[..., Send],
) -> None:
    """401 is an answer that no SDK repeats: a wrong key costs one request, and the SDK says so."""
    with Front(server.url, "503", times=0).open() as front, pytest.raises(AssertionError):
        make(each=False)(front.url, "wk-wrong", documented_calls()[:1])
    assert len(front.bodies) == 1
    assert sandbox.state()["visitors"] == {}
