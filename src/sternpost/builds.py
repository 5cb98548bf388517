"""Second files of the browser SDK, of this build and of those that this server had before.

A page asks for the second file (`sp.more.min.js`) of the build that its first file is of, by a mark. That can be a former build: the first
file was in a cache, or the page was open during the update. So each server keeps what it served beside its store.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

SECOND_FILE = "sp.more.min.js"
BUILDS_MAX = 20  #: kept, the latest; 8 kB each, and far more than pages that are still open
BYTES_MAX = 65_536  #: of one file; what is larger was not written by us

_MARK = re.compile(rb"//build ([\w-]{4})\n\Z")


def mark_of(second: bytes) -> str:
    """The mark that a second file says at its end; "" when there is none."""
    found = _MARK.search(second)
    return found[1].decode("ascii") if found else ""


def keep(folder: Path, own: bytes) -> dict[str, bytes]:
    """Add the own second file to those kept in `folder`, and answer all of them by their marks.

    Of more than `BUILDS_MAX` the ones that were served longest ago are removed. A folder that cannot be written still gives what is in it; one
    that cannot be read leaves the own one: pages of a former build then go on without their second file, as they do where it is blocked.
    """
    kept = {mark_of(own): own}
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        temporary = folder / "own.new"
        temporary.write_bytes(own)
        temporary.replace(folder / f"{mark_of(own)}.js")
    with contextlib.suppress(OSError):
        former = sorted(folder.glob("*.js"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in former[BUILDS_MAX:]:
            path.unlink()
        for path in former[:BUILDS_MAX]:
            body = path.read_bytes() if path.stat().st_size <= BYTES_MAX else b""
            if mark_of(body) == path.stem:
                kept.setdefault(mark_of(body), body)
    return kept
