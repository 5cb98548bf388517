"""A channel whose answers are nearly all refusals waits for a person, instead of turning its backlog into dead letters."""

from __future__ import annotations

from sternpost.delivery.refusals import Refusals
from sternpost.limits import REFUSED_OF_LAST
from sternpost.model import Blocked, Delivered, Outcome, Rejected, Reply, Retry, Skipped
from tests.delivery.pipeline import OK, Pipeline, workspace

REFUSED = Rejected("refused_by_destination")


def last(window: Refusals, *outcomes: Outcome) -> Blocked | None:
    found = None
    for outcome in outcomes:
        found = window.add(outcome)
    return found


def test_it_takes_enough_answers_and_a_share():
    """Not before 200 answers, and not below 95 %; what is retried, and what we or time gave up, does not count as refused."""
    window = Refusals()
    assert last(window, *[REFUSED] * (REFUSED_OF_LAST - 1)) is None
    assert window.add(REFUSED) == Blocked(
        "too_many_rejected",
        "200 of the last 200 answers; most often: Refused by destination (refused_by_destination).",
    )
    window.clear()
    assert last(window, *[REFUSED] * 189, *[Delivered()] * 11) is None
    assert last(window, *[REFUSED] * 189) is None, "the first refusals have left the window"
    assert window.add(REFUSED) is not None
    window.clear()
    for harmless in (Rejected("gave_up"), Rejected("bad_id"), Skipped("do_not_process"), Delivered()):
        assert last(window, *[harmless] * 300) is None
    window.clear()
    mixed: list[Outcome] = [REFUSED, Retry("server_error")]
    assert last(window, *mixed * 199) is None
    assert window.add(REFUSED) is not None


async def refusing(pipeline: Pipeline, events: int, people: int = 50) -> None:
    await pipeline.send(
        *(
            {"type": "track", "event": "E", "userId": f"u{i % people}", "messageId": f"m{i}"}
            for i in range(events)
        )
    )


async def counts(pipeline: Pipeline) -> dict[str, int]:
    rows = pipeline.store._database.connection.execute("SELECT name, n FROM counters WHERE scope = 'd:pendo'")
    return {name: n for name, n in rows.fetchall() if n}


async def test_a_backlog_is_not_emptied_into_failures(tmp_path):
    """All answers are 400: after 200 of them, and what was on its way, the channel blocks; nothing is probed away; it stays blocked over a
    restart; resumed after the cause was corrected, everything else is delivered.
    """
    settings = workspace(settings={"concurrency": 4})
    async with Pipeline(tmp_path, lambda call: Reply(400, {}, b"no", 1), settings) as pipeline:
        await refusing(pipeline, 1_000)
        await pipeline.until(lambda: pipeline.watcher.channel_states)
        [(_, channel, blocked)] = pipeline.watcher.channel_states
        assert (channel, blocked.reason) == ("track", "too_many_rejected")
        await pipeline.until(lambda: not pipeline.engine._running["pendo"].workers["track"]._lanes)
        before = await counts(pipeline)
        assert REFUSED_OF_LAST <= before["rejected"] <= REFUSED_OF_LAST + 4
        assert before["waiting:track"] == 1_000 - before["rejected"]
        pipeline.engine._running["pendo"].workers["track"].configured()  # the settings changed
        await pipeline.until(lambda: pipeline.engine._running["pendo"].workers["track"]._probe_at > 0)
        assert await counts(pipeline) == before
    async with Pipeline(tmp_path, lambda call: OK, settings) as pipeline:
        worker = pipeline.engine._running["pendo"].workers["track"]
        assert worker.blocked is not None
        assert await counts(pipeline) == before
        assert await pipeline.engine.resume("pendo", "metadata") == []
        assert await pipeline.engine.resume("pendo") == ["track"]
        await pipeline.until(lambda: len(pipeline.sent) == before["waiting:track"])
        assert worker.blocked is None
        assert [state for _, _, state in pipeline.watcher.channel_states] == [None]
        assert not pipeline.store._database.connection.execute("SELECT 1 FROM channels").fetchall()
        assert await pipeline.engine.resume("pendo") == []


async def test_resumed_too_early_it_blocks_again(tmp_path):
    """Resumed while the cause is still there, it stops again after another 200 answers."""
    async with Pipeline(
        tmp_path, lambda call: Reply(400, {}, b"no", 1), workspace(settings={"concurrency": 4})
    ) as pipeline:
        await refusing(pipeline, 1_000)
        await pipeline.until(lambda: len(pipeline.watcher.channel_states) == 1)
        await pipeline.engine.resume("pendo")
        await pipeline.until(lambda: len(pipeline.watcher.channel_states) == 3)
        await pipeline.until(lambda: not pipeline.engine._running["pendo"].workers["track"]._lanes)
        assert (await counts(pipeline))["rejected"] <= 2 * (REFUSED_OF_LAST + 4)
