"""The pages about people: invite, change, remove; tokens, sessions, the audit log; and what each role sees of it."""

from __future__ import annotations

import html
import re

from sternpost.model import Rejected
from tests.console.house import PASSWORD, Browser, House, text_of


async def invited(home: House, owner: Browser, name: str, role: str, **form: str) -> Browser:
    """A browser of somebody whom the owner let in."""
    await owner.get("/console/settings/people")
    answer = await owner.post("/console/settings/people", name=name, role=role, **form)
    assert answer.status == 200, answer.body
    found = re.search(r'id="address">([^<]+)<', answer.body.decode())
    assert found is not None
    assert found[1].startswith("http://127.0.0.1:8080/console/setup/")
    path = html.unescape(found[1]).removeprefix("http://127.0.0.1:8080")
    browser = home.browser()
    page = text_of(await browser.get(path))
    assert f"invited as {name}" in page
    assert "not encrypted" not in page  # nobody is between this machine and itself
    assert (await browser.post(path, password="short", again="short")).status == 400
    assert (await browser.post(path, password=PASSWORD, again=PASSWORD)).status == 303
    await browser.get("/console/")
    return browser


async def test_invite_change_remove(home: House) -> None:
    owner = await home.owner()
    ann = await invited(home, owner, "ann@example.com", "viewer")
    page = text_of(await owner.get("/console/settings/people"))
    assert "ann@example.com viewer hashes 1 browser signed in" in page
    assert (await ann.ask("GET", "/console/settings/people")).status == 403
    path = "/console/settings/people/ann%40example.com"
    page = await owner.follow(await owner.post(path, change="role", role="editor"))
    assert "ann@example.com editor values" in text_of(page)
    page = await owner.follow(await owner.post(path, change="hide"))
    assert "ann@example.com editor hashes" in text_of(page)
    answer = await owner.post(path, change="remove", typed="ann")
    assert "Nobody was removed" in answer.body.decode()
    await owner.get("/console/settings/people")
    page = await owner.follow(await owner.post(path, change="disable"))
    assert "disabled" in page
    assert (await ann.ask("GET", "/console/")).status == 303
    await owner.follow(await owner.post(path, change="enable"))
    page = await owner.follow(await owner.post(path, change="remove", typed="ann@example.com"))
    assert "ann@example.com was removed" in text_of(page)
    answer = await owner.post("/console/settings/people/owner", change="disable")
    assert "last owner" in answer.body.decode()


async def test_a_token_is_shown_once(home: House) -> None:
    owner = await home.owner()
    await owner.get("/console/settings/tokens")
    assert (
        await owner.post("/console/settings/tokens", name="deploy", role="viewer", days="x")
    ).status == 400
    answer = await owner.post("/console/settings/tokens", name="deploy", role="viewer", days="30")
    found = re.search(r'id="token">(sp_[^<]+)<', answer.body.decode())
    assert found is not None
    token = html.unescape(found[1])
    assert (await home.bench.ask("GET", "/me", token=token)).json["personalData"] is False
    page = await owner.get("/console/settings/tokens")
    assert token not in page
    address = re.search(r'action="(/console/settings/tokens/\w+/revoke)"', page)
    assert address is not None
    await owner.follow(await owner.post(address[1]))
    assert (await home.bench.ask("GET", "/me", token=token)).status == 401


async def test_sessions(home: House) -> None:
    """Everybody sees their own; an owner ends another's."""
    owner = await home.owner()
    ann = await invited(home, owner, "ann", "viewer")
    page = text_of(await ann.get("/console/settings/sessions"))
    assert "this browser" in page
    assert "owner" not in page.replace("owner's", "")
    page = await owner.get("/console/settings/sessions")
    [address] = re.findall(r'action="(/console/settings/sessions/\w+/end)"', page)
    await owner.follow(await owner.post(address))
    assert (await ann.ask("GET", "/console/")).status == 303


async def test_audit_page(home: House) -> None:
    owner = await home.owner()
    await invited(home, owner, "ann", "viewer")
    page = text_of(await owner.get("/console/settings/audit"))
    assert "owner console add_user ann role: viewer; personalData: false" in page
    assert "ann console use_address ann" in page
    page = text_of(await owner.get("/console/settings/audit?what=add_user"))
    assert "use_address" not in page
    assert "is no time" in await owner.get("/console/settings/audit?since=soon", 400)


async def test_a_form_says_at_once_who_may_save_it(home: House) -> None:
    owner = await home.owner()
    ann = await invited(home, owner, "ann", "viewer")
    eve = await invited(home, owner, "eve", "editor")
    said = "Only an editor or an owner can save this."
    for path in (
        "/sources/new",
        "/sources/web/settings",
        "/destinations/new/pendo",
        "/destinations/pendo/connect",
    ):
        assert said in await ann.get(f"/console{path}")
        assert said not in await owner.get(f"/console{path}")
        assert said not in await eve.get(f"/console{path}")


async def test_viewers_see_hashes_on_every_page(home: House) -> None:
    """No page shows a viewer what the API would not; a viewer who may gets the values."""
    from tests.console.test_access import PAGES
    from tests.control.test_personal import VALUES, fill

    owner = await home.owner()
    ann = await invited(home, owner, "ann", "viewer")
    bea = await invited(home, owner, "bea", "viewer", personal="1")
    eve = await invited(home, owner, "eve", "editor")
    await owner.get("/console/settings/people")
    await owner.post("/console/settings/people/eve", change="hide")
    await fill(home.bench)
    for path in (
        *PAGES,
        "/console/events/m0?dest=hook",
        "/console/events/m1",
        "/console/search?q=m1",
        "/console/try?source=backend",
        "/console/try?id=m1",
    ):
        if path == "/console/live":
            continue
        for accept, browser in (
            ("text/html", ann),
            ("application/json", ann),
            ("text/html", eve),
            ("application/json", eve),
        ):
            answer = await browser.ask("GET", path, accept=accept)
            assert answer.status in {200, 303, 403, 404}, (path, answer.body)
            for value in VALUES:
                assert value not in html.unescape(answer.body.decode()), (path, value)
    assert "ann-id@example.com" in await bea.get("/console/events/m1")


async def test_who_sees_hashes_works_with_what_was_said(home: House) -> None:
    """The buttons beside each thing that was said, which such an editor sees as a hash, take the same events."""
    owner = await home.owner()
    eve = await invited(home, owner, "eve", "editor")
    await owner.get("/console/settings/people")
    await owner.post("/console/settings/people/eve", change="hide")
    said = ("The name is empty.", "The id is too long.", "The name is empty.")
    await home.bench.accept(
        *({"type": "track", "event": "E", "userId": f"u{n}", "messageId": f"r{n}"} for n in range(3))
    )
    await home.bench.settle("pendo", "track", *(Rejected("refused_by_destination", one) for one in said))
    page = await eve.get("/console/failures")
    first = re.findall(r'name="shape" value="(hidden:[^"]+)"', page)[0]
    form = {"destination": "pendo", "reason": "refused_by_destination", "shape": first}
    page = await eve.follow(await eve.post("/console/failures/retry", **form))
    assert "2 events went back into the queue" in text_of(page)
    other = (await eve.json("/console/failures"))["failures"][0]["shapes"][0]["shape"]
    answer = await eve.post(
        "/console/failures/discard", **{**form, "shape": other}, count="1", note="test data"
    )
    assert "1 event ended as skipped" in text_of(await eve.follow(answer))
