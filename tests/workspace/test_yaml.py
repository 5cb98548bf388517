"""YAML is read as people mean it, bounded, and never raises anything but WorkspaceError."""

from __future__ import annotations

import math
from typing import Any

import pytest
import yaml as pyyaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sternpost.errors import WorkspaceError
from sternpost.workspace.yaml import dump, load


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("off", "off"), ("on", "on"), ("no", "no"), ("yes", "yes"), ("Off", "Off"), ("n", "n"),
        ("0123", "0123"), ("-0123", "-0123"), ("1:30", "1:30"), ("2026-01-01", "2026-01-01"), ("0x1F", "0x1F"), ("0o17", "0o17"),
        ("1_000", "1_000"), (".inf", ".inf"), (".nan", ".nan"), ("1e999", "1e999"), ("<<", "<<"), ("=", "="), ("'1'", "1"), ('"true"', "true"),
        ("123456789012345678901234567890", "123456789012345678901234567890"), ("1.2.3", "1.2.3"), (".5", ".5"),
        ("true", True), ("True", True), ("FALSE", False), ("null", None), ("~", None), ("", None),
        ("0", 0), ("-7", -7), ("+7", 7), ("8080", 8080), ("9007199254740993", 9007199254740993), ("1.5", 1.5), ("1e3", 1000.0), ("-0.0", -0.0),
    ],
)  # fmt: skip
def test_scalars(text: str, value: Any) -> None:
    """Only true and false, null and decimal numbers are not text."""
    found = load(f"a: {text}\n").data["a"]
    assert found == value
    assert type(found) is type(value)


def test_keys_are_text() -> None:
    """YAML 1.1 would make these true, 1 and a date."""
    assert load("on: 1\n1: 2\n2026-01-01: 3\nnull: 4\n").data == {"on": 1, "1": 2, "2026-01-01": 3, "null": 4}


def test_lines() -> None:
    """Every path knows its line."""
    document = load("# first\na:\n  - b: 1\n    c: {d: [x,\n      y]}\n")
    assert document.lines == {
        "a": 2, "a[0]": 3, "a[0].b": 3, "a[0].c": 4, "a[0].c.d": 4, "a[0].c.d[0]": 4, "a[0].c.d[1]": 5,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "a: This key is given twice, in lines 1 and 3. Keep one of them."),
        ("x:\n  a: 1\n  'a': 3\n", 3, "x.a: This key is given twice, in lines 2 and 3."),
        ("a: &x 1\nb: *x\n", 1, "Anchors and aliases"),
        ("a: *x\n", 1, "Anchors and aliases"),
        ("a: &a [*a]\n", 1, "Anchors and aliases"),
        ("a: !!python/object:os.system 1\n", 1, "Tags (!) are not read."),
        ("a: !!str 1\n", 1, "Tags (!) are not read."),
        ("[a]: 1\n", 1, "A key must be plain text."),
        ("a: 1\n---\nb: 1\n", 2, "A second document begins here."),
        ("a: b: c\n", 1, "This is not valid YAML:"),
        ("a: 1\nb: {c: ${D}, e: 1}\n", 2, 'Inside { } a variable needs quotes: {integrationKey: "${NAME}"}.'),
        ("a:\n\t- 1\n", 2, "This is not valid YAML:"),
        ("a: [\n", 2, "This is not valid YAML:"),
        ("a: \x07\n", None, "characters that YAML does not allow"),
        ("a: \ud800\n", None, "characters that YAML does not allow"),
        ("[" * 60 + "]" * 60, 1, "nested more than 50 deep"),
        ("- " * 5000, 1, "nested more than 50 deep"),
        ("{a: " * 5000, 1, "nested more than 50 deep"),
        ("[" + "1," * 100_001 + "]", 1, "more than 100000 values"),
        ("a" * 201 + ": 1", 1, "A key is longer than 200 characters."),
        ("a: " + "x" * 1_000_000, None, "The file is larger than 1 MB."),
    ],
)
def test_refused(text: str, line: int | None, message: str) -> None:
    """What is not accepted is named with its line."""
    with pytest.raises(WorkspaceError) as caught:
        load(text)
    (problem,) = caught.value.problems
    assert message in problem.sentence()
    assert problem.line == line


def test_bytes() -> None:
    """Files are UTF-8, with or without a byte order mark."""
    assert load("\ufeffa: é".encode()).data == {"a": "é"}
    assert load(b"").data is None
    assert load(b"# nothing\n").data is None
    with pytest.raises(WorkspaceError) as caught:
        load(b"a: 1\nb: \xe9\n")
    assert caught.value.problems[0].line == 2


def test_long_paths_are_bounded() -> None:
    """Deep keys of full length do not multiply into gigabytes of paths."""
    key = "k" * 200
    text = "".join(
        f"{' ' * depth}{key}{depth}:\n".replace(key + str(depth), key[:-2] + f"{depth:02}")
        for depth in range(40)
    )
    assert all(len(path) <= 500 for path in load(text + " " * 41 + "x").lines)


@settings(max_examples=500, deadline=None)
@given(
    st.text(
        alphabet=st.sampled_from("ab:-[]{},&*!|>'\"%@`#?~ \n\t01.0x\\<=é\x00\x85\ufeff\ud800"), max_size=40
    )
)
@example("%YAML 9.9\n---\na")
@example("%TAG ! !\n---\n!a b")
@example("!<")
@example("? ")
@example("&")
@example("\\")
def test_any_text(text: str) -> None:
    """Any text at all gives data or a WorkspaceError."""
    try:
        load(text)
    except WorkspaceError as error:
        assert error.problems


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes(content: bytes) -> None:
    """Any bytes at all give data or a WorkspaceError."""
    try:
        load(content)
    except WorkspaceError as error:
        assert error.problems


characters = st.characters(exclude_categories=["Cs"])
words = st.sampled_from(
    [
        "off",
        "yes",
        "0123",
        "1e3",
        "1:30",
        "null",
        "~",
        "",
        "1.0",
        "2026-01-01",
        "<<",
        "=",
        "- a",
        "a: b",
        "#",
        "${A}",
        "0x1",
    ]
)
keys = st.text(characters, max_size=20) | words
data = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(characters) | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(keys, data, max_size=4))
def test_round_trip(value: Any) -> None:
    """What is written is read back the same, by us and by a reader of YAML 1.1."""
    text = dump(value)
    assert same(load(text).data, value)
    assert same(pyyaml.safe_load(text), value)


def same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other and (not isinstance(one, float) or math.copysign(1, one) == math.copysign(1, other))
