"""One run: programs (the real intake, store and engine), clients, the other side, and what goes wrong. See `scenario.py` for what may.

    clients ──▶ Program: Intake ─▶ SqliteStore (a real file) ─▶ Engine ──▶ `destination.Other`

While it goes on, `watching.py` looks at every settlement and every line that is logged; after it, `checks.py` at everything.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

from sternpost.destinations.registry import DESTINATIONS
from sternpost.errors import StoreError
from sternpost.model import Workspace
from sternpost.workspace.document import parse

from . import checks
from .destination import Other
from .loop import Quiet, VirtualLoop
from .program import SLOW_COMMIT_S, Attempt, Program
from .scenario import EPOCH, Incident, Request, Scenario, draw
from .watching import Fences, Logs

PENDO = {
    "region": "custom",
    "hosts": {"api": "http://api.test", "data": "http://data.test", "content": "http://content.test"},
    "apiKey": "11111111-1111-4111-8111-111111111111",
    "integrationKey": "33333333-3333-4333-8333-333333333333.us",
    "trackEventSecret": "55555555-5555-4555-8555-555555555555",
}
STEPS_MAX = 1_500_000
#: Faults are over: everything ends within the longest backoff, probe and gate, many times over.
DRAINED_S = 3 * 3600.0
RUNS_PER_COLLECTION = 5
SLOW_COMMIT_STEPS = int(max(SLOW_COMMIT_S) / 0.01)


class Broken(AssertionError):
    """An invariant does not hold; the seed replays it."""


class World:
    """See the module."""

    def __init__(self, scenario: Scenario, folder: Path) -> None:
        self.scenario = scenario
        self.path = folder / f"sim-{scenario.seed}.db"
        self.loop = VirtualLoop(steps_max=STEPS_MAX)
        self.loop.on_step = self._step
        self.context = contextvars.copy_context()
        self.random = Random(f"world {scenario.seed}")
        self.rate = scenario.rate
        self.offset = EPOCH
        self.jumped = False
        self.mood = "disk well"
        self.mood_chance = 1.0
        self.trace: list[tuple[Any, ...]] = []
        self.problems: list[str] = []
        self.programs: list[Program] = []
        self.main: Program | None = None
        self.second: Program | None = None
        self.attempts: list[Attempt] = []
        self.spread: dict[
            tuple[str, float], tuple[float, Workspace]
        ] = {}  #: by messageId and time of receipt
        self.other = Other(self, scenario)
        self.over = False
        # The workspace, and everything that it ever was.
        self.settings = dict(scenario.settings)
        self.concurrency = scenario.concurrency
        self.concurrency_max = dict.fromkeys(("pendo", "hook", "other"), scenario.concurrency)
        self.disabled: set[str] = set()
        self.removed: set[str] = set()
        self.disconnected: set[tuple[str, str]] = set()
        self.ever: set[tuple[str, Any]] = set()
        self._rebuild()
        self._reader = sqlite3.connect(self.path, isolation_level=None)

    # --- small things ------------------------------------------------------------------------------------------------

    def clock(self) -> float:
        return self.offset + self.loop.time()

    def note(self, *what: Any) -> None:
        self.trace.append((round(self.loop.time(), 6), *what))

    def wrong(self, what: str) -> None:
        self.problems.append(what)

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        return self._reader.execute(sql, values).fetchall()

    def taint(self, what: str) -> None:
        for program in self.programs:
            if not program.dead:
                program.tainted.add(what)

    def _rebuild(self) -> None:
        common = {"ratePerSecond": self.rate, "concurrency": self.concurrency}
        destinations: list[dict[str, Any]] = [
            {
                "id": "pendo",
                "name": "Pendo",
                "type": "pendo",
                "settings": {**PENDO, **self.settings, **common},
            },
            *(
                {
                    "id": name,
                    "name": name,
                    "type": "webhook",
                    "settings": {"url": f"http://{name}.test/", **common},
                }
                for name in ("hook", "other")
            ),
        ]
        destinations = [
            d | {"enabled": d["id"] not in self.disabled} for d in destinations if d["id"] not in self.removed
        ]
        self.workspace = parse(
            {
                "version": 1,
                "sources": [
                    {"id": "srv", "name": "srv", "type": "server", "writeKey": "wk1"},
                    {"id": "web", "name": "web", "type": "web", "writeKey": "wk2"},
                ],
                "destinations": destinations,
                "connections": [
                    {"source": source, "destination": d["id"], "mode": "cloud"}
                    for source in ("srv", "web")
                    for d in destinations
                    if (source, d["id"]) not in self.disconnected
                ],
            },
            destinations=DESTINATIONS,
        )
        self.ever |= {("disabled", name) for name in self.disabled} | {
            ("removed", name) for name in self.removed
        }
        self.ever |= {("disconnected", pair) for pair in self.disconnected}
        self.ever.add(("anonymous", self.settings["anonymousVisitors"]))

    # --- programs ----------------------------------------------------------------------------------------------------

    def _step(self, step: int) -> None:
        if not self.over and step in self.scenario.crash_steps and self.main is not None:
            self._kill_main()

    def _kill_main(self) -> None:
        main, self.main = self.main, None
        if main is None:
            return
        self.note("killed", main.name)
        main.kill()
        if self.second is not None:
            self.second.tainted.add("shared")
        self.loop.call_later(0.5, lambda: self.loop.create_task(self._start_main()), context=self.context)

    async def _start_main(self) -> None:
        while True:
            try:
                program = Program(self, f"P{len(self.programs)}", self.path)
            except StoreError:
                # The second one was frozen while it wrote. As a supervisor does with a server that could not start.
                await asyncio.sleep(1.0)
                continue
            self.programs.append(program)
            self.main = program
            if self.second is not None:
                program.tainted.add("shared")
            if self.mood != "disk well":
                program.tainted.add("disk")
            self.note("started", program.name)
            starting = program.task(program.start(door=True, alone=self.second is None))
            await asyncio.wait([starting])  # for ever, when it is killed meanwhile
            if starting.exception() is None:
                return
            program.kill()
            self.main = None
            await asyncio.sleep(1.0)

    async def _restart_main(self) -> None:
        main, self.main = self.main, None
        if main is None:
            return
        self.note("stopping", main.name)
        await asyncio.wait([main.task(main.stop())])
        self.note("stopped", main.name)
        self._given_back(main)
        await self._start_main()

    def _given_back(self, program: Program) -> None:
        if not program.tainted and (
            leased := self.rows("SELECT lane, lease FROM lanes WHERE lease IS NOT NULL")
        ):
            self.wrong(f"{program.name} stopped and kept leases: {leased}")

    async def _second_worker(self) -> None:
        if self.second is not None:
            return
        try:
            program = Program(self, f"Z{len(self.programs)}", self.path)
        except StoreError:
            return  # the first one writes just now
        self.programs.append(program)
        self.second = program
        self.taint("shared")
        await asyncio.wait([starting := program.task(program.start(door=False, alone=False))])
        if starting.exception() is not None:
            program.kill()
            self.second = None

    def _freeze(self, seconds: float) -> None:
        program = self.second or self.main
        if program is None or program.frozen:
            return
        self.taint("frozen")
        program.frozen = True

        def thaw() -> None:
            program.frozen = False
            kept, program.kept = program.kept, []
            self.loop.again(kept)

        self.loop.call_later(seconds, thaw, context=self.context)

    # --- incidents -----------------------------------------------------------------------------------------------------

    async def _incident(self, incident: Incident) -> None:
        self.note("incident", incident.what, incident.value)
        value = incident.value
        match incident.what:
            case "crash":
                self._kill_main()
            case "restart":
                await self._restart_main()
            case "clock":
                self.offset += value
                self.jumped = True
                self.taint("clock")
            case "second worker":
                await self._second_worker()
            case "second dies":
                second, self.second = self.second, None
                if second is not None:
                    second.kill()
            case "freeze":
                self._freeze(value)
            case "disk well" | "disk full" | "disk slow" | "commits fail":
                self.taint("disk")
                self.mood, self.mood_chance = incident.what, value or 1.0
                for program in self.programs:
                    if not program.dead:
                        program._room()
            case _:
                await self._change(incident.what, value)

    async def _change(self, what: str, value: Any) -> None:
        match what:
            case "disable":
                self.disabled.add(value)
            case "enable":
                self.disabled.discard(value)
            case "remove":
                self.removed.add(value)
            case "restore":
                self.removed.discard(value)
            case "disconnect":
                self.disconnected.add(value)
            case "connect":
                self.disconnected.discard(value)
            case "settings":
                self.settings |= value
            case "concurrency":
                self.concurrency = value
                for name in self.concurrency_max:
                    self.concurrency_max[name] = max(self.concurrency_max[name], value)
            case _:
                raise AssertionError(what)
        self._rebuild()
        for program in (self.main, self.second):
            while program is not None and not program.dead and program in (self.main, self.second):
                applying = program.task(program.engine.apply())
                # A program that is killed or frozen meanwhile reads the workspace at its next start.
                done, _ = await asyncio.wait([applying], timeout=300)
                if not done or applying.exception() is None:
                    break
                if not isinstance(applying.exception(), StoreError):
                    self.wrong(f"apply raised {applying.exception()!r}")
                    break
                await asyncio.sleep(1.0)  # whoever changed it was told, and tries again

    # --- clients -------------------------------------------------------------------------------------------------------

    async def _client(self, request: Request) -> None:
        await asyncio.sleep(request.at)
        for _ in range(1 + request.repeated):
            pause = 0.5
            while await self._submit(request) != "ok":
                await asyncio.sleep(pause)
                pause = min(pause * 2, 20.0)

    async def _submit(self, request: Request) -> str:
        program = self.main
        if program is None or not program.open:
            return "nothing"
        attempt = Attempt(request, self.clock(), self.workspace)
        told: asyncio.Future[str] = self.loop.create_future()

        async def handle() -> None:
            attempt.wall, attempt.workspace = self.clock(), self.workspace
            attempt.began = self.loop.time()
            self.attempts.append(attempt)
            await program.handle(attempt, told)

        program.task(handle())
        done, _ = await asyncio.wait([told], timeout=15.0)
        return told.result() if done else "nothing"

    # --- one run -------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Run the scenario. Raises Broken with everything that is wrong."""
        asyncio.set_event_loop(None)
        with Logs(self), Fences(self):
            try:
                task = self.loop.create_task(self._run(), context=self.context)
                self.loop.run_until_complete(task)
            except (Quiet, checks.Stuck) as error:
                self.wrong(str(error))
            finally:
                self.over = True
                self.problems += self.other.wrong + self.loop.complaints
                self._take_down()
        if self.problems:
            shown = "\n".join(f"  - {problem}" for problem in dict.fromkeys(self.problems[:12]))
            raise Broken(f"seed {self.scenario.seed} ({self.scenario.kind}):\n{shown}")

    async def _run(self) -> None:
        scenario = self.scenario
        await self._start_main()
        clients = [self.loop.create_task(self._client(request)) for request in scenario.requests]
        incidents = [self.loop.create_task(self._at(incident)) for incident in scenario.incidents]
        await asyncio.sleep(scenario.until)
        await asyncio.wait(incidents, timeout=400) if incidents else None
        # From here on nothing goes wrong any more.
        self.over = True
        self.other.healthy = True
        self.taint("end")
        self.mood = "disk well"
        for program in self.programs:
            if not program.dead:
                program._room()
        self.note("over")
        if self.second is not None:
            second, self.second = self.second, None
            while second.frozen:
                await asyncio.sleep(1.0)
            await asyncio.wait([second.task(second.stop())])
        while self.main is None or not self.main.open or self.main.frozen:
            await asyncio.sleep(0.5)
        main = self.main
        main.tainted.discard("end")
        done, waiting = await asyncio.wait(clients, timeout=600)
        if waiting:
            self.wrong(f"{len(waiting)} clients are never told that their events are kept")
        await self._drained()
        await asyncio.sleep(1.0)
        for _ in range(2 * SLOW_COMMIT_STEPS):
            if not main.store.queued_events:
                break
            await asyncio.sleep(
                0.01
            )  # a worker looks for work just now, perhaps by a commit that began on the slow disk
        checks.memory(self, main)
        await self._expire(main)
        await asyncio.wait([main.task(main.stop())])
        self._given_back(main)
        checks.everything(self)

    async def _at(self, incident: Incident) -> None:
        await asyncio.sleep(incident.at)
        await self._incident(incident)

    async def _drained(self) -> None:
        began = self.loop.time()
        pause = 0.5
        while waiting := self.rows(checks.WAITING) or self.rows(checks.ARRIVED):
            if self.loop.time() - began > DRAINED_S:
                raise checks.Stuck(f"still waiting {DRAINED_S:g} s after the last fault: {waiting[:10]}")
            await asyncio.sleep(pause)
            pause = min(pause * 1.2, 20.0)

    async def _expire(self, main: Program) -> None:
        """Who never said who they are: their events end when their time is over, and not before."""
        self.held_before = {seq for (seq,) in self.rows("SELECT seq FROM held")}
        holding = "pendo" in self.workspace.destinations and self.settings["anonymousVisitors"] == "hold"
        if self.held_before and not holding:
            self.wrong(f"nothing holds, and these are held: {sorted(self.held_before)}")
        if self.held_before:
            await asyncio.wait([main.task(main.store.expire_held(now=self.clock()))])
            early = self.held_before - {seq for (seq,) in self.rows("SELECT seq FROM held")}
            if early and not self.jumped:
                self.wrong(f"held events expired before their time: {sorted(early)}")
            self.offset += 7 * 86_400.0
            await asyncio.wait([main.task(main.store.expire_held(now=self.clock()))])
            if left := self.rows("SELECT seq FROM held"):
                self.wrong(f"held events never expire: {left}")

    def _take_down(self) -> None:
        """End all tasks behind the end of the run, those of killed programs too: they find their files closed."""
        loop = self.loop
        loop.ghosts = True
        for program in self.programs:
            if not program.dead:
                program.kill()
            for worker in (
                w for running in program.engine._running.values() for w in running.workers.values()
            ):
                worker._stopping = True
            program.store._database._thread.shutdown(wait=False)
            loop.again(program.kept)
            program.kept = []

        async def all_ended() -> None:
            for _ in range(30):
                tasks = [task for task in asyncio.all_tasks(loop) if task is not asyncio.current_task()]
                if not tasks:
                    return
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks, timeout=1.0)

        loop._steps_max = loop.steps + 200_000
        try:
            loop.run_until_complete(all_ended())
        except Quiet:
            pass
        loop.close()
        self._reader.close()
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)


def run(seed: int, folder: Path, kind: str | None = None) -> World:
    """Run one seed. Raises Broken."""
    world = World(draw(seed, kind), folder)
    world.run()
    return world


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A place for the files of runs: in memory where the machine has such a place, since they sync nothing and the disk is slow."""
    memory = "/dev/shm"
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as name:
        yield Path(name)


@contextlib.contextmanager
def many() -> Iterator[Callable[[], None]]:
    """For many runs in a row. Tasks and generators of a run refer to each other; they are collected after a few runs, by calling what this
    yields after each, and not in the middle of one. What is there already is not looked at again and again.
    """
    runs = 0

    def ended() -> None:
        nonlocal runs
        runs += 1
        if runs % RUNS_PER_COLLECTION == 0:
            gc.collect()

    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield ended
    finally:
        gc.enable()
        gc.unfreeze()
        gc.collect()
