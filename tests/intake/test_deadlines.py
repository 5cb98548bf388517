"""Many waiters, one timer: who waits too long sees TimeoutError, and nobody else does."""

from __future__ import annotations

import asyncio

import pytest

from sternpost.intake.deadlines import Deadlines


async def waiting(deadlines: Deadlines, wanted: asyncio.Future[str]) -> str:
    with deadlines.start():
        return await wanted


async def test_in_time() -> None:
    """What ends in time gives its result, also when others wait on."""
    loop = asyncio.get_running_loop()
    deadlines = Deadlines(30.0)
    futures = [loop.create_future() for _ in range(3)]
    tasks = [asyncio.create_task(waiting(deadlines, future)) for future in futures]
    await asyncio.sleep(0)
    futures[1].set_result("second")
    assert await tasks[1] == "second"
    futures[0].set_result("first")
    futures[2].set_result("third")
    assert await asyncio.gather(*tasks) == ["first", "second", "third"]


async def test_too_late() -> None:
    """Who waits too long sees TimeoutError, also behind one that was done in time; a later one gets its own full time."""
    loop = asyncio.get_running_loop()
    deadlines = Deadlines(0.05)
    done, late = loop.create_future(), loop.create_future()
    first = asyncio.create_task(waiting(deadlines, done))
    second = asyncio.create_task(waiting(deadlines, late))
    await asyncio.sleep(0)
    done.set_result("in time")
    assert await first == "in time"
    with pytest.raises(TimeoutError):
        await second
    third = loop.create_future()
    third.set_result("again")
    assert await waiting(deadlines, third) == "again"
    with pytest.raises(TimeoutError):
        await waiting(deadlines, loop.create_future())


async def test_cancelled_by_somebody_else() -> None:
    """A cancellation stays a cancellation."""
    deadlines = Deadlines(30.0)
    task = asyncio.create_task(waiting(deadlines, asyncio.get_running_loop().create_future()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_errors_pass() -> None:
    """What fails in time fails with its own error."""
    failed = asyncio.get_running_loop().create_future()
    failed.set_exception(ValueError("full"))
    with pytest.raises(ValueError, match="full"):
        await waiting(Deadlines(30.0), failed)
