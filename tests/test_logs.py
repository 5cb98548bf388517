"""Logs: bounded by what a stranger can make a library say."""

from __future__ import annotations

import io
import json
import logging

import structlog

from sternpost.logs import SAME_LINES_MAX, Patient, SameFailures, Seldom


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("uvicorn.error", logging.WARNING, "", 0, text, (), None)


def test_the_same_line_is_said_once_in_a_while():
    """A client that sends nonsense a thousand times costs one line in ten seconds; other lines are not held back by it."""
    now = [100.0]
    seldom = Seldom(10.0, lambda: now[0])
    assert [seldom.filter(record("Invalid HTTP request received.")) for _ in range(1000)].count(True) == 1
    assert seldom.filter(record("Another"))
    now[0] += 10.0
    assert seldom.filter(record("Invalid HTTP request received."))


def test_what_is_remembered_is_bounded():
    """Lines that all differ are let through, and forgotten in time."""
    seldom = Seldom(10.0, lambda: 0.0)
    assert all(seldom.filter(record(f"line {number}")) for number in range(SAME_LINES_MAX * 3))
    assert len(seldom._said) <= SAME_LINES_MAX


def said(failures: SameFailures, **fields: object) -> dict[str, object] | None:
    try:
        return dict(failures(None, "warning", {"event": "settle_failed", **fields}))
    except structlog.DropEvent:
        return None


def test_a_failure_that_lasts_is_said_once_a_minute():
    """What is tried each second must not fill the disk that is full; how often it came is said with the next line."""
    now = [100.0]
    failures = SameFailures(60.0, lambda: now[0])
    lines = [said(failures, error="The disk is full", destination="pendo") for _ in range(1000)]
    assert sum(line is not None for line in lines) == 1
    assert said(failures, error="The disk is full", destination="hook") is not None
    assert said(failures, error="Another") is not None
    assert said(failures) is not None, "a decision is no failure"
    assert said(failures) is not None
    now[0] += 60.0
    again = said(failures, error="The disk is full", destination="pendo")
    assert again is not None
    assert again["repeated"] == 999


def test_the_same_exception_is_a_failure_too():
    """Its traceback is said once a minute."""
    failures = SameFailures(60.0, lambda: 0.0)
    lines = [said(failures, exc_info=OSError("no space")) for _ in range(10)]
    assert sum(line is not None for line in lines) == 1


def test_a_log_that_cannot_be_written_stops_nothing():
    """Standard error on a full disk: the lines are lost and counted, and whoever logs goes on."""

    class Full(io.StringIO):
        full = True

        def write(self, text: str) -> int:
            if self.full:
                raise OSError(28, "No space left on device")
            return super().write(text)

    stream = Full()
    patient = Patient(stream, readable=False)
    for _ in range(3):
        patient.write("a line\n")
    stream.full = False
    patient.write("{}\n")
    first, second = stream.getvalue().splitlines()
    assert json.loads(first) == {"event": "log_lines_lost", "level": "warning", "lines": 3}
    assert second == "{}"
