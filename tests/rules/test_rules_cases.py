"""The cases of the data plane contract that concern rules, as data: `tests/data/pipeline.json`."""

import json
from pathlib import Path

import pytest

from sternpost.model import Consent, EventFiltering, Rejected
from sternpost.rules import is_bot
from sternpost.rules.consent import consent_info, refused
from sternpost.rules.integrations import excluded
from sternpost.rules.modes import left_to_browser
from sternpost.rules.names import blocked_at_source, name_filtered
from sternpost.rules.types import type_refused

CASES = json.loads((Path(__file__).parent.parent / "data" / "pipeline.json").read_text())["cases"]


def cases(kind):
    found = [
        pytest.param(case["input"], case["expect"], id=case["id"]) for case in CASES if case["kind"] == kind
    ]
    assert found, f"no case of kind {kind}"
    return pytest.mark.parametrize(("given", "expect"), found)


@cases("integrations_object")
def test_integrations_object(given, expect):
    """Display names are matched exactly; `All` decides about the rest."""
    assert [
        name for name in sorted(given["destinations"]) if excluded(given["event"], name) is None
    ] == expect["deliverTo"]


@cases("consent_filter")
def test_consent_filter(given, expect):
    """Any refusal stops, or all of them, by the strategy that applies."""
    delivered = []
    for destination in given["destinations"]:
        entries = tuple(
            Consent(entry["provider"], entry.get("resolutionStrategy", ""), tuple(entry["consents"]))
            for entry in destination["consent"]
        )
        if refused(given["event"], entries) is None:
            delivered.append(destination["id"])
    assert delivered == expect["deliverTo"]


@cases("consent_event_info")
def test_consent_event_info(given, expect):
    """Malformed data count as none."""
    info = consent_info(given["event"])
    assert (info.provider, list(info.denied), info.resolution_strategy) == (
        expect["provider"],
        expect["deniedConsentIds"],
        expect["resolutionStrategy"],
    )


def stopped(event_type, destination):
    clean = event_type.strip().lower() if isinstance(event_type, str) else ""
    faulty = type_refused(clean, frozenset(destination["supportedTypes"]))
    if faulty is not None:
        return "rejected" if isinstance(faulty, Rejected) else "skipped"
    hybrid = frozenset(destination.get("hybridCloudTypes") or ())
    return "skipped" if left_to_browser(clean, destination["mode"], hybrid) else None


@cases("event_filter_hybrid")
def test_event_filter_hybrid(given, expect):
    """Device mode leaves everything to the page, hybrid what its list does not name."""
    assert (stopped(given["event"]["type"], given["destination"]) is None) == expect["deliver"]


@cases("event_filter_allow")
def test_event_filter_allow(given, expect):
    """A faulty type is rejected, one that is not for this destination is skipped."""
    assert stopped(given["event"]["type"], given["destination"]) == expect["state"]


@cases("event_filter_batch")
def test_event_filter_batch(given, expect):
    """The same for a list of events."""
    states = [stopped(event["message"]["type"], given["destination"]) for event in given["events"]]
    assert [index for index, state in enumerate(states) if state is None] == expect["passed"]
    assert [{"index": index, "state": state} for index, state in enumerate(states) if state] == [
        {"index": entry["index"], "state": entry["state"]} for entry in expect["stopped"]
    ]


@cases("event_blocking")
def test_event_blocking(given, expect):
    """Exactly the listed names of track events, never the empty one."""
    event = given["event"]
    blocked = blocked_at_source(event["type"], event, frozenset(given["eventBlocking"].get("track", ())))
    assert (blocked is not None) == expect["blocked"]


@cases("client_event_filter")
def test_client_event_filter(given, expect):
    """Allow and deny lists, track events only."""
    filtering = EventFiltering(given["eventFiltering"]["mode"], tuple(given["eventFiltering"]["events"]))
    denied = name_filtered(given["event"]["type"], given["event"], filtering)
    assert (denied is not None) == expect["denied"]


@cases("bot_user_agent")
def test_bot_user_agent(given, expect):
    assert is_bot(given["userAgent"]) == expect["isBot"]


@pytest.mark.parametrize("value", [None, 1, ["bot"], {"bot": 1}])
def test_a_user_agent_that_is_no_text_is_no_bot(value):
    assert not is_bot(value)


@pytest.mark.parametrize("value", ["ACME SPIDER/1", "my-Crawler"])
def test_bots_in_any_case(value):
    assert is_bot(value)
