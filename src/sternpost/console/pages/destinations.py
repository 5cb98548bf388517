"""Destinations: the list, and how one is."""

from __future__ import annotations

import msgspec

from sternpost.console import charts, snippets, words
from sternpost.console.inside import part
from sternpost.console.pages.common import paged, span_chosen
from sternpost.console.surroundings import Elsewhere, Page, PageOf, Result, Surroundings, Visit
from sternpost.control.verify import CHECKED

SETTLED_KINDS = ("delivered", "retrying", "skipped", "rejected", "blocked")  #: from the bottom of a bar
LATE_KINDS = ("p50", "p95", "p99")


async def destinations(around: Surroundings, visit: Visit) -> Result:
    page = await paged(around, visit, "/destinations")
    workspace = around.context.workspaces.current
    for one in page["destinations"]:
        one["sources"] = [
            {"id": connection.source_id, "mode": connection.mode}
            for connection in workspace.connections
            if connection.destination_id == one["id"]
        ]
    first = next(iter(workspace.sources), "web")
    return Page(
        "destinations.html",
        "Destinations",
        {**page, "pendo_yaml": snippets.first_pendo(first)},
    )


async def destination(around: Surroundings, visit: Visit) -> Result:
    identifier: str = visit.request.path_params["destination"]
    one = await around.api.get(f"/destinations/{part(identifier)}")
    workspace = around.context.workspaces.current
    since = span_chosen(visit)
    found_health = await around.api.get(f"/destinations/{part(identifier)}/health", {"since": since})
    facts = await around.facts.remembered(f"{CHECKED}{identifier}")
    checked = facts.get(f"{CHECKED}{identifier}")
    config = workspace.destinations[identifier]
    return Page(
        "destination.html",
        one["name"],
        {
            "destination": one,
            "health": found_health,
            "since": since,
            "filter": f"dest:{words.filter_value(identifier)}",
            "settled_chart": charts.bars(found_health["series"], SETTLED_KINDS),
            "late_chart": charts.lines(found_health["series"], LATE_KINDS),
            "summary": around.context.destinations[config.type].spec.summary,
            "checked": msgspec.json.decode(checked) if checked else None,
            "sources": [
                {
                    "id": connection.source_id,
                    "name": workspace.sources[connection.source_id].name,
                    "mode": connection.mode,
                }
                for connection in workspace.connections
                if connection.destination_id == identifier
            ],
            "retention": snippets.retention_text(around.retention_s),
        },
    )


async def check(around: Surroundings, visit: Visit) -> Result:
    """Ask the destination, and keep what it said for its page and the checklist."""
    identifier: str = visit.request.path_params["destination"]
    if identifier not in around.context.workspaces.current.destinations:
        return Elsewhere("/console/destinations", "This destination was removed.", wrong=True)
    found = await around.api.post(f"/destinations/{part(identifier)}/verify", {})
    said = "Every check passed." if found["ok"] else "Something is wrong; see below."
    return Elsewhere(f"/console/destinations/{part(identifier)}#check", said, wrong=not found["ok"])


PAGES: tuple[PageOf, ...] = (
    ("GET", "/destinations", destinations),
    ("GET", "/destinations/{destination}", destination),
    ("POST", "/destinations/{destination}/check", check),
)
