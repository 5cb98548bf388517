"""Traits are cleaned by the same rules in the page and on the server: the shared table in Python, and any traits in both languages.

The table in JavaScript is browser/test/traits.test.mjs.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from sternpost.destinations.pendo.clean import clean_traits
from sternpost.model import Note
from tests.browser.test_sdk import BROWSER, needs

TABLE = json.loads((Path(__file__).parent.parent / "data" / "traits.json").read_text(encoding="utf-8"))


def cleaned(traits: dict[str, Any], wish: dict[str, str]) -> tuple[dict[str, Any], list[Note]]:
    notes: list[Note] = []
    group, nested = wish.get("metadataGroup", "agent"), wish.get("nestedTraits", "flatten")
    return clean_traits(traits, notes=notes, group=group, nested=nested), notes  # type: ignore[arg-type]


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case["name"])
def test_the_shared_table(case: dict[str, Any]) -> None:
    """Values field by field, and which kinds of changes are written down."""
    values, notes = cleaned(case["traits"], case["settings"])
    assert values == case["values"]
    assert {note.code for note in notes} == set(case["notes"])


KEYS = st.sampled_from(
    ["a", "A", "b c", "b_c", "id", "ID", "createdAt", "created_at", "birthDate", "signup date", "at", "DOB", "x.y", "é", "E"]
    + ["URL", "__", "名", "lastSeenAt", "a_A", "300x", "_300x", "isActive", "iPhoneSince", "untilX", "X-Date_", "dateOfBirth"]
) | st.text("abAB_ é.-9", min_size=1, max_size=6).filter(lambda key: not key.isdigit())  # fmt: skip
DATES = st.sampled_from(
    ["2020-03-24", "2020-03-24T17:46:45Z", "2020-03-24 17:46", "2020-02-30", "Thu Mar 24 2020 17:46:45 GMT+0000 (UTC)"]
    + ["24 Mar 2020 17:46:45 +0200", "24 Mar 2020", "03/04/2020", "1585072005", "1585072005000", "1585072005.5", "", " 2020-03-24 "]
    + ["2020-03-24T25:00:00Z", "2020-03-24T23:59:60Z", "2020-03-24T17:46:45,123456+05:30", "Mar 4 2020", "0001-01-01T00:00:00+01:00"]
    + ["2020-03-24T17:46:45+2400", "yesterday", "Xyz 24 2020", "9999-12-31T23:59:59-01:00", "2020-03-24T17:46:45.1-0030"]
)  # fmt: skip
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.sampled_from([1e8, 1e8 - 1, 1e11, 1e11 - 1, 1e14, 1e14 - 1, 1585072005.678, 0.5, -1.5, 1e20])
    | DATES
    | st.text(max_size=12)
    | st.sampled_from(["x" * 1501, "€" * 1600, "😀" * 1501])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
TRAITS = st.dictionaries(KEYS, VALUES, max_size=5)
CASES_COUNT = 400


def test_any_traits_come_out_the_same_in_both_languages() -> None:
    """What the table does not think of. One process of Node.js cleans all of them."""
    needs(chromium=False)
    cases: list[tuple[dict[str, Any], dict[str, str]]] = []
    wishes = st.fixed_dictionaries(
        {
            "metadataGroup": st.sampled_from(["agent", "custom"]),
            "nestedTraits": st.sampled_from(["flatten", "drop"]),
        }
    )

    @settings(
        max_examples=CASES_COUNT,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(TRAITS, wishes)
    def collect(traits: dict[str, Any], wish: dict[str, str]) -> None:
        cases.append((traits, wish))

    collect()
    done = subprocess.run(
        [str(shutil.which("node")), "test/support/clean.mjs"],
        cwd=BROWSER,
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=True,
    )
    theirs = json.loads(done.stdout)
    assert len(theirs) == len(cases) >= CASES_COUNT // 2
    for (traits, wish), values in zip(cases, theirs, strict=True):
        # As a request carries them: a number that is whole is the same number in both languages.
        ours = json.loads(json.dumps(cleaned(traits, wish)[0]))
        assert ours == values, (traits, wish)
