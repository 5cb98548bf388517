"""Pictures of counts over time, drawn here as the paths of an SVG: bars on top of each other, and lines. Pure.

A picture is 600 by 120 units and is stretched to the page's width; what it shows stands as a table beneath it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 600.0, 120.0
ROOM = 0.96  #: of the height, for the highest value
TABLE_ROWS_MAX = 200  #: slots in the table, the latest ones in which anything happened


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture with its table."""

    paths: tuple[tuple[str, str], ...]  #: (kind, the path's `d`), in the order of painting
    highest: float  #: what the upper edge stands for
    since: str
    until: str
    columns: tuple[str, ...]
    rows: tuple[
        tuple[str, tuple[Any, ...]], ...
    ]  #: (beginning of the slot, a value per column), the latest first

    @property
    def empty(self) -> bool:
        return not self.rows


def bars(found: Mapping[str, Any], kinds: Sequence[str]) -> Chart:
    """Stacked bars: the first kind at the bottom. `found` has `slots`, `since`, `until`, and a list of counts per kind."""
    slots: Sequence[str] = found["slots"]
    values = [[float(found[kind][at]) for kind in kinds] for at in range(len(slots))]
    highest = max((sum(one) for one in values), default=0.0)
    width = WIDTH / max(1, len(slots))
    drawn: dict[str, list[str]] = {kind: [] for kind in kinds}
    for at, counts in enumerate(values):
        y = HEIGHT
        for kind, count in zip(kinds, counts, strict=True):
            if not count:
                continue
            height = max(1.0, ROOM * HEIGHT * count / highest)
            y -= height
            drawn[kind].append(
                f"M{at * width:.1f} {y:.1f}h{width * 0.86:.2f}v{height:.1f}h-{width * 0.86:.2f}z"
            )
    return Chart(
        tuple((kind, "".join(parts)) for kind, parts in drawn.items() if parts),
        highest,
        found["since"],
        found["until"],
        tuple(kinds),
        _rows(found, kinds),
    )


def lines(found: Mapping[str, Any], kinds: Sequence[str]) -> Chart:
    """A line per kind; it is interrupted where there is no value."""
    slots: Sequence[str] = found["slots"]
    highest = max((value for kind in kinds for value in found[kind] if value is not None), default=0.0)
    step = WIDTH / max(1, len(slots))
    drawn = []
    for kind in kinds:
        parts: list[str] = []
        joined = False
        for at, value in enumerate(found[kind]):
            if value is None:
                joined = False
                continue
            y = HEIGHT - (ROOM * HEIGHT * value / highest if highest else 0.0)
            # Each value is a short level stroke, so that one without neighbours is seen too.
            parts.append(f"{'L' if joined else 'M'}{at * step:.1f} {y:.1f}h{step:.2f}")
            joined = True
        if parts:
            drawn.append((kind, "".join(parts)))
    return Chart(tuple(drawn), highest, found["since"], found["until"], tuple(kinds), _rows(found, kinds))


def _rows(found: Mapping[str, Any], kinds: Sequence[str]) -> tuple[tuple[str, tuple[Any, ...]], ...]:
    rows = [
        (slot, tuple(found[kind][at] for kind in kinds))
        for at, slot in enumerate(found["slots"])
        if any(found[kind][at] for kind in kinds)
    ]
    return tuple(reversed(rows[-TABLE_ROWS_MAX:]))
