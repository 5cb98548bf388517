"""The demo shop at /demo/: a page with the browser SDK and the sandbox's agent, what became of its events, and what the sandbox holds.

    /demo/                         the page; ?mode=device|cloud|hybrid, ?sdk=rudderstack
    /demo/snippet.js               the snippet of docs/how-to/add-the-snippet.md with the write key of the mode
    /demo/rudderstack.js           RudderStack's own SDK, where this checkout has it in node_modules; never shipped
    /demo/page.css, shop.js …      its files
    /demo/recent/{anonymousId}     the newest events of a visitor and their fate, shortened; so that no API token is in a page
    /demo/sandbox-state            what the sandbox holds, shortened (the sandbox lets no other origin read it)

The page loads nothing but from this server and the sandbox, and its policy holds it to that. Nothing here changes anything.
"""

from __future__ import annotations

import contextlib
import html
import json
import re
import shlex
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import parse_qs, unquote

from starlette.types import ASGIApp, Receive, Scope, Send

from sternpost.commandline import INSTALLED, CommandLine
from sternpost.demo.shown import Shopfront, recent, sandbox_state

#: The API's answer about the newest events of an anonymousId, None when it cannot say.
Recent: TypeAlias = Callable[[str], Awaitable[Mapping[str, Any] | None]]

SANDBOX_TIMEOUT_S = 5.0
#: The sandbox keeps a bounded amount; it is shortened before it reaches the page.
SANDBOX_BYTES_MAX = 32 * 1024 * 1024
#: Ids that SDKs make. Another one is not looked up, so that none can be more than a value of the filter.
ANONYMOUS_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")

_HERE = Path(__file__).parent / "static"
_CHECKOUT = Path(__file__).resolve().parents[3]
_PAGE = (_HERE / "page.html").read_text()
_SNIPPET = (_HERE / "snippet.js").read_text()
_FOR_RUDDERSTACK = (_HERE / "rudderstack-load.js").read_text()
_JS = "text/javascript; charset=utf-8"
_TEXT = "text/plain; charset=utf-8"
_FILES = {
    f"/demo/{name}": ((_HERE / name).read_bytes(), kind)
    for name, kind in (("page.css", "text/css; charset=utf-8"), ("shop.js", _JS), ("panel.js", _JS))
}
_MODE_WORDS = {
    "hybrid": (
        "Hybrid",
        "Pendo’s agent runs in the page for guides; visitors, accounts and track events go through the server.",
    ),
    "device": ("Device", "Pendo’s agent in the page sends everything; the server keeps a record."),
    "cloud": ("Cloud", "No agent in the page; the server sends everything."),
}
#: Where `make test` puts RudderStack's SDK, below the checkout.
_RUDDERSTACK = "node_modules/@rudderstack/analytics-js/dist/npm/modern/bundled/umd/index.js"


def rudderstack_sdk(checkout: Path = _CHECKOUT) -> bytes | None:
    """RudderStack's own SDK as npm installed it into this checkout; None in an installed package, which has none."""
    if not (checkout / "pyproject.toml").is_file():
        return None
    found = (checkout / folder / _RUDDERSTACK for folder in ("browser", "tests/clients"))
    return next((path.read_bytes() for path in found if path.is_file()), None)


def create_app(
    *,
    sandbox_url: Callable[[], str],
    shopfronts: Callable[[], Sequence[Shopfront]],
    events_of: Recent,
    read_sandbox: Callable[[str], Awaitable[Any]] | None = None,
    rudderstack: bytes | None = None,
    commands: CommandLine = INSTALLED,
) -> ASGIApp:
    """The app for every path that begins with `/demo`.

    `sandbox_url` and `shopfronts` are asked at each request: the port may be known only after the sandbox listens, and the workspace may
    change. `read_sandbox` reads the JSON at an address; None = over HTTP. `rudderstack` is the genuine SDK, None where there is none. `commands` is how people start ours here.
    """
    read = read_sandbox or _read_json

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        if scope["method"] not in {"GET", "HEAD"}:
            await _answer(send, 405, b"This path takes GET.\n", _TEXT)
        elif path == "/demo":
            await _answer(send, 307, b"", _TEXT, (b"location", b"/demo/"))
        elif path in {"/demo/", "/demo/snippet.js"}:
            fronts = shopfronts()
            front = next(
                (one for one in fronts if one.mode in query.get("mode", ())), fronts[0] if fronts else None
            )
            is_genuine = rudderstack is not None and "rudderstack" in query.get("sdk", ())
            if front is None:
                await _answer(send, 404, b"No web source of the workspace is connected to Pendo.\n", _TEXT)
            elif path == "/demo/":
                address = sandbox_url()
                content = _render(
                    front,
                    fronts,
                    commands,
                    sandbox_url=address,
                    offers=rudderstack is not None,
                    is_genuine=is_genuine,
                )
                policy = (b"content-security-policy", _policy(address))
                await _answer(send, 200, content, "text/html; charset=utf-8", policy)
            else:
                script = _FOR_RUDDERSTACK if is_genuine else _SNIPPET
                await _answer(send, 200, _with_key(script, front.write_key), _JS)
        elif path == "/demo/rudderstack.js" and rudderstack is not None:
            await _answer(send, 200, rudderstack, _JS)
        elif path in _FILES:
            content, kind = _FILES[path]
            await _answer(send, 200, content, kind)
        elif path == "/demo/sandbox-state":
            await _json(send, await _sandbox_state(read, sandbox_url()))
        elif path.startswith("/demo/recent/"):
            raw: bytes = scope.get("raw_path") or path.encode()
            anonymous_id = unquote(raw.split(b"?")[0].decode("latin-1").removeprefix("/demo/recent/"))
            found = await events_of(anonymous_id) if ANONYMOUS_ID.fullmatch(anonymous_id) else None
            await _json(send, recent(found))
        else:
            await _answer(send, 404, b"There is no such page; the shop is at /demo/.\n", _TEXT)

    return app


def _render(
    front: Shopfront,
    fronts: Sequence[Shopfront],
    commands: CommandLine,
    *,
    sandbox_url: str,
    offers: bool,
    is_genuine: bool,
) -> bytes:
    def address(mode: str, *, genuine: bool) -> str:
        return f"?mode={mode}&amp;sdk=rudderstack" if genuine else f"?mode={mode}"

    def choice(words: str, target: str, *, chosen: bool) -> str:
        mark = ' aria-current="true"' if chosen else ""
        return f'<a href="{target}"{mark}>{html.escape(words)}</a>'

    modes = "".join(
        choice(
            _MODE_WORDS[one.mode][0],
            address(one.mode, genuine=is_genuine),
            chosen=one.mode == front.mode,
        )
        for one in fronts
    )
    sdks = choice("Sternpost’s SDK", address(front.mode, genuine=False), chosen=not is_genuine)
    if offers:
        sdks += choice("RudderStack’s own SDK", address(front.mode, genuine=True), chosen=is_genuine)
    query = address(front.mode, genuine=is_genuine)
    scripts = (
        f'<script src="rudderstack.js"></script>\n<script src="snippet.js{query}"></script>'
        if is_genuine
        else f'<script src="snippet.js{query}"></script>\n<script async src="/lib/sp.min.js"></script>'
    )
    values = {
        "scripts": scripts,
        "modes": modes,
        "sdks": sdks,
        "mode_text": html.escape(_MODE_WORDS[front.mode][1]),
        "mode": front.mode,
        "write_key": html.escape(shlex.quote(front.write_key)),
        "program": html.escape(commands.program),
        "option": html.escape(commands.option),
        "sandbox_page": html.escape(f"{sandbox_url}/__sandbox/"),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: values[found[1]], _PAGE).encode()


def _with_key(script: str, write_key: str) -> bytes:
    return script.replace('"WRITE_KEY"', json.dumps(write_key)).encode()


def _policy(sandbox_url: str) -> bytes:
    """What docs/how-to/csp.md says a page with Pendo needs, with the sandbox in Pendo's place."""
    return (
        f"default-src 'none'; script-src 'self' {sandbox_url}; style-src 'self'; img-src 'self' data: {sandbox_url}; "
        f"connect-src 'self' {sandbox_url}; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    ).encode()


async def _sandbox_state(read: Callable[[str], Awaitable[Any]], sandbox_url: str) -> Mapping[str, Any]:
    try:
        return sandbox_state(await read(f"{sandbox_url}/__sandbox/state"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {"error": f"The sandbox at {sandbox_url} does not answer."}


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
