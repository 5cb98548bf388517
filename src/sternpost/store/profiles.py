"""Profiles: which anonymousId is which user, and who belongs to which account, each with the time since when.

Written in the transaction that accepts the event, so that whoever reads an event reads a profile that knows it. They are not
events: the newest link and membership of a person outlive the retention (`limits.PROFILE_KEPT_DAYS` since last used).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence

from sternpost.limits import LINKS_PER_ANONYMOUS_MAX, MEMBERSHIPS_PER_PERSON_MAX
from sternpost.model import Link, Membership
from sternpost.person import link_of, not_later
from sternpost.store.names import key

TOUCH_S = 86_400.0  #: "last used" is kept to the day, so that reading a profile rarely writes

# Destinations and channels are few: naming them all lets the primary keys find one person.
HELD_OF = "SELECT 1 FROM held WHERE destination_no IN (SELECT no FROM names WHERE kind = 'destination') AND anonymous_id = ? LIMIT 1"
LANES_OF = (
    "SELECT 1 FROM lanes WHERE destination_no IN (SELECT no FROM names WHERE kind = 'destination') "
    "AND channel_no IN (SELECT no FROM names WHERE kind = 'channel') AND lane = ? LIMIT 1"
)


def person_key(user_id: str, anonymous_id: str) -> str:
    """The key of a person: the user, else the anonymous one."""
    return key(f"u:{user_id}") if user_id else key(f"a:{anonymous_id}")


def links(cx: sqlite3.Connection, anonymous_id: str, now: float) -> list[Link]:
    """The links of an anonymousId, oldest first, of one moment in the order of acceptance; remembers that they were used."""
    text = key(anonymous_id)
    rows = cx.execute(
        "SELECT user_id, at_ms, page_ms, used_at FROM links WHERE anonymous_id = ? ORDER BY at_ms, seq",
        (text,),
    ).fetchall()
    if rows and min(row[3] for row in rows) < now - TOUCH_S:
        cx.execute("UPDATE links SET used_at = ? WHERE anonymous_id = ?", (now, text))
    return [Link(anonymous_id, user_id, at_ms, page_ms) for user_id, at_ms, page_ms, _ in rows]


def memberships(cx: sqlite3.Connection, person: str, now: float) -> tuple[Membership, ...]:
    """The accounts of a person (a `person_key`), oldest first; remembers that they were used."""
    rows = cx.execute(
        "SELECT group_id, at_ms, page_ms, anonymous_id, parents, used_at FROM memberships WHERE person = ? ORDER BY at_ms, seq",
        (person,),
    ).fetchall()
    if rows and min(row[5] for row in rows) < now - TOUCH_S:
        cx.execute("UPDATE memberships SET used_at = ? WHERE person = ?", (now, person))
    return tuple(
        Membership(group_id, at_ms, page_ms, anonymous_id, json.loads(parents) if parents else {})
        for group_id, at_ms, page_ms, anonymous_id, parents, _ in rows
    )


def seen(cx: sqlite3.Connection, anonymous_id: str) -> bool:
    """Whether this anonymousId ever came as one, as far as the store still knows (rule I8)."""
    text = key(anonymous_id)
    person = key(f"a:{anonymous_id}")
    return any(
        cx.execute(statement, (value,)).fetchone()
        for statement, value in (
            ("SELECT 1 FROM links WHERE anonymous_id = ? LIMIT 1", text),
            (HELD_OF, text),
            ("SELECT 1 FROM memberships WHERE person = ? LIMIT 1", person),
            (LANES_OF, person),
        )
    )


def add_link(cx: sqlite3.Connection, link: Link, *, now: float, seq: int) -> None:
    """Keep a link. Of links of one user that follow each other the first and the last are kept: rule I7.2 asks for the first link that is
    not earlier than an event, and those between give the same answer (when the last is later by both clocks). The first is not left out,
    too, since another user's link may still come that was overtaken on its way and belongs between the two.
    """
    known = links(cx, link.anonymous_id, now)
    following = link_of(known, link)
    if following is None or not _stands_for(following, link):
        text = key(link.anonymous_id)
        earlier = [other for other in known if not not_later(link, other)]
        before = _last(earlier)
        first = _last([other for other in earlier if other is not before])
        if before and first and first.user_id == link.user_id and _stands_for(link, before):
            cx.execute(
                "DELETE FROM links WHERE anonymous_id = ? AND at_ms = ? AND user_id = ?",
                (text, before.at_ms, link.user_id),
            )
        cx.execute(
            "INSERT INTO links (anonymous_id, at_ms, page_ms, user_id, used_at, seq) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
            "page_ms = max(coalesce(page_ms, excluded.page_ms), coalesce(excluded.page_ms, page_ms)), used_at = excluded.used_at",
            (text, link.at_ms, link.page_ms, link.user_id, now, seq),
        )
        if len(known) >= LINKS_PER_ANONYMOUS_MAX:
            cx.execute(
                "DELETE FROM links WHERE anonymous_id = ?1 AND (at_ms, user_id) NOT IN "
                "(SELECT at_ms, user_id FROM links WHERE anonymous_id = ?1 ORDER BY at_ms DESC LIMIT ?2)",
                (text, LINKS_PER_ANONYMOUS_MAX),
            )
    _inherit(cx, link, links(cx, link.anonymous_id, now), now=now, seq=seq)


def _stands_for(later: Link, link: Link) -> bool:
    """Whether what is not later than a link is not later than this one of the same user, too, by whichever clock they are compared."""
    return (
        later.user_id == link.user_id
        and later.at_ms >= link.at_ms
        and _by_the_page(link.page_ms, later.page_ms)
    )


def _by_the_page(first: int | None, second: int | None) -> bool:
    """Whether one call is not later than another by the page's clock; nothing can be said of one that has it and one that has not."""
    return first <= second if first is not None and second is not None else first is second


def _last(known: Sequence[Link]) -> Link | None:
    last: Link | None = None
    for link in known:
        if last is None or not_later(last, link):
            last = link
    return last


def _inherit(cx: sqlite3.Connection, link: Link, known: Sequence[Link], *, now: float, seq: int) -> None:
    """The accounts that the anonymous person joined become those of the user it turned out to be (rule I7.7)."""
    for membership in memberships(cx, key(f"a:{link.anonymous_id}"), now):
        owner = link_of(known, membership)
        if owner is not None and owner.user_id == link.user_id:
            _insert_membership(cx, key(f"u:{link.user_id}"), membership, now=now, seq=seq)


def add_membership(
    cx: sqlite3.Connection, membership: Membership, *, user_id: str, anonymous_id: str, now: float, seq: int
) -> None:
    """Keep that a person belongs to an account, and the account's parents."""
    _insert_membership(cx, person_key(user_id, anonymous_id), membership, now=now, seq=seq)
    if not user_id:
        # The group call of an anonymous person who is known by now (rule I7.4): it is the user's as well.
        owner = link_of(links(cx, anonymous_id, now), membership)
        if owner is not None:
            _insert_membership(cx, key(f"u:{owner.user_id}"), membership, now=now, seq=seq)
    if membership.parents:
        _insert_membership(cx, key(f"g:{membership.group_id}"), membership, now=now, seq=seq)


def _insert_membership(
    cx: sqlite3.Connection, person: str, membership: Membership, *, now: float, seq: int
) -> None:
    parents = json.dumps(dict(membership.parents), sort_keys=True) if membership.parents else None
    rows = cx.execute(
        "SELECT group_id, parents, anonymous_id, at_ms, seq, page_ms FROM memberships WHERE person = ? AND at_ms <= ? "
        "ORDER BY at_ms DESC, seq DESC LIMIT 2",
        (person, membership.at_ms),
    ).fetchall()
    says = (membership.group_id, parents, membership.anonymous_id)
    if [row[:3] for row in rows] == [says, says] and _by_the_page(rows[1][5], rows[0][5]):
        # Every page view of a user may repeat it. Of calls that say the same the first (by both clocks) and the last are kept: a late
        # call for another account may still come in between.
        cx.execute(
            "DELETE FROM memberships WHERE person = ? AND at_ms = ? AND seq = ?", (person, *rows[0][3:5])
        )
    cx.execute(
        "INSERT OR REPLACE INTO memberships (person, at_ms, seq, page_ms, anonymous_id, group_id, parents, used_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            person,
            membership.at_ms,
            seq,
            membership.page_ms,
            membership.anonymous_id,
            membership.group_id,
            parents,
            now,
        ),
    )
    count = cx.execute("SELECT count(*) FROM memberships WHERE person = ?", (person,)).fetchone()[0]
    if count > MEMBERSHIPS_PER_PERSON_MAX:
        cx.execute(
            "DELETE FROM memberships WHERE person = ?1 AND (at_ms, seq) IN "
            "(SELECT at_ms, seq FROM memberships WHERE person = ?1 ORDER BY at_ms, seq LIMIT ?2)",
            (person, count - MEMBERSHIPS_PER_PERSON_MAX),
        )


def parents(cx: sqlite3.Connection, group_ids: Sequence[str]) -> dict[str, Mapping[str, str]]:
    """The latest known parents of accounts."""
    found: dict[str, Mapping[str, str]] = {}
    for group_id in group_ids:
        row = cx.execute(
            "SELECT parents FROM memberships WHERE person = ? ORDER BY at_ms DESC, seq DESC LIMIT 1",
            (key(f"g:{group_id}"),),
        ).fetchone()
        if row and row[0]:
            found[group_id] = json.loads(row[0])
    return found
