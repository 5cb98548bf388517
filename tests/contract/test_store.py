"""The contract of the store, for every engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from .lab import SQLITE, Engine, lab_of
from .promises import PROMISES

ENGINES = [SQLITE]


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
@pytest.mark.parametrize("name", PROMISES)
async def test_promise(engine: Engine, name: str, tmp_path: Path) -> None:
    """Each promise holds; its docstring says what it is."""
    assert PROMISES[name].__doc__
    with lab_of(engine, tmp_path) as lab:
        await PROMISES[name](lab)
