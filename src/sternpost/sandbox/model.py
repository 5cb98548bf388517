"""The data that flows through the sandbox: a request as it came, a reply as it goes, what a subscription holds.

Structs of msgspec: quick to make (a request is one of ten thousand a second), and written to the state file as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

JSON_TYPE = b"application/json"
TEXT_TYPE = b"text/plain; charset=utf-8"
GIF_TYPE = b"image/gif"


class Request(msgspec.Struct):
    """One request with its whole body; the clock has been read."""

    id: int
    at_ms: int  #: the sandbox's clock
    method: str
    path: str  #: decoded
    raw_path: str  #: as it came; split before it is decoded, because an id may hold `%2F`
    query: str
    headers: Mapping[bytes, bytes]  #: names in lower case
    body: bytes

    def header(self, name: bytes) -> str:
        """The header as text, empty when absent."""
        return self.headers.get(name, b"").decode("latin-1")


class Reply(msgspec.Struct, frozen=True):
    """What is answered."""

    status: int
    body: bytes = b""
    content_type: bytes = TEXT_TYPE
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Diagnostic(msgspec.Struct, frozen=True):
    """Why something would not show up at Pendo."""

    code: str
    request_id: int
    path: str
    explanation: str
    at_ms: int


class Event(msgspec.Struct):
    """One event as Pendo would keep it. The first seven fields are those of `/__sandbox/state`."""

    type: str
    event: str | None  #: the name of a track event
    visitor_id: str
    account_id: str | None
    timestamp: int
    properties: dict[str, Any]
    context: dict[str, Any]
    app: str  #: web or mobile
    at_ms: int  #: when it arrived
    size: int  #: bytes as JSON, about
    server: bool  #: came by a server route


class Record(msgspec.Struct):
    """A visitor or an account."""

    at_ms: int  #: when it came into being
    agent: dict[str, Any] = {}
    custom: dict[str, Any] = {}
    other: dict[str, dict[str, Any]] = {}  #: further groups: auto, pendo, segmentio
    accounts: dict[str, int] = {}  #: account ids in order of first appearance, each with when
    first_visit_ms: int | None = None
    last_visit_ms: int | None = None
    updated_ms: int = 0
    last_account: str | None = None
    user_agent: str = ""
    size: int = 0  #: bytes of the metadata as JSON, about

    def group(self, name: str) -> dict[str, Any]:
        """The fields of a metadata group, made when absent."""
        if name == "agent":
            return self.agent
        if name == "custom":
            return self.custom
        return self.other.setdefault(name, {})

    def metadata(self) -> dict[str, Any]:
        """All groups; agent and custom are always there, others only when they hold something."""
        return {"agent": self.agent, "custom": self.custom} | {
            name: fields for name, fields in self.other.items() if fields
        }


class Field(msgspec.Struct):
    """A metadata field of one kind and group."""

    type: str  #: string, number, boolean, time or list
    name: str = ""  #: as people read it
    deleted: bool = False


class Segment(msgspec.Struct):
    """A segment of visitors."""

    id: str
    name: str
    visitors: dict[str, None]
    by_api: bool
    created_ms: int
    updated_ms: int
    pending_until_ms: int = 0


class BulkDelete(msgspec.Struct):
    """A queued deletion."""

    id: str
    kind: str
    ids: list[str]
    requested_ms: int
    due_ms: int
    completed_ms: int | None = None


class Fault(msgspec.Struct):
    """What is done to matching requests instead of, before or after answering them."""

    method: str | None
    path: str
    body_contains: str | None
    status: int | None
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    times: int | None  #: left; None = until reset
    delay_ms: int
    drop: str  #: "", "before" or "after"


EMPTY_OK = Reply(200)
EMPTY_FORBIDDEN = Reply(403)

_encode = msgspec.json.Encoder().encode


def json_reply(status: int, content: Any, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Reply:
    """A reply with a JSON body."""
    return Reply(status, _encode(content), JSON_TYPE, headers)


def text_reply(status: int, text: str) -> Reply:
    """A reply with one sentence."""
    return Reply(status, text.encode())


def error_reply(status: int, sentence: str) -> Reply:
    """A refusal of a control path."""
    return json_reply(status, {"error": sentence})


def message_reply(status: int, message: str) -> Reply:
    """A refusal of Pendo's; the schema is not published, clients read `message` [A: ERROR_TEXT_KEYS]."""
    return json_reply(status, {"message": message})
