"""The door for clients: an ASGI app that speaks RudderStack's HTTP dialect and hands events to `accept`.

The order of a request is the contract's (3.3): bound, authenticate, read, decode, rate limit, accept, answer. 200 is sent only after
`accept` has returned, which means that the events are durable. A request is taken as a whole or refused as a whole.

Bounds: a body of 4,096,000 bytes unpacked, 2,000 requests and 256 MB of bodies at once, 60 seconds for a body to arrive; above them
413, 503 with Retry-After, and 500. When requests or bytes run out, the body that has been arriving longest gives way, so that slow clients
do not shut out others. What is refused is counted, and kept in memory (`RefusedLog`) for people to look at.

It does not: know where events go (`accept` does), log bodies or write keys, answer redirects (SDKs do not resend a body), or serve
anything for people. Plain ASGI without a framework, because this is the path of every event.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import Any, Literal, TypeAlias

import msgspec
import structlog
from prometheus_client import Counter

from sternpost import __version__, limits
from sternpost.arriving import Arriving
from sternpost.errors import StoreFull, StoreUnavailable
from sternpost.keys import SourceKeys
from sternpost.metrics import Metrics
from sternpost.model import Arrival, Event, Source, Workspace
from sternpost.reasons import ReasonCode
from sternpost.wire import auth, cors, pixel, postponed, privacy, unpack
from sternpost.wire.decode import decode_batch, decode_single
from sternpost.wire.refused import Refused

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Accept: TypeAlias = Callable[[Source, list[Event]], Awaitable[None]]
Arrive: TypeAlias = Callable[[Sequence[Arrival]], Awaitable[None]]
Keep: TypeAlias = Callable[[], Awaitable[None]]
Health: TypeAlias = Callable[[], Awaitable[tuple[bool, dict[str, Any]]]]
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_Answer: TypeAlias = tuple[int, tuple[tuple[bytes, bytes], ...], bytes]

_log = structlog.get_logger("sternpost.gateway")


@dataclass(frozen=True, slots=True)
class _Route:
    """What a path is for."""

    path: str
    kind: Literal["single", "batch", "import", "pixel", "health", "version", "robots"]
    methods: tuple[str, ...]
    call: str = ""  #: of a single event and a pixel: its type
    key_in_query: bool = False


_ROUTES: Mapping[str, _Route] = {
    route.path: route
    for route in (
        *(
            _Route(f"/v1/{call}", "single", ("POST",), call)
            for call in ("identify", "track", "page", "screen", "group", "alias", "merge")
        ),
        _Route("/v1/batch", "batch", ("POST",)),
        _Route("/v1/import", "import", ("POST",)),
        _Route("/beacon/v1/batch", "batch", ("POST",), key_in_query=True),
        _Route("/pixel/v1/track", "pixel", ("GET",), "track", key_in_query=True),
        _Route("/pixel/v1/page", "pixel", ("GET",), "page", key_in_query=True),
        _Route("/health", "health", ("GET", "HEAD")),
        _Route("/version", "version", ("GET", "HEAD")),
        _Route("/robots.txt", "robots", ("GET", "HEAD")),
    )
}

_TEXT = (b"content-type", b"text/plain; charset=utf-8")
_JSON = (b"content-type", b"application/json; charset=utf-8")
_NOSNIFF = (b"x-content-type-options", b"nosniff")
_NO_STORE = (b"cache-control", b"no-store")
_OK: _Answer = (200, (_TEXT, _NOSNIFF, (b"content-length", b"2")), b"ok")
_GIF: _Answer = (
    200,
    (
        (b"content-type", b"image/gif"),
        _NOSNIFF,
        _NO_STORE,
        (b"content-length", str(len(pixel.GIF)).encode()),
    ),
    pixel.GIF,
)

#: Seconds after which a client may try again. An overload passes quickly, a full disk does not.
_RETRY_OVERLOADED_S = 1
_RETRY_STORE_S = 5
_RETRY_FULL_S = 30
_LOG_PAUSE_S = 10.0  # between two log lines about the same trouble with the store
_GZIP_OVERHEAD_BYTES = 65_536  # a packed body may be this much larger than what it unpacks to


class Gateway:
    """The ASGI app of the data plane. Everything with an effect is handed in.

    accept: makes events durable; returns when they are. Raises StoreFull, StoreUnavailable or TimeoutError, answered with 503.
    arrive: does the same with a request as it came, when `crowded` says so of its source, or `behind` of its events.
    workspace: the snapshot in use; asked for each request.
    clock: unix seconds. new_id: a UUID v4 for events without a messageId; called from threads too.
    health: whether events can be accepted durably now, and what to show about it.
    trusted_proxies: whose X-Forwarded-For counts. None is RudderStack's behaviour: everybody's, and its first entry. With networks
    only a peer inside them is believed, and the client is the last entry that is not itself one of them.
    masking_key: of the hashes that stand for values which a source masks.
    """

    def __init__(
        self,
        *,
        accept: Accept,
        arrive: Arrive,
        crowded: Callable[[str], bool],
        behind: Callable[[Sequence[Event]], bool],
        workspace: Callable[[], Workspace],
        clock: Callable[[], float],
        new_id: Callable[[], str],
        metrics: Metrics,
        refused: RefusedLog,
        health: Health,
        trusted_proxies: Sequence[Network] | None = None,
        masking_key: bytes = b"",
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._accept = accept
        self._arrive = arrive
        self._crowded = crowded
        self._behind = behind
        self._workspace = workspace
        self._clock = clock
        self._new_id = new_id
        self._metrics = metrics
        self._refused = refused
        self._health = health
        self._timer = timer
        self._masking_key = masking_key
        self._proxies = None if trusted_proxies is None else _Proxies(trusted_proxies)
        self._keys = _WriteKeys(clock)
        self._rates = _Rates()
        self._requests = 0  # in flight
        self._body_bytes = 0  # of all bodies in flight
        self._arriving = Arriving()
        self._large = asyncio.Semaphore(limits.DECODES_AT_ONCE_MAX)  # who decodes a large body
        self._logged_at = 0.0
        self._accepted: dict[str, Counter] = {}
        self._latency = {path: metrics.request_seconds.labels(path=path) for path in _ROUTES}

    @staticmethod
    def handles(path: str) -> bool:
        """Whether a path is the gateway's, unknown ones under its prefixes included (it answers those with 404)."""
        return path in _ROUTES or path.startswith(("/v1/", "/beacon/", "/pixel/"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request. Never raises, except when the task is cancelled."""
        if scope["type"] != "http":
            return
        request = _Request(scope)
        if request.preflight:
            headers = cors.on_preflight(request.origin, request.wanted_method, request.wanted_headers)
            await _send(send, 204, headers, b"")
            return
        route = _ROUTES.get(request.path)
        if route is None:
            answer = _text(404, "404 page not found")
        elif request.method not in route.methods:
            answer = _text(405, "method not allowed", (b"allow", ", ".join(route.methods).encode()))
        else:
            started = self._timer()
            answer = await self._answer(route, request, receive)
            self._latency[route.path].observe(self._timer() - started)
        status, headers, body = answer
        if request.method == "HEAD":
            body = b""
        await _send(send, status, headers + cors.on_answer(request.origin, request.method), body)

    async def _answer(self, route: _Route, request: _Request, receive: Receive) -> _Answer:
        if route.kind == "health":
            return await self._health_answer()
        if route.kind == "version":
            return _json(200, {"name": "sternpost", "version": __version__})
        if route.kind == "robots":
            return _text(200, "User-agent: *\nDisallow: /")
        if self._requests >= limits.REQUESTS_IN_FLIGHT_MAX and not self._arriving.give_way():
            # Before anything else, so that an overloaded process spends nothing on a request that it cannot take.
            refusal = _overloaded("Too many requests are open.")
            self._note(route, request, refusal, None, b"")
            return _with_reason(_GIF, refusal.reason) if route.kind == "pixel" else _refusal(refusal)
        self._requests += 1
        request.body_bytes = 0
        try:
            return await self._take(route, request, receive)
        finally:
            self._requests -= 1
            self._body_bytes -= request.body_bytes
            if request.given_up is not None:
                self._arriving.gone(request)

    async def _take(self, route: _Route, request: _Request, receive: Receive) -> _Answer:
        """Authenticate, read, decode, limit, keep: the order of the contract (3.3)."""
        source: Source | None = None
        body = b""
        try:
            source = self._source(route, request)
            now = self._clock()
            if route.kind == "pixel":
                body = pixel.body(route.call, request.query, received_at=now)
            else:
                body = await self._read(request, receive)
            if len(body) <= limits.DECODE_INLINE_BYTES_MAX:
                count, keep = self._decode(route, body, source, request, now)
            else:
                async with self._large:
                    count, keep = await asyncio.to_thread(self._decode, route, body, source, request, now)
            if count:
                if source.requests_per_second > 0:
                    self._rates.spend(source, count, now)
                await self._keep(source, count, keep)
        except Refused as refusal:
            if route.kind == "pixel":
                self._note(route, request, refusal, source, pixel.shown(request.query))
                return _with_reason(_GIF, refusal.reason)
            self._note(route, request, refusal, source, body)
            return _refusal(refusal)
        return _GIF if route.kind == "pixel" else _OK

    def _source(self, route: _Route, request: _Request) -> Source:
        if route.key_in_query:
            request.write_key = auth.write_key_of_query(request.query)
            if not request.write_key:
                raise Refused("write_key_missing", text="failed to read writekey from query params")
            source = self._keys.by_key(request.write_key, self._workspace())
        else:
            request.write_key, source = self._keys.by_header(request.authorization, self._workspace())
            if not request.write_key:
                raise Refused("write_key_missing")
        if source is None:
            raise Refused("write_key_unknown")
        if not source.enabled:
            raise Refused("source_disabled", detail=f"The source {source.name} is switched off.")
        if source.allowed_origins and request.origin and not _same_origin(request.origin, source):
            shown = request.origin.decode("latin-1")[:200]
            raise Refused(
                "origin_not_allowed", detail=f"The page's origin {shown} is not on the source's list."
            )
        return source

    async def _read(self, request: _Request, receive: Receive) -> bytes:
        """The body, unpacked. Raises Refused: request_too_large, bad_encoding, body_not_read, overloaded."""
        gzip = unpack.Gzip(limits.REQUEST_BODY_BYTES_MAX) if request.gzip else None
        # A packed body is bounded too: parts that unpack to nothing must not be read for ever.
        wire_bytes_max = limits.REQUEST_BODY_BYTES_MAX + (_GZIP_OVERHEAD_BYTES if gzip else 0)
        if request.content_length > wire_bytes_max:
            raise unpack.too_large(limits.REQUEST_BODY_BYTES_MAX)
        self._arriving.begin(request)
        try:
            message = await receive()
            data: bytes = message.get("body", b"")
            if gzip is None and not message.get("more_body", False) and message["type"] == "http.request":
                # Nearly every body comes in one piece.
                if len(data) > wire_bytes_max:
                    raise unpack.too_large(limits.REQUEST_BODY_BYTES_MAX)
                self._hold(request, len(data))
                return bytes(data)
            return await self._read_pieces(request, receive, message, gzip, wire_bytes_max)
        except asyncio.CancelledError:
            if request.given_up is None:
                raise  # the server stops
            if task := asyncio.current_task():
                task.uncancel()
            raise request.given_up from None
        finally:
            self._arriving.end(request)

    async def _read_pieces(
        self,
        request: _Request,
        receive: Receive,
        message: MutableMapping[str, Any],
        gzip: unpack.Gzip | None,
        wire_bytes_max: int,
    ) -> bytes:
        body = bytearray()  # not a list: a client that sends single bytes must not cost fifty times its body
        wire_bytes = 0
        while True:
            if message["type"] != "http.request":
                raise Refused("body_not_read", detail="The client went away before its body was complete.")
            data: bytes = message.get("body", b"")
            wire_bytes += len(data)
            if wire_bytes > wire_bytes_max:
                raise unpack.too_large(limits.REQUEST_BODY_BYTES_MAX)
            piece = gzip.feed(data) if gzip else data
            self._hold(request, len(piece))
            body += piece
            if not message.get("more_body", False):
                break
            message = await receive()
        if gzip:
            gzip.finish()
        return bytes(body)

    def _hold(self, request: _Request, more_bytes: int) -> None:
        request.body_bytes += more_bytes
        self._body_bytes += more_bytes
        # What gives way is freed in a moment; until then it is a little more than the bound.
        excess = self._body_bytes - limits.BODY_BYTES_IN_FLIGHT_MAX - self._arriving.leaving_bytes
        if excess > 0 and not self._arriving.give_way(excess, request):
            raise _overloaded("The bodies of all open requests together are too large.")

    def _decode(
        self, route: _Route, body: bytes, source: Source, request: _Request, now: float
    ) -> tuple[int, Keep]:
        """How many events a body holds, and what keeps them."""
        request_ip = request.client(self._proxies)
        if source.masking is not None:
            body = privacy.masked(body, source.masking, self._masking_key, batch=not route.call)
            request_ip = privacy.masked_address(request_ip, source.masking, self._masking_key)
        if not self._crowded(source.id):
            events = self._events(route, body, source, request_ip, now)
            if not self._behind(events):
                return len(events), partial(self._accept, source, events)
        parts = postponed.arrivals(
            body,
            call=route.call,
            allow_empty=route.kind == "import",
            source_id=source.id,
            received_at=now,
            request_ip=request_ip,
            path=route.path,
        )
        return sum(part.events for part in parts), partial(self._arrive, parts)

    def _events(self, route: _Route, body: bytes, source: Source, request_ip: str, now: float) -> list[Event]:
        if route.call:
            return decode_single(
                route.call,
                body,
                source_id=source.id,
                received_at=now,
                request_ip=request_ip,
                new_id=self._new_id,
                path=route.path,
            )
        return decode_batch(
            body,
            allow_empty=route.kind == "import",
            source_id=source.id,
            received_at=now,
            request_ip=request_ip,
            new_id=self._new_id,
            path=route.path,
        )

    async def _keep(self, source: Source, count: int, keep: Keep) -> None:
        try:
            await keep()
        except (StoreFull, StoreUnavailable, TimeoutError) as error:
            self._log_trouble(source, error)
            if isinstance(error, StoreFull):
                raise _not_stored(_RETRY_FULL_S, text="Service Unavailable") from error
            raise _not_stored(_RETRY_STORE_S) from error
        except Exception as error:
            # A defect of ours. The client must repeat, or its events would be lost.
            self._log_trouble(source, error)
            raise _not_stored(_RETRY_STORE_S) from error
        self._counted(source.id).inc(count)

    def _counted(self, source_id: str) -> Counter:
        """The counter of what was accepted of a source: finding it by its label costs more than counting."""
        counter = self._accepted.get(source_id)
        if counter is None:
            # Sources that were removed are few.
            counter = self._accepted[source_id] = self._metrics.accepted.labels(source=source_id)
        return counter

    def _log_trouble(self, source: Source, error: Exception) -> None:
        now = self._clock()
        if now - self._logged_at < _LOG_PAUSE_S:
            return  # the metric counts them all; a log line each would fill the disk that is full already
        self._logged_at = now
        # After a time-out the store may still finish its commit; the client repeats, and the repeat counts as a duplicate.
        stored = "unknown" if isinstance(error, TimeoutError) else "no"
        known = isinstance(error, StoreUnavailable | TimeoutError)
        _log.warning(
            "accept_failed",
            source=source.id,
            stored=stored,
            error=f"{type(error).__name__}: {error}",
            exc_info=None if known else error,
        )

    async def _health_answer(self) -> _Answer:
        try:
            well, shown = await self._health()
        except Exception as error:
            _log.warning("health_failed", error=f"{type(error).__name__}: {error}")
            well, shown = False, {"status": "unknown"}
        return _json(200 if well else 503, shown)

    def _note(
        self, route: _Route, request: _Request, refusal: Refused, source: Source | None, body: bytes
    ) -> None:
        source_id = source.id if source else self._keys.id_of(request.write_key, self._workspace())
        self._metrics.refused.labels(reason=refusal.reason, source=source_id or "").inc()
        self._refused.add(
            at=self._clock(),
            path=route.path,
            status=200 if route.kind == "pixel" else refusal.status,
            reason=refusal.reason,
            detail=refusal.detail,
            source_id=source_id,
            write_key=request.write_key,
            origin=request.origin.decode("latin-1"),
            address=request.client(self._proxies),
            agent=request.user_agent(),
            # What was turned away was not masked.
            body=b"" if source is not None and source.masking is not None else body,
        )


@dataclass(slots=True)
class RefusedEntry:
    """Requests that were turned away alike: same path, reason, write key, origin and address."""

    at: float  #: of the last one, unix seconds
    first_at: float  #: of the first one
    count: int  #: how many
    path: str
    status: int  #: what the client got; a pixel gets its picture with 200 whatever happened
    reason: ReasonCode
    detail: str  #: what was seen in the last one
    source_id: str | None  #: None when the write key belongs to no source
    write_key: str  #: shortened, never in full
    library: str  #: what the client calls itself: the SDK's name, else the User-Agent
    origin: str
    address_hash: str  #: equal for equal addresses until the next start
    sample: str  #: the beginning of the last one's body; "" unless the write key was a source's


class RefusedLog:
    """The newest kinds of refused requests, in memory: bounded, equal ones counted together.

    Nothing in it gives away a write key or an address, and no body is kept of a request whose write key was not a source's.
    """

    _SAMPLE_BYTES = 2_048

    def __init__(self, entries_max: int = limits.REFUSED_KEPT_MAX, salt: bytes | None = None) -> None:
        self._entries_max = entries_max
        self._salt = secrets.token_bytes(16) if salt is None else salt
        self._entries: OrderedDict[tuple[Any, ...], RefusedEntry] = OrderedDict()

    def forget(self, ids: Iterable[str]) -> None:
        """Drop the requests in which one of these people is named."""
        named = [f'"{one}"' for one in ids]
        for alike, entry in list(self._entries.items()):
            if any(name in entry.sample or name in entry.detail for name in named):
                del self._entries[alike]

    def entries(self) -> list[RefusedEntry]:
        """All entries, the latest first."""
        return list(reversed(self._entries.values()))

    def add(
        self,
        *,
        at: float,
        path: str,
        status: int,
        reason: ReasonCode,
        detail: str,
        source_id: str | None,
        write_key: str,
        origin: str,
        address: str,
        agent: str,
        body: bytes,
    ) -> None:
        """Remember one refused request. `body` is what was read of it, unpacked."""
        # Twice the length, so that a write key which a careless client put into its body is not cut in two and missed.
        sample = body[: 2 * self._SAMPLE_BYTES] if source_id is not None else b""
        shown = sample.decode("utf-8", "replace")
        key = shorten(write_key)
        if write_key:
            shown = shown.replace(write_key, key)
        digest = hashlib.blake2b(
            address.encode("utf-8", "replace"), key=self._salt, digest_size=6
        ).hexdigest()
        alike = (path, status, reason, source_id, key, origin[:200], digest)
        entry = self._entries.pop(alike, None)
        self._entries[alike] = RefusedEntry(
            at=at,
            first_at=entry.first_at if entry else at,
            count=entry.count + 1 if entry else 1,
            path=path,
            status=status,
            reason=reason,
            detail=detail,
            source_id=source_id,
            write_key=key,
            library=_library(sample) or agent[:200],
            origin=origin[:200],
            address_hash=digest,
            sample=shown[: self._SAMPLE_BYTES],
        )
        if len(self._entries) > self._entries_max:
            self._entries.popitem(last=False)


def shorten(write_key: str) -> str:
    """A write key as people may see it: at most its first four characters, and never more than half of it."""
    return f"{write_key[: min(4, len(write_key) // 2)]}…" if write_key else ""


class _Request:
    """What the gateway reads of a request's head."""

    __slots__ = (
        "authorization",
        "body_bytes",
        "content_length",
        "forwarded",
        "given_up",
        "gzip",
        "method",
        "origin",
        "path",
        "query",
        "scope",
        "wanted_headers",
        "wanted_method",
        "write_key",
    )

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: bytes = scope.get("query_string", b"")
        self.authorization = b""
        self.origin = b""
        self.content_length = 0
        self.forwarded = b""  #: X-Forwarded-For, its lines joined
        self.gzip = False
        self.wanted_method = b""
        self.wanted_headers = b""
        self.write_key = ""
        self.body_bytes = 0
        self.given_up: Refused | None = None  #: why its body is not waited for any longer
        for name, value in scope["headers"]:
            if name == b"authorization":
                self.authorization = self.authorization or value
            elif name == b"origin":
                self.origin = value
            elif name == b"content-length":
                # The server has checked it; whoever sends something else is caught by the running count.
                self.content_length = int(value) if value.isdigit() and len(value) < 20 else 0
            elif name == b"x-forwarded-for":
                self.forwarded = self.forwarded + b"," + value if self.forwarded else value
            elif name == b"content-encoding":
                self.gzip = value.strip().lower() == b"gzip"
            elif name == b"access-control-request-method":
                self.wanted_method = value
            elif name == b"access-control-request-headers":
                self.wanted_headers = value

    @property
    def preflight(self) -> bool:
        return self.method == "OPTIONS" and bool(self.wanted_method)

    def client(self, proxies: _Proxies | None) -> str:
        """The client's address: the first entry of X-Forwarded-For, else the peer (contract 5.1)."""
        peer = self.scope.get("client")
        address = str(peer[0]) if peer else ""
        if not self.forwarded:
            return address
        entries = [entry for entry in self.forwarded.decode("latin-1").replace(" ", "").split(",") if entry]
        if not entries:
            return address
        return entries[0] if proxies is None else proxies.client(address, entries)

    def user_agent(self) -> str:
        return self._all(b"user-agent")

    def _all(self, name: bytes) -> str:
        return b",".join(value for key, value in self.scope["headers"] if key == name).decode("latin-1")


class _Proxies:
    """The networks whose X-Forwarded-For is believed."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = tuple(networks)

    def client(self, peer: str, entries: list[str]) -> str:
        """Whoever talked to the first proxy that is believed, seen from here. A client can write only what stands before that."""
        address = peer
        while entries and self._believes(address):
            address = entries.pop()
        return address

    def _believes(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)


class _WriteKeys:
    """Sources by write key, and by whole Authorization headers, for one workspace snapshot at a time."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._of: Workspace | None = None
        self._sources = SourceKeys()
        self._headers: dict[bytes, tuple[str, Source]] = {}

    def by_key(self, write_key: str, workspace: Workspace) -> Source | None:
        self._look_at(workspace)
        return self._sources.find(write_key, self._clock())

    def by_header(self, authorization: bytes, workspace: Workspace) -> tuple[str, Source | None]:
        """The header's write key ("" = none), and the source that it belongs to."""
        self._look_at(workspace)
        known = self._headers.get(authorization)
        if known is not None:
            return known
        write_key = auth.write_key_of_header(authorization)
        source = self._sources.current(write_key)
        if source is None:
            return write_key, self._sources.find(write_key, self._clock())
        # Only present keys are remembered; still, passwords make as many headers of one key as somebody likes.
        if len(self._headers) >= limits.AUTH_CACHE_ENTRIES_MAX:
            self._headers.clear()
        self._headers[authorization] = (write_key, source)
        return write_key, source

    def id_of(self, write_key: str, workspace: Workspace) -> str | None:
        source = self.by_key(write_key, workspace) if write_key else None
        return source.id if source else None

    def _look_at(self, workspace: Workspace) -> None:
        if workspace is not self._of:
            self._of = workspace
            self._sources = SourceKeys(workspace)
            self._headers.clear()


class _Rates:
    """A token bucket per source: a second's worth of events at most, refilled all the time."""

    def __init__(self) -> None:
        self._buckets: dict[str, tuple[float, float]] = {}  # source id → (tokens, when)

    def spend(self, source: Source, events: int, now: float) -> None:
        """Take one token per event. Raises Refused (too_many_requests) when there are not enough.

        A batch larger than a bucket passes when the bucket is full and leaves a debt: it could never pass otherwise.
        """
        rate = source.requests_per_second
        size = max(rate, 1.0)
        tokens, at = self._buckets.get(source.id, (size, now))
        tokens = min(size, tokens + max(now - at, 0.0) * rate)
        needed = min(float(events), size)
        if tokens < needed:
            self._buckets[source.id] = (tokens, now)
            wait_s = max(1, ceil((needed - tokens) / rate))
            raise Refused(
                "too_many_requests",
                detail=f"The source {source.name} may send {rate:g} events a second.",
                headers={"Retry-After": str(wait_s)},
            )
        self._buckets[source.id] = (tokens - events, now)


def _same_origin(origin: bytes, source: Source) -> bool:
    given = origin.decode("latin-1").lower()
    return any(given == allowed.lower().rstrip("/") for allowed in source.allowed_origins)


_LIBRARY = re.compile(rb'"library"\s*:\s*\{[^{}]{0,500}?"name"\s*:\s*"([^"\\]{1,100})"')


def _library(sample: bytes) -> str:
    found = _LIBRARY.search(sample)
    return found.group(1).decode("utf-8", "replace") if found else ""


def _overloaded(detail: str) -> Refused:
    return Refused("overloaded", detail=detail, headers={"Retry-After": str(_RETRY_OVERLOADED_S)})


def _not_stored(retry_after_s: int, text: str = "") -> Refused:
    # The cause goes to the log, never to the client.
    return Refused("store_unavailable", text=text, headers={"Retry-After": str(retry_after_s)})


def _refusal(refusal: Refused) -> _Answer:
    extra = ((name.lower().encode(), value.encode()) for name, value in refusal.headers.items())
    return _with_reason(_text(refusal.status, refusal.text, *extra), refusal.reason)


def _with_reason(answer: _Answer, reason: ReasonCode) -> _Answer:
    status, headers, body = answer
    return status, (*headers, (b"sternpost-reason", reason.encode())), body


def _text(status: int, text: str, *extra: tuple[bytes, bytes]) -> _Answer:
    body = f"{text}\n".encode()
    return status, (_TEXT, _NOSNIFF, (b"content-length", str(len(body)).encode()), *extra), body


def _json(status: int, value: Mapping[str, Any]) -> _Answer:
    body = msgspec.json.encode(value)
    return status, (_JSON, _NOSNIFF, _NO_STORE, (b"content-length", str(len(body)).encode())), body


async def _send(send: Send, status: int, headers: tuple[tuple[bytes, bytes], ...], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
