"""Requests kept as they came: when, how many, in which order they get into their lanes, and who is told."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from sternpost.destinations.registry import DESTINATIONS
from sternpost.errors import StoreError, StoreUnavailable
from sternpost.intake.intake import Intake
from sternpost.intake.overflow import Overflow
from sternpost.metrics import Metrics
from sternpost.model import Arrival, Workspace
from sternpost.observers import Observers
from sternpost.store.sqlite import SqliteStore
from sternpost.wire import postponed
from sternpost.workspace.document import parse

NOW = 1_800_000_000.0


def workspace(*, sources: Sequence[str] = ("srv",), destinations: Sequence[str] = ("hook",)) -> Workspace:
    document = {
        "version": 1,
        "sources": [
            {"id": name, "name": name, "type": "server", "writeKey": f"wk-{name}"} for name in sources
        ],
        "destinations": [
            {"id": name, "name": name, "type": "webhook", "settings": {"url": "https://hook.example.com/"}}
            for name in destinations
        ],
        "connections": [
            {"source": source, "destination": destination, "mode": "cloud"}
            for source in sources
            for destination in destinations
        ],
    }
    return parse(document, destinations=DESTINATIONS)


class House:
    """A real store and intake; nothing spreads by itself."""

    def __init__(self, path: Path, **bounds: int) -> None:
        self.store = SqliteStore(path / "store.db")
        self.workspace = workspace()
        self.registry = CollectorRegistry()
        self.changes: list[Any] = []
        self.woken: list[Any] = []
        self.queued: Callable[[], int] = lambda: self.store.queued_events
        self.intake = Intake(
            self.store,
            workspace=lambda: self.workspace,
            destinations=DESTINATIONS,
            clock=lambda: NOW,
            queued_events=lambda: self.queued(),
            wake=lambda due: self.woken.extend(due),
            observer=Observers(Metrics(self.registry), self.changes.extend),
        )
        made = itertools.count()
        self.overflow = Overflow(
            self.store,
            self.intake,
            queued_events=lambda: self.queued(),
            new_id=lambda: f"made-{next(made)}",
            **bounds,
        )

    async def arrive(self, *events: dict[str, Any]) -> None:
        await self.overflow.arrive(request(*events))

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.store._database.connection.execute(sql).fetchall()

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0


@contextlib.asynccontextmanager
async def house(path: Path, *, running: bool = False, **bounds: int) -> AsyncIterator[House]:
    made = House(path, **bounds)
    task = asyncio.create_task(made.overflow.run()) if running else None
    try:
        yield made
    finally:
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        made.store.close()


def event(number: int, person: str = "ann", **more: Any) -> dict[str, Any]:
    return {"type": "track", "event": "E", "userId": person, "messageId": f"m{number}", **more}


def request(*events: dict[str, Any], source: str = "srv") -> list[Arrival]:
    return postponed.arrivals(
        json.dumps({"batch": events}).encode(),
        call="",
        allow_empty=False,
        source_id=source,
        received_at=NOW - 5,
        request_ip="192.0.2.7",
        path="/v1/batch",
    )


async def test_who_floods_is_kept_as_it_came(tmp_path: Path) -> None:
    """A source's events go straight until more of them queue for the disk than may; from then on until all that arrived is spread."""
    async with house(tmp_path, straight_events_max=10) as here:
        assert not here.overflow.wanted("srv")
        here.intake.in_hand = {"srv": 10}
        assert not here.overflow.wanted("srv")
        here.intake.in_hand = {"srv": 11}
        assert here.overflow.wanted("srv")
        assert not here.overflow.wanted("web")
        await here.arrive(event(1))
        here.intake.in_hand = {}
        assert here.overflow.wanted("srv")
        assert not here.overflow.wanted("web")
        await here.overflow.step()
        assert not here.overflow.wanted("srv")


async def test_nobody_is_passed_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another source sends goes straight, unless it is about a person who may be in an arrival, by whichever id."""

    def behind(here: House, **event: Any) -> bool:
        return here.overflow.behind(postponed.events(request({"type": "track", **event})[0], lambda: ""))

    async with house(tmp_path) as here:
        assert not behind(here, userId="ann")
        await here.arrive(
            event(1, "ann", anonymousId="a1"), {**event(2, "bob"), "type": "alias", "previousId": "a2"}
        )
        assert behind(here, userId="ann")
        assert behind(here, anonymousId="a1", userId="someone")
        assert behind(here, anonymousId="a2")
        assert not behind(here, userId="cid", anonymousId="a3")
    async with house(tmp_path) as again:
        # Who is in arrivals from before is not known.
        assert again.overflow.wanted("web")
        assert behind(again, userId="cid")
        await again.overflow.step()
        assert not again.overflow.wanted("web")
        assert not behind(again, userId="ann")
        monkeypatch.setattr("sternpost.intake.overflow.ARRIVALS_PEOPLE_MAX", 2)
        for number in range(3, 30):
            await again.arrive(event(number, f"person {number}"))
        assert behind(again, userId="cid")
        assert len(again.overflow._people) <= 2, "a flood that does not end takes no more memory"


async def test_everybody_is_told_when_they_are_in_their_lanes(tmp_path: Path) -> None:
    """Not before: duplicates and bots are counted, the live view hears of the events, workers are woken."""
    robot: dict[str, Any] = {"context": {"userAgent": "Googlebot/2.1"}}
    fooled: dict[str, Any] = {"properties": {"userAgent": "Googlebot/2.1"}, "context": 3}
    async with house(tmp_path) as here:
        await here.arrive(event(1, **robot), event(2, **fooled), event(2))
        assert not here.changes
        assert await here.overflow.step() == 3
        assert here.changes == [(1, None), (2, None)]
        assert here.woken == [("hook", "", NOW)]
        assert here.metric("sternpost_events_duplicate_total", source="srv") == 1
        assert here.metric("sternpost_events_bot_total", source="srv") == 1
        # And of what goes straight.
        await here.intake.accept(
            here.workspace.sources["srv"], postponed.events(request(event(3, **robot))[0], lambda: "")
        )
        assert here.metric("sternpost_events_bot_total", source="srv") == 2


async def test_where_they_go_is_decided_when_they_are_spread(tmp_path: Path) -> None:
    """By the workspace of then; of a source that was removed meanwhile events are kept, and go nowhere."""
    async with house(tmp_path) as here:
        await here.arrive(event(1))
        here.workspace = workspace(destinations=("hook", "other"))
        await here.overflow.step()
        await here.arrive(event(2), event(3))
        here.workspace = workspace(sources=("another",))
        await here.overflow.step()
        assert here.rows(
            "SELECT e.message_key, f.routes, e.received_at FROM events e JOIN fanouts f ON f.no = e.fanout_no ORDER BY e.seq"
        ) == [
            ("m1", '[["hook",""],["other",""]]', NOW - 5),
            ("m2", "[]", NOW - 5),
            ("m3", "[]", NOW - 5),
        ]
        assert here.rows("SELECT n FROM counters WHERE scope = 's:srv' AND name = 'received'") == [(3,)]


async def test_above_the_bound_accepting_waits_for_spreading(tmp_path: Path) -> None:
    """As many arrivals as may wait, and no more: who comes then is answered once some are spread."""
    async with house(tmp_path, events_max=2) as here:
        await here.arrive(event(1), event(2))
        late = asyncio.create_task(here.arrive(event(3)))
        done, _ = await asyncio.wait([late], timeout=0.05)
        assert not done
        assert here.store.arrivals.events == 2
        await here.overflow.step()
        await late
        assert here.store.arrivals.events == 1


async def test_bytes_are_bounded_too(tmp_path: Path) -> None:
    async with house(tmp_path, bytes_max=100) as here:
        await here.arrive(event(1, properties={"much": "x" * 200}))
        late = asyncio.create_task(here.arrive(event(2)))
        done, _ = await asyncio.wait([late], timeout=0.05)
        assert not done
        late.cancel()


async def test_who_waits_too_long_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While nothing is spread, accepting ends with the time limit of every accept, which the door answers with 503."""
    monkeypatch.setattr("sternpost.intake.intake.ACCEPT_TIMEOUT_S", 0.5)
    async with house(tmp_path, events_max=1) as here:
        await here.arrive(event(1))
        with pytest.raises(TimeoutError):
            await here.arrive(event(2))
        assert here.store.arrivals.events == 1


async def test_too_many_in_memory_are_refused(tmp_path: Path) -> None:
    """The queue for the disk is bounded as it is for events that go straight."""
    async with house(tmp_path) as here:
        here.queued = lambda: 1_000_000
        with pytest.raises(StoreUnavailable):
            await here.arrive(event(1))


async def test_they_are_spread_by_themselves(tmp_path: Path) -> None:
    """Also what an earlier run of the program left; whoever asks waits for what has come by then, in the order in which it came."""
    async with house(tmp_path) as before:
        await before.arrive(*(event(n) for n in range(300)))
    async with house(tmp_path, running=True) as here:
        await here.arrive(*(event(n) for n in range(300, 900)))
        assert await here.overflow.caught_up(30.0)
        assert here.rows("SELECT message_key FROM events ORDER BY seq") == [(f"m{n}",) for n in range(900)]


async def test_a_question_waits_only_so_long(tmp_path: Path) -> None:
    """When spreading takes longer than a question may, it is told so."""
    async with house(tmp_path) as here:
        assert await here.overflow.caught_up(0.01)
        await here.arrive(event(1))
        assert not await here.overflow.caught_up(0.01)
        await here.overflow.step()
        assert await here.overflow.caught_up(0.01)


async def test_spreading_goes_on_behind_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the disk is full nothing is lost, and it is said why; then it goes on by itself."""
    monkeypatch.setattr("sternpost.intake.overflow.AGAIN_S", 0.01)
    async with house(tmp_path, running=True) as here:
        cx = here.store._database.connection
        await here.store.arrive(request(event(1, properties={"much": "x" * 100_000})))
        (used,) = cx.execute("PRAGMA page_count").fetchone()
        cx.execute(f"PRAGMA max_page_count = {used}").fetchall()
        assert not await here.overflow.caught_up(0.2)
        assert "full" in here.overflow.problem
        cx.execute("PRAGMA max_page_count = 1000000").fetchall()
        assert await here.overflow.caught_up(30.0)
        assert here.rows("SELECT message_key FROM events") == [("m1",)]
        async with asyncio.timeout(10):
            while here.overflow.problem:
                await asyncio.sleep(0.01)


async def test_order_holds_when_a_spread_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the last arrival is being spread, what comes for its person still goes behind it: the commit may fail."""
    async with house(tmp_path) as here:
        await here.arrive(event(1))
        [second] = request(event(2))
        loop = asyncio.get_running_loop()
        asked: list[bool] = []
        real = loop.run_in_executor

        def refusing(executor: Any, run: Callable[..., Any], *args: Any) -> Any:
            if args != ("COMMIT",) or asked:
                return real(executor, run, *args)
            asked.append(here.overflow.behind(postponed.events(second, lambda: "")))
            failed = loop.create_future()
            failed.set_exception(sqlite3.OperationalError("disk I/O error"))
            return failed

        monkeypatch.setattr(loop, "run_in_executor", refusing)
        with pytest.raises(StoreError):
            await here.overflow.step()
        assert asked == [True]
        assert here.store.arrivals.events == 1
        await here.overflow.arrive([second])
        while here.store.arrivals.events:
            await here.overflow.step()
        assert here.rows("SELECT message_key FROM events ORDER BY seq") == [("m1",), ("m2",)]
        assert not here.overflow.behind(postponed.events(second, lambda: ""))


async def test_others_get_in_between_the_parts_of_a_large_batch(tmp_path: Path) -> None:
    """A request of many small events is kept at once and spread in steps: what another source sends meanwhile does not wait for all of it."""
    async with house(tmp_path) as here:
        here.workspace = workspace(sources=("srv", "web"))
        parts = request(*(event(number, f"person {number}") for number in range(2_000)))
        assert [part.events for part in parts] == [500, 500, 500, 500]
        await here.overflow.arrive(parts)
        assert here.rows("SELECT count(*) FROM events") == [(0,)]
        assert await here.overflow.step() == 500
        [other] = postponed.events(request(event(9_999, "somebody"), source="web")[0], lambda: "")
        assert not here.overflow.behind([other])
        await here.intake.accept(here.workspace.sources["web"], [other])
        assert here.rows("SELECT count(*) FROM events") == [(501,)]
        [late] = postponed.events(request(event(9_998, "person 1999"), source="web")[0], lambda: "")
        assert here.overflow.behind([late])


def test_large_requests_are_kept_in_parts() -> None:
    """Each bounded, in order, each event with its own bytes and its place in the request."""
    events = [
        json.dumps(event(n, properties={"text": "é" * 100}), ensure_ascii=n % 2 == 0).encode()
        for n in range(2_000)
    ]
    parts = postponed.arrivals(
        b'{"sentAt": "2026-01-01T00:00:00Z", "batch": [' + b" ,\n".join(events) + b"]}",
        call="",
        allow_empty=False,
        source_id="srv",
        received_at=NOW,
        request_ip="",
        path="/v1/batch",
    )
    assert len(parts) > 2
    assert max(len(part.body) for part in parts) <= 262_144
    found = [one for part in parts for one in postponed.events(part, lambda: "")]
    assert [one.body for one in found] == events
    assert [one.position for one in found] == list(range(1, 2_001))
