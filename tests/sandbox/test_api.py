"""The rest of /api/v1: keys and regions, visitors, accounts, deletion, segments, lists, feedback."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from sternpost.sandbox import limits, seed
from sternpost.sandbox.core import ROUTES
from tests.sandbox.conftest import DATA, START_MS, Client, agent_event

# --- keys and regions -------------------------------------------------------------------------------------------------


async def test_token_verify(client: Client) -> None:
    """Both integration keys are valid; only one may write."""
    assert (await client.api("GET", "token/verify")).json() == {"valid": True, "writeAccess": True}
    assert (await client.api("GET", "token/verify", key=seed.INTEGRATION_KEY_READ_ONLY)).json() == {
        "valid": True,
        "writeAccess": False,
    }


@pytest.mark.parametrize(
    ("key", "codes"),
    [
        ("", []),
        ("nonsense", ["secret_mixup"]),
        (seed.TRACK_SECRET_WEB, ["secret_mixup"]),
        (seed.APP_KEY_WEB, ["secret_mixup"]),
        (seed.INTEGRATION_KEY.replace(".us", ".eu"), ["secret_mixup"]),
        (seed.INTEGRATION_KEY.removesuffix(".us"), ["secret_mixup"]),
    ],
)
async def test_every_api_route_needs_an_integration_key(client: Client, key: str, codes: list[str]) -> None:
    """Without a valid key every route of /api/v1, known or not, is 403 with an empty body."""
    paths = {(route.method, route.path) for route in ROUTES if route.path.startswith("/api/v1/")} | {
        ("GET", "/api/v1/nothing")
    }
    for method, path in paths:
        answer = await client.request(
            method,
            path.replace("{", "").replace("}", ""),
            b"[]",
            {"x-pendo-integration-key": key} if key else {},
        )
        assert (answer.status, answer.body) == (403, b""), path
    assert await client.codes() == codes * len(paths)


@pytest.mark.parametrize("region", ["us", "us1", "eu", "jp", "au"])
async def test_regions(make: Callable[..., Client], region: str) -> None:
    """The integration keys carry the region's suffix; hosts of other regions get 403, neutral ones do not."""
    client = make(region=region)
    key = seed.INTEGRATION_KEY.replace(".us", f".{region}")
    assert (await client.api("GET", "token/verify", key=key)).status == 200
    assert (await client.api("GET", "token/verify", key=seed.INTEGRATION_KEY)).status == (
        200 if region == "us" else 403
    )
    for other, hosts in seed.REGION_HOSTS.items():
        for host in hosts:
            answer = await client.api("GET", "token/verify", key=key, host=f"{host}:443")
            assert (answer.status, answer.body == b"") == (
                (200, False) if other == region else (403, True)
            ), host
    for host in ("localhost:8090", "127.0.0.1", "pendo.example.com"):
        assert (await client.api("GET", "token/verify", key=key, host=host)).status == 200
    assert (await client.get("/__sandbox/state", host="data.eu.pendo.io")).status == 200


def test_unknown_region(make: Callable[..., Client]) -> None:
    """A region that does not exist is refused at the start, with the list of those that do."""
    with pytest.raises(ValueError, match="us, us1, eu, jp, au"):
        make(region="mars")


async def test_unknown_paths(client: Client) -> None:
    """What Pendo does not have is 404; a known path with another method is 405."""
    assert (await client.api("GET", "nothing/here")).status == 404
    assert (await client.get("/somewhere")).status == 404
    assert (await client.get("/data/nothing")).status == 404
    assert (await client.get("/data/track")).status == 405
    assert (await client.api("DELETE", "visitor/u")).status == 405


# --- visitors and accounts --------------------------------------------------------------------------------------------


async def test_visitor_and_account(client: Client) -> None:
    """All groups with the group auto: ids, visits, the last account and the list of all."""
    await client.track("E", "u/1", "a1")
    await client.track("E", "u/1", "a2", timestamp=START_MS + 1)
    await client.write([{"visitorId": "u/1", "values": {"plan": "pro"}}])
    view = (await client.api("GET", "visitor/u%2F1")).json()
    assert view["visitorId"] == "u/1"
    auto = view["metadata"]["auto"]
    assert (auto["id"], auto["accountid"], auto["accountids"], auto["firstvisit"]) == (
        "u/1",
        "a2",
        ["a1", "a2"],
        START_MS,
    )
    assert view["metadata"]["agent"] == {"plan": "pro"}
    assert any(name.startswith("auto__") for name in view["metadata"])
    encoded = base64.b64encode(b"u/1").decode()
    assert (await client.api("GET", f"visitor/{encoded}", x_pendo_base64_encoded_params="true")).json()[
        "id"
    ] == "u/1"
    account = (await client.api("GET", "account/a1")).json()
    assert (account["accountId"], account["metadata"]["auto"]["lastvisit"]) == ("a1", START_MS)
    assert (await client.api("GET", "visitor/nobody")).status == 404
    assert (await client.api("GET", "account/nobody")).status == 404


async def test_history(client: Client) -> None:
    """The events of a day from starttime on."""
    for n, name in enumerate(("B", "A", "Next day")):
        await client.track(name, "u", timestamp=START_MS + (10, 5, 90_000_000)[n])
    path = "visitor/u/history"
    assert [
        event["event"]
        for event in (await client.api("GET", f"{path}?starttime={START_MS}")).json()["results"]
    ] == ["A", "B"]
    assert len((await client.api("GET", path)).json()["results"]) == 2
    assert (await client.api("GET", f"{path}?starttime=x")).status == 400
    assert (await client.api("GET", "visitor/nobody/history")).status == 404


# --- bulk delete ------------------------------------------------------------------------------------------------------


async def test_bulk_delete_of_visitors(client: Client) -> None:
    """Queued, marked do not process at once, done by the clock; later data is dropped and diagnosed."""
    await client.track("E", "gone", "a")
    await client.track("E", "stays", "a")
    await client.agent(agent_event("load", "_PENDO_T_x"))
    job = (
        await client.api("POST", "bulkdelete/visitor", {"visitors": ["gone", "_PENDO_T_x", "never seen"]})
    ).json()["id"]
    assert (await client.api("GET", f"bulkdelete/{job}")).json() == {
        "id": job,
        "status": "pending",
        "requested": START_MS,
        "completed": None,
    }
    assert (await client.state())["visitors"]["gone"]["metadata"]["pendo"] == {"donotprocess": True}
    await client.post("/__sandbox/clock", {"advanceMs": 60_000})
    (listed,) = (await client.api("GET", "bulkdelete")).json()
    assert listed["status"] == "done"
    state = await client.state()
    assert set(state["visitors"]) == {"stays"}
    assert {event["visitorId"] for event in state["events"]} == {"stays"}
    await client.track("Late", "gone", timestamp=1)
    assert "gone" not in (await client.state())["visitors"]
    assert "do_not_process" in await client.codes()
    assert (await client.api("GET", "bulkdelete/nothing")).status == 404


async def test_bulk_delete_of_accounts(client: Client) -> None:
    """An account goes with its events, and from its visitors' lists."""
    await client.track("E", "u", "keep")
    await client.track("E", "u", "gone", timestamp=1)
    await client.set(bulkdelete__lagMs=0)
    await client.api("POST", "bulkdelete/account", {"accounts": ["gone"]})
    state = await client.state()
    assert (set(state["accounts"]), state["visitors"]["u"]["accounts"], len(state["events"])) == (
        {"keep"},
        ["keep"],
        1,
    )
    assert (await client.api("GET", "visitor/u")).json()["metadata"]["auto"]["accountid"] == "keep"


@pytest.mark.parametrize(
    "body", [b"{", {}, {"visitors": []}, {"visitors": "u"}, {"visitors": [1]}, {"accounts": ["a"]}]
)
async def test_bulk_delete_bad_bodies(client: Client, body: Any) -> None:
    """The body must name ids of the kind in the path."""
    assert (await client.api("POST", "bulkdelete/visitor", body)).status == 400
    assert (await client.api("POST", "bulkdelete/segment", body)).status == 404


@pytest.mark.parametrize("status", [None, 413])
async def test_switch_bulk_delete_over_limit(client: Client, status: int | None) -> None:
    """bulkdelete.overLimitStatus: more than 500 ids."""
    if status:
        await client.set(bulkdelete__overLimitStatus=status)
    ids = [f"u{n}" for n in range(501)]
    assert (await client.api("POST", "bulkdelete/visitor", {"visitors": ids})).status == (status or 400)
    assert await client.codes() == ["bulk_delete_limit"]
    assert (await client.api("POST", "bulkdelete/visitor", {"visitors": ids[1:]})).status == 200


@pytest.mark.parametrize("status", [None, 400])
async def test_switch_bulk_delete_too_soon(client: Client, status: int | None) -> None:
    """bulkdelete.tooSoonStatus: a second call within a second."""
    if status:
        await client.set(bulkdelete__tooSoonStatus=status)
    await client.set(bulkdelete__lagMs=0)
    assert (await client.api("POST", "bulkdelete/visitor", {"visitors": ["a"]})).status == 200
    client.clock.advance(999)
    assert (await client.api("POST", "bulkdelete/visitor", {"visitors": ["b"]})).status == (status or 429)
    assert await client.codes() == ["bulk_delete_limit"]
    client.clock.advance(1)
    assert (await client.api("POST", "bulkdelete/visitor", {"visitors": ["c"]})).status == 200


async def test_switch_bulk_delete_status_shape(client: Client) -> None:
    """bulkdelete.statusShape: other names for the facts."""
    await client.set(
        bulkdelete__statusShape={"jobId": "id", "state": "status", "type": "kind", "list": "ids"}
    )
    job = (await client.api("POST", "bulkdelete/visitor", {"visitors": ["a"]})).json()["id"]
    assert (await client.api("GET", f"bulkdelete/{job}")).json() == {
        "jobId": job,
        "state": "pending",
        "type": "visitor",
        "list": ["a"],
    }


# --- segments ---------------------------------------------------------------------------------------------------------


async def upload(client: Client, *visitors: str) -> str:
    answer = await client.api(
        "POST", "segment/upload", {"name": "S", "visitors": list(visitors) or ["empty-visitor"]}
    )
    return str(answer.json()["segmentId"])


async def members(client: Client, known_id: str) -> list[str]:
    job = (
        await client.api("POST", f"segment/{known_id}/visitors", key=seed.INTEGRATION_KEY_READ_ONLY)
    ).json()["jobId"]
    assert (await client.api("GET", f"segment/{known_id}/visitors/{job}/status")).json()[
        "status"
    ] == "completed"
    as_csv = (await client.api("GET", f"segment/{known_id}/visitors/{job}/results/csv")).text.split()
    rows = (await client.api("GET", f"segment/{known_id}/visitors/{job}/results/json")).json()
    assert as_csv == ["visitorId", *(row["visitorId"] for row in rows)]
    return [row["visitorId"] for row in rows]


async def test_segment_life(client: Client) -> None:
    """Upload, read, rename, members one by one, export, delete."""
    known_id = await upload(client, "u1", "u2")
    assert (await client.api("GET", f"segment/{known_id}")).json()["name"] == "S"
    assert (await client.api("GET", f"segment/{known_id}/status")).json() == {"status": "completed"}
    assert [segment["id"] for segment in (await client.api("GET", "segment?createdByApi=true")).json()] == [
        known_id
    ]
    assert {segment["id"] for segment in (await client.api("GET", "segment")).json()} == {
        "everyone",
        known_id,
    }
    assert (await client.api("PUT", f"segment/{known_id}", {"name": "T", "visitors": ["u3"]})).json()[
        "name"
    ] == "T"
    assert (await client.api("PUT", f"segment/{known_id}/visitor/u%2F4")).status == 200
    assert (await client.api("DELETE", f"segment/{known_id}/visitor/u3")).status == 200
    assert await members(client, known_id) == ["u/4"]
    assert (await client.api("DELETE", f"segment/{known_id}")).status == 200
    assert (await client.api("GET", f"segment/{known_id}")).status == 404


async def test_everyone_is_exported_too(client: Client) -> None:
    """The segment Everyone has every visitor."""
    await client.track("E", "u1")
    assert await members(client, "everyone") == ["u1"]


async def test_segment_patch(client: Client) -> None:
    """Each operation has its own status; the good ones are carried out."""
    known_id = await upload(client, "u1")
    patch = [
        {"op": "add", "path": "/visitors", "value": ["u2", "u3"]},
        {"op": "remove", "path": "/visitors", "value": ["u1"]},
        {"op": "move", "path": "/visitors", "value": []},
        {"op": "add", "path": "/name", "value": []},
        {"op": "add", "path": "/visitors", "value": [1]},
        7,
    ]
    statuses = (await client.api("PATCH", f"segment/{known_id}/visitor", {"patch": patch})).json()[
        "multistatus"
    ]
    assert statuses[0] == {"status": 200, "message": "success", "operation": "add"}
    assert [entry["status"] for entry in statuses] == [200, 200, 400, 400, 400, 400]
    assert await members(client, known_id) == ["u2", "u3"]


@pytest.mark.parametrize("body", [b"{", [], {}, {"patch": []}, {"patch": "x"}])
async def test_segment_patch_bad_bodies(client: Client, body: Any) -> None:
    """A patch is a list of operations."""
    known_id = await upload(client)
    assert (await client.api("PATCH", f"segment/{known_id}/visitor", body)).status == 400


async def test_segment_unknown(client: Client) -> None:
    """Every route of a segment that does not exist is 404."""
    for route in ROUTES:
        if route.path.startswith("/api/v1/segment/{id}"):
            path = route.path.removeprefix("/api/v1/").replace("{", "").replace("}", "")
            assert (await client.api(route.method, path, {})).status == 404, path


@pytest.mark.parametrize("status", [None, 422])
async def test_switch_empty_upload(client: Client, status: int | None) -> None:
    """segment.emptyUploadStatus: a segment needs at least one visitor."""
    if status:
        await client.set(segment__emptyUploadStatus=status)
    assert (await client.api("POST", "segment/upload", {"name": "S", "visitors": []})).status == (
        status or 400
    )


@pytest.mark.parametrize(
    "body", [b"{", [], {"visitors": ["u"]}, {"name": "", "visitors": ["u"]}, {"name": "S", "visitors": "u"}]
)
async def test_segment_upload_bad_bodies(client: Client, body: Any) -> None:
    """A segment has a name and a list of ids."""
    assert (await client.api("POST", "segment/upload", body)).status == 400
    known_id = await upload(client)
    assert (await client.api("PUT", f"segment/{known_id}", {"name": 7})).status == 400


@pytest.mark.parametrize("status", [None, 413])
async def test_switch_segment_over_limit(client: Client, status: int | None) -> None:
    """segment.overLimitStatus: above 10 operations or 1,000 ids in all."""
    if status:
        await client.set(segment__overLimitStatus=status)
    known_id = await upload(client)
    half = {"op": "add", "path": "/visitors", "value": [f"u{n}" for n in range(501)]}
    assert (await client.api("PATCH", f"segment/{known_id}/visitor", {"patch": [half, half]})).status == (
        status or 400
    )
    small = {"op": "add", "path": "/visitors", "value": ["u"]}
    assert (await client.api("PATCH", f"segment/{known_id}/visitor", {"patch": [small] * 11})).status == (
        status or 400
    )
    assert (await client.api("PATCH", f"segment/{known_id}/visitor", {"patch": [small] * 10})).status == 200


@pytest.mark.parametrize("status", [None, 404])
async def test_switch_foreign_segment(client: Client, status: int | None) -> None:
    """segment.foreignStatus: a segment that was not made by the API cannot be changed through it."""
    if status:
        await client.set(segment__foreignStatus=status)
    for method, path in (
        ("PUT", ""),
        ("DELETE", ""),
        ("PATCH", "/visitor"),
        ("PUT", "/visitor/u"),
        ("DELETE", "/visitor/u"),
    ):
        assert (await client.api(method, f"segment/everyone{path}", {})).status == (status or 403)


async def test_switch_segment_lag(client: Client) -> None:
    """segment.lagMs: a write while another is under way is 409 "Operation in progress"; afterwards it is taken."""
    await client.set(segment__lagMs=1000)
    known_id = await upload(client, "u1")
    assert (await client.api("GET", f"segment/{known_id}/status")).json() == {"status": "pending"}
    answer = await client.api("PUT", f"segment/{known_id}/visitor/u2")
    assert (answer.status, answer.json()) == (409, {"message": "Operation in progress"})
    assert await client.codes() == ["segment_in_progress"]
    client.clock.advance(1000)
    assert (await client.api("PUT", f"segment/{known_id}/visitor/u2")).status == 200


async def test_segments_are_bounded(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sandbox keeps a bounded number of ids; beyond it a request is refused with a sentence."""
    monkeypatch.setattr(limits, "SEGMENT_IDS_TOTAL_MAX", 3)
    known_id = await upload(client, "u1", "u2")
    assert (await client.api("POST", "segment/upload", {"name": "S", "visitors": ["a", "b"]})).status == 400
    assert (await client.api("PUT", f"segment/{known_id}", {"visitors": ["a", "b", "c", "d"]})).status == 400
    patch = {"patch": [{"op": "add", "path": "/visitors", "value": ["a", "b"]}]}
    assert (await client.api("PATCH", f"segment/{known_id}/visitor", patch)).json()["multistatus"][0][
        "status"
    ] == 400


CASES = [
    case
    for case in json.loads((DATA / "segment_pendo_audiences.json").read_text())["cases"]
    if case.get("expected_requests")
]


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
async def test_segments_of_segment_dot_com(client: Client, case: dict[str, Any]) -> None:
    """Acceptance 2: the requests of Segment's Pendo Audiences get the replies its tests expect; 500 and 409 by faults."""
    known_id = await upload(client)
    replies = case.get("mock_responses") or [{"status": 200, "json": {"valid": True}}]
    for request, reply in zip(case["expected_requests"], replies, strict=True):
        path = request["url"].partition("/api/v1/")[2].replace("seg-abc123", known_id)
        if reply["status"] in (500, 409):
            order = {
                "match": {"method": request["method"], "path": f"/api/v1/{path}"},
                "status": reply["status"],
                "body": reply["json"],
                "times": 1,
            }
            await client.post("/__sandbox/faults", order)
        answer = await client.api(request["method"], path, request.get("json"))
        assert answer.status == reply["status"]
        if "segmentId" in reply.get("json", {}):
            assert (await client.api("GET", f"segment/{answer.json()['segmentId']}")).json()[
                "name"
            ] == request["json"]["name"]
        elif case["kind"] == "audience_get" and answer.status == 200:
            assert answer.json()["id"] == known_id
        elif answer.status != 404:
            assert answer.json() | reply["json"] == answer.json()


# --- lists and feedback -----------------------------------------------------------------------------------------------


async def test_track_types(client: Client) -> None:
    """One track type for each event name that was seen, by app; the other lists are empty."""
    await client.track("A")
    await client.track("B", timestamp=1)
    rows = (await client.api("GET", "tracktype?expand=*")).json()
    assert [row["name"] for row in rows] == ["A", "B"]
    assert [row["name"] for row in (await client.api("GET", f"tracktype?id={rows[1]['id']},x")).json()] == [
        "B"
    ]
    assert (await client.api("GET", "tracktype?appId=1")).json() == []
    for name in ("page", "feature", "guide", "report"):
        assert (await client.api("GET", name)).json() == []


async def test_feedback(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stored and echoed, changed, removed; bounded in number and size."""
    item = (await client.api("POST", "feedback", {"title": "x"})).json()
    assert item == {"title": "x", "id": item["id"]}
    assert (await client.api("PATCH", f"feedback/{item['id']}", {"title": "y", "id": "z"})).json() == {
        "title": "y",
        "id": item["id"],
    }
    assert (await client.api("GET", f"feedback/{item['id']}")).json()["title"] == "y"
    assert len((await client.api("GET", "feedback")).json()) == 1
    assert (await client.api("DELETE", f"feedback/{item['id']}")).status == 200
    for method in ("GET", "PATCH", "DELETE"):
        assert (await client.api(method, f"feedback/{item['id']}", {})).status == 404
    assert (await client.api("POST", "feedback", b"{")).status == 400
    assert (await client.api("POST", "feedback", [1])).status == 400
    assert (await client.api("POST", "feedback", {"x": "x" * 20_000})).status == 413
    monkeypatch.setattr(limits, "FEEDBACK_MAX", 1)
    await client.api("POST", "feedback", {"n": 1})
    await client.api("POST", "feedback", {"n": 2})
    assert [entry["n"] for entry in (await client.api("GET", "feedback")).json()] == [2]
