"""docs/README.md names every page, and every link of the documentation leads somewhere."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import DOCS, ROOT

PAGES = sorted(path.relative_to(ROOT).as_posix() for path in [*DOCS.rglob("*.md"), ROOT / "README.md"])


def test_every_page_is_listed() -> None:
    listed = set(re.findall(r"\]\(([^)]+\.md)\)", (DOCS / "README.md").read_text()))
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")} - {"README.md"}
    assert listed == pages, (
        f"docs/README.md lacks {sorted(pages - listed)}, names in vain {sorted(listed - pages)}"
    )


@pytest.mark.parametrize("name", PAGES)
def test_links(name: str) -> None:
    """Every link leads to a file, and to a heading of it."""
    path = ROOT / name
    for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([\w-]+))?\)", path.read_text()):
        found = (path.parent / target).resolve() if target else path
        assert found.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", found.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", line).lower().replace(" ", "-") for line in headings}
