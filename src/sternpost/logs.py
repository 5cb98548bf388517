"""Logs: readable on a terminal, JSON otherwise. A line is an event with fields; it never holds a payload or a secret."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from typing import Literal

import structlog

from sternpost.model import Secret

SAME_LINE_EVERY_S = 10.0  #: how often a library may say the same again
SAME_LINES_MAX = 100  #: different lines that are remembered


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
    ]
    if readable:
        processors.append(structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()))
    else:
        processors += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
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


def _mask(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return {name: str(value) if isinstance(value, Secret) else value for name, value in event.items()}
