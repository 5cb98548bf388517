"""`SqliteStore`: the store's contract on one SQLite file, safe for several processes.

The statements live beside this file by verb: `accepting`, `claiming`, `settling`, `retention`, `profiles`; `database` has the
connection and the group commit. Every method here is one operation inside a transaction that other operations share.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from sternpost.errors import StoreDamaged, StoreFull
from sternpost.limits import COMMIT_EVENTS_MAX, COMPACT_BYTES_MAX, PRUNE_CHUNK_EVENTS
from sternpost.model import Accepted, Arrival, LaneKey, Route, Settlement
from sternpost.reasons import ReasonCode
from sternpost.store import (
    arrivals,
    claiming,
    damage,
    persons,
    profiles,
    replaying,
    retention,
    revisions,
    seen,
    settling,
)
from sternpost.store.accepting import Acceptor, held_rows
from sternpost.store.base import (
    ChannelState,
    Claim,
    NewReplay,
    Pruned,
    Receipt,
    Replay,
    Replayed,
    ReplayState,
    Settling,
    Spread,
)
from sternpost.store.database import BUSY_TIMEOUT_S, Database, connect
from sternpost.store.names import Deltas, Names, storable
from sternpost.store.replaying import Replayer
from sternpost.store.revisions import Revision
from sternpost.store.seen import Gathered
from sternpost.store.spreading import Spreader

Result = TypeVar("Result")

#: Each destination holds for a time of its own: what expires here may still be held there.
EXPIRED = "h.expires_at <= ?1 AND h.seq IN (SELECT seq FROM held WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)"
TAKE_OVER = tuple(
    "UPDATE lanes SET lease = NULL, ready_at = ?1 WHERE no IN ("
    f"SELECT l.no FROM names d CROSS JOIN names c CROSS JOIN lanes l INDEXED BY {index} "
    "WHERE d.kind = 'destination' AND c.kind = 'channel' AND l.destination_no = d.no AND l.channel_no = c.no "
    f"AND l.pending > 0 AND l.behind = {behind} AND l.ready_at > ?1 AND l.lease IS NOT NULL)"
    for index, behind in (("lanes_due", 0), ("lanes_behind", 1))
)
HASTEN = (
    "UPDATE lanes SET ready_at = ?1 WHERE no = (SELECT lane_no FROM deliveries WHERE destination_no = ?2 AND seq = ?3) "
    "AND lease IS NULL AND ready_at > ?1 RETURNING channel_no"
)
RENEW_LANE = (
    "UPDATE lanes SET ready_at = ? WHERE destination_no = ? AND channel_no = ? AND lane = ? AND lease = ?"
)


class SqliteStore:
    """See `store.base.Store` for what each method promises."""

    def __init__(
        self,
        path: Path,
        *,
        new_lease: Callable[[], str] = lambda: secrets.token_hex(8),
        observe: Callable[[str, float], None] | None = None,
        notices: Sequence[str] = (),
    ) -> None:
        """Open the file, make or migrate it. `notices`: what is known about it already. Raises StoreError with a sentence for people."""
        self._database = Database(path, events_per_commit=COMMIT_EVENTS_MAX, observe=observe, notices=notices)
        self._names = Names()
        self._deltas = Deltas()
        # Counters are written once for a transaction, not for each of the requests that share it.
        self._database.before_commit.append(self._deltas.write)
        self._spreader = Spreader(self._database, self._names, self._deltas, path)
        self.arrivals = self._spreader.waiting
        self._database.on_commit.append(self.arrivals.committed)
        self._database.on_rollback += [self._names.forget, self._deltas.forget, self.arrivals.rolled_back]
        self._new_lease = new_lease
        self._pruner = retention.Pruner()
        self.full = False  #: what waits fills the space alone; `prune` decides
        self.path = path

    @property
    def files(self) -> tuple[Path, ...]:
        """What the store consists of on the disk while it is open."""
        return tuple(self.path.with_name(self.path.name + ending) for ending in ("", "-wal", "-shm"))

    @property
    def notices(self) -> tuple[str, ...]:
        """What somebody should know although events are accepted: damage that was found, as sentences."""
        return tuple(self._database.damage)

    async def accept(self, events: Sequence[Accepted], *, now: float) -> Receipt:
        self._must_have_room()

        def run(cx: sqlite3.Connection, deltas: Deltas) -> Receipt:
            return Acceptor(cx, self._names, deltas, now).accept(events)

        return await self._write(run, weight=len(events))

    async def arrive(self, parts: Sequence[Arrival]) -> None:
        self._must_have_room()

        def run(cx: sqlite3.Connection, deltas: Deltas) -> None:
            arrivals.keep(cx, deltas, self.arrivals, parts)

        # An event costs a fifth of what accepting it costs, a row at least something.
        await self._write(run, weight=len(parts) + sum(part.events for part in parts) // 5)

    async def spread(
        self, entries_of: Callable[[Arrival], Sequence[Accepted]], *, events_max: int, now: float
    ) -> Sequence[Spread]:
        return await self._spreader.spread(entries_of, events_max=events_max, now=now)

    def _must_have_room(self) -> None:
        if self.full:
            raise StoreFull("What waits for delivery fills the space that --bytes-max allows.")

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
        lease = self._new_lease()

        def run(cx: sqlite3.Connection, deltas: Deltas, careful: damage.SettingAside | None = None) -> Claim:
            return claiming.claim(
                cx,
                self._names,
                destination_id,
                channel,
                now=now,
                lanes_max=lanes_max,
                run_max=run_max,
                lease_s=lease_s,
                lease=lease,
                open_gates=open_gates,
                latest_first=latest_first,
                backing_off_max=run_max if backing_off_max is None else backing_off_max,
                careful=careful,
            )

        def run_carefully(cx: sqlite3.Connection, deltas: Deltas) -> Claim:
            with closing(connect(self.path, readonly=True)) as reading:
                return run(cx, deltas, damage.SettingAside(reading, self._names, deltas, now))

        try:
            return await self._write(run, weight=lanes_max)
        except StoreDamaged:
            # One event on a damaged page must not stop its channel for ever.
            return await self._write(run_carefully, weight=lanes_max)

    async def settle(self, settlements: Sequence[Settlement], *, now: float) -> Settling:
        def run(cx: sqlite3.Connection, deltas: Deltas) -> Settling:
            return settling.settle(cx, self._names, deltas, settlements, now=now)

        # Who gives all lanes back goes on with other things; a lane that is kept has its next event waiting.
        patient = all(settlement.release for settlement in settlements)
        weight = sum(len(settlement.settled) for settlement in settlements) + 1
        return await self._write(run, weight=weight, patient=patient)

    async def renew(self, leases: Iterable[tuple[LaneKey, str]], *, now: float, lease_s: float) -> None:
        wanted = list(leases)

        def run(cx: sqlite3.Connection, deltas: Deltas) -> None:
            for key, lease in wanted:
                cx.execute(
                    RENEW_LANE,
                    (
                        now + lease_s,
                        self._names.number(cx, "destination", key.destination_id),
                        self._names.number(cx, "channel", key.channel),
                        key.lane,
                        lease,
                    ),
                )

        await self._write(run, weight=len(wanted))

    async def parents(self, group_ids: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        return await self._write(lambda cx, deltas: profiles.parents(cx, group_ids))

    async def prune(self, *, now: float, before: float, bytes_max: int) -> Pruned:
        def run(cx: sqlite3.Connection, deltas: Deltas) -> Pruned:
            return self._pruner.step(
                cx,
                self._names,
                deltas,
                now=now,
                before=before,
                bytes_max=bytes_max,
                used_bytes=self._database.size_bytes(),
            )

        try:
            pruned = await self._write(run, weight=PRUNE_CHUNK_EVENTS)
        except StoreDamaged:
            # What lies on damaged pages stays; what is behind them must go all the same, or the disk fills.
            if not self._pruner.step_over():
                raise
            return Pruned(0, more=True, full=self.full)
        self.full = pruned.full
        return pruned

    async def expire_held(self, *, now: float) -> int:
        def run(cx: sqlite3.Connection, deltas: Deltas) -> int:
            acceptor = Acceptor(cx, self._names, deltas, now)
            rows = held_rows(
                cx,
                EXPIRED,
                (now, PRUNE_CHUNK_EVENTS),
            )
            for row in rows:
                destination_id = self._names.name(cx, "destination", row.destination_no)
                acceptor.end_held(
                    destination_id,
                    row.destination_no,
                    row.anonymous_key,
                    row.at_ms,
                    row.seq,
                    "anonymous_expired",
                )
            return len(rows)

        return await self._write(run, weight=PRUNE_CHUNK_EVENTS)

    async def release_held(self, destination_id: str, *, now: float) -> int:
        def run(cx: sqlite3.Connection, deltas: Deltas) -> int:
            number = self._names.known(cx, "destination", destination_id)
            acceptor = Acceptor(cx, self._names, deltas, now)
            rows = held_rows(
                cx,
                "h.seq IN (SELECT seq FROM held WHERE destination_no = ?1 LIMIT ?2) AND h.destination_no = ?1",
                (number, PRUNE_CHUNK_EVENTS),
            )
            for row in rows:
                acceptor.unhold(row)
            return len(rows)

        return await self._write(run, weight=PRUNE_CHUNK_EVENTS)

    async def block(
        self, destination_id: str, channel: str, reason: ReasonCode | None, detail: str, *, now: float
    ) -> None:
        def run(cx: sqlite3.Connection, deltas: Deltas) -> None:
            which = (
                self._names.number(cx, "destination", destination_id),
                self._names.number(cx, "channel", channel),
            )
            if reason is None:
                cx.execute("DELETE FROM channels WHERE destination_no = ? AND channel_no = ?", which)
            else:
                cx.execute(
                    "INSERT INTO channels (destination_no, channel_no, reason, detail, since) VALUES (?, ?, ?, ?, ?) "
                    "ON CONFLICT DO UPDATE SET reason = excluded.reason, detail = excluded.detail",
                    (*which, reason, storable(detail), now),
                )

        await self._write(run)

    async def take_over(self, *, now: float) -> int:
        def run(cx: sqlite3.Connection, deltas: Deltas) -> int:
            # A lease that has passed is due anyway; the others lie ahead of now, where the index finds them among what backs off.
            return sum(cx.execute(statement, (now,)).rowcount for statement in TAKE_OVER)

        return await self._write(run)

    async def channels(self) -> Sequence[ChannelState]:
        def run(cx: sqlite3.Connection, deltas: Deltas) -> Sequence[ChannelState]:
            deltas.write(cx)
            waiting = {
                (scope.removeprefix("d:"), name.removeprefix("waiting:")): n
                for scope, name, n in cx.execute(
                    "SELECT scope, name, n FROM counters WHERE name GLOB 'waiting:*' AND n > 0"
                )
            }
            blocked = {
                (
                    self._names.name(cx, "destination", destination_no),
                    self._names.name(cx, "channel", channel_no),
                ): (reason, detail)
                for destination_no, channel_no, reason, detail in cx.execute(
                    "SELECT destination_no, channel_no, reason, detail FROM channels"
                ).fetchall()
            }
            return [
                ChannelState(
                    destination_id,
                    channel,
                    waiting.get((destination_id, channel), 0),
                    *blocked.get((destination_id, channel), (None, "")),
                )
                for destination_id, channel in sorted({*waiting, *blocked})
            ]

        return await self._write(run)

    async def held_destinations(self) -> Sequence[str]:
        def run(cx: sqlite3.Connection, deltas: Deltas) -> Sequence[str]:
            deltas.write(cx)
            rows = cx.execute(
                "SELECT scope FROM counters WHERE name = 'held' AND n > 0 ORDER BY scope"
            ).fetchall()
            return [scope.removeprefix("d:") for (scope,) in rows]

        return await self._write(run)

    async def retry_rejected(
        self, seqs: Sequence[tuple[int, str]], routes: Mapping[tuple[int, str], Route], *, now: float
    ) -> Receipt:
        def run(cx: sqlite3.Connection, deltas: Deltas) -> Receipt:
            acceptor = Acceptor(cx, self._names, deltas, now)
            count = settling.retry_rejected(acceptor, seqs, routes)
            due = tuple((destination, channel, at) for (destination, channel), at in acceptor.due.items())
            return Receipt(count, 0, (), due)

        return await self._write(run, weight=len(seqs))

    async def hasten(self, destination_id: str, seq: int, *, now: float) -> Sequence[tuple[str, str, float]]:
        def run(cx: sqlite3.Connection, deltas: Deltas) -> Sequence[tuple[str, str, float]]:
            number = self._names.known(cx, "destination", destination_id)
            rows = cx.execute(HASTEN, (now, number, seq)).fetchall()
            return [
                (destination_id, self._names.name(cx, "channel", channel_no), now) for (channel_no,) in rows
            ]

        return await self._write(run)

    async def discard_rejected(self, seqs: Sequence[tuple[int, str]], note: str, *, now: float) -> int:
        def run(cx: sqlite3.Connection, deltas: Deltas) -> int:
            return settling.discard_rejected(cx, self._names, deltas, seqs, note, now=now)

        return await self._write(run, weight=len(seqs))

    async def add_replay(self, new: NewReplay, *, now: float) -> int:
        def run(cx: sqlite3.Connection, deltas: Deltas) -> int:
            deltas.write(cx)
            return replaying.add(cx, new, now=now)

        return await self._write(run)

    async def replays(self, *, only_open: bool = False) -> Sequence[Replay]:
        def run(cx: sqlite3.Connection, deltas: Deltas) -> Sequence[Replay]:
            deltas.write(cx)
            return replaying.jobs(cx, only_open=only_open)

        return await self._write(run)

    async def change_replay(
        self, no: int, state: ReplayState, *, now: float, detail: str = "", rate: float | None = None
    ) -> Replay | None:
        def run(cx: sqlite3.Connection, deltas: Deltas) -> Replay | None:
            deltas.write(cx)
            return replaying.change(cx, no, state, detail=detail, rate=rate, now=now)

        return await self._write(run)

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
        def run(cx: sqlite3.Connection, deltas: Deltas) -> Replayed | None:
            return Replayer(cx, self._names, deltas, now).step(
                no,
                entries,
                after=after,
                cursor=cursor,
                looked_at=looked_at,
                not_connected=not_connected,
            )

        return await self._write(run, weight=len(entries) + 1)

    async def withdraw_replayed(self, no: int, *, now: float) -> int:
        def run(cx: sqlite3.Connection, deltas: Deltas) -> int:
            return Replayer(cx, self._names, deltas, now).withdraw(no, PRUNE_CHUNK_EVENTS)

        return await self._write(run, weight=PRUNE_CHUNK_EVENTS)

    async def forget_events(self, seqs: Sequence[int]) -> int:
        """Remove events with everything that hangs on them, also what waits, and overwrite what they were; how many there were."""

        def run(cx: sqlite3.Connection, deltas: Deltas) -> int:
            cx.execute("PRAGMA secure_delete = ON").fetchall()
            try:
                return persons.forget_events(cx, self._names, deltas, seqs)
            finally:
                cx.execute("PRAGMA secure_delete = OFF").fetchall()

        return await self._write(run, weight=len(seqs))

    async def compact(self) -> bool:
        """Rewrite the file, so that nothing that was removed is left in it, and empty its log. False: it is too large for that
        (`limits.COMPACT_BYTES_MAX`), and only the log was emptied. Others wait meanwhile, some seconds at most.
        """

        def run(cx: sqlite3.Connection) -> bool:
            cx.execute(f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT_S * 1000)}").fetchall()
            pages, page_bytes = (
                cx.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size")
            )
            whole = bool(pages * page_bytes <= COMPACT_BYTES_MAX)
            if whole:
                # In memory the copy would take as much as the file.
                cx.execute("PRAGMA temp_store = FILE")
                cx.execute("VACUUM")
                cx.execute("PRAGMA temp_store = MEMORY")
            cx.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            return whole

        return await self._database.alone(run)

    async def fold(self) -> None:
        """Bring the write-ahead log into the file now, so that the file alone is the whole store."""

        def run(cx: sqlite3.Connection) -> None:
            cx.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

        await self._database.alone(run)

    # --- what stands beside the events: the workspace and small facts ----------------------------------------------

    async def save_workspace(
        self, document: bytes, *, now: float, author: str = "", note: str = "", changes: Sequence[str] = ()
    ) -> int:
        """Keep a new revision of the workspace (secrets inside are sealed); returns its number."""

        def run(cx: sqlite3.Connection, deltas: Deltas) -> int:
            return revisions.save(cx, document, now=now, author=author, note=note, changes=changes)

        return await self._write(run)

    async def load_workspace(self) -> tuple[int, bytes] | None:
        """The newest revision and its document."""
        return await self._write(lambda cx, deltas: revisions.newest(cx))

    async def workspace_revisions(self, *, before: int | None, limit: int) -> list[Revision]:
        """Earlier and present revisions, the newest first."""
        return await self._write(lambda cx, deltas: revisions.page(cx, before, limit))

    async def workspace_revision(self, number: int) -> tuple[Revision, bytes] | None:
        """One revision and its document; None when it is not kept."""
        return await self._write(lambda cx, deltas: revisions.one(cx, number))

    async def remember(self, values: Mapping[str, str]) -> None:
        """Keep small facts by key, e.g. generated write keys."""

        def run(cx: sqlite3.Connection, deltas: Deltas) -> None:
            cx.executemany("INSERT OR REPLACE INTO settings (key, value) VALUES (?, ?)", list(values.items()))

        await self._write(run)

    async def remembered(self, prefix: str) -> dict[str, str]:
        """The small facts whose key begins so."""

        def run(cx: sqlite3.Connection, deltas: Deltas) -> dict[str, str]:
            rows = cx.execute(
                "SELECT key, value FROM settings WHERE substr(key, 1, ?) = ?", (len(prefix), prefix)
            )
            return {str(key): str(value) for key, value in rows}

        return await self._write(run)

    async def transaction(self, run: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run statements on tables beside the events in the next transaction (see `store.access`)."""
        return await self._write(lambda cx, deltas: run(cx))

    async def keep_seen(self, gathered: Gathered) -> None:
        """Keep what was seen of sources, with how far their events were looked at."""
        await self._write(lambda cx, deltas: seen.keep(cx, gathered))

    @property
    def queued_events(self) -> int:
        """Events (and other rows) that wait for the next commit."""
        return self._database.queued_weight

    def close(self) -> None:
        self._database.close()

    async def _write(
        self,
        run: Callable[[sqlite3.Connection, Deltas], Result],
        *,
        weight: int = 1,
        patient: bool = False,
    ) -> Result:
        return await self._database.write(lambda cx: run(cx, self._deltas), weight=weight, patient=patient)
