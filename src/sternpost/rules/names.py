"""Rules about the names of track events: blocked at the source, allowed or denied by the destination (contracts 5.3 and 6.5)."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from sternpost.model import EventFiltering, Skipped

NAME_CHARS_MAX = 100  #: of an event's name in an explanation


def blocked_at_source(
    message_type: str, body: Mapping[str, Any], blocked: AbstractSet[str]
) -> Skipped | None:
    """Track events of exactly a listed name: case matters, nothing is trimmed, the empty name never (contract 5.3)."""
    if not blocked or message_type != "track":
        return None
    name = body.get("event")
    if not isinstance(name, str) or not name or name not in blocked:
        return None
    return Skipped("event_blocked", f'"{name[:NAME_CHARS_MAX]}" is on blockedEvents of the source.')


def name_filtered(message_type: str, body: Mapping[str, Any], filtering: EventFiltering) -> Skipped | None:
    """The destination's allow or deny list (contract 6.5): track only, trimmed on both sides, case matters.

    An event without a name passes a deny list and is stopped by an allow list; an empty allow list stops everything, a deny list
    without usable names nothing. A number counts as its text, under which a destination would send it.
    """
    if filtering.mode == "off" or message_type != "track":
        return None
    name = _name(body.get("event"))
    listed = bool(name) and any(name == entry.strip() for entry in filtering.events)
    if filtering.mode == "deny" and listed:
        return Skipped(
            "filtered_by_deny_list", f'eventFiltering denies "{name[:NAME_CHARS_MAX]}" ({_size(filtering)}).'
        )
    if filtering.mode == "allow" and not listed:
        said = f'"{name[:NAME_CHARS_MAX]}" is' if name else "An event without a name is"
        return Skipped(
            "filtered_by_allow_list",
            f"{said} not among the events that eventFiltering allows ({_size(filtering)}).",
        )
    return None


def _name(value: object) -> str:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return ""


def _size(filtering: EventFiltering) -> str:
    return f"{len(filtering.events)} {'name' if len(filtering.events) == 1 else 'names'} on the list"
