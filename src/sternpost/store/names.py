"""Numbers for names: what would be a text in every row is a small number, kept in tables `names` and `fanouts`."""

from __future__ import annotations

import hashlib
import json
import sqlite3

from sternpost.limits import KEY_CHARS_MAX
from sternpost.model import Route
from sternpost.store.series import Ticks

LANES_REMEMBERED_MAX = 20_000  #: numbers of lanes that got an event lately, some 300 bytes each
FANOUTS_CACHED_MAX = 1_000  #: sets of routes, with how long each holds; a workspace has a handful at a time


def key(text: str) -> str:
    """A text as it stands in keys and indexes: itself, or its digest when it is very long.

    What does not print (NUL would end the text for some of SQLite's functions) counts as long, and so does what looks like a digest.
    """
    if len(text) <= KEY_CHARS_MAX and text.isprintable() and not text.startswith("#"):
        return text
    return "#" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def replayed_gate(person_key: str) -> str:
    """The gate of a person among replayed events, which wait for each other and never make a live one wait (rule G3)."""
    return f"r:{person_key}"


def storable(text: str) -> str:
    """A text as UTF-8 can write it: half a surrogate pair becomes U+FFFD, a pair its character. Nearly always the text itself."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


class Names:
    """A cache over the tables; forgets when a transaction is rolled back."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self._numbers: dict[tuple[str, str], int] = {}
        self._names: dict[tuple[str, int], str] = {}
        self._fanouts: dict[tuple[Route, ...], int] = {}
        self.lanes: dict[tuple[int, int, str], int] = {}  #: number by (destination_no, channel_no, lane)

    def number(self, cx: sqlite3.Connection, kind: str, name: str) -> int:
        """The number of a name, given one when it has none yet."""
        number = self._numbers.get((kind, name))
        if number is None:
            cx.execute("INSERT OR IGNORE INTO names (kind, name) VALUES (?, ?)", (kind, name))
            number = int(
                cx.execute("SELECT no FROM names WHERE kind = ? AND name = ?", (kind, name)).fetchone()[0]
            )
            self._numbers[kind, name] = number
            self._names[kind, number] = name
        return number

    def known(self, cx: sqlite3.Connection, kind: str, name: str) -> int | None:
        """The number of a name, None when nothing was ever kept under it."""
        number = self._numbers.get((kind, name))
        if number is None:
            row = cx.execute("SELECT no FROM names WHERE kind = ? AND name = ?", (kind, name)).fetchone()
            if row is None:
                return None
            number = int(row[0])
            self._numbers[kind, name] = number
        return number

    def name(self, cx: sqlite3.Connection, kind: str, number: int) -> str:
        name = self._names.get((kind, number))
        if name is None:
            name = str(
                cx.execute("SELECT name FROM names WHERE kind = ? AND no = ?", (kind, number)).fetchone()[0]
            )
            self._names[kind, number] = name
        return name

    def fanout(self, cx: sqlite3.Connection, routes: tuple[Route, ...]) -> int:
        """The number of a set of destinations and channels."""
        number = self._fanouts.get(routes)
        if number is None:
            text = json.dumps(
                [[route.destination_id, route.channel] for route in routes], separators=(",", ":")
            )
            cx.execute("INSERT OR IGNORE INTO fanouts (routes) VALUES (?)", (text,))
            number = int(cx.execute("SELECT no FROM fanouts WHERE routes = ?", (text,)).fetchone()[0])
            if len(self._fanouts) >= FANOUTS_CACHED_MAX:
                self._fanouts.clear()
            self._fanouts[routes] = number
        return number


class Deltas:
    """Changes of counters in one transaction, written once at its end (or earlier, where an operation reads them)."""

    def __init__(self) -> None:
        self._changes: dict[tuple[str, str], int] = {}
        self.ticks = Ticks()  #: the same over time

    def add(self, scope: str, name: str, n: int) -> None:
        change = (scope, name)
        self._changes[change] = self._changes.get(change, 0) + n

    def write(self, cx: sqlite3.Connection) -> None:
        if self._changes:
            cx.executemany(
                "INSERT INTO counters (scope, name, n) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n",
                [(scope, name, n) for (scope, name), n in self._changes.items() if n],
            )
            self._changes.clear()
        self.ticks.write(cx)

    def forget(self) -> None:
        """The transaction was rolled back."""
        self._changes.clear()
        self.ticks.forget()
