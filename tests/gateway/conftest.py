"""Every test of the door runs twice: events go straight into their tables, and requests are kept as they came."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .door import CROWDED


@pytest.fixture(autouse=True, params=[False, True], ids=["straight", "crowded"])
def way(request: pytest.FixtureRequest) -> Iterator[None]:
    token = CROWDED.set(request.param)
    yield
    CROWDED.reset(token)
