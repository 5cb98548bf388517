"""How traits and properties become fields at a destination, told from the events of the last day. Pure.

There is no second description of the mapping: each trait that was seen is mapped alone, by the code that delivers, and what comes out is
the row. So the page cannot say anything else than what is sent.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from sternpost.model import Event, Note
from sternpost.wire import message as wire_message

NAMES_MAX = 100  #: traits of one block; more are said to be more
SAMPLES_MAX = 200  #: events of one type that are looked at
EXAMPLE_CHARS_MAX = 80
TRIES_MAX = 5  #: calls by which a trait is mapped until something comes of it

#: Block, the types of calls, where the values stand.
BLOCKS = (
    ("visitor", frozenset({"identify"}), "traits"),
    ("account", frozenset({"group"}), "traits"),
    ("track", frozenset({"track", "page", "screen"}), "properties"),
)
#: What a call with one value alone would send: the fields by name, or None when nothing is sent; and what was noted.
Mapped = tuple[Mapping[str, Any] | None, tuple[Note, ...]]


@dataclass(slots=True)
class Row:
    """A trait or property that was seen."""

    path: str
    types: Counter[str] = field(default_factory=Counter)
    example: str = ""
    people: set[str] = field(default_factory=set)
    fields: list[str] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    tries: int = 0  #: of mapping it


def blocks(events: Iterable[Event], mapped: Callable[[Event], Mapped]) -> list[dict[str, Any]]:
    """The three blocks: a row for each trait that came in `events`, which are the newest first."""
    found: list[dict[str, Any]] = []
    seen = [(event, wire_message.received(event)) for event in events]
    for block, kinds, place in BLOCKS:
        rows: dict[str, Row] = {}
        mine = [(event, body) for event, body in seen if event.type.strip().lower() in kinds][:SAMPLES_MAX]
        for event, body in mine:
            for name, value in _values(body, place).items():
                row = rows.get(name)
                if row is None:
                    if len(rows) == NAMES_MAX:
                        continue
                    row = rows[name] = Row(f"{place}.{name}")
                    row.example = _shown(value)
                # Nothing may come of a call for a reason of its own, say for want of a name: then the next ones tell.
                if not row.fields and row.tries < TRIES_MAX:
                    row.tries += 1
                    fields, notes = mapped(_alone(event, body, place, name, value))
                    row.fields = list(fields or ())
                    row.notes = [
                        note for note in notes if note.path.startswith(f"{place}.") or note.path == place
                    ]
                row.types[_type(value)] += 1
        owners: dict[str, list[str]] = {}
        for name, row in rows.items():
            for one in row.fields:
                owners.setdefault(one.lower(), []).append(name)
        found.append(
            {
                "block": block,
                "events": len(mine),
                "rows": [_row(row, name, owners) for name, row in sorted(rows.items())],
            }
        )
    return found


def _row(row: Row, name: str, owners: Mapping[str, list[str]]) -> dict[str, Any]:
    total = sum(row.types.values())
    main = row.types.most_common(1)[0][0]
    warnings = [{"code": note.code, "path": note.path, "detail": note.detail} for note in row.notes]
    others = sorted({other for one in row.fields for other in owners[one.lower()]} - {name})
    if others:
        warnings.append(
            {
                "code": "key_collision",
                "path": row.path,
                "detail": f"Becomes one field with {', '.join(others)}.",
            }
        )
    differing = {kind: n for kind, n in row.types.items() if kind != main}
    if differing:
        said = ", ".join(f"{kind} in {100 * n / total:.0f} %" for kind, n in sorted(differing.items()))
        warnings.append(
            {"code": "type_mismatch", "path": row.path, "detail": f"Mostly {main}, but {said} of the calls."}
        )
    return {
        "path": row.path,
        "fields": row.fields,
        "type": main,
        "count": total,
        "example": row.example,
        "warnings": warnings,
    }


def _values(body: Mapping[str, Any], place: str) -> Mapping[str, Any]:
    found = body.get(place)
    if not isinstance(found, dict) and place == "traits":
        context = body.get("context")
        found = context.get("traits") if isinstance(context, dict) else None
    return found if isinstance(found, dict) else {}


def _alone(event: Event, body: Mapping[str, Any], place: str, name: str, value: Any) -> Event:
    """The event with one value only."""
    context = (
        {key: one for key, one in (body.get("context") or {}).items() if key != "traits"}
        if isinstance(body.get("context"), dict)
        else {}
    )
    alone = {**body, place: {name: value}, "context": context}
    return replace(event, body=json.dumps(alone).encode())


def _type(value: Any) -> str:
    match value:
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "text"
        case list():
            return "list"
        case dict():
            return "object"
        case _:
            return "null"


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= EXAMPLE_CHARS_MAX else f"{text[:EXAMPLE_CHARS_MAX]}…"
