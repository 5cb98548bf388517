"""Who may use the console: the one-time address of the first start, sessions, the password, and patience with guessing.

There is no default password. While nobody owns the server, each start makes a one-time address of 128 random bits, good for half an
hour; opening it uses nothing up, the button does. The browser then carries an opaque random token in a cookie. The store has only
hashes of tokens: whoever reads it can use none of them.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from sternpost.control.auth import RoleOf

SETUP_TOKEN_BYTES = 16  #: 128 bits
SETUP_VALID_S = 30 * 60
SESSION_TOKEN_BYTES = 32
SESSION_VALID_S = 30 * 86_400
PASSWORD_CHARS_MIN = 12
PASSWORD_CHARS_MAX = 1_000  #: stretching more would only cost time
FAILURES_MAX = 10  #: sign-ins that fail, per address and `FAILURES_S`
FAILURES_S = 600.0
FAILING_ADDRESSES_MAX = 10_000  #: remembered; the oldest go
GUESSED_DELAY_S = 2.0  #: before a password is looked at, while guesses come from many addresses
STRETCHES_AT_ONCE_MAX = 2  #: each takes 32 MB and a tenth of a second
OWNER = "owner"

# As much work as is bearable on a small machine; the numbers are kept with each hash, so that they can grow.
_SCRYPT_N, _SCRYPT_R, _SCRYPT_P = 2**15, 8, 1
_SCRYPT_MEMORY_MAX = 64 * 1024 * 1024
_SCRYPT_BYTES = 32

SignIn: TypeAlias = Literal["in", "wrong", "wait"]


class Keeper(Protocol):
    """The part of the store that keeps who may use the console."""

    async def keep_setup(self, token_hash: bytes, *, expires_at: float) -> None: ...
    async def setup_open(self, token_hash: bytes, *, now: float) -> bool: ...
    async def use_setup(
        self,
        token_hash: bytes,
        session_hash: bytes,
        *,
        role: str,
        password: str,
        now: float,
        expires_at: float,
    ) -> bool: ...
    async def keep_session(self, token_hash: bytes, *, role: str, now: float, expires_at: float) -> None: ...
    async def sessions(self, *, now: float) -> dict[bytes, tuple[str, float]]: ...
    async def end_sessions(self, token_hashes: Iterable[bytes]) -> None: ...
    async def keep_password(self, role: str, password: str, *, now: float) -> None: ...
    async def password(self, role: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that is signed in."""

    token: str
    role: str


class Access:
    """Sessions are looked up in memory, as one process serves a store; every change is in the store before it counts."""

    def __init__(self, keeper: Keeper, *, clock: Callable[[], float], role_of: RoleOf) -> None:
        self._keeper = keeper
        self._clock = clock
        self._role_of = role_of
        self._sessions: dict[bytes, tuple[str, float]] = {}
        self._password = ""
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._all_failures: deque[float] = deque(maxlen=FAILURES_MAX)
        self._stretching = asyncio.Semaphore(STRETCHES_AT_ONCE_MAX)

    async def start(self) -> str:
        """Load what is kept. The token of a new one-time address when nobody owns the server, else ""."""
        self._sessions = await self._keeper.sessions(now=self._clock())
        self._password = await self._keeper.password(OWNER)
        if self.owned:
            return ""
        token = secrets.token_urlsafe(SETUP_TOKEN_BYTES)
        await self._keeper.keep_setup(digest(token), expires_at=self._clock() + SETUP_VALID_S)
        return token

    @property
    def owned(self) -> bool:
        """Whether somebody can get in."""
        now = self._clock()
        return bool(self._password) or any(end > now for _, end in self._sessions.values())

    @property
    def has_password(self) -> bool:
        return bool(self._password)

    def session(self, token: str) -> Session | None:
        """The session of a cookie."""
        found = self._sessions.get(digest(token)) if token else None
        return Session(token, found[0]) if found is not None and found[1] > self._clock() else None

    # --- the one-time address ----------------------------------------------------------------------------------------

    async def setup_open(self, token: str) -> bool:
        """Whether a one-time address can still be used; asking does not use it up."""
        return await self._keeper.setup_open(digest(token), now=self._clock())

    async def use_setup(self, token: str, password: str = "") -> Session | None:
        """Use a one-time address up; None when another was first, or it has expired."""
        session = Session(secrets.token_urlsafe(SESSION_TOKEN_BYTES), OWNER)
        stretched = await self._stretch(password) if password else ""
        now = self._clock()
        end = now + SESSION_VALID_S
        if not await self._keeper.use_setup(
            digest(token), digest(session.token), role=OWNER, password=stretched, now=now, expires_at=end
        ):
            return None
        self._sessions[digest(session.token)] = (OWNER, end)
        self._password = stretched or self._password
        return session

    # --- signing in and out ------------------------------------------------------------------------------------------

    async def sign_in(self, given: str, address: str) -> tuple[SignIn, Session | None]:
        """Sign in with the password, or with an API token, which whoever can read the data directory has."""
        if self.wait_s(address):
            return "wait", None
        if len(self._recent(self._all_failures)) >= FAILURES_MAX:
            await asyncio.sleep(GUESSED_DELAY_S)
        given = given[:PASSWORD_CHARS_MAX]
        if self._role_of(given) != OWNER and not await self._is_password(given):
            self._failed(address)
            return "wrong", None
        self._failures.pop(address, None)
        return "in", await self._begin()

    def wait_s(self, address: str) -> float:
        """How long this address has to wait before its next try; 0 = not at all."""
        failures = self._recent(self._failures.get(address, deque()))
        return max(0.0, failures[0] + FAILURES_S - self._clock()) if len(failures) >= FAILURES_MAX else 0.0

    async def sign_out(self, token: str) -> None:
        await self._end([digest(token)])

    async def sign_out_others(self, token: str) -> int:
        """End every other session; how many there were."""
        others = [one for one in self._sessions if one != digest(token)]
        await self._end(others)
        return len(others)

    @property
    def signed_in(self) -> int:
        """How many browsers are signed in."""
        now = self._clock()
        return sum(end > now for _, end in self._sessions.values())

    # --- the password ------------------------------------------------------------------------------------------------

    async def set_password(self, current: str, new: str, address: str) -> str:
        """Choose or change the password; a sentence when it cannot be so, "" when it is."""
        if problem := password_problem(new):
            return problem
        if self._password:
            if self.wait_s(address):
                return "Too many tries. Wait ten minutes."
            if not await self._is_password(current[:PASSWORD_CHARS_MAX]):
                self._failed(address)
                return "The current password is another one."
        stretched = await self._stretch(new)
        await self._keeper.keep_password(OWNER, stretched, now=self._clock())
        self._password = stretched
        return ""

    # --- below -------------------------------------------------------------------------------------------------------

    async def _begin(self) -> Session:
        session = Session(secrets.token_urlsafe(SESSION_TOKEN_BYTES), OWNER)
        now = self._clock()
        end = now + SESSION_VALID_S
        await self._keeper.keep_session(digest(session.token), role=OWNER, now=now, expires_at=end)
        self._sessions = {one: kept for one, kept in self._sessions.items() if kept[1] > now}
        self._sessions[digest(session.token)] = (OWNER, end)
        return session

    async def _end(self, hashes: list[bytes]) -> None:
        await self._keeper.end_sessions(hashes)
        for one in hashes:
            self._sessions.pop(one, None)

    async def _is_password(self, given: str) -> bool:
        if not self._password:
            return False
        async with self._stretching:
            return await asyncio.to_thread(matches, given, self._password)

    async def _stretch(self, password: str) -> str:
        async with self._stretching:
            return await asyncio.to_thread(stretch, password)

    def _failed(self, address: str) -> None:
        now = self._clock()
        failures = self._failures.setdefault(address, deque(maxlen=FAILURES_MAX))
        failures.append(now)
        self._all_failures.append(now)
        self._failures.move_to_end(address)
        while len(self._failures) > FAILING_ADDRESSES_MAX:
            self._failures.popitem(last=False)

    def _recent(self, failures: deque[float]) -> list[float]:
        since = self._clock() - FAILURES_S
        return [at for at in failures if at > since]


def digest(token: str) -> bytes:
    """What is kept of a token. It is random enough that nothing slower is needed."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def form_token(cookie: str) -> str:
    """What a form of the holder of this cookie carries. Another page can neither read the cookie nor make it up."""
    return hmac.digest(cookie.encode("utf-8", "replace"), b"form", "sha256").hex()[:32]


def is_form_token(given: str, cookie: str) -> bool:
    return bool(cookie) and hmac.compare_digest(given.encode("utf-8", "replace"), form_token(cookie).encode())


def password_problem(password: str) -> str:
    """Why a password cannot be taken, "" when it can. Length is what counts; signs of this or that kind are not asked for."""
    if len(password) < PASSWORD_CHARS_MIN:
        return f"Choose at least {PASSWORD_CHARS_MIN} characters; this has {len(password)}."
    if len(password) > PASSWORD_CHARS_MAX:
        return f"Choose at most {PASSWORD_CHARS_MAX} characters."
    plain = password.casefold()
    for word in ("sternpost", OWNER):
        plain = plain.replace(word, "")
    if len(set(plain)) < 4:
        return "This is too easy to guess: it is little more than a name or one sign repeated."
    return ""


def stretch(password: str) -> str:
    """A password as it is kept."""
    salt = secrets.token_bytes(16)
    found = _scrypt(password, salt, _SCRYPT_N, _SCRYPT_R, _SCRYPT_P)
    return f"scrypt${_SCRYPT_N}${_SCRYPT_R}${_SCRYPT_P}${salt.hex()}${found.hex()}"


def matches(given: str, kept: str) -> bool:
    """Whether a password is the one that was kept."""
    kind, n, r, p, salt, expected = kept.split("$")
    assert kind == "scrypt"
    found = _scrypt(given, bytes.fromhex(salt), int(n), int(r), int(p))
    return hmac.compare_digest(found, bytes.fromhex(expected))


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(
        password.encode("utf-8", "replace"),
        salt=salt,
        n=n,
        r=r,
        p=p,
        maxmem=_SCRYPT_MEMORY_MAX,
        dklen=_SCRYPT_BYTES,
    )
