"""Pictures of counts: what is drawn is what the table says."""

from __future__ import annotations

import re
from typing import Any

from sternpost.console import charts


def found(**kinds: list[Any]) -> dict[str, Any]:
    count = len(next(iter(kinds.values())))
    return {
        "slots": [f"2026-11-25T10:0{at}:00.000Z" for at in range(count)],
        "since": "a",
        "until": "b",
        **kinds,
    }


def test_bars_stand_on_each_other() -> None:
    chart = charts.bars(found(delivered=[3, 0, 1], rejected=[1, 0, 1]), ("delivered", "rejected"))
    paths = dict(chart.paths)
    assert chart.highest == 4
    lower = [float(y) for y in re.findall(r"M[\d.]+ ([\d.]+)h", paths["delivered"])]
    upper = [float(y) for y in re.findall(r"M[\d.]+ ([\d.]+)h", paths["rejected"])]
    assert len(lower) == len(upper) == 2
    full = charts.ROOM * charts.HEIGHT
    assert lower[0] == round(charts.HEIGHT - full * 3 / 4, 1)
    assert upper[0] == round(charts.HEIGHT - full, 1)
    assert all(above < below for above, below in zip(upper, lower, strict=True))
    assert [values for _, values in chart.rows] == [(1, 1), (3, 1)]


def test_nothing_is_no_picture() -> None:
    assert charts.bars(found(delivered=[0, 0]), ("delivered",)).empty
    assert charts.lines(found(p50=[None, None]), ("p50",)).empty
    assert charts.bars(found(delivered=[]), ("delivered",)).empty


def test_lines_are_interrupted() -> None:
    chart = charts.lines(found(p50=[0.1, None, 0.3, 0.2]), ("p50",))
    [(_, path)] = chart.paths
    assert path.count("M") == 2
    assert path.count("L") == 1
    assert len(chart.rows) == 3


def test_the_table_is_bounded() -> None:
    chart = charts.bars(
        {**found(delivered=[1]), "slots": ["x"] * 1_000, "delivered": [1] * 1_000}, ("delivered",)
    )
    assert len(chart.rows) == charts.TABLE_ROWS_MAX
