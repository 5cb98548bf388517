"""The filter grammar of console, API and `--filter`: one line that is also an address (product.md 6.1).

    dest:pendo state:rejected,blocked -type:page event:"Order placed" since:2h checkout

Space-separated `key:value`; quotes where a value has spaces, commas for "or", `-` to exclude; a word without a key searches names and
ids. What is asked of a destination is asked of one and the same: `dest:pendo state:rejected` is an event that pendo's side rejected.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, cast

from sternpost.errors import SternpostError
from sternpost.model import STATES, State
from sternpost.store.selection import Selection
from sternpost.wire import times
from sternpost.workspace.hints import near_miss

KEYS = (
    "type", "source", "dest", "state", "reason", "event", "user", "anon", "account", "since", "until", "note", "library",
)  # fmt: skip
#: Parameters of an address that say the same as a key.
PARAMETERS = {"source": "source", "destination": "dest", "type": "type", "state": "state"}
FILTER_CHARS_MAX = 2_000
TERMS_MAX = 50

_TERM = re.compile(r'(?P<no>-)?(?:(?P<key>[A-Za-z]+):)?(?P<value>(?:"(?:[^"\\]|\\.)*"|[^\s",]+|,)+)')
_VALUE = re.compile(r'"((?:[^"\\]|\\.)*)"|([^",]+)')
_AGO = re.compile(r"(\d{1,6})([smhd])")
_PLAIN = re.compile(r"[A-Za-z0-9 _.:@-]+")
_IN_THE_BODY = frozenset({"", "event", "account", "library"})
_SHOWN_TO_ALL = frozenset({"event", "library"})  #: of these, what is no personal data
_UNIT_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_OF_A_DESTINATION = frozenset({"dest", "state", "reason", "note"})


class FilterError(SternpostError):
    """A filter that cannot be understood; the message says where and how it is written."""


@dataclass(frozen=True, slots=True)
class Term:
    """One condition: any of `values`, or with `exclude` none of them."""

    key: str  #: one of KEYS, or "" for a word
    values: tuple[str, ...]
    exclude: bool = False


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions on entries as `fate.compose` makes them."""

    terms: tuple[Term, ...] = ()
    since: float | None = None
    until: float | None = None
    hidden: bool = (
        False  #: asked of entries without personal data: ids are hashes, which the store does not know
    )

    def matches(self, entry: Mapping[str, Any]) -> bool:
        """Whether an entry passes."""
        if self.since is not None or self.until is not None:
            at = (times.parse_ms(entry["receivedAt"]) or 0) / 1000
            if (self.since is not None and at < self.since) or (self.until is not None and at > self.until):
                return False
        wanted = []
        for term in self.terms:
            if term.key not in _OF_A_DESTINATION:
                if _of_event(entry, term) == term.exclude:
                    return False
            elif term.exclude:
                if any(_of_destination(standing, term) for standing in entry["destinations"]):
                    return False
            else:
                wanted.append(term)
        return not wanted or any(
            all(_of_destination(standing, term) for term in wanted) for standing in entry["destinations"]
        )

    def selection(self) -> Selection:
        """The part of it that the store can tell without reading bodies."""
        values: dict[str, frozenset[str]] = {}
        for term in self.terms:
            if not term.exclude:
                values[term.key] = values.get(term.key, frozenset(term.values)) & frozenset(term.values)
        return Selection(
            sources=values.get("source", frozenset()),
            types=frozenset(value.lower() for value in values.get("type", ())),
            user_ids=frozenset() if self.hidden else values.get("user", frozenset()),
            anonymous_ids=frozenset() if self.hidden else values.get("anon", frozenset()),
            received_from=self.since,
            received_until=self.until,
            destinations=values.get("dest", frozenset()),
            states=cast("frozenset[State]", values.get("state", frozenset())),
            reasons=values.get("reason", frozenset()),
            notes=values.get("note", frozenset()),
            texts=tuple(
                found
                for term in self.terms
                if term.key in (_SHOWN_TO_ALL if self.hidden else _IN_THE_BODY)
                and not term.exclude
                and (found := _texts(term))
            ),
        )

    @property
    def selected(self) -> bool:
        """Whether `selection` says all of it, so that every event it lets pass matches."""
        keys = [term.key for term in self.terms]
        return all(
            not term.exclude
            and term.key
            in {"type", "source", "dest", "state"} | ({"user", "anon"} if not self.hidden else set())
            for term in self.terms
        ) and len(keys) == len(set(keys))

    @property
    def of_a_person(self) -> bool:
        """Whether it asks for somebody: by an id, or by a word that may be one."""
        return any(term.key in {"user", "anon", "account", ""} for term in self.terms)

    @property
    def line(self) -> str:
        """The conditions as a filter line, without the times."""
        return " ".join(
            f"{'-' if term.exclude else ''}{f'{term.key}:' if term.key else ''}{','.join(map(_written, term.values))}"
            for term in self.terms
        )


EVERYTHING = Filter()


def parse(
    line: str, parameters: Mapping[str, str], *, now: float, keys: Mapping[str, str] = MappingProxyType({})
) -> Filter:
    """A filter line and the parameters beside it; `keys` are further conditions by the grammar's own names. Raises FilterError with a sentence that says what to write instead."""
    if len(line) > FILTER_CHARS_MAX:
        raise FilterError(f"The filter is longer than {FILTER_CHARS_MAX} characters. Shorten it.")
    terms = [_term(found) for found in _tokens(line)]
    for name, key in PARAMETERS.items():
        if value := parameters.get(name):
            terms.append(Term(key, _values(value)))
    terms += [Term(key, _values(value)) for key, value in keys.items()]
    if len(terms) > TERMS_MAX:
        raise FilterError(f"The filter has more than {TERMS_MAX} conditions. Use fewer.")
    since = until = None
    kept = []
    for term in terms:
        _check(term)
        if term.key == "since":
            since = _moment(term, now)
        elif term.key == "until":
            until = _moment(term, now)
        else:
            kept.append(term)
    return Filter(tuple(kept), since, until)


def _written(value: str) -> str:
    """A value as a filter line holds it."""
    if re.fullmatch(r"[\w.@/+-]+", value):
        return value
    return '"' + re.sub(r'(["\\])', r"\\\1", value) + '"'


def _tokens(line: str) -> Sequence[re.Match[str]]:
    found = []
    position = 0
    while position < len(line):
        if line[position].isspace():
            position += 1
            continue
        match = _TERM.match(line, position)
        if match is None or (match.end() < len(line) and not line[match.end()].isspace()):
            raise FilterError(
                f"The filter cannot be read from here: {line[position : position + 30]}. "
                'Write key:value with a space between; put values with spaces in quotes: event:"Order placed".'
            )
        found.append(match)
        position = match.end()
    return found


def _term(match: re.Match[str]) -> Term:
    return Term((match["key"] or "").lower(), _values(match["value"]), exclude=bool(match["no"]))


def _values(text: str) -> tuple[str, ...]:
    values = tuple(
        re.sub(r"\\(.)", r"\1", quoted) if quoted else plain.strip() for quoted, plain in _VALUE.findall(text)
    )
    return tuple(value for value in values if value)


def _check(term: Term) -> None:
    if term.key and term.key not in KEYS:
        hint = near_miss(term.key, KEYS)
        meant = f'Did you mean "{hint}"?' if hint else f"Use one of: {', '.join(KEYS)}."
        raise FilterError(f'There is no filter "{term.key[:40]}". {meant}')
    if not term.values:
        raise FilterError(f'"{term.key}:" has no value. Write e.g. {term.key or "event"}:value.')
    if term.key == "state":
        for value in term.values:
            if value not in STATES:
                hint = near_miss(value, STATES)
                meant = f'Did you mean "{hint}"?' if hint else f"Use one of: {', '.join(STATES)}."
                raise FilterError(f'There is no state "{value[:40]}". {meant}')
    if term.key in {"since", "until"} and (term.exclude or len(term.values) > 1):
        raise FilterError(f'"{term.key}:" takes one time and cannot be excluded. Write e.g. {term.key}:2h.')


def moment(text: str, now: float, key: str) -> float | None:
    """A time as filters write it; None for "". Raises FilterError with a sentence that says what to write instead."""
    return _moment(Term(key, (text,)), now) if text else None


def _moment(term: Term, now: float) -> float:
    text = term.values[0]
    if ago := _AGO.fullmatch(text):
        return now - int(ago[1]) * _UNIT_S[ago[2]]
    midnight = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if text in {"today", "yesterday"}:
        return (midnight - timedelta(days=int(text == "yesterday"))).timestamp()
    if (ms := times.parse_ms(text)) is not None:
        return ms / 1000
    raise FilterError(
        f'"{text[:40]}" is no time. Write 2026-11-03T10:00 (UTC), 2h, 30m, 3d, today or yesterday.'
    )


def _of_event(entry: Mapping[str, Any], term: Term) -> bool:
    match term.key:
        case "type":
            return str(entry["type"]).strip().lower() in {value.lower() for value in term.values}
        case "source":
            return entry["source"] in term.values
        case "event":
            return str(entry["name"]).casefold() in {value.casefold() for value in term.values}
        case "user":
            return entry["userId"] in term.values
        case "anon":
            return entry["anonymousId"] in term.values
        case "account":
            return bool(_accounts(entry) & set(term.values))
        case "library":
            library = entry["seen"]["library"].casefold()
            return any(value.casefold() in library for value in term.values)
        case _:
            places = (
                entry["name"],
                entry["messageId"],
                entry["userId"],
                entry["anonymousId"],
                entry["source"],
                *(standing["destination"] for standing in entry["destinations"]),
            )
            return any(value.casefold() in str(place).casefold() for value in term.values for place in places)


def _of_destination(standing: Mapping[str, Any], term: Term) -> bool:
    match term.key:
        case "dest":
            return standing["destination"] in term.values
        case "state":
            return standing["state"] in term.values
        case "reason":
            return standing["reason"] in term.values
        case _:
            return any(note["code"] in term.values for note in standing["diagnostics"])


def _texts(term: Term) -> frozenset[str]:
    """What stands in every event that a term lets pass, whichever of its values it has; empty when that cannot be told."""
    found = set()
    for value in term.values:
        # Of a library the name and the version stand apart.
        text = max(value.split(" "), key=len) if term.key == "library" else value
        # Numbers and what JSON escapes may be written in several ways.
        if not _PLAIN.fullmatch(text) or not re.search("[a-z]", text, re.IGNORECASE):
            return frozenset()
        found.add(text.lower())
    return frozenset(found)


def _accounts(entry: Mapping[str, Any]) -> set[str]:
    event = entry["event"]
    context = event.get("context")
    found = (event.get("groupId"), context.get("groupId") if isinstance(context, Mapping) else None)
    return {str(value) for value in found if isinstance(value, str | int)}
