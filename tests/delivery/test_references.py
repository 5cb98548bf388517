"""What a destination has to be asked before an event can be sent: that it cannot be read is told like any other try."""

from __future__ import annotations

import json
import time

from sternpost.model import Delivered, Rejected, Reply, Retry
from sternpost.store.views import Views

from .pipeline import Pipeline, workspace

GROUP = {"type": "group", "userId": "ada", "groupId": "acme", "traits": {"plan": "pro"}}


async def test_an_event_that_was_given_up_because_of_the_schema_tells_what_was_asked(tmp_path):
    """Pendo's schema could not be read for as long as an event is tried: its fate shows each request, its time and its answer."""
    ahead = [0.0]

    def answer(call):
        ahead[0] += 10.0
        return Reply(503, {}, b"down for maintenance", 7)

    settings = workspace(settings={"metadataGroup": "custom"})
    async with Pipeline(
        tmp_path, answer, settings, give_up_s=15.0, clock=lambda: time.time() + ahead[0]
    ) as pipeline:
        [seq] = await pipeline.send({**GROUP, "messageId": "m"})
        outcome = await pipeline.outcome("pendo", seq)
        assert isinstance(outcome, Rejected)
        assert outcome.reason == "gave_up"
        views = Views(tmp_path / "store.db")
        [kept] = (await views.by_seqs([seq], tries=True)).kept
        tries = kept.standings[0].tries
        views.close()
    assert len(tries) == kept.standings[0].attempts >= 2
    for record in tries:
        assert record["request"]["url"].startswith("http://api.test/api/v1/metadata/schema/visitor")
        assert record["reply"] == {"status": 503, "headers": {}, "body": "down for maintenance"}
    assert [record["at"] for record in tries] == sorted(record["at"] for record in tries)


async def test_a_schema_that_did_not_answer_makes_no_event_count_twice(tmp_path):
    """The event itself was not sent, so once delivered it is not said to count twice there."""
    lost = [1]

    def answer(call):
        if call.method == "GET":
            if lost[0]:
                lost[0] -= 1
                return Reply(None, {}, b"", 7, "timeout", "no answer in 20 s")
            return Reply(200, {}, json.dumps({"plan": {"Type": "string"}}).encode(), 1)
        items = json.loads(call.body)
        return Reply(
            200, {}, json.dumps({"total": len(items), "updated": len(items), "failed": 0}).encode(), 1
        )

    async with Pipeline(tmp_path, answer, workspace(settings={"metadataGroup": "custom"})) as pipeline:
        [seq] = await pipeline.send(GROUP)
        outcome = await pipeline.outcome("pendo", seq)
        assert isinstance(outcome, Delivered)
        assert [note.code for note in outcome.notes if note.code == "reply_lost_retry"] == []
        assert [type(one) for one in pipeline.watcher.outcomes["pendo", seq]] == [Retry, Delivered]
