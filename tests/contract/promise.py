"""A promise of `sternpost.store.base`: one check whose docstring states it.

It gets a `Lab`: a fresh store, a clock of its own, and eyes for the rows. After each promise the lab checks that every event is in exactly
one place and that counters and lanes equal the rows.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from .lab import Lab

Promise = Callable[[Lab], Awaitable[None]]
PROMISES: dict[str, Promise] = {}  #: by name; `promises` fills it


def promise(check: Promise) -> Promise:
    PROMISES[check.__name__] = check
    return check
