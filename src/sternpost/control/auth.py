"""Who may ask: bearer tokens with a role. Compared in a time that tells nothing about them."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias

Role: TypeAlias = Literal["viewer", "editor", "owner"]
ROLES: tuple[Role, ...] = ("viewer", "editor", "owner")  #: each may do what those before it may
TOKEN_CHARS_MAX = 1_000

#: Gives the role of a token, None for one that is not known. Must not take longer for a token that is nearly right.
RoleOf: TypeAlias = Callable[[str], Role | None]


def owner_token(expected: str) -> RoleOf:
    """The one token of `STERNPOST_API_TOKEN` or `<data-dir>/api-token`, whose role is owner."""
    wanted = expected.encode()

    def role_of(given: str) -> Role | None:
        return "owner" if hmac.compare_digest(given.encode("utf-8", "replace"), wanted) else None

    return role_of


def bearer(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The token of an Authorization header; None when there is none. Two such headers are none: they could mean anything."""
    found = [value for name, value in headers if name.lower() == b"authorization"]
    if len(found) != 1:
        return None
    scheme, _, token = found[0].decode("latin-1").strip().partition(" ")
    token = token.strip()
    return token if scheme.lower() == "bearer" and 0 < len(token) <= TOKEN_CHARS_MAX else None


def allows(role: Role, needed: Role) -> bool:
    """Whether a role is enough."""
    return ROLES.index(role) >= ROLES.index(needed)


def may_read_metrics(
    headers: Iterable[tuple[bytes, bytes]], *, listens_on_loopback: bool, role_of: RoleOf
) -> bool:
    """`GET /metrics`: open while the server listens on loopback only, else for tokens of the role viewer and above."""
    if listens_on_loopback:
        return True
    token = bearer(headers)
    return token is not None and role_of(token) is not None
