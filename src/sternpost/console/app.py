"""The app of every path that begins with /console: who is let in, headers, forms, and pages as HTML or JSON.

A request passes the guard (headers, session, form token), then one function of `pages`. What a page shows is an answer of the control
API; the template adds words. Nothing is loaded from another host, and the policy holds every page to that.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, is_dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote

import jinja2
import structlog
from markupsafe import Markup, escape
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from sternpost import __version__
from sternpost.console import words
from sternpost.console.access import Busy, is_form_token
from sternpost.console.inside import ApiProblem, asking, part
from sternpost.console.pages import PAGES
from sternpost.console.pages.common import SPANS
from sternpost.console.stream import RowStream
from sternpost.console.surroundings import (
    Elsewhere,
    Handler,
    Page,
    PageOf,
    Result,
    Surroundings,
    Visit,
    client_address,
    is_trusted,
)
from sternpost.control import passwords
from sternpost.control.answers import Answers, ApiError
from sternpost.control.auth import ROLES, Role
from sternpost.control.filters import Filter, FilterError, parse
from sternpost.control.live import TooManyListeners
from sternpost.control.people import FIRST_OWNER, NAME_CHARS_MAX, SESSION_VALID_S, digest
from sternpost.errors import StoreError
from sternpost.reasons import NOTES, REASONS

log = structlog.get_logger("sternpost.console")

MOUNT = "/console"
COOKIE = "sternpost_session"
FORM_COOKIE = "sternpost_form"  #: of browsers that are not signed in: what their forms are bound to
THEME_COOKIE = "sternpost_theme"
THEMES = ("light", "dark")
FORM_BYTES_MAX = 64 * 1024
FORM_FIELDS_MAX = 1_100  #: a form that connects a destination has one per source
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

_HERE = Path(__file__).parent
_KINDS = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_MOMENT = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
_CODE = re.compile(r"`([^`]+)`")
_HOST = re.compile(r"[A-Za-z0-9.\-_\[\]:]{1,255}")


class _File:
    def __init__(self, path: Path) -> None:
        self.body = path.read_bytes()
        self.kind = _KINDS[path.suffix]
        self.version = hashlib.sha256(self.body).hexdigest()[:12]


def create_console(around: Surroundings) -> ASGIApp:
    """The console's app; it takes requests with the whole path."""
    return _Console(around)


class _Console:
    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._answers = Answers(lambda: around.context.workspaces.current)
        self._files = {path.name: _File(path) for path in sorted((_HERE / "static").iterdir())}
        self._said: OrderedDict[bytes, tuple[str, bool]] = OrderedDict()
        self._templates = environment(self._files)
        routes = [
            Route(f"{MOUNT}{page[1]}", self._page(page[2], needed_role(page)), methods=[page[0]])
            for page in PAGES
        ]
        routes += [
            Route(f"{MOUNT}/live", self._live, methods=["GET"]),
            Route(f"{MOUNT}/setup/{{token}}", self._setup, methods=["GET", "POST"]),
            Route(f"{MOUNT}/sign-in", self._sign_in, methods=["GET", "POST"]),
            Route(f"{MOUNT}/sign-out", self._sign_out, methods=["POST"]),
            Route(f"{MOUNT}/theme", self._theme, methods=["POST"]),
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
                log.exception("console_failed_midway", path=_path(scope))
                raise
            response = await self._problem(Request(scope, receive), error)
            await response(scope, receive, sending)

    # --- pages -------------------------------------------------------------------------------------------------------

    def _page(self, handler: Handler, role: Role) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            visit = self._visit(request)
            if visit.session is None:
                return self._stranger(visit)
            if not visit.may(role):
                raise ApiError(
                    403,
                    f"This needs the role {role}; yours is {visit.who.role}.",
                    "Ask an owner of this server.",
                )
            if request.method == "POST":
                await self._read_form(visit)
            with asking(visit.who):
                found = await handler(self._around, visit)
            return self._result(visit, found)

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
        if _wants_json(visit.request):
            response = Response(
                self._answers.encode(_plain(result.data)), result.status, media_type="application/json"
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
                "here": _here(visit.request),
                "q": visit.query("q") if visit.request.url.path == f"{MOUNT}/events" else "",
                "signed_in": visit.session is not None,
                "may": {role: visit.may(role) for role in ROLES},
                "form_token": visit.form_token,
                "theme": visit.theme,
                "base": visit.base,
                "version": __version__,
                "sandbox_url": self._around.sandbox_url,
                "now": self._around.clock(),
            }
        )
        return self._answers.masked(text.encode("utf-8", "replace"))

    def _stranger(self, visit: Visit) -> Response:
        """What a browser gets that is not signed in."""
        request = visit.request
        if _wants_json(request) or request.method != "GET":
            problem = {"error": {"message": "You are not signed in.", "remedy": f"Open {MOUNT}/sign-in."}}
            return Response(self._answers.encode(problem), 401, media_type="application/json")
        if request.headers.get("sec-fetch-site") == "cross-site":
            # A link from elsewhere brings no cookie of ours (SameSite=Strict); the same address asked by our own page does.
            page = Page("again.html", "One moment", {"again": _here(request)})
            return self._result(visit, page)
        return Response(None, 303, {"location": f"{MOUNT}/sign-in?next={quote(_here(request), safe='/')}"})

    async def _live(self, request: Request) -> Any:
        visit = self._visit(request)
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

    # --- coming in and going out -------------------------------------------------------------------------------------

    async def _setup(self, request: Request) -> Response:
        visit = self._visit(request)
        token = request.path_params["token"]
        access = self._around.access
        invitation = await access.invitation(token)
        if invitation is None:
            page = Page(
                "message.html",
                "This address does not work",
                {
                    "heading": "This address does not work any more",
                    "text": "A one-time address works once, and not for long. This one was used, has expired, or was never given out.",
                    "remedy": "Who may read the server's data directory gets a new one with `sternpost access`; others ask an owner.",
                    "link": f"{MOUNT}/",
                    "link_text": "To the console",
                },
                404,
            )
            return self._result(visit, page)
        name = invitation.user.name if invitation.user is not None else FIRST_OWNER
        problem = ""
        if request.method == "POST":
            await self._read_form(visit)
            if invitation.asks_name:
                name = visit.form.get("username", "").strip()
            password = visit.form.get("password", "") if invitation.asks_password else ""
            if invitation.asks_password:
                problem = passwords.problem(password, name)
                if not problem and password != visit.form.get("again", ""):
                    problem = "The two passwords differ."
            try:
                if not problem:
                    session = await access.use_address(
                        token, invitation, visit.client, name=name, password=password
                    )
                    if session is None:
                        return Response(None, 303, {"location": _here(request)})
                    return self._signed_in(visit, session.token, f"{MOUNT}/")
            except ApiError as error:
                problem = f"{error.message} {error.remedy}".strip()
            except Busy:
                problem = "Too many are signing in. Try again in a moment."
        data = {
            "asks_password": invitation.asks_password,
            "asks_name": invitation.asks_name,
            "name": name,
            "first": invitation.user is None,
            "resets": invitation.user is not None and bool(invitation.user.password),
            "name_max": NAME_CHARS_MAX,
            "problem": problem,
            "secure": visit.secure,
        }
        return self._result(visit, Page("setup.html", "Set up", data, 400 if problem else 200))

    async def _sign_in(self, request: Request) -> Response:
        visit = self._visit(request)
        following = _safe_next(visit.query("next"))
        if visit.session is not None:
            return Response(None, 303, {"location": following})
        access = self._around.access
        problem, headers, name = "", {}, ""
        if request.method == "POST":
            await self._read_form(visit)
            name = visit.form.get("username", "").strip()
            came, session = await access.sign_in(name, visit.form.get("password", ""), visit.client)
            if session is not None:
                return self._signed_in(visit, session.token, following)
            if came == "wait":
                wait_s = access.wait_s(visit.address) or 1.0
                headers = {"retry-after": f"{wait_s:.0f}"}
                problem = f"Too many tries failed. Try again in {words.seconds(wait_s)}."
            else:
                problem = "There is no user with this name and this password."
        page = Page(
            "sign_in.html",
            "Sign in",
            {"owned": access.owned, "name": name, "problem": problem},
            429 if headers else 403 if problem else 200,
            headers,
        )
        return self._result(visit, page)

    async def _sign_out(self, request: Request) -> Response:
        visit = self._visit(request)
        if visit.session is not None:
            await self._read_form(visit)
            await self._around.access.sign_out(visit.session.token)
        response = Response(None, 303, {"location": f"{MOUNT}/sign-in"})
        self._cookie(response, visit, COOKIE, "", 0)
        return response

    async def _theme(self, request: Request) -> Response:
        visit = self._visit(request)
        await self._read_form(visit)
        theme = visit.form.get("theme", "")
        response = Response(None, 303, {"location": _safe_next(visit.form.get("next", ""))})
        if theme in THEMES:
            self._cookie(response, visit, THEME_COOKIE, theme, SESSION_VALID_S)
        else:
            self._cookie(response, visit, THEME_COOKIE, "", 0)
        return response

    def _signed_in(self, visit: Visit, token: str, path: str) -> Response:
        response = Response(None, 303, {"location": path})
        self._cookie(response, visit, COOKIE, token, SESSION_VALID_S)
        return response

    def _bind_forms(self, visit: Visit, response: Response) -> None:
        if visit.request.cookies.get(FORM_COOKIE) != visit.cookie:
            self._cookie(response, visit, FORM_COOKIE, visit.cookie, None)

    @staticmethod
    def _cookie(response: Response, visit: Visit, name: str, value: str, age_s: int | None) -> None:
        response.set_cookie(
            name,
            value,
            max_age=age_s,
            path=f"{MOUNT}/",
            httponly=True,
            samesite="strict",
            secure=visit.secure,
        )

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

    def _visit(self, request: Request) -> Visit:
        session = self._around.access.session(request.cookies.get(COOKIE, ""))
        peer = request.client.host if request.client is not None else ""
        proxies = self._around.trusted_proxies
        proxied = is_trusted(peer, proxies)
        scheme = request.headers.get("x-forwarded-proto", "") if proxied else ""
        secure = (scheme or request.scope.get("scheme", "http")).lower() == "https"
        host = request.headers.get("host", "")
        if not _HOST.fullmatch(host):
            host = "127.0.0.1:8080"
        theme = request.cookies.get(THEME_COOKIE, "")
        return Visit(
            request=request,
            session=session,
            cookie=session.token
            if session
            else request.cookies.get(FORM_COOKIE) or secrets.token_urlsafe(16),
            base=f"{'https' if secure else 'http'}://{host}",
            secure=secure,
            theme=theme if theme in THEMES else "",
            address=client_address(peer, ",".join(request.headers.getlist("x-forwarded-for")), proxies),
        )

    async def _read_form(self, visit: Visit) -> None:
        """Read a form, which must come from a page of ours. Raises HTTPException."""
        content = bytearray()
        async for chunk in visit.request.stream():
            content += chunk
            if len(content) > FORM_BYTES_MAX:
                raise HTTPException(413)
        try:
            visit.form = dict(
                parse_qsl(
                    content.decode("utf-8", "replace"),
                    keep_blank_values=True,
                    errors="replace",
                    max_num_fields=FORM_FIELDS_MAX,
                )
            )
        except ValueError:
            raise HTTPException(400) from None
        if not _from_own_page(visit):
            raise HTTPException(403)
        if not is_form_token(visit.form.get("form_token", ""), visit.cookie):
            raise HTTPException(403)

    async def _problem(self, request: Request, error: Exception) -> Response:
        """An error as a page: what happened, whether anything was lost, what to do."""
        visit = self._visit(request)
        heading, text, remedy, status = "Something went wrong here", "", "", 500
        more: Mapping[str, Any] = {}
        match error:
            case ApiProblem():
                heading = "There is no such thing" if error.status == 404 else "This could not be done"
                text, remedy, status = error.message, error.remedy, error.status
                more = error.body
            case ApiError():
                heading = "You may not do this" if error.status == 403 else "This could not be done"
                text, remedy, status, more = error.message, error.remedy, error.status, error.body
            case FilterError():
                heading, text, status = "This filter cannot be understood", str(error), 400
            case HTTPException(status_code=403):
                heading, status = "Nothing was changed", 403
                text = "The form did not come from a page of this console, or the page was too old."
                remedy = "Go back, load the page again, and press the button once more."
            case HTTPException(status_code=413):
                heading, text, status = "Nothing was changed", "The form was too large.", 413
            case HTTPException(status_code=405):
                heading, status = "Nothing was changed", 405
                text, remedy = "This address takes a form of another page.", "Use the console's buttons."
            case HTTPException():
                heading, status = "There is no such page", error.status_code
                text = "The console has no page at this address."
                remedy = "Use the navigation, or search."
            case TooManyListeners():
                heading, text, status = "Too many are watching", str(error), 503
                remedy = "Close another live view and try again."
            case StoreError():
                heading, text, status = "The store does not answer", str(error), 503
                remedy = "Try again; if it stays, run: sternpost doctor"
            case ClientDisconnect():
                return Response(None, 400)
            case _:
                number = secrets.token_hex(4)
                log.error("console_failed", path=_path(request.scope), number=number, exc_info=error)
                text = f"No event was lost by this; the page could not be made (number {number})."
                remedy = f"Look for {number} in the server's log."
        data = {"heading": heading, "text": text, "remedy": remedy, "link": f"{MOUNT}/", "link_text": "Home"}
        if _wants_json(request):
            body = more or {"error": {"message": text, "remedy": remedy}}
            return Response(self._answers.encode(body), status, media_type="application/json")
        return self._result(visit, Page("message.html", heading, data, status))


def environment(files: Mapping[str, _File]) -> jinja2.Environment:
    """The one environment of all templates: escaping always on, a name that does not exist is an error."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        number=words.number,
        size=words.size,
        duration=words.seconds,
        part=part,
        filter_value=words.filter_value,
        pretty=words.pretty,
        pretty_text=words.pretty_text,
        as_curl=words.curl,
        variables=words.variables,
        prose=prose,
        sentences=words.sentences,
    )
    made.globals.update(
        MARKS=words.MARKS,
        WHO=words.WHO,
        SPANS=SPANS,
        REASONS=REASONS,
        NOTES=NOTES,
        person=words.person,
        asset=lambda name: f"{MOUNT}/static/{name}?v={files[name].version}",
        row_key=row_key,
    )
    return made


def prose(text: str) -> Markup:
    """A sentence of ours: its moments are shown in the reader's zone, and what stands between backticks as code."""
    told = _MOMENT.sub(r'<time datetime="\g<0>">\g<0></time>', str(escape(text)))
    return Markup(_CODE.sub(r"<code>\1</code>", told))  # noqa: S704 - escaped just before


def row_key(entry: Mapping[str, Any]) -> str:
    """The same for all rows of one event."""
    return hashlib.sha256(f"{entry['source']}\n{entry['messageId']}".encode("utf-8", "replace")).hexdigest()[
        :20
    ]


def _wants_json(request: Request) -> bool:
    accept = request.headers.get("accept", "")
    return "application/json" in accept and "text/html" not in accept


def _plain(data: Mapping[str, Any]) -> Any:
    """Data as JSON can say it."""

    def plain(value: Any) -> Any:
        if is_dataclass(value) and not isinstance(value, type):
            return plain(asdict(value))
        if isinstance(value, Mapping):
            return {str(name): plain(member) for name, member in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [plain(member) for member in value]
        return value

    return plain(data)


def _here(request: Request) -> str:
    """The path and query of a request, as the browser wrote them."""
    raw: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    path = raw.split(b"?")[0].decode("latin-1")
    query = request.scope.get("query_string", b"").decode("latin-1")
    return f"{path}?{query}" if query else path


def _safe_next(path: str) -> str:
    """Where to go on: an address of the console, nothing else."""
    if re.fullmatch(rf"{MOUNT}/[^\\\s]*", path) and ".." not in path:
        return path
    return f"{MOUNT}/"


def _from_own_page(visit: Visit) -> bool:
    """Whether a form came from a page of ours, as far as the browser says. The form's token is what it has to have anyway."""
    headers = visit.request.headers
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in {"same-origin", "none"}
    # Browsers leave that header out over plain HTTP from another machine, and say the origin.
    origin = headers.get("origin")
    return origin is None or origin == visit.base


def needed_role(page: PageOf) -> Role:
    """The role that a page needs."""
    if len(page) == 4:
        return page[3]
    return "viewer" if page[0] == "GET" else "editor"


def _path(scope: Mapping[str, Any]) -> str:
    path = str(scope.get("path", ""))[:200]
    # Whoever reads the log must not be able to use what the address holds.
    return f"{MOUNT}/setup/…" if path.startswith(f"{MOUNT}/setup/") else path
