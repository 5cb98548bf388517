"""Writing metadata of visitors, accounts and parent accounts (pendo.md, "Metadata").

Group agent: a field comes into being by being written; keys are lower-cased; objects are ignored [S]. Group custom: a
field must have been made by the schema route [S: hc/19638682125595]. The type is that of the schema, else of the first write.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import msgspec

from sternpost.sandbox import limits
from sternpost.sandbox.model import Field, Record, Request
from sternpost.sandbox.state import Arrival, Kind, State

#: Syntax of a key that segments and reports can use [S: hc/360031832072].
_GOOD_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_encode = msgspec.json.Encoder().encode


class Refused(Exception):
    """The item is refused; the message is the reason that `errors` gives."""


def write_agent_fields(
    state: State, source: Request | Arrival, kind: Kind, record_id: str, values: dict[str, Any]
) -> None:
    """Write what the web agent sent; it is never refused, what is lost is diagnosed."""
    record = state.record(kind, record_id, source.at_ms)
    try:
        write_fields(state, source, kind, "agent", record_id, record, values)
    except Refused as error:
        state.note(source, "type_mismatch", f"{kind} {record_id!r}: {error}")


def write_fields(
    state: State,
    source: Request | Arrival,
    kind: Kind,
    group: str,
    record_id: str,
    record: Record,
    values: dict[str, Any],
) -> None:
    """Write the named fields of one record, and only those; raises Refused before anything is changed."""
    if group == "custom":
        cleaned = _clean_custom(state, source, kind, record_id, values)
    else:
        cleaned = _clean_open(state, source, kind, group, record_id, values)
    fields = record.group(group)
    size = record.size
    for key, value in cleaned.items():
        if key in fields:
            size -= _size(key, fields[key])
        if value is None and state.switch("metadata.nullValue") == "clear":
            fields.pop(key, None)
        else:
            fields[key] = value
            size += _size(key, value)
    record.updated_ms = source.at_ms
    state.resize(kind, record, size)


def _clean_open(
    state: State, source: Request | Arrival, kind: Kind, group: str, record_id: str, values: dict[str, Any]
) -> dict[str, Any]:
    """Fields of a group that grows by writing: agent, segmentio."""
    cleaned: dict[str, Any] = {}
    spelled: dict[str, str] = {}
    fields = state.kept.fields[kind].setdefault(group, {})
    for name, sent in values.items():
        key = name.lower()
        if key in spelled:
            state.note(
                source,
                "key_collision",
                f"{spelled[key]!r} and {name!r} of {kind} {record_id!r} are one field; the last one wins.",
            )
        spelled[key] = name
        value = _flat(state, source, kind, record_id, name, sent)
        if value is _DROPPED or (value is None and state.switch("metadata.nullValue") == "ignore"):
            continue
        if not _GOOD_KEY.fullmatch(key):
            state.note(
                source,
                "bad_metadata_key",
                f"{name!r} of {kind} {record_id!r}: no segments and no reports on a field of this name.",
            )
        field = fields.get(key)
        if field is None and value is not None:
            if len(fields) >= limits.FIELDS_PER_GROUP_MAX:
                state.note(
                    source,
                    "memory_limit",
                    f"The sandbox keeps {limits.FIELDS_PER_GROUP_MAX:,} fields of a group; {name!r} was dropped.",
                )
                continue
            fields[key] = Field(type_of(value), name)
        elif field is not None:
            _check_type(state, source, kind, record_id, name, field, value)
        _check_length(state, source, kind, record_id, name, value)
        cleaned[key] = value
    return cleaned


def _clean_custom(
    state: State, source: Request | Arrival, kind: Kind, record_id: str, values: dict[str, Any]
) -> dict[str, Any]:
    """Fields of the group custom, which must exist; one unknown field refuses the item."""
    cleaned: dict[str, Any] = {}
    fields = state.kept.fields[kind]["custom"]
    for name, sent in values.items():
        key = name if name in fields else name.lower()
        field = fields.get(key)
        if field is None or field.deleted:
            state.note(
                source,
                "unknown_field",
                f"The custom field {name!r} of kind {kind} does not exist; {record_id!r} was not written.",
            )
            raise Refused(f"unknown field {name}")
        value = _flat(state, source, kind, record_id, name, sent)
        if value is _DROPPED or (value is None and state.switch("metadata.nullValue") == "ignore"):
            continue
        if isinstance(value, list):
            # Lists are for agent metadata only [S: hc/360038273392].
            state.note(
                source,
                "list_in_custom",
                f"{name!r} of {kind} {record_id!r} is a list; the group custom keeps none.",
            )
            continue
        _check_type(state, source, kind, record_id, name, field, value)
        _check_length(state, source, kind, record_id, name, value)
        cleaned[key] = value
    return cleaned


_DROPPED: Any = object()


def _flat(state: State, source: Request | Arrival, kind: Kind, record_id: str, name: str, value: Any) -> Any:
    """The value without objects: they are ignored, in lists too [S: the agent's install validator]."""
    if isinstance(value, dict):
        state.note(
            source, "object_dropped", f"{name!r} of {kind} {record_id!r} is an object; Pendo ignores it."
        )
        return _DROPPED
    if isinstance(value, list):
        kept = [item for item in value if not isinstance(item, dict | list)]
        if len(kept) != len(value):
            state.note(
                source,
                "object_dropped",
                f"{name!r} of {kind} {record_id!r} holds objects or lists; Pendo ignores them.",
            )
        return kept
    return value


def _check_type(
    state: State, source: Request | Arrival, kind: Kind, record_id: str, name: str, field: Field, value: Any
) -> None:
    if value is None or fits(field.type, value):
        return
    sentence = f"{name!r} of {kind} {record_id!r} is {field.type} and came as {type_of(value)}"
    state.note(source, "type_mismatch", f"{sentence}.")
    if state.switch("metadata.typeMismatch") == "refuse":
        raise Refused(f"{name} is {field.type} and came as {type_of(value)}")


def _check_length(
    state: State, source: Request | Arrival, kind: Kind, record_id: str, name: str, value: Any
) -> None:
    if isinstance(value, str) and len(value) > limits.TEXT_CHARS_ADVISED:
        state.note(
            source,
            "value_long",
            f"{name!r} of {kind} {record_id!r} has {len(value)} characters; {limits.TEXT_CHARS_ADVISED:,} are advised.",
        )


def type_of(value: Any) -> str:
    """The type that a first write gives a field. Whether a text is a time only the schema can say."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "list" if isinstance(value, list) else "string"


def fits(field_type: str, value: Any) -> bool:
    """Whether a value is of a field's type."""
    if field_type == "time":
        return _is_time(value)
    return type_of(value) == field_type


def _is_time(value: Any) -> bool:
    """RFC 3339 with zone [S: hc/360038273392; `Z` A: DATE_OUTPUT], or epoch milliseconds."""
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value).tzinfo is not None
        except ValueError:
            return False
    return isinstance(value, int) and not isinstance(value, bool)


def _size(key: str, value: Any) -> int:
    return len(key) + 4 + (len(value) if isinstance(value, str) else len(_encode(value)))
