"""The control API under `/api/v1`: what people and commands ask, and the little they may change.

A request passes `_Guard` (token, size, errors as JSON), then one function per operation of `operations.OPERATIONS`. Reading goes through
`Views`, never through the writing connection; what changes something goes through the store's own verbs. Every answer is JSON, bounded,
and without secrets.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, TypeAlias

import msgspec
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route as PathRoute
from starlette.routing import Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sternpost.control import auth, doctor, fate, operations
from sternpost.control.answers import Answers, ApiError
from sternpost.control.context import Context
from sternpost.control.filters import Filter, FilterError, parse
from sternpost.control.live import LiveStream, TooManyListeners
from sternpost.control.operations import MOUNT, OPERATIONS, Operation
from sternpost.control.preview import MAPPING, Preview, accounts_of, preview, rebuilt
from sternpost.destinations.base import Plan
from sternpost.errors import StoreError, WorkspaceError
from sternpost.limits import PAGE_ROWS_MAX
from sternpost.model import (
    Blocked,
    Delivered,
    DestinationConfig,
    Event,
    Outcome,
    Person,
    Rejected,
    Reply,
    Retry,
    Skipped,
    Source,
    Split,
)
from sternpost.model import Route as EventRoute
from sternpost.reasons import NOTES, REASONS
from sternpost.store.views import BlockedChannel, Kept
from sternpost.wire import decode
from sternpost.wire import message as wire_message
from sternpost.workspace import yaml
from sternpost.workspace.hints import near_miss

log = structlog.get_logger("sternpost.control")

BODY_BYTES_MAX = 1_000_000  #: of a request; a workspace or an event is far smaller
PAGE_ROWS = 50  #: when no limit is given
PAGES_PER_REQUEST = 4  #: of the store, while a filter that needs bodies looks for matches
LETTERS_PER_REQUEST = 10_000  #: dead letters retried or discarded at once
NOTE_CHARS_MAX = 500

Handler: TypeAlias = Callable[[Request], Awaitable[Any]]


def create_api(context: Context) -> ASGIApp:
    """The app of `/api/v1`. Takes requests with the whole path, mounted or not."""
    api = _Api(context)
    answers = api.answers

    def answered(operation: Operation) -> Callable[[Request], Awaitable[Any]]:
        handler: Handler = getattr(api, operation.name)

        async def endpoint(request: Request) -> Any:
            if not auth.allows(request.scope["sternpost.role"], operation.role):
                raise ApiError(403, f"This needs a token of the role {operation.role}.", "Use another token.")
            known = [name for name, _ in operation.query]
            for name in request.query_params:
                if name not in known:
                    hint = near_miss(name, known)
                    raise ApiError(
                        400,
                        f'There is no parameter "{name[:40]}" here.',
                        f'Did you mean "{hint}"?' if hint else f"There are: {', '.join(known) or 'none'}.",
                    )
            result = await handler(request)
            return result if callable(result) else answers.answer(result)

        return endpoint

    by_path: dict[str, dict[str, Callable[[Request], Awaitable[Any]]]] = {}
    for operation in OPERATIONS:
        by_path.setdefault(operation.path, {})[operation.method] = answered(operation)

    def by_method(
        methods: Mapping[str, Callable[[Request], Awaitable[Any]]],
    ) -> Callable[[Request], Awaitable[Any]]:
        async def endpoint(request: Request) -> Any:
            return await methods["GET" if request.method == "HEAD" else request.method](request)

        return endpoint

    # One route per path, so that a refused method is told every one that is possible.
    routes = [PathRoute(path, by_method(methods), methods=list(methods)) for path, methods in by_path.items()]
    return _Guard(Router(routes, redirect_slashes=False), context, answers)


class _Guard:
    """Token, size of the body, and errors as JSON, for every path alike."""

    def __init__(self, app: ASGIApp, context: Context, answers: Answers) -> None:
        self._app = app
        self._context = context
        self._answers = answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        root = scope.get("root_path", "")
        if not root.endswith(MOUNT) and scope["path"].startswith(MOUNT):
            root += MOUNT
        # With an app in its scope, starlette's router raises what is wrong instead of answering in plain text.
        scope = {**scope, "root_path": root, "app": self}
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            scope["sternpost.role"] = self._role(scope)
            await self._app(scope, receive, sending)
        except Exception as error:
            if started:
                # Too late for an answer; the connection ends, and the log says why.
                log.exception("request_failed_midway", path=_path(scope))
                raise
            await self._refusal(scope, error)(scope, receive, send)

    def _role(self, scope: Scope) -> auth.Role:
        token = auth.bearer(scope["headers"])
        if token is None:
            raise ApiError(
                401,
                "The request carries no API token.",
                "Send the header Authorization: Bearer TOKEN. The token is in STERNPOST_API_TOKEN or in the file api-token of "
                "the data directory.",
            )
        role = self._context.role_of(token)
        if role is None:
            raise ApiError(
                401,
                "This API token is not known.",
                "Use the token in STERNPOST_API_TOKEN or in the file api-token of the data directory of this server.",
            )
        return role

    def _refusal(self, scope: Scope, error: Exception) -> Response:
        headers: dict[str, str] = {}
        match error:
            case ApiError():
                pass
            case HTTPException(status_code=405):
                headers.update(error.headers or {})
                error = ApiError(
                    405, f"{scope['method']} is not possible here.", f"Use {headers.get('Allow')}."
                )
            case HTTPException():
                error = ApiError(
                    error.status_code,
                    "There is nothing at this address.",
                    f"{MOUNT}/openapi.json lists what is.",
                )
            case FilterError():
                error = ApiError(400, str(error), "See Filters in the API's reference.")
            case TooManyListeners():
                error = ApiError(503, str(error), "Close another live view and try again.")
            case WorkspaceError():
                problems = [asdict(problem) for problem in error.problems]
                error = ApiError(
                    422,
                    "The workspace is not valid; nothing was changed.",
                    problems[0]["remedy"] if problems else "",
                    problems=problems,
                )
            case StoreError():
                error = ApiError(503, str(error), "Try again; if it stays, run: sternpost doctor")
            case ClientDisconnect():
                error = ApiError(400, "The body did not arrive completely.", "Send it again.")
            case _:
                number = secrets.token_hex(4)
                log.error("request_failed", path=_path(scope), number=number, exc_info=error)
                error = ApiError(
                    500,
                    f"Something went wrong here (number {number}). Nothing was lost.",
                    "Look for the number in the server's log.",
                )
        response = self._answers.answer(error.body, error.status)
        if error.status == 401:
            headers["WWW-Authenticate"] = 'Bearer realm="Sternpost"'
        response.headers.update(headers)
        return response


class _Api:
    """The operations, by the names of `operations.OPERATIONS`."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.answers = Answers(lambda: context.workspaces.current)
        self._applying = asyncio.Lock()

    # --- events ------------------------------------------------------------------------------------------------------

    async def event(self, request: Request) -> Any:
        message_id: str = request.path_params["message_id"]
        source = request.query_params.get("source") or None
        kept = await self._context.views.events_by_message_id(
            message_id, source, prefix=_flag(request, "prefix")
        )
        if not kept:
            raise await self._unknown(message_id, source)
        return {"events": [await self._entry(entry) for entry in kept]}

    async def events(self, request: Request) -> Any:
        wanted = self._filter(request)
        limit = _limit(request, PAGE_ROWS)
        before = _number(request, "before")
        found: list[dict[str, Any]] = []
        workspace = self._context.workspaces.current
        # What the store cannot tell is looked for in larger pages, most of which may not match.
        rows = limit if wanted.selected else PAGE_ROWS_MAX
        for _ in range(PAGES_PER_REQUEST):
            page = await self._context.views.recent(rows, wanted.selection(), before=before)
            for kept in page.kept:
                entry = fate.compose(kept, workspace, attempts=False)
                if wanted.matches(entry):
                    found.append(entry)
                    if len(found) == limit:
                        following = page.next if kept is page.kept[-1] else kept.event.seq
                        return {"events": found, "next": _cursor(following)}
            before = page.next
            if before is None:
                break
        return {"events": found, "next": _cursor(before)}

    async def live(self, request: Request) -> Any:
        return LiveStream(self._context.live.listen(self._filter(request)))

    async def stats(self, request: Request) -> Any:
        return await self._stats()

    # --- failures ----------------------------------------------------------------------------------------------------

    async def failures(self, request: Request) -> Any:
        groups = []
        for group in await self._context.views.failures():
            text, remedy, who = fate.explanation(group.reason, "")
            groups.append(
                {
                    "destination": group.destination_id,
                    "reason": group.reason,
                    "title": REASONS[group.reason].title if group.reason in REASONS else group.reason,
                    "explanation": text,
                    "remedy": remedy,
                    "who": who,
                    "count": group.count,
                    "firstAt": fate.when(group.first_at),
                    "lastAt": fate.when(group.last_at),
                    "samples": [
                        {
                            "messageId": sample.message_id,
                            "source": sample.source_id,
                            "type": sample.type,
                            "at": fate.when(sample.at),
                            "detail": sample.detail,
                        }
                        for sample in group.samples
                    ],
                }
            )
        return {"failures": groups}

    async def failure_entries(self, request: Request) -> Any:
        destination, reason = request.path_params["destination"], request.path_params["reason"]
        await self._known_letters(destination)
        page = await self._context.views.failure_entries(
            destination, reason, _limit(request, PAGE_ROWS), _number(request, "after") or 0
        )
        workspace = self._context.workspaces.current
        return {
            "events": [fate.compose(kept, workspace) for kept in page.kept],
            "next": _cursor(page.next),
        }

    async def retry_failures(self, request: Request) -> Any:
        wanted = await self._letters(await self._body(request, {"destination"}))
        retried = not_connected = 0
        while seqs := await self._next_letters(wanted):
            routes: dict[tuple[int, str], EventRoute] = {}
            left: Sequence[int] = seqs
            while left:
                rows = await self._context.views.by_seqs(left)
                left = rows.left
                for kept in rows.kept:
                    route = self._context.route_for(kept.event, wanted.destination)
                    if route is not None:
                        routes[kept.event.seq, wanted.destination] = route
            receipt = await self._context.store.retry_rejected(
                list(routes), routes, now=self._context.clock()
            )
            self._context.wake(receipt.due)
            retried += receipt.stored
            not_connected += len(seqs) - len(routes)
        return {"retried": retried, "notConnected": not_connected, **await self._left(wanted)}

    async def discard_failures(self, request: Request) -> Any:
        body = await self._body(request, {"destination", "note"})
        note = _text(body, "note").strip()
        if not note:
            raise ApiError(400, "A discard needs a note.", "Say why in `note`; it is kept with the events.")
        if len(note) > NOTE_CHARS_MAX:
            raise ApiError(400, f"The note is longer than {NOTE_CHARS_MAX} characters.", "Shorten it.")
        wanted = await self._letters(body)
        discarded = 0
        while seqs := await self._next_letters(wanted):
            discarded += await self._context.store.discard_rejected(
                [(seq, wanted.destination) for seq in seqs], note, now=self._context.clock()
            )
        return {"discarded": discarded, **await self._left(wanted)}

    # --- try ---------------------------------------------------------------------------------------------------------

    async def try_event(self, request: Request) -> Any:
        body = await self._body(request, {"destination", "event"})
        config = self._destination(_text(body, "destination"))
        source = self._source(body, config)
        event = self._tried_event(body.get("event"), source)
        previewed, person = await self._preview(event, config, source)
        destination = self._context.destinations[config.type]
        answer: dict[str, Any] = {
            "destination": config.id,
            "source": source.id if source else None,
            "messageId": event.message_id,
            "userId": person.user_id,
            "steps": [asdict(step) for step in previewed.steps],
            "requests": [],
            "state": None,
            "reason": None,
            "explanation": "",
            "remedy": "",
            "diagnostics": [],
        }
        if previewed.plan is None:
            assert previewed.stopped is not None
            if self._would_wait(event, config, source, previewed, person):
                text, remedy, _ = fate.explanation("held_for_identity", "")
                held = {"state": "held", "reason": "held_for_identity", "explanation": text, "remedy": remedy}
                return {**answer, **held}
            return {**answer, **_outcome(previewed.stopped)}
        now = self._context.clock()
        requests = rebuilt(previewed, destination, config, at=now, record=self._context.request_record)
        if isinstance(requests, str):
            raise ApiError(500, "The request for this event could not be made.", "The server's log says why.")
        answer["requests"] = list(requests)
        answer["diagnostics"] = [asdict(note) for note in previewed.plan.notes]
        answer["explanation"] = previewed.plan.detail
        if body.get("send") is True:
            return {**answer, **await self._sent(config, previewed.plan, now)}
        return answer

    # --- workspace ---------------------------------------------------------------------------------------------------

    async def workspace(self, request: Request) -> Any:
        workspaces = self._context.workspaces
        return {
            "revision": workspaces.current.revision,
            "readFrom": workspaces.current.read_from,
            "writable": workspaces.path is None,
            "document": workspaces.shown(),
            "warnings": self._warnings(),
            "problem": str(workspaces.problem) if workspaces.problem is not None else None,
        }

    async def diff_workspace(self, request: Request) -> Any:
        document, lines = self._document(await self._body(request))
        with _with_lines(lines):
            changes = self._context.workspaces.diff(document)
        return {"changes": changes, "revision": self._context.workspaces.current.revision}

    async def apply_workspace(self, request: Request) -> Any:
        workspaces = self._context.workspaces
        body = await self._body(request)
        if workspaces.path is not None:
            raise ApiError(
                409,
                f"The workspace comes from the file {workspaces.path}.",
                "Change that file; the server applies it by itself.",
                file=str(workspaces.path),
            )
        document, lines = self._document(body)
        async with self._applying:
            before = workspaces.current.revision
            if body.get("revision") not in {None, before}:
                raise ApiError(
                    409,
                    f"The workspace was changed meanwhile: its revision is {before}.",
                    "Read it again, look at the difference, and apply your change to it.",
                    revision=before,
                )
            with _with_lines(lines):
                changes = workspaces.diff(document)
                await workspaces.apply(document)
        return {
            "revision": workspaces.current.revision,
            "changes": changes,
            "warnings": self._warnings(),
        }

    async def sources(self, request: Request) -> Any:
        workspace = self._context.workspaces.current
        counts = (await self._stats())["sources"]
        return {
            "sources": [
                {
                    "id": source.id,
                    "name": source.name,
                    "type": source.type,
                    "enabled": source.enabled,
                    "writeKey": source.write_key,
                    "connections": [
                        {"destination": connection.destination_id, "mode": connection.mode}
                        for connection in workspace.connections
                        if connection.source_id == source.id
                    ],
                    **counts[source.id],
                }
                for source in workspace.sources.values()
            ]
        }

    async def destinations(self, request: Request) -> Any:
        workspace = self._context.workspaces.current
        counts = (await self._stats())["destinations"]
        blocked = await self._context.views.blocked_channels()
        found = []
        for config in workspace.destinations.values():
            own = [channel for channel in blocked if channel.destination_id == config.id]
            found.append(
                {
                    "id": config.id,
                    "name": config.name,
                    "type": config.type,
                    "enabled": config.enabled,
                    "state": _health(config, own, counts[config.id]),
                    "blocked": [_blocked(channel) for channel in own],
                    "warnings": [
                        warning["message"]
                        for warning in self._warnings()
                        if warning["destination"] == config.id
                    ],
                    "counts": counts[config.id],
                }
            )
        return {"destinations": found}

    # --- the server --------------------------------------------------------------------------------------------------

    async def doctor(self, request: Request) -> Any:
        return await doctor.examine(self._context)

    async def reasons(self, request: Request) -> Any:
        return {
            "reasons": [asdict(reason) for reason in REASONS.values()],
            "notes": [asdict(note) for note in NOTES.values()],
        }

    async def refused(self, request: Request) -> Any:
        entries = []
        for entry in self._context.refused()[: _limit(request, PAGE_ROWS)]:
            text, remedy, who = fate.explanation(entry.reason, entry.detail)
            entries.append(
                {
                    "at": fate.when(entry.at),
                    "firstAt": fate.when(entry.first_at),
                    "count": entry.count,
                    "path": entry.path,
                    "status": entry.status,
                    "reason": entry.reason,
                    "explanation": text,
                    "remedy": remedy,
                    "who": who,
                    "source": entry.source_id,
                    "writeKey": entry.write_key,
                    "library": entry.library,
                    "origin": entry.origin,
                    "addressHash": entry.address_hash,
                    "sample": entry.sample,
                }
            )
        return {"refused": entries}

    async def openapi(self, request: Request) -> Any:
        return operations.openapi()

    # --- below: events -----------------------------------------------------------------------------------------------

    async def _entry(self, kept: Kept) -> dict[str, Any]:
        """The fate of one event, with the requests of delivered tries made again."""
        workspace = self._context.workspaces.current
        requests: dict[str, fate.Rebuilt] = {}
        for standing in kept.standings:
            if standing.state != "delivered" or standing.ms is None:
                continue
            config = workspace.destinations.get(standing.destination_id)
            if config is None:
                requests[standing.destination_id] = (
                    "Its request was not kept, and the destination was removed."
                )
                continue
            at = standing.settled_at or kept.event.received_at
            previewed, _ = await self._preview(
                kept.event,
                config,
                workspace.sources.get(kept.event.source_id),
                user_id=standing.user_id,
                linked=kept.linked,
                at=at,
            )
            requests[standing.destination_id] = rebuilt(
                previewed,
                self._context.destinations[config.type],
                config,
                at=at,
                record=self._context.request_record,
            )
        return fate.compose(kept, workspace, requests=requests)

    async def _preview(
        self,
        event: Event,
        config: DestinationConfig,
        source: Source | None,
        *,
        user_id: str = "",
        linked: bool = False,
        at: float | None = None,
    ) -> tuple[Preview, Person]:
        destination = self._context.destinations[config.type]
        groups = accounts_of(event) if destination.parent_traits(config.settings) else ()
        person = await self._context.views.person(event, user_id, groups)
        previewed = preview(
            event,
            source=source,
            config=config,
            connection=self._context.workspaces.current.connection(event.source_id, config.id),
            destination=destination,
            person=replace(person, linked=linked),
            now_ms=int((self._context.clock() if at is None else at) * 1000),
        )
        return previewed, person

    async def _unknown(self, message_id: str, source: str | None) -> ApiError:
        """404, and which of these is true as far as it is known: refused, pruned, or never seen."""
        named = msgspec.json.encode(message_id).decode()
        for entry in self._context.refused():
            if entry.sample and named in entry.sample and source in {None, entry.source_id}:
                text, remedy, _ = fate.explanation(entry.reason, entry.detail)
                return ApiError(
                    404,
                    f"No event has this messageId, but a request that names it was refused: {text}",
                    remedy,
                    known="refused",
                    reason=entry.reason,
                )
        span = await self._context.views.span()
        if not span.pruned:
            return ApiError(
                404,
                "No event with this messageId was ever accepted here.",
                f"Compare the id with what the client sent; {MOUNT}/refused lists requests that were turned away.",
                known="never_seen",
            )
        since = (
            f" Kept are events since {fate.when(span.oldest_received_at)}." if span.oldest_received_at else ""
        )
        return ApiError(
            404,
            f"No event with this messageId is kept: it was never accepted, or it was older and has been pruned.{since}",
            "Compare the id with what the client sent, or lengthen --retention-days.",
            known="never_seen_or_pruned",
            keptSince=fate.when(span.oldest_received_at),
        )

    def _filter(self, request: Request) -> Filter:
        return parse(request.query_params.get("q", ""), request.query_params, now=self._context.clock())

    async def _stats(self) -> dict[str, Any]:
        workspace = self._context.workspaces.current
        return await self._context.views.stats(
            destinations=workspace.destinations,
            sources=workspace.sources,
            bytes_max=self._context.bytes_max,
            now=self._context.clock(),
        )

    # --- below: failures ---------------------------------------------------------------------------------------------

    async def _letters(self, body: Mapping[str, Any]) -> _Letters:
        destination = _text(body, "destination")
        await self._known_letters(destination)
        limit = body.get("limit", PAGE_ROWS_MAX)
        if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= LETTERS_PER_REQUEST:
            raise ApiError(400, f"`limit` must be a number from 1 to {LETTERS_PER_REQUEST}.")
        ids = body.get("messageIds")
        if ids is not None and (
            not isinstance(ids, list)
            or len(ids) > PAGE_ROWS_MAX
            or not all(isinstance(entry, str) for entry in ids)
        ):
            raise ApiError(400, f"`messageIds` must be a list of at most {PAGE_ROWS_MAX} texts.")
        after = body.get("after")
        if after is not None and not (isinstance(after, str) and after.isdigit() and len(after) < 19):
            raise ApiError(400, "`after` must be the `next` of an earlier answer.")
        return _Letters(
            destination,
            _text(body, "reason") or None if "reason" in body else None,
            ids,
            limit,
            int(after or 0),
        )

    async def _next_letters(self, wanted: _Letters) -> tuple[int, ...]:
        seqs = await self._context.views.dead_letters(
            wanted.destination, wanted.reason, wanted.message_ids, limit=wanted.left, after=wanted.after
        )
        if seqs:
            wanted.left -= len(seqs)
            wanted.after = seqs[-1]
        return seqs

    async def _left(self, wanted: _Letters) -> dict[str, Any]:
        left = await self._context.views.rejected(wanted.destination, wanted.reason)
        return {"left": left, "next": str(wanted.after) if left and not wanted.left else None}

    async def _known_letters(self, destination: str) -> None:
        """Dead letters of a destination that was removed can still be looked at and discarded."""
        if destination not in self._context.workspaces.current.destinations and not (
            await self._context.views.rejected(destination)
        ):
            self._destination(destination)

    # --- below: try --------------------------------------------------------------------------------------------------

    def _destination(self, identifier: str) -> DestinationConfig:
        known = self._context.workspaces.current.destinations
        config = known.get(identifier)
        if config is None:
            raise _no_such("destination", identifier, known)
        return config

    def _source(self, body: Mapping[str, Any], config: DestinationConfig) -> Source | None:
        """The source that is named, else the first that is connected to the destination, else any."""
        workspace = self._context.workspaces.current
        if body.get("source") is not None:
            identifier = _text(body, "source")
            if identifier not in workspace.sources:
                raise _no_such("source", identifier, workspace.sources)
            return workspace.sources[identifier]
        for connection in workspace.connections:
            if connection.destination_id == config.id:
                return workspace.sources[connection.source_id]
        return next(iter(workspace.sources.values()), None)

    def _tried_event(self, event: object, source: Source | None) -> Event:
        if not isinstance(event, dict):
            raise ApiError(
                400,
                "`event` must be an object.",
                'Send e.g. {"type": "track", "event": "Hello", "userId": "u1"}.',
            )
        try:
            [made] = decode.decode_batch(
                b'{"batch":[' + msgspec.json.encode(event) + b"]}",
                allow_empty=False,
                source_id=source.id if source else "",
                received_at=self._context.clock(),
                request_ip="",
                new_id=self._context.new_id,
            )
        except decode.Refused as refused:
            text, remedy, _ = fate.explanation(refused.reason, refused.detail)
            raise ApiError(
                400, f"The server would refuse this event: {text}", remedy, reason=refused.reason
            ) from None
        except (UnicodeEncodeError, OverflowError):
            raise ApiError(400, "The event holds a value that cannot be written as JSON.") from None
        return made

    def _would_wait(
        self,
        event: Event,
        config: DestinationConfig,
        source: Source | None,
        previewed: Preview,
        person: Person,
    ) -> bool:
        """Whether delivery would hold an anonymous event for a link, instead of skipping it."""
        connection = self._context.workspaces.current.connection(event.source_id, config.id)
        message = wire_message.read(event, source.type if source else "server")
        if person.user_id or connection is None or isinstance(message, Rejected):
            return False
        if previewed.steps[-1].name != MAPPING:
            return False
        destination = self._context.destinations[config.type]
        return destination.holds(message, connection.mode, config.settings) is not None

    async def _sent(self, config: DestinationConfig, plan: Plan, now: float) -> dict[str, Any]:
        """Send the requests of a plan in order, until one does not succeed."""
        destination = self._context.destinations[config.type]
        replies: list[dict[str, Any]] = []
        outcome: Outcome = Delivered()
        for part in plan.parts:
            reply: Reply = await self._context.send(config.id, destination.call([part], config.settings, now))
            reading = destination.read(reply, [part], config.settings)
            outcome = Retry(reading.reason, reading.detail) if isinstance(reading, Split) else reading[0]
            replies.append(
                {
                    "reply": self._context.reply_record(reply),
                    "ms": reply.ms,
                    "error": f"{reply.error}: {reply.error_detail}" if reply.status is None else None,
                }
            )
            if not isinstance(outcome, Delivered):
                break
        said = _outcome(outcome)
        if isinstance(outcome, Delivered):
            said["explanation"] = outcome.detail or plan.detail
            said["diagnostics"] = [asdict(note) for note in (*plan.notes, *outcome.notes)]
        return {"replies": replies, **said}

    # --- below: workspace --------------------------------------------------------------------------------------------

    def _warnings(self) -> list[dict[str, str]]:
        found = []
        for config in self._context.workspaces.current.destinations.values():
            facts = list(self._context.destinations[config.type].facts(config.settings))
            if config.secret_problem:
                facts.insert(0, config.secret_problem)
            found += [{"destination": config.id, "message": fact} for fact in facts]
        return found

    def _document(self, body: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, int]]:
        """The workspace document of a request, and the lines of its text when it came as YAML."""
        document, text = body.get("document"), body.get("yaml")
        lines: Mapping[str, int] = {}
        if isinstance(text, str) and document is None:
            loaded = yaml.load(text)
            document, lines = loaded.data, loaded.lines
        if not isinstance(document, dict):
            raise ApiError(
                400,
                "The request holds no workspace.",
                'Send {"document": {…}} or {"yaml": "…"} with the whole workspace.',
            )
        return document, lines

    async def _body(self, request: Request, required: set[str] | None = None) -> dict[str, Any]:
        """The JSON object of a request, bounded while it is read."""
        content = bytearray()
        async for chunk in request.stream():
            content += chunk
            if len(content) > BODY_BYTES_MAX:
                raise ApiError(413, "The body is larger than 1 MB.", "Send less at once.")
        try:
            body = msgspec.json.decode(bytes(content))
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise ApiError(400, "The body is not JSON.", "Send a JSON object.") from None
        if not isinstance(body, dict):
            raise ApiError(400, "The body is JSON, but no object.", "Send a JSON object.")
        for name in sorted(required or ()):
            if name not in body:
                raise ApiError(400, f"`{name}` is missing.", f"{MOUNT}/openapi.json shows the body.")
        return body


class _Letters:
    """Which dead letters are meant, and how many are still to be taken."""

    def __init__(
        self, destination: str, reason: str | None, message_ids: Sequence[str] | None, left: int, after: int
    ) -> None:
        self.destination = destination
        self.reason = reason
        self.message_ids = message_ids
        self.left = left
        self.after = after


@contextlib.contextmanager
def _with_lines(lines: Mapping[str, int]) -> Iterator[None]:
    """Problems that are raised within get the lines of the text that the document came from."""
    try:
        yield
    except WorkspaceError as error:
        problems = [
            replace(problem, line=problem.line or lines.get(problem.path)) for problem in error.problems
        ]
        raise WorkspaceError(problems, error.file) from None


def _outcome(outcome: Outcome) -> dict[str, Any]:
    """An outcome of a try in the words of a fate."""
    state = {
        Delivered: "delivered",
        Skipped: "skipped",
        Rejected: "rejected",
        Retry: "retrying",
        Blocked: "blocked",
    }[type(outcome)]
    reason = None if isinstance(outcome, Delivered) else outcome.reason
    text, remedy, _ = fate.explanation(reason, outcome.detail)
    said: dict[str, Any] = {"state": state, "reason": reason, "explanation": text, "remedy": remedy}
    if isinstance(outcome, Skipped | Rejected):
        said["diagnostics"] = [asdict(note) for note in outcome.notes]
    return said


def _health(config: DestinationConfig, blocked: Sequence[BlockedChannel], counts: Mapping[str, Any]) -> str:
    """The state of a destination as a sentence."""
    if not config.enabled:
        return "Switched off. Events that come are skipped."
    if config.secret_problem:
        return f"Blocked: {config.secret_problem}"
    if blocked:
        since = min(channel.since for channel in blocked)
        text, _, _ = fate.explanation(blocked[0].reason, blocked[0].detail)
        what = f" ({', '.join(channel.channel for channel in blocked if channel.channel)})"
        return f"Blocked since {fate.when(since)}{what if what != ' ()' else ''}: {text}"
    if counts["retrying"]:
        return f"Delivering; {counts['retrying']} events are being tried again."
    if counts["pending"]:
        return f"Delivering, {counts['oldestPendingSeconds']:.1f} s behind."
    return "Nothing waits."


def _blocked(channel: BlockedChannel) -> dict[str, Any]:
    text, remedy, who = fate.explanation(channel.reason, channel.detail)
    return {
        "channel": channel.channel,
        "reason": channel.reason,
        "explanation": text,
        "remedy": remedy,
        "who": who,
        "since": fate.when(channel.since),
    }


def _no_such(noun: str, identifier: str, known: Mapping[str, object]) -> ApiError:
    hint = near_miss(identifier, known)
    names = ", ".join(list(known)[:20])
    return ApiError(
        404,
        f'No {noun} "{identifier[:100]}".',
        f'Did you mean "{hint}"?'
        if hint
        else f"There are: {names}."
        if names
        else f"There is no {noun} yet.",
    )


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise ApiError(400, f"`{name}` must be text.")
    return value


def _limit(request: Request, usual: int) -> int:
    number = _number(request, "limit")
    return usual if number is None else max(1, min(number, PAGE_ROWS_MAX))


def _number(request: Request, name: str) -> int | None:
    text = request.query_params.get(name)
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise ApiError(400, f"{name} must be a whole number.", "Take `next` of an earlier answer.")
    return int(text)


def _cursor(seq: int | None) -> str | None:
    """Where the next page begins, as text: it means something to us only."""
    return str(seq) if seq is not None else None


def _flag(request: Request, name: str) -> bool:
    return request.query_params.get(name, "").lower() in {"1", "true", "yes"}


def _path(scope: Scope) -> str:
    return str(scope.get("path", ""))[:200]
