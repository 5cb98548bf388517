"""What happens in one run, drawn from its seed before anything happens: people and their calls, and what goes wrong around them.

A `Scenario` is plain data. The kinds say which faults a run may have: `calm` has none, so that its promises can be strict (everything is
delivered once, within seconds); the others narrow down what a failing seed is about, and `everything` mixes all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

KINDS = ("calm", "weather", "disk", "crashes", "jumps", "zombie", "changes", "everything")
WEIGHTS = (3, 4, 2, 2, 1, 2, 3, 6)

EPOCH = 1_800_000_000.0  #: our clock when the run begins

#: What a destination does to requests for a while.
WEATHER = (
    "500",
    "503-after",
    "429",
    "429-after",
    "408",
    "409",
    "401",
    "403",
    "404",
    "302",
    "timeout",
    "refused",
    "lost",
    "lost-after",
    "unreadable",
    "slow",
    "flaky",
)
TARGETS = ("pendo/metadata", "pendo/track", "hook", "other")


@dataclass(frozen=True)
class Call:
    """One call of a person's client."""

    n: int
    body: dict[str, Any]
    nature: str = "fine"  #: what the destination always thinks of it


@dataclass(frozen=True)
class Request:
    """What a client sends at once."""

    at: float
    source: str
    calls: tuple[Call, ...]
    repeated: int = 0  #: sent so many times more although it was answered


@dataclass(frozen=True)
class Weather:
    """A destination's mood for a while."""

    since: float
    until: float
    target: str
    kind: str
    chance: float
    seconds: float = 1.0  #: Retry-After, or how slow


@dataclass(frozen=True)
class Incident:
    """Something that happens to the program itself."""

    at: float
    what: str
    value: Any = None


@dataclass(frozen=True)
class Scenario:
    seed: int
    kind: str
    settings: dict[str, Any]  #: of the Pendo destination
    rate: float
    concurrency: int
    requests: tuple[Request, ...]
    weather: tuple[Weather, ...]
    incidents: tuple[Incident, ...]
    crash_steps: tuple[int, ...]
    opted_out: frozenset[str]  #: visitors that Pendo answers 451 for
    ghosts: frozenset[str]  #: visitors that Pendo never knows
    items_max: int  #: of a metadata request, above it Pendo answers 413
    give_up_s: float
    until: float  #: when all faults end
    flooding: tuple[str, ...]  #: sources whose requests are kept as they came
    calls: dict[int, Call] = field(default_factory=dict)

    @property
    def calm(self) -> bool:
        return self.kind == "calm"


def draw(seed: int, kind: str | None = None) -> Scenario:
    """The scenario of a seed."""
    random = Random(f"scenario {seed}")
    drawn = random.choices(KINDS, WEIGHTS)[0]
    kind = kind or drawn
    span = random.choice((5.0, 20.0, 60.0, 200.0))
    people = _People(random)
    requests = _requests(random, people, span)
    until = span + 5.0
    every = kind == "everything"
    weather: list[Weather] = []
    incidents: list[Incident] = []
    crash_steps: list[int] = []
    if kind in {"weather", "changes", "crashes", "zombie", "disk", "jumps"} or every:
        weather = _weather(random, until, 6 if kind == "weather" or every else 2)
        until = max([until, *(w.until for w in weather)])
    if kind == "disk" or every:
        for _ in range(random.randint(1, 3)):
            since = random.uniform(0, until)
            what = random.choice(("commits fail", "disk full", "disk slow"))
            incidents += [
                Incident(since, what, random.choice((0.3, 1.0))),
                Incident(since + random.choice((0.5, 5.0, 40.0)), "disk well"),
            ]
    if kind == "crashes" or every:
        for _ in range(random.randint(1, 4)):
            if random.random() < 0.7:
                crash_steps.append(random.randint(50, 6_000))
            else:
                incidents.append(Incident(random.uniform(0, until), random.choice(("crash", "restart"))))
    if kind == "jumps" or every:
        for _ in range(random.randint(1, 3)):
            by = random.choice((-3.0, -0.5, 5.0, 61.0, 100.0, 3_700.0, 20_000.0))
            incidents.append(Incident(random.uniform(0, until), "clock", by))
    if kind == "zombie" or (every and random.random() < 0.4):
        since = random.uniform(0, until)
        incidents.append(Incident(since, "second worker"))
        for _ in range(random.randint(1, 3)):
            incidents.append(
                Incident(random.uniform(since, until + 20), "freeze", random.choice((2.0, 40.0, 75.0, 200.0)))
            )
        if random.random() < 0.4:
            incidents.append(Incident(random.uniform(since, until), "second dies"))
    settings = _settings(random)
    if kind == "changes" or every:
        incidents += _changes(random, until, settings)
    until = max([until, *(i.at for i in incidents)]) + 1.0
    incidents.sort(key=lambda incident: incident.at)
    return Scenario(
        seed,
        kind,
        settings,
        rate=random.choice((2.0, 10.0, 50.0)) if kind != "calm" else 200.0,
        concurrency=random.choice((1, 2, 8)) if kind != "calm" else 16,
        requests=tuple(requests),
        weather=tuple(weather),
        incidents=tuple(incidents),
        crash_steps=tuple(sorted(crash_steps)),
        opted_out=frozenset(p for p in people.users if random.random() < 0.05),
        ghosts=frozenset(p for p in people.users if random.random() < 0.05),
        items_max=random.choice((3, 10, 1000)),
        give_up_s=random.choice((30.0, 600.0, 72 * 3600.0, 72 * 3600.0)),
        until=until,
        # Of its own, so that a seed means what it meant before there were arrivals.
        flooding=Random(f"arrivals {seed}").choice(((), (), ("srv",), ("web",), ("srv", "web"))),
        calls={call.n: call for request in requests for call in request.calls},
    )


class _People:
    """Users with their devices; some devices are shared, some people never say who they are."""

    def __init__(self, random: Random) -> None:
        self.users = [f"u{i}" for i in range(random.randint(2, 7))]
        self.devices = [f"a{i}" for i in range(random.randint(1, 6))]
        self.groups = [f"g{i}" for i in range(3)]
        self.page_ms = {
            device: int(EPOCH * 1000) + random.randint(-400_000, 400_000) for device in self.devices
        }
        self.known: dict[str, str] = {}  #: device → the user who is logged in


def _requests(random: Random, people: _People, span: float) -> list[Request]:
    requests: list[Request] = []
    n = 0
    poison = random.choice((0.0, 0.03, 0.12))
    for _ in range(random.randint(8, 45)):
        at = random.uniform(0, span)
        web = random.random() < 0.5
        device = random.choice(people.devices)
        user = random.choice(people.users)
        calls = []
        for _ in range(1 if web else random.choice((1, 1, 2, 5))):
            n += 1
            body = _body(random, n, people, web=web, device=device, user=user)
            if web:
                # The page's clock goes its own way, and calls overtake each other on the net.
                page = people.page_ms[device] + int(at * 1000) + random.randint(-200, 200)
                body["originalTimestamp"] = _iso(page)
                body["sentAt"] = _iso(page + random.randint(0, 50))
            elif random.random() < 0.2:
                body["timestamp"] = _iso(int((EPOCH + at - random.choice((1, 100, 5_000))) * 1000))
            nature = (
                random.choice(("400", "413", "404", "302", "422", "refused", "unowned"))
                if random.random() < poison
                else "fine"
            )
            calls.append(Call(n, body, nature))
        repeated = 1 if random.random() < 0.08 else 0
        requests.append(Request(at, "web" if web else "srv", tuple(calls), repeated))
        if web and random.random() < 0.5:
            # Neighbours: a page sends several calls at the same moment.
            n += 1
            body = _body(random, n, people, web=True, device=device, user=user)
            page = people.page_ms[device] + int(at * 1000) + random.randint(-200, 200)
            body |= {"originalTimestamp": _iso(page), "sentAt": _iso(page + 30)}
            requests.append(Request(at + random.uniform(0, 0.5), "web", (Call(n, body),)))
    requests.sort(key=lambda request: request.at)
    return requests


def _body(random: Random, n: int, people: _People, *, web: bool, device: str, user: str) -> dict[str, Any]:
    kind = random.choices(("track", "identify", "group", "page", "alias"), (10, 5, 3, 1, 0.5))[0]
    body: dict[str, Any] = {"type": kind, "messageId": f"m{n}"}
    if web:
        body["anonymousId"] = device
        if kind == "identify" and random.random() < 0.8:
            people.known[device] = user
        if random.random() < 0.1:
            people.known.pop(device, None)
        if device in people.known:
            body["userId"] = people.known[device]
    else:
        body["userId"] = user
        if random.random() < 0.2:
            body["anonymousId"] = device
    if kind == "track":
        body |= {"event": f"e{n}", "properties": {"n": n}}
    elif kind == "identify":
        body["traits"] = {f"e{n}": n, "name": f"name {n}"} if random.random() < 0.95 else {}
    elif kind == "group":
        body["groupId"] = random.choice(people.groups)
        body["traits"] = {f"e{n}": n}
        if random.random() < 0.3:
            body["traits"]["parent"] = {"id": f"p{random.randint(0, 1)}", f"e{n}": n}
    elif kind == "page":
        body |= {"name": f"e{n}"}
    else:
        body |= {"userId": user, "previousId": device}
    return body


def _settings(random: Random) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "anonymousVisitors": random.choice(("hold", "hold", "prefix", "skip")),
        "createMissing": random.random() < 0.8,
        "metadataGroup": random.choice(("agent", "agent", "agent", "custom")),
        "metadataBatchMax": random.choice((2, 5, 1000)),
        "pageEvents": random.choice(("off", "track")),
    }
    if random.random() < 0.3:
        settings["parentAccountTrait"] = "parent"
    return settings


def _weather(random: Random, until: float, most: int) -> list[Weather]:
    return [
        Weather(
            since := random.uniform(0, until),
            since + random.choice((1.0, 10.0, 60.0, 400.0)),
            random.choice(TARGETS),
            random.choice(WEATHER),
            random.choice((0.3, 0.7, 1.0)),
            random.choice((1.0, 5.0, 45.0)),
        )
        for _ in range(random.randint(1, most))
    ]


def _changes(random: Random, until: float, settings: dict[str, Any]) -> list[Incident]:
    """Changes of the workspace; nearly all are taken back later."""
    found: list[Incident] = []
    for _ in range(random.randint(1, 4)):
        at = random.uniform(0, until)
        back = at + random.choice((0.1, 2.0, 30.0, 120.0))
        match random.randint(0, 6):
            case 0:
                which = random.choice(("pendo", "hook"))
                found += [Incident(at, "disable", which), Incident(back, "enable", which)]
            case 1:
                which = random.choice(("pendo", "hook", "other"))
                found.append(Incident(at, "remove", which))
                if random.random() < 0.7:
                    found.append(Incident(back, "restore", which))
            case 2:
                pair = (random.choice(("srv", "web")), random.choice(("pendo", "hook")))
                found += [Incident(at, "disconnect", pair), Incident(back, "connect", pair)]
            case 3:
                found.append(
                    Incident(at, "settings", {"anonymousVisitors": random.choice(("skip", "prefix", "hold"))})
                )
            case 4:
                found += [
                    Incident(at, "settings", {"createMissing": not settings["createMissing"]}),
                    Incident(back, "settings", {"createMissing": settings["createMissing"]}),
                ]
            case 5:
                found.append(Incident(at, "settings", {"metadataBatchMax": random.choice((1, 3, 500))}))
            case _:
                found.append(Incident(at, "concurrency", random.choice((1, 3, 9))))
    return found


def _iso(ms: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
