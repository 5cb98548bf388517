"""Reads and writes YAML strictly as people mean it: YAML 1.2 with PyYAML's parser underneath.

PyYAML reads YAML 1.1, where `off` is false, `1:30` is ninety, `0123` is eighty-three and `2026-01-01` is a date. So only its event
stream is used, and the values are made here: true and false, null, decimal numbers without a leading zero; everything else is text.
A key given twice is an error. Anchors, aliases and tags are refused, so a file cannot expand and cannot name Python types.

`load` gives the data and the line of every path (`destinations[0].settings.region`), for errors that lead to the place.
`dump` writes text that `load`, and a reader of YAML 1.1 too, takes for the same data.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from sternpost.errors import Problem, WorkspaceError

YAML_BYTES_MAX = 1_000_000  #: thousands of destinations fit; more is not a workspace
YAML_DEPTH_MAX = 50  #: a workspace needs six levels, agentOptions a few more
YAML_NODES_MAX = 100_000  #: bounds time and memory where a megabyte is all commas
KEY_CHARS_MAX = 200  #: no key that we know has fifty; keeps paths short
PATH_CHARS_MAX = 500  #: a longer path is not remembered; its line is that of the part around it
#: The longest float has twenty-six; longer digits are an id that somebody forgot to quote.
NUMBER_CHARS_MAX = 30

# libyaml's parser when the wheel has it, else the same in Python, more slowly.
_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_BREAK = re.compile("[\x00-\x1f\x7f\x85\u2028\u2029\ufeff]")
_CONSTANTS = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True,
    "false": False, "False": False, "FALSE": False,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Document:
    """What a YAML text says, and where it says it."""

    data: Any  #: JSON kinds only: dict with text keys, list, str, int, float, bool, None
    lines: Mapping[str, int] = field(default_factory=dict)  #: path → 1-based line of its key or item


def load(content: bytes | str) -> Document:
    """Read one YAML document. An empty one gives None.

    Raises WorkspaceError, and nothing else, for whatever is not acceptable; the messages never repeat a value of the text.
    """
    if len(content) > YAML_BYTES_MAX:
        raise _error("The file is larger than 1 MB.", "A workspace is far smaller; check the file's name.")
    if isinstance(content, bytes):
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise _error("The file is not UTF-8 text.", "Save it as UTF-8.", line) from None
    else:
        text = content
    try:
        return _Builder(text).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = error.problem or error.context or "it cannot be read"
        remedy = "Check indentation, quotes and colons at this place."
        if mark and "${" in _line_of(text, mark.line):
            remedy = 'Inside { } a variable needs quotes: {integrationKey: "${NAME}"}.'
        raise _error(
            f"This is not valid YAML: {what}.",
            remedy,
            mark.line + 1 if mark else None,
        ) from None
    except (yaml.YAMLError, UnicodeError):
        # A reader error: control characters or half of a surrogate pair. Its own message shows bytes of the text.
        raise _error(
            "The file contains characters that YAML does not allow.", "Remove control characters."
        ) from None


def _line_of(text: str, number: int) -> str:
    lines = text.splitlines()
    return lines[number] if number < len(lines) else ""


def dump(data: Any) -> str:
    """Data of JSON kinds as YAML, in the order given, texts quoted wherever any YAML reader could take them for something else."""
    return str(
        yaml.dump(
            data,
            Dumper=_Dumper,
            sort_keys=False,
            allow_unicode=True,
            default_flow_style=False,
            width=110,
        )
    )


def child(path: str, key: str | int) -> str:
    """The path of a member: `a` and `b` give `a.b`, `a` and 0 give `a[0]`."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key


def _error(message: str, remedy: str, line: int | None = None, path: str = "") -> WorkspaceError:
    return WorkspaceError([Problem(path=path, message=message, remedy=remedy, line=line)])


class _Builder:
    """Makes data out of parser events, counting as it goes."""

    def __init__(self, text: str) -> None:
        self._events = yaml.parse(text, Loader=_PARSER)
        self._lines: dict[str, int] = {}
        self._nodes = 0

    def document(self) -> Document:
        self._next()  # start of the stream
        if isinstance(self._next(), yaml.StreamEndEvent):
            return Document(None)
        data = self._value(self._next(), "", 1)
        self._next()  # end of the document
        after = self._next()
        if not isinstance(after, yaml.StreamEndEvent):
            raise _error("A second document begins here.", "Keep one document in a file.", _line(after))
        return Document(data, self._lines)

    def _next(self) -> Any:
        return next(self._events)

    def _value(self, event: Any, path: str, depth: int) -> Any:
        self._nodes += 1
        if self._nodes > YAML_NODES_MAX:
            raise _error(
                f"The file has more than {YAML_NODES_MAX} values.",
                "A workspace is far smaller; check the file's name.",
                _line(event),
            )
        if depth > YAML_DEPTH_MAX:
            raise _error(
                f"Values are nested more than {YAML_DEPTH_MAX} deep.", "Make it flatter.", _line(event)
            )
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise _error(
                "Anchors and aliases (& and *) are not read.",
                "Write the value out, or in quotes if it is meant as text.",
                _line(event),
                path,
            )
        if event.tag is not None:
            raise _error(
                "Tags (!) are not read.",
                "Remove the tag, or put the value in quotes if it is meant as text.",
                _line(event),
                path,
            )
        if isinstance(event, yaml.ScalarEvent):
            return _scalar(event.value) if event.implicit[0] else event.value
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(path, depth)
        return self._mapping(path, depth)

    def _sequence(self, path: str, depth: int) -> list[Any]:
        values: list[Any] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            place = child(path, len(values))
            if len(place) <= PATH_CHARS_MAX:
                self._lines[place] = _line(event)
            values.append(self._value(event, place, depth + 1))
        return values

    def _mapping(self, path: str, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        lines: dict[str, int] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent) or event.anchor is not None or event.tag is not None:
                raise _error("A key must be plain text.", "Write `name: value`.", _line(event), path)
            key, line = event.value, _line(event)
            if len(key) > KEY_CHARS_MAX:
                raise _error(f"A key is longer than {KEY_CHARS_MAX} characters.", "Shorten it.", line, path)
            place = child(path, key)
            if key in lines:
                raise _error(
                    f"This key is given twice, in lines {lines[key]} and {line}.",
                    "Keep one of them.",
                    line,
                    place,
                )
            lines[key] = line
            if len(place) <= PATH_CHARS_MAX:
                self._lines[place] = line
            values[key] = self._value(self._next(), place, depth + 1)
        return values


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _scalar(text: str) -> Any:
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if len(text) <= NUMBER_CHARS_MAX:
        # What JSON could not carry on (1e999, more than 64 bits) stays text, and is refused where a number is expected.
        if _INTEGER.fullmatch(text):
            integer = int(text)
            return integer if -(2**63) <= integer < 2**64 else text
        if _NUMBER.fullmatch(text):
            number = float(text)
            return number if math.isfinite(number) else text
    return text


class _Dumper(yaml.SafeDumper):
    """SafeDumper quotes what YAML 1.1 would take for something else; this one also what our reading of 1.2 would."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own way; a copy, so that SafeDumper keeps its own
        first: list(resolvers) for first, resolvers in yaml.SafeDumper.yaml_implicit_resolvers.items()
    }

    def ignore_aliases(self, data: Any) -> bool:
        # An object that occurs twice is written twice: `load` refuses aliases.
        return True


_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(f"^(?:{_NUMBER.pattern})$"), list("-+0123456789")
)


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    # Between single quotes a line break is folded, and readers do not agree on what is one.
    style = '"' if _BREAK.search(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)
