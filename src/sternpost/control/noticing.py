"""Notices what sources send, by reading kept events in order, behind accept and never in its way.

A reader with a place of its own in the store: what it gathered is written together with how far it had read, so that each event counts
once whatever happens. While events are being accepted it takes a hundredth of the time and falls behind; afterwards it catches up. Names,
properties and libraries are bounded; what there is no room for is counted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import structlog

from sternpost.control.fate import NAMED_TYPES
from sternpost.errors import StoreError
from sternpost.model import Event
from sternpost.store import seen
from sternpost.store.seen import Gathered, Key, Property, Row, SeenEvent
from sternpost.store.views import Views
from sternpost.wire import message as wire_message

log = structlog.get_logger("sternpost.control")

NAMES_PER_SOURCE_MAX = 500  #: event names; more are usually ids within names
PROPERTIES_PER_EVENT_MAX = 200  #: of one event name; more are usually ids as names
LIBRARIES_PER_SOURCE_MAX = 50  #: names with versions
PATH_DEPTH_MAX = 4  #: properties.cart.shop.id
NAME_CHARS_MAX = 200  #: longer names and paths are cut
MEMBERS_LOOKED_AT_MAX = 1_000  #: of one event: a body of 4 MB has no more to say
CHUNK_EVENTS = 50  #: looked at without a pause: a millisecond or two
KEPT_EVERY_S = 5.0  #: what was gathered is written so often, or once everything was looked at
GATHERED_EVENTS_MAX = 200  #: event names held in memory until they are written
IDLE_S = 1.0  #: between two looks when there is nothing new
SHARE_BUSY, SHARE_QUIET = 0.01, 0.2  #: of the time of the loop's thread
TYPES = ("text", "number", "boolean", "null", "list", "object")
#: Where each type has what people call its properties.
PLACES: Mapping[str, str] = {
    "track": "properties",
    "page": "properties",
    "screen": "properties",
    "identify": "traits",
    "group": "traits",
}


class Keeper(Protocol):
    """The part of the store that keeps it."""

    async def keep_seen(self, gathered: Gathered) -> None: ...


class Noticing:
    """The reader."""

    def __init__(
        self,
        views: Views,
        store: Keeper,
        *,
        busy: Callable[[], bool],
        timer: Callable[[], float] = time.monotonic,
        spent: Callable[[], float] = time.thread_time,
    ) -> None:
        """`busy`: whether events are being accepted at this moment. `timer`, `spent`: seconds that passed, and that this thread worked."""
        self._spent = spent
        self._cost = 0.0
        self._views = views
        self._store = store
        self._busy = busy
        self._timer = timer
        self._known: seen.Known | None = None
        self._keys: set[Key] = set()
        self._per_source: dict[int, int] = {}
        self._known_libraries: set[tuple[int, str]] = set()
        self._libraries_per_source: dict[int, int] = {}
        self._begin(0)
        self._kept_at = timer()

    def _begin(self, seq: int) -> None:
        self._seq = seq
        self._events: dict[Key, SeenEvent] = {}
        self._libraries: dict[tuple[int, str], tuple[int, float, float]] = {}
        self._names_over = self._properties_over = 0
        self._changed = False

    async def run(self) -> None:
        """Look, for ever. A failure is logged and waited out; then it goes on from what was kept."""
        while True:
            self._cost = 0.0
            try:
                more = await self.step()
            except StoreError as error:
                log.warning("noticing_failed", error=str(error))
                self._known = None
                more = False
            except Exception:
                # A defect of ours costs what this page shows, and nothing else.
                log.exception("noticing_failed")
                self._known = None
                more = False
            if not more:
                await asyncio.sleep(IDLE_S)
                continue
            share = SHARE_BUSY if self._busy() else SHARE_QUIET
            await asyncio.sleep(self._cost * (1 / share - 1))

    async def step(self) -> bool:
        """Look at the next events. Whether there may be more."""
        if self._known is None:
            await self._load()
        rows = await seen.next_rows(self._views, self._seq, CHUNK_EVENTS)
        if rows:
            await self._fetch(rows)
            began = self._spent()
            for row in rows:
                self._notice(row)
            self._cost = 2 * (self._spent() - began)  # what reading took is about as much
            self._seq = rows[-1].seq
            self._changed = True
        due = self._timer() - self._kept_at >= KEPT_EVERY_S or len(self._events) > GATHERED_EVENTS_MAX
        if self._changed and (due or len(rows) < CHUNK_EVENTS):
            await self._keep()
        return len(rows) == CHUNK_EVENTS

    async def _load(self) -> None:
        self._known = await seen.known(self._views)
        self._keys = set(self._known.keys)
        self._known_libraries = set(self._known.libraries)
        self._per_source = {}
        for source_no, _, _ in self._keys:
            self._per_source[source_no] = self._per_source.get(source_no, 0) + 1
        self._libraries_per_source = {}
        for source_no, _ in self._known_libraries:
            self._libraries_per_source[source_no] = self._libraries_per_source.get(source_no, 0) + 1
        self._begin(self._known.seq)

    async def _fetch(self, rows: list[Row]) -> None:
        """Have in memory what is kept of the names that come."""
        wanted = {key for row in rows for key in [self._key(row, _body(row))] if key in self._keys}
        missing = wanted - self._events.keys()
        if missing:
            self._events.update(await seen.load(self._views, missing))

    async def _keep(self) -> None:
        gathered = Gathered(self._seq, self._events, self._libraries, self._names_over, self._properties_over)
        await self._store.keep_seen(gathered)
        self._kept_at = self._timer()
        self._begin(self._seq)

    def _key(self, row: Row, body: Mapping[str, Any]) -> Key:
        kind = row.type.strip().lower()[:NAME_CHARS_MAX]
        name = body.get(NAMED_TYPES.get(kind, ""))
        text = str(name) if isinstance(name, str | int | float) and not isinstance(name, bool) else ""
        return row.source_no, kind, _storable(text[:NAME_CHARS_MAX])

    def _notice(self, row: Row) -> None:
        body = _body(row)
        self._notice_library(row, body)
        key = self._key(row, body)
        event = self._events.get(key)
        if event is None:
            if self._per_source.get(row.source_no, 0) >= NAMES_PER_SOURCE_MAX:
                self._names_over += 1
                return
            event = self._events[key] = SeenEvent(first_at=row.received_at)
            self._keys.add(key)
            self._per_source[row.source_no] = self._per_source.get(row.source_no, 0) + 1
        event.count += 1
        event.last_at = row.received_at
        place = PLACES.get(key[1])
        members = body.get(place) if place else None
        if place is None or not isinstance(members, Mapping):
            return
        for path, kind in _paths(members, place, 1, [MEMBERS_LOOKED_AT_MAX]):
            one = event.properties.get(path)
            if one is None:
                if len(event.properties) >= PROPERTIES_PER_EVENT_MAX:
                    self._properties_over += 1
                    continue
                one = event.properties[path] = Property(first_at=row.received_at)
            one.count += 1
            one.types[kind] = one.types.get(kind, 0) + 1
            one.last_at = row.received_at
            one.seq = row.seq

    def _notice_library(self, row: Row, body: Mapping[str, Any]) -> None:
        name = _storable(library_of(body))
        if not name:
            return
        key = (row.source_no, name)
        if key not in self._known_libraries:
            if self._libraries_per_source.get(row.source_no, 0) >= LIBRARIES_PER_SOURCE_MAX:
                return
            self._known_libraries.add(key)
            self._libraries_per_source[row.source_no] = self._libraries_per_source.get(row.source_no, 0) + 1
        count, first_at, _ = self._libraries.get(key, (0, row.received_at, 0.0))
        self._libraries[key] = (count + 1, first_at, row.received_at)


def library_of(body: Mapping[str, Any]) -> str:
    """Name and version of the SDK that an event names."""
    context = body.get("context")
    library = context.get("library") if isinstance(context, Mapping) else None
    if not isinstance(library, Mapping):
        return ""
    parts = (library.get("name"), library.get("version"))
    return " ".join(part for part in parts if isinstance(part, str))[:NAME_CHARS_MAX]


def value_at(body: Mapping[str, Any], path: str) -> Any:
    """The value of a property by its path; None when there is none. A name with a dot in it is found too."""
    return _value(body, path.split("."))


def _value(at: Any, names: list[str]) -> Any:
    if not names:
        return at
    if not isinstance(at, Mapping):
        return None
    for length in range(1, len(names) + 1):
        name = ".".join(names[:length])
        if name in at and (found := _value(at[name], names[length:])) is not None:
            return found
    return None


def _body(row: Row) -> Mapping[str, Any]:
    event = Event("", "", row.type, row.type_set, row.received_at, "", row.body)
    try:
        return wire_message.decoded(event)
    except (ValueError, RecursionError):
        return {}


def _paths(members: Mapping[str, Any], path: str, depth: int, left: list[int]) -> Iterator[tuple[str, str]]:
    for name, value in members.items():
        if left[0] <= 0:
            return
        left[0] -= 1
        below = _storable(f"{path}.{name}"[:NAME_CHARS_MAX])
        yield below, type_of(value)
        if isinstance(value, Mapping) and depth < PATH_DEPTH_MAX:
            yield from _paths(value, below, depth + 1, left)


def type_of(value: Any) -> str:
    """The type of a JSON value, in words."""
    match value:
        case bool():
            return "boolean"
        case None:
            return "null"
        case str():
            return "text"
        case list():
            return "list"
        case Mapping():
            return "object"
        case _:
            return "number"


def _storable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
