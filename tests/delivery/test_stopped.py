"""People who are stopped: their events are accepted and end as skipped."""

from __future__ import annotations

from sternpost.model import Skipped
from tests.delivery.pipeline import Pipeline, workspace


async def test_stopped_people_are_skipped(tmp_path):
    """An event of a stopped person ends as suppressed_person without a request, also one that was held and then linked; others go on."""
    stopped = {"ann", "a-ann"}
    settings = workspace(settings={"anonymousVisitors": "hold"})
    pipeline = Pipeline(tmp_path, settings=settings)
    pipeline.stopped = lambda event, user_id: (event.user_id or user_id or event.anonymous_id) in stopped
    async with pipeline:
        held, first, other = await pipeline.send(
            {"type": "track", "event": "E", "anonymousId": "b-ann"},
            {"type": "track", "event": "E", "userId": "ann"},
            {"type": "track", "event": "E", "userId": "bob"},
        )
        [link] = await pipeline.send({"type": "identify", "userId": "ann", "anonymousId": "b-ann"})
        for seq in (first, held, link):
            assert await pipeline.outcome("pendo", seq) == Skipped("suppressed_person")
        await pipeline.outcome("pendo", other)
        assert [sent.json["visitorId"] for sent in pipeline.sent if "visitorId" in (sent.json or {})] == [
            "bob"
        ]
