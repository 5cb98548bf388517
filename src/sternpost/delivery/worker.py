"""The delivery loop of one channel of one destination: lease lanes that are due, deliver each in order, settle.

    claim ──▶ one task per lane:  rules ─▶ plan ─▶ send (alone, or in a batch with other lanes) ─▶ read ─▶ settle

Order within a lane is structural: a lane's task goes on to the next event only when the one before has a final outcome; on Retry or
Blocked it gives the lane back. Lanes do not wait for each other, channels and destinations share nothing but what a `Desk` holds.

Bounds: lanes in hand, events per lane (`limits.RUN_MAX`), bytes per claim, requests in flight and per second. It sleeps until it is
woken or until the next lane is due; when nothing waits it does nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
from msgspec.structs import replace

from sternpost.delivery.ailing import Ailing
from sternpost.delivery.batches import Batches
from sternpost.delivery.desk import Desk, NotKnown, Result
from sternpost.delivery.pacing import backoff_s
from sternpost.delivery.preparing import Preparer, Ready
from sternpost.delivery.refusals import Refusals
from sternpost.delivery.surroundings import Surroundings
from sternpost.destinations.base import Batching, Part
from sternpost.errors import StoreError
from sternpost.limits import (
    AILING_LANES,
    AILING_PAUSE_S,
    BLOCKED_PROBE_S,
    IDLE_POLL_S,
    LEASE_RENEW_S,
    LEASE_S,
    RUN_MAX,
    SHUTDOWN_GRACE_S,
)
from sternpost.model import (
    Attempt,
    Blocked,
    Delivered,
    Note,
    Outcome,
    Rejected,
    Retry,
    Run,
    Settled,
    Settlement,
    Skipped,
    Waiting,
)
from sternpost.reasons import REASONS, ReasonCode
from sternpost.store.base import Claim

log = structlog.get_logger("sternpost.delivery")

LANES_PER_SLOT = 2  #: lanes in hand per request that may be in flight: the next is ready when one ends
LANES_MAX = 2_000  #: lanes in hand at most; with RUN_MAX and the claim's byte bound this bounds memory
RUN_MAX_ALONE = 25  #: events per lease where each is its own request: others wait no longer than that
DEFECT_PAUSE_S = 30.0  #: a lane on which our own code failed rests so long: it must not turn in a circle
#: Pause before an outcome is reported again to a store that cannot write; twice as long each time, up to the second: two thousand lanes
#: report then, and once the store is well they need not wait longer.
STORE_RETRY_S, STORE_RETRY_MAX_S = 1.0, 4.0
LOST_REPLIES: frozenset[ReasonCode] = frozenset({"timeout", "connection_lost"})


@dataclass(slots=True)
class _Lane:
    """A leased run while it is worked on."""

    run: Run
    probing: bool = False  #: it is to find out whether a blocked channel works again
    sent: bool = False  #: a request went out
    ruled: bool = False  #: an event was ended without one
    refused: bool = False  #: and the channel is (still) blocked
    settled: list[Settled] | None = None  #: outcomes that are not reported yet


class ChannelWorker:
    """Delivers one channel of one destination until it is stopped."""

    def __init__(
        self,
        around: Surroundings,
        desk: Desk,
        channel: str,
        *,
        gates_open: Callable[[], bool],
        blocked: Blocked | None = None,
    ) -> None:
        """`gates_open`: rule G3 does not apply now. `blocked`: how the channel was left by the last run of the program."""
        self._around = around
        self._desk = desk
        self.channel = channel
        self._preparer = Preparer(around, desk, channel)
        self._gates_open = gates_open
        self.blocked = blocked
        self._refusals = Refusals()
        self._ailing = Ailing()
        self._look_at = 0.0  #: while it ails: when the next lanes are tried
        self._latest_first = False
        self._to_tell: Blocked | None = None  #: it is blocked, and nobody but this worker knows yet
        self._probe_at = 0.0
        self._awake = asyncio.Event()
        self._due_at = 0.0
        self._hungry = False
        self._stopping = False
        self._lanes: dict[asyncio.Task[None], Run] = {}
        self._busy: set[str] = set()
        self._batches: dict[str, Batches] = {}

    @property
    def destination_id(self) -> str:
        return self._desk.config.id

    @property
    def silent_since(self) -> float | None:
        """Since when nothing of this channel gets through, in unix seconds; None while its destination answers."""
        return self._ailing.since

    # --- the loop --------------------------------------------------------------------------------------------------

    def wake(self, at: float) -> None:
        """Something is due at that time."""
        if at < self._due_at:
            self._due_at = at
            self._awake.set()

    def configured(self) -> None:
        """The destination's settings changed: a channel that was blocked, or got no answers, is tried at once."""
        self._probe_at = 0.0
        self._ailing.clear()
        self.wake(self._around.clock())

    async def resume(self) -> bool:
        """A person says to go on: whether it was blocked. What needs more than that is probed at once."""
        if self.blocked is None:
            return False
        if self.blocked.reason == "too_many_rejected":
            await self._unblock()
        self.configured()
        return True

    async def run(self) -> None:
        """Deliver until `stop`. A failure of our own is logged, waited out and tried again: it must not end delivery."""
        renewing = asyncio.get_running_loop().create_task(self._renew())
        try:
            while not self._stopping:
                try:
                    await self._round()
                except StoreError as error:
                    # The disk is full, say: what was not handed out waits where it is.
                    log.warning(
                        "delivery_waits",
                        destination=self.destination_id,
                        channel=self.channel,
                        error=str(error),
                    )
                    self._due_at = self._around.clock() + STORE_RETRY_S
                except Exception:
                    log.exception(
                        "delivery_round_failed", destination=self.destination_id, channel=self.channel
                    )
                    self._due_at = self._around.clock() + STORE_RETRY_S
                await self._sleep()
        finally:
            renewing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await renewing

    async def stop(self) -> None:
        """Take nothing new; let requests on their way end for a while, then give back what is still held."""
        self._stopping = True
        self._awake.set()
        if self._lanes:
            await asyncio.wait(self._lanes, timeout=SHUTDOWN_GRACE_S)
        for task in list(self._lanes):
            task.cancel()
        await asyncio.gather(*self._lanes, return_exceptions=True)
        for batches in self._batches.values():
            await batches.cancel()

    async def _sleep(self) -> None:
        while not self._stopping:
            left = self._due_at - self._around.clock()
            if left <= 0:
                return
            self._awake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._awake.wait()

    async def _round(self) -> None:
        """Take what is due, as much as there is room for; leave in `_due_at` when to look again."""
        now = self._around.clock()
        self._due_at = now + IDLE_POLL_S
        if self._to_tell is not None:
            await self._block(self._to_tell)
            self._to_tell = None
        if self._desk.config.secret_problem and self._desk.config.enabled and self.blocked is None:
            await self._block(Blocked("secret_unreadable", self._desk.config.secret_problem))
        if self.blocked is not None and not await self._probe():
            self._due_at = self._probe_at
            return
        room = self._lanes_max() - len(self._lanes)
        if room <= 0:
            self._hungry = True
            return
        if self._ailing:
            if now < self._look_at:
                self._due_at = self._look_at
                return
            self._look_at = now + AILING_PAUSE_S
            # From both ends: a person whose events would go through does not stand behind all those that wait.
            self._latest_first = not self._latest_first
        claim = await self._claim(room)
        for run in claim.runs:
            self._start(run)
        if len(claim.runs) >= room:
            self._hungry = True
        elif claim.next_due_at is not None:
            # A lane that is due and yet was not handed out is looked at again soon, but not in a circle.
            self.wake(claim.next_due_at if claim.runs else max(claim.next_due_at, now + 0.01))

    async def _claim(self, lanes_max: int, run_max: int | None = None) -> Claim:
        batching = self._desk.destination.batching(self.channel, self._desk.config.settings)
        return await self._around.store.claim(
            self.destination_id,
            self.channel,
            now=self._around.clock(),
            lanes_max=lanes_max,
            run_max=run_max or self._run_max(batching),
            lease_s=LEASE_S,
            open_gates=self._gates_open(),
            latest_first=self._latest_first and bool(self._ailing),
            backing_off_max=1,  # it fails most likely: those behind it are read once it went through
        )

    def _run_max(self, batching: Batching) -> int:
        if self._ailing:
            return 1
        return RUN_MAX if batching.items_max > 1 else RUN_MAX_ALONE

    def _lanes_max(self) -> int:
        if self._ailing:
            return AILING_LANES
        config = self._desk.config
        items_max = self._desk.destination.batching(self.channel, config.settings).items_max
        return min(LANES_MAX, LANES_PER_SLOT * (items_max if items_max > 1 else config.concurrency))

    def _start(self, run: Run) -> None:
        task = asyncio.get_running_loop().create_task(self._deliver(_Lane(run)))
        self._lanes[task] = run
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._lanes[task]
        if not task.cancelled() and (error := task.exception()) is not None:
            # Its outcomes could not be reported; the lease passes by itself and the events come again.
            log.error("lane_lost", destination=self.destination_id, channel=self.channel, exc_info=error)
        if self._hungry and len(self._lanes) <= self._lanes_max() * 3 // 4:
            self._hungry = False
            self.wake(self._around.clock())

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(LEASE_RENEW_S)
            if self._lanes:
                held = [(run.key, run.lease) for run in self._lanes.values()]
                with contextlib.suppress(StoreError):
                    await self._around.store.renew(held, now=self._around.clock(), lease_s=LEASE_S)

    # --- one lane --------------------------------------------------------------------------------------------------

    async def _deliver(self, lane: _Lane) -> None:
        """Deliver a run in order as far as it goes, and settle it."""
        lane.settled = []
        released = False
        ready_at: float | None = None
        try:
            released = await self._deliver_in_order(lane)
        except Exception:
            log.exception("lane_failed", destination=self.destination_id, channel=self.channel)
            ready_at = self._around.clock() + DEFECT_PAUSE_S
        finally:
            if not released:
                # Stopped, or failed: what was reached is reported, the rest goes back to its lane as it was.
                await asyncio.shield(self._settle(lane, release=True, ready_at=ready_at))
            if self._ailing and lane.ruled and not lane.sent:
                # Of the destination it says nothing, and it cost nothing there: the next need not wait for the next look.
                self._look_at = 0.0
                self.wake(self._around.clock())

    async def _deliver_in_order(self, lane: _Lane) -> bool:
        """Whether the lane was given back."""
        segment: list[Ready] = []  # neighbours that travel in one request
        segment_bytes = 0
        for waiting in lane.run.events:
            if self._stopping or (self.blocked is not None and not lane.probing):
                return False
            prepared = await self._preparer.prepare(waiting)
            if isinstance(prepared, Ready) and segment and self._together(segment, segment_bytes, prepared):
                segment.append(prepared)
                segment_bytes += prepared.plan.parts[0].size_bytes
                continue
            if segment:
                if await self._send_segment(lane, segment):
                    return True
                segment = []
            if isinstance(prepared, Ready):
                if self._alone(prepared):
                    if await self._send_parts(lane, prepared):
                        return True
                else:
                    segment, segment_bytes = [prepared], prepared.plan.parts[0].size_bytes
            elif isinstance(prepared, NotKnown):
                self._take_note([prepared.outcome])
                if await self._conclude(lane, waiting, prepared.outcome, prepared.attempt, sent=False):
                    return True
            elif await self._conclude(lane, waiting, prepared, None):
                return True
            else:
                lane.ruled = True
        return bool(segment) and await self._send_segment(lane, segment)

    def _alone(self, ready: Ready) -> bool:
        parts = ready.plan.parts
        return len(parts) > 1 or parts[0].batch_key is None

    def _together(self, segment: Sequence[Ready], segment_bytes: int, ready: Ready) -> bool:
        part = ready.plan.parts[0]
        if self._alone(ready) or part.batch_key != segment[0].plan.parts[0].batch_key:
            return False
        batching = self._desk.destination.batching(self.channel, self._desk.config.settings)
        return len(segment) < batching.items_max and segment_bytes + part.size_bytes <= batching.bytes_max

    async def _send_segment(self, lane: _Lane, segment: Sequence[Ready]) -> bool:
        """Send neighbours of one batch key together. Whether the lane was given back."""
        parts = [ready.plan.parts[0] for ready in segment]
        results = await self._batch(parts[0]).submit(parts)
        lane.sent = True
        worst: tuple[Waiting, Retry | Blocked, Attempt | None] | None = None
        for ready, (outcome, attempt) in zip(segment, results, strict=True):
            final = self._final(ready, outcome)
            if isinstance(final, Retry):
                # One that is given up ends nobody's turn: the next of the segment may be the one that backs off.
                final = self._given_up(ready.waiting, final) or final
            if isinstance(final, Retry | Blocked):
                if worst is None:
                    worst = (ready.waiting, final, attempt)
                else:
                    self._note_try(lane, ready.waiting, final, attempt, None)
            else:
                self._note(lane, ready.waiting, final, attempt)
        if worst is not None:
            return await self._conclude(lane, *worst)
        await self._settle(lane, release=segment[-1].waiting is lane.run.events[-1])
        return segment[-1].waiting is lane.run.events[-1]

    async def _send_parts(self, lane: _Lane, ready: Ready) -> bool:
        """Send one event's requests, one after the other; those that succeeded before are not repeated."""
        waiting = ready.waiting
        outcome: Outcome = Delivered()
        attempt: Attempt | None = None
        done = waiting.parts_done
        for part in ready.plan.parts[done:]:
            if part.batch_key is None:
                [(outcome, attempt)] = await self._send([part])
            else:
                [(outcome, attempt)] = await self._batch(part).submit([part])
            lane.sent = True
            if not isinstance(outcome, Delivered):
                break
            done += 1
        final = self._final(ready, outcome)
        if await self._conclude(lane, waiting, final, attempt, parts_done=done):
            return True
        last = waiting is lane.run.events[-1]
        await self._settle(lane, release=last)
        return last

    async def _send(self, parts: Sequence[Part]) -> list[Result]:
        results = await self._desk.deliver(parts)
        self._take_note([outcome for outcome, _ in results])
        return results

    def _take_note(self, outcomes: Sequence[Outcome]) -> None:
        """What became of one request, for the decision whether the destination answers at all."""
        before = bool(self._ailing)
        self._ailing.add(outcomes, self._around.clock())
        if bool(self._ailing) != before:
            who = {"destination": self.destination_id, "channel": self.channel}
            log.info("answers_again" if before else "does_not_answer", **who)
            self.wake(self._around.clock())

    def _batch(self, part: Part) -> Batches:
        key = part.batch_key or ""
        batches = self._batches.get(key)
        if batches is None:
            for other in [other for other, known in self._batches.items() if known.idle]:
                del self._batches[other]
            batching = self._desk.destination.batching(self.channel, self._desk.config.settings)
            batches = self._batches[key] = Batches(self._send, batching, self._busy, self._batches.values)
        return batches

    # --- outcomes --------------------------------------------------------------------------------------------------

    def _final(self, ready: Ready, outcome: Outcome) -> Outcome:
        """The outcome with what the plan noted."""
        notes = ready.plan.notes
        waiting = ready.waiting
        if isinstance(outcome, Delivered):
            if any(self._desk.same_stamp(part.stamp, waiting.event.seq) for part in ready.plan.parts):
                notes = (*notes, Note("same_ms"))
            if waiting.reply_lost:
                notes = (*notes, Note("reply_lost_retry"))
            return Delivered(outcome.detail or ready.plan.detail, (*notes, *outcome.notes))
        if isinstance(outcome, Skipped | Rejected):
            return replace(outcome, notes=(*notes, *outcome.notes))
        return outcome

    async def _conclude(
        self,
        lane: _Lane,
        waiting: Waiting,
        outcome: Outcome,
        attempt: Attempt | None,
        *,
        parts_done: int | None = None,
        sent: bool = True,
    ) -> bool:
        """Take note of one event's outcome; whether it ended the lane's turn (then the lane was given back). `sent`: the try was a request
        with the event in it.
        """
        if isinstance(outcome, Retry):
            outcome = self._given_up(waiting, outcome) or outcome
        if isinstance(outcome, Retry):
            wait_s = backoff_s(waiting.attempts + 1, random=self._around.random, asked_s=outcome.after_s)
            self._note_try(lane, waiting, outcome, attempt, wait_s, parts_done=parts_done, sent=sent)
            await self._settle(lane, release=True, ready_at=self._around.clock() + wait_s, backing_off=True)
            return True
        if isinstance(outcome, Blocked):
            self._note_try(lane, waiting, outcome, attempt, None, parts_done=parts_done)
            lane.refused = True
            # At once for those who would send next; on disk after the try, so that whoever reads "blocked" finds why.
            self.blocked = outcome
            await self._settle(lane, release=True)
            await self._block(outcome)
            return True
        self._note(lane, waiting, outcome, attempt)
        return False

    def _given_up(self, waiting: Waiting, retry: Retry) -> Rejected | None:
        if retry.tries_max is not None and waiting.attempts + 1 >= retry.tries_max:
            return Rejected(retry.reason, retry.detail)
        first = waiting.first_attempt_at
        if first is not None and self._around.clock() - first >= self._around.give_up_s:
            last = f"{REASONS[retry.reason].title}. {retry.detail}".rstrip()
            return Rejected(
                "gave_up",
                f"Tried {waiting.attempts + 1} times in {self._around.give_up_s / 3600:g} h. {last}",
            )
        return None

    def _note(self, lane: _Lane, waiting: Waiting, outcome: Outcome, attempt: Attempt | None) -> None:
        assert lane.settled is not None
        event = waiting.event
        lane.settled.append(
            Settled(
                event.seq,
                outcome,
                self._around.clock(),
                attempt,
                source_id=event.source_id,
                received_at=event.received_at,
            )
        )
        if attempt is None or attempt.reply is None or self.blocked is not None:
            return
        if (blocked := self._refusals.add(outcome)) is not None:
            # At once for those who would send next; the loop writes it down.
            self.blocked = self._to_tell = blocked
            self.wake(self._around.clock())

    def _note_try(
        self,
        lane: _Lane,
        waiting: Waiting,
        outcome: Retry | Blocked,
        attempt: Attempt | None,
        wait_s: float | None,
        *,
        parts_done: int | None = None,
        sent: bool = True,
    ) -> None:
        assert lane.settled is not None
        lane.settled.append(
            Settled(
                waiting.event.seq,
                outcome,
                self._around.clock(),
                replace(attempt, wait_s=wait_s) if attempt is not None else None,
                waiting.parts_done if parts_done is None else parts_done,
                reply_lost=sent
                and outcome.reason in LOST_REPLIES
                and attempt is not None
                and attempt.reply is None,
                source_id=waiting.event.source_id,
            )
        )

    async def _settle(
        self, lane: _Lane, *, release: bool, ready_at: float | None = None, backing_off: bool = False
    ) -> None:
        """Report what is known. While the store cannot write, it is said again and again: outcomes must not be forgotten."""
        settled, lane.settled = lane.settled or [], []
        if not settled and not release:
            return
        settlement = Settlement(lane.run.key, lane.run.lease, settled, release, ready_at, backing_off)
        pause_s = STORE_RETRY_S
        while True:
            try:
                settling = await self._around.store.settle([settlement], now=self._around.clock())
                break
            except StoreError as error:
                log.warning("settle_failed", destination=self.destination_id, error=str(error))
                if self._stopping:
                    return
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, STORE_RETRY_MAX_S)
        if settling.lost:
            log.warning(
                "lease_lost", destination=self.destination_id, channel=self.channel, events=len(settled)
            )
            return
        self._around.wake(settling.due)
        if settled:
            self._around.observer.settled(self.destination_id, settled)

    # --- a blocked channel -----------------------------------------------------------------------------------------

    async def _block(self, blocked: Blocked) -> None:
        self.blocked = blocked
        self._probe_at = self._around.clock() + BLOCKED_PROBE_S
        self.wake(self._probe_at)
        await self._around.store.block(
            self.destination_id, self.channel, blocked.reason, blocked.detail, now=self._around.clock()
        )
        self._around.observer.blocked(self.destination_id, self.channel, blocked)

    async def _probe(self) -> bool:
        """Whether the channel works again. Looks once a minute, by a harmless request or with the oldest event."""
        now = self._around.clock()
        config = self._desk.config
        if now < self._probe_at:
            return False
        self._probe_at = now + BLOCKED_PROBE_S
        if not config.enabled:
            # A rule ends its events before anything is sent, so they need no key to get their end. Once the destination is switched on
            # again, its first request tells how things are.
            await self._unblock()
            return True
        if config.secret_problem:
            return False
        if self.blocked is not None and self.blocked.reason == "too_many_rejected":
            return False  # its requests are answered: only a person can tell whether the cause was corrected
        call = self._desk.destination.probe(self.channel, config.settings)
        if call is not None:
            reply = await self._desk.exchange(call)
            if reply.error == "address_not_allowed":
                return False
            still = self._desk.destination.read_probe(reply, self.channel, config.settings)
            if still is not None:
                if still != self.blocked:
                    await self._block(still)
                return False
        elif not await self._probe_with_oldest():
            return False
        await self._unblock()
        return True

    async def _unblock(self) -> None:
        self.blocked = self._to_tell = None
        self._refusals.clear()
        await self._around.store.block(self.destination_id, self.channel, None, "", now=self._around.clock())
        self._around.observer.blocked(self.destination_id, self.channel, None)

    async def _probe_with_oldest(self) -> bool:
        """Send one event. Those that a rule ends on the way say nothing about the channel."""
        while not self._stopping:
            claim = await self._claim(1, run_max=1)
            if not claim.runs:
                return False
            lane = _Lane(claim.runs[0], probing=True)
            await self._deliver(lane)
            if lane.refused:
                return False
            if lane.sent:
                return True
        return False
