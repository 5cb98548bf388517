"""Every list comes in pages: by the document, and by following `next` through each of them."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest

from sternpost.control.noticing import Noticing
from sternpost.control.people import Client
from sternpost.model import Delivered, Rejected
from sternpost.store.persons import PersonIds, begin_forgetting, stop

from .bench import DOCUMENT, NOW, Bench

#: Of each list: its address, its members, and what its parameter for the next page is called.
LISTS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "events": ("/events", ("events",), "before"),
    "failures": ("/failures", ("failures",), "after"),
    "failure_entries": ("/failures/pendo/bad_id", ("events",), "after"),
    "list_replays": ("/replays", ("replays",), "after"),
    "stopped_people": ("/stopped", ("stopped",), "after"),
    "list_deletions": ("/deletions", ("deletions",), "after"),
    "person": ("/people/u1", ("events",), "before"),
    "revisions": ("/workspace/revisions", ("revisions",), "before"),
    "sources": ("/sources", ("sources",), "after"),
    "source_seen": ("/sources/backend/seen", ("events",), "after"),
    "destinations": ("/destinations", ("destinations",), "after"),
    "rules": ("/rules", ("connections",), "after"),
    "connections": ("/connections", ("connections",), "after"),
    "catalogue": ("/catalogue", ("catalogue",), "after"),
    "reasons": ("/reasons", ("reasons", "notes"), "after"),
    "refused": ("/refused", ("refused",), "after"),
    "users": ("/users", ("users",), "after"),
    "sessions": ("/sessions", ("sessions",), "after"),
    "tokens": ("/tokens", ("tokens",), "after"),
    "audit_log": ("/audit", ("audit",), "before"),
}


async def filled(bench: Bench) -> None:
    """Several of everything that is listed."""
    await bench.accept(
        *(
            {"type": "track", "event": f"E{number}", "userId": "u1", "messageId": f"m{number}"}
            for number in range(5)
        )
    )
    await bench.settle("pendo", "track", *(Rejected("bad_id", "no") for _ in range(3)), Delivered())
    await bench.settle("hook", "", *(Rejected("refused_by_destination", "no") for _ in range(2)))
    for number in range(3):
        user = await bench.people.add_user(f"user{number}", "viewer", personal_data=None)
        await bench.people.begin_session(user, Client("203.0.113.1", "browser"))
        assert (await bench.ask("POST", "/tokens", {"name": f"t{number}", "role": "viewer"})).status == 200
        assert (await bench.ask("POST", "/replays", {"destination": "pendo", "only": "all"})).status == 200
        assert (await bench.ask("POST", f"/sources/{'web' if number % 2 else 'alone'}/disable")).status == 200
        bench.refused.add(
            at=NOW, path=f"/v1/{number}", status=400, reason="bad_json", detail="", source_id="web",
            write_key="wk-web", origin="", address="", agent="", body=b"{",
        )  # fmt: skip

    def people(cx: Any) -> None:
        for number in range(4):
            # Two at the same moment: the digest tells them apart.
            stop(cx, PersonIds(f"p{number}", ()), keep_id=True, by="ann", note="n", now=NOW + number // 2)
            begin_forgetting(cx, PersonIds(f"f{number}", ()), by="ann", note="n", there={}, now=NOW)

    await bench.store.transaction(people)
    noticing = Noticing(bench.views, bench.store, busy=lambda: False)
    while await noticing.step():
        pass


async def all_pages(bench: Bench, path: str, names: tuple[str, ...], place: str, limit: int) -> list[Any]:
    found: list[Any] = []
    query: dict[str, Any] = {"limit": limit}
    while True:
        page = await bench.get(f"{path}?{urlencode(query)}")
        rows = [row for name in names for row in page[name]]
        assert len(rows) <= limit
        found += rows
        if page["next"] is None:
            return found
        assert rows or path == "/events", "a page without rows has no next"
        query[place] = page["next"]


async def test_following_next_gives_the_whole_list(bench: Bench) -> None:
    """Each entry once, in the same order, whatever the size of a page."""
    await filled(bench)
    for operation, (path, names, place) in LISTS.items():
        whole = await bench.get(path)
        rows = [row for name in names for row in whole[name]]
        assert len(rows) >= 2, operation
        assert whole["next"] is None, operation
        for limit in (1, 2, 500):
            found = await all_pages(bench, path, names, place, limit)
            assert found == rows, (operation, limit)


async def test_limit_is_bounded(bench: Bench) -> None:
    """No page has more rows than 500, or none; where a list begins is a word of ours."""
    for operation, (path, _, place) in LISTS.items():
        for limit in ("0", "501", "-1", "x", "", "1.5"):
            answer = await bench.ask("GET", f"{path}?limit={limit}")
            assert answer.status == 400, (operation, limit)
            assert (
                "1 to 500" in answer.json["error"]["message"] or "number" in answer.json["error"]["message"]
            )
        assert (await bench.ask("GET", f"{path}?{place}=~x")).status == 400, operation


@pytest.mark.parametrize("count", [501, 1_100])
async def test_what_was_cut_off_before(bench: Bench, count: int) -> None:
    """Stopped people and receipts beyond the first 500 can be reached."""

    def people(cx: Any) -> None:
        for number in range(count):
            stop(cx, PersonIds(f"p{number}", ()), keep_id=True, by="ann", note="n", now=NOW + number)
            begin_forgetting(cx, PersonIds(f"f{number}", ()), by="ann", note="n", there={}, now=NOW)

    await bench.store.transaction(people)
    stopped = await all_pages(bench, "/stopped", ("stopped",), "after", 500)
    assert [one["id"] for one in stopped] == [f"p{number}" for number in reversed(range(count))]
    receipts = await all_pages(bench, "/deletions", ("deletions",), "after", 500)
    assert [one["id"] for one in receipts] == [str(number) for number in range(count, 0, -1)]


async def test_a_large_workspace(bench: Bench) -> None:
    """More sources and connections than fit on a page."""
    more = [
        {"id": f"s{number}", "name": f"S{number}", "type": "server", "writeKey": f"wk-s{number}"}
        for number in range(600)
    ]
    document = {
        **DOCUMENT,
        "sources": [*DOCUMENT["sources"], *more],
        "connections": [
            *DOCUMENT["connections"],
            *({"source": one["id"], "destination": "spare", "mode": "cloud"} for one in more),
        ],
    }
    await bench.holder.apply(document, author="ann")
    for path, name, count in (("/sources", "sources", 603), ("/connections", "connections", 603)):
        first = await bench.get(path)
        assert len(first[name]) == 500
        assert len(await all_pages(bench, path, (name,), "after", 500)) == count
    assert len(await all_pages(bench, "/rules", ("connections",), "after", 500)) == 603
