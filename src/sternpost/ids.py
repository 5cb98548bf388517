"""Identities and ids as the door reads them (contract 5.1)."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

# Letters and marks that print as nothing. `str.isprintable` finds all other removed characters: categories Cc, Cf, Cs, Co, Cn, Zl,
# Zp, and Zs but the ordinary space.
_INVISIBLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0]")


class Digits(str):
    """A number that no float or integer of ours can hold, such as 1e400, as the client wrote it."""

    __slots__ = ()


def clean(value: Any) -> str:
    """The text that a JSON value stands for as an identity; "" means none (contract 5.1).

    A text is taken as it is, null is none, anything else is its compact JSON (`456`, `true`, `{"id":456}`). Then invisible and
    unprintable characters go, then the spaces around. Any length; never raises on what a JSON decoder returns.
    """
    text = value if isinstance(value, str) else _compact(value)
    if text.isascii():
        if text.isprintable():
            return text.strip(" ")
    elif text.isprintable() and not _INVISIBLE.search(text):
        return text.strip(" ")
    return "".join(c for c in _INVISIBLE.sub("", text) if c.isprintable()).strip(" ")


def rudder_id(user_id: str, anonymous_id: str) -> str:
    """The id RudderStack derives from both (cleaned) identities: their MD5 in the form of a version 4 UUID (contract 5.1)."""
    # Cleaned ids hold no surrogates, but a caller's own may; the id must not be what fails on them.
    digest = hashlib.md5(f"{user_id}:{anonymous_id}".encode("utf-8", "replace"), usedforsecurity=False)
    text = digest.hexdigest()
    # The version, and the two highest bits of the variant, are written over the digest.
    variant = "89ab"[int(text[16], 16) & 3]
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{variant}{text[17:20]}-{text[20:]}"


def _compact(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return str(int(value))  # 1.0 is 1, as in JavaScript and Go, or one person would be two
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
