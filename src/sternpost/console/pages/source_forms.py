"""Forms of sources: add one, change it, give it a new key, remove it."""

from __future__ import annotations

from typing import Any

from sternpost.console import forms
from sternpost.console.inside import ApiProblem, part
from sternpost.console.pages.common import changed_meanwhile, read_only
from sternpost.console.surroundings import Elsewhere, Page, PageOf, Result, Surroundings, Visit

TYPES = (
    ("web", "Web", "Pages in a browser. Needed for Pendo's browser agent (device and hybrid)."),
    ("mobile", "Mobile", "Apps on iOS and Android."),
    ("server", "Server", "Backends, scripts, other pipelines."),
)
OVERLAPS = (("24", "24 hours"), ("168", "a week"), ("720", "30 days"), ("0", "not at all: it ends now"))


async def add_source(around: Surroundings, visit: Visit) -> Result:
    problems: dict[str, str] = {}
    if visit.request.method == "POST":
        body = {"name": visit.form.get("name", "").strip(), "type": visit.form.get("type", "")}
        if not body["name"]:
            problems["name"] = "Give it a name, e.g. Web shop."
        else:
            try:
                made = await around.api.post("/sources", body)
            except ApiProblem as problem:
                problems = _problems(problem)
            else:
                return Elsewhere(
                    f"/console/sources/{part(made['source']['id'])}",
                    f"{made['source']['name']} is there. Copy the lines for where it sends from.",
                )
    data = {
        "types": TYPES,
        "name": visit.form.get("name", ""),
        "chosen": visit.form.get("type") or visit.query("type") or "web",
        "problems": problems,
        **read_only(around, "source"),
    }
    return Page("source_new.html", "Add a source", data, 400 if problems else 200)


async def source_settings(around: Surroundings, visit: Visit) -> Result:
    identifier: str = visit.request.path_params["source"]
    source = await around.api.get(f"/sources/{part(identifier)}")
    problems: dict[str, str] = {}
    meanwhile: dict[str, Any] | None = None
    typed = {
        "name": source["name"],
        "allowedOrigins": "\n".join(source["allowedOrigins"]),
        "blockedEvents": "\n".join(source["blockedEvents"]),
        "requestsPerSecond": f"{source['requestsPerSecond']:g}",
    }
    etag = source["etag"]
    if visit.request.method == "POST":
        typed = {name: visit.form.get(name, "") for name in typed}
        rate = typed["requestsPerSecond"].strip() or "0"
        body: dict[str, Any] = {
            "name": typed["name"].strip() or None,
            "allowedOrigins": forms.lines(typed["allowedOrigins"]),
            "blockedEvents": forms.lines(typed["blockedEvents"]),
        }
        try:
            body["requestsPerSecond"] = float(rate)
        except ValueError:
            problems["requestsPerSecond"] = "Write a number; 0 is no limit."
        if not problems:
            try:
                answer = await around.api.call(
                    "PATCH", f"/sources/{part(identifier)}", body, match=visit.form.get("etag", "")
                )
            except ApiProblem as problem:
                meanwhile = changed_meanwhile(problem)
                problems = {} if meanwhile else _problems(problem)
            else:
                said = "Saved." if answer["changes"] else "Nothing was different."
                return Elsewhere(f"/console/sources/{part(identifier)}/settings", said)
    data = {
        "source": source,
        "typed": typed,
        "etag": etag,
        "problems": problems,
        "meanwhile": meanwhile,
        "overlaps": OVERLAPS,
        **read_only(around, "source", identifier),
    }
    return Page(
        "source_settings.html", f"{source['name']} · Settings", data, 400 if problems or meanwhile else 200
    )


async def rotate(around: Surroundings, visit: Visit) -> Result:
    identifier: str = visit.request.path_params["source"]
    hours = visit.form.get("overlap", "24")
    known = dict(OVERLAPS)
    body = {"overlapHours": float(hours) if hours in known else 24.0}
    await around.api.post(f"/sources/{part(identifier)}/rotate-write-key", body)
    ends = (
        "The old key ended."
        if hours == "0"
        else f"The old key is still taken for {known.get(hours, '24 hours')}."
    )
    return Elsewhere(f"/console/sources/{part(identifier)}", f"It has a new write key. {ends}")


async def end_keys(around: Surroundings, visit: Visit) -> Result:
    identifier: str = visit.request.path_params["source"]
    await around.api.call("DELETE", f"/sources/{part(identifier)}/previous-write-keys")
    return Elsewhere(f"/console/sources/{part(identifier)}/settings", "Earlier keys are not taken any more.")


async def switch_source(around: Surroundings, visit: Visit) -> Result:
    identifier: str = visit.request.path_params["source"]
    to = "enable" if visit.form.get("to") == "on" else "disable"
    await around.api.post(f"/sources/{part(identifier)}/{to}", {})
    said = "It is switched on." if to == "enable" else "It is switched off: its requests are refused."
    return Elsewhere(f"/console/sources/{part(identifier)}/settings", said)


async def delete_source(around: Surroundings, visit: Visit) -> Result:
    identifier: str = visit.request.path_params["source"]
    source = await around.api.get(f"/sources/{part(identifier)}")
    if visit.form.get("typed", "").strip() != source["name"]:
        return Elsewhere(
            f"/console/sources/{part(identifier)}/settings",
            f"Nothing was removed: type {source['name']} to say that you mean it.",
            wrong=True,
        )
    await around.api.call("DELETE", f"/sources/{part(identifier)}", match=source["etag"])
    return Elsewhere(
        "/console/sources", f"{source['name']} is removed. Its events stay until they are pruned."
    )


def _problems(problem: ApiProblem) -> dict[str, str]:
    found = forms.by_field(problem.body.get("problems") or [])
    return found or {"": f"{problem.message} {problem.remedy}".strip()}


PAGES: tuple[PageOf, ...] = (
    ("GET", "/sources/new", add_source),
    ("POST", "/sources/new", add_source),
    ("GET", "/sources/{source}/settings", source_settings),
    ("POST", "/sources/{source}/settings", source_settings),
    ("POST", "/sources/{source}/rotate", rotate),
    ("POST", "/sources/{source}/end-keys", end_keys),
    ("POST", "/sources/{source}/switch", switch_source),
    ("POST", "/sources/{source}/delete", delete_source),
)
