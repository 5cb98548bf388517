"""What an event of four megabytes costs to plan: counted in operations of the interpreter, which no busy machine changes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from sternpost.destinations.pendo.constants import FIELDS_MAX, NOTES_MAX
from sternpost.destinations.pendo.flatten import size
from sternpost.model import Rejected
from tests.destinations.pendo.events import body_of, planned, settings, values

#: Calls of functions, Python's and C's, for one event; some 0.3 s on a slow machine.
OPERATIONS_MAX = 60 * FIELDS_MAX


def operations(work: Callable[[], Any]) -> tuple[Any, int]:
    """What the work gave, and how many functions it called."""
    count = 0

    def seen(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(seen)
    try:
        return work(), count
    finally:
        sys.setprofile(None)


def numbered(count: int, name: str = "k{}", value: Any = 1) -> dict[str, Any]:
    return {name.format(n): value for n in range(count)}


TRACK: dict[str, Callable[[int], dict[str, Any]]] = {
    "clean": numbered,
    "names to mend": lambda count: numbered(count, "K {}!"),
    "texts": lambda count: numbered(count, value="x" * 80),
    "lists": lambda count: numbered(count, value=[1, 2.5, "x"]),
    "one object": lambda count: {"o": numbered(count)},
    "objects": lambda count: numbered(count, value={"a": 1}),
    "objects in objects": lambda count: {"a": {"b": {"c": {"d": numbered(count, value={"e": {}})}}}},
    "too deep": lambda count: {"a": {"b": {"c": {"d": {"e": numbered(count, value={"f": 1})}}}}},
    "one list": lambda count: {"l": [1, "x", 2.5] * (count // 3)},
    "a list of objects": lambda count: {"l": [{}] * count},
    "equal names": lambda count: numbered(count, "k" * 32 + "{}"),
}
TRAITS = {**TRACK, "dates": lambda count: numbered(count, "d{}_at", "2026-01-01T00:00:00Z")}


@pytest.mark.parametrize("what", list(TRACK))
@pytest.mark.parametrize("nested", ["flatten", "drop"])
def test_properties_without_number(what: str, nested: str) -> None:
    """Six times the bound costs no more than the bound allows, and hardly more than three times: it is the bound that counts. What is sent
    fits.
    """
    chosen = settings(nestedTraits=nested)

    def plan(count: int) -> tuple[Any, int]:
        body = {"userId": "u", "event": "E", "properties": TRACK[what](count)}
        return operations(lambda: planned("track", body, chosen=chosen))

    _, three = plan(3 * FIELDS_MAX)
    result, six = plan(6 * FIELDS_MAX)
    assert six < OPERATIONS_MAX
    assert six < 1.2 * three + FIELDS_MAX
    assert len(json.dumps(body_of(result, chosen)["properties"], separators=(",", ":"))) <= 512
    assert len(result.notes) <= NOTES_MAX


@pytest.mark.parametrize("what", list(TRAITS))
@pytest.mark.parametrize(
    ("type_", "group"), [("identify", "agent"), ("identify", "custom"), ("group", "agent")]
)
def test_traits_without_number(what: str, type_: str, group: str) -> None:
    """They are refused before they are mapped, with a sentence that says so; a list is one trait, and its objects cost next to nothing."""
    chosen = settings(metadataGroup=group)

    def plan(count: int) -> tuple[Any, int]:
        body = {"userId": "u", "groupId": "g", "traits": TRAITS[what](count)}
        return operations(lambda: planned(type_, body, chosen=chosen))

    result, six = plan(6 * FIELDS_MAX)
    assert six < OPERATIONS_MAX // 2
    if what in {"one list", "a list of objects"}:
        assert not isinstance(result, Rejected)
        return
    assert isinstance(result, Rejected)
    assert result.reason == "too_large_to_send"
    assert "10,000 traits" in result.detail
    result, _ = plan(FIELDS_MAX // 10)
    assert not isinstance(result, Rejected)


def test_as_many_as_the_bound_are_mapped() -> None:
    """The bound itself passes; one more does not. With `drop`, what is dropped is not counted."""
    body: dict[str, Any] = {"userId": "u", "traits": numbered(FIELDS_MAX)}
    assert len(values(planned("identify", body))) == FIELDS_MAX
    body["traits"]["one"] = 1
    assert isinstance(planned("identify", body), Rejected)
    nested = {"userId": "u", "traits": {"plan": "pro", "o": numbered(2 * FIELDS_MAX)}}
    assert isinstance(planned("identify", nested), Rejected)
    dropping = settings(nestedTraits="drop")
    assert values(planned("identify", nested, chosen=dropping), dropping) == {"plan": "pro"}


def test_more_properties_than_are_looked_at_are_said() -> None:
    """A remark says that not all were looked at; the first of an object's are there."""
    result = planned("track", {"userId": "u", "event": "E", "properties": {"o": numbered(2 * FIELDS_MAX)}})
    assert [note.detail for note in result.notes if note.path == "properties"] == [
        "more than 10,000 values: the first are looked at"
    ]
    assert body_of(result)["properties"]["o_k0"] == 1


@pytest.mark.parametrize(
    ("value", "count"), [({}, 0), ({"a": 1}, 1), ({"a": {"b": {"c": 1}}, "d": [1, {"e": 2}]}, 4)]
)
def test_size(value: dict[str, Any], count: int) -> None:
    """Members of objects in objects count, items of lists do not."""
    assert size(value, 100) == count
    assert size({"x": value}, 0) >= 1
