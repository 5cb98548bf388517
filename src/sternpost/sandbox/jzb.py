"""jzb = base64url without padding (zlib stream, RFC 1950 (UTF-8 JSON)) [S: agent source; O: captures].

A few kilobytes of it can inflate to gigabytes, so the output is bounded; whatever is wrong ends as one exception.
The compressed form is not unique: compare decoded values, never strings.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from typing import Any

import msgspec

from sternpost.sandbox.limits import JZB_BYTES_MAX
from sternpost.sandbox.payload import NotJson, decode_json


class BadJzb(Exception):
    """The payload cannot be decoded."""


def encode(value: Any) -> str:
    """The jzb of a value."""
    return base64.urlsafe_b64encode(zlib.compress(msgspec.json.encode(value))).rstrip(b"=").decode()


def decode(text: str, *, bytes_max: int = JZB_BYTES_MAX) -> Any:
    """The value in a jzb; raises BadJzb for bad base64, a truncated stream, bad JSON or too much of it."""
    text = text.strip().rstrip("=")
    try:
        packed = base64.b64decode(text.translate(_ALPHABET) + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise BadJzb("The payload is not base64url.") from None
    inflater = zlib.decompressobj()
    try:
        raw = inflater.decompress(packed, bytes_max)
    except zlib.error:
        raise BadJzb("The payload is not a zlib stream.") from None
    if inflater.unconsumed_tail:
        raise BadJzb(f"The payload inflates to more than {bytes_max} bytes.")
    if not inflater.eof:
        raise BadJzb("The zlib stream is truncated.")
    try:
        return decode_json(raw)
    except NotJson as error:
        raise BadJzb(str(error).replace("The body", "The payload")) from None


_ALPHABET = str.maketrans("-_", "+/")
