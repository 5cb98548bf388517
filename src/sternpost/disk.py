"""Whether the disk under the data directory can take more: looked at before it is full, so that there is an order in which things stop.

Accepting stops first, while there is room that delivery and clean-up need to write down what they did. Looked at a few times a second at most,
whoever asks: four system calls, some microseconds.
"""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sternpost.errors import StoreFull, StoreUnavailable
from sternpost.limits import DISK_RESERVE_BYTES, DISK_RESERVE_PART

#: At 100 MB/s, more than such a disk takes durably, 25 MB go in between: less than the reserve.
LOOK_EVERY_S = 0.25
_CANNOT_WRITE = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nothing is accepted, and what to do."""

    what: str  #: a sentence
    remedy: str  #: a sentence
    full: bool = False  #: it passes when there is room; clients may wait longer


class Disk:
    """The disk of a data directory and the files of the store on it."""

    def __init__(
        self,
        data_dir: Path,
        files: Sequence[Path],
        *,
        timer: Callable[[], float],
        reserve_bytes: int = DISK_RESERVE_BYTES,
        owed_bytes: Callable[[], int] = lambda: 0,
    ) -> None:
        """`files` exist while the store is open. `timer`: seconds that only grow. `owed_bytes`: room that what was accepted still needs."""
        self._data_dir = data_dir
        self._files = files
        self._timer = timer
        self._reserve_bytes = reserve_bytes
        self._owed_bytes = owed_bytes
        self._known = [_identity(path) for path in files]
        self._looked_at = -LOOK_EVERY_S
        self._refusal: Refusal | None = None

    def refusal(self) -> Refusal | None:
        """Why nothing should be accepted at the moment; None when there is room."""
        now = self._timer()
        if now - self._looked_at >= LOOK_EVERY_S:
            self._looked_at = now
            self._refusal = self._look()
        return self._refusal

    def check(self) -> None:
        """Raise StoreFull or StoreUnavailable while nothing should be accepted."""
        refusal = self.refusal()
        if refusal is not None:
            kind = StoreFull if refusal.full else StoreUnavailable
            raise kind(refusal.what, refusal.remedy)

    def moved(self) -> bool:
        """Whether a file of the store is not where it was."""
        refusal = self.refusal()
        return refusal is not None and not refusal.full

    def _look(self) -> Refusal | None:
        for path, known in zip(self._files, self._known, strict=True):
            if known is not None and _identity(path) != known:
                # What is written now goes into a file without a name, which is gone when the process ends.
                return Refusal(
                    f"{path.name} was removed or replaced while the server uses it.",
                    "Stop the server politely (SIGTERM), so that it can fold what it has into the store, and start it again.",
                )
        free, needed = self.free_bytes(), self._reserve() + self._owed_bytes()
        if free < needed:
            return Refusal(
                f"The disk has only {free / 1_000_000:.1f} MB left; below {needed / 1_000_000:.1f} MB nothing is accepted, so that "
                "what waits can still be delivered.",
                "Free space on it: the server goes on by itself.",
                full=True,
            )
        return None

    def _reserve(self) -> int:
        """A small disk is not all reserve."""
        try:
            found = os.statvfs(self._data_dir)
        except OSError:
            return self._reserve_bytes
        return min(self._reserve_bytes, found.f_blocks * found.f_frsize // DISK_RESERVE_PART)

    def free_bytes(self) -> int:
        """Bytes that this user may still write; 0 when that cannot be found out."""
        try:
            found = os.statvfs(self._data_dir)
        except OSError:
            return 0
        return found.f_bavail * found.f_frsize

    def complaint(self) -> str:
        """What the system says to a small file in the data directory; "" when it takes it. Asked when the store could not write."""
        try:
            with tempfile.TemporaryFile(dir=self._data_dir, buffering=0) as file:
                file.write(b"\0" * 4096)
                os.fsync(file.fileno())
        except OSError as error:
            if error.errno in _CANNOT_WRITE:
                return "The file system is read-only, or this user may not write to the data directory."
            return f"The system says: {(error.strerror or str(error)).lower()}."
        return ""


def _identity(path: Path) -> tuple[int, int] | None:
    with contextlib.suppress(OSError):
        found = path.stat()
        return found.st_dev, found.st_ino
    return None
