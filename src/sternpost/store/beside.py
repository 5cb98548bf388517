"""What is written beside a change, in the same transaction: both are on disk, or neither is.

Whoever asks for a change goes through many verbs of the store, none of which knows of an audit log. So what belongs to it is found
where every transaction passes: within `beside`, each transaction that changes rows takes the companion along.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Protocol


class Companion(Protocol):
    """Travels in transactions."""

    def write(self, cx: sqlite3.Connection) -> None:
        """Called in a transaction that has changed rows. It may be undone and done again."""

    def kept(self) -> None:
        """What was written last is on disk."""


_companion: ContextVar[Companion | None] = ContextVar("companion", default=None)


def companion() -> Companion | None:
    """Who travels in the transactions that are asked for here."""
    return _companion.get()


@contextlib.contextmanager
def beside(one: Companion) -> Iterator[None]:
    """Within it `one` travels in each transaction that changes rows."""
    token = _companion.set(one)
    try:
        yield
    finally:
        _companion.reset(token)
