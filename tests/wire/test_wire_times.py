"""Times: the contract's cases, the lenient reader, and its bounds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sternpost.wire.times import MS_MAX, MS_MIN, parse_ms, rfc3339, time_fields

CASES = [
    case
    for case in json.loads(
        (Path(__file__).parent.parent / "data" / "pipeline.json").read_text(encoding="utf-8")
    )["cases"]
    if case["kind"] == "timestamp"
]


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_case(case: dict[str, Any]) -> None:
    """The four time fields of the contract's cases."""
    event, received = case["input"]["event"], parse_ms(case["input"]["receivedAt"])
    assert received is not None
    times = time_fields(
        timestamp=event.get("timestamp"),
        original=event.get("originalTimestamp"),
        sent=event.get("sentAt"),
        received_ms=received,
    )
    assert case["expect"] == {
        "timestamp": rfc3339(times.timestamp),
        "originalTimestamp": rfc3339(times.original),
        "sentAt": rfc3339(times.sent),
        "receivedAt": rfc3339(times.received),
    }


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("2026-11-23T21:48:31.588Z", "2026-11-23T21:48:31.588Z"),
        ("2026-11-23T21:48:31.588123456Z", "2026-11-23T21:48:31.588Z"),
        ("2026-11-23t21:48:31z", "2026-11-23T21:48:31.000Z"),
        ("2026-11-23T21:48:31+05:30", "2026-11-23T16:18:31.000Z"),
        ("2026-11-23T21:48:31-0800", "2026-11-24T05:48:31.000Z"),
        ("2026-11-23 21:48:31 +0200 CEST", "2026-11-23T19:48:31.000Z"),
        ("2026-11-23 21:48:31 UTC", "2026-11-23T21:48:31.000Z"),
        ("2000-01-02 01:23", "2000-01-02T01:23:00.000Z"),
        ("2000-01-02", "2000-01-02T00:00:00.000Z"),
        ("2000-1-2 3:04", "2000-01-02T03:04:00.000Z"),
        ("2000/01/02 03:04:05", "2000-01-02T03:04:05.000Z"),
        (" 2000-01-02 ", "2000-01-02T00:00:00.000Z"),
        ("1/31/2026", "2026-01-31T00:00:00.000Z"),
        ("1/31/2026 4:05 PM", "2026-01-31T16:05:00.000Z"),
        ("1/31/2026 12:05 am", "2026-01-31T00:05:00.000Z"),
        ("May 8, 2009 5:57:51 PM", "2009-05-08T17:57:51.000Z"),
        ("12 Feb 2006, 19:17", "2006-02-12T19:17:00.000Z"),
        ("Thu, 24 Mar 2016 17:46:45 GMT", "2016-03-24T17:46:45.000Z"),
        ("Thu Mar 24 2016 17:46:45 GMT+0100 (Central European Time)", "2016-03-24T16:46:45.000Z"),
        ("Mon Jan  2 15:04:05 2006", "2006-01-02T15:04:05.000Z"),
        ("Mon Jan 2 15:04:05 MST 2006", "2006-01-02T15:04:05.000Z"),
        ("1700000000", "2023-11-14T22:13:20.000Z"),
        ("1700000000123", "2023-11-14T22:13:20.123Z"),
        ("1700000000123456", "2023-11-14T22:13:20.123Z"),
        ("1700000000123456789", "2023-11-14T22:13:20.123Z"),
        ("20140601", "2014-06-01T00:00:00.000Z"),
        ("20140601120000", "2014-06-01T12:00:00.000Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"),
        ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
        ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"),
    ],
)
def test_what_can_be_read(text: str, read: str) -> None:
    """Many ways to write a time; without a zone it is UTC, with two numbers and slashes the month is first."""
    ms = parse_ms(text)
    assert ms is not None
    assert rfc3339(ms) == read


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "2026-13-01",
        "2026-02-30T00:00:00Z",
        "31/1/2026",
        "2026-01-01T25:00:00Z",
        "1/1/2026 13:00 PM",
        "12",
        "99999999999999999999",
        "9" * 19,
        "٢٠٢٦-01-01",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "x" * 1_000_000,
        1_700_000_000,
        1.5,
        None,
        True,
        {},
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_cannot_be_read(text: Any) -> None:
    """Is no time; numbers count as missing, and nothing falls out of year 1 to 9999 (except what parses inside)."""
    ms = parse_ms(text)
    assert ms is None or MS_MIN <= ms <= MS_MAX
    if text != "9" * 19:
        assert ms is None


@given(st.text(max_size=100) | st.from_regex(r"[0-9TtZz:+\-/. ,a-zA-Z]{0,60}", fullmatch=True))
def test_any_text_is_read_or_not(text: str) -> None:
    """No text raises; what is read can be written and read again as the same time."""
    ms = parse_ms(text)
    assert ms is None or parse_ms(rfc3339(ms)) == ms


@given(st.integers(MS_MIN, MS_MAX))
def test_times_survive_writing(ms: int) -> None:
    """Every millisecond of year 1 to 9999."""
    assert parse_ms(rfc3339(ms)) == ms


@given(st.integers() | st.none(), st.integers() | st.none())
def test_the_corrected_time_stays_in_range(original: int | None, sent: int | None) -> None:
    """However far apart the client's times are."""
    times = time_fields(
        timestamp=None,
        original=None if original is None else rfc3339(original),
        sent=None if sent is None else rfc3339(sent),
        received_ms=1_790_000_000_000,
    )
    assert MS_MIN <= times.timestamp <= MS_MAX
    assert len(rfc3339(times.timestamp)) == 24
    assert rfc3339(10**20) == "9999-12-31T23:59:59.999Z"
