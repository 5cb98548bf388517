"""The lines to copy on a source's page: those of the documentation, with what is true here, safe for any write key."""

from __future__ import annotations

import ast
import json
import re
import shlex
from typing import Any

import pytest

from sternpost.console.snippets import ADDRESS, LINES, WAYS, phone_hints, ways
from tests.console.house import House, text_of
from tests.docs.pages import DOCS, blocks

BASE = "http://127.0.0.1:8080"
HOSTILE = "k\"'</script>$HOME\\(x)`"  #: printable, without a colon: a write key may be that
PAGES = ("how-to/add-the-snippet.md", "how-to/mobile-and-server-sdks.md")
NAMES = {
    "web": ["html", "npm", "react", "curl"],
    "mobile": ["ios", "android", "curl"],
    "server": ["node", "python", "java", "go", "curl"],
}


def shown(kind: str, key: str = "wk-1") -> dict[str, str]:
    made = ways({"type": kind, "writeKey": key}, BASE)
    return {lines["id"]: lines["text"] for way in made for lines in way["lines"]}


def test_the_lines_are_those_of_the_documentation() -> None:
    """Each file of lines is an example of a page, as it stands there: what the documentation's tests run is what the console shows."""
    examples = {block for name in PAGES for block in blocks((DOCS / name).read_text(), r"\w+")}
    named = {lines.id for way in WAYS for lines in way.lines}
    assert named == {path.stem for path in LINES.iterdir()}
    for path in LINES.iterdir():
        assert path.read_text() in examples, path.name
    first = blocks((DOCS / PAGES[0]).read_text(), "html")[0]
    assert (LINES / "html.txt").read_text() == first
    assert "configUrl" not in first
    assert "async src=" in first


@pytest.mark.parametrize("kind", list(NAMES))
def test_ways_by_type(kind: str) -> None:
    """The likeliest way of a type first; address and key filled in, nothing left of the examples'."""
    assert [way["id"] for way in ways({"type": kind, "writeKey": "wk-1"}, BASE)] == NAMES[kind]
    for text in shown(kind).values():
        assert "WRITE_KEY" not in text
        assert ADDRESS not in text
    assert any(BASE in text and "wk-1" in text for text in shown(kind).values())


def test_any_write_key_stays_a_text() -> None:
    """A write key may have quotes, dollars and a closing tag in it: in each language it is that text and nothing else."""
    web, server, mobile = shown("web", HOSTILE), shown("server", HOSTILE), shown("mobile", HOSTILE)
    assert web["html"].count("</script>") == 2
    [written] = re.findall(r'load\((".*?(?<!\\)"), "http', web["html"])
    assert json.loads(written) == HOSTILE
    assert shlex.split(web["curl"])[2] == f"{HOSTILE}:"
    assigned: Any = ast.parse(server["python"]).body[1]
    assert assigned.value.value == HOSTILE
    assert '"k\\"\'</script>\\$HOME\\\\(x)`"' in mobile["kotlin"]
    assert '"k\\"\'</script>$HOME\\\\(x)`"' in mobile["swift"]


async def test_the_page(home: House) -> None:
    """Tabs that need no script and no style of their own: each radio button stands before its label and what it shows."""
    owner = await home.owner()
    page = await owner.get("/console/sources/web")
    tabs = re.findall(r'<input type="radio" name="way" id="tab-(\w+)"[^>]*><label for="tab-(\w+)">[^<]+</label>\s*<div class="snippet">', page)  # fmt: skip
    assert [one for one, _ in tabs] == [other for _, other in tabs] == NAMES["web"]
    assert 'id="snippet-html"' in page
    assert home.bench.holder.current.sources["web"].write_key in page
    assert "/console/sources/new?type=mobile" in page
    await owner.get("/console/sources/new")
    app = text_of(await owner.follow(await owner.post("/console/sources/new", name="Our app", type="mobile")))
    assert "iOS (Swift)" in app
    assert "control plane" in app


def test_phone_hints() -> None:
    """A phone cannot reach this machine's own address, and does not speak plain HTTP by itself."""
    assert len(phone_hints(BASE)) == 2
    assert len(phone_hints("http://events.example.com")) == 1
    assert phone_hints("https://events.example.com") == []
