"""Sources, destinations, connections and revisions by the API: one validated workspace, numbered, never over another's change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sternpost.control.auth import Principal
from sternpost.model import Reply
from tests.control.bench import INTEGRATION_KEY, NOW, TOKEN, TRACK_SECRET, Answer, Bench, call, make

PENDO = {
    "name": "Pendo production",
    "type": "pendo",
    "settings": {
        "region": "eu",
        "integrationKey": "a-key-for-writing-1234.eu",
        "trackEventSecret": "a-track-secret-5678",
    },
}


async def send(
    bench: Bench, method: str, path: str, content: Any = None, *, etag: str | None = None, status: int = 200
) -> Any:
    answer = await ask(bench, method, path, content, etag=etag)
    assert answer.status == status, answer.body
    return answer.json


async def ask(
    bench: Bench, method: str, path: str, content: Any = None, *, etag: str | None = None
) -> Answer:
    headers = [(b"authorization", f"Bearer {TOKEN}".encode())]
    if etag is not None:
        headers.append((b"if-match", etag.encode()))
    body = json.dumps(content).encode() if content is not None else b""
    return await call(bench.app, method, f"/api/v1{path}", headers=headers, body=body)


async def etag_of(bench: Bench, path: str) -> str:
    answer = await ask(bench, "GET", path)
    assert answer.json["etag"] == answer.headers["etag"]
    return answer.headers["etag"]


async def test_source_from_birth_to_end(bench: Bench) -> None:
    """Added, read, changed, switched off and on, removed: each a revision that says what changed."""
    made = await send(bench, "POST", "/sources", {"name": "Web Shop!", "type": "web"}, status=201)
    assert made["source"]["id"] == "web-shop"
    assert made["source"]["writeKey"] == "wk-made-0"
    assert made["changes"] == ["+ source web-shop"]
    assert made["revision"] == 2
    again = await send(bench, "POST", "/sources", {"name": "Web Shop!", "type": "web"}, status=201)
    assert again["source"]["id"] == "web-shop-2"

    tag = await etag_of(bench, "/sources/web-shop")
    patch = {"name": "Shop", "allowedOrigins": ["https://shop.example.com"], "requestsPerSecond": 5}
    changed = await send(bench, "PATCH", "/sources/web-shop", patch, etag=tag)
    assert {name: changed["source"][name] for name in patch} == patch
    assert bench.holder.current.sources["web-shop"].allowed_origins == ("https://shop.example.com",)
    off = await send(bench, "POST", "/sources/web-shop/disable")
    assert off["source"]["enabled"] is False
    assert (await send(bench, "POST", "/sources/web-shop/disable"))["changes"] == []
    assert (await send(bench, "POST", "/sources/web-shop/enable"))["source"]["enabled"] is True
    tag = await etag_of(bench, "/sources/web-shop")
    cleared = await send(bench, "PATCH", "/sources/web-shop", {"allowedOrigins": None}, etag=tag)
    assert cleared["source"]["allowedOrigins"] == []

    await send(bench, "POST", "/connections", {"source": "web-shop", "destination": "pendo"}, status=201)
    tag = await etag_of(bench, "/sources/web-shop")
    gone = await send(bench, "DELETE", "/sources/web-shop", etag=tag)
    assert gone["changes"] == ["- source web-shop", "- connection web-shop → pendo"]
    await send(bench, "GET", "/sources/web-shop", status=404)


async def test_destination_from_birth_to_end(bench: Bench) -> None:
    """Secrets go in and never come out; what is not named stays; a mask keeps the secret."""
    answer = await ask(bench, "POST", "/destinations", PENDO)
    assert answer.status == 201, answer.body
    assert b"a-key-for-writing" not in answer.body
    made = answer.json["destination"]
    assert made["id"] == "pendo-production"
    assert made["settings"]["integrationKey"] == "••••"
    secrets = {one["path"]: one for one in made["secrets"]}
    assert secrets["settings.integrationKey"]["endsIn"] == "eu"
    assert secrets["settings.integrationKey"]["since"] == "2027-01-15T08:00:00.000Z"
    patch = {
        "settings": {
            "integrationKey": "••••",
            "trackEventSecret": "another-track-secret",
            "pageEvents": "track",
        }
    }
    changed = await send(bench, "PATCH", f"/destinations/{made['id']}", patch, etag=made["etag"])
    settings = bench.holder.current.destinations[made["id"]].settings
    assert settings.integration_key.reveal() == "a-key-for-writing-1234.eu"
    assert settings.track_event_secret.reveal() == "another-track-secret"
    assert settings.region == "eu"
    assert changed["changes"] == [
        "~ destination pendo-production: settings.trackEventSecret changed",
        "~ destination pendo-production: settings.pageEvents added: track",
    ]
    gone = await send(
        bench, "PATCH", f"/destinations/{made['id']}", {"settings": {"trackEventSecret": None}}, etag="*"
    )
    assert [one["path"] for one in gone["destination"]["secrets"]] == ["settings.integrationKey"]
    await send(bench, "PATCH", f"/destinations/{made['id']}", {"type": "webhook"}, etag="*", status=400)
    assert (await send(bench, "DELETE", f"/destinations/{made['id']}", etag="*"))["changes"]


async def test_connection_from_birth_to_end(bench: Bench) -> None:
    """A connection has a mode, which its destination must be able to do."""
    body = {"source": "web", "destination": "spare"}
    made = await send(bench, "POST", "/connections", body, status=201)
    assert made["connection"]["mode"] == "cloud"
    await send(bench, "POST", "/connections", body, status=409)
    problem = await send(bench, "PATCH", "/connections/web/spare", {"mode": "device"}, etag="*", status=422)
    assert problem["problems"][0]["path"] == "mode"
    assert problem["error"]["remedy"]
    assert len((await send(bench, "GET", "/connections"))["connections"]) == 4
    await send(bench, "DELETE", "/connections/web/spare", etag="*")
    await send(bench, "GET", "/connections/web/spare", status=404)


async def test_two_people_change_one_thing(bench: Bench) -> None:
    """The second is told what the first changed, and nothing is written over; two things may be changed at once."""
    first = await etag_of(bench, "/destinations/pendo")
    other = await etag_of(bench, "/destinations/hook")
    await send(bench, "PATCH", "/destinations/pendo", {"name": "First"}, etag=first)
    told = await send(bench, "PATCH", "/destinations/pendo", {"name": "Second"}, etag=first, status=412)
    assert told["changes"] == ["~ destination pendo: name Pendo production → First"]
    assert told["changedAt"] == "2027-01-15T08:00:00.000Z"
    assert told["changedBy"] == "token:api-token"
    assert bench.holder.current.destinations["pendo"].name == "First"
    await send(bench, "PATCH", "/destinations/hook", {"name": "Hook"}, etag=other)
    await send(bench, "PATCH", "/destinations/pendo", {"name": "Second"}, etag=told["etag"])
    await send(bench, "PATCH", "/destinations/pendo", {"name": "Third"}, status=428)
    await send(bench, "PATCH", "/destinations/pendo", {"name": "Third"}, etag="x", status=400)


@pytest.mark.parametrize(
    ("method", "path", "content", "status", "field"),
    [
        ("POST", "/destinations", {"name": "P", "type": "pendo", "settings": {"region": "usa"}}, 422, "settings.region"),
        ("POST", "/destinations", {"name": "P", "type": "pend"}, 422, "type"),
        ("POST", "/destinations", {"name": "P", "type": "webhook", "settings": {}}, 422, "settings.url"),
        ("POST", "/destinations", {"name": "P", "type": "webhook", "settings": []}, 422, "settings"),
        ("POST", "/sources", {"name": "S", "type": "web", "allowedOrigins": ["*"]}, 422, "allowedOrigins[0]"),
        ("POST", "/sources", {"name": "S", "type": "web", "id": "Not an id"}, 422, "id"),
        ("POST", "/sources", {"name": "S", "type": "web", "id": "web"}, 409, None),
        ("POST", "/sources", {"name": 7, "type": "web"}, 400, None),
        ("POST", "/sources", {"name": "S", "type": "web", "received": 9}, 400, None),
        ("POST", "/connections", {"source": "nobody", "destination": "pendo"}, 422, "source"),
        ("POST", "/sources/web/rotate-write-key", {"overlapHours": -1}, 400, None),
        ("PATCH", "/sources/nobody", {"name": "x"}, 404, None),
    ],
)  # fmt: skip
async def test_errors_name_the_field(
    bench: Bench, method: str, path: str, content: Any, status: int, field: str | None
) -> None:
    """What is wrong is named by its field, with what to do; nothing changes."""
    before = bench.holder.current
    answer = await send(bench, method, path, content, etag="*", status=status)
    assert answer["error"]["message"]
    if field is not None:
        assert answer["problems"][0]["path"] == field
    assert bench.holder.current is before


async def test_dry_run(bench: Bench) -> None:
    """Everything is said, nothing is done, and no ETag is needed."""
    before = bench.holder.current
    for method, path, content in (
        ("POST", "/sources", {"name": "S", "type": "web"}),
        ("PATCH", "/destinations/pendo", {"settings": {"region": "eu"}}),
        ("DELETE", "/destinations/pendo", None),
        ("POST", "/sources/web/rotate-write-key", {}),
    ):
        answer = await send(bench, method, f"{path}?dryRun=1", content)
        assert answer["changes"]
        assert answer["dryRun"] is True
    assert bench.holder.current is before
    assert (await bench.store.remembered("write-key:")).keys() <= before.sources.keys()


async def test_old_write_key_is_taken_for_a_while(bench: Bench) -> None:
    """After a rotation both keys name the source, until the time given; the difference shows neither."""
    from sternpost.keys import SourceKeys

    old = bench.holder.current.sources["web"].write_key
    answer = await send(bench, "POST", "/sources/web/rotate-write-key", {"overlapHours": 2})
    new = answer["source"]["writeKey"]
    assert new != old
    assert answer["source"]["previousWriteKeys"] == [{"endsIn": old[-4:], "until": "2027-01-15T10:00:00Z"}]
    assert not any(new in line or old in line for line in answer["changes"])
    keys = SourceKeys(bench.holder.current)
    for key, now, found in (
        (new, NOW, "web"),
        (old, NOW, "web"),
        (old, NOW + 7_199, "web"),
        (old, NOW + 7_200, None),
    ):
        source = keys.find(key, now)
        assert (source.id if source else None) == found
    ended = await send(bench, "DELETE", "/sources/web/previous-write-keys")
    assert ended["source"]["previousWriteKeys"] == []
    for _ in range(5):
        await send(bench, "POST", "/sources/web/rotate-write-key", {})
    await send(bench, "POST", "/sources/web/rotate-write-key", {}, status=409)


async def test_revisions(bench: Bench) -> None:
    """Listed with what they changed, read without secrets, compared, and brought back with their secrets."""
    await send(
        bench,
        "PATCH",
        "/destinations/pendo",
        {"name": "Two", "settings": {"integrationKey": "another-key-abcdefgh.us"}},
        etag="*",
    )
    await send(bench, "DELETE", "/destinations/pendo", etag="*")
    listed = await send(bench, "GET", "/workspace/revisions?limit=2")
    assert [(one["revision"], one["inForce"]) for one in listed["revisions"]] == [(3, True), (2, False)]
    assert "~ destination pendo: settings.integrationKey changed" in listed["revisions"][1]["changes"]
    older = await send(bench, "GET", f"/workspace/revisions?before={listed['next']}")
    assert [one["revision"] for one in older["revisions"]] == [1]
    one = await ask(bench, "GET", "/workspace/revisions/2")
    assert one.json["document"]["destinations"][0]["settings"]["integrationKey"] == "••••"
    assert (await send(bench, "GET", "/workspace/revisions/3/diff/2"))["changes"][0] == "+ destination pendo"
    assert (await send(bench, "POST", "/workspace/revisions/1/restore?dryRun=1"))["revision"] == 3
    back = await send(bench, "POST", "/workspace/revisions/1/restore")
    assert back["revision"] == 4
    assert bench.holder.current.destinations["pendo"].settings.integration_key.reveal() == INTEGRATION_KEY
    assert (await send(bench, "GET", "/workspace/revisions"))["revisions"][0]["note"] == "Back to revision 1"
    await send(bench, "POST", "/workspace/revisions/99/restore", status=404)


async def test_revisions_are_bounded(bench: Bench) -> None:
    """The newest two hundred are kept."""
    for number in range(205):
        await bench.store.save_workspace(b"{}", now=NOW, changes=[f"~ {number}"] * 200)
    kept = await bench.store.workspace_revisions(before=None, limit=1_000)
    assert len(kept) == 200
    assert len(kept[0].changes) == 101


async def test_workspace_file_is_the_truth(tmp_path: Path) -> None:
    """Every change is refused with the name of the file; reading works."""
    file = tmp_path / "workspace.yaml"
    file.write_text(
        "version: 1\nsources:\n  - {id: web, name: Web, type: web, writeKey: wk}\ndestinations: []\nconnections: []\n"
    )
    bench = await make(tmp_path, file=file)
    for method, path, content in (
        ("POST", "/sources", {"name": "S", "type": "web"}),
        ("PATCH", "/sources/web", {"name": "S"}),
        ("POST", "/sources/web/rotate-write-key", {}),
        ("POST", "/workspace/revisions/1/restore", {}),
    ):
        refused = await send(bench, method, path, content, etag="*", status=409)
        assert refused["file"] == str(file)
    assert (await send(bench, "GET", "/sources/web"))["writeKey"] == "wk"
    bench.close()


async def test_lists_are_paged(bench: Bench) -> None:
    """Every list of the configuration takes a limit and says how to go on."""
    for path, name, count in (("/sources", "sources", 3), ("/destinations", "destinations", 3), ("/connections", "connections", 3), ("/catalogue", "catalogue", 2)):  # fmt: skip
        found, after = [], ""
        while True:
            page = await send(bench, "GET", f"{path}?limit=1{f'&after={after}' if after else ''}")
            found += page[name]
            if page["next"] is None:
                break
            after = page["next"]
        assert len(found) == count
        assert len({json.dumps(one) for one in found}) == count


async def test_roles_of_secrets_and_references(bench: Bench) -> None:
    """A viewer sees the end of a write key; an editor may not read the server's variables by naming them."""
    tokens = {}
    for role in ("viewer", "editor"):
        by = Principal("ann", "owner")
        tokens[role], _ = await bench.people.add_token(role, role, personal_data=None, days=None, by=by)

    async def as_role(role: str, method: str, path: str, content: Any = None) -> Answer:
        headers = [(b"authorization", f"Bearer {tokens[role]}".encode()), (b"if-match", b"*")]
        return await call(
            bench.app, method, f"/api/v1{path}", headers=headers, body=json.dumps(content).encode()
        )

    key = bench.holder.current.sources["web"].write_key
    assert (await as_role("viewer", "GET", "/sources/web")).json["writeKey"] == f"…{key[-4:]}"
    assert (await as_role("editor", "GET", "/sources/web")).json["writeKey"] == key
    patch = {"settings": {"integrationKey": "${AWS_SECRET_ACCESS_KEY}"}}
    assert (await as_role("editor", "PATCH", "/destinations/pendo", patch)).status == 403
    assert (await as_role("editor", "PATCH", "/destinations/pendo", {"name": "P"})).status == 200
    # A variable that one destination names is not free for another one, nor for another field.
    await send(
        bench, "PATCH", "/destinations/hook", {"settings": {"signingSecret": "${HOOK_SECRET}"}}, etag="*"
    )
    mine = {"url": "https://collect.evil.example", "headers": {"X-Found": "${HOOK_SECRET}"}}
    new = {"name": "Mine", "type": "webhook", "settings": mine}
    assert (await as_role("editor", "POST", "/destinations", new)).status == 403
    moved = {"settings": {**mine, "signingSecret": None}}
    assert (await as_role("editor", "PATCH", "/destinations/hook", moved)).status == 403
    assert (await as_role("editor", "PATCH", "/destinations/hook", {"name": "H"})).status == 200
    assert (await as_role("editor", "POST", "/destinations", {**new, "settings": "mine"})).status == 422
    assert (await as_role("viewer", "PATCH", "/destinations/pendo", {"name": "P"})).status == 403


async def test_kept_secrets_stay_at_their_address(bench: Bench) -> None:
    """Who may change a destination and not read its secrets cannot have them sent to an address of their own, saved or only verified."""
    token, _ = await bench.people.add_token(
        "ed", "editor", personal_data=None, days=None, by=Principal("ann", "owner")
    )
    elsewhere = "https://collect.evil.example"
    hosts = {"region": "custom", "hosts": {"api": elsewhere, "data": elsewhere}}
    again = {"integrationKey": "another-integration-key.us", "trackEventSecret": "another-track-secret"}

    async def as_editor(method: str, path: str, content: Any) -> Answer:
        headers = [(b"authorization", f"Bearer {token}".encode()), (b"if-match", b"*")]
        return await call(
            bench.app, method, f"/api/v1{path}", headers=headers, body=json.dumps(content).encode()
        )

    for settings, masked in (
        (hosts, "pendo"),
        ({**hosts, "integrationKey": again["integrationKey"]}, "pendo"),
        ({"url": elsewhere}, "hook"),
        ({"url": elsewhere, "signingSecret": "••••"}, "hook"),
    ):
        for method, path, content in (
            (
                "POST",
                "/verify",
                {"type": "pendo" if masked == "pendo" else "webhook", "id": masked, "settings": settings},
            ),
            ("PATCH", f"/destinations/{masked}", {"settings": settings}),
            ("PATCH", f"/destinations/{masked}?dryRun=1", {"settings": settings}),
        ):
            answer = await as_editor(method, path, content)
            assert answer.status == 403, answer.body
            assert "to another address" in answer.json["error"]["message"]
    assert not bench.sent
    # Another data centre of Pendo's is no address of theirs, and secrets that they enter are theirs to send.
    assert (await as_editor("PATCH", "/destinations/pendo", {"settings": {"region": "eu"}})).status == 200
    assert (await as_editor("PATCH", "/destinations/pendo", {"settings": {**hosts, **again}})).status == 200
    assert (
        await bench.ask("POST", "/verify", {"type": "webhook", "id": "hook", "settings": {"url": elsewhere}})
    ).status == 200
    # What an owner moved, an editor does not move back; a revision with a secret that was given up is whole.
    before = bench.holder.current.revision
    await send(bench, "PATCH", "/destinations/hook", {"settings": {"url": elsewhere}}, etag="*")
    assert (await as_editor("POST", f"/workspace/revisions/{before}/restore", {})).status == 403
    assert (await as_editor("POST", f"/workspace/revisions/{before - 1}/restore?dryRun=1", {})).status == 403
    await send(bench, "DELETE", "/destinations/hook", etag="*")
    assert (await as_editor("POST", f"/workspace/revisions/{before}/restore", {})).status == 200


async def test_who_sees_no_personal_data_sends_it_nowhere_else(bench: Bench) -> None:
    """A destination of one's own would show what the pages hide: no new one, no other address, no other key. The rest may be changed."""
    by = Principal("ann", "owner")
    token, _ = await bench.people.add_token("ed", "editor", personal_data=False, days=None, by=by)

    async def asked(method: str, path: str, content: Any) -> int:
        headers = [(b"authorization", f"Bearer {token}".encode()), (b"if-match", b"*")]
        body = json.dumps(content).encode()
        return (await call(bench.app, method, f"/api/v1{path}", headers=headers, body=body)).status

    mine = {"url": "https://collect.evil.example"}
    assert await asked("POST", "/destinations", {"name": "Mine", "type": "webhook", "settings": mine}) == 403
    assert await asked("PATCH", "/destinations/hook", {"settings": mine}) == 403
    assert (
        await asked("PATCH", "/destinations/pendo", {"settings": {"integrationKey": "a-key-of-mine.us"}})
        == 403
    )
    assert await asked("POST", "/verify", {"type": "webhook", "settings": mine}) == 403
    assert (
        await asked("PATCH", "/destinations/pendo", {"name": "P", "settings": {"pageEvents": "track"}}) == 200
    )
    assert await asked("PATCH", "/sources/web", {"name": "W"}) == 200
    # Nor is a destination that was removed brought back by whoever had made it.
    before = bench.holder.current.revision
    assert await asked("DELETE", "/destinations/hook", None) == 200
    assert await asked("POST", f"/workspace/revisions/{before}/restore", {}) == 403
    assert await asked("POST", f"/workspace/revisions/{before}/restore?dryRun=1", {}) == 403
    await send(bench, "POST", f"/workspace/revisions/{before}/restore", {})
    assert await asked("PATCH", "/sources/web", {"name": "Shop"}) == 200
    assert await asked("POST", f"/workspace/revisions/{before}/restore", {}) == 200


# --- verify -----------------------------------------------------------------------------------------------------------


def pendo(keys: dict[str, set[str]]) -> Any:
    """A Pendo with these keys by host and kind: `data.pendo.io` takes track secrets, `app.pendo.io` integration keys."""

    def reply(destination: str, request: Any) -> Reply:
        host = request.url.split("/")[2]
        good = request.headers.get("x-pendo-integration-key") in keys.get(host, set())
        if request.url.endswith("/token/verify"):
            return Reply(
                200 if good else 403, {}, b'{"valid": true, "writeAccess": true}' if good else b"", 5
            )
        return Reply(400 if good else 403, {}, b"", 5)

    return reply


def of(answer: Any, name: str) -> dict[str, Any]:
    [found] = [check for check in answer["checks"] if check["name"] == name]
    return dict(found)


GOOD = {"integrationKey": "integration-key-1.us", "trackEventSecret": "track-secret-1"}


async def test_verify_good_keys(bench: Bench) -> None:
    """Each key is asked for; the answer is kept and shown; nothing is kept of settings that are not saved."""
    bench.reply = pendo({"app.pendo.io": {INTEGRATION_KEY}, "data.pendo.io": {TRACK_SECRET}})
    answer = await send(bench, "POST", "/destinations/pendo/verify")
    assert answer["ok"] is True
    assert of(answer, "integration key")["field"] == "integrationKey"
    assert (await send(bench, "GET", "/destinations/pendo"))["lastCheck"] == answer
    unsaved = await send(bench, "POST", "/verify", {"type": "pendo", "settings": {"region": "us", **GOOD}})
    assert unsaved["ok"] is False
    masked = {"type": "pendo", "id": "pendo", "settings": {"integrationKey": "••••"}}
    assert of(await send(bench, "POST", "/verify", masked), "integration key")["result"] == "ok"
    assert bench.holder.current.revision == 1


async def test_verify_wrong_region(bench: Bench) -> None:
    """A key of another data center is found there, and both keys say so."""
    bench.reply = pendo({"app.jpn.pendo.io": {"key-without-suffix"}, "data.jpn.pendo.io": {"track-secret-1"}})
    settings = {"region": "us", "integrationKey": "key-without-suffix", "trackEventSecret": "track-secret-1"}
    answer = await send(bench, "POST", "/verify", {"type": "pendo", "settings": settings})
    for name in ("integration key", "track event secret"):
        assert of(answer, name)["message"].startswith("This key is of the data center jp")
        assert of(answer, name)["remedy"] == "Set Data center to jp."


async def test_verify_exchanged_keys(bench: Bench) -> None:
    """Two keys in each other's place are told from two wrong keys."""
    bench.reply = pendo({"app.pendo.io": {"integration-key-1.us"}, "data.pendo.io": {"track-secret-1"}})
    swapped = {"integrationKey": GOOD["trackEventSecret"], "trackEventSecret": GOOD["integrationKey"]}
    answer = await send(bench, "POST", "/verify", {"type": "pendo", "settings": swapped})
    for name in ("integration key", "track event secret"):
        assert "exchanged" in of(answer, name)["message"]
    wrong = {"integrationKey": "wrong-key.us", "trackEventSecret": "wrong-secret"}
    answer = await send(bench, "POST", "/verify", {"type": "pendo", "settings": wrong})
    for name in ("integration key", "track event secret"):
        assert "exchanged" not in of(answer, name)["message"].split("(1)")[0]
        assert "Three causes" in of(answer, name)["message"]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("name_not_found", "cannot be resolved"),
        ("connection_refused", "Nothing takes connections"),
        ("certificate_not_trusted", "is not trusted"),
        ("address_not_allowed", "private address"),
        ("timeout", "did not answer"),
        ("connection_lost", "broke"),
    ],
)
async def test_verify_what_cannot_be_reached(bench: Bench, error: Any, words: str) -> None:
    """Each way of not being there has a sentence of its own, and a remedy."""
    bench.reply = lambda destination, request: Reply(None, {}, b"", 5, error, "app.pendo.io:443: Details.")
    answer = await send(bench, "POST", "/destinations/pendo/verify")
    found = of(answer, "integration key")
    assert words in found["message"]
    assert found["message"].count("app.pendo.io") == 1
    assert found["remedy"]
    assert of(await send(bench, "POST", "/destinations/hook/verify"), "address")["result"] == "fail"


async def test_verify_says_what_the_form_has_wrong(bench: Bench) -> None:
    """Settings that are not valid are no settings to ask with."""
    answer = await send(
        bench, "POST", "/verify", {"type": "pendo", "settings": {"region": "usa"}}, status=422
    )
    assert answer["problems"][0]["path"] == "settings.region"
