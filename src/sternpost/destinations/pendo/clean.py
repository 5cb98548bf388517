"""Cleaning of traits for visitors, accounts and parent accounts (rules C1 to C8).

Nothing is changed without a note, but for keys in lower case and dates in `DATE_OUTPUT`, which show in the request. Any JSON goes in;
out come keys that match `[a-z_][a-z0-9_]*` with values that Pendo stores.
"""

from __future__ import annotations

import math
import operator
import re
import unicodedata
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import Any, Literal

import msgspec

from sternpost.destinations.pendo.constants import (
    LIST_ITEMS_READ_MAX,
    METADATA_NULLS,
    METADATA_STRING_MAX,
    NOTES_MAX,
)
from sternpost.destinations.pendo.dates import (
    KEY_CHARS_CACHED_MAX,
    KEYS_CACHED_MAX,
    Dated,
    as_date,
    is_date_key,
)
from sternpost.destinations.pendo.flatten import KEY_CHARS_SHOWN, Leaf, Winners, leaves, path
from sternpost.ids import clean
from sternpost.model import Note

ROOT = "traits"

#: In a text a whole number has no fraction below it, as in JavaScript: the page and the server write the same.
WHOLE_END = 1e21

#: What a list may hold that is sent as it is. A float is looked at: it may be infinite.
_PLAIN = {str, int, bool}

_TEXT_END = METADATA_STRING_MAX or math.inf
_CLEAN_KEY = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
_NOT_KEY = re.compile(r"[^A-Za-z0-9_]")
_NAMED = re.compile(r"[A-Za-z0-9]")
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,17})(?:\.\d{1,17})?", re.ASCII)
#: Names that a schema or a person may use for the types that matter in C8.
_TYPES: Mapping[str, str] = {
    "number": "number",
    "integer": "number",
    "float": "number",
    "boolean": "boolean",
    "bool": "boolean",
    "time": "time",
    "date": "time",
}


def clean_traits(
    traits: Mapping[str, Any],
    *,
    notes: list[Note],
    group: Literal["agent", "custom"] = "agent",
    nested: Literal["flatten", "drop"] = "flatten",
    schema: Mapping[str, str] | None = None,
    id_text: str = "",
    left_out: AbstractSet[str] = frozenset(),
) -> dict[str, Any]:
    """The `values` of a metadata item. `schema` maps fields to types when the group's fields are known (V6, C8); `left_out` are
    traits that travel elsewhere (C1).
    """
    winners = Winners(ROOT, notes)
    for key, value in traits.items():
        if key in left_out:
            continue
        cleaned = clean_key(key)
        if cleaned == "id":
            # V3 by the name that Pendo would store: `ID` would arrive as `id` too.
            _id_ignored(key, value, id_text, notes)
            continue
        if isinstance(value, dict):
            for leaf in _nested(key, value, nested, notes):
                _offer(winners, clean_key(leaf.key), leaf, notes)
        else:
            _offer(winners, cleaned, Leaf(key, key, value, flattened=False), notes)
    values: dict[str, Any] = {}
    for cleaned, leaf in winners.items():
        if schema is not None and cleaned not in schema:
            notes.append(Note("unknown_field", path(ROOT, leaf.original), cleaned[:KEY_CHARS_SHOWN]))
            continue
        if cleaned != leaf.key and cleaned != leaf.key.lower():
            notes.append(
                Note(
                    "key_renamed",
                    path(ROOT, leaf.original),
                    f"{leaf.original[:KEY_CHARS_SHOWN]} → {cleaned[:KEY_CHARS_SHOWN]}",
                )
            )
        kind = _TYPES.get(schema[cleaned].lower()) if schema is not None else None
        _put(values, cleaned, leaf, kind, group, notes)
    return values


def clean_key(key: str) -> str:
    """A field name as Pendo stores it (rule C3); "" when the key has no ASCII letter or digit."""
    return _remembered_key(key) if len(key) <= KEY_CHARS_CACHED_MAX else _clean_key(key)


def _clean_key(key: str) -> str:
    if _CLEAN_KEY.fullmatch(key):
        return key
    if not key.isascii():
        key = "".join(char for char in unicodedata.normalize("NFD", key) if not unicodedata.combining(char))
    key = _NOT_KEY.sub("_", key)
    if not _NAMED.search(key):
        return ""
    return f"_{key}".lower() if key[0].isdigit() else key.lower()


#: The same few names come with every event of a site.
_remembered_key = lru_cache(maxsize=KEYS_CACHED_MAX)(_clean_key)


def _nested(key: str, value: Mapping[str, Any], nested: str, notes: list[Note]) -> list[Leaf]:
    """C2: the fields of a nested trait."""
    if nested == "drop":
        notes.append(Note("object_dropped", path(ROOT, key)))
        return []
    too_deep: list[str] = []
    flat = list(leaves(key, value, too_deep))
    notes.append(Note("nested_trait_flattened", path(ROOT, key)))
    notes.extend(
        Note("object_dropped", path(ROOT, name), "nested too deep, or under too long a name")
        for name in too_deep
    )
    return flat


def _offer(winners: Winners, cleaned: str, leaf: Leaf, notes: list[Note]) -> None:
    if cleaned:
        winners.offer(cleaned, leaf)
    else:
        notes.append(Note("key_unusable", path(ROOT, leaf.original)))


def _id_ignored(key: str, value: object, id_text: str, notes: list[Note]) -> None:
    if value is not None and clean(value) != id_text:
        notes.append(Note("trait_id_ignored", path(ROOT, key)))


def _put(
    values: dict[str, Any], cleaned: str, leaf: Leaf, kind: str | None, group: str, notes: list[Note]
) -> None:
    """C4 to C8 for one field."""
    value = leaf.value
    if kind is None and type(value) in _PLAIN and not _is_long(value) and not is_date_key(leaf.key):
        values[cleaned] = value  # the usual case, told quickly
        return
    where = path(ROOT, leaf.original)
    if value is None:
        if METADATA_NULLS == "send":
            values[cleaned] = None
        else:
            notes.append(Note("null_dropped", where))
        return
    if isinstance(value, list):
        items = _scalars(value, where, notes)
        if group == "agent":
            values[cleaned] = items
            return
        notes.append(Note("list_in_custom", where))
        if METADATA_STRING_MAX:
            items = items[:LIST_ITEMS_READ_MAX]  # the text is cut far before
        value = ",".join(map(_scalar_text, items))
    elif isinstance(value, float) and not math.isfinite(value):
        notes.append(Note("value_invalid", where, str(value)))
        return
    elif kind == "time" or is_date_key(leaf.key):
        value = _dated(value, leaf, kind, where, notes)
    elif not isinstance(value, str | int | float):
        notes.append(Note("value_invalid", where, type(value).__name__))
        return
    if kind in {"number", "boolean"}:
        value = _converted(value, kind, where, notes)
    values[cleaned] = _cut(value, where, notes)


def _scalars(items: list[Any], where: str, notes: list[Note]) -> list[Any]:
    """C5: a list without what Pendo does not take in lists."""
    if _is_plain(items):
        return items
    kept: list[Any] = []
    dropped = 0
    for position, item in enumerate(items, start=1):
        kind = type(item)
        if kind in _PLAIN:
            kept.append(_cut(item, where, notes))
        elif kind is float and math.isfinite(item):
            kept.append(item)
        elif (dropped := dropped + 1) <= NOTES_MAX:
            if kind is float:
                notes.append(Note("value_invalid", where, f"item {position} is {item}"))
            else:
                name = "null" if item is None else "a list" if isinstance(item, list) else "an object"
                notes.append(Note("object_dropped", where, f"item {position} is {name}"))
    if dropped > NOTES_MAX:
        notes.append(Note("object_dropped", where, f"and {dropped - NOTES_MAX} more items"))
    return kept


def _is_plain(items: list[Any]) -> bool:
    """The usual case, told quickly: nothing to leave out or to cut. None of it costs a step of Python's per item but mixed texts."""
    kinds = set(map(type, items))
    if not kinds <= _PLAIN | {float}:
        return False
    if float in kinds and (math.inf in items or -math.inf in items or any(map(operator.ne, items, items))):
        return False
    texts = items if kinds == {str} else [item for item in items if isinstance(item, str)]
    return not 0 < METADATA_STRING_MAX < max(map(len, texts), default=0)


def _dated(value: Any, leaf: Leaf, kind: str | None, where: str, notes: list[Note]) -> Any:
    """C6, and C8 for a field that is a time in the schema only."""
    dated: Dated = as_date(value)
    if dated.note is not None:
        notes.append(Note(dated.note, where, str(value)[:KEY_CHARS_SHOWN]))
    if dated.text is None:
        if kind == "time":
            notes.append(Note("type_mismatch", where, "the field is a time in Pendo"))
        return value
    if isinstance(value, str) and value != dated.text and not is_date_key(leaf.key):
        notes.append(Note("value_converted", where, dated.text))
    return dated.text


def _converted(value: Any, kind: str, where: str, notes: list[Note]) -> Any:
    """C8: an unambiguous text becomes the number or boolean that the field is in Pendo."""
    wanted: Any = None
    if kind == "number":
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value
        if isinstance(value, str) and _JSON_NUMBER.fullmatch(value.strip()):
            wanted = msgspec.json.decode(value.strip())
    else:
        if isinstance(value, bool):
            return value
        if isinstance(value, str):
            wanted = {"true": True, "false": False}.get(value.strip().lower())
    if wanted is None:
        notes.append(Note("type_mismatch", where, f"the field is a {kind} in Pendo"))
        return value
    notes.append(Note("value_converted", where, f"{value!r} → {wanted!r}"))
    return wanted


def _cut(value: Any, where: str, notes: list[Note]) -> Any:
    """C7: texts of at most METADATA_STRING_MAX characters."""
    if _is_long(value):
        notes.append(Note("value_long", where, f"{len(value)}→{METADATA_STRING_MAX} characters"))
        return value[:METADATA_STRING_MAX]
    return value


def _is_long(value: Any) -> bool:
    return type(value) is str and len(value) > _TEXT_END


def _scalar_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < WHOLE_END:
        return str(int(value))
    return value if isinstance(value, str) else str(value)
