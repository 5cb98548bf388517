"""What commands print: colour where it is seen, tables that fit the terminal, times as people read them.

Piped output has no colour and is never cut. A text from an event may hold anything; control characters in it are shown, not obeyed.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import click

from sternpost.cli.app import Run

COLUMNS_DEFAULT = 100
STATE_COLORS: Mapping[str, str] = {
    "delivered": "green",
    "pending": "cyan",
    "held": "cyan",
    "retrying": "yellow",
    "blocked": "red",
    "skipped": "bright_black",
    "rejected": "red",
}


def say(text: str = "") -> None:
    """A line of data, on standard output."""
    print(text)


def emit(text: str) -> None:
    """A line of data that a reader waits for, written at once. Ends the command quietly when nobody reads it any more."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        discard_output()
        raise click.exceptions.Exit(0) from None


def discard_output() -> None:
    """Whoever read standard output has enough. Python would complain once more when it flushes at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def remark(text: str) -> None:
    """A line that is not data, on standard error."""
    print(text, file=sys.stderr, flush=True)


def say_json(value: Any) -> None:
    """One JSON object on a line of its own."""
    # As ASCII: whatever the terminal's encoding is, also a lone surrogate of an event can be written.
    print(json.dumps(value, separators=(",", ":")))


def styled(text: str, color: str | None = None, *, bold: bool = False) -> str:
    """The text in colour on a terminal that wants it, plain otherwise."""
    return click.style(text, fg=color, bold=bold or None) if (color or bold) and _in_color() else text


def state_word(state: str, width: int = 0) -> str:
    return styled(state.ljust(width), STATE_COLORS.get(state))


def plain(text: object) -> str:
    """Text of others with control characters made visible: an event must not move the cursor of whoever looks at it."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in str(text)
    )


def note_line(note: Mapping[str, Any]) -> str:
    """`Note: nested_property (properties.cart): flattened`; without a detail of its own, what such a note means."""
    from sternpost.notes import NOTES

    general = next((text.text for text in NOTES.values() if text.code == note["code"]), "")
    where = f" ({plain(note['path'])})" if note.get("path") else ""
    return f"Note: {plain(note['code'])}{where}: {plain(note.get('detail') or general)}"


def columns() -> int | None:
    """The width of the terminal; None when nothing must be cut."""
    return shutil.get_terminal_size((COLUMNS_DEFAULT, 24)).columns if sys.stdout.isatty() else None


def fitted(text: str, width: int | None) -> str:
    """The text, cut with an ellipsis on a terminal that is too narrow for it."""
    return text if width is None or len(text) <= width else f"{text[: max(width - 1, 1)]}…"


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterable[str]:
    """Lines of a table: columns as wide as needed, the last one cut where the terminal ends."""
    texts = [[plain(cell) for cell in row] for row in rows]
    widths = [max(len(row[index]) for row in [list(header), *texts]) for index in range(len(header))]
    limit = columns()
    for number, row in enumerate([list(header), *texts]):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        line = fitted(line, limit)
        yield styled(line, bold=True) if number == 0 else line


def moment(text: str | None) -> datetime | None:
    """A time of the API in the zone of this machine."""
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        return None


def clock(text: str | None) -> str:
    """`10:02:11.204`, in the zone of this machine."""
    found = moment(text)
    return f"{found:%H:%M:%S}.{found.microsecond // 1000:03}" if found else "–".ljust(12)


def day_and_clock(text: str | None) -> str:
    found = moment(text)
    return f"{found:%Y-%m-%d %H:%M:%S}" if found else "–"


def span(seconds: float) -> str:
    """`0.4 s`, `38 s`, `4 min`, `3 h`, `2 days`."""
    if seconds < 1:
        return f"{seconds:.1f} s"
    for unit, size, limit in (("s", 1, 120), ("min", 60, 120 * 60), ("h", 3600, 48 * 3600)):
        if seconds < limit:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86400:.0f} days"


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 event`, `212 events`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def size(number: float) -> str:
    """`640 kB`, `1.2 GB`, in powers of a thousand as settings read them."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000:
            return (
                f"{number:.0f} {unit}" if unit in {"bytes", "kB"} or number >= 100 else f"{number:.1f} {unit}"
            )
        number /= 1000
    return f"{number:.1f} TB"


def _in_color() -> bool:
    ctx = click.get_current_context(silent=True)
    run = ctx.find_object(Run) if ctx else None
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or (run and run.color is False):
        return False
    return sys.stdout.isatty()
