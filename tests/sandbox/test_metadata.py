"""Metadata by REST: the report, what is kept, and each assumption's switch."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote

import pytest

from sternpost.sandbox import seed
from tests.sandbox.conftest import Client, agent_event


def visitor(known_id: Any = "v1", **values: Any) -> dict[str, Any]:
    return {"visitorId": known_id, "values": values}


async def fields(client: Client, known_id: str = "v1", group: str = "agent") -> Any:
    return (await client.state())["visitors"][known_id]["metadata"][group]


async def test_unknown_ids_are_skipped_without_create(client: Client) -> None:
    """Without create=true an unknown id is only in `missing`; with it, it comes into being."""
    report = await client.write([visitor("v1", a=1), visitor("v2", a=1)], create=False)
    assert report == {"total": 2, "updated": 0, "failed": 2, "missing": ["v1", "v2"], "errors": []}
    assert await client.codes() == ["missing_id", "missing_id"]
    assert (await client.write([visitor("v1", a=1)])) == {
        "total": 1,
        "updated": 1,
        "failed": 0,
        "missing": [],
        "errors": [],
    }
    assert (await client.write([visitor("v1", b=2), visitor("v2", b=2)], create=False))["missing"] == ["v2"]
    assert await fields(client) == {"a": 1, "b": 2}


async def test_names_values_and_types(client: Client) -> None:
    """Keys are lower-cased and the last wins, objects go, types are fixed by the first write."""
    await client.write(
        [visitor(firstName="A", firstname="B", o={"x": 1}, tags=["a", {"x": 1}, 2], n=1, **{"300": 1})]
    )
    assert await fields(client) == {"firstname": "B", "tags": ["a", 2], "n": 1, "300": 1}
    assert sorted(await client.codes()) == [
        "bad_metadata_key",
        "key_collision",
        "object_dropped",
        "object_dropped",
    ]
    await client.write([visitor(n="one", long="x" * 1501)])
    assert (await client.codes())[4:] == ["type_mismatch", "value_long"]
    assert (await fields(client))["n"] == "one"


async def test_only_named_fields_change(client: Client) -> None:
    """A write changes the fields it names and no association."""
    await client.track("E", "v1", "acc")
    await client.write([visitor(a=1, b=2)])
    await client.write([visitor(b=3)])
    state = await client.state()
    assert state["visitors"]["v1"] == {
        "metadata": {"agent": {"a": 1, "b": 3}, "custom": {}},
        "accounts": ["acc"],
    }


@pytest.mark.parametrize(
    ("item", "error"),
    [
        (7, "item 1: not an object"),
        ({"values": {}}, "item 1: visitorId is missing"),
        ({"accountId": "a", "values": {}}, "a: accountId is not an id of kind visitor, use visitorId"),
        ({"visitorId": "v"}, "v: values must be an object"),
        ({"visitorId": "v", "values": []}, "v: values must be an object"),
        ({"visitorId": 7, "values": {}}, "item 1: visitorId is not usable"),
        ({"visitorId": " ", "values": {}}, "item 1: visitorId is not usable"),
        ({"visitorId": "VISITOR-UNIQUE-ID", "values": {}}, "item 1: visitorId is not usable"),
    ],
)
async def test_errors_name_their_item(client: Client, item: Any, error: str) -> None:
    """A bad item fails alone and is named; the others are written."""
    report = await client.write([item, visitor("good", a=1)])
    assert report == {"total": 2, "updated": 1, "failed": 1, "missing": [], "errors": [error]}


async def test_wrong_id_key_is_diagnosed(client: Client) -> None:
    """groupId in an account item is a known client bug: an error, and `wrong_id_key`."""
    report = await client.write([{"groupId": "g", "values": {"a": 1}}], kind="account")
    assert report["failed"] == 1
    assert await client.codes() == ["wrong_id_key"]


@pytest.mark.parametrize("body", [b"{", {"visitorId": "v"}, b"null", b'"x"'])
async def test_a_body_that_is_no_list(client: Client, body: Any) -> None:
    """Anything but a list of items is 400."""
    assert (await client.api("POST", "metadata/visitor/agent/value", body)).status == 400


@pytest.mark.parametrize(
    ("path", "status"),
    [("nobody/agent", 404), ("visitor/auto", 400), ("visitor/pendo", 400), ("visitor/salesforce", 400)],
)
async def test_kinds_and_groups(client: Client, path: str, status: int) -> None:
    """Only agent and custom of the three kinds can be written."""
    assert (await client.api("POST", f"metadata/{path}/value", [])).status == status


async def test_custom_fields_must_exist(client: Client) -> None:
    """An unknown custom field fails its item; a field made by the schema route is written; lists are not kept."""
    report = await client.write([visitor(plan="pro")], group="custom")
    assert report["errors"] == ["v1: unknown field plan"]
    assert await client.codes() == ["unknown_field"]
    assert (await client.state())["visitors"] == {}
    made = await client.api(
        "POST",
        "metadata/schema/visitor/custom",
        [{"name": "plan", "type": "string"}, {"name": "since", "type": "time"}],
    )
    assert made.json()["plan"]["Type"] == "string"
    await client.write([visitor(plan="pro", since="2006-01-02T15:04:05.999-05:00")], group="custom")
    await client.write([visitor(plan=["a"], since="yesterday")], group="custom")
    assert await fields(client, group="custom") == {"plan": "pro", "since": "yesterday"}
    assert (await client.codes())[1:] == ["list_in_custom", "type_mismatch"]


async def test_schema(client: Client) -> None:
    """The schema lists auto, agent and custom; agent fields appear by being written; deleting and undeleting works."""
    await client.write([visitor(n=1, t="x", b=True, tags=[1])])
    schema = (await client.api("GET", "metadata/schema/visitor")).json()
    assert {name: field["Type"] for name, field in schema["agent"].items()} == {
        "n": "number",
        "t": "string",
        "b": "boolean",
        "tags": "list",
    }
    assert schema["auto"]["id"]["Type"] == "string"
    field = [{"name": "f", "displayname": "F", "type": "number"}]
    await client.api("POST", "metadata/schema/account/custom", field)
    assert (await client.api("DELETE", "metadata/schema/account/custom/f")).status == 200
    assert (await client.api("DELETE", "metadata/schema/account/custom/f")).status == 404
    assert (await client.api("GET", "metadata/schema/account")).json()["custom"] == {}
    await client.api("POST", "metadata/schema/account/custom", field)
    assert list((await client.api("GET", "metadata/schema/account")).json()["custom"]) == ["f"]
    assert (await client.api("GET", "metadata/schema/nobody")).status == 404
    assert (await client.api("DELETE", "metadata/schema/visitor/auto/id")).status == 400


@pytest.mark.parametrize(
    "body",
    [b"{", {}, [7], [{"name": "x"}], [{"name": "x", "type": "blob"}], [{"name": "", "type": "string"}]],
)
async def test_schema_bad_bodies(client: Client, body: Any) -> None:
    """A field needs a name and one of four types."""
    assert (await client.api("POST", "metadata/schema/visitor/custom", body)).status == 400


async def test_schema_only_of_two_groups(client: Client) -> None:
    """Fields are made in agent and custom only; dependencies are always empty."""
    assert (await client.api("POST", "metadata/schema/visitor/auto", [])).status == 400
    assert (await client.api("GET", "metadata/dependencies")).json() == []
    assert (await client.api("GET", "metadata/dependencies/visitor/custom/f")).json() == []


# --- one value --------------------------------------------------------------------------------------------------------


async def test_single_value(client: Client) -> None:
    """A bare scalar is written and read; ids may hold anything once they are encoded."""
    odd = "a/b ü?"
    await client.write([visitor(odd)])
    path = f"metadata/visitor/agent/value/{quote(odd, safe='')}/Plan"
    assert (await client.api("PUT", path, b'"pro"')).status == 200
    assert (await client.api("GET", path)).json() == "pro"
    assert await fields(client, odd) == {"plan": "pro"}
    assert (await client.api("PUT", path, b"{}")).status == 400
    assert (await client.api("PUT", path, b"{")).status == 400
    assert (await client.api("GET", path + "x")).status == 404
    assert (await client.api("GET", "metadata/nobody/agent/value/a/b")).status == 404
    encoded = base64.urlsafe_b64encode(odd.encode()).decode().rstrip("=")
    answer = await client.api(
        "GET", f"metadata/visitor/agent/value/{encoded}/plan", x_pendo_base64_encoded_params="true"
    )
    assert answer.json() == "pro"


async def test_single_custom_value_of_an_unknown_field(client: Client) -> None:
    """The group custom refuses a field that does not exist here, too."""
    await client.write([visitor()])
    assert (await client.api("PUT", "metadata/visitor/custom/value/v1/f", b"1")).status == 400
    assert (await client.api("PUT", "metadata/visitor/auto/value/v1/f", b"1")).status == 400


@pytest.mark.parametrize("status", [404, 400])
async def test_switch_single_unknown_id(client: Client, status: int) -> None:
    """single.unknownIdStatus: of every single-value route."""
    await client.set(single__unknownIdStatus=status)
    assert (await client.api("GET", "metadata/visitor/agent/value/nobody/f")).status == status
    assert (await client.api("PUT", "metadata/visitor/agent/value/nobody/f", b"1")).status == status
    assert (
        await client.api("PUT", "metadata/visitor/pendo/value/nobody/donotprocess", b"true")
    ).status == status


# --- switches ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "status"), [("writable", 200), ("refused", 400)])
async def test_switch_agent_group(client: Client, value: str, status: int) -> None:
    """metadata.agentGroup: by REST writable, or not."""
    await client.set(metadata__agentGroup=value)
    assert (await client.api("POST", "metadata/visitor/agent/value", [])).status == status
    assert (await client.api("POST", "metadata/visitor/custom/value", [])).status == 200


@pytest.mark.parametrize("status", [413, 400])
async def test_switch_batch_limit(client: Client, status: int) -> None:
    """metadata.maxItems and metadata.overLimitStatus: a larger batch is refused as a whole."""
    assert (
        await client.api("POST", "metadata/visitor/agent/value", [visitor(f"v{n}") for n in range(1001)])
    ).status == 413
    await client.set(metadata__maxItems=2, metadata__overLimitStatus=status)
    assert (
        await client.api("POST", "metadata/visitor/agent/value", [visitor(), visitor(), visitor()])
    ).status == status
    assert (await client.api("POST", "metadata/visitor/agent/value", [visitor(), visitor()])).status == 200


@pytest.mark.parametrize(
    ("value", "error"),
    [("text", "v: values must be an object"), ("object", {"id": "v", "error": "values must be an object"})],
)
async def test_switch_error_item(client: Client, value: str, error: Any) -> None:
    """metadata.errorItem: the shape of an item of `errors`."""
    await client.set(metadata__errorItem=value)
    assert (await client.write([{"visitorId": "v"}]))["errors"] == [error]


@pytest.mark.parametrize(
    ("value", "left"), [("clear", {"b": 1}), ("ignore", {"a": 1, "b": 1}), ("store", {"a": None, "b": 1})]
)
async def test_switch_null_value(client: Client, value: str, left: dict[str, Any]) -> None:
    """metadata.nullValue: null clears a field, is ignored, or is stored."""
    await client.set(metadata__nullValue=value)
    await client.write([visitor(a=1, b=1)])
    await client.write([visitor(a=None)])
    assert await fields(client) == left


@pytest.mark.parametrize(("value", "left", "failed"), [("keep", "x", 0), ("refuse", 1, 1)])
async def test_switch_type_mismatch(client: Client, value: str, left: Any, failed: int) -> None:
    """metadata.typeMismatch: kept and diagnosed, or refused."""
    await client.set(metadata__typeMismatch=value)
    await client.write([visitor(n=1)])
    assert (await client.write([visitor(n="x")]))["failed"] == failed
    assert (await fields(client))["n"] == left
    assert await client.codes() == ["type_mismatch"]


@pytest.mark.parametrize(("value", "failed"), [("accepted", 0), ("error", 1)])
async def test_switch_empty_values(client: Client, value: str, failed: int) -> None:
    """metadata.emptyValues: an item without values creates, or is an error."""
    await client.set(metadata__emptyValues=value)
    assert (await client.write([visitor("v")]))["failed"] == failed
    assert len((await client.state())["visitors"]) == 1 - failed


@pytest.mark.parametrize(("value", "left", "failed"), [("last", 2, 0), ("error", 1, 1)])
async def test_switch_duplicate_id(client: Client, value: str, left: int, failed: int) -> None:
    """metadata.duplicateId: the last of equal ids wins, or the second is an error."""
    await client.set(metadata__duplicateId=value)
    assert (await client.write([visitor(a=1), visitor(a=2)]))["failed"] == failed
    assert (await fields(client))["a"] == left


@pytest.mark.parametrize("status", [400, 403])
async def test_switch_auto_status(client: Client, status: int) -> None:
    """metadata.autoStatus: the group auto is read only."""
    await client.set(metadata__autoStatus=status)
    assert (await client.api("POST", "metadata/visitor/auto/value", [])).status == status


@pytest.mark.parametrize("status", [403, 401])
async def test_switch_read_only_write(client: Client, status: int) -> None:
    """auth.readOnlyWriteStatus: the read-only key reads, and writes nothing."""
    await client.set(auth__readOnlyWriteStatus=status)
    answer = await client.api("POST", "metadata/visitor/agent/value", [], key=seed.INTEGRATION_KEY_READ_ONLY)
    assert (answer.status, answer.body) == (status, b"")
    assert (
        await client.api("GET", "metadata/schema/visitor", key=seed.INTEGRATION_KEY_READ_ONLY)
    ).status == 200


# --- parent accounts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "parents"), [("on", ["par"]), ("off", [])])
async def test_switch_parent_accounts(client: Client, value: str, parents: list[str]) -> None:
    """parentAccounts: `a::b` makes a parent account whose metadata can be written; off, it is an id like any other."""
    await client.set(parentAccounts=value)
    await client.track(account="par::acc")
    state = await client.state()
    assert list(state.get("parentAccounts", {})) == parents
    assert list(state["accounts"]) == ["par::acc"]
    answer = await client.api(
        "POST", "metadata/parentAccount/agent/value", [{"parentAccountId": "par", "values": {"tier": 1}}]
    )
    assert answer.status == (200 if parents else 400)
    if parents:
        assert (await client.state())["parentAccounts"]["par"]["metadata"]["agent"] == {"tier": 1}
        assert (await client.api("GET", "account/par%3A%3Aacc")).json()["parentAccountId"] == "par"
    else:
        assert "account_parent_syntax" in await client.codes()


# --- do not process ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["drop", "keep"])
async def test_switch_dnp_server_data(client: Client, value: str) -> None:
    """dnp.serverData: server data of opted-out visitors and accounts is dropped and diagnosed, or kept."""
    await client.set(dnp__serverData=value)
    await client.track("Before", "v1", "a1")
    assert (await client.api("PUT", "metadata/visitor/pendo/value/v1/donotprocess", b"true")).status == 200
    assert (await client.api("PUT", "metadata/account/pendo/value/a1/donotprocess", b"true")).status == 200
    await client.track("After", "v1", None, timestamp=1)
    await client.track("After", "v2", "a1", timestamp=2)
    await client.write([visitor(a=1)])
    await client.post(
        f"/data/segmentio/{seed.APP_KEY_WEB}", {"type": "identify", "userId": "v1", "traits": {"s": 1}}
    )
    headers = {"x-pendo-integration-key": seed.TRACK_SECRET_WEB}
    await client.post("/data/agentic", {"type": "prompt", "visitor_id": "v1"}, headers)
    kept = value == "keep"
    assert len(await client.events()) == (4 if kept else 1)
    assert ("a" in await fields(client)) == kept
    assert (await client.codes()).count("do_not_process") == (0 if kept else 5)
    assert (await fields(client, group="pendo")) == {"donotprocess": True}


async def test_do_not_process_can_be_lifted(client: Client) -> None:
    """donotprocess false lets data in again; blacklistguides is kept; the body must be true or false."""
    await client.write([visitor()])
    path = "metadata/visitor/pendo/value/v1"
    await client.api("PUT", f"{path}/donotprocess", b"true")
    await client.api("PUT", f"{path}/donotprocess", b"false")
    await client.api("PUT", f"{path}/blacklistguides", b"true")
    await client.track("E", "v1")
    assert len(await client.events()) == 1
    assert await fields(client, group="pendo") == {"donotprocess": False, "blacklistguides": True}
    assert (await client.api("PUT", f"{path}/donotprocess", b"1")).status == 400
    assert (await client.api("PUT", f"{path}/other", b"true")).status == 400


async def test_agent_data_of_the_opted_out_is_dropped(client: Client) -> None:
    """The agent's events of an opted-out visitor are dropped, whatever dnp.serverData says."""
    await client.set(dnp__serverData="keep")
    await client.write([visitor()])
    await client.api("PUT", "metadata/visitor/pendo/value/v1/donotprocess", b"true")
    await client.agent(agent_event("load", "v1"))
    assert await client.events() == []
    assert await client.codes() == ["do_not_process"]
