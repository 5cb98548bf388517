"""Reading one visitor or account (pendo.md, "Visitors and accounts")."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

from sternpost.sandbox import seed
from sternpost.sandbox.limits import HISTORY_EVENTS_MAX
from sternpost.sandbox.metadata_routes import decoded_id
from sternpost.sandbox.model import Record, Reply, Request, json_reply, message_reply
from sternpost.sandbox.payload import query_of
from sternpost.sandbox.state import State, event_view

_BROWSERS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iOS"),
    ("iPad", "iOS"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS", "Mac OS X"),
    ("Linux", "Linux"),
)
_HISTORY_MS = 24 * 3_600_000  #: one day from `starttime`; the length of the period is not published


def get_visitor(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """`GET /api/v1/visitor/{id}` [S: OpenAPI]; 404 when unknown."""
    record_id = decoded_id(request, params["id"])
    visitor = state.kept.visitors.get(record_id)
    if visitor is None:
        return message_reply(404, "There is no visitor of that id.")
    return json_reply(
        200,
        {
            "id": record_id,
            "visitorId": record_id,
            "accountIds": list(visitor.accounts),
            "metadata": visitor_metadata(record_id, visitor),
        },
    )


def get_account(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """`GET /api/v1/account/{id}` [S: OpenAPI]; 404 when unknown."""
    record_id = decoded_id(request, params["id"])
    account = state.kept.accounts.get(record_id)
    if account is None:
        return message_reply(404, "There is no account of that id.")
    view = {"id": record_id, "accountId": record_id, "metadata": account_metadata(record_id, account)}
    parent, divided, _ = record_id.partition("::")
    if divided and state.switch("parentAccounts") == "on":
        view["parentAccountId"] = parent
    return json_reply(200, view)


def history(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """`GET /api/v1/visitor/{id}/history?starttime=ms`: the events of a day [S: OpenAPI; length A]."""
    record_id = decoded_id(request, params["id"])
    if record_id not in state.kept.visitors:
        return message_reply(404, "There is no visitor of that id.")
    start = query_of(request.query).get("starttime", "0")
    if not start.isdecimal():
        return message_reply(400, "starttime is a whole number of milliseconds.")
    first = int(start[:15])
    last = first + _HISTORY_MS if first else request.at_ms + _HISTORY_MS
    events = [
        event for event in state.events if event.visitor_id == record_id and first <= event.timestamp < last
    ]
    events.sort(key=lambda event: event.timestamp)
    return json_reply(200, {"results": [event_view(event) for event in events[:HISTORY_EVENTS_MAX]]})


def visitor_metadata(record_id: str, visitor: Record) -> dict[str, Any]:
    """All groups of a visitor, with the group auto as Pendo works it out [S: rows of `visitors`]."""
    auto = _auto(record_id, visitor) | {
        "accountid": visitor.last_account,
        "accountids": list(visitor.accounts),
        "lastbrowsername": _named(_BROWSERS, visitor.user_agent),
        "lastoperatingsystem": _named(_SYSTEMS, visitor.user_agent),
        "lastuseragent": visitor.user_agent or None,
    }
    metadata = visitor.metadata()
    metadata["auto"] = _present(auto) | metadata.get("auto", {})
    if visitor.first_visit_ms is not None:
        visits = {"firstvisit": visitor.first_visit_ms, "lastvisit": visitor.last_visit_ms, "id": record_id}
        metadata[f"auto__{seed.APP_IDS['web']}"] = visits
    return metadata


def account_metadata(record_id: str, account: Record) -> dict[str, Any]:
    """All groups of an account, with the group auto."""
    metadata = account.metadata()
    metadata["auto"] = _present(_auto(record_id, account)) | metadata.get("auto", {})
    return metadata


def _auto(record_id: str, record: Record) -> dict[str, Any]:
    return {
        "id": record_id,
        "idhash": zlib.crc32(record_id.encode(errors="replace")),
        "firstvisit": record.first_visit_ms,
        "lastvisit": record.last_visit_ms,
        "lastupdated": record.updated_ms or record.at_ms,
    }


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}


def _named(table: tuple[tuple[str, str], ...], user_agent: str) -> str | None:
    return next((name for mark, name in table if mark in user_agent), None)
