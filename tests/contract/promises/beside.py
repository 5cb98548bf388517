"""What the store keeps beside the events, and how it ends."""

from __future__ import annotations

import asyncio

import pytest

from sternpost.errors import StoreUnavailable
from tests.contract.lab import NOW, Lab, entry
from tests.contract.promise import promise


@promise
async def the_workspace_is_kept_in_revisions(lab: Lab) -> None:
    """Each document saved is the next revision; the newest is loaded. Small facts are found by the beginning of their key."""
    assert await lab.store.load_workspace() is None
    assert await lab.store.save_workspace(b"one", now=NOW) == 1
    assert await lab.store.save_workspace(b"two", now=NOW) == 2
    await lab.store.remember({"key:web": "a", "key:app": "b", "other": "c"})
    await lab.store.remember({"key:app": "d"})
    lab.reopen()
    assert await lab.store.load_workspace() == (2, b"two")
    assert await lab.store.remembered("key:") == {"key:web": "a", "key:app": "d"}


@promise
async def closing_answers_everyone(lab: Lab) -> None:
    """close lets nobody wait for ever: each accept under way is either durable or raises StoreUnavailable."""
    under_way = [asyncio.create_task(lab.accept(entry(f"m{i}"))) for i in range(20)]
    await asyncio.sleep(0)
    lab.store.close()
    async with asyncio.timeout(10):
        results = await asyncio.gather(*under_way, return_exceptions=True)
    kept = {name for (name,) in lab.rows("SELECT message_key FROM events")}
    for i, result in enumerate(results):
        if isinstance(result, BaseException):
            assert isinstance(result, StoreUnavailable)
        else:
            assert f"m{i}" in kept
    with pytest.raises(StoreUnavailable):
        await lab.accept(entry("too late"))
    lab.reopen()
