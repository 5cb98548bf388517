"""wrk with our script: what it answered, how long it took, and which requests it began."""

from __future__ import annotations

import base64
import json
import math
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import bodies
from processes import BenchError

SCRIPT = Path(__file__).resolve().parent / "load.lua"
THREADS = 1
WRITE_KEY = "wk-bench"
AUTHORIZATION = "Basic " + base64.b64encode(f"{WRITE_KEY}:".encode()).decode()


@dataclass
class Load:
    """One run of wrk."""

    run: str  #: part of its messageIds
    batch: int  #: events in a body; 0 for a single event
    connections: int
    answered: int  #: requests answered with 200
    refused: int  #: answered with an error
    broken: int  #: not answered because of the connection, or not in time
    seconds: float
    body_bytes: int
    begun: list[int]  #: requests by thread
    latency_us: list[tuple[int, int]]  #: value and how often

    @property
    def events(self) -> int:
        return self.answered * max(self.batch, 1)

    @property
    def requests_per_s(self) -> float:
        return self.answered / self.seconds

    @property
    def events_per_s(self) -> float:
        return self.events / self.seconds

    @property
    def event_bytes(self) -> float:
        """Mean size of an event's body."""
        return self.body_bytes / max(sum(self.begun) * max(self.batch, 1), 1)


def together(loads: list[Load]) -> Load:
    """Several runs as one; its `run` and `begun` mean nothing."""
    return Load(
        run="",
        batch=loads[0].batch,
        connections=loads[0].connections,
        answered=sum(load.answered for load in loads),
        refused=sum(load.refused for load in loads),
        broken=sum(load.broken for load in loads),
        seconds=sum(load.seconds for load in loads),
        body_bytes=sum(load.body_bytes for load in loads),
        begun=[number for load in loads for number in load.begun],
        latency_us=[entry for load in loads for entry in load.latency_us],
    )


def latency_ms(load: Load, share: float) -> float:
    """A percentile of the latencies, as wrk corrects them for coordinated omission."""
    entries = sorted(load.latency_us)
    left = sum(count for _, count in entries) * share
    for value, count in entries:
        left -= count
        if left <= 0:
            return value / 1000
    return 0.0


def available() -> bool:
    """Whether wrk is installed."""
    return shutil.which("wrk") is not None


def run_wrk(
    url: str,
    folder: Path,
    *,
    batch: int,
    connections: int,
    seconds: float,
    events_max: int,
    people: int = bodies.PEOPLE,
) -> Load:
    """Load one address for so long. Raises BenchError when wrk fails."""
    run = secrets.token_hex(4)
    templates = folder / "templates.txt"
    bodies.write_templates(templates, bodies.TRACK)
    result = folder / f"wrk-{run}.json"
    whole_s = math.ceil(seconds)
    path = "/v1/batch" if batch else "/v1/track"
    argv = ["wrk", "-t", str(THREADS), "-c", str(connections), "-d", f"{whole_s}s", "--timeout", "10s"]
    argv += ["-s", str(SCRIPT), url + path, "--", str(templates), str(batch), str(people)]
    argv += [str(max(1, events_max // max(batch, 1) // THREADS)), run, AUTHORIZATION, str(result)]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=whole_s + 30, check=False)
        found = json.loads(result.read_text())
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise BenchError(f"wrk gave no result ({error}).") from None
    finally:
        result.unlink(missing_ok=True)
    if done.returncode or not found["answered"]:
        raise BenchError(f"wrk failed against {url}{path}: {(done.stderr or done.stdout)[-500:].strip()}")
    return Load(
        run=run,
        batch=batch,
        connections=connections,
        answered=found["answered"] - found["status_errors"],
        refused=found["status_errors"],
        broken=found["socket_errors"],
        seconds=found["seconds"],
        body_bytes=found["body_bytes"],
        begun=found["begun"],
        latency_us=[(value, count) for value, count in found["latency_us"]],
    )
