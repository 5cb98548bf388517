"""The exceptions of Sternpost. A class's docstring is its message's beginning.

SternpostError
├── StoreError
│   ├── StoreUnavailable     cannot make anything durable now; the client should try again
│   │   ├── StoreDamaged     what was asked for lies on a page that cannot be read
│   │   └── StoreFull        what waits fills the disk; the client should try again later
│   ├── StoreInUse           another server holds the data directory
│   └── StoreTooNew          written by a later version
├── WorkspaceError           the workspace is not valid; carries every problem with line and remedy
├── UsageError               a command was used in a way that cannot work (exit status 2)
└── CommandError             a command failed (exit status 1); message is one sentence and what to do
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class SternpostError(Exception):
    """Something that Sternpost knows how to explain."""


class StoreError(SternpostError):
    """The store could not do what was asked."""


class StoreUnavailable(StoreError):
    """The store cannot make events durable at the moment."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy  #: what somebody can do about it, a sentence or two


class StoreDamaged(StoreUnavailable):
    """A part of the store cannot be read any more."""


class StoreFull(StoreUnavailable):
    """What waits for delivery fills the space that the store may use."""


class StoreInUse(StoreError):
    """The data directory is in use by another Sternpost."""


class StoreTooNew(StoreError):
    """The store was written by a later Sternpost."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a workspace: where, what, and what to do."""

    path: str  #: `destinations[0].settings.region`
    message: str  #: a sentence
    remedy: str = ""  #: a sentence
    line: int | None = None  #: 1-based; None when there is no file

    def sentence(self, file: str = "") -> str:
        place = f"{file} line {self.line}" if file and self.line else file
        if place and self.path:
            place += ", "
        text = f"{place}{self.path}: {self.message}" if place or self.path else self.message
        return f"{text} {self.remedy}".rstrip()


class WorkspaceError(SternpostError):
    """The workspace is not valid; nothing of it was applied."""

    def __init__(self, problems: Sequence[Problem], file: str = "") -> None:
        self.problems = tuple(problems)
        self.file = file
        super().__init__("\n".join(problem.sentence(file) for problem in problems))


class UsageError(SternpostError):
    """The command was used in a way that cannot work."""


class CommandError(SternpostError):
    """The command failed."""
