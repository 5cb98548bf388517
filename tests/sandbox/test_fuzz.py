"""Whatever strangers send: an answer below 500, and a state that can still be read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sternpost.sandbox import jzb, limits, seed
from sternpost.sandbox.core import ROUTES
from tests.sandbox.conftest import Client

NAMES = st.sampled_from(
    "type event visitorId accountId parentAccountId timestamp properties context values name patch op path value visitors accounts events jwt "
    "signingKeyName userId anonymousId groupId traits request pipeline source filter sort group fields select limit match status body headers "
    "times delayMs drop now advanceMs switches visitor_id account_id browser_time props old_visitor_id visitor account track_event_name".split()
)
WORDS = st.sampled_from(
    [
        "track",
        "identify",
        "meta",
        "group",
        "load",
        "add",
        "/visitors",
        "u1",
        "_PENDO_T_a",
        "a::b",
        "::",
        "",
        " ",
        "__x__",
        "visitorId",
        "now()",
        "/data",
        "😀",
        "x" * 2000,
    ]
)
JSON: Any = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | WORDS
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(max_size=5), inner, max_size=6)
    ),
    max_leaves=25,
)
SLOW = {"/__sandbox/faults"}  # a fault would answer 500 by order, or wait
PATHS = sorted(
    {(route.method, route.path) for route in ROUTES if route.method != "GET" and route.path not in SLOW}
)
IDS = {
    "{key}": seed.APP_KEY_WEB,
    "{kind}": "visitor",
    "{group}": "agent",
    "{id}": "segment-000001",
    "{visitor}": "u1",
    "{field}": "f",
    "{job}": "j",
    "{format}": "csv",
}
relaxed = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def concrete(path: str) -> str:
    for name, value in IDS.items():
        path = path.replace(name, value)
    return path


async def answered(client: Client, method: str, path: str, body: bytes) -> None:
    key = seed.INTEGRATION_KEY if path.startswith("/api/") else seed.TRACK_SECRET_WEB
    answer = await client.request(method, f"{path}?create=true", body, {"x-pendo-integration-key": key})
    assert answer.status is not None
    assert answer.status < 500


async def readable(client: Client) -> None:
    for path in ("", "state", "requests", "diagnostics", "summary"):
        assert (await client.get(f"/__sandbox/{path}")).status == 200


@pytest.mark.parametrize(("method", "path"), PATHS)
@given(value=JSON, junk=st.binary(max_size=60))
@relaxed
async def test_every_route_takes_anything(
    client: Client, method: str, path: str, value: Any, junk: bytes
) -> None:
    """Any JSON and any bytes, to every route that is not GET."""
    await answered(client, method, concrete(path), json.dumps(value).encode())
    await answered(client, method, concrete(path), junk)
    await readable(client)


EVENTS = st.lists(
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["identify", "meta", "track", "load"]),
            "visitor_id": WORDS,
            "account_id": WORDS | st.none(),
        },
        optional={"props": JSON, "track_event_name": WORDS, "browser_time": st.integers()},
    ),
    max_size=5,
)


@given(events=EVENTS)
@settings(relaxed, max_examples=100)
async def test_any_batch_of_events(client: Client, events: Any) -> None:
    """Plausible batches with odd content leave a consistent state: every event belongs to a visitor that exists."""
    assert (await client.agent(*events)).status == 200
    state = await client.state()
    assert {event["visitorId"] for event in state["events"]} <= set(state["visitors"])
    assert {event["accountId"] for event in state["events"]} - {None} <= set(state["accounts"])
    live = set(client.app.state.anonymous_events)
    assert live == {
        event["visitorId"] for event in state["events"] if event["visitorId"].startswith("_PENDO_T_")
    }


ITEMS = st.lists(
    st.fixed_dictionaries(
        {"visitorId": WORDS | st.integers(), "values": st.dictionaries(st.text(max_size=6), JSON, max_size=5)}
    ),
    max_size=5,
)


@given(items=ITEMS)
@settings(relaxed, max_examples=100)
async def test_any_metadata_batch(client: Client, items: Any) -> None:
    """The report always adds up."""
    report = await client.write(items)
    assert report["total"] == len(items) == report["updated"] + report["failed"]
    assert report["failed"] == len(report["missing"]) + len(report["errors"])
    sizes = sum(record.size for record in client.app.state.kept.visitors.values())
    assert client.app.state.metadata_bytes["visitor"] == sizes


async def test_memory_is_bounded(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream of ever new visitors, accounts, names, fields and segments fills nothing beyond its bound."""
    for name, value in {
        "EVENTS_KEPT_MAX": 50, "VISITORS_MAX": 20, "EVICT_CHUNK": 5, "REQUESTS_KEPT_MAX": 10, "EVENT_NAMES_MAX": 15, "PROPERTY_KEYS_MAX": 15,
        "FIELDS_PER_GROUP_MAX": 10, "SEGMENTS_MAX": 5, "EXPORTS_MAX": 5, "BULK_DELETES_MAX": 5, "DNP_IDS_MAX": 20, "ALIASES_MAX": 20,
        "SAME_MS_ENTRIES_MAX": 30, "ACCOUNTS_PER_VISITOR_MAX": 5, "FEEDBACK_MAX": 5, "PROPERTY_VALUES_WATCHED_MAX": 10,
    }.items():  # fmt: skip
        monkeypatch.setattr(limits, name, value)
    for n in range(120):
        client.clock.advance(1000)
        await client.track(f"E{n}", f"u{n}", f"a{n}", properties={f"p{n}": n})
        await client.track("E", "same", f"b{n}", timestamp=n)
        await client.agent({"type": "load", "visitor_id": f"_PENDO_T_{n}"})
        await client.agent(
            {"type": "identify", "visitor_id": "same", "props": {"old_visitor_id": f"_PENDO_T_{n}"}}
        )
        await client.write([{"visitorId": f"m{n}", "values": {f"f{n}": "x"}}])
        await client.api("POST", "segment/upload", {"name": "S", "visitors": [f"u{n}"]})
        await client.api("POST", "segment/everyone/visitors")
        await client.api("POST", "bulkdelete/visitor", {"visitors": [f"d{n}"]})
        await client.api("POST", "feedback", {"n": n})
    state = client.app.state
    kept = state.kept
    assert len(state.events) <= 50
    assert max(len(kept.visitors), len(kept.accounts)) <= 20
    assert len(state.requests) <= 10
    assert len(kept.event_names["web"]) <= 15
    assert len(kept.property_keys) <= 15
    assert len(kept.fields["visitor"]["agent"]) <= 10
    assert max(len(kept.segments), len(kept.exports), len(kept.bulk_deletes), len(kept.feedback)) <= 5
    assert max(len(kept.dnp_visitors), len(kept.aliases)) <= 20
    assert len(state.recent) + len(state.recent_before) <= 62
    assert len(kept.visitors.get("same", next(iter(kept.visitors.values()))).accounts) <= 5
    assert state.property_values_count <= 10
    assert jzb.decode(jzb.encode(kept.dropped))["events"] > 0
    assert "memory_limit" in await client.codes()
    await readable(client)
