"""The identity engine, fed by the web agent's events; among them the traffic of the genuine agent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sternpost.sandbox import jzb, seed
from tests.sandbox.conftest import DATA, Client, agent_event

ANON = "_PENDO_T_abc"


def identify(old: Any, new: str, account: str | None = None) -> dict[str, Any]:
    props = {"old_visitor_id": old, "visitor_id": new, "account_id": account}
    return agent_event("identify", new, account, props=props)


def tracked(name: str, visitor: str, account: str | None = None) -> dict[str, Any]:
    return agent_event("track", visitor, account, track_event_name=name)


async def owners(client: Client) -> dict[str, str]:
    return {event["event"]: event["visitorId"] for event in await client.events(type="track")}


async def test_replay_of_the_genuine_agent(client: Client) -> None:
    """Acceptance 1: user-1 owns 'Anon Event' and 'Known Event'; user-2 owns nothing of user-1's."""
    lines = [json.loads(line) for line in (DATA / "pendo-agent-main.jsonl").read_text().splitlines()]
    for line in lines:
        if "path" in line:
            path = line["path"].replace("aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", seed.APP_KEY_WEB)
            others = "".join(f"&{key}={value}" for key, value in line["query"].items() if key != "jzb")
            answer = await client.get(f"{path}?jzb={jzb.encode(line['decoded'])}{others}")
            assert answer.status == 200, line
    owned = await owners(client)
    assert owned["Anon Event"] == owned["Known Event"] == owned["Bad props"] == "user-1"
    assert owned["Big"] == "_PENDO_T_cNqcs1aVrmZ"
    of_user_2 = {(event["type"], event["event"]) for event in await client.events(visitorId="user-2")}
    assert of_user_2 == {("identify", None), ("meta", None)}
    state = await client.state()
    assert set(state["visitors"]) == {"user-1", "user-2", "_PENDO_T_cNqcs1aVrmZ"}
    user_1 = state["visitors"]["user-1"]
    assert user_1["accounts"] == ["acc-1"]
    assert user_1["metadata"]["agent"] == {
        "email": "u@e.x",
        "createdat": "2024-01-01T00:00:00Z",
        "firstname": "B",
        "list": [1, 2],
    }
    assert user_1["metadata"]["auto"] == {"language": "en_US"}
    assert state["visitors"]["user-2"]["accounts"] == ["acc-2", "par-1::acc-2"]
    assert state["accounts"]["acc-1"]["metadata"]["agent"] == {
        "planlevel": "Gold",
        "tags": ["a", "b"],
        "objs": [],
    }
    assert list(state["parentAccounts"]) == ["par-1"]
    assert {"key_collision", "object_dropped", "nested_property"} <= set(await client.codes())


async def test_anonymous_history_follows_the_merge(client: Client) -> None:
    """Anonymous → identified moves every earlier event and account, and the anonymous visitor is gone."""
    await client.agent(tracked("Anon", ANON, "a1"))
    await client.agent(identify(ANON, "u1", "a2"))
    assert await owners(client) == {"Anon": "u1"}
    state = await client.state()
    assert list(state["visitors"]) == ["u1"]
    assert state["visitors"]["u1"]["accounts"] == ["a1", "a2"]


async def test_identified_visitors_never_merge(client: Client) -> None:
    """user-1 → user-2 and identified → anonymous move nothing."""
    await client.agent(tracked("Mine", "u1"))
    await client.agent(identify("u1", "u2"))
    await client.agent(identify("u1", ANON))
    await client.agent(identify(ANON, ANON))
    assert await owners(client) == {"Mine": "u1"}


@pytest.mark.parametrize(("value", "owner"), [("on", "u1"), ("off", ANON)])
async def test_switch_mapping(client: Client, value: str, owner: str) -> None:
    """identity.mapping off: two ids for one person, and a diagnostic."""
    await client.set(identity__mapping=value)
    await client.agent(tracked("Anon", ANON))
    await client.agent(identify(ANON, "u1"))
    assert await owners(client) == {"Anon": owner}
    assert ("identity_mapping_off" in await client.codes()) == (value == "off")


@pytest.mark.parametrize(("value", "owner"), [("follow", "u1"), ("stay", ANON)])
async def test_switch_late_events(client: Client, value: str, owner: str) -> None:
    """identity.lateEvents: what arrives for an anonymous id after its merge follows it, or stays; server events too."""
    await client.set(identity__lateEvents=value)
    await client.agent(identify(ANON, "u1"))
    await client.agent(tracked("Late", ANON))
    await client.track("Late from server", ANON)
    assert await owners(client) == {"Late": owner, "Late from server": owner}


@pytest.mark.parametrize("bad", ["", "  ", "VISITOR-UNIQUE-ID", "::", None, True, {"a": 1}])
async def test_unusable_visitor_ids(client: Client, bad: Any) -> None:
    """Blank ids, placeholders, `::` and what is no text are ignored and diagnosed."""
    await client.agent(agent_event("load", bad))
    assert (await client.state())["visitors"] == {}
    assert await client.codes() == ["bad_id"]


async def test_ids_are_texts_and_case_sensitive(client: Client) -> None:
    """42 is "42"; U1 is not u1."""
    for visitor in (42, "u1", "U1"):
        await client.agent(agent_event("load", visitor))  # type: ignore[arg-type]
    assert set((await client.state())["visitors"]) == {"42", "u1", "U1"}


async def test_a_batch_survives_its_bad_events(client: Client) -> None:
    """What is no object, has no type or no name is diagnosed; the rest of the batch is kept."""
    await client.agent(
        7, {"visitor_id": "u"}, agent_event("track", "u"), agent_event("load", "u", browser_time="x")
    )
    assert await client.codes() == ["bad_body", "bad_body", "bad_body"]
    (event,) = await client.events()
    assert (event["type"], event["timestamp"]) == ("load", client.clock.now_ms)


def meta(visitor: str = "u1", account: str = "a1", **more: Any) -> dict[str, Any]:
    props = {
        "visitor": {"id": visitor, "language": "de_DE", "Plan": "pro"},
        "account": {"id": account, "size": 3},
        **more,
    }
    return agent_event("meta", visitor, account, props=props)


@pytest.mark.parametrize(
    ("value", "agent", "auto"),
    [("auto", {"plan": "pro"}, {"language": "de_DE"}), ("agent", {"plan": "pro", "language": "de_DE"}, {})],
)
async def test_switch_language(client: Client, value: str, agent: Any, auto: Any) -> None:
    """meta.language: the group that keeps the language the agent adds; the ids are no fields."""
    await client.set(meta__language=value)
    await client.agent(meta())
    state = await client.state()
    assert state["visitors"]["u1"]["metadata"] == {"agent": agent, "custom": {}} | (
        {"auto": auto} if auto else {}
    )
    assert state["accounts"]["a1"]["metadata"]["agent"] == {"size": 3}


@pytest.mark.parametrize(("value", "kept"), [("off", {"plan": "pro"}), ("on", {})])
async def test_switch_block_agent_metadata(client: Client, value: str, kept: Any) -> None:
    """app.blockAgentMetadata: meta events are ignored, and the app's configuration says so to the agent."""
    await client.set(app__blockAgentMetadata=value)
    await client.agent(meta())
    assert (await client.state())["visitors"]["u1"]["metadata"]["agent"] == kept
    config = (await client.get(f"/agent/static/{seed.APP_KEY_WEB}/config.json")).json()
    assert config == ({"blockAgentMetadata": True} if value == "on" else {})


async def test_type_mismatch_refused_for_the_agent(client: Client) -> None:
    """With metadata.typeMismatch refuse an agent's meta event is not written, and its batch is still answered."""
    await client.set(metadata__typeMismatch="refuse")
    await client.agent(meta())
    answer = await client.agent(agent_event("meta", "u1", props={"visitor": {"id": "u1", "plan": 7}}))
    assert answer.status == 200
    assert (await client.state())["visitors"]["u1"]["metadata"]["agent"] == {"plan": "pro"}


@pytest.mark.parametrize(("value", "counted"), [("on", 2), ("off", 1)])
async def test_switch_anonymous_tracking(client: Client, value: str, counted: int) -> None:
    """identity.anonymousTracking: whether anonymous visitors count; MAU keeps the two apart either way."""
    await client.set(identity__anonymousTracking=value)
    await client.agent(agent_event("load", ANON), agent_event("load", "u1"))
    await client.write([{"visitorId": "only-metadata", "values": {}}])
    assert (await client.get("/__sandbox/summary")).json()["mau"] == {
        "identified": 1,
        "anonymous": 1,
        "counted": counted,
    }
    client.clock.advance(31 * 86_400_000)
    assert (await client.get("/__sandbox/summary")).json()["mau"]["counted"] == 0


@pytest.mark.parametrize("value", ["instant", "hourly"])
async def test_switch_visibility(client: Client, value: str) -> None:
    """visibility hourly: events show after /process or when the clock passes the hour; requests at once."""
    await client.set(visibility=value)
    await client.track("E", "u1")
    await client.agent(agent_event("load", "u2"))
    hourly = value == "hourly"
    assert len(await client.events()) == (0 if hourly else 2)
    assert len((await client.get("/__sandbox/requests")).json()) == 2
    assert (await client.api("GET", "visitor/u1")).status == (404 if hourly else 200)
    assert (await client.post("/__sandbox/process")).json() == {"processed": 2 if hourly else 0}
    assert len(await client.events()) == 2
    await client.track("Later", "u1", timestamp=1)
    client.clock.advance(29 * 60_000)
    assert len(await client.events()) == (2 if hourly else 3)
    client.clock.advance(60_000)
    assert len(await client.events()) == 3
