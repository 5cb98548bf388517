"""Every destination declares itself completely, and its page in the documentation says so."""

import json
import re
import time
from pathlib import Path
from typing import get_args

import pytest

from sternpost.destinations.base import FieldKind
from sternpost.destinations.common import read_status
from sternpost.destinations.pendo import constants
from sternpost.destinations.registry import DESTINATIONS
from sternpost.destinations.webhook import signature
from sternpost.model import Blocked, Delivered, Rejected, Reply, Retry, Secret
from sternpost.notes import NOTES
from sternpost.reasons import REASONS

ROOT = Path(__file__).parent.parent.parent
CASES = json.loads((ROOT / "tests" / "data" / "pipeline.json").read_text())["cases"]
STATES = {Delivered: "delivered", Rejected: "rejected", Retry: "retrying", Blocked: "blocked"}
MINIMAL = {"pendo": {}, "webhook": {"url": "https://hooks.example.com/"}}

every = pytest.mark.parametrize("destination", DESTINATIONS.values(), ids=DESTINATIONS)


@every
def test_fields(destination):
    names = [field.name for field in destination.spec.fields]
    assert len(set(names)) == len(names)
    for field in destination.spec.fields:
        assert field.label
        assert field.help.endswith(".")
        assert field.kind in get_args(FieldKind)
        assert bool(field.choices) == (field.kind == "choice")
        assert set(field.aliases.values()) <= set(field.choices)


@every
def test_channels_and_modes(destination):
    chosen = destination.parse(MINIMAL[destination.spec.type])
    for kind in ("identify", "group", "track", "page", "screen", "alias", "merge", "", "foo"):
        assert destination.channel(kind, chosen) in destination.spec.channels
    assert destination.spec.modes.keys() == {"web", "mobile", "server"}
    for channel in destination.spec.channels:
        assert destination.batching(channel, chosen).items_max >= 1


@every
def test_the_page_names_every_field(destination):
    """Documentation under test: a setting is not there before it is described."""
    page = (ROOT / "docs" / destination.spec.docs).read_text()
    for field in destination.spec.fields:
        assert f"`{field.name}`" in page
    for name in ("ratePerSecond", "concurrency", "eventFiltering", "consent"):
        assert f"`{name}`" in page


def status_of(code):
    return STATES[type(read_status(Reply(code, {}, b"", 1)))]


@pytest.mark.parametrize(
    "case", [case for case in CASES if case["kind"] == "router_status"], ids=lambda case: case["id"]
)
def test_router_status(case):
    """What a status means to every destination (contract 6.8)."""
    assert status_of(case["input"]["statusCode"]) == case["expect"]["state"]


@pytest.mark.parametrize(
    "case", [case for case in CASES if case["kind"] == "router_any_non_terminal"], ids=lambda case: case["id"]
)
def test_router_any_non_terminal(case):
    assert ("retrying" in map(status_of, case["input"]["codes"])) == case["expect"]["retry"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"plain", "plain"),
        (b'{"message":"m","error":"e"}', "m"),
        (b'{"error":"e"}', "e"),
        (b'{"error":{"x":1}}', '{"error":{"x":1}}'),
        (b"{broken", "{broken"),
        (b"\xff\n\n x", "\ufffd x"),
    ],
)
def test_the_destinations_own_words(body, words):
    assert f'"{words}"' in read_status(Reply(400, {}, body, 1)).detail


def test_the_pendo_page_names_only_reasons_that_exist():
    """A code in the page is a code of the table, so that searching for it leads somewhere."""
    page = (ROOT / "docs" / "reference" / "pendo.md").read_text()
    fields = {field.name for field in DESTINATIONS["pendo"].spec.fields}
    found = set(re.findall(r"`([a-z]+(?:_[a-z0-9]+)+)`", page)) - {"address_city"}
    assert len(found) > 40
    assert found <= REASONS.keys() | NOTES.keys() | fields


def test_the_pendo_page_names_the_constants():
    page = (ROOT / "docs" / "reference" / "pendo.md").read_text()
    for name in (
        "TRACK_PROPS_MAX_BYTES", "TRACK_KEY_MAX", "EVENT_MAX_AGE_DAYS", "SAME_MS", "METADATA_BATCH_MAX", "METADATA_BATCH_MAX_BYTES",
        "METADATA_LINGER_MS", "METADATA_NULLS", "METADATA_STRING_MAX", "FLATTEN_DEPTH", "DNP_REMEMBER_H", "SETTLE_MS", "ID_KEYS",
    ):  # fmt: skip
        assert hasattr(constants, name)
        assert name in page


def test_the_webhook_pages_example_checks_a_signature():
    """The printed example runs."""
    page = (ROOT / "docs" / "reference" / "webhook.md").read_text()
    scope: dict = {}
    exec(re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0], scope)
    header = signature(b"{}", Secret("key"), int(time.time()))
    assert scope["genuine"](header, b"{}", "key")
    assert not scope["genuine"](header, b"{} ", "key")
    assert not scope["genuine"](signature(b"{}", Secret("key"), 1), b"{}", "key")
