"""Times in events: a lenient reader, the rule of the four time fields, and one way to write them (contract 6.2).

All times are integer unix milliseconds from year 1 to year 9999. A time without a zone is UTC. Nothing here knows what time it is.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import msgspec

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - formatting only, always UTC
MS_MIN = -62_135_596_800_000  #: 0001-01-01T00:00:00.000Z
MS_MAX = 253_402_300_799_999  #: 9999-12-31T23:59:59.999Z
SECONDS_CACHED_MAX = 4_096  #: seconds whose text is remembered, some 100 bytes each
TEXT_CHARS_MAX = 80  # JavaScript's longest Date text with a zone's name stays below

# Length of a text of digits → (its unit as a divisor to milliseconds is) numerator, denominator.
_UNIX = {10: (1000, 1), 13: (1, 1), 16: (1, 1000), 19: (1, 1_000_000)}

_CLOCK = r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?\s*(?P<half>[AaPp][Mm])?"
# A zone's name is read as UTC, as Go does with names it has no table for; a number beside it counts.
_ZONE = r"(?:\s*(?:[Zz]|[A-Za-z]{3,5})?\s*(?P<offset>[+-]\d{2}:?(?:\d{2})?)?\s*(?:[A-Za-z]{3,5})?\s*(?:\([^)]*\))?)"
_WEEKDAY = r"(?:[A-Za-z]{3,9},?\s+)?"
_MONTH = r"(?P<name>[A-Za-z]{3,9})\.?"
_FORMS = tuple(
    re.compile(form, re.ASCII)
    for form in (
        rf"(?P<year>\d{{4}})[-/.](?P<month>\d{{1,2}})[-/.](?P<day>\d{{1,2}})(?:(?:[Tt]|\s+){_CLOCK}{_ZONE})?",
        rf"(?P<month>\d{{1,2}})/(?P<day>\d{{1,2}})/(?P<year>\d{{4}})(?:,?\s+{_CLOCK}{_ZONE})?",
        rf"{_WEEKDAY}(?P<day>\d{{1,2}})[ -]{_MONTH},?[ -](?P<year>\d{{4}})(?:,?\s+{_CLOCK}{_ZONE})?",
        rf"{_WEEKDAY}{_MONTH}\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<year>\d{{4}})(?:,?\s+(?:at\s+)?{_CLOCK}{_ZONE})?",
        rf"{_WEEKDAY}{_MONTH}\s+(?P<day>\d{{1,2}})\s+{_CLOCK}(?:\s+[A-Za-z]{{3,5}}|\s+(?P<offset>[+-]\d{{4}}))?\s+(?P<year>\d{{4}})",
    )
)
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), start=1
    )
}


class Times(msgspec.Struct, frozen=True, gc=False):
    """The four times of an event after rule 6.2, in unix milliseconds."""

    timestamp: int  #: when it happened, corrected by the client clock's error
    original: int  #: when it happened by the client's own clock
    sent: int  #: when the client sent it, by its own clock
    received: int  #: when it came in, by ours


def parse_ms(text: object) -> int | None:
    """Unix milliseconds of a time as text; None when it is no text or cannot be read.

    Reads RFC 3339 and its relatives (`2000-01-02 01:23`), RFC 1123, JavaScript's `Date` texts, `1/31/2026` (month first), and unix
    times of 10 (seconds), 13, 16 or 19 digits. Numbers that are not texts do not count (contract 6.2).
    """
    if not isinstance(text, str):
        return None
    if len(text) > TEXT_CHARS_MAX or not text.isascii():
        return None
    text = text.strip()
    if not text.isdigit():  # fromisoformat reads some unix times as dates
        try:
            return _ms(datetime.fromisoformat(text))
        except (ValueError, OverflowError):
            return _parse_other(text)
    return _parse_digits(text)


def time_fields(*, timestamp: object, original: object, sent: object, received_ms: int) -> Times:
    """The four times from the three fields as sent and the time of receipt (contract 6.2).

    A readable timestamp is taken as it is. Else it is the time of receipt less what passed, by the client's clock, between the
    event and its sending; so a client clock that is wrong does not matter. The result stays within year 1 and 9999.
    """
    original_ms = parse_ms(original)
    sent_ms = parse_ms(sent)
    timestamp_ms = parse_ms(timestamp)
    return Times(
        timestamp=corrected(original_ms, sent_ms, received_ms) if timestamp_ms is None else timestamp_ms,
        original=received_ms if original_ms is None else original_ms,
        sent=received_ms if sent_ms is None else sent_ms,
        received=received_ms,
    )


def corrected(original_ms: int | None, sent_ms: int | None, received_ms: int) -> int:
    """When an event happened by our clock: the time of receipt less what passed on the client's (contract 6.2)."""
    age_ms = (received_ms if sent_ms is None else sent_ms) - (
        received_ms if original_ms is None else original_ms
    )
    return min(max(received_ms - age_ms, MS_MIN), MS_MAX)


def rfc3339(ms: int) -> str:
    """RFC 3339 with three decimals in UTC; what lies outside year 1 to 9999 becomes the nearest time inside."""
    second, part = divmod(min(max(ms, MS_MIN), MS_MAX), 1000)
    return f"{_second_text(second)}.{part:03d}Z"


@lru_cache(maxsize=SECONDS_CACHED_MAX)
def _second_text(second: int) -> str:
    # The times of what is delivered now lie close together.
    return (_NAIVE_EPOCH + timedelta(seconds=second)).isoformat(timespec="seconds")


def _ms(moment: datetime) -> int | None:
    since = (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)) - _EPOCH
    ms = since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000
    # A zone can push the first and the last day over the edge, where rfc3339 could not write it.
    return ms if MS_MIN <= ms <= MS_MAX else None


def _parse_digits(text: str) -> int | None:
    if len(text) in _UNIX:
        numerator, denominator = _UNIX[len(text)]
        ms = int(text) * numerator // denominator
        return ms if ms <= MS_MAX else None
    form = {4: "%Y", 8: "%Y%m%d", 14: "%Y%m%d%H%M%S"}.get(len(text))
    if form is None:
        return None
    try:
        return _ms(datetime.strptime(text, form).replace(tzinfo=UTC))
    except ValueError:
        return None


def _parse_other(text: str) -> int | None:
    for form in _FORMS:
        found = form.fullmatch(text)
        if found is None:
            continue
        part = found.groupdict()
        month = (
            int(part["month"]) if part.get("month") else _MONTHS.get((part.get("name") or "")[:3].lower(), 0)
        )
        hour = int(part["hour"] or 0)
        if part["half"]:
            if not 1 <= hour <= 12:
                return None
            hour = hour % 12 + (12 if part["half"] in ("PM", "pm", "Pm", "pM") else 0)
        try:
            moment = datetime(
                int(part["year"]),
                month,
                int(part["day"]),
                hour,
                int(part["minute"] or 0),
                int(part["second"] or 0),
                int((part["fraction"] or "0").ljust(6, "0")[:6]),
                tzinfo=UTC,
            )
        except ValueError:
            return None
        ms = _ms(moment)
        if ms is not None and part["offset"]:
            sign = 1 if part["offset"][0] == "-" else -1
            digits = part["offset"][1:].replace(":", "").ljust(4, "0")
            ms += sign * (int(digits[:2]) * 60 + int(digits[2:])) * 60_000
        return ms if ms is not None and MS_MIN <= ms <= MS_MAX else None
    return None
