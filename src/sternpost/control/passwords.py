"""Passwords: what is kept of them, and which are too easy.

Stretched by scrypt with as much work as is bearable on a small machine. The numbers are kept with each hash: when they grow, a hash is
made anew at the next sign-in of its user.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

CHARS_MIN = 12
CHARS_MAX = 1_000  #: stretching more would only cost time
DIFFERENT_CHARS_MIN = 4  #: without the names in it

_SALT_BYTES = 16
_HASH_BYTES = 32
_MEMORY_SPARE = 1024 * 1024  #: beside the table of 128 × n × r bytes


@dataclass(frozen=True, slots=True)
class Work:
    """Parameters of scrypt."""

    n: int
    r: int
    p: int

    @property
    def memory_bytes(self) -> int:
        return 128 * self.n * self.r


WORK = Work(2**17, 8, 1)  #: 128 MB and about half a second


def problem(password: str, name: str = "") -> str:
    """Why a password cannot be taken for the user of this name, "" when it can.

    Length is what counts; signs of this or that kind are not asked for.
    """
    if len(password) < CHARS_MIN:
        return f"Choose at least {CHARS_MIN} characters; this has {len(password)}."
    if len(password) > CHARS_MAX:
        return f"Choose at most {CHARS_MAX} characters."
    plain = password.casefold()
    for word in sorted(_words(name), key=len, reverse=True):
        plain = plain.replace(word, "")
    if len(set(plain)) < DIFFERENT_CHARS_MIN:
        return "This is too easy to guess: it is little more than a name or one sign repeated."
    return ""


def _words(name: str) -> Iterable[str]:
    """What stands for nothing in a password: the product, and the parts of the user's name."""
    whole = name.casefold()
    parts = whole.replace("@", " ").replace(".", " ").replace("-", " ").replace("_", " ").split()
    return {"sternpost", "password", *(word for word in (whole, *parts) if len(word) >= 3)}


def stretch(password: str, work: Work = WORK) -> str:
    """A password as it is kept. Takes its time: call it in a thread."""
    salt = secrets.token_bytes(_SALT_BYTES)
    found = _scrypt(password, salt, work)
    return f"scrypt${work.n}${work.r}${work.p}${salt.hex()}${found.hex()}"


def matches(given: str, kept: str) -> bool:
    """Whether a password is the one that was kept. Takes as long as `stretch` did."""
    work, salt, expected = _parts(kept)
    return hmac.compare_digest(_scrypt(given, salt, work), expected)


def is_weaker(kept: str, work: Work = WORK) -> bool:
    """Whether a kept password was stretched by other numbers than those of now."""
    return _parts(kept)[0] != work


def _parts(kept: str) -> tuple[Work, bytes, bytes]:
    kind, n, r, p, salt, expected = kept.split("$")
    assert kind == "scrypt"
    return Work(int(n), int(r), int(p)), bytes.fromhex(salt), bytes.fromhex(expected)


def _scrypt(password: str, salt: bytes, work: Work) -> bytes:
    return hashlib.scrypt(
        password.encode("utf-8", "replace"),
        salt=salt,
        n=work.n,
        r=work.r,
        p=work.p,
        maxmem=work.memory_bytes + _MEMORY_SPARE,
        dklen=_HASH_BYTES,
    )
