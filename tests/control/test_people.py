"""Users and API tokens through the API: roles, invitations, the last owner, expiry, and what is kept of secrets."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from sternpost.control import passwords
from sternpost.control.auth import Principal
from sternpost.control.people import TOUCH_S, Client, key_of
from tests.control.bench import TOKEN, Bench

OWNER = Principal("token:api-token", "owner")


async def token_of(bench: Bench, role: str, **more: Any) -> str:
    answer = await bench.ask("POST", "/tokens", {"name": f"a {role}", "role": role, **more})
    assert answer.status == 200, answer.body
    return str(answer.json["token"])


async def owner(bench: Bench, name: str) -> str:
    """An owner who has come in; the cookie."""
    user = await bench.people.add_user(name, "owner", personal_data=None)
    address = await bench.people.new_address(user, valid_s=60)
    cookie = await bench.people.use_address(address, user, Client("127.0.0.1", "Firefox"))
    assert cookie is not None
    return cookie


async def test_me(bench: Bench) -> None:
    assert await bench.get("/me") == {"name": "token:api-token", "role": "owner", "personalData": True}
    token = await token_of(bench, "viewer")
    answer = await bench.ask("GET", "/me", token=token)
    assert answer.json == {"name": "token:a viewer", "role": "viewer", "personalData": False}


async def test_users(bench: Bench) -> None:
    """Added with a role, invited, changed, removed; the name is one in any spelling."""
    answer = await bench.ask("POST", "/users", {"name": " Ann ", "role": "viewer"})
    assert answer.json["user"] == {
        "name": "Ann", "role": "viewer", "personalData": False, "disabled": False, "hasPassword": False, "signedIn": 0,
        "createdAt": "2027-01-15T08:00:00.000Z",
    }  # fmt: skip
    first = answer.json["path"].rpartition("/")[2]
    assert answer.json["path"].startswith("/console/setup/")
    assert (await bench.ask("POST", "/users", {"name": "ANN", "role": "viewer"})).status == 409
    second = (await bench.ask("POST", "/users/ann/address")).json["path"].rpartition("/")[2]
    assert (await bench.people.address(first)) == (False, None)
    assert (await bench.people.address(second))[0]
    changed = (await bench.ask("PATCH", "/users/ann", {"role": "editor"})).json["user"]
    assert (changed["role"], changed["personalData"]) == ("editor", True)
    changed = (await bench.ask("PATCH", "/users/ann", {"personalData": False})).json["user"]
    assert (changed["role"], changed["personalData"]) == ("editor", False)
    changed = (await bench.ask("PATCH", "/users/ann", {"disabled": True})).json["user"]
    assert changed["disabled"]
    assert (await bench.people.address(second))[0] is False
    assert (await bench.ask("POST", "/users/ann/address")).status == 409
    assert (await bench.ask("DELETE", "/users/ann")).json == {"removed": "Ann"}
    assert (await bench.get("/users")) == {"users": [], "next": None}
    assert (await bench.ask("DELETE", "/users/ann")).status == 404


@pytest.mark.parametrize(
    "body",
    [
        {"name": "", "role": "viewer"},
        {"name": "x" * 65, "role": "viewer"},
        {"name": "token:x", "role": "viewer"},
        {"name": "a/b", "role": "viewer"},
        {"name": "..", "role": "viewer"},
        {"name": "a\nb", "role": "viewer"},
        {"name": "ann", "role": "root"},
        {"name": "ann", "role": 1},
        {"name": "ann"},
        {"name": "ann", "role": "owner", "personalData": False},
        {"name": "ann", "role": "viewer", "personalData": "yes"},
    ],
)
async def test_users_that_cannot_be(bench: Bench, body: dict[str, Any]) -> None:
    answer = await bench.ask("POST", "/users", body)
    assert answer.status == 400, answer.body
    assert bench.people.users == []


async def test_the_last_owner(bench: Bench) -> None:
    """Nobody can take the last owner away who can come in, also not by one who was only invited."""
    await owner(bench, "ann")
    await bench.ask("POST", "/users", {"name": "bea", "role": "owner"})
    for method, body in (("PATCH", {"role": "editor"}), ("PATCH", {"disabled": True}), ("DELETE", None)):
        answer = await bench.ask(method, "/users/ann", body)
        assert answer.status == 409
        assert "last owner" in answer.json["error"]["message"]
    bea = bench.people.user("bea")
    assert bea is not None
    await bench.people.keep_password(bea, "scrypt$2$8$1$00$00")
    assert (await bench.ask("DELETE", "/users/ann")).status == 200
    assert (await bench.ask("PATCH", "/users/bea", {"role": "viewer"})).status == 409


async def test_disabled_at_once(bench: Bench) -> None:
    """A disabled user's browsers are out in the same moment; a removed user's, too."""
    await owner(bench, "ann")
    for name, path in (("bea", "PATCH"), ("cleo", "DELETE")):
        cookie = await owner(bench, name)
        assert bench.people.session(cookie) is not None
        await bench.ask(path, f"/users/{name}", {"disabled": True} if path == "PATCH" else None)
        assert bench.people.session(cookie) is None
    assert [one.user_key for one in bench.people.sessions] == ["ann"]


async def test_tokens(bench: Bench) -> None:
    """Shown once, kept as a hash, with role, expiry and last use; a revoked one ends at once."""
    answer = await bench.ask("POST", "/tokens", {"name": "deploy", "role": "editor", "days": 2})
    made = answer.json
    text = made.pop("token")
    assert text.startswith("sp_")
    assert len(text) >= 46
    listed = (await bench.get("/tokens"))["tokens"]
    assert listed == [made]
    assert listed[0]["createdBy"] == "token:api-token"
    assert listed[0]["usedAt"] is None
    assert (await bench.ask("GET", "/stats", token=text)).status == 200
    assert (await bench.ask("GET", "/users", token=text)).status == 403
    assert (await bench.get("/tokens"))["tokens"][0]["usedAt"] == "2027-01-15T08:00:00.000Z"
    bench.now += TOUCH_S + 1
    await bench.ask("GET", "/stats", token=text)
    assert (await bench.get("/tokens"))["tokens"][0]["usedAt"] == "2027-01-15T08:01:01.000Z"
    assert (await bench.ask("POST", "/tokens", {"name": "Deploy", "role": "viewer"})).status == 409
    bench.now += 2 * 86_400
    assert (await bench.ask("GET", "/stats", token=text)).status == 401
    assert (await bench.get("/tokens"))["tokens"][0]["expired"]
    other = await token_of(bench, "viewer")
    [_, kept] = (await bench.get("/tokens"))["tokens"]
    assert (await bench.ask("DELETE", f"/tokens/{kept['id']}")).status == 200
    assert (await bench.ask("GET", "/stats", token=other)).status == 401
    assert (await bench.ask("DELETE", f"/tokens/{kept['id']}")).status == 404
    with closing(sqlite3.connect(bench.store.path)) as cx:
        dump = "\n".join(cx.iterdump())
    assert text not in dump
    assert TOKEN not in dump


@pytest.mark.parametrize("days", [0, -1, 4_000, "2", True, 1.5])
async def test_days_of_a_token(bench: Bench, days: Any) -> None:
    answer = await bench.ask("POST", "/tokens", {"name": "deploy", "role": "viewer", "days": days})
    assert answer.status == 400
    assert bench.people.tokens == []


async def test_everything_outlives_a_restart(bench: Bench) -> None:
    cookie = await owner(bench, "ann")
    token = await token_of(bench, "viewer", personalData=True)
    before = (bench.people.users, bench.people.tokens, bench.people.sessions)
    await bench.people.start()
    assert (bench.people.users, bench.people.tokens, bench.people.sessions) == before
    assert bench.people.session(cookie) is not None
    who = bench.people.who_is(token)
    assert who is not None
    assert who.personal_data


async def test_sessions(bench: Bench) -> None:
    """Owners see and end all, others their own; a session's name does not give its token away."""
    cookie = await owner(bench, "ann")
    [one] = (await bench.get("/sessions"))["sessions"]
    assert one["user"] == "ann"
    assert one["address"] == "127.0.0.1"
    assert one["browser"] == "Firefox"
    viewer = await token_of(bench, "viewer")
    assert (await bench.ask("GET", "/sessions", token=viewer)).json == {"sessions": [], "next": None}
    assert (await bench.ask("DELETE", f"/sessions/{one['id']}", token=viewer)).status == 404
    assert bench.people.session(cookie) is not None
    assert (await bench.ask("DELETE", f"/sessions/{one['id']}")).json == {"ended": one["id"]}
    assert bench.people.session(cookie) is None


async def test_fresh_address(bench: Bench) -> None:
    """Before anybody owns the server it makes the first owner; afterwards it is the first owner's, and the one before ends."""
    first = (await bench.ask("POST", "/access")).json["path"].rpartition("/")[2]
    assert await bench.people.address(first) == (True, None)
    await owner(bench, "ann")
    assert await bench.people.address(first) == (False, None)
    second = (await bench.ask("POST", "/access")).json["path"].rpartition("/")[2]
    possible, user = await bench.people.address(second)
    assert possible
    assert user is not None
    assert user.name == "ann"
    bench.now += 30 * 60 + 1
    assert (await bench.people.address(second))[0] is False


def test_names_that_are_one() -> None:
    assert key_of("Ann") == key_of("ann") == key_of("\uff21nn")
    assert key_of("Straße") == key_of("STRASSE")


def test_passwords() -> None:
    """Kept with salt and numbers; as much work as the documentation says."""
    work = passwords.Work(2**4, 8, 1)
    kept = passwords.stretch("correct horse battery", work)
    assert kept != passwords.stretch("correct horse battery", work)
    assert passwords.matches("correct horse battery", kept)
    assert not passwords.matches("correct horse battery ", kept)
    assert passwords.is_weaker(kept)
    assert not passwords.is_weaker(kept, work)
    assert passwords.Work(2**17, 8, 1) == passwords.WORK


@pytest.mark.parametrize(
    ("password", "name", "fine"),
    [
        ("short", "ann", False),
        ("x" * 1_001, "ann", False),
        ("aaaaaaaaaaaaaa", "ann", False),
        ("sternpost1234", "ann", True),
        ("sternpost111", "ann", False),
        ("Annabel-Annabel", "annabel", False),
        ("annabel.smith@example.com", "annabel.smith@example.com", False),
        ("Tr0ub4dor&3xyz", "ann", True),
        ("correct horse battery", "", True),
    ],
)
def test_easy_passwords(password: str, name: str, fine: bool) -> None:
    assert (passwords.problem(password, name) == "") is fine
