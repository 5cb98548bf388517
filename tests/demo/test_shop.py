"""The shop in a real browser, before a real `sternpost demo`: from a click to a Pendo visitor, in each mode and with each SDK."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from sternpost.demo.page import rudderstack_sdk
from tests.cli.programs import fetch, running
from tests.demo import browser

pytestmark = pytest.mark.skipif(
    browser.PROGRAM is None and not os.environ.get("CI"), reason="no Chromium here; apt-get install chromium"
)
SETTLED = (
    "[...document.querySelectorAll('#log .state')].every((one) => /delivered|browser/.test(one.className))"
)


def tracks(state: Any, name: str) -> list[tuple[str, str, Any]]:
    return [
        (event["visitorId"], event["accountId"], event["properties"])
        for event in state["events"]
        if event["event"] == name
    ]


async def buy(page: browser.Page, person: str, product: str, *, orders: int = 1) -> None:
    """Sign in, buy, and wait until the page shows each event's fate, and that the sandbox has so many orders of this person."""
    # The page sends one by itself first.
    await page.until(f"document.querySelectorAll('#log li').length > 0 && {SETTLED}")
    before = await page.run("document.querySelectorAll('#log li').length")
    await page.run(f"document.querySelector('[data-person={person}]').click()")
    await page.run(f"document.querySelector('[data-product={product}]').click()")
    await page.run("document.getElementById('checkout').click()")
    await page.until(
        f"document.querySelectorAll('#log li').length === Math.min(12, {before + 4}) && {SETTLED}"
    )
    mine = "[...document.querySelectorAll('#events tr.mine')].filter((row) => row.innerText.includes('Order Completed'))"
    await page.until(f"{mine}.length === {orders} && {mine}[0].innerText.includes('{person}')")


async def test_shop(tmp_path: Path) -> None:
    """The page sends a call by itself, each button more; it shows their fate and what the sandbox holds. Two people on one browser stay
    apart. Nothing is asked of another host, nothing is complained about, and on a phone nothing has to be moved sideways.
    """
    with running("demo", "--port", "0", "--sandbox-port", "0", "--no-open", cwd=tmp_path) as demo:
        shop = demo.line(r"Shop +(\S+)")[1]
        sandbox = demo.line(r"Sandbox +(\S+)/__sandbox/")[1]
        async with browser.page() as page:
            await page.open(shop)
            await page.until("document.querySelectorAll('#log .state.delivered').length === 1")
            await page.until("document.getElementById('count-events').textContent === '1'")
            await buy(page, "name123", "rope")
            assert "signed in as Name Surname (name123)" in await page.run(
                "document.getElementById('who').textContent"
            )
            await page.until("document.getElementById('accounts').innerText.includes('industry: Industry')")
            assert "Order Completed" in await page.run("document.getElementById('call').textContent")
            await page.run("document.getElementById('sign-out').click()")
            await page.until("document.getElementById('who').textContent === 'You are anonymous.'")
            await buy(page, "u-2048", "compass")
            await page.size(360, 800, dark=True)
            assert await page.run("document.documentElement.scrollWidth") <= 360
            asked = {urlsplit(url).netloc for url in page.requested if not url.startswith("data:")}
            assert asked == {urlsplit(shop).netloc, urlsplit(sandbox).netloc}
            assert page.complaints == []
        state = fetch(f"{sandbox}/__sandbox/state")
        visitor = state["visitors"]["name123"]
        assert visitor["metadata"]["agent"]["email"] == "name@surname.com"
        assert visitor["accounts"] == ["groupId"]
        assert state["accounts"]["groupId"]["metadata"]["agent"]["employees"] == 123
        assert state["visitors"]["u-2048"]["accounts"] == ["harbour"]
        first, second = tracks(state, "Order Completed")
        assert first[:2] == ("name123", "groupId"), json.dumps(first)
        assert first[2]["revenue"] == 30
        assert second[:2] == ("u-2048", "harbour"), json.dumps(second)


@pytest.mark.parametrize("sdk", ["", "&sdk=rudderstack"])
async def test_modes(sdk: str, tmp_path: Path) -> None:
    """In each mode, and with RudderStack's own SDK in the page, a purchase ends once at the right visitor and account."""
    if sdk and rudderstack_sdk() is None:
        pytest.skip("RudderStack's SDK is not installed; make test does it")
    with running("demo", "--port", "0", "--sandbox-port", "0", "--no-open", cwd=tmp_path) as demo:
        shop = demo.line(r"Shop +(\S+)")[1]
        sandbox = demo.line(r"Sandbox +(\S+)/__sandbox/")[1]
        for number, (mode, word) in enumerate(
            (("hybrid", "delivered"), ("device", "browser"), ("cloud", "delivered")), 1
        ):
            async with browser.page() as page:
                await page.open(f"{shop}?mode={mode}{sdk}")
                await page.until(f"document.querySelectorAll('#log .state.{word}').length === 1")
                await buy(page, "name123", "lantern", orders=number)
                assert await page.run(f"document.querySelectorAll('#log .state.{word}').length") == 5
                library = "RudderLabs" if sdk else "Sternpost"
                assert library in await page.run("document.querySelector('#log .id').textContent")
                hosts = {urlsplit(url).netloc for url in page.requested if not url.startswith("data:")}
                assert hosts <= {urlsplit(shop).netloc, urlsplit(sandbox).netloc}
                assert (urlsplit(sandbox).netloc in hosts) == (mode != "cloud")
                assert page.complaints == []
            found = tracks(fetch(f"{sandbox}/__sandbox/state"), "Order Completed")
            assert [one[:2] for one in found] == [("name123", "groupId")] * number


@pytest.mark.skipif(rudderstack_sdk() is None, reason="RudderStack's SDK is not installed; make test does it")
async def test_moving_there_and_back(tmp_path: Path) -> None:
    """Who is known to RudderStack's SDK is known to ours, and the other way round: user, traits, account and anonymous id."""
    asked = "JSON.stringify([rudderanalytics.getUserId(), rudderanalytics.getUserTraits(), rudderanalytics.getGroupId(), rudderanalytics.getAnonymousId()])"
    with running("demo", "--port", "0", "--sandbox-port", "0", "--no-open", cwd=tmp_path) as demo:
        shop = demo.line(r"Shop +(\S+)")[1]
        async with browser.page() as page:
            known = []
            for number, sdk in enumerate(("&sdk=rudderstack", "", "&sdk=rudderstack")):
                await page.open(f"{shop}?mode=cloud{sdk}")
                await page.until("typeof rudderanalytics.getUserId === 'function'")
                if number == 0:
                    await buy(page, "u-2048", "compass")
                await page.until(
                    "document.getElementById('who').textContent.includes('Maris Anker (u-2048)')"
                )
                known.append(json.loads(await page.run(asked)))
            assert known[0][0] == "u-2048"
            assert known[0][2] == "harbour"
            assert known[1] == known[0]
            assert known[2] == known[0]
            assert page.complaints == []
