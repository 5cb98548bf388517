"""Revisions of the workspace: what was changed when and by whom, and the way back."""

from __future__ import annotations

from sternpost.console.inside import part
from sternpost.console.pages.common import read_only
from sternpost.console.surroundings import Elsewhere, Page, PageOf, Result, Surroundings, Visit


async def revisions(around: Surroundings, visit: Visit) -> Result:
    found = await around.api.get("/workspace/revisions", {"before": visit.query("before")})
    return Page("revisions.html", "Revisions", {**found, **read_only(around, "source")})


async def revision(around: Surroundings, visit: Visit) -> Result:
    number: str = visit.request.path_params["revision"]
    one = await around.api.get(f"/workspace/revisions/{part(number)}")
    in_force = around.context.workspaces.current.revision
    file = read_only(around, "source")
    back = []
    if not file["read_only"]:
        diff = await around.api.get(f"/workspace/revisions/{in_force}/diff/{part(number)}")
        back = diff["changes"]
    return Page(
        "revision.html", f"Revision {number}", {"one": one, "in_force": in_force, "back": back, **file}
    )


async def restore(around: Surroundings, visit: Visit) -> Result:
    number: str = visit.request.path_params["revision"]
    answer = await around.api.post(f"/workspace/revisions/{part(number)}/restore", {})
    said = (
        f"Revision {number} is in force again, as revision {answer['revision']}."
        if answer["changes"]
        else "Nothing was different."
    )
    return Elsewhere("/console/settings/revisions", said)


PAGES: tuple[PageOf, ...] = (
    ("GET", "/settings/revisions", revisions),
    ("GET", "/settings/revisions/{revision}", revision),
    ("POST", "/settings/revisions/{revision}/restore", restore),
)
