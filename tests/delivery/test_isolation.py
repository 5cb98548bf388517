"""The trouble of one destination stays its own, that of one person too; and who answers nobody is asked less."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest

from sternpost.limits import AILING_AFTER, AILING_LANES, AILING_PAUSE_S
from sternpost.model import Delivered, Reply, Retry, Skipped

from .pipeline import OK, Pipeline, workspace

FAILED = Reply(500, {}, b"", 1)


def track(user: str, number: int = 0):
    return {"type": "track", "userId": user, "event": "E", "properties": {"number": number}}


def ended(pipeline: Pipeline, how: type) -> int:
    return sum(isinstance(outcomes[-1], how) for outcomes in pipeline.watcher.outcomes.values())


def delivered(pipeline: Pipeline, destination: str) -> int:
    return sum(
        isinstance(outcomes[-1], Delivered)
        for (name, _), outcomes in pipeline.watcher.outcomes.items()
        if name == destination
    )


async def test_four_destinations_in_trouble_keep_nothing_from_the_others(tmp_path):
    """One hangs, one fails, one refuses its key, one says "not so fast": the others get everything while the hanging one still holds its
    first requests, and never more than its concurrency.
    """
    never = asyncio.Event()
    open_now: Counter[str] = Counter()
    most: Counter[str] = Counter()

    async def answer(call):
        name = str(urlsplit(call.url).hostname).removesuffix(".test")
        open_now[name] += 1
        most[name] = max(most[name], open_now[name])
        try:
            if name == "hangs":
                await never.wait()
            return {"fails": FAILED, "refuses": Reply(403, {}, b"", 1), "slows": Reply(429, {}, b"", 1)}.get(
                name, OK
            )
        finally:
            open_now[name] -= 1

    well = ("one", "two", "three", "four")
    trouble = ("hangs", "fails", "refuses", "slows")
    hooks: dict[str, Any] = {name: {"concurrency": 4} for name in (*trouble, *well)}
    settings = workspace(**hooks)
    async with Pipeline(tmp_path, answer, settings) as pipeline:
        for number in range(5):
            await pipeline.send(*(track(f"u{person}", number) for person in range(100)))
        for name in well:
            await pipeline.until(lambda: delivered(pipeline, name) == 500)
        await pipeline.until(lambda: open_now["hangs"] == 4)
        assert most["hangs"] == 4
        assert all(most[name] <= 4 for name in (*well, *trouble))
        assert all(delivered(pipeline, name) == 0 for name in trouble)
        never.set()


async def test_errors_of_some_people_delay_nobody_else(tmp_path):
    """Of 1,000 people 10 get errors: every event of the others is delivered, in order, while theirs are still tried again."""
    failing = {f"u{number}" for number in range(10)}

    def answer(call):
        return FAILED if any(f'"userId":"{user}"'.encode() in call.body for user in failing) else OK

    async with Pipeline(tmp_path, answer, workspace(hook={}), random=lambda: 1.0) as pipeline:
        seqs: dict[str, list[int]] = {}
        for number in range(2):
            people = [f"u{person}" for person in range(1_000)]
            for person, seq in zip(
                people, await pipeline.send(*(track(person, number) for person in people)), strict=True
            ):
                seqs.setdefault(person, []).append(seq)
        await pipeline.until(lambda: delivered(pipeline, "hook") == 2 * 990)
        for person in failing:
            assert isinstance(pipeline.last("hook", seqs[person][0]), Retry)
            assert pipeline.last("hook", seqs[person][1]) is None, "it stands behind the first"


async def test_a_destination_that_answers_nothing_is_only_looked_at(tmp_path):
    """After so many failures in a row few lanes are tried, and more only after a pause; the first answer sets everything going."""
    now = [1_000.0]
    well = False

    def answer(call):
        return OK if well else FAILED

    pipeline = Pipeline(tmp_path, answer, workspace(hook={"concurrency": 4}), clock=lambda: now[0])
    async with pipeline:
        await pipeline.send(*(track(f"u{person}") for person in range(200)))
        tried = await pipeline.until(lambda: len(pipeline.sent) >= AILING_AFTER and at_rest(pipeline))
        assert tried <= AILING_AFTER + 8 + AILING_LANES  # 8: lanes that were in hand when it was noticed
        # The clock stands still, so the pause does not end; nothing more is asked, whatever comes.
        await pipeline.send(*(track(f"u{person}", 1) for person in range(200)))
        assert at_rest(pipeline) == tried
        now[0] += AILING_PAUSE_S
        again = await pipeline.until(lambda: len(pipeline.sent) > tried and at_rest(pipeline))
        assert again <= tried + AILING_LANES
        assert pipeline.engine.silent_since("hook") == 1_000.0
        well = True
        now[0] += 400
        await pipeline.until(lambda: delivered(pipeline, "hook") == 400)
        assert pipeline.engine.silent_since("hook") is None


async def test_whoever_comes_last_does_not_stand_behind_all_that_fail(tmp_path):
    """While the tries of many people fail, somebody new whose events go through is among the next that are tried."""
    now = [1_000.0]

    def answer(call):
        return OK if b'"userId":"new"' in call.body else FAILED

    pipeline = Pipeline(tmp_path, answer, workspace(hook={"concurrency": 4}), clock=lambda: now[0])
    async with pipeline:
        await pipeline.send(*(track(f"u{person}") for person in range(200)))
        tried = await pipeline.until(lambda: len(pipeline.sent) >= AILING_AFTER and at_rest(pipeline))
        now[0] += 0.01
        [new] = await pipeline.send(track("new"))
        for _ in range(2):
            now[0] += AILING_PAUSE_S
            tried = await pipeline.until(lambda: at_rest(pipeline, beyond=tried))
            if pipeline.last("hook", new) is not None:
                break
        assert isinstance(pipeline.last("hook", new), Delivered)


@pytest.mark.parametrize("how", ["off", "connected no more"])
async def test_what_rules_end_does_not_wait_for_a_destination_that_answers_nothing(tmp_path, how):
    """Once it is switched off, or connected no more, no request will ever tell that it answers again: what waits for it is skipped at once,
    as ever.
    """
    now = [1_000.0]
    settings = workspace(hook={"concurrency": 4})
    pipeline = Pipeline(tmp_path, lambda call: FAILED, settings, clock=lambda: now[0])
    async with pipeline:
        await pipeline.send(*(track(f"u{person}") for person in range(200)))
        await pipeline.until(lambda: len(pipeline.sent) >= AILING_AFTER and at_rest(pipeline))
        off = {"hook": replace(settings.destinations["hook"], enabled=False)}
        pipeline.settings = replace(
            settings, **({"destinations": off} if how == "off" else {"connections": ()})
        )
        now[0] += 400  # longer than anybody backs off; from here on the clock stands still
        await pipeline.engine.apply()
        await pipeline.until(lambda: ended(pipeline, Skipped) == 200)


async def test_nobody_waits_for_metadata_that_cannot_be_tried(tmp_path):
    """A track event waits for the first try of its person's metadata (rule G3). While the metadata channel is only looked at, that try may be
    hours away, and the track channel's requests go through: it waits no longer.
    """
    now = [1_000.0]

    def answer(call):
        return OK if str(call.url).startswith("http://data.test") else FAILED

    settings = workspace(settings={})
    pipeline = Pipeline(tmp_path, answer, settings, clock=lambda: now[0])
    async with pipeline:
        number = 0
        while pipeline.engine.silent_since("pendo") is None:
            number += 1
            assert number < 200
            tried = len(pipeline.sent)
            await pipeline.send({"type": "identify", "userId": f"u{number}", "traits": {"plan": "x"}})
            await pipeline.until(lambda: len(pipeline.sent) > tried)
            now[0] += 0.5
        people = [f"new{person}" for person in range(50)]
        await pipeline.send(
            *({"type": "identify", "userId": user, "traits": {"plan": "x"}} for user in people)
        )
        await pipeline.send(*(track(user) for user in people))
        # The clock stands still: of these people's metadata four at most are tried.
        await pipeline.until(lambda: ended(pipeline, Delivered) == 50)


def at_rest(pipeline: Pipeline, *, beyond: int = 0) -> int:
    """How many requests were made; 0 while one is on its way, or when there are not more than `beyond`."""
    ended = sum(len(outcomes) for outcomes in pipeline.watcher.outcomes.values())
    return ended if ended == len(pipeline.sent) > beyond else 0
