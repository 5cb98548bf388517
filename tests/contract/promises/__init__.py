"""The store's contract: every promise of `sternpost.store.base`.

`test_store.py` runs all of them for every engine, and `test_faults.py` runs them against stores that were broken on purpose.
"""

from tests.contract.promise import PROMISES

from . import (  # noqa: F401 - each adds its promises
    accepting,
    accounts,
    arrivals,
    beside,
    claiming,
    gates,
    holding,
    pruning,
    replays,
    windows,
)

__all__ = ["PROMISES"]
