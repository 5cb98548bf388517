"""What is known of a request before anything is done for it: who asks, from where, and whether its form is one of ours."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from sternpost.console.access import is_form_token
from sternpost.console.surroundings import Surroundings, Visit
from sternpost.proxies import client_address, is_trusted

MOUNT = "/console"
COOKIE = "sternpost_session"
FORM_COOKIE = "sternpost_form"  #: of browsers that are not signed in: what their forms are bound to
THEME_COOKIE = "sternpost_theme"
THEMES = ("light", "dark")
FORM_BYTES_MAX = 64 * 1024
FORM_FIELDS_MAX = 1_100  #: a form that connects a destination has one per source

_HOST = re.compile(r"[A-Za-z0-9.\-_\[\]:]{1,255}")


def visit_of(around: Surroundings, request: Request) -> Visit:
    """Who asks, how they reached this server, and what their forms are bound to."""
    session = around.access.session(request.cookies.get(COOKIE, ""))
    peer = request.client.host if request.client is not None else ""
    proxies = around.trusted_proxies
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
        cookie=session.token if session else request.cookies.get(FORM_COOKIE) or secrets.token_urlsafe(16),
        base=f"{'https' if secure else 'http'}://{host}",
        secure=secure,
        theme=theme if theme in THEMES else "",
        address=client_address(peer, ",".join(request.headers.getlist("x-forwarded-for")), proxies),
    )


async def read_form(visit: Visit) -> None:
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


def set_cookie(response: Response, visit: Visit, name: str, value: str, age_s: int | None) -> None:
    response.set_cookie(
        name,
        value,
        max_age=age_s,
        path=f"{MOUNT}/",
        httponly=True,
        samesite="strict",
        secure=visit.secure,
    )


def wants_json(request: Request) -> bool:
    accept = request.headers.get("accept", "")
    return "application/json" in accept and "text/html" not in accept


def here(request: Request) -> str:
    """The path and query of a request, as the browser wrote them."""
    raw: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    path = raw.split(b"?")[0].decode("latin-1")
    query = request.scope.get("query_string", b"").decode("latin-1")
    return f"{path}?{query}" if query else path


def safe_next(path: str) -> str:
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


def path_of(scope: Mapping[str, Any]) -> str:
    path = str(scope.get("path", ""))[:200]
    # Whoever reads the log must not be able to use what the address holds.
    return f"{MOUNT}/setup/…" if path.startswith(f"{MOUNT}/setup/") else path
