"""Delivery behaves as the contract says: order, batches, retries, blocked channels, isolation."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime

from sternpost.model import Blocked, Delivered, Rejected, Reply, Retry, Skipped

from .pipeline import OK, Pipeline, workspace


def track(user: str, name: str, **more):
    return {"type": "track", "userId": user, "event": name, **more}


def report(call, **more) -> Reply:
    items = json.loads(call.body)
    return Reply(
        200, {}, json.dumps({"total": len(items), "updated": len(items), "failed": 0, **more}).encode(), 1
    )


def pendo(call) -> Reply:
    return report(call) if "/metadata/" in call.url else OK


async def test_the_three_documented_calls_become_the_three_documented_requests(tmp_path):
    """identify, group, track → visitor metadata, account metadata, a track event in that account (contract, sample calls)."""
    async with Pipeline(tmp_path, pendo, workspace(settings={})) as pipeline:
        seqs = await pipeline.send(
            {
                "type": "identify",
                "userId": "name123",
                "traits": {"name": "Name Surname", "createdAt": "Thu Mar 24 2020 17:46:45 GMT+0000 (UTC)"},
            },
            {
                "type": "group",
                "userId": "name123",
                "groupId": "groupId",
                "traits": {"name": "Company", "employees": 123},
            },
            track(
                "name123",
                "test track event",
                properties={"revenue": 30, "currency": "USD", "userId": "12345"},
            ),
        )
        for seq in seqs:
            assert isinstance(await pipeline.outcome("pendo", seq), Delivered)
        urls = [sent.call.url for sent in pipeline.sent]
        assert urls == [
            "http://api.test/api/v1/metadata/visitor/agent/value?create=true",
            "http://api.test/api/v1/metadata/account/agent/value?create=true",
            "http://data.test/data/track",
        ]
        assert pipeline.sent[0].json == [
            {
                "visitorId": "name123",
                "values": {"name": "Name Surname", "createdat": "2020-03-24T17:46:45.000Z"},
            }
        ]
        event = pipeline.sent[2].json
        assert (event["visitorId"], event["accountId"]) == ("name123", "groupId")
        assert event["properties"] == {"revenue": 30, "currency": "USD", "userId": "12345"}


async def test_a_failing_person_delays_only_that_person_and_keeps_the_order(tmp_path):
    """The ordering case of pipeline.json: after a 500 the later events of that user wait, other users go on."""
    failing = {"u2e1": 3}

    def answer(call):
        name = json.loads(call.body)["event"]
        if failing.get(name, 0):
            failing[name] -= 1
            return Reply(500, {}, b"", 1)
        return OK

    async with Pipeline(tmp_path, answer, workspace(hook={})) as pipeline:
        seqs = await pipeline.send(
            *[track(name[:2], name) for name in ("u1e1", "u2e1", "u1e2", "u2e2", "u1e3", "u2e3")]
        )
        for seq in seqs:
            assert isinstance(await pipeline.outcome("hook", seq), Delivered)
        names = [sent.json["event"] for sent in pipeline.sent]
        assert [name for name in names if name.startswith("u1")] == ["u1e1", "u1e2", "u1e3"]
        assert [name for name in names if name.startswith("u2")] == ["u2e1"] * 4 + ["u2e2", "u2e3"]


async def test_a_refused_key_blocks_its_channel_only_and_nothing_is_lost(tmp_path):
    """403 on track blocks the track channel; metadata goes on; a corrected setting delivers what waited."""
    secret = {"bad": True}

    def answer(call):
        if "/data/track" in call.url and secret["bad"]:
            return Reply(403, {}, b"", 1)
        return pendo(call)

    async with Pipeline(tmp_path, answer, workspace(settings={})) as pipeline:
        first, second = await pipeline.send(track("u1", "One"), track("u2", "Two"))
        await pipeline.until(lambda: pipeline.watcher.channel_states)
        assert pipeline.watcher.channel_states[0][:2] == ("pendo", "track")
        (identify,) = await pipeline.send({"type": "identify", "userId": "u1", "traits": {"a": 1}})
        assert isinstance(await pipeline.outcome("pendo", identify), Delivered)
        states = await pipeline.store.channels()
        assert [(state.channel, state.waiting, state.blocked_reason) for state in states] == [
            ("track", 2, "key_refused")
        ]
        secret["bad"] = False
        pipeline.settings = workspace(settings={"trackEventSecret": "66666666-6666-4666-8666-666666666666"})
        await pipeline.engine.apply()
        for seq in (first, second):
            assert isinstance(await pipeline.outcome("pendo", seq), Delivered)
        assert await pipeline.store.channels() == []


async def test_identifies_of_many_people_travel_together(tmp_path):
    """Metadata of many lanes share requests; while one is on its way the others gather."""
    async with Pipeline(tmp_path, pendo, workspace(settings={})) as pipeline:
        seqs = await pipeline.send(
            *[{"type": "identify", "userId": f"u{i}", "traits": {"n": i}} for i in range(500)]
        )
        for seq in seqs:
            assert isinstance(await pipeline.outcome("pendo", seq), Delivered)
        assert len(pipeline.sent) <= 3
        assert sum(len(sent.json) for sent in pipeline.sent) == 500


async def test_partial_results_are_settled_per_visitor(tmp_path):
    """A report that names one failed visitor rejects that one; the others are delivered."""

    def answer(call):
        items = json.loads(call.body)
        if any(item["visitorId"] == "bad" for item in items):
            return Reply(
                200,
                {},
                json.dumps(
                    {
                        "total": len(items),
                        "updated": len(items) - 1,
                        "failed": 1,
                        "errors": ["bad: wrong type"],
                    }
                ).encode(),
                1,
            )
        return report(call)

    async with Pipeline(tmp_path, answer, workspace(settings={})) as pipeline:
        seqs = await pipeline.send(
            *[{"type": "identify", "userId": user, "traits": {"n": 1}} for user in ("a", "bad", "c")]
        )
        outcomes = [await pipeline.outcome("pendo", seq) for seq in seqs]
        assert [type(outcome) for outcome in outcomes] == [Delivered, Rejected, Delivered]
        assert outcomes[1].reason == "value_refused_by_pendo"


async def test_a_refused_batch_is_split_until_its_owner_is_found(tmp_path):
    """400 for a batch: halves, until the one visitor that Pendo refuses stands alone."""

    def answer(call):
        items = json.loads(call.body)
        if any(item["visitorId"] == "u7" for item in items):
            return Reply(400, {}, b'{"message":"nope"}', 1)
        return report(call)

    async with Pipeline(tmp_path, answer, workspace(settings={})) as pipeline:
        seqs = await pipeline.send(
            *[{"type": "identify", "userId": f"u{i}", "traits": {"n": 1}} for i in range(16)]
        )
        outcomes = [await pipeline.outcome("pendo", seq) for seq in seqs]
        assert [i for i, outcome in enumerate(outcomes) if isinstance(outcome, Rejected)] == [7]
        assert outcomes[7].reason == "refused_by_destination"


async def test_a_hanging_destination_slows_no_other(tmp_path):
    """One destination never answers; the other delivers everything meanwhile."""
    forever = asyncio.Event()

    async def hang(call):
        await forever.wait()
        return OK

    async with Pipeline(
        tmp_path, lambda call: hang(call) if "//slow" in call.url else OK, workspace(slow={}, quick={})
    ) as pipeline:
        seqs = await pipeline.send(*[track(f"u{i}", "E") for i in range(300)])
        for seq in seqs:
            assert isinstance(await pipeline.outcome("quick", seq), Delivered)
        assert not any(key[0] == "slow" for key in pipeline.watcher.outcomes)
        forever.set()


async def test_what_was_tried_too_long_becomes_a_dead_letter(tmp_path):
    """Give-up counts from the first try; before that it is retried."""
    now = [1_800_000_000.0]

    async with Pipeline(
        tmp_path,
        lambda call: Reply(503, {}, b"", 1),
        workspace(hook={}),
        clock=lambda: now[0],
        give_up_s=72 * 3600.0,
    ) as pipeline:
        (seq,) = await pipeline.send(track("u", "E"))
        assert isinstance(await pipeline.outcome("hook", seq, final=False), Retry)
        now[0] += 72 * 3600 + 1
        pipeline.engine.wake([("hook", "", now[0])])
        outcome = await pipeline.outcome("hook", seq)
        assert isinstance(outcome, Rejected)
        assert outcome.reason == "gave_up"


async def test_retry_after_is_honoured_and_429_slows_the_whole_channel(tmp_path):
    """After a 429 with Retry-After: 1 nothing is sent for a second, also for other people."""
    answers = [Reply(429, {"retry-after": "1"}, b"", 1)]

    async with Pipeline(
        tmp_path, lambda call: answers.pop() if answers else OK, workspace(hook={"concurrency": 1})
    ) as pipeline:
        seqs = await pipeline.send(track("a", "E"), track("b", "E"), track("c", "E"))
        for seq in seqs:
            assert isinstance(await pipeline.outcome("hook", seq), Delivered)
        times = [sent.at for sent in pipeline.sent]
        assert times[1] - times[0] >= 0.95


async def test_a_removed_destination_skips_what_waited(tmp_path):
    """Events of a destination that was removed end as not_connected, never silently."""
    clock = {"now": 1_800_000_000.0}
    async with Pipeline(
        tmp_path, lambda call: Reply(503, {}, b"", 1), workspace(hook={}), clock=lambda: clock["now"]
    ) as pipeline:
        (seq,) = await pipeline.send(track("u", "E"))
        await pipeline.outcome("hook", seq, final=False)
        pipeline.settings = workspace(other={})
        clock["now"] += 1  # the lane's backoff (0.02 s here) passes
        await pipeline.engine.apply()
        outcome = await pipeline.outcome("hook", seq)
        assert isinstance(outcome, Skipped)
        assert outcome.reason == "not_connected"


async def test_a_lost_reply_is_said_when_the_event_is_delivered_later(tmp_path):
    """Rule G6: a try without an answer may have counted; the delivered event says so."""
    answers = [Reply(None, {}, b"", 20_000, "timeout", "No answer within 20 s.")]

    async with Pipeline(
        tmp_path, lambda call: answers.pop() if answers else OK, workspace(settings={})
    ) as pipeline:
        (seq,) = await pipeline.send(track("u", "E", groupId="g"))
        outcome = await pipeline.outcome("pendo", seq)
        assert [note.code for note in outcome.notes] == ["reply_lost_retry"]


async def test_stopping_gives_back_what_is_held_and_a_restart_delivers_it(tmp_path, monkeypatch):
    """A polite stop loses nothing: events on their way come again, in order."""
    forever = asyncio.Event()

    async def hang(call):
        await forever.wait()
        return OK

    with monkeypatch.context() as quick:
        quick.setattr("sternpost.delivery.worker.SHUTDOWN_GRACE_S", 0.05)
        async with Pipeline(tmp_path, hang, workspace(hook={})) as pipeline:
            seqs = await pipeline.send(*[track("u", f"E{i}") for i in range(5)])
            await pipeline.until(lambda: pipeline.sent)
    async with Pipeline(tmp_path, lambda call: OK, workspace(hook={})) as pipeline:
        for seq in seqs:
            assert isinstance(await pipeline.outcome("hook", seq), Delivered)
        assert [sent.json["event"] for sent in pipeline.sent] == [f"E{i}" for i in range(5)]


async def test_web_events_take_the_order_of_the_pages_clock(tmp_path):
    """Rule G4: requests of one page that overtake each other are put right."""
    async with Pipeline(tmp_path, pendo, workspace(settings={}, source_type="web")) as pipeline:
        for second in (3, 1, 2):
            await pipeline.send(
                {
                    "type": "track",
                    "userId": "u",
                    "anonymousId": "a",
                    "event": f"E{second}",
                    "originalTimestamp": f"2026-11-23T10:00:0{second}.000Z",
                    "sentAt": f"2026-11-23T10:00:0{second}.500Z",
                }
            )
        await pipeline.until(lambda: len(pipeline.sent) == 3)
        assert [sent.json["event"] for sent in pipeline.sent] == ["E1", "E2", "E3"]


async def test_a_page_that_sends_in_order_does_not_wait(tmp_path):
    """Rule G4: its events open no window. In a lane in which others wait they do, too, and take their place by the page's clock."""

    def call(second: int) -> dict[str, object]:
        at = f"2026-11-23T10:00:0{second}"
        return {
            "type": "track",
            "userId": "u",
            "anonymousId": "a",
            "event": f"E{second}",
            "originalTimestamp": f"{at}.000Z",
            "sentAt": f"{at}.500Z",
        }

    async with Pipeline(tmp_path, pendo, workspace(settings={}, source_type="web")) as pipeline:
        await pipeline.send(call(1), call(2), in_order=True)
        assert pipeline.watcher.receipts[-1].due[0][2] <= time.time()
        await pipeline.until(lambda: len(pipeline.sent) == 2)
        await pipeline.send(call(5))
        await pipeline.send(call(3), call(4), in_order=True)
        await pipeline.until(lambda: len(pipeline.sent) == 5)
        assert [sent.json["event"] for sent in pipeline.sent] == ["E1", "E2", "E3", "E4", "E5"]


async def test_an_unauthorized_probe_keeps_the_metadata_channel_blocked(tmp_path):
    """A blocked metadata channel is probed with token/verify, and events never tried wait with it."""

    def answer(call):
        return Reply(403, {}, b"", 1)

    async with Pipeline(tmp_path, answer, workspace(settings={})) as pipeline:
        (seq,) = await pipeline.send({"type": "identify", "userId": "u", "traits": {"a": 1}})
        assert isinstance(await pipeline.outcome("pendo", seq, final=False), Blocked)
        pipeline.settings = workspace(settings={"integrationKey": "77777777-7777-4777-8777-777777777777.us"})
        await pipeline.engine.apply()
        await pipeline.until(lambda: any("token/verify" in sent.call.url for sent in pipeline.sent))
        states = await pipeline.store.channels()
        assert [(state.channel, state.blocked_reason) for state in states] == [("metadata", "key_refused")]


async def test_held_events_are_delivered_under_the_user_after_the_link(tmp_path):
    """Rule I7: anonymous events wait, and come under the userId, oldest first, with their own times."""
    hour = datetime.now(UTC).strftime("%Y-%m-%dT00:00:")
    async with Pipeline(tmp_path, pendo, workspace(settings={"anonymousVisitors": "hold"})) as pipeline:
        await pipeline.send(
            {"type": "track", "anonymousId": "a", "event": "Before 1", "timestamp": hour + "01Z"},
            {
                "type": "group",
                "anonymousId": "a",
                "groupId": "g",
                "traits": {"name": "G"},
                "timestamp": hour + "02Z",
            },
            {"type": "track", "anonymousId": "a", "event": "Before 2", "timestamp": hour + "03Z"},
        )
        await pipeline.until(lambda: pipeline.sent)
        assert [sent.call.url.split("/")[-3] for sent in pipeline.sent] == ["account"]
        await pipeline.send({"type": "identify", "anonymousId": "a", "userId": "u", "traits": {"x": 1}})
        await pipeline.until(lambda: len(pipeline.sent) == 4)
        tracks = [sent.json for sent in pipeline.sent if "/data/track" in sent.call.url]
        assert [(event["event"], event["visitorId"], event.get("accountId")) for event in tracks] == [
            ("Before 1", "u", None),
            ("Before 2", "u", "g"),
        ]


async def test_the_pause_that_a_destination_asked_for_outlives_new_connections(tmp_path):
    """Another `concurrency` brings another HTTP client; the destination asked for its pause all the same (found by tests/sim)."""
    asked = Reply(429, {"retry-after": "3600"}, b"", 1)
    async with Pipeline(tmp_path, lambda call: asked, workspace(hook={})) as pipeline:
        (first,) = await pipeline.send(track("u1", "One"))
        await pipeline.until(lambda: isinstance(pipeline.last("hook", first), Retry))
        paused = pipeline.engine._running["hook"].desk
        pipeline.settings = workspace(hook={"concurrency": 3})
        await pipeline.engine.apply()
        desk = pipeline.engine._running["hook"].desk
        assert desk is not paused
        assert desk.pacer.paused_until == paused.pacer.paused_until > pipeline.clock()
