r"""A slower, strict JSON reader for the few bodies that the fast one refuses although they are JSON.

msgspec stops at half of a surrogate pair (`"\ud800"`), at numbers no float can hold (`1e400`), and at bytes that are not UTF-8.
RudderStack's check of a body looks at none of these, so clients that send them are used to a 200: they are accepted here, kept byte
for byte, and end with a reason (`encoding_impossible`) where they cannot be delivered. NaN and Infinity are no JSON and refused.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from sternpost.ids import Digits

_INT_DIGITS_MAX = 4_300  # Python converts no longer integer
_SPACE = re.compile(r"[ \t\n\r]*")


def loads(text: str) -> Any:
    """The value of a JSON text. Raises ValueError when it is none, RecursionError when it nests too deep."""
    return _DECODER.decode(text)


def text_of(body: bytes) -> str:
    """A body as text; bytes that are not UTF-8 become U+FFFD, as they do in RudderStack's store."""
    return body.decode("utf-8", "replace")


def split_batch(body: bytes) -> tuple[Any, list[tuple[bytes, Any]]]:
    """The value of a body's last `batch` key, and, where that is an array, each entry's own bytes beside its value.

    The value is None when there is no such key or the body is no object. Raises ValueError and RecursionError as `loads`.
    """
    # With surrogateescape a slice turns back into exactly the bytes that it came from.
    text = body.decode("utf-8", "surrogateescape")
    at = _skip(text, 0)
    if text[at : at + 1] != "{":
        loads(text)
        return None, []
    found: Any = None
    entries: list[tuple[bytes, Any]] = []
    at = _skip(text, at + 1)
    closed = text[at : at + 1] == "}"
    while not closed:
        if text[at : at + 1] != '"':
            raise ValueError("a key was expected")
        key, at = _raw(text, at)
        at = _skip(text, at)
        if text[at : at + 1] != ":":
            raise ValueError("a colon was expected")
        at = _skip(text, at + 1)
        if key == "batch" and text[at : at + 1] == "[":
            entries, at = _split_array(text, at)
            found = [value for _, value in entries]
        else:
            value, at = _raw(text, at)
            if key == "batch":
                found, entries = value, []
        at = _skip(text, at)
        closed = text[at : at + 1] == "}"
        if not closed:
            if text[at : at + 1] != ",":
                raise ValueError("a comma was expected")
            at = _skip(text, at + 1)
    if _skip(text, at + 1) != len(text):
        raise ValueError("something follows the object")
    return found, entries


def _split_array(text: str, at: int) -> tuple[list[tuple[bytes, Any]], int]:
    entries: list[tuple[bytes, Any]] = []
    at = _skip(text, at + 1)
    if text[at : at + 1] == "]":
        return entries, at + 1
    while True:
        value, end = _raw(text, at)
        own = text[at:end].encode("utf-8", "surrogateescape")
        if not text.isascii() and not _is_utf8(own):
            value = loads(text_of(own))
        entries.append((own, value))
        at = _skip(text, end)
        mark = text[at : at + 1]
        at += 1
        if mark == "]":
            return entries, at
        if mark != ",":
            raise ValueError("a comma was expected")
        at = _skip(text, at)


def _raw(text: str, at: int) -> tuple[Any, int]:
    return _DECODER.raw_decode(text, at)


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _is_utf8(own: bytes) -> bool:
    try:
        own.decode()
    except UnicodeDecodeError:
        return False
    return True


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _integer(digits: str) -> int | Digits:
    return int(digits) if len(digits) <= _INT_DIGITS_MAX else Digits(digits)


def _float(digits: str) -> float | Digits:
    value = float(digits)
    return Digits(digits) if value in (float("inf"), float("-inf")) else value


_DECODER = json.JSONDecoder(parse_constant=_constant, parse_int=_integer, parse_float=_float)
