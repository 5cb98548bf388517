"""What the console is given by `main`, and what a page function gets and gives."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from sternpost.commandline import INSTALLED, CommandLine
from sternpost.console.access import Access, Session, form_token
from sternpost.console.drafts import Drafts
from sternpost.console.inside import Api
from sternpost.console.pulse import Pulse
from sternpost.control.auth import Principal, Role, allows
from sternpost.control.context import Context
from sternpost.control.people import Client
from sternpost.proxies import Network


class Facts(Protocol):
    """The part of the store that keeps small facts."""

    async def remember(self, values: Mapping[str, str]) -> None: ...
    async def remembered(self, prefix: str) -> dict[str, str]: ...


@dataclass(frozen=True, slots=True)
class Limit:
    """A bound that is in force, and why it is there."""

    name: str
    value: str
    reason: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The console's surroundings."""

    context: Context  #: of the control API, whose functions give the data
    api: Api
    gateway: ASGIApp  #: takes the test event, like any client's
    access: Access
    facts: Facts
    pulse: Pulse
    clock: Callable[[], float]
    on_loopback: bool  #: only this machine can connect
    retention_s: float
    store: str  #: "SQLite in ./sternpost-data"
    limits: tuple[Limit, ...] = ()
    sandbox_url: str | None = None  #: under `sternpost demo`
    commands: CommandLine = INSTALLED  #: for lines that people copy
    trusted_proxies: Sequence[Network] = ()
    drafts: Drafts = field(default_factory=Drafts)


@dataclass(slots=True)
class Visit:
    """One request of a browser."""

    request: Request
    session: Session | None
    cookie: str  #: what forms are bound to: the session's token, else one of its own
    base: str  #: how the browser reached this server: scheme and host
    secure: bool
    theme: str
    address: str  #: whose patience with guessing is counted
    form: Mapping[str, str] = field(default_factory=dict)

    @property
    def who(self) -> Principal:
        """Who is visiting, on pages that need a session."""
        assert self.session is not None
        return self.session.who

    def may(self, role: Role) -> bool:
        """Whether the visitor's role is enough."""
        return self.session is not None and allows(self.session.who.role, role)

    @property
    def client(self) -> Client:
        """What sessions and the audit log remember of the browser."""
        return Client(self.address, self.request.headers.get("user-agent", ""))

    @property
    def form_token(self) -> str:
        return form_token(self.cookie)

    def query(self, name: str) -> str:
        return str(self.request.query_params.get(name, ""))


@dataclass(frozen=True, slots=True)
class Page:
    """What a page function gives: the same data as HTML or as JSON."""

    template: str
    title: str
    data: Mapping[str, Any]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """After a form, or from an old address: the browser goes on there."""

    path: str
    said: str = ""  #: a sentence for the next page
    wrong: bool = False  #: it says that something was not done


Result: TypeAlias = Page | Elsewhere | Response  #: a response is a file to download
Handler: TypeAlias = Callable[[Surroundings, Visit], Awaitable[Result]]
#: Method, path below /console, the function that makes the page, and the role it needs; without one a viewer may read and an editor post.
PageOf: TypeAlias = tuple[str, str, Handler] | tuple[str, str, Handler, Role]
