"""The codes of the sandbox's diagnostics: those of the pipeline's notes, a few of its reasons, and some that only a stand-in has.

What a developer learns here is true in the pipeline's fate of an event, because both read `sternpost.reasons`.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from sternpost.notes import NOTES, NoteCode
from sternpost.reasons import REASONS

#: Reasons of the pipeline that Pendo gives silently; the text comes from `sternpost.reasons`.
SharedReason: TypeAlias = Literal["do_not_process", "missing_id", "bad_id"]
#: Said only by the sandbox, which sees raw calls and has bounds of its own.
SandboxCode: TypeAlias = Literal[
    "property_cardinality", "bad_body", "bad_jwt", "memory_limit", "journal_torn"
]
Code: TypeAlias = NoteCode | SharedReason | SandboxCode

_SANDBOX_TITLES: dict[SandboxCode, str] = {
    "property_cardinality": "Many values of a property",
    "bad_body": "Unusable body",
    "bad_jwt": "Token not accepted",
    "memory_limit": "Oldest data removed",
    "journal_torn": "Last line was torn",
}


def title(code: str) -> str:
    """A code in at most six words."""
    for table in (NOTES, REASONS):
        entry = table.get(code)  # type: ignore[call-overload]
        if entry is not None:
            return str(entry.title)
    return next((text for name, text in _SANDBOX_TITLES.items() if name == code), code)


def codes() -> tuple[str, ...]:
    """Every code that a diagnostic may carry."""
    return (*get_args(NoteCode), *get_args(SharedReason), *get_args(SandboxCode))
