"""What Pendo's answers mean: every row of the outcome table, for a batch of metadata and for a track event."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sternpost.destinations.pendo import PENDO
from sternpost.model import (
    Blocked,
    Delivered,
    Rejected,
    Reply,
    Retry,
    Secret,
    Skipped,
    Split,
)
from tests.destinations.pendo.events import SETTINGS, planned, reply, settings
from tests.destinations.pendo.json_strategies import JSON


def items(*ids):
    return [planned("identify", {"userId": name, "traits": {"a": 1}}).parts[0] for name in ids]


BATCH = items("u1", "u2", "u3")
ONE = items("u1")
TRACK = list(planned("track", {"userId": "u1", "event": "e"}).parts)
FINE = {"total": 3, "updated": 3, "failed": 0}


def read(answer, parts, chosen=SETTINGS):
    return PENDO.read(answer, parts, chosen)


def reasons(outcomes):
    return [getattr(outcome, "reason", "delivered") for outcome in outcomes]


def same(outcomes, parts):
    """All parts share one outcome."""
    assert len(outcomes) == len(parts)
    assert len(set(outcomes)) == 1
    return outcomes[0]


# --- one test per row -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 207])
@pytest.mark.parametrize("parts", [BATCH, ONE])
def test_2xx_metadata(status, parts):
    assert reasons(read(reply(status, FINE), parts)) == ["delivered"] * len(parts)


@pytest.mark.parametrize("status", [200, 202, 204, 299])
@pytest.mark.parametrize("body", [b"", b"not json", b'{"failed":1}'])
def test_2xx_track(status, body):
    """Any 2xx, whatever the body says."""
    assert read(reply(status, body), TRACK) == (Delivered(),)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"5", b"{}", b'{"ok":true}', b"\xff", b"[" * 100_000]
)
@pytest.mark.parametrize("status", [200, 204])
def test_2xx_metadata_that_cannot_be_read(body, status):
    outcome = same(read(reply(status, body), BATCH), BATCH)
    assert isinstance(outcome, Retry)
    assert (outcome.reason, outcome.tries_max) == ("unexpected_reply", 3)


@pytest.mark.parametrize(
    ("create", "kind"), [(True, Rejected), (False, Skipped)], ids=["createMissing", "update only"]
)
def test_missing_ids(create, kind):
    outcomes = read(
        reply(200, {"total": 3, "updated": 2, "failed": 1, "missing": ["u2"]}),
        BATCH,
        settings(createMissing=create),
    )
    assert reasons(outcomes) == ["delivered", "missing_id", "delivered"]
    assert isinstance(outcomes[1], kind)
    assert "u2" in outcomes[1].detail


@pytest.mark.parametrize(
    ("error", "text"),
    [
        ("u2: wrong type", "u2: wrong type"),
        ({"id": "u2", "error": "wrong type"}, "wrong type"),
        ({"visitorId": "u2", "message": "wrong type"}, "wrong type"),
        ({"error": "u2: wrong type"}, "u2: wrong type"),
        ('visitor "u2" has a wrong type', 'visitor "u2" has a wrong type'),
    ],
)
def test_errors_with_an_owner(error, text):
    outcomes = read(reply(200, {"total": 3, "updated": 2, "failed": 1, "errors": [error]}), BATCH)
    assert reasons(outcomes) == ["delivered", "value_refused_by_pendo", "delivered"]
    assert outcomes[1].detail == text


def test_missing_and_errors_together():
    report = {"total": 3, "updated": 1, "failed": 2, "missing": ["u1"], "errors": ["u3: no"]}
    assert reasons(read(reply(200, report), BATCH)) == ["missing_id", "delivered", "value_refused_by_pendo"]


@pytest.mark.parametrize(
    "report",
    [
        {"failed": 2, "errors": ["u1: no"]},
        {"failed": 1},
        {"failed": 1, "errors": ["something is wrong"]},
        {"failed": 1, "errors": ["u1 or u2"]},
        {"failed": 1, "missing": ["somebody else"]},
        {"updated": 2, "errors": ["no owner"]},
        {"failed": True},
    ],
)
def test_failures_without_an_owner_split_the_batch(report):
    assert isinstance(read(reply(200, report), BATCH), Split)


@pytest.mark.parametrize(
    "report", [{"failed": 1}, {"failed": 1, "errors": ["bad value"]}, {"failed": 1, "errors": [{"x": 1}]}]
)
def test_one_item_owns_its_failure(report):
    outcome = read(reply(200, report), ONE)[0]
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "value_refused_by_pendo"
    assert outcome.detail


def test_an_id_with_colons_owns_its_error():
    parts = items("a", "a: b", "c")
    outcomes = read(reply(200, {"failed": 1, "errors": ["a: b: wrong"]}), parts)
    assert reasons(outcomes) == ["delivered", "value_refused_by_pendo", "delivered"]


def test_ids_that_came_as_numbers():
    parts = items("7", "8")
    assert reasons(read(reply(200, {"failed": 1, "missing": [7]}), parts)) == ["missing_id", "delivered"]


def test_events_of_one_visitor_share_its_outcome():
    """V4: each source event's fate points to the item. There is nothing to split."""
    parts = items("u1", "u1")
    assert reasons(read(reply(200, {"failed": 1, "missing": ["u1"]}), parts)) == ["missing_id"] * 2
    assert reasons(read(reply(200, {"failed": 1}), parts)) == ["value_refused_by_pendo"] * 2
    assert reasons(read(reply(400), parts)) == ["refused_by_destination"] * 2
    assert reasons(read(reply(451), parts)) == ["do_not_process"] * 2


@pytest.mark.parametrize("status", [300, 301, 302, 307, 308])
@pytest.mark.parametrize("parts", [BATCH, ONE, TRACK])
def test_3xx(status, parts):
    outcome = same(read(reply(status, location="https://elsewhere.example/"), parts), parts)
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "unexpected_redirect"
    assert "elsewhere" in outcome.detail
    assert "Check region or hosts" in outcome.detail


@pytest.mark.parametrize(("status", "reason"), [(400, "refused_by_destination"), (413, "too_large_there")])
def test_400_and_413(status, reason):
    assert isinstance(read(reply(status, b"too much"), BATCH), Split)
    for parts in (ONE, TRACK):
        outcome = read(reply(status, b"too much"), parts)[0]
        assert isinstance(outcome, Rejected)
        assert outcome.reason == reason
        assert "too much" in outcome.detail


@pytest.mark.parametrize("member", ["message", "error"])
def test_pendos_text_in_an_object(member):
    outcome = read(reply(400, {"code": 1, member: "timestamp must be an integer"}), TRACK)[0]
    assert outcome.detail == 'It answered 400: "timestamp must be an integer".'


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("parts", [BATCH, ONE, TRACK])
def test_401_and_403(status, parts):
    outcome = same(read(reply(status), parts), parts)
    assert isinstance(outcome, Blocked)
    assert outcome.reason == "key_refused"
    for words in ("wrong or was revoked", "another region than us", "exchanged"):
        assert words in outcome.detail
    assert ("without write access" in outcome.detail) == (parts is not TRACK)


@pytest.mark.parametrize("parts", [BATCH, TRACK])
def test_403_with_a_key_of_another_region(parts):
    chosen = settings(integrationKey=Secret("33333333-3333-4333-8333-333333333333.eu"))
    outcome = same(read(reply(403), parts, chosen), parts)
    assert outcome.reason == "region_differs"
    assert ".eu" in outcome.detail
    assert "333" not in outcome.detail


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (402, "refused_by_destination"),
        (404, "not_found_there"),
        (405, "refused_by_destination"),
        (410, "not_found_there"),
        (422, "refused_by_destination"),
        (499, "refused_by_destination"),
    ],
)
@pytest.mark.parametrize("parts", [BATCH, ONE, TRACK])
def test_other_4xx(status, reason, parts):
    outcome = same(read(reply(status, b"nope"), parts), parts)
    assert isinstance(outcome, Rejected)
    assert outcome.reason == reason
    assert str(status) in outcome.detail
    assert "nope" in outcome.detail


@pytest.mark.parametrize(
    ("status", "reason"),
    [(408, "timeout"), (409, "busy"), (429, "rate_limited"), (500, "server_error"), (502, "server_error"), (503, "server_error"), (504, "server_error"), (100, "server_error")],
)  # fmt: skip
@pytest.mark.parametrize("parts", [BATCH, ONE, TRACK])
def test_retrying(status, reason, parts):
    outcome = same(read(reply(status), parts), parts)
    assert isinstance(outcome, Retry)
    assert (outcome.reason, outcome.tries_max) == (reason, None)
    assert outcome.slow_channel == (status == 429)


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_in_both_forms(status):
    assert read(reply(status, retry_after="7"), TRACK)[0].after_s == 7.0
    dated = reply(status, retry_after="Tue, 14 Nov 2023 22:15:30 GMT", date="Tue, 14 Nov 2023 22:15:00 GMT")
    assert read(dated, TRACK)[0].after_s == 30.0


@pytest.mark.parametrize(
    "error", ["timeout", "connection_refused", "connection_lost", "name_not_found", "certificate_not_trusted"]
)
@pytest.mark.parametrize("parts", [BATCH, TRACK])
def test_no_answer(error, parts):
    outcome = same(read(Reply(None, {}, b"", 20_000, error, "why"), parts), parts)
    assert outcome == Retry(error, "why")


def test_451():
    assert isinstance(read(reply(451), BATCH), Split)
    for parts in (ONE, TRACK):
        outcome = read(reply(451), parts)[0]
        assert isinstance(outcome, Skipped)
        assert (outcome.reason, outcome.remember_s) == ("do_not_process", 86_400.0)


def test_no_parts():
    assert read(reply(200), []) == ()


@given(
    status=st.none() | st.integers(0, 999),
    body=st.binary(max_size=40)
    | st.builds(
        lambda **report: reply(200, report).body,
        total=JSON,
        failed=JSON | st.integers(0, 4),
        missing=JSON | st.lists(st.sampled_from(["u1", "u9", 1])),
        errors=JSON | st.lists(st.sampled_from(["u1: x", "x", "", ":", None])),
    ),
    headers=st.dictionaries(
        st.sampled_from(["retry-after", "date", "location"]), st.text(max_size=12), max_size=3
    ),
    parts=st.sampled_from([BATCH, ONE, TRACK, items("u1", "u1")]),
)
def test_any_answer_is_read(status, body, headers, parts):
    """Property: never an exception; one outcome per part, or Split for more than one item."""
    outcomes = read(Reply(status, headers, body, 1), parts)
    if isinstance(outcomes, Split):
        assert len({part.ids for part in parts}) > 1
    else:
        assert len(outcomes) == len(parts)


# --- probe, schema ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (reply(200, {"valid": True, "writeAccess": True}), None),
        (reply(200, {"valid": True, "writeAccess": False}), "key_cannot_write"),
        (reply(200, {"valid": True}), "key_cannot_write"),
        (reply(200, {"valid": False, "writeAccess": True}), "key_refused"),
        (reply(200, b"<html>"), "key_refused"),
        (reply(403), "key_refused"),
        (reply(503), "key_refused"),
        (Reply(None, {}, b"", 1, "timeout", ""), "key_refused"),
    ],
)
def test_probe(answer, reason):
    sent = PENDO.probe("metadata", SETTINGS)
    assert sent is not None
    assert (sent.method, sent.url) == ("GET", "https://app.pendo.io/api/v1/token/verify")
    blocked = PENDO.read_probe(answer, "metadata", SETTINGS)
    assert (blocked.reason if blocked else None) == reason


def test_track_is_probed_with_its_oldest_event():
    assert PENDO.probe("track", SETTINGS) is None
    assert PENDO.probe("metadata", settings(integrationKey=None)) is None


@pytest.mark.parametrize(
    ("answer", "fields"),
    [
        (reply(200, {"auto": {}, "custom": {"Plan": {"Type": "String"}, "n": {"type": "number"}, "x": 5}}), {"plan": "string", "n": "number", "x": ""}),
        (reply(200, {"auto": {}, "agent": {}}), {}),
        (reply(200, {"custom": []}), None),
        (reply(200, {"something": 1}), None),
        (reply(200, b"x"), None),
        (reply(500, {"custom": {}}), None),
        (Reply(None, {}, b"", 1, "timeout", ""), None),
    ],
)  # fmt: skip
def test_schema(answer, fields):
    assert PENDO.read_reference("schema/visitor", answer) == fields
