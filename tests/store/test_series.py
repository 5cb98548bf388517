"""Counts over time: as exact as the counters, bounded by rolling up, and percentiles that hold."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sternpost.model import (
    Accepted,
    Blocked,
    Delivered,
    Event,
    Outcome,
    Rejected,
    Retry,
    Route,
    Settled,
    Settlement,
    Skipped,
)
from sternpost.store import series
from sternpost.store.letters import dead_letters
from sternpost.store.series import DAY, HOUR, MINUTE
from sternpost.store.sqlite import SqliteStore
from sternpost.store.views import Views

NOW = 1_800_000_000.0
OUTCOMES: list[Outcome] = [
    Delivered(),
    Skipped("anonymous"),
    Rejected("bad_id"),
    Retry("timeout"),
    Blocked("key_refused"),
]
TRIED: dict[str, Any] = {
    "at": NOW,
    "ms": 3,
    "request": None,
    "reply": {"status": 200, "headers": {}, "body": ""},
}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    made = SqliteStore(tmp_path / "store.db")
    yield made
    made.close()


@pytest.fixture
async def views(store: SqliteStore) -> AsyncIterator[Views]:
    made = Views(store.path)
    yield made
    made.close()


async def accept(store: SqliteStore, *events: Event, now: float, route: Route = Route("d", "")) -> None:
    await store.accept([Accepted(event, (route,)) for event in events], now=now)


async def settle(store: SqliteStore, outcomes: list[Outcome], *, now: float) -> None:
    from sternpost.model import Attempt

    claim = await store.claim("d", "", now=now, lanes_max=100, run_max=100, lease_s=60)
    for run in claim.runs:
        settled = []
        for waiting in run.events:
            outcome = outcomes.pop(0) if outcomes else None
            if outcome is None:
                break
            event = waiting.event
            settled.append(
                Settled(
                    event.seq,
                    outcome,
                    now,
                    Attempt(**TRIED),
                    source_id=event.source_id,
                    received_at=event.received_at,
                )
            )
            if isinstance(outcome, Retry | Blocked):
                break
        await store.settle([Settlement(run.key, run.lease, settled)], now=now)


def event(number: int, at: float, source: str = "s") -> Event:
    return Event(
        f"m{number}", source, "track", False, at, "", b"{}", user_id=f"u{number % 5}", at_ms=int(at * 1000)
    )


async def whole(views: Views, destination: str = "d") -> series.Slot:
    def read(cx: object) -> series.Slot:
        number = views.names.known(cx, "destination", destination) if destination else 0  # type: ignore[arg-type]
        found = series.read(cx, number or 0, step=DAY, since=int(NOW) - 60 * DAY, until=int(NOW) + 500 * DAY)  # type: ignore[arg-type]
        return series.merged(found.values())

    return await views.read(read)


async def test_series_agree_with_counters(store: SqliteStore, views: Views) -> None:
    """Whatever happened, the sums over time are the counters; nothing is counted for a try that did not count."""
    rng = random.Random(3)
    at = NOW
    number = 0
    for _ in range(60):
        at += rng.choice([0.5, 40, 900])
        batch = [event(number + n, at, rng.choice("st")) for n in range(rng.randrange(1, 5))]
        number += len(batch) - rng.randrange(2)  # the last id may come again
        await accept(store, *batch, now=at)
        await settle(
            store,
            [rng.choice(OUTCOMES) for _ in range(6)],
            now=at + rng.random() * 20,
        )
    stats = await views.stats(destinations=["d"], sources=["s", "t"], bytes_max=0, now=at)
    slot, door = await whole(views), await whole(views, "")
    for kind in ("delivered", "skipped", "rejected"):
        assert slot.total(kind) == stats["destinations"]["d"][kind] > 0
    assert sum(slot.late.values()) == stats["destinations"]["d"]["delivered"]
    for name in ("s", "t"):
        number_of = await views.read(partial(views.names.known, kind="source", name=name))
        assert door.total("received", number_of) == stats["sources"][name]["received"] > 0
        assert door.total("duplicates", number_of) == stats["sources"][name]["duplicates"]
    assert slot.total("retrying") > 0
    assert slot.total("blocked") > 0


async def test_held_and_discarded_are_counted(store: SqliteStore, views: Views) -> None:
    """What ends without a worker is counted too, with its source."""
    held = Event("h", "s", "track", False, NOW, "", b"{}", anonymous_id="a", at_ms=int(NOW * 1000))
    await accept(store, held, now=NOW, route=Route("d", "", held=True, hold_s=10))
    await store.expire_held(now=NOW + 60)
    await accept(store, event(1, NOW), now=NOW)
    await settle(store, [Rejected("bad_id")], now=NOW)
    seqs = await dead_letters(views, "d", limit=10)
    await store.discard_rejected([(seq, "d") for seq in seqs], "test", now=NOW + 120)
    slot = await whole(views)
    source_no = await views.read(lambda cx: views.names.known(cx, "source", "s"))
    assert source_no is not None
    assert slot.counts[source_no, "skipped:anonymous_expired"] == 1
    assert slot.counts[source_no, "skipped:discarded_by_operator"] == 1


async def test_minutes_become_hours_and_days(store: SqliteStore, views: Views) -> None:
    """Rolling up changes no sum, bounds the rows, and forgets days after more than a year."""
    rng = random.Random(5)
    sent: Counter[str] = Counter()
    for number in range(300):
        at = NOW - rng.random() * 50 * DAY
        await accept(store, event(number, at), now=at)
        sent["received"] += 1
    steps = {}
    for _ in range(100):
        await store.prune(now=NOW, before=0, bytes_max=10**12)
        steps = dict(
            await views.read(
                lambda cx: cx.execute("SELECT step, count(*) FROM series GROUP BY step").fetchall()
            )
        )
    assert (await whole(views, "")).total("received") == 300
    oldest = dict(
        await views.read(lambda cx: cx.execute("SELECT step, min(slot) FROM series GROUP BY step").fetchall())
    )
    assert oldest[MINUTE] >= NOW - series.MINUTES_KEPT_S - HOUR
    assert oldest[HOUR] >= NOW - series.HOURS_KEPT_S - DAY
    assert steps[DAY] > 5
    for _ in range(10):
        await store.prune(now=NOW + 500 * DAY, before=0, bytes_max=10**12)
    assert (await whole(views, "")).total("received") == 0


async def test_slots_of_a_span(store: SqliteStore, views: Views) -> None:
    for number, at in enumerate((NOW, NOW + 59, NOW + 61, NOW + 3_700)):
        await accept(store, event(number, at), now=at)
    since, until = series.whole_slots(NOW, NOW + 2 * HOUR, MINUTE)
    found = await views.read(lambda cx: series.read(cx, 0, step=MINUTE, since=since, until=until))
    assert [slot.total("received") for _, slot in sorted(found.items())] == [2, 1, 1]
    assert all(at % MINUTE == 0 for at in found)
    hours = await views.read(lambda cx: series.read(cx, 0, step=HOUR, since=since, until=until))
    assert [slot.total("received") for _, slot in sorted(hours.items())] == [3, 1]
    since, until = series.whole_slots(0, NOW, MINUTE)
    assert (until - since) // MINUTE == series.POINTS_MAX


async def test_reasons_have_a_first_and_a_last_time(store: SqliteStore, views: Views) -> None:
    for number, at in enumerate((NOW, NOW + 400, NOW + 90_000)):
        await accept(store, event(number, at), now=at)
        await settle(store, [Skipped("anonymous")], now=at)
    destination_no = await views.read(lambda cx: views.names.known(cx, "destination", "d"))
    assert destination_no is not None
    [(key, seen)] = (await views.read(lambda cx: series.reasons(cx, destination_no))).items()
    assert key == ("skipped", "anonymous")
    assert seen.count == 3
    assert seen.first_at <= NOW < seen.first_at + MINUTE
    assert seen.last_at <= NOW + 90_000 < seen.last_at + MINUTE


def test_percentiles() -> None:
    """Within a fifth of the true value, whatever the distribution."""
    rng = random.Random(1)
    for spread in (0.2, 1.0, 2.5):
        took = sorted(math.exp(rng.gauss(-4, spread)) for _ in range(5_000))
        buckets: Counter[int] = Counter(int(series.late(one)[5:]) for one in took)
        for share in (0.5, 0.95, 0.99):
            found = series.percentile(buckets, share)
            true = took[int(share * len(took))]
            assert found is not None
            assert abs(found - true) < 0.2 * true + 0.001
    assert series.percentile({}, 0.5) is None
    assert series.late(0.0) == series.late(-5.0) == "late:0"
    assert series.late(1e9) == "late:63"
