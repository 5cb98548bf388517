"""The filter grammar: what is understood, and how a mistake is explained."""

from __future__ import annotations

from typing import Any

import pytest

from sternpost.control.filters import FilterError, parse
from tests.control.bench import NOW

ENTRY: dict[str, Any] = {
    "messageId": "m-1",
    "source": "web",
    "type": "Track",
    "name": "Order placed",
    "userId": "u1",
    "anonymousId": "a1",
    "receivedAt": "2027-01-15T08:00:00.000Z",
    "seen": {"times": 1, "library": "rudder-python 2.1"},
    "event": {"context": {"groupId": "acme"}},
    "destinations": [
        {"destination": "pendo", "state": "rejected", "reason": "bad_id", "diagnostics": [{"code": "too_old"}]},
        {"destination": "hook", "state": "delivered", "reason": None, "diagnostics": []},
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("line", "passes"),
    [
        ("", True),
        ("type:track", True),
        ("type:TRACK,page", True),
        ("-type:track", False),
        ("source:web type:page", False),
        ('event:"Order placed"', True),
        ('event:"order placed",Other', True),
        ("event:Order", False),
        ("order", True),
        ("u1 M-1", True),
        ("-pendo", False),
        ("nothing", False),
        ("user:u1 anon:a1 account:acme library:python", True),
        ("user:u", False),
        ("dest:pendo state:rejected", True),
        ("dest:hook state:rejected", False),
        ("state:delivered,rejected", True),
        ("-state:rejected", False),
        ("reason:bad_id note:too_old", True),
        ("note:too_old dest:hook", False),
        ("since:2h", True),
        ("until:2027-01-15T07:59", False),
        ("since:2027-01-15T08:00 until:2027-01-15T08:00", True),
        ("since:yesterday", True),
        ("since:today -source:ios", True),
    ],
)
def test_matches(line: str, passes: bool) -> None:
    assert parse(line, {}, now=NOW + 60).matches(ENTRY) is passes


def test_parameters() -> None:
    """Parameters of an address say the same as keys, together with the line."""
    found = parse("type:track", {"destination": "pendo,hook", "state": "rejected", "source": ""}, now=NOW)
    assert found.matches(ENTRY)
    assert found.selection().destinations == {"pendo", "hook"}
    assert found.selection().states == {"rejected"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("dst:pendo", 'Did you mean "dest"?'),
        ("zzz:1", "Use one of: type"),
        ("state:blokced", 'Did you mean "blocked"?'),
        ("state:,", "has no value"),
        ("since:soon", "is no time"),
        ("since:1h,2h", "takes one time"),
        ('event:"open', "cannot be read from here"),
        ("x" * 3000, "longer than"),
        (" ".join(["a"] * 60), "more than 50"),
    ],
)
def test_mistakes(line: str, said: str) -> None:
    with pytest.raises(FilterError, match=said.replace("?", r"\?")):
        parse(line, {}, now=NOW)
