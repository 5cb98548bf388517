"""What a source sends, and what stops events: as pages, with the button that blocks a name."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

from sternpost.control.noticing import Noticing
from sternpost.model import Delivered, Rejected, Skipped
from tests.console.house import House, house, text_of


def track(name: str, number: int, **properties: Any) -> dict[str, Any]:
    return {
        "type": "track",
        "event": name,
        "userId": f"u{number}",
        "messageId": f"m{number}",
        "properties": properties,
        "context": {"library": {"name": "rudder-python", "version": "2.1"}},
    }


async def look(home: House) -> None:
    noticing = Noticing(home.bench.views, home.bench.store, busy=lambda: False)
    while await noticing.step():
        pass


async def test_seen(home: House) -> None:
    browser = await home.owner()
    assert "Nothing was seen yet." in text_of(await browser.get("/console/sources/backend/seen"))
    await home.bench.accept(
        track("Order Placed", 1, total=5),
        track("order placed", 2),
        track("Order Placed", 3, total="<b>5</b>"),
    )
    await look(home)
    page = await browser.get("/console/sources/backend/seen")
    words = text_of(page)
    for text in ("3 received", "rudder-python 2.1", "also written order placed", "1 with several types", "number (1), text (1)", "properties.total"):  # fmt: skip
        assert text in words, text
    assert "<b>5" not in page
    assert '<path class="bars received"' in page
    for found in set(re.findall(r'href="(/console/events\?q=[^"]*)', page)):
        assert (await browser.json(html.unescape(found)))["events"], found


async def test_block_a_name(home: House) -> None:
    """The button changes the workspace as a person would, and takes it back; nothing else changes."""
    browser = await home.owner()
    await home.bench.accept(track("Noise", 1))
    await look(home)
    before = home.bench.holder.shown()
    await browser.get("/console/sources/backend/seen")
    said = await browser.follow(
        await browser.post("/console/sources/backend/block", name="Noise", blocked="1")
    )
    assert "Noise is blocked" in text_of(said)
    assert home.bench.holder.current.sources["backend"].blocked_events == {"Noise"}
    assert (await home.bench.get("/sources/backend/seen"))["events"][0]["blocked"]
    said = await browser.follow(
        await browser.post("/console/sources/backend/block", name="Noise", blocked="0")
    )
    assert "let through again" in text_of(said)
    after = home.bench.holder.shown()
    for document in (before, after):
        for source in document["sources"]:
            source.pop("blockedEvents", None)
    assert before == after


async def test_block_is_refused_while_a_file_rules(tmp_path: Path) -> None:
    from sternpost.workspace import yaml
    from tests.control.bench import DOCUMENT, make

    file = tmp_path / "workspace.yaml"
    file.write_text(yaml.dump(DOCUMENT))
    bench = await make(tmp_path, file=file)
    home = await house(tmp_path, bench=bench)
    await bench.accept(track("Noise", 1))
    await look(home)
    browser = await home.owner()
    page = await browser.get("/console/sources/backend/seen")
    assert "Block it" not in page
    assert str(file) in page
    await browser.get("/console/settings")
    said = await browser.follow(
        await browser.post("/console/sources/backend/block", name="Noise", blocked="1")
    )
    assert "Nothing was changed." in text_of(said)
    bench.close()


async def test_rules(home: House) -> None:
    """Each connection has its rules in their order; what each stopped leads to these events."""
    bench = home.bench
    browser = await home.owner()
    await bench.accept(*(track("Checkout", n) for n in range(5)))
    await bench.settle("pendo", "track", Delivered(), Skipped("filtered_by_consent", "x"), Skipped("filtered_by_consent", "x"),
                       Rejected("bad_id", "x"), Skipped("page_off", "x"))  # fmt: skip
    found = await bench.get("/rules")
    assert [(one["source"], one["destination"]) for one in found["connections"]] == [
        ("web", "pendo"), ("backend", "pendo"), ("backend", "hook"),
    ]  # fmt: skip
    rules = {rule["name"]: rule for rule in found["connections"][1]["rules"]}
    assert list(rules)[0] == "readable"
    assert list(rules)[-1] == "mapping"
    assert rules["consent"]["stopped"] == 2
    assert not rules["consent"]["active"]
    assert rules["mapping"]["stopped"] == 2
    assert rules["event filter"]["stopped"] == 0
    assert all(rule["stopped"] == 0 for rule in found["connections"][0]["rules"])
    page = await browser.get("/console/rules")
    words = text_of(page)
    assert "Backend → Pendo production" in words
    assert "2 Consent refused" in words
    links = [html.unescape(one) for one in re.findall(r'href="(/console/events\?q=[^"]*)', page)]
    assert len(links) == 3
    for link in links:
        assert (await browser.json(link))["events"], link
    bench.now += 2 * 86_400
    assert all(rule["stopped"] == 0 for one in (await bench.get("/rules"))["connections"] for rule in one["rules"])  # fmt: skip
