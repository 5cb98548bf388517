"""The guide, done as a person does it: in the console alone, from an empty data directory to events in Pendo (the sandbox)."""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sternpost.sandbox.seed import INTEGRATION_KEY, TRACK_SECRET_WEB
from tests.cli.programs import fetch, running
from tests.demo import browser
from tests.waiting import until

pytestmark = pytest.mark.skipif(
    browser.PROGRAM is None and not os.environ.get("CI"), reason="no Chromium here; apt-get install chromium"
)


@contextlib.contextmanager
def website(folder: Path) -> Iterator[str]:
    """Somebody's pages, at an address of their own."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


async def typed(page: browser.Page, **values: str) -> None:
    """Fill fields by their name."""
    for name, value in values.items():
        given = json.dumps(value)
        await page.run(f"document.querySelector('[name=\"{name.replace('__', '.')}\"]').value = {given}")


async def press(page: browser.Page, text: str) -> None:
    """Press the button that says so, and wait for the next page."""
    await page.run("window.old = true")
    found = f"[...document.querySelectorAll('main button')].find((one) => one.textContent.trim() === {json.dumps(text)})"
    await page.run(f"{found}.click()")
    await page.until("window.old === undefined && document.readyState === 'complete'")


async def test_the_guide(tmp_path: Path) -> None:
    """Source → Pendo → settings → check → connection → snippet; then wrong keys and a dead host, and nothing is lost."""
    site = tmp_path / "site"
    site.mkdir()
    shots = os.environ.get("STERNPOST_SHOTS")
    with (
        running("sandbox", "--port", "0", cwd=tmp_path) as sandbox,
        running("serve", "--port", "0", "--no-open", cwd=tmp_path) as server,
        website(site) as shop,
    ):
        pendo = sandbox.line(r"Hosts +(\S+)")[1]
        setup = server.line(r"Set up +(\S+)")[1]
        base = setup.partition("/console/")[0]
        async with browser.page() as page:

            async def look(name: str) -> None:
                for width, dark in ((1280, False), (1280, True), (360, False), (360, True)) if shots else ():
                    await page.look(
                        Path(shots or "") / f"{name}-{width}-{dark}.png", width=width, height=900, dark=dark
                    )
                await page.size(1280, 900)

            await page.size(1280, 900)
            await page.open(setup)
            await page.run("document.querySelector('main button').click()")
            await page.until("location.pathname === '/console/'")

            await page.open(f"{base}/console/sources/new")
            await look("source-new")
            await typed(page, name="Web shop")
            await press(page, "Add the source")
            assert await page.run("location.pathname") == "/console/sources/web-shop"
            snippet = await page.run("document.getElementById('snippet-html').textContent")

            await page.open(f"{base}/console/destinations/new")
            await look("catalogue")
            await page.open(f"{base}/console/destinations/new/pendo")
            hosts = {f"s__hosts__{name}": pendo for name in ("api", "data", "content")}
            await typed(page, name="Pendo live", s__region="custom", **hosts)

            # The keys in each other's fields, then a wrong one, then both right.
            await typed(page, s__integrationKey=TRACK_SECRET_WEB, s__trackEventSecret=INTEGRATION_KEY)
            await press(page, "Check and go on")
            assert "The two keys are exchanged" in await page.run(
                "document.getElementById('check-failed').innerText"
            )
            await look("pendo-exchanged")
            await typed(
                page,
                s__integrationKey=INTEGRATION_KEY,
                s__trackEventSecret="55555555-aaaa-4555-8555-555555555555",
            )
            await press(page, "Check and go on")
            assert "track event secret is wrong" in await page.run(
                "document.getElementById('check-failed').innerText"
            )
            await typed(page, s__trackEventSecret=TRACK_SECRET_WEB)
            await press(page, "Check and go on")
            assert await page.run("location.pathname") == "/console/destinations/pendo-live/connect"
            await look("connect")
            await typed(page, **{"mode__web-shop": "cloud"})
            await press(page, "Connect")

            more = 'rudderanalytics.identify("u1"); rudderanalytics.group("acme", { name: "Acme" }); rudderanalytics.track("Checkout", { total: 42 });'
            (site / "index.html").write_text(
                f"<!doctype html><title>Shop</title>{snippet}<script>{more}</script>"
            )
            await page.open(f"{shop}/index.html")

            def arrived() -> Any:
                text = json.dumps(fetch(f"{pendo}/__sandbox/state"))
                return all(word in text for word in ('"u1"', '"acme"', '"Checkout"')) and text

            assert until(arrived, within_s=30)
            await page.open(f"{base}/console/events?q=event:Checkout")
            await page.run("document.querySelector('#rows a.open').click()")
            await page.until("document.querySelector('.verdict.delivered') !== null", 30)
            assert "Delivered to Pendo live" in await page.run(
                "document.querySelector('.verdict').textContent"
            )

            # A wrong key in force: events wait, and drain by themselves once it is corrected.
            settings = f"{base}/console/destinations/pendo-live/settings"
            await page.open(settings)
            await look("pendo-settings")
            await typed(page, s__trackEventSecret="55555555-aaaa-4555-8555-555555555555")
            await press(page, "Check and save")
            await press(page, "Save anyway")
            late = 'rudderanalytics.track("Late");'
            (site / "late.html").write_text(
                f"<!doctype html><title>Shop</title>{snippet}<script>{late}</script>"
            )
            await page.open(f"{shop}/late.html")
            await page.open(f"{base}/console/destinations/pendo-live")
            await page.until("document.querySelector('.verdict.blocked') !== null", 30)
            await page.open(settings)
            # A dead host is told from a wrong key.
            await typed(page, **dict.fromkeys(hosts, "http://127.0.0.1:9"))
            await press(page, "Check and save")
            assert "Nothing takes connections at 127.0.0.1:9: Connection refused." in await page.run(
                "document.getElementById('check-failed').innerText"
            )
            await typed(page, **hosts, s__trackEventSecret=TRACK_SECRET_WEB)
            await press(page, "Check and save")
            assert until(lambda: '"Late"' in json.dumps(fetch(f"{pendo}/__sandbox/state")), within_s=30)

            # The keys of a region that they are not of.
            await page.open(settings)
            await page.run("document.querySelector('[name=\"s.region\"]').value = 'eu'")
            await typed(page, **dict.fromkeys(hosts, ""))
            await press(page, "Check and save")
            assert "region us" in await page.run("document.querySelector('main').innerText")

            await page.open(f"{base}/console/settings/revisions")
            await look("revisions")
            # A form that is shown again has the status 400, which Chromium notes.
            assert [
                one for one in page.complaints if base in str(one) and "status of 400" not in str(one)
            ] == []
        assert server.stop() == 0
