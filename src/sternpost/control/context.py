"""What the control API is given by `main`: everything it may touch, and nothing it could find by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from sternpost.control.attempts import Attempts
from sternpost.control.audit import AuditLog
from sternpost.control.live import LiveHub
from sternpost.control.pace import Pace
from sternpost.control.people import People
from sternpost.control.personal import Personal
from sternpost.control.persons import Persons
from sternpost.destinations.base import Destination
from sternpost.errors import WorkspaceError
from sternpost.model import Call, DestinationConfig, Event, Reply, Route, Workspace
from sternpost.proxies import Network
from sternpost.reasons import ReasonCode
from sternpost.store.base import Store
from sternpost.store.revisions import Revision
from sternpost.store.views import Views


class RefusedRequests(Protocol):
    """Requests that were turned away alike, as `gateway.RefusedLog` keeps them."""

    @property
    def at(self) -> float: ...
    @property
    def first_at(self) -> float: ...
    @property
    def count(self) -> int: ...
    @property
    def path(self) -> str: ...
    @property
    def status(self) -> int: ...
    @property
    def reason(self) -> ReasonCode: ...
    @property
    def detail(self) -> str: ...
    @property
    def source_id(self) -> str | None: ...
    @property
    def write_key(self) -> str: ...
    @property
    def library(self) -> str: ...
    @property
    def origin(self) -> str: ...
    @property
    def address_hash(self) -> str: ...
    @property
    def sample(self) -> str: ...


class AgentReport(Protocol):
    """What pages said about a partner's browser agent, alike ones counted, as `browserside.AgentHealth` keeps it."""

    @property
    def state(self) -> str: ...
    @property
    def page(self) -> str: ...
    @property
    def detail(self) -> str: ...
    @property
    def last_at(self) -> float: ...
    @property
    def count(self) -> int: ...


class Workspaces(Protocol):
    """The workspace in force and its document (`workspace.holder.WorkspaceHolder`)."""

    @property
    def current(self) -> Workspace: ...
    @property
    def path(self) -> Path | None:
        """The file that is the truth; None = the store is."""
        ...

    @property
    def problem(self) -> WorkspaceError | None:
        """Why the newest version of the file is not in force."""
        ...

    @property
    def document(self) -> dict[str, Any]:
        """The document in force as it is kept: secrets are references or sealed."""
        ...

    def shown(self) -> dict[str, Any]:
        """The document with secrets masked."""
        ...

    def masked(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """A kept document with secrets masked."""
        ...

    def diff(self, document: Mapping[str, Any]) -> list[str]:
        """What applying it would change, a line each. Raises WorkspaceError."""
        ...

    def preview(
        self, document: Mapping[str, Any], *, secrets_required: bool = False
    ) -> tuple[list[str], Workspace]:
        """What applying it would change, and what it would be. Raises WorkspaceError."""
        ...

    def redirected(self, document: Mapping[str, Any]) -> list[str]:
        """Destinations that it would have send secrets they keep to another address."""
        ...

    def elsewhere(self, document: Mapping[str, Any]) -> list[str]:
        """Destinations by which it would have events sent where they are not sent now."""
        ...

    def difference(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
        """What changes from one kept document to another, a line each."""
        ...

    async def apply(
        self, document: Mapping[str, Any], *, author: str = "", note: str = "", secrets_required: bool = False
    ) -> Workspace:
        """Save it as a new revision and bring it into force. Raises WorkspaceError; then nothing changed."""
        ...

    async def restore(self, number: int, *, author: str = "") -> Workspace | None:
        """Bring an earlier revision into force as a new one. None when it is not kept. Raises WorkspaceError."""
        ...

    async def revision(self, number: int) -> dict[str, Any] | None:
        """The document of a revision as it was kept; None when it is not kept any more."""
        ...

    async def secrets(self, destination_id: str) -> list[dict[str, Any]]:
        """What may be said about the secrets of a destination: path, reference, endsIn, since, by."""
        ...


class Facts(Protocol):
    """What the store keeps beside the events: revisions of the workspace, and small facts by key."""

    async def workspace_revisions(self, *, before: int | None, limit: int) -> list[Revision]: ...
    async def workspace_revision(self, number: int) -> tuple[Revision, bytes] | None: ...
    async def remember(self, values: Mapping[str, str]) -> None: ...
    async def remembered(self, prefix: str) -> dict[str, str]: ...


@dataclass(frozen=True, slots=True)
class Context:
    """The surroundings of the control API."""

    store: Store  #: dead letters are retried and discarded through it
    views: Views  #: the read side of the same store
    live: LiveHub  #: the same object that intake and delivery publish to
    facts: Facts  #: the same store, beside the events
    workspaces: Workspaces  #: the WorkspaceHolder
    destinations: Mapping[str, Destination]  #: the registry, by type
    clock: Callable[[], float]  #: unix seconds
    people: People  #: users and API tokens
    audit: AuditLog  #: the dispatcher writes a line with every change
    attempts: Attempts  #: who could not come in, for the same log
    personal: Personal  #: hides personal data from those who may not see it
    #: where an event that was accepted earlier goes by the workspace of now; None when its source is not connected to the
    #: destination any more (`Fanout.route`)
    route_for: Callable[[Event, str], Route | None]
    wake: Callable[
        [Iterable[tuple[str, str, float]]], None
    ]  #: `Engine.wake`: channels that got something to do
    #: sends a request to a destination (by id) with its client, limits and address rules; always answers with a Reply
    send: Callable[[str, Call], Awaitable[Reply]]
    #: sends a request by settings that need not be saved, with a client of its own and the same rules for addresses
    ask: Callable[[DestinationConfig, Call], Awaitable[Reply]]
    new_write_key: Callable[[], str]
    request_record: Callable[[Call], Mapping[str, Any]]  #: `delivery.records.request_record`
    reply_record: Callable[[Reply], Mapping[str, Any] | None]  #: `delivery.records.reply_record`
    refused: Callable[[], Sequence[RefusedRequests]]  #: `RefusedLog.entries`: the latest first
    #: what `GET /health` answers: (events can be accepted durably, its body, whose `problem` is a sentence)
    health: Callable[[], Awaitable[tuple[bool, Mapping[str, Any]]]]
    disk_free_bytes: Callable[[], int]  #: free space where the store is
    bytes_max: int  #: of --bytes-max
    new_id: Callable[[], str]  #: a messageId for an event that is tried without one
    #: `Engine.resume`: go on with what is blocked of a destination (one channel, or all); the channels that were
    resume: Callable[[str, str | None], Awaitable[Sequence[str]]]
    #: `Overflow.caught_up`: wait so many seconds at most until what is accepted by now is in its lanes, where reading sees it
    caught_up: Callable[[float], Awaitable[bool]]
    persons: Persons  #: who is stopped, and who is being forgotten
    replays_changed: Callable[[], None]  #: `replays.Pump.woken`: a replay was begun or changed
    agents: Callable[[str], Sequence[AgentReport]]  #: `AgentHealth.of`: by destination, since the start
    pace: Callable[[str], Pace | None] = lambda destination_id: None  #: `Engine.pace`, by destination
    ask_again: Callable[[str], None] = lambda destination_id: (
        None
    )  #: `Engine.ask_again`: try blocked channels now
    trusted_proxies: Sequence[Network] = ()  #: whose X-Forwarded-For says from where somebody asks
    applying: asyncio.Lock = field(default_factory=asyncio.Lock)  #: one change of the workspace at a time
