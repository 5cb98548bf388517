"""Forms that are made from the fields of a destination: what stands in them, and what a submitted one means.

A field is one input, or several: an object has one for each of its members, a list of objects a row for each, and names with values a
row for each name. Inputs are named by their place, as `s.consent.0.provider`. A row in which nothing stands is none, so a browser without
scripts takes a row away by emptying it. Secrets are write-only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MASK = "••••"
UNSET = ""
BLANK_ROWS, MORE_ROWS = 1, 3  #: that stand below the filled ones: at first, and when more are asked for


@dataclass(frozen=True, slots=True)
class Submitted:
    """What a form says."""

    settings: dict[str, Any]  #: by field; None: as usual
    secrets: dict[str, Any]  #: of these, what must not come back to the page
    shown: dict[str, Any]  #: what was typed, for showing the form again; no secret
    problems: dict[str, str]  #: by place, what cannot be read


def submitted(
    fields: Sequence[Mapping[str, Any]], form: Mapping[str, str], draft: Mapping[str, Any]
) -> Submitted:
    """Read a form by the fields of the catalogue. `draft` has the secrets that are known already."""
    made = Submitted({}, {}, {}, {})
    for field in fields:
        name = field["name"]
        if field["kind"] == "secret":
            typed = form.get(f"s.{name}", "").strip() or draft.get(name)
            if form.get(f"remove.{name}"):
                made.settings[name] = None
            elif typed:
                made.settings[name] = made.secrets[name] = typed
            continue
        value, made.shown[name] = _read(field, form, name, name, made.problems)
        if field["kind"] == "map" and value:
            before = draft.get(name)
            known = before if isinstance(before, Mapping) else {}
            value = {key: known.get(key, MASK) if member == MASK else member for key, member in value.items()}
            made.secrets[name] = value
            made.shown[name] = [{**row, "value": MASK if row["value"] else ""} for row in made.shown[name]]
        if not _within(made.problems, name):
            made.settings[name] = None if value == field["default"] else value
    return made


def filled(fields: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> dict[str, Any]:
    """What stands in the form of saved settings, whose secrets are masked."""
    return {
        field["name"]: _shown(field, settings.get(field["name"], field["default"]))
        for field in fields
        if field["kind"] != "secret"
    }


def by_field(problems: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The API's problems by field: `allowedOrigins[1]` is of `allowedOrigins`."""
    return by_place(problems, (), {})


def by_place(
    problems: Iterable[Mapping[str, Any]], fields: Sequence[Mapping[str, Any]], shown: Mapping[str, Any]
) -> dict[str, str]:
    """The API's problems by the input that a person sees: `settings.hosts.api` is `hosts.api`; of what has none, by its field."""
    known = places(fields, shown)
    found: dict[str, str] = {}
    for problem in problems:
        place = re.sub(r"\[(\d+)\]", r".\1", str(problem["path"]).removeprefix("settings."))
        name, _, key = place.partition(".")
        rows = shown.get(name)
        if place not in known and isinstance(rows, list):  # of a name, the row where it stands
            index = next((at for at, row in enumerate(rows) if row.get("name") == key), None)
            place = place if index is None else f"{name}.{index}.value"
        said = f"{problem['message']} {problem.get('remedy') or ''}".strip()
        found.setdefault(place if place in known else re.split(r"[.\[]", place)[0], said)
    return found


def places(fields: Sequence[Mapping[str, Any]], shown: Mapping[str, Any]) -> dict[str, str]:
    """Every input of a form by its place, with its label in words."""
    found: dict[str, str] = {}

    def add(field: Mapping[str, Any], place: str, label: str, value: Any) -> None:
        found[place] = label
        if field["many"]:
            for index, row in enumerate(value or ()):
                for member in field["members"]:
                    add(member, f"{place}.{index}.{member['name']}", f"{label} {index + 1}, {member['label']}", row[member["name"]])  # fmt: skip
        elif field["members"]:
            for member in field["members"]:
                add(member, f"{place}.{member['name']}", f"{label}, {member['label']}", value[member["name"]])
        elif field["kind"] in {"map", "object"}:
            for index, row in enumerate(value or ()):
                for part in row:
                    found[f"{place}.{index}.{part}"] = f"{label} {index + 1}, {part}"

    for field in fields:
        if field["name"] in shown or field["kind"] == "secret":
            add(field, field["name"], field["label"], shown.get(field["name"]))
    return found


def lines(text: str) -> list[str]:
    """The lines of a text area that say something."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def _within(problems: Mapping[str, str], name: str) -> bool:
    return any(place == name or place.startswith(f"{name}.") for place in problems)


def _read(
    field: Mapping[str, Any], form: Mapping[str, str], typed_at: str, place: str, problems: dict[str, str]
) -> tuple[Any, Any]:
    """The value of a field, and what was typed. `typed_at` is the place in the form that was sent, `place` in the one that is shown
    next, which has no blank rows between others; problems are noted there.
    """
    if field["many"]:
        return _list(field, form, typed_at, place, problems)
    if field["members"]:
        parts = {
            member["name"]: _read(member, form, f"{typed_at}.{member['name']}", f"{place}.{member['name']}", problems)
            for member in field["members"]
        }  # fmt: skip
        value = {name: part for name, (part, _) in parts.items() if part is not None}
        return value or field["default"], {name: shown for name, (_, shown) in parts.items()}
    if field["kind"] in {"object", "map"}:
        return _names(field, form, typed_at, place, problems)
    text = form.get(f"s.{typed_at}", "").replace("\r\n", "\n")
    match field["kind"]:
        case "boolean":
            return f"s.{typed_at}" in form, "on" if f"s.{typed_at}" in form else UNSET
        case "texts":
            return lines(text), text
        case "integer" | "number" if text.strip():
            try:
                number = float(text)
            except ValueError:
                problems[place] = "Write a number."
                return None, text
            whole = field["kind"] == "integer" and number.is_integer()
            return int(number) if whole else number, text
        case _:
            return text.strip() or field["default"], text


def _rows(form: Mapping[str, str], place: str) -> list[int]:
    """The numbers of the rows that a form has."""
    found = (re.match(rf"s\.{re.escape(place)}\.(\d{{1,4}})\.", name) for name in form)
    return sorted({int(one[1]) for one in found if one})


def _list(
    field: Mapping[str, Any], form: Mapping[str, str], typed_at: str, place: str, problems: dict[str, str]
) -> tuple[list[Any], list[Any]]:
    values: list[Any] = []
    shown: list[Any] = []
    row = {**field, "many": False, "default": {}}
    free = [member["name"] for member in field["members"] if member["kind"] != "choice"]
    for index in _rows(form, typed_at):
        if any(form.get(f"s.{typed_at}.{index}.{name}", "").strip() for name in free):
            value, typed = _read(row, form, f"{typed_at}.{index}", f"{place}.{len(shown)}", problems)
            values.append(value)
            shown.append(typed)
    return values, shown


def _names(
    field: Mapping[str, Any], form: Mapping[str, str], typed_at: str, place: str, problems: dict[str, str]
) -> tuple[dict[str, Any], list[dict[str, str]]]:
    values: dict[str, Any] = {}
    shown: list[dict[str, str]] = []
    for index in _rows(form, typed_at):
        name = form.get(f"s.{typed_at}.{index}.name", "").strip()
        text = form.get(f"s.{typed_at}.{index}.value", "").strip()
        if not name and not text:
            continue
        at = f"{place}.{len(shown)}"
        shown.append({"name": name, "value": text})
        if not name:
            problems[f"{at}.name"] = "Give it a name, or empty the row."
        elif name in values:
            problems[f"{at}.name"] = "This name stands twice. Keep one of them."
        elif not text:
            problems[f"{at}.value"] = "Write a value, or empty the row."
        else:
            values[name] = text if field["kind"] == "map" else _json_or_text(text)
    return values, shown


def _json_or_text(text: str) -> Any:
    """What a person means by it: true, 7, [1, 2] or {"a": 1} are that, everything else is a text."""

    def no_number(name: str) -> Any:
        raise ValueError(name)

    try:
        return json.loads(text, parse_constant=no_number)
    except (ValueError, RecursionError):
        return text


def _as_typed(value: Any) -> str:
    """So that `_json_or_text` reads the same value from it."""
    is_bare = isinstance(value, str) and value == value.strip() != "" and value.isprintable()
    return value if is_bare and _json_or_text(value) is value else json.dumps(value, ensure_ascii=False)


def _shown(field: Mapping[str, Any], value: Any) -> Any:
    if field["many"]:
        row = {**field, "many": False}
        return [_shown(row, one) for one in value or ()]
    if field["members"]:
        given = value if isinstance(value, Mapping) else {}
        return {
            member["name"]: _shown(member, given.get(member["name"], member["default"]))
            for member in field["members"]
        }
    if field["kind"] in {"map", "object"}:
        written = str if field["kind"] == "map" else _as_typed
        return [{"name": name, "value": written(member)} for name, member in (value or {}).items()]
    if value is None:
        return UNSET
    if field["kind"] == "boolean":
        return "on" if value else UNSET
    if field["kind"] == "texts":
        return "\n".join(map(str, value))
    return str(value)
