"""What was turned away, kept in memory for people to look at."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sternpost import limits
from sternpost.reasons import ReasonCode

_LIBRARY = re.compile(rb'"library"\s*:\s*\{[^{}]{0,500}?"name"\s*:\s*"([^"\\]{1,100})"')


@dataclass(slots=True)
class RefusedEntry:
    """Requests that were turned away alike: same path, reason, write key, origin and address."""

    at: float  #: of the last one, unix seconds
    first_at: float  #: of the first one
    count: int  #: how many
    path: str
    status: int  #: what the client got; a pixel gets its picture with 200 whatever happened
    reason: ReasonCode
    detail: str  #: what was seen in the last one
    source_id: str | None  #: None when the write key belongs to no source
    write_key: str  #: shortened, never in full
    library: str  #: what the client calls itself: the SDK's name, else the User-Agent
    origin: str
    address_hash: str  #: equal for equal addresses until the next start
    sample: str  #: the beginning of the last one's body; "" unless the write key was a source's


class RefusedLog:
    """The newest kinds of refused requests, in memory: bounded, equal ones counted together.

    Nothing in it gives away a write key or an address, and no body is kept of a request whose write key was not a source's.
    """

    _SAMPLE_BYTES = 2_048

    def __init__(self, entries_max: int = limits.REFUSED_KEPT_MAX, salt: bytes | None = None) -> None:
        self._entries_max = entries_max
        self._salt = secrets.token_bytes(16) if salt is None else salt
        self._entries: OrderedDict[tuple[Any, ...], RefusedEntry] = OrderedDict()

    def forget(self, ids: Iterable[str]) -> None:
        """Drop the requests in which one of these people is named."""
        named = [f'"{one}"' for one in ids]
        for alike, entry in list(self._entries.items()):
            if any(name in entry.sample or name in entry.detail for name in named):
                del self._entries[alike]

    def entries(self) -> list[RefusedEntry]:
        """All entries, the latest first."""
        return list(reversed(self._entries.values()))

    def add(
        self,
        *,
        at: float,
        path: str,
        status: int,
        reason: ReasonCode,
        detail: str,
        source_id: str | None,
        write_key: str,
        origin: str,
        address: str,
        agent: str,
        body: bytes,
    ) -> None:
        """Remember one refused request. `body` is what was read of it, unpacked."""
        # Twice the length, so that a write key which a careless client put into its body is not cut in two and missed.
        sample = body[: 2 * self._SAMPLE_BYTES] if source_id is not None else b""
        shown = sample.decode("utf-8", "replace")
        key = shorten(write_key)
        if write_key:
            shown = shown.replace(write_key, key)
        digest = hashlib.blake2b(
            address.encode("utf-8", "replace"), key=self._salt, digest_size=6
        ).hexdigest()
        alike = (path, status, reason, source_id, key, origin[:200], digest)
        entry = self._entries.pop(alike, None)
        self._entries[alike] = RefusedEntry(
            at=at,
            first_at=entry.first_at if entry else at,
            count=entry.count + 1 if entry else 1,
            path=path,
            status=status,
            reason=reason,
            detail=detail,
            source_id=source_id,
            write_key=key,
            library=_library(sample) or agent[:200],
            origin=origin[:200],
            address_hash=digest,
            sample=shown[: self._SAMPLE_BYTES],
        )
        if len(self._entries) > self._entries_max:
            self._entries.popitem(last=False)


def shorten(write_key: str) -> str:
    """A write key as people may see it: at most its first four characters, and never more than half of it."""
    return f"{write_key[: min(4, len(write_key) // 2)]}…" if write_key else ""


def _library(sample: bytes) -> str:
    found = _LIBRARY.search(sample)
    return found.group(1).decode("utf-8", "replace") if found else ""
