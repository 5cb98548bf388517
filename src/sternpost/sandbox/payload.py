"""Reading what strangers send: JSON with a bound on its depth, query strings, path segments."""

from __future__ import annotations

import base64
import binascii
from typing import Any
from urllib.parse import parse_qsl, unquote

import msgspec

from sternpost.sandbox.limits import JSON_DEPTH_MAX


class NotJson(Exception):
    """The body is not JSON."""


_decode = msgspec.json.Decoder().decode


def decode_json(body: bytes, *, depth_max: int = JSON_DEPTH_MAX) -> Any:
    """The decoded body; raises NotJson for anything that is not JSON or is nested too deeply."""
    try:
        value = _decode(body)
    except RecursionError:
        raise NotJson("The body is nested too deeply.") from None
    except (msgspec.MsgspecError, ValueError) as error:
        raise NotJson(f"The body is not JSON: {error}.") from None
    # Counting brackets costs a thousandth of walking the value; ordinary bodies never get further.
    if body.count(b"{") + body.count(b"[") > depth_max and depth(value) > depth_max:
        raise NotJson(f"The body is nested more than {depth_max} levels deep.")
    return value


def depth(value: Any) -> int:
    """How many lists and objects are nested in each other."""
    deepest, level = 0, [value]
    while level:
        inner: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                inner.extend(item.values())
            elif isinstance(item, list):
                inner.extend(item)
        if not any(isinstance(item, dict | list) for item in level):
            break
        deepest += 1
        level = inner
    return deepest


def query_of(query: str) -> dict[str, str]:
    """The query's parameters; the last of equal names wins."""
    try:
        return dict(parse_qsl(query, keep_blank_values=True, max_num_fields=100))
    except ValueError:
        return {}


def segments_of(raw_path: str) -> tuple[str, ...]:
    """The path's segments, each decoded by itself, so that `%2F` in an id divides nothing."""
    return tuple(unquote(segment) for segment in raw_path.strip("/").split("/"))


def base64_text(text: str) -> str | None:
    """A text from base64, plain or URL-safe, with or without padding; None when it is none."""
    try:
        raw = base64.b64decode(text.translate(_URL_SAFE) + "=" * (-len(text) % 4), validate=True)
        return raw.decode()
    except (binascii.Error, ValueError):
        return None


_URL_SAFE = str.maketrans("-_", "+/")
