"""The write-ahead log of a server that was killed, cut or damaged at every place: what was confirmed and cannot be read is never passed over."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from sternpost.errors import StoreError
from sternpost.store import logfile
from sternpost.store.opening import before_opening

PAGE = 8192
FRAME = 24 + PAGE
NOW = 1_795_000_000.0


class Killed:
    """A store as a killed server leaves it: rows that were committed one by one, some of them folded into the file."""

    def __init__(self, place: Path, *, folded: int, rows: int) -> None:
        self.path = place / "sternpost.db"
        live = place / "live"
        live.mkdir()
        with closing(sqlite3.connect(live / "sternpost.db", isolation_level=None)) as cx:
            for pragma in ("page_size = 8192", "journal_mode = WAL", "synchronous = FULL"):
                cx.execute(f"PRAGMA {pragma}")
            cx.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, body BLOB)")
            for n in range(rows):
                if n == folded:
                    cx.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
                cx.execute("INSERT INTO t VALUES (?, ?)", (n, os.urandom(3000)))
            self.kept = place / "kept"
            shutil.copytree(live, self.kept)
        self.frames = ((self.kept / "sternpost.db-wal").stat().st_size - 32) // FRAME

    def fresh(self, *, index: bool) -> Path:
        """The files again; with or without the log's index."""
        for ending in ("", "-wal", "-shm"):
            target = self.path.with_name(f"sternpost.db{ending}")
            target.unlink(missing_ok=True)
            if index or ending != "-shm":
                shutil.copy(self.kept / f"sternpost.db{ending}", target)
        for kept in self.path.parent.glob("*.damaged-*"):
            kept.unlink()
        return self.path.with_name("sternpost.db-wal")

    def rows(self) -> list[int]:
        """What SQLite finds."""
        with closing(sqlite3.connect(self.path)) as cx:
            try:
                assert cx.execute("PRAGMA integrity_check").fetchone() == ("ok",)
                return [n for (n,) in cx.execute("SELECT n FROM t ORDER BY n")]
            except sqlite3.OperationalError:
                return []  # not even the table is there


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Killed:
    return Killed(tmp_path_factory.mktemp("killed"), folded=-1, rows=8)


def test_a_whole_log_is_no_damage(killed: Killed) -> None:
    """After kill -9 everything is there, and nothing is said or set aside."""
    for index in (True, False):
        killed.fresh(index=index)
        assert before_opening(killed.path, used=True, now=NOW) == []
        assert killed.rows() == list(range(8))


def test_a_data_directory_by_a_relative_path(killed: Killed, monkeypatch: pytest.MonkeyPatch) -> None:
    """As people give it."""
    killed.fresh(index=True)
    monkeypatch.chdir(killed.path.parent)
    assert before_opening(Path("sternpost.db"), used=True, now=NOW) == []


def test_a_log_cut_at_every_frame_and_within(killed: Killed) -> None:
    """With its index, which says how much was confirmed, each cut is noticed, and the cut log kept; what is whole is used."""
    for frame in range(killed.frames + 1):
        for more in (0, 24 + 100) if frame < killed.frames else (0,):
            log = killed.fresh(index=True)
            os.truncate(log, 32 + frame * FRAME + more)
            notices = before_opening(killed.path, used=True, now=NOW)
            if frame == killed.frames:
                assert notices == []
            else:
                assert len(notices) == 1, (frame, more)
                assert "sternpost.db-wal.damaged-" in notices[0]
                assert len(logfile.kept_aside(killed.path.parent)) == 1
            found = killed.rows()
            assert found == list(range(len(found)))


def test_damage_in_every_frame_before_the_last_transaction(killed: Killed) -> None:
    """Without the index, too: a transaction behind another shows that the other was confirmed. The last one may never have been: no claim."""
    for frame in range(1, killed.frames + 1):
        for index in (True, False):
            log = killed.fresh(index=index)
            whole = logfile.look(killed.path)
            assert whole is not None
            last_begins = whole.commits[-2] + 1
            with log.open("r+b") as file:
                file.seek(32 + (frame - 1) * FRAME + 24 + 1000)
                file.write(b"\xff" * 64)
            found = logfile.look(killed.path)
            assert found is not None
            assert found.damaged is (index or frame < last_begins), (frame, index)
            assert found.readable < frame


def test_a_damaged_head_of_the_log(killed: Killed) -> None:
    """SQLite ignores such a log as a whole."""
    for index in (True, False):
        log = killed.fresh(index=index)
        with log.open("r+b") as file:
            file.seek(17)
            file.write(b"\xff\xff")
        assert len(before_opening(killed.path, used=True, now=NOW)) == 1


def test_a_log_that_is_older_than_the_file_is_taken_away(tmp_path: Path) -> None:
    """What was folded into the file and then damaged in the log: with the readable part of the log old pages would cover new ones."""
    killed = Killed(tmp_path, folded=12, rows=12)
    with closing(sqlite3.connect(killed.kept / "sternpost.db", isolation_level=None)) as cx:
        # A reader keeps the log from being emptied when the last connection ends.
        cx.execute("BEGIN")
        cx.execute("SELECT * FROM t").fetchone()
        with closing(sqlite3.connect(killed.kept / "sternpost.db", isolation_level=None)) as other:
            other.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        shutil.copytree(killed.kept, tmp_path / "folded")
    killed.kept = tmp_path / "folded"
    log = killed.fresh(index=True)
    whole = logfile.look(killed.path)
    assert whole is not None
    assert whole.folded == whole.confirmed == whole.readable
    with log.open("r+b") as file:
        file.seek(32 + 9 * FRAME + 24 + 1000)
        file.write(b"\xff" * 64)
    [notice] = before_opening(killed.path, used=True, now=NOW)
    assert "0 pages" in notice
    assert not log.exists()
    assert killed.rows() == list(range(12))


def test_an_index_that_was_removed(killed: Killed) -> None:
    """SQLite makes it again from the log."""
    killed.fresh(index=False)
    assert before_opening(killed.path, used=True, now=NOW) == []
    assert killed.rows() == list(range(8))


def test_an_empty_store_is_no_new_one(killed: Killed) -> None:
    """A server that begins anew on it would have lost everything without a word; SQLite would even remove the log."""
    killed.fresh(index=True)
    os.truncate(killed.path, 0)
    for used in (True, False):
        with pytest.raises(StoreError, match="is empty although it was in use.*restore"):
            before_opening(killed.path, used=used, now=NOW)
    killed.path.unlink()
    with pytest.raises(StoreError, match="is missing although it was in use"):
        before_opening(killed.path, used=True, now=NOW)
    killed.path.with_name("sternpost.db-wal").unlink()
    killed.path.with_name("sternpost.db-shm").unlink()
    assert before_opening(killed.path, used=True, now=NOW) == [], "somebody removed it to begin anew"
    killed.path.touch()
    assert before_opening(killed.path, used=False, now=NOW) == [], "killed before its first table"
    with pytest.raises(StoreError, match="empty"):
        before_opening(killed.path, used=True, now=NOW)
