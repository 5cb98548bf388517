"""Cleaning of traits (C1 to C8)."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sternpost.destinations.pendo.clean import clean_key, clean_traits
from sternpost.model import Note
from tests.destinations.pendo.json_strategies import JSON, TEXT


def cleaned(traits, **options):
    notes: list[Note] = []
    return clean_traits(traits, notes=notes, **options), notes


def codes(notes):
    return [note.code for note in notes]


@pytest.mark.parametrize(
    ("traits", "values", "expected"),
    [
        (
            {"address": {"city": "Rome", "geo": {"lat": 41.9}}},
            {"address_city": "Rome", "address_geo_lat": 41.9},
            ["nested_trait_flattened"],
        ),
        ({"firstName": "A", "firstname": "B"}, {"firstname": "B"}, ["key_collision"]),
        (
            {"plan type": "pro", "300": 1, "prénom": "Zoé", "名前": "x"},
            {"plan_type": "pro", "_300": 1, "prenom": "Zoé"},
            ["key_renamed", "key_renamed", "key_renamed", "key_unusable"],
        ),
        (
            {"roles": ["admin", None, {"x": 1}], "note": None},
            {"roles": ["admin"]},
            ["null_dropped", "object_dropped", "object_dropped"],
        ),
        ({"id": "evil", "name": "N"}, {"name": "N"}, ["trait_id_ignored"]),
        (
            {"created_at": 1585072005, "responseTime": 350},
            {"created_at": "2020-03-24T17:46:45.000Z", "responsetime": 350},
            [],
        ),
    ],
)
def test_the_table_of_examples(traits, values, expected):
    result, notes = cleaned(traits, id_text="u1")
    assert result == values
    assert sorted(codes(notes)) == sorted(expected)


@pytest.mark.parametrize("same", ["u1", " u1 ", None])
def test_v3_a_trait_id_that_is_the_id_needs_no_note(same):
    assert cleaned({"id": same}, id_text="u1") == ({}, [])


def test_v3_numbers_are_compared_as_ids():
    assert cleaned({"id": 7}, id_text="7") == ({}, [])
    assert codes(cleaned({"id": {"a": 1}, "ID": 8}, id_text="7")[1]) == ["trait_id_ignored"] * 2


def test_c1_the_parent_trait_is_left_out():
    assert cleaned({"parent": "p", "a": 1}, left_out=frozenset({"parent"})) == ({"a": 1}, [])


def test_c2_drop():
    values, notes = cleaned({"address": {"city": "Rome"}, "a": 1}, nested="drop")
    assert values == {"a": 1}
    assert [(note.code, note.path) for note in notes] == [("object_dropped", "traits.address")]


def test_c2_depth():
    """Five objects inside one another are flattened, a sixth is dropped."""
    deep = {"a": {"b": {"c": {"d": {"e": {"f": 1, "g": {"h": 2}}}}}}}
    values, notes = cleaned(deep)
    assert values == {"a_b_c_d_e_f": 1}
    assert [(note.code, note.path) for note in notes] == [
        ("nested_trait_flattened", "traits.a"),
        ("object_dropped", "traits.a.b.c.d.e.g"),
    ]


def test_c2_an_empty_object_disappears():
    assert cleaned({"a": {}, "b": {"c": {}}})[0] == {}


@pytest.mark.parametrize(
    ("traits", "values", "loser"),
    [
        ({"firstname": "A", "firstName": "B"}, {"firstname": "A"}, "firstName ↔ firstname"),
        ({"FirstName": "A", "firstName": "B"}, {"firstname": "B"}, "FirstName ↔ firstName"),
        (
            {"Address_City": "A", "address": {"city": "B"}},
            {"address_city": "A"},
            "address.city ↔ Address_City",
        ),
        (
            {"address": {"city": "B"}, "address_city": "A"},
            {"address_city": "A"},
            "address.city ↔ address_city",
        ),
        ({"a": {"b": 1, "B": 2}}, {"a_b": 2}, "a.b ↔ a.B"),
    ],
)
def test_c3_which_key_wins(traits, values, loser):
    """Unchanged before changed, top-level before flattened, later before earlier."""
    result, notes = cleaned(traits)
    assert result == values
    assert [note.detail for note in notes if note.code == "key_collision"] == [loser]


@pytest.mark.parametrize(
    ("key", "expected"),
    [("Ünïcode", "unicode"), ("a-b", "a_b"), ("9a", "_9a"), ("a.b", "a_b"), ("ß", ""), ("__", ""), ("", ""), ("²", ""), ("_", ""), ("é1", "e1"),
     ("\ud800a", "_a"), ("٣", "")],
)  # fmt: skip
def test_c3_keys(key, expected):
    assert clean_key(key) == expected


def test_c4_an_empty_text_is_sent():
    assert cleaned({"a": ""}) == ({"a": ""}, [])


def test_c5_lists():
    items = [1, "a", True, [1], None, {"x": 1}]
    values, notes = cleaned({"l": items, "e": []})
    assert values == {"l": [1, "a", True], "e": []}
    assert codes(notes) == ["object_dropped"] * 3
    values, notes = cleaned({"l": items, "e": []}, group="custom")
    assert values == {"l": "1,a,true", "e": ""}
    assert sorted(codes(notes)) == ["list_in_custom"] * 2 + ["object_dropped"] * 3


@pytest.mark.parametrize(
    ("value", "code"), [("03/04/2020", "date_ambiguous"), ("soon", "date_unparsed"), (5, "date_unparsed")]
)
def test_c6_what_is_no_date_stays(value, code):
    values, notes = cleaned({"created_at": value})
    assert values == {"created_at": value}
    assert codes(notes) == [code]


def test_c6_a_missing_zone_is_said():
    values, notes = cleaned({"created_at": "2020-03-24 17:46:45"})
    assert values == {"created_at": "2020-03-24T17:46:45.000Z"}
    assert codes(notes) == ["date_assumed_utc"]


def test_c7_texts_numbers_and_what_is_none():
    values, notes = cleaned(
        {
            "t": "é" * 1501,
            "ok": "x" * 1500,
            "n": float("nan"),
            "i": float("-inf"),
            "z": "007",
            "b": False,
            "big": 2**70,
        }
    )
    assert values == {"t": "é" * 1500, "ok": "x" * 1500, "z": "007", "b": False, "big": 2**70}
    assert sorted(codes(notes)) == ["value_invalid", "value_invalid", "value_long"]


@pytest.mark.parametrize(
    ("kind", "value", "sent", "expected"),
    [
        ("number", "42", 42, ["value_converted"]),
        ("number", "-4.5", -4.5, ["value_converted"]),
        ("number", "007", "007", ["type_mismatch"]),
        ("number", "4e5", "4e5", ["type_mismatch"]),
        ("number", True, True, ["type_mismatch"]),
        ("number", 42, 42, []),
        ("float", "42", 42, ["value_converted"]),
        ("boolean", "true", True, ["value_converted"]),
        ("boolean", "False", False, ["value_converted"]),
        ("boolean", "yes", "yes", ["type_mismatch"]),
        ("boolean", 1, 1, ["type_mismatch"]),
        ("boolean", True, True, []),
        ("time", "2020-03-24", "2020-03-24T00:00:00.000Z", ["value_converted"]),
        ("time", 1585072005, "2020-03-24T17:46:45.000Z", []),
        ("time", "soon", "soon", ["date_unparsed", "type_mismatch"]),
        ("string", 42, 42, []),
        ("", 42, 42, []),
    ],
)
def test_c8_types_of_the_schema(kind, value, sent, expected):
    values, notes = cleaned({"f": value}, group="custom", schema={"f": kind})
    assert values == {"f": sent}
    assert type(values["f"]) is type(sent)
    assert codes(notes) == expected


def test_v6_unknown_fields_are_left_out():
    values, notes = cleaned({"Plan": "pro", "seats": 3}, group="custom", schema={"plan": "string"})
    assert values == {"plan": "pro"}
    assert [(note.code, note.path) for note in notes] == [("unknown_field", "traits.seats")]


@given(
    traits=st.dictionaries(TEXT, JSON, max_size=6),
    group=st.sampled_from(["agent", "custom"]),
    nested=st.sampled_from(["flatten", "drop"]),
)
def test_any_json_comes_out_clean(traits, group, nested):
    """Property: no exception, keys that Pendo takes, values that are scalars or (agent) lists of scalars."""
    values, _ = cleaned(traits, group=group, nested=nested, id_text="u1")
    for key, value in values.items():
        assert re.fullmatch(r"[a-z_][a-z0-9_]*", key)
        assert isinstance(value, str | int | float | (list if group == "agent" else str))
        if isinstance(value, list):
            assert all(isinstance(item, str | int | float) for item in value)
        if isinstance(value, str):
            assert len(value) <= 1500


@given(traits=st.dictionaries(TEXT, JSON, max_size=6))
def test_any_json_with_a_schema(traits):
    """Property: converting to the types of a schema never raises."""
    schema = {
        clean_key(key): kind
        for key, kind in zip(traits, ["number", "boolean", "time", "string"] * 2, strict=False)
    }
    values, _ = cleaned(traits, group="custom", schema=schema)
    assert values.keys() <= schema.keys()
