"""What SQLite's errors mean for people: what is wrong with the disk or the file, and what to do about it."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Literal, TypeAlias

from sternpost.errors import StoreDamaged, StoreUnavailable

Kind: TypeAlias = Literal["full", "refuses", "read_only", "damaged", "gone", "busy", "other"]

#: By the primary code, which is the lower byte of what SQLite reports.
_KINDS: dict[int, Kind] = {
    sqlite3.SQLITE_FULL: "full",
    sqlite3.SQLITE_IOERR: "refuses",
    sqlite3.SQLITE_READONLY: "read_only",
    sqlite3.SQLITE_PERM: "read_only",
    sqlite3.SQLITE_CORRUPT: "damaged",
    sqlite3.SQLITE_NOTADB: "damaged",
    sqlite3.SQLITE_CANTOPEN: "gone",
    sqlite3.SQLITE_BUSY: "busy",
    sqlite3.SQLITE_LOCKED: "busy",
}
_WORDS: dict[Kind, tuple[str, str]] = {
    "full": ("The disk is full", "Free space on it: the server goes on by itself."),
    "refuses": (
        "The disk fails or refuses to be written to",
        (
            "Look at the system's log (dmesg), at quotas, and whether the file system became read-only; once it can be written to, the server "
            "goes on by itself."
        ),
    ),
    "read_only": (
        "The store may not be written to",
        "Make its file and its directory writable for the server's user: the server goes on by itself.",
    ),
    "damaged": (
        "The store is damaged",
        (
            "Stop the server and keep the files. Then `sternpost doctor` says where, `sternpost salvage` brings every row that can be read into a "
            "new store, `sternpost restore` brings back a backup."
        ),
    ),
    "gone": (
        "The store's files cannot be opened",
        (
            "See that the data directory is there and that the server's user may read and write it; if files were moved, stop the server and "
            "put them back."
        ),
    ),
    "busy": (
        "Another program holds the store",
        "Look who else has its file open (a copy, a shell); the server goes on by itself.",
    ),
    "other": (
        "The store reports an error",
        "Stop the server; then `sternpost doctor` reads the store itself.",
    ),
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """An error of SQLite, explained."""

    kind: Kind
    what: str  #: a sentence, with SQLite's own words
    remedy: str  #: one or two sentences


def explain(error: sqlite3.Error) -> Trouble:
    """What an error of SQLite means."""
    kind = kind_of(error)
    said, name = str(error) or type(error).__name__, getattr(error, "sqlite_errorname", "")
    what, remedy = _WORDS[kind]
    return Trouble(kind, f"{what} ({said}{f', {name}' if name else ''}).", remedy)


def unavailable(error: sqlite3.Error) -> StoreUnavailable:
    """The exception that tells of an error of SQLite."""
    trouble = explain(error)
    kind = StoreDamaged if trouble.kind == "damaged" else StoreUnavailable
    return kind(trouble.what, trouble.remedy)


def kind_of(error: sqlite3.Error) -> Kind:
    """The kind of an error; what Python raises itself has no code."""
    return _KINDS.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, "other")


def damaged(error: sqlite3.Error) -> bool:
    """Whether the error says that the file's content cannot be right."""
    return kind_of(error) == "damaged"
