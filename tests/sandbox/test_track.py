"""POST /data/track and the other server routes: what is answered, what is kept, what is diagnosed."""

from __future__ import annotations

import pytest

from sternpost.sandbox import jzb, limits, seed
from tests.sandbox.conftest import START_MS, Client

HOUR = 3_600_000
DAY = 24 * HOUR


async def test_success_is_an_empty_text(client: Client) -> None:
    """A track event is answered with 200, text/plain and no body, and is kept as it was sent."""
    answer = await client.track(
        "Registered", "u1", "a1", properties={"plan": "pro"}, context={"ip": "1.2.3.4"}
    )
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-type"].startswith("text/plain")
    assert (await client.state())["events"] == [
        {
            "type": "track",
            "event": "Registered",
            "visitorId": "u1",
            "accountId": "a1",
            "timestamp": START_MS,
            "properties": {"plan": "pro"},
            "context": {"ip": "1.2.3.4"},
        }
    ]


@pytest.mark.parametrize("header", ["x-pendo-integration-key", "x-pendo-track-event-secret"])
@pytest.mark.parametrize("secret", [seed.TRACK_SECRET_WEB, seed.TRACK_SECRET_MOBILE])
async def test_both_header_names_and_both_apps(client: Client, header: str, secret: str) -> None:
    """Each app's secret is taken under either header name."""
    body = {"type": "track", "event": "E", "visitorId": "u", "timestamp": START_MS}
    assert (await client.post("/data/track", body, {header: secret})).status == 200
    assert len(await client.events()) == 1


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("", "no key"),
        ("nonsense", "not known"),
        (seed.INTEGRATION_KEY, "integration key"),
        (seed.APP_KEY_WEB, "app key"),
        ("33333333-3333-4333-8333-333333333333.eu", "ends in .eu"),
    ],
)
async def test_wrong_secret(client: Client, key: str, says: str) -> None:
    """A missing or wrong secret, or a key of another kind, gets 403 without a body and `secret_mixup`."""
    answer = await client.post("/data/track", {}, {"x-pendo-integration-key": key} if key else {})
    assert (answer.status, answer.body) == (403, b"")
    (diagnostic,) = await client.diagnostics()
    assert diagnostic["code"] == "secret_mixup"
    assert says in diagnostic["explanation"]
    assert not key or key not in diagnostic["explanation"]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"",
        [{"type": "track", "event": "E", "visitorId": "u", "timestamp": 1}],
        {"type": "page", "event": "E", "visitorId": "u", "timestamp": 1},
        {"type": "track", "visitorId": "u", "timestamp": 1},
        {"type": "track", "event": "", "visitorId": "u", "timestamp": 1},
        {"type": "track", "event": "E", "timestamp": 1},
        {"type": "track", "event": "E", "visitorId": "", "timestamp": 1},
        {"type": "track", "event": "E", "visitorId": "u"},
        {"type": "track", "event": "E", "visitorId": "u", "timestamp": "2026-01-01"},
        {"type": "track", "event": "E", "visitorId": "u", "timestamp": 1.5},
        {"type": "track", "event": "E", "visitorId": "u", "timestamp": True},
        {"type": "track", "event": "E", "visitorId": "u", "timestamp": 2**60},
    ],
)
async def test_bad_body(client: Client, body: object) -> None:
    """A body that Pendo could not use is answered with 400 and a sentence, and nothing is kept."""
    answer = await client.post("/data/track", body, {"x-pendo-integration-key": seed.TRACK_SECRET_WEB})
    assert answer.status == 400
    assert answer.text.endswith(".")
    assert await client.codes() == ["bad_body"]
    assert (await client.state())["events"] == []


async def codes_of(client: Client, **event: object) -> set[str]:
    await client.post("/__sandbox/reset")
    await client.write([{"visitorId": "u1", "values": {}}])
    assert (await client.track(**event)).status == 200  # type: ignore[arg-type]
    return set(await client.codes())


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({}, set()),
        ({"timestamp": START_MS // 1000}, {"timestamp_seconds"}),
        ({"timestamp": START_MS - 8 * DAY}, {"too_old"}),
        ({"timestamp": START_MS - HOUR}, {"delayed_reprocess"}),
        ({"timestamp": START_MS - 29 * 60_000}, set()),
        ({"timestamp": START_MS + DAY}, set()),
        ({"timestamp": START_MS + DAY + 1}, {"timestamp_future"}),
        ({"properties": {"a": "x" * 504}}, set()),
        ({"properties": {"a": "x" * 505}}, {"props_too_large"}),
        ({"properties": {"unit price": 1}}, {"bad_property_key"}),
        ({"properties": {"1st": 1}}, {"bad_property_key"}),
        ({"properties": {"x" * 33: 1}}, {"bad_property_key"}),
        ({"properties": {"x" * 32: 1, "_ok": 1, "__ok": 1}}, set()),
        ({"properties": {"__no__": 1}}, {"bad_property_key"}),
        ({"properties": {"": 1}}, {"bad_property_key"}),
        ({"properties": {"préf": 1}}, {"bad_property_key"}),
        ({"properties": {"cart": {"id": 1}}}, {"nested_property"}),
        ({"properties": {"tags": [1]}}, {"nested_property"}),
        ({"properties": {f"k{n}": n for n in range(21)}}, {"property_count"}),
        ({"account": None}, {"no_account"}),
        ({"account": "ACCOUNT-UNIQUE-ID"}, {"bad_id", "no_account"}),
        ({"account": "::"}, {"bad_id", "no_account"}),
        ({"account": "a::"}, {"bad_id", "no_account"}),
        ({"visitor": "stranger"}, {"unknown_visitor"}),
        ({"visitor": "VISITOR-UNIQUE-ID"}, {"bad_id"}),
        ({"visitor": "   "}, {"bad_id"}),
        ({"properties": "text"}, {"bad_body"}),
    ],
)
async def test_silent_losses(client: Client, event: dict[str, object], expected: set[str]) -> None:
    """Pendo answers 200 in every case; the diagnostics say what it would not show."""
    assert await codes_of(client, **event) == expected


async def test_same_millisecond(client: Client) -> None:
    """Two events of one visitor in one millisecond are both kept and diagnosed; another visitor's is not concerned."""
    for visitor in ("u1", "u1", "u2"):
        await client.track("E", visitor)
    assert (await client.codes()).count("same_ms") == 1
    assert len(await client.events()) == 3


async def test_before_definition(client: Client) -> None:
    """An event that lies before its name was first seen."""
    await client.track("New", timestamp=START_MS)
    await client.track("New", timestamp=START_MS - 2 * HOUR)
    assert (await client.codes()).count("before_definition") == 1


async def test_event_names_and_property_keys_are_limited(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names above Pendo's limits (per app, per subscription) are diagnosed; known ones go on."""
    monkeypatch.setattr(limits, "EVENT_NAMES_MAX", 2)
    monkeypatch.setattr(limits, "PROPERTY_KEYS_MAX", 2)
    for n, name in enumerate(("A", "B", "C", "A")):
        await client.track(name, timestamp=START_MS + n, properties={name: 1})
    assert (await client.codes()).count("event_limit") == 1
    assert (await client.codes()).count("property_key_limit") == 1


async def test_property_cardinality(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many different values of one property are diagnosed once."""
    monkeypatch.setattr(limits, "PROPERTY_VALUES_MAX", 3)
    for n in range(6):
        await client.track(timestamp=START_MS + n, properties={"n": n})
    assert (await client.codes()).count("property_cardinality") == 1


async def test_associations_are_made_by_events(client: Client) -> None:
    """A visitor's accounts are listed in order of first appearance; a metadata write adds none."""
    for n, account in enumerate(("b", "a", "b")):
        await client.track(account=account, timestamp=START_MS + n)
    await client.write([{"accountId": "c", "values": {"x": 1}}], kind="account")
    state = await client.state()
    assert state["visitors"]["u1"]["accounts"] == ["b", "a"]
    assert set(state["accounts"]) == {"a", "b", "c"}


async def test_the_three_documented_sample_calls(client: Client) -> None:
    """RudderStack's samples for Pendo, as the pipeline sends them, give exactly the documented state."""
    traits = {
        "name": "Name Surname",
        "first_name": "Name",
        "last_name": "Surname",
        "email": "name@surname.com",
        "createdat": "2020-03-24T17:46:45.000Z",
    }
    company = {"name": "Company", "industry": "Industry", "employees": 123, "email": "abc@xyz.com"}
    properties = {"revenue": 30, "currency": "USD", "userId": "12345"}
    await client.write([{"visitorId": "name123", "values": traits}])
    await client.write([{"accountId": "groupId", "values": company}], kind="account")
    await client.track("test track event", "name123", "groupId", properties=properties)
    state = await client.state()
    assert state["visitors"] == {
        "name123": {"metadata": {"agent": traits, "custom": {}}, "accounts": ["groupId"]}
    }
    assert state["accounts"] == {"groupId": {"metadata": {"agent": company, "custom": {}}}}
    assert [event["properties"] for event in state["events"]] == [properties]
    assert await client.codes() == []


# --- switches of this route -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [403, 400, 401])
async def test_switch_wrong_secret_status(client: Client, status: int) -> None:
    """track.wrongSecretStatus: another status, the body stays empty."""
    await client.set(track__wrongSecretStatus=status)
    answer = await client.post("/data/track", {})
    assert (answer.status, answer.body) == (status, b"")


async def test_switch_bad_body_status(client: Client) -> None:
    """track.badBodyStatus 200: nothing tells the sender, and nothing is kept."""
    await client.set(track__badBodyStatus=200)
    answer = await client.post("/data/track", b"{", {"x-pendo-integration-key": seed.TRACK_SECRET_WEB})
    assert (answer.status, answer.body) == (200, b"")
    assert await client.codes() == ["bad_body"]


@pytest.mark.parametrize(("value", "kept"), [("create", 1), ("drop", 0)])
async def test_switch_unknown_visitor(client: Client, value: str, kept: int) -> None:
    """track.unknownVisitor: the visitor comes into being, or the event is dropped."""
    await client.set(track__unknownVisitor=value)
    await client.track()
    state = await client.state()
    assert (len(state["events"]), len(state["visitors"])) == (kept, kept)


@pytest.mark.parametrize(("value", "kept"), [("keep", 2), ("collapse", 1)])
async def test_switch_same_ms(client: Client, value: str, kept: int) -> None:
    """track.sameMs: both events are kept, or the second collapses into the first."""
    await client.set(track__sameMs=value)
    await client.track()
    await client.track()
    assert len(await client.events()) == kept


@pytest.mark.parametrize(("value", "kept"), [("keep", {"a": 1, "o": {"x": 1}}), ("drop", {"a": 1})])
async def test_switch_nested(client: Client, value: str, kept: dict[str, object]) -> None:
    """track.nested: an object stays in the event, or goes; diagnosed either way."""
    await client.set(track__nested=value)
    await client.track(properties={"a": 1, "o": {"x": 1}})
    assert (await client.events())[0]["properties"] == kept
    assert "nested_property" in await client.codes()


async def test_switches_of_the_time_thresholds(client: Client) -> None:
    """track.secondsBelow and track.futureMaxMs move the thresholds of the diagnostics."""
    await client.set(track__secondsBelow=0, track__futureMaxMs=1000)
    await client.track(timestamp=START_MS // 1000)
    await client.track(timestamp=START_MS + 1001)
    codes = await client.codes()
    assert "timestamp_seconds" not in codes
    assert {"too_old", "timestamp_future"} <= set(codes)


# --- segmentio --------------------------------------------------------------------------------------------------------

SEGMENTIO = f"/data/segmentio/{seed.APP_KEY_WEB}"


async def test_segmentio_metadata_goes_to_its_own_group(client: Client) -> None:
    """identify and group of the Segment dialect write the group segmentio; an anonymous person gets the prefix."""
    await client.post(
        SEGMENTIO, {"type": "identify", "userId": "u", "traits": {"Plan": "pro", "id": "x", "o": {"a": 1}}}
    )
    await client.post(SEGMENTIO, {"type": "identify", "anonymousId": "anon", "traits": {"a": 1}})
    await client.post(SEGMENTIO, {"type": "group", "userId": "u", "groupId": "g", "traits": {"n": 1}})
    state = await client.state()
    assert state["visitors"]["u"]["metadata"]["segmentio"] == {"plan": "pro"}
    assert state["visitors"]["_PENDO_T_anon"]["metadata"]["segmentio"] == {"a": 1}
    assert state["accounts"]["g"]["metadata"]["segmentio"] == {"n": 1}
    assert await client.codes() == ["object_dropped"]


@pytest.mark.parametrize(("value", "kept"), [("off", 0), ("on", 1)])
async def test_switch_segmentio_track(client: Client, value: str, kept: int) -> None:
    """segmentio.track: track is dropped with a diagnostic until Pendo has switched it on."""
    await client.set(segmentio__track=value)
    call = {
        "type": "track",
        "userId": "u",
        "event": "E",
        "timestamp": "2026-11-23T10:30:00Z",
        "properties": {"groupId": "g"},
    }
    assert (await client.post(SEGMENTIO, call)).status == 200
    events = await client.events()
    assert len(events) == kept
    assert ("segmentio_off" in await client.codes()) == (not kept)
    if kept:
        assert (events[0]["accountId"], events[0]["timestamp"]) == ("g", START_MS)


async def test_switch_segmentio_status(client: Client) -> None:
    """segmentio.status: another status, and nothing is kept."""
    await client.set(segmentio__status=503)
    assert (await client.post(SEGMENTIO, {"type": "identify", "userId": "u", "traits": {}})).status == 503
    assert (await client.state())["visitors"] == {}


async def test_segmentio_bad_calls(client: Client) -> None:
    """Not JSON is 400; what cannot be read of it is diagnosed; an unknown key keeps nothing."""
    assert (await client.post(SEGMENTIO, b"{")).status == 400
    assert (await client.post(SEGMENTIO, [1])).status == 400
    assert (await client.post(SEGMENTIO, {"type": "page", "userId": "u"})).status == 200
    assert (await client.post("/data/segmentio/unknown", {"type": "identify", "userId": "u"})).status == 200
    assert await client.codes() == ["bad_body", "bad_body", "secret_mixup"]
    assert (await client.state())["visitors"] == {}


# --- agentic ----------------------------------------------------------------------------------------------------------


async def test_agentic(client: Client) -> None:
    """An agentic event is kept under its own type; equal milliseconds of one visitor and type collapse."""
    event = {
        "type": "prompt",
        "visitor_id": "u",
        "account_id": "a",
        "timestamp": START_MS,
        "props": {"agentId": "x"},
    }
    headers = {"x-pendo-integration-key": seed.TRACK_SECRET_WEB}
    for _ in range(2):
        assert (await client.post("/data/agentic", event, headers)).status == 200
    (kept,) = await client.events()
    assert (kept["type"], kept["event"], kept["visitorId"], kept["properties"]) == (
        "prompt",
        None,
        "u",
        {"agentId": "x"},
    )
    assert await client.codes() == ["same_ms"]
    assert (await client.post("/data/agentic", event)).status == 403
    assert (await client.post("/data/agentic", b"[", headers)).status == 400


async def test_agentic_sdk(client: Client) -> None:
    """The server SDK sends a jzb, in the query or as a text body."""
    packed = jzb.encode([{"type": "prompt", "visitor_id": "u", "timestamp": START_MS}])
    assert (await client.get(f"/data/agenticsdk/{seed.APP_KEY_WEB}?jzb={packed}")).status == 200
    other = jzb.encode([{"type": "agent_response", "visitor_id": "u", "timestamp": START_MS}, 7])
    assert (await client.post(f"/data/agenticsdk/{seed.APP_KEY_WEB}", other.encode())).status == 200
    assert [event["type"] for event in await client.events()] == ["prompt", "agent_response"]
    assert (await client.get(f"/data/agenticsdk/{seed.APP_KEY_WEB}?jzb=!!")).status == 400
    assert (await client.get(f"/data/agenticsdk/nobody?jzb={packed}")).status == 404
