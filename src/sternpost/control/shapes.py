"""The shape of what a destination said: its words without what differs from event to event. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

SHAPE_CHARS_MAX = 160
SHAPES_REMEMBERED = 2_000  #: most dead letters of a group have the same said

_UUID = r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
_EMAIL = r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
_LONG = r"\b(?=[\w-]*\d)[\w-]{16,}\b"  # long and with a digit: an id, whatever its form
_NUMBER = r"(?<![\w.])[-+]?\d+(?:[.,:/-]\d+)*(?:T\d+(?:[:.]\d+)*(?:Z|[-+]\d\d:?\d\d)?|[eE][-+]?\d+)?"
_DIFFERS = re.compile(f"(?P<id>{_UUID}|{_EMAIL}|{_LONG})|(?P<n>{_NUMBER})")


def shape_of(said: str, ids: Iterable[str] = ()) -> str:
    """`said` with numbers as #, and ids (by their form, or named in `ids`) as …; at most `SHAPE_CHARS_MAX` characters."""
    # Making an expression for each id costs far more than looking whether it is there at all.
    for own in sorted({one for one in ids if one and one in said}, key=len, reverse=True):
        said = re.sub(rf"(?<!\w){re.escape(own)}(?!\w)", "…", said)
    return _shape(said)


@lru_cache(maxsize=SHAPES_REMEMBERED)
def _shape(said: str) -> str:
    text = _DIFFERS.sub(lambda found: "…" if found["id"] else "#", said)
    return " ".join(text.split())[:SHAPE_CHARS_MAX]
