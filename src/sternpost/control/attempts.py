"""Sign-ins and API tokens that were refused, in the audit log: told, and bounded, whoever asks how often.

The first failure of a door, an account and an address has a line at once. Those that follow within `WINDOW_S` are counted in it; it is
written again when their number has doubled, so that a thousand guesses cost ten writes. Beyond `LINES_MAX` lines in a window everything else
is counted in one line more: nobody can push the rest of the log out by guessing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from sternpost.control.audit import AuditLog
from sternpost.control.auth import Principal, Via
from sternpost.store.access import AuditRow

WINDOW_S = 600.0  #: alike failures within it share a line; as long as `console.patience` counts
LINES_MAX = 50  #: of one window, for all doors together
ACTION = "sign_in_failed"
UNKNOWN = "unknown"  #: who it was said to be, when nobody here is called so: the text may be a password in the wrong field

#: The address of the line in which everything beyond `LINES_MAX` is counted: it is no single one, and names no account.
SEVERAL = f"several, beyond the {LINES_MAX} that have a line"

Key: TypeAlias = tuple[Via, str, str]


@dataclass(slots=True)
class _Alike:
    """Failures that share a line."""

    row: AuditRow
    until: float
    count: int = 1
    written: int = 1


class Attempts:
    """Tells the audit log who could not come in."""

    def __init__(self, audit: AuditLog, *, clock: Callable[[], float]) -> None:
        self._audit = audit
        self._clock = clock
        self._alike: dict[Key, _Alike] = {}

    async def failed(self, via: Via, account: str, address: str) -> None:
        """Somebody gave a wrong password or token, or was turned away after too many of them. Raises StoreError.

        `account` is a user's or token's name that is known here, else "".
        """
        now = self._clock()
        self._alike = {key: one for key, one in self._alike.items() if one.until > now}
        key = (via, account, address)
        if key not in self._alike and len(self._alike) >= LINES_MAX:
            key = (via, "", SEVERAL)
        account, address = key[1:]
        who = Principal(account or UNKNOWN, "viewer", via)
        found = self._alike.get(key)
        if found is None:
            row = self._audit.row(who, ACTION, account, {"address": address, "count": 1})
            # In memory first: while the line is being written, others may fail.
            found = self._alike[key] = _Alike(row, now + WINDOW_S)
            number = await self._audit.keep(row)
            found.row = replace(row, no=number)
            return
        found.count += 1
        if found.row.no and found.count >= 2 * found.written:
            found.written = found.count
            row = self._audit.row(who, ACTION, account, {"address": address, "count": found.count})
            await self._audit.keep(replace(row, no=found.row.no))
