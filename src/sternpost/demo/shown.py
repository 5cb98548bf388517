"""What the shop's panel shows, shortened from what the server and the sandbox tell. Pure.

The page gets nothing of an event's requests and replies, and no token.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sternpost.model import Workspace

SHOWN_MAX = 25  #: of visitors, accounts and events each: the newest
RECENT_MAX = 12  #: events of a visitor that the page lists
MODES = ("hybrid", "device", "cloud")  #: in the order in which the page offers them


@dataclass(frozen=True, slots=True)
class Shopfront:
    """A web source as which the page can run."""

    source_id: str
    write_key: str
    mode: str  #: how it reaches Pendo: device, cloud or hybrid


def shopfronts(workspace: Workspace) -> list[Shopfront]:
    """The first enabled web source of each mode, in the order of `MODES`: each mode is a source with a write key of its own."""
    found: dict[str, Shopfront] = {}
    for connection in workspace.connections:
        source = workspace.sources[connection.source_id]
        if (
            source.type == "web"
            and source.enabled
            and workspace.destinations[connection.destination_id].type == "pendo"
        ):
            found.setdefault(connection.mode, Shopfront(source.id, source.write_key, connection.mode))
    return [found[mode] for mode in MODES if mode in found]


def recent(answer: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The events of a visitor, of each destination only what the page says in a line."""
    names = ("messageId", "type", "userId")
    told = ("destination", "state", "reason", "explanation", "remedy")
    return {
        "events": [
            {name: event.get(name) for name in names}
            | {
                "name": event.get("name") or _body(event).get("groupId") or "",
                "library": _library(event),
                "destinations": [
                    {name: entry.get(name) for name in told} for entry in event.get("destinations") or []
                ],
            }
            for event in (answer or {}).get("events") or []
        ]
    }


def _body(event: Mapping[str, Any]) -> Mapping[str, Any]:
    body = event.get("event")
    return body if isinstance(body, Mapping) else {}


def _library(event: Mapping[str, Any]) -> str:
    """What sent it. Our SDK bears RudderStack's name, and says who it is in `variant`."""
    context = _body(event).get("context")
    library = context.get("library") if isinstance(context, Mapping) else None
    if isinstance(library, Mapping) and library.get("variant") == "sternpost":
        return f"Sternpost\N{RIGHT SINGLE QUOTATION MARK}s SDK {library.get('version')}"
    return str((event.get("seen") or {}).get("library") or "")


def sandbox_state(state: Any) -> Mapping[str, Any]:
    """Counts, and the newest of each kind. Raises KeyError, TypeError or AttributeError when it is no state of a sandbox."""
    visitors, accounts, events = state["visitors"], state["accounts"], state["events"]
    tracks = [event for event in events if event["type"] == "track"]
    return {
        "counts": {"visitors": len(visitors), "accounts": len(accounts), "events": len(tracks)},
        "visitors": _newest_visitors(visitors, events),
        "accounts": [
            {"id": account_id, "fields": _fields(account)}
            for account_id, account in list(accounts.items())[-SHOWN_MAX:][::-1]
        ],
        "events": [
            {name: event.get(name) for name in ("event", "visitorId", "accountId", "timestamp", "properties")}
            for event in tracks[-SHOWN_MAX:][::-1]
        ],
    }


def _newest_visitors(
    visitors: Mapping[str, Any], events: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Those who did something last come first: who just pressed a button wants to see themselves."""
    last = {event["visitorId"]: number for number, event in enumerate(events)}
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
