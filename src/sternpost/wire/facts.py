"""What an event says about people, for the store to remember: links and memberships; and with which user agent it came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from sternpost import ids
from sternpost.model import Event, Link, Membership
from sternpost.wire import message


class _Context(msgspec.Struct, gc=False, frozen=True):
    userAgent: str = ""  # noqa: N815 - the dialect's name


class _Agent(msgspec.Struct, gc=False, frozen=True):
    context: _Context = _Context()


_agent = msgspec.json.Decoder(_Agent).decode


def link(event: Event) -> Link | None:
    """That an anonymousId became a userId: an identify with both, or an alias or merge with previousId and userId (rules I7, I8).

    The link of an alias counts only when its previousId is an anonymousId that the store has seen (`if_seen`). An id that is no
    text or number, or equal on both sides, links nothing.
    """
    kind = event.type.strip().lower()
    if kind == "identify" and event.user_id and event.anonymous_id:
        return Link(event.anonymous_id, event.user_id, event.at_ms, event.page_ms)
    if kind in ("alias", "merge") and event.user_id:
        previous = _id(_body(event).get("previousId"))
        if previous and previous != event.user_id:
            return Link(previous, event.user_id, event.at_ms, event.page_ms, if_seen=True)
    return None


def membership(event: Event, parent_traits: Sequence[str]) -> Membership | None:
    """That a person belongs to an account: a group call with a groupId that is text or number; also of an anonymous person.

    `parent_traits` are the traits that may name a parent account; a text or number, or an object's `id`, counts (rule I5).
    """
    if event.type.strip().lower() != "group":
        return None
    body = _body(event)
    group_id = _id(body.get("groupId"))
    if not group_id:
        return None
    parents: dict[str, str] = {}
    traits = body.get("traits")
    if isinstance(traits, Mapping):
        for name in parent_traits:
            value = traits.get(name)
            parent = _id(value.get("id") if isinstance(value, Mapping) else value)
            if parent:
                parents[name] = parent
    return Membership(group_id, event.at_ms, event.page_ms, event.anonymous_id, parents)


def user_agent(event: Event) -> str:
    """The event's `context.userAgent`; "" when there is none or it is no text. Costs a microsecond: only this field is decoded."""
    if b"userAgent" not in event.body:
        return ""
    try:
        return _agent(event.body).context.userAgent
    except (msgspec.MsgspecError, ValueError):
        return ""


def _body(event: Event) -> Mapping[str, Any]:
    try:
        return message.decoded(event)
    except (ValueError, RecursionError):
        return {}


def _id(value: Any) -> str:
    # A boolean, an object or a list as an id is a mistake (rule I2); remembering it would spoil the events that follow.
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return ids.clean(value)
