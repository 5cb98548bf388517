"""What travels together is told apart again: defects that the simulation found (tests/sim), each as its smallest case."""

from __future__ import annotations

import asyncio
import json

from sternpost.model import Delivered, Rejected, Reply, Retry

from .pipeline import Pipeline, workspace


def identify(user: str, anonymous: str = "", **traits):
    return {"type": "identify", "userId": user, "anonymousId": anonymous, "traits": traits}


def group(user: str, account: str, **traits):
    return {"type": "group", "userId": user, "groupId": account, "traits": traits}


def report(call, **more) -> Reply:
    items = json.loads(call.body)
    return Reply(
        200, {}, json.dumps({"total": len(items), "updated": len(items), "failed": 0, **more}).encode(), 1
    )


async def test_a_split_batch_gives_each_event_its_own_result(tmp_path):
    """Halves keep what concerns one visitor together, which changes the order of the parts; the results take it back."""

    def answer(call):
        ids = {item["visitorId"] for item in json.loads(call.body)}
        if "bad" not in ids:
            return report(call)
        return Reply(400, {}, b"no", 1)

    async with Pipeline(tmp_path, answer, workspace(settings={})) as pipeline:
        # Two devices of one user around somebody else: the parts are bad, good, bad.
        seqs = await pipeline.send(
            identify("bad", "phone", a=1), identify("good", a=2), identify("bad", "laptop", a=3)
        )
        outcomes = [await pipeline.outcome("pendo", seq) for seq in seqs]
        assert [type(outcome) for outcome in outcomes] == [Rejected, Delivered, Rejected]


async def test_what_is_given_up_in_a_batch_does_not_let_later_events_overtake_its_neighbours(tmp_path):
    """Of two events of one lane in one request the first is given up; the second backs off, and what is behind it waits."""
    clock = {"now": 1_800_000_000.0}
    sent: list[list[str]] = []
    well = {"now": False}

    def answer(call):
        sent.append(sorted(name for item in json.loads(call.body) for name in item["values"]))
        return report(call) if well["now"] else Reply(503, {}, b"", 1)

    async with Pipeline(
        tmp_path,
        answer,
        workspace(settings={}),
        give_up_s=10.0,
        clock=lambda: clock["now"],
        random=lambda: 1.0,
    ) as pipeline:
        (first,) = await pipeline.send(identify("u1", first=1))
        await pipeline.until(lambda: isinstance(pipeline.last("pendo", first), Retry))
        second, third = await pipeline.send(identify("u1", second=1), group("u1", "g1", third=1))
        clock["now"] += 11.0
        pipeline.engine.wake([("pendo", "metadata", 0.0)])
        assert isinstance(await pipeline.outcome("pendo", first), Rejected)
        await pipeline.until(lambda: isinstance(pipeline.last("pendo", second), Retry))
        # Whoever comes later is claimed and tried; what stands behind the second is not.
        await pipeline.send(identify("u2", other=1))
        await pipeline.until(lambda: any("other" in names for names in sent))
        assert not any("third" in names for names in sent)
        well["now"] = True
        clock["now"] += 11.0
        pipeline.engine.wake([("pendo", "metadata", 0.0)])
        for seq in (second, third):
            assert isinstance(await pipeline.outcome("pendo", seq), Delivered)
        assert [names for names in sent if names in (["second"], ["third"])][-2:] == [["second"], ["third"]]


async def test_an_id_that_was_busy_under_other_settings_is_sent_when_it_is_free(tmp_path):
    """createMissing changes while a visitor's request is on its way: the next one goes by another key and must not be forgotten."""
    release = asyncio.Event()
    waits = {"now": True}

    async def slow(call):
        if waits["now"]:
            await release.wait()
        return report(call)

    async with Pipeline(tmp_path, slow, workspace(settings={})) as pipeline:
        (first,) = await pipeline.send(identify("u1", "phone", a=1))
        await pipeline.until(lambda: pipeline.sent)
        pipeline.settings = workspace(settings={"createMissing": False})
        await pipeline.engine.apply()
        (second,) = await pipeline.send(identify("u1", "laptop", a=2))
        await pipeline.send(identify("u2", "tablet", a=3))
        await pipeline.until(lambda: len(pipeline.sent) == 2)
        # Never the same id in two requests at once (rule G3): the one that goes out is of somebody else.
        assert [b"u1" in sent.call.body for sent in pipeline.sent] == [True, False]
        waits["now"] = False
        release.set()
        assert isinstance(await pipeline.outcome("pendo", first), Delivered)
        assert isinstance(await pipeline.outcome("pendo", second), Delivered)
