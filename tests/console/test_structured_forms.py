"""Settings with a structure: rows and members in place of JSON, read back as they were, with what is wrong beside its input."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from sternpost.console import forms
from sternpost.control.routes.catalogue import entry
from sternpost.destinations.registry import DESTINATIONS
from tests.console.house import House
from tests.console.test_forms import PENDO, pendo

FIELDS = {field["name"]: field for kind in ("pendo", "webhook") for field in entry(DESTINATIONS[kind])["fields"]}  # fmt: skip
TEXTS = some.text(some.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=8)
PLAIN = some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False, allow_infinity=False) | some.text(max_size=8)  # fmt: skip
ANY = some.recursive(PLAIN, lambda inner: some.lists(inner, max_size=3) | some.dictionaries(TEXTS, inner, max_size=3), max_leaves=5)  # fmt: skip
SHAPES = {
    "agentOptions": some.dictionaries(TEXTS, ANY, max_size=4),
    "headers": some.dictionaries(TEXTS, TEXTS, max_size=4),
    "hosts": some.dictionaries(some.sampled_from(["api", "data", "content"]), TEXTS, min_size=1),
    "eventFiltering": some.fixed_dictionaries(
        {"mode": some.sampled_from(["off", "allow", "deny"]), "events": some.lists(TEXTS, max_size=4)}
    ),
    "consent": some.lists(
        some.fixed_dictionaries(
            {
                "provider": TEXTS,
                "resolutionStrategy": some.sampled_from(["and", "or"]),
                "consents": some.lists(TEXTS, max_size=3),
            }
        ),
        max_size=3,
    ),
}


def inputs(place: str, shown: Any, gap: int) -> dict[str, str]:
    """What a browser sends of a form that shows this; the rows numbered with gaps, as when some were emptied."""
    if isinstance(shown, str):
        return {f"s.{place}": shown}
    parts = shown.items() if isinstance(shown, dict) else ((gap * at, row) for at, row in enumerate(shown))
    return {name: text for key, part in parts for name, text in inputs(f"{place}.{key}", part, gap).items()}


@pytest.mark.parametrize("name", list(SHAPES))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(some.data())
def test_what_is_shown_is_read_back(name: str, data: some.DataObject) -> None:
    """A form that is sent as it was shown changes nothing, whatever stands in it."""
    field, value = FIELDS[name], data.draw(SHAPES[name])
    shown = forms.filled([field], {name: value})
    gap = data.draw(some.sampled_from([1, 3]))
    sent = {**inputs(name, shown[name], gap), f"s.{name}.99.name": "", f"s.{name}.99.value": " "}
    found = forms.submitted([field], sent, {})
    assert found.problems == {}
    assert found.settings[name] == (None if value == field["default"] else value)


async def saved(home: House) -> Any:
    return next(one for one in home.bench.holder.document["destinations"] if one["id"] == "pendo-live")


async def test_rows(home: House) -> None:
    """Consent in rows, options by name, filtering by lines: added, asked for more rows, corrected, saved."""
    home.bench.reply = pendo
    owner = await home.owner()
    page = await owner.get("/console/destinations/new/pendo")
    assert 'name="s.consent.0.provider"' in page
    assert 'name="s.agentOptions.0.name"' in page
    assert 'name="s.hosts.content"' in page
    form = {
        **PENDO,
        "s.eventFiltering.mode": "deny",
        "s.eventFiltering.events": "Debug\r\n\r\n Ping ",
        "s.agentOptions.0.name": "disableGuides",
        "s.agentOptions.0.value": "true",
        "s.agentOptions.4.name": "cookieDomain",
        "s.agentOptions.4.value": "example.com",
        "s.consent.1.provider": "oneTrust",
        "s.consent.1.resolutionStrategy": "or",
        "s.consent.1.consents": "C0002\nC0004",
    }
    # More rows: the same form, three blank ones below what stands there, nothing saved and nothing asked of Pendo.
    more = await owner.post("/console/destinations/new/pendo", **form, do="more.consent")
    owner.last = more.body.decode()
    assert more.status == 200
    assert re.findall(r'name="s\.consent\.(\d)\.provider" value="(\w*)"', owner.last) == [("0", "oneTrust"), ("1", ""), ("2", ""), ("3", "")]  # fmt: skip
    assert 'name="draft"' in owner.last
    assert "Nothing was saved" not in owner.last
    assert not home.bench.sent
    assert "pendo-live" not in home.bench.holder.current.destinations
    # What is wrong stands beside its input: of a row that the form reads, and of one that the workspace refuses.
    wrong = {**form, "s.agentOptions.5.name": "lonely", "s.consent.2.provider": "OneTrust", "s.consent.2.consents": "C1"}  # fmt: skip
    answer = await owner.post("/console/destinations/new/pendo", **wrong)
    owner.last = answer.body.decode()
    assert answer.status == 400
    assert 'id="e-agentOptions.2.value"' in owner.last
    assert 'href="#f-agentOptions.2.value">Agent options 3, value</a>' in owner.last
    assert 'id="e-consent.1.provider"' in owner.last
    assert "Write oneTrust." in owner.last
    assert 'aria-describedby="h-consent.1.provider e-consent.1.provider" aria-invalid="true"' in owner.last
    await owner.follow(await owner.post("/console/destinations/new/pendo", **form))
    settings = (await saved(home))["settings"]
    assert settings["eventFiltering"] == {"mode": "deny", "events": ["Debug", "Ping"]}
    assert settings["agentOptions"] == {"disableGuides": True, "cookieDomain": "example.com"}
    assert settings["consent"] == [
        {"provider": "oneTrust", "resolutionStrategy": "or", "consents": ["C0002", "C0004"]}
    ]
    # An emptied row is gone.
    page = await owner.get("/console/destinations/pendo-live/settings")
    etag = page.split('name="etag" value="')[1].split('"')[0].replace("&#34;", '"')
    form.update({"s.consent.1.provider": "", "s.consent.1.consents": "", "s.integrationKey": "", "s.trackEventSecret": "", "etag": etag})  # fmt: skip
    await owner.follow(await owner.post("/console/destinations/pendo-live/settings", **form))
    assert "consent" not in (await saved(home))["settings"]


async def test_a_header_that_is_refused(home: House) -> None:
    """A problem of a name leads to the row where that name stands; values stay hidden."""
    owner = await home.owner()
    await owner.get("/console/destinations/new/webhook")
    form = {
        "name": "Hook",
        "s.url": "https://hooks.example.com/",
        "s.headers.0.name": "X-Team",
        "s.headers.0.value": "a-secret-value",
        "s.headers.1.name": "X-Token",
        "s.headers.1.value": "Zürich",
    }
    answer = await owner.post("/console/destinations/new/webhook", **form)
    assert answer.status == 400
    page = answer.body.decode()
    assert 'id="e-headers.1.value"' in page
    assert "a-secret-value" not in page
    assert 'name="s.headers.0.value" value="••••"' in page
