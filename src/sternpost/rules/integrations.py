"""The event's `integrations` object: whether the call itself excludes a destination (data plane contract 6.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

VALUE_CHARS_MAX = 60  #: of an odd value in an explanation


def excluded(body: Mapping[str, Any], display_name: str, other_names: Sequence[str] = ()) -> str | None:
    """Why the `integrations` object excludes the destination of this display name; None when it does not (contract 6.3).

    Only the exact display name includes a destination. `other_names` exclude with `false` where the display name says nothing: whoever
    writes `PENDO: false` means it (rule G7), while `PENDO: true` beside `All: false` includes nothing.
    """
    if "integrations" not in body:
        return None
    integrations = body["integrations"]
    if not isinstance(integrations, dict):
        return f"integrations is {_shown(integrations)} and no object, so the event goes nowhere."
    named = integrations.get(display_name)
    if named is True or isinstance(named, dict):
        # A malformed `All` sends the event nowhere, whatever is named beside it.
        return _malformed_all(integrations)
    if named is False:
        return f"integrations says {display_name}: false."
    if malformed := _malformed_all(integrations):
        return malformed
    for name in other_names:
        if integrations.get(name) is False:
            return f"integrations says {name}: false."
    if integrations.get("All", True) is True:
        return None
    return f"integrations says All: false and does not name {display_name} with true or an object."


def _malformed_all(integrations: Mapping[str, Any]) -> str | None:
    everything = integrations.get("All", True)
    if isinstance(everything, bool):
        return None
    return f"integrations says All: {_shown(everything)}, which is no boolean, so the event goes nowhere."


def _shown(value: object) -> str:
    if value is None:
        return "null"
    return repr(value)[:VALUE_CHARS_MAX] if not isinstance(value, list | dict) else type(value).__name__
