"""Waiting for what must come true, never for seconds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Literal, TypeVar

Found = TypeVar("Found")


def until(
    condition: Callable[[], Found | Literal[False] | None],
    *,
    within_s: float = 20.0,
    every_s: float = 0.02,
    what: str = "",
) -> Found:
    """What the condition gives as soon as it is something; an AssertionError of its own is kept for the report."""
    deadline = time.monotonic() + within_s
    while True:
        last: AssertionError | None = None
        try:
            found = condition()
        except AssertionError as error:
            found, last = None, error
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s:g} s: {what or condition}; last: {last or found}")
        time.sleep(every_s)


async def eventually(
    condition: Callable[[], Awaitable[Found | Literal[False] | None]],
    *,
    within_s: float = 20.0,
    every_s: float = 0.01,
) -> Found:
    """The same in an event loop, whose other tasks go on meanwhile."""
    deadline = time.monotonic() + within_s
    while not (found := await condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s:g} s: {condition}; last: {found}")
        await asyncio.sleep(every_s)
    return found
