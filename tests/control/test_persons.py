"""People: stopped, allowed, forgotten here without a trace and at Pendo in bulk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from msgspec.structs import replace

from sternpost.control.persons import ASK_AGAIN_S, LOOK_AGAIN_S
from sternpost.model import Delivered, Rejected, Reply, Retry

from .bench import Bench

WHO = "ann.lovelace+77@example.com"
ANONYMOUS = "anon-5b0c7b1e-9a1f"
OTHER = "grace.hopper@example.org"
SECRETS = (WHO, ANONYMOUS, "Lovelace", "Byron Street 12", "77-traits", "checkout-of-ann")


def identify(message_id: str, user: str, anonymous: str = "", **traits: Any) -> dict[str, Any]:
    more = {"anonymousId": anonymous} if anonymous else {}
    return {"type": "identify", "messageId": message_id, "userId": user, "traits": traits, **more}


def track(name: str, user: str = "", anonymous: str = "", event: str = "E") -> dict[str, Any]:
    ids = {**({"userId": user} if user else {}), **({"anonymousId": anonymous} if anonymous else {})}
    return {"type": "track", "messageId": name, "event": event, **ids}


async def lives(bench: Bench) -> None:
    """Two people: everything that a store may hold of them, settled, failed, retried, held and waiting."""
    await bench.accept(
        identify("id1", WHO, ANONYMOUS, name="Lovelace", address={"street": "Byron Street 12"}),
        {"type": "group", "messageId": "g1", "userId": WHO, "groupId": "acme", "traits": {"x": "77-traits"}},
        *(track(f"t{i}", WHO, event="checkout-of-ann") for i in range(8)),
        track("anon1", anonymous=ANONYMOUS),
        track("anon2", anonymous=ANONYMOUS),
        {"type": "alias", "messageId": "al1", "userId": "somebody-else", "previousId": WHO},
        identify("id2", OTHER, name="Hopper"),
        *(track(f"o{i}", OTHER) for i in range(5)),
        source="web",
    )
    bench.now += 1
    await bench.settle("pendo", "metadata", *[Delivered()] * 4)
    await bench.settle(
        "pendo", "track", Rejected("refused_by_destination", f"no {WHO}"), Retry("server_error")
    )
    await bench.accept(track("late", WHO), track("olate", OTHER), source="web")


async def ask(bench: Bench, verb: str, who: str = WHO, **body: Any) -> Any:
    content = {"note": "request of 3 May"} if verb != "allow" else None
    answer = await bench.ask(
        "POST", f"/people/{quote(who, safe='')}/{verb}", {**(content or {}), **body} or None
    )
    assert answer.status == 200, answer.body
    return answer.json


def traces(bench: Bench) -> list[str]:
    """Which of the person's texts are in the files of the store."""
    files = [Path(str(bench.store.path) + end) for end in ("", "-wal")]
    content = b"".join(file.read_bytes() for file in files if file.exists())
    return [text for text in SECRETS if text.encode() in content]


async def test_stop_and_allow(bench: Bench) -> None:
    """Who is stopped is known by every id; an event with a userId is that user's. Allowed again, all ids are."""
    await bench.accept(identify("i", WHO, ANONYMOUS), source="web")
    await ask(bench, "stop")
    event = (await bench.views.events_by_message_id("i"))[0].event

    def stopped(user: str, anonymous: str = "", linked: str = "") -> bool:
        return bench.persons.is_stopped(replace(event, user_id=user, anonymous_id=anonymous), linked)

    assert stopped(WHO)
    assert stopped("", ANONYMOUS)
    assert stopped("", "x", linked=WHO)
    assert not stopped(OTHER, ANONYMOUS)
    assert not stopped("", "x")
    [row] = (await bench.get("/stopped"))["stopped"]
    assert (row["id"], row["by"], row["note"]) == (WHO, "token:api-token", "request of 3 May")
    again = Bench(bench.store, bench.views, bench.live, bench.holder, bench.refused)
    await again.persons.start()
    assert again.persons.is_stopped(event)
    assert (await ask(bench, "allow"))["changed"] is True
    assert not stopped(WHO)
    assert not stopped("", ANONYMOUS)
    assert (await ask(bench, "allow"))["changed"] is False


async def test_no_byte_is_left(bench: Bench) -> None:
    """Events, fates, tries, what waits and is held, profiles and lanes of the person are gone, and so is every byte of them in the files;
    others keep theirs, and counters equal the rows.
    """
    await lives(bench)
    assert set(traces(bench)) == set(SECRETS)
    receipt = await ask(bench, "forget")
    assert (receipt["state"], receipt["note"]) == ("removing", "request of 3 May")
    bench.reply = lambda destination, call: Reply(200, {}, b'{"id": "job-1"}', 5)
    await bench.persons.step()
    assert traces(bench) == []
    [shown] = (await bench.get("/deletions"))["deletions"]
    assert shown["here"]["compacted"] is True
    assert shown["here"]["events"] == 14
    assert bench.forgotten == [WHO, ANONYMOUS]
    for name in ("id1", "g1", "t0", "t7", "anon1", "anon2", "al1", "late"):
        assert (await bench.ask("GET", f"/events/{name}")).status == 404
    assert (await bench.get("/events/o4"))["events"]
    counts = (await bench.get("/stats"))["destinations"]["pendo"]
    assert counts["pending"] + counts["retrying"] == 6
    assert counts["rejected"] == counts["held"] == 0
    bench.now += 10
    assert len(await bench.settle("pendo", "track", *[Delivered()] * 6)) == 6
    assert (await bench.get("/stats"))["sources"]["web"]["received"] == 7
    assert WHO.encode() not in (await bench.ask("GET", "/audit")).body
    assert bench.persons.knows(WHO)


async def test_forgetting_goes_on_after_a_restart(bench: Bench) -> None:
    """Begun by one process and ended by another; asked twice it is one deletion."""
    await lives(bench)
    first = await ask(bench, "forget")
    assert (await ask(bench, "forget"))["id"] == first["id"]
    again = Bench(bench.store, bench.views, bench.live, bench.holder, bench.refused, now=bench.now)
    again.reply = lambda destination, call: Reply(200, {}, b'{"id": "job-1"}', 5)
    await again.persons.start()
    await again.persons.step()
    assert traces(bench) == []


async def test_pendo_is_asked_until_it_is_done(bench: Bench) -> None:
    """Refused and unreachable, it is asked again, ever later; once it has begun, it is asked whether it is done. The id goes from the store
    when Pendo has taken it; the receipt says how each destination stands.
    """
    await lives(bench)
    await ask(bench, "forget")
    answers = [
        Reply(None, {}, b"", 5, "timeout", "No answer within 20 s."),
        Reply(403, {}, b"", 5),
        Reply(200, {}, b'{"id": "job-7"}', 5),
    ]
    bench.reply = lambda destination, call: answers.pop(0)

    async def pendo() -> dict[str, Any]:
        [deletion] = (await bench.get("/deletions"))["deletions"]
        return next(one for one in deletion["destinations"] if one["destination"] == "pendo")

    assert await bench.persons.step() > 1
    assert ((await pendo())["state"], (await pendo())["said"]) == (
        "waiting",
        "It did not answer: No answer within 20 s.",
    )
    await bench.persons.step()
    assert len(bench.sent) == 1, "not before its time"
    assert WHO in traces(bench), "the id is still needed"
    bench.now += ASK_AGAIN_S
    await bench.persons.step()
    assert "refuses the integration key" in (await pendo())["said"]
    bench.now += 2 * ASK_AGAIN_S
    await bench.persons.step()
    assert ((await pendo())["state"], (await pendo())["job"]) == ("asked", "job-7")
    assert traces(bench) == []
    destination, call = bench.sent[-1]
    assert (destination, call.method, call.url) == (
        "pendo",
        "POST",
        "https://app.pendo.io/api/v1/bulkdelete/visitor",
    )
    assert json.loads(call.body) == {"visitors": [WHO, f"_PENDO_T_{ANONYMOUS}"]}
    answers += [Reply(200, {}, b'{"status": "pending"}', 5), Reply(200, {}, b'{"status": "done"}', 5)]
    bench.now += LOOK_AGAIN_S
    await bench.persons.step()
    assert bench.sent[-1][1].url.endswith("/api/v1/bulkdelete/job-7")
    assert (await pendo())["state"] == "asked"
    bench.now += 10 * LOOK_AGAIN_S
    await bench.persons.step()
    [deletion] = (await bench.get("/deletions"))["deletions"]
    assert deletion["state"] == "done"
    assert {one["destination"]: one["state"] for one in deletion["destinations"]} == {
        "pendo": "done",
        "hook": "cannot",
        "spare": "cannot",
    }
    sent = len(bench.sent)
    await bench.persons.step()
    assert len(bench.sent) == sent


async def test_many_people_share_a_request(bench: Bench) -> None:
    """Up to 500 ids go in one request, the rest in the next; never more than one at a time."""
    for number in range(510):
        await bench.persons.forget(f"user-{number}", by="eve", note="n")
    bench.reply = lambda destination, call: Reply(200, {}, b'{"id": "j%d"}' % len(bench.sent), 5)
    assert await bench.persons.step() >= 1
    assert [len(json.loads(call.body)["visitors"]) for _, call in bench.sent] == [500]
    bench.now += 2
    await bench.persons.step()
    assert [len(json.loads(call.body)["visitors"]) for _, call in bench.sent if call.body] == [500, 10]


async def test_an_anonymous_id_of_a_user(bench: Bench) -> None:
    """It is the user who is to be forgotten; the answer says who that is."""
    await bench.accept(identify("i", WHO, ANONYMOUS), source="web")
    answer = await bench.ask("POST", f"/people/{ANONYMOUS}/forget", {"note": "n"})
    assert (answer.status, answer.json["users"]) == (409, [WHO])


async def test_a_person(bench: Bench) -> None:
    """Ids and since when, accounts, traits, what waits behind which event, events in order across sources."""
    await lives(bench)
    found = await bench.get(f"/people/{WHO}")
    assert [(one["userId"], one["anonymousId"]) for one in found["ids"]] == [(WHO, ANONYMOUS)]
    assert [one["groupId"] for one in found["accounts"]] == ["acme"]
    assert found["traits"]["name"] == "Lovelace"
    [lane] = [one for one in found["lanes"] if one["destination"] == "pendo" and one["channel"] == "track"][
        :1
    ]
    assert lane["waiting"] >= 1
    names = [entry["messageId"] for entry in found["events"]]
    assert names[0] == "late"
    assert "anon1" in names
    assert "o0" not in names
    assert (found["stopped"], found["deletion"]) == (False, None)
    assert (await bench.ask("GET", "/people/nobody")).status == 404


async def test_what_pendo_holds(bench: Bench) -> None:
    """Read back by Pendo's API with the integration key; ids that an address cannot hold go in base64."""
    held = {"metadata": {"agent": {"plan": "pro"}, "auto": {"id": WHO}}}
    bench.reply = lambda destination, call: Reply(200, {}, json.dumps(held).encode(), 5)
    found = await bench.get("/destinations/pendo/held/u1")
    assert found["held"] == held["metadata"]
    assert bench.sent[-1][1].url == "https://app.pendo.io/api/v1/visitor/u1"
    await bench.get("/destinations/pendo/held/a%2Fb?kind=account")
    assert bench.sent[-1][1].url == "https://app.pendo.io/api/v1/account/YS9i"
    assert bench.sent[-1][1].headers["x-pendo-base64-encoded-params"] == "true"
    bench.reply = lambda destination, call: Reply(404, {}, b"", 5)
    assert (await bench.get("/destinations/pendo/held/u1"))["said"] == "Pendo does not know this id (yet)."
    assert (await bench.ask("GET", "/destinations/hook/held/u1")).status == 409
    assert (await bench.ask("GET", "/destinations/pendo/held/%20")).status == 400
