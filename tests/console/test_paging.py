"""Lists of more than one page in the console: every entry can be reached, and sums count all of them."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

from sternpost.store.persons import PersonIds, begin_forgetting, stop
from tests.console.house import Browser, House, house, text_of
from tests.control.bench import DOCUMENT, NOW

COUNT = 230  #: of each: three pages of a hundred


async def followed(browser: Browser, path: str, name: str = "after") -> str:
    """The text of a page and of all that its "More" leads to."""
    found = ""
    pages = 0
    while True:
        page = await browser.get(path)
        found += f" {text_of(page)}"
        pages += 1
        links = [html.unescape(link) for link in re.findall(r'<a href="([^"]+)">More</a>', page)]
        link = next((link for link in links if re.search(rf"[?&]{name}=", link)), None)
        if link is None:
            assert pages == 3, path
            assert "From the beginning" in page
            return found
        path = link.split("#")[0]


def large() -> dict[str, Any]:
    more = [
        {"id": f"s{number:03}", "name": f"Source {number:03}", "type": "server", "writeKey": f"wk-s{number}"}
        for number in range(COUNT)
    ]
    hooks = [
        {
            "id": f"d{number:03}",
            "name": f"Hook {number:03}",
            "type": "webhook",
            "settings": {"url": "https://h.example.com/"},
        }
        for number in range(COUNT)
    ]
    links = [{"source": one["id"], "destination": "spare", "mode": "cloud"} for one in more]
    return {
        **DOCUMENT,
        "sources": [*DOCUMENT["sources"], *more],
        "destinations": [*DOCUMENT["destinations"], *hooks],
        "connections": [*DOCUMENT["connections"], *links],
    }


async def test_sources_destinations_rules(tmp_path: Path) -> None:
    made = await house(tmp_path, document=large())
    owner = await made.owner()
    for path, names in (
        ("/console/sources", "Source"),
        ("/console/destinations", "Hook"),
        ("/console/rules", "Source"),
    ):
        text = await followed(owner, path)
        for number in range(COUNT):
            assert f"{names} {number:03}" in text, (path, number)
    # What asks for all of them gets all.
    assert f"Source {COUNT - 1:03}" in text_of(await owner.get("/console/destinations/spare/connect"))
    assert f"Source {COUNT - 1:03}" in text_of(await owner.get(f"/console/sources/s{COUNT - 1:03}"))
    assert f"Hook {COUNT - 1:03}" in text_of(await owner.get(f"/console/destinations/d{COUNT - 1:03}"))
    assert (await owner.ask("GET", "/console/sources/nothing")).status == 404
    made.bench.close()


async def test_people_and_their_lists(home: House) -> None:
    bench = home.bench

    def people(cx: Any) -> None:
        for number in range(COUNT):
            stop(cx, PersonIds(f"p-{number:03}", ()), keep_id=True, by="ann", note="n", now=NOW + number)
            note = f"receipt-{number:03}"
            begin_forgetting(cx, PersonIds(note, ()), by="ann", note=note, there={}, now=NOW)

    await bench.store.transaction(people)
    owner = await home.owner()
    for number in range(COUNT):
        await bench.people.add_user(f"user-{number:03}", "viewer", personal_data=None)
        await bench.people.add_token(
            f"token-{number:03}", "viewer", personal_data=None, days=None, by=bench.people.principal(bench.people.users[0])
        )  # fmt: skip
        bench.refused.add(
            at=NOW, path=f"/v1/path-{number:03}", status=400, reason="bad_json", detail="", source_id="web",
            write_key="wk-web", origin="", address="", agent="", body=b"{",
        )  # fmt: skip
    for path, word, name in (
        ("/console/settings/people", "user", "after"),
        ("/console/settings/tokens", "token", "after"),
        ("/console/people", "p", "after"),
        ("/console/people", "receipt", "receipts"),
        ("/console/events?tab=refused", "path", "after"),
    ):
        text = await followed(owner, path, name)
        for number in range(COUNT):
            assert f"{word}-{number:03}" in text, (path, word, number)
    assert f"Refused {COUNT}" in text_of(await owner.get("/console/events"))
    assert f"{COUNT}" in text_of(await owner.get("/console/sources"))
