"""Which types of calls a destination takes (data plane contract 6.4)."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from sternpost.model import Rejected, Skipped


def type_refused(message_type: str, supported: AbstractSet[str]) -> Rejected | Skipped | None:
    """Rejected for an event without a type, skipped for one the destination does not take, else None (contract 6.4).

    `message_type` is in lower case without spaces around, "" when it is absent or no text. No list of types: everything is taken.
    """
    if not message_type:
        return Rejected("event_type_missing", "The event's type is absent, blank or not text.")
    if supported and message_type not in supported:
        return Skipped(
            "type_not_supported",
            f"The type is {message_type[:60]}; the destination takes {', '.join(sorted(supported))}.",
        )
    return None
