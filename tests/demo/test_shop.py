"""The shop in a real browser, before a real `sternpost demo`: from a click to a Pendo visitor."""

from __future__ import annotations

import json
import os
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.cli.programs import fetch, running
from tests.demo import browser

pytestmark = pytest.mark.skipif(
    browser.PROGRAM is None and not os.environ.get("CI"), reason="no Chromium here; apt-get install chromium"
)


async def test_from_a_click_to_a_visitor(tmp_path: Path) -> None:
    """The page sends a call by itself, each button one more; the page shows them delivered and what the sandbox received. Nothing is
    asked of another host, nothing is complained about, and on a phone nothing has to be moved sideways.
    """
    with running("demo", "--port", "0", "--sandbox-port", "0", "--no-open", cwd=tmp_path) as demo:
        shop = demo.line(r"Shop +(\S+)")[1]
        sandbox = demo.line(r"Sandbox +(\S+)/__sandbox/")[1]
        async with browser.page() as page:
            await page.open(shop)
            await page.until("document.querySelectorAll('#log .state.delivered').length === 1")
            await page.until("document.getElementById('count-events').textContent === '1'")
            for number, call in enumerate(("identify", "group", "track"), 2):
                await page.run(f"document.querySelector('[data-call={call}]').click()")
                await page.until(f"document.querySelectorAll('#log .state.delivered').length === {number}")
            await page.until("document.getElementById('visitors').innerText.includes('name123')")
            await page.until("document.getElementById('accounts').innerText.includes('industry: Industry')")
            await page.until("document.getElementById('events').innerText.includes('test track event')")
            assert "signed in as name123" in await page.run("document.getElementById('who').textContent")
            await page.size(360, 800, dark=True)
            assert await page.run("document.documentElement.scrollWidth") <= 360
            await page.run("document.getElementById('forget').click()")
            assert await page.run("document.getElementById('who').textContent") == "You are anonymous."
            assert {urlsplit(url).netloc for url in page.requested if not url.startswith("data:")} == {
                urlsplit(shop).netloc
            }
            assert page.complaints == []
        state = fetch(f"{sandbox}/__sandbox/state")
        visitor = state["visitors"]["name123"]
        assert visitor["metadata"]["agent"]["email"] == "name@surname.com"
        assert visitor["accounts"] == ["groupId"]
        assert state["accounts"]["groupId"]["metadata"]["agent"]["employees"] == 123
        tracks = [event for event in state["events"] if event["event"] == "test track event"]
        assert [event["visitorId"] for event in tracks] == ["name123"]
        assert tracks[0]["properties"]["revenue"] == 30, json.dumps(tracks)
