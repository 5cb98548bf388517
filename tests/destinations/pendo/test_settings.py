"""Settings of the Pendo destination: regions, hosts, keys, choices."""

import pytest

from sternpost.destinations.pendo import PENDO
from sternpost.destinations.pendo.regions import other_region, suffix_of
from sternpost.model import Secret
from tests.destinations.pendo.events import settings

HOSTS = {"api": "http://127.0.0.1:8090", "data": "http://127.0.0.1:8091/", "content": "http://127.0.0.1:8092"}


@pytest.mark.parametrize(
    ("region", "api", "data", "content"),
    [
        ("us", "app.pendo.io", "data.pendo.io", "cdn.pendo.io"),
        ("us1", "us1.app.pendo.io", "us1.data.pendo.io", "us1.cdn.pendo.io"),
        ("eu", "app.eu.pendo.io", "data.eu.pendo.io", "cdn.eu.pendo.io"),
        ("jp", "app.jpn.pendo.io", "data.jpn.pendo.io", "cdn.jpn.pendo.io"),
        ("au", "app.au.pendo.io", "data.au.pendo.io", "cdn.au.pendo.io"),
    ],
)
def test_the_five_regions(region, api, data, content):
    hosts = PENDO.parse({"region": region}).hosts
    assert (hosts.api, hosts.data, hosts.content) == (
        f"https://{api}",
        f"https://{data}",
        f"https://{content}",
    )


def test_custom_hosts_lose_their_last_slash():
    hosts = PENDO.parse({"region": "custom", "hosts": HOSTS}).hosts
    assert (hosts.api, hosts.data, hosts.content) == (
        "http://127.0.0.1:8090",
        "http://127.0.0.1:8091",
        "http://127.0.0.1:8092",
    )


def test_the_content_host_defaults_to_the_data_host():
    hosts = PENDO.parse({"region": "custom", "hosts": {"api": "https://a.x", "data": "https://d.x"}}).hosts
    assert hosts.content == "https://d.x"


def test_jpn_is_understood_and_said():
    parsed = PENDO.parse({"region": "jpn"})
    assert parsed.region == "jp"
    assert any("jpn" in fact for fact in PENDO.facts(parsed))


def test_defaults_are_those_of_the_spec():
    """Fields and parser cannot drift apart."""
    parsed = PENDO.parse({})
    fields = {field.name: field.default for field in PENDO.spec.fields}
    assert parsed.region == fields["region"]
    assert parsed.anonymous_visitors == fields["anonymousVisitors"]
    assert parsed.anonymous_hold_days == fields["anonymousHoldDays"]
    assert parsed.create_missing == fields["createMissing"]
    assert parsed.metadata_group == fields["metadataGroup"]
    assert parsed.nested_traits == fields["nestedTraits"]
    assert parsed.metadata_batch_max == fields["metadataBatchMax"]
    assert parsed.page_load == fields["pageLoad"]
    assert (fields["pageEvents"], parsed.page_events) == ("off", False)
    assert (fields["screenEvents"], parsed.screen_events) == ("off", False)
    assert PENDO.parse({name: default for name, default in fields.items() if default is not None}) == parsed


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"region": "mars"}, "region"),
        ({"region": 1}, "region"),
        ({"region": "custom"}, "hosts"),
        ({"region": "custom", "hosts": {}}, "hosts"),
        ({"region": "custom", "hosts": {"api": "https://a.x"}}, "hosts.data"),
        ({"region": "custom", "hosts": HOSTS | {"api": "a.x"}}, "hosts.api"),
        ({"region": "custom", "hosts": HOSTS | {"api": "ftp://a.x"}}, "hosts.api"),
        ({"region": "custom", "hosts": HOSTS | {"api": "https://u:p@a.x"}}, "hosts.api"),
        ({"region": "custom", "hosts": HOSTS | {"api": "https://a.x:99999"}}, "hosts.api"),
        ({"region": "custom", "hosts": HOSTS | {"api": "https://a.x?b"}}, "hosts.api"),
        ({"region": "custom", "hosts": HOSTS | {"api": 5}}, "hosts.api"),
        ({"region": "custom", "hosts": HOSTS | {"cdn": "https://a.x"}}, "hosts"),
        ({"apiKey": "a/b"}, "apiKey"),
        ({"apiKey": "a" * 300}, "apiKey"),
        ({"integrationKey": Secret("a b")}, "integrationKey"),
        ({"trackEventSecret": Secret("a\nb")}, "trackEventSecret"),
        ({"trackEventSecret": 5}, "trackEventSecret"),
        ({"anonymousVisitors": "keep"}, "anonymousVisitors"),
        ({"anonymousHoldDays": 8}, "anonymousHoldDays"),
        ({"anonymousHoldDays": True}, "anonymousHoldDays"),
        ({"createMissing": "yes"}, "createMissing"),
        ({"metadataGroup": "auto"}, "metadataGroup"),
        ({"pageEvents": False}, "pageEvents"),
        ({"parentAccountTrait": 5}, "parentAccountTrait"),
        ({"agentOptions": []}, "agentOptions"),
        ({"metadataBatchMax": 0}, "metadataBatchMax"),
    ],
)
def test_what_cannot_be_is_refused_with_its_field(values, field):
    with pytest.raises(ValueError, match=f"^{field}: ."):
        PENDO.parse(values)


def test_a_refused_secret_is_not_shown():
    with pytest.raises(ValueError) as refused:
        PENDO.parse({"integrationKey": Secret("very secret")})
    assert "very" not in str(refused.value)


def test_secrets_lose_the_line_break_of_their_file_and_blank_means_none():
    parsed = settings(integrationKey=Secret("abc\n"), trackEventSecret=Secret(" "))
    assert parsed.integration_key == Secret("abc")
    assert parsed.track_event_secret is None
    assert "abc" not in repr(parsed)


@pytest.mark.parametrize(
    ("key", "region", "named"),
    [
        ("u.us", "us", None),
        ("u.eu", "us", "eu"),
        ("u.US", "eu", "us"),
        ("u.us", "us1", None),
        ("u.eu", "us1", "eu"),
        ("u.us", "jp", "us"),
        ("u.jp", "us", None),
        ("u", "us", None),
        ("u.eu", "custom", None),
    ],
)
def test_key_suffix_against_region(key, region, named):
    """Only .us and .eu are known."""
    assert other_region(key, region) == named


def test_suffix():
    assert [suffix_of(key) for key in ("a.b.EU", "a", "a.")] == ["eu", "", ""]


def test_every_field_says_where_it_is_found():
    fields = {field.name: field for field in PENDO.spec.fields}
    assert set(fields) == {
        "region", "apiKey", "integrationKey", "trackEventSecret", "hosts", "anonymousVisitors", "anonymousHoldDays",
        "createMissing", "metadataGroup", "nestedTraits", "pageEvents", "screenEvents", "parentAccountTrait",
        "agentOptions", "pageLoad", "metadataBatchMax",
    }  # fmt: skip
    for name in ("apiKey", "integrationKey", "trackEventSecret"):
        assert fields[name].where.startswith("In Pendo:")
    assert {name for name, field in fields.items() if field.kind == "secret"} == {
        "integrationKey",
        "trackEventSecret",
    }


def test_hosts_beside_a_region_are_ignored_with_a_hint():
    """The example of the workspace file has both; what is in force is said, not guessed."""
    settings = PENDO.parse({"region": "eu", "hosts": HOSTS})
    assert settings.hosts.api == "https://app.eu.pendo.io"
    assert any("ignored" in fact for fact in PENDO.facts(settings))
