"""Dead letters told apart by what was said."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sternpost.control.shapes import SHAPE_CHARS_MAX, shape_of
from sternpost.model import Rejected
from tests.control.test_personal import reader

from .bench import Bench


@pytest.mark.parametrize(
    ("said", "ids", "shape"),
    [
        ("It answered 400.", (), "It answered #."),
        ("item 17 of 1,000 is bad", (), "item # of # is bad"),
        ("visitor u1 has plan u10", ("u1",), "visitor … has plan u10"),
        ("no 5b0c7b1e-9a1f-4a0e-8a50-0123456789ab here", (), "no … here"),
        ("ann@example.com twice: ann@example.com", (), "… twice: …"),
        ("at 2026-11-25T10:00:00.123Z", (), "at #"),
        ("token abcdef0123456789xyz", (), "token …"),
        ("HTTP/1.1 said v2", (), "HTTP/# said v2"),
        ("", ("",), ""),
        ("  a \n b ", (), "a b"),
        ("a" * 500, (), "a" * SHAPE_CHARS_MAX),
        ("(.*", ("(.*",), "…"),
    ],
)
def test_shape(said: str, ids: tuple[str, ...], shape: str) -> None:
    """Words stay; what differs from event to event goes."""
    assert shape_of(said, ids) == shape


async def rejected(bench: Bench) -> None:
    details = [
        "plan of u0 must be text (row 1)",
        "plan of u1 must be text (row 22)",
        "No such field",
        "plan of u3 must be text (row 3)",
    ]
    await bench.accept(
        *({"type": "track", "event": "E", "userId": f"u{i}", "messageId": f"m{i}"} for i in range(4))
    )
    await bench.settle("pendo", "track", *(Rejected("refused_by_destination", detail) for detail in details))


async def test_groups_tell_what_was_said(bench: Bench) -> None:
    """One destination and reason, and in it each thing that was said with its events, people and samples."""
    await rejected(bench)
    [group] = (await bench.get("/failures"))["failures"]
    assert (group["count"], group["people"], group["exact"], group["moreShapes"]) == (4, 4, True, 0)
    assert [(one["shape"], one["count"], one["people"]) for one in group["shapes"]] == [
        ("plan of … must be text (row #)", 3, 3),
        ("No such field", 1, 1),
    ]
    assert [sample["messageId"] for sample in group["shapes"][0]["samples"]] == ["m3", "m1", "m0"]


async def test_some_of_a_group_by_what_was_said(bench: Bench) -> None:
    """Retry and discard take only those of which the same was said; the discarded ones keep who and why."""
    await rejected(bench)
    wanted: dict[str, Any] = {"destination": "pendo", "reason": "refused_by_destination"}
    answer = await bench.ask("POST", "/failures/retry", {**wanted, "shape": "No such field"})
    assert (answer.json["retried"], answer.json["left"]) == (1, 3)
    assert (await bench.fate("m2"))["state"] == "pending"
    answer = await bench.ask(
        "POST",
        "/failures/discard",
        {**wanted, "shape": "plan of … must be text (row #)", "note": "test data", "limit": 2},
    )
    assert (answer.json["discarded"], answer.json["left"]) == (2, 1)
    assert 'Discarded by token:api-token: "test data"' in (await bench.fate("m0"))["explanation"]


async def test_a_shape_that_is_hidden_still_says_which(bench: Bench) -> None:
    """Who may not see personal data is shown the hash of what was said, and takes those of which the same was said by it."""
    await rejected(bench)
    token = await reader(bench, "editor")
    [group] = (await bench.ask("GET", "/failures", token=token)).json["failures"]
    shape = group["shapes"][0]["shape"]
    assert shape.startswith("hidden:")
    wanted: dict[str, Any] = {"destination": "pendo", "reason": "refused_by_destination", "shape": shape}
    retried = await bench.ask("POST", "/failures/retry", {**wanted, "limit": 2}, token=token)
    assert (retried.json["retried"], retried.json["left"]) == (2, 2)
    discarded = await bench.ask("POST", "/failures/discard", {**wanted, "note": "test data"}, token=token)
    assert (discarded.json["discarded"], discarded.json["left"]) == (1, 1)
    assert (await bench.fate("m2"))["state"] == "rejected"


async def test_export(bench: Bench) -> None:
    """JSON lines with every event of the group and its fate."""
    await rejected(bench)
    answer = await bench.ask("GET", "/failures/pendo/refused_by_destination/export")
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert (
        answer.headers["content-disposition"]
        == 'attachment; filename="failures-pendo-refused_by_destination.jsonl"'
    )
    assert answer.headers["cache-control"] == "no-store"
    lines = [json.loads(line) for line in answer.body.decode().splitlines()]
    assert [line["messageId"] for line in lines] == ["m0", "m1", "m2", "m3"]
    assert lines[0]["destinations"][0]["attempts"][0]["outcome"] == "rejected"
