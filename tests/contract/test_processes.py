"""The contract where it counts: several processes on one file, killed with SIGKILL, on a disk that refuses to grow."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import sternpost
from tests.waiting import until

from .lab import SQLITE, Engine, Lab, lab_of
from .promises.arrivals import events_of

ENGINES = [SQLITE]
each_engine = pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)

PATIENCE_S = 60.0
WORKER_LEASE_S = 4.0


class Child:
    """A process that runs a job of `child.py`; killed at the end whatever happens."""

    def __init__(self, engine: Engine, job: str, place: Path, *arguments: object, fault: str = "") -> None:
        paths = [str(Path(sternpost.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
        self.process = subprocess.Popen(
            [
                sys.executable,
                str(Path(__file__).with_name("child.py")),
                job,
                engine.name,
                str(place),
                fault,
                *map(str, arguments),
            ],
            stdout=subprocess.PIPE,
            bufsize=0,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        )

    def line(self) -> str:
        """Its next line; waits for it."""
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], PATIENCE_S)[0], "the child says nothing"
        line = self.process.stdout.readline().decode().strip()
        assert line, f"the child ended without a word: {self.process.wait()}"
        return line

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def ended(self) -> list[str]:
        """Its last lines, once it has ended by itself."""
        out, _ = self.process.communicate(timeout=PATIENCE_S)
        assert self.process.returncode == 0
        return out.decode().split("\n")


@contextmanager
def children() -> Iterator[Callable[..., Child]]:
    started: list[Child] = []

    def start(*arguments: object, **named: str) -> Child:
        started.append(Child(*arguments, **named))  # type: ignore[arg-type]
        return started[-1]

    try:
        yield start
    finally:
        for child in started:
            if child.process.poll() is None:
                child.kill()
            if child.process.stdout is not None:
                child.process.stdout.close()


async def _killed_after_accept(engine: Engine, tmp_path: Path, fault: str = "") -> None:
    place = tmp_path / "sternpost.db"
    with children() as start:
        child = start(engine, "accept_and_hang", place, 1_000, 20, fault=fault)
        accepted = 0
        while accepted < 5:
            word, batch = child.line().split()
            assert (word, batch) == ("accepted", str(accepted))
            accepted += 1
        child.kill()
    with lab_of(engine, tmp_path) as lab:
        kept = {name for (name,) in lab.rows("SELECT message_key FROM events")}
        assert {f"{batch}-{i}" for batch in range(accepted) for i in range(20)} <= kept
        assert len(kept) % 20 == 0, "half of a list was kept"
        assert sorted(await lab.deliver()) == sorted(kept)


@each_engine
async def test_accepted_survives_kill(engine: Engine, tmp_path: Path) -> None:
    """When accept has returned, kill -9 in the same moment loses nothing; what was under way is there as a whole or not at all."""
    await _killed_after_accept(engine, tmp_path)


async def _killed_after_arrive(engine: Engine, tmp_path: Path, fault: str = "") -> None:
    place = tmp_path / "sternpost.db"
    with children() as start:
        child = start(engine, "arrive_and_hang", place, 1_000, 20, fault=fault)
        for batch in range(8):
            assert child.line() == f"arrived {batch}"
        child.kill()
    with lab_of(engine, tmp_path) as lab:
        lab.check()
        while await lab.store.spread(events_of, events_max=100, now=lab.now):
            pass
        kept = {name for (name,) in lab.rows("SELECT message_key FROM events")}
        assert {f"{batch}-{i}" for batch in range(8) for i in range(20)} <= kept
        assert len(kept) % 20 == 0, "half of a request was kept"
        assert sorted(await lab.deliver()) == sorted(kept)


@each_engine
async def test_arrivals_survive_kill(engine: Engine, tmp_path: Path) -> None:
    """The same for requests that are kept as they came, killed while others are spread: each event is in one place, once."""
    await _killed_after_arrive(engine, tmp_path)


async def test_kill_notices_an_arrival_answered_before_the_commit(tmp_path: Path) -> None:
    """The test above fails for a store that answers first and commits later."""
    with pytest.raises(AssertionError):
        await _killed_after_arrive(SQLITE, tmp_path, fault="answered before the commit")


async def test_kill_notices_an_answer_before_the_commit(tmp_path: Path) -> None:
    """The test above fails for a store that answers first and commits later."""
    with pytest.raises(AssertionError):
        await _killed_after_accept(SQLITE, tmp_path, fault="answered before the commit")


@each_engine
def test_one_event_of_many_processes(engine: Engine, tmp_path: Path) -> None:
    """The same events accepted by several processes at one moment, on a file that none has made yet, are kept once."""
    place = tmp_path / "sternpost.db"
    with children() as start:
        begin = time.time() + 0.5
        several = [start(engine, "accept_once", place, begin, "m", 200) for _ in range(4)]
        stored = [int(child.line().split()[1]) for child in several]
        for child in several:
            child.ended()
    assert sum(stored) == 200
    with lab_of(engine, tmp_path) as lab:
        assert lab.counters("s:web") == {"received": 200, "duplicates": 600}


@each_engine
def test_a_disk_that_refuses_to_grow(engine: Engine, tmp_path: Path) -> None:
    """When the system refuses to let the file grow, accept says StoreUnavailable; once it does not, accept works again by itself."""
    place = tmp_path / "sternpost.db"
    with children() as start:
        child = start(engine, "disk_full", place)
        _, refused, _, accepted = child.line().split()
        assert int(refused) > 0
        assert child.line() == "after"
        child.ended()
    with lab_of(engine, tmp_path) as lab:
        names = [name for (name,) in lab.rows("SELECT message_key FROM events ORDER BY seq")]
    assert (names[0], names[-1]) == ("before", "after")
    assert len(names) == 2 + int(accepted)


@each_engine
def test_workers_that_are_killed(engine: Engine, tmp_path: Path) -> None:
    """Everything accepted is settled exactly once, whoever is killed: sends are in order per lane, and repeated only where a worker
    was killed in the middle. There are fewer lanes than workers, so that they fight for each."""
    place, log = tmp_path / "sternpost.db", tmp_path / "sends"
    log.touch()
    batches, killed = 60, set[str]()

    def sends() -> int:
        return log.read_bytes().count(b"send ")

    with children() as start:
        clients = [start(engine, "client", place, name, 2, batches) for name in ("c1", "c2")]
        workers: dict[str, Child] = {}

        def hire(hang_after: int = 0) -> None:
            name = f"w{len(workers)}"
            workers[name] = start(engine, "worker", place, name, log, WORKER_LEASE_S, hang_after)

        for hang_after in (2, 5):
            hire(hang_after)
        for name in ("w0", "w1"):
            assert workers[name].line() == f"hanging {name}"
        for _ in range(3):
            hire()
        for name, enough in (("w0", 0), ("w1", 0), ("w2", 50)):
            until(lambda: sends() >= enough, within_s=PATIENCE_S)
            workers[name].kill()
            killed.add(name)
        hire()
        for client in clients:
            client.ended()
        lab = Lab(engine, place)
        try:
            until(
                lambda: lab.rows("SELECT count(*) FROM outcomes WHERE state = 1") == [(batches * 10,)],
                within_s=PATIENCE_S,
                what="everything delivered",
            )
            Path(f"{log}.stop").touch()
            for name in workers.keys() - killed:
                workers[name].ended()
            lab.check()
            assert lab.counters("s:web") == {"received": batches * 10, "duplicates": batches * 30}
        finally:
            lab.close()
    repeats = _repeats(log.read_text(), killed, batches * 10)
    assert repeats >= 2, "two workers were killed in the middle of a run"


def _repeats(log: str, killed: set[str], events: int) -> int:
    """How many sends were repeated; each for a reason, and everything else in order."""
    lines = [line.split() for line in log.splitlines()]
    lost = {(worker, lease) for word, worker, lease, _, _ in lines if word == "lost"}
    lanes: dict[str, list[tuple[int, str, str]]] = defaultdict(list)
    for word, worker, lease, lane, number in lines:
        # A worker that was held up for longer than its lease sends what another has taken over; it learns so from settle.
        if word == "send" and (worker, lease) not in lost:
            lanes[lane].append((int(number), worker, lease))
    assert len(lanes) == 2
    assert sum(len({seq for seq, _, _ in sent}) for sent in lanes.values()) == events
    repeats = 0
    for sent in lanes.values():
        senders: dict[int, str] = {}
        before, by = 0, ""
        for seq, worker, _ in sent:
            if seq <= before:
                assert by in killed, f"{seq} was sent after {before}, but nobody was killed"
            if seq in senders:
                repeats += 1
                assert senders[seq] in killed, f"{seq} was sent twice, but {senders[seq]} was not killed"
            else:
                assert seq > max(senders, default=0), f"{seq} was sent for the first time after a younger one"
            senders[seq] = worker
            before, by = seq, worker
    return repeats
