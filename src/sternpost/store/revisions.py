"""The numbered revisions of the workspace: the newest is in force, a bounded number of earlier ones can be looked at and brought back."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

REVISIONS_KEPT_MAX = 200  #: each is at most 1 MB, usually a few kB; older ones belong into a Git repository
#: Lines that say what a revision changed; a whole import has more, and its document is there.
CHANGES_KEPT_MAX = 100


@dataclass(frozen=True, slots=True)
class Revision:
    """What is known about a revision besides its document."""

    number: int
    at: float  #: unix seconds
    author: str  #: a person's or token's name; "" = not known
    note: str
    changes: tuple[str, ...]  #: against the one before it, a line each, without secrets


def save(
    cx: sqlite3.Connection,
    document: bytes,
    *,
    now: float,
    author: str,
    note: str,
    changes: Sequence[str],
) -> int:
    """Keep a new revision, and let go of those beyond the bound; its number."""
    lines = list(changes[:CHANGES_KEPT_MAX])
    if len(changes) > CHANGES_KEPT_MAX:
        lines.append(f"… and {len(changes) - CHANGES_KEPT_MAX} more")
    cursor = cx.execute(
        "INSERT INTO workspaces (at, document, author, note, changes) VALUES (?, ?, ?, ?, ?)",
        (now, document, author, note, json.dumps(lines, ensure_ascii=False)),
    )
    number = int(cursor.lastrowid or 0)
    cx.execute("DELETE FROM workspaces WHERE revision <= ?", (number - REVISIONS_KEPT_MAX,))
    return number


def newest(cx: sqlite3.Connection) -> tuple[int, bytes] | None:
    """The revision in force and its document."""
    row = cx.execute("SELECT revision, document FROM workspaces ORDER BY revision DESC LIMIT 1").fetchone()
    return (int(row[0]), bytes(row[1])) if row else None


def page(cx: sqlite3.Connection, before: int | None, limit: int) -> list[Revision]:
    """The newest first, those below `before`."""
    rows = cx.execute(
        "SELECT revision, at, author, note, changes FROM workspaces WHERE revision < ? ORDER BY revision DESC LIMIT ?",
        (2**62 if before is None else before, limit),
    )
    return [_revision(row) for row in rows]


def one(cx: sqlite3.Connection, number: int) -> tuple[Revision, bytes] | None:
    """A revision and its document; None when it is not kept."""
    row = cx.execute(
        "SELECT revision, at, author, note, changes, document FROM workspaces WHERE revision = ?", (number,)
    ).fetchone()
    return (_revision(row), bytes(row[5])) if row else None


def _revision(row: Sequence[object]) -> Revision:
    number, at, author, note, changes = row[:5]
    return Revision(int(str(number)), float(str(at)), str(author), str(note), tuple(json.loads(str(changes))))
