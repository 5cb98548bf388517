"""Who a person is at a moment: rules I3, I7 and G4 of the Pendo contract, as pure functions on what the store knows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from sternpost.model import Link, Membership


class Timed(Protocol):
    """A call with its two clocks: `Event`, `Link` and `Membership` are such."""

    @property
    def at_ms(self) -> int: ...
    @property
    def page_ms(self) -> int | None: ...
    @property
    def anonymous_id(self) -> str: ...


def not_later(this: Timed, other: Timed) -> bool:
    """Whether one call happened not later than another (rule G4).

    Two calls of one anonymousId are compared by the page's own clock, which each request's time on the way cannot disturb; all
    others by their corrected timestamps.
    """
    if (
        this.page_ms is not None
        and other.page_ms is not None
        and this.anonymous_id
        and this.anonymous_id == other.anonymous_id
    ):
        return this.page_ms <= other.page_ms
    return this.at_ms <= other.at_ms


def membership_at(memberships: Iterable[Membership], event: Timed) -> Membership | None:
    """The last of the person's accounts whose group call is not later than the event (rule I3); None when there is none."""
    last: Membership | None = None
    for membership in memberships:
        if not_later(membership, event) and (last is None or not_later(last, membership)):
            last = membership
    return last


def link_of(links: Iterable[Link], event: Timed) -> Link | None:
    """The first link of an anonymousId that is not earlier than an event of it (rule I7.2); None when it is still anonymous."""
    first: Link | None = None
    for link in links:
        if not_later(event, link) and (first is None or not not_later(first, link)):
            first = link
    return first
