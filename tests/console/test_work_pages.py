"""The pages that do things: replay, people, try, mapping; and failures told apart."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sternpost.model import Delivered, Rejected, Reply

from .house import House, house, text_of


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    made = await house(tmp_path)
    yield made
    made.bench.close()


def track(name: str, user: str = "u1", **properties: Any) -> dict[str, Any]:
    return {"type": "track", "messageId": name, "event": "Checkout", "userId": user, "properties": properties}


async def failed(home: House, *details: str) -> None:
    await home.bench.accept(*(track(f"m{i}", f"u{i}") for i in range(len(details))))
    await home.bench.settle("pendo", "track", *(Rejected("refused_by_destination", one) for one in details))


async def test_replay(home: House) -> None:
    """Look, begin, see it run, pause, cancel: what was not sent is as it was."""
    browser = await home.owner()
    await failed(home, "no 1", "no 2")
    page = text_of(await browser.get("/console/replay?look=1&destination=pendo"))
    assert "2 events of 2 people" in page
    assert "https://data.pendo.io/data/track" in page
    assert "Replay 1 runs." in await browser.follow(
        await browser.post("/console/replay", destination="pendo", q="reason:refused_by_destination")
    )
    home.bench.now += 0.2
    await home.bench.pump.step()
    page = text_of(await browser.get("/console/replay"))
    assert "running" in page
    assert "2 of 2" in page
    assert "It is paused." in await browser.follow(
        await browser.post("/console/replay/change", replay="1", verb="pause")
    )
    assert "It is cancelled" in await browser.follow(
        await browser.post("/console/replay/change", replay="1", verb="cancel")
    )
    assert (await home.bench.fate("m0"))["state"] == "rejected"
    assert "has ended" in await browser.follow(
        await browser.post("/console/replay/change", replay="1", verb="pause")
    )
    assert "is no time" in await browser.get("/console/replay?look=1&destination=pendo&from=soon", 400)


async def test_replay_of_what_was_delivered_asks_for_the_count(home: House) -> None:
    """Events that would arrive twice are begun only with their number typed."""
    browser = await home.owner()
    await home.bench.accept(track("m1"))
    await home.bench.settle("pendo", "track", Delivered())
    await browser.get("/console/replay?look=1&destination=pendo&only=all")
    given = {"destination": "pendo", "only": "all", "delivered": "1"}
    answer = await browser.post("/console/replay", **given, count="7")
    assert answer.status == 400
    assert b"type 1 to say that they may arrive again" in answer.body
    assert "Replay 1 runs." in await browser.follow(await browser.post("/console/replay", **given, count="1"))


async def test_person(home: House) -> None:
    """What is known, what waits, what Pendo holds on request with the differences; stop, allow, forget with the id typed."""
    browser = await home.owner()
    who = 'ann "<b>" 7/8'
    address = "/console/people/ann%20%22%3Cb%3E%22%207%2F8"
    await home.bench.accept(
        {"type": "identify", "messageId": "i", "userId": who, "anonymousId": "a-1", "traits": {"plan": "pro", "name": "Ann"}},
        {"type": "group", "messageId": "g", "userId": who, "groupId": "acme"},
        track("m1", who), track("m2", who),
        source="web",
    )  # fmt: skip
    page = text_of(await browser.get(address))
    assert "a-1 is" in page
    assert "acme since" in page
    assert re.search(r"track : 2 events wait since .* behind m1", page)
    assert not home.bench.sent
    held = {"metadata": {"agent": {"plan": "free", "name": "Ann"}}}
    home.bench.reply = lambda destination, call: Reply(200, {}, json.dumps(held).encode(), 5)
    page = text_of(await browser.get(f"{address}?held=pendo"))
    assert "plan agent free pro differs" in page
    await browser.follow(await browser.post(address, verb="stop", note="asked"))
    assert "stopped" in text_of(browser.last)
    assert who in text_of(await browser.get("/console/people"))
    await browser.get(address)
    await browser.follow(await browser.post(address, verb="allow"))
    answer = await browser.post(address, verb="forget", note="request", typed="ann")
    assert answer.status == 400
    assert b"type the id" in answer.body
    page = await browser.follow(await browser.post(address, verb="forget", note="request", typed=who))
    assert "will be asked" in text_of(page)
    home.bench.reply = lambda destination, call: Reply(200, {}, b'{"id": "j1"}', 5)
    await home.bench.persons.step()
    page = text_of(await browser.get(address))
    assert "4 events removed here" in page
    assert "asked; it may take up to 21 days" in page
    await browser.get("/console/people/nobody-at-all", 404)


async def test_try(home: House) -> None:
    """The last real event, an example, or what is typed; each destination with steps and calls, or why nothing; nothing is sent."""
    browser = await home.owner()
    await home.bench.accept(track("m1", total=42))
    page = await browser.get("/console/try?source=backend")
    assert "&#34;total&#34;: 42" in page
    assert "https://data.pendo.io/data/track" in page
    assert "https://hooks.example.com/events" in page
    assert "visitor/agent/value" in await browser.get("/console/try?source=backend&example=identify")
    for text, said in (
        ('{"type": "track"', "This is not JSON yet in line 1"),
        ("[]", "An event is an object"),
        ('{"type": "track", "event": "E"}', "The server would refuse this event"),
        ('{"type": "page", "userId": "u", "name": "P"}', "Page calls are not sent"),
    ):
        answer = await browser.post("/console/try", source="backend", event=text)
        assert said in text_of(answer.body.decode()), text
    assert not home.bench.sent
    fragment = await browser.ask("GET", "/console/try?source=backend&example=track", sec_fetch_dest="empty")
    assert b"<html" not in fragment.body
    await browser.get("/console/try?source=backend&example=track")
    home.bench.reply = lambda destination, call: Reply(418, {}, b"I am a teapot", 5)
    answer = await browser.post(
        "/console/try", source="backend", event='{"type":"track","event":"E","userId":"u"}', send="hook"
    )
    assert "It answered 418" in text_of(answer.body.decode())
    assert [destination for destination, _ in home.bench.sent] == ["hook"]
    answer = await browser.post(
        "/console/try", source="backend", event='{"type":"track","event":"E","userId":"u"}', send="source"
    )
    page = text_of(await browser.follow(answer))
    assert "marked as a test" in page


async def test_mapping(home: House) -> None:
    """Each trait with the field it becomes, as the delivering code says; nested, colliding and mixed ones are noted; a real person."""
    browser = await home.owner()
    traits = [{"plan": "pro", "address": {"city": "London"}}, {"Plan": "free", "age": 41}, {"age": "old"}]
    await home.bench.accept(
        *(
            {"type": "identify", "messageId": f"i{n}", "userId": "u1", "traits": one}
            for n, one in enumerate(traits)
        ),
        {"type": "group", "messageId": "g", "userId": "u1", "groupId": "acme", "traits": {"seats": 5}},
        track("m1", total=42),
    )
    found = (await browser.json("/console/destinations/pendo/mapping"))["blocks"]
    rows = {row["path"]: row for block in found for row in block["rows"]}
    assert rows["traits.plan"]["fields"] == ["plan"]
    assert rows["traits.address"]["fields"] == ["address_city"]
    assert {one["code"] for one in rows["traits.address"]["warnings"]} == {"nested_trait_flattened"}
    assert "key_collision" in {one["code"] for one in rows["traits.Plan"]["warnings"]}
    assert [one["detail"] for one in rows["traits.age"]["warnings"] if one["code"] == "type_mismatch"] != []
    assert rows["traits.seats"]["fields"] == ["seats"]
    assert (rows["properties.total"]["type"], rows["properties.total"]["example"]) == ("number", "42")
    page = text_of(await browser.get("/console/destinations/pendo/mapping"))
    assert "identify → visitor" in page
    assert "Pendo will know u1 as" in page
    assert "They wait here until the person logs in" in page
    await browser.get("/console/destinations/hook/mapping", 404)


async def test_failures_by_what_was_said(home: House) -> None:
    """What was said is told apart, each with a button; the group can be exported."""
    browser = await home.owner()
    await failed(home, "row 1 is bad", "row 22 is bad", "no such field")
    page = text_of(await browser.get("/console/failures"))
    assert "row # is bad" in page
    assert "3 people concerned" in page
    form = {"destination": "pendo", "reason": "refused_by_destination", "shape": "row # is bad"}
    assert "2 events went back" in await browser.follow(await browser.post("/console/failures/retry", **form))
    answer = await browser.ask(
        "GET", "/console/failures/export?destination=pendo&reason=refused_by_destination"
    )
    assert [json.loads(line)["messageId"] for line in answer.body.decode().splitlines()] == ["m2"]


async def test_resume(home: House) -> None:
    """A blocked destination has a button to go on."""
    browser = await home.owner()
    await home.bench.store.block("pendo", "track", "too_many_rejected", "200 of 200", now=home.bench.now)
    page = await browser.get("/console/destinations/pendo")
    assert "Nearly all of the last events were rejected there" in page
    page = await browser.follow(
        await browser.post("/console/failures/resume", destination="pendo", channel="track")
    )
    assert "is tried again" in page
    assert not await home.bench.views.blocked_channels()


async def test_failures_explain_themselves(home: House) -> None:
    """The change after which a group began, what its events have in common, and one button for all of a destination."""
    document = home.bench.holder.shown()
    document["destinations"][0]["name"] = "Pendo, renamed"
    await home.bench.holder.apply(document)
    home.bench.now += 60
    for number in range(3):
        await home.bench.accept({"type": "track", "event": "E", "messageId": f"a{number}", "userId": "ada", "properties": {"n": number}})  # fmt: skip
    await home.bench.settle("pendo", "track", Rejected("bad_id", "No. 1."), Rejected("bad_id", "No. 2."), Rejected("event_name_missing", "None."))  # fmt: skip
    browser = await home.owner()
    page = await browser.get("/console/failures")
    text = text_of(page)
    assert "Since the workspace was changed" in text
    assert "/console/settings/revisions/2" in page
    assert "What the newest 2 have in common" in text
    assert "userId" in text
    assert "properties.n" in text
    # Of a group that is folded nothing is looked up until somebody opens it.
    assert text.count("have in common") == 1
    assert "Retry all 3 of Pendo, renamed, whatever the reason" in text
    answer = await browser.post("/console/failures/retry", destination="pendo")
    assert "3 events went back" in text_of(await browser.follow(answer))
    assert "No failures" in await browser.get("/console/failures")
