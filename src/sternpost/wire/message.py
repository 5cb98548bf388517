"""Events decoded for rules, destinations and people, with what the door adds written in (contract 5.1, 6.2)."""

from __future__ import annotations

from typing import Any

import msgspec

from sternpost import ids
from sternpost.ids import Digits
from sternpost.model import Event, Message, Rejected, SourceType
from sternpost.wire import strict, times


def read(event: Event, source_type: SourceType, *, whole: bool = True) -> Message | Rejected:
    """The event as a message; Rejected (encoding_impossible) when a value of it cannot be written as JSON again.

    `whole`: with what the door adds; else the body is as it was sent, which is enough for rules and for destinations that read single
    members. Written in: `type` where the endpoint decided it, `messageId`, `rudderId` always; `receivedAt` and `request_ip` where the event
    has none (contract 5.1); `originalTimestamp`, `sentAt` and `timestamp` by rule 6.2, as RFC 3339 with three decimals.
    """
    body, exact = _decode(event)
    problem = "" if exact else _unwritable(body, "")
    if problem:
        return Rejected("encoding_impossible", problem)
    if not whole:
        return Message(event=event, body=body, source_type=source_type)
    stamps = times.time_fields(
        timestamp=body.get("timestamp"),
        original=body.get("originalTimestamp"),
        sent=body.get("sentAt"),
        received_ms=int(event.received_at * 1000),
    )
    body["originalTimestamp"] = times.rfc3339(stamps.original)
    body["sentAt"] = times.rfc3339(stamps.sent)
    body["timestamp"] = times.rfc3339(stamps.timestamp)
    _add(event, body)
    return Message(event=event, body=body, source_type=source_type)


def received(event: Event) -> dict[str, Any]:
    """The event as it was sent, with what the door added, for people to look at. Never raises; always writable as JSON.

    The client's times stay as sent. What no JSON writer takes is shown mended: half a surrogate pair as U+FFFD, a number beyond all
    bounds as its digits.
    """
    try:
        body: dict[str, Any] = _mended(decoded(event))
    except (ValueError, RecursionError):
        body = {}  # no body that was accepted gets here; an event that was not is shown by what is known of it
    _add(event, body)
    return body


def decoded(event: Event) -> dict[str, Any]:
    """The body as a dictionary; {} when it is no object. Raises ValueError and RecursionError only for what the door refuses."""
    body, _ = _decode(event)
    return body


def _decode(event: Event) -> tuple[dict[str, Any], bool]:
    """The body, and whether it is certain that every value of it can be written again."""
    body: Any
    try:
        body = msgspec.json.decode(event.body)
        exact = True
    except (msgspec.MsgspecError, ValueError):
        body = strict.loads(strict.text_of(event.body))
        exact = False
    return (body if isinstance(body, dict) else {}), exact


def _add(event: Event, body: dict[str, Any]) -> None:
    if event.type_set:
        body["type"] = event.type
    body["messageId"] = event.message_id
    body["rudderId"] = ids.rudder_id(event.user_id, event.anonymous_id)
    if body.get("receivedAt") is None:
        body["receivedAt"] = times.rfc3339(int(event.received_at * 1000))
    if body.get("request_ip") is None:
        body["request_ip"] = event.request_ip


def _unwritable(value: Any, path: str) -> str:
    """A sentence about the first value that JSON cannot hold; "" when there is none."""
    if isinstance(value, Digits):
        return (
            f"{path} is a number that is too large ({value[:20]}…)."
            if len(value) > 20
            else f"{path} is {value}."
        )
    if isinstance(value, str):
        return "" if _whole(value) else f"{path} holds half of a surrogate pair."
    if isinstance(value, dict):
        for key, item in value.items():
            if not _whole(key):
                return f"A name in {path or 'the event'} holds half of a surrogate pair."
            problem = _unwritable(item, f"{path}.{key[:100]}" if path else key[:100])
            if problem:
                return problem
    elif isinstance(value, list):
        for index, item in enumerate(value):
            problem = _unwritable(item, f"{path}[{index}]")
            if problem:
                return problem
    return ""


def _whole(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        if _whole(value):
            return str(value)
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_mended(key): _mended(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_mended(item) for item in value]
    return value
