"""Requests to Pendo as data. What is sent is put together here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from sternpost import __version__
from sternpost.destinations.base import Part
from sternpost.destinations.pendo.constants import ID_KEYS
from sternpost.destinations.pendo.settings import PendoSettings
from sternpost.model import Call, Secret

KEY_HEADER = "x-pendo-integration-key"  #: carries the integration key and, on /data, the track event secret
SECRET_HEADERS = frozenset({KEY_HEADER})
Kind = Literal["visitor", "account", "parentAccount"]

_encode = msgspec.json.Encoder().encode


class Item(msgspec.Struct, frozen=True, gc=False):
    """One visitor or account of a metadata request."""

    kind: Kind
    id: str
    values: Mapping[str, Any]
    encoded: bytes  #: the item as JSON


def metadata_part(kind: Kind, id_text: str, values: Mapping[str, Any], settings: PendoSettings) -> Part:
    """A part that shares its request with others of its kind (rule V4). Raises UnicodeEncodeError for half a surrogate pair."""
    encoded = _item(kind, id_text, values)
    create = "create" if settings.create_missing else "update"
    return Part(
        payload=Item(kind, id_text, values, encoded),
        size_bytes=len(encoded) + 2,  # with its comma, and enough for the brackets
        batch_key=f"{kind}/{settings.metadata_group}/{create}",
        ids=(f"{kind}:{id_text}",),
    )


def track_body(
    *, event: str, visitor: str, account: str, timestamp: int, properties: bytes, context: Mapping[str, Any]
) -> bytes:
    """The body of a track request, members in the documented order (rule T1)."""
    account_member = b',"accountId":' + _encode(account) if account else b""
    return b'{"type":"track","event":%b,"visitorId":%b%b,"timestamp":%d,"properties":%b,"context":%b}' % (
        _encode(event),
        _encode(visitor),
        account_member,
        timestamp,
        properties,
        _encode(context),
    )


def call(parts: Sequence[Part], settings: PendoSettings) -> Call:
    """One request: a track event, or the metadata of everyone in `parts`, later values winning for the same id (rules T1, V1, V4, A1)."""
    first = parts[0].payload
    if isinstance(first, bytes):
        return _post(f"{settings.hosts.data}/data/track", settings.track_event_secret, first)
    kind: Kind = first.kind
    query = "?create=true" if settings.create_missing else ""
    return _post(
        f"{settings.hosts.api}/api/v1/metadata/{kind}/{settings.metadata_group}/value{query}",
        settings.integration_key,
        b"[" + b",".join(_items(parts)) + b"]",
    )


def schema_call(kind: Kind, settings: PendoSettings) -> Call:
    """Which fields exist (rule V6)."""
    return _get(f"{settings.hosts.api}/api/v1/metadata/schema/{kind}", settings.integration_key)


def verify_call(settings: PendoSettings) -> Call:
    """Whether the integration key is good, and for writing."""
    return _get(f"{settings.hosts.api}/api/v1/token/verify", settings.integration_key)


def empty_track_call(settings: PendoSettings) -> Call:
    """A track request without an event: it stores nothing, and a wrong secret is refused before the body is looked at."""
    return _post(f"{settings.hosts.data}/data/track", settings.track_event_secret, b"{}")


def agent_call(settings: PendoSettings) -> Call:
    """The agent that browsers load."""
    return _get(f"{settings.hosts.content}/agent/static/{settings.api_key}/pendo.js", None)


def _items(parts: Sequence[Part]) -> list[bytes]:
    by_id: dict[str, list[Item]] = {}
    for part in parts:
        by_id.setdefault(part.payload.id, []).append(part.payload)
    return [_merged(items) for items in by_id.values()]


def _merged(items: Sequence[Item]) -> bytes:
    first = items[0]
    if len(items) == 1:
        return first.encoded
    values: dict[str, Any] = {}
    for item in items:
        values.update(item.values)
    return _item(first.kind, first.id, values)


def _item(kind: Kind, id_text: str, values: Mapping[str, Any]) -> bytes:
    return _encode({ID_KEYS[kind]: id_text, "values": values})


def _post(url: str, key: Secret | None, body: bytes) -> Call:
    return Call("POST", url, keyed_headers(key, {"content-type": "application/json"}), body, SECRET_HEADERS)


def _get(url: str, key: Secret | None) -> Call:
    return Call("GET", url, keyed_headers(key, {}), b"", SECRET_HEADERS)


def keyed_headers(key: Secret | None, more: Mapping[str, str]) -> dict[str, str]:
    headers = {KEY_HEADER: key.reveal()} if key is not None else {}
    return {**headers, **more, "user-agent": f"Sternpost/{__version__}"}
