"""Settings: the workspace, access, limits, versions."""

from __future__ import annotations

import importlib.metadata
import re
import sqlite3
import sys

from sternpost.console.surroundings import Elsewhere, Page, PageOf, Result, Surroundings, Visit
from sternpost.workspace import yaml


async def settings(around: Surroundings, visit: Visit, *, problem: str = "") -> Result:
    workspace = await around.api.get("/workspace")
    session = visit.session
    assert session is not None
    own = around.context.people.user(session.who.name)
    return Page(
        "settings.html",
        "Settings",
        {
            "workspace": workspace,
            "yaml": yaml.dump(workspace["document"]),
            "limits": around.limits,
            "disk": (await around.api.get("/stats"))["disk"],
            "store": around.store,
            "sqlite": sqlite3.sqlite_version,
            "python": ".".join(map(str, sys.version_info[:3])),
            "dependencies": _dependencies(),
            "has_password": around.access.has_password(session),
            "on_loopback": around.on_loopback,
            "browsers": sum(
                own is not None and one.user_key == own.key for one in around.context.people.sessions
            ),
            "me": session.who,
            "problem": problem,
        },
        400 if problem else 200,
    )


async def password(around: Surroundings, visit: Visit) -> Result:
    new = visit.form.get("new", "")
    if new != visit.form.get("again", ""):
        return await settings(around, visit, problem="The two new passwords differ.")
    assert visit.session is not None
    current = visit.form.get("current", "")
    problem = await around.access.set_password(visit.session, current, new, visit.client)
    if problem:
        return await settings(around, visit, problem=problem)
    return Elsewhere("/console/settings#access", "The password is set.")


async def sign_out_others(around: Surroundings, visit: Visit) -> Result:
    assert visit.session is not None
    count = await around.access.sign_out_others(visit.session)
    said = "No other browser was signed in." if not count else f"Signed out elsewhere: {count}."
    return Elsewhere("/console/settings#access", said)


def _dependencies() -> list[tuple[str, str, str]]:
    """The packages that this program stands on: name, version, licence."""
    found = []
    for text in importlib.metadata.requires("sternpost") or ():
        name = re.match(r"[A-Za-z0-9._-]+", text)
        if name is None or "extra ==" in text:
            continue
        try:
            about = importlib.metadata.metadata(name[0])
        except importlib.metadata.PackageNotFoundError:
            continue  # of another platform
        fields = about.json
        licence = str(fields.get("license_expression") or fields.get("license") or "")
        found.append((about["Name"], about["Version"], licence.splitlines()[0][:40] if licence else ""))
    return sorted(found, key=lambda entry: entry[0].lower())


PAGES: tuple[PageOf, ...] = (
    ("GET", "/settings", settings),
    ("POST", "/settings/password", password, "viewer"),
    ("POST", "/settings/sign-out-others", sign_out_others, "viewer"),
)
