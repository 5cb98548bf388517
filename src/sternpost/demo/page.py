"""The demo shop at /demo/: three buttons that send events, what the sandbox received, and the fate of each event.

    /demo/                    the page
    /demo/page.css, page.js   its files
    /demo/sandbox-state       what the sandbox holds, shortened (the sandbox lets no other origin read it)
    /demo/fate/{messageId}    the fate of an event of this page, shortened; so that no API token is in a page

The page loads nothing from another host, and its policy holds it to that. It speaks to the server as any web page does: with the
write key of a web source, at /v1/*. Nothing here changes anything.
"""

from __future__ import annotations

import contextlib
import html
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import unquote

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
#: The API's answer about a messageId, None when it is unknown.
Fate: TypeAlias = Callable[[str], Awaitable[Mapping[str, Any] | None]]

SANDBOX_TIMEOUT_S = 5.0
SANDBOX_BYTES_MAX = (
    32 * 1024 * 1024
)  #: the sandbox keeps a bounded amount; it is shortened before it reaches the page
SHOWN_MAX = 25  #: of visitors, accounts and events each: the newest
MESSAGE_ID_CHARS_MAX = 200

_HERE = Path(__file__).parent / "static"
_PAGE = (_HERE / "page.html").read_text()
_FILES = {
    "/demo/page.css": ((_HERE / "page.css").read_bytes(), "text/css; charset=utf-8"),
    "/demo/page.js": ((_HERE / "page.js").read_bytes(), "text/javascript; charset=utf-8"),
}


def create_app(
    *,
    sandbox_url: Callable[[], str],
    write_key: str,
    api: Fate,
    read_sandbox: Callable[[str], Awaitable[Any]] | None = None,
) -> ASGIApp:
    """The app for every path that begins with `/demo`.

    `sandbox_url` is asked at each request, since the port may be known only after the sandbox listens. `api` gives the fate of an
    event as `GET /api/v1/events/{messageId}` does. `read_sandbox` reads the JSON at an address; None = over HTTP.
    """
    read = read_sandbox or _read_json

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        if scope["method"] not in {"GET", "HEAD"}:
            await _answer(send, 405, b"This path takes GET.\n", "text/plain; charset=utf-8")
        elif path == "/demo":
            await _answer(send, 307, b"", "text/plain; charset=utf-8", (b"location", b"/demo/"))
        elif path == "/demo/":
            address = sandbox_url()
            content = _render(write_key=write_key, sandbox_url=address)
            await _answer(
                send, 200, content, "text/html; charset=utf-8", (b"content-security-policy", _policy(address))
            )
        elif path in _FILES:
            content, kind = _FILES[path]
            await _answer(send, 200, content, kind)
        elif path == "/demo/sandbox-state":
            await _json(send, await _sandbox_state(read, sandbox_url()))
        elif path.startswith("/demo/fate/"):
            raw: bytes = scope.get("raw_path") or path.encode()
            message_id = unquote(raw.split(b"?")[0].decode("latin-1").removeprefix("/demo/fate/"))
            found = await api(message_id) if 0 < len(message_id) <= MESSAGE_ID_CHARS_MAX else None
            await _json(send, _fate(found))
        else:
            await _answer(
                send, 404, b"There is no such page; the shop is at /demo/.\n", "text/plain; charset=utf-8"
            )

    return app


def _render(*, write_key: str, sandbox_url: str) -> bytes:
    page = _PAGE.replace("{{write_key}}", html.escape(write_key))
    return page.replace("{{sandbox_page}}", html.escape(f"{sandbox_url}/__sandbox/")).encode()


def _policy(sandbox_url: str) -> bytes:
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        f"connect-src 'self' {sandbox_url}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ).encode()


async def _sandbox_state(read: Callable[[str], Awaitable[Any]], sandbox_url: str) -> Mapping[str, Any]:
    """What the page shows of the sandbox: counts, and the newest of each kind."""
    try:
        state = await read(f"{sandbox_url}/__sandbox/state")
        visitors, accounts, events = state["visitors"], state["accounts"], state["events"]
        tracks = [event for event in events if event["type"] == "track"]
        return {
            "counts": {"visitors": len(visitors), "accounts": len(accounts), "events": len(tracks)},
            "visitors": _newest_visitors(visitors, tracks),
            "accounts": [
                {"id": account_id, "fields": _fields(account)}
                for account_id, account in list(accounts.items())[-SHOWN_MAX:][::-1]
            ],
            "events": [
                {
                    name: event.get(name)
                    for name in ("event", "visitorId", "accountId", "timestamp", "properties")
                }
                for event in tracks[-SHOWN_MAX:][::-1]
            ],
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {"error": f"The sandbox at {sandbox_url} does not answer."}


def _newest_visitors(
    visitors: Mapping[str, Any], tracks: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Those who did something last come first: who just pressed a button wants to see themselves."""
    last = {event["visitorId"]: number for number, event in enumerate(tracks)}
    order = {visitor: number for number, visitor in enumerate(visitors)}
    newest = sorted(visitors, key=lambda one: (last.get(one, -1), order[one]), reverse=True)[:SHOWN_MAX]
    return [
        {"id": one, "fields": _fields(visitors[one]), "accounts": list(visitors[one].get("accounts") or [])}
        for one in newest
    ]


def _fields(entry: Mapping[str, Any]) -> dict[str, Any]:
    metadata = entry.get("metadata") or {}
    return {
        name: value for group in ("agent", "custom") for name, value in (metadata.get(group) or {}).items()
    }


def _fate(found: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Of each destination only what the page says in a line."""
    events = (found or {}).get("events") or []
    if not events:
        return {"known": False, "destinations": []}
    names = ("destination", "state", "reason", "explanation", "remedy", "nextAttemptAt")
    return {
        "known": True,
        "destinations": [
            {name: entry.get(name) for name in names} for entry in events[0].get("destinations") or []
        ],
    }


async def _read_json(url: str) -> Any:
    """The JSON at an address on this machine. Raises OSError or ValueError."""
    import aiohttp

    try:
        timeout = aiohttp.ClientTimeout(total=SANDBOX_TIMEOUT_S)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(url, allow_redirects=False) as reply,
        ):
            content = bytearray()
            async for chunk in reply.content.iter_chunked(65_536):
                content += chunk
                if len(content) > SANDBOX_BYTES_MAX:
                    raise ValueError(url)
            return json.loads(content)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise OSError(str(error)) from error


async def _json(send: Send, content: Mapping[str, Any]) -> None:
    await _answer(send, 200, json.dumps(content).encode(), "application/json")


async def _answer(send: Send, status: int, body: bytes, kind: str, *headers: tuple[bytes, bytes]) -> None:
    with contextlib.suppress(OSError):
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [
                    (b"content-type", kind.encode()),
                    (b"content-length", str(len(body)).encode()),
                    (b"cache-control", b"no-store"),
                    (b"x-content-type-options", b"nosniff"),
                    (b"referrer-policy", b"no-referrer"),
                    *headers,
                ],
            }
        )
        await send({"type": "http.response.body", "body": body})
