"""Every address of console and API, found in their own lists: nobody does what the role does not allow, and nothing changes without a token."""

from __future__ import annotations

import re
from typing import Any

import pytest
from starlette.routing import compile_path

from sternpost.console.app import needed_role
from sternpost.console.guard import MOUNT
from sternpost.console.pages import PAGES
from sternpost.control.auth import ROLES, Role, allows
from sternpost.control.operations import OPERATIONS
from tests.console.house import POLICY, House
from tests.console.screens import NO_PAGES, SCREENS, STRANGERS
from tests.console.test_people_pages import invited

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
OWN = {  #: of the app itself, beside the pages: method, path, whom it answers
    ("POST", f"{MOUNT}/sign-in"), ("POST", f"{MOUNT}/sign-out"), ("POST", f"{MOUNT}/theme"),
}  # fmt: skip


def address(path: str) -> str:
    """A path with something in its places."""
    known = {"source": "web", "destination": "pendo", "user": "owner"}
    return (
        f"{MOUNT}{path}".replace("{message_id:path}", "m1")
        if "{" not in path
        else f"{MOUNT}" + re.sub(r"\{(\w+)(?::\w+)?\}", lambda found: known.get(found[1], "m1"), path)
    )


def routes(app: Any) -> set[tuple[str, str]]:
    """Every (method, path) that the console's router knows."""
    return {
        (method, route.path) for route in app._router.routes for method in route.methods if method != "HEAD"
    }


async def test_the_lists_are_complete(home: House) -> None:
    """The walk below leaves out no address that changes something."""
    listed = {(page[0], f"{MOUNT}{page[1]}") for page in PAGES}
    others = routes(home.app) - listed
    changing = {one for one in others if one[0] != "GET"}
    assert changing == OWN | {("POST", f"{MOUNT}/setup/{{token}}")}


@pytest.mark.parametrize("role", ROLES[:2])
async def test_roles_hold(home: House, role: Role) -> None:
    """A page or form beyond the role is answered with 403; what the role allows is not."""
    owner = await home.owner()
    browser = await invited(home, owner, "ann", role)
    before = home.bench.people.users
    for page in PAGES:
        await browser.get("/console/settings")
        token = re.search(r'name="form_token" value="(\w+)"', browser.last)
        assert token is not None
        form = {"form_token": token[1]} if page[0] == "POST" else None
        answer = await browser.ask(page[0], address(page[1]), form)
        if not allows(role, needed_role(page)):
            assert answer.status == 403, page
        else:
            assert answer.status != 403, (page, answer.body)
    assert home.bench.people.users == before


async def test_nothing_without_a_session(home: House) -> None:
    """A stranger is led to the sign-in page, or refused; by no method and by no address anything else happens."""
    await home.owner()
    stranger = home.browser()
    await stranger.get("/console/sign-in")
    for page in PAGES:
        for method in METHODS:
            form = {"form_token": "x"} if method == "POST" else None
            answer = await stranger.ask(method, address(page[1]), form)
            assert answer.status in {303, 401, 405, 404}, (method, page, answer.status)
            if answer.status == 303:
                assert answer.headers["location"].startswith("/console/sign-in?next=")


async def test_no_change_without_a_form_token(home: House) -> None:
    """Every form of every page, found in the list: without its token, with a stranger's, or from elsewhere nothing happens."""
    owner = await home.owner()
    other = home.browser()
    await other.get("/console/sign-in")
    theirs = other.last.split('name="form_token" value="')[1][:32]
    ours = owner.last.split('name="form_token" value="')[1][:32]
    lines = len((await home.bench.get("/audit"))["audit"])
    for method, path in {(page[0], address(page[1])) for page in PAGES} | OWN:
        if method == "GET" or path == f"{MOUNT}/sign-in":
            continue
        for form in ({}, {"form_token": theirs}, {"form_token": ours[:-1]}):
            assert (await owner.ask(method, path, form)).status == 403, path
        assert (
            await owner.ask(method, path, {"form_token": ours}, sec_fetch_site="cross-site")
        ).status == 403
        assert (
            await owner.ask(method, path, {"form_token": ours}, origin="http://evil.example")
        ).status == 403
        assert (await owner.ask(method, f"{path}?form_token={ours}", {})).status == 403
    assert len((await home.bench.get("/audit"))["audit"]) == lines
    assert not home.bench.sent


async def test_cookies_mean_nothing_to_the_api(home: House) -> None:
    """The API takes bearer tokens only: no page elsewhere can use a browser's session."""
    owner = await home.owner()
    owner.app = home.bench.app
    for operation in OPERATIONS:
        path = re.sub(r"\{\w+\}", "x", operation.shown_path)
        answer = await owner.ask(operation.method, f"/api/v1{path}")
        assert answer.status == 401, operation.name
        assert "access-control-allow-origin" not in answer.headers


async def test_headers_of_every_answer(home: House) -> None:
    """Every page, form, refusal and error carries the policy and the other headers."""
    owner = await home.owner()
    stranger = home.browser()
    for page in PAGES:
        for browser in (owner, stranger):
            for method in ("GET", "POST", "PUT"):
                answer = await browser.ask(method, address(page[1]), {} if method == "POST" else None)
                assert answer.headers["content-security-policy"] == POLICY, page
                assert answer.headers["x-content-type-options"] == "nosniff"
                assert answer.headers["x-frame-options"] == "DENY"
                assert answer.headers["referrer-policy"] == "no-referrer"
                assert answer.headers["cache-control"] == "no-store", page


async def test_form_bodies_are_bounded(home: House) -> None:
    owner = await home.owner()
    for page in PAGES:
        if page[0] == "POST":
            assert (await owner.post(address(page[1]), x="y" * 70_000)).status == 413, page
            many = {f"n{number}": "" for number in range(1_200)}
            assert (await owner.post(address(page[1]), **many)).status == 400, page


async def test_every_page_is_looked_at(home: House) -> None:
    """Each address that shows a page is one of those that the browser test opens, narrow and wide, light and dark."""
    compiled = {path: compile_path(path)[0] for method, path in routes(home.app) if method == "GET"}
    order = [route.path for route in home.app._router.routes if route.path in compiled]
    opened = {
        next(path for path in order if compiled[path].match(f"{MOUNT}{screen.path.partition('?')[0]}"))
        for screen in (*SCREENS, *STRANGERS)
        if screen.name != "no-such-page"
    }
    assert {path.removeprefix(MOUNT) for path in compiled.keys() - opened} == NO_PAGES.keys()
