"""What sources send: event names, their properties and types, libraries. Gathered by `control.noticing`, in order and behind accept.

The values of properties are not kept: an example is looked up in the last event that had the property, while that event is kept.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from sternpost.store.accepting import FLAG_TYPE_SET
from sternpost.store.views import Views

Key: TypeAlias = tuple[int, str, str]  #: (source_no, type, name)

CHUNK_BYTES_MAX = 1_000_000  #: bodies read at once; one alone may have 4 MB

SELECT_PROGRESS = "SELECT seq, names, properties FROM seen_progress WHERE one = 1"
SELECT_KEYS = "SELECT source_no, type, name FROM seen"
SELECT_LIBRARY_KEYS = "SELECT source_no, library FROM seen_libraries"
SELECT_ONE = (
    "SELECT count, first_at, last_at, properties FROM seen WHERE source_no = ? AND type = ? AND name = ?"
)
SELECT_NEXT = (
    "SELECT seq, source_no, received_at, type, flags, body FROM events WHERE seq > ? ORDER BY seq LIMIT ?"
)
SELECT_OF_SOURCE = "SELECT type, name, count, first_at, last_at, properties FROM seen WHERE source_no = ?"
SELECT_LIBRARIES = "SELECT library, count, first_at, last_at FROM seen_libraries WHERE source_no = ? ORDER BY last_at DESC, library"
SELECT_LATEST = "SELECT source_no, max(last_at) FROM seen GROUP BY source_no"
SELECT_LATEST_LIBRARIES = "SELECT source_no, library FROM seen_libraries ORDER BY last_at DESC, library"
SELECT_LEFT = "SELECT coalesce(max(seq), 0) FROM events"
UPSERT = "INSERT OR REPLACE INTO seen (source_no, type, name, count, first_at, last_at, properties) VALUES (?, ?, ?, ?, ?, ?, ?)"
UPSERT_LIBRARY = (
    "INSERT INTO seen_libraries (source_no, library, count, first_at, last_at) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT DO UPDATE SET count = count + excluded.count, last_at = excluded.last_at"
)
UPDATE_PROGRESS = (
    "UPDATE seen_progress SET seq = ?, names = names + ?, properties = properties + ? WHERE one = 1"
)


@dataclass(slots=True)
class Property:
    """One property of an event."""

    count: int = 0
    types: dict[str, int] = field(default_factory=dict)
    first_at: float = 0.0
    last_at: float = 0.0
    seq: int = 0  #: of the last event that had it


@dataclass(slots=True)
class SeenEvent:
    """One event name of a source."""

    count: int = 0
    first_at: float = 0.0
    last_at: float = 0.0
    properties: dict[str, Property] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Row:
    """A kept event as it is looked at."""

    seq: int
    source_no: int
    received_at: float
    type: str
    type_set: bool  #: the endpoint decided the type
    body: bytes


@dataclass(frozen=True, slots=True)
class Gathered:
    """What was seen since the last time, to be kept with how far it was looked."""

    seq: int
    events: Mapping[Key, SeenEvent]  #: as they stand now
    libraries: Mapping[
        tuple[int, str], tuple[int, float, float]
    ]  #: (count, first_at, last_at) since the last time
    names_over: int = 0
    properties_over: int = 0


@dataclass(frozen=True, slots=True)
class Known:
    """How far it was looked, and what there is room for."""

    seq: int
    keys: frozenset[Key]
    libraries: frozenset[tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Library:
    name: str
    count: int
    first_at: float
    last_at: float


@dataclass(frozen=True, slots=True)
class SourceSeen:
    """What a source sends."""

    events: Mapping[tuple[str, str], SeenEvent]  #: by (type, name)
    libraries: Sequence[Library]
    behind: int  #: events that were not looked at yet, of all sources
    names_over: int
    properties_over: int


async def known(views: Views) -> Known:
    """Where to go on."""

    def read(cx: sqlite3.Connection) -> Known:
        keys = frozenset((no, kind, name) for no, kind, name in cx.execute(SELECT_KEYS))
        libraries = frozenset((no, library) for no, library in cx.execute(SELECT_LIBRARY_KEYS))
        return Known(cx.execute(SELECT_PROGRESS).fetchone()[0], keys, libraries)

    return await views.read(read)


async def next_rows(views: Views, after: int, rows_max: int) -> list[Row]:
    """The next events in order, as many as may be read at once; at least one when there is one."""

    def read(cx: sqlite3.Connection) -> list[Row]:
        rows: list[Row] = []
        size = 0
        for row in cx.execute(SELECT_NEXT, (after, rows_max)):
            seq, source_no, received_at, kind, flags, body = row
            rows.append(Row(seq, source_no, received_at, kind, bool(flags & FLAG_TYPE_SET), body))
            size += len(body)
            if size > CHUNK_BYTES_MAX:
                break
        return rows

    return await views.read(read)


async def load(views: Views, keys: Collection[Key]) -> dict[Key, SeenEvent]:
    """What is kept of some event names."""

    def read(cx: sqlite3.Connection) -> dict[Key, SeenEvent]:
        found = {}
        for key in keys:
            row = cx.execute(SELECT_ONE, key).fetchone()
            if row is not None:
                found[key] = _seen(*row)
        return found

    return await views.read(read)


async def of_source(views: Views, source_id: str) -> SourceSeen:
    """What is known of a source."""

    def read(cx: sqlite3.Connection) -> SourceSeen:
        seq, names_over, properties_over = cx.execute(SELECT_PROGRESS).fetchone()
        behind = max(0, cx.execute(SELECT_LEFT).fetchone()[0] - seq)
        number = views.names.known(cx, "source", source_id)
        events = {(row[0], row[1]): _seen(*row[2:]) for row in cx.execute(SELECT_OF_SOURCE, (number,))}
        libraries = [Library(*row) for row in cx.execute(SELECT_LIBRARIES, (number,))]
        return SourceSeen(events, libraries, behind, names_over, properties_over)

    return await views.read(read)


async def latest(views: Views) -> dict[str, tuple[float, list[str]]]:
    """When each source sent last, as far as it was looked, and its libraries, the latest first."""

    def read(cx: sqlite3.Connection) -> dict[str, tuple[float, list[str]]]:
        found: dict[str, tuple[float, list[str]]] = {}
        for number, at in cx.execute(SELECT_LATEST):
            found[views.names.name(cx, "source", number)] = (at, [])
        for number, library in cx.execute(SELECT_LATEST_LIBRARIES):
            name = views.names.name(cx, "source", number)
            if name in found:
                found[name][1].append(library)
        return found

    return await views.read(read)


def keep(cx: sqlite3.Connection, gathered: Gathered) -> None:
    """Write what was gathered, with how far it was looked, in the caller's transaction."""
    cx.executemany(
        UPSERT,
        [
            (*key, event.count, event.first_at, event.last_at, _written(event.properties))
            for key, event in gathered.events.items()
        ],
    )
    cx.executemany(UPSERT_LIBRARY, [(*key, *values) for key, values in gathered.libraries.items()])
    cx.execute(UPDATE_PROGRESS, (gathered.seq, gathered.names_over, gathered.properties_over))


def _seen(count: int, first_at: float, last_at: float, properties: str) -> SeenEvent:
    read = {path: Property(*values) for path, values in json.loads(properties).items()}
    return SeenEvent(count, first_at, last_at, read)


def _written(properties: Mapping[str, Property]) -> str:
    return json.dumps(
        {
            path: [one.count, one.types, one.first_at, one.last_at, one.seq]
            for path, one in properties.items()
        },
        separators=(",", ":"),
    )
