"""`decide`: the order of the rules, and that each says which values decided."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sternpost.destinations.base import Spec
from sternpost.model import (
    Connection,
    Consent,
    DestinationConfig,
    Event,
    EventFiltering,
    Message,
    Rejected,
    Skipped,
    Source,
)
from sternpost.rules import decide
from sternpost.rules.consent import refused
from sternpost.rules.integrations import excluded

SPEC = Spec(
    "pendo", "Pendo", "", (), frozenset({"track", "identify"}), {"web": frozenset({"device", "cloud"})}
)
SOURCE = Source("web", "Web", "web", "wk", blocked_events=frozenset({"Noise"}))
DESTINATION = DestinationConfig(
    "pendo",
    "Pendo",
    "pendo",
    True,
    None,
    event_filtering=EventFiltering("deny", ("Debug",)),
    consent=(Consent("oneTrust", "and", ("C4",)),),
)
CLOUD, DEVICE = Connection("web", "pendo", "cloud"), Connection("web", "pendo", "device")
DENIED = {"consentManagement": {"provider": "oneTrust", "deniedConsentIds": ["C4"]}}


def message(type_="track", **body):
    return Message(Event("m", "web", type_, False, 1.0, "", b"{}"), body, "web")


def decided(event, source=SOURCE, destination=DESTINATION, connection=CLOUD):
    return decide(event, source, destination, connection, SPEC)


OFF = replace(DESTINATION, enabled=False)
EVERYTHING = {"event": "Noise", "integrations": {"Pendo": False}, "context": DENIED}
ORDER = [
    ("event_blocked", message(**EVERYTHING), SOURCE, OFF, None),
    ("not_connected", message(**EVERYTHING | {"event": "x"}), SOURCE, OFF, None),
    ("not_connected", message(**EVERYTHING), None, OFF, DEVICE),
    ("destination_disabled", message(**EVERYTHING | {"event": "x"}), SOURCE, OFF, DEVICE),
    ("filtered_by_integrations", message("foo", **EVERYTHING | {"event": "x"}), SOURCE, DESTINATION, DEVICE),
    ("filtered_by_consent", message("foo", event="x", context=DENIED), SOURCE, DESTINATION, DEVICE),
    ("event_type_missing", message("", event="x"), SOURCE, DESTINATION, DEVICE),
    ("type_not_supported", message("foo", event="x"), SOURCE, DESTINATION, DEVICE),
    ("sent_by_browser", message(event="Debug"), SOURCE, DESTINATION, DEVICE),
    ("filtered_by_deny_list", message(event=" Debug "), SOURCE, DESTINATION, CLOUD),
]


@pytest.mark.parametrize(("reason", "event", "source", "destination", "connection"), ORDER)
def test_the_order_of_the_rules(reason, event, source, destination, connection):
    """Each line also breaks every later rule, so the first one that applies is seen to win."""
    stopped = decided(event, source, destination, connection)
    assert stopped is not None
    assert stopped.reason == reason
    assert stopped.detail
    assert isinstance(stopped, Rejected if reason == "event_type_missing" else Skipped)


def test_nothing_stops_an_ordinary_event():
    assert decided(message(" TRACK ", event="Order")) is None


def test_hybrid_leaves_all_supported_types_to_the_server():
    assert decided(message(event="x"), connection=Connection("web", "pendo", "hybrid")) is None


@pytest.mark.parametrize(
    ("integrations", "words"),
    [
        ({"Pendo": False}, "Pendo: false"),
        ({"All": False}, "All: false"),
        ({"All": False, "PENDO": True}, "All: false"),
        ({"All": None}, "All: null"),
        ({"All": "yes", "Pendo": True}, "All: 'yes'"),
        (None, "null"),
        ([], "list"),
    ],
)
def test_integrations_say_what_decided(integrations, words):
    assert words in (excluded({"integrations": integrations}, "Pendo") or "")


@pytest.mark.parametrize("integrations", [{"Pendo": 0}, {"Pendo": {}}])
def test_other_spellings_and_values_do_not_exclude(integrations):
    """Contract 6.3 over the wording of G7: case matters."""
    assert excluded({"integrations": integrations}, "Pendo") is None


def test_consent_without_a_provider_uses_the_first_known_entry_and_its_strategy():
    """BETTER rule of contract 6.6."""
    body = {"context": {"consentManagement": {"resolutionStrategy": "and", "deniedConsentIds": ["a"]}}}
    ketch, trust = Consent("ketch", "or", ("a", "b")), Consent("oneTrust", "and", ("a", "b"))
    assert refused(body, (Consent("custom", "and", ("a",)), ketch, trust)) is None
    assert "oneTrust" in (refused(body, (trust, ketch)) or "")
    assert refused(body, (Consent("custom", "and", ("a",)),)) is None


def test_consent_of_provider_custom_uses_the_destinations_strategy():
    body = {
        "context": {
            "consentManagement": {
                "provider": "custom",
                "resolutionStrategy": "and",
                "deniedConsentIds": ["a"],
            }
        }
    }
    assert refused(body, (Consent("custom", "or", ("a", "b")),)) is None
    assert refused(body, (Consent("custom", "", ("a", "b")),)) is not None


def test_consent_names_provider_strategy_and_refusals():
    said = refused({"context": DENIED}, (Consent("oneTrust", "", ("C4", "C5")),)) or ""
    assert all(word in said for word in ("oneTrust", "and", "C4"))


def test_a_refusal_beside_a_malformed_one_counts():
    body = {"context": {"consentManagement": {"provider": "oneTrust", "deniedConsentIds": ["C4", 7, ""]}}}
    assert refused(body, (Consent("oneTrust", "", ("C4",)),)) is not None


@pytest.mark.parametrize(
    ("mode", "events", "event", "reason"),
    [
        ("allow", ("A",), {"event": "A "}, None),
        ("allow", (" A ",), {"event": "A"}, None),
        ("allow", ("A",), {}, "filtered_by_allow_list"),
        ("allow", ("A",), {"event": {"a": 1}}, "filtered_by_allow_list"),
        ("allow", ("",), {"event": ""}, "filtered_by_allow_list"),
        ("allow", ("5",), {"event": 5}, None),
        ("deny", ("5",), {"event": 5}, "filtered_by_deny_list"),
        ("deny", ("A",), {"event": None}, None),
        ("deny", ("", " "), {"event": " "}, None),
        ("off", ("A",), {"event": "A"}, None),
    ],
)
def test_event_filtering(mode, events, event, reason):
    destination = replace(DESTINATION, event_filtering=EventFiltering(mode, events))
    stopped = decided(message(**event), destination=destination)
    assert (stopped.reason if stopped else None) == reason


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["All", "Pendo", "provider", "deniedConsentIds", "consentManagement", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(integrations=JSON, context=JSON, event=JSON, type_=st.sampled_from(["track", "identify", "foo", ""]))
def test_no_json_makes_a_rule_raise(integrations, context, event, type_):
    """Property: hostile shapes are decided, never raised."""
    body = {"integrations": integrations, "context": context, "event": event}
    for mode in ("allow", "deny"):
        destination = replace(DESTINATION, event_filtering=EventFiltering(mode, ("a",)))
        decided(message(type_, **body), destination=destination)


@pytest.mark.parametrize("name", ["PENDO", "pendo"])
def test_other_spellings_exclude_and_never_include(name):
    """Rule G7: `PENDO: false` is meant; 6.3: only the display name includes."""
    names = ("PENDO", "pendo")
    assert excluded({"integrations": {name: False}}, "Pendo", names) == f"integrations says {name}: false."
    assert excluded({"integrations": {name: False, "Pendo": True}}, "Pendo", names) is None
    assert "All: false" in (excluded({"integrations": {"All": False, name: True}}, "Pendo", names) or "")
