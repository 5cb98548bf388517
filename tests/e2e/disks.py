"""Disks that are small, full, read-only or broken, as real as this machine allows.

Where file systems may be mounted: a tmpfs that is filled, and an ext4 in a file whose error switch turns it read-only under open files,
as a real error does. Everywhere on Linux: a limit on the size of files that is lowered while the server runs, and raised again.
"""

from __future__ import annotations

import contextlib
import functools
import os
import resource
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from tests.e2e.running import Server

MB = 1_000_000


def run(*command: str) -> bool:
    """Whether a command of the system did what it was asked for."""
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=20).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


@contextlib.contextmanager
def mounted(place: Path, *options: str) -> Iterator[bool]:
    """A file system mounted at a place until the block ends; False when it may not be."""
    place.mkdir(parents=True, exist_ok=True)
    done = run("mount", *options, str(place))
    try:
        yield done
    finally:
        if done:
            # Lazily: a server that is being killed may still have a file open.
            run("umount", "-l", str(place))


@functools.cache
def can_mount() -> bool:
    """Whether this user may mount file systems on this machine."""
    with tempfile.TemporaryDirectory() as folder, mounted(Path(folder), "-t", "tmpfs", "tmpfs") as done:
        return done


@functools.cache
def can_break() -> bool:
    """Whether an ext4 of our own can be made, mounted, and told that it has an error."""
    with tempfile.TemporaryDirectory() as folder:
        image, place = Path(folder) / "image", Path(folder) / "place"
        with small_ext4(image, place) as done:
            return done and _switch(place) is not None


class Disk(Protocol):
    """A disk that can be full for a while."""

    def fill(self, server: Server) -> None: ...

    def clear(self, server: Server) -> None: ...


class Small:
    """A tmpfs, filled by a file of ours."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._ballast = place / "ballast"

    def fill(self, server: Server, *, leave_bytes: int = 0) -> None:
        """Leave so many bytes, and not one more."""
        found = os.statvfs(self.place)
        want = max(0, found.f_bavail * found.f_frsize - leave_bytes)
        with self._ballast.open("ab") as file, contextlib.suppress(OSError):
            os.posix_fallocate(file.fileno(), file.tell(), want)
        if not leave_bytes:
            with contextlib.suppress(OSError), self._ballast.open("ab", buffering=0) as file:
                while True:
                    file.write(b"\0" * 4096)

    def clear(self, server: Server) -> None:
        self._ballast.unlink()


class Limited:
    """Files of the server may not grow: what the system says is not "no space", but the server can write as little."""

    def fill(self, server: Server) -> None:
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))

    def clear(self, server: Server) -> None:
        resource.prlimit(
            server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        )


FORMS = (["mounted"] if can_mount() else []) + (["limited"] if hasattr(resource, "prlimit") else [])


@contextlib.contextmanager
def small_disk(form: str, place: Path, *, size_mb: int = 200) -> Iterator[Small | Limited]:
    """A disk for everything below a place."""
    if form == "limited":
        yield Limited()
        return
    with mounted(place, "-t", "tmpfs", "-o", f"size={size_mb}m", "tmpfs") as done:
        assert done
        yield Small(place)


@contextlib.contextmanager
def small_ext4(image: Path, place: Path) -> Iterator[bool]:
    """An ext4 in a file; False when it cannot be made here."""
    made = image.exists()
    if not made:
        with image.open("wb") as file:
            file.truncate(160 * MB)
        made = run("mkfs.ext4", "-q", "-F", str(image))
    if not made:
        yield False
        return
    with mounted(place, "-o", "loop,errors=remount-ro", str(image)) as done:
        yield done


def break_ext4(place: Path) -> None:
    """Let the file system find an error: from now on it refuses to write, whoever has a file open."""
    switch = _switch(place)
    assert switch is not None
    switch.write_text("a test")


def _switch(place: Path) -> Path | None:
    for line in Path("/proc/mounts").read_text().splitlines():
        device, where, *_ = line.split()
        if where == str(place):
            switch = Path("/sys/fs/ext4") / Path(device).name / "trigger_fs_error"
            return switch if os.access(switch, os.W_OK) else None
    return None


def cpu_s(pid: int) -> float:
    """Seconds of work of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
