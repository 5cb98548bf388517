"""The read side of the store: what it says agrees with what is kept, and no question scans a large table."""

from __future__ import annotations

import importlib
import random
import re
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sternpost.errors import StoreUnavailable
from sternpost.limits import PAGE_ROWS_MAX
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
from sternpost.store.letters import dead_letters, failure_groups, kept_failures, rejected_count
from sternpost.store.selection import Selection
from sternpost.store.sqlite import SqliteStore
from sternpost.store.views import Views

NOW = 1_800_000_000.0
STATES = ("pending", "held", "retrying", "blocked", "delivered", "skipped", "rejected")


def event(
    number: int, *, source: str = "s", kind: str = "track", user: str = "", body: bytes = b"{}"
) -> Event:
    return Event(
        f"m{number}", source, kind, False, NOW + number, "", body, user_id=user or f"u{number % 7}", at_ms=int(NOW * 1000) + number,
    )  # fmt: skip


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


async def accept(
    store: SqliteStore, *events: Event, routes: tuple[Route, ...] = (Route("d", ""),)
) -> tuple[int, ...]:
    return (await store.accept([Accepted(item, routes) for item in events], now=NOW)).seqs


async def settle(store: SqliteStore, outcome_of: object, *, destination: str = "d", now: float = NOW) -> None:
    claim = await store.claim(destination, "", now=now, lanes_max=100, run_max=100, lease_s=60)
    for run in claim.runs:
        settled = []
        for waiting in run.events:
            outcome: Outcome | None = outcome_of(waiting)  # type: ignore[operator]
            if outcome is None:
                break
            settled.append(Settled(waiting.event.seq, outcome, now))
            if isinstance(outcome, Retry | Blocked):
                break
        await store.settle([Settlement(run.key, run.lease, settled)], now=now)


async def test_stats_agree_with_fates(store: SqliteStore, views: Views) -> None:
    """The seven numbers of a destination are its kept events, each in exactly one, whatever happened to them."""
    rng = random.Random(7)
    outcomes: list[Outcome | None] = [
        Delivered(), Skipped("anonymous"), Rejected("bad_id"), Rejected("gave_up"), Retry("timeout"), Blocked("key_refused"), None,
    ]  # fmt: skip
    kept: list[int] = []
    for step in range(40):
        channel = rng.choice(["", "other"])
        held = rng.random() < 0.2
        routes = (
            Route("d", channel, held=held, hold_s=1e9),
            *((Route("e", ""),) if rng.random() < 0.5 else ()),
        )
        batch = [
            event(step * 10 + n, user="" if held else f"u{rng.randrange(5)}", body=b'{"n":%d}' % n) for n in range(rng.randrange(1, 6))
        ]  # fmt: skip
        if held:
            batch = [
                Event(
                    item.message_id, "s", "track", False, NOW, "", b"{}", anonymous_id="a", at_ms=item.at_ms
                )
                for item in batch
            ]
        kept += await accept(store, *batch, routes=routes)
        await settle(
            store, lambda _: rng.choice(outcomes), destination=rng.choice(["d", "e"]), now=NOW + step
        )
        if rng.random() < 0.1:
            await store.block("d", "", rng.choice(["key_refused", None]), "It answered 403.", now=NOW)
        if rng.random() < 0.1:
            await store.discard_rejected(
                [(seq, "d") for seq in rng.sample(kept, min(3, len(kept)))], "test", now=NOW
            )
        counted: dict[str, Counter[str]] = {"d": Counter(), "e": Counter()}
        for start in range(0, len(kept), PAGE_ROWS_MAX):
            for found in (await views.by_seqs(kept[start : start + PAGE_ROWS_MAX])).kept:
                for standing in found.standings:
                    counted[standing.destination_id][standing.state] += 1
        stats = await views.stats(destinations=["d", "e"], sources=["s"], bytes_max=1, now=NOW)
        for name in ("d", "e"):
            assert {state: stats["destinations"][name][state] for state in STATES} == {
                state: counted[name][state] for state in STATES
            }
        assert stats["sources"]["s"]["received"] == len(kept)


async def test_stats_of_nothing(store: SqliteStore, views: Views) -> None:
    """What is configured is there before the first event."""
    stats = await views.stats(destinations=["d"], sources=["s"], bytes_max=7, now=NOW)
    assert stats["destinations"] == {"d": {**dict.fromkeys(STATES, 0), "oldestPendingSeconds": 0}}
    assert stats["sources"] == {"s": {"received": 0, "duplicates": 0}}
    assert stats["disk"]["bytesMax"] == 7
    assert stats["disk"]["bytes"] > 0


async def test_stats_details(store: SqliteStore, views: Views) -> None:
    """Duplicates are counted beside; the oldest that waits gives the age; a removed destination is shown while it has events."""
    await accept(store, event(0), event(1))
    await accept(store, event(0))
    stats = await views.stats(destinations=[], sources=[], bytes_max=0, now=NOW + 60)
    assert stats["sources"]["s"] == {"received": 2, "duplicates": 1}
    assert stats["destinations"]["d"]["oldestPendingSeconds"] == 60
    await settle(store, lambda waiting: Delivered() if waiting.event.message_id == "m0" else None)
    stats = await views.stats(destinations=[], sources=[], bytes_max=0, now=NOW + 60)
    assert stats["destinations"]["d"]["oldestPendingSeconds"] == 59
    assert stats["destinations"]["d"]["delivered"] == 1


async def test_held_is_not_the_oldest(store: SqliteStore, views: Views) -> None:
    """Held events do not count towards oldestPendingSeconds."""
    held = Event("h", "s", "track", False, NOW - 500, "", b"{}", anonymous_id="a", at_ms=int(NOW * 1000))
    await accept(store, held, routes=(Route("d", "", held=True, hold_s=1e6),))
    stats = await views.stats(destinations=["d"], sources=[], bytes_max=0, now=NOW)
    assert (stats["destinations"]["d"]["held"], stats["destinations"]["d"]["oldestPendingSeconds"]) == (1, 0)


async def test_no_record_is_loud(store: SqliteStore, views: Views) -> None:
    """An event without any row at a destination it was fanned out to is a loss, and said to be one."""
    [seq] = await accept(store, event(0))
    cx = sqlite3.connect(store.path)
    cx.execute("DELETE FROM deliveries")
    cx.commit()
    cx.close()
    [found] = (await views.by_seqs([seq])).kept
    assert [(standing.state, standing.reason) for standing in found.standings] == [
        ("rejected", "internal_error")
    ]


async def test_by_seqs_keeps_order_and_bounds(
    store: SqliteStore, views: Views, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the order asked for, without what is not kept; what the bounds do not let in is named."""
    seqs = await accept(store, *(event(n, body=b'{"a":"%s"}' % (b"x" * 100)) for n in range(5)))
    rows = await views.by_seqs([seqs[3], 99, seqs[0], seqs[3]])
    assert [kept.event.seq for kept in rows.kept] == [seqs[3], seqs[0]]
    monkeypatch.setattr("sternpost.store.kept.PAGE_BYTES_MAX", 250)
    rows = await views.by_seqs(seqs)
    assert [kept.event.seq for kept in rows.kept] == list(seqs[:2])
    assert rows.left == seqs[2:]
    monkeypatch.setattr("sternpost.store.kept.PAGE_BYTES_MAX", 1)
    assert len((await views.by_seqs(seqs)).kept) == 1


async def test_recent_pages(store: SqliteStore, views: Views) -> None:
    """Newest first, page after page, each event once."""
    seqs = await accept(store, *(event(n) for n in range(25)))
    found, before = [], None
    while True:
        page = await views.recent(10, before=before)
        found += [kept.event.seq for kept in page.kept]
        before = page.next
        if before is None:
            break
    assert found == sorted(seqs, reverse=True)


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(sources=frozenset({"t"})), {"m3"}),
        (Selection(sources=frozenset({"nobody"})), set()),
        (Selection(types=frozenset({"page"})), {"m2"}),
        (Selection(user_ids=frozenset({"u1"})), {"m1"}),
        (Selection(received_from=NOW + 2), {"m2", "m3"}),
        (Selection(received_until=NOW + 1), {"m0", "m1"}),
        (Selection(states=frozenset({"delivered"})), {"m0"}),
        (Selection(states=frozenset({"rejected"})), {"m1"}),
        (Selection(states=frozenset({"pending"})), {"m2", "m3"}),
        (Selection(states=frozenset({"pending", "rejected"}), sources=frozenset({"s"})), {"m1", "m2"}),
        (Selection(states=frozenset({"rejected"}), destinations=frozenset({"e"})), set()),
        (Selection(destinations=frozenset({"e"})), set()),
        (Selection(states=frozenset({"held"})), set()),
    ],
)
async def test_recent_selects(
    store: SqliteStore, views: Views, selection: Selection, expected: set[str]
) -> None:
    """Each condition, and several together."""
    await accept(store, event(0), event(1), event(2, kind=" Page "), event(3, source="t"))
    outcomes = {"m0": Delivered(), "m1": Rejected("bad_id")}
    await settle(store, lambda waiting: outcomes.get(waiting.event.message_id))
    page = await views.recent(50, selection)
    assert {kept.event.message_id for kept in page.kept} == expected
    assert page.next is None


async def test_recent_looks_at_a_bounded_number(
    store: SqliteStore, views: Views, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that found nothing says where to go on."""
    await accept(store, event(0, kind="group"), *(event(n) for n in range(1, 30)))
    monkeypatch.setattr("sternpost.store.selection.SCAN_ROWS_MAX", 10)
    wanted = Selection(types=frozenset({"group"}))
    pages, before = 0, None
    found: list[str] = []
    while pages < 10:
        page = await views.recent(5, wanted, before=before)
        found += [kept.event.message_id for kept in page.kept]
        pages += 1
        before = page.next
        if before is None:
            break
    assert found == ["m0"]
    assert 3 <= pages <= 4


async def test_failures(store: SqliteStore, views: Views) -> None:
    """Groups with counts, first and last, samples; entries and seqs page by seq."""
    seqs = await accept(store, *(event(n, user=f"p{n}") for n in range(30)))
    await settle(
        store,
        lambda waiting: Rejected(
            "bad_id" if waiting.event.seq % 3 else "gave_up", f"No. {waiting.event.seq}."
        ),
    )
    groups = await failure_groups(views)
    assert [(group.reason, group.count) for group in groups] == [("bad_id", 20), ("gave_up", 10)]
    assert groups[1].samples[0].message_id == "m29"
    assert groups[1].samples[0].detail == "No. 30."
    page = await kept_failures(views, "d", "bad_id", 15)
    assert len(page.kept) == 15
    rest = await kept_failures(views, "d", "bad_id", 15, page.next or 0)
    assert (len(rest.kept), rest.next) == (5, None)
    assert await dead_letters(views, "d", limit=500) == seqs
    assert await dead_letters(views, "d", limit=3, after=seqs[4]) == seqs[5:8]
    assert await dead_letters(views, "d", "gave_up", ["m2", "m3", "nobody"], limit=9) == (seqs[2],)
    assert (
        await rejected_count(views, "d"),
        await rejected_count(views, "d", "gave_up"),
        await rejected_count(views, "x"),
    ) == (30, 10, 0)


async def test_person_reads_without_writing(store: SqliteStore, views: Views) -> None:
    """Reading who a person was touches nothing: the connection may only read."""
    from sternpost.model import Link, Membership

    entry = Accepted(
        Event("m", "s", "group", False, NOW, "", b"{}", user_id="u", anonymous_id="a", at_ms=1000),
        (),
        Link("a", "u", 1000, None),
        Membership("acme", 1000, None, "", {"parent": "holding"}),
    )
    await store.accept([entry], now=NOW - 30 * 86_400)
    anonymous = Event("x", "s", "track", False, NOW, "", b"{}", anonymous_id="a", at_ms=900)
    person = await views.person(anonymous, groups=["acme"])
    assert (person.user_id, [m.group_id for m in person.memberships]) == ("u", ["acme"])
    assert person.group_parents == {"acme": {"parent": "holding"}}


async def test_closed(store: SqliteStore) -> None:
    """After close, questions are refused as what they are."""
    views = Views(store.path)
    await views.span()
    views.close()
    with pytest.raises(StoreUnavailable):
        await views.span()


BIG_TABLES = re.compile(
    r"SCAN (events|deliveries|outcomes|tries|held|lanes|[deohl])\b(?! USING COVERING INDEX held)"
)


#: Module and name, by the text: a module may use another's.
STATEMENTS = {
    statement: f"{module}.{name}"
    for module in ("views", "kept", "selection", "letters")
    for name, statement in vars(importlib.import_module(f"sternpost.store.{module}")).items()
    if name.startswith("SELECT_")
}


@pytest.mark.parametrize("statement", STATEMENTS, ids=STATEMENTS.values())
async def test_no_scan(store: SqliteStore, statement: str) -> None:
    """Every statement finds its rows by a key or an index; what walks, walks in order and stops at its limit."""
    cx = sqlite3.connect(store.path)
    # As many rows as the planner may expect in a large store.
    values = [1] * statement.count("?")
    plan = [row[3] for row in cx.execute(f"EXPLAIN QUERY PLAN {statement.format('1,2,3')}", values)]
    cx.close()
    scans = [line for line in plan if BIG_TABLES.search(line)]
    if STATEMENTS[statement] == "views.SELECT_OLDEST":
        scans = []  # the first row of the table by its key
    assert not scans, plan
    assert not any("TEMP B-TREE" in line for line in plan), plan
