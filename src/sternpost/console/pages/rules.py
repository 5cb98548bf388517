"""Rules: what stops events between a source and a destination. Read only."""

from __future__ import annotations

from sternpost.console.pages.common import name_of, paged
from sternpost.console.surroundings import Page, PageOf, Result, Surroundings, Visit


async def rules(around: Surroundings, visit: Visit) -> Result:
    found = await paged(around, visit, "/rules")
    sources = around.context.workspaces.current.sources
    for one in found["connections"]:
        one["sourceName"] = sources[one["source"]].name
        one["destinationName"] = name_of(around, one["destination"])
        one["stopped"] = sum(rule["stopped"] for rule in one["rules"])
    return Page("rules.html", "Rules", found)


PAGES: tuple[PageOf, ...] = (("GET", "/rules", rules),)
