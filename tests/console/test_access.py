"""Who gets in: the one-time address, cookies, forms, the password, and patience with guessing."""

from __future__ import annotations

import asyncio
import ipaddress
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from sternpost.console import patience
from sternpost.console.access import Access
from sternpost.control import passwords
from sternpost.control.people import SESSIONS_PER_USER_MAX, Client
from sternpost.proxies import client_address
from tests.console.house import PASSWORD, POLICY, WORK, Browser, House, house, text_of
from tests.control.bench import Answer, make

PAGES = (
    "/console/", "/console/events", "/console/events?tab=refused", "/console/events/m1", "/console/failures",
    "/console/sources", "/console/sources/web", "/console/destinations", "/console/destinations/pendo", "/console/settings",
    "/console/search?q=u1", "/console/replay", "/console/people", "/console/people/u1", "/console/try",
    "/console/destinations/pendo/mapping", "/console/failures/export?destination=pendo&reason=bad_id", "/console/live",
)  # fmt: skip
FORMS = (
    "/console/failures/retry", "/console/failures/discard", "/console/destinations/pendo/check", "/console/settings/password",
    "/console/settings/sign-out-others", "/console/test-event", "/console/checklist",
    "/console/failures/resume", "/console/replay/change",
)  # fmt: skip


# --- the one-time address ---------------------------------------------------------------------------------------------


async def test_one_button(home: House) -> None:
    """On loopback opening the address uses nothing up; the button signs this browser in, once."""
    address = f"/console/setup/{home.setup_token}"
    assert len(home.setup_token) == 22  # 128 bits
    browser = home.browser()
    for _ in range(3):
        page = await browser.get(address)
        assert "Start" in page
        assert 'type="password"' not in page
    answer = await browser.ask("GET", address)
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert (await browser.post(address)).status == 303
    assert "Needs attention" in await browser.get("/console/") or "Nothing needs you" in browser.last
    other = home.browser()
    assert "does not work any more" in await other.get(address, 404)
    assert (await other.ask("GET", "/console/")).status == 303


async def test_one_of_two_at_once(home: House) -> None:
    """Two browsers that press at the same moment: one is in."""
    address = f"/console/setup/{home.setup_token}"
    first, second = home.browser(), home.browser()
    await first.get(address)
    await second.get(address)
    await asyncio.gather(first.post(address), second.post(address))
    signed_in = [browser for browser in (first, second) if "sternpost_session" in browser.cookies]
    assert len(signed_in) == 1


async def test_half_an_hour(home: House) -> None:
    browser = home.browser()
    await browser.get(f"/console/setup/{home.setup_token}")
    home.bench.now += 30 * 60 + 1
    await browser.post(f"/console/setup/{home.setup_token}")
    assert "sternpost_session" not in browser.cookies
    await browser.get(f"/console/setup/{home.setup_token}", 404)


async def test_each_start_prints_a_new_one(tmp_path: Path) -> None:
    """While nobody owns the server the address before ends; afterwards none is printed; once every session has ended, one is again."""
    bench = await make(tmp_path)
    first = await house(tmp_path, bench=bench)
    second = await house(tmp_path, bench=bench)
    assert first.setup_token != second.setup_token
    await second.browser().get(f"/console/setup/{first.setup_token}", 404)
    browser = await second.owner()
    third = await house(tmp_path, bench=bench)
    assert third.setup_token == ""
    browser.app = third.app
    await browser.get("/console/")
    assert (await browser.post("/console/sign-out")).status == 303
    assert (await house(tmp_path, bench=bench)).setup_token
    bench.close()


async def test_only_hashes_are_stored(home: House) -> None:
    """Nothing in the file of the store lets anybody in."""
    browser = home.browser()
    await browser.get(f"/console/setup/{home.setup_token}")
    await browser.post(f"/console/setup/{home.setup_token}")
    await browser.get("/console/settings")
    await browser.post("/console/settings/password", new=PASSWORD, again=PASSWORD)
    with closing(sqlite3.connect(home.bench.store.path)) as cx:
        text = "\n".join(str(row) for row in cx.iterdump())
    for secret in (home.setup_token, browser.cookies["sternpost_session"], PASSWORD):
        assert secret not in text
    assert f"scrypt${WORK.n}$8$1$" in text
    assert passwords.stretch("x").startswith("scrypt$131072$8$1$")


async def test_wrong_tokens(home: House) -> None:
    browser = home.browser()
    for token in ("x", "", home.setup_token[:-1], home.setup_token + "x", "%00", "..%2f"):
        assert (await browser.ask("GET", f"/console/setup/{token}")).status in {404, 405}


# --- reached from other machines --------------------------------------------------------------------------------------


async def test_password_is_asked_for(remote: House) -> None:
    """Bound to anything but loopback: at least twelve characters, twice the same; a warning when nothing is encrypted."""
    browser = remote.browser()
    address = f"/console/setup/{remote.setup_token}"
    page = await browser.get(address)
    assert "The connection is not encrypted." in text_of(page)
    for password, again, problem in (
        ("", "", "at least 12"),
        ("short", "short", "at least 12"),
        (PASSWORD, PASSWORD + "x", "differ"),
        ("sternpost-sternpost", "sternpost-sternpost", "too easy"),
        ("aaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaa", "too easy"),
        ("ann.example@ann.example", "ann.example@ann.example", "too easy"),
    ):
        answer = await browser.post(address, username="ann@example.com", password=password, again=again)
        assert answer.status == 400
        assert problem in answer.body.decode()
        assert "sternpost_session" not in browser.cookies
    for name in ("", "a:b", "../x", "x" * 65):
        assert (await browser.post(address, username=name, password=PASSWORD, again=PASSWORD)).status == 400
    answer = await browser.post(address, username="ann@example.com", password=PASSWORD, again=PASSWORD)
    assert answer.headers["location"] == "/console/"
    other = remote.browser()
    assert "Sign in" in await other.get("/console/sign-in")
    assert (await sign_in(other, "owner")).status == 403
    assert (await sign_in(other, "Ann@Example.com ")).status == 303
    await other.get("/console/")


async def test_nothing_else_without_an_owner(remote: House) -> None:
    browser = remote.browser()
    for path in PAGES:
        answer = await browser.ask("GET", path)
        assert answer.status == 303
        assert answer.headers["location"].startswith("/console/sign-in?next=")
    assert "Nobody owns this server" in await browser.get("/console/sign-in")
    assert "password" not in browser.last.replace("a password", "")
    await remote.bench.get("/stats")  # bearer tokens work as ever


async def test_ten_failures(remote: House) -> None:
    """Ten wrong passwords in ten minutes: this address waits, others do not; then it may try again."""
    await remote.owner()
    browser = remote.browser()
    await browser.get("/console/sign-in")
    for number in range(10):
        assert (await sign_in(browser, f"nobody-{number}", "wrong")).status == 403
    answer = await sign_in(browser, "owner")
    assert answer.status == 429
    assert 0 < int(answer.headers["retry-after"]) <= 600
    assert "Try again in" in answer.body.decode()
    assert remote.access.wait_s("203.0.113.7") == 0
    remote.bench.now += 601
    assert (await sign_in(browser, "owner")).status == 303


async def test_guesses_from_everywhere(remote: House) -> None:
    """Guesses of one name from many addresses make that name slow, and lock nobody out; other names are as quick as ever."""
    await remote.owner()
    for number in range(10):
        assert (await remote.access.sign_in("owner", "wrong", Client(f"198.51.100.{number}")))[0] == "wrong"
    assert remote.pauses == []
    assert (await remote.access.sign_in("other", "wrong", Client("203.0.113.8")))[0] == "wrong"
    assert remote.pauses == []
    assert (await remote.access.sign_in("OWNER", PASSWORD, Client("203.0.113.7")))[0] == "in"
    assert remote.pauses == [patience.PAUSE_S]


async def test_guesses_queue() -> None:
    """Tries of a name that failed too often are looked at one after the other, and a queue of them has an end."""
    going = asyncio.Event()

    async def sleep(seconds: float) -> None:
        await going.wait()

    patient = patience.Patience(clock=lambda: 0.0, sleep=sleep)
    for number in range(patience.FAILURES_MAX):
        patient.failed(f"198.51.100.{number}", "ann")
    inside = 0
    most = 0

    async def one_try() -> bool:
        nonlocal inside, most
        async with patient.turn("ann") as soon:
            if soon:
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0)
                inside -= 1
            return soon

    tries = [asyncio.create_task(one_try()) for _ in range(patience.QUEUE_MAX + 3)]
    await asyncio.sleep(0)
    going.set()
    soon = await asyncio.gather(*tries)
    assert soon.count(False) == 3
    assert most == 1
    assert not patient._turns
    assert not patient._queued


async def test_many_guesses_at_once(remote: House) -> None:
    """Of one address only some passwords are looked at at a time, of all together only so many: the rest is turned away at once, and the
    owner comes in beside them.
    """
    await remote.owner()

    async def tries(addresses: list[str]) -> Counter[str]:
        guesses = (
            remote.access.sign_in(f"nobody-{number}", "wrong", Client(address))
            for number, address in enumerate(addresses)
        )
        owner = remote.access.sign_in("owner", PASSWORD, Client("203.0.113.7"))
        *guessed, (came, _) = await asyncio.gather(*guesses, owner)
        return Counter([*(said for said, _ in guessed), f"owner {came}"])

    assert await tries(["198.51.100.1"] * 9) == {"wrong": 3, "crowded": 6, "owner in": 1}
    everywhere = [f"198.51.100.{2 + number // 2}" for number in range(12)]
    assert await tries(everywhere) == {"wrong": 8, "busy": 4, "owner busy": 1}
    browser = remote.browser()
    await browser.get("/console/sign-in")
    remote.access._waiting["203.0.113.9"] = 8
    answer = await sign_in(browser, "owner")
    assert (answer.status, answer.headers["retry-after"]) == (503, "3")
    del remote.access._waiting["203.0.113.9"]
    remote.access._waiting["127.0.0.1"] = 3
    answer = await sign_in(browser, "owner")
    assert (answer.status, answer.headers["retry-after"]) == (429, "3")
    del remote.access._waiting["127.0.0.1"]
    assert (await sign_in(browser, "owner")).status == 303


def test_patience_is_bounded() -> None:
    patient = patience.Patience(clock=lambda: 0.0)
    for number in range(patience.REMEMBERED_MAX + 100):
        patient.failed(f"a{number}", f"n{number}")
    assert len(patient._addresses._at) == len(patient._names._at) == patience.REMEMBERED_MAX


def test_whose_patience() -> None:
    """Behind a trusted proxy each client is counted by itself; what a client claims about itself is not believed."""
    ours = (ipaddress.ip_network("10.0.0.0/8"),)
    assert client_address("203.0.113.7", "198.51.100.1", ours) == "203.0.113.7"
    assert client_address("10.0.0.1", "198.51.100.1", ours) == "198.51.100.1"
    assert client_address("10.0.0.1", "1.1.1.1, 198.51.100.1, 10.0.0.2", ours) == "198.51.100.1"
    assert client_address("10.0.0.1", "", ours) == "10.0.0.1"
    assert client_address("10.0.0.1", "made up", ()) == "10.0.0.1"
    assert client_address("", "x", ours) == ""


async def test_goes_on_after_signing_in(remote: House) -> None:
    await remote.owner()
    browser = remote.browser()
    path = "/console/sign-in?next=/console/events%3Fq%3Dtype%253Atrack"
    await browser.get(path)
    answer = await browser.post(path, username="owner", password=PASSWORD)
    assert answer.headers["location"] == "/console/events?q=type%3Atrack"
    await browser.get("/console/")


@pytest.mark.parametrize(
    "wanted", ["https://evil.example/", "//evil.example/", "/console/../api", "/console/\\evil", "/other", ""]
)
async def test_goes_on_within_the_console_only(home: House, wanted: str) -> None:
    browser = await home.owner()
    from urllib.parse import quote

    answer = await browser.ask("GET", f"/console/sign-in?next={quote(wanted)}")
    assert answer.headers["location"] == "/console/"


async def test_change_of_password(home: House) -> None:
    """Choosing one needs only the session, changing it the one before; other browsers can be signed out."""
    browser = await home.owner()
    await browser.get("/console/settings")
    assert (await browser.post("/console/settings/password", new="short", again="short")).status == 400
    page = await browser.follow(
        await browser.post("/console/settings/password", new=PASSWORD, again=PASSWORD)
    )
    assert "The password is set." in text_of(page)
    answer = await browser.post(
        "/console/settings/password", current="x", new=PASSWORD + "2", again=PASSWORD + "2"
    )
    assert "current password is another one" in answer.body.decode()
    other = home.browser()
    await other.get("/console/sign-in")
    await sign_in(other, "owner")
    await other.get("/console/")
    await browser.get("/console/settings")
    page = await browser.follow(await browser.post("/console/settings/sign-out-others"))
    assert "Signed out elsewhere: 1." in text_of(page)
    assert (await other.ask("GET", "/console/")).status == 303
    await other.get("/console/sign-in")
    await sign_in(other, "owner")
    await browser.get("/console/settings")
    new = PASSWORD + "3"
    await browser.follow(
        await browser.post("/console/settings/password", current=PASSWORD, new=new, again=new)
    )
    assert (await other.ask("GET", "/console/")).status == 303  # whoever knew the old one is out


# --- cookies, forms, headers ------------------------------------------------------------------------------------------


async def test_cookies(home: House) -> None:
    browser = await home.owner()
    for cookie in browser.set_cookies:
        attributes = {part.strip().lower() for part in cookie.split(";")}
        assert {"httponly", "samesite=strict", "path=/console/"} <= attributes, cookie
        assert "secure" not in attributes
    assert any(cookie.startswith("sternpost_session=") for cookie in browser.set_cookies)


async def test_secure_cookie_behind_tls(tmp_path: Path) -> None:
    """A trusted proxy says that the browser's connection is encrypted; nobody else may."""
    for networks, secure in (((ipaddress.ip_network("127.0.0.0/8"),), True), ((), False)):
        (tmp_path / str(secure)).mkdir()
        made = await house(tmp_path / str(secure), trusted_proxies=networks)
        browser = made.browser()
        browser.headers["x-forwarded-proto"] = "https"
        await browser.get(f"/console/setup/{made.setup_token}")
        await browser.post(f"/console/setup/{made.setup_token}")
        assert ("secure" in browser.set_cookies[-1].lower()) is secure
        assert ("https://127.0.0.1:8080" in await browser.get("/console/sources/web")) is secure
        made.bench.close()


async def test_headers_everywhere(home: House) -> None:
    """Pages, files, errors, redirects and streams carry the policy word by word."""
    browser = await home.owner()
    for path in (
        *PAGES[:-1],
        "/console",
        "/console/nothing",
        "/console/events?q=nokey:1",
        "/console/static/console.css",
        "/console/sign-in",
    ):
        for one in (browser, home.browser()):
            answer = await one.ask("GET", path)
            assert answer.headers["content-security-policy"] == POLICY, path
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert answer.headers["x-frame-options"] == "DENY"
            if "/static/" not in path:
                assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", FORMS)
async def test_no_change_without_a_form_token(home: House, path: str) -> None:
    """A form without the token, with another session's, or from another site changes nothing."""
    browser = await home.owner()
    other = home.browser()
    await other.get("/console/sign-in")
    theirs = other.last.split('name="form_token" value="')[1][:32]
    for form in ({}, {"form_token": ""}, {"form_token": theirs}, {"form_token": "é" * 32}):
        answer = await browser.ask(
            "POST", path, {**form, "destination": "pendo", "new": PASSWORD, "again": PASSWORD}
        )
        assert answer.status == 403, path
        assert "Nothing was changed" in answer.body.decode()
    ours = browser.last.split('name="form_token" value="')[1][:32]
    answer = await browser.ask("POST", path, {"form_token": ours}, sec_fetch_site="cross-site")
    assert answer.status == 403
    assert not home.bench.sent
    assert not home.bench.people.users[0].password
    assert (await home.bench.get("/events"))["events"] == []


@pytest.mark.parametrize("path", FORMS)
async def test_no_change_for_strangers(home: House, path: str) -> None:
    await home.owner()
    browser = home.browser()
    await browser.get("/console/sign-in")
    assert (await browser.post(path, destination="pendo")).status == 401
    assert (await browser.ask("GET", path)).status in {303, 405, 404}


async def test_changes_take_forms_only(home: House) -> None:
    browser = await home.owner()
    for path in FORMS:
        answer = await browser.ask("GET", path)
        assert answer.status in {404, 405}, path


async def test_json_for_strangers(home: House) -> None:
    for path in PAGES:
        answer = await home.browser().json(path, 401)
        assert answer["error"]["message"] == "You are not signed in."


async def test_link_from_another_site(home: House) -> None:
    """A strict cookie does not come with a link from a chat; the page asks for itself once more, then it does."""
    browser = home.browser()
    page = await browser.get("/console/events/m1?source=web", sec_fetch_site="cross-site")
    assert '<meta http-equiv="refresh" content="0">' in page
    answer = await browser.ask("GET", "/console/events/m1", sec_fetch_site="same-origin")
    assert answer.headers["location"] == "/console/sign-in?next=/console/events/m1"


async def test_too_large_a_form(home: House) -> None:
    browser = await home.owner()
    assert (await browser.post("/console/failures/discard", note="x" * 70_000)).status == 413


async def test_a_session_ends(home: House) -> None:
    browser = await home.owner()
    home.bench.now += 31 * 86_400
    assert (await browser.ask("GET", "/console/")).status == 303
    assert not home.access.owned


async def test_sessions_outlive_a_restart(home: House) -> None:
    browser = await home.owner()
    await home.bench.people.start()
    again = Access(
        home.bench.people,
        home.bench.context.audit,
        home.bench.context.attempts,
        clock=lambda: home.bench.now,
        on_loopback=True,
    )
    assert await again.start() == ""
    assert again.session(browser.cookies["sternpost_session"]) is not None
    assert again.session("x") is None
    assert again.session("") is None


async def test_a_new_session_each_time(remote: House) -> None:
    """A cookie that somebody put into the browser beforehand means nothing, and signing in never takes it over."""
    await remote.owner()
    browser = remote.browser()
    browser.cookies["sternpost_session"] = "chosen-by-somebody-else"
    await browser.get("/console/sign-in")
    await sign_in(browser, "owner")
    assert browser.cookies["sternpost_session"] != "chosen-by-somebody-else"
    fixed = remote.browser()
    fixed.cookies["sternpost_session"] = "chosen-by-somebody-else"
    assert (await fixed.ask("GET", "/console/")).status == 303


async def test_sessions_are_bounded(remote: House) -> None:
    """The earliest browser of a user is signed out when there are too many."""
    first = await remote.owner()
    for _ in range(SESSIONS_PER_USER_MAX):
        remote.bench.now += 1
        await remote.access.sign_in("owner", PASSWORD, Client())
    assert len(remote.bench.people.sessions) == SESSIONS_PER_USER_MAX
    assert (await first.ask("GET", "/console/")).status == 303


async def test_a_hash_is_made_anew(remote: House) -> None:
    """A password that was stretched with less work is stretched again when its user signs in."""
    await remote.owner()
    old = passwords.stretch(PASSWORD, passwords.Work(2, 8, 1))
    people = remote.bench.people
    await people.keep_password(people.users[0], old)
    assert (await remote.access.sign_in("owner", PASSWORD, Client()))[0] == "in"
    assert people.users[0].password.startswith(f"scrypt${WORK.n}$")
    assert (await remote.access.sign_in("owner", PASSWORD, Client()))[0] == "in"


async def test_origin_of_forms(home: House) -> None:
    """Where a browser leaves Sec-Fetch-Site out, its Origin counts."""
    browser = await home.owner()
    for origin, status in (
        ("http://127.0.0.1:8080", 303),
        ("http://evil.example", 403),
        ("null", 403),
        ("https://127.0.0.1:8080", 403),
    ):
        browser.headers["origin"] = origin
        assert (await browser.post("/console/theme", theme="dark")).status == status, origin


async def sign_in(browser: Browser, name: str, password: str = PASSWORD) -> Answer:
    return await browser.post("/console/sign-in", username=name, password=password)
