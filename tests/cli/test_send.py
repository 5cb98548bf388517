"""`sternpost send`: the event that it builds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sternpost import __version__
from sternpost.cli.send import build, pairs, read_value
from sternpost.errors import UsageError

NOW = datetime(2026, 11, 23, 10, 0, 0, 123_000, UTC)


def made(type_: str, *, traits: Any = None, properties: Any = None, **ids: str) -> dict[str, Any]:
    return build(type_, message_id="m1", now=NOW, traits=traits or {}, properties=properties or {}, **ids)


def test_track() -> None:
    """An event looks like one of an SDK, and says that it comes from the command line."""
    assert made(
        "track", user_id="u1", event="Checkout", properties={"total": 42}, traits={"plan": "pro"}
    ) == {
        "type": "track",
        "messageId": "m1",
        "channel": "server",
        "originalTimestamp": "2026-11-23T10:00:00.123Z",
        "sentAt": "2026-11-23T10:00:00.123Z",
        "context": {"library": {"name": "sternpost-cli", "version": __version__}, "traits": {"plan": "pro"}},
        "integrations": {"All": True},
        "userId": "u1",
        "event": "Checkout",
        "properties": {"total": 42},
    }


def test_other_types() -> None:
    """Traits are the person's, with group the account's; a groupId without a group call goes into the context."""
    assert made("identify", user_id="u1", traits={"a": 1})["traits"] == {"a": 1}
    assert made("identify", user_id="u1", traits={"a": 1})["context"]["traits"] == {"a": 1}
    group = made("group", user_id="u1", group_id="g1", traits={"name": "Company"})
    assert (group["groupId"], group["traits"]) == ("g1", {"name": "Company"})
    assert "traits" not in group["context"]
    assert made("track", anonymous_id="a1", event="x", group_id="g1")["context"]["groupId"] == "g1"
    page = made("page", anonymous_id="a1", name="Home", properties={"path": "/"})
    assert (page["name"], page["properties"], page["anonymousId"]) == ("Home", {"path": "/"}, "a1")
    assert "userId" not in page
    assert made("alias", user_id="u1", previous_id="a1")["previousId"] == "a1"


@pytest.mark.parametrize(
    ("type_", "ids", "sentence"),
    [
        ("identify", {}, "identify needs a person."),
        ("track", {"user_id": "u"}, "track needs a name."),
        ("group", {"user_id": "u"}, "group needs an account."),
        ("alias", {"user_id": "u"}, "alias joins two ids."),
        ("page", {"user_id": "u", "event": "x"}, "--event belongs to track."),
        ("track", {"user_id": "u", "event": "x", "name": "y"}, "--name belongs to page and screen"),
        ("track", {"user_id": "u", "event": "x", "previous_id": "y"}, "--previous-id belongs to alias"),
        (
            "identify",
            {"user_id": "u", "properties": {"a": 1}},
            "--property belongs to track, page and screen.",
        ),
    ],
)
def test_what_would_mean_nothing(type_: str, ids: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        made(type_, **ids)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("42", 42),
        ("-1.5", -1.5),
        ("1e3", 1000.0),
        ("0", 0),
        ("true", True),
        ("false", False),
        ("True", "True"),
        ("null", "null"),
        ("0123", "0123"),
        ("1.", "1."),
        ("1e999", "1e999"),
        ("NaN", "NaN"),
        ('"42"', "42"),
        ('"', '"'),
        ('"a', '"a'),
        ("", ""),
        (" 42", " 42"),
        ("[1]", "[1]"),
        ("Ünïcode ✓", "Ünïcode ✓"),
    ],
)
def test_values(text: str, value: Any) -> None:
    """Numbers, true and false are values, all else is text; a zero in front is kept."""
    found = read_value(text)
    assert found == value
    assert type(found) is type(value)


@given(st.text())
def test_any_value_is_read(text: str) -> None:
    assert isinstance(read_value(text), str | int | float)


def test_pairs() -> None:
    assert pairs(["a=1", "b=x=y", " c = z"], "--trait") == {"a": 1, "b": "x=y", "c": " z"}
    with pytest.raises(UsageError, match='--trait: "a" is not a name, = and a value'):
        pairs(["a"], "--trait")
    with pytest.raises(UsageError, match="--property"):
        pairs(["=1"], "--property")
