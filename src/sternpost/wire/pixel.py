"""Pixel requests: a query string becomes the JSON body of an event (contract 1.1)."""

from __future__ import annotations

from base64 import b64decode
from typing import Any
from urllib.parse import urlencode

import msgspec

from sternpost import limits
from sternpost.wire import auth, times
from sternpost.wire.refused import Refused

GIF = b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")  #: 1 × 1, transparent


def body(kind: str, query: bytes, *, received_at: float) -> bytes:
    """The event's JSON of a pixel of kind `track` or `page`, to be read like the body of a request to `/v1/<kind>`.

    Every field but `writeKey` becomes a text, the first where it is repeated; a dot in its name nests. Raises Refused:
    event_name_empty for a track with an empty `event`, bad_json for a name that nests too deep or too many fields.
    """
    now = times.rfc3339(int(received_at * 1000))
    event: dict[str, Any] = {
        "channel": "web",
        "integrations": {"All": True},
        "originalTimestamp": now,
        "sentAt": now,
    }
    seen: set[str] = set()
    try:
        fields = auth.query_fields(query)
    except ValueError:
        raise Refused("bad_json", detail="The pixel has too many fields.") from None
    for name, value in fields:
        if name == "writeKey" or name in seen:
            continue
        seen.add(name)
        _write(event, name, _corrected(kind, name, value))
    return msgspec.json.encode(event)


def shown(query: bytes) -> bytes:
    """A pixel's query as people may see it: without its write key."""
    try:
        fields = auth.query_fields(query)
    except ValueError:
        return b""
    return urlencode([(name, value) for name, value in fields if name != "writeKey"]).encode()


def _corrected(kind: str, name: str, value: str) -> str:
    if kind == "track" and name == "event" and not value:
        raise Refused("event_name_empty")
    if kind == "page" and name == "name" and not value:
        return "Unknown Page"
    if name == "anonymousId" and len(value) >= 2 and value[0] == value[-1] == '"':
        return value[1:-1]
    return value


def _write(event: dict[str, Any], name: str, value: str) -> None:
    path = name.split(".")
    if len(path) >= limits.JSON_DEPTH_MAX:
        raise Refused("bad_json", detail="A field's name nests too deep.")
    at = event
    for step in path[:-1]:
        below = at.get(step)
        if not isinstance(below, dict):
            below = at[step] = {}
        at = below
    at[path[-1]] = value
