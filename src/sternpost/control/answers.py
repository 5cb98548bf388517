"""JSON answers of the control API: one way to write them, one form of errors, and no secret in any of them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
from markupsafe import escape
from starlette.responses import Response

from sternpost.model import Secret, Workspace

MASK = "••••".encode()
SECRET_CHARS_MIN = 8  #: a shorter one would be found in innocent words

#: Of every answer. There is never a CORS header: no foreign page has business here.
HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)

_encode = msgspec.json.Encoder().encode


class ApiError(Exception):
    """A request that cannot be answered as asked: what is wrong, and what to do."""

    def __init__(self, status: int, message: str, remedy: str = "", **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.remedy = remedy
        self.more = more  #: beside `error`, e.g. the problems of a workspace

    @property
    def body(self) -> dict[str, Any]:
        return {"error": {"message": self.message, "remedy": self.remedy}, **self.more}


@dataclasses.dataclass(frozen=True, slots=True)
class Answered:
    """An answer with a status or headers of its own."""

    value: Any
    status: int = 200
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)


class Answers:
    """Writes values as JSON, with every secret of the workspace in force masked wherever it may have got to.

    Requests and replies are masked where they are recorded. This is for what nobody thinks of: a destination that repeats our key in
    its answer, or an app that puts it into an event.
    """

    def __init__(self, workspace: Callable[[], Workspace]) -> None:
        self._workspace = workspace
        self._known: tuple[Workspace, tuple[bytes, ...]] | None = None

    def encode(self, value: Any) -> bytes:
        """A value as JSON, on one line."""
        try:
            text: bytes = _encode(value)
        except (UnicodeEncodeError, OverflowError, TypeError, ValueError):
            # Half a surrogate pair, or a number of more than 64 bits, in what a client sent.
            text = json.dumps(value, default=str).encode()
        return self.masked(text)

    def masked(self, text: bytes) -> bytes:
        """A text without secrets."""
        for secret in self._secrets():
            if secret in text:
                text = text.replace(secret, MASK)
        return text

    def answer(self, value: Any, status: int = 200) -> Response:
        """A JSON answer."""
        response = Response(self.encode(value), status, media_type="application/json")
        response.raw_headers += HEADERS
        return response

    def _secrets(self) -> tuple[bytes, ...]:
        """Every secret as it would stand within JSON, and as a page writes it, the longest first."""
        workspace = self._workspace()
        # A snapshot is frozen: being the same object says that nothing changed.
        if self._known is None or self._known[0] is not workspace:
            found: set[bytes] = set()
            for config in workspace.destinations.values():
                for secret in _within(config.settings):
                    text = secret.reveal()
                    if len(text) < SECRET_CHARS_MIN:
                        continue
                    for form in (text, _encode(text)[1:-1].decode(), json.dumps(text)[1:-1]):
                        found |= {form.encode(), str(escape(form)).encode()}
            self._known = (workspace, tuple(sorted(found, key=len, reverse=True)))
        return self._known[1]


def _within(value: Any) -> Iterator[Secret]:
    if isinstance(value, Secret):
        yield value
    elif isinstance(value, Mapping):
        for member in value.values():
            yield from _within(member)
    elif isinstance(value, list | tuple):
        for member in value:
            yield from _within(member)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from _within(getattr(value, field.name))
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _within(getattr(value, name))
