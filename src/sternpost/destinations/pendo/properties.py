"""Properties of track events: cleaned to what Pendo displays, then fitted to 512 bytes (rule T7)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from itertools import islice
from typing import Any, Literal

import msgspec

from sternpost.destinations.pendo.constants import (
    FIELDS_MAX,
    LIST_ITEMS_READ_MAX,
    TRACK_KEY_MAX,
    TRACK_PROPS_MAX_BYTES,
    TRACK_STRING_CUT_FLOOR,
)
from sternpost.destinations.pendo.flatten import KEY_CHARS_SHOWN, Leaf, Winners, leaves, path, size
from sternpost.model import Note

ROOT = "properties"

#: The beginning and the end may share underscores: `__` and `___` both start and end with `__`.
_CLEAN_KEY = re.compile(r"(?!(?=__).*__$)[A-Za-z_][A-Za-z0-9_]{0,31}", re.ASCII)
_NOT_KEY = re.compile(r"[^A-Za-z0-9_]")
_encode = msgspec.json.Encoder().encode


def clean_properties(
    properties: Mapping[str, Any], *, notes: list[Note], nested: Literal["flatten", "drop"] = "flatten"
) -> dict[str, Any]:
    """Flat scalars under keys that Pendo displays; each change is a note. Of more than FIELDS_MAX the first are looked at: far fewer fit."""
    if size(properties, FIELDS_MAX, nested=nested == "flatten") > FIELDS_MAX:
        notes.append(Note("props_dropped", ROOT, f"more than {FIELDS_MAX:,} values: the first are looked at"))
        properties = dict(islice(properties.items(), FIELDS_MAX))
    if _is_clean(properties):
        return dict(properties)
    winners = Winners(ROOT, notes)
    left = FIELDS_MAX
    for key, value in properties.items():
        left -= 1
        if isinstance(value, dict):
            found = _nested(key, value, nested, notes, left)
            left -= len(found)
            for leaf in found:
                _offer(winners, leaf, notes)
        else:
            _offer(winners, Leaf(key, key, value, flattened=False), notes)
        if left <= 0:
            break
    values: dict[str, Any] = {}
    for cleaned, leaf in winners.items():
        if cleaned != leaf.key:
            notes.append(
                Note(
                    "key_renamed",
                    path(ROOT, leaf.original),
                    f"{leaf.original[:KEY_CHARS_SHOWN]} → {cleaned}",
                )
            )
        values[cleaned] = leaf.value
    return values


def fit(properties: dict[str, Any], *, notes: list[Note]) -> bytes:
    """`properties` as compact UTF-8 JSON of at most TRACK_PROPS_MAX_BYTES (TRACK_PROPS_MEASURE).

    Raises UnicodeEncodeError for half a surrogate pair.
    """
    encoded = _encode(properties)
    excess = len(encoded) - TRACK_PROPS_MAX_BYTES
    if excess <= 0:
        return encoded
    properties = dict(properties)
    _trim(properties, excess, notes)
    return _drop(properties, notes)


def clean_property_key(key: str) -> str:
    """A property name that Pendo displays; "" when nothing of it is left."""
    if _CLEAN_KEY.fullmatch(key):
        return key
    key = _NOT_KEY.sub("_", key)
    if key[:1].isdigit():
        key = f"_{key}"
    # Cutting may leave a key that ends with `__` again.
    return _without_tail(_without_tail(key)[:TRACK_KEY_MAX])


def _is_clean(properties: Mapping[str, Any]) -> bool:
    """The usual case, told quickly: nothing to change but the size."""
    for key, value in properties.items():
        kind = type(value)
        if kind is float:
            if not math.isfinite(value):
                return False
        elif kind is not str and kind is not int and kind is not bool:
            return False
        if not _CLEAN_KEY.fullmatch(key):
            return False
    return True


def _without_tail(key: str) -> str:
    return key.rstrip("_") if key.startswith("__") and key.endswith("__") else key


def _nested(key: str, value: Mapping[str, Any], nested: str, notes: list[Note], at_most: int) -> list[Leaf]:
    if nested == "drop":
        notes.append(Note("nested_property", path(ROOT, key), "dropped"))
        return []
    too_deep: list[str] = []
    flat = list(leaves(key, value, too_deep, at_most))
    notes.append(Note("nested_property", path(ROOT, key), "flattened"))
    notes.extend(
        Note("nested_property", path(ROOT, name), "nested too deep, or under too long a name: dropped")
        for name in too_deep
    )
    return flat


def _offer(winners: Winners, leaf: Leaf, notes: list[Note]) -> None:
    """A value that can be sent, under its cleaned key. Values go first: a null takes no other key's place."""
    where = path(ROOT, leaf.original)
    value = leaf.value
    if value is None:
        notes.append(Note("null_dropped", where))
        return
    if isinstance(value, float) and not math.isfinite(value):
        notes.append(Note("value_invalid", where, str(value)))
        return
    if isinstance(value, list):
        # A list counts as nested: Pendo takes scalars only (table of limits, nested_property).
        text = _list_text(value)
        notes.append(Note("nested_property", where, "sent as one text"))
        leaf = Leaf(leaf.original, leaf.key, text, leaf.flattened)
    elif not isinstance(value, str | int | float):
        notes.append(Note("value_invalid", where, type(value).__name__))
        return
    cleaned = clean_property_key(leaf.key)
    if cleaned:
        winners.offer(cleaned, leaf)
    else:
        notes.append(Note("key_unusable", where))


def _list_text(items: list[Any]) -> str:
    """Scalars joined with a comma; a list with anything else (null is no scalar) as compact JSON. Of a long list the beginning is enough:
    what fits is far shorter.
    """
    items = items[:LIST_ITEMS_READ_MAX]
    if all(isinstance(item, str | int | float) for item in items) and not any(
        isinstance(item, float) and not math.isfinite(item) for item in items
    ):
        return ",".join(item if isinstance(item, str) else _encode(item).decode() for item in items)
    return _encode(items).decode()


def _trim(properties: dict[str, Any], excess: int, notes: list[Note]) -> None:
    """Step 1: cut the longest texts by the excess, none below TRACK_STRING_CUT_FLOOR bytes. Of equal ones the later is cut first."""
    total = len(_encode(properties))
    texts = [
        (len(data), position, key, data)
        for position, (key, value) in enumerate(properties.items())
        if isinstance(value, str) and len(data := value.encode()) > TRACK_STRING_CUT_FLOOR
    ]
    # One pass from the longest is enough: a text that was cut to the floor is not the longest again.
    for length, _, key, data in sorted(texts, reverse=True):
        if excess <= 0:
            return
        cut = _shortened(data, max(TRACK_STRING_CUT_FLOOR, length - excess))
        if len(cut) == length:
            continue
        before = len(_encode(properties[key]))
        properties[key] = cut.decode()
        total -= before - len(_encode(properties[key]))
        excess = total - TRACK_PROPS_MAX_BYTES
        notes.append(Note("props_trimmed", path(ROOT, key), f"{key} {length}→{len(cut)}"))


def _shortened(data: bytes, target: int) -> bytes:
    """The first `target` bytes, on a character's boundary: below it, unless that would go under the floor."""
    end = target
    while end > 0 and data[end] & 0xC0 == 0x80:
        end -= 1
    if end < TRACK_STRING_CUT_FLOOR:
        end = target
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end += 1
    return data[:end]


def _drop(properties: dict[str, Any], notes: list[Note]) -> bytes:
    """Step 2: leave out the last properties until the rest fits."""
    sizes = [len(_encode(key)) + len(_encode(value)) + 2 for key, value in properties.items()]
    # Braces and commas: {} takes two bytes, and the last of n entries has no comma.
    total = sum(sizes) + 1
    while sizes and total > TRACK_PROPS_MAX_BYTES:
        total -= sizes.pop()
        key, _ = properties.popitem()
        notes.append(Note("props_dropped", path(ROOT, key), key))
    return _encode(properties)
