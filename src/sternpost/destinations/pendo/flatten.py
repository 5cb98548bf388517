"""Flattening nested objects and settling which of several equal keys wins (rules C2, C3): shared by traits and properties."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sternpost.destinations.pendo.constants import FLATTEN_DEPTH, FLATTEN_KEY_CHARS_MAX
from sternpost.model import Note

KEY_CHARS_SHOWN = 80  #: of a key in a path or an explanation


@dataclass(frozen=True, slots=True)
class Leaf:
    """A value of a flat or flattened object, on its way to a cleaned key."""

    original: str  #: names from the top, joined with a dot, as people know it
    key: str  #: names joined with `_`
    value: Any
    flattened: bool


def leaves(key: str, value: Mapping[str, Any], too_deep: list[str]) -> Iterable[Leaf]:
    """The values of a nested object, depth first, in the order of the document.

    Objects below FLATTEN_DEPTH, or under a name above FLATTEN_KEY_CHARS_MAX, are named in `too_deep` instead.
    """
    # A stack instead of recursion: a body may be nested 200 deep.
    stack: list[tuple[str, str, int, Any]] = [(key, key, 1, value)]
    while stack:
        original, joined, depth, entry = stack.pop()
        if not isinstance(entry, Mapping):
            yield Leaf(original, joined, entry, flattened=True)
        elif depth > FLATTEN_DEPTH or len(joined) > FLATTEN_KEY_CHARS_MAX:
            too_deep.append(original)
        else:
            stack.extend(
                (f"{original}.{name}", f"{joined}_{name}", depth + 1, inner)
                for name, inner in reversed(list(entry.items()))
            )


class Winners:
    """Of keys that become equal one wins: the one that needed no change, else a top-level one, else the later (rule C3)."""

    def __init__(self, root: str, notes: list[Note]) -> None:
        self._root = root
        self._notes = notes
        self._leaves: dict[str, Leaf] = {}

    def offer(self, cleaned: str, leaf: Leaf) -> None:
        known = self._leaves.get(cleaned)
        if known is None:
            self._leaves[cleaned] = leaf
            return
        winner, loser = (leaf, known) if _rank(cleaned, leaf) >= _rank(cleaned, known) else (known, leaf)
        self._leaves[cleaned] = winner
        self._notes.append(
            Note(
                "key_collision",
                path(self._root, loser.original),
                f"{loser.original[:KEY_CHARS_SHOWN]} ↔ {winner.original[:KEY_CHARS_SHOWN]}",
            )
        )

    def items(self) -> Iterable[tuple[str, Leaf]]:
        return self._leaves.items()


def path(root: str, original: str) -> str:
    return f"{root}.{original[:KEY_CHARS_SHOWN]}"


def _rank(cleaned: str, leaf: Leaf) -> int:
    if leaf.flattened:
        return 0
    return 2 if leaf.key == cleaned else 1
