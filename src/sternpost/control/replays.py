"""Kept events delivered again: which events a replay means, how much that is, and the pump that works it off.

The store keeps a job's place in the transaction that puts its events into lanes (`store/replaying.py`); this is what looks for them. The
pump walks over kept events oldest first, puts as many into lanes as the job's rate allows, and stops while too many of its own wait: so a
replay is bounded wherever its destination stands, and after a restart it goes on where it was.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import structlog

from sternpost.control import fate
from sternpost.control.filters import Filter, FilterError, parse
from sternpost.errors import StoreError
from sternpost.limits import REPLAY_WAITING_MAX
from sternpost.model import Event, Route, Workspace
from sternpost.store.base import Replay, Store
from sternpost.store.candidates import Candidate, candidates, last_seq
from sternpost.store.selection import SCAN_ROWS_MAX
from sternpost.store.views import Views

log = structlog.get_logger("sternpost.control")

STEP_EVENTS_MAX = 500  #: put into lanes in one transaction, so that accept never waits long
STEP_ROWS_MAX = 5_000  #: kept events looked at in one step
TICK_S = 0.2  #: between two steps while a job runs; nothing happens while none does
TROUBLE_PAUSE_S = 5.0  #: after a store that could not be written
WAITING_MIN, WAITING_S = (
    100,
    10.0,
)  #: of one job wait at most what its rate sends in so long: a pause shows soon
ESTIMATE_ROWS_MAX = 200_000  #: events looked at for an estimate; half a second
ESTIMATE_BODIES_MAX = 20_000  #: where their bodies must be read; some seconds
PEOPLE_MAX = 100_000  #: counted for an estimate; more are said to be more
SAMPLES = 5
#: Conditions that need no body: columns of the event, and where it stands.
PLAIN_KEYS = frozenset({"type", "source", "user", "anon", "state"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events a replay means."""

    destination: str
    filter: Filter
    everything: bool  #: also those that were delivered already

    def written(self) -> str:
        """As text that `read` understands, for the store."""
        return json.dumps({"q": self.filter.line, "since": self.filter.since, "until": self.filter.until})

    @staticmethod
    def read(job: Replay) -> Wanted:
        kept: Mapping[str, Any] = json.loads(job.wanted)
        found = parse(kept["q"], {}, now=job.created_at)
        return Wanted(
            job.destination, replace(found, since=kept["since"], until=kept["until"]), job.everything
        )

    @property
    def needs_bodies(self) -> bool:
        return any(term.exclude or term.key not in PLAIN_KEYS for term in self.filter.terms)

    def may_match(self, candidate: Candidate) -> bool:
        """What can be told without the body."""
        chosen = self.filter.selection()
        return (
            candidate.stands
            not in ({"waiting", "held"} if self.everything else {"waiting", "held", "delivered"})
            and (not chosen.sources or candidate.source_id in chosen.sources)
            and (not chosen.types or candidate.type.strip().lower() in chosen.types)
            and (not chosen.user_ids or candidate.user_id in chosen.user_ids)
            and (not chosen.anonymous_ids or candidate.anonymous_id in chosen.anonymous_ids)
            and (not chosen.states or candidate.stands in chosen.states)
            and (chosen.received_from is None or candidate.received_at >= chosen.received_from)
            and (chosen.received_until is None or candidate.received_at <= chosen.received_until)
        )


def wanted(destination: str, line: str, keys: Mapping[str, str], *, everything: bool, now: float) -> Wanted:
    """From what a person wrote: a filter line, and conditions by the keys of the grammar. Raises FilterError."""
    found = parse(line, {}, now=now, keys=keys)
    if any(term.key == "dest" for term in found.terms):
        raise FilterError(
            'A replay goes to one destination, which is named beside the filter. Leave "dest:" out.'
        )
    return Wanted(destination, found, everything)


@dataclass(frozen=True, slots=True)
class Estimate:
    """How much a replay would be."""

    count: int
    exact: bool  #: False: reckoned from the events that were looked at
    people: int  #: at least so many, when `PEOPLE_MAX` were counted
    size_bytes: int
    first_at: float | None
    last_at: float | None
    delivered: int  #: of `count`: they would arrive once more
    stale: int  #: of `count`: older than the destination shows for sure
    under_way: int  #: not counted: they wait for their first delivery
    not_connected: int  #: not counted: their source is not connected to the destination
    profiles: int  #: of `count`: identify and group calls, which write again what was true then
    first_seq: int  #: older events need not be looked at
    samples: tuple[int, ...]  #: seqs


async def estimate(
    views: Views, workspace: Workspace, what: Wanted, *, now: float, stale_s: float | None
) -> Estimate:
    """Walk over what is kept, as far as the bounds let, and count."""
    until = await last_seq(views)
    rows_max = ESTIMATE_BODIES_MAX if what.needs_bodies else ESTIMATE_ROWS_MAX
    first_seq = after = first = looked_at = count = size = delivered = stale = under_way = not_connected = (
        profiles
    ) = 0
    people: set[str] = set()
    first_at: float | None = None
    last_at: float | None = None
    samples: list[int] = []
    ended = False
    while looked_at < rows_max and not ended:
        rows = await candidates(views, what.destination, after=after, until=until)
        ended = len(rows) < SCAN_ROWS_MAX
        if not rows:
            break
        first = first or rows[0].seq
        looked_at += len(rows)
        after = rows[-1].seq
        under_way += sum(candidate.stands in {"waiting", "held"} for candidate in rows)
        for candidate in await _matching(views, workspace, what, rows):
            first_seq = first_seq or candidate.seq
            if workspace.connection(candidate.source_id, what.destination) is None:
                not_connected += 1
                continue
            count += 1
            size += candidate.size_bytes
            delivered += candidate.stands == "delivered"
            stale += stale_s is not None and candidate.at_ms / 1000 < now - stale_s
            profiles += candidate.type.strip().lower() in {"identify", "group"}
            if len(people) < PEOPLE_MAX:
                people.add(candidate.person)
            first_at = candidate.received_at if first_at is None else first_at
            last_at = candidate.received_at
            if len(samples) < SAMPLES:
                samples.append(candidate.seq)
    share = 1.0 if ended or after >= until else (until - first + 1) / max(1, after - first + 1)

    def reckoned(n: int) -> int:
        return round(n * share)

    return Estimate(
        count=reckoned(count),
        exact=share == 1.0,
        people=reckoned(len(people)) if len(people) < PEOPLE_MAX else len(people),
        size_bytes=reckoned(size),
        first_at=first_at,
        last_at=last_at,
        delivered=reckoned(delivered),
        stale=reckoned(stale),
        under_way=reckoned(under_way),
        not_connected=reckoned(not_connected),
        profiles=reckoned(profiles),
        first_seq=first_seq or 1,
        samples=tuple(samples),
    )


async def _matching(
    views: Views, workspace: Workspace, what: Wanted, rows: Iterable[Candidate]
) -> list[Candidate]:
    """The rows that are meant; bodies are read only where the filter asks for them."""
    found = [candidate for candidate in rows if what.may_match(candidate)]
    if not what.needs_bodies or not found:
        return found
    matching: set[int] = set()
    left: list[int] = [candidate.seq for candidate in found]
    while left:
        page = await views.by_seqs(left)
        left = list(page.left)
        for kept in page.kept:
            entry = fate.compose(kept, workspace, attempts=False)
            # What is asked of a destination is asked of this one.
            entry["destinations"] = [
                standing for standing in entry["destinations"] if standing["destination"] == what.destination
            ]
            if what.filter.matches(entry):
                matching.add(kept.event.seq)
    return [candidate for candidate in found if candidate.seq in matching]


class Pump:
    """Works off the replays that run, each at its rate."""

    def __init__(
        self,
        store: Store,
        views: Views,
        *,
        workspace: Callable[[], Workspace],
        clock: Callable[[], float],
        route_for: Callable[[Event, str], Route | None],
        wake: Callable[[Iterable[tuple[str, str, float]]], None],
    ) -> None:
        self._store = store
        self._views = views
        self._workspace = workspace
        self._clock = clock
        self._route_for = route_for
        self._wake = wake
        self._something = asyncio.Event()
        self._something.set()
        self._credit: dict[
            int, tuple[float, float]
        ] = {}  #: events that may go now, and when that was reckoned

    def woken(self) -> None:
        """A job was begun, resumed or changed."""
        self._something.set()

    async def run(self) -> None:
        """Work for ever; rests while no job runs."""
        while True:
            await self._something.wait()
            pause_s = TICK_S
            try:
                if not await self.step():
                    self._something.clear()
                    # What was begun between the look and here has set the event before it was cleared: look once more.
                    if await self._running():
                        self._something.set()
                    continue
            except StoreError as error:
                log.warning("replay_waits", error=str(error))
                pause_s = TROUBLE_PAUSE_S
            except Exception:
                log.exception("replay_failed")
                pause_s = TROUBLE_PAUSE_S
            await asyncio.sleep(pause_s)

    async def _running(self) -> list[Replay]:
        return [job for job in await self._store.replays(only_open=True) if job.state == "running"]

    async def step(self) -> bool:
        """One step of every job that runs; whether there is one."""
        jobs = await self._running()
        self._credit = {job.no: self._credit[job.no] for job in jobs if job.no in self._credit}
        for job in jobs:
            await self._advance(job)
        return bool(jobs)

    async def _advance(self, job: Replay) -> None:
        config = self._workspace().destinations.get(job.destination)
        if config is None:
            await self._change(job, "cancelled", "The destination was removed.")
            return
        if not config.enabled:
            await self._change(job, "paused", "The destination is switched off: its events would be skipped.")
            return
        if job.cursor >= job.last_seq:
            if not job.waiting:
                await self._change(job, "done", "")
            return
        room = self._room(job)
        if room <= 0:
            return
        rows = await candidates(
            self._views, job.destination, after=job.cursor, until=job.last_seq, rows_max=STEP_ROWS_MAX
        )
        found = await _matching(self._views, self._workspace(), Wanted.read(job), rows)
        cursor = rows[-1].seq if len(rows) == STEP_ROWS_MAX else job.last_seq
        if len(found) > room:
            cursor = found[room - 1].seq
            found = found[:room]
        looked_at = sum(candidate.seq <= cursor for candidate in rows)
        entries = await self._entries(job.destination, [candidate.seq for candidate in found])
        replayed = await self._store.replay(
            job.no,
            entries,
            after=job.cursor,
            cursor=cursor,
            looked_at=looked_at,
            not_connected=len(found) - len(entries),
            now=self._clock(),
        )
        if replayed is not None:
            self._spend(job, len(found))
            self._wake(replayed.receipt.due)

    async def _entries(self, destination: str, seqs: list[int]) -> list[tuple[int, Route]]:
        entries: list[tuple[int, Route]] = []
        left = seqs
        while left:
            page = await self._views.by_seqs(left)
            left = list(page.left)
            for kept in page.kept:
                route = self._route_for(kept.event, destination)
                if route is not None:
                    entries.append((kept.event.seq, route))
        return entries

    def _room(self, job: Replay) -> int:
        """How many events may go into lanes now."""
        now = self._clock()
        credit, since = self._credit.get(job.no, (0.0, now - TICK_S))
        credit = min(max(job.rate, 1.0), credit + max(0.0, now - since) * job.rate)
        self._credit[job.no] = (credit, now)
        waiting_max = min(REPLAY_WAITING_MAX, max(WAITING_MIN, int(job.rate * WAITING_S)))
        return min(int(credit), waiting_max - job.waiting, STEP_EVENTS_MAX)

    def _spend(self, job: Replay, n: int) -> None:
        credit, since = self._credit[job.no]
        self._credit[job.no] = (credit - n, since)

    async def _change(self, job: Replay, state: Any, detail: str) -> None:
        await self._store.change_replay(job.no, state, now=self._clock(), detail=detail)
        log.info("replay_changed", replay=job.no, state=state, detail=detail)


async def cancel(store: Store, no: int, *, detail: str, now: float) -> Replay | None:
    """End a job and put back what it has not sent yet. None: it has ended already."""
    job = await store.change_replay(no, "cancelled", now=now, detail=detail)
    if job is not None:
        with contextlib.suppress(StoreError):  # what stays in its lane is delivered, and says so
            while await store.withdraw_replayed(no, now=now):
                pass
    return job


def shown(job: Replay) -> dict[str, Any]:
    """A job as the API tells of it."""
    what = Wanted.read(job)
    ended = job.state == "done" or (job.cursor >= job.last_seq and not job.waiting)
    whole = max(1, job.queued if job.cursor >= job.last_seq else max(job.queued, job.estimated))
    return {
        "id": str(job.no),
        "destination": job.destination,
        "state": job.state,
        "detail": job.detail,
        "filter": what.filter.line,
        "from": fate.when(what.filter.since),
        "to": fate.when(what.filter.until),
        "only": "all" if job.everything else "not_delivered",
        "ratePerSecond": job.rate,
        "createdAt": fate.when(job.created_at),
        "createdBy": job.created_by,
        "changedAt": fate.when(job.changed_at),
        "estimated": job.estimated,
        "progress": 1.0 if ended else round((job.queued - job.waiting) / whole, 4),
        "lookedAt": job.looked_at,
        "queued": job.queued,
        "waiting": job.waiting,
        **job.results,
        "underWay": job.under_way,
        "notConnected": job.not_connected,
    }
