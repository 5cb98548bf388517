"""Bodies into events: the checks of the door in RudderStack's order, and what an `Event` holds beside its bytes (contract 3.3, 5.1).

A body is either taken as a whole or refused as a whole. Checked are only: is it JSON, is each event an object, has each an
identity. Anything a client may send beyond that is accepted, kept byte for byte, and explained later in the event's fate.

Cost: about 5 µs for an event of 1 kB, 0.5 ms for a batch of a hundred. Only the head of an event is decoded (seven fields); its
properties are read past. Where msgspec refuses, `strict` decides: it also accepts what RudderStack's own check lets through.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Any

import msgspec

from sternpost import ids, limits
from sternpost.model import Event
from sternpost.wire import strict, times
from sternpost.wire.refused import Refused

__all__ = ["Refused", "check_batch", "check_single", "decode_batch", "decode_single", "split"]


class _Head(msgspec.Struct, gc=False):
    """The fields of an event that the door needs. Of a key given twice the last counts, as in every JSON reader behind it."""

    messageId: Any = None  # noqa: N815 - the dialect's names
    userId: Any = None  # noqa: N815
    anonymousId: Any = None  # noqa: N815
    type: Any = None
    timestamp: Any = None
    originalTimestamp: Any = None  # noqa: N815
    sentAt: Any = None  # noqa: N815
    previousId: Any = None  # noqa: N815


class _Batch(msgspec.Struct, gc=False):
    batch: list[msgspec.Raw] | None = None


_head = msgspec.json.Decoder(_Head).decode
_envelope = msgspec.json.Decoder(_Batch).decode

_STRINGS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_STEPS = bytes(
    1 if c in b"[{" else 255 if c in b"]}" else 0 for c in range(256)
)  # 255 is -1 as a signed byte
_NO_STEPS = bytes(c for c in range(256) if c not in b"[]{}")


def decode_single(
    kind: str,
    body: bytes,
    *,
    source_id: str,
    received_at: float,
    request_ip: str,
    new_id: Callable[[], str],
    path: str = "",
) -> list[Event]:
    """The one event of a request to `/v1/<kind>`; its type is the endpoint's name, whatever the body says.

    Raises Refused: bad_json, not_an_event, no_identity. `new_id` is asked only when the event has no usable messageId.
    """
    return [
        _event(
            _single(body),
            body,
            kind=kind,
            source_id=source_id,
            received_at=received_at,
            request_ip=request_ip,
            new_id=new_id,
            path=path,
            position=0,
        )
    ]


def check_single(body: bytes) -> set[str]:
    """The ids of the people that the event is about. Raises Refused as `decode_single` does."""
    head = _single(body)
    return _people(head, *_identity(head, 0))


def decode_batch(
    body: bytes,
    *,
    allow_empty: bool,
    source_id: str,
    received_at: float,
    request_ip: str,
    new_id: Callable[[], str],
    path: str = "",
    before: int = 0,
    in_order: bool = False,
) -> list[Event]:
    """The events of a batch in order, each with its own bytes of the body; `allow_empty` is `/v1/import`, which may hold none.

    Raises Refused: bad_json, request_too_large, not_an_event, no_identity, empty_batch. One bad event refuses all. `before`: how many
    events of the same request are in earlier parts of it.
    """
    return [
        _event(
            head,
            own,
            kind="",
            source_id=source_id,
            received_at=received_at,
            request_ip=request_ip,
            new_id=new_id,
            path=path,
            position=position,
            in_order=in_order,
        )
        for position, (head, own) in enumerate(_entries(body, allow_empty=allow_empty), before + 1)
    ]


def check_batch(body: bytes, *, allow_empty: bool) -> tuple[list[bytes], set[str]]:
    """The bytes of each event of a batch, and the ids of the people that they are about. Raises Refused as `decode_batch` does; costs a
    quarter of it.
    """
    found = []
    people: set[str] = set()
    for position, (head, own) in enumerate(_entries(body, allow_empty=allow_empty), 1):
        people |= _people(head, *_identity(head, position))
        found.append(own)
    return found, people


def split(body: bytes) -> list[bytes]:
    """The bytes of each entry of a batch, whatever it is. Raises Refused: bad_json, not_an_event (no list), request_too_large."""
    try:
        return _split(body)[0]
    except (ValueError, RecursionError) as error:
        raise _no_json(error) from None


def _single(body: bytes) -> _Head:
    try:
        head = _head(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        head = _strict_head(body)
    if _too_deep(body):
        raise _no_json(RecursionError())
    return head


def _entries(body: bytes, *, allow_empty: bool) -> Iterator[tuple[_Head, bytes]]:
    """Head and bytes of each event of a batch; one after the other, since their checks are made in this order."""
    try:
        entries, heads = _split(body)
    except (ValueError, RecursionError) as error:
        raise _no_json(error) from None
    # JSON comes before identity in the order of checks, so all depths are looked at first.
    if any(map(_too_deep, entries)):
        raise _no_json(RecursionError())
    if not entries and not allow_empty:
        raise Refused("empty_batch")
    for position, own in enumerate(entries):
        if own[:1] != b"{":
            raise Refused("not_an_event", detail=f"Entry {position + 1} of the batch is no object.")
        if heads is not None:
            yield _head_of(heads[position]), own
            continue
        try:
            head = _head(own)
        except (msgspec.MsgspecError, ValueError):
            head = _strict_head(own)
        yield head, own


def _event(
    head: _Head,
    body: bytes,
    *,
    kind: str,
    source_id: str,
    received_at: float,
    request_ip: str,
    new_id: Callable[[], str],
    path: str,
    position: int,
    in_order: bool = False,
) -> Event:
    user_id, anonymous_id = _identity(head, position)
    message_id = ids.clean(head.messageId) if type(head.messageId) is str else ""
    page_ms = times.parse_ms(head.originalTimestamp)
    at_ms = times.parse_ms(head.timestamp)
    if at_ms is None:
        at_ms = times.corrected(page_ms, times.parse_ms(head.sentAt), int(received_at * 1000))
    return Event(
        message_id=message_id or new_id(),
        source_id=source_id,
        type=kind or _type_of(head.type),
        type_set=bool(kind),
        received_at=received_at,
        request_ip=request_ip,
        body=body,
        user_id=user_id,
        anonymous_id=anonymous_id,
        at_ms=at_ms,
        page_ms=page_ms,
        path=path,
        position=position,
        in_order=in_order,
    )


def _identity(head: _Head, position: int) -> tuple[str, str]:
    """Both ids of a person, cleaned; one of them is there."""
    user_id = ids.clean(head.userId)
    anonymous_id = ids.clean(head.anonymousId)
    if not user_id and not anonymous_id:
        which = f"Event {position} of the batch" if position else "The event"
        raise Refused("no_identity", detail=f"{which} has neither userId nor anonymousId.")
    return user_id, anonymous_id


def _people(head: _Head, user_id: str, anonymous_id: str) -> set[str]:
    people = {user_id, anonymous_id}
    if head.previousId is not None:
        people.add(ids.clean(head.previousId))
    return people


def _type_of(value: Any) -> str:
    if type(value) is not str:
        return ""
    # Half a surrogate pair cannot be written into any store; the body keeps it as it was sent.
    return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _split(body: bytes) -> tuple[list[bytes], list[Any] | None]:
    """Each entry's own bytes; their values too where only the strict reader could read the body."""
    try:
        raws = _envelope(body).batch or ()
        # Before anything is made of them: four million bytes can be two million entries.
        _check_count(len(raws))
        # bytes() copies: a Raw would keep the whole request alive for as long as one event waits.
        return [bytes(entry) for entry in raws], None
    except (msgspec.MsgspecError, ValueError, RecursionError):
        # Also a body that is JSON but no object, and a batch that is no list, land here.
        batch, pairs = strict.split_batch(body)
    if batch is not None and not isinstance(batch, list):
        raise Refused("not_an_event", detail="`batch` is no list.")
    _check_count(len(pairs))
    return [own for own, _ in pairs], [value for _, value in pairs]


def _check_count(events: int) -> None:
    if events > limits.BATCH_EVENTS_MAX:
        raise Refused(
            "request_too_large",
            detail=f"The batch holds {events:,} events; at most {limits.BATCH_EVENTS_MAX:,} are taken at once.",
        )


def _strict_head(body: bytes) -> _Head:
    try:
        value = strict.loads(strict.text_of(body))
    except (ValueError, RecursionError) as error:
        raise _no_json(error) from None
    if not isinstance(value, dict):
        raise Refused("not_an_event", detail="The body is JSON, but no object.")
    return _head_of(value)


def _head_of(value: dict[str, Any]) -> _Head:
    return _Head(**{name: value.get(name) for name in _Head.__struct_fields__})


def _no_json(error: Exception) -> Refused:
    if isinstance(error, RecursionError):
        return Refused("bad_json", detail=f"An event nests deeper than {limits.JSON_DEPTH_MAX} levels.")
    return Refused("bad_json", detail=f"The body is not JSON: {str(error)[:200]}")


def _too_deep(text: bytes) -> bool:
    """Whether a JSON text nests deeper than the bound. Only for what a parser has read already: other texts may take for ever."""
    if text.count(b"{") + text.count(b"[") <= limits.JSON_DEPTH_MAX:
        return False  # nearly every event, at the price of looking for two bytes
    brackets = _STRINGS.sub(b"", text).translate(_STEPS, _NO_STEPS)
    return max(accumulate(memoryview(brackets).cast("b")), default=0) > limits.JSON_DEPTH_MAX
