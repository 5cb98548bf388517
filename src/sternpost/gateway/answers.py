"""What the gateway sends back, as bytes: some of it is made once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec
from starlette.types import Send

from sternpost.reasons import ReasonCode
from sternpost.wire import pixel
from sternpost.wire.refused import Refused

Header: TypeAlias = tuple[bytes, bytes]
Answer: TypeAlias = tuple[int, tuple[Header, ...], bytes]  #: status, headers, body

_TEXT = (b"content-type", b"text/plain; charset=utf-8")
_JSON = (b"content-type", b"application/json; charset=utf-8")
_NOSNIFF = (b"x-content-type-options", b"nosniff")
_NO_STORE = (b"cache-control", b"no-store")

OK: Answer = (200, (_TEXT, _NOSNIFF, (b"content-length", b"2")), b"ok")
GIF: Answer = (
    200,
    (
        (b"content-type", b"image/gif"),
        _NOSNIFF,
        _NO_STORE,
        (b"content-length", str(len(pixel.GIF)).encode()),
    ),
    pixel.GIF,
)


def text(status: int, line: str, *extra: Header) -> Answer:
    """One line, ended as Go's http.Error ends it."""
    body = f"{line}\n".encode()
    return status, (_TEXT, _NOSNIFF, (b"content-length", str(len(body)).encode()), *extra), body


def json(status: int, value: Mapping[str, Any]) -> Answer:
    """JSON that no cache keeps."""
    body = msgspec.json.encode(value)
    return status, (_JSON, _NOSNIFF, _NO_STORE, (b"content-length", str(len(body)).encode())), body


def refusal(refused: Refused) -> Answer:
    """Status and text as RudderStack's, and our reason."""
    extra = ((name.lower().encode(), value.encode()) for name, value in refused.headers.items())
    return with_reason(text(refused.status, refused.text, *extra), refused.reason)


def with_reason(answer: Answer, reason: ReasonCode) -> Answer:
    """The same answer, with the reason in a header."""
    status, headers, body = answer
    return status, (*headers, (b"sternpost-reason", reason.encode())), body


async def send_answer(send: Send, status: int, headers: tuple[Header, ...], body: bytes) -> None:
    """Send an answer in one piece."""
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
