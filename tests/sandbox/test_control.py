"""The control paths: state, requests, switches, faults, clock, bounds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from sternpost.sandbox import limits, seed
from sternpost.sandbox import switches as table
from tests.sandbox.conftest import DATA, START_MS, Client, agent_event


async def test_the_seed_is_empty(client: Client) -> None:
    """No visitors, no accounts, no events, and nothing else in the state."""
    assert await client.state() == {"visitors": {}, "accounts": {}, "events": []}


async def test_events_are_filtered(client: Client) -> None:
    """By visitor, account, name and type; any other filter is refused."""
    await client.track("A", "u1", "a1")
    await client.track("B", "u2", None)
    await client.agent(agent_event("load", "u1", "a1"))
    assert len(await client.events()) == 3
    assert [event["event"] for event in await client.events(visitorId="u1")] == ["A", None]
    assert len(await client.events(visitorId="u1", event="A", type="track", accountId="a1")) == 1
    assert await client.events(event="a") == []
    assert (await client.get("/__sandbox/events?user=u1")).status == 400


async def test_requests_are_shown_with_secrets_shortened(client: Client) -> None:
    """Method, path, query, headers, body, decoded jzb and status; no secret and no token in full."""
    await client.track()
    await client.agent(
        agent_event("load", "u"),
        extra="&jwt=secretsecretsecret&signingKeyName=k",
        authorization="Bearer very-secret-token",
    )
    tracked, sent = (await client.get("/__sandbox/requests")).json()
    assert (tracked["method"], tracked["path"], tracked["status"], tracked["requestId"]) == (
        "POST",
        "/data/track",
        200,
        1,
    )
    assert tracked["headers"]["x-pendo-integration-key"] == "55555555…"
    assert sent["decoded"][0]["visitor_id"] == "u"
    text = (await client.get("/__sandbox/requests")).text
    for secret in (seed.TRACK_SECRET_WEB, "very-secret-token", "secretsecretsecret"):
        assert secret not in text
    assert len((await client.get("/__sandbox/requests?limit=1")).json()) == 1
    assert (await client.get("/__sandbox/requests?limit=x")).status == 400


async def test_diagnostics_name_their_request(client: Client) -> None:
    """Each diagnostic has code, requestId, path and explanation; they can be filtered by code."""
    await client.track(account=None)
    first = (await client.diagnostics())[0]
    assert (first["code"], first["requestId"], first["path"]) == ("no_account", 1, "/data/track")
    assert first["explanation"]
    assert [
        entry["code"] for entry in (await client.get("/__sandbox/diagnostics?code=unknown_visitor")).json()
    ] == ["unknown_visitor"]


async def test_unknown_control_paths(client: Client) -> None:
    """404 and 405 with a sentence."""
    assert "error" in (await client.get("/__sandbox/nothing")).json()
    assert (await client.get("/__sandbox/nothing")).status == 404
    assert (await client.get("/__sandbox/reset")).status == 405
    assert "POST" in (await client.get("/__sandbox/reset")).json()["error"]


# --- switches ---------------------------------------------------------------------------------------------------------


async def test_switches_are_read_and_set(client: Client) -> None:
    """By name; all or none; `describe` adds default, allowed values and note."""
    values = (await client.get("/__sandbox/switches")).json()
    assert values == table.defaults()
    answer = await client.post("/__sandbox/switches", {"track.sameMs": "collapse", "rate.perSecond": 5})
    assert (answer.json()["track.sameMs"], answer.json()["rate.perSecond"]) == ("collapse", 5)
    refused = await client.post("/__sandbox/switches", {"track.sameMs": "keep", "nothing": 1})
    assert refused.status == 400
    assert "no switch named 'nothing'" in refused.json()["error"]
    described = (await client.get("/__sandbox/switches?describe=1")).json()
    assert described["track.sameMs"]["value"] == "collapse"
    assert all(entry["note"].endswith(".") and entry["allowed"] for entry in described.values())


@pytest.mark.parametrize(
    ("name", "value", "parsed"),
    [
        ("track.wrongSecretStatus", "401", 401),
        ("track.wrongSecretStatus", "403, empty", 403),
        ("track.nested", "keep and diagnose", "keep"),
        ("metadata.duplicateId", "last wins", "last"),
        ("track.secondsBelow", "1e11", 100_000_000_000),
        ("metadata.maxItems", "1_000", 1000),
        ("identity.mapping", False, "off"),
        ("rate.perSecond", "off", "off"),
        ("rate.perSecond", False, "off"),
        ("app.config", '{"a":1}', {"a": 1}),
        ("segmentio.status", 202, 202),
    ],
)
def test_values_come_as_text_or_json(name: str, value: Any, parsed: Any) -> None:
    """The command line, a form and JSON end as the same typed value."""
    assert table.parse({name: value}) == {name: parsed}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("track.wrongSecretStatus", 404),
        ("track.sameMs", "maybe"),
        ("track.sameMs", None),
        ("track.secondsBelow", "soon"),
        ("track.secondsBelow", -1),
        ("track.secondsBelow", 1.5),
        ("track.secondsBelow", "nan"),
        ("track.secondsBelow", "inf"),
        ("track.secondsBelow", True),
        ("rate.perSecond", 0),
        ("segmentio.status", 99),
        ("app.config", "[]"),
        ("app.config", "{"),
        ("app.config", {"x": "x" * 70_000}),
        ("bulkdelete.statusShape", {"a": "colour"}),
        ("lists.content", "other"),
    ],
)
def test_bad_values(name: str, value: Any) -> None:
    """A value outside the allowed ones is refused with a sentence that names the switch and what it takes."""
    with pytest.raises(ValueError, match=rf"The switch {name} cannot be .* it takes "):
        table.parse({name: value})


@pytest.mark.parametrize("name", table.SWITCHES)
def test_every_switch_has_a_default_it_allows(name: str) -> None:
    """The default of each row passes its own check."""
    switch = table.SWITCHES[name]
    assert switch.allowed.parse(switch.default) == switch.default


@pytest.mark.parametrize("name", ["lists.content", "aggregation.subset", "feedback.stub"])
async def test_stand_ins_have_one_value(client: Client, name: str) -> None:
    """A stand-in is named as one, and cannot be switched."""
    assert (await client.post("/__sandbox/switches", {name: "specified"})).status == 200


async def test_switches_from_the_start(make: Callable[..., Client]) -> None:
    """--set holds from the start and after a reset; a bad one is refused at once."""
    client = make(switches={"track.sameMs": "collapse"})
    await client.set(track__sameMs="keep")
    await client.post("/__sandbox/reset")
    assert (await client.get("/__sandbox/switches")).json()["track.sameMs"] == "collapse"
    with pytest.raises(ValueError, match="no switch named"):
        make(switches={"x": "y"})


async def test_reset(client: Client) -> None:
    """Back to the seed: data, switches, clock, faults; some switches may be set at once."""
    await client.track()
    await client.set(visibility="hourly")
    await client.post("/__sandbox/faults", {"match": "/", "status": 500})
    await client.post("/__sandbox/clock", {"advanceMs": 5})
    answer = await client.post("/__sandbox/reset", {"switches": {"track.sameMs": "collapse"}})
    assert answer.status == 200
    assert await client.state() == {"visitors": {}, "accounts": {}, "events": []}
    assert (await client.get("/__sandbox/clock")).json() == {"now": START_MS}
    assert (await client.get("/__sandbox/switches")).json() == table.defaults() | {"track.sameMs": "collapse"}
    assert (await client.track()).status == 200
    assert (await client.get("/__sandbox/requests")).json()[0]["requestId"] == 2
    for body in ({"switches": {"x": 1}}, {"other": 1}, {"switches": 7}, [1], b"{"):
        assert (await client.post("/__sandbox/reset", body)).status == 400


# --- faults -----------------------------------------------------------------------------------------------------------


async def fault(client: Client, **order: Any) -> None:
    assert (await client.post("/__sandbox/faults", order)).status == 200


async def test_fault_with_an_answer(client: Client) -> None:
    """Status, body and headers, so many times; the request is not processed and still recorded."""
    await fault(
        client, match="/data/track", status=429, body={"message": "slow"}, headers={"Retry-After": 7}, times=2
    )
    for _ in range(2):
        answer = await client.track()
        assert (answer.status, answer.json(), answer.headers["retry-after"]) == (
            429,
            {"message": "slow"},
            "7",
        )
        assert answer.headers["content-type"] == "application/json"
    assert (await client.track()).status == 200
    assert len(await client.events()) == 1
    recorded = (await client.get("/__sandbox/requests")).json()
    assert [(entry["status"], entry.get("fault", False)) for entry in recorded] == [
        (429, True),
        (429, True),
        (200, False),
    ]


async def test_fault_without_times(client: Client) -> None:
    """Goes on until reset, or until an empty list removes all."""
    await fault(client, match="/data", status=503, body="down")
    for _ in range(3):
        assert (await client.track()).text == "down"
    (listed,) = (await client.get("/__sandbox/faults")).json()
    assert (listed["status"], listed["timesLeft"]) == (503, None)
    await client.post("/__sandbox/faults", [])
    assert (await client.track()).status == 200


async def test_fault_matches(client: Client) -> None:
    """Method, path prefix and a part of the body must all match; control paths are never concerned."""
    await fault(client, match={"method": "post", "path": "/data/", "bodyContains": '"u2"'}, status=500)
    assert (await client.track("E", "u1")).status == 200
    assert (await client.track("E", "u2")).status == 500
    await fault(client, match="/", status=500)
    assert (await client.get("/__sandbox/state")).status == 200


async def test_faults_are_used_in_order(client: Client) -> None:
    """Two faults on one path: the first until it is used up, then the second."""
    await client.post(
        "/__sandbox/faults",
        [{"match": "/data", "status": 500, "times": 1}, {"match": "/data", "status": 502, "times": 1}],
    )
    assert [(await client.track()).status for _ in range(3)] == [500, 502, 200]


@pytest.mark.parametrize(("drop", "kept"), [(True, 0), ("before", 0), ("after", 1)])
async def test_fault_drops_the_connection(client: Client, drop: Any, kept: int) -> None:
    """Not a byte is answered; with "after" the request has been processed."""
    await fault(client, match="/data/track", drop=drop, times=1)
    assert (await client.track()).status is None
    assert len(await client.events()) == kept
    assert (await client.get("/__sandbox/requests")).json()[0]["status"] is None


async def test_fault_with_a_delay(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A delay alone answers as usual, later."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    await fault(client, match="/data/track", delayMs=1500, times=1)
    assert (await client.track()).status == 200
    assert (slept, len(await client.events())) == ([1.5], 1)


@pytest.mark.parametrize(
    "order",
    [
        7,
        {},
        {"match": "/data"},
        {"match": "data", "status": 500},
        {"match": 7, "status": 500},
        {"match": {"url": "/"}, "status": 500},
        {"match": {"path": 7}, "status": 500},
        {"match": "/", "status": 99},
        {"match": "/", "status": "500"},
        {"match": "/", "status": 500, "times": 0},
        {"match": "/", "delayMs": -1},
        {"match": "/", "drop": "later"},
        {"match": "/", "status": 500, "headers": {"a": {}}},
        {"match": "/", "status": 500, "headers": {"a": "x\r\ny"}},
        {"match": "/", "status": 500, "headers": {"a b": "x"}},
        {"match": "/", "status": 500, "headers": {"a": "日本"}},
        {"match": "/", "status": 500, "other": 1},
    ],
)
async def test_bad_faults(client: Client, order: Any) -> None:
    """A fault that cannot be meant is refused with a sentence."""
    answer = await client.post("/__sandbox/faults", order)
    assert answer.status == 400
    assert answer.json()["error"].endswith(".")
    assert (await client.post("/__sandbox/faults", b"{")).status == 400


async def test_faults_are_bounded(client: Client) -> None:
    """Not more than so many at once."""
    order = {"match": "/x", "status": 500}
    assert (await client.post("/__sandbox/faults", [order] * 101)).status == 400


# --- clock and rate ---------------------------------------------------------------------------------------------------


async def test_clock(client: Client) -> None:
    """Set or moved on, it goes on running from there; only forwards by advanceMs."""
    assert (await client.post("/__sandbox/clock", {"now": 1_000})).json() == {"now": 1_000}
    client.clock.advance(50)
    assert (await client.post("/__sandbox/clock", {"advanceMs": 100})).json() == {"now": 1_150}
    assert (await client.get("/__sandbox/clock")).json() == {"now": 1_150}
    for body in (
        {},
        {"now": 1, "advanceMs": 1},
        {"now": "x"},
        {"now": True},
        {"advanceMs": -1},
        {"now": 10**18},
        [1],
        b"{",
    ):
        assert (await client.post("/__sandbox/clock", body)).status == 400


@pytest.mark.parametrize(("after", "header"), [(None, "1"), (30, "30")])
async def test_switches_of_the_rate(client: Client, after: int | None, header: str) -> None:
    """rate.perSecond: 429 with Retry-After and an empty body; the next second is free again; control paths are too."""
    await client.set(rate__perSecond=2)
    if after:
        await client.set(rate__retryAfter=after)
    assert [(await client.track()).status for _ in range(2)] == [200, 200]
    answer = await client.track()
    assert (answer.status, answer.body, answer.headers["retry-after"]) == (429, b"", header)
    assert (await client.get("/__sandbox/state")).status == 200
    client.clock.advance(1000)
    assert (await client.track()).status == 200


async def test_rate_is_off_by_default(client: Client) -> None:
    """Nothing is limited unless it is asked for."""
    assert {(await client.track()).status for _ in range(300)} == {200}


# --- bounds -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bound", "value", "what"),
    [
        ("EVENTS_KEPT_MAX", 3, "events"),
        ("EVENTS_KEPT_BYTES_MAX", 500, "events"),
        ("VISITORS_MAX", 3, "visitors"),
    ],
)
async def test_the_oldest_go(
    client: Client, monkeypatch: pytest.MonkeyPatch, bound: str, value: int, what: str
) -> None:
    """When a bound is hit the oldest go; state and diagnostics say how many."""
    monkeypatch.setattr(limits, bound, value)
    monkeypatch.setattr(limits, "EVICT_CHUNK", 1)
    for n in range(6):
        await client.track(f"E{n}", f"u{n}", timestamp=START_MS + n)
    state = await client.state()
    assert [event["event"] for event in state["events"]][-1] == "E5"
    if what == "events":
        assert 0 < len(state["events"]) <= 3
        assert state["dropped"]["events"] == 6 - len(state["events"])
        assert (await client.get("/__sandbox/summary")).json()["eventsTotal"] == 6
    elif what == "visitors":
        assert list(state["visitors"]) == ["u3", "u4", "u5"]
    last = (await client.diagnostics())[-1]
    assert last["code"] == "memory_limit"


async def test_anonymous_events_go_in_order_too(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A merge after some of the anonymous events have gone moves the rest."""
    monkeypatch.setattr(limits, "EVENTS_KEPT_MAX", 3)
    for n in range(5):
        await client.agent(agent_event("track", "_PENDO_T_a", track_event_name=f"E{n}"))
    await client.agent(agent_event("identify", "u", props={"old_visitor_id": "_PENDO_T_a"}))
    assert [(event["event"], event["visitorId"]) for event in await client.events()] == [
        ("E3", "u"),
        ("E4", "u"),
        (None, "u"),
    ]
    assert client.app.state.anonymous_events == {}


async def test_metadata_and_requests_are_bounded(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Metadata bytes, fields of a group, kept requests and their bytes have bounds of their own."""
    monkeypatch.setattr(limits, "METADATA_BYTES_MAX", 5_000)
    monkeypatch.setattr(limits, "EVICT_CHUNK", 1)
    monkeypatch.setattr(limits, "FIELDS_PER_GROUP_MAX", 2)
    monkeypatch.setattr(limits, "REQUESTS_KEPT_MAX", 3)
    monkeypatch.setattr(limits, "REQUEST_BODY_KEPT_BYTES", 100)
    for n in range(5):
        await client.write([{"visitorId": f"u{n}", "values": {"a": "x" * 2000, "b": 1, "c": 1}}])
    assert list((await client.state())["visitors"]) == ["u3", "u4"]
    assert set((await client.state())["visitors"]["u4"]["metadata"]["agent"]) == {"a", "b"}
    assert "memory_limit" in await client.codes()
    requests = (await client.get("/__sandbox/requests")).json()
    assert [len(request["body"]) for request in requests] == [100, 100, 100]
    assert requests[0]["bodyBytes"] > 2000


async def test_pending_events_are_bounded(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too much that waits for the hourly run starts it."""
    monkeypatch.setattr(limits, "PENDING_MAX", 3)
    await client.set(visibility="hourly")
    for n in range(4):
        await client.track(timestamp=START_MS + n)
    assert len(await client.events()) == 3


async def test_large_bodies(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body above the bound is 413, also when it comes in pieces; a client that goes away is no error."""
    monkeypatch.setattr(limits, "REQUEST_BODY_BYTES_MAX", 100)
    assert (await client.post("/data/track", b"x" * 101)).status == 413
    assert (await client.request("POST", "/data/track", chunks=[b"x" * 60] * 50)).status == 413
    assert (await client.post("/__sandbox/reset", b"x" * 101)).status == 413
    with pytest.raises(ValueError, match="not enough values"):
        await client.request("POST", "/data/track", chunks=[])


async def test_other_sites_cannot_control(client: Client) -> None:
    """A page of another site cannot reset the sandbox of who visits it; local pages and tools can."""
    assert (await client.post("/__sandbox/reset", None, {"origin": "https://evil.example"})).status == 403
    for origin in ("http://127.0.0.1:8080", "http://localhost:3000", "http://[::1]:8090"):
        assert (await client.post("/__sandbox/reset", None, {"origin": origin})).status == 200
    assert (
        await client.post("/__sandbox/reset", None, {"origin": "http://box:8090", "host": "box:8090"})
    ).status == 200


def test_data_files_are_ours_to_test_with() -> None:
    """The capture and the cases travel with the tests."""
    assert {path.name for path in DATA.iterdir()} == {
        "pendo-agent-main.jsonl",
        "segment_pendo_audiences.json",
    }
