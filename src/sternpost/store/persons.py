"""People who are stopped, and people who are to be forgotten: their rows, and the receipts that stay.

Ids are kept as keyed digests, so that the record of a forgotten person is no trace of who it was. `key` of an id: `u:<userId>` or
`a:<anonymousId>`, as in lanes and memberships.
"""

from __future__ import annotations

import hashlib
import json
import math
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

from sternpost.limits import DELETIONS_KEPT_MAX, STOPPED_MAX
from sternpost.store import aside
from sternpost.store.names import Deltas, Names, key, storable
from sternpost.store.retention import remove_events
from sternpost.store.views import Views

SALT = "people:salt"
SCAN_ROWS_MAX = 20_000  #: events looked at in one step: some 20 ms beside everything else
FORGET_CHUNK_EVENTS = 200  #: removed per transaction, so that accept never waits long

Result = TypeVar("Result")
DeletionState: TypeAlias = Literal["removing", "asking", "done"]

SELECT_SALT = "SELECT value FROM settings WHERE key = ?"
INSERT_STOPPED = (
    "INSERT INTO stopped (digest, whose, id, stopped_at, stopped_by, note) VALUES (?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (digest) DO UPDATE SET id = coalesce(excluded.id, id), note = excluded.note"
)
#: Of the 200,000 ids at most that are stopped; without an index, for a list that people look at.
SELECT_STOPS = (
    "SELECT digest, id, stopped_at, stopped_by, note FROM stopped WHERE id IS NOT NULL AND (stopped_at, digest) < (?, ?) "
    "ORDER BY stopped_at DESC, digest DESC LIMIT ?"
)
EVERY_NO = 2**62
SELECT_EVENTS_OF = "SELECT seq, type, user_id, anonymous_id FROM (SELECT seq, type, user_id, anonymous_id FROM events WHERE seq > ? ORDER BY seq LIMIT ?) "
TAKE_DELIVERIES = (
    "DELETE FROM deliveries WHERE destination_no IN (SELECT no FROM names WHERE kind = 'destination') AND seq = ? "
    "RETURNING destination_no, lane_no, first_attempt_at, replay_no"
)
TAKE_HELD = "DELETE FROM held WHERE seq = ? RETURNING destination_no"
LEAVE_LANE = "UPDATE lanes SET pending = pending - 1 WHERE no = ? RETURNING channel_no"
DELETE_LANES = (
    "DELETE FROM lanes WHERE destination_no IN (SELECT no FROM names WHERE kind = 'destination') "
    "AND channel_no IN (SELECT no FROM names WHERE kind = 'channel') AND lane = ? AND pending = 0"
)
COLUMNS = "no, digest, ids, asked_at, asked_by, note, state, here, there, due_at"


@dataclass(frozen=True, slots=True)
class Stop:
    """A person who is stopped."""

    digest: bytes
    id: str  #: "" once the person was forgotten
    stopped_at: float
    stopped_by: str
    note: str


@dataclass(frozen=True, slots=True)
class Deletion:
    """How the deletion of a person stands."""

    no: int
    digest: bytes
    ids: (
        Mapping[str, Sequence[str]] | None
    )  #: {"users": […], "anonymous": […]}; None once nobody needs them any more
    asked_at: float
    asked_by: str
    note: str
    state: DeletionState
    here: Mapping[str, Any]  #: events and profiles removed here, and when
    there: Mapping[str, Mapping[str, Any]]  #: destination → {state, job, said, at, tries}
    due_at: float


@dataclass(frozen=True, slots=True)
class PersonIds:
    """Who a person is, as far as links tell."""

    user_id: str
    anonymous_ids: tuple[str, ...]  #: that turned out to be this user and nobody else

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"u:{self.user_id}", *(f"a:{one}" for one in (self.user_id, *self.anonymous_ids)))


def salt(cx: sqlite3.Connection) -> bytes:
    return bytes.fromhex(cx.execute(SELECT_SALT, (SALT,)).fetchone()[0])


def digest_of(person: str, secret: bytes) -> bytes:
    """Of a key such as `u:ann`."""
    return hashlib.blake2b(person.encode("utf-8", "surrogatepass"), key=secret, digest_size=16).digest()


# --- stopped people ---------------------------------------------------------------------------------------------------


def stop(cx: sqlite3.Connection, who: PersonIds, *, keep_id: bool, by: str, note: str, now: float) -> bool:
    """Stop a person under every id that is known; False when the list is full."""
    secret = salt(cx)
    whose = digest_of(f"u:{who.user_id}", secret)
    count = cx.execute("SELECT count(*) FROM stopped").fetchone()[0]
    if count + len(who.keys) > STOPPED_MAX:
        return False
    for index, person in enumerate(who.keys):
        shown = storable(who.user_id) if keep_id and not index else None
        cx.execute(
            INSERT_STOPPED, (digest_of(person, secret), whose, shown, now, storable(by), storable(note))
        )
    return True


def allow(cx: sqlite3.Connection, person_id: str) -> int:
    """Lift a stop; how many ids it covered."""
    secret = salt(cx)
    found = {
        row[0]
        for person in (f"u:{person_id}", f"a:{person_id}")
        for row in cx.execute(
            "SELECT whose FROM stopped WHERE digest = ?", (digest_of(person, secret),)
        ).fetchall()
    }
    return sum(cx.execute("DELETE FROM stopped WHERE whose = ?", (whose,)).rowcount for whose in found)


def all_stopped(cx: sqlite3.Connection) -> tuple[bytes, set[bytes]]:
    """The secret, and the digests of every id that is stopped."""
    return salt(cx), {bytes(row[0]) for row in cx.execute("SELECT digest FROM stopped")}


def stops(
    *, limit: int, after: tuple[float, bytes] | None = None
) -> Callable[[sqlite3.Connection], list[Stop]]:
    """Reads who is stopped by name, the latest first; those after that (stopped_at, digest)."""
    at, digest = after if after is not None else (math.inf, b"")

    def run(cx: sqlite3.Connection) -> list[Stop]:
        rows = cx.execute(SELECT_STOPS, (at, digest, limit)).fetchall()
        return [Stop(bytes(row[0]), *row[1:]) for row in rows]

    return run


# --- forgetting -------------------------------------------------------------------------------------------------------


def ids_of(cx: sqlite3.Connection, person_id: str) -> PersonIds:
    """A user, and the anonymous ids that are this user and nobody else."""
    found = [
        anonymous_id
        for (anonymous_id,) in cx.execute(
            "SELECT DISTINCT anonymous_id FROM links WHERE user_id = ? ORDER BY anonymous_id", (person_id,)
        ).fetchall()
        if not cx.execute(
            "SELECT 1 FROM links WHERE anonymous_id = ? AND user_id <> ? LIMIT 1", (anonymous_id, person_id)
        ).fetchone()
    ]
    return PersonIds(person_id, tuple(found))


def users_of(cx: sqlite3.Connection, anonymous_id: str) -> list[str]:
    """The users that an anonymous id turned out to be."""
    rows = cx.execute(
        "SELECT DISTINCT user_id FROM links WHERE anonymous_id = ? ORDER BY user_id", (key(anonymous_id),)
    )
    return [str(row[0]) for row in rows]


def begin_forgetting(
    cx: sqlite3.Connection,
    who: PersonIds,
    *,
    by: str,
    note: str,
    there: Mapping[str, Mapping[str, Any]],
    now: float,
) -> int:
    """A new deletion; the one that is open already when there is one."""
    person = digest_of(f"u:{who.user_id}", salt(cx))
    row = cx.execute(
        "SELECT no FROM deletions WHERE digest = ? AND state <> 'done' ORDER BY no DESC LIMIT 1", (person,)
    ).fetchone()
    if row is not None:
        return int(row[0])
    cx.execute(
        "DELETE FROM deletions WHERE state = 'done' AND no <= (SELECT max(no) FROM deletions) - ?",
        (DELETIONS_KEPT_MAX,),
    )
    ids = json.dumps({"users": [who.user_id], "anonymous": list(who.anonymous_ids)})
    cursor = cx.execute(
        "INSERT INTO deletions (digest, ids, asked_at, asked_by, note, state, here, there, due_at) VALUES (?, ?, ?, ?, ?, 'removing', ?, ?, ?)",
        (person, ids, now, storable(by), storable(note), json.dumps({"events": 0}), json.dumps(there), now),
    )
    return int(cursor.lastrowid or 0)


def deletions(cx: sqlite3.Connection, *, person_id: str | None = None) -> list[Deletion]:
    """Those that are open, the oldest first; or those of a person, the newest first."""
    if person_id is None:
        rows = cx.execute(
            f"SELECT {COLUMNS} FROM deletions WHERE state <> 'done' ORDER BY no LIMIT ?",
            (DELETIONS_KEPT_MAX,),
        )
    else:
        who = digest_of(f"u:{person_id}", salt(cx))
        rows = cx.execute(
            f"SELECT {COLUMNS} FROM deletions WHERE digest = ? ORDER BY no DESC LIMIT 10", (who,)
        )
    return [_deletion(row) for row in rows.fetchall()]


def receipts(*, limit: int, before: int | None = None) -> Callable[[sqlite3.Connection], list[Deletion]]:
    """Reads deletions, the newest first; those before the number `before`."""

    def run(cx: sqlite3.Connection) -> list[Deletion]:
        rows = cx.execute(
            f"SELECT {COLUMNS} FROM deletions WHERE no < ? ORDER BY no DESC LIMIT ?",
            (before if before is not None else EVERY_NO, limit),
        )
        return [_deletion(row) for row in rows.fetchall()]

    return run


def _deletion(row: Sequence[Any]) -> Deletion:
    no, digest, ids, asked_at, asked_by, note, state, here, there, due_at = row
    return Deletion(
        no, bytes(digest), json.loads(ids) if ids else None, asked_at, asked_by, note, state,
        json.loads(here), json.loads(there), due_at,
    )  # fmt: skip


def write_deletion(cx: sqlite3.Connection, deletion: Deletion) -> None:
    """How a deletion stands now."""
    cx.execute(
        "UPDATE deletions SET ids = ?, state = ?, here = ?, there = ?, due_at = ? WHERE no = ?",
        (
            json.dumps(deletion.ids) if deletion.ids is not None else None,
            deletion.state,
            json.dumps(deletion.here),
            json.dumps(deletion.there),
            deletion.due_at,
            deletion.no,
        ),
    )


async def events_of(
    views: Views, who: PersonIds, *, after: int, rows_max: int = SCAN_ROWS_MAX
) -> tuple[list[int], int | None]:
    """The events of a person behind `after`, and where to go on; None = these were the last."""

    def read(cx: sqlite3.Connection) -> tuple[list[int], int | None]:
        mine = {who.user_id, *who.anonymous_ids}
        found: list[int] = []
        last, count = after, 0
        for seq, kind, user_id, anonymous_id in cx.execute(SELECT_EVENTS_OF, (after, rows_max)):
            last, count = seq, count + 1
            # An anonymous id may be shared: with a user beside it the event is that user's.
            if (
                user_id == who.user_id
                or (not user_id and anonymous_id in mine)
                or (kind.strip().lower() in {"alias", "merge"} and _was(cx, seq, mine))
            ):
                found.append(seq)
        return found, last if count == rows_max else None

    return await views.read(read)


def _was(cx: sqlite3.Connection, seq: int, mine: set[str]) -> bool:
    """Whether an alias names the person as whom it was before."""
    try:
        body = json.loads(cx.execute("SELECT body FROM events WHERE seq = ?", (seq,)).fetchone()[0])
    except ValueError:
        return False
    return isinstance(body, dict) and isinstance(body.get("previousId"), str) and body["previousId"] in mine


def forget_events(cx: sqlite3.Connection, names: Names, deltas: Deltas, seqs: Iterable[int]) -> int:
    """Remove events with everything that hangs on them, also what waits. What a worker sends at this moment it reports in vain."""
    count = 0
    names.lanes.clear()  # a lane is named by its person
    for seq in seqs:
        row = cx.execute("SELECT source_no, seen FROM events WHERE seq = ?", (seq,)).fetchone()
        if row is None:
            continue
        for destination_no, lane_no, first_attempt_at, replay_no in cx.execute(
            TAKE_DELIVERIES, (seq,)
        ).fetchall():
            scope = f"d:{names.name(cx, 'destination', destination_no)}"
            [(channel_no,)] = cx.execute(LEAVE_LANE, (lane_no,)).fetchall()
            channel = names.name(cx, "channel", channel_no)
            deltas.add(scope, f"waiting:{channel}", -1)
            if first_attempt_at is not None:
                deltas.add(scope, f"retrying:{channel}", -1)
            if replay_no is not None:
                deltas.add(f"r:{replay_no}", "waiting", -1)
                deltas.add(f"r:{replay_no}", "withdrawn", 1)
        for (destination_no,) in cx.execute(TAKE_HELD, (seq,)).fetchall():
            deltas.add(f"d:{names.name(cx, 'destination', destination_no)}", "held", -1)
        remove_events(cx, names, deltas, [(seq, row[0], row[1])])
        count += 1
    return count


def forget_profile(cx: sqlite3.Connection, who: PersonIds) -> int:
    """Remove links, memberships, idle lanes and stopped ids of a person; how many links and memberships."""
    count = cx.execute("DELETE FROM links WHERE user_id = ?", (who.user_id,)).rowcount
    for anonymous_id in (who.user_id, *who.anonymous_ids):
        count += cx.execute("DELETE FROM links WHERE anonymous_id = ?", (key(anonymous_id),)).rowcount
    for person in who.keys:
        count += cx.execute("DELETE FROM memberships WHERE person = ?", (key(person),)).rowcount
        for lane in (key(person), key(f"r:{person}")):
            cx.execute(DELETE_LANES, (lane,))
    cx.execute(
        "UPDATE stopped SET id = NULL, note = '' WHERE whose = ?", (digest_of(f"u:{who.user_id}", salt(cx)),)
    )
    return count


# --- the tables, for `control.persons` --------------------------------------------------------------------------------


class Writes(Protocol):
    """What is needed of the store."""

    async def transaction(self, run: Callable[[sqlite3.Connection], Result]) -> Result: ...
    async def forget_events(self, seqs: Sequence[int]) -> int: ...
    async def compact(self) -> bool: ...


class PersonTables:
    """Stopped and forgotten people; see the functions of the same names."""

    def __init__(self, store: Writes) -> None:
        self._store = store

    async def set_aside(self) -> int:
        """How many events are set aside: whose they are nobody knows."""
        return await self._store.transaction(aside.count)

    async def all_stopped(self) -> tuple[bytes, set[bytes]]:
        return await self._store.transaction(all_stopped)

    async def ids_of(self, person_id: str) -> tuple[PersonIds, list[str]]:
        """Who a person is, and which users its id turned out to be when it is an anonymous one."""
        return await self._store.transaction(lambda cx: (ids_of(cx, person_id), users_of(cx, person_id)))

    async def stop(self, who: PersonIds, *, keep_id: bool, by: str, note: str, now: float) -> bool:
        return await self._store.transaction(
            lambda cx: stop(cx, who, keep_id=keep_id, by=by, note=note, now=now)
        )

    async def allow(self, person_id: str) -> int:
        return await self._store.transaction(lambda cx: allow(cx, person_id))

    async def begin_forgetting(
        self, who: PersonIds, *, by: str, note: str, there: Mapping[str, Mapping[str, Any]], now: float
    ) -> int:
        return await self._store.transaction(
            lambda cx: begin_forgetting(cx, who, by=by, note=note, there=there, now=now)
        )

    async def deletions(self, *, person_id: str | None = None) -> list[Deletion]:
        return await self._store.transaction(lambda cx: deletions(cx, person_id=person_id))

    async def write_deletion(self, deletion: Deletion) -> None:
        await self._store.transaction(lambda cx: write_deletion(cx, deletion))

    async def forget_events(self, seqs: Sequence[int]) -> int:
        return await self._store.forget_events(seqs)

    async def forget_profile(self, who: PersonIds) -> int:
        return await self._store.transaction(lambda cx: forget_profile(cx, who))

    async def compact(self) -> bool:
        return await self._store.compact()
