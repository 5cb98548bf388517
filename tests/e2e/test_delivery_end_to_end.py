"""The whole pipeline with a destination that fails in every documented way, and with people who come in awkward orders."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.running import Connection, Sandbox, Server, basic, connected, pendo, source
from tests.waiting import until

STATUS_CASES = [
    case
    for case in json.loads((Path(__file__).parent.parent / "data" / "pipeline.json").read_text())["cases"]
    # A status below 200 is no answer of its own in HTTP; it is tested where replies are read.
    if case["kind"] == "router_status" and case["input"]["statusCode"] >= 200
]


def webhook(sandbox: Sandbox, name: str) -> dict[str, Any]:
    return {
        "id": name,
        "name": name,
        "type": "webhook",
        "settings": {"url": f"{sandbox.url}/{name}", "ratePerSecond": 10_000},
    }


@pytest.fixture(scope="module")
def faulty(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """For each status a Pendo destination and a webhook of its own: a channel that is blocked or slowed concerns no other case."""
    sources, destinations, pairs = [], [], []
    for case in STATUS_CASES:
        status = case["input"]["statusCode"]
        sources.append(source(f"s{status}"))
        for destination in (pendo(sandbox, f"pendo-{status}"), webhook(sandbox, f"hook-{status}")):
            destinations.append(destination)
            pairs.append((f"s{status}", destination["id"]))
    server = Server(tmp_path_factory.mktemp("faulty"), connected(sources, destinations, *pairs))
    yield server
    server.end()
    assert not server.complaints()


def test_all_status_cases_are_here() -> None:
    """The statuses of the contract that a destination can answer."""
    assert [case["input"]["statusCode"] for case in STATUS_CASES] == [
        200, 204, 300, 400, 401, 403, 408, 413, 422, 500, 502, 504,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "case", STATUS_CASES, ids=[str(case["input"]["statusCode"]) for case in STATUS_CASES]
)
def test_what_a_status_makes_of_an_event(faulty: Server, sandbox: Sandbox, case: dict[str, Any]) -> None:
    """A destination's status decides the state (contract 6.8): at Pendo and at a webhook alike, with the request and the reply in the
    fate; the next event of the same person waits behind one that is to be tried again, and goes on behind one that is not.
    """
    status, state = case["input"]["statusCode"], case["expect"]["state"]
    person = f"status-{status}-{time.time_ns()}"
    first, second = f"{person}-1", f"{person}-2"
    answer = {"status": status, "body": "as ordered"}
    with sandbox.faults(
        {"match": {"path": "/data/track", "bodyContains": first}, **answer},
        {"match": {"path": f"/hook-{status}", "bodyContains": first}, **answer},
        # No such path at Pendo; what gets through is taken.
        {"match": {"path": f"/hook-{status}"}, "status": 200},
    ):
        for message_id in (first, second):
            faulty.accept(
                f"wk-s{status}",
                {"type": "track", "userId": person, "event": message_id, "messageId": message_id},
            )
        for destination in (f"pendo-{status}", f"hook-{status}"):
            fate = faulty.reaches(first, state, destination=destination)
            assert (fate["reason"] is None) is (state == "delivered")
            attempt = fate["attempts"][-1]
            assert attempt["reply"]["status"] == status
            if state != "delivered":
                assert attempt["reply"]["body"] == "as ordered"
                assert first in attempt["request"]["body"]
                assert fate["explanation"]
                assert fate["remedy"]
            assert (fate["nextAttemptAt"] is not None) is (state == "retrying")
            if state in {"delivered", "rejected"}:
                assert faulty.reaches(second, destination=destination)["state"] == "delivered"
            else:
                assert faulty.state_of(second, destination) in {"pending", "blocked"}
    if state == "retrying":
        for destination in (f"pendo-{status}", f"hook-{status}"):
            # The webhook's address does not exist any more, which is final.
            expected = "delivered" if destination.startswith("pendo") else "rejected"
            for message_id in (first, second):
                assert faulty.reaches(message_id, destination=destination)["state"] == expected
        assert [event["event"] for event in sandbox.events(visitorId=person)] == [first, second]


def test_a_redirect_is_not_followed(sandbox: Sandbox, serve: Callable[..., Server]) -> None:
    """A destination that sends us elsewhere does not get the key carried there."""
    server = serve(connected([source("backend")], [pendo(sandbox)]))
    name = f"redirect-{time.time_ns()}"
    with sandbox.faults(
        {
            "match": {"path": "/data/track", "bodyContains": name},
            "status": 302,
            "headers": {"Location": f"{sandbox.url}/elsewhere"},
        }
    ):
        server.accept("wk-backend", {"type": "track", "userId": name, "event": name, "messageId": name})
        fate = server.reaches(name)
    assert (fate["state"], fate["reason"]) == ("rejected", "unexpected_redirect")
    assert not [entry for entry in sandbox.requests() if entry["path"] == "/elsewhere"]


def test_retry_after_is_honoured(sandbox: Sandbox, serve: Callable[..., Server]) -> None:
    """After a 429 with Retry-After nothing is sent until then; afterwards the event arrives once."""
    server = serve(connected([source("backend")], [pendo(sandbox)]))
    name = f"slow-down-{time.time_ns()}"
    with sandbox.faults(
        {
            "match": {"path": "/data/track", "bodyContains": name},
            "status": 429,
            "headers": {"Retry-After": "1"},
            "times": 1,
        }
    ):
        server.accept("wk-backend", {"type": "track", "userId": name, "event": name, "messageId": name})
        assert server.reaches(name)["state"] == "delivered"
    first, second = [entry["at"] for entry in sandbox.requests() if name in entry["body"]]
    assert second - first >= 1_000


def test_a_lost_reply_is_said(sandbox: Sandbox, serve: Callable[..., Server]) -> None:
    """Pendo took the event and the connection broke before it could say so: it is sent again, and the fate says that it may count
    twice (G6).
    """
    server = serve(connected([source("backend")], [pendo(sandbox)]))
    name = f"lost-{time.time_ns()}"
    with sandbox.faults(
        {"match": {"path": "/data/track", "bodyContains": name}, "drop": "after", "times": 1}
    ):
        server.accept("wk-backend", {"type": "track", "userId": name, "event": name, "messageId": name})
        fate = server.reaches(name)
    assert fate["state"] == "delivered"
    assert "reply_lost_retry" in [note["code"] for note in fate["diagnostics"]]
    stamps = {event["timestamp"] for event in sandbox.events(visitorId=name)}
    assert len(sandbox.events(visitorId=name)) == 2
    assert len(stamps) == 1


def test_a_wrong_key_blocks_its_channel_alone_until_it_is_corrected(
    sandbox: Sandbox, serve: Callable[..., Server]
) -> None:
    """With a wrong track secret, track events wait as blocked and nothing is lost; visitors and accounts are written all the same. The
    corrected workspace file sets everything going, in order, without a restart.
    """
    wrong = "99999999-9999-4999-8999-999999999999"
    server = serve(connected([source("backend")], [pendo(sandbox, trackEventSecret=wrong)]))
    person = f"blocked-{time.time_ns()}"
    tracks = [f"{person}-{n}" for n in range(20)]
    server.accept(
        "wk-backend",
        {"type": "identify", "userId": person, "traits": {"name": "N"}, "messageId": f"{person}-identify"},
        {"type": "group", "userId": person, "groupId": f"{person}-account", "traits": {"plan": "pro"}, "messageId": f"{person}-group"},
        *({"type": "track", "userId": person, "event": name, "messageId": name} for name in tracks),
    )  # fmt: skip
    assert server.reaches(f"{person}-identify")["state"] == "delivered"
    assert server.reaches(f"{person}-group")["state"] == "delivered"
    fate = server.reaches(tracks[0], "blocked")
    assert fate["reason"] == "key_refused"
    # Those behind it were never tried, and are blocked as well.
    assert server.reaches(tracks[-1], "blocked")
    # New ones are accepted as ever, also while blocked, and also by a server that was killed meanwhile.
    server.kill()
    server.again()
    late = f"{person}-late"
    server.accept("wk-backend", {"type": "track", "userId": person, "event": late, "messageId": late})
    assert server.reaches(late, "blocked")
    assert sandbox.events(visitorId=person) == []
    server.write(connected([source("backend")], [pendo(sandbox)]))
    for name in [*tracks, late]:
        assert server.reaches(name, "delivered")
    assert [event["event"] for event in sandbox.events(visitorId=person)] == [*tracks, late]
    assert {event["accountId"] for event in sandbox.events(visitorId=person)} == {f"{person}-account"}


def test_a_dead_destination_does_not_slow_another(sandbox: Sandbox, serve: Callable[..., Server]) -> None:
    """While one destination hangs on every request, the other gets everything, and ingestion goes on."""
    server = serve(connected([source("backend")], [pendo(sandbox), webhook(sandbox, "hangs")]))
    person = f"beside-{time.time_ns()}"
    names = [f"{person}-{n}" for n in range(300)]
    with sandbox.faults({"match": {"path": "/hangs"}, "delayMs": 20_000, "status": 200}):
        server.accept(
            "wk-backend",
            *({"type": "track", "userId": f"{person}-{n % 100}", "event": "E", "messageId": name} for n, name in enumerate(names)),
        )  # fmt: skip
        began = time.monotonic()
        until(lambda: server.stats()["destinations"]["pendo"]["delivered"] == len(names))
        assert time.monotonic() - began < 15
        assert server.stats()["destinations"]["hangs"]["delivered"] == 0
        server.kill()


# --- people ------------------------------------------------------------------------------------------------------------


def ago(seconds: float) -> str:
    return (
        (datetime.now(UTC) - timedelta(seconds=seconds))
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )


@pytest.mark.parametrize("kind", ["server", "web"])
def test_two_people_on_one_device_get_their_own_anonymous_events(
    sandbox: Sandbox, serve: Callable[..., Server], kind: str
) -> None:
    """Hold (I6, I7): what was done anonymously before the first login is the first user's, what was done after the reset is the second
    user's, although the anonymousId stayed; each with its own time.
    """
    server = serve(connected([source("app", kind)], [pendo(sandbox, anonymousVisitors="hold")]))
    device = f"device-{time.time_ns()}"
    one, other = f"{device}-one", f"{device}-other"
    stamp = "originalTimestamp" if kind == "web" else "timestamp"

    def event(name: str, seconds: float, **fields: Any) -> dict[str, Any]:
        more = {"sentAt": ago(0), stamp: ago(seconds)} if kind == "web" else {stamp: ago(seconds)}
        return {
            "type": "track", "event": name, "anonymousId": device, "messageId": f"{device}-{name}", **more, **fields
        }  # fmt: skip

    before = [event("before login", 600), event("still before", 590)]
    server.accept("wk-app", *before)
    for held in before:
        server.reaches(held["messageId"], "held")
    assert server.stats()["destinations"]["pendo"]["held"] == 2
    assert server.idle()
    server.accept("wk-app", event("login one", 500, type="identify", userId=one, traits={"name": "One"}))
    for held in before:
        server.reaches(held["messageId"], "delivered")
    server.accept("wk-app", event("by one", 450, userId=one))
    after = event("after the reset", 300)
    server.accept("wk-app", after)
    server.reaches(after["messageId"], "held")
    # A kill does not forget what is held.
    server.kill()
    server.again()
    server.accept(
        "wk-app", event("login other", 200, type="identify", userId=other, traits={"name": "Other"})
    )
    server.accept("wk-app", event("by other", 100, userId=other))
    # It comes late, but it was done before the first login.
    late = event("before login, late", 595)
    server.accept("wk-app", late)
    for name in ("by one", "after the reset", "by other", "before login, late"):
        server.reaches(f"{device}-{name}", "delivered")
    theirs = {
        person: {found["event"]: found["timestamp"] for found in sandbox.events(visitorId=person)}
        for person in (one, other)
    }
    assert set(theirs[one]) == {"before login", "still before", "by one", "before login, late"}
    assert set(theirs[other]) == {"after the reset", "by other"}
    now = time.time()
    assert abs(theirs[one]["before login"] / 1000 - (now - 600)) < 120
    assert theirs[one]["before login"] < theirs[one]["still before"] < theirs[one]["by one"]
    assert abs(theirs[other]["after the reset"] / 1000 - (now - 300)) < 120


def pendo_calls(sandbox: Sandbox, person: str) -> list[str]:
    """What Pendo was told about a person and their account, in order."""
    found = []
    for entry in sandbox.requests():
        if person in entry["body"] and entry["status"] == 200:
            path = entry["path"]
            kind = "visitor" if "/visitor/" in path else "account" if "/account/" in path else "track"
            found.append(kind)
    return found


def page_calls(person: str) -> list[dict[str, Any]]:
    """identify, group and track as a page makes them, a few milliseconds apart by its own clock."""
    common = {"userId": person, "anonymousId": f"{person}-device"}
    return [
        {**common, "type": "identify", "traits": {"name": person}, "originalTimestamp": ago(1.030)},
        {**common, "type": "group", "groupId": f"{person}-account", "traits": {"plan": "pro"}, "originalTimestamp": ago(1.020)},
        {**common, "type": "track", "event": "first", "originalTimestamp": ago(1.010)},
        {**common, "type": "track", "event": "second", "originalTimestamp": ago(1.000)},
    ]  # fmt: skip


def check_page_order(sandbox: Sandbox, person: str) -> None:
    until(lambda: len(sandbox.events(visitorId=person)) == 2)
    assert pendo_calls(sandbox, person) == ["visitor", "account", "track", "track"]
    events = sandbox.events(visitorId=person)
    assert [event["event"] for event in events] == ["first", "second"]
    assert [event["accountId"] for event in events] == [f"{person}-account"] * 2
    assert sandbox.state()["visitors"][person]["accounts"] == [f"{person}-account"]


def test_calls_of_a_page_that_arrive_backwards_are_put_in_order(
    sandbox: Sandbox, serve: Callable[..., Server]
) -> None:
    """G4: whatever order a page's calls arrive in, Pendo is told of the visitor, the account, and then of the events, in the order of the
    page's own clock.
    """
    server = serve(connected([source("page", "web")], [pendo(sandbox)]))
    person = f"backwards-{time.time_ns()}"
    # In one batch, so that they arrive at one moment, and in the worst order.
    server.accept("wk-page", *reversed(page_calls(person)))
    check_page_order(sandbox, person)


def test_calls_of_a_page_as_concurrent_requests(sandbox: Sandbox, serve: Callable[..., Server]) -> None:
    """As the genuine browser SDKs do it: each call is its own request, all at the same time."""
    server = serve(connected([source("page", "web")], [pendo(sandbox)]))
    for attempt in range(5):
        person = f"concurrent-{attempt}-{time.time_ns()}"
        calls = page_calls(person)
        barrier = threading.Barrier(len(calls))

        def send(call: dict[str, Any], barrier: threading.Barrier = barrier) -> None:
            connection = Connection(server.url)
            barrier.wait(10)
            body = json.dumps(call).encode()
            assert connection("POST", f"/v1/{call['type']}", body, basic("wk-page")).status == 200
            connection.close()

        began = time.monotonic()
        threads = [threading.Thread(target=send, args=(call,)) for call in calls]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        if time.monotonic() - began < 0.25:
            check_page_order(sandbox, person)
            return
    pytest.fail("this machine took longer than the window for four small requests, five times")


def test_pages_of_many_people_at_once(sandbox: Sandbox, serve: Callable[..., Server]) -> None:
    """Fifty people whose calls arrive shuffled together: each has their own order, and their own account."""
    import random

    server = serve(connected([source("page", "web")], [pendo(sandbox)]))
    run = time.time_ns()
    people = [f"many-{run}-{n}" for n in range(50)]
    calls = [call for person in people for call in page_calls(person)]
    random.Random(4).shuffle(calls)
    server.accept("wk-page", *calls)
    until(lambda: server.stats()["destinations"]["pendo"]["delivered"] == len(calls))
    state = sandbox.state()
    for person in people:
        events = sandbox.events(visitorId=person)
        assert [(event["event"], event["accountId"]) for event in events] == [
            ("first", f"{person}-account"),
            ("second", f"{person}-account"),
        ]
        assert state["visitors"][person]["metadata"]["agent"] == {"name": person}
