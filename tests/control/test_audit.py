"""The audit log: every change has a line, whoever wrote the function that made it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from sternpost.control import audit
from sternpost.control.auth import Principal
from sternpost.control.operations import OPERATIONS
from sternpost.model import Rejected
from tests.control.bench import DOCUMENT, INTEGRATION_KEY, TRACK_SECRET, Bench, call
from tests.control.test_api import called

OWNER = Principal("ann", "owner", "console")
#: Operations that are no GET and change nothing.
READS = {"diff_workspace", "estimate_replay", "verify_destination", "verify_settings"}


async def lines(bench: Bench, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await bench.get(f"/audit{query}"))["audit"]
    return found


@pytest.mark.parametrize(
    "operation", [one for one in OPERATIONS if one.method != "GET"], ids=lambda operation: operation.name
)
async def test_every_change_has_a_line(bench: Bench, operation: Any) -> None:
    """An operation that is no GET leaves a line when it changed something, and none when it did not or was refused."""
    method, path, body = called(operation)
    answer = await bench.ask(method, path, body)
    found = await lines(bench)
    unchanged = operation.name != "apply_workspace" and answer.json.get("changes") == []
    if answer.status < 300 and operation.name not in READS and not unchanged:
        assert [line["action"] for line in found] == [operation.name]
        assert found[0]["who"] == "token:api-token"
        assert found[0]["via"] == "api"
    else:
        assert found == []


async def test_by_which_door(bench: Bench) -> None:
    headers = [(b"authorization", b"Bearer sp_a-token-for-tests"), (b"user-agent", b"sternpost-cli/0.1")]
    body = json.dumps({"name": "deploy", "role": "viewer", "days": 3}).encode()
    assert (await call(bench.app, "POST", "/api/v1/tokens", headers=headers, body=body)).status == 200
    [line] = await lines(bench)
    assert line == {
        "at": "2027-01-15T08:00:00.000Z", "who": "token:api-token", "via": "cli", "action": "add_token", "subject": "deploy",
        "detail": {"role": "viewer", "personalData": False, "days": 3},
    }  # fmt: skip


async def test_what_changed(bench: Bench) -> None:
    await bench.ask("POST", "/users", {"name": "Bea", "role": "viewer"})
    await bench.ask("PATCH", "/users/bea", {"role": "editor"})
    assert (await lines(bench))[0]["detail"] == {"role": ["viewer", "editor"], "personalData": [False, True]}


async def test_a_change_that_failed_midway(bench: Bench) -> None:
    """What was done before something failed is told, and that it failed."""
    await bench.accept({"type": "track", "event": "A", "userId": "u1"})
    await bench.settle("pendo", "track", Rejected("bad_id", "no"))

    def wake(due: object) -> None:
        raise OSError("the worker is gone")

    object.__setattr__(bench.context, "wake", wake)
    answer = await bench.ask("POST", "/failures/retry", {"destination": "pendo"})
    assert answer.status == 500
    [line] = await lines(bench)
    assert (line["action"], line["subject"]) == ("retry_failures", "pendo")
    assert line["detail"] == {"reason": None, "failed": "the worker is gone"}


async def test_no_secret_is_kept(bench: Bench) -> None:
    """The log outlives the secret."""
    await bench.context.audit.add(OWNER, "x", f"about {INTEGRATION_KEY}", text=TRACK_SECRET)
    document = json.loads(json.dumps(DOCUMENT))
    document["destinations"][0]["settings"]["integrationKey"] = "secret-integration-key-new.us"
    document["destinations"][0]["name"] = f"Pendo {TRACK_SECRET}"
    assert (await bench.ask("PUT", "/workspace", {"document": document})).status == 200
    with closing(sqlite3.connect(bench.store.path)) as cx:
        dump = str(cx.execute("SELECT * FROM audit").fetchall())
    for secret in (INTEGRATION_KEY, TRACK_SECRET, "secret-integration-key-new.us"):
        assert secret not in dump


async def test_pages_and_filters(bench: Bench) -> None:
    for number in range(5):
        bench.now += 60
        await bench.context.audit.add(
            Principal("ann" if number % 2 else "Bea", "owner"), "set_password", f"nr {number}"
        )
    first = await bench.get("/audit?limit=2")
    assert [line["subject"] for line in first["audit"]] == ["nr 4", "nr 3"]
    second = await bench.get(f"/audit?limit=2&before={first['next']}")
    assert [line["subject"] for line in second["audit"]] == ["nr 2", "nr 1"]
    last = await bench.get(f"/audit?limit=2&before={second['next']}")
    assert [line["subject"] for line in last["audit"]] == ["nr 0"]
    assert last["next"] is None
    assert len(await lines(bench, "?who=BEA")) == 3
    assert len(await lines(bench, "?what=nr%204")) == 1
    assert len(await lines(bench, "?what=password&who=ann")) == 2
    assert len(await lines(bench, "?since=2027-01-15T08:04:00Z")) == 2
    assert (await bench.ask("GET", "/audit?since=soon")).status == 400


async def test_bounds(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest lines go, by number and by age; a long detail is cut and says so."""
    monkeypatch.setattr(audit, "ROWS_MAX", 3)
    for number in range(5):
        await bench.context.audit.add(OWNER, "x", f"nr {number}")
    assert [line["subject"] for line in await lines(bench)] == ["nr 4", "nr 3", "nr 2"]
    bench.now += audit.KEPT_S + 1
    await bench.context.audit.add(OWNER, "x", "much later", short="a", long="x" * 100_000)
    [line] = await lines(bench)
    assert line["subject"] == "much later"
    assert line["detail"]["short"] == "a"
    assert line["detail"]["cut"] is True
    assert len(json.dumps(line["detail"])) < audit.DETAIL_BYTES_MAX
    await bench.context.audit.add(
        OWNER, "x", "y" * 10_000, **{f"n{number}": "z" * 400 for number in range(50)}
    )
    line = (await lines(bench))[0]
    assert len(line["subject"]) == audit.SUBJECT_CHARS_MAX
    assert line["detail"]["cut"] is True


async def test_half_a_pair(bench: Bench) -> None:
    """Text that no UTF-8 can write does not stop a line."""
    await bench.context.audit.add(OWNER, "x", "half \ud800", text="half \ud800")
    [line] = await lines(bench)
    assert line["subject"] == "half ?"
