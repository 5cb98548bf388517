"""What is sent for an event: rules G, I, V, A, T and P."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sternpost.destinations.base import Known, Plan
from sternpost.destinations.pendo import PENDO
from sternpost.model import Membership, Person, Rejected, Secret, Skipped
from tests.destinations.pendo.events import (
    DAY,
    HOUR,
    INTEGRATION,
    NOW,
    SETTINGS,
    TRACK,
    body_of,
    call,
    codes,
    message,
    planned,
    settings,
    values,
)
from tests.destinations.pendo.json_strategies import JSON

U1 = {"userId": "u1"}
IN_G1 = Person("u1", (Membership("g1", NOW - HOUR, None, ""),))

# --- the three documented sample calls ----------------------------------------------------------------------------------


def headers(key):
    return {"x-pendo-integration-key": key, "content-type": "application/json"}


def test_sample_identify():
    plan = planned(
        "identify",
        {
            "userId": "name123",
            "traits": {
                "name": "Name Surname",
                "first_name": "Name",
                "last_name": "Surname",
                "email": "name@surname.com",
                "createdAt": "Thu Mar 24 2020 17:46:45 GMT+0000 (UTC)",
            },
        },
    )
    sent = call(plan)
    assert (sent.method, sent.url) == (
        "POST",
        "https://app.pendo.io/api/v1/metadata/visitor/agent/value?create=true",
    )
    assert sent.headers.items() >= headers(INTEGRATION).items()
    assert sent.body == (
        b'[{"visitorId":"name123","values":{"name":"Name Surname","first_name":"Name","last_name":"Surname",'
        b'"email":"name@surname.com","createdat":"2020-03-24T17:46:45.000Z"}}]'
    )
    assert plan.notes == ()


def test_sample_group():
    plan = planned(
        "group",
        {
            "userId": "name123",
            "groupId": "groupId",
            "traits": {"name": "Company", "industry": "Industry", "employees": 123, "email": "abc@xyz.com"},
        },
    )
    sent = call(plan)
    assert (sent.method, sent.url) == (
        "POST",
        "https://app.pendo.io/api/v1/metadata/account/agent/value?create=true",
    )
    assert sent.headers.items() >= headers(INTEGRATION).items()
    assert sent.body == (
        b'[{"accountId":"groupId","values":{"name":"Company","industry":"Industry","employees":123,"email":"abc@xyz.com"}}]'
    )
    assert plan.detail == "account metadata written; name123 will be attached to groupId by the next event"


def test_sample_track():
    plan = planned(
        "track",
        {
            "userId": "name123",
            "event": "test track event",
            "properties": {"revenue": 30, "currency": "USD", "userId": "12345"},
        },
        person=Person("name123", (Membership("groupId", NOW - 1, None, ""),)),
    )
    sent = call(plan)
    assert (sent.method, sent.url) == ("POST", "https://data.pendo.io/data/track")
    assert sent.headers.items() >= headers(TRACK).items()
    assert sent.secret_headers == {"x-pendo-integration-key"}
    assert sent.body == (
        b'{"type":"track","event":"test track event","visitorId":"name123","accountId":"groupId","timestamp":1700000100000,'
        b'"properties":{"revenue":30,"currency":"USD","userId":"12345"},"context":{}}'
    )
    assert plan.notes == ()


# --- general ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("region", ["us", "us1", "eu", "jp", "au", "custom"])
def test_requests_go_to_the_region(region):
    hosts = {"api": "http://a:1", "data": "http://d:1", "content": "http://c:1"}
    chosen = settings(region=region, **({"hosts": hosts} if region == "custom" else {}))
    identify = planned("identify", U1 | {"traits": {"a": 1}}, chosen=chosen)
    track = planned("track", U1 | {"event": "e"}, chosen=chosen)
    assert call(identify, chosen).url.startswith(f"{chosen.hosts.api}/api/v1/metadata/visitor/")
    assert call(track, chosen).url == f"{chosen.hosts.data}/data/track"


def test_g2_channels():
    """Every type has one of the two declared channels."""
    for kind in ("identify", "group", "alias", "merge"):
        assert PENDO.channel(kind, SETTINGS) == "metadata"
    for kind in ("track", "page", "screen", "foo", ""):
        assert PENDO.channel(kind, SETTINGS) == "track"
    assert PENDO.spec.channels == ("metadata", "track")


def test_g3_gates_and_ids():
    assert {kind: PENDO.order(kind, SETTINGS) for kind in ("identify", "group", "track", "page", "screen", "alias", "merge", "")} == {
        "identify": "gate", "group": "gate", "track": "gated", "page": "gated", "screen": "gated", "alias": "", "merge": "", "": "",
    }  # fmt: skip
    assert planned("identify", U1 | {"traits": {"a": 1}}).parts[0].ids == ("visitor:u1",)
    assert planned("group", U1 | {"groupId": "g1", "traits": {"a": 1}}).parts[0].ids == ("account:g1",)
    assert planned("track", U1 | {"event": "e"}).parts[0].ids == ("visitor:u1",)


def test_g4_window():
    assert PENDO.spec.settle_s == 0.3


@pytest.mark.parametrize(
    ("kind", "body", "missing", "field"),
    [
        ("track", {"event": "e"}, "trackEventSecret", "trackEventSecret"),
        ("identify", {"traits": {"a": 1}}, "integrationKey", "integrationKey"),
        ("group", {"groupId": "g", "traits": {"a": 1}}, "integrationKey", "integrationKey"),
    ],
)
def test_g7_key_missing(kind, body, missing, field):
    skipped = planned(kind, U1 | body, chosen=settings(**{missing: None}))
    assert isinstance(skipped, Skipped)
    assert skipped.reason == "key_missing"
    assert field in skipped.detail


@pytest.mark.parametrize(
    ("kind", "body", "reason"),
    [
        ("track", {"userId": "u1"}, "event_name_missing"),
        ("track", {"event": "e"}, "anonymous"),
        ("page", {"userId": "u1"}, "page_off"),
        ("identify", {"userId": "u1"}, "nothing_to_write"),
        ("identify", {"userId": "::"}, "bad_id"),
        ("group", {"userId": "u1"}, "group_without_id"),
        ("group", {"userId": "u1", "groupId": "g"}, "nothing_to_write"),
        ("alias", {"userId": "u1", "previousId": "u0"}, "alias_unsupported"),
    ],
)
def test_g7_key_missing_comes_last(kind, body, reason):
    """Every other reason is named first: without a request no key is missed."""
    stopped = planned(kind, body, chosen=settings(integrationKey=None, trackEventSecret=None))
    assert stopped.reason == reason


# --- ids ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "visitor"), [("u1", "u1"), (" U1 ", "U1"), (456, "456"), ("007", "007"), ("é", "é")]
)
def test_i1_visitor_ids(sent, visitor):
    plan = planned("track", {"userId": sent, "event": "e"})
    assert body_of(plan)["visitorId"] == visitor
    assert ("id_trimmed" in codes(plan)) == (sent == " U1 ")


@pytest.mark.parametrize("sent", ["", "  ", None])
def test_i1_blank_is_no_user(sent):
    assert planned("track", {"userId": sent, "event": "e"}).reason == "anonymous"


@pytest.mark.parametrize(
    "sent",
    ["VISITOR-UNIQUE-ID", "ACCOUNT-UNIQUE-ID", " VISITOR-UNIQUE-ID", "::", True, False, {"id": 1}, ["u1"]],
)
@pytest.mark.parametrize("kind", ["track", "identify", "group"])
def test_i2_unusable_user_ids(sent, kind):
    body = {"userId": sent, "event": "e", "groupId": "g", "traits": {"a": 1}}
    rejected = planned(kind, body, user=json.dumps(sent) if not isinstance(sent, str) else sent.strip())
    assert isinstance(rejected, Rejected)
    assert rejected.reason == "bad_id"
    assert "userId" in rejected.detail


@pytest.mark.parametrize("sent", ["ACCOUNT-UNIQUE-ID", "::", True, {"id": 1}, ["g1"]])
@pytest.mark.parametrize("kind", ["track", "group"])
def test_i2_unusable_account_ids(sent, kind):
    assert planned(kind, U1 | {"event": "e", "groupId": sent, "traits": {"a": 1}}).reason == "bad_id"


def test_i2_a_rejected_group_call_puts_nobody_anywhere():
    person = Person(
        "u1", (Membership("g1", NOW - 9, None, ""), Membership("ACCOUNT-UNIQUE-ID", NOW - 5, None, ""))
    )
    assert body_of(planned("track", U1 | {"event": "e"}, person=person))["accountId"] == "g1"


@pytest.mark.parametrize(
    ("body", "account"),
    [
        ({"groupId": "own", "context": {"groupId": "ctx"}}, "own"),
        ({"groupId": 12}, "12"),
        ({"groupId": " ", "context": {"groupId": "ctx"}}, "ctx"),
        ({"context": {"groupId": "ctx"}}, "ctx"),
        ({"context": {"groupId": None}}, "g1"),
        ({"context": "x"}, "g1"),
        ({}, "g1"),
    ],
)
def test_i3_the_account_of_an_event(body, account):
    assert body_of(planned("track", U1 | {"event": "e"} | body, person=IN_G1))["accountId"] == account


def test_i3_a_group_call_later_than_the_event_does_not_count():
    """Switching accounts: the event belongs to the one of its time."""
    person = Person("u1", (Membership("g1", NOW - HOUR, None, ""), Membership("g2", NOW, None, "")))
    assert body_of(planned("track", U1 | {"event": "e"}, person=person, at=NOW - 1))["accountId"] == "g1"
    assert body_of(planned("track", U1 | {"event": "e"}, person=person, at=NOW))["accountId"] == "g2"


def test_i3_and_i4_without_an_account_there_is_no_key():
    plan = planned("track", U1 | {"event": "e", "anonymousId": "a1"})
    assert "accountId" not in body_of(plan)
    assert codes(plan) == ["no_account"]


PARENT = settings(parentAccountTrait="parent")


def test_i5_a_parent_as_text():
    plan = planned("group", U1 | {"groupId": "g1", "traits": {"parent": "p1", "a": 1}}, chosen=PARENT)
    assert json.loads(call(plan, PARENT).body) == [{"accountId": "p1::g1", "values": {"a": 1}}]
    assert plan.parts[0].ids == ("account:p1::g1",)
    assert "p1::g1" in plan.detail


@pytest.mark.parametrize("parent", [7, " 7 "])
def test_i5_a_parent_as_number_or_with_spaces(parent):
    plan = planned("group", U1 | {"groupId": "g1", "traits": {"parent": parent, "a": 1}}, chosen=PARENT)
    assert plan.parts[-1].ids == ("account:7::g1",)


def test_i5_a_parent_as_object_is_written_too():
    plan = planned(
        "group",
        U1 | {"groupId": "g1", "traits": {"parent": {"id": "p1", "Name": "P"}, "a": 1}},
        chosen=PARENT,
    )
    first, second = plan.parts
    assert first.ids == ("parentAccount:p1",)
    sent = PENDO.call([first], PARENT, 0.0)
    assert sent.url == "https://app.pendo.io/api/v1/metadata/parentAccount/agent/value?create=true"
    assert json.loads(sent.body) == [{"parentAccountId": "p1", "values": {"name": "P"}}]
    assert second.ids == ("account:p1::g1",)
    assert first.batch_key != second.batch_key
    assert plan.detail.startswith("parent account metadata and account metadata written")


@pytest.mark.parametrize(
    "parent", [True, {"name": "P"}, {"id": True}, ["p"], "::", "a::b", "ACCOUNT-UNIQUE-ID"]
)
def test_i5_an_unusable_parent(parent):
    body = U1 | {"groupId": "g1", "traits": {"parent": parent, "a": 1}}
    assert planned("group", body, chosen=PARENT).reason == "bad_id"


@pytest.mark.parametrize("traits", [{"a": 1}, {"a": 1, "parent": None}])
def test_i5_a_call_without_the_trait_keeps_the_known_parent(traits):
    person = Person("u1", group_parents={"g1": {"parent": "p1"}})
    plan = planned("group", U1 | {"groupId": "g1", "traits": traits}, person=person, chosen=PARENT)
    assert plan.parts[0].ids == ("account:p1::g1",)


@pytest.mark.parametrize(
    "person",
    [
        Person("u1", (Membership("g1", NOW - 1, None, "", {"parent": "p1"}),)),
        Person("u1", (Membership("g1", NOW - 1, None, ""),), {"g1": {"parent": "p1"}}),
    ],
)
def test_i5_events_carry_parent_and_child(person):
    assert (
        body_of(planned("track", U1 | {"event": "e"}, person=person, chosen=PARENT), PARENT)["accountId"]
        == "p1::g1"
    )
    assert body_of(planned("track", U1 | {"event": "e"}, person=person))["accountId"] == "g1"


@pytest.mark.parametrize("chosen", [SETTINGS, PARENT])
def test_i5_an_account_that_names_its_parent_itself(chosen):
    plan = planned("track", U1 | {"event": "e", "groupId": "p::c"}, chosen=chosen)
    assert body_of(plan, chosen)["accountId"] == "p::c"
    assert codes(plan) == ["account_parent_syntax"]


def test_i5_parent_traits_for_the_intake():
    assert (PENDO.parent_traits(SETTINGS), PENDO.parent_traits(PARENT)) == ((), ("parent",))


ANONYMOUS = {"anonymousId": "a1", "event": "e", "traits": {"a": 1}}
PAGES = {"pageEvents": "track", "screenEvents": "track"}


@pytest.mark.parametrize("kind", ["track", "page", "screen", "identify"])
@pytest.mark.parametrize(
    ("visitors", "mode", "outcome"),
    [
        ("skip", "cloud", "anonymous"),
        ("skip", "hybrid", "anonymous"),
        ("auto", "cloud", "anonymous"),
        ("auto", "hybrid", "_PENDO_T_a1"),
        ("auto", "device", "_PENDO_T_a1"),
        ("prefix", "cloud", "_PENDO_T_a1"),
        ("hold", "cloud", "anonymous"),
    ],
)
def test_i6_anonymous_visitors(kind, visitors, mode, outcome):
    chosen = settings(anonymousVisitors=visitors, **PAGES)
    plan = planned(kind, ANONYMOUS, chosen=chosen, mode=mode)
    if outcome == "anonymous":
        assert plan.reason == "anonymous"
        assert PENDO.holds(message(kind, ANONYMOUS), mode, chosen) == (
            6 * 86_400.0 if visitors == "hold" else None
        )
        return
    sent = body_of(plan, chosen)
    assert (sent[0] if kind == "identify" else sent)["visitorId"] == outcome
    assert PENDO.holds(message(kind, ANONYMOUS), mode, chosen) is None


@pytest.mark.parametrize(
    ("given_id", "visitor"),
    [
        ("_PENDO_T_xyz", "_PENDO_T_xyz"),
        ("u1", "_PENDO_T_a1"),
        ("_PENDO_T_", "_PENDO_T_a1"),
        (7, "_PENDO_T_a1"),
    ],
)
def test_i6_the_pages_own_anonymous_id(given_id, visitor):
    body = ANONYMOUS | {"integrations": {"Pendo": {"visitorId": given_id}}}
    chosen = settings(anonymousVisitors="prefix")
    assert body_of(planned("track", body, chosen=chosen), chosen)["visitorId"] == visitor


HOLD = settings(anonymousVisitors="hold", anonymousHoldDays=2, **PAGES)


def test_i7_held_events_take_the_user_of_their_link():
    """Their own time stays, and what that means is said."""
    plan = planned("track", ANONYMOUS, person=Person("u1"), chosen=HOLD, at=NOW - DAY)
    sent = body_of(plan, HOLD)
    assert (sent["visitorId"], sent["timestamp"]) == ("u1", NOW - DAY)
    assert "delayed_reprocess" in codes(plan)


def test_i7_expiry():
    assert planned("track", ANONYMOUS, chosen=HOLD, at=NOW - 2 * DAY - 1).reason == "anonymous_expired"
    assert planned("identify", ANONYMOUS, chosen=HOLD, at=NOW - 2 * DAY).reason == "anonymous"


@pytest.mark.parametrize(
    ("kind", "chosen", "waits"),
    [
        ("track", HOLD, 2 * 86_400.0),
        ("page", HOLD, 2 * 86_400.0),
        ("screen", HOLD, 2 * 86_400.0),
        ("identify", HOLD, 2 * 86_400.0),
        ("group", HOLD, None),
        ("alias", HOLD, None),
        ("merge", HOLD, None),
        ("page", settings(anonymousVisitors="hold"), None),
        ("screen", settings(anonymousVisitors="hold"), None),
    ],
)
def test_i7_what_waits(kind, chosen, waits):
    assert PENDO.holds(message(kind, ANONYMOUS), "cloud", chosen) == waits


@pytest.mark.parametrize(
    ("visitors", "words"),
    [("skip", "no user"), ("hold", "once identified"), ("prefix", "_PENDO_T_a1 will be attached to g1")],
)
def test_i7_an_anonymous_group_call_writes_its_account(visitors, words):
    chosen = settings(anonymousVisitors=visitors)
    plan = planned("group", {"anonymousId": "a1", "groupId": "g1", "traits": {"a": 1}}, chosen=chosen)
    assert values(plan, chosen) == {"a": 1}
    assert words in plan.detail


@pytest.mark.parametrize("kind", ["alias", "merge"])
@pytest.mark.parametrize(
    ("visitors", "linked", "reason"),
    [
        ("hold", True, "nothing_to_write"),
        ("hold", False, "alias_unsupported"),
        ("skip", True, "alias_unsupported"),
        ("prefix", True, "alias_unsupported"),
        ("auto", True, "alias_unsupported"),
    ],
)
def test_i8_alias(kind, visitors, linked, reason):
    skipped = planned(
        kind,
        {"userId": "u1", "previousId": "a1"},
        person=Person("u1", linked=linked),
        chosen=settings(anonymousVisitors=visitors),
    )
    assert skipped.reason == reason
    assert ("Link recorded" if linked and visitors == "hold" else "irreversible") in skipped.detail


# --- identify -----------------------------------------------------------------------------------------------------------


def test_v1_without_creating():
    chosen = settings(createMissing=False, metadataGroup="custom")
    plan = planned("identify", U1 | {"traits": {"a": 1}}, chosen=chosen)
    assert call(plan, chosen).url == "https://app.pendo.io/api/v1/metadata/visitor/custom/value"
    assert plan.parts[0].batch_key != planned("identify", U1 | {"traits": {"a": 1}}).parts[0].batch_key


def test_v2_traits_over_context_traits():
    body = U1 | {"context": {"traits": {"a": 1, "b": 1}}, "traits": {"b": 2, "c": 2}}
    assert values(planned("identify", body)) == {"a": 1, "b": 2, "c": 2}


def test_v2_only_identify_writes_the_visitor():
    body = U1 | {"context": {"traits": {"a": 1}}, "groupId": "g1", "event": "e"}
    assert planned("group", body).reason == "nothing_to_write"
    assert len(planned("track", body).parts) == 1


@pytest.mark.parametrize("traits", ["x", 5, [1], None])
def test_v2_traits_that_are_no_object(traits):
    skipped = planned("identify", U1 | {"traits": traits})
    assert skipped.reason == "nothing_to_write"
    assert codes(skipped) == ([] if traits is None else ["value_invalid"])


def test_v4_batches_merge_equal_ids_in_order():
    parts = [
        part
        for body in (
            {"userId": "u1", "traits": {"a": 1, "b": 1}},
            {"userId": "u2", "traits": {"a": 2}},
            {"userId": "u1", "traits": {"b": 3}},
        )
        for part in planned("identify", body).parts
    ]
    assert len({part.batch_key for part in parts}) == 1
    sent = PENDO.call(parts, SETTINGS, 0.0).body
    assert json.loads(sent) == [
        {"visitorId": "u1", "values": {"a": 1, "b": 3}},
        {"visitorId": "u2", "values": {"a": 2}},
    ]
    assert len(sent) <= sum(part.size_bytes for part in parts)


def test_v4_limits():
    batching = PENDO.batching("metadata", settings(metadataBatchMax=7))
    assert (batching.items_max, batching.bytes_max, batching.linger_s) == (7, 1_000_000, 0.5)
    assert PENDO.batching("track", SETTINGS).items_max == 1


def test_v5_nothing_left():
    skipped = planned("identify", U1 | {"traits": {"id": "other", "n": None}})
    assert skipped.reason == "nothing_to_write"
    assert codes(skipped) == ["trait_id_ignored", "null_dropped"]


def test_v6_schema_of_the_custom_group():
    custom = settings(metadataGroup="custom")
    assert PENDO.references("metadata", SETTINGS) == {}
    assert PENDO.references("track", custom) == {}
    calls = PENDO.references("metadata", custom)
    assert {name: sent.url for name, sent in calls.items()} == {
        "schema/visitor": "https://app.pendo.io/api/v1/metadata/schema/visitor",
        "schema/account": "https://app.pendo.io/api/v1/metadata/schema/account",
    }
    known = Known(
        NOW, references={"schema/visitor": {"plan": "string"}, "schema/account": {"size": "number"}}
    )
    plan = planned("identify", U1 | {"traits": {"plan": "p", "size": 1}}, chosen=custom, known=known)
    assert (values(plan, custom), codes(plan)) == ({"plan": "p"}, ["unknown_field"])
    plan = planned("group", U1 | {"groupId": "g", "traits": {"size": "1"}}, chosen=custom, known=known)
    assert (values(plan, custom), codes(plan)) == ({"size": 1}, ["value_converted"])
    assert values(planned("identify", U1 | {"traits": {"x": 1}}, chosen=custom), custom) == {"x": 1}


# --- group --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [None, "", " "])
def test_a3_group_without_id(sent):
    assert (
        planned("group", U1 | {"groupId": sent, "anonymousId": "a1", "traits": {"a": 1}}).reason
        == "group_without_id"
    )


def test_a4_no_trait():
    skipped = planned("group", U1 | {"groupId": "g1"})
    assert skipped.reason == "nothing_to_write"
    assert skipped.detail == "association recorded; u1 will be attached to g1 by the next event"


def test_a1_the_accounts_id_as_trait():
    assert codes(planned("group", U1 | {"groupId": "g1", "traits": {"id": "g1", "a": 1}})) == []
    assert codes(planned("group", U1 | {"groupId": "g1", "traits": {"id": "x", "a": 1}})) == [
        "trait_id_ignored"
    ]


# --- track --------------------------------------------------------------------------------------------------------------


def test_t1_members_are_in_order_and_always_there():
    assert list(body_of(planned("track", U1 | {"event": "e", "groupId": "g"}))) == [
        "type", "event", "visitorId", "accountId", "timestamp", "properties", "context",
    ]  # fmt: skip
    sent = body_of(planned("track", U1 | {"event": "e", "properties": None, "context": 5}))
    assert (sent["properties"], sent["context"]) == ({}, {})


@pytest.mark.parametrize(
    ("event", "sent"), [(" Order ", " Order "), (5, "5"), (1.5, "1.5"), (0, "0"), ("日本", "日本")]
)
def test_t2_names(event, sent):
    assert body_of(planned("track", U1 | {"event": event}))["event"] == sent


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (None, "event_name_missing"),
        ("", "event_name_missing"),
        (" \t", "event_name_missing"),
        (True, "event_name_not_text"),
        ({}, "event_name_not_text"),
        (["a"], "event_name_not_text"),
        (float("nan"), "event_name_not_text"),
    ],
)
def test_t2_what_is_no_name(event, reason):
    rejected = planned("track", U1 | {"event": event})
    assert isinstance(rejected, Rejected)
    assert rejected.reason == reason


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (NOW, []),
        (NOW - 15 * 60_000 + 20_000, []),
        (NOW - HOUR, ["delayed_reprocess"]),
        (NOW - 7 * DAY, ["delayed_reprocess"]),
        (NOW - 7 * DAY - 1, ["too_old"]),
        (NOW + DAY, []),
        (NOW + DAY + 1, ["timestamp_future"]),
    ],
)
def test_t3_times(at, expected):
    plan = planned("track", U1 | {"event": "e", "groupId": "g"}, at=at)
    assert body_of(plan)["timestamp"] == at
    assert codes(plan) == expected


CONTEXT = {"ip": "1.1.1.1", "userAgent": "UA", "page": {"url": "https://x/", "title": "T"}, "other": 1}


@pytest.mark.parametrize(
    ("source", "body", "context"),
    [
        (
            "web",
            {"context": CONTEXT},
            {"ip": "1.1.1.1", "userAgent": "UA", "url": "https://x/", "title": "T"},
        ),
        ("web", {}, {"ip": "9.9.9.9"}),
        ("mobile", {"request_ip": "8.8.8.8"}, {"ip": "8.8.8.8"}),
        ("server", {"request_ip": "8.8.8.8"}, {}),
        ("server", {"context": {"ip": "1.1.1.1"}}, {"ip": "1.1.1.1"}),
        ("server", {"context": {"userAgent": 5, "page": [], "ip": ""}}, {}),
        ("server", {"context": {"page": {"url": "", "title": None}}}, {}),
    ],
)
def test_t4_context(source, body, context):
    plan = planned("track", U1 | {"event": "e"} | body, source=source)
    assert body_of(plan)["context"] == context


@pytest.mark.parametrize("key", ["userId", "id", "accountId"])
def test_t5_properties_never_change_the_visitor(key):
    sent = body_of(planned("track", U1 | {"event": "e", "properties": {key: "x"}}, person=IN_G1))
    assert (sent["visitorId"], sent["accountId"], sent["properties"]) == ("u1", "g1", {key: "x"})


def test_t6_stamps():
    """Two events of one visitor in one millisecond have one stamp, whatever their names."""
    first, second = planned("track", U1 | {"event": "a"}), planned("track", U1 | {"event": "b"})
    assert first.parts[0].stamp == second.parts[0].stamp == f"u1|{NOW}|track"


def test_t7_properties_are_fitted():
    plan = planned(
        "track", U1 | {"event": "e", "groupId": "g", "properties": {"plan": "pro", "note": "x" * 600}}
    )
    assert len(json.dumps(body_of(plan)["properties"], separators=(",", ":"))) == 512
    assert [(note.code, note.detail) for note in plan.notes] == [("props_trimmed", "note 600→488")]


@pytest.mark.parametrize(
    ("kind", "off", "name"), [("page", "page_off", "Page Viewed"), ("screen", "screen_off", "Screen Viewed")]
)
def test_p1_pages_and_screens(kind, off, name):
    body = U1 | {
        "name": "Home",
        "category": "Docs",
        "groupId": "g",
        "properties": {"url": "u", "name": "Home"},
    }
    assert planned(kind, body).reason == off
    chosen = settings(**PAGES)
    plan = planned(kind, body, chosen=chosen)
    sent = body_of(plan, chosen)
    assert sent["event"] == name
    assert list(sent["properties"].items()) == [("name", "Home"), ("category", "Docs"), ("url", "u")]
    assert codes(plan) == []
    assert body_of(planned(kind, U1, chosen=chosen), chosen)["properties"] == {}


def test_p1_the_names_of_the_call_win():
    chosen = settings(**PAGES)
    plan = planned(
        "page", U1 | {"name": "Home", "groupId": "g", "properties": {"name": "Other"}}, chosen=chosen
    )
    assert body_of(plan, chosen)["properties"] == {"name": "Home"}
    assert codes(plan) == ["key_collision"]


# --- what cannot be sent ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("track", {"event": "\ud800"}),
        ("track", {"event": "e", "properties": {"a": "\udfff"}}),
        ("track", {"event": "e", "properties": {"a": ["\udfff", {}]}}),
        ("track", {"event": "e", "properties": {"a": "\udfff" * 1000}}),
        ("track", {"event": "e", "context": {"userAgent": "\ud800"}}),
        ("identify", {"traits": {"a": "\ud800"}}),
        ("group", {"groupId": "g", "traits": {"a": ["\ud800"]}}),
    ],
)
def test_half_a_surrogate_pair_is_rejected(kind, body):
    assert planned(kind, U1 | body).reason == "encoding_impossible"


def test_too_large():
    assert planned("track", U1 | {"event": "e" * 1_000_001}).reason == "too_large_to_send"
    assert (
        planned("identify", U1 | {"traits": {f"t{n}": "x" * 1000 for n in range(1100)}}).reason
        == "too_large_to_send"
    )


def test_notes_are_bounded():
    plan = planned("track", U1 | {"event": "e", "properties": dict.fromkeys(map(str, range(500)))})
    assert len(plan.notes) == 100
    assert "more remarks" in plan.notes[-1].detail


@pytest.mark.parametrize(
    ("kind", "body", "known_id"),
    [
        ("identify", {"traits": {"a": 1}}, "visitor:u1"),
        ("track", {"event": "e"}, "visitor:u1"),
        ("group", {"groupId": "g1", "traits": {"a": 1}}, "account:g1"),
    ],
)
def test_451_is_remembered(kind, body, known_id):
    known = Known(NOW, skip_ids={known_id: NOW / 1000 + 1})
    assert planned(kind, U1 | body, known=known).reason == "do_not_process"
    assert isinstance(planned(kind, U1 | body, known=Known(NOW + 2000, skip_ids=known.skip_ids)), Plan)


def test_an_unsupported_type_has_an_answer_too():
    assert planned("foo", U1).reason == "type_not_supported"


@given(
    kind=st.sampled_from(["track", "page", "screen", "identify", "group", "alias", "merge", "foo"]),
    body=st.dictionaries(
        st.sampled_from(
            ["userId", "groupId", "event", "traits", "properties", "context", "integrations", "name"]
        ),
        JSON,
        max_size=8,
    ),
    group=st.sampled_from(["agent", "custom"]),
    visitors=st.sampled_from(["skip", "prefix", "hold"]),
    parent=st.sampled_from([None, "a", "id"]),
)
def test_any_event_is_planned(kind, body, group, visitors, parent):
    """Property: no exception; every request is JSON, and its parts say at least how large it is."""
    chosen = settings(metadataGroup=group, anonymousVisitors=visitors, parentAccountTrait=parent, **PAGES)
    user = body.get("userId")
    result = planned(
        kind, body, chosen=chosen, user=user.strip() if isinstance(user, str) else "u1", anonymous="a1"
    )
    if not isinstance(result, Plan):
        assert isinstance(result, Skipped | Rejected)
        return
    assert len(result.notes) <= 100
    for part in result.parts:
        sent = PENDO.call([part], chosen, 0.0)
        decoded = json.loads(sent.body)
        assert isinstance(decoded, list if part.batch_key else dict)
        assert len(sent.body) <= part.size_bytes


def test_no_secret_is_in_a_body_or_url():
    chosen = settings(integrationKey=Secret("topsecret-1"), trackEventSecret=Secret("topsecret-2"))
    for kind, body in (("identify", {"traits": {"a": 1}}), ("track", {"event": "e"})):
        sent = call(planned(kind, U1 | body, chosen=chosen), chosen)
        assert "topsecret" not in sent.url + sent.body.decode()
        assert [name for name, value in sent.headers.items() if "topsecret" in value] == list(
            sent.secret_headers
        )
