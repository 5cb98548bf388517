"""The program as people run it: a process of its own, in a directory of its own, waited for by what it prints."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).parent.parent.parent / "src"
WAIT_S = 20.0
COMMAND = (sys.executable, "-m", "sternpost")


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STERNPOST_")}
    return {**kept, "PYTHONPATH": str(SOURCE), "PYTHONUNBUFFERED": "1", **more}


@dataclass
class Done:
    status: int
    out: str
    err: str


def sternpost(
    *arguments: str,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    timeout: float = WAIT_S,
) -> Done:
    """Run a command to its end."""
    found = subprocess.run(
        [*COMMAND, *arguments],
        cwd=cwd,
        env=environment(**(env or {})),
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    return Done(found.returncode, found.stdout, found.stderr)


@dataclass
class Program:
    """A command that goes on running."""

    process: subprocess.Popen[str]
    error_path: Path
    lines: queue.Queue[str | None] = field(default_factory=queue.Queue)
    seen: list[str] = field(default_factory=list)

    def line(self, pattern: str, seconds: float = WAIT_S) -> re.Match[str]:
        """Wait for a line of its standard output."""
        for earlier in self.seen:
            if found := re.search(pattern, earlier):
                return found
        deadline = time.monotonic() + seconds
        while True:
            try:
                text = self.lines.get(timeout=max(deadline - time.monotonic(), 0.01))
            except queue.Empty:
                raise AssertionError(f"no line like {pattern!r} in {self.seen}; {self.errors()}") from None
            if text is None:
                raise AssertionError(f"ended without a line like {pattern!r}: {self.seen}; {self.errors()}")
            self.seen.append(text)
            if found := re.search(pattern, text):
                return found

    def next(self, seconds: float = WAIT_S) -> str:
        text = self.lines.get(timeout=seconds)
        assert text is not None, self.errors()
        self.seen.append(text)
        return text

    def errors(self) -> str:
        return self.error_path.read_text()

    def stop(self, number: int = signal.SIGTERM, seconds: float = WAIT_S) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(seconds)


@contextlib.contextmanager
def running(*arguments: str, cwd: Path, env: Mapping[str, str] | None = None) -> Iterator[Program]:
    """Start a command, and see that it is gone afterwards."""
    error_path = cwd / f"stderr-{time.monotonic_ns()}"
    with error_path.open("w") as errors:
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=cwd,
            env=environment(**(env or {})),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    program = Program(process, error_path)

    def read() -> None:
        assert process.stdout is not None
        for text in process.stdout:
            program.lines.put(text.rstrip("\n"))
        program.lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    try:
        yield program
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(WAIT_S)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def fetch(url: str, *, content: Any = None, headers: Mapping[str, str] | None = None) -> Any:
    body = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(url, data=body, headers=dict(headers or {}))
    with urllib.request.urlopen(request, timeout=WAIT_S) as reply:
        return json.loads(reply.read() or b"null")


def columns(lines: Sequence[str]) -> int:
    return max(len(line) for line in lines)
