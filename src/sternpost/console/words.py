"""What an event's fate looks like to people: marks, the way it took, requests as curl, JSON with the lines that a note is about. Pure."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: A state has a shape and a word; its colour only repeats them.
MARKS: Mapping[str, str] = {
    "delivered": "✓",
    "pending": "○",
    "held": "◇",
    "retrying": "↻",
    "blocked": "‖",
    "skipped": "⊘",
    "rejected": "✕",
}
WHO: Mapping[str, str] = {
    "developer": "The developer of the app",
    "owner": "The owner of the destination's account",
    "operator": "Whoever runs this server",
    "time": "Nobody: time does it",
    "nobody": "Nobody",
}
FINAL = frozenset({"delivered", "skipped", "rejected"})
CLOCK_DIFFERENCE_SHOWN_S = 60.0
PRETTY_CHARS_MAX = 200_000  #: of one pane; a body may have 4 MB, and no person reads that in a page


def folded(steps: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Steps as a page shows them: neighbours that passed and have nothing to look at are one line, unfolded on request."""
    found: list[dict[str, Any]] = []
    passed: list[Mapping[str, Any]] = []

    def fold() -> None:
        if not passed:
            return
        text = "1 check passed" if len(passed) == 1 else f"{len(passed)} checks passed"
        items = [f"{step['name']}: {step['detail']}" for step in passed]
        found.append(
            {"name": "checks", "result": "passed", "detail": text, "at": None, "ms": None, "items": items}
        )
        passed.clear()

    for step in steps:
        if step["result"] == "passed" and step["at"] is None:
            passed.append(step)
        else:
            fold()
            found.append(dict(step))
    fold()
    return found


def final(event: Mapping[str, Any]) -> bool:
    """Whether nothing more will happen to an event by itself."""
    return all(standing["state"] in FINAL for standing in event["destinations"])


def main_standing(event: Mapping[str, Any]) -> int | None:
    """The destination that a page shows first: the one with the most trouble."""
    order = ("blocked", "rejected", "retrying", "skipped", "held", "pending", "delivered")
    standings = event["destinations"]
    if not standings:
        return None
    return min(range(len(standings)), key=lambda index: order.index(standings[index]["state"]))


def clock_difference_s(event: Mapping[str, Any]) -> float | None:
    """How far the client's clock was off, when that is worth a word."""
    difference = event["clockDifferenceS"]
    return difference if difference is not None and abs(difference) >= CLOCK_DIFFERENCE_SHOWN_S else None


def person(event: Mapping[str, Any]) -> str:
    return str(event["userId"] or event["anonymousId"])


def sentences(text: str) -> tuple[str, str]:
    """The first sentence, and the rest of what is said."""
    first, stop, rest = text.partition(". ")
    return (f"{first}.", rest) if stop else (text, "")


def filter_value(text: str) -> str:
    """A text as a value of a filter."""
    if re.fullmatch(r"[^\s\",:\\-][^\s\",:\\]*", text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def curl(request: Mapping[str, Any]) -> str:
    """A request as a command; what is masked is a variable named like its header."""
    lines = [f"curl -X {shlex.quote(request['method'])} {shlex.quote(request['url'])}"]
    for name, value in request["headers"].items():
        if "••••" in value:
            lines.append(f'-H "{name}: ${variable(name)}"')
        else:
            lines.append(f"-H {shlex.quote(f'{name}: {value}')}")
    if request["body"]:
        lines.append(f"--data-raw {shlex.quote(request['body'])}")
    return " \\\n  ".join(lines)


def variable(header: str) -> str:
    """The variable that stands for a secret header in a command."""
    return re.sub(r"\W", "_", header).upper()


def variables(request: Mapping[str, Any]) -> list[str]:
    """The variables that have to be set before `curl` of a request is run."""
    return [variable(name) for name, value in request["headers"].items() if "••••" in value]


def follow(message_id: str) -> str:
    """The words of the command that tells what became of an event."""
    return f"events get {shlex.quote(message_id)}"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of JSON."""

    text: str
    marked: bool = False  #: a note is about it


def pretty(value: Any, noted: Collection[str] = ()) -> list[Line]:
    """A value as indented JSON; lines whose path is in `noted` are marked."""
    lines = []
    size = 0
    for line in _lines(value, "", "", "", frozenset(path for path in noted if path)):
        size += len(line.text) + 1
        if size > PRETTY_CHARS_MAX:
            lines.append(Line("… the rest is left out here; the API has it."))
            break
        lines.append(line)
    return lines


def pretty_text(text: str | None) -> list[Line]:
    """A body: as JSON when it is, else as it stands."""
    if not text:
        return []
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return [Line(line) for line in text[:PRETTY_CHARS_MAX].splitlines()]
    return pretty(value) if isinstance(value, dict | list) else [Line(text)]


def _lines(value: Any, path: str, lead: str, end: str, noted: frozenset[str]) -> Iterator[Line]:
    marked = path in noted
    if isinstance(value, dict | list) and value and len(lead) < 200:
        opening, closing = ("{", "}") if isinstance(value, dict) else ("[", "]")
        indent = lead[: len(lead) - len(lead.lstrip())] + "  "
        yield Line(f"{lead}{opening}", marked)
        members = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
        for number, (name, member) in enumerate(members, 1):
            label = f"{_json(str(name))}: " if isinstance(value, dict) else ""
            below = f"{path}.{name}" if path else str(name)
            comma = "," if number < len(members) else ""
            yield from _lines(member, below, f"{indent}{label}", comma, noted)
        yield Line(f"{indent[:-2]}{closing}{end}", marked)
    else:
        yield Line(f"{lead}{_json(value)}{end}", marked)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def seconds(value: float) -> str:
    """A duration: 340 ms, 4.1 s, 38 s, 5 min, 3 h, 2 days."""
    if value < 1:
        return f"{value * 1000:.0f} ms"
    if value < 10:
        return f"{value:.1f} s"
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if value >= 2 * size:
            return f"{value / size:.0f} {unit}"
    return f"{value:.0f} s"


def size(count: float) -> str:
    """Bytes: 3.1 MB, 10 GB."""
    for unit, one in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= one:
            text = f"{count / one:.1f}"
            return f"{text.removesuffix('.0')} {unit}"
    return f"{count:.0f} bytes"


def number(count: float) -> str:
    """A number with separators."""
    return f"{count:,.0f}"
