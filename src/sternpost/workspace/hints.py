"""Small words of error messages: near misses and lists."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from difflib import get_close_matches

NAME_CHARS_MAX = 60  #: longer names are no typing mistakes, and comparing them costs time


def near_miss(name: str, known: Collection[str]) -> str | None:
    """The known name that was probably meant, None when there is none that is close."""
    if len(name) > NAME_CHARS_MAX:
        return None
    folded = {_fold(candidate): candidate for candidate in known}
    close = get_close_matches(_fold(name), list(folded), n=1, cutoff=0.6)
    return folded[close[0]] if close else None


def either(words: Sequence[str]) -> str:
    """`us, eu or au`"""
    return " or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def _fold(name: str) -> str:
    return name.casefold().replace("-", "").replace("_", "").replace(" ", "")
