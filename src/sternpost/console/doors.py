"""Coming in and going out: the one-time address, signing in and out; and the colours, which everybody may choose."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.responses import Response

from sternpost.console import words
from sternpost.console.access import Busy
from sternpost.console.guard import (
    COOKIE,
    MOUNT,
    THEME_COOKIE,
    THEMES,
    here,
    read_form,
    safe_next,
    set_cookie,
)
from sternpost.console.surroundings import Handler, Page, Result, Surroundings, Visit
from sternpost.control import passwords
from sternpost.control.answers import ApiError
from sternpost.control.people import FIRST_OWNER, NAME_CHARS_MAX, SESSION_VALID_S
from sternpost.server import is_loopback

BUSY_S = 3  #: after which whoever found too many others signing in may try again


async def setup(around: Surroundings, visit: Visit) -> Result:
    token = visit.request.path_params["token"]
    access = around.access
    invitation = await access.invitation(token)
    if invitation is None:
        return Page(
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
    name = invitation.user.name if invitation.user is not None else FIRST_OWNER
    problem = ""
    if visit.request.method == "POST":
        await read_form(visit)
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
                    return Response(None, 303, {"location": here(visit.request)})
                return _signed_in(visit, session.token, f"{MOUNT}/")
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
        "secure": visit.secure or (around.on_loopback and is_loopback(urlsplit(visit.base).hostname or "")),
    }
    return Page("setup.html", "Set up", data, 400 if problem else 200)


async def sign_in(around: Surroundings, visit: Visit) -> Result:
    following = safe_next(visit.query("next"))
    if visit.session is not None:
        return Response(None, 303, {"location": following})
    access = around.access
    problem, headers, name, status = "", {}, "", 200
    if visit.request.method == "POST":
        await read_form(visit)
        name = visit.form.get("username", "").strip()
        came, session = await access.sign_in(name, visit.form.get("password", ""), visit.client)
        if session is not None:
            return _signed_in(visit, session.token, following)
        if came == "wait":
            wait_s = access.wait_s(visit.address) or 1.0
            headers, status = {"retry-after": f"{wait_s:.0f}"}, 429
            problem = f"Too many tries failed. Try again in {words.seconds(wait_s)}."
        elif came in {"crowded", "busy"}:
            status = 429 if came == "crowded" else 503
            headers = {"retry-after": str(BUSY_S)}
            problem = "Too many are signing in at this moment. Try again in some seconds."
        else:
            status, problem = 403, "There is no user with this name and this password."
    return Page(
        "sign_in.html",
        "Sign in",
        {"owned": access.owned, "name": name, "problem": problem},
        status,
        headers,
    )


async def sign_out(around: Surroundings, visit: Visit) -> Result:
    if visit.session is not None:
        await read_form(visit)
        await around.access.sign_out(visit.session.token)
    response = Response(None, 303, {"location": f"{MOUNT}/sign-in"})
    set_cookie(response, visit, COOKIE, "", 0)
    return response


async def theme(around: Surroundings, visit: Visit) -> Result:
    await read_form(visit)
    theme = visit.form.get("theme", "")
    response = Response(None, 303, {"location": safe_next(visit.form.get("next", ""))})
    if theme in THEMES:
        set_cookie(response, visit, THEME_COOKIE, theme, SESSION_VALID_S)
    else:
        set_cookie(response, visit, THEME_COOKIE, "", 0)
    return response


def _signed_in(visit: Visit, token: str, path: str) -> Response:
    response = Response(None, 303, {"location": path})
    set_cookie(response, visit, COOKIE, token, SESSION_VALID_S)
    return response


#: Addresses that need no session: path, methods, function.
DOORS: tuple[tuple[str, tuple[str, ...], Handler], ...] = (
    ("/setup/{token}", ("GET", "POST"), setup),
    ("/sign-in", ("GET", "POST"), sign_in),
    ("/sign-out", ("POST",), sign_out),
    ("/theme", ("POST",), theme),
)
