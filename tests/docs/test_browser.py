"""docs/reference/browser.md names each call and each option of the SDK, and none that it has not."""

from __future__ import annotations

import re

from tests.docs.pages import ROOT, codes, interface, page, tables

PAGE = page("reference/browser.md")


def first_column(title: str) -> set[str]:
    """What the first column of the table under a heading names."""
    section = PAGE.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]
    return {code for row in tables(section)[0] for code in codes(row[0])}


def test_calls() -> None:
    assert first_column("Calls") == set(interface("RudderAnalyticsApi"))


def test_options() -> None:
    assert first_column("Options of `load`") == set(interface("LoadOptions"))


def test_bounds() -> None:
    """Numbers of the page are those of the sources."""
    sources = "".join(
        (ROOT / f"browser/src/{name}.ts").read_text() for name in ("sdk", "queue", "delivery", "pendo/index")
    )
    for name, value in re.findall(r"^const (\w+) = (\d+);", sources, re.MULTILINE):
        expected = {"TIMEOUT_MS": "30 s", "KEEPALIVE_BYTES": "60,000 bytes"}.get(name)
        if expected:
            number = int(value) // 1000 if expected.endswith(" s") else int(value)
            assert f"{number:,} {expected.split(' ', 1)[1]}" in PAGE, name
    assert "let max = 1000;" in sources
    assert "At most 1,000 events wait" in PAGE
