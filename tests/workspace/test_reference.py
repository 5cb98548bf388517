"""docs/reference/workspace.md says what the code does: each key, each field with its default, and an example that works."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sternpost.destinations.base import Field
from sternpost.destinations.registry import DESTINATIONS
from sternpost.workspace import yaml
from sternpost.workspace.document import CONNECTION_KEYS, DESTINATION_KEYS, TOP_KEYS, parse
from sternpost.workspace.settings import COMMON_FIELDS, CONSENT_KEYS, EVENT_FILTERING_KEYS, fields_of
from sternpost.workspace.sources import SOURCE_KEYS

PAGE = Path(__file__).parent.parent.parent / "docs/reference/workspace.md"


def fields_table(fields: Sequence[Field]) -> str:
    """The part of the page that is made from the fields themselves; to write it anew, print this."""
    rows = [f"| `{field.name}` | {_values(field)} | {_default(field)} | {field.text} |" for field in fields]
    return "\n".join(["| key | value | default | meaning |", "|---|---|---|---|", *rows])


def _values(field: Field) -> str:
    if field.kind == "choice":
        return ", ".join(f"`{choice}`" for choice in field.choices)
    kind = {
        "text": "text",
        "url": "address",
        "map": "texts by name",
        "integer": "whole number",
        "boolean": "`true`, `false`",
    }
    words = "list" if field.default == [] else kind.get(field.kind, field.kind)
    if field.minimum is not None and field.maximum is not None:
        return f"{words}, {field.minimum:,g} to {field.maximum:,.0f}"
    return words


def _default(field: Field) -> str:
    if field.required:
        return "required"
    if field.default is None:
        return "–"
    return f"`{field.default if isinstance(field.default, str) else json.dumps(field.default)}`"


def section(title: str) -> str:
    """The text of a section, up to the next of its level or above."""
    text = PAGE.read_text()
    level = title.split(" ", maxsplit=1)[0]
    start = text.index(f"\n{title}\n") + len(title) + 1
    following = re.search(rf"^#{{1,{len(level)}}} ", text[start:], re.MULTILINE)
    return text[start : start + following.start()] if following else text[start:]


def keys(text: str) -> list[str]:
    return re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("## Top level", TOP_KEYS),
        ("## Sources", SOURCE_KEYS),
        ("## Connections", CONNECTION_KEYS),
    ],
)
def test_keys(title: str, expected: Sequence[str]) -> None:
    """Every key has its row, in order, and no other."""
    assert keys(section(title)) == list(expected)


def test_destination_keys() -> None:
    """Those of destinations, of filtering and of consent likewise."""
    assert keys(section("## Destinations").split("###")[0]) == list(DESTINATION_KEYS)
    common = keys(section("### Settings of every destination"))
    assert common == [*(field.name for field in COMMON_FIELDS), *EVENT_FILTERING_KEYS, *CONSENT_KEYS]


@pytest.mark.parametrize("kind", list(DESTINATIONS))
def test_fields(kind: str) -> None:
    """The settings of a destination are documented as its fields say."""
    assert fields_table(DESTINATIONS[kind].spec.fields) in section(f"### Settings of `{kind}`")


def test_common_fields() -> None:
    """So are those of every destination."""
    assert fields_table(COMMON_FIELDS) in section("### Settings of every destination")


def example() -> Any:
    found = re.search(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found
    return found[1]


def test_example_works() -> None:
    """The example is a valid workspace."""
    document = yaml.load(example())
    workspace = parse(
        document.data,
        destinations=DESTINATIONS,
        lines=document.lines,
        env={
            "PENDO_INTEGRATION_KEY": "33333333-3333-4333-8333-333333333333.us",
            "HOOK_SECRET": "hook-secret",
        },
        read_file={"/run/secrets/pendo-track": "55555555-5555-4555-8555-555555555555"}.__getitem__,
    )
    assert list(workspace.sources) == ["web", "backend", "ios"]
    assert workspace.connections[0].mode == "device"
    assert workspace.destinations["pendo"].settings.page_events is False


def test_example_shows_every_setting() -> None:
    """Each setting stands in the example, with its default where it has one."""
    text = example()
    data = yaml.load(text).data
    for destination in data["destinations"]:
        for field in DESTINATIONS[destination["type"]].spec.fields:
            assert re.search(rf"^ +(# )?{field.name}:", text, re.MULTILINE), field.name
    pendo = data["destinations"][0]
    for name, field in fields_of(DESTINATIONS["pendo"].spec).items():
        if field.default is not None:
            assert pendo["settings"][name] == field.default, name
