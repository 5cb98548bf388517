"""Watches the workspace file, so that a change is applied without a restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from sternpost.errors import WorkspaceError
from sternpost.model import Workspace

WATCH_INTERVAL_S = 0.4  #: pages must see a change within a second, which is two looks; a stat costs nothing

#: Modification time, size and inode: an editor that writes a new file and renames it changes the last.
Stamp = tuple[int, int, int]


class FileWatch:
    """Notices that a workspace file has changed, and reads it again.

    The file is looked at every `interval_s`. It is read when it has been the same for two looks in a row: an editor may write it in pieces
    or be without it between two renames, and half a file can be a valid workspace without half of its destinations.
    """

    def __init__(
        self,
        path: Path,
        read: Callable[[], Workspace],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        interval_s: float = WATCH_INTERVAL_S,
    ) -> None:
        """`read` loads and checks the file. What it looks like now counts as known: make the watch before the first read."""
        self._path = path
        self._read = read
        self._sleep = sleep
        self._interval_s = interval_s
        self._known = stamp(path)

    async def changes(self) -> AsyncIterator[Workspace | WorkspaceError]:
        """Each change, without end: the new workspace, or why it is not valid; then the old one stays in force."""
        before = self._known
        while True:
            await self._sleep(self._interval_s)
            now = stamp(self._path)
            if now != self._known and now == before:
                self._known = now
                try:
                    yield await asyncio.to_thread(self._read)
                except WorkspaceError as error:
                    yield error
            before = now


def stamp(path: Path) -> Stamp | None:
    """What changes when a file does; None when there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino)
