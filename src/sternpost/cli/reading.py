"""What a command is given: a file, or standard input as `-`."""

from __future__ import annotations

import sys
from pathlib import Path

from sternpost.errors import CommandError

FILE_BYTES_MAX = 1_000_000  #: the API takes no more


def name_of(file: str) -> str:
    """The file as messages name it."""
    return "standard input" if file == "-" else file


def content_of(file: str, *, remedy: str) -> bytes:
    """All of it. Raises CommandError when it cannot be read, and with the remedy when it is larger than the API takes."""
    try:
        if file == "-":
            content = sys.stdin.buffer.read(FILE_BYTES_MAX + 1)
        else:
            with Path(file).open("rb") as opened:
                content = opened.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        reason = (error.strerror or "unknown error").lower()
        raise CommandError(f"{name_of(file)} cannot be read: {reason}. Correct the path.") from None
    if len(content) > FILE_BYTES_MAX:
        raise CommandError(f"{name_of(file)} is larger than 1 MB. {remedy}")
    return content
