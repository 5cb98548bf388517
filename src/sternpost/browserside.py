"""What browsers fetch: `/sourceConfig`, the SDK and the Pendo integration under `/lib/`, and the health that pages report.

Everything is answered from memory; the availability of `/sourceConfig` decides about all data of a page. No redirect anywhere: after a
preflight a redirect is a failure.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from starlette.types import Receive, Scope, Send

from sternpost import builds
from sternpost.keys import SourceKeys
from sternpost.model import Source, Workspace
from sternpost.wire import auth, cors
from sternpost.wire.sourceconfig import source_config

HEALTH_BODY_BYTES_MAX = 4_096  #: a report has about two hundred bytes
HEALTH_ENTRIES_MAX = 500  #: (destination, state, page) kept; the oldest go
AGENT_STATES = frozenset({"loaded", "blocked", "failed", "slow"})
LIB_CACHE = b"public, max-age=300"  #: an update of the server reaches pages within minutes; the ETag makes the look cheap
BUILD_CACHE = (
    b"public, max-age=31536000, immutable"  #: what has its build's mark in the address never changes
)


@dataclass(slots=True)
class AgentReport:
    """What pages said about Pendo's agent: alike ones are counted."""

    source_id: str
    destination_id: str
    state: str
    page: str  #: origin of the page, no path: it may hold personal data
    detail: str
    first_at: float
    last_at: float
    count: int = 1


@dataclass(slots=True)
class AgentHealth:
    """The newest reports, bounded."""

    _reports: OrderedDict[tuple[str, str, str, str], AgentReport] = field(default_factory=OrderedDict)

    def add(
        self, source_id: str, destination_id: str, state: str, page: str, detail: str, now: float
    ) -> None:
        key = (source_id, destination_id, state, page)
        known = self._reports.get(key)
        if known is not None:
            known.count += 1
            known.last_at = now
            known.detail = detail
            self._reports.move_to_end(key)
            return
        self._reports[key] = AgentReport(source_id, destination_id, state, page, detail, now, now)
        while len(self._reports) > HEALTH_ENTRIES_MAX:
            self._reports.popitem(last=False)

    def of(self, destination_id: str) -> list[AgentReport]:
        """What was said about one destination, the latest last."""
        return [report for report in self._reports.values() if report.destination_id == destination_id]


@dataclass(frozen=True, slots=True)
class _File:
    content_type: bytes
    body: bytes
    packed: bytes  #: gzip, made once
    etag: bytes


class BrowserSide:
    """The ASGI app for these addresses."""

    def __init__(
        self,
        *,
        workspace: Callable[[], Workspace],
        health: AgentHealth,
        clock: Callable[[], float] = time.time,
        builds_dir: Path | None = None,
    ) -> None:
        """`builds_dir`: where second files of former builds are kept; None: nowhere."""
        self._workspace = workspace
        self._health = health
        self._clock = clock
        self._files = _built_files()
        own = self._files[builds.SECOND_FILE].body
        kept = builds.keep(builds_dir, own) if builds_dir is not None else {builds.mark_of(own): own}
        self._second_files = {mark: _packed(_SCRIPT, body) for mark, body in kept.items()}
        self._for: Workspace | None = None
        self._changed_at = ""
        self._sources = SourceKeys()
        self._answers: dict[str, tuple[bytes, bytes]] = {}

    @staticmethod
    def handles(path: str) -> bool:
        """Whether a path is this app's."""
        return path in {"/sourceConfig", "/sourceConfig/"} or path.startswith("/lib/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        origin = headers.get(b"origin", b"")
        method: str = scope["method"]
        path: str = scope["path"]
        if method == "OPTIONS" and b"access-control-request-method" in headers:
            wanted = headers[b"access-control-request-method"]
            await _send(
                send,
                204,
                cors.on_preflight(origin, wanted, headers.get(b"access-control-request-headers", b"")),
                b"",
            )
            return
        allowed = cors.on_answer(origin, method)
        if path == "/lib/health":
            if method != "POST":
                await _send(send, 405, (*allowed, (b"allow", b"POST")), b"")
                return
            await self._report(scope, receive, headers)
            await _send(send, 204, allowed, b"")
        elif method not in {"GET", "HEAD"}:
            await _send(send, 405, (*allowed, (b"allow", b"GET, HEAD")), b"")
        elif path.startswith("/lib/"):
            query: bytes = scope.get("query_string", b"")
            await self._file(send, path.removeprefix("/lib/"), query, headers, head=method == "HEAD")
        else:
            await self._config(send, scope, headers, allowed, head=method == "HEAD")

    # --- /sourceConfig ---------------------------------------------------------------------------------------------

    async def _config(
        self, send: Send, scope: Scope, headers: Mapping[bytes, bytes], allowed: cors.Headers, *, head: bool
    ) -> None:
        query: bytes = scope.get("query_string", b"")
        write_key = auth.write_key_of_header(headers.get(b"authorization", b"")) or auth.write_key_of_query(
            query
        )
        if head and b"view=ad" in query.split(b"&"):
            await _send(send, 200, allowed, b"")
            return
        workspace = self._workspace()
        if workspace is not self._for:
            self._take(workspace)
        source = self._sources.find(write_key, self._clock())
        if source is None:
            reason = b"write_key_unknown" if write_key else b"write_key_missing"
            body = json.dumps(
                {
                    "message": "No source has this write key."
                    if write_key
                    else "The request carries no write key."
                }
            ).encode()
            await _send(send, 401, (*allowed, _JSON, (b"sternpost-reason", reason)), body, head=head)
            return
        origin = headers.get(b"origin", b"").decode("latin-1")
        if origin and source.allowed_origins and origin not in source.allowed_origins:
            body = json.dumps({"message": "The page's origin is not on the source's list."}).encode()
            await _send(
                send,
                403,
                (*allowed, _JSON, (b"sternpost-reason", b"origin_not_allowed")),
                body,
                head=head,
            )
            return
        body, etag = self._answer(source, workspace)
        cached = (*allowed, (b"etag", etag), (b"cache-control", b"no-cache"))
        if etag in headers.get(b"if-none-match", b""):
            await _send(send, 304, cached, b"")
        else:
            await _send(send, 200, (*cached, _JSON), body, head=head)

    def _take(self, workspace: Workspace) -> None:
        self._for = workspace
        self._changed_at = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(self._clock()))
        self._sources = SourceKeys(workspace)
        self._answers = {}

    def _answer(self, source: Source, workspace: Workspace) -> tuple[bytes, bytes]:
        made = self._answers.get(source.id)
        if made is None:
            body = json.dumps(
                source_config(source, workspace, updated_at=self._changed_at), separators=(",", ":")
            ).encode()
            made = self._answers[source.id] = (body, _etag(body))
        return made

    # --- /lib/ -----------------------------------------------------------------------------------------------------

    async def _file(
        self, send: Send, name: str, query: bytes, headers: Mapping[bytes, bytes], *, head: bool
    ) -> None:
        # The second file of the first one's build, whatever is the present one.
        is_build = name == builds.SECOND_FILE and _MARK.fullmatch(query) is not None
        found = self._second_files.get(query.decode("ascii")) if is_build else self._files.get(name)
        # Scripts are public; `*` lets a page check their integrity.
        common = ((b"access-control-allow-origin", b"*"), (b"vary", b"Accept-Encoding"))
        if found is None:
            await _send(
                send,
                404,
                (*common, (b"cache-control", b"no-store")),
                b"404 page not found\n",
                head=head,
            )
            return
        cached = (
            *common,
            (b"etag", found.etag),
            (b"cache-control", BUILD_CACHE if is_build else LIB_CACHE),
            (b"cross-origin-resource-policy", b"cross-origin"),
        )
        if found.etag in headers.get(b"if-none-match", b""):
            await _send(send, 304, cached, b"")
        elif b"gzip" in headers.get(b"accept-encoding", b""):
            answer = (*cached, (b"content-type", found.content_type), (b"content-encoding", b"gzip"))
            await _send(send, 200, answer, found.packed, head=head)
        else:
            await _send(send, 200, (*cached, (b"content-type", found.content_type)), found.body, head=head)

    # --- /lib/health -----------------------------------------------------------------------------------------------

    async def _report(self, scope: Scope, receive: Receive, headers: Mapping[bytes, bytes]) -> None:
        """Take note of a page's report. A malformed one is dropped: the page must not be harmed by it, nor we."""
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if len(body) > HEALTH_BODY_BYTES_MAX or message["type"] != "http.request":
                return
            if not message.get("more_body"):
                break
        workspace = self._workspace()
        if workspace is not self._for:
            self._take(workspace)
        source = self._sources.find(auth.write_key_of_query(scope.get("query_string", b"")), self._clock())
        report: Any = None
        with contextlib.suppress(ValueError, RecursionError):
            report = json.loads(body)
        if source is None or not isinstance(report, dict):
            return
        destination, state = report.get("destination"), report.get("state")
        if (
            not isinstance(destination, str)
            or workspace.connection(source.id, destination) is None
            or state not in AGENT_STATES
        ):
            return
        page = headers.get(b"origin", b"").decode("latin-1")[:200]
        self._health.add(
            source.id, destination, state, page, str(report.get("detail", ""))[:200], self._clock()
        )


_JSON = (b"content-type", b"application/json")
_SCRIPT = b"text/javascript; charset=utf-8"
_MARK = re.compile(rb"[\w-]{4}")


def _etag(body: bytes) -> bytes:
    return b'"' + hashlib.sha256(body).hexdigest()[:20].encode() + b'"'


def _packed(kind: bytes, body: bytes) -> _File:
    return _File(kind, body, gzip.compress(body, 9, mtime=0), _etag(body))


def _built_files() -> dict[str, _File]:
    """The files under static/lib, by their path below `/lib/`."""
    found: dict[str, _File] = {}

    def walk(folder: Traversable, prefix: str) -> None:
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
            if entry.is_dir():
                walk(entry, f"{prefix}{entry.name}/")
            elif entry.name.endswith((".js", ".map")):
                kind = _SCRIPT if entry.name.endswith(".js") else b"application/json"
                found[prefix + entry.name] = _packed(kind, entry.read_bytes())

    root = files("sternpost") / "static" / "lib"
    if root.is_dir():
        walk(root, "")
    return found


async def _send(send: Send, status: int, headers: cors.Headers, body: bytes, *, head: bool = False) -> None:
    content = () if status in {204, 304} else ((b"content-length", str(len(body)).encode()),)
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [*headers, *content, (b"x-content-type-options", b"nosniff")],
        }
    )
    await send({"type": "http.response.body", "body": b"" if head else body})
