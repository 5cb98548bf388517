"""The file: opened, made, migrated, torn; and the commit that many share."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from sternpost.errors import StoreError, StoreTooNew, StoreUnavailable
from sternpost.store import database
from sternpost.store.database import Database
from sternpost.store.names import key, storable
from sternpost.store.sqlite import SqliteStore
from tests.contract.lab import NOW, SQLITE, Lab, entry


def test_a_new_file_has_our_settings(tmp_path: Path) -> None:
    """WAL, FULL, incremental vacuum and the page size hold for a new file; and for one that exists but is empty."""
    (tmp_path / "empty.db").touch()
    for name in ("new.db", "empty.db"):
        opened = Database(tmp_path / name, events_per_commit=10)
        found = {
            pragma: opened.connection.execute(f"PRAGMA {pragma}").fetchone()[0]
            for pragma in (
                "journal_mode",
                "synchronous",
                "auto_vacuum",
                "page_size",
                "fullfsync",
                "user_version",
            )
        }
        opened.close()
        assert found == {
            "journal_mode": "wal",
            "synchronous": 2,
            "auto_vacuum": 2,
            "page_size": 8192,
            "fullfsync": 1,
            "user_version": database.migrations()[-1][0],
        }


def test_a_later_store_is_left_alone(tmp_path: Path) -> None:
    """A store of a later schema is refused with a sentence that says what to do; not a byte of it changes."""
    path = tmp_path / "sternpost.db"
    SqliteStore(path).close()
    with closing(sqlite3.connect(path)) as cx:
        cx.execute("PRAGMA user_version = 999")
        cx.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = path.read_bytes()
    with pytest.raises(StoreTooNew, match="schema 999.*nothing was changed"):
        SqliteStore(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["sternpost.db"], "the file was not let go of"


def test_a_migration_happens_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a step of a migration fails, the store stays at the version it had, and opens again with the program that knows it."""
    path = tmp_path / "sternpost.db"
    SqliteStore(path).close()
    steps = database.migrations()
    broken = [*steps, (steps[-1][0] + 1, "CREATE TABLE more (x);\nCREATE TABLE more (x);\n")]
    with monkeypatch.context() as patch:
        patch.setattr(database, "migrations", lambda: broken)
        with pytest.raises(StoreError, match="already exists"):
            SqliteStore(path)
    SqliteStore(path).close()


@pytest.mark.parametrize(
    "content", [b"not a database, but long enough to look like one " * 50, b"SQLite format 3\0short"]
)
def test_what_is_no_store_is_refused(content: bytes, tmp_path: Path) -> None:
    """A file that is no database is refused with a sentence, and left as it is."""
    path = tmp_path / "sternpost.db"
    path.write_bytes(content)
    with pytest.raises(StoreError, match="Cannot open the store"):
        SqliteStore(path)
    assert path.read_bytes() == content


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    """A folder that does not exist is an error with the path in it."""
    with pytest.raises(StoreError, match="no-such-folder"):
        SqliteStore(tmp_path / "no-such-folder" / "sternpost.db")


async def test_a_torn_log_loses_only_what_was_not_answered(tmp_path: Path) -> None:
    """A log cut in the middle of its last commit (a power cut during the write): that commit is gone as a whole, all before is there."""
    lab = Lab(SQLITE, tmp_path / "sternpost.db")
    await lab.accept(*(entry(f"first{i}") for i in range(20)))
    answered = Path(f"{lab.place}-wal").stat().st_size
    await lab.accept(*(entry(f"second{i}", body=b"x" * 3_000) for i in range(20)))
    whole = Path(f"{lab.place}-wal").stat().st_size
    assert whole > answered
    for cut in (whole - 1, whole - 5_000, answered + 100):
        torn = tmp_path / f"torn{cut}.db"
        shutil.copy(lab.place, torn)
        with Path(f"{torn}-wal").open("wb") as log:
            log.write(Path(f"{lab.place}-wal").read_bytes()[:cut])
        opened = Lab(SQLITE, torn)
        opened.check()
        assert opened.rows("PRAGMA integrity_check") == [("ok",)]
        assert await opened.deliver() == [f"first{i}" for i in range(20)]
        opened.close()
    lab.close()


async def test_many_share_a_commit(tmp_path: Path) -> None:
    """What is asked during a commit travels together in the next one: far fewer commits than requests."""
    commits: list[str] = []
    store = SqliteStore(tmp_path / "sternpost.db", observe=lambda name, seconds: commits.append(name))
    await asyncio.gather(*(store.accept([entry(f"m{i}")], now=NOW) for i in range(200)))
    assert len(commits) < 20
    store.close()
    store.close()
    with pytest.raises(StoreUnavailable):
        await store.accept([entry("late")], now=NOW)


async def test_what_nobody_waits_for_looks_for_company(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A patient operation comes in the next transaction that somebody waits for; alone it is on disk all the same, a moment later."""
    monkeypatch.setattr(database, "PATIENCE_S", 3600.0)
    commits: list[str] = []
    opened = Database(
        tmp_path / "sternpost.db", events_per_commit=10, observe=lambda name, seconds: commits.append(name)
    )
    order: list[str] = []

    async def write(name: str, *, patient: bool) -> None:
        await opened.write(lambda cx: order.append(name), patient=patient)

    patient = [asyncio.create_task(write(f"patient {n}", patient=True)) for n in range(3)]
    for _ in range(20):
        await asyncio.sleep(0)
    assert not order
    await write("urgent", patient=False)
    await asyncio.gather(*patient)
    assert order == ["patient 0", "patient 1", "patient 2", "urgent"], "in the order in which they came"
    assert len(commits) == 1

    monkeypatch.setattr(database, "PATIENCE_S", 0.001)
    await asyncio.gather(*(write(f"alone {n}", patient=True) for n in range(3)))
    assert len(commits) == 2
    # Some while others commit, some while nobody does: none is forgotten.
    await asyncio.gather(*(write(f"{n}", patient=n % 3 > 0) for n in range(100)))
    await opened.alone(lambda cx: order.append("between"))
    await write("after", patient=True)
    assert order[-2:] == ["between", "after"] and len(order) == 109
    opened.close()


async def test_a_caller_that_gives_up_harms_nobody(tmp_path: Path) -> None:
    """A request that is cancelled while it waits may be kept or not; the others are answered."""
    store = SqliteStore(tmp_path / "sternpost.db")
    tasks = [asyncio.create_task(store.accept([entry(f"m{i}")], now=NOW)) for i in range(10)]
    await asyncio.sleep(0)
    tasks[3].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(result, BaseException) for result in results] == [i == 3 for i in range(10)]
    assert (await store.accept([entry("m11")], now=NOW)).stored == 1
    store.close()


def test_keys_are_short_and_their_own() -> None:
    """A key is the text itself, or a digest when it is long, does not print, or looks like a digest."""
    assert key("ann") == "ann"
    texts = ["x" * 201, "a\0b", "a\nb", "\ud800", "#", key("x" * 201)]
    assert len({key(text) for text in texts}) == len(texts)
    assert all(len(key(text)) == 65 for text in texts)


def test_storable_text() -> None:
    """Half of a surrogate pair becomes U+FFFD, a pair its character; other text is untouched."""
    assert [storable(text) for text in ("é", "\ud800x", "\ud83d\ude00")] == ["é", "\ufffdx", "😀"]
