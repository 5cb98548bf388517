"""What is kept of a try: request and reply with secrets masked and texts bounded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sternpost.limits import REPLY_BODY_KEPT_BYTES, REQUEST_BODY_KEPT_BYTES
from sternpost.model import (
    Attempt,
    Blocked,
    Call,
    Delivered,
    Outcome,
    Rejected,
    Reply,
    Retry,
    Secret,
    Skipped,
)

HEADER_CHARS_KEPT = 200
HEADERS_KEPT = 30
#: Reply headers that could carry a session of the destination.
REPLY_HEADERS_MASKED = frozenset({"set-cookie", "authorization", "www-authenticate"})


def outcome_name(outcome: Outcome) -> str:
    """The outcome in one word, as in an attempt's record."""
    match outcome:
        case Delivered():
            return "delivered"
        case Skipped():
            return "skipped"
        case Rejected():
            return "rejected"
        case Retry():
            return "retry"
        case Blocked():
            return "blocked"


def request_record(call: Call) -> dict[str, Any]:
    """A request as people may see it."""
    headers = {
        name: str(Secret(value)) if name.lower() in call.secret_headers else value[:HEADER_CHARS_KEPT]
        for name, value in list(call.headers.items())[:HEADERS_KEPT]
    }
    return {
        "method": call.method,
        "url": call.url,
        "headers": headers,
        "body": _text(call.body, REQUEST_BODY_KEPT_BYTES),
    }


def reply_record(reply: Reply) -> dict[str, Any] | None:
    """A reply as people may see it; None when there was none."""
    if reply.status is None:
        return None
    headers: Mapping[str, str] = {
        name: "••••" if name in REPLY_HEADERS_MASKED else value[:HEADER_CHARS_KEPT]
        for name, value in list(reply.headers.items())[:HEADERS_KEPT]
    }
    return {"status": reply.status, "headers": headers, "body": _text(reply.body, REPLY_BODY_KEPT_BYTES)}


def attempt(
    *, at: float, call: Call | None, reply: Reply, outcome: Outcome, wait_s: float | None = None
) -> Attempt:
    """The record of a try. A delivered one carries no request: `build` is pure, it can be made again."""
    error = None
    if reply.status is None:
        error = f"{reply.error}: {reply.error_detail}" if reply.error else reply.error_detail or "no answer"
    return Attempt(
        at=at,
        ms=reply.ms,
        request=request_record(call) if call is not None else None,
        reply=reply_record(reply),
        error=error,
        outcome=outcome_name(outcome),
        wait_s=wait_s,
    )


def _text(body: bytes, bytes_max: int) -> str:
    text = body[:bytes_max].decode("utf-8", "replace")
    return text if len(body) <= bytes_max else f"{text}… ({len(body)} bytes)"
