"""Logs: bounded by what a stranger can make a library say."""

from __future__ import annotations

import logging

from sternpost.logs import SAME_LINES_MAX, Seldom


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
