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
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeAlias

import structlog
from prometheus_client import Counter
from starlette.types import Receive, Scope, Send

from sternpost import __version__, limits
from sternpost.errors import StoreFull, StoreUnavailable
from sternpost.gateway import answers
from sternpost.gateway.answers import Answer, send_answer
from sternpost.gateway.bodies import Bodies, overloaded
from sternpost.gateway.refused_log import RefusedLog
from sternpost.gateway.request import Request
from sternpost.gateway.sources import Rates, WriteKeys, same_origin
from sternpost.metrics import Metrics
from sternpost.model import Arrival, Event, Source, Workspace
from sternpost.proxies import Network
from sternpost.wire import auth, cors, pixel, postponed, privacy
from sternpost.wire.decode import decode_batch, decode_single
from sternpost.wire.refused import Refused

Accept: TypeAlias = Callable[[Source, list[Event]], Awaitable[None]]
Arrive: TypeAlias = Callable[[Sequence[Arrival]], Awaitable[None]]
Keep: TypeAlias = Callable[[], Awaitable[None]]
Health: TypeAlias = Callable[[], Awaitable[tuple[bool, dict[str, Any]]]]

_log = structlog.get_logger("sternpost.gateway")


@dataclass(frozen=True, slots=True)
class Route:
    """What a path is for."""

    path: str
    kind: Literal["single", "batch", "import", "pixel", "health", "version", "robots"]
    methods: tuple[str, ...]
    call: str = ""  #: of a single event and a pixel: its type
    key_in_query: bool = False


ROUTES: Mapping[str, Route] = {
    route.path: route
    for route in (
        *(
            Route(f"/v1/{call}", "single", ("POST",), call)
            for call in ("identify", "track", "page", "screen", "group", "alias", "merge")
        ),
        Route("/v1/batch", "batch", ("POST",)),
        Route("/v1/import", "import", ("POST",)),
        Route("/beacon/v1/batch", "batch", ("POST",), key_in_query=True),
        Route("/pixel/v1/track", "pixel", ("GET",), "track", key_in_query=True),
        Route("/pixel/v1/page", "pixel", ("GET",), "page", key_in_query=True),
        Route("/health", "health", ("GET", "HEAD")),
        Route("/version", "version", ("GET", "HEAD")),
        Route("/robots.txt", "robots", ("GET", "HEAD")),
    )
}

#: Seconds after which a client may try again: a full disk does not pass quickly.
_RETRY_STORE_S = 5
_RETRY_FULL_S = 30
_LOG_PAUSE_S = 10.0  # between two log lines about the same trouble with the store


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
        self._proxies = trusted_proxies
        self._keys = WriteKeys(clock)
        self._rates = Rates()
        self._requests = 0  # in flight
        self._bodies = Bodies()
        self._large = asyncio.Semaphore(limits.DECODES_AT_ONCE_MAX)  # who decodes a large body
        self._logged_at = 0.0
        self._accepted: dict[str, Counter] = {}
        self._latency = {path: metrics.request_seconds.labels(path=path) for path in ROUTES}

    @staticmethod
    def handles(path: str) -> bool:
        """Whether a path is the gateway's, unknown ones under its prefixes included (it answers those with 404)."""
        return path in ROUTES or path.startswith(("/v1/", "/beacon/", "/pixel/"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request. Never raises, except when the task is cancelled."""
        if scope["type"] != "http":
            return
        request = Request(scope)
        if request.preflight:
            headers = cors.on_preflight(request.origin, request.wanted_method, request.wanted_headers)
            await send_answer(send, 204, headers, b"")
            return
        route = ROUTES.get(request.path)
        if route is None:
            answer = answers.text(404, "404 page not found")
        elif request.method not in route.methods:
            answer = answers.text(405, "method not allowed", (b"allow", ", ".join(route.methods).encode()))
        else:
            started = self._timer()
            answer = await self._answer(route, request, receive)
            self._latency[route.path].observe(self._timer() - started)
        status, headers, body = answer
        if request.method == "HEAD":
            body = b""
        await send_answer(send, status, headers + cors.on_answer(request.origin, request.method), body)

    async def _answer(self, route: Route, request: Request, receive: Receive) -> Answer:
        if route.kind == "health":
            return await self._health_answer()
        if route.kind == "version":
            return answers.json(200, {"name": "sternpost", "version": __version__})
        if route.kind == "robots":
            return answers.text(200, "User-agent: *\nDisallow: /")
        if self._requests >= limits.REQUESTS_IN_FLIGHT_MAX and not self._bodies.give_way():
            # Before anything else, so that an overloaded process spends nothing on a request that it cannot take.
            refused = overloaded("Too many requests are open.")
            self._note(route, request, refused, None, b"")
            return _refusal(route, refused)
        self._requests += 1
        try:
            return await self._take(route, request, receive)
        finally:
            self._requests -= 1
            self._bodies.release(request)

    async def _take(self, route: Route, request: Request, receive: Receive) -> Answer:
        """Authenticate, read, decode, limit, keep: the order of the contract (3.3)."""
        source: Source | None = None
        body = b""
        try:
            source = self._source(route, request)
            now = self._clock()
            if route.kind == "pixel":
                body = pixel.body(route.call, request.query, received_at=now)
            else:
                body = await self._bodies.read(request, receive)
            if _is_small(body):
                count, keep = self._decode(route, body, source, request, now)
            else:
                async with self._large:
                    count, keep = await asyncio.to_thread(self._decode, route, body, source, request, now)
            if count:
                if source.requests_per_second > 0:
                    self._rates.spend(source, count, now)
                await self._keep(source, count, keep)
        except Refused as refused:
            seen = pixel.shown(request.query) if route.kind == "pixel" else body
            self._note(route, request, refused, source, seen)
            return _refusal(route, refused)
        return answers.GIF if route.kind == "pixel" else answers.OK

    def _source(self, route: Route, request: Request) -> Source:
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
        if source.allowed_origins and request.origin and not same_origin(request.origin, source):
            shown = request.origin.decode("latin-1")[:200]
            raise Refused(
                "origin_not_allowed", detail=f"The page's origin {shown} is not on the source's list."
            )
        return source

    def _decode(
        self, route: Route, body: bytes, source: Source, request: Request, now: float
    ) -> tuple[int, Keep]:
        """How many events a body holds, and what keeps them."""
        request_ip = request.client(self._proxies)
        if source.masking is not None:
            body = privacy.masked(body, source.masking, self._masking_key, batch=not route.call)
            request_ip = privacy.masked_address(request_ip, source.masking, self._masking_key)
        if not self._crowded(source.id):
            events = self._events(route, body, source, request_ip, now, in_order=request.in_order)
            if len(events) <= limits.BATCH_STRAIGHT_EVENTS_MAX and not self._behind(events):
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

    def _events(
        self, route: Route, body: bytes, source: Source, request_ip: str, now: float, *, in_order: bool
    ) -> list[Event]:
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
            in_order=in_order,
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

    async def _health_answer(self) -> Answer:
        try:
            well, shown = await self._health()
        except Exception as error:
            _log.warning("health_failed", error=f"{type(error).__name__}: {error}")
            well, shown = False, {"status": "unknown"}
        return answers.json(200 if well else 503, shown)

    def _note(
        self, route: Route, request: Request, refused: Refused, source: Source | None, body: bytes
    ) -> None:
        source_id = source.id if source else self._keys.id_of(request.write_key, self._workspace())
        self._metrics.refused.labels(reason=refused.reason, source=source_id or "").inc()
        self._refused.add(
            at=self._clock(),
            path=route.path,
            status=200 if route.kind == "pixel" else refused.status,
            reason=refused.reason,
            detail=refused.detail,
            source_id=source_id,
            write_key=request.write_key,
            origin=request.origin.decode("latin-1"),
            address=request.client(self._proxies),
            agent=request.user_agent(),
            # What was turned away was not masked.
            body=b"" if source is not None and source.masking is not None else body,
        )


def _refusal(route: Route, refused: Refused) -> Answer:
    """A pixel gets its picture whatever happens."""
    return (
        answers.with_reason(answers.GIF, refused.reason)
        if route.kind == "pixel"
        else answers.refusal(refused)
    )


def _not_stored(retry_after_s: int, text: str = "") -> Refused:
    # The cause goes to the log, never to the client.
    return Refused("store_unavailable", text=text, headers={"Retry-After": str(retry_after_s)})


def _is_small(body: bytes) -> bool:
    """Whether a body is decoded in milliseconds: nothing else is done meanwhile."""
    return len(body) <= limits.DECODE_INLINE_BYTES_MAX and (
        len(body) <= 2 * limits.DECODE_INLINE_OBJECTS_MAX
        or body.count(b"{") <= limits.DECODE_INLINE_OBJECTS_MAX
    )
