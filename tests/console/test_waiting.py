"""Under a flood a page waits once for what came before it, however often it asks the API."""

from __future__ import annotations

from pathlib import Path

from .house import house


async def test_a_page_waits_once_for_what_arrived(tmp_path: Path) -> None:
    """A page of five answers would else take six times as long as one of them."""
    here = await house(tmp_path)
    browser = await here.owner()
    waits: list[float] = []

    async def caught_up(within_s: float) -> bool:
        waits.append(within_s)
        return False

    object.__setattr__(here.bench.context, "caught_up", caught_up)
    for path in ("/console/", "/console/destinations", "/console/events"):
        waits.clear()
        await browser.get(path)
        assert len(waits) == 1, path
    here.bench.close()
