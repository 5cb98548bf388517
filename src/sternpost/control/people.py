"""Users and API tokens: who there is, with which role, and what of it may be changed.

Everything is in memory, as one process serves a store; every change is in the store before it counts. Tokens, sessions and one-time
addresses are random; the store has only their hashes, and whoever reads it can use none of them.
"""

from __future__ import annotations

import hashlib
import secrets
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, cast

from sternpost.control.answers import ApiError
from sternpost.control.auth import ROLES, TOKEN_PREFIX, Principal, Role, WhoIs
from sternpost.store.access import SessionRow, TokenRow, UserRow

USERS_MAX = 1_000  #: more want a directory service, not this list
TOKENS_MAX = 1_000
SESSIONS_PER_USER_MAX = 20  #: browsers of one person; the earliest is signed out
NAME_CHARS_MAX = 64
AGENT_CHARS_MAX = 200
ADDRESS_TOKEN_BYTES = 16  #: 128 bits
SETUP_VALID_S = 30 * 60.0
INVITATION_VALID_S = 24 * 3_600.0  #: somebody else has to receive and open it
SESSION_TOKEN_BYTES = 32
SESSION_VALID_S = 30 * 86_400
API_TOKEN_BYTES = 32
API_TOKEN_DAYS_MAX = 3_650
TOUCH_S = 60.0  #: "last used" of a token is kept to the minute, so that reading rarely writes
FIRST_OWNER = "owner"  #: the name of the first user where none is asked for
SETUP = ""  #: whose one-time address makes the first owner


class Keeper(Protocol):
    """The part of the store that keeps them (`store.access.AccessTables`)."""

    async def users(self) -> Sequence[UserRow]: ...
    async def keep_user(self, user: UserRow) -> None: ...
    async def remove_user(self, key: str) -> None: ...
    async def keep_address(self, user_key: str, token_hash: bytes, *, expires_at: float) -> None: ...
    async def address_of(self, token_hash: bytes, *, now: float) -> str | None: ...
    async def use_address(self, token_hash: bytes, user: UserRow, session: SessionRow) -> bool: ...
    async def sessions(self, *, now: float) -> Sequence[SessionRow]: ...
    async def keep_session(self, session: SessionRow) -> None: ...
    async def end_sessions(self, token_hashes: Iterable[bytes]) -> None: ...
    async def tokens(self) -> Sequence[TokenRow]: ...
    async def keep_token(self, token: TokenRow) -> None: ...
    async def token_used(self, token_id: str, *, now: float) -> None: ...
    async def remove_token(self, token_id: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Client:
    """The browser of a session, as far as it says who it is."""

    address: str = ""
    agent: str = ""


class People:
    """See the module."""

    def __init__(self, keeper: Keeper, *, clock: Callable[[], float], own_token: WhoIs) -> None:
        """`own_token` knows the token of the data directory (`auth.owner_token`)."""
        self._keeper = keeper
        self._clock = clock
        self._own_token = own_token
        self._users: dict[str, UserRow] = {}
        self._sessions: dict[bytes, SessionRow] = {}
        self._tokens: dict[bytes, TokenRow] = {}

    async def start(self) -> None:
        """Load what is kept."""
        self._users = {user.key: user for user in await self._keeper.users()}
        self._sessions = {one.token_hash: one for one in await self._keeper.sessions(now=self._clock())}
        self._tokens = {token.token_hash: token for token in await self._keeper.tokens()}

    # --- who asks ----------------------------------------------------------------------------------------------------

    def who_is(self, token: str) -> Principal | None:
        """Whose API token it is."""
        own = self._own_token(token)
        if own is not None:
            return own
        found = self._tokens.get(digest(token))
        if found is None or self.expired(found):
            return None
        return Principal(f"{TOKEN_PREFIX}{found.name}", _role(found.role), personal_data=found.personal_data)

    def expired_token(self, token: str) -> str:
        """Whose token it was while it was good, as records tell it; "" for one that is not known."""
        found = self._tokens.get(digest(token))
        return f"{TOKEN_PREFIX}{found.name}" if found is not None else ""

    async def token_used(self, token: str) -> None:
        """Note that a token was used now."""
        now = self._clock()
        found = self._tokens.get(digest(token))
        if found is not None and (found.used_at is None or now - found.used_at >= TOUCH_S):
            self._tokens[found.token_hash] = replace(found, used_at=now)
            await self._keeper.token_used(found.id, now=now)

    def session(self, token: str) -> SessionRow | None:
        """The session of a cookie, while its user may come in."""
        found = self._sessions.get(digest(token)) if token else None
        if found is None or found.expires_at <= self._clock():
            return None
        user = self._users.get(found.user_key)
        return found if user is not None and not user.disabled else None

    def principal(self, user: UserRow) -> Principal:
        """A user who asks through the console."""
        return Principal(user.name, _role(user.role), "console", user.personal_data)

    # --- users -------------------------------------------------------------------------------------------------------

    @property
    def users(self) -> Sequence[UserRow]:
        """All of them, the earliest first."""
        return list(self._users.values())

    def user(self, name: str) -> UserRow | None:
        return self._users.get(key_of(name))

    def can_come_in(self, user: UserRow) -> bool:
        """Whether a user has a password, or a browser that is signed in."""
        now = self._clock()
        return not user.disabled and (
            bool(user.password)
            or any(one.user_key == user.key and one.expires_at > now for one in self._sessions.values())
        )

    @property
    def owned(self) -> bool:
        """Whether an owner can come in."""
        return any(user.role == "owner" and self.can_come_in(user) for user in self._users.values())

    async def add_user(self, name: str, role: str, *, personal_data: bool | None) -> UserRow:
        """A new user without a password. Raises ApiError."""
        name = checked_name(name)
        if key_of(name) in self._users:
            raise ApiError(409, f'There is a user "{name}" already.', "Choose another name.")
        if len(self._users) >= USERS_MAX:
            raise ApiError(409, f"There are {USERS_MAX} users already.", "Remove some first.")
        user = UserRow(
            key_of(name), name, checked_role(role), "", sees(role, personal_data), False, self._clock()
        )
        await self._keep(user)
        return user

    async def change_user(
        self,
        user: UserRow,
        *,
        role: str | None = None,
        disabled: bool | None = None,
        personal_data: bool | None = None,
    ) -> UserRow:
        """A user with another role, shut out or let in again, or with other sight of personal data. Raises ApiError."""
        new_role = checked_role(role) if role is not None else user.role
        # A role brings its usual sight along, unless it is said.
        usual = None if role is not None and role != user.role else user.personal_data
        changed = replace(
            user,
            role=new_role,
            disabled=user.disabled if disabled is None else disabled,
            personal_data=sees(new_role, usual if personal_data is None else personal_data),
        )
        if new_role != "owner" or changed.disabled:
            self._not_the_last(user)
        await self._keep(changed)
        if changed.disabled:
            await self.end_sessions(one for one in self.sessions if one.user_key == user.key)
        return changed

    async def remove_user(self, user: UserRow) -> None:
        """Raises ApiError for the last owner."""
        self._not_the_last(user)
        await self._keeper.remove_user(user.key)
        self._users.pop(user.key, None)
        self._sessions = {token: one for token, one in self._sessions.items() if one.user_key != user.key}

    async def keep_password(self, user: UserRow, stretched: str) -> None:
        """A user's new password; "" takes it away."""
        await self._keep(replace(user, password=stretched))

    # --- one-time addresses ------------------------------------------------------------------------------------------

    async def new_address(self, user: UserRow | None, *, valid_s: float) -> str:
        """The token of a new one-time address for a user, or for making the first owner. The one before ends."""
        token = secrets.token_urlsafe(ADDRESS_TOKEN_BYTES)
        key = user.key if user is not None else SETUP
        await self._keeper.keep_address(key, digest(token), expires_at=self._clock() + valid_s)
        return token

    async def fresh_address(self) -> tuple[str, float]:
        """A one-time address for whoever can read the data directory, and how long it is good: for the first owner, or to make one."""
        owner = next(
            (user for user in self._users.values() if user.role == "owner" and not user.disabled), None
        )
        return await self.new_address(owner, valid_s=SETUP_VALID_S), SETUP_VALID_S

    async def address(self, token: str) -> tuple[bool, UserRow | None]:
        """Whether a one-time address can be used, and by which user; None makes the first owner. Asking uses nothing up."""
        key = await self._keeper.address_of(digest(token), now=self._clock())
        user = self._users.get(key) if key else None
        possible = not self.owned if key == SETUP else user is not None and not user.disabled
        return possible, user

    async def use_address(self, token: str, user: UserRow, client: Client) -> str | None:
        """Use an address up: the user is kept as given, and the token of a new session comes back; None when another was first."""
        cookie, session = self._new_session(user, client)
        if not await self._keeper.use_address(digest(token), user, session):
            return None
        self._users[user.key] = user
        self._sessions[session.token_hash] = session
        return cookie

    def first_owner(self, name: str) -> UserRow:
        """The user that the set-up makes. Raises ApiError for a name that cannot be one."""
        name = checked_name(name)
        if key_of(name) in self._users:
            raise ApiError(409, f'There is a user "{name}" already.', "Choose another name.")
        return UserRow(key_of(name), name, "owner", "", True, False, self._clock())

    # --- sessions ----------------------------------------------------------------------------------------------------

    @property
    def sessions(self) -> Sequence[SessionRow]:
        """Browsers that are signed in, the earliest first."""
        now = self._clock()
        return [one for one in self._sessions.values() if one.expires_at > now]

    async def begin_session(self, user: UserRow, client: Client) -> str:
        """The token of a new session."""
        cookie, session = self._new_session(user, client)
        await self._keeper.keep_session(session)
        self._sessions[session.token_hash] = session
        own = [one for one in self.sessions if one.user_key == user.key]
        await self.end_sessions(own[: max(0, len(own) - SESSIONS_PER_USER_MAX)])
        return cookie

    async def end_sessions(self, sessions: Iterable[SessionRow]) -> int:
        """Sign browsers out; how many."""
        ended = list(sessions)
        if ended:
            await self._keeper.end_sessions([one.token_hash for one in ended])
            for one in ended:
                self._sessions.pop(one.token_hash, None)
        return len(ended)

    # --- API tokens --------------------------------------------------------------------------------------------------

    @property
    def tokens(self) -> Sequence[TokenRow]:
        """Those that were made here, the earliest first, also expired ones."""
        return list(self._tokens.values())

    def expired(self, token: TokenRow) -> bool:
        return token.expires_at is not None and token.expires_at <= self._clock()

    async def add_token(
        self, name: str, role: str, *, personal_data: bool | None, days: int | None, by: Principal
    ) -> tuple[str, TokenRow]:
        """A new token: its text, which is not kept, and what is. Raises ApiError."""
        name = checked_name(name)
        if any(key_of(token.name) == key_of(name) for token in self._tokens.values()):
            raise ApiError(409, f'There is a token "{name}" already.', "Choose another name, or revoke it.")
        if len(self._tokens) >= TOKENS_MAX:
            raise ApiError(409, f"There are {TOKENS_MAX} tokens already.", "Revoke some first.")
        if days is not None and not 1 <= days <= API_TOKEN_DAYS_MAX:
            raise ApiError(
                400, f"A token is good for 1 to {API_TOKEN_DAYS_MAX} days.", "Leave it out for ever."
            )
        now = self._clock()
        text = f"sp_{secrets.token_urlsafe(API_TOKEN_BYTES)}"
        token = TokenRow(
            secrets.token_hex(6),
            name,
            checked_role(role),
            sees(role, personal_data),
            digest(text),
            now,
            by.name,
            now + days * 86_400 if days is not None else None,
            None,
        )
        await self._keeper.keep_token(token)
        self._tokens[token.token_hash] = token
        return text, token

    async def remove_token(self, token: TokenRow) -> None:
        await self._keeper.remove_token(token.id)
        self._tokens.pop(token.token_hash, None)

    # --- below -------------------------------------------------------------------------------------------------------

    async def _keep(self, user: UserRow) -> None:
        await self._keeper.keep_user(user)
        self._users[user.key] = user

    def _new_session(self, user: UserRow, client: Client) -> tuple[str, SessionRow]:
        cookie = secrets.token_urlsafe(SESSION_TOKEN_BYTES)
        now = self._clock()
        agent = client.agent[:AGENT_CHARS_MAX]
        return cookie, SessionRow(digest(cookie), user.key, now, now + SESSION_VALID_S, client.address, agent)

    def _not_the_last(self, user: UserRow) -> None:
        """Raises ApiError when nobody could come in as an owner without this user."""
        others = any(
            one.role == "owner" and one.key != user.key and self.can_come_in(one)
            for one in self._users.values()
        )
        if user.role == "owner" and not user.disabled and not others:
            raise ApiError(
                409,
                f'"{user.name}" is the last owner who can sign in.',
                "Make another user an owner first, and let them sign in once.",
            )


def digest(token: str) -> bytes:
    """What is kept of a token. It is random enough that nothing slower is needed."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def session_id(session: SessionRow) -> str:
    """How a session is named in lists. Nobody can make its token from this."""
    return hashlib.sha256(b"session\n" + session.token_hash).hexdigest()[:12]


def key_of(name: str) -> str:
    """The same for names that people take for the same."""
    return unicodedata.normalize("NFKC", name).casefold()


def checked_name(name: str) -> str:
    """A name for a user or a token. Raises ApiError."""
    name = unicodedata.normalize("NFC", name.strip())
    if not name or len(name) > NAME_CHARS_MAX:
        raise ApiError(400, f"A name has 1 to {NAME_CHARS_MAX} characters.")
    # Colons and slashes mean something in the audit log and in addresses.
    if not all(sign.isprintable() and sign not in ':/\\?#"' for sign in name) or name in {".", ".."}:
        raise ApiError(400, 'A name holds no control characters and none of : / \\ ? # "')
    return name


def checked_role(role: str) -> Role:
    """Raises ApiError for what is no role."""
    if role not in ROLES:
        raise ApiError(400, f'"{role[:40]}" is no role.', f"Use one of: {', '.join(ROLES)}.")
    return _role(role)


def sees(role: str, said: bool | None) -> bool:  # noqa: FBT001 - an answer, or none
    """Whether somebody of a role sees personal data: as said, else all but viewers. An owner could allow it to itself, so it always may.

    Raises ApiError for an owner who should not.
    """
    if role == "owner" and said is False:
        raise ApiError(400, "An owner sees personal data.", "Choose the role editor or viewer.")
    return role != "viewer" if said is None else said


def _role(text: str) -> Role:
    return cast("Role", text)
