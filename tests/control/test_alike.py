"""Failures explain themselves: what the events of a group share, and the change after which they began."""

from __future__ import annotations

from typing import Any

import pytest

from sternpost.control.alike import BEGAN_WITHIN_S, DEPTH_MAX, PATHS_MAX, alike, change_before
from sternpost.model import Rejected, Retry
from sternpost.store.revisions import Revision
from tests.control.bench import Bench
from tests.control.test_api import TRACK


def revision(number: int, at: float) -> Revision:
    return Revision(number, at, "ana", "", (f"~ change {number}",))


def test_alike() -> None:
    """Members with one value stand as in an event; those with several are named; what one lacks is neither."""
    bodies: list[dict[str, Any]] = [
        {"type": "track", "userId": "u1", "event": None, "context": {"library": {"name": "a", "version": 1}}},
        {"type": "track", "userId": "u2", "event": None, "context": {"library": {"name": "a", "version": 2}}, "more": 1},
    ]  # fmt: skip
    same, differs = alike(bodies)
    assert same == {"type": "track", "event": None, "context": {"library": {"name": "a"}}}
    assert differs == ["userId", "context.library.version"]
    assert alike([]) == ({}, [])
    # A dot in a name makes no other path of it, and an empty object is a value.
    assert alike([{"a.b": 1, "c": {}}, {"a": {"b": 1}, "c": {}}]) == ({"c": {}}, [])


def test_alike_is_bounded() -> None:
    deep: dict[str, Any] = {"v": 1}
    for _ in range(40):
        deep = {"d": deep}
    same, _ = alike([{**deep, **{f"n{n}": n for n in range(1_000)}}] * 2)
    assert len(same) <= PATHS_MAX
    depth, inner = 0, alike([deep, deep])[0]
    while isinstance(inner, dict) and "d" in inner and depth < DEPTH_MAX:
        depth, inner = depth + 1, inner["d"]
    assert depth == DEPTH_MAX


def test_the_change_that_fits() -> None:
    """The last change before the first failure, when it was shortly before; never the first revision, and none that came later."""
    changes = [revision(4, 5_000.0), revision(3, 1_000.0), revision(1, 10.0)]
    assert change_before(1_000.0, changes) == changes[1]
    assert change_before(1_000.0 + BEGAN_WITHIN_S, changes) == changes[1]
    assert change_before(1_001.0 + BEGAN_WITHIN_S, changes) is None
    assert change_before(20.0, changes) is None
    assert change_before(5.0, changes) is None
    assert change_before(5.0, []) is None


async def test_of_a_group(bench: Bench) -> None:
    """The API tells both; a reader who may not see personal data gets hashes of what was the same."""
    document = bench.holder.shown()
    document["destinations"][0]["name"] = "Pendo, renamed"
    await bench.holder.apply(document)
    bench.now += 60
    await bench.accept(*({**TRACK, "messageId": f"m{n}", "userId": "ada", "properties": {"n": n}} for n in range(3)))  # fmt: skip
    await bench.settle("pendo", "track", *(Rejected("bad_id", "No.") for _ in range(3)))
    [group] = (await bench.get("/failures"))["failures"]
    assert group["beganAfter"]["revision"] == 2
    assert any("renamed" in line for line in group["beganAfter"]["changes"])
    found = await bench.get("/failures/pendo/bad_id/alike")
    assert found["looked"] == 3
    assert (found["same"]["type"], found["same"]["userId"]) == ("track", "ada")
    assert "messageId" in found["differs"]
    assert "properties.n" in found["differs"]


async def test_a_group_began_with_the_first_that_was_rejected(bench: Bench) -> None:
    """Which need not be the one that was received first."""
    await bench.accept(*({**TRACK, "messageId": f"m{n}", "userId": f"u{n}"} for n in range(2)))
    await bench.settle("pendo", "track", Retry("timeout"), Rejected("bad_id", "No."))
    began = (await bench.get("/failures"))["failures"][0]["firstAt"]
    bench.now += 3600
    await bench.settle("pendo", "track", Rejected("bad_id", "No."))
    [group] = (await bench.get("/failures"))["failures"]
    assert (group["count"], group["firstAt"]) == (2, began)


@pytest.mark.parametrize("how", ["retry", "replay"])
async def test_what_is_rejected_again_began_when_it_was_rejected_first(bench: Bench, how: str) -> None:
    """After a retry or a replay that failed again, the change that came before the first time is named, not the latest one."""
    document = bench.holder.shown()
    document["destinations"][0]["name"] = "The cause"
    await bench.holder.apply(document)
    bench.now += 60
    await bench.accept({**TRACK, "messageId": "m1"})
    await bench.settle("pendo", "track", Rejected("bad_id", "No."))
    [first] = (await bench.get("/failures"))["failures"]
    for number in range(2):
        bench.now += 3_600
        document["destinations"][0]["name"] = f"Something else {number}"
        await bench.holder.apply(document)
        if how == "retry":
            await bench.ask("POST", "/failures/retry", {"destination": "pendo"})
        else:
            await bench.ask("POST", "/replays", {"destination": "pendo"})
            await bench.pump.step()
            bench.now += 1
            await bench.pump.step()
        bench.now += 60
        await bench.settle("pendo", "track", Rejected("bad_id", "No."))
        bench.now += 60
        await bench.pump.step()  # the replay has ended
        [group] = (await bench.get("/failures"))["failures"]
        assert group["firstAt"] == first["firstAt"]
        assert group["lastAt"] > first["lastAt"]
        assert group["shapes"][0]["firstAt"] == first["firstAt"]
        assert group["beganAfter"]["revision"] == first["beganAfter"]["revision"] == 2
    # For another reason it is rejected for the first time.
    await bench.ask("POST", "/failures/retry", {"destination": "pendo"})
    await bench.settle("pendo", "track", Rejected("event_name_missing", "No name."))
    [group] = (await bench.get("/failures"))["failures"]
    assert group["firstAt"] == group["lastAt"] > first["firstAt"]
