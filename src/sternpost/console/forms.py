"""Forms that are made from the fields of a destination: what stands in them, and what a submitted one means.

Secrets are write-only. What was typed into a form that could not be saved yet waits here, in memory, so that nobody has to type it
again; the page gets a token for it, never the secret.
"""

from __future__ import annotations

import json
import secrets
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MASK = "••••"
DRAFTS_MAX = 200  #: forms that wait to be corrected
DRAFT_VALID_S = 30 * 60.0  #: as long as people look for the right key
UNSET = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """The secrets of a form, for the user who typed them."""

    owner: str
    until: float
    values: Mapping[str, Any]


class Drafts:
    """Secrets of forms that could not be saved yet."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Draft] = OrderedDict()

    def keep(self, owner: str, values: Mapping[str, Any], now: float) -> str:
        """A token for these secrets; "" when there are none."""
        if not values:
            return ""
        token = secrets.token_urlsafe(16)
        self._kept[token] = Draft(owner, now + DRAFT_VALID_S, dict(values))
        while len(self._kept) > DRAFTS_MAX:
            self._kept.popitem(last=False)
        return token

    def take(self, owner: str, token: str, now: float) -> Mapping[str, Any]:
        """The secrets of a token, once; nothing for another's, or when it is too old."""
        draft = self._kept.pop(token, None)
        return draft.values if draft is not None and draft.owner == owner and now < draft.until else {}


@dataclass(frozen=True, slots=True)
class Submitted:
    """What a form says."""

    settings: dict[str, Any]  #: by field; None: as usual
    secrets: dict[str, Any]  #: of these, what must not come back to the page
    shown: dict[str, str]  #: what was typed, for showing the form again; no secret
    problems: dict[str, str]  #: by field, what cannot be read


def submitted(
    fields: Sequence[Mapping[str, Any]], form: Mapping[str, str], draft: Mapping[str, Any]
) -> Submitted:
    """Read a form by the fields of the catalogue. Fields that the form has not are left out."""
    settings: dict[str, Any] = {}
    hidden: dict[str, Any] = {}
    shown: dict[str, str] = {}
    problems: dict[str, str] = {}
    for field in fields:
        name = field["name"]
        text = form.get(f"s.{name}", "").replace("\r\n", "\n")
        if field["kind"] == "secret":
            typed = text.strip() or draft.get(name)
            if form.get(f"remove.{name}"):
                settings[name] = None
            elif typed:
                settings[name] = hidden[name] = typed
            continue
        value: Any
        if field["kind"] == "boolean":
            value = f"s.{name}" in form
            shown[name] = "on" if value else UNSET
        else:
            shown[name] = text
            try:
                value = _value(field, text.strip(), draft.get(name))
            except ValueError as error:
                problems[name] = str(error)
                continue
        if field["kind"] == "map" and value:
            hidden[name] = value
            shown[name] = "\n".join(f"{key}: {MASK}" for key in value)
        settings[name] = None if value == field["default"] else value
    return Submitted(settings, hidden, shown, problems)


def filled(fields: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> dict[str, str]:
    """What stands in the form of saved settings, whose secrets are masked."""
    return {
        field["name"]: _text(field, settings.get(field["name"], field["default"]))
        for field in fields
        if field["kind"] != "secret"
    }


def by_field(problems: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The API's problems by the field that a person sees: `settings.hosts.api` is `hosts`."""
    found: dict[str, str] = {}
    for problem in problems:
        path = str(problem["path"]).removeprefix("settings.")
        name = path.split(".")[0].split("[")[0]
        found.setdefault(name, f"{problem['message']} {problem.get('remedy') or ''}".strip())
    return found


def lines(text: str) -> list[str]:
    """The lines of a text area that say something."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def _value(field: Mapping[str, Any], text: str, before: Any) -> Any:
    if not text:
        return field["default"]
    match field["kind"]:
        case "integer" | "number":
            try:
                number = float(text)
            except ValueError:
                raise ValueError("Write a number.") from None
            return int(number) if field["kind"] == "integer" and number.is_integer() else number
        case "object":
            try:
                return json.loads(text)
            except ValueError:
                raise ValueError(f"This is not JSON. Write it like: {field['example'] or '{}'}") from None
        case "map":
            return _map(text, before if isinstance(before, Mapping) else {})
        case _:
            return text


def _map(text: str, before: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for line in lines(text):
        name, colon, value = line.partition(":")
        if not colon:
            raise ValueError("Write a line each, with a colon: X-Team: growth")
        found[name.strip()] = before.get(name.strip(), MASK) if value.strip() == MASK else value.strip()
    return found


def _text(field: Mapping[str, Any], value: Any) -> str:
    if value is None:
        return UNSET
    if field["kind"] == "boolean":
        return "on" if value else UNSET
    if field["kind"] == "map":
        return "\n".join(f"{key}: {member}" for key, member in value.items())
    if field["kind"] == "object":
        return json.dumps(value, ensure_ascii=False, indent=1) if value else UNSET
    return str(value)
