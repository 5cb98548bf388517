"""One desk per destination and one worker per channel, kept in step with the workspace.

Destinations share no worker, no queue, no connection and no limit: the trouble of one stays its own.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from sternpost.delivery.addresses import AddressRule
from sternpost.delivery.desk import Desk
from sternpost.delivery.pacing import Pacer
from sternpost.delivery.sender import Client, Sender
from sternpost.delivery.surroundings import Surroundings
from sternpost.delivery.worker import STORE_RETRY_S, ChannelWorker
from sternpost.destinations.base import Destination
from sternpost.errors import StoreError
from sternpost.limits import IDLE_POLL_S, LEASE_S, RUN_MAX
from sternpost.model import Blocked, Call, DestinationConfig, Reply, Settled, Settlement, Skipped
from sternpost.store.base import ChannelState

log = structlog.get_logger("sternpost.delivery")

LOOK_PAUSE_S = 0.05  #: between two looks at what a removed destination leaves behind
DRAIN_LANES = 20  #: of that, taken at once: accepting must not wait long for it


@dataclass(slots=True)
class _Running:
    desk: Desk
    client: Client
    workers: dict[str, ChannelWorker]
    tasks: list[asyncio.Task[None]]


class Engine:
    """Runs the delivery of every destination of the workspace."""

    def __init__(
        self,
        around: Surroundings,
        destinations: Mapping[str, Destination],
        *,
        addresses: Callable[[DestinationConfig], AddressRule],
        client: Callable[[AddressRule, int], Client] = lambda rule, connections: Sender(
            rule, connections_max=connections
        ),
    ) -> None:
        """`client` makes the HTTP client of one destination; tests give one that answers by itself."""
        self._around = around
        self._destinations = destinations
        self._addresses = addresses
        self._client = client
        self._running: dict[str, _Running] = {}
        self._removed: dict[str, Desk] = {}  #: of destinations that are gone and asked for a pause that lasts
        self._changing = asyncio.Lock()
        self._keeping: asyncio.Task[None] | None = None
        self._look_again = asyncio.Event()

    def wake(self, due: Iterable[tuple[str, str, float]]) -> None:
        """Channels that got something to do."""
        for destination_id, channel, at in due:
            running = self._running.get(destination_id)
            if running is None:
                self._look_again.set()  # accepted by the workspace before, for a destination that was removed
            elif (worker := running.workers.get(channel)) is not None:
                worker.wake(at)

    async def apply(self) -> None:
        """Bring the workers in step with the workspace: new ones start, changed ones go on with the new settings, removed ones end."""
        if self._keeping is None:
            self._keeping = asyncio.get_running_loop().create_task(self._keep_in_step(), name="keep in step")
        async with self._changing:
            await self._bring_in_step()
        self._look_again.set()  # what it leaves behind ends beside everything else: it may be a million events

    async def _keep_in_step(self) -> None:
        """Look now and then. Not all that a change leaves behind is there when it happens: lanes back off, events are just being
        accepted by the workspace before; and a store that cannot write for a while must not leave a change half made.
        """
        due_at: float | None = None
        while True:
            left = IDLE_POLL_S if due_at is None else min(IDLE_POLL_S, due_at - self._around.clock())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(left, LOOK_PAUSE_S)):
                    await self._look_again.wait()
            self._look_again.clear()
            try:
                async with self._changing:
                    await self._bring_in_step()
                    due_at = await self._end_what_is_left()
            except StoreError as error:
                log.warning("not_in_step", error=str(error))
                due_at = self._around.clock() + STORE_RETRY_S
            except Exception:
                log.exception("not_in_step")
                due_at = self._around.clock() + STORE_RETRY_S

    async def _bring_in_step(self) -> None:
        """The workers as the workspace says."""
        workspace = self._around.workspace()
        states = await self._around.store.channels()
        for destination_id in [known for known in self._running if known not in workspace.destinations]:
            desk = self._running[destination_id].desk
            await self._end(destination_id)
            self._removed[destination_id] = desk
        # Whoever brings it back meets the pause that it asked for before.
        self._removed = {name: desk for name, desk in self._removed.items() if desk.pacer.wait_s > 0}
        for config in workspace.destinations.values():
            running = self._running.get(config.id)
            if running is not None and self._same_client(running.desk.config, config):
                if running.desk.config != config:
                    running.desk.configure(config)
                    for worker in running.workers.values():
                        worker.configured()
                continue
            if running is not None:
                await self._end(config.id)
            before = running.desk if running is not None else self._removed.pop(config.id, None)
            if before is not None and before.config.type != config.type:
                before = None
            self._begin(config, states, before=before)

    async def _end_what_is_left(self) -> float | None:
        """A step of what changes leave behind: held events of those that hold no more, and what waits for removed destinations. When more
        of that is due.
        """
        await self._release_what_is_no_longer_held()
        due = [
            await self._drain(state.destination_id, state.channel)
            for state in await self._around.store.channels()
            if state.waiting and state.destination_id not in self._running
        ]
        return min((at for at in due if at is not None), default=None)

    def _same_client(self, old: DestinationConfig, new: DestinationConfig) -> bool:
        """Whether the HTTP client made for the old settings fits the new ones."""
        return (
            old.type == new.type
            and old.concurrency == new.concurrency
            and self._addresses(old) == self._addresses(new)
        )

    def _begin(
        self, config: DestinationConfig, states: Iterable[ChannelState], *, before: Desk | None
    ) -> None:
        destination = self._destinations[config.type]
        client = self._client(self._addresses(config), config.concurrency)
        desk = Desk(
            config,
            destination,
            client,
            clock=self._around.clock,
            on_reply=lambda reply: self._around.observer.replied(config.id, reply),
            before=before,
        )
        workers: dict[str, ChannelWorker] = {}

        def gates_open(channel: str) -> Callable[[], bool]:
            # Nobody waits for a first try that does not come: the channel is blocked, or only looked at.
            return lambda: any(
                other.blocked is not None or other.silent_since is not None
                for name, other in workers.items()
                if name != channel
            )

        left_blocked = {
            state.channel: Blocked(state.blocked_reason, state.blocked_detail)
            for state in states
            if state.destination_id == config.id and state.blocked_reason is not None
        }
        for channel in destination.spec.channels:
            workers[channel] = ChannelWorker(
                self._around, desk, channel, gates_open=gates_open(channel), blocked=left_blocked.get(channel)
            )
        loop = asyncio.get_running_loop()
        tasks = [
            loop.create_task(worker.run(), name=f"deliver {config.id} {name}")
            for name, worker in workers.items()
        ]
        self._running[config.id] = _Running(desk, client, workers, tasks)

    async def _end(self, destination_id: str) -> None:
        running = self._running.pop(destination_id)
        await asyncio.gather(*(worker.stop() for worker in running.workers.values()))
        await asyncio.gather(*running.tasks, return_exceptions=True)
        await running.client.close()

    async def _release_what_is_no_longer_held(self) -> None:
        """Held events of destinations that do not hold any more take their turn; the rules of now decide about them."""
        workspace = self._around.workspace()
        holding = {
            config.id
            for config in workspace.destinations.values()
            if getattr(config.settings, "anonymous_visitors", "") == "hold"
        }
        for destination_id in await self._around.store.held_destinations():
            if destination_id in holding:
                continue
            while await self._around.store.release_held(destination_id, now=self._around.clock()):
                pass
            running = self._running.get(destination_id)
            for worker in running.workers.values() if running else ():
                worker.wake(self._around.clock())

    async def _drain(self, destination_id: str, channel: str) -> float | None:
        """Some of what waited for a destination that was removed ends as not connected; when the rest is due."""
        store, clock = self._around.store, self._around.clock
        reason = Skipped(
            "not_connected", f"The destination {destination_id} was removed while the event waited."
        )
        claim = await store.claim(
            destination_id,
            channel,
            now=clock(),
            lanes_max=DRAIN_LANES,
            run_max=RUN_MAX,
            lease_s=LEASE_S,
            open_gates=True,
        )
        settlements = [
            Settlement(
                run.key,
                run.lease,
                [
                    Settled(waiting.event.seq, reason, clock(), source_id=waiting.event.source_id)
                    for waiting in run.events
                ],
            )
            for run in claim.runs
        ]
        if settlements:
            await store.settle(settlements, now=clock())
        for settlement in settlements:
            self._around.observer.settled(destination_id, settlement.settled)
        return clock() if settlements else claim.next_due_at

    async def exchange(self, destination_id: str, call: Call) -> Reply:
        """Send a request of a person (a check, a try) at the destination's pace and by its rules for addresses."""
        running = self._running.get(destination_id)
        if running is None:
            return Reply(
                None, {}, b"", 0, "connection_lost", f"The destination {destination_id} is not running."
            )
        return await running.desk.exchange(call)

    def ask_again(self, destination_id: str) -> None:
        """A person wants to know now whether blocked channels of a destination work again."""
        running = self._running.get(destination_id)
        for worker in running.workers.values() if running is not None else ():
            worker.configured()

    def pacer(self, destination_id: str) -> Pacer | None:
        """How fast a destination is asked; None while it is not running."""
        running = self._running.get(destination_id)
        return running.desk.pacer if running is not None else None

    def silent_since(self, destination_id: str) -> float | None:
        """Since when nothing of a channel gets through to a destination, in unix seconds; None while it answers."""
        running = self._running.get(destination_id)
        found = (worker.silent_since for worker in running.workers.values()) if running is not None else ()
        return min((at for at in found if at is not None), default=None)

    def forget(self, ids: Iterable[str]) -> None:
        """Drop what is remembered about people."""
        gone = set(ids)
        for running in self._running.values():
            running.desk.forget(gone)

    async def resume(self, destination_id: str, channel: str | None = None) -> Sequence[str]:
        """A person says to go on with what is blocked of a destination; the channels that were."""
        running = self._running.get(destination_id)
        return [
            name
            for name, worker in (running.workers.items() if running else ())
            if channel in {None, name} and await worker.resume()
        ]

    async def ask(self, config: DestinationConfig, call: Call) -> Reply:
        """Send a request of a check by settings that need not be in force, by their rules for addresses."""
        client = self._client(self._addresses(config), 1)
        try:
            return await client(call)
        finally:
            await client.close()

    async def stop(self) -> None:
        """Settle or give back everything that is held."""
        async with self._changing:
            if self._keeping is not None:
                self._keeping.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await self._keeping
            await asyncio.gather(*(self._end(destination_id) for destination_id in list(self._running)))
