"""What the dead letters of a group share, and what happened just before the first of them: where to look for the cause. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sternpost.store.revisions import Revision

LOOKED_AT = 20  #: the newest events of a group: enough to tell chance from pattern, and few enough to read for each page
DEPTH_MAX = 6  #: below it a value is compared as a whole
PATHS_MAX = 200  #: of one event; what is beyond says nothing a person would read
#: A busy destination fails within seconds of a change, a quiet one with its next event.
BEGAN_WITHIN_S = 600.0


def alike(bodies: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], list[str]]:
    """The members that have the same value in every one of these events, as an event of its own; and the paths that all have, with
    values that differ.
    """
    if not bodies:
        return {}, []
    first, *others = (dict(_members(body)) for body in bodies)
    shared = [path for path in first if all(path in other for other in others)]
    same: dict[str, Any] = {}
    differs: list[str] = []
    for path in shared:
        if any(other[path] != first[path] for other in others):
            differs.append(".".join(path))
            continue
        place = same
        for name in path[:-1]:
            place = place.setdefault(name, {})
        place[path[-1]] = first[path]
    return same, differs


def _members(body: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    left = PATHS_MAX
    waiting = [(above, body)]
    while waiting:
        path, members = waiting.pop()
        for name, value in members.items():
            if isinstance(value, Mapping) and value and len(path) + 1 < DEPTH_MAX:
                waiting.append(((*path, name), value))
                continue
            if not left:
                return
            left -= 1
            yield (*path, name), value


def change_before(first_at: float, revisions: Sequence[Revision]) -> Revision | None:
    """The change of the workspace after which a group began, when one fits; `revisions` are the newest first."""
    for revision in revisions:
        if revision.at <= first_at:
            # The first revision changed nothing: before it there was no workspace.
            fits = first_at - revision.at <= BEGAN_WITHIN_S and revision.number > 1
            return revision if fits else None
    return None
