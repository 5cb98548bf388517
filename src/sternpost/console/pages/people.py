"""Settings: people and roles, tokens, sessions, the audit log."""

from __future__ import annotations

import json
from typing import Any

from sternpost.console.inside import ApiProblem, part
from sternpost.console.pages.common import paged
from sternpost.console.surroundings import Elsewhere, Page, PageOf, Result, Surroundings, Visit
from sternpost.control.auth import ROLES

PEOPLE = "/console/settings/people"
TOKENS = "/console/settings/tokens"
SESSIONS = "/console/settings/sessions"
AUDIT_FILTERS = ("who", "what", "since", "before")


async def people(
    around: Surroundings, visit: Visit, *, problem: str = "", address: str = "", invited: str = ""
) -> Result:
    found = await paged(around, visit, "/users")
    return Page(
        "people.html",
        "People",
        {
            **found,
            "roles": ROLES,
            "me": visit.who.name,
            "problem": problem,
            "address": f"{visit.base}{address}" if address else "",
            "invited": invited,
        },
        400 if problem else 200,
    )


async def add_user(around: Surroundings, visit: Visit) -> Result:
    content: dict[str, Any] = {"name": visit.form.get("name", ""), "role": visit.form.get("role", "")}
    if visit.form.get("personal") == "1":
        content["personalData"] = True
    try:
        answer = await around.api.post("/users", content)
    except ApiProblem as error:
        return await people(around, visit, problem=f"{error.message} {error.remedy}".strip())
    return await people(around, visit, address=answer["path"], invited=answer["user"]["name"])


async def change_user(around: Surroundings, visit: Visit) -> Result:
    name: str = visit.request.path_params["user"]
    path = f"/users/{part(name)}"
    wanted = visit.form.get("change", "")
    try:
        if wanted == "invite":
            answer = await around.api.post(f"{path}/address", {})
            return await people(around, visit, address=answer["path"], invited=name)
        if wanted == "remove":
            if visit.form.get("typed", "").strip() != name:
                return await people(
                    around, visit, problem=f"Nobody was removed: type {name} to say that you mean it."
                )
            await around.api.call("DELETE", path)
            return Elsewhere(PEOPLE, f"{name} was removed and signed out.")
        content: dict[str, Any] = {}
        if wanted == "role":
            content["role"] = visit.form.get("role", "")
        elif wanted in {"disable", "enable"}:
            content["disabled"] = wanted == "disable"
        elif wanted in {"show", "hide"}:
            content["personalData"] = wanted == "show"
        await around.api.call("PATCH", path, content)
    except ApiProblem as error:
        return await people(around, visit, problem=f"{error.message} {error.remedy}".strip())
    return Elsewhere(PEOPLE, f"{name} was changed; it counts already.")


async def tokens(around: Surroundings, visit: Visit, *, problem: str = "", made: str = "") -> Result:
    found = await paged(around, visit, "/tokens")
    data = {**found, "roles": ROLES, "problem": problem, "made": made}
    return Page("tokens.html", "API tokens", data, 400 if problem else 200)


async def add_token(around: Surroundings, visit: Visit) -> Result:
    content: dict[str, Any] = {"name": visit.form.get("name", ""), "role": visit.form.get("role", "")}
    if content["role"] != "owner":
        content["personalData"] = visit.form.get("personal") == "1"
    if days := visit.form.get("days", "").strip():
        if not (days.isascii() and days.isdigit() and len(days) < 6):
            return await tokens(around, visit, problem="Days must be a whole number, or be left empty.")
        content["days"] = int(days)
    try:
        answer = await around.api.post("/tokens", content)
    except ApiProblem as error:
        return await tokens(around, visit, problem=f"{error.message} {error.remedy}".strip())
    return await tokens(around, visit, made=answer["token"])


async def remove_token(around: Surroundings, visit: Visit) -> Result:
    await around.api.call("DELETE", f"/tokens/{part(visit.request.path_params['token'])}")
    return Elsewhere(TOKENS, "The token was revoked. Whoever used it is answered with 401 from now on.")


async def sessions(around: Surroundings, visit: Visit) -> Result:
    assert visit.session is not None
    found = await paged(around, visit, "/sessions")
    return Page("sessions.html", "Sessions", {**found, "own": around.access.session_id(visit.session)})


async def end_session(around: Surroundings, visit: Visit) -> Result:
    await around.api.call("DELETE", f"/sessions/{part(visit.request.path_params['session'])}")
    return Elsewhere(SESSIONS, "That browser is signed out.")


async def audit(around: Surroundings, visit: Visit) -> Result:
    query = {name: visit.query(name).strip() for name in AUDIT_FILTERS}
    problem = ""
    found: dict[str, Any] = {"audit": [], "next": None}
    try:
        found = await around.api.get("/audit", query)
    except ApiProblem as error:
        if error.status != 400:
            raise
        problem = f"{error.message} {error.remedy}".strip()
    for line in found["audit"]:
        line["details"] = [(name, _told(value)) for name, value in line["detail"].items()]
    return Page("audit.html", "Audit log", {**found, **query, "problem": problem}, 400 if problem else 200)


def _told(value: Any) -> str:
    """A member of a line's detail: a change as from → to, else its JSON without quotes."""
    if isinstance(value, list) and len(value) == 2:
        return f"{_told(value[0])} → {_told(value[1])}"
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return "; ".join(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


PAGES: tuple[PageOf, ...] = (
    ("GET", "/settings/people", people, "owner"),
    ("POST", "/settings/people", add_user, "owner"),
    ("POST", "/settings/people/{user}", change_user, "owner"),
    ("GET", "/settings/tokens", tokens, "owner"),
    ("POST", "/settings/tokens", add_token, "owner"),
    ("POST", "/settings/tokens/{token}/revoke", remove_token, "owner"),
    ("GET", "/settings/sessions", sessions),
    ("POST", "/settings/sessions/{session}/end", end_session, "viewer"),
    ("GET", "/settings/audit", audit, "owner"),
)
