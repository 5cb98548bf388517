"""Rules I7 and I8: anonymous events are held until they are claimed by a link, or expire."""

from __future__ import annotations

from msgspec.structs import replace

from sternpost.limits import HOLD_MAX_EVENTS
from sternpost.model import Route
from tests.contract.lab import (
    AGAIN,
    DAY_S,
    DONE,
    GATE,
    GATED,
    HOLD,
    LEASE_S,
    META,
    NOW,
    TRACK,
    WINDOW,
    Lab,
    alias,
    entry,
    group,
    identify,
    names_of,
)
from tests.contract.promise import promise


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
async def a_link_that_was_overtaken(lab: Lab) -> None:
    """Links of one user with one of another that comes later and belongs between them: what was before the first is still the first's."""
    await lab.accept(*(identify(f"i{at}", "a", "bob", at=at) for at in (10, 20, 30)))
    assert len(lab.rows("SELECT 1 FROM links")) == 2, "those between say nothing more"
    await lab.accept(identify("late", "a", "alice", at=15))
    await lab.accept(*(entry(f"e{at}", HOLD, anon="a", at=at) for at in (5, 12, 18)))
    run = await lab.one()
    assert [w.person.user_id for w in run.events] == ["bob", "alice", "bob"]


@promise
async def links_of_one_moment(lab: Lab) -> None:
    """Of two users that one anonymousId became in the same millisecond, the one that was accepted first is it (rule G4)."""
    await lab.accept(identify("i1", "a", "zoe", at=10), identify("i2", "a", "ann", at=10))
    await lab.accept(entry("e", HOLD, anon="a", at=9))
    assert [w.person.user_id for w in (await lab.one()).events] == ["zoe"]


@promise
async def links_by_two_clocks(lab: Lab) -> None:
    """A link that a server named says nothing of the page's clock: the page's own beside it counts, although it is the earlier by ours."""
    await lab.accept(identify("server", "a", "bob", at=20))
    await lab.accept(identify("page", "a", "bob", at=19, page=19))
    await lab.accept(
        entry("slow", HOLD, anon="a", at=21, page=18), entry("after", HOLD, anon="a", at=22, page=20)
    )
    run = await lab.one()
    assert [w.person.user_id for w in run.events] == ["bob"], "by the page's clock it was before the identify"
    assert [row[0] for row in lab.rows("SELECT count(*) FROM held")] == [1]


@promise
async def a_page_link_behind_those_of_servers(lab: Lab) -> None:
    """The last of a user's links does not stand for one that has a clock which it lacks."""
    await lab.accept(identify("first", "a", "bob", at=10, page=10))
    await lab.accept(identify("page", "a", "bob", at=20, page=20))
    await lab.accept(identify("server", "a", "bob", at=21))
    await lab.accept(entry("slow", HOLD, anon="a", at=22, page=19))
    assert [w.person.user_id for w in (await lab.one()).events] == ["bob"]


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
    counts: list[int] = []
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
    counts: list[int] = []
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
