"""One event of each reason that the product can produce, made by the real door, store and delivery: the API and the page say what
happened, why, and what to do.
"""

from __future__ import annotations

import copy
import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sternpost.control.pace import Pace
from sternpost.delivery.addresses import AddressRule
from sternpost.delivery.engine import Engine
from sternpost.delivery.surroundings import Surroundings
from sternpost.destinations.registry import DESTINATIONS
from sternpost.limits import HOLD_MAX_EVENTS, REFUSED_OF_LAST, REQUEST_BODY_BYTES_MAX
from sternpost.model import Call, Reply
from sternpost.reasons import REASONS
from sternpost.wire import pixel
from tests.console.house import Browser, House, house, text_of
from tests.console.test_pages import bare
from tests.control.bench import DOCUMENT, call
from tests.waiting import eventually

OK = Reply(200, {}, b'{"total": 1, "updated": 1}', 5)
TRACK = {"type": "track", "event": "Checkout", "userId": "u1", "messageId": "m"}
IDENTIFY = {"type": "identify", "userId": "u1", "messageId": "m", "traits": {"plan": "pro"}}
ANONYMOUS = {"type": "track", "event": "Checkout", "anonymousId": "a1", "messageId": "m"}
#: What only a machine in trouble, a defect of ours, or a feature that is not in the product yet gives.
ELSEWHERE = {"overloaded", "body_not_read", "internal_error", "paused", "suppressed_person", "unreadable"}


class Silent:
    """An observer that nobody asks."""

    def settled(self, *_: object) -> None: ...
    def replied(self, *_: object) -> None: ...
    def blocked(self, *_: object) -> None: ...


def delivery(home: House, reply: Callable[[Call], Reply]) -> Engine:
    bench = home.bench

    class Client:
        async def __call__(self, call: Call) -> Reply:
            return reply(call)

        async def close(self) -> None: ...

    engine: Engine
    around = Surroundings(
        store=bench.store,
        workspace=lambda: bench.holder.current,
        clock=lambda: bench.now,
        random=lambda: 1.0,
        observer=Silent(),
        wake=lambda due: engine.wake(due),
        give_up_s=72 * 3600.0,
    )
    engine = Engine(
        around,
        DESTINATIONS,
        addresses=lambda config: AddressRule(everything=True),
        client=lambda rule, connections: Client(),
    )

    def pace(destination_id: str) -> Pace | None:
        pacer = engine.pacer(destination_id)
        return Pace(pacer.limit, pacer.rate, pacer.wait_s) if pacer is not None else None

    for name, value in (("pace", pace), ("wake", engine.wake), ("ask_again", engine.ask_again)):
        object.__setattr__(bench.context, name, value)
    return engine


@dataclass
class Case:
    """How one reason comes about."""

    reason: str
    state: str
    event: Mapping[str, Any] | bytes = field(default_factory=lambda: TRACK)
    before: tuple[dict[str, Any], ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    destination: Mapping[str, Any] = field(default_factory=dict)
    source: Mapping[str, Any] = field(default_factory=dict)
    mode: str = "cloud"
    by: str = "backend"
    reply: Callable[[Call], Reply] = lambda call: OK
    then: str = ""  #: what happens before the end is looked at
    words: str = ""  #: what this case saw, beside the reason's own words


def answer(
    status: int, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> Callable[[Call], Reply]:
    return lambda call: Reply(status, headers or {}, body, 5)


def nothing(error: Any, detail: str) -> Callable[[Call], Reply]:
    return lambda call: Reply(None, {}, b"", 5, error, detail)


def read_only(call: Call) -> Reply:
    if "token" in call.url:
        return Reply(200, {}, b'{"valid": true, "writeAccess": false}', 5)
    return Reply(403, {}, b"", 5)


CASES = [
    # Skipped on purpose.
    Case("event_blocked", "skipped", source={"blockedEvents": ["Checkout"]}, words="blockedEvents of the source"),
    Case("not_connected", "skipped", then="disconnect", words="no connection from backend to pendo"),
    Case("destination_disabled", "skipped", destination={"enabled": False}),
    Case("filtered_by_integrations", "skipped", {**TRACK, "integrations": {"Pendo": False}}, words="Pendo: false"),
    Case("filtered_by_consent", "skipped",
         {**TRACK, "context": {"consentManagement": {"provider": "oneTrust", "deniedConsentIds": ["analytics"]}}},
         settings={"consent": [{"provider": "oneTrust", "resolutionStrategy": "and", "consents": ["analytics"]}]}, words="refused: analytics"),
    Case("filtered_by_allow_list", "skipped", settings={"eventFiltering": {"mode": "allow", "events": ["Other"]}}, words='"Checkout" is not among'),
    Case("filtered_by_deny_list", "skipped", settings={"eventFiltering": {"mode": "deny", "events": ["Checkout"]}}, words='denies "Checkout"'),
    Case("sent_by_browser", "skipped", by="web", mode="device", settings={"apiKey": "11111111-1111-4111-8111-111111111111"}),
    Case("key_missing", "skipped", settings={"trackEventSecret": None}),
    Case("type_not_supported", "skipped", {**TRACK, "type": "foo"}, words="The type is foo"),
    Case("alias_unsupported", "skipped", {"type": "alias", "userId": "u1", "previousId": "u0", "messageId": "m"}),
    Case("group_without_id", "skipped", {"type": "group", "userId": "u1", "messageId": "m"}),
    Case("page_off", "skipped", {"type": "page", "name": "Home", "userId": "u1", "messageId": "m"}),
    Case("screen_off", "skipped", {"type": "screen", "name": "Home", "userId": "u1", "messageId": "m"}),
    Case("anonymous", "skipped", ANONYMOUS, settings={"anonymousVisitors": "skip"}),
    Case("anonymous_expired", "skipped", ANONYMOUS, then="expire"),
    Case("anonymous_overflow", "skipped", ANONYMOUS, then="overflow"),
    Case("do_not_process", "skipped", IDENTIFY, reply=answer(451)),
    Case("nothing_to_write", "skipped", {**IDENTIFY, "traits": {}}, settings={"createMissing": False}),
    Case("missing_id", "skipped", IDENTIFY, settings={"createMissing": False}, reply=answer(200, b'{"total":1,"updated":0,"failed":1,"missing":["u1"]}')),
    Case("discarded_by_operator", "skipped", {**TRACK, "userId": "VISITOR-UNIQUE-ID"}, then="discard", words="Test data."),
    # Rejected before sending.
    Case("event_name_missing", "rejected", {"type": "track", "userId": "u1", "messageId": "m"}),
    Case("event_type_missing", "rejected", {"event": "Checkout", "userId": "u1", "messageId": "m"}),
    Case("event_name_not_text", "rejected", {**TRACK, "event": {"a": 1}}),
    Case("bad_id", "rejected", {**TRACK, "userId": "VISITOR-UNIQUE-ID"}),
    Case("too_large_to_send", "rejected", {"type": "identify", "userId": "u1", "messageId": "m", "traits": {f"t{n}": "x" * 1_400 for n in range(1_500)}}),
    Case("encoding_impossible", "rejected", b'{"type":"track","event":"Checkout","userId":"u1","messageId":"m","properties":{"a":1e400}}'),
    # Waiting.
    Case("queued", "pending", then="stay"),
    Case("behind_earlier_event", "pending", {**TRACK, "messageId": "m"}, before=({**TRACK, "messageId": "first"},), reply=answer(503)),
    Case("held_for_identity", "held", ANONYMOUS),
    Case("own_rate_limit", "pending", {**TRACK, "userId": "u9"}, before=tuple({**TRACK, "userId": f"u{n}", "messageId": f"b{n}"} for n in range(5)),
         settings={"ratePerSecond": 0.5}, words="It lets 0.5 requests a second through."),
    Case("rate_limited", "retrying", reply=answer(429, headers={"retry-after": "38"})),
    Case("server_error", "retrying", reply=answer(503), words="It answered 503"),
    Case("timeout", "retrying", reply=nothing("timeout", "No answer within 20 s.")),
    Case("busy", "retrying", reply=answer(409)),
    Case("name_not_found", "retrying", reply=nothing("name_not_found", "data.pendo.io cannot be resolved.")),
    Case("connection_refused", "retrying", reply=nothing("connection_refused", "Nothing answers at 10.0.0.5:443.")),
    Case("connection_lost", "retrying", reply=nothing("connection_lost", "The connection broke.")),
    Case("certificate_not_trusted", "retrying", reply=nothing("certificate_not_trusted", "Issued by Corp CA.")),
    # Blocked.
    Case("key_refused", "blocked", reply=answer(403), words="exchanged"),
    Case("key_cannot_write", "blocked", IDENTIFY, reply=read_only, then="ask"),
    Case("region_differs", "blocked", IDENTIFY, settings={"integrationKey": "33333333-3333-4333-8333-333333333333.eu"}, reply=answer(403), words="region eu"),
    Case("secret_unreadable", "blocked", settings={"trackEventSecret": "${NOT_SET_ANYWHERE}"}, words="NOT_SET_ANYWHERE"),
    Case("address_not_allowed", "blocked", reply=nothing("address_not_allowed", "10.0.0.5 is private.")),
    Case("too_many_rejected", "blocked", {**TRACK, "userId": "late"}, before=tuple({**TRACK, "userId": f"u{n}", "messageId": f"b{n}"} for n in range(REFUSED_OF_LAST)),
         settings={"ratePerSecond": 100_000}, reply=answer(400), then="late", words="most often: Refused by destination"),
    # Refused there.
    Case("refused_by_destination", "rejected", reply=answer(400, b"timestamp must be an integer"), words="timestamp must be an integer"),
    Case("not_found_there", "rejected", reply=answer(404)),
    Case("too_large_there", "rejected", reply=answer(413)),
    Case("unexpected_redirect", "rejected", reply=answer(301, headers={"location": "https://elsewhere.example/"})),
    Case("unexpected_reply", "rejected", IDENTIFY, reply=answer(200, b"<html>"), then="again"),
    Case("value_refused_by_pendo", "rejected", IDENTIFY, reply=answer(200, b'{"total":1,"updated":0,"failed":1,"errors":[{"id":"u1","error":"plan is a number"}]}'), words="plan is a number"),
    Case("gave_up", "rejected", reply=answer(503), then="days later"),
]  # fmt: skip


async def at_home(path: Path, case: Case) -> House:
    document = copy.deepcopy(DOCUMENT)
    for entry in document["destinations"]:
        if entry["id"] == "pendo":
            entry.update(case.destination)
            entry["settings"].update(case.settings)
            for name in [name for name, value in entry["settings"].items() if value is None]:
                del entry["settings"][name]
    for entry in document["sources"]:
        if entry["id"] == case.by:
            entry.update(case.source)
    document["connections"] = [{"source": case.by, "destination": "pendo", "mode": case.mode}]
    return await house(path, document=document)


async def standing(home: House, message_id: str = "m") -> dict[str, Any]:
    """Where an event stands at its only destination."""
    [event] = (await home.bench.get(f"/events/{message_id}"))["events"]
    [found] = event["destinations"]
    return dict(found)


async def arrived(home: House, case: Case) -> dict[str, Any]:
    """The event, once it stands where the case says."""

    async def there() -> dict[str, Any] | None:
        [event] = (await home.bench.get("/events/m"))["events"]
        [found] = event["destinations"]
        return event if (found["state"], found["reason"]) == (case.state, case.reason) else None

    return await eventually(there)


async def attempted(home: House, times: int) -> None:
    """Wait until it was tried so often."""

    async def enough() -> bool:
        return len((await standing(home))["attempts"]) >= times

    await eventually(enough)


async def settle_down(home: House) -> None:
    """Wait until what was due was tried."""

    async def tried() -> bool:
        found = await standing(home)
        return found["state"] in {"delivered", "skipped", "rejected", "blocked"} or found["nextAttemptAt"]

    await eventually(tried)


async def delivered(home: House, message_id: str) -> None:
    """Wait until an event is."""

    async def is_delivered() -> bool:
        return (await standing(home, message_id))["state"] == "delivered"

    await eventually(is_delivered)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.reason)
async def test_reason(tmp_path: Path, case: Case) -> None:
    home = await at_home(tmp_path, case)
    bench = home.bench
    engine = delivery(home, case.reply)
    browser = await home.owner()
    try:
        await bench.accept(*case.before, source=case.by) if case.before else None
        if case.then == "late":
            await engine.apply()
            await eventually(bench.views.blocked_channels)
        await bench.accept(case.event, source=case.by)  # type: ignore[arg-type]
        if case.then == "disconnect":
            # The document that a form would send, without the connection; its masked secrets keep their values.
            await bench.holder.apply({**bench.holder.shown(), "connections": []})
        if case.then == "overflow":
            for start in range(0, HOLD_MAX_EVENTS, 500):
                await bench.accept(
                    *({**ANONYMOUS, "messageId": f"x{start + n}"} for n in range(500)), source=case.by
                )
        if case.then == "expire":
            bench.now += 7 * 86_400
            await bench.store.expire_held(now=bench.now)
        if case.by == "web":
            bench.now += 10  # what a page's neighbours are waited for is over
        if case.then != "stay":
            await engine.apply()
        if case.then in {"ask", "again", "days later", "discard"}:
            await settle_down(home)
        if case.then == "ask":
            page = await browser.get("/console/events/m")
            assert "Ask now: Pendo production" in text_of(page)
            said = await browser.follow(
                await browser.post("/console/again", messageId="m", source=case.by, destination="pendo")
            )
            assert "asked now whether it works again" in text_of(said)
        if case.then == "days later":
            bench.now += 73 * 3_600
            engine.wake([("pendo", "track", bench.now)])
        if case.then == "again":
            for _ in range(2):
                await settle_down(home)
                tried = len((await standing(home))["attempts"])
                answered = await bench.ask(
                    "POST", "/again", {"messageId": "m", "source": case.by, "destination": "pendo"}
                )
                assert answered.json["how"] == "now", answered.body
                await attempted(home, tried + 1)
        if case.then == "discard":
            answered = await bench.ask(
                "POST",
                "/failures/discard",
                {"destination": "pendo", "messageIds": ["m"], "note": "Test data."},
            )
            assert answered.json["discarded"] == 1
        event = await arrived(home, case)
        await said_well(browser, event, case)
    finally:
        await engine.stop()
        bench.close()


async def said_well(browser: Browser, event: dict[str, Any], case: Case) -> None:
    """The verdict names the destination and what was seen; the remedy and who has to act are the table's; the page has them all."""
    [standing] = event["destinations"]
    known = REASONS[case.reason]  # type: ignore[index]
    assert standing["explanation"].startswith(known.text)
    assert standing["remedy"] == known.remedy
    assert standing["who"] == known.who
    assert "Pendo production" in standing["verdict"]
    if case.state != "held" and case.reason not in {"queued", "behind_earlier_event"}:
        assert known.text in standing["verdict"]
    assert case.words in standing["explanation"]
    steps = {step["name"]: step for step in standing["steps"]}
    assert steps["received"]["at"] == event["receivedAt"]
    assert list(steps)[-1] == case.state
    stopped = [step for step in standing["steps"] if step["result"] == "stopped"]
    assert len(stopped) <= 1
    if (
        case.state in {"skipped", "rejected"}
        and not standing["attempts"]
        and case.reason != "discarded_by_operator"
    ):
        assert len(stopped) == 1, steps
    assert standing["again"]["how"] or standing["again"]["why"]
    page = await browser.get("/console/events/m")
    said = bare(text_of(page))
    for text in (standing["verdict"], standing["remedy"]):
        # Moments are shown in the reader's zone by script; without it they stand as they are.
        assert bare(text) in said, text
    assert case.reason in page
    assert f'class="verdict {case.state}"' in page


def test_each_reason_has_a_case() -> None:
    """A new code comes with the event that shows it."""
    made = {case.reason for case in CASES} | REFUSALS.keys() | {"store_unavailable", "duplicate"}
    assert set(REASONS) - ELSEWHERE == made - ELSEWHERE


# --- refused at the door ----------------------------------------------------------------------------------------------

JSON = b'{"userId":"u1","event":"Checkout","messageId":"gone"}'
REFUSALS: dict[str, tuple[str, str, dict[str, str], bytes]] = {
    "write_key_missing": ("POST", "/v1/track", {"authorization": ""}, JSON),
    "write_key_unknown": ("POST", "/v1/track", {"authorization": "Basic d2stb2xkOg=="}, JSON),
    "source_disabled": ("POST", "/v1/track", {}, JSON),
    "origin_not_allowed": ("POST", "/v1/track", {"origin": "https://x.example"}, JSON),
    "bad_json": ("POST", "/v1/track", {}, JSON[:-3]),
    "bad_encoding": ("POST", "/v1/track", {"content-encoding": "gzip"}, gzip.compress(JSON)[:-9]),
    "not_an_event": ("POST", "/v1/batch", {}, b'{"batch":["gone"]}'),
    "no_identity": ("POST", "/v1/track", {}, b'{"event":"Checkout","messageId":"gone"}'),
    "empty_batch": ("POST", "/v1/batch", {}, b'{"batch":[],"messageId":"gone"}'),
    "event_name_empty": ("GET", "/pixel/v1/track?writeKey=wk-backend&userId=u1&event=", {}, b""),
    "request_too_large": ("POST", "/v1/track", {}, JSON + b" " * REQUEST_BODY_BYTES_MAX),
    "too_many_requests": ("POST", "/v1/track", {}, JSON),
}


@pytest.mark.parametrize("reason", REFUSALS)
async def test_refused(tmp_path: Path, reason: str) -> None:
    """A refused request is in the tab with its reason and remedy; the id that it named is explained."""
    method, path, given, body = REFUSALS[reason]
    document = copy.deepcopy(DOCUMENT)
    source = next(entry for entry in document["sources"] if entry["id"] == "backend")
    if reason == "source_disabled":
        source["enabled"] = False
    if reason == "origin_not_allowed":
        source["allowedOrigins"] = ["https://app.example.com"]
    if reason == "too_many_requests":
        source["requestsPerSecond"] = 0.001
    home = await house(tmp_path, document=document)
    try:
        headers = {"authorization": "Basic d2stYmFja2VuZDo=", "content-length": str(len(body)), **given}
        sent = [(name.encode(), value.encode()) for name, value in headers.items() if value]
        for _ in range(3 if reason == "too_many_requests" else 1):
            await call(home.gateway, method, path, headers=sent, body=body)
        refused = (await home.bench.get("/refused"))["refused"]
        entry = next(entry for entry in refused if entry["reason"] == reason)
        known = REASONS[reason]  # type: ignore[index]
        assert entry["explanation"].startswith(known.text)
        assert entry["remedy"] == known.remedy
        browser = await home.owner()
        said = bare(text_of(await browser.get("/console/events?tab=refused")))
        assert bare(entry["explanation"]) in said
        assert bare(known.remedy) in said
        if '"gone"' in entry["sample"] and reason not in {"not_an_event", "too_many_requests"}:
            page = text_of(await browser.get("/console/events/gone", 404))
            assert "This event was refused" in page
            assert bare(known.text) in bare(page)
    finally:
        home.bench.close()


async def test_a_store_that_is_full(tmp_path: Path) -> None:
    home = await house(tmp_path)
    home.bench.store.full = True
    headers = [(b"authorization", b"Basic d2stYmFja2VuZDo="), (b"content-length", b"%d" % len(JSON))]
    assert (await call(home.gateway, "POST", "/v1/track", headers=headers, body=JSON)).status == 503
    [entry] = (await home.bench.get("/refused"))["refused"]
    assert entry["reason"] == "store_unavailable"
    assert entry["who"] == "operator"
    home.bench.close()


async def test_duplicates_and_the_way_in(tmp_path: Path) -> None:
    """The page says how often an id came, by which path, at which place of its batch, and how wrong the client's clock was."""
    home = await house(tmp_path)
    other = {**TRACK, "messageId": "other"}
    late = {**TRACK, "originalTimestamp": "2027-01-15T08:00:00.000Z", "sentAt": "2027-01-15T08:05:00.000Z"}
    body = json.dumps({"batch": [other, late]}).encode()
    headers = [(b"authorization", b"Basic d2stYmFja2VuZDo="), (b"content-length", b"%d" % len(body))]
    for _ in range(3):
        assert (await call(home.gateway, "POST", "/v1/batch", headers=headers, body=body)).status == 200
    [event] = (await home.bench.get("/events/m"))["events"]
    assert event["seen"] == {"times": 3, "path": "/v1/batch", "position": 2, "library": ""}
    assert event["clockDifferenceS"] is not None
    words = text_of(await (await home.owner()).get("/console/events/m"))
    assert "event 2 of its batch" in words
    assert "The same id came 3 times; the first was kept." in words
    [other_event] = (await home.bench.get("/events/other"))["events"]
    assert other_event["seen"]["position"] == 1
    await call(home.gateway, "GET", "/pixel/v1/page?writeKey=wk-backend&userId=u1&messageId=p")
    assert pixel.GIF
    [picture] = (await home.bench.get("/events/p"))["events"]
    assert picture["seen"]["path"] == "/pixel/v1/page"
    assert picture["seen"]["position"] == 0
    home.bench.close()


async def test_what_an_event_was_not_for(tmp_path: Path) -> None:
    home = await house(tmp_path)
    await home.bench.accept(TRACK)
    [event] = (await home.bench.get("/events/m"))["events"]
    assert event["notFor"] == [
        {"destination": "spare", "name": "Spare", "why": "Backend is not connected to it."}
    ]
    assert "Backend is not connected to it." in text_of(await (await home.owner()).get("/console/events/m"))
    home.bench.close()


async def test_try_again_now(tmp_path: Path) -> None:
    """A backoff need not be waited for; what cannot be done says why, and a viewer's button is no way around it."""
    home = await at_home(tmp_path, Case("server_error", "retrying"))
    bench = home.bench
    status = 503
    engine = delivery(home, lambda call: Reply(status, {}, b"", 5))
    browser = await home.owner()
    await bench.accept(TRACK, {**TRACK, "messageId": "m2"})
    await engine.apply()
    await arrived(home, Case("server_error", "retrying"))
    behind = await bench.ask(
        "POST", "/again", {"messageId": "m2", "source": "backend", "destination": "pendo"}
    )
    assert behind.status == 409
    assert "break their order" in behind.json["error"]["remedy"]
    assert "break their order" in text_of(await browser.get("/console/events/m2"))
    status = 200
    page = await browser.get("/console/events/m")
    assert "Try again now at Pendo production" in text_of(page)
    await browser.follow(
        await browser.post("/console/again", messageId="m", source="backend", destination="pendo")
    )
    await delivered(home, "m2")
    missing = await bench.ask(
        "POST", "/again", {"messageId": "nope", "source": "backend", "destination": "pendo"}
    )
    assert missing.status == 404
    other = await bench.ask("POST", "/again", {"messageId": "m", "source": "backend", "destination": "hook"})
    assert other.status == 409
    await engine.stop()
    bench.close()


async def test_deliver_again_what_is_done(tmp_path: Path) -> None:
    """A delivered event goes out once more, this one alone; an older identify behind a newer one does not, and says why."""
    sent: list[str] = []

    def answered(call: Call) -> Reply:
        sent.append((call.body or b"").decode())
        return OK

    home = await at_home(tmp_path, Case("queued", "pending"))
    bench = home.bench
    engine = delivery(home, answered)
    browser = await home.owner()
    await bench.accept(TRACK, {**TRACK, "messageId": "m0"})
    await bench.accept({**IDENTIFY, "messageId": "old"}, {**IDENTIFY, "messageId": "new", "userId": "u1"})
    await engine.apply()

    async def checkouts(count: int) -> bool:
        return sum("Checkout" in body for body in sent) == count

    await eventually(lambda: checkouts(2))
    await settle_down(home)
    page = await browser.get("/console/events/m?dest=pendo")
    assert "Deliver again to Pendo production It would arrive once more." in text_of(page)
    said = await browser.follow(
        await browser.post("/console/again", messageId="m", source="backend", destination="pendo")
    )
    assert "delivered once more" in text_of(said)
    await eventually(lambda: checkouts(3))
    [job] = (await bench.get("/replays"))["replays"]
    assert job["estimated"] == 1
    await delivered(home, "new")
    wanted = {"messageId": "old", "source": "backend", "destination": "pendo"}
    refused = await bench.ask("POST", "/again", wanted)
    assert refused.status == 409
    assert "(new)" in refused.json["error"]["remedy"]
    assert "would bring old values back" in text_of(await browser.get("/console/events/old"))
    again = await bench.ask("POST", "/again", {**wanted, "messageId": "new"})
    assert again.json["how"] == "replay"
    await engine.stop()
    bench.close()


async def test_an_id_that_can_be_none(tmp_path: Path) -> None:
    home = await house(tmp_path)
    answered = await home.bench.ask("GET", "/events/abc%20")
    assert answered.status == 404
    assert answered.json["known"] == "malformed"
    assert "This is no messageId" in await (await home.owner()).get("/console/events/abc%20", 404)
    home.bench.close()
