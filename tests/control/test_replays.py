"""Replays by the API: what one would be, and what becomes of it."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from sternpost.control import replays
from sternpost.control.replays import STEP_EVENTS_MAX, WAITING_MIN
from sternpost.model import Delivered, Rejected, Settled, Settlement

from .bench import DOCUMENT, Bench


def track(name: str, user: str = "u1", **more: Any) -> dict[str, Any]:
    return {"type": "track", "messageId": name, "event": f"Event {name}", "userId": user, **more}


async def begin(bench: Bench, **wanted: Any) -> dict[str, Any]:
    answer = await bench.ask("POST", "/replays", {"destination": "pendo", **wanted})
    assert answer.status == 200, answer.body
    made: dict[str, Any] = answer.json
    return made


async def estimate(bench: Bench, **wanted: Any) -> dict[str, Any]:
    answer = await bench.ask("POST", "/replays/estimate", {"destination": "pendo", **wanted})
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json
    return found


async def pump(bench: Bench, seconds: float = 1.0) -> None:
    """Let the pump work as often as it would in that time."""
    for _ in range(round(seconds / replays.TICK_S)):
        bench.now += replays.TICK_S
        await bench.pump.step()


async def states(bench: Bench, *names: str, destination: str = "pendo") -> list[str]:
    return [(await bench.fate(name, destination))["state"] for name in names]


async def settled(bench: Bench) -> None:
    """Three events: delivered, rejected, and one that waits."""
    await bench.accept(track("m1"), track("m2", "u2"))
    await bench.settle("pendo", "track", Delivered(), Rejected("refused_by_destination", "no"))
    await bench.accept(track("m3", "u3"))


async def test_what_a_replay_would_be(bench: Bench) -> None:
    """Count, people, bytes and time; samples with the requests they would cause; and nothing is done."""
    await settled(bench)
    found = await estimate(bench, ratePerSecond=10)
    assert (found["count"], found["people"], found["exact"], found["underWay"]) == (1, 1, True, 1)
    assert found["seconds"] == 0.1
    assert found["bytes"] > 50
    [sample] = found["samples"]
    assert sample["messageId"] == "m2"
    assert sample["requests"][0]["url"] == "https://data.pendo.io/data/track"
    assert (await bench.get("/replays"))["replays"] == []
    assert await states(bench, "m1", "m2", "m3") == ["delivered", "rejected", "pending"]


async def test_warnings_say_what_will_happen_again(bench: Bench) -> None:
    """What would arrive twice, and what Pendo may never show, is said before it begins."""
    await bench.accept(
        track("old", timestamp="2026-01-01T00:00:00Z"),
        {"type": "identify", "messageId": "i", "userId": "u1", "traits": {"a": 1}},
    )
    await bench.settle("pendo", "track", Delivered())
    await bench.settle("pendo", "metadata", Delivered())
    bench.now += 1
    found = await estimate(bench, only="all")
    said = " ".join(found["warnings"])
    assert found["delivered"] == 2
    assert "1 of them are older than 7 days: Pendo may never show them." in said
    assert "2 of them were delivered already and would be delivered again" in said
    assert "Identify and group calls write again what was true when they came" in said
    assert (await estimate(bench))["count"] == 0


async def test_only_those_not_delivered(bench: Bench) -> None:
    """By default what was delivered stays; the others come again, are marked, and the job ends when they have."""
    await settled(bench)
    job = await begin(bench)
    assert (job["state"], job["estimated"], job["createdBy"]) == ("running", 1, "token:api-token")
    await pump(bench)
    assert await states(bench, "m1", "m2", "m3") == ["delivered", "pending", "pending"]
    assert (await bench.fate("m2"))["replay"] == {
        "id": job["id"],
        "before": {
            "state": "rejected",
            "reason": "refused_by_destination",
            "settledAt": "2027-01-15T08:00:00.000Z",
        },
    }
    assert bench.woken
    await bench.settle("pendo", "track", Delivered(), Delivered())
    await pump(bench)
    job = await bench.get(f"/replays/{job['id']}")
    assert (job["state"], job["delivered"], job["waiting"], job["underWay"], job["progress"]) == (
        "done",
        1,
        0,
        0,
        1.0,
    )
    assert (await bench.fate("m2"))["replay"]["before"]["state"] == "rejected"


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ({"user": "u1"}, {"m1"}),
        ({"user": "u1,u2"}, {"m1", "m2"}),
        ({"type": "identify"}, {"i1"}),
        ({"source": "web"}, {"w1"}),
        ({"anonymousId": "a1"}, {"w1"}),
        ({"q": 'event:"Event m2"'}, {"m2"}),
        ({"q": "-type:track -type:page"}, {"i1"}),
        ({"q": "state:rejected"}, {"m2"}),
        ({"q": "reason:refused_by_destination"}, {"m2"}),
        ({"q": "m1"}, {"m1"}),
        ({"from": "30m"}, {"w1"}),
        ({"to": "30m"}, {"m1", "m2", "i1"}),
    ],
)
async def test_filters(bench: Bench, wanted: dict[str, Any], names: set[str]) -> None:
    """By source, type, person, time, and everything else that the filter grammar knows."""
    await bench.accept(
        track("m1"),
        track("m2", "u2"),
        {"type": "identify", "messageId": "i1", "userId": "u3", "traits": {"a": 1}},
    )
    await bench.settle("pendo", "track", Delivered(), Rejected("refused_by_destination"))
    await bench.settle("pendo", "metadata", Delivered())
    bench.now += 3600
    await bench.accept({"type": "page", "messageId": "w1", "anonymousId": "a1", "userId": "u9"}, source="web")
    bench.now += 1
    await bench.settle("pendo", "track", Delivered())
    found = await estimate(bench, only="all", **wanted)
    assert {sample["messageId"] for sample in found["samples"]} == names
    assert found["count"] == len(names)
    job = await begin(bench, only="all", **wanted)
    await pump(bench)
    waiting = {name for name in ("m1", "m2", "i1", "w1") if (await bench.fate(name))["state"] == "pending"}
    assert waiting == names
    assert (await bench.get(f"/replays/{job['id']}"))["queued"] == len(names)


async def test_a_destination_that_was_connected_later(bench: Bench) -> None:
    """What came before a destination was connected can be brought to it."""
    await bench.accept(track("m1"))
    assert [
        entry["destination"] for entry in (await bench.get("/events/m1"))["events"][0]["destinations"]
    ] == ["pendo", "hook"]
    document = copy.deepcopy(DOCUMENT)
    document["connections"].append({"source": "backend", "destination": "spare", "mode": "cloud"})
    assert (await bench.ask("PUT", "/workspace", {"document": document})).status == 200
    job = await begin(bench, destination="spare")
    await pump(bench)
    standing = await bench.fate("m1", "spare")
    assert (standing["state"], standing["replay"]) == ("pending", {"id": job["id"], "before": None})


async def test_rate_and_back_pressure(bench: Bench) -> None:
    """So many per second and no more; and while so many wait, the pump rests."""
    await bench.accept(*(track(f"m{i}", f"u{i}") for i in range(300)))
    for _ in range(3):
        await bench.settle("pendo", "track", *[Rejected("refused_by_destination")] * 100)
    job = await begin(bench, ratePerSecond=20)
    await pump(bench, 1.0)
    assert 18 <= (await bench.get(f"/replays/{job['id']}"))["queued"] <= 24
    await pump(bench, 30.0)
    stands = await bench.get(f"/replays/{job['id']}")
    assert stands["queued"] == stands["waiting"] == max(WAITING_MIN, 200)
    await bench.settle("pendo", "track", *[Delivered()] * 100)
    await pump(bench, 30.0)
    assert (await bench.get(f"/replays/{job['id']}"))["queued"] == 300


async def test_pause_resume_cancel(bench: Bench) -> None:
    """A paused job queues nothing; resumed it goes on, at another rate; cancelled it puts back what was not sent."""
    await bench.accept(*(track(f"m{i}", f"u{i}") for i in range(50)))
    await bench.settle("pendo", "track", *[Rejected("refused_by_destination", "as it was")] * 50)
    job = await begin(bench, ratePerSecond=10)
    await pump(bench, 1.0)
    paused = (await bench.ask("POST", f"/replays/{job['id']}/pause")).json
    assert (paused["state"], paused["detail"]) == ("paused", "Paused by token:api-token.")
    await pump(bench, 5.0)
    assert (await bench.get(f"/replays/{job['id']}"))["queued"] == paused["queued"]
    resumed = (await bench.ask("POST", f"/replays/{job['id']}/resume", {"ratePerSecond": 5})).json
    assert (resumed["state"], resumed["ratePerSecond"]) == ("running", 5)
    await pump(bench, 2.0)
    assert (await bench.get(f"/replays/{job['id']}"))["queued"] > paused["queued"]
    cancelled = (await bench.ask("POST", f"/replays/{job['id']}/cancel")).json
    assert (cancelled["state"], cancelled["waiting"]) == ("cancelled", 0)
    assert cancelled["withdrawn"] == cancelled["queued"]
    assert set(await states(bench, *(f"m{i}" for i in range(50)))) == {"rejected"}
    assert "as it was" in (await bench.fate("m0"))["explanation"]
    for verb in ("pause", "cancel"):
        assert (await bench.ask("POST", f"/replays/{job['id']}/{verb}")).status == 409
    assert (await bench.ask("POST", f"/replays/{job['id']}/resume", {})).status == 409


async def test_a_restart_goes_on(bench: Bench) -> None:
    """Another pump on the same store goes on where the first one was; nothing comes twice."""
    await bench.accept(*(track(f"m{i}", f"u{i}") for i in range(40)))
    await bench.settle("pendo", "track", *[Rejected("refused_by_destination")] * 40)
    job = await begin(bench, ratePerSecond=50)
    await pump(bench, 0.4)
    before = (await bench.get(f"/replays/{job['id']}"))["queued"]
    assert 0 < before < 40
    again = Bench(bench.store, bench.views, bench.live, bench.holder, bench.refused, now=bench.now)
    await pump(again, 2.0)
    stands = await again.get(f"/replays/{job['id']}")
    assert (stands["queued"], stands["waiting"]) == (40, 40)


async def test_destinations_that_are_gone_or_off(bench: Bench) -> None:
    """A destination that is switched off pauses its replays, one that is removed ends them; each says why."""
    await settled(bench)
    first = await begin(bench)
    document = copy.deepcopy(DOCUMENT)
    document["destinations"][0]["enabled"] = False
    await bench.ask("PUT", "/workspace", {"document": document})
    await pump(bench)
    assert (await bench.get(f"/replays/{first['id']}"))["state"] == "paused"
    assert "switched off" in (await bench.get(f"/replays/{first['id']}"))["detail"]
    assert "switched off" in (await estimate(bench))["warnings"][0]
    await bench.ask("PUT", "/workspace", {"document": DOCUMENT})
    assert (await bench.ask("POST", f"/replays/{first['id']}/resume", {})).status == 200
    document["destinations"] = document["destinations"][1:]
    document["connections"] = [line for line in document["connections"] if line["destination"] != "pendo"]
    await bench.ask("PUT", "/workspace", {"document": document})
    await pump(bench)
    gone = await bench.get(f"/replays/{first['id']}")
    assert (gone["state"], gone["detail"]) == ("cancelled", "The destination was removed.")


async def test_sources_that_are_not_connected(bench: Bench) -> None:
    """Events of a source that is not connected any more are counted and left as they are."""
    await bench.accept(track("w1"), source="web")
    bench.now += 1
    await bench.settle("pendo", "track", Rejected("refused_by_destination"))
    await settled(bench)
    document = copy.deepcopy(DOCUMENT)
    document["connections"] = document["connections"][1:]
    await bench.ask("PUT", "/workspace", {"document": document})
    found = await estimate(bench)
    assert (found["count"], found["notConnected"]) == (1, 1)
    job = await begin(bench)
    await pump(bench)
    assert (await bench.get(f"/replays/{job['id']}"))["notConnected"] == 1
    assert await states(bench, "w1") == ["rejected"]


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 400, "`destination` is missing"),
        ({"destination": "pend"}, 404, 'Did you mean \\"pendo\\"?'),
        ({"destination": "pendo", "only": "some"}, 400, "not_delivered or all"),
        ({"destination": "pendo", "ratePerSecond": 0}, 400, "above 0"),
        ({"destination": "pendo", "ratePerSecond": True}, 400, "above 0"),
        ({"destination": "pendo", "q": "dest:hook"}, 400, "one destination"),
        ({"destination": "pendo", "q": "colour:red"}, 400, 'no filter \\"colour\\"'),
        ({"destination": "pendo", "from": "soon"}, 400, "is no time"),
        ({"destination": "pendo", "form": "2h"}, 400, "no `form`"),
        ({"destination": "pendo"}, 400, "nothing to replay"),
    ],
)
async def test_what_cannot_be_asked(bench: Bench, body: dict[str, Any], status: int, said: str) -> None:
    """Each mistake is named, with what to write instead."""
    answer = await bench.ask("POST", "/replays", body)
    assert (answer.status, said in answer.body.decode()) == (status, True), answer.body


async def test_unknown_replays(bench: Bench) -> None:
    """A replay that never was is not found, whatever its id looks like."""
    for given in ("7", "x", "%00", "9" * 30):
        assert (await bench.ask("GET", f"/replays/{given}")).status == 404


async def test_many_in_steps(bench: Bench) -> None:
    """A fast replay goes in steps of a bounded size, so that accepting goes on in between."""
    for start in range(0, 1_500, 500):
        await bench.accept(*(track(f"m{i}", f"u{i % 50}") for i in range(start, start + 500)))
    for _ in range(40):
        if (await bench.get("/stats"))["destinations"]["pendo"]["pending"] == 0:
            break
        claimed = await bench.store.claim(
            "pendo", "track", now=bench.now, lanes_max=100, run_max=100, lease_s=1
        )
        await bench.store.settle(
            [
                Settlement(
                    run.key,
                    run.lease,
                    [Settled(w.event.seq, Rejected("refused_by_destination"), bench.now) for w in run.events],
                )
                for run in claimed.runs
            ],
            now=bench.now,
        )
    job = await begin(bench, ratePerSecond=10_000)
    bench.now += replays.TICK_S
    await bench.pump.step()
    assert (await bench.get(f"/replays/{job['id']}"))["queued"] == STEP_EVENTS_MAX
    await pump(bench)
    assert (await bench.get(f"/replays/{job['id']}"))["queued"] == 1_500
