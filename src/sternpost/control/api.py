"""The control API under `/api/v1`: what people and commands ask, and the little they may change.

A request passes `_Guard` (token, size, errors as JSON), then one function per operation of `operations.OPERATIONS`. Reading goes through
`Views`, never through the writing connection; what changes something goes through the store's own verbs, and is noted in the audit log
here, so that no function can forget it. Every answer is JSON, bounded, and without secrets.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route as PathRoute
from starlette.routing import Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sternpost.control import audit, auth
from sternpost.control.answers import Answered, Answers, ApiError
from sternpost.control.context import Context
from sternpost.control.filters import FilterError
from sternpost.control.live import TooManyListeners
from sternpost.control.operation import MOUNT, Operation
from sternpost.control.operations import OPERATIONS
from sternpost.errors import StoreError, WorkspaceError
from sternpost.proxies import client_address
from sternpost.workspace.hints import near_miss

log = structlog.get_logger("sternpost.control")

#: A question waits so long for events that are accepted and not in their lanes yet: some 25,000.
CATCH_UP_S = 1.0


def create_api(context: Context) -> ASGIApp:
    """The app of `/api/v1`. Takes requests with the whole path, mounted or not."""
    answers = Answers(lambda: context.workspaces.current)

    def answered(operation: Operation) -> Callable[[Request], Awaitable[Any]]:
        async def endpoint(request: Request) -> Any:
            who: auth.Principal = request.scope[auth.PRINCIPAL]
            if not auth.allows(who.role, operation.role):
                raise ApiError(
                    403,
                    f"This needs the role {operation.role}; yours is {who.role}.",
                    "Ask an owner, or use another token.",
                )
            known = [parameter.name for parameter in operation.query]
            for name in request.query_params:
                if name not in known:
                    hint = near_miss(name, known)
                    raise ApiError(
                        400,
                        f'There is no parameter "{name[:40]}" here.',
                        f'Did you mean "{hint}"?' if hint else f"There are: {', '.join(known) or 'none'}.",
                    )
            if operation.personal == "refuse" and not who.personal_data:
                raise _not_for_you()
            # Under a flood it takes longer than anybody should wait; `stats` says how much is left. A page has waited already.
            if who.via != "console":
                await context.caught_up(CATCH_UP_S)
            result = _shown(context, operation, who, await _noted(context, operation, request, who))
            if isinstance(result, Answered):
                response = answers.answer(result.value, result.status)
                response.headers.update(result.headers)
                return response
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


def _shown(context: Context, operation: Operation, who: auth.Principal, result: Any) -> Any:
    """An answer as this reader may see it."""
    if who.personal_data or operation.personal == "own":
        return result
    if isinstance(result, Answered):
        return replace(result, value=context.personal.answer(result.value))
    if callable(result):
        # It answers by itself, and nobody hides anything in it.
        raise _not_for_you()
    return context.personal.answer(result)


def _not_for_you() -> ApiError:
    return ApiError(403, "This shows personal data, which you may not see.", "Ask an owner for that right.")


async def _noted(context: Context, operation: Operation, request: Request, who: auth.Principal) -> Any:
    """The answer of an operation; when it is one that changes something, the audit log has it with the change."""
    # Who a person is has no place in the log.
    named = [str(value) for name, value in request.path_params.items() if name != "person"]
    note = audit.begin(request, " ".join(named))
    if operation.method == "GET":
        return await operation.handler(context, request)
    async with context.audit.line(who, operation.name, note):
        return await operation.handler(context, request)


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
            # Nothing of a request from the network gets into the scope by this name: the console of this process puts it there.
            if auth.PRINCIPAL not in scope:
                scope[auth.PRINCIPAL] = await self._principal(scope)
            scope["sternpost.role"] = scope[auth.PRINCIPAL].role
            await self._app(scope, receive, sending)
        except Exception as error:
            if started:
                # Too late for an answer; the connection ends, and the log says why.
                log.exception("request_failed_midway", path=_path(scope))
                raise
            await self._refusal(scope, error)(scope, receive, send)

    async def _principal(self, scope: Scope) -> auth.Principal:
        token = auth.bearer(scope["headers"])
        if token is None:
            raise ApiError(
                401,
                "The request carries no API token.",
                "Send the header Authorization: Bearer TOKEN. The token is in STERNPOST_API_TOKEN or in the file api-token of "
                "the data directory.",
            )
        who = self._context.people.who_is(token)
        if who is None:
            peer = str((scope.get("client") or ("", 0))[0])
            forwarded = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
            address = client_address(peer, forwarded.decode("latin-1"), self._context.trusted_proxies)
            account = self._context.people.expired_token(token)
            await self._context.attempts.failed("api", account, address)
            raise ApiError(
                401,
                "This API token is not known: it was never made here, was revoked, or has expired.",
                "Use the token in STERNPOST_API_TOKEN or in the file api-token of the data directory of this server.",
            )
        await self._context.people.token_used(token)
        return replace(who, via="cli") if auth.by_command(scope["headers"]) else who

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
        body = error.body
        who: auth.Principal | None = scope.get(auth.PRINCIPAL)
        if who is not None and not who.personal_data:
            body = self._context.personal.answer(body)
        response = self._answers.answer(body, error.status)
        if error.status == 401:
            headers["WWW-Authenticate"] = 'Bearer realm="Sternpost"'
        response.headers.update(headers)
        return response


def _path(scope: Scope) -> str:
    return str(scope.get("path", ""))[:200]
