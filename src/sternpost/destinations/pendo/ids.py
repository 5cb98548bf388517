"""Visitor, account and parent ids (rules I1 to I6): from the value as sent to the text that Pendo gets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from sternpost.destinations.pendo.constants import (
    ANONYMOUS_PREFIX,
    PARENT_ACCOUNT_SEPARATOR,
    PLACEHOLDER_IDS,
)
from sternpost.ids import clean
from sternpost.model import Membership, Message, Note, Person, Rejected
from sternpost.person import membership_at

SHOWN_CHARS_MAX = 60  #: of an odd id in an explanation


class BadId(Exception):
    """An id that is a placeholder, `::`, or neither text nor number (rule I2)."""

    def __init__(self, path: str, value: object) -> None:
        shown = value if isinstance(value, str) else type(value).__name__
        if isinstance(value, bool):
            shown = str(value).lower()
        self.rejected = Rejected("bad_id", f"{path} is {str(shown)[:SHOWN_CHARS_MAX]}.")
        super().__init__(path)


class Account(msgspec.Struct, frozen=True, gc=False):
    """The account of an event, as it is sent."""

    id: str  #: `child` or `parent::child`; "" = none
    child: str = ""  #: without the parent


NO_ACCOUNT = Account("")


def id_text(value: object, path: str, notes: list[Note]) -> str:
    """An id as text (rules I1, I2): "" when there is none; raises BadId.

    Numbers become decimal text; white space around and what does not print go (`id_trimmed`), as the store knows ids; case is kept.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        text = clean(value)
        if text and text != value:
            notes.append(Note("id_trimmed", path))
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise BadId(path, value)
    else:
        text = number_text(value)
        if not text:
            raise BadId(path, value)
    if not _usable(text):
        raise BadId(path, text)
    return text


def number_text(value: float) -> str:
    """A number as the decimal text that the door and the store know it by; "" for NaN and infinities."""
    text = clean(value)
    # math.isfinite raises for integers that no float can hold; NaN and Infinity end in a letter.
    return text if text[-1:].isdigit() else ""


def user_of(message: Message, person: Person, notes: list[Note]) -> str:
    """The userId of an event, or the one that a link gave it; "" when the person is anonymous (rules I1, I2, I7)."""
    event = message.event
    if not event.user_id:
        # Blank and null are no userId; a held event gets the userId of its link.
        if not _usable(person.user_id):
            raise BadId("userId", person.user_id)
        return person.user_id
    sent = message.body.get("userId")
    if isinstance(sent, bool) or not isinstance(sent, str | int | float | None):
        raise BadId("userId", sent)
    if not _usable(event.user_id):
        raise BadId("userId", event.user_id)
    if isinstance(sent, str) and sent != event.user_id:
        notes.append(Note("id_trimmed", "userId"))
    return event.user_id


def anonymous_visitor(message: Message) -> str:
    """The visitor id of an anonymous event under `prefix` (rule I6): the page's own where it gave one."""
    integrations = message.body.get("integrations")
    options = integrations.get("Pendo") if isinstance(integrations, dict) else None
    given = options.get("visitorId") if isinstance(options, dict) else None
    if isinstance(given, str) and given.startswith(ANONYMOUS_PREFIX) and given.strip() != ANONYMOUS_PREFIX:
        return given.strip()
    return ANONYMOUS_PREFIX + message.event.anonymous_id


def account_of(message: Message, person: Person, parent_trait: str, notes: list[Note]) -> Account:
    """The account of an event (rule I3): its own groupId, `context.groupId`, or that of the last group call; never an anonymousId."""
    body = message.body
    child = id_text(body.get("groupId"), "groupId", notes)
    if not child:
        context = body.get("context")
        if isinstance(context, dict):
            child = id_text(context.get("groupId"), "context.groupId", notes)
    parent = ""
    if not child and (membership := _membership(message, person)):
        child = membership.group_id
        parent = membership.parents.get(parent_trait, "") if parent_trait else ""
    if not child:
        return NO_ACCOUNT
    if parent_trait and not parent:
        parent = person.group_parents.get(child, {}).get(parent_trait, "")
    return joined(parent, child, notes)


def joined(parent: str, child: str, notes: list[Note]) -> Account:
    """`parent::child` (rule I5). A child that already contains `::` names its parent itself."""
    if PARENT_ACCOUNT_SEPARATOR in child:
        notes.append(Note("account_parent_syntax", "groupId", child[:SHOWN_CHARS_MAX]))
        return Account(child, child)
    if not parent:
        return Account(child, child)
    if parent in PLACEHOLDER_IDS or PARENT_ACCOUNT_SEPARATOR in parent:
        raise BadId("the parent account", parent)
    return Account(f"{parent}{PARENT_ACCOUNT_SEPARATOR}{child}", child)


def parent_of(value: Any, trait: str, notes: list[Note]) -> tuple[str, Mapping[str, Any]]:
    """The parent's id and its other keys, from the parent trait of a group call (rule I5); ("", {}) when it names none.

    An unusable parent rejects the call: the same account under its plain id would be another one, and parents cannot be undone.
    """
    path = f"traits.{trait}"
    traits: Mapping[str, Any] = {}
    if isinstance(value, dict):
        path += ".id"
        traits = {key: entry for key, entry in value.items() if key != "id"}
        value = value.get("id")
        if value is None:
            raise BadId(path, "missing")
    parent = id_text(value, path, notes)
    return parent, traits if parent else {}


def _membership(message: Message, person: Person) -> Membership | None:
    """The person's account at the event. A group call that was rejected for its id (rule I2) put nobody anywhere."""
    found = membership_at(person.memberships, message.event)
    if found is None or _usable(found.group_id):
        return found
    return membership_at([one for one in person.memberships if _usable(one.group_id)], message.event)


def _usable(id_value: str) -> bool:
    return id_value not in PLACEHOLDER_IDS and id_value != PARENT_ACCOUNT_SEPARATOR
