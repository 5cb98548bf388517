"""Properties of track events: cleaning and fitting (T7)."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sternpost.destinations.pendo.properties import clean_properties, clean_property_key, fit
from sternpost.model import Note
from tests.destinations.pendo.json_strategies import JSON, TEXT


def cleaned(properties, nested="flatten"):
    notes: list[Note] = []
    return clean_properties(properties, notes=notes, nested=nested), [
        (note.code, note.path) for note in notes
    ]


def fitted(properties):
    notes: list[Note] = []
    data = fit(properties, notes=notes)
    return data, [(note.code, note.detail) for note in notes]


def test_clean_properties_travel_as_they_are():
    properties = {
        "revenue": 30,
        "currency": "USD",
        "userId": "12345",
        "id": "x",
        "ok": True,
        "rate": 1.5,
        "_a": "",
    }
    assert cleaned(properties) == (properties, [])


@pytest.mark.parametrize(
    ("properties", "values", "notes"),
    [
        ({"a": None, "b": 1}, {"b": 1}, [("null_dropped", "properties.a")]),
        (
            {"cart": {"id": 7, "total": {"net": 1}}},
            {"cart_id": 7, "cart_total_net": 1},
            [("nested_property", "properties.cart")],
        ),
        ({"tags": ["a", 1, True, 1.5]}, {"tags": "a,1,true,1.5"}, [("nested_property", "properties.tags")]),
        ({"tags": []}, {"tags": ""}, [("nested_property", "properties.tags")]),
        ({"l": [{"a": "é"}, None]}, {"l": '[{"a":"é"},null]'}, [("nested_property", "properties.l")]),
        (
            {"n": float("nan"), "i": float("inf")},
            {},
            [("value_invalid", "properties.n"), ("value_invalid", "properties.i")],
        ),
        ({"created_at": "2020-03-24"}, {"created_at": "2020-03-24"}, []),
        ({"unit price": 1}, {"unit_price": 1}, [("key_renamed", "properties.unit price")]),
        ({"prénom": 1}, {"pr_nom": 1}, [("key_renamed", "properties.prénom")]),
        ({"MixedCase": 1}, {"MixedCase": 1}, []),
        ({"a b": 1, "a_b": 2}, {"a_b": 2}, [("key_collision", "properties.a b")]),
        ({"a_b": 1, "a b": 2}, {"a_b": 1}, [("key_collision", "properties.a b")]),
        (
            {"a": {"b": 1}, "a-b": 2},
            {"a_b": 2},
            [
                ("nested_property", "properties.a"),
                ("key_collision", "properties.a.b"),
                ("key_renamed", "properties.a-b"),
            ],
        ),
        (
            {"a-b": 1, "a b": 2},
            {"a_b": 2},
            [("key_collision", "properties.a-b"), ("key_renamed", "properties.a b")],
        ),
        ({"": 1}, {}, [("key_unusable", "properties.")]),
    ],
)
def test_cleaning(properties, values, notes):
    assert cleaned(properties) == (values, notes)


def test_nested_properties_can_be_dropped():
    assert cleaned({"cart": {"id": 7}, "a": 1}, "drop") == (
        {"a": 1},
        [("nested_property", "properties.cart")],
    )


def test_too_deep_objects_are_dropped_and_said():
    deep = {"a": {"b": {"c": {"d": {"e": {"f": 1, "g": {"h": 2}}}}}}}
    values, notes = cleaned(deep)
    assert values == {"a_b_c_d_e_f": 1}
    assert notes[-1] == ("nested_property", "properties.a.b.c.d.e.g")


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("__x__", "__x"),
        ("__x_", "__x_"),
        ("_x__", "_x__"),
        ("____", ""),
        ("___", ""),
        ("__", ""),
        ("_", "_"),
        ("9a", "_9a"),
        ("a" * 33, "a" * 32),
        ("9" * 40, "_" + "9" * 31),
        ("__" + "a" * 28 + "__zz", "__" + "a" * 28),
        ("名前", ""),
        ("Ünï", "_n_"),
        ("٣a", "_a"),
        ("a\n", "a_"),
    ],
)
def test_keys(key, expected):
    assert clean_property_key(key) == expected


def test_the_example_of_the_contract():
    data, notes = fitted({"plan": "pro", "note": "x" * 600})
    assert len(data) == 512
    assert json.loads(data) == {"plan": "pro", "note": "x" * 488}
    assert notes == [("props_trimmed", "note 600→488")]


def test_512_bytes_fit_and_513_do_not():
    exact = {"a": "x" * (512 - len('{"a":""}'))}
    assert fitted(exact) == (json.dumps(exact, separators=(",", ":")).encode(), [])
    assert len(fitted({"a": exact["a"] + "x"})[0]) == 512


def test_of_equal_texts_the_later_is_cut_first():
    data, notes = fitted({"a": "x" * 300, "b": "y" * 300})
    assert json.loads(data)["a"] == "x" * 300
    assert [detail.split()[0] for _, detail in notes] == ["b"]


def test_the_longest_is_cut_to_the_floor_before_the_next():
    data, notes = fitted({"a": "x" * 400, "b": "y" * 500, "c": "z" * 400})
    assert [detail for _, detail in notes] == ["b 500→64", "c 400→64", "a 400→362"]
    assert len(data) == 512


def test_characters_are_not_cut_in_two():
    data, notes = fitted({"a": "€" * 200})
    text = json.loads(data)["a"]
    assert set(text) == {"€"}
    assert len(data) in range(510, 513)
    assert notes == [("props_trimmed", f"a 600→{len(text) * 3}")]


def test_the_floor_is_kept_on_a_characters_boundary():
    """64 bytes fall inside a €: 66 stay, never 63."""
    data, notes = fitted({str(n): "€" * 30 for n in range(20)})
    assert {len(text.encode()) for text in json.loads(data).values()} == {66}
    assert {code for code, _ in notes} == {"props_trimmed", "props_dropped"}


def test_what_cannot_be_cut_is_dropped_from_the_end():
    data, notes = fitted({f"key_{n}": 1234567890 for n in range(40)})
    kept = json.loads(data)
    assert list(kept) == [f"key_{n}" for n in range(len(kept))]
    assert len(data) <= 512 < len(data) + len('"key_99":1234567890,')
    assert notes[0] == ("props_dropped", "key_39")
    assert len(kept) + len(notes) == 40


def test_escapes_count_as_they_are_sent():
    data, _ = fitted({"a": '"' * 400})
    assert len(data) <= 512


def test_many_properties_do_not_take_long():
    data, _ = fitted({f"k{n}": "x" * 70 for n in range(20_000)})
    assert len(data) <= 512


@given(properties=st.dictionaries(TEXT, JSON, max_size=8), nested=st.sampled_from(["flatten", "drop"]))
def test_any_json_fits(properties, nested):
    """Property: at most 512 bytes, valid keys, flat scalars; halves of surrogate pairs are the only thing that raises."""
    try:
        data, _ = fitted(cleaned(properties, nested)[0])
    except UnicodeEncodeError:
        assert any("\ud800" <= char <= "\udfff" for char in repr_of(properties))
        return
    assert len(data) <= 512
    for key, value in json.loads(data).items():
        assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,31}", key)
        assert not (key.startswith("__") and key.endswith("__"))
        assert isinstance(value, str | int | float)


def repr_of(value):
    if isinstance(value, dict):
        return "".join(key + repr_of(inner) for key, inner in value.items())
    if isinstance(value, list):
        return "".join(repr_of(inner) for inner in value)
    return value if isinstance(value, str) else ""
