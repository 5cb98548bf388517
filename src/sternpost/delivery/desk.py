"""What the channels of one destination share: the way out (client, pace, concurrency) and what was learned from it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from sternpost.delivery import records
from sternpost.delivery.pacing import Pacer
from sternpost.delivery.sender import Send
from sternpost.destinations.base import Destination, Known, Part
from sternpost.destinations.common import read_status
from sternpost.limits import DO_NOT_PROCESS_IDS_MAX, SAME_STAMP_ENTRIES_MAX
from sternpost.model import (
    Attempt,
    Blocked,
    Call,
    Delivered,
    DestinationConfig,
    Mode,
    Outcome,
    Rejected,
    Reply,
    Retry,
    Skipped,
    Split,
)

log = structlog.get_logger("sternpost.delivery")

REFERENCE_FRESH_S = 3_600.0  #: a schema is read again after an hour (rule V6)

Result = tuple[Outcome, Attempt | None]


@dataclass(frozen=True, slots=True)
class NotKnown:
    """What `plan` has to know first could not be read: a try of the event that asked, although the event itself was not sent."""

    outcome: Retry | Blocked
    attempt: Attempt


class Desk:
    """Sends parts to one destination and says what became of each."""

    def __init__(
        self,
        config: DestinationConfig,
        destination: Destination,
        send: Send,
        *,
        clock: Callable[[], float],
        on_reply: Callable[[Reply], None] = lambda reply: None,
        before: Desk | None = None,
    ) -> None:
        """`before`: the desk of this destination until now, with other connections. What was learned at it still holds: how fast, when
        again, and whom not to ask for.
        """
        self.destination = destination
        self.pacer: Pacer = before.pacer if before is not None else Pacer(clock)
        self._send = send
        self._clock = clock
        self._on_reply = on_reply
        self._slots = asyncio.Semaphore(config.concurrency)
        self._asking = asyncio.Lock()
        self._references: dict[str, tuple[float, Any]] = {}
        self._skip_ids: OrderedDict[str, float] = before._skip_ids if before is not None else OrderedDict()
        self._stamps: OrderedDict[str, int] = before._stamps if before is not None else OrderedDict()
        self.configure(config)

    def configure(self, config: DestinationConfig) -> None:
        """A new version of the destination's settings is in force."""
        self.config = config
        self.pacer.configure(config.rate_per_second)
        self._references.clear()

    async def exchange(self, call: Call) -> Reply:
        """One request at this destination's pace; answers with what came back."""
        async with self._slots:
            await self.pacer.turn()
            reply = await self._send(call)
        self._on_reply(reply)
        outcome = read_status(reply)
        if isinstance(outcome, Retry) and outcome.slow_channel:
            self.pacer.slow_down(outcome.after_s)
        return reply

    async def deliver(self, parts: Sequence[Part]) -> list[Result]:
        """Send parts that share a request; one result per part. A batch that is refused as a whole is sent again in halves."""
        settings = self.config.settings
        at = self._clock()
        try:
            call = self.destination.call(parts, settings, at)
        except Exception as error:
            return await self._defect(parts, error)
        reply = await self.exchange(call)
        if reply.error == "address_not_allowed":
            outcome: Outcome = Blocked("address_not_allowed", reply.error_detail)
            return [(outcome, self._attempt(part, parts, call, reply, outcome, at)) for part in parts]
        try:
            reading = self.destination.read(reply, parts, settings)
        except Exception as error:
            return await self._defect(parts, error)
        if isinstance(reading, Split):
            first, second = halves(parts)
            if second:
                return await self._deliver_halves(parts, first, second)
            # All parts write one item: it is the one that was refused.
            reading = [self._alone(reply, part) for part in parts]
        results: list[Result] = []
        delivered = records.attempt(at=at, call=None, reply=reply, outcome=Delivered())
        for part, result in zip(parts, reading, strict=True):
            if isinstance(result, Delivered):
                results.append((result, delivered))
                continue
            if isinstance(result, Skipped) and result.remember_s:
                self._remember(part.ids, at + result.remember_s)
            if not isinstance(result, Retry | Blocked) and result.reason == "value_refused_by_pendo":
                self._references.clear()
            results.append((result, self._attempt(part, parts, call, reply, result, at)))
        return results

    async def _deliver_halves(
        self, parts: Sequence[Part], first: Sequence[Part], second: Sequence[Part]
    ) -> list[Result]:
        """Send a batch again in halves. They are no slices of it, so each result finds its part again by identity."""
        results = [*await self.deliver(first), *await self.deliver(second)]
        by_part = {id(part): result for part, result in zip((*first, *second), results, strict=True)}
        return [by_part[id(part)] for part in parts]

    async def _defect(self, parts: Sequence[Part], error: Exception) -> list[Result]:
        """Our own code failed: the halves find the event that it failed on, which ends with a fate that says so."""
        first, second = halves(parts)
        if second:
            return await self._deliver_halves(parts, first, second)
        log.error("destination_defect", destination=self.config.id, exc_info=error)
        outcome = Rejected(
            "internal_error", f"{type(error).__name__} while the request was made or its answer read."
        )
        return [(outcome, None) for _ in parts]

    def _alone(self, reply: Reply, part: Part) -> Outcome:
        reading = self.destination.read(reply, [part], self.config.settings)
        return Retry("unexpected_reply", tries_max=3) if isinstance(reading, Split) else reading[0]

    def _attempt(
        self, part: Part, parts: Sequence[Part], call: Call, reply: Reply, outcome: Outcome, at: float
    ) -> Attempt:
        # Of a request for many, each event keeps its own share: a thousand copies of the whole would fill the disk.
        own = call if len(parts) == 1 else self.destination.call([part], self.config.settings, at)
        return records.attempt(at=at, call=own, reply=reply, outcome=outcome)

    # --- what was learned ------------------------------------------------------------------------------------------

    async def known(self, channel: str, mode: Mode) -> Known | NotKnown:
        """What `plan` may know; or, when a reference cannot be read, what was asked, and what that means for the event that needs it."""
        now = self._clock()
        references: dict[str, Any] = {}
        wanted = self.destination.references(channel, self.config.settings)
        if wanted:
            async with self._asking:  # one lane asks, the others wait for its answer
                for name, call in wanted.items():
                    fresh = self._references.get(name)
                    if fresh is None or now - fresh[0] >= REFERENCE_FRESH_S:
                        at = self._clock()
                        reply = await self.exchange(call)
                        outcome = read_status(reply)
                        if isinstance(outcome, Retry | Blocked):
                            attempt = records.attempt(at=at, call=call, reply=reply, outcome=outcome)
                            return NotKnown(outcome, attempt)
                        fresh = (now, self.destination.read_reference(name, reply))
                        self._references[name] = fresh
                    if fresh[1] is not None:
                        references[name] = fresh[1]
        return Known(int(now * 1000), mode, references, self._skip_ids)

    def remembered_skip(self, part: Part) -> bool:
        """Whether one of the part's ids is to be skipped without a request."""
        now = self._clock()
        return any(self._skip_ids.get(identity, 0.0) > now for identity in part.ids)

    def _remember(self, ids: Sequence[str], until: float) -> None:
        for identity in ids:
            self._skip_ids[identity] = until
            self._skip_ids.move_to_end(identity)
        while len(self._skip_ids) > DO_NOT_PROCESS_IDS_MAX:
            self._skip_ids.popitem(last=False)

    def forget(self, ids: Collection[str]) -> None:
        """Drop what was learned about people."""
        for known in (self._skip_ids, self._stamps):
            for entry in [entry for entry in known if any(identity in entry for identity in ids)]:
                del known[entry]

    def same_stamp(self, stamp: str, seq: int) -> bool:
        """Whether another event had this stamp a while ago (rule T6)."""
        if not stamp:
            return False
        other = self._stamps.setdefault(stamp, seq)
        while len(self._stamps) > SAME_STAMP_ENTRIES_MAX:
            self._stamps.popitem(last=False)
        return other != seq


def halves(parts: Sequence[Part]) -> tuple[Sequence[Part], Sequence[Part]]:
    """The parts in two, those of one id together and in order; the second is empty when all have one id."""
    order: dict[tuple[str, ...], int] = {}
    for part in parts:
        order.setdefault(part.ids, len(order))
    middle = (len(order) + 1) // 2
    if len(order) < 2:
        return parts, ()
    first = [part for part in parts if order[part.ids] < middle]
    second = [part for part in parts if order[part.ids] >= middle]
    return first, second
