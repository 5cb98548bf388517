"""docs/reference/modes.md says what the workspace check allows, and why it refuses what it refuses."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from sternpost.destinations.pendo import settings as pendo
from sternpost.destinations.registry import DESTINATIONS
from sternpost.errors import WorkspaceError
from sternpost.model import Mode
from sternpost.workspace.document import parse
from tests.docs.pages import blocks, codes, page, tables

PAGE = page("reference/modes.md")
MODES = ("device", "cloud", "hybrid")  #: the order of the columns
POSSIBLE = {codes(row[0])[0]: dict(zip(MODES, row[1:], strict=True)) for row in tables(PAGE)[1]}


def refusal(source_type: str, mode: str, *, api_key: bool = True, kind: str = "pendo") -> str:
    """Why the workspace check refuses a connection; "" when it does not."""
    settings: dict[str, Any] = {"url": "https://hooks.example.com"} if kind == "webhook" else {}
    if api_key and kind == "pendo":
        settings["apiKey"] = "11111111-1111-4111-8111-111111111111"
    document = {
        "version": 1,
        "sources": [{"id": "s", "type": source_type, "writeKey": "wk"}],
        "destinations": [{"id": "d", "type": kind, "settings": settings}],
        "connections": [{"source": "s", "destination": "d", "mode": mode}],
    }
    try:
        parse(document, destinations=DESTINATIONS)
    except WorkspaceError as error:
        return str(error)
    return ""


def test_all_modes() -> None:
    assert set(MODES) == set(get_args(Mode))
    assert [codes(row[0])[0] for row in tables(PAGE)[0]] == list(MODES)


@pytest.mark.parametrize("source_type", ["web", "mobile", "server"])
@pytest.mark.parametrize("mode", MODES)
def test_possible(source_type: str, mode: str) -> None:
    """Yes in the table is accepted; no is refused with the sentence that the page quotes."""
    found = refusal(source_type, mode)
    if POSSIBLE[source_type][mode] == "yes":
        assert found == ""
    else:
        assert POSSIBLE[source_type][mode] == "no"
        assert f"{mode} is not possible from a source of type {source_type} to Pendo." in found
    assert set(POSSIBLE) == {"web", "mobile", "server"}


@pytest.mark.parametrize("mode", MODES)
def test_needs_the_api_key(mode: str) -> None:
    needs = {codes(row[0])[0]: dict(zip(MODES, row[1:], strict=True)) for row in tables(PAGE)[3]}
    found = refusal("web", mode, api_key=False)
    assert (needs["apiKey"][mode] == "yes") == (f"{mode} needs the apiKey of the destination" in found)
    assert (needs["apiKey"][mode] == "no") == (found == "")


def test_quoted_refusals() -> None:
    first, second = blocks(PAGE, "")[0].splitlines()
    assert first in refusal("mobile", "device")
    assert second in refusal("web", "hybrid", api_key=False)


def test_webhook_is_cloud_only() -> None:
    assert "a webhook is cloud only" in PAGE
    assert [mode for mode in MODES if not refusal("web", mode, kind="webhook")] == ["cloud"]


@pytest.mark.parametrize("mode", MODES)
def test_auto(mode: Any) -> None:
    """What `anonymousVisitors: auto` means in each mode."""
    [table] = [rows for rows in tables(PAGE) if rows[0][1] in {"`prefix`", "`skip`"}]
    told = {codes(row[0])[0]: codes(row[1])[0] for row in table}
    assert told[mode] == pendo.parse({}).anonymous(mode)
