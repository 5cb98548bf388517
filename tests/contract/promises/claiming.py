"""Claiming and settling: lanes are leased in order, and who holds no lease changes nothing."""

from __future__ import annotations

from msgspec.structs import replace

from sternpost import limits
from sternpost.model import Blocked, Route, Run, Settled, Settlement
from tests.contract.lab import (
    AGAIN,
    DEAD,
    DONE,
    LEASE_S,
    META,
    NOW,
    SKIP,
    TRACK,
    WINDOW,
    Lab,
    entry,
    names_of,
)
from tests.contract.promise import promise


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
