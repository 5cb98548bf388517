"""The page for people: what it shows, how it escapes, and that it asks nobody else for anything."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from sternpost.sandbox import limits, page, seed
from sternpost.sandbox.switches import SWITCHES
from tests.sandbox.conftest import START_MS, Client, agent_event

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


async def html(client: Client) -> str:
    answer = await client.get("/__sandbox/")
    assert answer.status == 200
    return answer.text


async def fill(client: Client) -> None:
    await client.track("Order Completed", "u1", "acme", properties={"total": 9})
    await client.write([{"visitorId": "u1", "values": {"plan": "pro", "tags": [1, 2]}}])
    await client.agent(agent_event("load", "_PENDO_T_x"))


async def test_it_leads_there(client: Client) -> None:
    """The root and the path without its slash lead to the page."""
    for path in ("/", "/__sandbox"):
        answer = await client.get(path)
        assert (answer.status, answer.headers["location"]) == (302, "/__sandbox/")


async def test_an_empty_page_says_what_to_do(client: Client) -> None:
    """Nothing is there: it says what would be, and shows a first request."""
    text = await html(client)
    assert "curl -i http://127.0.0.1:8090/data/track" in text
    assert text.count('class="empty"') == 5


async def test_it_shows_what_there_is(client: Client) -> None:
    """Visitors, accounts, events, diagnostics, MAU, requests, keys and all switches with their notes."""
    await fill(client)
    text = await html(client)
    for shown in (
        "Order Completed",
        "acme",
        "_PENDO_T_x",
        "unknown_visitor",
        "New visitor",
        "/data/track",
        seed.JWT_SECRET,
        seed.INTEGRATION_KEY,
    ):
        assert shown in text, shown
    assert re.search(r"<b>1 <i>\+</i> 1</b>\s+monthly active, identified \+ anonymous", text)
    for name in SWITCHES:
        assert name in text
    await client.set(visibility="hourly", identity__anonymousTracking="off")
    await client.track("Waits", timestamp=1)
    text = await html(client)
    assert "1 events wait for the hourly processing" in text
    assert "visibility = hourly" in text
    assert "anonymous not counted" in text


async def test_everything_is_escaped(client: Client) -> None:
    """Ids, names, values, keys and headers of strangers are text and nothing else."""
    evil = '"><script>alert(1)</script>'
    await client.track(evil, evil, evil, properties={evil: evil, "o": {evil: 1}})
    await client.write([{"visitorId": evil, "values": {evil: evil}}])
    await client.set(app__config={evil: evil})
    await client.get("/data/%22%3E%3Cscript%3Ealert(1)")
    answer = await client.get("/__sandbox/", host=evil)
    assert "<script>alert" not in answer.text
    assert "&lt;script&gt;alert(1)" in answer.text


async def test_policy_and_files(client: Client) -> None:
    """The strict policy stands on the page and its files; no inline script or style, nothing of another host."""
    await fill(client)
    for path, kind in (
        ("/__sandbox/", "text/html"),
        ("/__sandbox/page.css", "text/css"),
        ("/__sandbox/page.js", "text/javascript"),
    ):
        answer = await client.get(path)
        assert answer.headers["content-security-policy"] == POLICY
        assert answer.headers["content-type"].startswith(kind)
    assert page.POLICY.decode() == POLICY
    text = await html(client)
    assert not re.search(r"<style|style=|\son\w+=|<script(?! src=\"/__sandbox/page.js\")", text)
    links = re.findall(r'(?:src|href|action)="([^"]*)"', text)
    assert all(link.startswith(("/__sandbox/", "#", "data:")) for link in links), links


class Structure(HTMLParser):
    """Just enough of a parser to see tables, labels and headings."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


async def test_accessible_structure(client: Client) -> None:
    """Tables have captions and scoped headers, fields have labels, headings are in order, there is a skip link."""
    await fill(client)
    seen = Structure(await html(client))
    assert seen.count("table") == seen.count("caption") == 7
    assert all(attributes.get("scope") in ("col", "row") for tag, attributes in seen.tags if tag == "th")
    assert all("aria-labelledby" in attributes for tag, attributes in seen.tags if tag in ("input", "select"))
    assert [tag for tag, _ in seen.tags if re.fullmatch(r"h\d", tag)] == ["h1"] + ["h2"] * 7
    assert ("html", {"lang": "en"}) in seen.tags
    assert ("a", {"class": "skip", "href": "#main"}) in seen.tags


async def test_forms_work_without_a_script(client: Client) -> None:
    """A form of the page sets, processes or resets, and leads back to the page; other clients get JSON."""
    form = {"content-type": "application/x-www-form-urlencoded", "accept": "text/html"}
    answer = await client.post("/__sandbox/switches", b"track.sameMs=collapse", form)
    assert (answer.status, answer.headers["location"]) == (303, "/__sandbox/")
    assert (await client.get("/__sandbox/switches")).json()["track.sameMs"] == "collapse"
    assert (await client.post("/__sandbox/process", b"", form)).status == 303
    assert (await client.post("/__sandbox/reset", b"", form)).status == 303
    assert (await client.get("/__sandbox/switches")).json()["track.sameMs"] == "keep"
    assert (
        await client.post(
            "/__sandbox/switches", b"track.sameMs=collapse", {"content-type": form["content-type"]}
        )
    ).status == 200
    assert (await client.post("/__sandbox/switches", b"\xff", form)).status == 400


async def test_rows_are_bounded(client: Client) -> None:
    """Each table shows the newest rows, and says how many there are."""
    for n in range(limits.PAGE_ROWS_MAX + 5):
        await client.track(f"Event {n:03}", "u1", timestamp=START_MS + n)
    text = await html(client)
    assert f"Event {limits.PAGE_ROWS_MAX + 4:03}" in text
    assert "Event 004" not in text
    assert f"The newest {limits.PAGE_ROWS_MAX} of {limits.PAGE_ROWS_MAX + 5}" in text


async def test_times_of_any_size(client: Client) -> None:
    """A timestamp beyond any calendar does not break the page."""
    await client.track(timestamp=2**53)
    await client.track(timestamp=-(2**53))
    await html(client)


def test_weight() -> None:
    """At most 30 kB of style and 60 kB of script (product.md, 6.3)."""
    static = Path(page.__file__).parent / "static"
    assert (static / "page.css").stat().st_size < 30_000
    assert (static / "page.js").stat().st_size < 60_000


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1])
def test_contrast(scheme: int) -> None:
    """Every pair of text and ground that the sheet uses has at least 4.5:1, in both schemes."""
    css = (Path(page.__file__).parent / "static" / "page.css").read_text()
    palette = dict(
        re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", re.findall(r":root \{(.*?)\}", css, re.DOTALL)[scheme])
    )
    pairs = [
        ("ink", "ground"),
        ("ink", "card"),
        ("quiet", "ground"),
        ("quiet", "card"),
        ("accent", "card"),
        ("accent", "ground"),
    ]
    pairs += [
        ("tag-ink", "tag"),
        ("good-ink", "good"),
        ("warn-ink", "warn"),
        ("danger", "card"),
        ("ink", "code"),
    ]
    for text, ground in pairs:
        lighter, darker = sorted((luminance(palette[text]), luminance(palette[ground])), reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (text, ground)
