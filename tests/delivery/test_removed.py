"""What waits for a destination that is removed, or is held although nothing holds any more, comes to an end (found by tests/sim)."""

from __future__ import annotations

from sternpost.model import Reply, Retry, Skipped

from .pipeline import OK, Pipeline, workspace


def track(user: str, name: str, **more):
    return {"type": "track", "userId": user, "event": name, **more}


async def test_what_backs_off_for_a_removed_destination_ends_when_it_is_due(tmp_path):
    """It cannot be claimed when the destination goes; it must not wait for ever."""
    async with Pipeline(
        tmp_path, lambda call: Reply(503, {"retry-after": "1"}, b"", 1), workspace(hook={}, other={})
    ) as pipeline:
        (seq,) = await pipeline.send(track("u1", "One"))
        await pipeline.until(lambda: isinstance(pipeline.last("hook", seq), Retry))
        pipeline.settings = workspace(other={})
        await pipeline.engine.apply()
        outcome = await pipeline.outcome("hook", seq)
        assert (type(outcome), outcome.reason) == (Skipped, "not_connected")


async def test_what_was_accepted_by_the_workspace_before_ends_too(tmp_path):
    """A request that was fanned out just before its destination went is committed just after."""
    async with Pipeline(tmp_path, lambda call: OK, workspace(hook={}, other={})) as pipeline:
        before = pipeline.settings
        pipeline.settings = workspace(other={})
        await pipeline.engine.apply()
        pipeline.settings, after = before, pipeline.settings
        await pipeline.send(track("u0", "Before"))
        pipeline.settings = after
        (seq,) = pipeline.watcher.receipts[-1].seqs
        outcome = await pipeline.outcome("hook", seq)
        assert (type(outcome), outcome.reason) == (Skipped, "not_connected")


async def test_what_was_held_for_a_removed_destination_ends(tmp_path):
    """Nothing waited in its lanes, only in the list of what is held."""
    async with Pipeline(
        tmp_path, lambda call: OK, workspace(settings={"anonymousVisitors": "hold"}, other={})
    ) as pipeline:
        (seq,) = await pipeline.send({"type": "track", "anonymousId": "a1", "event": "Held"})
        pipeline.settings = workspace(other={})
        await pipeline.engine.apply()
        outcome = await pipeline.outcome("pendo", seq)
        assert (type(outcome), outcome.reason) == (Skipped, "not_connected")


async def test_a_large_backlog_of_a_removed_destination_keeps_nobody_waiting(tmp_path):
    """It ends step by step beside everything else: neither a change nor a start of the server waits for the last of a million."""
    async with Pipeline(
        tmp_path, lambda call: OK, workspace(hook={"ratePerSecond": 1}, other={})
    ) as pipeline:
        for number in range(3):
            await pipeline.send(*(track(f"u{person}", f"{number}") for person in range(500)))
        pipeline.settings = workspace(other={})
        await pipeline.engine.apply()
        waiting = {state.destination_id: state.waiting for state in await pipeline.store.channels()}
        assert waiting["hook"] > 1_000
        await pipeline.until(lambda: sum(name == "hook" for name, _ in pipeline.watcher.outcomes) == 1_500)
