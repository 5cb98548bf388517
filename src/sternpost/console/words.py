"""What an event's fate looks like to people: marks, the way it took, requests as curl, JSON with the lines that a note is about. Pure."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sternpost.control.preview import CHECKS
from sternpost.reasons import NOTES
from sternpost.wire import times

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

StepResult = Literal["passed", "stopped", "sent", "waits", "delivered", "skipped", "rejected", "noted"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an event's way to a destination."""

    name: str
    result: StepResult
    text: str = ""
    at: str | None = None
    ms: int | None = None
    items: tuple[str, ...] = ()  #: unfolded on request


def way(event: Mapping[str, Any], standing: Mapping[str, Any]) -> list[Step]:
    """The way of an event to one destination, from received to where it stands."""
    found = [_connection(standing), *_checks(standing)]
    notes = [note for note in standing["diagnostics"] if note["code"] in NOTES]
    if notes:
        found.append(
            Step(
                "mapping",
                "noted",
                f"{len(notes)} {'note' if len(notes) == 1 else 'notes'}, below",
                items=tuple(f"{note['path'] or 'event'}: {NOTES[note['code']].title}" for note in notes),
            )
        )
    for number, attempt in enumerate(standing["attempts"], 1):
        found += _try(number, attempt)
    found.append(_end(standing))
    return found


def _connection(standing: Mapping[str, Any]) -> Step:
    if standing["mode"] is None:
        return Step("fan-out", "passed", "Connected when it came; the connection was removed since.")
    channel = f", channel {standing['channel']}" if standing["channel"] else ""
    return Step("fan-out", "passed", f"Connected in {standing['mode']} mode{channel}.")


def _checks(standing: Mapping[str, Any]) -> list[Step]:
    names = [name for name, _ in CHECKS]
    if not standing["attempts"] and standing["state"] in {"pending", "held", "blocked"}:
        return []  # they are made when its turn comes
    for position, (name, reasons) in enumerate(CHECKS):
        if standing["state"] in {"skipped", "rejected"} and standing["reason"] in reasons:
            passed = [_passed(names[:position])] if position else []
            return [*passed, Step(name, "stopped", standing["explanation"])]
    return [_passed(names)]


def _passed(names: Sequence[str]) -> Step:
    text = "1 check passed" if len(names) == 1 else f"{len(names)} checks passed"
    return Step("checks", "passed", text, items=tuple(names))


def _try(number: int, attempt: Mapping[str, Any]) -> list[Step]:
    request, reply = attempt["request"], attempt["reply"]
    asked = f"{request['method']} {request['url']}" if request else attempt.get("requestMissing", "")
    if reply is not None:
        text = f"Answered {reply['status']}."
    else:
        text = f"No answer: {attempt['error']}." if attempt["error"] else "Answered; not kept."
    if attempt["waitS"] is not None:
        text += f" Then waited {seconds(attempt['waitS'])}."
    result: StepResult = "delivered" if attempt["outcome"] == "delivered" else "sent"
    return [Step(f"try {number}", result, f"{asked}\n{text}".strip(), attempt["at"], attempt["ms"])]


def _end(standing: Mapping[str, Any]) -> Step:
    state = standing["state"]
    result: StepResult = state if state in FINAL else "waits"
    return Step(state, result, standing["explanation"], standing["settledAt"] or standing["nextAttemptAt"])


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
    sent, corrected = times.parse_ms(event["originalTimestamp"] or ""), times.parse_ms(event["timestamp"])
    if sent is None or corrected is None:
        return None
    difference = (sent - corrected) / 1000
    return difference if abs(difference) >= CLOCK_DIFFERENCE_SHOWN_S else None


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
    """A request as a command; what is masked is the variable SECRET."""
    lines = [f"curl -X {shlex.quote(request['method'])} {shlex.quote(request['url'])}"]
    for name, value in request["headers"].items():
        if "••••" in value:
            lines.append(f'-H "{name}: $SECRET"')
        else:
            lines.append(f"-H {shlex.quote(f'{name}: {value}')}")
    if request["body"]:
        lines.append(f"--data-raw {shlex.quote(request['body'])}")
    return " \\\n  ".join(lines)


def command(message_id: str) -> str:
    return f"sternpost events get {shlex.quote(message_id)}"


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
