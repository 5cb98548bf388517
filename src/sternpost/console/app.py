"""The app of every path that begins with /console: who is let in, headers, forms, and pages as HTML or JSON.

A request passes the guard (headers, session, form token), then one function of `pages`. What a page shows is an answer of the control
API; the template adds words. Nothing is loaded from another host, and the policy holds every page to that.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from sternpost import __version__
from sternpost.console.doors import DOORS
from sternpost.console.guard import (
    FORM_COOKIE,
    MOUNT,
    here,
    path_of,
    read_form,
    set_cookie,
    visit_of,
    wants_json,
)
from sternpost.console.inside import asking
from sternpost.console.pages import PAGES
from sternpost.console.problems import told
from sternpost.console.rendering import environment, plain, static_files
from sternpost.console.stream import RowStream
from sternpost.console.surroundings import (
    Elsewhere,
    Handler,
    Page,
    PageOf,
    Result,
    Surroundings,
    Visit,
)
from sternpost.control.answers import Answers, ApiError
from sternpost.control.api import CATCH_UP_S
from sternpost.control.auth import ROLES, Role
from sternpost.control.filters import Filter, parse
from sternpost.control.people import digest

log = structlog.get_logger("sternpost.console")

SAID_MAX = 1_000  #: sentences that wait for the next page of a session
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


def create_console(around: Surroundings) -> ASGIApp:
    """The console's app; it takes requests with the whole path."""
    return _Console(around)


class _Console:
    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._answers = Answers(lambda: around.context.workspaces.current)
        self._files = static_files()
        self._said: OrderedDict[bytes, tuple[str, bool]] = OrderedDict()
        self._templates = environment(self._files)
        routes = [
            Route(f"{MOUNT}{page[1]}", self._page(page[2], needed_role(page)), methods=[page[0]])
            for page in PAGES
        ]
        routes += [
            Route(f"{MOUNT}/live", self._live, methods=["GET"]),
            *(
                Route(f"{MOUNT}{path}", self._door(handler), methods=list(methods))
                for path, methods, handler in DOORS
            ),
            Route(f"{MOUNT}/static/{{name}}", self._static, methods=["GET"]),
            Route(MOUNT, self._slash, methods=["GET"]),
            Route(f"{MOUNT}/events/", self._to_events, methods=["GET"]),
        ]
        # A page for an empty messageId would be the list; the route of one event takes any text.
        routes.insert(0, routes.pop())
        self._router = Router(routes, redirect_slashes=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        scope = {
            **scope,
            "app": self,
        }  # so that the router raises what is wrong instead of answering in plain text
        started = False

        async def sending(message: Any) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                given = {name.lower() for name, _ in message["headers"]}
                more = [
                    (name.encode(), value.encode())
                    for name, value in HEADERS.items()
                    if name.encode() not in given
                ]
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        try:
            await self._router(scope, receive, sending)
        except Exception as error:
            if started:
                log.exception("console_failed_midway", path=path_of(scope))
                raise
            response = await self._problem(Request(scope, receive), error)
            await response(scope, receive, sending)

    # --- pages -------------------------------------------------------------------------------------------------------

    def _page(self, handler: Handler, role: Role) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            visit = visit_of(self._around, request)
            if visit.session is None:
                return self._stranger(visit)
            if not visit.may(role):
                raise ApiError(
                    403,
                    f"This needs the role {role}; yours is {visit.who.role}.",
                    "Ask an owner of this server.",
                )
            if request.method == "POST":
                await read_form(visit)
            await self._around.context.caught_up(CATCH_UP_S)
            with asking(visit.who):
                found = await handler(self._around, visit)
            return self._result(visit, found)

        return endpoint

    def _door(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            visit = visit_of(self._around, request)
            return self._result(visit, await handler(self._around, visit))

        return endpoint

    def _result(self, visit: Visit, result: Result) -> Response:
        if isinstance(result, Response):
            return result
        if isinstance(result, Elsewhere):
            if result.said and visit.session is not None:
                self._said[digest(visit.session.token)] = (result.said, result.wrong)
                while len(self._said) > SAID_MAX:
                    self._said.popitem(last=False)
            return Response(None, 303, {"location": result.path})
        if visit.session is not None and not visit.who.personal_data:
            # The API hid what it told; this is for what a page found elsewhere.
            title, data = self._around.context.personal.page(result.title, result.data)
            result = replace(result, title=title, data=data)
        if wants_json(visit.request):
            response = Response(
                self._answers.encode(plain(result.data)), result.status, media_type="application/json"
            )
        else:
            response = Response(self._html(visit, result), result.status, media_type="text/html")
        response.headers.update(result.headers)
        if visit.session is None:
            self._bind_forms(visit, response)
        return response

    def _html(self, visit: Visit, page: Page) -> bytes:
        said, wrong = "", False
        # A script that looks for news must not take away what the page of another tab is to say.
        by_script = visit.request.headers.get("sec-fetch-dest") == "empty"
        if visit.session is not None and not by_script:
            said, wrong = self._said.pop(digest(visit.session.token), ("", False))
        text = self._templates.get_template(page.template).render(
            {
                **page.data,
                "title": page.title,
                "said": said,
                "said_wrong": wrong,
                "path": visit.request.url.path,
                "here": here(visit.request),
                "q": visit.query("q") if visit.request.url.path == f"{MOUNT}/events" else "",
                "signed_in": visit.session is not None,
                "may": {role: visit.may(role) for role in ROLES},
                "form_token": visit.form_token,
                "theme": visit.theme,
                "base": visit.base,
                "version": __version__,
                "sandbox_url": self._around.sandbox_url,
                "command": self._around.commands,
                "now": self._around.clock(),
            }
        )
        return self._answers.masked(text.encode("utf-8", "replace"))

    def _stranger(self, visit: Visit) -> Response:
        """What a browser gets that is not signed in."""
        request = visit.request
        if wants_json(request) or request.method != "GET":
            problem = {"error": {"message": "You are not signed in.", "remedy": f"Open {MOUNT}/sign-in."}}
            return Response(self._answers.encode(problem), 401, media_type="application/json")
        if request.headers.get("sec-fetch-site") == "cross-site":
            # A link from elsewhere brings no cookie of ours (SameSite=Strict); the same address asked by our own page does.
            page = Page("again.html", "One moment", {"again": here(request)})
            return self._result(visit, page)
        return Response(None, 303, {"location": f"{MOUNT}/sign-in?next={quote(here(request), safe='/')}"})

    async def _live(self, request: Request) -> Any:
        visit = visit_of(self._around, request)
        if visit.session is None:
            return self._stranger(visit)
        wanted = self._around.context.live.listen(self._pages_filter(visit))
        row = self._templates.get_template("row.html")
        return RowStream(
            wanted, lambda entry: row.render(entry=entry, now=self._around.clock(), several=self._several())
        )

    def _several(self) -> bool:
        return len(self._around.context.workspaces.current.destinations) > 1

    def _pages_filter(self, visit: Visit) -> Filter:
        found = parse(visit.query("q"), {}, now=self._around.clock())
        return replace(found, hidden=not visit.who.personal_data)

    def _bind_forms(self, visit: Visit, response: Response) -> None:
        if visit.request.cookies.get(FORM_COOKIE) != visit.cookie:
            set_cookie(response, visit, FORM_COOKIE, visit.cookie, None)

    # --- the rest ----------------------------------------------------------------------------------------------------

    async def _static(self, request: Request) -> Response:
        file = self._files.get(request.path_params["name"])
        if file is None:
            raise HTTPException(404)
        # The address carries the content's hash.
        headers = {"cache-control": "private, max-age=31536000, immutable"}
        return Response(file.body, 200, headers, media_type=file.kind)

    async def _slash(self, request: Request) -> Response:
        return Response(None, 307, {"location": f"{MOUNT}/"})

    async def _to_events(self, request: Request) -> Response:
        return Response(None, 307, {"location": f"{MOUNT}/events"})

    async def _problem(self, request: Request, error: Exception) -> Response:
        """An error as a page: what happened, whether anything was lost, what to do."""
        if isinstance(error, ClientDisconnect):
            return Response(None, 400)
        said = told(error, path_of(request.scope))
        if wants_json(request):
            body = said.body or {"error": {"message": said.text, "remedy": said.remedy}}
            return Response(self._answers.encode(body), said.status, media_type="application/json")
        data = {
            "heading": said.heading,
            "text": said.text,
            "remedy": said.remedy,
            "link": f"{MOUNT}/",
            "link_text": "Home",
        }
        return self._result(
            visit_of(self._around, request), Page("message.html", said.heading, data, said.status)
        )


def needed_role(page: PageOf) -> Role:
    """The role that a page needs."""
    if len(page) == 4:
        return page[3]
    return "viewer" if page[0] == "GET" else "editor"
