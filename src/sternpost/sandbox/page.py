"""The page for people at /__sandbox/: visitors, accounts, events, diagnostics, MAU, switches.

Rendered here, readable without JavaScript; a small script asks every second whether anything changed and fetches the
page again. Nothing is loaded from another host, and the policy below holds the page to that (product.md, 6.2).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import jinja2
import msgspec

from sternpost.sandbox import limits, seed, switches
from sternpost.sandbox.control import diagnostics_view, summary_view
from sternpost.sandbox.identity import is_anonymous
from sternpost.sandbox.model import Reply, Request
from sternpost.sandbox.state import State

POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    b"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = (
    (b"content-security-policy", POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)
_HERE = Path(__file__).parent
_FILES = {
    "/__sandbox/page.css": ((_HERE / "static" / "page.css").read_bytes(), b"text/css; charset=utf-8"),
    "/__sandbox/page.js": ((_HERE / "static" / "page.js").read_bytes(), b"text/javascript; charset=utf-8"),
}


def respond(state: State, request: Request) -> Reply | None:
    """The page or one of its files; None for every other path."""
    if request.method != "GET":
        return None
    if request.path in ("/", "/__sandbox"):
        return Reply(302, headers=((b"location", b"/__sandbox/"),))
    file = _FILES.get(request.path)
    if file is not None:
        return Reply(200, file[0], file[1], _HEADERS)
    if request.path != "/__sandbox/":
        return None
    html = _TEMPLATE.render(_content(state, request))
    return Reply(200, html.encode(errors="replace"), b"text/html; charset=utf-8", _HEADERS)


def _content(state: State, request: Request) -> dict[str, Any]:
    kept = state.kept
    changed = {
        name: value for name, value in kept.switches.items() if value != switches.SWITCHES[name].default
    }
    diagnostics = diagnostics_view(state)
    counts: dict[str, int] = {}
    for diagnostic in diagnostics:
        counts[diagnostic["code"]] = counts.get(diagnostic["code"], 0) + 1
    return {
        "summary": summary_view(state, request.at_ms),
        "host": request.header(b"host") or "127.0.0.1:8090",
        "rows": limits.PAGE_ROWS_MAX,
        "seed": _seed(state),
        "visitors": [
            {
                "id": record_id,
                "anonymous": is_anonymous(record_id),
                "accounts": list(visitor.accounts),
                "fields": _groups(visitor.metadata()),
                "seen": visitor.last_visit_ms or visitor.updated_ms,
                "opted_out": state.do_not_process("visitor", record_id),
            }
            for record_id, visitor in _last(kept.visitors.items())
        ],
        "accounts": [
            {
                "id": record_id,
                "fields": _groups(account.metadata()),
                "seen": account.last_visit_ms or account.updated_ms,
                "opted_out": state.do_not_process("account", record_id),
            }
            for record_id, account in _last(kept.accounts.items())
        ],
        "events": list(_last(state.events)),
        "diagnostics": diagnostics[: -limits.PAGE_ROWS_MAX - 1 : -1],
        "diagnostic_counts": sorted(counts.items(), key=lambda item: -item[1]),
        "diagnostics_total": len(diagnostics),
        "requests": list(_last(state.requests)),
        "switches": switches.describe(kept.switches),
        "changed": changed,
        "choices": {
            name: switch.allowed.values
            for name, switch in switches.SWITCHES.items()
            if isinstance(switch.allowed, switches.Choice)
        },
    }


def _seed(state: State) -> list[tuple[str, str, str]]:
    writing, reading = seed.integration_keys(state.region)
    return [
        ("App key, web", seed.APP_KEY_WEB, "apiKey; /agent/static/…, /data/ptm.gif/…"),
        ("App key, mobile", seed.APP_KEY_MOBILE, "apiKey"),
        ("Integration key, read and write", writing, "integrationKey; /api/v1/…"),
        ("Integration key, read only", reading, "/api/v1/…, no writes"),
        ("Track event secret, web", seed.TRACK_SECRET_WEB, "trackEventSecret; /data/track"),
        ("Track event secret, mobile", seed.TRACK_SECRET_MOBILE, "trackEventSecret of the mobile app"),
        (f"JWT key {seed.JWT_KEY_NAME} (HS256)", seed.JWT_SECRET, "signs visitor and account for the agent"),
    ]


def _groups(metadata: dict[str, dict[str, Any]]) -> list[tuple[str, list[tuple[str, str]]]]:
    """The groups that hold something, each with its first fields as short texts."""
    return [
        (group, [(key, _short(value)) for key, value in islice(fields.items(), 30)])
        for group, fields in metadata.items()
        if fields
    ]


def _last(entries: Iterable[Any]) -> Iterable[Any]:
    """The newest rows first; dictionaries and deques both know their order backwards."""
    return islice(reversed(entries), limits.PAGE_ROWS_MAX)  # type: ignore[call-overload]


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= limits.PAGE_CELL_CHARS else f"{text[: limits.PAGE_CELL_CHARS]}…"


def _clock(ms: int | None) -> str:
    return _moment(ms, "%H:%M:%S")


def _iso(ms: int | None) -> str:
    return _moment(ms, "%Y-%m-%dT%H:%M:%SZ")


def _moment(ms: int | None, form: str) -> str:
    if ms is None:
        return "–"
    try:
        return datetime.fromtimestamp(ms / 1000, UTC).strftime(form)
    except (ValueError, OverflowError, OSError):
        return str(ms)


_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)
_ENVIRONMENT.filters |= {
    "short": _short,
    "clock": _clock,
    "iso": _iso,
    "number": lambda number: f"{number:,}",
    "json": lambda value: msgspec.json.encode(value).decode(),
}
_TEMPLATE = _ENVIRONMENT.get_template("page.html")
