"""Faults that tests order: another answer, a delay, a dropped connection (pendo.md, "Seed and control")."""

from __future__ import annotations

from typing import Any

import msgspec

from sternpost.sandbox import limits
from sternpost.sandbox.model import JSON_TYPE, TEXT_TYPE, Fault, Reply, Request
from sternpost.sandbox.state import State

_KEYS = {"match", "status", "body", "headers", "times", "delayMs", "drop"}
_MATCH_KEYS = {"method", "path", "bodyContains"}


def parse(order: Any) -> Fault:
    """The fault that was ordered; raises ValueError with a clear sentence."""
    if not isinstance(order, dict):
        raise ValueError("A fault is an object with match and at least one of status, delayMs, drop.")  # noqa: TRY004
    unknown = sorted(order.keys() - _KEYS)
    if unknown:
        raise ValueError(f"A fault has no {unknown[0]!r}; it has {', '.join(sorted(_KEYS))}.")
    method, path, body_contains = _parse_match(order.get("match"))
    status, times, delay_ms, drop = (order.get(key) for key in ("status", "times", "delayMs", "drop"))
    if status is not None and not _is_int(status, 200, limits.FAULT_STATUS_MAX):
        raise ValueError("status is a whole number from 200 to 599.")
    if times is not None and not _is_int(times, 1, 10**9):
        raise ValueError("times is a whole number from 1; leave it out to go on until reset.")
    if delay_ms is not None and not _is_int(delay_ms, 0, limits.DELAY_MS_MAX):
        raise ValueError(f"delayMs is a whole number from 0 to {limits.DELAY_MS_MAX}.")
    if drop not in (None, False, True, "before", "after"):
        raise ValueError('drop is true (before processing) or "after" (after processing).')
    if status is None and not delay_ms and not drop:
        raise ValueError("A fault needs at least one of status, delayMs, drop.")
    body, headers = _parse_answer(order.get("body"), order.get("headers"))
    dropped = "after" if drop == "after" else "before" if drop else ""
    return Fault(method, path, body_contains, status, body, headers, times, delay_ms or 0, dropped)


def _parse_match(match: Any) -> tuple[str | None, str, str | None]:
    if isinstance(match, str) and match.startswith("/"):
        return None, match, None
    if not isinstance(match, dict):
        raise ValueError(  # noqa: TRY004
            "match is a path prefix that begins with /, or an object with method, path, bodyContains."
        )
    unknown = sorted(match.keys() - _MATCH_KEYS)
    if unknown:
        raise ValueError(f"match has no {unknown[0]!r}; it has {', '.join(sorted(_MATCH_KEYS))}.")
    for key, value in match.items():
        if value is not None and not isinstance(value, str):
            raise ValueError(f"match.{key} is a text.")
    method = match.get("method")
    return method.upper() if method else None, match.get("path") or "/", match.get("bodyContains")


def _parse_answer(body: Any, headers: Any) -> tuple[bytes, tuple[tuple[bytes, bytes], ...]]:
    if not isinstance(headers, dict | None) or not all(
        isinstance(value, str | int) for value in (headers or {}).values()
    ):
        raise ValueError("headers is an object of texts.")
    try:
        pairs = tuple(
            (name.lower().encode("latin-1"), str(value).encode("latin-1"))
            for name, value in (headers or {}).items()
        )
    except UnicodeEncodeError:
        raise ValueError("Headers are ASCII.") from None
    if any(
        byte in pair for name, value in pairs for pair in (name, value) for byte in (b"\r", b"\n", b"\0")
    ) or any(not name or b" " in name or b":" in name for name, _ in pairs):
        raise ValueError("A header's name or value holds characters that no header may hold.")
    kind = TEXT_TYPE
    if body is None:
        raw = b""
    elif isinstance(body, str):
        raw = body.encode()
    else:
        raw, kind = msgspec.json.encode(body), JSON_TYPE
    if not any(name == b"content-type" for name, _ in pairs):
        pairs += ((b"content-type", kind),)
    return raw, tuple(
        (name, value) for name, value in pairs if name not in (b"content-length", b"transfer-encoding")
    )


def _is_int(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def view(fault: Fault) -> dict[str, Any]:
    """A fault as `GET /__sandbox/faults` lists it."""
    return {
        "match": {"method": fault.method, "path": fault.path, "bodyContains": fault.body_contains},
        "status": fault.status,
        "timesLeft": fault.times,
        "delayMs": fault.delay_ms,
        "drop": fault.drop or None,
    }


def take(state: State, request: Request) -> Fault | None:
    """The first fault that matches the request, used up by one."""
    for fault in state.faults:
        if (
            (fault.method is None or fault.method == request.method)
            and request.path.startswith(fault.path)
            and (fault.body_contains is None or fault.body_contains.encode() in request.body)
        ):
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    state.faults.remove(fault)
            return fault
    return None


def reply(fault: Fault) -> Reply:
    """The answer that a fault with a status gives."""
    kind = next(value for name, value in fault.headers if name == b"content-type")
    return Reply(
        fault.status or 200,
        fault.body,
        kind,
        tuple(pair for pair in fault.headers if pair[0] != b"content-type"),
    )
