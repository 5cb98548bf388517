"""What a destination is: one `Spec`, and four pure functions around an HTTP request as data.

    channel(message, settings)                  which of its queues an event waits in
    plan(message, person, settings, known)      what to send for one event: parts, or why nothing is sent
    call(parts, settings)                       one HTTP request for parts that share a batch key
    read(reply, parts, settings)                what the reply means for each part

None of them does I/O, reads a clock or draws a number: so the preview, `sternpost try`, rebuilt requests in an event's fate and
golden tests all come from the code that delivers. The engine (`delivery/worker.py`) owns order, batches, retries and limits.

A destination is one folder here and one line in `registry.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import msgspec

from sternpost.model import (
    Blocked,
    Call,
    Message,
    Mode,
    Note,
    Outcome,
    Person,
    Rejected,
    Reply,
    Skipped,
    Split,
)

FieldKind: TypeAlias = Literal[
    "text", "url", "choice", "boolean", "integer", "number", "object", "secret", "map", "texts"
]


@dataclass(frozen=True, slots=True)
class Field:
    """One setting of a destination: the only source for validation, forms, help and the reference page."""

    name: str  #: as in the workspace file: `trackEventSecret`
    label: str  #: the partner's words
    help: str  #: what it does
    kind: FieldKind = "text"
    default: Any = None
    required: bool = False
    choices: tuple[str, ...] = ()  #: with kind "choice"
    choice_texts: Mapping[str, str] = field(
        default_factory=dict
    )  #: what a choice is, in a few words, where its name does not tell
    aliases: Mapping[str, str] = field(default_factory=dict)  #: other spellings that are taken → the choice
    minimum: float | None = None
    maximum: float | None = None
    example: str = ""
    group: str = "Connect"  #: Connect · Identity · What to send · Limits
    where: str = ""  #: a sentence: where to find it in the partner's product
    members: tuple[Field, ...] = ()  #: with kind "object": what stands in it; without: any names and values
    address: bool = (
        False  #: requests go there, with what secrets the destination has; every field of kind "url" is one
    )
    many: bool = False  #: with members: it is a list of such objects

    @property
    def text(self) -> str:
        """Help and place, for pages of reference."""
        return f"{self.help} {self.where}".rstrip()


@dataclass(frozen=True, slots=True)
class Spec:
    """What a destination declares about itself."""

    type: str  #: as in the workspace file: `pendo`
    display_name: str  #: the key of the event's `integrations` object, case matters: `Pendo`
    summary: str
    fields: tuple[Field, ...]
    types: frozenset[str]  #: event types it takes, in lower case; empty = all
    modes: Mapping[str, frozenset[Mode]]  #: source type → possible modes
    channels: tuple[str, ...] = ("",)
    other_names: tuple[str, ...] = ()  #: with `false` in an event's `integrations` object they exclude it too
    sends_whole: bool = (
        False  #: the event as the door completed it; else `plan` reads single members of what was sent
    )
    settle_s: float = 0.0  #: rule G4: window for sources of type web
    stale_s: float | None = None  #: events whose own time lies further back may never be shown there
    docs: str = ""  #: page in docs/
    needs: str = ""  #: a sentence: what to have at hand before one starts
    mode_texts: Mapping[Mode, str] = field(
        default_factory=dict
    )  #: who sends and who counts what, a paragraph each


@dataclass(frozen=True, slots=True)
class Suspect:
    """A cause of a failed check that another harmless request can prove."""

    check: str  #: the name by which `read_check` reads the answer
    call: Call
    settings: Any  #: by which it is read
    message: str  #: said when that check is fine: this is the cause
    remedy: str


class Part(msgspec.Struct, frozen=True, gc=False):
    """One thing to send for one event. Most events have one part; a group with a parent account has two."""

    payload: Any  #: what `call` needs; for a batch one item
    size_bytes: int  #: its share of the request's body
    batch_key: str | None = None  #: parts with one key may share a request; None = a request of its own
    ids: tuple[str, ...] = ()  #: two requests that carry the same id are never in flight at once (rule G3)
    stamp: str = ""  #: events with one stamp are noted as `same_ms` (rule T6)


class Plan(msgspec.Struct, frozen=True, gc=False):
    """What will be sent for one event."""

    parts: tuple[Part, ...]
    notes: tuple[Note, ...] = ()
    detail: str = ""  #: said of the delivered event


class Known(msgspec.Struct, frozen=True, gc=False):
    """What the engine has learned from the destination, and the time. `plan` must work with an empty one."""

    now_ms: int
    mode: Mode = "cloud"
    references: Mapping[str, Any] = msgspec.field(default_factory=dict)  #: by the names of `references()`
    skip_ids: Mapping[str, float] = msgspec.field(
        default_factory=dict
    )  #: ids remembered by `Skipped.remember_s` → until (s)


class Batching(msgspec.Struct, frozen=True, gc=False):
    """How the parts of one channel travel together."""

    items_max: int = 1
    bytes_max: int = 1_000_000
    linger_s: float = 0.0  #: how long to wait for company while a request of that key is in flight


@runtime_checkable
class Forgets(Protocol):
    """A destination that can be asked to delete people, a bounded number in one request; done some time later."""

    deletion_ids_max: int  #: people of one request
    deletion_every_s: float  #: at least so long between two requests

    def deletion(self, user_ids: Sequence[str], anonymous_ids: Sequence[str], settings: Any) -> Call | None:
        """The request; None when these settings do not allow one (a key is missing)."""
        ...

    def read_deletion(self, reply: Reply, settings: Any) -> tuple[str, str]:
        """(the id of what was begun, "") or ("", a sentence that says why it was not)."""
        ...

    def deletion_status(self, identifier: str, settings: Any) -> Call | None: ...

    def read_deletion_status(self, reply: Reply) -> tuple[bool, str]:
        """(done, what was said)."""
        ...


@runtime_checkable
class ReadsBack(Protocol):
    """A destination that tells what it holds."""

    def read_back(self, kind: Literal["visitor", "account"], identifier: str, settings: Any) -> Call | None:
        """The request; None when these settings do not allow one."""
        ...

    def read_held(self, reply: Reply) -> tuple[Mapping[str, Any] | None, str]:
        """(what it holds, "") or (None, a sentence: unknown there, or why it could not be read)."""
        ...


class Destination(Protocol):
    """The contract of a destination. Every function is pure; `settings` is the type that `parse` made."""

    spec: Spec

    def parse(self, values: Mapping[str, Any]) -> Any:
        """The frozen settings from the workspace's `settings`, whose types were checked against `spec.fields` and whose
        secrets are `Secret`s. Raises ValueError("<field>: <sentence>") for what fields alone cannot express.
        """
        ...

    def channel(self, message_type: str, settings: Any) -> str:
        """The channel for an event of this type (lower case, trimmed; "" when it has none). Always one of `spec.channels`."""
        ...

    def order(self, message_type: str, settings: Any) -> Literal["", "gate", "gated"]:
        """Rule G3: `gated` events wait for the first try of earlier `gate` events of their person."""
        ...

    def holds(self, message: Message, mode: Mode, settings: Any) -> float | None:
        """Seconds that an event without userId waits for a link, None when it does not wait. Called for anonymous events that
        the rules let pass.
        """
        ...

    def batching(self, channel: str, settings: Any) -> Batching: ...

    def references(self, channel: str, settings: Any) -> Mapping[str, Call]:
        """Requests whose answers `plan` wants to know (a schema), by name; fetched hourly by the engine."""
        ...

    def read_reference(self, name: str, reply: Reply) -> Any | None:
        """What a reference's reply says; None when it cannot be used (then asked again later)."""
        ...

    def plan(
        self, message: Message, person: Person, settings: Any, known: Known
    ) -> Plan | Skipped | Rejected: ...

    def call(self, parts: Sequence[Part], settings: Any, now_s: float) -> Call:
        """One request. Parts have the same batch key, or it is one part. Later parts win where they write the same thing."""
        ...

    def read(self, reply: Reply, parts: Sequence[Part], settings: Any) -> Sequence[Outcome] | Split:
        """One outcome per part, in their order; or Split, only for more than one part."""
        ...

    def probe(self, channel: str, settings: Any) -> Call | None:
        """A harmless request that tells whether a blocked channel works again; None = try the oldest event."""
        ...

    def read_probe(self, reply: Reply, channel: str, settings: Any) -> Blocked | None:
        """None when the channel works again."""
        ...

    def checks(self, settings: Any) -> Sequence[tuple[str, Call | None, str]]:
        """For `doctor`: (what is checked, a harmless request or None, a finding that needs no request)."""
        ...

    def read_check(self, name: str, reply: Reply, settings: Any) -> tuple[bool, str]:
        """(fine, a sentence that says what it means and what to do)."""
        ...

    def suspects(self, name: str, reply: Reply, settings: Any) -> Sequence[Suspect]:
        """What may be behind a check that failed and can be asked for, the likeliest first. At most ten."""
        ...

    def facts(self, settings: Any) -> Sequence[str]:
        """Warnings about these settings for `serve`, `doctor` and the console, e.g. a key that is not set."""
        ...

    def parent_traits(self, settings: Any) -> Sequence[str]:
        """Traits of group calls whose value names a parent account; the intake keeps them with the membership."""
        ...
