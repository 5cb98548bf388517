"""The pages under docs/, their examples, and what browser/src says of itself."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
TYPES = (ROOT / "browser/src/types.ts").read_text()


def page(name: str) -> str:
    return (DOCS / name).read_text()


def blocks(text: str, language: str) -> list[str]:
    """The fenced examples in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def tables(text: str) -> list[list[list[str]]]:
    """Each table as rows of cells, without its head."""
    found: list[list[list[str]]] = []
    for table in re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE):
        rows = [
            [cell.strip() for cell in line.strip().strip("|").split("|")] for line in table.splitlines()[2:]
        ]
        found.append(rows)
    return found


def codes(text: str) -> list[str]:
    """What stands in backticks, examples left out."""
    return re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))


def body(text: str, start: int) -> str:
    """What stands between the brace at `start` and the one that closes it."""
    depth = 0
    for place in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return text[start + 1 : place]
    raise AssertionError(f"a brace is not closed: {text[start : start + 80]}")


def own_keys(inside: str) -> list[str]:
    """The keys of an object or an interface, not those of objects within; comments and texts are no keys."""
    text = re.sub(r"/\*.*?\*/|//[^\n]*", "", inside, flags=re.DOTALL)
    text = re.sub(r"\"[^\"\n]*\"|'[^'\n]*'", '""', text)
    depth, flat = 0, ""
    for character in text:
        depth -= character in "})]>"
        flat += character if depth <= 0 or character in "{}" else ""
        depth += character in "{([<"
        depth = max(depth, 0)
    return re.findall(r"(?:^|[;,{\n])\s*(\w+)\??\s*(?=[:(])", flat)


def interface(name: str) -> list[str]:
    """The members of an interface of browser/src/types.ts."""
    found = re.search(rf"export interface {name}\b[^{{]*", TYPES)
    assert found, name
    return list(dict.fromkeys(own_keys(body(TYPES, found.end()))))
