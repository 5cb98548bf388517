"""The audit log: who changed what, when, and by which door.

The API's dispatcher lets a line travel with every operation that is no GET, so that no function can forget it: it is written in the
transaction of the change (`store.beside`), so that no crash can come between, and completed when the operation has ended. A function adds
what it knows:

    audit.intend(request, "web", changes=lines)           before a change: what it will be
    audit.note(request, "web", name=[before, after])      after it: what was changed, and how
    audit.nothing_changed(request)                        this POST only looked

What does not pass the API (sign-ins, passwords, the workspace file) does its change within `AuditLog.line`.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import structlog
from starlette.requests import Request

from sternpost.control.answers import Answers
from sternpost.control.auth import Principal
from sternpost.store.access import AuditRow, write_audit
from sternpost.store.beside import beside

log = structlog.get_logger("sternpost.audit")

ROWS_MAX = 100_000  #: lines kept; a year of a busy team, some 20 MB
#: Older lines go: a year and a month, so that last year's change can still be looked up.
KEPT_S = 400 * 86_400.0
DETAIL_BYTES_MAX = 4_096  #: of one line; more is cut, and says so
CUT_CHARS = 500  #: of a member that was too long
SUBJECT_CHARS_MAX = 200

_SCOPE = "sternpost.audit"


class Keeper(Protocol):
    """The part of the store that keeps lines."""

    async def keep_audit(self, row: AuditRow, *, rows_max: int, before: float) -> int: ...


class AuditLog:
    """Writes lines."""

    def __init__(self, keeper: Keeper, *, clock: Callable[[], float], answers: Answers) -> None:
        """`answers` masks every secret of now, which must stay one after it was replaced by another."""
        self._keeper = keeper
        self._clock = clock
        self._encode = answers.encode
        self._masked = answers.masked

    async def add(self, actor: Principal, action: str, subject: str = "", **detail: Any) -> None:
        """One line, about what changed nothing in the store. `detail` holds JSON values without secrets. Raises StoreError."""
        await self.keep(self.row(actor, action, subject, detail))
        log.info("changed", who=actor.name, via=actor.via, action=action)

    @contextlib.asynccontextmanager
    async def line(self, actor: Principal, action: str, note: Note) -> AsyncIterator[None]:
        """Within it a line travels in each transaction that changes something; afterwards it says what `note` says then.

        Without such a change there is none, unless the note says that something changed elsewhere. Raises StoreError.
        """
        line = _Line(self, actor, action, note)
        failed = ""
        try:
            with beside(line):
                yield
        except Exception as error:
            failed = str(error) or type(error).__name__
            raise
        finally:
            await line.end(failed)

    def row(self, actor: Principal, action: str, subject: str, detail: Mapping[str, Any]) -> AuditRow:
        """A line as it is kept."""
        about = self._masked(subject[:SUBJECT_CHARS_MAX].encode("utf-8", "replace")).decode()
        kept = self._bounded(detail).decode()
        return AuditRow(0, self._clock(), actor.name, actor.via, action, about, kept)

    async def keep(self, row: AuditRow) -> int:
        """Write a line, or one again that has a number; its number. Raises StoreError."""
        return await self._keeper.keep_audit(row, rows_max=ROWS_MAX, before=self._clock() - KEPT_S)

    def write(self, cx: sqlite3.Connection, row: AuditRow) -> int:
        """The same in a transaction of another; its number."""
        return write_audit(cx, row, rows_max=ROWS_MAX, before=self._clock() - KEPT_S)

    def _bounded(self, detail: Mapping[str, Any]) -> bytes:
        found = self._encode(detail)
        if len(found) <= DETAIL_BYTES_MAX:
            return found
        # The longest members become a beginning of their text, until it fits.
        cut: dict[str, Any] = {**detail, "cut": True}
        for name in sorted(detail, key=lambda name: len(self._encode(detail[name])), reverse=True):
            text = self._encode(detail[name]).decode()
            cut[name] = f"{text[:CUT_CHARS]}… ({len(text)} characters)"
            found = self._encode(cut)
            if len(found) <= DETAIL_BYTES_MAX:
                return found
        return b'{"cut":true}'


@dataclass(slots=True)
class Note:
    """What the function of an operation says about its change."""

    subject: str
    detail: dict[str, Any] = field(default_factory=dict)
    changes: bool = True
    said: bool = False  #: something was changed already, even when the rest fails
    always: bool = True  #: also when nothing in the store was changed: something happened elsewhere


class _Line:
    """One line on its way: in the transactions of what it is about."""

    def __init__(self, log: AuditLog, actor: Principal, action: str, note: Note) -> None:
        self._log = log
        self._actor = actor
        self._action = action
        self._note = note
        self._written: AuditRow | None = None  #: in the transaction that is under way
        self._kept: AuditRow | None = None  #: on disk
        self._ended = False

    def write(self, cx: sqlite3.Connection) -> None:
        # A task that was begun within may write long afterwards.
        if self._ended or not self._note.changes:
            return
        row = self._row("")
        self._written = replace(row, no=self._log.write(cx, row))

    def kept(self) -> None:
        if self._written is not None and not self._ended:
            self._kept = self._written

    async def end(self, failed: str) -> None:
        """Complete it, once the operation has ended; it says when something failed after the change."""
        self._ended = True
        note = self._note
        if self._kept is None:
            if not note.changes or not note.always or (failed and not note.said):
                return
            await self._log.keep(self._row(failed))
        elif (row := self._row(failed)) != self._kept:
            await self._log.keep(row)
        log.info("changed", who=self._actor.name, via=self._actor.via, action=self._action)

    def _row(self, failed: str) -> AuditRow:
        detail = {**self._note.detail, "failed": failed} if failed else self._note.detail
        row = self._log.row(self._actor, self._action, self._note.subject, detail)
        return replace(row, no=self._kept.no, at=self._kept.at) if self._kept is not None else row


def begin(request: Request, subject: str) -> Note:
    """The dispatcher's: a note for this request."""
    note = Note(subject)
    request.scope[_SCOPE] = note
    return note


def intend(request: Request, subject: str, **detail: Any) -> None:
    """Say before a change what it will be: so its transaction has the whole line. Nothing is said when it does not come about."""
    kept: Note = request.scope[_SCOPE]
    kept.subject = subject
    kept.detail.update(detail)


def note(request: Request, subject: str, **detail: Any) -> None:
    """Say what a request changed, in place of what was intended; a later call adds to an earlier one.

    Values are JSON without secrets, changes as [before, after].
    """
    kept: Note = request.scope[_SCOPE]
    if not kept.said:
        kept.detail.clear()
    kept.subject = subject
    kept.detail.update(detail)
    kept.changes = kept.said = True


def nothing_changed(request: Request) -> None:
    """Say that a request only looked."""
    kept: Note = request.scope[_SCOPE]
    kept.changes = False


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[Any]]:
    """What differs between two sets of settings without secrets, as [before, after] by name."""
    names: Sequence[str] = list(dict.fromkeys([*before, *after]))
    return {
        name: [before.get(name), after.get(name)] for name in names if before.get(name) != after.get(name)
    }
