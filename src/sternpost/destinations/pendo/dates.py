"""Dates in traits (rule C6): which keys are dates, and every accepted form as RFC 3339 in UTC with milliseconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import NamedTuple

from sternpost.notes import NoteCode

DATE_WORDS = frozenset({"at", "date", "datetime", "timestamp", "birthday", "dob", "since", "until"})
SECONDS_MIN, SECONDS_END, MILLISECONDS_END = 10**8, 10**11, 10**14

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), start=1
    )
}
_DATE_ENDINGS = tuple(DATE_WORDS)
_LAST_CASE_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_CLOCK = r"(?P<hour>\d{2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?"
_NUMBER = re.compile(r"\d{1,20}(?:\.\d{1,9})?", re.ASCII)
_ISO = re.compile(
    rf"(?P<year>\d{{4}})-(?P<month>\d{{2}})-(?P<day>\d{{2}})(?:[Tt ]{_CLOCK} ?(?P<zone>[Zz]|[+-]\d{{2}}:?\d{{2}})?)?",
    re.ASCII,
)
_OUTPUT = re.compile(r"\d{4}-\d{2}-\d{2}T(?:[01]\d|2[0-3]):\d{2}:\d{2}\.\d{3}Z", re.ASCII)
#: JavaScript's Date as text. The weekday is ignored: it may contradict the date.
_JAVASCRIPT = re.compile(
    rf"(?:[A-Za-z]{{3,9}},? )?(?P<name>[A-Za-z]{{3}}) (?P<day>\d{{1,2}}) (?P<year>\d{{4}})"
    rf"(?: {_CLOCK}(?: ?(?P<zone>(?:GMT|UTC)?[+-]\d{{4}}|GMT|UTC|Z))?(?: ?\([^()]*\))?)?",
    re.ASCII,
)
_MAIL = re.compile(
    rf"(?:[A-Za-z]{{3,9}},? )?(?P<day>\d{{1,2}}) (?P<name>[A-Za-z]{{3}}) (?P<year>\d{{4}})"
    rf" {_CLOCK}(?: (?P<zone>[+-]\d{{4}}|GMT|UTC|UT|Z))?(?: ?\([^()]*\))?",
    re.ASCII,
)
_SLASHED = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](?:\d{4}|\d{2})(?:[ T,].*)?", re.ASCII | re.DOTALL)
KEYS_CACHED_MAX = 4_096  #: names of traits whose cleaning is remembered
KEY_CHARS_CACHED_MAX = 200  #: of such a name; longer ones are rare, and would fill memory
TEXT_CHARS_MAX = 100  #: no accepted form comes near


class Dated(NamedTuple):
    """A value that was to be a date: the date as text, or None with the reason in `note`."""

    text: str | None
    note: NoteCode | None = None


UNPARSED = Dated(None, "date_unparsed")


def is_date_key(key: str) -> bool:
    """Whether the last word of a key, split at `_` and at changes of case, is one of `DATE_WORDS`."""
    return _remembered(key) if len(key) <= KEY_CHARS_CACHED_MAX else _is_date_key(key)


def _is_date_key(key: str) -> bool:
    if not key.lower().rstrip("_").endswith(_DATE_ENDINGS):
        return False
    last = key.rstrip("_").rpartition("_")[2]
    return _LAST_CASE_WORD.split(last)[-1].lower() in DATE_WORDS


_remembered = lru_cache(maxsize=KEYS_CACHED_MAX)(_is_date_key)


def as_date(value: object) -> Dated:
    """A trait's value as RFC 3339 (rule C6). Never raises, whatever the value is."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return UNPARSED
    if not isinstance(value, str):
        return _from_number(value)
    text = value.strip()
    if _OUTPUT.fullmatch(text):
        return _checked(text)
    if not text or len(text) > TEXT_CHARS_MAX:
        return UNPARSED
    if _NUMBER.fullmatch(text):
        return _from_number(float(text) if "." in text else int(text))
    for pattern in (_ISO, _JAVASCRIPT, _MAIL):
        if found := pattern.fullmatch(text):
            return _from_parts(found)
    if (slashed := _SLASHED.fullmatch(text)) and int(slashed[1]) <= 12 and int(slashed[2]) <= 12:
        return Dated(None, "date_ambiguous")
    return UNPARSED


def written(moment: datetime) -> str:
    """DATE_OUTPUT: `2020-03-24T17:46:45.000Z`."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def _from_number(number: float) -> Dated:
    # NaN and the infinities lie in no range.
    if SECONDS_MIN <= number < SECONDS_END:
        number *= 1000
    elif not SECONDS_END <= number < MILLISECONDS_END:
        return UNPARSED
    return Dated(written(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(number))))


def _checked(text: str) -> Dated:
    """A time in the very form that is written: most are, since `JSON.stringify` writes a Date so."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return UNPARSED
    return Dated(text)


def _from_parts(found: re.Match[str]) -> Dated:
    parts = found.groupdict()
    month = int(parts["month"]) if parts.get("month") else _MONTHS.get((parts.get("name") or "").lower(), 0)
    fraction = ((parts["fraction"] or "") + "000000")[:6]
    try:
        moment = datetime(
            int(parts["year"]),
            month,
            int(parts["day"]),
            int(parts["hour"] or 0),
            int(parts["minute"] or 0),
            int(parts["second"] or 0),
            int(fraction),
            tzinfo=_zone(parts["zone"] or ""),
        )
        text = written(moment)
    except (ValueError, OverflowError):
        # 30 February, hour 25, or a year that the zone moves out of range.
        return UNPARSED
    assumed = parts["hour"] is not None and not parts["zone"]
    return Dated(text, "date_assumed_utc" if assumed else None)


def _zone(text: str) -> timezone:
    digits = text.upper().removeprefix("GMT").removeprefix("UTC").replace(":", "")
    if not digits or digits[0] not in "+-":
        return UTC
    offset = timedelta(hours=int(digits[1:3]), minutes=int(digits[3:5]))
    return timezone(-offset if digits[0] == "-" else offset)
