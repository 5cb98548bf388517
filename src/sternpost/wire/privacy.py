"""Masking before anything is stored: values under given paths are dropped or replaced by a keyed hash. Pure.

A path is keys with dots between them; `*` stands for any key, and lists are walked through. `traits.…` means the traits of a call wherever
the SDK put them: the browser's in `context.traits`, a server's in `traits`. A hash is the same for the same value and key, so that people
can still be told apart and joined; without the key it cannot be tried out. What cannot be read is refused, never let through.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from sternpost.model import Masking
from sternpost.wire import strict
from sternpost.wire.decode import split
from sternpost.wire.refused import Refused

HASH_CHARS = 32  #: of a masked value: 128 bits in hexadecimal
REQUEST_ADDRESS = "context.ip"  #: this path also means the address that the request came from

_Change = Callable[[Any], Any]
_DROPPED = object()


def masked(body: bytes, masking: Masking, key: bytes, *, batch: bool) -> bytes:
    """A body as it may be stored; of a batch only its events. Raises Refused as the decoder does for a body that is no JSON, or a batch that
    is no list or too long.
    """
    if batch:
        # One after the other: as objects all of them together are many times what they are as text.
        return b'{"batch":[' + b",".join(_masked(own, masking, key) for own in split(body)) + b"]}"
    return _masked(body, masking, key)


def masked_address(address: str, masking: Masking, key: bytes) -> str:
    """The address of a request, which stands in for `context.ip` where an event has none."""
    if REQUEST_ADDRESS in masking.drop:
        return ""
    return hashed(address, key) if REQUEST_ADDRESS in masking.hash and address else address


def hashed(value: Any, key: bytes) -> str:
    """The hash that stands for a value: HMAC-SHA256 of its text (of its compact JSON when it is none), shortened."""
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), sort_keys=True)
    digest = hmac.new(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256)
    return digest.hexdigest()[:HASH_CHARS]


def _masked(body: bytes, masking: Masking, key: bytes) -> bytes:
    value = _value(body)
    if isinstance(value, dict):
        _mask(value, masking, key)
    return _bytes(value)


def _mask(event: dict[str, Any], masking: Masking, key: bytes) -> None:
    for path in masking.hash:
        for keys in _ways(path):
            _change(event, keys, lambda value: value if value is None else hashed(value, key))
    for path in masking.drop:
        for keys in _ways(path):
            _change(event, keys, lambda _: _DROPPED)


def _ways(path: str) -> Sequence[list[str]]:
    keys = path.split(".")
    return (keys, ["context", *keys]) if keys[0] == "traits" else (keys,)


def _change(value: Any, keys: list[str], change: _Change) -> None:
    if isinstance(value, list):
        for item in value:
            _change(item, keys, change)
    elif isinstance(value, dict):
        for name in list(value) if keys[0] == "*" else (keys[0],):
            if name not in value:
                continue
            if keys[1:]:
                _change(value[name], keys[1:], change)
                continue
            new = change(value[name])
            if new is _DROPPED:
                del value[name]
            else:
                value[name] = new


def _value(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        pass
    try:
        return strict.loads(strict.text_of(body))
    except (ValueError, RecursionError) as error:
        raise Refused("bad_json", detail=f"The body is not JSON: {str(error)[:200]}") from None


def _bytes(value: Any) -> bytes:
    try:
        return msgspec.json.encode(value)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        # Half a surrogate pair, which only the standard library writes.
        return json.dumps(value, separators=(",", ":")).encode()
