"""What sources send: each event counted once whatever happens, within bounds, off the way of events."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sternpost.control import noticing as module
from sternpost.control.noticing import Noticing, type_of, value_at
from sternpost.errors import StoreUnavailable
from tests.control.bench import Bench, make


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = await make(tmp_path)
    yield made
    made.close()


def reader(bench: Bench, **more: Any) -> Noticing:
    return Noticing(bench.views, more.pop("store", bench.store), busy=lambda: False, **more)


async def look(noticing: Noticing) -> None:
    while await noticing.step():
        pass


def track(name: Any = "Checkout", **properties: Any) -> dict[str, Any]:
    return {"type": "track", "event": name, "userId": "u1", "properties": properties}


async def test_names_properties_types_and_libraries(bench: Bench) -> None:
    context = {"library": {"name": "rudder-python", "version": "2.1"}}
    await bench.accept({**track(total=12.5, plan="pro", cart={"id": 3, "shop": {"open": True}}, tags=["a"], gone=None), "context": context, "messageId": "m1"})  # fmt: skip
    bench.now += 60
    await bench.accept({**track(total="12.50", **{"a.b": "dotted"}), "context": context, "messageId": "m2"})
    await bench.accept(
        {"type": "identify", "userId": "u1", "traits": {"email": "a@example.com"}, "messageId": "m3"}
    )
    await bench.accept({**track("Only web"), "messageId": "m4"}, source="web")
    await look(reader(bench))
    found = await bench.get("/sources/backend/seen")
    assert [(event["type"], event["name"], event["count"]) for event in found["events"]] == [
        ("track", "Checkout", 2),
        ("identify", "", 1),
    ]
    checkout = found["events"][0]
    assert checkout["firstAt"] < checkout["lastAt"]
    properties = {one["path"]: one for one in checkout["properties"]}
    assert properties["properties.total"]["types"] == {"number": 1, "text": 1}
    assert properties["properties.total"]["conflict"]
    assert properties["properties.total"]["example"] == '"12.50"'
    assert properties["properties.plan"]["example"] == '"pro"'
    assert not properties["properties.plan"]["conflict"]
    assert properties["properties.cart"]["types"] == {"object": 1}
    assert properties["properties.cart.shop.open"]["types"] == {"boolean": 1}
    assert properties["properties.tags"]["types"] == {"list": 1}
    assert properties["properties.gone"]["types"] == {"null": 1}
    assert properties["properties.a.b"]["example"] == '"dotted"'
    assert found["events"][1]["properties"][0]["path"] == "traits.email"
    assert [(one["library"], one["count"]) for one in found["libraries"]] == [("rudder-python 2.1", 2)]
    assert found["behind"] == 0
    assert [event["name"] for event in (await bench.get("/sources/web/seen"))["events"]] == ["Only web"]


async def test_names_that_differ_in_case_and_spaces(bench: Bench) -> None:
    await bench.accept(*({**track(name), "messageId": f"m{n}"} for n, name in enumerate(["Order Placed", "order placed", "OrderPlaced", "Other"])))  # fmt: skip
    await look(reader(bench))
    alike = {event["name"]: event["alike"] for event in (await bench.get("/sources/backend/seen"))["events"]}
    assert sorted(alike["OrderPlaced"]) == ["Order Placed", "order placed"]
    assert alike["Other"] == []


async def test_each_event_counts_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader is ended at any moment, or the store cannot write: what is counted in the end is what came."""
    monkeypatch.setattr(module, "CHUNK_EVENTS", 7)
    rng = random.Random(2)

    class Unreliable:
        async def keep_seen(self, gathered: Any) -> None:
            if rng.random() < 0.3:
                raise StoreUnavailable("The disk is full.")
            await bench.store.keep_seen(gathered)

    sent: Counter[str] = Counter()
    now = 0.0
    noticing = reader(bench, store=Unreliable(), timer=lambda: now)
    for number in range(60):
        names = [rng.choice("abc") for _ in range(rng.randrange(12))]
        sent.update(names)
        if names:
            await bench.accept(*({**track(name, p=1), "messageId": f"{number}-{n}"} for n, name in enumerate(names)))  # fmt: skip
        now += rng.choice([0, 1, 6])
        for _ in range(rng.randrange(4)):
            try:
                await noticing.step()
            except StoreUnavailable:
                noticing = reader(bench, store=Unreliable(), timer=lambda: now)
        if rng.random() < 0.2:
            noticing = reader(bench, store=Unreliable(), timer=lambda: now)  # as after a crash
    await look(reader(bench))
    found = await bench.get("/sources/backend/seen")
    assert {event["name"]: event["count"] for event in found["events"]} == sent
    assert {event["name"]: event["properties"][0]["count"] for event in found["events"]} == sent


async def test_bounds(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids as names fill no memory and no page: what there is no room for is counted."""
    monkeypatch.setattr(module, "NAMES_PER_SOURCE_MAX", 3)
    monkeypatch.setattr(module, "PROPERTIES_PER_EVENT_MAX", 4)
    monkeypatch.setattr(module, "LIBRARIES_PER_SOURCE_MAX", 2)
    events = [{**track(f"name {n}", **{f"p{n}-{m}": 1 for m in range(6)}), "messageId": f"m{n}", "context": {"library": {"name": "l", "version": str(n)}}} for n in range(8)]  # fmt: skip
    await bench.accept(*events[:5])
    await look(reader(bench))
    await bench.accept(*events[5:])
    await look(reader(bench))
    found = await bench.get("/sources/backend/seen")
    assert len(found["events"]) == 3
    assert found["over"] == {"events": 5, "properties": 6}
    assert all(len(event["properties"]) == 4 for event in found["events"])
    assert len(found["libraries"]) == 2


async def test_odd_events(bench: Bench) -> None:
    """Whatever was accepted can be looked at."""
    await bench.accept(
        b'{"type":"track","event":{"a":1},"userId":"u","messageId":"m1","properties":[1]}',
        b'{"type":"track","event":"\\ud800","userId":"u","messageId":"m2","properties":{"\\ud800":1e400,"":null}}',
        b'{"type":" TRACK ","event":7,"userId":"u","messageId":"m3","context":{"library":5}}',
        b'{"userId":"u","messageId":"m4","properties":' + b'{"a":' * 100 + b"1" + b"}" * 100 + b"}",
    )
    await look(reader(bench))
    found = await bench.get("/sources/backend/seen")
    assert sum(event["count"] for event in found["events"]) == 4
    assert {event["name"] for event in found["events"]} == {"", "?", "7"}


async def test_unknown_source(bench: Bench) -> None:
    assert (await bench.ask("GET", "/sources/nope/seen")).status == 404


def test_values_and_types() -> None:
    body = {"properties": {"a.b": {"c": 1}, "a": {"b": 2}}}
    assert value_at(body, "properties.a.b.c") == 1
    assert value_at(body, "properties.nothing") is None
    values: list[Any] = ["", 1, 1.5, True, None, [], {}]
    assert [type_of(value) for value in values] == [
        "text", "number", "number", "boolean", "null", "list", "object",
    ]  # fmt: skip
