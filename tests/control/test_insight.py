"""What the API says over time and about a destination: it adds up, is bounded, and names what waits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sternpost.control import fate
from sternpost.control.health import AGENT_PAGES
from sternpost.control.pace import Pace
from sternpost.model import Blocked, Delivered, Rejected, Retry, Skipped
from sternpost.store import series
from tests.control.bench import NOW, Bench, make


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = await make(tmp_path)
    yield made
    made.close()


def track(number: int, **more: Any) -> dict[str, Any]:
    return {"type": "track", "event": "Checkout", "userId": f"u{number}", "messageId": f"m{number}", **more}


async def some_of_everything(bench: Bench) -> None:
    await bench.accept(*(track(n) for n in range(6)))
    bench.now += 61
    await bench.settle("pendo", "track", Delivered(), Skipped("filtered_by_consent", "Refused."), Rejected("bad_id", "x"),
                       Rejected("refused_by_destination", "It answered 400."), Retry("server_error", "It answered 503."), wait_s=30)  # fmt: skip


async def test_series(bench: Bench) -> None:
    """One number per minute and kind; the sums are what happened, by destination and by source."""
    await some_of_everything(bench)
    found = await bench.get("/stats/series")
    assert found["step"] == "minute"
    assert len(found["slots"]) == len(found["destinations"]["pendo"]["delivered"]) == 61
    pendo = found["destinations"]["pendo"]
    assert {kind: sum(pendo[kind]) for kind in ("delivered", "skipped", "rejected", "retrying", "blocked")} == {
        "delivered": 1, "skipped": 1, "rejected": 2, "retrying": 1, "blocked": 0,
    }  # fmt: skip
    assert sum(found["sources"]["backend"]["received"]) == 6
    assert sum(found["sources"]["web"]["received"]) == 0
    assert pendo["latency"]["count"] == 1
    assert 50 < pendo["latency"]["p50"] < 75
    at = pendo["delivered"].index(1)
    assert pendo["p99"][at] == pendo["latency"]["p99"]
    assert pendo["p50"][at - 1] is None


async def test_series_of_a_span(bench: Bench) -> None:
    await some_of_everything(bench)
    hours = await bench.get("/stats/series?since=24h&step=hour&destination=pendo&source=web")
    assert list(hours["destinations"]) == ["pendo"]
    assert list(hours["sources"]) == ["web"]
    assert hours["stepSeconds"] == 3600
    assert len(hours["slots"]) == 25
    assert sum(hours["destinations"]["pendo"]["delivered"]) == 1
    assert (await bench.get("/stats/series?since=2000-01-01T00:00&step=minute"))["slots"][
        1
    ] is not None  # bounded
    assert (
        len((await bench.get("/stats/series?since=2000-01-01T00:00&step=minute"))["slots"])
        == series.POINTS_MAX
    )
    assert (await bench.get("/stats/series?since=3d"))["step"] == "hour"
    assert (await bench.get("/stats/series?since=30d"))["step"] == "day"


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("step=week", "no step"),
        ("since=soon", "is no time"),
        ("since=1h&until=2h", "span is empty"),
        ("destination=nope", "No destination"),
        ("source=nope", "No source"),
    ],
)
async def test_wrong_spans(bench: Bench, query: str, words: str) -> None:
    answer = await bench.ask("GET", f"/stats/series?{query}")
    assert answer.status in {400, 404}
    assert words in answer.json["error"]["message"]


async def test_health(bench: Bench) -> None:
    """The funnel adds up; reasons carry counts, times, samples and remedies; what waits has a lane."""
    await some_of_everything(bench)
    found = await bench.get("/destinations/pendo/health")
    rows = {row["name"]: row["count"] for row in found["funnel"]["rows"]}
    assert rows == {
        "received": 6, "skipped": 1, "rejectedBefore": 1, "waiting": 1, "retrying": 1, "blocked": 0, "rejectedThere": 1, "delivered": 1,
    }  # fmt: skip
    assert found["funnel"]["missing"] == 0
    reasons = {(entry["state"], entry["reason"]): entry for entry in found["reasons"]}
    consent = reasons["skipped", "filtered_by_consent"]
    assert consent["count"] == 1
    assert consent["exact"]
    assert consent["firstAt"] == consent["lastAt"]
    assert consent["samples"] == ["m1"]
    assert reasons["rejected", "bad_id"]["remedy"].startswith("Send the real id")
    assert reasons["retrying", "server_error"]["samples"] == ["m4"]
    assert found["triesPerDelivery"] == 2.0
    assert [(lane["userId"], lane["waiting"], lane["messageId"]) for lane in found["slowest"]] == [("u4", 1, "m4"), ("u5", 1, "m5")]  # fmt: skip
    assert found["slowest"][0]["reason"] == "server_error"
    assert found["slowest"][0]["seconds"] == 61
    assert [channel["channel"] for channel in found["channels"]] == ["metadata", "track"]
    assert found["channels"][1]["waiting"] == 2
    assert found["pace"] is None


async def test_health_of_the_agent(bench: Bench) -> None:
    """What pages reported is counted by origin, the worst first, for this destination only; the list is bounded, the counts are not."""
    assert (await bench.get("/destinations/pendo/health"))["agent"] == {"total": 0, "missing": 0, "percent": 0, "pages": []}  # fmt: skip
    for state, page in (*[("loaded", "https://a.example")] * 4, *[("blocked", "https://b.example")] * 2, ("failed", "https://a.example")):  # fmt: skip
        bench.agents.add("web", "pendo", state, page, "as said", bench.now)
    bench.agents.add("web", "other", "blocked", "https://a.example", "", bench.now)
    found = (await bench.get("/destinations/pendo/health"))["agent"]
    assert (found["total"], found["missing"], found["percent"]) == (7, 3, 43)
    assert [(one["state"], one["page"], one["count"]) for one in found["pages"]] == [
        ("blocked", "https://b.example", 2), ("failed", "https://a.example", 1), ("loaded", "https://a.example", 4),
    ]  # fmt: skip
    assert found["pages"][0]["detail"] == "as said"
    assert found["pages"][0]["lastAt"] == fate.when(bench.now)
    for number in range(AGENT_PAGES):
        bench.agents.add("web", "pendo", "slow", f"https://{number}.example", "", bench.now)
    found = (await bench.get("/destinations/pendo/health"))["agent"]
    assert (len(found["pages"]), found["total"]) == (AGENT_PAGES, 7 + AGENT_PAGES)


async def test_a_funnel_that_does_not_add_up_says_so(bench: Bench) -> None:
    await some_of_everything(bench)
    bench.store._database.connection.execute("UPDATE counters SET n = n + 5 WHERE name = 'skipped'")
    assert (await bench.get("/destinations/pendo/health"))["funnel"]["missing"] == 5


async def test_channels_are_blocked_separately(bench: Bench) -> None:
    await bench.accept(track(1), {"type": "identify", "userId": "u1", "messageId": "i1", "traits": {"a": 1}})
    await bench.settle("pendo", "metadata", Blocked("key_refused", "It answered 403."))
    await bench.store.block("pendo", "metadata", "key_refused", "It answered 403.", now=NOW)
    metadata, tracks = (await bench.get("/destinations/pendo/health"))["channels"]
    assert metadata["blocked"]["reason"] == "key_refused"
    assert metadata["waiting"] == 1
    assert tracks["blocked"] is None
    assert tracks["waiting"] == 1


async def test_time_to_drain(bench: Bench) -> None:
    """At the rate of the last minutes; without one, at the rate that is allowed."""
    object.__setattr__(bench.context, "pace", lambda destination: Pace(10.0, 5.0, 2.5))
    await bench.accept(*(track(n) for n in range(90)))
    found = await bench.get("/destinations/pendo/health")
    assert found["drain"] == {"waiting": 90, "perSecond": 5.0, "measured": False, "seconds": 18.0}
    assert found["pace"] == {"limitPerSecond": 10.0, "nowPerSecond": 5.0, "waitS": 2.5, "silentSince": None}
    await bench.settle("pendo", "track", *(Delivered() for _ in range(30)))
    found = await bench.get("/destinations/pendo/health")
    assert found["drain"] == {"waiting": 60, "perSecond": 0.1, "measured": True, "seconds": 600.0}


async def test_a_destination_that_answers_nobody(bench: Bench) -> None:
    """It says since when, and each event that waits says what it waits for."""
    object.__setattr__(bench.context, "pace", lambda destination: Pace(10.0, 10.0, 0.0, NOW - 60))
    await bench.accept(track(1), track(2))
    await bench.settle("pendo", "track", Retry("server_error", "It answered 503.", 30))
    found = await bench.get("/destinations/pendo/health")
    assert found["state"].startswith("Nothing gets through since 20")
    assert "2 events wait." in found["state"]
    assert found["pace"]["silentSince"] is not None
    for entry in (await bench.get("/events"))["events"]:
        for standing in entry["destinations"]:
            if standing["destination"] == "pendo":
                assert "Nothing of anybody gets through since" in standing["verdict"], standing
