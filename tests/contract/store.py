"""The store's contract: every promise of `sternpost.store.base`, each as one check whose docstring states it.

A promise gets a `Lab`: a fresh store, a clock of its own, and eyes for the rows. After each promise the lab checks that every event is in
exactly one place and that counters and lanes equal the rows. `test_store.py` runs all promises for every engine, and
`test_faults.py` runs them against stores that were broken on purpose.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from msgspec.structs import replace

from sternpost import limits
from sternpost.errors import StoreFull, StoreUnavailable
from sternpost.limits import (
    GATE_RECHECK_S,
    HOLD_MAX_EVENTS,
    LANE_IDLE_S,
    LINKS_PER_ANONYMOUS_MAX,
    MEMBERSHIPS_PER_PERSON_MAX,
    PROFILE_KEPT_DAYS,
)
from sternpost.model import Blocked, LaneKey, Retry, Route, Run, Settled, Settlement
from sternpost.person import membership_at
from sternpost.store.base import NewReplay, Replay, Replayed

from .lab import (
    AGAIN,
    DAY_S,
    DEAD,
    DONE,
    GATE,
    GATED,
    HOLD,
    LEASE_S,
    META,
    NOW,
    SKIP,
    TRACK,
    WINDOW,
    Lab,
    alias,
    entry,
    group,
    identify,
    names_of,
)

Promise = Callable[[Lab], Awaitable[None]]
PROMISES: dict[str, Promise] = {}

LATE_HOLD = replace(HOLD, hold_s=30 * DAY_S)


def promise(check: Promise) -> Promise:
    PROMISES[check.__name__] = check
    return check


# --- accept -----------------------------------------------------------------------------------------------------------


@promise
async def accepted_is_kept(lab: Lab) -> None:
    """When accept returns, every other process sees the event with all that was said about it, and so does the next start."""
    accepted = entry("m1", anon="a1", at=1, page=2, kind="page", body=b'{"x": "\xc3\xa9"}')
    receipt = await lab.accept(accepted)
    assert lab.rows("SELECT count(*) FROM events") == [(1,)]
    assert (receipt.stored, receipt.duplicates, len(receipt.seqs)) == (1, 0, 1)
    lab.reopen()
    run = await lab.one()
    assert run.events[0].event == replace(accepted.event, seq=receipt.seqs[0])
    assert run.key == LaneKey("pendo", "track", accepted.event.lane)


@promise
async def all_or_nothing(lab: Lab) -> None:
    """When one event of a list cannot be kept, nothing of the list is; what others accept at the same moment is."""
    impossible = entry("bad")
    impossible = replace(impossible, event=replace(impossible.event, at_ms=2**80))
    results = await asyncio.gather(
        lab.accept(entry("before")),
        lab.accept(entry("good", user="bob"), impossible),
        lab.accept(entry("after")),
        return_exceptions=True,
    )
    assert [isinstance(result, Exception) for result in results] == [False, True, False]
    assert lab.fate("good") == "unknown"
    assert await lab.deliver() == ["before", "after"]


@promise
async def nothing_is_ignored_silently(lab: Lab) -> None:
    """An event that the tables refuse raises; it is never taken for a duplicate and answered with success."""
    broken = entry("m1")
    broken = replace(broken, event=replace(broken.event, received_at=None))  # type: ignore[arg-type]
    with pytest.raises(Exception, match="NOT NULL"):
        await lab.accept(broken)


@promise
async def duplicates_are_ignored_and_counted(lab: Lab) -> None:
    """A known (source, messageId) is ignored: in the same list, later, after delivery and after a restart; the first body wins."""
    receipt = await lab.accept(
        entry("m1", body=b"first"), entry("m1", body=b"second"), entry("m2", body=b"other")
    )
    assert (receipt.stored, receipt.duplicates) == (2, 1)
    assert receipt.seqs[1] == 0 < receipt.seqs[0] < receipt.seqs[2]
    assert (await lab.accept(entry("m1", user="bob"))).duplicates == 1
    run = await lab.one()
    assert [waiting.event.body for waiting in run.events] == [b"first", b"other"]
    await lab.settle(run, DONE)
    lab.reopen()
    receipt = await lab.accept(entry("m1"))
    assert (receipt.stored, receipt.duplicates, receipt.due) == (0, 1, ())
    assert lab.counters("s:web") == {"received": 2, "duplicates": 3}
    await lab.none()


@promise
async def ids_belong_to_their_source(lab: Lab) -> None:
    """The same messageId at another source is another event."""
    await lab.accept(entry("m1", source="web"), entry("m1", source="backend"))
    run = await lab.one()
    assert [waiting.event.source_id for waiting in run.events] == ["web", "backend"]


@promise
async def many_at_once(lab: Lab) -> None:
    """Ten thousand events in one accept are ten thousand events, in order."""
    receipt = await lab.accept(*(entry(f"m{i}", user=f"u{i % 10}") for i in range(10_000)))
    assert receipt.stored == 10_000
    assert list(receipt.seqs) == sorted(set(receipt.seqs))
    runs = (await lab.claim(run_max=10_000)).runs
    assert sorted(len(run.events) for run in runs) == [1_000] * 10
    assert all([w.event.seq for w in run.events] == sorted(w.event.seq for w in run.events) for run in runs)


@promise
async def hostile_ids(lab: Lab) -> None:
    """Ids of any length and content are kept apart: a megabyte, NUL, an id that looks like a digest of ours."""
    long = "x" * 1_000_000
    texts = [
        long,
        long + "y",
        "nul\0a",
        "nul\0b",
        "new\nline",
        "\u202e",
        " ",
        "",
        "'; DROP TABLE events; --",
        "💥",
    ]
    for text in texts:
        await lab.accept(entry(text, user="u" + text, anon=text))
        assert (await lab.accept(entry(text, user="u" + text, anon=text))).duplicates == 1
    digests = [key for (key,) in lab.rows("SELECT message_key FROM events WHERE message_id IS NOT NULL")]
    assert digests
    receipt = await lab.accept(*(entry(digest, user=digest) for digest in digests))
    assert receipt.stored == len(digests), "an id that looks like a digest was taken for another's"
    runs = (await lab.claim()).runs
    found = {w.event.message_id: w.event for run in runs for w in run.events}
    assert set(found) == {*texts, *digests}
    assert all(found[text].user_id == "u" + text and found[text].anonymous_id == text for text in texts)
    assert len(runs) == len(texts) + len(digests), "two people share a lane"


@promise
async def half_surrogates_are_mended(lab: Lab) -> None:
    """Text that UTF-8 cannot write breaks nothing: half a surrogate pair is kept as U+FFFD, a pair as its character."""
    half = "a\ud800b"
    await lab.accept(
        entry(half, user=half, anon=half, kind=half),
        replace(group("g", half, user=half, parents={half: half}), link=identify("", half, half).link),
    )
    assert (await lab.accept(entry(half))).duplicates == 1
    await lab.accept(entry("pair", user="\ud83d\ude00"))
    events = {w.event.message_id: w for run in (await lab.claim()).runs for w in run.events}
    assert set(events) == {"a�b", "pair"}
    assert events["a�b"].event.user_id == events["a�b"].event.anonymous_id == "a�b"
    assert [m.group_id for m in events["a�b"].person.memberships] == ["a�b"]
    assert events["pair"].event.user_id == "😀"
    run = await lab.one("metadata")
    assert not (await lab.settle(run, Retry("timeout", "\ud800"))).lost


@promise
async def one_destination_once(lab: Lab) -> None:
    """An event goes to each destination once: of two routes to one destination the first counts, and no lane gets stuck."""
    await lab.accept(entry("m1", Route("pendo", "metadata"), Route("pendo", "track"), Route("hook", "")))
    assert await lab.deliver("metadata") == ["m1"]
    assert (await lab.none()).next_due_at is None
    assert await lab.deliver("", destination="hook") == ["m1"]


@promise
async def events_without_routes_are_kept(lab: Lab) -> None:
    """An event of a source without connections is kept and counted, and waits nowhere."""
    accepted = entry("m1")
    receipt = await lab.accept(replace(accepted, routes=()))
    assert (receipt.stored, receipt.due) == (1, ())
    assert lab.counters("s:web") == {"received": 1}


@promise
async def accept_survives_a_full_disk(lab: Lab) -> None:
    """On a full disk accept raises StoreUnavailable and keeps nothing of the list; service returns by itself."""
    await lab.accept(entry("before"))
    remedy = lab.engine.run_out_of_space(lab.store)
    refused = 0
    for i in range(20):
        try:
            await lab.accept(*(entry(f"{i}-{n}", body=b"x" * 30_000) for n in range(5)))
        except StoreUnavailable as error:
            assert not isinstance(error, StoreFull)
            refused += 1
    assert refused >= 10
    assert lab.rows("SELECT (count(*) - 1) % 5 FROM events") == [(0,)]
    lab.check()
    remedy()
    assert (await lab.accept(entry("after"))).stored == 1
    sent = await lab.deliver()
    assert (sent[0], sent[-1]) == ("before", "after")


@promise
async def accept_wakes_who_must_act(lab: Lab) -> None:
    """The receipt names each (destination, channel) that got something to do, with the earliest time."""
    receipt = await lab.accept(
        entry("m1", GATE, Route("hook", "")), entry("m2", WINDOW, user="bob"), entry("m3", TRACK, user="eve")
    )
    assert sorted(receipt.due) == [
        ("hook", "", lab.now),
        ("pendo", "metadata", lab.now),
        ("pendo", "track", lab.now),
    ]
    receipt = await lab.accept(entry("m4", replace(WINDOW, channel="slow"), user="bob"))
    assert receipt.due == (("pendo", "slow", lab.now + 0.3),)
    assert (await lab.accept(entry("m5", HOLD, anon="a"))).due == ()


# --- claim and settle -------------------------------------------------------------------------------------------------


@promise
async def order_within_a_lane(lab: Lab) -> None:
    """A lane is handed out in the order of acceptance, whatever the events' own clocks say."""
    await lab.accept(entry("m1", at=9), entry("m2", at=5))
    await lab.accept(entry("m3", at=7))
    await lab.accept(entry("m4", at=1))
    assert names_of(await lab.one(run_max=2)) == ["m1", "m2"]
    lab.now += LEASE_S + 1
    assert await lab.deliver(run_max=3) == ["m1", "m2", "m3", "m4"]


@promise
async def lanes_are_apart(lab: Lab) -> None:
    """A lane is (destination, channel, person): an anonymousId and a userId of the same text are two people."""
    await lab.accept(
        entry("m0", META, user="x"),
        entry("m1", TRACK, user="x"),
        entry("m2", TRACK, Route("hook", "track"), anon="x"),
        entry("m3", TRACK, user="y", anon="x"),
    )
    runs = (await lab.claim()).runs
    assert sorted(names_of(run) for run in runs) == [["m1"], ["m2", "m3"]]
    assert names_of(await lab.one("metadata")) == ["m0"]
    assert names_of(await lab.one(destination="hook")) == ["m2"]


@promise
async def no_younger_event_before_its_head(lab: Lab) -> None:
    """While a lane's head is leased or backing off, nobody gets a younger event of that lane; other lanes go on."""
    await lab.accept(entry("m1"))
    run = await lab.one()
    await lab.accept(entry("m2"), entry("n1", user="bob"))
    assert names_of(await lab.one()) == ["n1"]
    await lab.settle(run, AGAIN, ready_at=lab.now + 20, backing_off=True)
    await lab.accept(entry("m3"))
    await lab.none()
    lab.now += 20
    assert names_of(await lab.one()) == ["m1", "m2", "m3"]


@promise
async def a_lease_is_exclusive(lab: Lab) -> None:
    """What is claimed is handed to nobody else, in this process or another, until the lease has passed; then the same again."""
    await lab.accept(entry("m1"), entry("m2"))
    first = await lab.one()
    other = lab.another()
    lab.now += LEASE_S - 0.1
    await lab.none()
    await lab.none(store=other)
    lab.now += 0.2
    second = await lab.one(store=other)
    assert names_of(second) == names_of(first) == ["m1", "m2"]
    assert second.lease != first.lease
    await lab.none()


@promise
async def a_crash_needs_no_recovery(lab: Lab) -> None:
    """After a restart in the middle of a lease the lane is handed out again once the lease has passed, not before."""
    await lab.accept(entry("m1"))
    await lab.one()
    lab.reopen()
    claimed = await lab.none()
    assert claimed.next_due_at == lab.now + LEASE_S
    lab.now += LEASE_S
    assert names_of(await lab.one()) == ["m1"]


@promise
async def a_zombie_changes_nothing(lab: Lab) -> None:
    """A settlement whose lane was leased to another since is lost: it says so, and neither outcome nor lease changes."""
    await lab.accept(entry("m1"), entry("m2"))
    zombie = await lab.one()
    lab.now += LEASE_S + 1
    alive = await lab.one()
    settling = await lab.settle(zombie, DEAD)
    assert settling.lost == (zombie.key,)
    assert settling.due == ()
    assert lab.fate("m1") == "waiting"
    lab.check()
    await lab.none()
    assert not (await lab.settle(alive, DONE)).lost
    assert (await lab.settle(zombie, DEAD)).lost == (zombie.key,)
    assert lab.fate("m1") == lab.fate("m2") == "delivered"


@promise
async def a_late_settlement_counts_when_nobody_else_came(lab: Lab) -> None:
    """A worker whose lease has passed may still settle as long as nobody claimed the lane: what was sent is not sent twice."""
    await lab.accept(entry("m1"))
    run = await lab.one()
    lab.now += LEASE_S * 10
    assert not (await lab.settle(run, DONE)).lost
    await lab.none()


@promise
async def settled_is_final(lab: Lab) -> None:
    """Delivered, skipped and rejected events never come back by themselves, and are counted with their reasons."""
    await lab.accept(*(entry(f"m{i}") for i in range(4)))
    run = await lab.one()
    assert not (await lab.settle(run, DONE, SKIP, DEAD)).lost
    assert [lab.fate(f"m{i}") for i in range(4)] == [
        "delivered",
        "skipped:anonymous",
        "rejected:bad_id",
        "waiting",
    ]
    assert lab.counters() == {
        "delivered": 1,
        "skipped": 1,
        "skipped:anonymous": 1,
        "rejected": 1,
        "rejected:bad_id": 1,
        "waiting:track": 1,
    }
    lab.reopen()
    assert await lab.deliver() == ["m3"]
    lab.now += LEASE_S * 100
    assert (await lab.none()).next_due_at is None


@promise
async def settling_part_of_a_run(lab: Lab) -> None:
    """With release=False the outcomes count and the lane stays leased (and the lease is renewed); with release it goes back."""
    await lab.accept(entry("m1"), entry("m2"), entry("m3"))
    run = await lab.one()
    lab.now += LEASE_S - 1
    await lab.settle(replace(run, events=run.events[:1]), DONE, release=False)
    assert lab.counters() == {"delivered": 1, "waiting:track": 2}
    lab.now += limits.LEASE_S - 1
    await lab.none()
    rest = replace(run, events=run.events[1:2])
    settling = await lab.settle(rest, DONE)
    assert settling.due == (("pendo", "track", lab.now),)
    assert names_of(await lab.one()) == ["m3"]


@promise
async def a_lane_settled_to_the_end_stays_leased_until_released(lab: Lab) -> None:
    """When all of a leased run is settled with release=False, a new event of that lane waits for the release or the lease's end."""
    await lab.accept(entry("m1"))
    run = await lab.one()
    await lab.settle(run, DONE, release=False)
    await lab.accept(entry("m2"))
    await lab.none()
    settling = await lab.settle(replace(run, events=()), DONE)
    assert not settling.lost
    assert settling.due == (("pendo", "track", lab.now),)
    run = await lab.one()
    await lab.settle(run, DONE, release=False)
    lab.now += LEASE_S + limits.LEASE_S
    await lab.accept(entry("m3"))
    assert names_of(await lab.one()) == ["m3"]


@promise
async def leases_can_be_renewed(lab: Lab) -> None:
    """renew extends a lease that is still held; for a lane that another holds by now it changes nothing."""
    await lab.accept(entry("m1"))
    run = await lab.one()
    lab.now += LEASE_S - 1
    await lab.store.renew([(run.key, run.lease)], now=lab.now, lease_s=LEASE_S)
    lab.now += LEASE_S - 1
    await lab.none()
    lab.now += 2
    other = await lab.one(lease_s=10)
    await lab.store.renew([(run.key, run.lease)], now=lab.now, lease_s=LEASE_S)
    lab.now += 10
    assert names_of(await lab.one()) == names_of(other)


@promise
async def retry_keeps_the_lane_waiting(lab: Lab) -> None:
    """After Retry with ready_at the lane waits until then with everything behind its head; tries and parts are remembered."""
    await lab.accept(entry("m1"), entry("m2"), entry("n1", user="bob"))
    runs = {run.key.lane: run for run in (await lab.claim()).runs}
    await lab.settle(runs["u:bob"], DONE)
    run = runs["u:ann"]
    until = lab.now + 30
    settled = [Settled(run.events[0].event.seq, AGAIN, lab.now, parts_done=2, reply_lost=True)]
    settling = await lab.store.settle(
        [Settlement(run.key, run.lease, settled, ready_at=until, backing_off=True)], now=lab.now
    )
    assert settling.due == (("pendo", "track", until),)
    assert lab.counters() == {"delivered": 1, "waiting:track": 2, "retrying:track": 1}
    await lab.accept(entry("m3"), entry("n2", user="bob"))
    assert names_of(await lab.one()) == ["n2"]
    tried_at, lab.now = lab.now, until - 0.001
    await lab.none()
    lab.now = until
    run = await lab.one()
    assert names_of(run) == ["m1", "m2", "m3"]
    head = run.events[0]
    assert (head.attempts, head.first_attempt_at, head.parts_done) == (1, tried_at, 2)
    assert (run.events[1].attempts, run.events[1].first_attempt_at) == (0, None)
    await lab.settle(run, AGAIN, ready_at=lab.now, backing_off=True, sent=False)
    again = (await lab.one()).events[0]
    assert (again.attempts, again.first_attempt_at, again.reply_lost) == (2, tried_at, True)


@promise
async def blocked_tries_do_not_count(lab: Lab) -> None:
    """Blocked keeps the event waiting without counting a try: a refused key says nothing about the event."""
    await lab.accept(entry("m1"))
    await lab.settle(await lab.one(), Blocked("key_refused"), ready_at=lab.now + 5)
    assert lab.counters() == {"waiting:track": 1}
    lab.now += 5
    waiting = (await lab.one()).events[0]
    assert (waiting.attempts, waiting.first_attempt_at) == (0, None)


@promise
async def claims_are_bounded(lab: Lab) -> None:
    """A claim takes at most lanes_max lanes, longest due first, run_max events of each, and stops at a bound of bytes."""
    for i in range(5):
        await lab.accept(entry(f"{i}a", user=f"u{i}"), entry(f"{i}b", user=f"u{i}"))
        lab.now += 1
    claimed = await lab.claim(lanes_max=2, run_max=1)
    assert [names_of(run) for run in claimed.runs] == [["0a"], ["1a"]]
    assert claimed.next_due_at is not None
    assert claimed.next_due_at <= lab.now, "more is due at once"
    for i in range(6):
        await lab.accept(entry(f"big{i}", Route("hook", ""), user=f"b{i % 2}", body=b"x" * 10_000_000))
    seen: list[str] = []
    for _ in range(6):
        runs = (await lab.claim("", destination="hook")).runs
        assert sum(len(w.event.body) for run in runs for w in run.events) <= 42_000_000
        for run in runs:
            seen += names_of(run)
            await lab.settle(run, DONE)
    assert sorted(seen) == [f"big{i}" for i in range(6)]


@promise
async def claims_can_begin_with_the_latest(lab: Lab) -> None:
    """With latest_first the lanes that became due last come first; with backing_off_max a lane that backs off gives so many events, and
    as many as any other once its head went through.
    """
    for i in range(4):
        await lab.accept(entry(f"{i}a", user=f"u{i}"), entry(f"{i}b", user=f"u{i}"))
        lab.now += 1
    claimed = await lab.claim(lanes_max=2, latest_first=True)
    assert [names_of(run) for run in claimed.runs] == [["3a", "3b"], ["2a", "2b"]]
    for run in claimed.runs:
        await lab.settle(Run(run.key, run.lease, run.events[:1]), AGAIN, backing_off=True)
    third, second = (await lab.claim(lanes_max=2, latest_first=True, backing_off_max=1)).runs
    assert sorted([*names_of(third), *names_of(second)]) == ["2a", "3a"], "heads alone"
    await lab.settle(third, DONE)
    await lab.settle(second, DONE)
    claimed = await lab.claim(latest_first=True, backing_off_max=1)
    assert [names_of(run) for run in claimed.runs[2:]] == [["1a", "1b"], ["0a", "0b"]]
    assert sorted(names_of(run) for run in claimed.runs[:2]) == [["2b"], ["3b"]]


@promise
async def next_due_at_is_when_to_look_again(lab: Lab) -> None:
    """next_due_at: the end of the earliest back-off, lease or window; now when more is due; None when nothing waits."""
    assert (await lab.none()).next_due_at is None
    await lab.accept(entry("m1"))
    claimed = await lab.claim()
    assert claimed.next_due_at == lab.now + LEASE_S
    await lab.accept(entry("n1", WINDOW, user="bob"))
    assert (await lab.none()).next_due_at == lab.now + 0.3
    await lab.settle(claimed.runs[0], AGAIN, ready_at=lab.now + 0.2, backing_off=True)
    assert (await lab.none()).next_due_at == lab.now + 0.2
    lab.now += 1
    assert sorted(await lab.deliver()) == ["m1", "n1"]
    assert (await lab.none()).next_due_at is None


@promise
async def blocked_channels_are_remembered(lab: Lab) -> None:
    """A blocked channel is remembered over a restart with its first moment, until it is no longer."""
    await lab.store.block("pendo", "track", "key_refused", "403", now=NOW)
    await lab.store.block("pendo", "track", "key_refused", "still", now=NOW + 60)
    await lab.store.block("pendo", "metadata", "key_missing", "", now=NOW)
    await lab.store.block("pendo", "metadata", None, "", now=NOW + 1)
    lab.reopen()
    assert lab.rows("SELECT reason, detail, since FROM channels") == [("key_refused", "still", NOW)]


@promise
async def dead_letters_can_be_retried(lab: Lab) -> None:
    """A dead letter goes back into its lane at its old place, by the route it has now; one without a route stays what it is."""
    receipt = await lab.accept(entry("m1"), entry("m2"), entry("m3"), entry("n1", user="bob"))
    runs = {run.key.lane: run for run in (await lab.claim()).runs}
    await lab.settle(runs["u:ann"], DONE, DEAD)
    await lab.settle(runs["u:bob"], DEAD)
    seqs = [(receipt.seqs[1], "pendo"), (receipt.seqs[3], "pendo"), (receipt.seqs[0], "pendo")]
    again = await lab.store.retry_rejected(
        [*seqs, (10**9, "pendo"), (1, "nobody")], {seqs[0]: TRACK, seqs[2]: TRACK}, now=lab.now
    )
    assert (again.stored, again.due) == (1, (("pendo", "track", lab.now),))
    assert lab.counters() == {
        "delivered": 1,
        "waiting:track": 2,
        "rejected": 1,
        "rejected:bad_id": 1,
    }
    assert names_of(await lab.one()) == ["m2", "m3"]


@promise
async def dead_letters_can_be_discarded(lab: Lab) -> None:
    """A discarded dead letter is skipped with who and why; what is no dead letter stays as it is."""
    receipt = await lab.accept(entry("m1"), entry("m2"), entry("m3"))
    await lab.settle(await lab.one(), DONE, DEAD)
    gone = await lab.store.discard_rejected([(seq, "pendo") for seq in receipt.seqs], "by eve", now=lab.now)
    assert gone == 1
    assert [lab.fate(name) for name in ("m1", "m2", "m3")] == [
        "delivered",
        "skipped:discarded_by_operator",
        "waiting",
    ]
    assert lab.rows("SELECT more FROM outcomes WHERE state = 2") == [('{"detail": "by eve"}',)]


# --- replays ----------------------------------------------------------------------------------------------------------


async def _job(lab: Lab, *, everything: bool = True, destination: str = "pendo") -> int:
    new = NewReplay(destination, "{}", everything, 100.0, "eve", 10)
    no: int = await lab.store.add_replay(new, now=lab.now)
    return no


async def _again(
    lab: Lab, no: int, *entries: tuple[int, Route], cursor: int | None = None
) -> Replayed | None:
    """One step of a job, from where it is to the last of the events."""
    job = next(job for job in await lab.store.replays() if job.no == no)
    replayed: Replayed | None = await lab.store.replay(
        no,
        entries,
        after=job.cursor,
        cursor=cursor or max(seq for seq, _ in entries),
        looked_at=len(entries),
        now=lab.now,
    )
    return replayed


async def _stands(lab: Lab, no: int) -> Replay:
    found: Replay = next(job for job in await lab.store.replays() if job.no == no)
    return found


@promise
async def replayed_events_come_again(lab: Lab) -> None:
    """A replayed event waits again and ends again, whatever its end was; its outcome tells what it was before, the job how many ended how."""
    receipt = await lab.accept(entry("m1"), entry("m2"), entry("m3"), entry("m4", META))
    await lab.settle(await lab.one(), DONE, DEAD, SKIP)
    await lab.settle(await lab.one("metadata"), DONE)
    no = await _job(lab)
    replayed = await _again(lab, no, *((seq, TRACK) for seq in receipt.seqs[:3]))
    assert replayed is not None
    assert (replayed.queued, replayed.under_way) == (3, 0)
    assert replayed.receipt.due == (("pendo", "track", lab.now),)
    assert [lab.fate(name) for name in ("m1", "m2", "m3", "m4")] == ["waiting"] * 3 + ["delivered"]
    lab.check()
    job = await _stands(lab, no)
    assert (job.queued, job.waiting, job.cursor, job.last_seq) == (3, 3, receipt.seqs[2], receipt.seqs[3])
    lab.reopen()
    run = await lab.one()
    assert names_of(run) == ["m1", "m2", "m3"]
    await lab.settle(run, DONE, DONE, DEAD)
    assert [lab.fate(name) for name in ("m1", "m2", "m3")] == ["delivered", "delivered", "rejected:bad_id"]
    told = lab.rows(
        "SELECT json_extract(more, '$.replay.before[0]'), json_extract(more, '$.replay.before[1]') FROM outcomes LIMIT 3"
    )
    assert told == [("delivered", None), ("rejected", "bad_id"), ("skipped", "anonymous")]
    assert (await _stands(lab, no)).results == {"delivered": 2, "skipped": 0, "rejected": 1, "withdrawn": 0}
    assert (await _stands(lab, no)).waiting == 0


@promise
async def a_replay_brings_events_to_a_new_destination(lab: Lab) -> None:
    """An event may be delivered to a destination that was connected after it came; pruning takes it out of every count."""
    receipt = await lab.accept(entry("m1", Route("hook", "")))
    no = await _job(lab, everything=False, destination="late")
    assert (await _again(lab, no, (receipt.seqs[0], Route("late", "")))) is not None
    assert await lab.deliver("", destination="late") == ["m1"]
    assert await lab.deliver("", destination="hook") == ["m1"]
    lab.check()
    assert (await lab.prune(before=lab.now + 1)).events == 1
    assert lab.counters("d:late") == lab.counters("d:hook") == {}


@promise
async def replays_stand_behind_live_events(lab: Lab) -> None:
    """While there is not room for all, live lanes are handed out first, however long replayed ones are due; and a live event does not
    wait for replayed events of its person.
    """
    receipt = await lab.accept(*(entry(f"old{i}", user=f"u{i}") for i in range(3)))
    await lab.deliver()
    no = await _job(lab)
    await _again(lab, no, *((seq, TRACK) for seq in receipt.seqs))
    lab.now += 10
    await lab.accept(entry("new0", user="u0"), entry("new1", user="u1"))
    first = await lab.claim(lanes_max=2)
    assert sorted(name for run in first.runs for name in names_of(run)) == ["new0", "new1"]
    second = await lab.claim(lanes_max=2)
    assert len(second.runs) == 2
    third = await lab.claim(lanes_max=2)
    assert sorted(name for run in (*second.runs, *third.runs) for name in names_of(run)) == [
        "old0",
        "old1",
        "old2",
    ]
    for run in (*first.runs, *second.runs, *third.runs):
        assert not (await lab.settle(run, DONE)).lost
    assert (await lab.none()).next_due_at is None


@promise
async def replays_keep_the_order_of_a_person(lab: Lab) -> None:
    """Replayed events of one person go in the order of their acceptance, by the page's clock within a window, whatever step put them there."""
    receipt = await lab.accept(entry("m1"), entry("m2"), entry("m3"), entry("other", user="bob"))
    await lab.accept(
        entry("w2", WINDOW, anon="a", page=2),
        entry("w1", WINDOW, anon="a", page=1),
        entry("w3", WINDOW, anon="a", page=3),
    )
    lab.now += 1
    await lab.deliver()
    no = await _job(lab)
    await _again(lab, no, (receipt.seqs[0], TRACK))
    held = await lab.one()
    await _again(lab, no, (receipt.seqs[1], TRACK), (receipt.seqs[2], TRACK))
    assert (await lab.none()).next_due_at == lab.now + LEASE_S
    await lab.settle(held, AGAIN, ready_at=lab.now + 20, backing_off=True)
    await lab.none()
    lab.now += 20
    assert names_of(await lab.one()) == ["m1", "m2", "m3"]
    await _again(lab, no, *((seq, WINDOW) for seq in range(receipt.seqs[3] + 1, receipt.seqs[3] + 4)))
    assert names_of(await lab.one()) == ["w1", "w2", "w3"]


@promise
async def replays_gate_among_themselves(lab: Lab) -> None:
    """Rule G3 holds among replayed events, and no live event waits for the metadata of a replayed one."""
    receipt = await lab.accept(entry("id", GATE, kind="identify"), entry("tr", GATED))
    await lab.deliver("metadata")
    await lab.deliver()
    no = await _job(lab)
    await _again(lab, no, (receipt.seqs[0], GATE), (receipt.seqs[1], GATED))
    await lab.accept(entry("live", GATED))
    assert names_of(await lab.one()) == ["live"]
    await lab.none()
    settling = await lab.settle(await lab.one("metadata"), DONE)
    assert ("pendo", "track", lab.now) in settling.due
    assert names_of(await lab.one()) == ["tr"]


@promise
async def replays_leave_alone_what_is_under_way(lab: Lab) -> None:
    """What waits or is held is not queued twice, and unless a job wants everything, what was delivered is not sent again."""
    receipt = await lab.accept(entry("done"), entry("dead"), entry("waits"), entry("held", HOLD, anon="a"))
    run = await lab.one(run_max=2)
    await lab.settle(run, DONE, DEAD)
    no = await _job(lab, everything=False)
    replayed = await _again(lab, no, *((seq, TRACK) for seq in receipt.seqs), (10**6, TRACK))
    assert replayed is not None
    assert (replayed.queued, replayed.under_way) == (1, 2)
    assert [lab.fate(name) for name in ("done", "dead", "waits", "held")] == [
        "delivered",
        "waiting",
        "waiting",
        "held",
    ]
    everything = await _job(lab)
    replayed = await _again(lab, everything, *((seq, TRACK) for seq in receipt.seqs))
    assert replayed is not None
    assert (replayed.queued, replayed.under_way) == (1, 3)


@promise
async def a_replay_goes_on_where_it_was(lab: Lab) -> None:
    """A job's place moves with the events it queues: after a crash it goes on there, and whoever is elsewhere does nothing."""
    receipt = await lab.accept(*(entry(f"m{i}") for i in range(4)))
    await lab.deliver()
    no = await _job(lab)
    await _again(lab, no, *((seq, TRACK) for seq in receipt.seqs[:2]))
    lab.reopen()
    job = await _stands(lab, no)
    assert (job.cursor, job.state) == (receipt.seqs[1], "running")
    stale = await lab.store.replay(
        no, [(receipt.seqs[0], TRACK)], after=0, cursor=receipt.seqs[0], looked_at=1, now=lab.now
    )
    assert stale is None
    await lab.deliver()
    assert (await _stands(lab, no)).waiting == 0
    assert await _again(lab, no, *((seq, TRACK) for seq in receipt.seqs[2:])) is not None
    assert await lab.deliver() == ["m2", "m3"]
    assert await lab.store.change_replay(no, "done", now=lab.now)


@promise
async def replays_can_be_paused_and_cancelled(lab: Lab) -> None:
    """A paused job queues nothing; a cancelled one puts back what was not sent, with the outcome it had, and never runs again."""
    receipt = await lab.accept(entry("m1"), entry("m2"), entry("n1", user="bob"), entry("n2", user="bob"))
    runs = {run.key.lane: run for run in (await lab.claim()).runs}
    await lab.settle(runs["u:ann"], DONE, DEAD)
    await lab.settle(runs["u:bob"], SKIP, DONE)
    before = lab.rows("SELECT * FROM outcomes ORDER BY seq"), lab.counters()
    no = await _job(lab)
    assert (await lab.store.change_replay(no, "paused", now=lab.now, detail="by eve")).detail == "by eve"
    assert await _again(lab, no, (receipt.seqs[0], TRACK)) is None
    assert await lab.store.change_replay(no, "done", now=lab.now) is None
    assert (await lab.store.change_replay(no, "running", now=lab.now, rate=7.0)).rate == 7.0
    assert await _again(lab, no, *((seq, TRACK) for seq in receipt.seqs)) is not None
    [bobs] = [run for run in (await lab.claim(lanes_max=5)).runs if "bob" in run.key.lane]
    lab.now += LEASE_S - 1
    await lab.store.renew([(bobs.key, bobs.lease)], now=lab.now, lease_s=LEASE_S)
    lab.now += 2  # ann's lease has passed
    assert (await lab.store.change_replay(no, "cancelled", now=lab.now)).state == "cancelled"
    while await lab.store.withdraw_replayed(no, now=lab.now):
        pass
    assert [lab.fate(name) for name in ("m1", "m2", "n1", "n2")] == [
        "delivered",
        "rejected:bad_id",
        "waiting",
        "waiting",
    ]
    await lab.settle(bobs, DONE)
    assert (await _stands(lab, no)).results == {"delivered": 2, "skipped": 0, "rejected": 0, "withdrawn": 2}
    assert await lab.store.change_replay(no, "running", now=lab.now) is None
    assert await _again(lab, no, (receipt.seqs[0], TRACK)) is None
    again = await _job(lab)
    assert await _again(lab, again, *((seq, TRACK) for seq in receipt.seqs[:2])) is not None
    await lab.store.withdraw_replayed(again, now=lab.now)
    assert lab.rows("SELECT * FROM outcomes WHERE seq <= ? ORDER BY seq", receipt.seqs[1]) == before[0][:2]


@promise
async def replays_are_bounded(lab: Lab) -> None:
    """Only so many jobs are open at a time, and so many that have ended are remembered."""
    numbers = [await _job(lab) for _ in range(limits.REPLAYS_OPEN_MAX)]
    assert all(numbers)
    assert await _job(lab) == 0
    for number in numbers:
        assert await lab.store.change_replay(number, "cancelled", now=lab.now)
    for _ in range(limits.REPLAYS_KEPT_MAX):
        assert await lab.store.change_replay(await _job(lab), "cancelled", now=lab.now)
    jobs = await lab.store.replays()
    assert len(jobs) == limits.REPLAYS_KEPT_MAX
    assert numbers[-1] not in {job.no for job in jobs}


@promise
async def a_killed_servers_replays_are_due_at_once(lab: Lab) -> None:
    """Whoever takes over alone gets the replayed lanes of the one before at once, as live ones."""
    receipt = await lab.accept(entry("m1"))
    await lab.deliver()
    await _again(lab, await _job(lab), (receipt.seqs[0], TRACK))
    await lab.one()
    assert await lab.store.take_over(now=lab.now) == 1
    assert names_of(await lab.one()) == ["m1"]


# --- rule G4: the window ----------------------------------------------------------------------------------------------


@promise
async def a_window_orders_by_the_pages_clock(lab: Lab) -> None:
    """Events of a lane that come within the window after the first are handed out together, by the page's clock."""
    await lab.accept(entry("m3", WINDOW, anon="a", page=3))
    lab.now += 0.1
    await lab.accept(entry("m1", WINDOW, anon="a", page=1))
    lab.now += 0.1
    await lab.accept(entry("m2", WINDOW, anon="a", at=2))
    assert (await lab.none()).next_due_at == pytest.approx(NOW + 0.3)
    lab.now = NOW + 0.3
    assert names_of(await lab.one()) == ["m1", "m2", "m3"]


@promise
async def ties_in_a_window(lab: Lab) -> None:
    """At the same moment of the page: identify, then group, then the rest, then the order of acceptance; types as sent."""
    for name, kind in (("t1", "track"), ("g", "Group"), ("p", "page"), ("i", " identify "), ("t2", "track")):
        await lab.accept(entry(name, WINDOW, anon="a", page=1, kind=kind))
    lab.now += 1
    assert names_of(await lab.one()) == ["i", "g", "t1", "p", "t2"]


@promise
async def late_for_the_window(lab: Lab) -> None:
    """What comes after the window follows, even when nothing was claimed yet and the page's clock says it was earlier."""
    await lab.accept(entry("m5", WINDOW, anon="a", page=5))
    lab.now += 0.31
    await lab.accept(entry("m2", WINDOW, anon="a", page=2))
    await lab.accept(entry("m1", WINDOW, anon="a", page=1))
    assert names_of(await lab.one()) == ["m5"]
    lab.now += LEASE_S
    assert names_of(await lab.one()) == ["m5", "m1", "m2"]


@promise
async def a_claim_closes_its_window(lab: Lab) -> None:
    """What comes while a window's events are on their way is ordered among itself, behind them."""
    await lab.accept(entry("m5", WINDOW, anon="a", page=5), entry("m6", WINDOW, anon="a", page=6))
    lab.now += 0.3
    run = await lab.one(run_max=1)
    lab.now -= 0.1  # a request that took its time before the claim and was written after it
    await lab.accept(entry("m4", WINDOW, anon="a", page=4))
    lab.now += 0.1
    await lab.accept(entry("m3", WINDOW, anon="a", page=3))
    await lab.settle(run, AGAIN, ready_at=lab.now, backing_off=True)
    lab.now += 1
    assert names_of(await lab.one()) == ["m5", "m6", "m3", "m4"]


@promise
async def a_window_does_not_hold_up_what_is_before_it(lab: Lab) -> None:
    """Events before an open window are handed out while those in it wait for their neighbours."""
    await lab.accept(entry("m1", TRACK, anon="a"))
    await lab.accept(entry("m2", WINDOW, anon="a", page=2))
    run = await lab.one()
    assert names_of(run) == ["m1"]
    await lab.settle(run, DONE)
    assert (await lab.none()).next_due_at == pytest.approx(lab.now + 0.3)
    await lab.accept(entry("m0", WINDOW, anon="a", page=0))
    lab.now += 0.3
    assert names_of(await lab.one()) == ["m0", "m2"]


@promise
async def a_window_in_a_lane_that_backs_off(lab: Lab) -> None:
    """A backing-off lane keeps its time when new events come; each window keeps its own order behind the head."""
    await lab.accept(entry("m1", WINDOW, anon="a", page=1))
    lab.now += 0.3
    await lab.settle(await lab.one(), AGAIN, ready_at=lab.now + 100, backing_off=True)
    await lab.accept(entry("m4", WINDOW, anon="a", page=4))
    await lab.accept(entry("m3", WINDOW, anon="a", page=3))
    lab.now += 1
    await lab.accept(entry("m2", WINDOW, anon="a", page=2))
    assert (await lab.none()).next_due_at == pytest.approx(NOW + 100.3)
    lab.now += 100
    assert names_of(await lab.one()) == ["m1", "m3", "m4", "m2"]


@promise
async def servers_do_not_wait(lab: Lab) -> None:
    """Without a window events are due at once, in the order of acceptance."""
    await lab.accept(entry("m2", page=2), entry("m1", page=1))
    assert names_of(await lab.one()) == ["m2", "m1"]


# --- rule G3: gates ---------------------------------------------------------------------------------------------------


@promise
async def gates_hold_back(lab: Lab) -> None:
    """A gated event waits for the first try of an earlier gate event of its person; a later gate does not matter."""
    await lab.accept(entry("t0", GATED), entry("i1", GATE), entry("t1", GATED), entry("t2", GATED))
    run = await lab.one()
    assert names_of(run) == ["t0"]
    await lab.settle(run, DONE)
    assert (await lab.none()).next_due_at == lab.now + GATE_RECHECK_S
    settling = await lab.settle(await lab.one("metadata"), DONE)
    assert ("pendo", "track", lab.now) in settling.due
    run = await lab.one()
    assert names_of(run) == ["t1", "t2"]
    await lab.accept(entry("i2", GATE))
    await lab.settle(run, AGAIN, ready_at=lab.now)
    assert names_of(await lab.one()) == ["t1", "t2"]


@promise
async def gates_reach_across_lanes(lab: Lab) -> None:
    """A person has several lanes (browser, server): a gate in one holds back gated events in the other; other people go on."""
    await lab.accept(
        entry("i1", GATE, user="ann", anon="phone"),
        entry("t1", GATED, user="ann"),
        entry("t2", GATED, user="ann", anon="laptop"),
        entry("t3", GATED, user="bob"),
        entry("t4", GATED, anon="phone"),
        entry("t5", replace(GATED, destination_id="hook"), user="ann"),
    )
    runs = (await lab.claim()).runs
    assert sorted(names_of(run) for run in runs) == [["t3"], ["t4"]]
    assert names_of(await lab.one(destination="hook")) == ["t5"]
    await lab.settle(await lab.one("metadata"), SKIP)
    assert sorted(names_of(run) for run in (await lab.claim()).runs) == [["t1"], ["t2"]]


@promise
async def gates_open_at_the_first_try(lab: Lab) -> None:
    """Any outcome of a first try opens the gate: also Retry and Blocked, and for all that waits behind a head that is tried again."""
    for person, outcome in (("ann", DEAD), ("bob", AGAIN), ("eve", Blocked("key_refused"))):
        await lab.accept(entry(f"i-{person}", GATE, user=person), entry(f"j-{person}", GATE, user=person))
        await lab.accept(entry(f"t-{person}", GATED, user=person))
        await lab.none()
        run = await lab.one("metadata")
        both = (outcome, outcome) if outcome is DEAD else (outcome,)
        settling = await lab.settle(run, *both, ready_at=lab.now + 300, backing_off=outcome is not DEAD)
        assert ("pendo", "track", lab.now) in settling.due
        assert await lab.deliver() == [f"t-{person}"]


@promise
async def nobody_waits_behind_a_lane_that_backs_off(lab: Lab) -> None:
    """A gate event that comes behind a backing-off head holds nobody back, also one of another person in that lane."""
    await lab.accept(entry("i1", GATE, user="ann", anon="a"), entry("i2", GATE, user="bob", anon="a"))
    run = await lab.one("metadata")
    await lab.accept(entry("t1", GATED, user="bob"))
    await lab.settle(run, AGAIN, ready_at=lab.now + 300, backing_off=True)
    assert await lab.deliver() == ["t1"]
    await lab.accept(entry("i3", GATE, user="ann", anon="a"), entry("t2", GATED, user="ann"))
    assert await lab.deliver() == ["t2"]


@promise
async def open_gates(lab: Lab) -> None:
    """With open_gates (the gating channel is blocked) nothing waits for metadata."""
    await lab.accept(entry("i1", GATE), entry("t1", GATED))
    await lab.none()
    assert (await lab.none(open_gates=True)).next_due_at == lab.now + GATE_RECHECK_S
    lab.now += GATE_RECHECK_S
    assert names_of(await lab.one(open_gates=True)) == ["t1"]


@promise
async def gates_in_a_window(lab: Lab) -> None:
    """Within a window the page's clock says which is earlier: a track before its identify waits when the page made it later."""
    gate, gated = replace(GATE, settle_s=0.3), replace(GATED, settle_s=0.3)
    await lab.accept(entry("t2", gated, user="ann", anon="a", page=2))
    await lab.accept(entry("i1", gate, user="ann", anon="a", page=1, kind="identify"))
    lab.now += 0.3
    await lab.none()
    await lab.settle(await lab.one("metadata"), DONE)
    assert names_of(await lab.one()) == ["t2"]


@promise
async def a_gate_opens_for_a_lane_that_waits_by_itself(lab: Lab) -> None:
    """An opening gate does not cut short a back-off that began meanwhile."""
    await lab.accept(entry("t1", GATED), entry("i1", GATE), entry("t2", GATED))
    zombie = await lab.one()
    lab.now += LEASE_S
    claimed = await lab.one()
    await lab.settle(claimed, DONE)
    assert zombie.lease != claimed.lease
    await lab.none()
    await lab.accept(entry("n", TRACK, user="bob"))
    run = await lab.one()
    await lab.settle(run, AGAIN, ready_at=lab.now + 100, backing_off=True)
    await lab.settle(await lab.one("metadata"), DONE)
    assert names_of(await lab.one()) == ["t2"]


@promise
async def retried_dead_letters_are_no_gates(lab: Lab) -> None:
    """A dead letter has had its first try: put back, it holds nobody back."""
    receipt = await lab.accept(entry("i1", GATE))
    await lab.settle(await lab.one("metadata"), DEAD)
    which = (receipt.seqs[0], "pendo")
    await lab.store.retry_rejected([which], {which: GATE}, now=lab.now)
    await lab.accept(entry("t1", GATED))
    assert names_of(await lab.one()) == ["t1"]


# --- rules I7 and I8: hold --------------------------------------------------------------------------------------------


@promise
async def anonymous_events_are_held(lab: Lab) -> None:
    """Held events wait for a link: nobody can claim them, they are counted as held, survive a restart, and nothing waits behind them."""
    await lab.accept(entry("h1", HOLD, anon="a"), entry("t1", TRACK, user="ann", anon="a"))
    lab.reopen()
    assert lab.fate("h1") == "held"
    assert lab.counters() == {"held": 1, "waiting:track": 1}
    assert await lab.deliver() == ["t1"]
    lab.now += LEASE_S
    assert (await lab.none()).next_due_at is None


@promise
async def a_link_releases(lab: Lab) -> None:
    """A link releases its held events under its userId, oldest first, in front of what comes after it, in its own transaction."""
    await lab.accept(entry("h2", HOLD, anon="a", at=2), entry("h1", HOLD, anon="a", at=1))
    await lab.accept(entry("h9", HOLD, anon="other", at=0))
    receipt = await lab.accept(
        identify("i", "a", "ann", TRACK, at=3), entry("t4", user="ann", anon="a", at=4), entry("t5", anon="a")
    )
    assert ("pendo", "track", lab.now) in receipt.due
    assert lab.counters() == {"held": 1, "waiting:track": 5}
    lab.reopen()
    run = await lab.one()
    assert names_of(run) == ["h1", "h2", "i", "t4", "t5"]
    assert [waiting.person.user_id for waiting in run.events] == ["ann", "ann", "ann", "ann", ""]
    assert [waiting.event.user_id for waiting in run.events[:2]] == ["", ""]
    assert lab.fate("h9") == "held"


@promise
async def released_events_join_an_open_window(lab: Lab) -> None:
    """In a browser's lane the released come in front of what comes after the link, also within one window."""
    web = replace(HOLD, settle_s=0.3)
    await lab.accept(entry("h2", web, anon="a", page=2), entry("h1", web, anon="a", page=1))
    await lab.accept(entry("t4", WINDOW, user="ann", anon="a", page=4))
    await lab.accept(identify("i3", "a", "ann", WINDOW, page=3))
    await lab.accept(entry("t5", WINDOW, user="ann", anon="a", page=5))
    lab.now += 0.3
    assert names_of(await lab.one()) == ["h1", "h2", "i3", "t4", "t5"]


@promise
async def released_events_follow_what_waits(lab: Lab) -> None:
    """What was in the lane before the link stays in front; what comes after the link stays behind."""
    await lab.accept(entry("t1", user="ann", anon="a"))
    run = await lab.one()
    await lab.settle(run, AGAIN, ready_at=lab.now + 5, backing_off=True)
    await lab.accept(entry("h1", HOLD, anon="a", at=1))
    await lab.accept(identify("i2", "a", "ann", at=2))
    await lab.accept(entry("t3", user="ann", anon="a", at=3))
    lab.now += 5
    assert names_of(await lab.one()) == ["t1", "h1", "t3"]


@promise
async def a_link_takes_only_what_is_not_later(lab: Lab) -> None:
    """An event belongs to the first link that is not earlier: on a shared device A's, then anonymous, then B's."""
    await lab.accept(entry("for-a", HOLD, anon="a", at=1))
    await lab.accept(entry("tie-a", HOLD, anon="a", at=2), entry("for-b", HOLD, anon="a", at=3))
    await lab.accept(identify("i-a", "a", "alice", at=2))
    assert [lab.fate(name) for name in ("for-a", "tie-a", "for-b")] == ["waiting", "waiting", "held"]
    await lab.accept(identify("i-b", "a", "bob", at=4))
    await lab.accept(entry("still", HOLD, anon="a", at=5))
    run = await lab.one()
    assert [(w.event.message_id, w.person.user_id) for w in run.events] == [
        ("for-a", "alice"),
        ("tie-a", "alice"),
        ("for-b", "bob"),
    ]
    assert lab.fate("still") == "held"


@promise
async def late_anonymous_events(lab: Lab) -> None:
    """An anonymous event that comes after its link goes at once, to the first link not earlier than it, not to the last."""
    await lab.accept(identify("i-a", "a", "alice", at=10), identify("i-b", "a", "bob", at=20))
    await lab.accept(identify("i-a2", "a", "alice", at=30))
    await lab.accept(*(entry(f"e{at}", HOLD, anon="a", at=at) for at in (5, 10, 15, 25, 35)))
    run = await lab.one()
    assert [(w.event.message_id, w.person.user_id) for w in run.events] == [
        ("e5", "alice"),
        ("e10", "alice"),
        ("e15", "bob"),
        ("e25", "alice"),
    ]
    assert lab.fate("e35") == "held"


@promise
async def links_compare_by_the_pages_clock(lab: Lab) -> None:
    """Event and link of one anonymousId are compared by the page's clock where both have it."""
    await lab.accept(entry("h1", HOLD, anon="a", at=9, page=1))
    await lab.accept(entry("h2", HOLD, anon="a", at=0, page=5))
    await lab.accept(identify("i", "a", "ann", at=3, page=3))
    assert [lab.fate("h1"), lab.fate("h2")] == ["waiting", "held"]


@promise
async def links_known_late(lab: Lab) -> None:
    """A link that arrives late takes its place between the known ones by time."""
    await lab.accept(identify("i-b", "a", "bob", at=20), identify("i-a", "a", "alice", at=10))
    await lab.accept(identify("again", "a", "bob", at=15))
    await lab.accept(entry("e5", HOLD, anon="a", at=5), entry("e12", HOLD, anon="a", at=12))
    run = await lab.one()
    assert [w.person.user_id for w in run.events] == ["alice", "bob"]


@promise
async def too_many_held(lab: Lab) -> None:
    """At most 1,000 held events per anonymousId and destination; above that the oldest ends as skipped: anonymous_overflow."""
    await lab.accept(*(entry(f"h{i}", HOLD, anon="a", at=i) for i in range(HOLD_MAX_EVENTS)))
    await lab.accept(entry("other", HOLD, anon="b", at=-9))
    await lab.accept(entry("late", HOLD, anon="a", at=0.5))
    assert lab.fate("h0") == "skipped:anonymous_overflow"
    await lab.accept(entry("older-than-all", HOLD, anon="a", at=-1))
    assert lab.fate("older-than-all") == "skipped:anonymous_overflow"
    assert [lab.fate(name) for name in ("late", "h1", "h999", "other")] == ["held"] * 4
    assert lab.counters()["held"] == HOLD_MAX_EVENTS + 1


@promise
async def held_events_expire(lab: Lab) -> None:
    """A held event ends as skipped: anonymous_expired when its own clock is older than the hold, for each destination by its own."""
    short = replace(HOLD, hold_s=DAY_S)
    await lab.accept(entry("h1", short, replace(HOLD, destination_id="other"), anon="a", at=-DAY_S + 10))
    await lab.accept(entry("h2", short, anon="a", at=0))
    assert await lab.store.expire_held(now=NOW + 9) == 0
    assert await lab.store.expire_held(now=NOW + 10) == 1
    assert lab.fate("h1") == "skipped:anonymous_expired"
    assert lab.fate("h1", "other") == "held"
    assert lab.fate("h2") == "held"
    assert await lab.store.expire_held(now=NOW + 7 * DAY_S) == 2
    assert await lab.store.expire_held(now=NOW + 7 * DAY_S) == 0


@promise
async def many_expire_in_steps(lab: Lab) -> None:
    """Expiry works off any number in steps until it says 0."""
    for who in ("a", "b"):
        await lab.accept(*(entry(f"{who}{i}", HOLD, anon=who, at=i) for i in range(700)))
    counts = []
    while not counts or counts[-1]:
        counts.append(await lab.store.expire_held(now=NOW + 30 * DAY_S))
    assert sum(counts) == 1_400
    assert lab.counters() == {"skipped": 1_400, "skipped:anonymous_expired": 1_400}


@promise
async def a_destination_stops_holding(lab: Lab) -> None:
    """release_held puts a destination's held events into their lanes without a userId; another destination's stay."""
    await lab.accept(
        *(entry(f"h{i}", HOLD, replace(HOLD, destination_id="other"), anon="a") for i in range(600))
    )
    await lab.accept(entry("t", anon="a"))
    counts = []
    while not counts or counts[-1]:
        counts.append(await lab.store.release_held("pendo", now=lab.now))
    assert sum(counts) == 600
    run = await lab.one(run_max=1_000)
    assert names_of(run) == [*(f"h{i}" for i in range(600)), "t"]
    assert {w.person.user_id for w in run.events} == {""}
    assert lab.counters("d:other") == {"held": 600}
    assert await lab.store.release_held("never-seen", now=lab.now) == 0


@promise
async def released_identifies_are_gates(lab: Lab) -> None:
    """A held identify is released as a gate of the linked user: the user's held track waits for it, others' do not."""
    hold_gate, hold_gated = replace(GATE, held=True, hold_s=DAY_S), replace(GATED, held=True, hold_s=DAY_S)
    await lab.accept(entry("hi", hold_gate, anon="a", at=1, kind="identify"))
    await lab.accept(entry("ht", hold_gated, anon="a", at=2))
    await lab.accept(identify("i", "a", "ann", GATE, at=3))
    await lab.none()
    run = await lab.one("metadata")
    assert names_of(run) == ["hi", "i"]
    await lab.settle(run, DONE, release=False)
    assert names_of(await lab.one()) == ["ht"]


@promise
async def an_alias_links_only_whom_it_knows(lab: Lab) -> None:
    """An alias is a link when its previousId was seen as an anonymousId (held, in a lane, linked, in a group); else it is none."""
    await lab.accept(entry("h", HOLD, anon="held-one", at=1))
    await lab.accept(entry("t", Route("hook", ""), anon="lane-one", at=1))
    await lab.accept(identify("i", "linked-one", "ann", at=1))
    await lab.accept(group("g", "acme", anon="group-one", at=1))
    await lab.accept(entry("u", META, user="identified"))
    for old in ("held-one", "lane-one", "linked-one", "group-one", "identified", "never-seen"):
        await lab.accept(alias(f"alias-{old}", old, "new", Route("pendo", "alias"), at=5))
    run = await lab.one("alias")
    assert {w.event.message_id: w.person.linked for w in run.events} == {
        "alias-held-one": True,
        "alias-lane-one": True,
        "alias-linked-one": True,
        "alias-group-one": True,
        "alias-identified": False,
        "alias-never-seen": False,
    }
    assert [w.person.user_id for w in (await lab.one()).events] == ["new"]
    assert {old for (old,) in lab.rows("SELECT anonymous_id FROM links WHERE user_id = 'new'")} == {
        "held-one",
        "lane-one",
        "linked-one",
        "group-one",
    }


# --- rules I3 and I5: accounts at their time --------------------------------------------------------------------------


async def _account(lab: Lab, name: str, *, user: str = "ann", anon: str = "", at: float) -> str | None:
    """The account that an event of this moment gets."""
    await lab.accept(entry(name, Route("pendo", name), user=user, anon=anon, at=at))
    waiting = (await lab.one(name)).events[0]
    found = membership_at(waiting.person.memberships, waiting.event)
    return found.group_id if found else None


@promise
async def memberships_have_their_time(lab: Lab) -> None:
    """An event gets the account that its person had at the event's moment, however late it comes or is retried."""
    await lab.accept(entry("retried", user="ann", at=15))
    await lab.settle(await lab.one(), AGAIN, ready_at=lab.now)
    await lab.accept(group("g1", "acme", user="ann", at=10), group("g2", "globex", user="ann", at=20))
    assert [await _account(lab, f"e{at}", at=at) for at in (5, 10, 15, 20, 25)] == [
        None,
        "acme",
        "acme",
        "globex",
        "globex",
    ]
    waiting = (await lab.one()).events[0]
    found = membership_at(waiting.person.memberships, waiting.event)
    assert found is not None
    assert found.group_id == "acme"
    assert await _account(lab, "other", user="bob", at=25) is None


@promise
async def a_late_group_call_takes_its_place(lab: Lab) -> None:
    """A group call that arrives late counts from its own moment to the next, also between two calls for the same account."""
    await lab.accept(group("g1", "acme", user="ann", at=10))
    await lab.accept(*(group(f"again{at}", "acme", user="ann", at=at) for at in (20, 25, 30)))
    await lab.accept(group("late", "globex", user="ann", at=15))
    assert [await _account(lab, f"e{at}", at=at) for at in (12, 17, 32)] == ["acme", "globex", "acme"]


@promise
async def an_anonymous_group_becomes_the_users(lab: Lab) -> None:
    """The account that an anonymous person joined is the user's once it is linked, at its own time; not another user's."""
    await lab.accept(group("g1", "acme", anon="a", at=1), group("g2", "globex", anon="a", at=5))
    assert await _account(lab, "early", user="", anon="a", at=2) == "acme"
    await lab.accept(identify("i-a", "a", "alice", at=3))
    await lab.accept(identify("i-b", "a", "bob", at=6))
    assert await _account(lab, "alices", user="alice", at=9) == "acme"
    assert await _account(lab, "bobs", user="bob", at=9) == "globex"
    await lab.accept(group("g3", "initech", anon="a", at=2))
    assert await _account(lab, "alices-later", user="alice", at=9) == "initech"


@promise
async def parents_of_accounts(lab: Lab) -> None:
    """The parents of an account are those of the last group call that named some."""
    await lab.accept(group("g1", "acme", user="ann", at=1, parents={"parent": "holding"}))
    await lab.accept(group("g2", "acme", user="bob", at=3, parents={"parent": "group"}))
    await lab.accept(
        group("g0", "acme", user="eve", at=2, parents={"parent": "late"}), group("g", "x", user="y")
    )
    assert await lab.store.parents(["acme", "x", "unknown"]) == {"acme": {"parent": "group"}}


# --- prune ------------------------------------------------------------------------------------------------------------


@promise
async def prune_by_age(lab: Lab) -> None:
    """What was accepted before a moment and waits nowhere goes, dead letters too; what waits, is held, or is younger stays."""
    await lab.accept(*(entry(f"{n}", user=f"u{n}", received_at=NOW - 100) for n in ("done", "dead", "waits")))
    await lab.accept(entry("held", HOLD, anon="a", received_at=NOW - 100))
    await lab.accept(entry("young", user="udone", received_at=NOW))
    await lab.accept(entry("twice", Route("hook", ""), TRACK, user="udone", received_at=NOW - 100))
    for run in (await lab.claim()).runs:
        outcome = {"u:udone": DONE, "u:udead": DEAD}.get(run.key.lane)
        if outcome:
            await lab.settle(run, outcome)
    pruned = await lab.prune(before=NOW - 50)
    assert (pruned.events, pruned.full) == (2, False)
    assert [lab.fate(n) for n in ("done", "dead", "waits", "held", "young")] == [
        "unknown",
        "unknown",
        "waiting",
        "held",
        "delivered",
    ]
    assert lab.fate("twice", "hook") == "waiting"
    assert lab.fate("twice") == "delivered"
    lab.check()
    assert (await lab.accept(entry("done", user="udone"))).stored == 1, "a pruned id may come again"
    receipt = await lab.accept(entry("new"))
    assert receipt.seqs[0] > 7, "positions are never used twice"


@promise
async def prune_by_bytes(lab: Lab) -> None:
    """Above the bytes delivered and skipped events go first, then dead letters, oldest first; never what waits; the file shrinks."""
    kinds = {"done": DONE, "skip": SKIP, "dead": DEAD}
    for i in range(300):
        for kind in (*kinds, "wait"):
            await lab.accept(entry(f"{kind}{i}", user=kind, body=b"x" * 2_000))
    for run in (await lab.claim(run_max=1_000)).runs:
        if run.key.lane[2:] in kinds:
            await lab.settle(run, kinds[run.key.lane[2:]])
    before = lab.engine.bytes_on_disk(lab.place)

    def left(kind: str) -> list[int]:
        return sorted(
            int(name[4:]) for (name,) in lab.rows("SELECT message_key FROM events") if name.startswith(kind)
        )

    pruned = await lab.prune(bytes_max=before * 4 // 5)
    assert not pruned.full
    assert 0 < pruned.events <= 600
    lab.check()
    assert left("dead") == left("wait") == list(range(300))
    pruned = await lab.prune(bytes_max=before * 5 // 12)
    assert not pruned.full
    assert left("done") == left("skip") == []
    assert left("wait") == list(range(300))
    dead = left("dead")
    assert dead == list(range(300 - len(dead), 300)), "dead letters go oldest first"
    await lab.prune(bytes_max=1)
    assert lab.engine.bytes_on_disk(lab.place) < before * 5 // 12
    assert lab.counters() == {"waiting:track": 300}


@promise
async def full_of_what_waits(lab: Lab) -> None:
    """When what waits fills the space alone, accept raises StoreFull and keeps nothing, until prune finds it better."""
    await lab.accept(*(entry(f"m{i}", body=b"x" * 5_000) for i in range(100)))
    pruned = await lab.prune(bytes_max=400_000)
    assert (pruned.events, pruned.full) == (0, True)
    with pytest.raises(StoreFull):
        await lab.accept(entry("refused"))
    assert len(await lab.deliver()) == 100
    pruned = await lab.prune(bytes_max=400_000)
    assert (pruned.events, pruned.full) == (100, False)
    assert (await lab.accept(entry("m200"))).stored == 1


@promise
async def not_full_while_something_can_go(lab: Lab) -> None:
    """Prune looks at everything before it says full: also at what was settled behind the place it had come to."""
    await lab.accept(*(entry(f"old{i}", user="old", body=b"x" * 3_000) for i in range(600)))
    await lab.accept(*(entry(f"new{i}", user="new", body=b"x" * 3_000) for i in range(600)))
    runs = {run.key.lane: run for run in (await lab.claim(run_max=1_000)).runs}
    await lab.settle(runs["u:new"], DONE)
    removed = 0
    while not removed:
        removed = (await lab.store.prune(now=lab.now, before=0, bytes_max=1_500_000)).events
    await lab.settle(runs["u:old"], DONE)
    more = True
    while more:
        pruned = await lab.store.prune(now=lab.now, before=0, bytes_max=1_500_000)
        assert not pruned.full
        more = pruned.more
    assert lab.engine.bytes_on_disk(lab.place) < 1_700_000


@promise
async def idle_lanes_go(lab: Lab) -> None:
    """Rows of lanes that were empty for an hour go; lanes with something in them stay, and an old lane can begin anew."""
    await lab.accept(entry("m1", user="idle"), entry("n1", user="waits"), entry("o1", user="late"))
    for run in (await lab.claim()).runs:
        if run.key.lane == "u:idle":
            await lab.settle(run, DONE)
    lab.now += LANE_IDLE_S - 1
    await lab.settle(next(r for r in (await lab.claim()).runs if r.key.lane == "u:late"), DONE)
    await lab.prune()
    assert lab.rows("SELECT count(*) FROM lanes") == [(3,)]
    lab.now += 2
    await lab.prune()
    assert sorted(lane for (lane,) in lab.rows("SELECT lane FROM lanes")) == ["u:late", "u:waits"]
    lab.now += 2 * LANE_IDLE_S
    await lab.prune()
    assert lab.rows("SELECT lane FROM lanes") == [("u:waits",)]
    await lab.accept(entry("m2", user="idle"))
    assert sorted(await lab.deliver()) == ["m2", "n1"]


@promise
async def a_lane_is_one_whoever_writes_it(lab: Lab) -> None:
    """Events that several processes put into one lane keep its order, its lease and its count."""
    second, third = lab.another(), lab.another()
    await lab.accept(entry("m1"))
    run = await lab.one()
    await second.accept([entry("m2")], now=lab.now)
    await second.accept([entry("m3")], now=lab.now)
    await lab.none()
    await lab.settle(run, DONE)
    run = await lab.one()
    assert names_of(run) == ["m2", "m3"]
    await lab.settle(run, DONE, release=False)
    await third.accept([entry("m4")], now=lab.now)
    await lab.none()
    await lab.settle(replace(run, events=()), DONE)
    assert await lab.deliver() == ["m4"]
    assert lab.rows("SELECT pending FROM lanes") == [(0,)]


@promise
async def a_row_used_again_is_another_lane(lab: Lab) -> None:
    """What one process remembers of a lane does not put its events into another that took the place meanwhile."""
    other = lab.another()
    await lab.accept(entry("m1", user="alice"))
    await lab.deliver()
    lab.now += 2 * LANE_IDLE_S
    for _ in range(3):
        await other.prune(now=lab.now, before=0.0, bytes_max=10**9)
    assert lab.rows("SELECT lane FROM lanes") == []
    await other.accept([entry("n1", user="bob")], now=lab.now)
    await lab.accept(entry("m2", user="alice"))
    runs = (await lab.claim()).runs
    assert sorted((run.key.lane, names_of(run)) for run in runs) == [("u:alice", ["m2"]), ("u:bob", ["n1"])]


@promise
async def profiles_are_bounded(lab: Lab) -> None:
    """At most a hundred links of a browser and a hundred accounts of a person; the oldest go."""
    n = LINKS_PER_ANONYMOUS_MAX + 20
    await lab.accept(*(identify(f"i{i}", "a", f"u{i}", at=i) for i in range(n)))
    assert lab.rows("SELECT count(*), min(at_ms), max(at_ms) FROM links") == [
        (LINKS_PER_ANONYMOUS_MAX, int((NOW + 20) * 1000), int((NOW + n - 1) * 1000))
    ]
    n = MEMBERSHIPS_PER_PERSON_MAX + 20
    await lab.accept(*(group(f"g{i}", f"acme{i}", user="ann", at=i) for i in range(n)))
    assert await _account(lab, "last", at=n) == f"acme{n - 1}"
    assert lab.rows("SELECT count(*), min(at_ms) FROM memberships WHERE person = 'u:ann'") == [
        (MEMBERSHIPS_PER_PERSON_MAX, int((NOW + 20) * 1000))
    ]


@promise
async def profiles_outlive_the_retention(lab: Lab) -> None:
    """The newest link and account of a person stay until 400 days after their last use; older ones go with the retention."""
    await lab.accept(identify("i1", "a", "ann", at=0), identify("i2", "a", "bob", at=10))
    await lab.accept(group("g1", "acme", user="ann", at=0), group("g2", "globex", user="ann", at=10))
    await lab.deliver("metadata")
    lab.now += 30 * DAY_S
    await lab.prune(before=lab.now - 7 * DAY_S)
    assert lab.rows("SELECT user_id FROM links") == [("bob",)]
    assert lab.rows("SELECT group_id FROM memberships") == [("globex",)]
    lab.now += (PROFILE_KEPT_DAYS - 31) * DAY_S
    await lab.prune(before=lab.now - 7 * DAY_S)
    await lab.accept(entry("use-link", LATE_HOLD, anon="a", at=5))
    assert await _account(lab, "use-account", at=20) == "globex"
    lab.now += 2 * DAY_S
    await lab.prune(before=lab.now - 7 * DAY_S)
    assert len(lab.rows("SELECT 1 FROM links")) == len(lab.rows("SELECT 1 FROM memberships")) == 1
    lab.now += (PROFILE_KEPT_DAYS + 1) * DAY_S
    await lab.prune(before=lab.now - 7 * DAY_S)
    assert lab.rows("SELECT 1 FROM links") == lab.rows("SELECT 1 FROM memberships") == []


@promise
async def an_account_stays_while_late_events_may_ask(lab: Lab) -> None:
    """An older account goes only when what replaced it is older than the retention too: late events still belong to it."""
    await lab.accept(
        group("g1", "acme", user="ann", at=-30 * DAY_S), identify("i1", "a", "ann", at=-30 * DAY_S)
    )
    await lab.accept(group("g2", "globex", user="ann", at=-60), identify("i2", "a", "bob", at=-60))
    lab.now += 8 * DAY_S - 120
    await lab.prune(before=lab.now - 8 * DAY_S)
    assert await _account(lab, "late", at=-DAY_S) == "acme"
    assert len(lab.rows("SELECT 1 FROM links")) == 2


# --- beside the events ------------------------------------------------------------------------------------------------


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
