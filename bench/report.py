"""Figures, each beside its baseline: a table for people, JSON for comparisons."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent


@dataclass
class Figure:
    """One line of the table."""

    id: str  #: stable, for comparisons
    title: str
    value: float
    unit: str
    baseline: float | None = None  #: measured in the same run, in the same unit
    against: str = ""  #: what the baseline is
    more: dict[str, Any] = field(default_factory=dict)  #: everything else that was measured
    #: (value, baseline) of each round, when they were measured in turn: the ratio is the median of theirs, since what disturbs the
    #: machine disturbs both of a round, and not all rounds alike
    rounds: list[tuple[float, float]] = field(default_factory=list)

    @property
    def ratio(self) -> float | None:
        ratios = [value / baseline for value, baseline in self.rounds if baseline]
        if ratios:
            return statistics.median(ratios)
        return self.value / self.baseline if self.baseline else None


class Report:
    """All figures of one run, and what went wrong in it."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        self.arguments = arguments
        self.started = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        self.load_before = _load()
        self.figures: list[Figure] = []
        self.failures: list[str] = []
        self.left_out: list[str] = []

    def add(self, figure: Figure) -> None:
        self.figures.append(figure)

    def fail(self, sentence: str) -> None:
        """Something that makes the figures worthless: above all an event that was answered and is not there."""
        self.failures.append(sentence)

    def as_json(self) -> dict[str, Any]:
        return {
            "started": self.started,
            "arguments": self.arguments,
            "revision": revision(),
            "machine": machine(),
            "load_before": self.load_before,
            "load_after": _load(),
            "figures": [asdict(figure) | {"ratio": figure.ratio} for figure in self.figures],
            "failures": self.failures,
            "left_out": self.left_out,
        }

    def write(self, folder: Path) -> Path:
        """`latest.json` and one file that stays."""
        folder.mkdir(exist_ok=True)
        text = json.dumps(self.as_json(), indent=1)
        path = folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{revision()[:12]}.json"
        path.write_text(text)
        (folder / "latest.json").write_text(text)
        return path

    def table(self) -> str:
        rows = [("", "Sternpost", "baseline", "ratio", "baseline is")]
        rows += [
            (
                figure.title,
                f"{shown(figure.value)} {figure.unit}",
                f"{shown(figure.baseline)} {figure.unit}" if figure.baseline is not None else "",
                f"{figure.ratio:.2f}" if figure.ratio is not None else "",
                figure.against,
            )
            for figure in self.figures
        ]
        lines = columns(rows).splitlines()
        lines += [f"Left out: {sentence}" for sentence in self.left_out]
        lines += [f"FAILED: {sentence}" for sentence in self.failures]
        return "\n".join(lines)


def columns(rows: Sequence[tuple[str, str, str, str, str]]) -> str:
    """A table for people, its first row the heading; figures stand to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = [
        "  ".join(
            (
                row[0].ljust(widths[0]),
                row[1].rjust(widths[1]),
                row[2].rjust(widths[2]),
                row[3].rjust(widths[3]),
                row[4],
            )
        ).rstrip()
        for row in rows
    ]
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join(lines)


def shown(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def percentile(sorted_values: Sequence[float], share: float) -> float:
    """0 for none."""
    if not sorted_values:
        return 0.0
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * share))]


def revision() -> str:
    """The commit, with a mark when files differ from it; "" outside of a repository."""

    def git(*arguments: str) -> str:
        try:
            done = subprocess.run(
                ["git", *arguments],
                cwd=REPOSITORY,
                capture_output=True,
                text=True,
                timeout=20,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return ""
        return done.stdout.strip()

    commit = git("rev-parse", "HEAD")
    return f"{commit}{'+changes' if git('status', '--porcelain', 'src') else ''}" if commit else ""


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    model = ""
    if Path("/proc/cpuinfo").exists():
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return {
        "cores": os.cpu_count(),
        "processor": model or platform.processor(),
        "system": f"{platform.system()} {platform.release()}",
        "python": sys.version.split()[0],
        "sqlite": sqlite3.sqlite_version,
    }


def _load() -> list[float]:
    return [round(value, 2) for value in os.getloadavg()]
