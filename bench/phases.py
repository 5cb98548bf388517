"""What is measured: each phase sets up its own servers and data directory, adds its figures to the report, and takes all down."""

from __future__ import annotations

from collections.abc import Callable

import accepting
import browser_sdk
import delivering
import isolation
import latency
import loads
import restart
import starting
from shared import Bench

PHASES: dict[str, Callable[[Bench], None]] = {
    "start": starting.start,
    "accept": accepting.accept,
    "deliver": delivering.deliver,
    "latency": latency.latency,
    "flow": delivering.flow,
    "browser": browser_sdk.measure,
    "loads": loads.measure,
    "isolation": isolation.measure,
    "restart": restart.measure,
    "backlog": loads.backlog,
}
LARGE = frozenset(
    {"loads", "isolation", "restart", "backlog"}
)  #: minutes each, and gigabytes: only on demand
