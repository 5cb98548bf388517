"""What the mode of a connection leaves to the server (data plane contract 6.4, rule G5)."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from sternpost.model import Mode


def left_to_browser(
    message_type: str, mode: Mode, hybrid_types: AbstractSet[str] = frozenset()
) -> str | None:
    """Why the server must not deliver an event of this type; None when it should.

    Device: nothing goes from the server. Cloud: everything. Hybrid: the listed types; without a list, everything.
    """
    if mode == "device":
        return "The connection is in device mode: the page itself sends this event."
    if mode == "hybrid" and hybrid_types and message_type not in hybrid_types:
        return (
            f"The connection is in hybrid mode, in which the server sends {', '.join(sorted(hybrid_types))}; "
            f"{message_type[:60]} is left to the page."
        )
    return None
