"""docs/how-to/console.md is about the console that there is."""

from __future__ import annotations

import re
from pathlib import Path

from sternpost.console import patience
from sternpost.control import audit, passwords, people
from tests.console.house import House

PAGE = (Path(__file__).parents[2] / "docs/how-to/console.md").read_text()


async def test_every_address_is_a_page(home: House) -> None:
    browser = await home.owner()
    addresses = set(re.findall(r"`(/console/[^`{]*)`", PAGE))
    assert len(addresses) >= 6
    for address in addresses:
        await browser.get(address)
    for linked in re.findall(r'data-go="\w"|href="(/console/\w*)"', browser.last):
        assert not linked or linked in addresses, linked


def test_numbers() -> None:
    assert f"at least {passwords.CHARS_MIN} characters" in PAGE
    assert f"for {people.SETUP_VALID_S / 60:g} min" in PAGE
    assert f"for {people.SESSION_VALID_S // 86_400} days" in PAGE
    assert f"for {people.INVITATION_VALID_S / 3_600:g} hours" in PAGE
    assert f"at most {people.SESSIONS_PER_USER_MAX} browsers" in PAGE
    assert f"{audit.ROWS_MAX:,} lines" in PAGE
    assert f"{audit.KEPT_S / 86_400:g} days" in PAGE
    assert patience.FAILURES_MAX == 10
    assert patience.FAILURES_S == 600
    assert patience.PAUSE_S == 2


async def test_keys(home: House) -> None:
    """The keys of the page are those of the dialog."""
    browser = await home.owner()
    shown = re.findall(r"<kbd>([^<]+)</kbd>", await browser.get("/console/"))
    for key in shown:
        assert f"`{key}`" in PAGE, key
