"""The other side: Pendo and two webhooks as they may behave, with a ledger of what they were sent and what they would have stored.

For every request the fake knows what its answer says about each event in it (its verdict), by the contract's table of outcomes and not by
our code. The checks compare the fates with these verdicts.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from sternpost.limits import REQUEST_TIMEOUT_S
from sternpost.model import Call, Reply

from .scenario import Scenario, Weather

if TYPE_CHECKING:
    from .program import Program
    from .world import World

#: Of a verdict: the event is where it should be, it may be tried again, and so on. Finals carry the reason after a colon.
DELIVERED, RETRY, BLOCKED, SPLIT, UNREADABLE, MISSING = (
    "delivered",
    "retry",
    "blocked",
    "split",
    "unreadable",
    "missing",
)
DO_NOT_PROCESS = "skipped:do_not_process"
REFUSED = {
    "400": "rejected:refused_by_destination",
    "422": "rejected:refused_by_destination",
    "413": "rejected:too_large_there",
    "404": "rejected:not_found_there",
    "302": "rejected:unexpected_redirect",
}


@dataclass(eq=False)
class Sent:
    """One request, from its start to what became of it."""

    at: float  #: virtual time
    wall: float  #: our clock
    program: Program
    destination: str
    target: str
    call: Call
    items: dict[str, list[int]]  #: id → events
    part: str = ""  #: visitor, account, parentAccount; "" for one event
    verdicts: dict[int, str] = field(default_factory=dict)
    stored: set[int] = field(default_factory=set)  #: events that the destination has by this request
    stored_at: float | None = None
    answered_at: float | None = None  #: virtual time at which our program had the answer
    answered_wall: float = 0.0
    reply: Reply | None = None
    seconds: float | None = None  #: Retry-After

    @property
    def events(self) -> list[int]:
        return [n for events in self.items.values() for n in events]


class Other:
    """Everything outside: takes requests, answers them, remembers."""

    def __init__(self, world: World, scenario: Scenario) -> None:
        self.world = world
        self.scenario = scenario
        self.random = Random(f"answers {scenario.seed}")
        self.sent: list[Sent] = []
        self.wrong: list[str] = []  #: what no request may do, seen while it was made
        self.healthy = False  #: faults are over
        self._in_flight: Counter[tuple[str, str]] = Counter()
        self._ids: dict[str, set[str]] = {}
        self._starts: dict[tuple[str, str], list[float]] = {}
        self._paused_until: dict[tuple[str, str], float] = {}

    # --- one request ---------------------------------------------------------------------------------------------------

    async def exchange(self, program: Program, call: Call) -> Reply:
        sent = self._begin(program, call)
        who = (program.name, sent.destination)
        mine = (
            {f"{sent.destination}|{sent.part}|{identity}" for identity in sent.items} if sent.part else set()
        )
        busy = self._ids.setdefault(program.name, set())
        if busy & mine:
            self.wrong.append(f"{sorted(busy & mine)} are in flight twice in {program.name}")
        self._check_pace(who, sent)
        busy |= mine
        self._in_flight[who] += 1
        loop = self.world.loop
        weather = self._weather(sent)
        latency, arrives, answers = self._travel(weather)
        if arrives:
            loop.call_later(latency / 2, self._arrive, sent, weather, context=self.world.context)
        try:
            if not answers or latency > REQUEST_TIMEOUT_S:
                if weather is not None and weather.kind in {"refused", "lost", "lost-after"}:
                    await asyncio.sleep(latency)
                    error: Any = "connection_refused" if weather.kind == "refused" else "connection_lost"
                    return self._answered(who, sent, Reply(None, {}, b"", 1, error, "no answer"))
                await asyncio.sleep(REQUEST_TIMEOUT_S)
                return self._answered(who, sent, Reply(None, {}, b"", 20_000, "timeout", "no answer"))
            await asyncio.sleep(latency)
            assert sent.reply is not None
            return self._answered(who, sent, sent.reply)
        finally:
            self._in_flight[who] -= 1
            busy -= mine

    def _begin(self, program: Program, call: Call) -> Sent:
        host, _, path = call.url.removeprefix("http://").partition("/")
        items: dict[str, list[int]] = {}
        part = ""
        if host == "data.test":
            destination, target = "pendo", "pendo/track"
            body = json.loads(call.body)
            name = body["event"] if body["event"] != "Page Viewed" else body["properties"]["name"]
            items[body["visitorId"]] = [int(name[1:])]
        elif host == "api.test":
            destination, target = "pendo", "pendo/metadata"
            if call.method == "POST":
                part = path.split("/")[3]
                for item in json.loads(call.body):
                    identity = item[
                        {"visitor": "visitorId", "account": "accountId"}.get(part, "parentAccountId")
                    ]
                    items[identity] = [int(name[1:]) for name in item["values"] if name[1:].isdigit()]
        else:
            destination = target = host.removesuffix(".test")
            items[""] = [int(json.loads(call.body)["messageId"][1:])]
        world = self.world
        sent = Sent(world.loop.time(), world.clock(), program, destination, target, call, items, part=part)
        self.sent.append(sent)
        world.note("send", program.name, target, part or call.method, items)
        return sent

    def _check_pace(self, who: tuple[str, str], sent: Sent) -> None:
        program, destination = who
        limit = self.world.concurrency_max.get(destination, 0)
        if self._in_flight[who] + 1 > limit:
            self.wrong.append(
                f"{program}: {self._in_flight[who] + 1} requests at once to {destination}, {limit} allowed"
            )
        if self.world.jumped:
            return
        # Half a second of rounding: what was waited for in virtual time is compared with our clock.
        if sent.wall < self._paused_until.get(who, 0.0) - 0.001:
            self.wrong.append(f"{program}: a request to {destination} during the pause that 429 asked for")
        starts = self._starts.setdefault(who, [])
        starts.append(sent.at)
        rate = self.world.rate
        for back in (5, 20, 60):
            if len(starts) > back:
                span = sent.at - starts[-1 - back]
                if back > rate * (span + 0.1) + 1.5:
                    self.wrong.append(
                        f"{program}: {back} requests to {destination} within {span:.3f} s, {rate}/s allowed"
                    )

    def _answered(self, who: tuple[str, str], sent: Sent, reply: Reply) -> Reply:
        loop = self.world.loop
        sent.answered_at, sent.answered_wall = loop.time(), self.world.clock()
        if reply.status is None:
            sent.verdicts = dict.fromkeys(sent.events, RETRY)
        if reply.status == 429:
            pause = sent.answered_wall + (1.0 if sent.seconds is None else sent.seconds)
            self._paused_until[who] = max(self._paused_until.get(who, 0.0), pause)
        self.world.note("answer", sent.program.name, sent.target, reply.status, reply.error)
        return reply

    # --- moods ---------------------------------------------------------------------------------------------------------

    def _weather(self, sent: Sent) -> Weather | None:
        if self.healthy:
            return None
        now = self.world.loop.time()
        for weather in self.scenario.weather:
            if (
                weather.target == sent.target
                and weather.since <= now < weather.until
                and self.random.random() < weather.chance
            ):
                return weather
        return None

    def _travel(self, weather: Weather | None) -> tuple[float, bool, bool]:
        """(seconds, whether it arrives, whether an answer comes back)."""
        random = self.random
        latency = random.choice((0.002, 0.01, 0.03, 0.1))
        match weather.kind if weather else "":
            case "timeout":
                return 30.0, random.random() < 0.5, False
            case "refused":
                return latency, False, False
            case "lost":
                return latency, False, False
            case "lost-after":
                return latency, True, False
            case "slow":
                assert weather is not None
                return random.uniform(0.5, weather.seconds), True, True
            case _:
                return latency, True, True

    def _arrive(self, sent: Sent, weather: Weather | None) -> None:
        """The destination reads the request: what it keeps of it, and what it will answer."""
        gone = dict(sent.verdicts) if sent.answered_at is not None else None
        self._read(sent, weather)
        if gone is not None:
            sent.verdicts = gone  # nobody waits for this answer any more

    def _read(self, sent: Sent, weather: Weather | None) -> None:
        kind = weather.kind if weather else ""
        if kind == "flaky":
            kind = self.random.choice(("500", "429", "408", "409", "", ""))
        seconds = (
            weather.seconds if weather is not None and kind.endswith("-after") and kind[0] in "45" else None
        )
        headers = {"retry-after": f"{seconds:g}"} if seconds is not None else {}
        sent.seconds = seconds
        if kind[:3].isdigit():
            status = int(kind[:3])
            verdict = {"401": BLOCKED, "403": BLOCKED, **REFUSED}.get(kind[:3], RETRY)
            if sent.items and status >= 500 and self.random.random() < 0.3:
                self._by_nature(sent)  # it failed after the work was done
            sent.verdicts = dict.fromkeys(sent.events, verdict)
            sent.reply = Reply(status, headers, b"", 1)
            return
        if not sent.items:
            sent.reply = self._harmless(sent.call)
            return
        sent.reply = self._by_nature(sent)
        if kind == "unreadable" and sent.part and sent.reply.status == 200:
            # Half a report: whatever it said, nobody can read it.
            sent.reply = Reply(200, {}, sent.reply.body[: len(sent.reply.body) // 2], 1)
            sent.verdicts = dict.fromkeys(sent.events, UNREADABLE)

    def _harmless(self, call: Call) -> Reply:
        if call.url.endswith("token/verify"):
            return Reply(200, {}, b'{"valid": true, "writeAccess": true}', 1)
        fields = {f"e{n}": {"Type": "string"} for n in self.scenario.calls}
        return Reply(200, {}, json.dumps({"custom": {**fields, "name": {"Type": "string"}}}).encode(), 1)

    # --- the contract's table of outcomes ------------------------------------------------------------------------------

    def _by_nature(self, sent: Sent) -> Reply:
        if sent.part:
            return self._metadata(sent)
        return self._single(sent)

    def _store(self, sent: Sent, events: list[int]) -> None:
        sent.stored |= set(events)
        sent.stored_at = self.world.loop.time()

    def _single(self, sent: Sent) -> Reply:
        ((identity, (n,)),) = sent.items.items()
        nature = self.scenario.calls[n].nature
        if sent.destination == "pendo" and identity in self.scenario.opted_out:
            sent.verdicts = {n: DO_NOT_PROCESS}
            return Reply(451, {}, b"", 1)
        if nature in REFUSED:
            sent.verdicts = {n: REFUSED[nature]}
            return Reply(int(nature), {}, b"", 1)
        sent.verdicts = {n: DELIVERED}
        self._store(sent, [n])
        return Reply(200, {}, b"", 1)

    def _metadata(self, sent: Sent) -> Reply:
        scenario, several = self.scenario, len(sent.items) > 1
        natures = {
            identity: {scenario.calls[n].nature for n in events} for identity, events in sent.items.items()
        }

        def all_say(verdict: str) -> None:
            sent.verdicts = dict.fromkeys(sent.events, SPLIT if several else verdict)

        if len(sent.items) > scenario.items_max:
            all_say(REFUSED["413"])
            return Reply(413, {}, b"", 1)
        if sent.part == "visitor" and any(identity in scenario.opted_out for identity in sent.items):
            all_say(DO_NOT_PROCESS)
            return Reply(451, {}, b"", 1)
        for status in ("400", "413"):
            if any(status in nature for nature in natures.values()):
                all_say(REFUSED[status])
                return Reply(int(status), {}, b"no", 1)
        missing = [
            identity for identity in sent.items if identity in scenario.ghosts and sent.part == "visitor"
        ]
        named = [i for i in sent.items if i not in missing and "refused" in natures[i]]
        unowned = [i for i in sent.items if i not in missing and i not in named and "unowned" in natures[i]]
        for identity, events in sent.items.items():
            if identity in missing:
                verdict = MISSING
            elif identity in named or identity in unowned:
                verdict = "rejected:value_refused_by_pendo"
            else:
                verdict = DELIVERED
                self._store(sent, events)
            sent.verdicts |= dict.fromkeys(events, verdict)
        if unowned and several:
            sent.verdicts = dict.fromkeys(sent.events, SPLIT)
        report = {
            "total": len(sent.items),
            "updated": len(sent.items) - len(missing) - len(named) - len(unowned),
            "failed": len(missing) + len(named) + len(unowned),
            "missing": missing,
            "errors": [f"{identity}: no such value" for identity in named]
            + ["something is wrong"] * len(unowned),
        }
        return Reply(200, {}, json.dumps(report).encode(), 1)
