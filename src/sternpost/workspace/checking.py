"""What is wrong with a document: problems with their places, and the checks of single values.

A value that is not acceptable is noted and read as None, so that one run finds as many mistakes as it can. A message never repeats what could
be a secret: values are quoted only where one of a few words is expected, and only short ones.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, cast

from sternpost.errors import Problem
from sternpost.workspace.hints import either, near_miss
from sternpost.workspace.references import CONTROL, Unresolved
from sternpost.workspace.yaml import child

VERSION = 1  #: of the format
ID_CHARS_MAX = 64
NAME_CHARS_MAX = 200
QUOTED_CHARS_MAX = 32  #: a key of Pendo has thirty-six; what is longer than any of our words is not repeated

_ID = re.compile(r"[a-z0-9][a-z0-9_-]*")


class Check:
    """Collects problems, and checks single values."""

    def __init__(self, lines: Mapping[str, int]) -> None:
        self.problems: list[Problem] = []
        self._lines = lines

    def add(self, path: str, message: str, remedy: str = "") -> None:
        self.problems.append(Problem(path=path, message=message, remedy=remedy, line=self._line(path)))

    def secret(self, path: str, error: Unresolved) -> None:
        line = self._line(path)
        # With a line the sentence is short enough to be read aloud; the path would only repeat it.
        self.problems.append(Problem("" if line else path, error.message, error.remedy, line))

    def _line(self, path: str) -> int | None:
        """The line of a path, else of what it is part of: a missing key is reported where it should be."""
        while path and path not in self._lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self._lines.get(path)

    def section(self, path: str, value: Any, known: Sequence[str]) -> Section | None:
        values = self.mapping(path, value)
        if values is None:
            return None
        for key in values:
            if key not in known:
                meant = near_miss(key, known)
                self.add(
                    child(path, key),
                    "This key is not known.",
                    f'Did you mean "{meant}"?' if meant else f"Known here: {', '.join(known)}.",
                )
        return Section(self, path, values)

    def list_of_sections(self, path: str, value: Any, known: Sequence[str]) -> Iterable[Section]:
        entries = None if value is None else self.entries(path, value)
        for index, entry in enumerate(entries or ()):
            section = self.section(child(path, index), entry, known)
            if section:
                yield section

    def mapping(self, path: str, value: Any) -> Mapping[str, Any] | None:
        if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
            return value
        if not path:
            self.add(path, "This is not a workspace.", f"Begin with: version: {VERSION}")
        else:
            self._wrong(path, value, "keys and values", "Write `key: value` below it, indented.")
        return None

    def entries(self, path: str, value: Any) -> Sequence[Any] | None:
        if isinstance(value, list | tuple):
            return value
        self._wrong(path, value, "a list", "Begin each entry with a dash.")
        return None

    def text(self, path: str, value: Any) -> str | None:
        if isinstance(value, str):
            return value
        number = isinstance(value, int | float)
        self._wrong(path, value, "text", "Put it in quotes." if number else "")
        return None

    def boolean(self, path: str, value: Any) -> bool | None:
        if isinstance(value, bool):
            return value
        self._wrong(path, value, "true or false", "Write true or false, without quotes.")
        return None

    def number(
        self, path: str, value: Any, *, minimum: float | None, maximum: float | None, integer: bool
    ) -> float | None:
        usable = isinstance(value, int if integer else int | float) and not isinstance(value, bool)
        if not usable or (isinstance(value, float) and not math.isfinite(value)):
            what = "a whole number" if integer else "a number"
            self._wrong(path, value, what, "Write it in digits, without quotes.")
            return None
        if (minimum is not None and value < minimum) or (maximum is not None and value > maximum):
            self.add(path, f"{value} is out of range.", _range(minimum, maximum))
            return None
        return cast("float", value)

    def choice(self, path: str, value: Any, choices: Sequence[str], noun: str) -> str | None:
        if isinstance(value, str) and value in choices:
            return value
        what = f"a {noun}" if noun.replace(" ", "").islower() else f"a value of {noun}"
        remedy = f"Use {either(choices)}."
        if isinstance(value, str):
            meant = near_miss(value, choices)
            if meant and len(choices) > 2 and meant.lower() == value.lower():
                remedy = f"Did you mean {meant}? {remedy}"
        self.add(path, f"{quote(value)} is not {what}.", remedy)
        return None

    def texts(self, path: str, value: Any) -> list[str]:
        if value is None:
            return []
        if not isinstance(value, list | tuple):
            self._wrong(path, value, "a list", 'Write it in brackets: ["first", "second"].')
            return []
        found = []
        for index, entry in enumerate(value):
            text = self.text(child(path, index), entry)
            if text is not None and not text.strip():
                self.add(child(path, index), "This is empty.", "Remove it, or write what is meant.")
            elif text is not None:
                found.append(text)
        return found

    def _wrong(self, path: str, value: Any, expected: str, remedy: str) -> None:
        self.add(path, f"{_kind(value).capitalize()} stands where {expected} should be.", remedy)


class Section:
    """One mapping of the document and its path."""

    def __init__(self, check: Check, path: str, values: Mapping[str, Any]) -> None:
        self.check = check
        self.path = path
        self.values = values

    def at(self, key: str) -> str:
        return child(self.path, key)

    def sections(self, key: str, known: Sequence[str]) -> Iterable[Section]:
        return self.check.list_of_sections(self.at(key), self.values.get(key), known)

    def identifier(self, taken: Collection[str], noun: str) -> str:
        """The id, "" when there is no usable one."""
        path = self.at("id")
        value = self.text("id", required=True)
        if not value:
            return ""
        if len(value) > ID_CHARS_MAX or not _ID.fullmatch(value):
            slug = re.sub(r"[^a-z0-9_-]+", "-", value.lower()[:ID_CHARS_MAX]).strip("-_")
            example = f", for example {slug}" if slug else ""
            self.check.add(
                path,
                f"{quote(value)} cannot be an id.",
                f"Use lower-case letters, digits, - and _, at most {ID_CHARS_MAX}{example}.",
            )
            return ""
        if value in taken:
            self.check.add(path, f'Another {noun} has the id "{value}".', "Give each its own.")
            return ""
        return value

    def text(self, key: str, *, default: str = "", required: bool = False) -> str:
        value = self.values.get(key)
        if value is None:
            if required:
                self.check.add(self.at(key), f"{key} is missing.", f"Add {key}.")
            return default
        text = self.check.text(self.at(key), value)
        if text is not None and required and not text.strip():
            self.check.add(self.at(key), f"{key} is empty.", f"Write the {key}.")
            return default
        if text is not None and len(text) > NAME_CHARS_MAX:
            self.check.add(self.at(key), f"This is longer than {NAME_CHARS_MAX} characters.", "Shorten it.")
            return default
        return text or default

    def choice(
        self,
        key: str,
        choices: Sequence[str],
        *,
        default: str = "",
        required: bool = False,
        noun: str = "",
    ) -> str:
        value = self.values.get(key)
        if value is None:
            if required:
                self.check.add(self.at(key), f"{key} is missing.", f"Use {either(choices)}.")
            return default
        return self.check.choice(self.at(key), value, choices, noun or key) or ""

    def boolean(self, key: str, *, default: bool) -> bool:
        value = self.values.get(key)
        return default if value is None else bool(self.check.boolean(self.at(key), value))

    def texts(self, key: str) -> list[str]:
        return self.check.texts(self.at(key), self.values.get(key))

    def number(self, key: str, *, default: float, minimum: float, maximum: float) -> float:
        value = self.values.get(key)
        if value is None:
            return default
        read = self.check.number(self.at(key), value, minimum=minimum, maximum=maximum, integer=False)
        return default if read is None else float(read)


def _kind(value: Any) -> str:
    if value is None or value == "":
        return "nothing"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "a list" if isinstance(value, list | tuple) else "a group of keys"


def quote(value: Any) -> str:
    """The value as people wrote it, when it is short and simple; it may be a secret in the wrong place otherwise."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and len(value) <= QUOTED_CHARS_MAX and not CONTROL.search(value):
        return f'"{value}"'
    if isinstance(value, int | float):
        return str(value)
    return "This"


def _range(minimum: float | None, maximum: float | None) -> str:
    low, high = (
        f"{bound:g}" if bound is not None and abs(bound) < 1e6 else str(bound) for bound in (minimum, maximum)
    )
    if minimum is None:
        return f"Use {high} or less."
    return f"Use {low} or more." if maximum is None else f"Use {low} to {high}."
