"""The control API as a client meets it: tokens, errors, lists, failures, try, workspace, doctor; and no secret anywhere."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from sternpost.control import auth
from sternpost.control import verify as verify_module
from sternpost.control.auth import may_read_metrics
from sternpost.control.operations import OPERATIONS
from sternpost.errors import StoreUnavailable
from sternpost.model import Blocked, Delivered, Event, Rejected, Reply, Retry
from sternpost.notes import NOTES
from sternpost.reasons import REASONS
from tests.control.bench import (
    DOCUMENT,
    HEADER_SECRET,
    INTEGRATION_KEY,
    NOW,
    SIGNING_SECRET,
    TOKEN,
    TRACK_SECRET,
    Bench,
    call,
    make,
)

TRACK = {"type": "track", "event": "Checkout", "userId": "u1"}
SECRETS = (INTEGRATION_KEY, TRACK_SECRET, HEADER_SECRET, SIGNING_SECRET)
BODIES: dict[str, Any] = {
    "retry_failures": {"destination": "pendo"},
    "discard_failures": {"destination": "pendo", "note": "test data"},
    "try_again": {"destination": "pendo", "source": "backend", "messageId": "m3"},
    "try_event": {"destination": "pendo", "event": TRACK, "send": True},
    "stop_person": {"note": "test data"},
    "forget_person": {"note": "test data"},
    "begin_replay": {"destination": "pendo", "only": "all"},
    "estimate_replay": {"destination": "pendo", "only": "all"},
    "apply_workspace": {"document": DOCUMENT},
    "diff_workspace": {"document": DOCUMENT},
    "add_user": {"name": "ann", "role": "viewer"},
    "change_user": {"role": "editor"},
    "add_token": {"name": "deploy", "role": "viewer"},
    "create_source": {"name": "Shop", "type": "web"},
    "change_source": {"name": "Shop"},
    "rotate_write_key": {"overlapHours": 1},
    "create_destination": {"name": "Other", "type": "webhook", "settings": {"url": "https://x.example.com"}},
    "change_destination": {"name": "Pendo"},
    "create_connection": {"source": "web", "destination": "spare"},
    "change_connection": {"mode": "cloud"},
    "verify_settings": {"type": "webhook", "settings": {"url": "https://x.example.com"}},
}
PLACES = {
    "messageId": "m1", "destination": "pendo", "reason": "bad_id", "source": "backend", "type": "pendo", "revision": "1", "other": "1",
}  # fmt: skip


def address(operation: Any) -> str:
    path: str = operation.shown_path
    for name, value in PLACES.items():
        path = path.replace(f"{{{name}}}", value)
    return path


def called(operation: Any) -> tuple[str, str, Any]:
    return operation.method, address(operation), BODIES.get(operation.name)


# --- who may ask ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
@pytest.mark.parametrize(
    "header",
    [None, b"", b"Bearer", b"Bearer ", b"Bearer wrong", b"Basic c3A6", b"Bearer \xff\xfe", TOKEN.encode()],
)
async def test_token_is_needed(bench: Bench, operation: Any, header: bytes | None) -> None:
    """Nothing is answered without the token; the refusal says where it is."""
    method, path, body = called(operation)
    headers = [(b"authorization", header)] if header is not None else []
    answer = await call(bench.app, method, f"/api/v1{path}", headers=headers, body=json.dumps(body).encode())
    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json["error"]["message"]
    assert "api-token" in answer.json["error"]["remedy"]
    assert not bench.sent


async def test_two_authorization_headers(bench: Bench) -> None:
    """Two headers are none."""
    headers = [(b"authorization", f"Bearer {TOKEN}".encode())] * 2
    assert (await call(bench.app, "GET", "/api/v1/stats", headers=headers)).status == 401


@pytest.mark.parametrize("role", ["viewer", "editor"])
async def test_roles(tmp_path: Path, role: auth.Role) -> None:
    """Nobody does more than the role allows."""
    bench = await make(tmp_path)
    token, _ = await bench.people.add_token(
        role, role, personal_data=None, days=None, by=auth.Principal("ann", "owner")
    )
    for operation in OPERATIONS:
        if operation.name == "live":
            continue
        method, path, body = called(operation)
        answer = await bench.ask(method, path, body, token=token)
        assert (answer.status == 403) is not auth.allows(role, operation.role), operation.name
    bench.close()


def test_metrics_rule() -> None:
    """/metrics is open while the server listens on loopback, else for tokens."""
    who_is = auth.owner_token(TOKEN)
    good = [(b"Authorization", f"Bearer {TOKEN}".encode())]
    assert may_read_metrics([], listens_on_loopback=True, who_is=who_is)
    assert not may_read_metrics([], listens_on_loopback=False, who_is=who_is)
    assert not may_read_metrics([(b"authorization", b"Bearer no")], listens_on_loopback=False, who_is=who_is)
    assert may_read_metrics(good, listens_on_loopback=False, who_is=who_is)


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("GET", "", None, 404),
        ("GET", "/", None, 404),
        ("GET", "/nothing", None, 404),
        ("GET", "/stats/", None, 404),
        ("GET", "/events/", None, 404),
        ("POST", "/stats", None, 405),
        ("DELETE", "/events/m1", None, 405),
        ("OPTIONS", "/stats", None, 405),
        ("GET", "/stats?x=1", None, 400),
        ("GET", "/events?q=stat:pending", None, 400),
        ("GET", "/events?limit=many", None, 400),
        ("GET", "/events?before=-1", None, 400),
        ("GET", "/events?before=99999999999999999999999", None, 400),
        ("GET", "/live?state=nothing", None, 400),
        ("GET", "/failures/pend/bad_id", None, 404),
        ("POST", "/try", b"{", 400),
        ("POST", "/try", b"[]", 400),
        ("POST", "/try", b"[" * 100_000, 400),
        ("POST", "/try", b" " * 1_000_001, 413),
        ("POST", "/try", {"event": TRACK}, 400),
        ("POST", "/try", {"destination": "pend", "event": TRACK}, 404),
        ("POST", "/try", {"destination": 7, "event": TRACK}, 400),
        ("POST", "/try", {"destination": "pendo", "event": []}, 400),
        ("POST", "/try", {"destination": "pendo", "event": {}}, 400),
        ("POST", "/try", {"destination": "pendo", "event": TRACK, "source": "weeb"}, 404),
        ("POST", "/failures/retry", {}, 400),
        ("POST", "/failures/retry", {"destination": "nobody"}, 404),
        ("POST", "/failures/retry", {"destination": "pendo", "limit": 0}, 400),
        ("POST", "/failures/retry", {"destination": "pendo", "limit": True}, 400),
        ("POST", "/failures/retry", {"destination": "pendo", "messageIds": "m1"}, 400),
        ("POST", "/failures/retry", {"destination": "pendo", "messageIds": ["m"] * 501}, 400),
        ("POST", "/failures/retry", {"destination": "pendo", "after": "x"}, 400),
        ("POST", "/failures/discard", {"destination": "pendo"}, 400),
        ("POST", "/failures/discard", {"destination": "pendo", "note": "  "}, 400),
        ("PUT", "/workspace", {}, 400),
        ("PUT", "/workspace", {"document": []}, 400),
        ("PUT", "/workspace", {"yaml": "a: [1"}, 422),
        ("POST", "/workspace/diff", {"document": {"version": 9}}, 422),
    ],
)  # fmt: skip
async def test_errors(bench: Bench, method: str, path: str, content: Any, status: int) -> None:
    """Every error is JSON with what is wrong; none of them comes with a CORS header."""
    answer = await bench.ask(method, path, content)
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/json"
    assert answer.json["error"]["message"]
    assert not any(name.startswith("access-control") for name in answer.headers)


async def test_near_misses(bench: Bench) -> None:
    """What was probably meant is named."""
    answer = await bench.ask("POST", "/try", {"destination": "pend", "event": TRACK})
    assert answer.json["error"] == {"message": 'No destination "pend".', "remedy": 'Did you mean "pendo"?'}
    answer = await bench.ask("GET", "/live?sorce=web")
    assert answer.json["error"]["remedy"] == 'Did you mean "source"?'


async def test_store_unavailable(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that cannot be read is a 503 with a sentence; a defect of ours is a 500 with a number, and no trace."""

    async def fails(**_: Any) -> Any:
        raise StoreUnavailable("The store could not be read: disk I/O error.")

    monkeypatch.setattr(type(bench.views), "stats", lambda self, **values: fails(**values))
    answer = await bench.ask("GET", "/stats")
    assert (answer.status, "disk I/O error" in answer.json["error"]["message"]) == (503, True)

    async def breaks(**_: Any) -> Any:
        raise KeyError("surprise")

    monkeypatch.setattr(type(bench.views), "stats", lambda self, **values: breaks(**values))
    answer = await bench.ask("GET", "/stats")
    assert answer.status == 500
    assert re.search(r"number [0-9a-f]{8}", answer.json["error"]["message"])
    assert b"surprise" not in answer.body


# --- lists ------------------------------------------------------------------------------------------------------------


async def test_events_list(bench: Bench) -> None:
    """The newest first, filtered, page by page, without attempts."""
    await bench.accept(*({**TRACK, "messageId": f"m{n}", "event": f"E{n % 3}"} for n in range(9)))
    page = await bench.get("/events?limit=4")
    assert [entry["messageId"] for entry in page["events"]] == ["m8", "m7", "m6", "m5"]
    page = await bench.get(f"/events?limit=4&before={page['next']}")
    assert [entry["messageId"] for entry in page["events"]] == ["m4", "m3", "m2", "m1"]
    page = await bench.get(f"/events?limit=4&before={page['next']}")
    assert ([entry["messageId"] for entry in page["events"]], page["next"]) == (["m0"], None)
    assert "attempts" not in page["events"][0]["destinations"][0]
    found = await bench.get("/events?q=event:E1%20dest:hook&state=pending")
    assert [entry["messageId"] for entry in found["events"]] == ["m7", "m4", "m1"]
    assert (await bench.get("/events?q=-source:backend"))["events"] == []


async def test_stats(bench: Bench) -> None:
    """Exactly the shape of interface.md, with everything that is configured."""
    await bench.accept({**TRACK, "messageId": "m1"}, {**TRACK, "messageId": "m1"})
    stats = await bench.get("/stats")
    assert set(stats) == {"destinations", "sources", "arrivals", "disk"}
    assert set(stats["destinations"]) == {"pendo", "hook", "spare"}
    assert stats["sources"]["backend"] == {"received": 1, "duplicates": 1}
    assert stats["sources"]["web"] == {"received": 0, "duplicates": 0}
    assert set(stats["destinations"]["spare"]) == {
        "pending", "held", "retrying", "blocked", "delivered", "skipped", "rejected", "oldestPendingSeconds",
    }  # fmt: skip
    assert stats["disk"]["bytesMax"] == bench.bytes_max


async def test_sources_and_destinations(bench: Bench) -> None:
    """Sources with their write keys; destinations with a sentence, what is blocked, and counts."""
    sources = (await bench.get("/sources"))["sources"]
    assert [(source["id"], source["writeKey"]) for source in sources] == [
        ("web", "wk-web"), ("backend", "wk-backend"), ("alone", "wk-alone"),
    ]  # fmt: skip
    assert sources[0]["connections"] == [{"destination": "pendo", "mode": "cloud"}]
    await bench.accept({**TRACK, "messageId": "m1"})
    bench.now += 3
    await bench.store.block("pendo", "track", "key_refused", "It answered 403.", now=NOW)
    found = {entry["id"]: entry for entry in (await bench.get("/destinations"))["destinations"]}
    assert found["pendo"]["state"].startswith("Blocked since 2027-01-15T08:00:00.000Z (track): ")
    assert found["pendo"]["blocked"][0]["reason"] == "key_refused"
    assert found["hook"]["state"] == "Delivering, 3.0 s behind."
    assert found["spare"]["state"] == "Nothing waits."
    assert found["spare"]["warnings"]
    assert found["pendo"]["counts"]["blocked"] == 1


async def test_reasons_and_refused(bench: Bench) -> None:
    """The closed list, and the requests that were turned away."""
    found = await bench.get("/reasons")
    assert [reason["code"] for reason in found["reasons"]] == list(REASONS)
    assert [note["code"] for note in found["notes"]] == list(NOTES)
    for _ in range(2):
        bench.refused.add(
            at=NOW, path="/v1/track", status=401, reason="write_key_unknown", detail="", source_id=None,
            write_key="wk-old-key-1234567890", origin="", address="203.0.113.9", agent="curl", body=b"{}",
        )  # fmt: skip
    [entry] = (await bench.get("/refused"))["refused"]
    assert (entry["count"], entry["reason"], entry["library"]) == (2, "write_key_unknown", "curl")
    assert entry["remedy"]
    assert "wk-old-key-1234567890" not in json.dumps(entry)


# --- failures ---------------------------------------------------------------------------------------------------------


async def rejected(bench: Bench, count: int) -> None:
    await bench.accept(*({**TRACK, "messageId": f"m{n}", "userId": f"p{n}"} for n in range(count)))
    await bench.settle(
        "pendo", "track", *(Rejected("bad_id" if n % 2 else "refused_by_destination", f"No. {n}.") for n in range(count))
    )  # fmt: skip


async def test_failures(bench: Bench) -> None:
    """Groups, and the entries of a group with their attempts."""
    await rejected(bench, 5)
    groups = (await bench.get("/failures"))["failures"]
    assert [(group["destination"], group["reason"], group["count"]) for group in groups] == [
        ("pendo", "refused_by_destination", 3), ("pendo", "bad_id", 2),
    ]  # fmt: skip
    assert groups[1]["title"] == REASONS["bad_id"].title
    assert [sample["messageId"] for sample in groups[1]["samples"]] == ["m3", "m1"]
    page = await bench.get("/failures/pendo/refused_by_destination?limit=2")
    assert [entry["messageId"] for entry in page["events"]] == ["m0", "m2"]
    assert page["events"][0]["destinations"][0]["attempts"]
    page = await bench.get(f"/failures/pendo/refused_by_destination?after={page['next']}")
    assert ([entry["messageId"] for entry in page["events"]], page["next"]) == (["m4"], None)


async def test_retry(bench: Bench) -> None:
    """Dead letters go back into their lanes, and delivery is woken."""
    await rejected(bench, 5)
    answer = await bench.ask("POST", "/failures/retry", {"destination": "pendo", "reason": "bad_id"})
    assert answer.json == {"retried": 2, "notConnected": 0, "left": 0, "next": None}
    assert bench.woken == [("pendo", "track", bench.now)]
    assert (await bench.fate("m1"))["state"] == "pending"
    assert (await bench.fate("m0"))["state"] == "rejected"
    answer = await bench.ask("POST", "/failures/retry", {"destination": "pendo", "limit": 1})
    assert (answer.json["retried"], answer.json["left"]) == (1, 2)
    answer = await bench.ask(
        "POST", "/failures/retry", {"destination": "pendo", "messageIds": ["m4", "m1", "unknown"]}
    )
    assert (answer.json["retried"], answer.json["left"]) == (1, 1)


async def test_retry_without_connection(bench: Bench) -> None:
    """What is not connected any more stays a dead letter, and the answer says so; no endless loop."""
    await rejected(bench, 3)
    document = bench.holder.shown()
    document["connections"] = []
    await bench.holder.apply(document)
    answer = await bench.ask("POST", "/failures/retry", {"destination": "pendo"})
    assert answer.json == {"retried": 0, "notConnected": 3, "left": 3, "next": None}


async def test_retry_of_many(bench: Bench) -> None:
    """More than a page at once; `next` says where to go on."""
    events = [
        Event(f"m{n}", "backend", "track", False, NOW, "", b'{"type":"track","event":"E"}', user_id=f"p{n}", at_ms=int(NOW * 1000))
        for n in range(620)
    ]  # fmt: skip
    await bench.keep(events)
    for _ in range(7):
        claim = await bench.store.claim("pendo", "track", now=bench.now, lanes_max=100, run_max=1, lease_s=60)
        from sternpost.model import Settled, Settlement

        await bench.store.settle(
            [
                Settlement(run.key, run.lease, [Settled(run.events[0].event.seq, Rejected("bad_id"), NOW)])
                for run in claim.runs
            ],
            now=bench.now,
        )
    answer = await bench.ask("POST", "/failures/retry", {"destination": "pendo", "limit": 600})
    assert (answer.json["retried"], answer.json["left"]) == (600, 20)
    answer = await bench.ask(
        "POST", "/failures/retry", {"destination": "pendo", "after": answer.json["next"]}
    )
    assert (answer.json["retried"], answer.json["left"], answer.json["next"]) == (20, 0, None)


async def test_discard(bench: Bench) -> None:
    """Discarded with a note: skipped, and the note stands in the fate."""
    await rejected(bench, 3)
    answer = await bench.ask(
        "POST", "/failures/discard", {"destination": "pendo", "reason": "bad_id", "note": "Ana: test data"}
    )
    assert answer.json == {"discarded": 1, "left": 0, "next": None}
    fate = await bench.fate("m1")
    assert (fate["state"], fate["reason"]) == ("skipped", "discarded_by_operator")
    assert "Ana: test data" in fate["explanation"]


# --- try --------------------------------------------------------------------------------------------------------------


async def test_try(bench: Bench) -> None:
    """The steps and the requests, masked; nothing is sent, nothing is kept."""
    answer = (await bench.ask("POST", "/try", {"destination": "pendo", "event": TRACK})).json
    assert [step["result"] for step in answer["steps"]] == ["passed"] * 10
    [request] = answer["requests"]
    assert (request["method"], json.loads(request["body"])["visitorId"]) == ("POST", "u1")
    assert request["headers"]["x-pendo-integration-key"].startswith("••••")
    assert (answer["source"], answer["state"], bench.sent) == ("web", None, [])
    assert (await bench.ask("GET", "/events/tried")).status == 404


@pytest.mark.parametrize(
    ("event", "source", "state", "reason", "step"),
    [
        (
            {**TRACK, "integrations": {"Pendo": False}},
            None,
            "skipped",
            "filtered_by_integrations",
            "integrations object",
        ),
        ({**TRACK, "event": ""}, None, "rejected", "event_name_missing", "mapping"),
        ({"type": "page", "userId": "u"}, None, "skipped", "page_off", "mapping"),
        ({"userId": "u"}, None, "rejected", "event_type_missing", "type"),
        (TRACK, "alone", "skipped", "not_connected", "connection"),
        ({"type": "track", "event": "E", "anonymousId": "a"}, None, "held", "held_for_identity", "mapping"),
    ],
)
async def test_try_stopped(
    bench: Bench, event: Any, source: str | None, state: str, reason: str, step: str
) -> None:
    """The check that stops an event is the last step, with reason and remedy."""
    answer = (
        await bench.ask("POST", "/try", {"destination": "pendo", "event": event, "source": source})
    ).json
    assert (answer["state"], answer["reason"], answer["requests"]) == (state, reason, [])
    assert (answer["steps"][-1]["name"], answer["steps"][-1]["result"]) == (step, "stopped")
    assert answer["explanation"]


async def test_try_send(bench: Bench) -> None:
    """With send: the request goes out once, and the reply is explained."""
    bench.reply = lambda destination, call: Reply(403, {"set-cookie": "s"}, b"", 7)
    answer = (await bench.ask("POST", "/try", {"destination": "pendo", "event": TRACK, "send": True})).json
    assert [(destination, call.method) for destination, call in bench.sent] == [("pendo", "POST")]
    assert (answer["state"], answer["reason"]) == ("blocked", "key_refused")
    assert answer["replies"] == [
        {"reply": {"status": 403, "headers": {"set-cookie": "••••"}, "body": ""}, "ms": 7, "error": None}
    ]
    bench.reply = lambda destination, call: Reply(None, {}, b"", 3, "timeout", "No answer.")
    answer = (await bench.ask("POST", "/try", {"destination": "hook", "event": TRACK, "send": True})).json
    assert (answer["state"], answer["replies"][0]["error"]) == ("retrying", "timeout: No answer.")
    bench.reply = lambda destination, call: Reply(200, {}, b"", 3)
    answer = (await bench.ask("POST", "/try", {"destination": "hook", "event": TRACK, "send": True})).json
    assert (answer["state"], answer["reason"]) == ("delivered", None)


# --- workspace --------------------------------------------------------------------------------------------------------


async def test_a_workspace_says_what_becomes_of_what_waits(bench: Bench) -> None:
    """Before it is applied, and when it is: events that wait for a destination which goes."""
    await bench.accept({**TRACK, "messageId": "m1"}, {**TRACK, "messageId": "m2"})
    document = (await bench.get("/workspace"))["document"]
    off = {**document, "destinations": [{**one, "enabled": False} for one in document["destinations"]]}
    said = (await bench.ask("POST", "/workspace/diff", {"document": off})).json["consequences"]
    assert any("2 events wait for Pendo production, which is switched off" in one for one in said), said
    gone = {**document, "destinations": document["destinations"][1:], "connections": []}
    said = (await bench.ask("PUT", "/workspace", {"document": gone})).json["consequences"]
    assert any("2 events wait for Pendo production, which is removed" in one for one in said), said
    assert (await bench.ask("POST", "/workspace/diff", {"document": gone})).json["consequences"] == []


async def test_workspace(bench: Bench) -> None:
    """Shown with masks; written back it changes nothing; a change becomes a revision."""
    shown = await bench.get("/workspace")
    assert (shown["revision"], shown["readFrom"], shown["writable"]) == (1, "", True)
    assert shown["document"]["destinations"][0]["settings"]["integrationKey"] == "••••"
    assert {warning["destination"] for warning in shown["warnings"]} >= {"spare"}
    answer = await bench.ask("POST", "/workspace/diff", {"document": shown["document"]})
    assert answer.json == {"changes": [], "consequences": [], "revision": 1}
    shown["document"]["sources"][0]["name"] = "Shop"
    answer = await bench.ask("POST", "/workspace/diff", {"document": shown["document"]})
    assert answer.json["changes"] == ["~ source web: name Web app → Shop"]
    assert (await bench.get("/workspace"))["revision"] == 1
    answer = await bench.ask("PUT", "/workspace", {"document": shown["document"], "revision": 1})
    assert (answer.status, answer.json["revision"]) == (200, 2)
    assert bench.holder.current.sources["web"].name == "Shop"
    assert bench.holder.current.destinations["pendo"].settings.integration_key.reveal() == INTEGRATION_KEY
    answer = await bench.ask("PUT", "/workspace", {"document": shown["document"], "revision": 1})
    assert (answer.status, answer.json["revision"]) == (409, 2)


async def test_workspace_problems(bench: Bench) -> None:
    """Every problem with its path and remedy; with YAML also the line. Nothing is applied."""
    text = "version: 1\nsources:\n  - {id: web, type: web}\n  - {id: web, type: wob, writeKey: k}\n"
    answer = await bench.ask("PUT", "/workspace", {"yaml": text})
    assert answer.status == 422
    assert {problem["path"] for problem in answer.json["problems"]} >= {"sources[1].id", "sources[1].type"}
    assert all(
        problem["line"] == 4
        for problem in answer.json["problems"]
        if problem["path"].startswith("sources[1]")
    )
    assert bench.holder.current.revision == 1


async def test_a_whole_workspace_needs_its_secrets(bench: Bench) -> None:
    """As a workspace file does: a variable that is not set is refused, before anything changes; a single change says it afterwards."""
    document = (await bench.get("/workspace"))["document"]
    document["destinations"][0]["settings"]["trackEventSecret"] = "${NOT_SET_ANYWHERE}"
    for method, path in (("POST", "/workspace/diff"), ("PUT", "/workspace")):
        answer = await bench.ask(method, path, {"document": document})
        assert answer.status == 422
        problem = answer.json["problems"][0]
        assert problem["path"] == "destinations[0].settings.trackEventSecret"
        assert problem["message"] == "NOT_SET_ANYWHERE is not set in the server's environment."
    assert bench.holder.current.revision == 1
    document["destinations"][0]["enabled"] = False
    assert (await bench.ask("PUT", "/workspace", {"document": document})).status == 200


async def test_workspace_of_a_file(tmp_path: Path) -> None:
    """A file rules: it is named, and changes by the API are refused."""
    file = tmp_path / "workspace.yaml"
    file.write_text("version: 1\nsources:\n  - {id: web, name: Web, type: web, writeKey: wk-1}\n")
    bench = await make(tmp_path, file=file)
    shown = await bench.get("/workspace")
    assert (shown["readFrom"], shown["writable"]) == (str(file), False)
    answer = await bench.ask("PUT", "/workspace", {"document": DOCUMENT})
    assert (answer.status, answer.json["file"]) == (409, str(file))
    assert "workspace.yaml" in answer.json["error"]["message"]
    bench.close()


# --- doctor -----------------------------------------------------------------------------------------------------------


async def test_doctor(bench: Bench) -> None:
    """Each check with a result; the destinations are asked with their own requests."""
    bench.reply = lambda destination, call: Reply(
        200, {"date": "Fri, 15 Jan 2027 08:00:02 GMT"}, b'{"writeAccess": true}', 5
    )
    found = await bench.get("/doctor")
    checks = {(check["destination"], check["name"]): check for check in found["checks"]}
    assert checks[None, "disk"]["message"].startswith("41.0 GB free")
    assert (checks[None, "clock"]["result"], checks[None, "clock"]["message"]) == ("ok", "2 s off.")
    assert checks[None, "store"]["result"] == "ok"
    assert checks[None, "workspace"]["message"] == "Revision 1 from the store: 3 sources, 3 destinations."
    assert ("pendo", "integration key") in checks
    assert checks["spare", "settings"]["result"] == "warning"
    assert {destination for destination, _ in bench.sent} == {"pendo", "hook", "spare"}
    assert {call.method for destination, call in bench.sent if destination != "pendo"} == {"OPTIONS"}


async def test_doctor_finds(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong fails: a refused key, a blocked channel, a clock, a store, no answer in time."""
    bench.reply = lambda destination, call: Reply(403, {"date": "Fri, 15 Jan 2027 09:00:00 GMT"}, b"", 5)
    bench.healthy = False
    await bench.store.block("hook", "", "key_refused", "It answered 401.", now=NOW)
    found = await bench.get("/doctor")
    assert not any("sternpost doctor" in check["remedy"] for check in found["checks"])
    failed = {(check["destination"], check["name"]) for check in found["checks"] if check["result"] == "fail"}
    assert failed >= {(None, "clock"), (None, "store"), ("pendo", "integration key"), ("hook", "delivery")}
    assert found["ok"] is False

    async def never(destination: str, call: Any) -> Reply:
        import asyncio

        return await asyncio.Future()

    monkeypatch.setattr(verify_module, "CHECK_TIMEOUT_S", 0.01)
    object.__setattr__(bench.context, "ask", never)
    found = await bench.get("/doctor")
    assert any("did not answer within" in check["message"] for check in found["checks"])


# --- what holds for all -----------------------------------------------------------------------------------------------


async def test_no_secret_in_any_answer(bench: Bench, capfd: pytest.CaptureFixture[str]) -> None:
    """Secrets are in no answer and no log, even when an app sends one or a destination repeats it."""
    leak = {"properties": {"oops": TRACK_SECRET}}
    await bench.accept(
        {**TRACK, "messageId": "m1", **leak},
        {**TRACK, "messageId": "m2", "userId": "u2"},
        {**TRACK, "messageId": "m3", "userId": "u3"},
    )
    echo = Reply(400, {"x-echo": INTEGRATION_KEY}, f'{{"you sent": "{TRACK_SECRET}"}}'.encode(), 5)
    await bench.settle(
        "pendo",
        "track",
        Delivered(),
        Rejected("bad_id", f"It said {TRACK_SECRET}."),
        Retry("server_error"),
        reply=echo,
    )
    await bench.settle(
        "hook", "", Delivered(), Blocked("key_refused"), reply=Reply(401, {}, HEADER_SECRET.encode(), 5)
    )
    bench.reply = lambda destination, call: Reply(
        200, {}, " ".join([*call.headers.values(), SIGNING_SECRET]).encode(), 5
    )
    listener = bench.live.listen()
    bench.live.publish([(1, None), (2, "pendo")])
    answers = list(await listener.take(5))
    listener.close()
    for operation in OPERATIONS:
        if operation.name == "live":
            continue
        method, path, body = called(operation)
        for destination in ("pendo", "hook"):
            content = {**body, "destination": destination} if body and "destination" in body else body
            answer = await bench.ask(method, path, content)
            assert answer.status in {200, 201, 404, 409, 428}, answer.body
            answers.append(answer.body)
    broken = json.loads(json.dumps(DOCUMENT))
    broken["destinations"][0]["settings"]["region"] = "usa"
    answers.append((await bench.ask("PUT", "/workspace", {"document": broken})).body)
    logs = capfd.readouterr()
    for text in (*answers, logs.out.encode(), logs.err.encode()):
        assert isinstance(text, bytes)
        for secret in SECRETS:
            assert secret.encode() not in text


async def test_headers_of_every_answer(bench: Bench) -> None:
    """Never cached, never sniffed, never for a foreign page."""
    for operation in OPERATIONS:
        if operation.name == "live":
            continue
        method, path, body = called(operation)
        answer = await bench.ask(method, path, body)
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert not any(name.startswith("access-control") for name in answer.headers)


async def test_openapi_describes_the_routes(bench: Bench) -> None:
    """The document lists exactly the operations that are answered."""
    document = await bench.get("/openapi.json")
    assert document["openapi"].startswith("3.1")
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert described == {(operation.method, operation.shown_path) for operation in OPERATIONS}
    ids = [method["operationId"] for methods in document["paths"].values() for method in methods.values()]
    assert len(ids) == len(set(ids))
    for method, path in described:
        answer = await bench.ask("TRACE", path.replace("{messageId}", "m").replace("{", "").replace("}", ""))
        assert answer.status == 405, (method, path)
        assert method in answer.headers["allow"]


def test_reference_page() -> None:
    """docs/reference/api.md describes every operation, parameter and member of a body."""
    page = (Path(__file__).parents[2] / "docs/reference/api.md").read_text()
    sections = dict(re.findall(r"^### `(\w+ [^`]+)`\n(.*?)(?=^##|\Z)", page, re.DOTALL | re.MULTILINE))
    assert set(sections) == {f"{operation.method} {operation.shown_path}" for operation in OPERATIONS}
    for operation in OPERATIONS:
        text = sections[f"{operation.method} {operation.shown_path}"]
        for name in [parameter.name for parameter in operation.query] + list(operation.body):
            assert f"`{name}`" in text, (operation.name, name)
        if operation.role != "viewer":
            assert f"role {operation.role}" in text, operation.name
