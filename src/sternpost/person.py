"""Who a person is at a moment: rules I3, I5 and I7 of the Pendo contract, as pure functions on what the store knows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sternpost.model import Event, Link, Membership


def not_later(
    *,
    at_ms: int,
    page_ms: int | None,
    anonymous_id: str,
    than_at_ms: int,
    than_page_ms: int | None,
    than_anonymous_id: str,
) -> bool:
    """Whether one call happened not later than another (rule G4).

    Two calls of one anonymousId are compared by the page's own clock, which each request's time on the way cannot disturb; all
    others by their corrected timestamps.
    """
    if (
        anonymous_id
        and anonymous_id == than_anonymous_id
        and page_ms is not None
        and than_page_ms is not None
    ):
        return page_ms <= than_page_ms
    return at_ms <= than_at_ms


def membership_at(memberships: Sequence[Membership], event: Event) -> Membership | None:
    """The last of the person's accounts whose group call is not later than the event (rule I3); None when there is none."""
    last: Membership | None = None
    for membership in memberships:
        if not not_later(
            at_ms=membership.at_ms,
            page_ms=membership.page_ms,
            anonymous_id=membership.anonymous_id,
            than_at_ms=event.at_ms,
            than_page_ms=event.page_ms,
            than_anonymous_id=event.anonymous_id,
        ):
            continue
        if last is None or not_later(
            at_ms=last.at_ms,
            page_ms=last.page_ms,
            anonymous_id=last.anonymous_id,
            than_at_ms=membership.at_ms,
            than_page_ms=membership.page_ms,
            than_anonymous_id=membership.anonymous_id,
        ):
            last = membership
    return last


def link_of(links: Iterable[Link], *, at_ms: int, page_ms: int | None, anonymous_id: str) -> Link | None:
    """The first link of an anonymousId that is not earlier than an event of it (rule I7.2); None when it is still anonymous."""
    first: Link | None = None
    for link in links:
        fits = not_later(
            at_ms=at_ms,
            page_ms=page_ms,
            anonymous_id=anonymous_id,
            than_at_ms=link.at_ms,
            than_page_ms=link.page_ms,
            than_anonymous_id=link.anonymous_id,
        )
        if fits and (
            first is None
            or not not_later(
                at_ms=first.at_ms,
                page_ms=first.page_ms,
                anonymous_id=first.anonymous_id,
                than_at_ms=link.at_ms,
                than_page_ms=link.page_ms,
                than_anonymous_id=link.anonymous_id,
            )
        ):
            first = link
    return first
