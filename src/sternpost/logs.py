"""Logs: readable on a terminal, JSON otherwise. A line is an event with fields; it never holds a payload or a secret."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from typing import Literal, TextIO, cast

import structlog

from sternpost.model import Secret

SAME_LINE_EVERY_S = 10.0  #: how often a library may say the same again
SAME_LINES_MAX = 100  #: different lines that are remembered
SAME_FAILURE_EVERY_S = 60.0  #: how often we say the same failure again: what is tried each second must not fill the disk that is full
FAILURE_CHARS = 200  #: of an error's text that tell it from another


def configure(level: str, style: Literal["auto", "text", "json"]) -> None:
    """Set up logging of this process, once, to standard error."""
    readable = sys.stderr.isatty() if style == "auto" else style == "text"
    number = logging.getLevelNamesMapping()[level.upper()]
    # What libraries say goes the same way; below warning they say nothing that an operator needs.
    logging.basicConfig(
        level=max(number, logging.WARNING),
        stream=sys.stderr,
        format="%(levelname)s %(name)s: %(message)s",
        force=True,
    )
    logging.getLogger("uvicorn.error").addFilter(Seldom())
    processors: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _mask,
        SameFailures(),
    ]
    if readable:
        processors.append(structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()))
    else:
        processors += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", Patient(sys.stderr, readable=readable))),
        cache_logger_on_first_use=True,
    )


class Seldom(logging.Filter):
    """Lets the same line of a library through once in a while: a client that sends nonsense must not fill the log."""

    def __init__(
        self, every_s: float = SAME_LINE_EVERY_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._every_s = every_s
        self._clock = clock
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        now = self._clock()
        line = str(record.msg)
        if now - self._said.get(line, -self._every_s) < self._every_s:
            return False
        if len(self._said) >= SAME_LINES_MAX:
            self._said.clear()
        self._said[line] = now
        return True


class SameFailures:
    """Lets a failure through when it is new, and once a minute while it lasts, with how often it came meanwhile (`repeated`)."""

    def __init__(
        self, every_s: float = SAME_FAILURE_EVERY_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._every_s = every_s
        self._clock = clock
        self._said: dict[tuple[object, ...], tuple[float, int]] = {}

    def __call__(self, _: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        error = event.get("error")
        if event.get("exc_info"):
            error = event["exc_info"] if isinstance(event["exc_info"], BaseException) else sys.exc_info()[1]
            error = f"{type(error).__name__}: {error}"
        if error is None:
            return event
        who = (event.get(name) for name in ("event", "source", "destination", "channel"))
        key = (*map(str, who), str(error)[:FAILURE_CHARS])
        now = self._clock()
        at, left_out = self._said.get(key, (-self._every_s, 0))
        if now - at < self._every_s:
            self._said[key] = (at, left_out + 1)
            raise structlog.DropEvent
        if len(self._said) >= SAME_LINES_MAX:
            self._said.clear()
        self._said[key] = (now, 0)
        return {**event, "repeated": left_out} if left_out else event


class Patient:
    """Standard error that may fail: a log file on a full disk, a pipe that nobody reads any more. Events must not be lost with its lines."""

    def __init__(self, stream: TextIO, *, readable: bool) -> None:
        self._stream = stream
        self._note = (
            "({} log lines could not be written)\n"
            if readable
            else '{{"event": "log_lines_lost", "level": "warning", "lines": {}}}\n'
        )
        self._lost = 0

    def write(self, text: str) -> None:
        try:
            if self._lost:
                self._stream.write(self._note.format(self._lost))
                self._stream.flush()
            self._stream.write(text)
            self._stream.flush()
            self._lost = 0
        except (OSError, ValueError):
            self._lost += 1

    def flush(self) -> None:
        """Each line is written at once."""


def _mask(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return {name: str(value) if isinstance(value, Secret) else value for name, value in event.items()}
