"""Under CI=true nothing is left out in silence: what is skipped because something is not installed fails, and says what.

Programs are stopped as by Ctrl+C, which a suite that was started in the background of a script would make them ignore.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from typing import Any

import pytest

#: Reasons of the machine or of the run that no installation changes.
ALLOWED = ("root may write everywhere", "only a file system of its own has a size", "make soak")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _judged(report: Any) -> Any:
    """The report, failed when it is a skip that CI must not have."""
    if os.environ.get("CI") == "true" and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not any(allowed in reason for allowed in ALLOWED):
            report.outcome = "failed"
            report.longrepr = f"Not to be skipped under CI=true. {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    return _judged((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, Any, Any]:
    return _judged((yield))
