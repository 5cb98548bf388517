from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.console.house import House, house
from tests.control.bench import Bench, make


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    made = await house(tmp_path)
    yield made
    made.bench.close()


@pytest.fixture
async def remote(tmp_path: Path) -> AsyncIterator[House]:
    """A server that other machines can reach."""
    made = await house(tmp_path, on_loopback=False)
    yield made
    made.bench.close()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = await make(tmp_path)
    yield made
    made.close()
