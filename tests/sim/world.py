"""One run: programs (the real intake, store and engine), clients, the other side, and what goes wrong. See `scenario.py` for what may.

    clients ──▶ Program: Intake ─▶ SqliteStore (a real file) ─▶ Engine ──▶ `destination.Other`

A `Program` is what one process would be. To kill it is to run none of its handles any more and to close its file: nothing of it cleans up.
To freeze it is to keep its handles for later, as a machine does that sleeps. Two programs may work on one file.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import os
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import structlog

from sternpost.delivery.addresses import AddressRule
from sternpost.delivery.engine import Engine
from sternpost.delivery.worker import Surroundings
from sternpost.destinations.registry import DESTINATIONS
from sternpost.errors import StoreError
from sternpost.intake.intake import Intake
from sternpost.intake.overflow import Overflow
from sternpost.model import Call, Reply, Workspace
from sternpost.store import settling
from sternpost.store.sqlite import SqliteStore
from sternpost.wire import decode, postponed
from sternpost.workspace.document import parse

from . import checks
from .destination import Other
from .loop import PROCESS, Quiet, VirtualLoop
from .scenario import EPOCH, Incident, Request, Scenario, draw

PENDO = {
    "region": "custom",
    "hosts": {"api": "http://api.test", "data": "http://data.test", "content": "http://content.test"},
    "apiKey": "11111111-1111-4111-8111-111111111111",
    "integrationKey": "33333333-3333-4333-8333-333333333333.us",
    "trackEventSecret": "55555555-5555-4555-8555-555555555555",
}
STEPS_MAX = 1_500_000
BUSY_S = 10.0  #: how long one program waits for another's transaction
STOP_S = 12.0  #: a polite stop takes no longer: the grace for requests, and some commits
#: Faults are over: everything ends within the longest backoff, probe and gate, many times over.
DRAINED_S = 3 * 3600.0
PAGES_MAX = 1_073_741_823
RUNS_PER_COLLECTION = 5
SLOW_COMMIT_S = (3.0, 12.0)
SLOW_COMMIT_STEPS = int(max(SLOW_COMMIT_S) / 0.01)


@dataclass
class Attempt:
    """A client's request at the door, and what the client was told."""

    request: Request
    wall: float
    workspace: Workspace
    told: str = "nothing"  #: ok, refused (nothing is kept), nothing (whatever may be)
    began: float = 0.0  #: in the run's time, which no clock that jumps changes
    ended: float = 0.0  #: when it was told


class Broken(AssertionError):
    """An invariant does not hold; the seed replays it."""


class Program:
    """One process."""

    def __init__(self, world: World, name: str, path: Path) -> None:
        self.world = world
        self.name = name
        self.dead = False
        self.frozen = False
        self.kept: list[asyncio.Handle] = []
        self.open = False  #: takes requests
        self.requests = 0  #: at the door
        self.tainted: set[str] = set()  #: what happened to it, so that less can be promised
        self.context = contextvars.copy_context()
        self.context.run(PROCESS.set, self)
        self._leases = 0
        self.random = Random(f"{name} {world.scenario.seed}")
        self.store = SqliteStore(path, new_lease=self._lease)
        self.connection = self.store._database.connection
        # A killed process loses nothing that it has written, only a machine without power does: fsync costs time and shows nothing here.
        self.connection.execute("PRAGMA synchronous = OFF")
        self._room()
        around = Surroundings(
            store=self.store,
            workspace=lambda: world.workspace,
            clock=world.clock,
            random=self.random.random,
            observer=self,
            wake=lambda due: self.engine.wake(due),
            give_up_s=world.scenario.give_up_s,
        )
        program = self

        class Client:
            def __init__(self, rule: AddressRule, connections: int) -> None: ...

            async def __call__(self, call: Call) -> Reply:
                return await world.other.exchange(program, call)

            async def close(self) -> None: ...

        self.engine = Engine(
            around, DESTINATIONS, addresses=lambda config: AddressRule(everything=True), client=Client
        )
        self.intake = Intake(
            self.store,
            workspace=lambda: world.workspace,
            destinations=DESTINATIONS,
            clock=world.clock,
            queued_events=lambda: self.store.queued_events,
            wake=self.engine.wake,
            observer=self,
        )
        self.overflow = Overflow(
            self.store,
            self.intake,
            queued_events=lambda: self.store.queued_events,
            new_id=lambda: "none",
        )
        # As if so much of them were on its way to the disk all the time.
        self.intake.in_hand = dict.fromkeys(world.scenario.flooding, 1_000_000)
        self.store.spread = self._spreading(self.store.spread)
        self.spreading: asyncio.Task[None] | None = None

    def task(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run something in this process."""
        return self.world.loop.create_task(work, context=self.context.copy())

    def _spreading(self, spread: Any) -> Any:
        """Takes its time, as on a busy machine; writes down when, and by which workspace, what arrived got into its lanes."""
        random = Random(f"spreading {self.name} {self.world.scenario.seed}")

        async def noted(entries_of: Any, *, events_max: int, now: float) -> Any:
            await asyncio.sleep(random.choice((0.0, 0.01, 0.2, 1.0)))
            now = self.world.clock()

            def entries(arrival: Any) -> Any:
                found = entries_of(arrival)
                for entry in found:
                    key = (entry.event.message_id, entry.event.received_at)
                    self.world.spread[key] = (now, self.world.workspace)
                return found

            return await spread(entries, events_max=events_max, now=now)

        return noted

    def _lease(self) -> str:
        self._leases += 1
        return f"{self.name}-{self._leases}"

    async def start(self, *, door: bool, alone: bool) -> None:
        if alone:
            await self.store.take_over(now=self.world.clock())
        await self.engine.apply()
        self.open = door
        if door:
            self.spreading = self.task(self.overflow.run())

    async def stop(self) -> None:
        """As `main.serve` ends: the door, delivery, the store."""
        self.open = False
        while self.requests:
            await asyncio.sleep(0.01)
        if self.spreading is not None:
            self.spreading.cancel()
        began = self.world.loop.time()
        await self.engine.stop()
        took = self.world.loop.time() - began
        if took > STOP_S and not self.tainted:
            self.world.wrong(f"{self.name} took {took:.1f} s to stop")
        database = self.store._database
        while database._pump is not None and not database._pump.done():
            await asyncio.sleep(0.01)
        self.dead = True
        self.store.close()

    def kill(self) -> None:
        self.dead = True
        self.open = False
        self.tainted.add("killed")
        self.store._database._closed = True
        self.connection.close()

    async def handle(self, attempt: Attempt, told: asyncio.Future[str]) -> None:
        """One request at the door."""
        self.requests += 1
        bodies = [call.body for call in attempt.request.calls]
        try:
            body = checks.encode({"batch": bodies})
            source = attempt.workspace.sources[attempt.request.source]
            about: dict[str, Any] = {
                "source_id": source.id,
                "received_at": attempt.wall,
                "request_ip": "203.0.113.9",
            }
            events = decode.decode_batch(body, allow_empty=False, new_id=lambda: "none", **about)
            if self.overflow.wanted(source.id) or self.overflow.behind(events):
                parts = postponed.arrivals(body, call="", allow_empty=False, path="/v1/batch", **about)
                await self.overflow.arrive(parts)
            else:
                await self.intake.accept(source, events)
            attempt.told = "ok"
        except StoreError:
            attempt.told = "refused"
        except TimeoutError:
            attempt.told = "nothing"
        except Exception as error:
            self.world.wrong(f"the door raised {error!r}")
        finally:
            self.requests -= 1
            attempt.ended = self.world.loop.time()
            self.world.note("told", attempt.told, [call.n for call in attempt.request.calls])
            if not told.done():
                told.set_result(attempt.told)

    # --- the disk ----------------------------------------------------------------------------------------------------

    async def disk(self, func: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        world = self.world
        slow = world.mood == "disk slow"
        await asyncio.sleep(
            world.random.choice(SLOW_COMMIT_S) if slow else world.random.choice((0.0005, 0.002, 0.005))
        )
        if args == ("COMMIT",):
            if world.mood == "commits fail" and world.random.random() < world.mood_chance:
                raise sqlite3.OperationalError("disk I/O error")
            return func(*args)
        if args == ("BEGIN IMMEDIATE",):
            # Another program writes. SQLite would wait in this thread, and everything with it.
            self.connection.execute("PRAGMA busy_timeout = 0")
            for _ in range(int(BUSY_S / 0.05)):
                try:
                    return func(*args)
                except sqlite3.OperationalError:
                    await asyncio.sleep(0.05)
        return func(*args)

    def _room(self) -> None:
        """A full disk is SQLite's own: it gets no new page."""
        pages = PAGES_MAX
        if self.world.mood == "disk full":
            pages = self.connection.execute("PRAGMA page_count").fetchone()[0]
        self.connection.execute(f"PRAGMA max_page_count = {pages}")

    # --- what it says ------------------------------------------------------------------------------------------------

    def accepted(self, source: Any, entries: Any, receipt: Any) -> None:
        self.world.note("accepted", self.name, receipt.seqs)

    def settled(self, destination_id: str, settled: Any) -> None:
        self.world.note(
            "settled", self.name, destination_id, [(s.seq, type(s.outcome).__name__) for s in settled]
        )

    def replied(self, destination_id: str, reply: Any) -> None: ...

    def blocked(self, destination_id: str, channel: str, blocked: Any) -> None:
        self.world.note("blocked", self.name, destination_id, channel, blocked is not None)


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
        with _logs(self), _fences(self):
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


class _fences:
    """What a settlement may change: only a lane that is leased by its own lease, looked at from inside the transaction."""

    def __init__(self, world: World) -> None:
        self.world = world

    def __call__(
        self, cx: sqlite3.Connection, names: Any, deltas: Any, settlements: Any, *, now: float
    ) -> Any:
        leased = {
            (destination, channel, lane): lease
            for destination, channel, lane, lease in cx.execute(
                "SELECT d.name, c.name, l.lane, l.lease FROM lanes l JOIN names d ON d.no = l.destination_no "
                "JOIN names c ON c.no = l.channel_no WHERE l.lease IS NOT NULL"
            )
        }
        settled = self.real(cx, names, deltas, settlements, now=now)
        for settlement in settlements:
            key = settlement.key
            owner = leased.get((key.destination_id, key.channel, key.lane))
            if (key in settled.lost) != (owner != settlement.lease):
                self.world.wrong(
                    f"{settlement.lease} settled {key}, which is leased by {owner}: lost {settled.lost}"
                )
        return settled

    def __enter__(self) -> None:
        self.real = settling.settle
        settling.settle = self

    def __exit__(self, *_: object) -> None:
        settling.settle = self.real


class _logs:
    """What the program logs: exceptions that nobody planned are found in it."""

    def __init__(self, world: World) -> None:
        self.world = world

    def __call__(self, logger: Any, method: str, event: dict[str, Any]) -> dict[str, Any]:
        if not self.world.loop.ghosts:
            error = event.get("exc_info")
            error = sys.exc_info()[1] if error is True else error
            name = event.get("event")
            self.world.note("log", name)
            if error is not None and not isinstance(error, StoreError | asyncio.CancelledError):
                self.world.wrong(f"{name}: {error!r}")
        raise structlog.DropEvent

    def __enter__(self) -> None:
        self.before = structlog.get_config()["processors"]
        self.kept = list(self.before)
        self.before[:] = [self]

    def __exit__(self, *_: object) -> None:
        self.before[:] = self.kept


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
