"""What a source sends: its volume, its libraries, and the names and properties that were seen, each of which can be blocked."""

from __future__ import annotations

from sternpost.console import charts
from sternpost.console.inside import ApiProblem, part
from sternpost.console.pages.common import paged, span_chosen
from sternpost.console.surroundings import Elsewhere, Page, PageOf, Result, Surroundings, Visit

VOLUME_KINDS = ("received", "duplicates")


async def seen(around: Surroundings, visit: Visit) -> Result:
    identifier: str = visit.request.path_params["source"]
    found = await paged(around, visit, f"/sources/{part(identifier)}/seen")
    since = span_chosen(visit)
    volume = await around.api.get("/stats/series", {"source": identifier, "since": since})
    series = {**volume, **volume["sources"][identifier]}
    source = around.context.workspaces.current.sources[identifier]
    return Page(
        "seen.html",
        f"{source.name} · seen",
        {
            "source": {"id": source.id, "name": source.name, "type": source.type, "enabled": source.enabled},
            "seen": found,
            "since": since,
            "step": volume["step"],
            "received": sum(series["received"]),
            "duplicates": sum(series["duplicates"]),
            "volume_chart": charts.bars(series, VOLUME_KINDS),
            "writable": around.context.workspaces.path is None,
            "file": str(around.context.workspaces.path or ""),
        },
    )


async def block(around: Surroundings, visit: Visit) -> Result:
    """Put an event's name on the source's list of blocked ones, or take it off."""
    identifier: str = visit.request.path_params["source"]
    name, blocked = visit.form.get("name", ""), visit.form.get("blocked") == "1"
    address = f"/console/sources/{part(identifier)}/seen"
    try:
        source = await around.api.get(f"/sources/{part(identifier)}")
        names = [one for one in source["blockedEvents"] if one != name]
        body = {"blockedEvents": [*names, name] if blocked else names}
        await around.api.call("PATCH", f"/sources/{part(identifier)}", body, match=source["etag"])
    except ApiProblem as problem:
        return Elsewhere(
            address, f"Nothing was changed. {problem.message} {problem.remedy}".strip(), wrong=True
        )
    said = (
        f"{name} is blocked: such events are accepted and skipped from now on."
        if blocked
        else f"{name} is let through again. What was skipped meanwhile can be replayed."
    )
    return Elsewhere(address, said)


PAGES: tuple[PageOf, ...] = (
    ("GET", "/sources/{source}/seen", seen),
    ("POST", "/sources/{source}/block", block),
)
