"""The audit log: who changed what, when, and by which door.

The API's dispatcher writes a line after every operation that is no GET, so that no function can forget it. A function adds what it knows:

    audit.note(request, "web", name=[before, after])      what was changed, and how
    audit.nothing_changed(request)                        this POST only looked

What does not pass the API (sign-ins, passwords, the workspace file) calls `AuditLog.add`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog
from starlette.requests import Request

from sternpost.control.answers import Answers
from sternpost.control.auth import Principal
from sternpost.store.access import AuditRow

log = structlog.get_logger("sternpost.audit")

ROWS_MAX = 100_000  #: lines kept; a year of a busy team, some 20 MB
KEPT_S = (
    400 * 86_400.0
)  #: older lines go: a year and a month, so that last year's change can still be looked up
DETAIL_BYTES_MAX = 4_096  #: of one line; more is cut, and says so
CUT_CHARS = 500  #: of a member that was too long
SUBJECT_CHARS_MAX = 200

_SCOPE = "sternpost.audit"


class Keeper(Protocol):
    """The part of the store that keeps lines."""

    async def keep_audit(self, row: AuditRow, *, rows_max: int, before: float) -> None: ...


class AuditLog:
    """Writes lines."""

    def __init__(self, keeper: Keeper, *, clock: Callable[[], float], answers: Answers) -> None:
        """`answers` masks every secret of now, which must stay one after it was replaced by another."""
        self._keeper = keeper
        self._clock = clock
        self._encode = answers.encode
        self._masked = answers.masked

    async def add(self, actor: Principal, action: str, subject: str = "", **detail: Any) -> None:
        """One line. `detail` holds JSON values without secrets; what changed as [before, after]. Raises StoreError."""
        now = self._clock()
        kept = self._bounded(detail).decode()
        about = self._masked(subject[:SUBJECT_CHARS_MAX].encode("utf-8", "replace")).decode()
        row = AuditRow(0, now, actor.name, actor.via, action, about, kept)
        await self._keeper.keep_audit(row, rows_max=ROWS_MAX, before=now - KEPT_S)
        log.info("changed", who=actor.name, via=actor.via, action=action)

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


def begin(request: Request, subject: str) -> Note:
    """The dispatcher's: a note for this request."""
    note = Note(subject)
    request.scope[_SCOPE] = note
    return note


def note(request: Request, subject: str, **detail: Any) -> None:
    """Say what a request changes; a later call adds to an earlier one. Values are JSON without secrets, changes as [before, after]."""
    kept: Note = request.scope[_SCOPE]
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
