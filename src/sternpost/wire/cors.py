"""CORS headers of the addresses for clients (contract 5.4)."""

from __future__ import annotations

Headers = tuple[tuple[bytes, bytes], ...]

METHODS = ("GET", "POST", "HEAD")  #: what a page may ask for
#: The response headers that a page may read. SDKs for the browser do not, but others do.
_EXPOSED = b"Retry-After, Sternpost-Reason"
_VARY = (b"vary", b"Origin")


def on_answer(origin: bytes, method: str) -> Headers:
    """The CORS headers of an ordinary answer, an error included: the caller's origin, if it names one, is echoed."""
    if not origin or method not in METHODS:
        return (_VARY,)
    return (
        _VARY,
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-credentials", b"true"),
        (b"access-control-expose-headers", _EXPOSED),
    )


def on_preflight(origin: bytes, method: bytes, headers: bytes) -> Headers:
    """The headers of the 204 that answers a preflight; without allow headers when the method is not on the list."""
    wanted = method.decode("latin-1").strip().upper()
    if not origin or wanted not in METHODS:
        return (_VARY,)
    allowed = (
        _VARY,
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-methods", wanted.encode()),
        (b"access-control-allow-credentials", b"true"),
        (b"access-control-max-age", b"900"),
    )
    return (*allowed, (b"access-control-allow-headers", headers)) if headers else allowed
