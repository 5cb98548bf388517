"""What SQLite's write-ahead log holds, looked at before and after SQLite reads it: it passes over a damaged log without a word.

SQLite reads the log up to the first frame whose checksum is wrong and forgets the rest. After a power cut that is right: the last transaction
was not confirmed. It is wrong when a confirmed one is behind the damage. Two things tell the difference:

- the log's index (`-shm`), written after each commit was on disk: it says how many frames were confirmed;
- a transaction that begins behind another one: with `synchronous=FULL` that other one had been confirmed.

The damaged log is kept under another name. Nothing of it is guessed. All this happens before the store is opened: closing a file that SQLite
has open in this process would let go of its locks.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import struct
import tempfile
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

HEADER_BYTES = 32
FRAME_HEADER_BYTES = 24
MAGIC = (0x377F0682, 0x377F0683)  #: the checksums' words are little or big endian
INDEX_HEADER_BYTES = 48
INDEX_VERSION = 3_007_000
FRAMES_MAX = 1_000_000  #: looked at; a log is folded in long before


@dataclass(frozen=True, slots=True)
class Log:
    """The log of a store that nobody has open."""

    path: Path
    frames: int  #: of the log's own generation, readable or not
    commits: tuple[int, ...]  #: those that end a transaction; counted from 1
    last: int  #: the last of them all
    confirmed: int  #: by its index; 0 when that is gone or belongs to another log
    folded: int  #: so many of them are in the store's file already, by its index
    readable: int  #: so many SQLite can read
    header_broken: bool

    @property
    def outdated(self) -> bool:
        """What can be read of it is older than what the file has: with it, old pages would cover new ones."""
        return self.readable < self.folded

    @property
    def missing(self) -> int:
        """How many frames of confirmed transactions neither the file nor SQLite's reading of the log has."""
        there = max(self.readable, self.folded)
        if self.confirmed:
            return max(0, self.confirmed - there)
        if self.header_broken:
            return self.frames
        lost = [frame for frame in self.commits if frame > there]
        # The last transaction may never have been confirmed; one that another follows was.
        sure = [frame for frame in lost if frame < self.last]
        return sure[-1] - there if sure else 0

    @property
    def damaged(self) -> bool:
        return self.outdated or self.missing > 0


def look(store: Path) -> Log | None:
    """The log beside a store that nobody has open; None when there is none that holds anything, and none is missed."""
    path = store.with_name(f"{store.name}-wal")
    found = path.stat() if path.exists() else None
    if found is None or found.st_size <= HEADER_BYTES:
        confirmed, folded, _ = _index(store)
        return Log(path, 0, (), 0, confirmed, folded, folded, False) if confirmed else None
    with path.open("rb") as file:
        header = file.read(HEADER_BYTES)
        magic, _, page_bytes, _ = struct.unpack(">4I", header[:16])
        salts = header[16:24]
        broken = magic not in MAGIC or _checksum(header[:24], magic) != struct.unpack(">2I", header[24:32])
        if broken:
            # Its frames say which generation they are of; their size is the store's.
            page_bytes = _page_bytes(store) or 8192
            salts = file.read(FRAME_HEADER_BYTES)[8:16]
        commits, count, last = [], 0, 0
        for frame in range(1, FRAMES_MAX):
            file.seek(HEADER_BYTES + (frame - 1) * (FRAME_HEADER_BYTES + page_bytes))
            head = file.read(FRAME_HEADER_BYTES)
            if len(head) < FRAME_HEADER_BYTES:
                break
            if head[8:16] != salts:
                continue
            count, last = count + 1, frame
            if head[4:8] != b"\0\0\0\0":
                commits.append(frame)
    confirmed, folded, of = _index(store)
    if not broken and of != salts:
        confirmed = folded = 0
    readable = _readable(store, path, page_bytes)
    return Log(path, count, tuple(commits), last, confirmed, folded, readable, broken)


def set_aside(log: Log, *, now: float) -> str:
    """Keep a damaged log under another name, and take it away when it would do harm; the sentence that tells of it. Raises OSError."""
    kept = aside(log.path, now)
    if not log.path.exists():
        kept.touch()
    elif log.outdated:
        log.path.rename(kept)
        log.path.with_name(f"{log.path.name.removesuffix('-wal')}-shm").unlink(missing_ok=True)
    else:
        shutil.copy2(log.path, kept)
    return told(kept, log.missing)


def aside(path: Path, now: float) -> Path:
    """The name under which something damaged is kept."""
    return path.with_name(f"{path.name}.damaged-{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}")


def told(kept: Path, missing: int | None = None) -> str:
    """A sentence or two about what was set aside."""
    if not kept.name.startswith("sternpost.db-wal."):
        return f"Damaged data was set aside as {kept.name}. Remove it once you need it no more."
    what = "" if missing is None else f" {missing} pages of confirmed transactions in it could not be read."
    return (
        f"The write-ahead log was damaged when the server started, and is kept as {kept.name}.{what} What was accepted or delivered in the "
        "moments before may be missing: let `sternpost doctor` look at the store while the server is stopped, and remove the file once you need it no more."
    )


def kept_aside(directory: Path) -> list[Path]:
    """What was set aside in a data directory, oldest first."""
    return sorted(
        path for path in directory.glob("*.damaged-*") if not path.name.endswith(("-wal", "-shm", ".jsonl"))
    )


def _readable(store: Path, log: Path, page_bytes: int) -> int:
    """How many frames SQLite reads of a log: it is shown the log beside a copy of the store's first page."""
    with tempfile.TemporaryDirectory(prefix=".sternpost-log-", dir=store.parent) as folder:
        page, link = Path(folder) / "page", Path(folder) / "page-wal"
        with store.open("rb") as file:
            page.write_bytes(file.read(page_bytes))
        os.link(log, link)
        with (
            closing(sqlite3.connect(f"{page.absolute().as_uri()}?mode=ro", uri=True)) as connection,
            contextlib.suppress(sqlite3.Error),
        ):
            connection.execute("PRAGMA schema_version").fetchone()
        return _index(page)[0]


def _index(store: Path) -> tuple[int, int, bytes]:
    """How many frames the log's index says are confirmed, how many are in the file, and of which generation; (0, 0, b"") when it says
    nothing that can be trusted.
    """
    try:
        with store.with_name(f"{store.name}-shm").open("rb") as file:
            head = file.read(2 * INDEX_HEADER_BYTES + 4)
    except OSError:
        return 0, 0, b""
    one, two = head[:INDEX_HEADER_BYTES], head[INDEX_HEADER_BYTES : 2 * INDEX_HEADER_BYTES]
    if len(head) < 4 + 2 * INDEX_HEADER_BYTES or one != two or not one[12]:
        return 0, 0, b""
    version = struct.unpack("=I", one[:4])[0]
    if version != INDEX_VERSION or _sum("=", one[:40]) != struct.unpack("=2I", one[40:48]):
        return 0, 0, b""
    # The salts are kept as they stand in the log.
    confirmed, folded = (int(struct.unpack("=I", part)[0]) for part in (one[16:20], head[96:100]))
    return confirmed, folded, one[32:40]


def _page_bytes(store: Path) -> int:
    try:
        with store.open("rb") as file:
            head = file.read(18)
    except OSError:
        return 0
    return int(struct.unpack(">H", head[16:18])[0]) if len(head) == 18 else 0


def _checksum(data: bytes, magic: int) -> tuple[int, int]:
    return _sum(">" if magic & 1 else "<", data)


def _sum(order: str, data: bytes) -> tuple[int, int]:
    """SQLite's checksum of a multiple of eight bytes."""
    first = second = 0
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for one, two in zip(words[::2], words[1::2], strict=True):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + two + first) & 0xFFFFFFFF
    return first, second
