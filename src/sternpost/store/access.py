"""Who may use the server, and who changed what: users, sessions, one-time addresses, API tokens, the audit log.

A few rows beside the events, written in the same transactions. Every secret arrives here as a hash.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from sternpost.store.names import storable

Result = TypeVar("Result")

#: Rows removed with each new one, so that a lowered bound is reached without a long transaction.
AUDIT_PRUNED_AT_ONCE = 100


class Writes(Protocol):
    """The part of `SqliteStore` that runs statements in its next transaction."""

    async def transaction(self, run: Callable[[sqlite3.Connection], Result]) -> Result: ...


@dataclass(frozen=True, slots=True)
class UserRow:
    key: str
    name: str
    role: str
    password: str  #: stretched; "" until one is chosen
    personal_data: bool
    disabled: bool
    created_at: float


@dataclass(frozen=True, slots=True)
class SessionRow:
    token_hash: bytes
    user_key: str
    created_at: float
    expires_at: float
    address: str
    agent: str


@dataclass(frozen=True, slots=True)
class TokenRow:
    id: str
    name: str
    role: str
    personal_data: bool
    token_hash: bytes
    created_at: float
    created_by: str
    expires_at: float | None
    used_at: float | None


@dataclass(frozen=True, slots=True)
class AuditRow:
    no: int
    at: float
    actor: str
    via: str
    action: str
    subject: str
    detail: str  #: JSON


class AccessTables:
    """Statements on these tables; each method is one transaction."""

    def __init__(self, store: Writes) -> None:
        self._store = store

    # --- users -------------------------------------------------------------------------------------------------------

    async def users(self) -> Sequence[UserRow]:
        def run(cx: sqlite3.Connection) -> Sequence[UserRow]:
            rows = cx.execute(
                "SELECT key, name, role, password, personal_data, disabled, created_at FROM users ORDER BY created_at, key"
            )
            return [
                UserRow(key, name, role, password, bool(personal_data), bool(disabled), created_at)
                for key, name, role, password, personal_data, disabled, created_at in rows
            ]

        return await self._store.transaction(run)

    async def keep_user(self, user: UserRow) -> None:
        """A new user, or a changed one."""
        await self._store.transaction(lambda cx: _keep_user(cx, user))

    async def remove_user(self, key: str) -> None:
        """A user with all sessions and the one-time address."""

        def run(cx: sqlite3.Connection) -> None:
            cx.execute("DELETE FROM users WHERE key = ?", (key,))
            cx.execute("DELETE FROM sessions WHERE user_key = ?", (key,))
            cx.execute("DELETE FROM addresses WHERE user_key = ?", (key,))

        await self._store.transaction(run)

    # --- one-time addresses ------------------------------------------------------------------------------------------

    async def keep_address(self, user_key: str, token_hash: bytes, *, expires_at: float) -> None:
        """A new one-time address; the one before of this user ends."""

        def run(cx: sqlite3.Connection) -> None:
            cx.execute(
                "INSERT OR REPLACE INTO addresses (user_key, token_hash, expires_at) VALUES (?, ?, ?)",
                (user_key, token_hash, expires_at),
            )

        await self._store.transaction(run)

    async def address_of(self, token_hash: bytes, *, now: float) -> str | None:
        """Whose one-time address it is, while it can be used; '' is the set-up."""
        return await self._store.transaction(lambda cx: _address_of(cx, token_hash, now))

    async def use_address(self, token_hash: bytes, user: UserRow, session: SessionRow) -> bool:
        """Use an address up for a session, and keep the user as it is now. False: it was used before, or has expired."""

        def run(cx: sqlite3.Connection) -> bool:
            if _address_of(cx, token_hash, session.created_at) is None:
                return False
            cx.execute("DELETE FROM addresses WHERE token_hash = ?", (token_hash,))
            _keep_user(cx, user)
            _keep_session(cx, session)
            return True

        return await self._store.transaction(run)

    # --- sessions ----------------------------------------------------------------------------------------------------

    async def sessions(self, *, now: float) -> Sequence[SessionRow]:
        """Who is signed in, the earliest first."""

        def run(cx: sqlite3.Connection) -> Sequence[SessionRow]:
            rows = cx.execute(
                "SELECT token_hash, user_key, created_at, expires_at, address, agent FROM sessions WHERE expires_at > ? "
                "ORDER BY created_at, token_hash",
                (now,),
            )
            return [SessionRow(bytes(row[0]), *row[1:]) for row in rows]

        return await self._store.transaction(run)

    async def keep_session(self, session: SessionRow) -> None:
        """A browser signed in."""

        def run(cx: sqlite3.Connection) -> None:
            cx.execute("DELETE FROM sessions WHERE expires_at <= ?", (session.created_at,))
            _keep_session(cx, session)

        await self._store.transaction(run)

    async def end_sessions(self, token_hashes: Iterable[bytes]) -> None:
        """Browsers signed out."""
        ended = [(token_hash,) for token_hash in token_hashes]
        await self._store.transaction(
            lambda cx: cx.executemany("DELETE FROM sessions WHERE token_hash = ?", ended)
        )

    # --- API tokens --------------------------------------------------------------------------------------------------

    async def tokens(self) -> Sequence[TokenRow]:
        def run(cx: sqlite3.Connection) -> Sequence[TokenRow]:
            rows = cx.execute(
                "SELECT id, name, role, personal_data, token_hash, created_at, created_by, expires_at, used_at FROM tokens "
                "ORDER BY created_at, id"
            )
            return [
                TokenRow(
                    number, name, role, bool(personal_data), bytes(token_hash), at, by, expires_at, used_at
                )
                for number, name, role, personal_data, token_hash, at, by, expires_at, used_at in rows
            ]

        return await self._store.transaction(run)

    async def keep_token(self, token: TokenRow) -> None:
        """A new token, or one that was used."""
        values = (
            token.id, token.name, token.role, token.personal_data, token.token_hash, token.created_at, token.created_by,
            token.expires_at, token.used_at,
        )  # fmt: skip

        def run(cx: sqlite3.Connection) -> None:
            cx.execute(
                "INSERT INTO tokens (id, name, role, personal_data, token_hash, created_at, created_by, expires_at, used_at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                values,
            )

        await self._store.transaction(run)

    async def token_used(self, token_id: str, *, now: float) -> None:
        """Nothing happens when it was revoked meanwhile."""
        await self._store.transaction(
            lambda cx: cx.execute("UPDATE tokens SET used_at = ? WHERE id = ?", (now, token_id))
        )

    async def remove_token(self, token_id: str) -> None:
        await self._store.transaction(lambda cx: cx.execute("DELETE FROM tokens WHERE id = ?", (token_id,)))

    # --- the audit log -----------------------------------------------------------------------------------------------

    async def keep_audit(self, row: AuditRow, *, rows_max: int, before: float) -> int:
        """See `write_audit`."""
        return await self._store.transaction(
            lambda cx: write_audit(cx, row, rows_max=rows_max, before=before)
        )


def write_audit(cx: sqlite3.Connection, row: AuditRow, *, rows_max: int, before: float) -> int:
    """One more line, or when it has a `no` that line as it is now; its number.

    With a new one, lines beyond `rows_max` and those of before `before` go, the oldest first.
    """
    if row.no:
        cx.execute(
            "UPDATE audit SET subject = ?, detail = ? WHERE no = ?",
            (storable(row.subject), storable(row.detail), row.no),
        )
        return row.no
    cursor = cx.execute(
        "INSERT INTO audit (at, actor, via, action, subject, detail) VALUES (?, ?, ?, ?, ?, ?)",
        (row.at, storable(row.actor), row.via, row.action, storable(row.subject), storable(row.detail)),
    )
    number = int(cursor.lastrowid or 0)
    cx.execute(
        "DELETE FROM audit WHERE no IN (SELECT no FROM audit ORDER BY no LIMIT ?) AND (no <= ? OR at < ?)",
        (AUDIT_PRUNED_AT_ONCE, number - rows_max, before),
    )
    return number


def audit_rows(
    *, limit: int, before: int | None = None, who: str = "", what: str = "", since: float | None = None
) -> Callable[[sqlite3.Connection], Sequence[AuditRow]]:
    """Reads lines of the audit log, the latest first. `who` and `what` are parts of the actor, and of the action or subject."""
    conditions: list[str] = ["1"]
    values: list[object] = []
    for condition, value in (
        ("no < ?", before),
        ("at >= ?", since),
        ("instr(lower(actor), lower(?)) > 0", storable(who) or None),
        ("instr(lower(action || ' ' || subject), lower(?)) > 0", storable(what) or None),
    ):
        if value is not None:
            conditions.append(condition)
            values.append(value)

    def run(cx: sqlite3.Connection) -> Sequence[AuditRow]:
        rows = cx.execute(
            "SELECT no, at, actor, via, action, subject, detail FROM audit "
            f"WHERE {' AND '.join(conditions)} ORDER BY no DESC LIMIT ?",
            (*values, limit),
        )
        return [AuditRow(*row) for row in rows]

    return run


def _keep_user(cx: sqlite3.Connection, user: UserRow) -> None:
    cx.execute(
        "INSERT OR REPLACE INTO users (key, name, role, password, personal_data, disabled, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (user.key, user.name, user.role, user.password, user.personal_data, user.disabled, user.created_at),
    )


def _keep_session(cx: sqlite3.Connection, session: SessionRow) -> None:
    cx.execute(
        "INSERT INTO sessions (token_hash, user_key, created_at, expires_at, address, agent) VALUES (?, ?, ?, ?, ?, ?)",
        (
            session.token_hash,
            session.user_key,
            session.created_at,
            session.expires_at,
            storable(session.address),
            storable(session.agent),
        ),
    )


def _address_of(cx: sqlite3.Connection, token_hash: bytes, now: float) -> str | None:
    row = cx.execute(
        "SELECT user_key FROM addresses WHERE token_hash = ? AND expires_at > ?", (token_hash, now)
    ).fetchone()
    return str(row[0]) if row else None
