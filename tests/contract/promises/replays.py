"""Replays: kept events go back into lanes, behind live ones."""

from __future__ import annotations

from sternpost import limits
from sternpost.model import Route
from sternpost.store.base import NewReplay, Replay, Replayed
from tests.contract.lab import (
    AGAIN,
    DEAD,
    DONE,
    GATE,
    GATED,
    HOLD,
    LEASE_S,
    META,
    SKIP,
    TRACK,
    WINDOW,
    Lab,
    entry,
    names_of,
)
from tests.contract.promise import promise


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
