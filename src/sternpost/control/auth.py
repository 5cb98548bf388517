"""Who asks: a principal with a role, and the bearer token that names it. Compared in a time that tells nothing about tokens."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

Role: TypeAlias = Literal["viewer", "editor", "owner"]
Via: TypeAlias = Literal["console", "api", "cli", "file"]
ROLES: tuple[Role, ...] = ("viewer", "editor", "owner")  #: each may do what those before it may
TOKEN_CHARS_MAX = 1_000
TOKEN_PREFIX = "token:"  # noqa: S105 - how names of tokens begin; no user's name has a colon
PRINCIPAL = "sternpost.principal"  #: in the scope of a request: who asks
CLI_AGENT = b"sternpost-cli/"  #: how the User-Agent of our commands begins


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever reads or changes something."""

    name: str  #: of a user; "token:" and the name of a token; "file:" and the path of the workspace file
    role: Role
    via: Via = "api"
    personal_data: bool = True  #: sees the values of events; else hashes


#: Gives whose token it is, None for one that is not known. Must not take longer for a token that is nearly right.
WhoIs: TypeAlias = Callable[[str], Principal | None]


def owner_token(expected: str) -> WhoIs:
    """The one token of `STERNPOST_API_TOKEN` or `<data-dir>/api-token`, whose role is owner."""
    wanted = expected.encode()
    owner = Principal(f"{TOKEN_PREFIX}api-token", "owner")

    def who_is(given: str) -> Principal | None:
        return owner if hmac.compare_digest(given.encode("utf-8", "replace"), wanted) else None

    return who_is


def bearer(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The token of an Authorization header; None when there is none. Two such headers are none: they could mean anything."""
    found = [value for name, value in headers if name.lower() == b"authorization"]
    if len(found) != 1:
        return None
    scheme, _, token = found[0].decode("latin-1").strip().partition(" ")
    token = token.strip()
    return token if scheme.lower() == "bearer" and 0 < len(token) <= TOKEN_CHARS_MAX else None


def by_command(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a request says that a command of ours sent it. Told in the audit log; nothing is allowed because of it."""
    return any(name.lower() == b"user-agent" and value.startswith(CLI_AGENT) for name, value in headers)


def allows(role: Role, needed: Role) -> bool:
    """Whether a role is enough."""
    return ROLES.index(role) >= ROLES.index(needed)


def may_read_metrics(
    headers: Iterable[tuple[bytes, bytes]], *, listens_on_loopback: bool, who_is: WhoIs
) -> bool:
    """`GET /metrics`: open while the server listens on loopback only, else for tokens of the role viewer and above."""
    if listens_on_loopback:
        return True
    token = bearer(headers)
    return token is not None and who_is(token) is not None
