"""What one process would be: the real intake, store and engine on a real file.

To kill it is to run none of its handles any more and to close its file: nothing of it cleans up. To freeze it is to keep its handles for
later, as a machine does that sleeps. Two programs may work on one file.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import sqlite3
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from sternpost.delivery.addresses import AddressRule
from sternpost.delivery.engine import Engine
from sternpost.delivery.surroundings import Surroundings
from sternpost.destinations.registry import DESTINATIONS
from sternpost.errors import StoreError
from sternpost.intake.intake import Intake
from sternpost.intake.overflow import Overflow
from sternpost.model import Call, Reply, Workspace
from sternpost.store import database
from sternpost.store.sqlite import SqliteStore
from sternpost.wire import decode, postponed

from . import checks
from .loop import PROCESS
from .scenario import Request

if TYPE_CHECKING:
    from .world import World

BUSY_S = 10.0  #: how long one program waits for another's transaction
STOP_S = 12.0  #: a polite stop takes no longer: the grace for requests, and some commits
PAGES_MAX = 1_073_741_823
SLOW_COMMIT_S = (3.0, 12.0)


@dataclass
class Attempt:
    """A client's request at the door, and what the client was told."""

    request: Request
    wall: float
    workspace: Workspace
    told: str = "nothing"  #: ok, refused (nothing is kept), nothing (whatever may be)
    began: float = 0.0  #: in the run's time, which no clock that jumps changes
    ended: float = 0.0  #: when it was told


@contextlib.contextmanager
def _no_real_waiting() -> Iterator[None]:
    """A store that another program writes to is not waited for in real time: one that is frozen meanwhile keeps it for ever."""
    waits = database.BUSY_TIMEOUT_S
    database.BUSY_TIMEOUT_S = 0.0
    try:
        yield
    finally:
        database.BUSY_TIMEOUT_S = waits


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
        with _no_real_waiting():
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
        self.store.spread = self._spreading(self.store.spread)  # type: ignore[method-assign]
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
