"""What all HTTP destinations share: the status classes of the contract (rudderstack-data-plane.md 6.8, pendo.md outcomes)."""

from __future__ import annotations

import math
import re
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import msgspec

from sternpost.limits import RETRY_AFTER_MAX_S
from sternpost.model import Blocked, Delivered, Outcome, Rejected, Reply, Retry

TEXT_CHARS_MAX = 300  #: of a destination's own words in an explanation
ERROR_BODY_BYTES_MAX = 100_000  #: of a body that is read for them
ERROR_TEXT_KEYS = (
    "message",
    "error",
)  #: no destination of ours publishes the form of its errors (pendo.md, ERROR_TEXT_KEYS)

_ADDRESS_SAFE = re.compile(r"[!-~]+")


def read_status(reply: Reply) -> Outcome:
    """What a reply to one request means, by its status alone.

    2xx delivered; 3xx rejected (redirects are never followed: the key would go along); 401 and 403 blocked; 408, 429, 5xx, 1xx and no
    answer retry; 409 retry; every other 4xx rejected.
    """
    status = reply.status
    if status is None:
        return Retry(reply.error or "connection_lost", reply.error_detail)
    if 200 <= status < 300:
        return Delivered()
    said = reply_text(reply)
    answered = f"It answered {status}" + (f': "{said}"' if said else " with nothing else") + "."
    if 300 <= status < 400:
        target = reply.headers.get("location", "")[:TEXT_CHARS_MAX]
        return Rejected("unexpected_redirect", f"{answered} It points to {target or 'nowhere'}.")
    if status in {401, 403}:
        return Blocked("key_refused", answered)
    if status == 408:
        return Retry("timeout", answered)
    if status == 409:
        return Retry("busy", answered, retry_after_s(reply))
    if status == 429:
        return Retry("rate_limited", answered, retry_after_s(reply), slow_channel=True)
    if status in {404, 410}:
        return Rejected("not_found_there", answered)
    if status == 413:
        return Rejected("too_large_there", answered)
    if 400 <= status < 500:
        return Rejected("refused_by_destination", answered)
    return Retry("server_error", answered, retry_after_s(reply))


def retry_after_s(reply: Reply) -> float | None:
    """Retry-After in seconds, from both of its forms (a number, or an HTTP date read against the reply's own Date)."""
    value = reply.headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            until = parsedate_to_datetime(value)
            since = parsedate_to_datetime(reply.headers.get("date", ""))
            seconds = (until - since).total_seconds()
        except (TypeError, ValueError):
            return None
    if not math.isfinite(seconds) or seconds < 0:
        return None
    return min(seconds, RETRY_AFTER_MAX_S)


def reply_text(reply: Reply) -> str:
    """What a destination says about a refusal, on one line: `message` or `error` of an object, else the first words of its body."""
    return " ".join((_said(reply.body) or _beginning(reply.body)).split())[:TEXT_CHARS_MAX]


def is_address(value: object, *, query: bool = False) -> bool:
    """Whether a setting is an http address: a scheme and a host, no user, password or fragment; a query only where that is meant."""
    if not isinstance(value, str) or not _ADDRESS_SAFE.fullmatch(value):
        return False
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        return False
    if parts.username or parts.password or parts.fragment or (parts.query and not query):
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and port != 0


def _said(body: bytes) -> str:
    if not body.startswith(b"{") or len(body) > ERROR_BODY_BYTES_MAX:
        return ""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return ""
    return next((text for key in ERROR_TEXT_KEYS if isinstance(text := value.get(key), str) and text), "")


def _beginning(body: bytes) -> str:
    return body[: TEXT_CHARS_MAX * 4].decode("utf-8", "replace")
