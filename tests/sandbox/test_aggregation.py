"""Aggregation: the documented sources and stages; everything else says that it is unsupported."""

from __future__ import annotations

from typing import Any

import pytest

from sternpost.sandbox.expression import Unsupported, compile_expression
from tests.sandbox.conftest import START_MS, Client, agent_event

DAY = 86_400_000


async def run(client: Client, *pipeline: Any) -> Any:
    body = {
        "response": {"mimeType": "application/json"},
        "request": {"requestId": "x", "name": "x", "pipeline": list(pipeline)},
    }
    answer = await client.api("POST", "aggregation", body)
    assert answer.status == 200, answer.text
    assert set(answer.json()) == {"results", "messages", "startTime"}
    return answer.json()["results"]


@pytest.fixture
async def filled(client: Client) -> Client:
    for n, (name, visitor, account) in enumerate(
        [("A", "u1", "a"), ("A", "u1", "a"), ("A", "u2", "b"), ("B", "u1", "a")]
    ):
        await client.track(name, visitor, account, timestamp=START_MS + n, properties={"p": 1})
    await client.agent(agent_event("load", "_PENDO_T_x"))
    await client.write(
        [
            {"visitorId": "u1", "values": {"plan": "pro", "size": 3}},
            {"visitorId": "u2", "values": {"plan": "free"}},
        ]
    )
    return client


async def test_visitors_and_accounts(filled: Client) -> None:
    """Rows with the metadata groups; `identified` keeps the anonymous out, as option and as stage."""
    rows = await run(filled, {"source": {"visitors": None}}, {"sort": ["-visitorId"]})
    assert [row["visitorId"] for row in rows] == ["u2", "u1", "_PENDO_T_x"]
    assert rows[1]["metadata"]["agent"] == {"plan": "pro", "size": 3}
    assert rows[1]["metadata"]["auto"]["accountids"] == ["a"]
    assert len(await run(filled, {"source": {"visitors": {"identified": True}}})) == 2
    assert len(await run(filled, {"source": {"visitors": {"identified": False}}})) == 1
    assert len(await run(filled, {"source": {"visitors": None}}, {"identified": "visitorId"})) == 2
    assert [row["accountId"] for row in await run(filled, {"source": {"accounts": {}}})] == ["a", "b"]


async def test_track_events_are_aggregated(filled: Client) -> None:
    """One row per visitor, account, type and day: count numEvents, not rows."""
    types = {row["name"]: row["id"] for row in await run(filled, {"source": {"trackTypes": None}})}
    series = {"period": "dayRange", "first": "now()", "count": -7}
    rows = await run(filled, {"source": {"trackEvents": {"trackTypeId": types["A"]}, "timeSeries": series}})
    assert [(row["visitorId"], row["numEvents"]) for row in rows] == [("u1", 2), ("u2", 1)]
    assert rows[0]["day"] == START_MS - START_MS % DAY
    assert rows[0]["properties"] == {"p": 1}
    hourly = await run(
        filled,
        {
            "source": {
                "trackEvents": None,
                "timeSeries": {"period": "hourRange", "first": START_MS, "last": "now()"},
            }
        },
    )
    assert sum(row["numEvents"] for row in hourly) == 4
    assert all("hour" in row for row in hourly)
    every = await run(
        filled,
        {"source": {"events": None}},
        {"group": {"group": ["type"], "fields": [{"n": {"sum": "numEvents"}}]}},
    )
    assert every == [{"type": "track", "n": 4}, {"type": "load", "n": 1}]


@pytest.mark.parametrize(
    ("series", "found"),
    [
        ({"first": "now()", "count": -1}, 1),
        ({"first": START_MS - DAY, "count": 1}, 0),
        ({"first": "date(2026, 11, 23)", "count": 1}, 1),
        ({"first": "date(2026,11,24)", "count": -1}, 0),
        ({"first": str(START_MS), "last": START_MS}, 1),
        ({"first": START_MS - 3 * DAY, "last": START_MS - DAY}, 0),
    ],
)
async def test_time_series(client: Client, series: dict[str, Any], found: int) -> None:
    """A period is given by first and last or count; a negative count looks back, today included."""
    await client.track()
    assert (
        len(
            await run(client, {"source": {"trackEvents": {}, "timeSeries": {"period": "dayRange", **series}}})
        )
        == found
    )


@pytest.mark.parametrize(
    ("expression", "visitors"),
    [
        ('visitorId=="u1"', ["u1"]),
        ("visitorId != 'u1'", ["u2"]),
        ('visitorId>"u1"', ["u2"]),
        ("metadata.agent.size >= 3 && metadata.agent.size<=3", ["u1"]),
        ("metadata.agent.size < 3 || metadata.agent.size > 3", []),
        ('contains(metadata.agent.plan, "re")', ["u2"]),
        ('contains(metadata.auto.accountids, "a")', ["u1"]),
        ("isNull(metadata.agent.size)", ["u2"]),
        ("!isNull(metadata.agent.size)", ["u1"]),
        ('!(visitorId == "u1" || false)', ["u2"]),
        ("metadata.agent.size == null", ["u2"]),
        ("metadata.agent.size == 3.0 && true", ["u1"]),
        ("metadata.auto.lastupdated >= 0", ["u1", "u2"]),
        ("metadata.agent.plan > -1.5e3", []),
        ("metadata.agent.plan.deeper == null", ["u1", "u2"]),
    ],
)
async def test_filters(filled: Client, expression: str, visitors: list[str]) -> None:
    """Comparisons, and, or, not, contains, isNull on fields named with dots."""
    rows = await run(
        filled,
        {"source": {"visitors": {"identified": True}}},
        {"filter": expression},
        {"sort": ["visitorId"]},
    )
    assert [row["visitorId"] for row in rows] == visitors


async def test_stages(filled: Client) -> None:
    """select, group with every function, limit, skip, count."""
    source = {"source": {"visitors": {"identified": True}}}
    assert await run(
        filled, source, {"select": {"id": "visitorId", "plan": "metadata.agent.plan"}}, {"limit": 1}
    ) == [{"id": "u1", "plan": "pro"}]
    assert await run(filled, source, {"skip": 1}, {"count": None}) == [{"count": 1}]
    functions = {
        "n": {"count": None},
        "sized": {"count": "metadata.agent.size"},
        "sum": {"sum": "metadata.agent.size"},
        "min": {"min": "visitorId"},
        "max": {"max": "visitorId"},
        "first": {"first": "visitorId"},
        "list": {"list": "visitorId"},
    }
    assert await run(filled, source, {"group": {"fields": functions}}) == [
        {"n": 2, "sized": 1, "sum": 3, "min": "u1", "max": "u2", "first": "u1", "list": ["u1", "u2"]}
    ]


BAD_STAGES: tuple[dict[str, Any], ...] = (
    {"unwind": {}},
    {"limit": 1, "skip": 1},
    {"limit": -1},
    {"limit": "x"},
    {"skip": True},
    {"count": 1},
    {"sort": "visitorId"},
    {"select": ["x"]},
    {"filter": 7},
    {"filter": ""},
    {"filter": "a ="},
    {"filter": "(a"},
    {"filter": "a b"},
    {"filter": "startsWith(a, 1)"},
    {"filter": "isNull(a, b)"},
    {"filter": "a + b"},
    {"filter": "&& a"},
    {"filter": "(" * 100},
    {"filter": "!" * 1000 + "a"},
    {"filter": "a" * 5000},
    {"group": 7},
    {"group": {"other": 1}},
    {"group": {"group": "x"}},
    {"group": {"fields": [7]}},
    {"group": {"fields": {"a": 7}}},
    {"group": {"fields": {"a": {"median": "x"}}}},
    {"group": {"fields": {"a": {"sum": None}}}},
)


@pytest.mark.parametrize(
    "pipeline",
    [
        [{"filter": "true"}],
        [{"source": 7}],
        [{"source": {}}],
        [{"source": {"visitors": None, "accounts": None}}],
        [{"source": {"visitors": 7}}],
        [{"source": {"visitors": {"other": 1}}}],
        [{"source": {"guideEvents": {"guideId": "x"}}}],
        [{"source": {"trackEvents": {"trackTypeId": 7}}}],
        [{"source": {"events": None, "timeSeries": {"period": "weekRange"}}}],
        [{"source": {"events": None, "timeSeries": {"period": "dayRange", "first": "then"}}}],
        [
            {
                "source": {
                    "events": None,
                    "timeSeries": {"period": "dayRange", "first": "date(2026,13,99)", "count": 1},
                }
            }
        ],
        [{"source": {"events": None, "timeSeries": {"period": "dayRange", "first": 0}}}],
        *[[{"source": {"visitors": None}}, stage] for stage in BAD_STAGES],
    ],
)
async def test_unsupported(client: Client, pipeline: Any) -> None:
    """Whatever is outside the subset answers 400 and says what it is."""
    answer = await client.api("POST", "aggregation", {"request": {"pipeline": pipeline}})
    assert answer.status == 400
    assert answer.json()["message"].startswith("unsupported in sandbox: ")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        [],
        {},
        {"request": 1},
        {"request": {"pipeline": []}},
        {"request": {"pipeline": [7]}},
        {"request": {"pipeline": [{"limit": 1}] * 51}},
    ],
)
async def test_bad_bodies(client: Client, body: Any) -> None:
    """A body without a pipeline is 400."""
    assert (await client.api("POST", "aggregation", body)).status == 400


def test_expressions_never_reach_python() -> None:
    """Names are fields and nothing else."""
    assert compile_expression("__class__")({"a": 1}) is None
    with pytest.raises(Unsupported):
        compile_expression("__import__('os')")
