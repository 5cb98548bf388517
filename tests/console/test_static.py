"""The files: small, nothing from elsewhere, colours that can be read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sternpost import console
from tests.demo.test_page import luminance

HERE = Path(console.__file__).parent
STATIC = HERE / "static"
TEMPLATES = sorted((HERE / "templates").glob("*.html"))


def test_weight() -> None:
    """All scripts together stay below what one page may have."""
    assert sum(path.stat().st_size for path in STATIC.glob("*.js")) <= 60_000
    assert sum(path.stat().st_size for path in STATIC.glob("*.css")) <= 30_000


@pytest.mark.parametrize("path", [*sorted(STATIC.iterdir()), *TEMPLATES], ids=lambda path: path.name)
def test_nothing_from_elsewhere(path: Path) -> None:
    """No address of another host, no inline script or style, no template that switches escaping off."""
    text = path.read_text().replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"(https?:)?//[a-z0-9.-]+\.[a-z]{2,}", text)
    if path.suffix == ".html":
        assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son[a-z]+=", text)
        assert "| safe" not in text
        assert "|safe" not in text
        assert "autoescape" not in text
        # An attribute without quotes would end at the first space of what a client sent.
        assert not re.search(r"\s[a-z-]+=\{\{", text)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_forms_carry_a_token(path: Path) -> None:
    for form in re.findall(r'<form[^>]*method="post".*?</form>', path.read_text(), re.DOTALL):
        assert "form_token" in form, form


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_contrast(scheme: int) -> None:
    """Every text colour is read on every ground with a contrast of at least 4.5 to 1, edges of fields with 3 to 1."""
    css = (STATIC / "console.css").read_text()
    colors = {
        name: (light, dark)[scheme]
        for name, light, dark in re.findall(r"--([a-z-]+): light-dark\((#\w+), (#\w+)\)", css)
    }
    grounds = ("ground", "surface", "tint", "bad-tint")
    pairs = [
        (text, ground, 4.5) for text in ("ink", "soft", "accent", "good", "wait", "bad") for ground in grounds
    ]
    pairs += [
        ("on-accent", "accent", 4.5),
        ("ink", "note", 4.5),
        ("edge", "surface", 3.0),
        ("edge", "ground", 3.0),
    ]
    for text, ground, least in pairs:
        first, second = sorted((luminance(colors[text]), luminance(colors[ground])), reverse=True)
        assert (first + 0.05) / (second + 0.05) >= least, (text, ground)
