"""Where a request carries its write key (contract 2)."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from urllib.parse import parse_qsl, unquote_plus

_QUERY_FIELDS_MAX = 1_000  # a pixel with more fields is no pixel
_WRITE_KEY = re.compile(rb"(?:^|&)writeKey=([^&]*)")


def write_key_of_header(authorization: bytes) -> str:
    """The write key of a Basic `Authorization` header: its user name. "" when there is none or it is malformed.

    The password is ignored; SDKs send an empty one. Bearer does not count.
    """
    if authorization[:6].lower() != b"basic ":
        return ""
    try:
        pair = b64decode(authorization[6:], validate=True)
    except (binascii.Error, ValueError):
        return ""
    user, colon, _ = pair.partition(b":")
    return user.decode("utf-8", "replace") if colon else ""


def query_fields(query: bytes) -> list[tuple[str, str]]:
    """The fields of a query string in order, names and values decoded, blank values kept. Raises ValueError for more than 1,000."""
    return parse_qsl(
        query.decode("latin-1"), keep_blank_values=True, errors="replace", max_num_fields=_QUERY_FIELDS_MAX
    )


def write_key_of_query(query: bytes) -> str:
    """The first `writeKey` of a query string; "" when there is none."""
    # Not by query_fields: this is asked of everybody, before anybody has shown a key.
    found = _WRITE_KEY.search(query)
    return unquote_plus(found.group(1).decode("latin-1")) if found else ""
