"""How a browser comes in: the one-time address, sign-in by name and password, the cookie, and its forms.

There is no default password. While nobody owns the server, each start makes a one-time address of 128 random bits, good for half an
hour; opening it uses nothing up, the button does. The browser then carries an opaque random token in a cookie.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, TypeVar

from sternpost.console.patience import Patience
from sternpost.control import passwords
from sternpost.control.attempts import Attempts
from sternpost.control.audit import AuditLog, Note
from sternpost.control.auth import Principal
from sternpost.control.people import FIRST_OWNER, NAME_CHARS_MAX, Client, People, digest, key_of, session_id
from sternpost.store.access import UserRow

STRETCHES_AT_ONCE_MAX = 1  #: each takes 128 MB and half a second
STRETCHES_WAITING_MAX = 8  #: more are turned away at once: nobody waits longer than some seconds
STRETCHES_OF_ADDRESS_MAX = 3  #: of them, so that whoever guesses leaves room for others

Result = TypeVar("Result")
SignIn: TypeAlias = Literal["in", "wrong", "wait", "crowded", "busy"]


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that is signed in."""

    token: str
    who: Principal


@dataclass(frozen=True, slots=True)
class Invitation:
    """A one-time address that can be used."""

    user: UserRow | None  #: None: it makes the first owner
    asks_password: bool
    asks_name: bool


class Busy(Exception):
    """Too many passwords wait to be looked at."""


class Crowded(Busy):
    """Too many of them come from this address."""


class Access:
    """Sessions of browsers over `People`."""

    def __init__(
        self,
        people: People,
        audit: AuditLog,
        attempts: Attempts,
        *,
        clock: Callable[[], float],
        on_loopback: bool,
        work: passwords.Work = passwords.WORK,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._people = people
        self._audit = audit
        self._attempts = attempts
        self._on_loopback = on_loopback
        self._work = work
        self._patience = Patience(clock=clock, sleep=sleep)
        self._stretching = asyncio.Semaphore(STRETCHES_AT_ONCE_MAX)
        self._waiting: Counter[str] = Counter()  #: passwords, by address
        # Compared with when there is no such user, so that the time tells nobody who there is.
        self._nobody = ""

    async def start(self) -> str:
        """The token of a new one-time address when nobody owns the server, else ""."""
        return "" if self.owned else (await self._people.fresh_address())[0]

    @property
    def owned(self) -> bool:
        """Whether an owner can come in."""
        return self._people.owned

    def session(self, token: str) -> Session | None:
        """The session of a cookie."""
        found = self._people.session(token)
        user = self._people.user(found.user_key) if found is not None else None
        return Session(token, self._people.principal(user)) if user is not None else None

    def session_id(self, session: Session) -> str:
        """How a session is named in lists."""
        found = self._people.session(session.token)
        return session_id(found) if found is not None else ""

    def has_password(self, session: Session) -> bool:
        user = self._people.user(session.who.name)
        return user is not None and bool(user.password)

    # --- the one-time address ----------------------------------------------------------------------------------------

    async def invitation(self, token: str) -> Invitation | None:
        """What a one-time address is for, None when it cannot be used. On loopback the first owner needs no password."""
        possible, user = await self._people.address(token)
        if not possible:
            return None
        first = user is None or (user.role == "owner" and not user.password and not self._has_company(user))
        return Invitation(
            user,
            asks_password=not (first and self._on_loopback),
            asks_name=user is None and not self._on_loopback,
        )

    async def use_address(
        self,
        token: str,
        invitation: Invitation,
        client: Client,
        *,
        name: str = FIRST_OWNER,
        password: str = "",
    ) -> Session | None:
        """Use a one-time address up; None when another was first, or it has expired.

        Raises ApiError for a name that cannot be one, Busy.
        """
        user = invitation.user
        if user is None:
            user = self._people.first_owner(name)
        reset = bool(user.password)
        if password:
            user = replace(user, password=await self._stretch(password, client.address))
        who = self._people.principal(user)
        async with self._line(who, "use_address", address=client.address):
            cookie = await self._people.use_address(token, user, client)
            if cookie is None:
                return None
            if reset:
                await self._end_others(user, cookie)
        return Session(cookie, who)

    def _has_company(self, user: UserRow) -> bool:
        return any(one.key != user.key for one in self._people.users)

    # --- signing in and out ------------------------------------------------------------------------------------------

    async def sign_in(self, name: str, given: str, client: Client) -> tuple[SignIn, Session | None]:
        """Sign in with a user's name and password."""
        came, session = await self._sign_in(key_of(name.strip()[: NAME_CHARS_MAX + 1]), given, client)
        if session is None:
            user = self._people.user(key_of(name.strip()))
            await self._attempts.failed("console", user.name if user is not None else "", client.address)
        return came, session

    async def _sign_in(self, key: str, given: str, client: Client) -> tuple[SignIn, Session | None]:
        if self.wait_s(client.address):
            return "wait", None
        try:
            self._has_room(client.address)
        except Busy as busy:
            return _said(busy), None
        async with self._patience.turn(key) as soon:
            if not soon:
                return "wait", None
            user = self._people.user(key)
            given = given[: passwords.CHARS_MAX + 1]
            try:
                right = await self._is_password(user, given, client.address)
            except Busy as busy:
                return _said(busy), None
            # It may have been removed or shut out while the password was looked at.
            user = self._people.user(key)
            if not right or user is None or user.disabled:
                self._patience.failed(client.address, key)
                return "wrong", None
        self._patience.succeeded(client.address, key)
        if passwords.is_weaker(user.password, self._work):
            with contextlib.suppress(Busy):
                await self._people.keep_password(user, await self._stretch(given, client.address))
        who = self._people.principal(user)
        async with self._line(who, "sign_in", address=client.address):
            cookie = await self._people.begin_session(user, client)
        return "in", Session(cookie, who)

    def wait_s(self, address: str) -> float:
        """How long this address has to wait before its next try; 0 = not at all."""
        return self._patience.wait_s(address)

    async def sign_out(self, token: str) -> None:
        await self._people.end_sessions(
            one for one in self._people.sessions if one.token_hash == digest(token)
        )

    async def sign_out_others(self, session: Session) -> int:
        """End every other session of the same user; how many there were."""
        user = self._people.user(session.who.name)
        if user is None:
            return 0
        async with self._line(session.who, "sign_out_others") as note:
            count = note.detail["ended"] = await self._end_others(user, session.token)
        return count

    # --- the password ------------------------------------------------------------------------------------------------

    async def set_password(self, session: Session, current: str, new: str, client: Client) -> str:
        """Choose or change one's own password; a sentence when it cannot be so, "" when it is. Other browsers are signed out."""
        user = self._people.user(session.who.name)
        if user is None:
            return "This user was removed."
        if problem := passwords.problem(new, user.name):
            return problem
        try:
            if user.password:
                if self.wait_s(client.address):
                    return "Too many tries. Wait ten minutes."
                if not await self._is_password(user, current[: passwords.CHARS_MAX + 1], client.address):
                    self._patience.failed(client.address, user.key)
                    await self._attempts.failed("console", user.name, client.address)
                    return "The current password is another one."
            stretched = await self._stretch(new, client.address)
        except Busy:
            return "Too many are signing in. Try again in a moment."
        async with self._line(session.who, "set_password") as note:
            await self._people.keep_password(self._people.user(user.key) or user, stretched)
            note.detail["signedOut"] = await self._end_others(user, session.token)
        return ""

    # --- below -------------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def _line(self, who: Principal, action: str, **detail: Any) -> AsyncIterator[Note]:
        """What is changed within has its line in the audit log, in the same transaction."""
        note = Note(who.name, detail, always=False)
        async with self._audit.line(who, action, note):
            yield note

    async def _end_others(self, user: UserRow, token: str) -> int:
        return await self._people.end_sessions(
            one
            for one in self._people.sessions
            if one.user_key == user.key and one.token_hash != digest(token)
        )

    async def _is_password(self, user: UserRow | None, given: str, address: str) -> bool:
        if user is None or not user.password:
            self._nobody = self._nobody or await self._stretch("nobody has this password", address)
            await self._worked(address, passwords.matches, given, self._nobody)
            return False
        return await self._worked(address, passwords.matches, given, user.password)

    async def _stretch(self, password: str, address: str) -> str:
        return await self._worked(address, passwords.stretch, password, self._work)

    async def _worked(self, address: str, function: Callable[..., Result], *values: object) -> Result:
        self._has_room(address)
        self._waiting[address] += 1
        try:
            async with self._stretching:
                return await asyncio.to_thread(function, *values)
        finally:
            self._waiting[address] -= 1
            if not self._waiting[address]:
                del self._waiting[address]

    def _has_room(self, address: str) -> None:
        """Whether another password may be looked at: of the same address first. Raises Busy."""
        if self._waiting[address] >= STRETCHES_OF_ADDRESS_MAX:
            raise Crowded
        if self._waiting.total() >= STRETCHES_WAITING_MAX:
            raise Busy


def _said(busy: Busy) -> SignIn:
    return "crowded" if isinstance(busy, Crowded) else "busy"


def form_token(cookie: str) -> str:
    """What a form of the holder of this cookie carries. Another page can neither read the cookie nor make it up."""
    return hmac.digest(cookie.encode("utf-8", "replace"), b"form", "sha256").hex()[:32]


def is_form_token(given: str, cookie: str) -> bool:
    return bool(cookie) and hmac.compare_digest(given.encode("utf-8", "replace"), form_token(cookie).encode())
