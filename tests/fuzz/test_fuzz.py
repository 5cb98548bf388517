"""Some hundred inputs for each target of the fuzzer; `make fuzz` goes on from here."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .mutate import mutated
from .targets import TARGETS

INPUTS = 1_500


@pytest.mark.parametrize("name", list(TARGETS))
def test_changed_samples(name: str) -> None:
    """Good inputs with damage: refused in order or taken, never an exception of another kind."""
    target, chance = TARGETS[name], Random(f"fuzz {name}")
    for sample in target.samples:
        target.run(sample)
    for number in range(INPUTS):
        data = mutated(chance, target.samples)
        try:
            target.run(data)
        except Exception as error:
            pytest.fail(f"input {number} of {name}: {data!r}: {error!r}")


@pytest.mark.parametrize("name", list(TARGETS))
@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(
    data=st.binary(max_size=400)
    | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass"))
)
def test_any_bytes(name: str, data: bytes) -> None:
    """Bytes without any sense."""
    TARGETS[name].run(data)
