"""The store's contract: the only stateful seam of Sternpost.

Events wait in **lanes**: (destination, channel, person). A lane is leased as a whole, so that nobody can hold a younger event of it
than its head: order is structural. `accept` is durable when it returns; `claim` leases lanes that are due and hands out their oldest
events; `settle` reports outcomes and gives the lanes back. A crash needs no recovery: a lease simply passes.

One contract suite (`tests/contract/test_store.py`) runs for every implementation and in several processes; seeded faults in it must
each make it fail. `tests/contract/` is the longer form of the sentences below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

import msgspec

from sternpost.model import Accepted, Arrival, LaneKey, Route, Run, Settlement
from sternpost.reasons import ReasonCode


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """What `accept` did with a list of events."""

    stored: int  #: new events
    duplicates: int  #: known (source, messageId); ignored and counted
    seqs: tuple[int, ...]  #: one per event given, in order; 0 for a duplicate
    due: tuple[tuple[str, str, float], ...]  #: (destination, channel, earliest time) that got something to do


@dataclass(frozen=True, slots=True)
class Spread:
    """What became of one arrival: the events that it held, and what `accept` did with them."""

    source_id: str
    entries: Sequence[Accepted]
    receipt: Receipt


class Waiting(Protocol):
    """What waits in arrivals."""

    @property
    def events(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    @property
    def gone(self) -> int: ...


class Claim(msgspec.Struct, frozen=True, gc=False):
    """What `claim` handed out."""

    runs: tuple[Run, ...]
    #: When the next lane of this channel is due; None = nothing waits. Not after `now`: more is due, also when `runs` is empty
    #: (the lanes looked at wait for a gate or a window); claim again.
    next_due_at: float | None


class Settling(msgspec.Struct, frozen=True, gc=False):
    """What `settle` did."""

    lost: tuple[LaneKey, ...]  #: lanes whose lease was lost; for those nothing was changed
    due: tuple[tuple[str, str, float], ...]  #: (destination, channel, time) that got something to do


@dataclass(frozen=True, slots=True)
class ChannelState:
    """A channel that was ever used: what waits in it, and whether it is blocked."""

    destination_id: str
    channel: str
    waiting: int
    blocked_reason: ReasonCode | None
    blocked_detail: str


ReplayState: TypeAlias = Literal["running", "paused", "done", "cancelled"]


@dataclass(frozen=True, slots=True)
class NewReplay:
    """A job that delivers kept events again."""

    destination: str
    wanted: str  #: which events, as text that only whoever selects them reads
    everything: bool  #: also those that were delivered already
    rate: float  #: events per second at most
    created_by: str
    estimated: int  #: how many events it is thought to be
    first_seq: int = 1  #: older ones are not looked at


@dataclass(frozen=True, slots=True)
class Replay:
    """How a job stands."""

    no: int
    destination: str
    wanted: str
    everything: bool
    rate: float
    created_at: float
    created_by: str
    estimated: int
    last_seq: int  #: the youngest event that was kept when it began; later ones are none of its business
    cursor: int  #: events up to this one were looked at
    looked_at: int
    queued: int  #: events it put back into lanes
    under_way: int  #: events it left alone, since they waited for their first delivery
    not_connected: int  #: events whose source is not connected to the destination
    state: ReplayState
    detail: str  #: why it is in that state, when there is something to say
    changed_at: float
    waiting: int  #: of `queued`: not ended yet
    results: Mapping[
        str, int
    ]  #: of `queued`: delivered, skipped, rejected, withdrawn (put back by a cancellation)


@dataclass(frozen=True, slots=True)
class Replayed:
    """What one step of a job did."""

    queued: int
    under_way: int
    receipt: Receipt  #: which channels got something to do


@dataclass(frozen=True, slots=True)
class Pruned:
    """What `prune` removed."""

    events: int
    more: bool  #: there is more to do; call again
    full: bool  #: what waits fills `bytes_max` alone: `accept` raises StoreFull until that changes


class Store(Protocol):
    """Four verbs, and a few for what stands beside the events. All times are unix seconds, handed in by the caller."""

    async def accept(self, events: Sequence[Accepted], *, now: float) -> Receipt:
        """Keep events, their deliveries, links and memberships in one transaction; durable when it returns.

        A (source, messageId) that is kept already is ignored; of several routes to one destination the first counts. Half a surrogate
        pair in a text is kept as U+FFFD. Raises StoreFull, StoreUnavailable; then nothing of it is kept.
        """
        ...

    @property
    def arrivals(self) -> Waiting:
        """What is kept by `arrive` and not spread yet."""
        ...

    async def arrive(self, parts: Sequence[Arrival]) -> None:
        """Keep a request as it came, its parts in order; durable when it returns. Raises StoreFull, StoreUnavailable; then nothing of
        it is kept.
        """
        ...

    async def spread(
        self, entries_of: Callable[[Arrival], Sequence[Accepted]], *, events_max: int, now: float
    ) -> Sequence[Spread]:
        """Accept the events of the oldest arrivals, in their order, and remove these, in one transaction: `events_max` events at most,
        or one arrival. () when none waits.
        """
        ...

    async def claim(
        self,
        destination_id: str,
        channel: str,
        *,
        now: float,
        lanes_max: int,
        run_max: int,
        lease_s: float,
        open_gates: bool = False,
        latest_first: bool = False,
        backing_off_max: int | None = None,
    ) -> Claim:
        """Lease up to `lanes_max` due lanes, longest due first (or last, with `latest_first`), with up to `run_max` of the oldest events
        each; of a lane whose last try failed with up to `backing_off_max`, when that is given.

        A leased lane is handed to nobody else until it is settled or `lease_s` has passed. With `open_gates`, rule G3 does not apply
        (the gating channel is blocked, or gets no answers).
        """
        ...

    async def settle(self, settlements: Sequence[Settlement], *, now: float) -> Settling:
        """Record outcomes; durable when it returns. A settlement whose lease was lost changes nothing.

        A lease that has passed is lost only when somebody else has claimed the lane since.
        """
        ...

    async def renew(self, leases: Iterable[tuple[LaneKey, str]], *, now: float, lease_s: float) -> None:
        """Extend leases that are still held; others are left alone."""
        ...

    async def prune(self, *, now: float, before: float, bytes_max: int) -> Pruned:
        """Remove some events accepted before `before`, and more while the store is larger than `bytes_max`: delivered and skipped
        ones first, then dead letters, oldest first. What waits is never removed. Space returns to the disk.
        """
        ...

    async def parents(self, group_ids: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        """What is known of the parents of these accounts: account id → trait → parent id (rule I5)."""
        ...

    async def expire_held(self, *, now: float) -> int:
        """End some held events whose time is over as skipped (anonymous_expired). Returns how many; call again until 0."""
        ...

    async def release_held(self, destination_id: str, *, now: float) -> int:
        """Put some held events of a destination into their lanes: it no longer holds. Returns how many; call again until 0."""
        ...

    async def block(
        self, destination_id: str, channel: str, reason: ReasonCode | None, detail: str, *, now: float
    ) -> None:
        """Remember that a channel is blocked (None: no longer), for people and for the next start."""
        ...

    async def take_over(self, *, now: float) -> int:
        """End every lease: whoever held one is gone. Only for a caller who is alone with the store, such as the holder of the data
        directory's lock at its start. Returns how many lanes are due again at once.
        """
        ...

    async def channels(self) -> Sequence[ChannelState]:
        """Every channel in which something waits or that is blocked."""
        ...

    async def held_destinations(self) -> Sequence[str]:
        """Destinations with held events."""
        ...

    async def retry_rejected(
        self, seqs: Sequence[tuple[int, str]], routes: Mapping[tuple[int, str], Route], *, now: float
    ) -> Receipt:
        """Put dead letters (seq, destination) back into their lanes, by the routes that the workspace gives them now.

        One without a route stays a dead letter. `Receipt.stored` says how many went back.
        """
        ...

    async def hasten(self, destination_id: str, seq: int, *, now: float) -> Sequence[tuple[str, str, float]]:
        """The lane of a waiting event is due now instead of after its backoff; one that is leased is left alone. What to wake."""
        ...

    async def discard_rejected(self, seqs: Sequence[tuple[int, str]], note: str, *, now: float) -> int:
        """End dead letters as skipped (discarded_by_operator)."""
        ...

    async def add_replay(self, new: NewReplay, *, now: float) -> int:
        """Begin a job; its number, 0 when `limits.REPLAYS_OPEN_MAX` are open."""
        ...

    async def replays(self, *, only_open: bool = False) -> Sequence[Replay]:
        """The jobs that are remembered, the newest first; with `only_open` those that run or are paused."""
        ...

    async def change_replay(
        self, no: int, state: ReplayState, *, now: float, detail: str = "", rate: float | None = None
    ) -> Replay | None:
        """Pause, resume, cancel or end a job, or give it another rate; None when its state does not allow that."""
        ...

    async def replay(
        self,
        no: int,
        entries: Sequence[tuple[int, Route]],
        *,
        after: int,
        cursor: int,
        looked_at: int,
        not_connected: int = 0,
        now: float,
    ) -> Replayed | None:
        """Put events (seq, route) of a running job back into lanes, behind live ones, and move its place from `after` to `cursor`, in
        one transaction. What still waits is left alone; so is what was delivered, unless the job wants everything. None, and nothing
        done, when the job does not run or is elsewhere.
        """
        ...

    async def withdraw_replayed(self, no: int, *, now: float) -> int:
        """Put back some events of a job that were not sent yet, with the outcome they had. Returns how many; call again until 0."""
        ...

    def close(self) -> None:
        """Finish what is under way and let go of the files."""
        ...
