"""The simulation notices every program that is broken on purpose, within few seeds, and says what is wrong."""

from __future__ import annotations

import re

import pytest

from . import world
from .faults import FAULTS

SEEDS_MAX = 80


@pytest.mark.parametrize("name", list(FAULTS))
def test_it_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each fault within `SEEDS_MAX` seeds of the kind that is about it, by a complaint that is about it."""
    fault = FAULTS[name]
    # Of a program that turns in a circle nobody wants to see more.
    monkeypatch.setattr(world, "STEPS_MAX", 100_000)
    fault.break_it(monkeypatch.setattr)
    with world.folder() as folder, world.many() as ended:
        for seed in range(SEEDS_MAX):
            try:
                world.run(seed, folder, fault.kind)
            except world.Broken as broken:
                if re.search(fault.says, str(broken)):
                    return
            ended()
    pytest.fail(f"{name}: not noticed in {SEEDS_MAX} seeds of {fault.kind}")
