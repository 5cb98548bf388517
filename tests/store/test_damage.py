"""Pages of a store that were overwritten: what is on them is set aside and named, and nothing else suffers."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from sternpost.errors import StoreDamaged, StoreError
from sternpost.model import Accepted, Arrival, Delivered, Event, Membership, Route, Settled, Settlement
from sternpost.store import salvage as salvaging
from sternpost.store.base import Spread
from sternpost.store.copying import examine
from sternpost.store.letters import failure_groups
from sternpost.store.sqlite import SqliteStore
from sternpost.store.views import Views
from tests.contract.lab import SQLITE, Lab

PAGE = 8192
EVENTS = 60
NOW = 1_795_000_000.0


def mark(n: int) -> bytes:
    return f"body-of-event-{n:04d}!".encode()


def accepted(n: int) -> Accepted:
    body = b'{"n":"' + mark(n) + b'","x":"' + b"x" * 1500 + b'"}'
    event = Event(
        f"m{n:04d}", "src", "track", True, NOW - 100 + n, "", body, user_id=f"u{n % 12}", at_ms=1000
    )
    return Accepted(event, (Route("hook", ""),))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with events, of which a third was delivered; one file."""
    path = tmp_path_factory.mktemp("whole") / "sternpost.db"

    async def fill() -> None:
        store = SqliteStore(path)
        for n in range(EVENTS):
            await store.accept([accepted(n)], now=NOW)
        claim = await store.claim("hook", "", now=NOW, lanes_max=4, run_max=100, lease_s=60)
        for run in claim.runs:
            settled = [
                Settled(waiting.event.seq, Delivered(), NOW, source_id="src") for waiting in run.events
            ]
            await store.settle([Settlement(run.key, run.lease, settled)], now=NOW)
        store.close()

    asyncio.run(fill())
    return path


def damage(path: Path, *pages: int) -> None:
    with path.open("r+b") as file:
        for page in pages:
            file.seek(page * PAGE)
            file.write(b"\xa5" * PAGE)


def pages_with(path: Path, text: bytes, *, without: bytes = b"\0\0never\0\0") -> list[int]:
    data = path.read_bytes()
    pages = [data[at : at + PAGE] for at in range(0, len(data), PAGE)]
    return [no for no, page in enumerate(pages) if text in page and without not in page]


async def deliver_everything(store: SqliteStore) -> list[int]:
    """What a worker does until nothing is due."""
    sent: list[int] = []
    while True:
        claim = await store.claim("hook", "", now=NOW, lanes_max=100, run_max=10, lease_s=60)
        if not claim.runs:
            return sent
        for run in claim.runs:
            sent += [waiting.event.seq for waiting in run.events]
            settled = [
                Settled(waiting.event.seq, Delivered(), NOW, source_id="src") for waiting in run.events
            ]
            await store.settle([Settlement(run.key, run.lease, settled)], now=NOW)


async def test_a_damaged_page_of_events_is_set_aside_and_its_lanes_go_on(whole: Path, tmp_path: Path) -> None:
    """The events on it are dead letters with a reason and their names; every other event of their lanes is delivered; counters add up."""
    path = tmp_path / "sternpost.db"
    shutil.copy(whole, path)
    waiting = next(n for n in range(EVENTS) if n % 12 > 5)
    [page] = pages_with(path, mark(waiting))
    gone = [n for n in range(EVENTS) if page in pages_with(path, mark(n))]
    damage(path, page)
    store = SqliteStore(path)
    sent = await deliver_everything(store)
    assert store.notices
    assert "damaged" in store.notices[0]
    rows = sqlite3.connect(path)
    aside = dict(rows.execute("SELECT seq, more FROM outcomes WHERE reason = 'unreadable'"))
    assert aside.keys() == {n + 1 for n in gone if (n + 1) not in delivered_before(whole)}
    assert f'"messageId": "m{waiting:04d}"' in aside[waiting + 1]
    assert set(sent) | aside.keys() | delivered_before(whole) == set(range(1, EVENTS + 1))
    assert rows.execute("SELECT sum(pending), (SELECT count(*) FROM deliveries) FROM lanes").fetchone() == (
        0,
        0,
    )
    assert rows.execute(
        "SELECT n FROM counters WHERE scope = 'd:hook' AND name = 'rejected:unreadable'"
    ).fetchone() == (len(aside),)
    rows.close()
    views = Views(path)
    [group] = await failure_groups(views)
    assert (group.reason, group.count) == ("unreadable", len(aside))
    assert {sample.message_id for sample in group.samples} <= {f"m{n:04d}" for n in gone}
    with pytest.raises(StoreDamaged, match="page that holds it is damaged"):
        await views.events_by_message_id(f"m{waiting:04d}")
    views.close()
    # It goes on accepting, and old events go, over the damage.
    await store.accept([accepted(EVENTS)], now=NOW)
    for _ in range(200):
        if not (await store.prune(now=NOW, before=NOW + 1, bytes_max=10**9)).more:
            break
    with closing(sqlite3.connect(path)) as after:
        left = {seq for (seq,) in after.execute("SELECT seq FROM outcomes")}
    # SQLite looks at the pages beside one that becomes empty, so the neighbours of a damaged one stay as well.
    assert {n + 1 for n in gone} <= left
    assert len(left) < EVENTS // 2
    store.close()


def delivered_before(whole: Path) -> set[int]:
    with closing(sqlite3.connect(whole)) as rows:
        return {seq for (seq,) in rows.execute("SELECT seq FROM outcomes")}


async def test_a_damaged_index_refuses_what_needs_it_and_delivers_the_rest(
    whole: Path, tmp_path: Path
) -> None:
    """Whether an event is known cannot be told: it is refused, not guessed. What waits is delivered."""
    path = tmp_path / "sternpost.db"
    shutil.copy(whole, path)
    pages = pages_with(path, b"m0020", without=mark(20))
    damage(path, *pages)
    store = SqliteStore(path)
    with pytest.raises(StoreDamaged) as refused:
        await store.accept([accepted(20)], now=NOW)
    assert "sternpost salvage" in refused.value.remedy
    assert len(await deliver_everything(store)) == EVENTS - len(delivered_before(whole))
    store.close()


def test_any_page_damaged(whole: Path, tmp_path: Path) -> None:
    """Whichever page it is: salvage brings out what the others hold, each event once with a fate, named or counted where it is lost; or says in
    one sentence that nothing can be read. The new store is sound, and adds up.
    """
    count = whole.stat().st_size // PAGE
    events_kept: Counter[int] = Counter()
    for page in range(count):
        path, new = tmp_path / "sternpost.db", tmp_path / "new.db"
        for old in tmp_path.iterdir():
            old.unlink()
        shutil.copy(whole, path)
        damage(path, page)
        try:
            found = salvaging.salvage(path, new, now=NOW)
        except StoreError as error:
            # The pages that say where everything is.
            assert page in {0, *pages_with(whole, b"CREATE TABLE")}, (page, error)
            assert "sternpost restore" in str(error)
            continue
        examine(new)
        lab = Lab(SQLITE, new)
        try:
            lab.check()
            kept = [key for (key,) in lab.rows("SELECT message_key FROM events ORDER BY seq")]
        finally:
            lab.close()
        assert len(kept) == len(set(kept)), page
        if not found.gaps["events_by_message"]:
            lost = {message_id for _, message_id in found.lost}
            assert set(kept) | lost == {f"m{n:04d}" for n in range(EVENTS)}, page
            assert found.lost_by_source == ({"src": len(lost)} if lost else {}), page
        else:
            assert len(kept) == EVENTS, page
        events_kept[len(kept)] += 1
    assert min(events_kept) == 0 or min(events_kept) > EVENTS // 2, (
        "a page with rows holds a few of them; the root holds the way to all"
    )


def test_several_pages_damaged(whole: Path, tmp_path: Path) -> None:
    """Behind each gap it reads on."""
    path, new = tmp_path / "sternpost.db", tmp_path / "new.db"
    shutil.copy(whole, path)
    pages = sorted({page for n in (5, 25, 45) for page in pages_with(path, mark(n))})
    gone = {n for n in range(EVENTS) if set(pages_with(path, mark(n))) & set(pages)}
    damage(path, *pages)
    found = salvaging.salvage(path, new, now=NOW)
    assert found.gaps["events"] == 3
    assert sorted(found.lost) == [("src", f"m{n:04d}") for n in sorted(gone)]


async def test_the_new_store_goes_on(whole: Path, tmp_path: Path) -> None:
    """What waited is delivered from it, and what is lost may come again."""
    path, new = tmp_path / "sternpost.db", tmp_path / "new.db"
    shutil.copy(whole, path)
    damage(path, *pages_with(path, mark(8)))
    found = salvaging.salvage(path, new, now=NOW)
    store = SqliteStore(new)
    sent: list[Any] = await deliver_everything(store)
    assert len(sent) == EVENTS - len(delivered_before(whole)) - sum(
        1 for _, name in found.lost if int(name[1:]) + 1 not in delivered_before(whole)
    )
    receipt = await store.accept([accepted(8), accepted(9 + EVENTS)], now=NOW)
    assert receipt.stored == 2
    store.close()
    assert new.stat().st_mode & 0o777 == 0o600


async def test_a_damaged_page_among_arrivals_stops_nobody(tmp_path: Path) -> None:
    """What is on it is lost, counted and named as far as it can be; everything around it gets into its lanes, in order; requests are taken
    as before; and nothing is read twice by the next start.
    """
    path = tmp_path / "sternpost.db"
    store = SqliteStore(path)
    for n in range(EVENTS):
        body = mark(n) + b"x" * (30_000 if n == 20 else 2_000)  # one has further pages
        await store.arrive([Arrival("src", NOW, "", "/v1/batch", "", 1, 0, body)])
    store.close()
    [leaf] = pages_with(path, mark(40))
    gone = [n for n in range(EVENTS) if leaf in pages_with(path, mark(n))]
    data = path.read_bytes()
    further = next(
        no for no in range(len(data) // PAGE) if data[no * PAGE + 4 : (no + 1) * PAGE] == b"x" * (PAGE - 4)
    )
    damage(path, leaf)
    with path.open("r+b") as file:
        file.seek(further * PAGE)
        file.write(b"\xa5" * 4)  # which now leads nowhere
    store = SqliteStore(path)
    spread: list[Any] = []
    for _ in range(2 * EVENTS):
        if not store.arrivals.events:
            break
        spread += await store.spread(
            lambda arrival: [accepted(int(arrival.body[14:18]))], events_max=10, now=NOW
        )
    came = [one.entries[0].event.message_id for one in spread]
    assert came == sorted(came)
    lost = {f"m{n:04d}" for n in range(EVENTS)} - set(came)
    assert {f"m{n:04d}" for n in gone} <= lost
    assert len(lost) == len(gone) + 1, lost
    assert any(f"{len(lost)} accepted events" in notice and "1 of src" in notice for notice in store.notices)
    await store.arrive([Arrival("src", NOW, "", "/v1/batch", "", 1, 0, mark(70))])
    store.close()
    again = SqliteStore(path)
    assert "arrivals_damaged_" in again.notices[0]
    assert again.arrivals.events == 1
    [one] = await again.spread(lambda arrival: [accepted(70)], events_max=10, now=NOW)
    assert one.receipt.stored == 1
    again.close()


async def test_what_belongs_onto_a_damaged_page_waits_aside(tmp_path: Path) -> None:
    """An arrival of which an event cannot be put where it belongs is set aside, and comes back once the store was salvaged."""
    path = tmp_path / "sternpost.db"
    store = SqliteStore(path)
    await store.accept([accepted(n) for n in range(400)], now=NOW)
    for n in (700, 701):
        await store.arrive([Arrival("src", NOW, "", "/v1/batch", "", 1, 0, mark(n))])
    store.close()
    # Where the lanes of persons that come later lie.
    data = sqlite3.connect(path)
    [(root,)] = data.execute("SELECT rootpage FROM sqlite_master WHERE name = 'memberships'").fetchall()
    data.close()
    damage(path, root - 1)
    store = SqliteStore(path)

    def entries(arrival: Arrival) -> list[Accepted]:
        n = int(arrival.body[14:18])
        one = accepted(n)
        if n == 700:
            return [replace(one, membership=Membership("g1", 1_000, None, ""))]
        return [one]

    came: list[Spread] = []
    while store.arrivals.events:
        came += await store.spread(entries, events_max=10, now=NOW)
    assert [one.entries[0].event.message_id for one in came] == ["m0701"]
    assert any("1 accepted events of the source src" in notice for notice in store.notices)
    store.close()
    new = tmp_path / "new.db"
    salvaging.salvage(path, new, now=NOW)
    back = SqliteStore(new)
    [one] = await back.spread(entries, events_max=10, now=NOW)
    assert (one.entries[0].event.message_id, one.receipt.stored) == ("m0700", 1)
    back.close()


async def test_what_is_aside_and_cannot_be_read_is_told(tmp_path: Path) -> None:
    """A start that cannot take up again what was set aside says so; everything else goes on."""
    path = tmp_path / "sternpost.db"
    store = SqliteStore(path)
    await store.arrive([Arrival("src", NOW, "", "/v1/batch", "", 1, 0, mark(1))])

    def refuse(arrival: Arrival) -> list[Accepted]:
        raise ValueError(arrival.source_id)

    assert not await store.spread(refuse, events_max=10, now=NOW)
    store.close()
    with closing(sqlite3.connect(path)) as rows:
        [(root,)] = rows.execute("SELECT rootpage FROM sqlite_master WHERE name = 'aside'").fetchall()
    damage(path, root - 1)
    again = SqliteStore(path)
    assert any("set aside cannot be taken up again" in notice for notice in again.notices), again.notices
    assert (await again.accept([accepted(2)], now=NOW)).stored == 1
    again.close()


async def test_what_arrived_is_salvaged(tmp_path: Path) -> None:
    """Requests that are in no lane yet: what can be read of them is in the new store, counted, and is spread there."""
    path, new = tmp_path / "sternpost.db", tmp_path / "new.db"
    store = SqliteStore(path)
    for n in range(30):
        body = mark(n) + b"x" * 3000
        await store.arrive([Arrival("src", NOW, "", "/v1/batch", "", 1, 0, body)])
    store.close()
    [page, *_] = pages_with(path, mark(12))
    damage(path, page)
    found = salvaging.salvage(path, new, now=NOW)
    assert found.gaps["arrivals"] == 1
    back = SqliteStore(new)
    left = back.arrivals.events
    assert 20 <= left < 30
    assert back.arrivals.bytes == left * (len(mark(0)) + 3000)
    spread = await back.spread(lambda arrival: [accepted(int(arrival.body[14:18]))], events_max=100, now=NOW)
    assert sum(one.receipt.stored for one in spread) == left
    back.close()
