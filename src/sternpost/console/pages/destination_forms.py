"""Forms of destinations: the catalogue, name and settings, check, connect; change and remove."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sternpost.console import forms
from sternpost.console.forms import Submitted
from sternpost.console.inside import ApiProblem, part
from sternpost.console.pages.common import changed_meanwhile, read_only
from sternpost.console.surroundings import Elsewhere, Page, PageOf, Result, Surroundings, Visit
from sternpost.control.routes.catalogue import GROUPS
from sternpost.workspace import yaml

MODES = ("cloud", "device", "hybrid")


async def catalogue(around: Surroundings, visit: Visit) -> Result:
    found = await around.api.every("/catalogue", "catalogue")
    return Page(
        "catalogue.html", "Add a destination", {"catalogue": found, **read_only(around, "destination")}
    )


async def add_destination(around: Surroundings, visit: Visit) -> Result:
    kind = await around.api.get(f"/catalogue/{part(visit.request.path_params['type'])}")
    if visit.request.method == "GET":
        return _form(around, visit, kind, None, forms.filled(kind["fields"], {}), name=kind["name"])
    given = _submitted(around, visit, kind, None)
    name = visit.form.get("name", "").strip()
    if more_of := _more_of(visit):
        return _form(around, visit, kind, None, given.shown, name=name, given=given, more_of=more_of)
    problems = dict(given.problems)
    if not name:
        problems["name"] = "Give it a name, e.g. Pendo production."
    body = {"name": name or kind["name"], "type": kind["type"], "settings": given.settings}
    checks: Mapping[str, Any] | None = None
    try:
        await around.api.call("POST", "/destinations", body, query={"dryRun": "1"})
    except ApiProblem as problem:
        problems = {**_problems(problem, kind, given), **problems}
    if not problems:
        checks = await _checked(around, visit, {"type": kind["type"], "settings": given.settings})
        if checks is None or checks["ok"] or visit.form.get("do") == "anyway":
            made = (await around.api.post("/destinations", body))["destination"]
            await around.api.post(f"/destinations/{part(made['id'])}/verify", {})
            return Elsewhere(
                f"/console/destinations/{part(made['id'])}/connect",
                f"{made['name']} is saved. Choose what it gets.",
            )
    return _form(
        around, visit, kind, None, given.shown, name=name, given=given, problems=problems, checks=checks
    )


async def destination_settings(around: Surroundings, visit: Visit) -> Result:
    identifier: str = visit.request.path_params["destination"]
    saved = await around.api.get(f"/destinations/{part(identifier)}")
    kind = await around.api.get(f"/catalogue/{part(saved['type'])}")
    if visit.request.method == "GET":
        shown = forms.filled(kind["fields"], saved["settings"])
        return _form(around, visit, kind, saved, shown, name=saved["name"])
    given = _submitted(around, visit, kind, saved)
    name = visit.form.get("name", "").strip()
    if more_of := _more_of(visit):
        return _form(around, visit, kind, saved, given.shown, name=name, given=given, more_of=more_of)
    problems = dict(given.problems)
    if not name:
        problems["name"] = "Give it a name."
    body = {"name": name or None, "settings": given.settings}
    path = f"/destinations/{part(identifier)}"
    checks: Mapping[str, Any] | None = None
    meanwhile: dict[str, Any] | None = None
    try:
        etag = visit.form.get("etag", "")
        await around.api.call("PATCH", path, body, query={"dryRun": "1"}, match=etag)
        if not problems:
            asked = {"type": kind["type"], "id": identifier, "settings": given.settings}
            checks = await _checked(around, visit, asked)
            if checks is None or checks["ok"] or visit.form.get("do") == "anyway":
                answer = await around.api.call("PATCH", path, body, match=etag)
                await around.api.post(f"{path}/verify", {})
                said = "Saved, and in force." if answer["changes"] else "Nothing was different."
                return Elsewhere(f"/console/destinations/{part(identifier)}", said)
    except ApiProblem as problem:
        meanwhile = changed_meanwhile(problem)
        problems = problems if meanwhile else {**_problems(problem, kind, given), **problems}
    return _form(
        around,
        visit,
        kind,
        saved,
        given.shown,
        name=name,
        given=given,
        problems=problems,
        checks=checks,
        meanwhile=meanwhile,
    )


async def connect(around: Surroundings, visit: Visit) -> Result:
    identifier: str = visit.request.path_params["destination"]
    saved = await around.api.get(f"/destinations/{part(identifier)}")
    kind = await around.api.get(f"/catalogue/{part(saved['type'])}")
    sources = await around.api.every("/sources", "sources")
    now = {one["source"]: one["mode"] for one in saved["connections"]}
    wanted = dict(now)
    problem = ""
    if visit.request.method == "POST":
        wanted = {one["id"]: visit.form.get(f"mode.{one['id']}", "") for one in sources}
        try:
            await _connect(around, identifier, now, wanted)
        except ApiProblem as error:
            told = [f"{one['message']} {one['remedy']}" for one in error.body.get("problems") or ()]
            problem = " ".join(told) or f"{error.message} {error.remedy}"
        else:
            count = sum(1 for mode in wanted.values() if mode)
            said = f"{saved['name']} gets the events of {count} {'source' if count == 1 else 'sources'}."
            return Elsewhere(f"/console/destinations/{part(identifier)}", said)
    support = {one["sourceType"]: one["modes"] for one in kind["modes"]}
    data = {
        "destination": saved,
        "kind": kind,
        "modes": MODES,
        "rows": [
            {
                "id": one["id"],
                "name": one["name"],
                "type": one["type"],
                "modes": [mode for mode in MODES if support[one["type"]].get(mode)],
                "chosen": wanted.get(one["id"], ""),
                "others": [link["mode"] for link in one["connections"] if link["destination"] != identifier],
            }
            for one in sources
        ],
        "problem": problem,
        **read_only(around, "destination", identifier),
    }
    return Page("connect.html", f"{saved['name']} · Connect", data, 400 if problem else 200)


async def switch_destination(around: Surroundings, visit: Visit) -> Result:
    identifier: str = visit.request.path_params["destination"]
    to = "enable" if visit.form.get("to") == "on" else "disable"
    await around.api.post(f"/destinations/{part(identifier)}/{to}", {})
    said = "It is switched on." if to == "enable" else "It is switched off: events that come are skipped."
    return Elsewhere(f"/console/destinations/{part(identifier)}/settings", said)


async def delete_destination(around: Surroundings, visit: Visit) -> Result:
    identifier: str = visit.request.path_params["destination"]
    saved = await around.api.get(f"/destinations/{part(identifier)}")
    if visit.form.get("typed", "").strip() != saved["name"]:
        return Elsewhere(
            f"/console/destinations/{part(identifier)}/settings",
            f"Nothing was removed: type {saved['name']} to say that you mean it.",
            wrong=True,
        )
    await around.api.call("DELETE", f"/destinations/{part(identifier)}", match=saved["etag"])
    return Elsewhere("/console/destinations", f"{saved['name']} is removed.")


async def _connect(
    around: Surroundings, identifier: str, now: Mapping[str, str], wanted: Mapping[str, str]
) -> None:
    for source, mode in wanted.items():
        before = now.get(source, "")
        path = f"/connections/{part(source)}/{part(identifier)}"
        if mode and not before:
            body = {"source": source, "destination": identifier, "mode": mode}
            await around.api.post("/connections", body)
        elif mode and mode != before:
            await around.api.call("PATCH", path, {"mode": mode}, match="*")
        elif before and not mode:
            await around.api.call("DELETE", path, match="*")


async def _checked(around: Surroundings, visit: Visit, body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What the destination says about these settings; None when nothing is asked because it is to be saved anyway."""
    if visit.form.get("do") == "anyway":
        return None
    answer: Mapping[str, Any] = await around.api.post("/verify", body)
    return answer


def _submitted(
    around: Surroundings, visit: Visit, kind: Mapping[str, Any], saved: Mapping[str, Any] | None
) -> Submitted:
    draft = around.drafts.take(visit.who.name, visit.form.get("draft", ""), around.clock())
    before = dict(draft)
    if saved is not None:
        for field in kind["fields"]:
            if field["kind"] == "map" and field["name"] in saved["settings"]:
                before.setdefault(field["name"], saved["settings"][field["name"]])
    return forms.submitted(kind["fields"], visit.form, before)


def _form(
    around: Surroundings,
    visit: Visit,
    kind: Mapping[str, Any],
    saved: Mapping[str, Any] | None,
    shown: Mapping[str, Any],
    *,
    name: str,
    given: Submitted | None = None,
    problems: Mapping[str, str] | None = None,
    checks: Mapping[str, Any] | None = None,
    meanwhile: Mapping[str, Any] | None = None,
    more_of: str = "",
) -> Page:
    problems = problems or {}
    hints: dict[str, str] = {}
    for one in (checks or {}).get("checks", ()):
        if one["field"] and one["result"] in {"warning", "fail"}:
            hints.setdefault(one["field"], f"{one['message']} {one['remedy']}".strip())
    failed = [one for one in (checks or {}).get("checks", ()) if one["result"] == "fail"]
    kept = {one["path"].removeprefix("settings."): one for one in (saved or {}).get("secrets", ())}
    draft = around.drafts.keep(visit.who.name, given.secrets, around.clock()) if given else ""
    entry = None
    if saved is not None:
        entry = {name: saved[name] for name in ("id", "name", "type", "enabled", "settings")}
    data = {
        "kind": kind,
        "saved": saved,
        "name": name,
        "groups": [
            (group, [field for field in kind["fields"] if field["group"] == group]) for group in GROUPS
        ],
        "labels": {"name": "Name", **forms.places(kind["fields"], shown)},
        "shown": shown,
        "more_of": more_of,
        "blank_rows": forms.BLANK_ROWS,
        "more_rows": forms.MORE_ROWS,
        "kept": kept,
        "typed": sorted(given.secrets) if given else [],
        "draft": draft,
        "problems": problems,
        "hints": hints,
        "failed": failed,
        "checked": checks,
        "meanwhile": meanwhile,
        "yaml": yaml.dump(entry) if entry else "",
        **read_only(around, "destination", saved["id"] if saved else ""),
    }
    title = f"{saved['name']} · Settings" if saved else f"Add {kind['name']}"
    return Page("destination_form.html", title, data, 400 if problems or failed or meanwhile else 200)


def _more_of(visit: Visit) -> str:
    """The field of which more rows are asked for; nothing is saved then."""
    do = visit.form.get("do", "")
    return do.removeprefix("more.") if do.startswith("more.") else ""


def _problems(problem: ApiProblem, kind: Mapping[str, Any], given: Submitted) -> dict[str, str]:
    found = forms.by_place(problem.body.get("problems") or [], kind["fields"], given.shown)
    return found or {"": f"{problem.message} {problem.remedy}".strip()}


PAGES: tuple[PageOf, ...] = (
    ("GET", "/destinations/new", catalogue),
    ("GET", "/destinations/new/{type}", add_destination),
    ("POST", "/destinations/new/{type}", add_destination),
    ("GET", "/destinations/{destination}/settings", destination_settings),
    ("POST", "/destinations/{destination}/settings", destination_settings),
    ("GET", "/destinations/{destination}/connect", connect),
    ("POST", "/destinations/{destination}/connect", connect),
    ("POST", "/destinations/{destination}/switch", switch_destination),
    ("POST", "/destinations/{destination}/delete", delete_destination),
)
