"""What Pendo silently loses of a track event (pendo.md, "Limits and silent losses").

The event is kept as it was sent; each code that applies is recorded beside it. Nothing here changes an answer.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from sternpost.sandbox import limits
from sternpost.sandbox.model import Event, Request
from sternpost.sandbox.state import Arrival, State

_HOUR_MS = 3_600_000
#: A key that Pendo displays [S: hc/360032294291]; one that both starts and ends with `__` is refused beside it.
_GOOD_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,31}", re.ASCII)
_encode = msgspec.json.Encoder().encode


def diagnose_timestamp(state: State, source: Request | Arrival, timestamp: int) -> None:
    """At most one of: seconds, too old, a past hour, the future [S: hc/360032294291; A: track.secondsBelow, track.futureMaxMs]."""
    now_ms = source.at_ms
    if timestamp >= now_ms - now_ms % _HOUR_MS:
        if timestamp > now_ms + state.switch("track.futureMaxMs"):
            state.note(
                source,
                "timestamp_future",
                f"The timestamp {timestamp} is {_duration(timestamp - now_ms)} ahead.",
            )
    elif timestamp < state.switch("track.secondsBelow"):
        state.note(
            source,
            "timestamp_seconds",
            f"The timestamp {timestamp} looks like seconds; Pendo reads it as a time in 1970.",
        )
    elif timestamp < now_ms - limits.EVENT_MAX_AGE_MS:
        state.note(
            source,
            "too_old",
            f"The timestamp {timestamp} is {_duration(now_ms - timestamp)} old; Pendo may never show the event.",
        )
    else:
        state.note(
            source,
            "delayed_reprocess",
            f"The timestamp {timestamp} lies in a past hour ({_duration(now_ms - timestamp)} ago); the event shows after a daily or weekly run.",
        )


def diagnose_properties(state: State, source: Request | Arrival, event: Event) -> None:
    """Names, sizes and numbers of names, keys and values; nested values are dropped if the switch says so [A: track.nested]."""
    properties = event.properties
    if properties:
        nested = None
        for key, value in properties.items():
            if not _GOOD_KEY.fullmatch(key) or (key.startswith("__") and key.endswith("__")):
                state.note(
                    source,
                    "bad_property_key",
                    f"The property {key!r} of {event.event!r} is not displayed: {_key_fault(key)}.",
                )
            if isinstance(value, dict | list):
                nested = [*(nested or []), key]
            else:
                _watch_value(state, source, key, value)
            if key not in state.kept.property_keys:
                _watch_key(state, source, key)
        size = len(_encode(properties))
        if size > limits.TRACK_PROPS_BYTES_MAX:
            state.note(
                source,
                "props_too_large",
                f"The properties of {event.event!r} have {size} bytes as JSON; Pendo shows at most {limits.TRACK_PROPS_BYTES_MAX}.",
            )
        if len(properties) > limits.PROPERTY_COUNT_ADVISED:
            state.note(
                source,
                "property_count",
                f"{event.event!r} has {len(properties)} properties; about {limits.PROPERTY_COUNT_ADVISED} are advised.",
            )
        if nested:
            state.note(
                source,
                "nested_property",
                f"{', '.join(map(repr, nested))} of {event.event!r} hold objects or lists; Pendo shows flat values only.",
            )
            if state.switch("track.nested") == "drop":
                event.properties = {key: value for key, value in properties.items() if key not in nested}
    _watch_name(state, source, event)


def _watch_name(state: State, source: Request | Arrival, event: Event) -> None:
    names = state.kept.event_names.setdefault(event.app, {})
    name = event.event or ""
    defined_ms = names.get(name)
    if defined_ms is not None:
        if event.timestamp // _HOUR_MS < defined_ms // _HOUR_MS:
            state.note(source, "before_definition", f"The timestamp lies before {name!r} was first seen.")
    elif len(names) >= limits.EVENT_NAMES_MAX:
        state.note(
            source, "event_limit", f"{name!r} would be event name {limits.EVENT_NAMES_MAX + 1:,} of this app."
        )
    else:
        names[name] = source.at_ms


def _watch_key(state: State, source: Request | Arrival, key: str) -> None:
    if len(state.kept.property_keys) >= limits.PROPERTY_KEYS_MAX:
        state.note(
            source,
            "property_key_limit",
            f"{key!r} would be property name {limits.PROPERTY_KEYS_MAX + 1:,} of the subscription.",
        )
    else:
        state.kept.property_keys[key] = None


def _watch_value(state: State, source: Request | Arrival, key: str, value: Any) -> None:
    """Count distinct values; hashes are enough, and few enough of them to be held."""
    seen = state.property_values.get(key)
    if seen is None:
        if len(state.property_values) >= limits.PROPERTY_KEYS_MAX:
            return
        seen = state.property_values[key] = set()
    if (
        len(seen) > limits.PROPERTY_VALUES_MAX
        or state.property_values_count >= limits.PROPERTY_VALUES_WATCHED_MAX
    ):
        return
    before = len(seen)
    seen.add(hash(value))
    if len(seen) != before:
        state.property_values_count += 1
        if len(seen) == limits.PROPERTY_VALUES_MAX + 1:
            state.note(
                source,
                "property_cardinality",
                f"{key!r} has had more than {limits.PROPERTY_VALUES_MAX:,} different values.",
            )


def _key_fault(key: str) -> str:
    if not key:
        return "it is empty"
    if len(key) > limits.PROPERTY_KEY_CHARS_MAX:
        return f"it has {len(key)} characters, at most {limits.PROPERTY_KEY_CHARS_MAX} are taken"
    if key[0].isascii() and key[0].isdigit():
        return "it starts with a digit"
    if key.startswith("__") and key.endswith("__"):
        return "it both starts and ends with __"
    return "only letters, digits and _ are taken"


def _duration(ms: int) -> str:
    for name, unit in (("days", 86_400_000), ("hours", _HOUR_MS), ("minutes", 60_000)):
        if ms >= unit:
            return f"{ms / unit:.1f} {name}"
    return f"{ms / 1000:.1f} seconds"
