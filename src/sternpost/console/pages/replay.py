"""Replay: choose, look, run; and how earlier ones ended."""

from __future__ import annotations

from typing import Any

from sternpost.console.inside import ApiProblem, part
from sternpost.console.pages.common import name_of, paged
from sternpost.console.surroundings import Elsewhere, Page, PageOf, Result, Surroundings, Visit
from sternpost.control import fate

FIELDS = ("destination", "from", "to", "source", "type", "user", "q", "only", "ratePerSecond")
VERBS = {
    "pause": "It is paused.",
    "resume": "It goes on.",
    "cancel": "It is cancelled; what was not sent is as it was.",
}


async def replay(around: Surroundings, visit: Visit, *, problem: str = "") -> Result:
    """The form, with an estimate when one is asked for, and the list."""
    given = {name: (visit.form.get(name) or visit.query(name)).strip() for name in FIELDS}
    estimate: Any = None
    status = 200
    if visit.query("look") and not problem:
        try:
            estimate = await around.api.post("/replays/estimate", _wanted(given))
        except ApiProblem as error:
            if error.status not in {400, 404}:
                raise
            problem, status = f"{error.message} {error.remedy}".strip(), 400
    found = await paged(around, visit, "/replays")
    jobs = found["replays"]
    for job in jobs:
        job["name"] = name_of(around, job["destination"])
    stats = await around.api.get("/stats")
    span = await around.context.views.span()
    workspace = around.context.workspaces.current
    return Page(
        "replay.html",
        "Replay",
        {
            "given": given,
            "estimate": estimate,
            "problem": problem,
            "jobs": jobs,
            "next": found["next"],
            "after": found["after"],
            "running": any(job["state"] == "running" for job in jobs),
            "destinations": [{"id": one.id, "name": one.name} for one in workspace.destinations.values()],
            "sources": [{"id": one.id, "name": one.name} for one in workspace.sources.values()],
            "kept": sum(one["received"] for one in stats["sources"].values()),
            "kept_since": fate.when(span.oldest_received_at),
            "disk": stats["disk"],
            "may_change": visit.may("editor"),
        },
        400 if problem else status,
    )


async def begin(around: Surroundings, visit: Visit) -> Result:
    given = {name: visit.form.get(name, "").strip() for name in FIELDS}
    if (
        visit.form.get("delivered")
        and visit.form.get("count", "").replace(",", "").strip() != visit.form["delivered"]
    ):
        return await replay(
            around,
            visit,
            problem=f"Nothing was begun: type {visit.form['delivered']} to say that they may arrive again.",
        )
    try:
        job = await around.api.post("/replays", _wanted(given))
    except ApiProblem as error:
        return await replay(around, visit, problem=f"{error.message} {error.remedy}".strip())
    return Elsewhere("/console/replay#jobs", f"Replay {job['id']} runs.")


async def change(around: Surroundings, visit: Visit) -> Result:
    number, verb = visit.form.get("replay", ""), visit.form.get("verb", "")
    if verb not in VERBS:
        return Elsewhere("/console/replay", "Nothing was changed.", wrong=True)
    try:
        await around.api.post(f"/replays/{part(number)}/{verb}", {})
    except ApiProblem as error:
        return Elsewhere("/console/replay#jobs", error.message, wrong=True)
    return Elsewhere("/console/replay#jobs", VERBS[verb])


def _wanted(given: dict[str, str]) -> dict[str, Any]:
    """The form as the API takes it."""
    wanted: dict[str, Any] = {name: value for name, value in given.items() if value}
    if "ratePerSecond" in wanted:
        try:
            wanted["ratePerSecond"] = float(wanted["ratePerSecond"])
        except ValueError:
            wanted["ratePerSecond"] = 0  # which the API explains
    return wanted


PAGES: tuple[PageOf, ...] = (
    ("GET", "/replay", replay, "editor"),
    ("POST", "/replay", begin),
    ("POST", "/replay/change", change),
)
