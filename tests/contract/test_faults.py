"""The suite notices every fault: a promise that cannot fail promises nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from .faults import FAULTS
from .lab import SQLITE, lab_of
from .promises import PROMISES


@pytest.mark.parametrize("name", FAULTS)
async def test_fault_is_noticed(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store with this fault breaks the promise that names it."""
    fault = FAULTS[name]
    fault.break_it(monkeypatch.setattr)
    with pytest.raises((Exception, pytest.fail.Exception)):  # whatever way a broken store fails
        with lab_of(SQLITE, tmp_path) as lab:
            await PROMISES[fault.noticed_by](lab)
