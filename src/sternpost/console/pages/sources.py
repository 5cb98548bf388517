"""Sources: the list, and how to send to one."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sternpost.console import snippets
from sternpost.console.inside import part
from sternpost.console.pages.common import is_own, name_of, paged
from sternpost.console.surroundings import Page, PageOf, Result, Surroundings, Visit
from sternpost.control import fate
from sternpost.control.noticing import library_of
from sternpost.store.kept import Kept
from sternpost.store.seen import latest
from sternpost.store.selection import Selection
from sternpost.wire import message as wire_message

NEWEST_EVENTS = 200  #: of all sources, for when each sent last


async def sources(around: Surroundings, visit: Visit) -> Result:
    page = await paged(around, visit, "/sources")
    found = page["sources"]
    refused: Counter[str | None] = Counter()
    for entry in around.context.refused():
        refused[entry.source_id] += entry.count
    newest: dict[str, Kept] = {}
    for kept in (await around.context.views.recent(NEWEST_EVENTS)).kept:
        newest.setdefault(kept.event.source_id, kept)
    known = await latest(around.context.views)
    for one in found:
        # What was noticed lags behind a little; the newest events tell at once.
        at, libraries = known.get(one["id"], (0.0, []))
        if (last := newest.get(one["id"])) is not None:
            at = max(at, last.event.received_at)
            if library := library_of(wire_message.received(last.event)):
                libraries = [library, *(other for other in libraries if other != library)]
        one["lastAt"] = fate.when(at or None)
        one["libraries"] = libraries[:5]
        one["refused"] = refused[one["id"]]
    return Page("sources.html", "Sources", page)


async def source(around: Surroundings, visit: Visit) -> Result:
    identifier: str = visit.request.path_params["source"]
    one = await around.api.get(f"/sources/{part(identifier)}")
    refused = await around.api.every("/refused", "refused")
    seen = await _seen(around, identifier)
    for connection in one["connections"]:
        connection["name"] = name_of(around, connection["destination"])
    return Page(
        "source.html",
        one["name"],
        {
            "source": one,
            "ways": snippets.ways(one, visit.base),
            "phone_hints": snippets.phone_hints(visit.base) if one["type"] == "mobile" else [],
            "policy": snippets.policy(visit.base),
            "last_at": seen["last_at"],
            "libraries": seen["libraries"],
            "from_app": seen["from_app"],
            "refused": [entry for entry in refused if entry["source"] == identifier],
            "unknown_keys": [entry for entry in refused if entry["reason"] == "write_key_unknown"],
            "without_key": [entry for entry in refused if entry["reason"] == "write_key_missing"],
        },
    )


async def _seen(around: Surroundings, source_id: str) -> dict[str, Any]:
    """What the newest events of a source tell: when, and from which libraries."""
    selection = Selection(sources=frozenset({source_id}))
    newest = (await around.context.views.recent(100, selection)).kept
    workspace = around.context.workspaces.current
    entries = [fate.compose(kept, workspace, attempts=False) for kept in newest]
    libraries = dict.fromkeys(entry["seen"]["library"] for entry in entries if entry["seen"]["library"])
    return {
        "last_at": entries[0]["receivedAt"] if entries else None,
        "libraries": list(libraries)[:5],
        "from_app": any(not is_own(kept) for kept in newest),
    }


PAGES: tuple[PageOf, ...] = (
    ("GET", "/sources", sources),
    ("GET", "/sources/{source}", source),
)
