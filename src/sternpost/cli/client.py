"""Talking to a running server: where it is, with which token, and what its answers mean.

`--url` names a server; otherwise it is the one of the data directory, which says in `server.json` where it listens. The token of that
directory is sent only to that server, or to another one on this machine: a local secret is nobody else's.

The standard library's client: a command is one request, and starts faster without a framework.
"""

from __future__ import annotations

import http.client
import json
import os
import shlex
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import click

from sternpost import __version__, access
from sternpost.commandline import CommandLine, program_here
from sternpost.errors import CommandError, UsageError

DATA_DIRS = (Path("sternpost-data"), Path("sternpost-demo"))
SERVER_FILE = "server.json"
TIMEOUT_S = 15.0
BODY_BYTES_MAX = 64 * 1024 * 1024  #: of an answer; the largest are lists with requests and replies
ERROR_CHARS_MAX = 300  #: of an answer that is not ours
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP reply, read whole."""

    status: int
    headers: Mapping[str, str]  #: names in lower case
    body: bytes


@dataclass(frozen=True, slots=True)
class Address:
    """Where to look for the server, as options say it."""

    url: str = ""
    data_dir: Path | None = None
    token_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: its address and the token for its API, "" when there is none."""

    url: str
    token: str
    data_dir: Path | None = None

    def get(self, path: str, **query: str | None) -> Any:
        return self.call("GET", path, query=query)

    def every(self, path: str, name: str) -> Iterator[Any]:
        """The entries of a list, whose member is `name`, page by page as they are taken."""
        after: str | None = None
        while True:
            page = self.get(path, after=after)
            yield from page[name]
            after = page.get("next")
            if after is None:
                return

    def post(self, path: str, content: Any, **query: str | None) -> Any:
        return self.call("POST", path, content=content, query=query)

    def call(
        self,
        method: str,
        path: str,
        *,
        content: Any = None,
        query: Mapping[str, str | None] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> Any:
        """What the API answers. Raises CommandError with its sentence when it refuses."""
        answer = self.ask(method, path, content=content, query=query, timeout_s=timeout_s)
        if answer.status >= 300:
            raise CommandError(refusal(answer, self.url))
        return decoded(answer, self.url)

    def ask(
        self,
        method: str,
        path: str,
        *,
        content: Any = None,
        query: Mapping[str, str | None] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> Answer:
        """The API's answer whatever its status. Raises CommandError when none came."""
        headers = self.headers()
        body = None
        if content is not None:
            body = json.dumps(content).encode()
            headers["Content-Type"] = "application/json"
        return send(self.url, method, path_of(path, query), headers=headers, body=body, timeout_s=timeout_s)

    def headers(self) -> dict[str, str]:
        headers = {"User-Agent": f"sternpost-cli/{__version__}", "Accept": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        return headers


def server_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--url --data-dir --token-file`, gathered into one `address`."""

    def gather(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
        assert param.name is not None
        found: dict[str, str | None] = ctx.meta.setdefault("sternpost.address", {})
        found[param.name] = value

    for option in (
        click.option(
            "--token-file",
            metavar="FILE",
            expose_value=False,
            callback=gather,
            help="File with the API token; default: STERNPOST_API_TOKEN, else the data directory's.",
        ),
        click.option(
            "--data-dir",
            metavar="DIR",
            expose_value=False,
            callback=gather,
            help="Talk to the server of this directory; default: ./sternpost-data, then ./sternpost-demo.",
        ),
        click.option(
            "--url",
            metavar="URL",
            envvar="STERNPOST_URL",
            expose_value=False,
            callback=gather,
            help="Address of the server; default: the one of the data directory.",
        ),
    ):
        function = option(function)
    return function


SERVER_OPTIONS = ("url", "data_dir", "token_file")


def address_of(ctx: click.Context) -> Address:
    """The options of `server_options`."""
    found: Mapping[str, str | None] = ctx.meta.get("sternpost.address", {})
    return Address(
        url=(found.get("url") or "").strip(),
        data_dir=_path(found.get("data_dir")),
        token_file=_path(found.get("token_file")),
    )


def commands(ctx: click.Context) -> CommandLine:
    """What stands around the words of another command that is to find the same server."""
    address = address_of(ctx)
    given = (
        ("--url", address.url),
        ("--data-dir", address.data_dir),
        ("--token-file", address.token_file),
    )
    options = (f" {name} {shlex.quote(str(value))}" for name, value in given if value)
    return CommandLine(program_here(), "".join(options))


def find(address: Address, env: Mapping[str, str] = os.environ) -> Server:
    """The server that is meant. Raises CommandError with what to do when none runs."""
    if address.url:
        url = checked_url(address.url)
        return Server(url, _token_for(url, address, env))
    for data_dir in data_dirs(address, env):
        url = running(data_dir)
        if url:
            return Server(url, _token(data_dir, address, env), data_dir)
    raise CommandError(none_runs(data_dirs(address, env)))


def data_dirs(address: Address, env: Mapping[str, str]) -> Sequence[Path]:
    """Where to look for a server: what is set, else the two default places."""
    if address.data_dir is not None:
        return (address.data_dir,)
    if env.get("STERNPOST_DATA_DIR") or Path("sternpost.toml").exists():
        from sternpost.settings import resolve

        found = resolve({}, env, Path("sternpost.toml")).data_dir
        if found != DATA_DIRS[0]:
            return (found,)
    return DATA_DIRS


def running(data_dir: Path) -> str:
    """The address of the server of a data directory, "" when none answers there.

    A killed server leaves its file behind, and then nobody holds the lock. Where the lock cannot be seen, its address is tried.
    """
    try:
        found = json.loads((data_dir / SERVER_FILE).read_bytes())
        url = checked_url(found["url"])
    except (OSError, ValueError, TypeError, KeyError, UsageError):
        return ""
    try:
        return url if send(url, "GET", "/health", headers={}, body=None, timeout_s=5).status else ""
    except CommandError:
        return ""


def none_runs(places: Sequence[Path]) -> str:
    """The sentence for a command that found no server."""
    shown = " or ".join(access.shown(place) for place in places)
    for place in places:
        holder = access.locked_by(place)
        if holder is not None:
            who = f"process {holder}" if holder else "a process"
            return (
                f"The server of {access.shown(place)} ({who}) does not answer. It may be starting or stopping; "
                "try again, or look at its log."
            )
    hint = "" if len(places) > 1 else f" --data-dir {shlex.quote(str(places[0]))}"
    return f"No server runs on {shown}. Start one with: {program_here()} serve{hint}. Or give --url the address of one."


def checked_url(url: str) -> str:
    """An address without a slash at its end. Raises UsageError when it is none."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    try:
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 80) > 0
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment or parts.username:
        raise UsageError(f'--url: "{url}" is not the address of a server. Write http://127.0.0.1:8080.')
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def path_of(path: str, query: Mapping[str, str | None] | None) -> str:
    given = {name: value for name, value in (query or {}).items() if value is not None}
    return f"{path}?{urlencode(given)}" if given else path


def segment(text: str) -> str:
    """Any text as one segment of a path."""
    return quote(text, safe="")


def connect(url: str, timeout_s: float) -> tuple[http.client.HTTPConnection, str]:
    """A connection to a server, not yet opened, and the beginning of its paths."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, parts.port, timeout=timeout_s, context=context), parts.path
    return http.client.HTTPConnection(host, parts.port, timeout=timeout_s), parts.path


def send(
    url: str,
    method: str,
    path: str,
    *,
    headers: Mapping[str, str],
    body: bytes | None,
    timeout_s: float = TIMEOUT_S,
) -> Answer:
    """One request. Raises CommandError when no answer came."""
    connection, beginning = connect(url, timeout_s)
    try:
        connection.request(method, beginning + path, body=body, headers=dict(headers))
        reply = connection.getresponse()
        content = reply.read(BODY_BYTES_MAX)
        return Answer(reply.status, {name.lower(): value for name, value in reply.getheaders()}, content)
    except (OSError, http.client.HTTPException) as error:
        raise CommandError(no_answer(url, error)) from error
    finally:
        connection.close()


def no_answer(url: str, error: Exception) -> str:
    """The sentence for a request without an answer."""
    match error:
        case ConnectionRefusedError():
            return f"Nothing answers at {url}. Start one with: {program_here()} serve (or demo), or correct --url."
        case TimeoutError():
            return f"{url} did not answer in time. The server may be overloaded; its log says more."
        case ssl.SSLCertVerificationError():
            return f"The certificate of {url} is not trusted ({error.verify_message}). Set SSL_CERT_FILE to its authority."
        case ssl.SSLError():
            return f"{url} does not speak TLS as expected. Is it http:// instead of https://?"
        case http.client.HTTPException() | ConnectionError():
            return f"The connection to {url} broke before the answer came. Try again."
        case OSError() if error.strerror:
            return f"{url} cannot be reached ({error.strerror.lower()}). Correct --url."
        case _:
            return f"{url} cannot be reached ({error}). Correct --url."


def decoded(answer: Answer, url: str) -> Any:
    """The JSON of an answer. Raises CommandError when it is none: then it is probably another server."""
    if not answer.body:
        return None
    try:
        return json.loads(answer.body)
    except ValueError:
        raise CommandError(
            f"{url} did not answer with JSON. Is it a Sternpost server? Check --url."
        ) from None


def refusal(answer: Answer, url: str) -> str:
    """The sentence of an answer that is an error: the API's own, else what its status tells."""
    try:
        content = json.loads(answer.body)
    except ValueError:
        content = None
    error = content.get("error") if isinstance(content, dict) else None
    if isinstance(error, dict) and error.get("message"):
        return f"{error['message']} {error.get('remedy') or ''}".rstrip()
    if answer.status in {401, 403}:
        return (
            f"{url} does not accept the API token. Set STERNPOST_API_TOKEN, or give --token-file "
            "DIR/api-token of the server's data directory."
        )
    shown = answer.body[:ERROR_CHARS_MAX].decode(errors="replace").strip()
    return f"{url} answered {answer.status}{f': {shown}' if shown else ''}. Is it a Sternpost server?"


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a stream. The first one, with the kind "open", says that the server has begun."""

    kind: str  #: "" for most
    data: str


def stream(
    server: Server, path: str, query: Mapping[str, str | None], *, silence_s: float
) -> Iterator[Message]:
    """The messages of a stream of server-sent events until it ends.

    Raises CommandError when it is refused, OSError or HTTPException when the connection fails or is silent for too long.
    """
    connection, beginning = connect(server.url, silence_s)
    headers = server.headers() | {"Accept": "text/event-stream"}
    try:
        connection.request("GET", beginning + path_of(path, query), headers=headers)
        reply = connection.getresponse()
        if reply.status != 200:
            body = reply.read(BODY_BYTES_MAX)
            raise CommandError(refusal(Answer(reply.status, {}, body), server.url))
        yield Message("open", "")
        kind, data = "", ""
        while raw := reply.readline():
            line = raw.decode(errors="replace").rstrip("\r\n")
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "data":
                data += value
            elif name == "event":
                kind = value
            elif not line:
                if data:
                    yield Message(kind, data)
                kind, data = "", ""
    finally:
        connection.close()


def _token_for(url: str, address: Address, env: Mapping[str, str]) -> str:
    """The token for a server that was named by its address."""
    if address.token_file is not None or env.get(access.TOKEN_VARIABLE):
        return _token(Path(), address, env)
    if address.data_dir is not None:
        return _token(address.data_dir, address, env)
    # A local token must not leave the machine because of a mistyped address.
    if urlsplit(url).hostname in LOOPBACK:
        for data_dir in data_dirs(address, env):
            if _written_url(data_dir) == url:
                return _token(data_dir, address, env)
        for data_dir in data_dirs(address, env):
            if token := access.find_api_token(data_dir, env):
                return token
    return ""


def _token(data_dir: Path, address: Address, env: Mapping[str, str]) -> str:
    if address.token_file is not None:
        return access.read_token_file(address.token_file)
    return access.find_api_token(data_dir, env) or ""


def _written_url(data_dir: Path) -> str:
    try:
        return str(json.loads((data_dir / SERVER_FILE).read_bytes())["url"])
    except (OSError, ValueError, TypeError, KeyError):
        return ""


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None
