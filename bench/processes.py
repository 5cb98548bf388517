"""The processes of a run: started, watched (CPU, memory), and ended whatever happens."""

from __future__ import annotations

import contextlib
import ctypes
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

START_S_MAX = 30.0
STOP_S_MAX = 15.0
SAMPLE_S = 0.1
POLL_S = 0.003
MB = 1_000_000
PR_SET_PDEATHSIG = 1
HERE = Path(__file__).resolve().parent


class BenchError(Exception):
    """A figure cannot be measured; the message is for people."""


def _end_with_parent() -> None:
    """On Linux the kernel ends a child whose parent was killed; elsewhere only a polite end is followed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Program:
    """One process and its children."""

    def __init__(
        self, name: str, argv: Sequence[str], *, port: int, folder: Path, source: Path | None
    ) -> None:
        """`source`: a folder with another `sternpost` package than the installed one."""
        self.name = name
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.log = folder / f"{name}.log"
        env = {key: value for key, value in os.environ.items() if not key.startswith("STERNPOST_")}
        if source is not None:
            env["PYTHONPATH"] = str(source)
        self._argv = list(argv)
        self._env = env
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._argv,
                cwd=self._folder,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_end_with_parent,
            )

    def wait_listening(self) -> None:
        """Wait until its port takes connections."""
        until = time.monotonic() + START_S_MAX
        while time.monotonic() < until:
            self.check()
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(POLL_S)
        raise BenchError(f"{self.name} did not listen within {START_S_MAX:g} s. Its output: {self.tail()}")

    def wait_200(self, body: bytes, headers: dict[str, str]) -> None:
        """Wait until an event is answered with 200."""
        until = time.monotonic() + START_S_MAX
        while time.monotonic() < until:
            self.check()
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            try:
                connection.request("POST", "/v1/track", body, headers)
                if connection.getresponse().status == 200:
                    return
            except OSError:
                time.sleep(POLL_S)
            finally:
                connection.close()
        raise BenchError(
            f"{self.name} did not answer 200 within {START_S_MAX:g} s. Its output: {self.tail()}"
        )

    def wait_ended(self, seconds: float) -> None:
        """Wait until it has ended by itself, well. Raises BenchError."""
        assert self._process is not None
        try:
            status = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise BenchError(f"{self.name} took longer than {seconds:g} s.") from None
        if status:
            raise BenchError(f"{self.name} ended with status {status}. Its output: {self.tail()}")

    def check(self) -> None:
        """Raises BenchError when it has ended."""
        if self._process is not None and self._process.poll() is not None:
            raise BenchError(
                f"{self.name} ended with status {self._process.returncode}. Its output: {self.tail()}"
            )

    def tail(self) -> str:
        text = self.log.read_bytes()[-2_000:].decode("utf-8", "replace") if self.log.exists() else ""
        return text.strip() or "(nothing)"

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Let it stand still meanwhile (without its children: it has none that work by themselves)."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it politely; by force when that takes too long."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Pull the plug."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        process = self._process
        if process is None:
            return
        family = self.pids()
        if process.poll() is None:
            process.send_signal(number)
            try:
                process.wait(STOP_S_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for pid in family[1:]:
            # Its children end with it, or here: pids that are still theirs a moment ago.
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        self._process = None

    # --- watching (Linux; elsewhere memory by ps and no CPU time) ----------------------------------------------------

    def pids(self) -> list[int]:
        """The process and its children, it first."""
        if self._process is None:
            return []
        found = [self._process.pid]
        for pid in found:
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                with contextlib.suppress(OSError):
                    found += [int(text) for text in children.read_text().split()]
        return found

    def cpu_s(self) -> float:
        """User and system time of all its processes so far; 0 where it cannot be known."""
        ticks = 0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def rss_mb(self) -> float:
        """Resident memory of all its processes."""
        if sys.platform != "linux":
            pids = ",".join(map(str, self.pids()))
            shown = subprocess.run(["ps", "-o", "rss=", "-p", pids], capture_output=True, text=True)
            return sum(map(int, shown.stdout.split())) * 1024 / MB
        pages = 0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / MB

    @contextlib.contextmanager
    def watched(self) -> Iterator[Usage]:
        """CPU time and the highest memory while the block runs."""
        usage = Usage()
        ended = threading.Event()

        def sample() -> None:
            while not ended.wait(SAMPLE_S):
                usage.rss_mb = max(usage.rss_mb, self.rss_mb())

        thread = threading.Thread(target=sample, daemon=True)
        before = self.cpu_s()
        thread.start()
        try:
            yield usage
        finally:
            usage.cpu_s = self.cpu_s() - before
            ended.set()
            thread.join()


class Usage:
    """What a process used."""

    def __init__(self) -> None:
        self.cpu_s = 0.0
        self.rss_mb = 0.0


def free_port() -> int:
    """A port that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
