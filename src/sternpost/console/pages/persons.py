"""People: one person, and who is stopped or was forgotten."""

from __future__ import annotations

import json
from typing import Any

from sternpost.console import words
from sternpost.console.inside import ApiProblem, part
from sternpost.console.pages.common import name_of, paged
from sternpost.console.surroundings import Elsewhere, Page, PageOf, Result, Surroundings, Visit
from sternpost.destinations.base import ReadsBack


async def people(around: Surroundings, visit: Visit) -> Result:
    wanted = visit.query("id").strip()
    if wanted:
        return Elsewhere(f"/console/people/{part(wanted)}")
    return Page(
        "persons.html",
        "People",
        {
            "stopped": await paged(around, visit, "/stopped"),
            "deletions": await paged(around, visit, "/deletions", after="receipts"),
        },
    )


async def person(around: Surroundings, visit: Visit, *, problem: str = "") -> Result:
    who: str = visit.request.path_params["person"]
    try:
        found = await around.api.get(f"/people/{part(who)}", {"before": visit.query("before")})
    except ApiProblem as error:
        if error.status != 404:
            raise
        data = {
            "heading": "Nobody is known by this id",
            "text": f"“{who[:200]}”: {error.message}",
            "remedy": error.remedy,
            "link": "/console/people",
            "link_text": "People",
        }
        return Page("message.html", "Unknown person", data, 404)
    for lane in found["lanes"]:
        lane["name"] = name_of(around, lane["destination"])
    workspace = around.context.workspaces.current
    held: Any = None
    if asked := visit.query("held"):
        try:
            held = await around.api.get(f"/destinations/{part(asked)}/held/{part(who)}")
        except ApiProblem as error:
            held = {"destination": asked, "held": None, "said": f"{error.message} {error.remedy}".strip()}
        held["name"] = name_of(around, asked)
        held["rows"] = _compared(held["held"], found["traits"])
    return Page(
        "person.html",
        found["id"],
        {
            **found,
            "problem": problem,
            "held": held,
            "note": visit.form.get("note", ""),
            "tell": [
                {"id": one.id, "name": one.name}
                for one in workspace.destinations.values()
                if isinstance(_kind(around, one.type), ReadsBack)
            ],
            "names": {one.id: one.name for one in workspace.destinations.values()},
            "several": len(workspace.destinations) > 1,
            "q": f"user:{words.filter_value(found['id'])}",
        },
        400 if problem else 200,
    )


async def act(around: Surroundings, visit: Visit) -> Result:
    """Stop, allow or forget."""
    who: str = visit.request.path_params["person"]
    verb, note = visit.form.get("verb", ""), visit.form.get("note", "").strip()
    if verb == "forget" and visit.form.get("typed", "").strip() != who:
        return await person(
            around, visit, problem="Nothing was deleted: type the id to say that you mean this person."
        )
    if verb not in {"stop", "allow", "forget"}:
        return Elsewhere(f"/console/people/{part(who)}", "Nothing was changed.", wrong=True)
    try:
        await around.api.post(f"/people/{part(who)}/{verb}", {"note": note} if verb != "allow" else {})
    except ApiProblem as error:
        return await person(around, visit, problem=f"{error.message} {error.remedy}".strip())
    said = {
        "stop": "Stopped: events are accepted and not delivered.",
        "allow": "Allowed again. What was skipped meanwhile can be replayed.",
        "forget": "Being forgotten: here at once, at destinations as soon as they do it.",
    }
    return Elsewhere(f"/console/people/{part(who)}", said[verb])


def _kind(around: Surroundings, kind: str) -> object:
    return around.context.destinations[kind]


def _compared(held: Any, sent: dict[str, Any]) -> list[dict[str, Any]]:
    """What a destination holds, field by field, beside what was sent last where the names are the same."""
    if not isinstance(held, dict):
        return []
    # Of names that differ in case only, the one that needed no change is what was sent.
    lowered = {name.lower(): value for name, value in sent.items()} | {
        name: value for name, value in sent.items() if name == name.lower()
    }
    rows = []
    for group, fields in held.items():
        for name, value in fields.items() if isinstance(fields, dict) else ():
            known = name.lower() in lowered and group in {"agent", "custom"}
            given = lowered.get(name.lower()) if known else None
            rows.append(
                {
                    "group": group,
                    "field": name,
                    "held": _shown(value),
                    "sent": _shown(given) if known else None,
                    "differs": known and _shown(given) != _shown(value),
                }
            )
    return rows


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


PAGES: tuple[PageOf, ...] = (
    ("GET", "/people", people, "editor"),
    ("GET", "/people/{person:path}", person, "editor"),
    ("POST", "/people/{person:path}", act),
)
