"""Flattening nested objects and settling which of several equal keys wins (rules C2, C3): shared by traits and properties."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from sternpost.destinations.pendo.constants import FIELDS_MAX, FLATTEN_DEPTH, FLATTEN_KEY_CHARS_MAX
from sternpost.model import Note

KEY_CHARS_SHOWN = 80  #: of a key in a path or an explanation


class Leaf(msgspec.Struct, frozen=True, gc=False):
    """A value of a flat or flattened object, on its way to a cleaned key."""

    original: str  #: names from the top, joined with a dot, as people know it
    key: str  #: names joined with `_`
    value: Any
    flattened: bool


def leaves(
    key: str, value: Mapping[str, Any], too_deep: list[str], at_most: int = FIELDS_MAX
) -> Iterator[Leaf]:
    """The values of a nested object, depth first, in the order of the document; of more than `at_most` members the first.

    Objects below FLATTEN_DEPTH, or under a name above FLATTEN_KEY_CHARS_MAX, are named in `too_deep` instead.
    """
    if len(key) > FLATTEN_KEY_CHARS_MAX:
        too_deep.append(key)
        return
    # A stack instead of recursion: a body may be nested 200 deep.
    stack: list[tuple[str, str, Iterator[tuple[str, Any]]]] = [(key, key, iter(value.items()))]
    while stack and at_most > 0:
        original, joined, members = stack[-1]
        for name, inner in members:
            at_most -= 1
            below, flat = f"{original}.{name}", f"{joined}_{name}"
            if not isinstance(inner, dict):
                yield Leaf(below, flat, inner, flattened=True)
            elif len(stack) >= FLATTEN_DEPTH or len(flat) > FLATTEN_KEY_CHARS_MAX:
                too_deep.append(below)
            else:
                stack.append((below, flat, iter(inner.items())))
                break
            if at_most <= 0:
                return
        else:
            stack.pop()


def size(value: Mapping[str, Any], at_most: int, *, nested: bool = True) -> int:
    """How many members an object has, those of objects in it included (`nested`); stops counting above `at_most`."""
    count, stack = 0, [value]
    while stack and count <= at_most:
        entry = stack.pop()
        count += len(entry)
        if nested and count <= at_most:
            stack += [inner for inner in entry.values() if isinstance(inner, dict)]
    return count


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
