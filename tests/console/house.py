"""The console in this process: a real store, the real API and gateway, and a browser that keeps cookies and reads forms."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from prometheus_client import CollectorRegistry

from sternpost.browserside import AgentHealth
from sternpost.commandline import INSTALLED, CommandLine
from sternpost.console.access import Access
from sternpost.console.app import create_console
from sternpost.console.inside import Api
from sternpost.console.pulse import Pulse
from sternpost.console.surroundings import Limit, Surroundings
from sternpost.control.passwords import Work
from sternpost.gateway.app import Gateway
from sternpost.metrics import Metrics
from tests.control.bench import Answer, Bench, call, make

PASSWORD = "correct horse battery"
WORK = Work(2**4, 8, 1)  #: passwords of tests are stretched in no time
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@dataclass
class Browser:
    """Keeps cookies; knows nothing else."""

    app: Any
    cookies: dict[str, str] = field(default_factory=dict)
    set_cookies: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    last: str = ""

    async def ask(
        self, method: str, path: str, form: Mapping[str, str] | None = None, **headers: str
    ) -> Answer:
        given = {"host": "127.0.0.1:8080", "accept": "text/html", **self.headers}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookies:
            given["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        body = urlencode(form).encode() if form is not None else b""
        sent: list[tuple[str, str]] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            async def sending(message: Any) -> None:
                if message["type"] == "http.response.start":
                    sent.extend((name.decode().lower(), value.decode()) for name, value in message["headers"])
                await send(message)

            await self.app(scope, receive, sending)

        answer = await call(
            app,
            method,
            path,
            headers=[(name.encode(), value.encode()) for name, value in given.items()],
            body=body,
        )
        for name, value in sent:
            if name == "set-cookie":
                self.set_cookies.append(value)
                for key, morsel in SimpleCookie(value).items():
                    self.cookies[key] = morsel.value
                    if morsel["max-age"] == "0":
                        del self.cookies[key]
        return answer

    async def get(self, path: str, status: int = 200, **headers: str) -> str:
        answer = await self.ask("GET", path, None, **headers)
        assert answer.status == status, (answer.status, answer.headers, answer.body[:500])
        self.last = answer.body.decode()
        return self.last

    async def json(self, path: str, status: int = 200) -> Any:
        answer = await self.ask("GET", path, accept="application/json")
        assert answer.status == status, answer.body
        assert answer.headers["content-type"] == "application/json"
        return answer.json

    async def post(self, path: str, **form: str) -> Answer:
        """Send a form with the token of the page that was read last."""
        token = re.search(r'name="form_token" value="(\w+)"', self.last)
        assert token is not None, self.last[:500]
        return await self.ask("POST", path, {"form_token": token[1], **form})

    async def follow(self, answer: Answer) -> str:
        assert answer.status == 303, (answer.status, answer.body[:500])
        return await self.get(answer.headers["location"].split("#")[0])


def text_of(page: str) -> str:
    """The words of a page."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", page)))


@dataclass
class House:
    bench: Bench
    access: Access
    app: Any
    setup_token: str
    agents: AgentHealth
    pauses: list[float]  #: before tries of names that failed too often
    on_loopback: bool
    gateway: Gateway

    def browser(self) -> Browser:
        return Browser(self.app)

    async def owner(self) -> Browser:
        """A browser that is signed in."""
        browser = self.browser()
        address = f"/console/setup/{self.setup_token}"
        await browser.get(address)
        form = {"username": "owner", "password": PASSWORD, "again": PASSWORD}
        answer = await browser.post(address, **({} if self.on_loopback else form))
        assert answer.headers["location"] == "/console/", answer.body
        await browser.get("/console/")
        return browser


async def house(
    path: Path,
    *,
    on_loopback: bool = True,
    document: dict[str, Any] | None = None,
    trusted_proxies: Any = (),
    bench: Bench | None = None,
    commands: CommandLine = INSTALLED,
) -> House:
    bench = bench or await make(path, document)
    metrics = Metrics(CollectorRegistry())

    async def accept(source: Any, events: Any) -> None:
        await bench.keep(events)

    gateway = Gateway(
        accept=accept,
        arrive=bench.overflow.arrive,
        crowded=lambda source_id: False,
        behind=lambda events: False,
        workspace=lambda: bench.holder.current,
        clock=lambda: bench.now,
        new_id=lambda: "made",
        metrics=metrics,
        refused=bench.refused,
        health=bench._health,
    )
    await bench.people.start()
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    access = Access(
        bench.people,
        bench.context.audit,
        bench.context.attempts,
        clock=lambda: bench.now,
        on_loopback=on_loopback,
        work=WORK,
        sleep=sleep,
    )
    token = await access.start()
    app = create_console(
        Surroundings(
            context=bench.context,
            api=Api(bench.app),
            gateway=gateway,
            access=access,
            facts=bench.store,
            pulse=Pulse(lambda: (0.0, 0.0), clock=lambda: bench.now),
            clock=lambda: bench.now,
            on_loopback=on_loopback,
            retention_s=7 * 86_400,
            store="SQLite in ./sternpost-data",
            limits=(Limit("Retention", "7 days", "So."),),
            trusted_proxies=trusted_proxies,
            commands=commands,
        )
    )
    return House(bench, access, app, token, bench.agents, pauses, on_loopback, gateway)
