"""Identities: the contract's cases and the clean-up."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sternpost.ids import Digits, clean, rudder_id
from sternpost.wire.decode import decode_single

CASES = json.loads((Path(__file__).parent / "data" / "pipeline.json").read_text(encoding="utf-8"))["cases"]
STRINGIFY = [case for case in CASES if case["kind"] == "id_stringify"]
RUDDER_IDS = [case for case in CASES if case["kind"] == "rudder_id"]


@pytest.mark.parametrize("case", STRINGIFY, ids=[case["id"] for case in STRINGIFY])
def test_identity_case(case: dict[str, Any]) -> None:
    """What identity a userId of any JSON type stands for, alone and in a body."""
    wanted = case["expect"]["userId"]
    assert clean(case["input"]["userId"]) == wanted
    body = json.dumps({**case["input"], "anonymousId": "a"}).encode()
    (event,) = decode_single("track", body, source_id="s", received_at=0.0, request_ip="", new_id=lambda: "n")
    assert event.user_id == wanted


@pytest.mark.parametrize("case", RUDDER_IDS, ids=[case["id"] for case in RUDDER_IDS])
def test_rudder_id_case(case: dict[str, Any]) -> None:
    """The id derived from both identities."""
    assert rudder_id(case["input"]["userId"], case["input"]["anonymousId"]) == case["expect"]["rudderId"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (0, "0"),
        (-5, "-5"),
        (1.0, "1"),
        (1.5, "1.5"),
        (1e22, "1e+22"),
        (10**30, "1" + "0" * 30),
        (False, "false"),
        ([1, "a"], '[1,"a"]'),
        ({"a": {"b": "é"}}, '{"a":{"b":"é"}}'),
        (Digits("1e400"), "1e400"),
        ("  a b  ", "a b"),
        ("\ta\nb\r", "ab"),
        ("a\u00a0b", "ab"),
        ("ä€😀", "ä€😀"),
        ("\ud800a", "a"),
        ("\u0000", ""),
        ("\ufffd", "\ufffd"),
    ],
)
def test_clean(value: Any, text: str) -> None:
    """A text as it is, anything else as compact JSON; then what cannot be seen goes, then the spaces around."""
    assert clean(value) == text


def test_every_removed_character() -> None:
    """Exactly: Cc, Cf, Cs, Co, Cn, Zl, Zp, Zs but the space, and eight letters and marks that print as nothing."""
    invisible = set("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
    removed = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"}
    for code in (*range(0x30000), *range(0xE0000, 0xE0200), 0x10FFFF):
        c = chr(code)
        gone = c in invisible or (c != " " and unicodedata.category(c) in removed)
        assert clean(f"a{c}b") == ("ab" if gone else f"a{c}b"), hex(code)


@given(st.text() | st.text(alphabet=" a\u0000\u00a0\u034fé"))
def test_cleaning_twice_changes_nothing(text: str) -> None:
    """And what is clean can be stored."""
    once = clean(text)
    assert clean(once) == once
    once.encode()
