"""Rules I3 and I5: who was in which account at the time of an event."""

from __future__ import annotations

from msgspec.structs import replace

from sternpost.limits import LINKS_PER_ANONYMOUS_MAX, MEMBERSHIPS_PER_PERSON_MAX, PROFILE_KEPT_DAYS
from sternpost.model import Route
from sternpost.person import membership_at
from tests.contract.lab import AGAIN, DAY_S, HOLD, NOW, Lab, entry, group, identify
from tests.contract.promise import promise

LATE_HOLD = replace(HOLD, hold_s=30 * DAY_S)


async def _account(
    lab: Lab, name: str, *, user: str = "ann", anon: str = "", at: float, page: float | None = None
) -> str | None:
    """The account that an event of this moment gets."""
    await lab.accept(entry(name, Route("pendo", name), user=user, anon=anon, at=at, page=page))
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
async def group_calls_by_two_clocks(lab: Lab) -> None:
    """Of calls that say the same, one that is earlier by the page's clock is kept although it came later by ours."""
    for name, at, page in (("slow", 10, 30), ("second", 20, 20), ("last", 40, 40)):
        await lab.accept(group(name, "acme", user="ann", anon="a", at=at, page=page))
    assert await _account(lab, "e", anon="a", at=41, page=25) == "acme"


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
