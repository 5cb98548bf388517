"""Copies of a store: of one moment, checked, never over something that is there; and back, with what was there kept."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from sternpost.errors import StoreError, StoreTooNew
from sternpost.model import Accepted, Arrival, Event, Route
from sternpost.store import copying
from sternpost.store.sqlite import SqliteStore


def accepted(number: int) -> Accepted:
    event = Event(
        f"m{number}", "src", "track", True, 1.0 + number, "", b"{}", user_id=f"u{number}", at_ms=1000
    )
    return Accepted(event, (Route("hook", ""),))


@pytest.fixture
async def store(tmp_path: Path) -> Any:
    opened = SqliteStore(tmp_path / "sternpost.db")
    yield opened
    opened.close()


def broken(arrival: Arrival) -> list[Accepted]:
    raise ValueError("a defect")


async def test_with_what_arrived(store: SqliteStore, tmp_path: Path) -> None:
    """What is kept as it came and in no lane yet is in the copy, is counted, and gets into its lanes where the copy is put back."""
    await store.accept([accepted(1)], now=10.0)
    await store.arrive([Arrival("src", 1.0, "", "/v1/batch", "", 1, 0, b"one that cannot be spread")])
    await store.spread(broken, events_max=10, now=10.0)
    await store.arrive([Arrival("src", 1_000_000.0, "", "/v1/batch", "", 2, 0, b"two of them")])
    copied = await asyncio.to_thread(copying.back_up, store.path, tmp_path / "copy.db")
    assert (copied.events, copied.waiting) == (4, 4)
    assert copied.newest_at == 1_000_000.0
    copying.put_back(tmp_path / "copy.db", tmp_path / "back.db", aside=lambda: "aside")
    back = SqliteStore(tmp_path / "back.db")
    assert back.arrivals.events == 3
    [_, spread] = await back.spread(
        lambda arrival: [accepted(2), accepted(3)][: arrival.events], events_max=10, now=10.0
    )
    assert (spread.receipt.stored, spread.receipt.duplicates) == (1, 1)
    back.close()


async def test_while_it_is_used(store: SqliteStore, tmp_path: Path) -> None:
    """A copy holds whole transactions only, and everything that was accepted before it began."""
    await store.accept([accepted(n) for n in range(50)], now=10.0)
    ended = asyncio.Event()

    async def load() -> None:
        number = 1_000
        while not ended.is_set():
            await store.accept([accepted(number), accepted(number + 1)], now=10.0)
            number += 2

    loading = asyncio.create_task(load())
    copied = await asyncio.to_thread(copying.back_up, store.path, tmp_path / "copy.db")
    ended.set()
    await loading

    assert copied.events >= 50
    assert copied.events % 2 == 0
    assert copied.waiting == copied.events
    assert copied.bytes == (tmp_path / "copy.db").stat().st_size
    assert (tmp_path / "copy.db").stat().st_mode & 0o777 == 0o600
    assert copying.examine(tmp_path / "copy.db") == copied
    # Its counters are those of its rows.
    with sqlite3.connect(tmp_path / "copy.db") as connection:
        n = connection.execute(
            "SELECT n FROM counters WHERE scope = 's:src' AND name = 'received'"
        ).fetchone()[0]
    assert n == copied.events


async def test_of_a_stopped_server_and_back(store: SqliteStore, tmp_path: Path) -> None:
    """A store that nobody uses is copied too, its log included; put back, the store that was there is kept whole beside it."""
    await store.accept([accepted(1)], now=10.0)
    store.close()
    assert copying.back_up(store.path, tmp_path / "one.db").events == 1
    second = SqliteStore(store.path)
    await second.accept([accepted(2), accepted(3)], now=10.0)
    second.close()

    moved = copying.put_back(tmp_path / "one.db", store.path, aside=lambda: "before")

    assert copying.examine(store.path).events == 1
    assert moved == tmp_path / "sternpost.db.before"
    assert copying.examine(moved).events == 3
    back = SqliteStore(store.path)
    receipt = await back.accept([accepted(1), accepted(9)], now=11.0)
    assert (receipt.stored, receipt.duplicates) == (1, 1)
    back.close()


async def test_put_into_an_empty_directory(store: SqliteStore, tmp_path: Path) -> None:
    await store.accept([accepted(1)], now=10.0)
    copying.back_up(store.path, tmp_path / "copy.db")
    (tmp_path / "new").mkdir()
    assert (
        copying.put_back(tmp_path / "copy.db", tmp_path / "new" / "sternpost.db", aside=lambda: "x") is None
    )
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["sternpost.db"]


async def test_never_over_a_file(store: SqliteStore, tmp_path: Path) -> None:
    """A file of that name stays as it is, and nothing unfinished is left."""
    (tmp_path / "copy.db").write_text("mine")
    with pytest.raises(StoreError, match="exists already"):
        copying.back_up(store.path, tmp_path / "copy.db")
    assert (tmp_path / "copy.db").read_text() == "mine"
    assert not list(tmp_path.glob("*.unfinished*"))


async def test_damaged(store: SqliteStore, tmp_path: Path) -> None:
    """A damaged copy is named and never put back; the store stays."""
    await store.accept([accepted(n) for n in range(500)], now=10.0)
    copy = tmp_path / "copy.db"
    copying.back_up(store.path, copy)
    store.close()
    data = bytearray(copy.read_bytes())
    data[4 * 8192 : 30 * 8192] = b"\xff" * 26 * 8192  # whole pages, as a bad disk gives back
    copy.write_bytes(data)
    with pytest.raises(StoreError, match=r"damaged|no copy"):
        copying.put_back(copy, store.path, aside=lambda: "before")
    assert copying.examine(store.path).events == 500


@pytest.mark.parametrize("content", [b"", b"no database at all" * 100])
def test_something_else(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(StoreError, match="no copy of a Sternpost store"):
        copying.examine(tmp_path / "file")


async def test_of_a_later_version(store: SqliteStore, tmp_path: Path) -> None:
    copying.back_up(store.path, tmp_path / "copy.db")
    with sqlite3.connect(tmp_path / "copy.db") as connection:
        connection.execute("PRAGMA user_version = 9000")
    with pytest.raises(StoreTooNew, match="later Sternpost"):
        copying.examine(tmp_path / "copy.db")


def test_no_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no store"):
        copying.back_up(tmp_path / "sternpost.db", tmp_path / "copy.db")
