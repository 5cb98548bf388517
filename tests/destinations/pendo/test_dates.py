"""Dates in traits (C6)."""

import pytest

from sternpost.destinations.pendo.dates import as_date, is_date_key

DAY = "2020-03-24T17:46:45.000Z"


@pytest.mark.parametrize(
    ("value", "text", "note"),
    [
        ("Thu Mar 24 2020 17:46:45 GMT+0000 (UTC)", DAY, None),
        ("Tue Mar 24 2020 18:46:45 GMT+0100 (Central European Standard Time)", DAY, None),
        ("Tue, 24 Mar 2020 17:46:45 GMT", DAY, None),
        ("Tue, 24 Mar 2020 18:46:45 +0100", DAY, None),
        ("2020-03-24T19:46:45+02:00", DAY, None),
        ("2020-03-24T17:46:45Z", DAY, None),
        ("2020-03-24T17:46:45.000Z", DAY, None),
        ("2020-03-24T17:46:45.1239Z", "2020-03-24T17:46:45.123Z", None),
        (" 2020-03-24T17:46:45Z ", DAY, None),
        ("2020-03-24 17:46:45", DAY, "date_assumed_utc"),
        ("2020-03-24T17:46:45", DAY, "date_assumed_utc"),
        ("Mar 24 2020 17:46:45", DAY, "date_assumed_utc"),
        ("2020-03-24", "2020-03-24T00:00:00.000Z", None),
        (1585072005, DAY, None),
        ("1585072005", DAY, None),
        (1585072005.5, "2020-03-24T17:46:45.500Z", None),
        (1585072005000, DAY, None),
        ("1585072005000", DAY, None),
        (10**8, "1973-03-03T09:46:40.000Z", None),
        ("03/04/2020", None, "date_ambiguous"),
        ("3/4/20", None, "date_ambiguous"),
        ("24/03/2020", None, "date_unparsed"),
        ("soon", None, "date_unparsed"),
        ("", None, "date_unparsed"),
        ("Feb 30 2020", None, "date_unparsed"),
        ("2020-02-30", None, "date_unparsed"),
        ("2020-03-24T25:00:00Z", None, "date_unparsed"),
        ("0001-01-01T00:00:00+23:00", None, "date_unparsed"),
        ("9999-12-31T23:59:59-23:59", None, "date_unparsed"),
        ("2020-03-24T17:46:45+99:99", None, "date_unparsed"),
        ("²020-03-24", None, "date_unparsed"),
        (10**8 - 1, None, "date_unparsed"),
        (10**14, None, "date_unparsed"),
        (-1585072005, None, "date_unparsed"),
        (10**400, None, "date_unparsed"),
        (float("nan"), None, "date_unparsed"),
        (True, None, "date_unparsed"),
        ("x" * 5000, None, "date_unparsed"),
    ],
)
def test_every_row_of_the_table(value, text, note):
    dated = as_date(value)
    assert (dated.text, dated.note) == (text, note)


@pytest.mark.parametrize(
    "key",
    ["createdAt", "created_at", "birthday", "DOB", "member_since", "validUntil", "date", "startDatetime", "signup_timestamp",
     "HTTPDate", "user_createdAt", "created_at_", "Timestamp"],
)  # fmt: skip
def test_date_keys(key):
    assert is_date_key(key)


@pytest.mark.parametrize(
    "key", ["responseTime", "flat", "update", "candidate", "dateFormat", "atlas", "sincere", "", "_", "data"]
)
def test_other_keys(key):
    assert not is_date_key(key)
