"""What the suite works with: a store under test, a clock of its own, and eyes to look at what is kept.

A promise of the suite is written against `Lab` alone. An engine joins the suite by describing itself as an `Engine`: how it is
opened, and how its tables are read. The tables (names and columns) are part of what engines share, so that a promise can compare
the counters with the rows they count.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sternpost.model import (
    Accepted,
    Attempt,
    Delivered,
    Event,
    Link,
    Membership,
    Outcome,
    Rejected,
    Retry,
    Route,
    Run,
    Settled,
    Settlement,
    Skipped,
)
from sternpost.store.base import Claim, Pruned, Receipt, Settling
from sternpost.store.sqlite import SqliteStore

DAY_S = 86_400.0
NOW = 1_800_000_000.0
LEASE_S = 60.0

TRACK = Route("pendo", "track")
META = Route("pendo", "metadata")
WINDOW = Route("pendo", "track", settle_s=0.3)
GATE = Route("pendo", "metadata", gate=True)
GATED = Route("pendo", "track", gated=True)
HOLD = Route("pendo", "track", held=True, hold_s=6 * DAY_S)

DONE = Delivered()
SKIP = Skipped("anonymous")
DEAD = Rejected("bad_id")
AGAIN = Retry("timeout")


@dataclass(frozen=True)
class Engine:
    """One implementation of the store."""

    name: str
    open: Callable[[Path], Any]  #: a store on this place
    rows: Callable[[Path, str, Sequence[Any]], list[tuple[Any, ...]]]  #: a query, seen from outside the store
    bytes_on_disk: Callable[[Path], int]  #: what it takes on the disk, after it has written back its log
    run_out_of_space: Callable[[Any], Callable[[], None]]  #: from now on the disk is full; returns the remedy


def _sqlite_rows(place: Path, sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"{place.as_uri()}?mode=ro", uri=True, timeout=10)) as cx:
        return cx.execute(sql, tuple(values)).fetchall()


def _sqlite_bytes(place: Path) -> int:
    with closing(sqlite3.connect(place, timeout=10)) as cx:
        cx.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return place.stat().st_size


def _sqlite_full(store: SqliteStore) -> Callable[[], None]:
    cx = store._database.connection
    (usual,) = cx.execute("PRAGMA max_page_count").fetchone()
    (used,) = cx.execute("PRAGMA page_count").fetchone()
    cx.execute(f"PRAGMA max_page_count = {used}").fetchall()

    def room() -> None:
        cx.execute(f"PRAGMA max_page_count = {usual}").fetchall()

    return room


SQLITE = Engine("sqlite", SqliteStore, _sqlite_rows, _sqlite_bytes, _sqlite_full)


def entry(
    name: str,
    *routes: Route,
    user: str = "",
    anon: str = "",
    at: float = 0.0,
    page: float | None = None,
    kind: str = "track",
    source: str = "web",
    body: bytes | None = None,
    link: Link | None = None,
    membership: Membership | None = None,
    received_at: float = NOW,
) -> Accepted:
    """An event; `at` and `page` are seconds after NOW by the corrected and by the page's clock."""
    if not user and not anon:
        user = "ann"
    event = Event(
        name,
        source,
        kind,
        True,
        received_at,
        "192.0.2.7",
        body if body is not None else json.dumps({"n": name}).encode(),
        user_id=user,
        anonymous_id=anon,
        at_ms=ms(at),
        page_ms=None if page is None else ms(page),
    )
    return Accepted(event, routes or (TRACK,), link, membership)


def identify(
    name: str, anon: str, user: str, *routes: Route, at: float = 0.0, page: float | None = None
) -> Accepted:
    """An identify that links an anonymousId to a userId."""
    link = Link(anon, user, ms(at), None if page is None else ms(page))
    return entry(
        name, *(routes or (META,)), user=user, anon=anon, at=at, page=page, kind="identify", link=link
    )


def alias(name: str, old: str, user: str, *routes: Route, at: float = 0.0) -> Accepted:
    link = Link(old, user, ms(at), None, if_seen=True)
    return entry(name, *(routes or (META,)), user=user, at=at, kind="alias", link=link)


def group(
    name: str,
    group_id: str,
    *,
    user: str = "",
    anon: str = "",
    at: float = 0.0,
    page: float | None = None,
    parents: dict[str, str] | None = None,
    routes: Sequence[Route] = (META,),
) -> Accepted:
    membership = Membership(group_id, ms(at), None if page is None else ms(page), anon, parents or {})
    return entry(name, *routes, user=user, anon=anon, at=at, page=page, kind="group", membership=membership)


def ms(at: float) -> int:
    return round((NOW + at) * 1000)


def names_of(run: Run) -> list[str]:
    return [waiting.event.message_id for waiting in run.events]


@dataclass
class Lab:
    """A store under test. `now` is its clock; nothing here waits for real time."""

    engine: Engine
    place: Path
    now: float = NOW
    store: Any = None
    _others: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = self.engine.open(self.place)

    def another(self) -> Any:
        """A second store on the same place, as another process has it."""
        self._others.append(self.engine.open(self.place))
        return self._others[-1]

    def reopen(self) -> None:
        self.store.close()
        self.store = self.engine.open(self.place)

    def close(self) -> None:
        for store in (self.store, *self._others):
            store.close()

    # --- the four verbs, with this clock ------------------------------------------------------------------------------

    async def accept(self, *entries: Accepted) -> Receipt:
        receipt: Receipt = await self.store.accept(entries, now=self.now)
        return receipt

    async def claim(
        self,
        channel: str = "track",
        *,
        destination: str = "pendo",
        lanes_max: int = 50,
        run_max: int = 100,
        lease_s: float = LEASE_S,
        open_gates: bool = False,
        latest_first: bool = False,
        backing_off_max: int | None = None,
        store: Any = None,
    ) -> Claim:
        claimed: Claim = await (store or self.store).claim(
            destination,
            channel,
            now=self.now,
            lanes_max=lanes_max,
            run_max=run_max,
            lease_s=lease_s,
            open_gates=open_gates,
            latest_first=latest_first,
            backing_off_max=backing_off_max,
        )
        return claimed

    async def one(self, channel: str = "track", **limits: Any) -> Run:
        """The only run that can be claimed."""
        runs = (await self.claim(channel, **limits)).runs
        assert len(runs) == 1, f"{len(runs)} runs instead of one: {[names_of(run) for run in runs]}"
        return runs[0]

    async def none(self, channel: str = "track", **limits: Any) -> Claim:
        """Nothing can be claimed."""
        claimed = await self.claim(channel, **limits)
        assert not claimed.runs, f"claimed {[names_of(run) for run in claimed.runs]}"
        return claimed

    async def settle(
        self,
        run: Run,
        *outcomes: Outcome,
        release: bool = True,
        ready_at: float | None = None,
        backing_off: bool = False,
        sent: bool = True,
    ) -> Settling:
        """Report the first events of a run; with one outcome for several events it counts for all of them."""
        several = outcomes * len(run.events) if len(outcomes) == 1 else outcomes
        settled = [
            Settled(
                waiting.event.seq,
                outcome,
                self.now,
                Attempt(self.now, 3, None, {"status": 200}) if sent else None,
            )
            for waiting, outcome in zip(run.events, several, strict=False)
        ]
        result: Settling = await self.store.settle(
            [Settlement(run.key, run.lease, settled, release, ready_at, backing_off)], now=self.now
        )
        return result

    async def deliver(self, channel: str = "track", **limits: Any) -> list[str]:
        """Claim and deliver until nothing is due; the message ids in the order of sending."""
        sent: list[str] = []
        for _ in range(1_000):
            claimed = await self.claim(channel, **limits)
            for run in claimed.runs:
                sent += names_of(run)
                assert not (await self.settle(run, DONE)).lost
            if not claimed.runs and (claimed.next_due_at is None or claimed.next_due_at > self.now):
                return sent
        raise AssertionError("the channel never comes to rest")

    async def prune(self, *, before: float = 0.0, bytes_max: int = 10**12) -> Pruned:
        """Prune until there is no more to do; the sum of what was removed."""
        removed = 0
        for _ in range(1_000):
            pruned: Pruned = await self.store.prune(now=self.now, before=before, bytes_max=bytes_max)
            removed += pruned.events
            if not pruned.more:
                return Pruned(removed, False, pruned.full)
        raise AssertionError("prune never comes to an end")

    # --- looking in ----------------------------------------------------------------------------------------------------

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.engine.rows(self.place, sql, values)

    def counters(self, scope: str = "d:pendo") -> dict[str, int]:
        return {name: n for name, n in self.rows("SELECT name, n FROM counters WHERE scope = ?", scope) if n}

    def fate(self, name: str, destination: str = "pendo") -> str:
        """Where an event is: waiting, held, a final state with its reason, or unknown."""
        found = [
            state
            for (state,) in self.rows(
                "SELECT 'waiting' FROM deliveries d JOIN events e ON e.seq = d.seq JOIN names n ON n.no = d.destination_no "
                "WHERE coalesce(e.message_id, e.message_key) = ?1 AND n.name = ?2 UNION ALL "
                "SELECT 'held' FROM held h JOIN events e ON e.seq = h.seq JOIN names n ON n.no = h.destination_no "
                "WHERE coalesce(e.message_id, e.message_key) = ?1 AND n.name = ?2 UNION ALL "
                "SELECT CASE o.state WHEN 1 THEN 'delivered' WHEN 2 THEN 'skipped' ELSE 'rejected' END || coalesce(':' || o.reason, '') "
                "FROM outcomes o JOIN events e ON e.seq = o.seq JOIN names n ON n.no = o.destination_no "
                "WHERE coalesce(e.message_id, e.message_key) = ?1 AND n.name = ?2",
                name,
                destination,
            )
        ]
        assert len(found) < 2, f"{name} is in several places: {found}"
        return found[0] if found else "unknown"

    def check(self) -> None:
        """What holds at every moment: each event in one place per destination, lanes and counters equal to the rows."""
        counted = {
            (scope, name): n
            for scope, name, n in self.rows("SELECT scope, name, n FROM counters")
            # How replayed events have ended is told for as long as the job is remembered, whatever becomes of them.
            if n and (not scope.startswith("r:") or name == "waiting")
        }
        assert counted == self._count_rows(), "the counters differ from the rows"
        lanes = self.rows(
            "SELECT l.no, l.pending, (SELECT count(*) FROM deliveries d WHERE d.lane_no = l.no) FROM lanes l"
        )
        assert [lane for lane in lanes if lane[1] != lane[2]] == [], (
            "a lane's `pending` differs from its rows"
        )
        homeless = self.rows("SELECT seq FROM deliveries WHERE lane_no NOT IN (SELECT no FROM lanes)")
        assert homeless == [], "deliveries without a lane"
        places: Counter[tuple[int, int]] = Counter()
        for table in ("deliveries", "held", "outcomes"):
            places.update(self.rows(f"SELECT destination_no, seq FROM {table}"))
        numbers = {name: no for no, name in self._destinations()}
        expected = {
            (numbers[destination], seq)
            for seq, routes in self.rows(
                "SELECT e.seq, f.routes FROM events e JOIN fanouts f ON f.no = e.fanout_no"
            )
            for destination, _ in json.loads(routes)
        }
        # A replay may bring an event to a destination that it was not fanned out to.
        replayed = {
            (destination, seq)
            for destination, seq in self.rows(
                "SELECT destination_no, seq FROM deliveries WHERE replay_no IS NOT NULL UNION ALL "
                "SELECT destination_no, seq FROM outcomes WHERE more LIKE '%\"replay\"%'"
            )
            if self.rows("SELECT 1 FROM events WHERE seq = ?", seq)
        }
        assert set(places) | replayed == expected | replayed, (
            "an event is nowhere, or somewhere without being kept"
        )
        assert set(places.values()) <= {1}, "an event is in several places"

    def _destinations(self) -> list[tuple[Any, ...]]:
        return self.rows("SELECT no, name FROM names WHERE kind = 'destination'")

    def _count_rows(self) -> dict[tuple[str, str], int]:
        found: Counter[tuple[str, str]] = Counter()
        named = dict(self.rows("SELECT no, name FROM names"))
        for destination, channel, first in self.rows(
            "SELECT d.destination_no, l.channel_no, d.first_attempt_at FROM deliveries d JOIN lanes l ON l.no = d.lane_no"
        ):
            scope = f"d:{named[destination]}"
            found[scope, f"waiting:{named[channel]}"] += 1
            if first is not None:
                found[scope, f"retrying:{named[channel]}"] += 1
        for (replay,) in self.rows("SELECT replay_no FROM deliveries WHERE replay_no IS NOT NULL"):
            found[f"r:{replay}", "waiting"] += 1
        for (destination,) in self.rows("SELECT destination_no FROM held"):
            found[f"d:{named[destination]}", "held"] += 1
        for destination, state, reason in self.rows("SELECT destination_no, state, reason FROM outcomes"):
            name = {1: "delivered", 2: "skipped", 3: "rejected"}[state]
            found[f"d:{named[destination]}", name] += 1
            if reason is not None:
                found[f"d:{named[destination]}", f"{name}:{reason}"] += 1
        for source, seen in self.rows("SELECT source_no, seen FROM events"):
            found[f"s:{named[source]}", "received"] += 1
            found[f"s:{named[source]}", "duplicates"] += seen - 1
        for events, size in self.rows("SELECT events, length(body) FROM arrivals"):
            found["arrivals", "events"] += events
            found["arrivals", "bytes"] += size
        for (events,) in self.rows("SELECT events FROM aside"):
            found["arrivals", "aside"] += events
        return {key: n for key, n in found.items() if n}


@contextmanager
def lab_of(engine: Engine, folder: Path) -> Iterator[Lab]:
    """A fresh store; at the end everything must still add up."""
    lab = Lab(engine, folder / "sternpost.db")
    try:
        yield lab
        lab.check()
    finally:
        lab.close()
