"""The Pendo destination: visitors and accounts over `/api/v1/metadata`, track events over `/data/track`.

Read `plan.py` (what is sent for an event), then `calls.py` (the requests) and `replies.py` (what answers mean). `constants.py` holds
every limit and every assumption about Pendo. Two channels with different keys: one that is blocked does not stop the other (rule G2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from sternpost.destinations.base import Batching, Known, Part, Plan, Suspect
from sternpost.destinations.pendo import calls, doctor, people, plan, replies, settings
from sternpost.destinations.pendo.constants import (
    METADATA_BATCH_MAX_BYTES,
    METADATA_LINGER_MS,
    TRACK_BODY_BYTES_MAX,
)
from sternpost.destinations.pendo.settings import PendoSettings
from sternpost.destinations.pendo.spec import SPEC
from sternpost.model import (
    Blocked,
    Call,
    Message,
    Mode,
    Outcome,
    Person,
    Rejected,
    Reply,
    Skipped,
    Split,
)

METADATA_TYPES = frozenset({"identify", "group", "alias", "merge"})
GATE_TYPES = frozenset({"identify", "group"})
GATED_TYPES = frozenset({"track", "page", "screen"})


class PendoDestination:
    """`Destination` for Pendo; every function is pure."""

    spec = SPEC

    def parse(self, values: Mapping[str, Any]) -> PendoSettings:
        return settings.parse(values)

    def channel(self, message_type: str, settings: PendoSettings) -> str:
        """G2: metadata needs the integration key, everything else the track secret."""
        return "metadata" if message_type in METADATA_TYPES else "track"

    def order(self, message_type: str, settings: PendoSettings) -> Literal["", "gate", "gated"]:
        """G3: a visitor's and account's metadata before their events."""
        if message_type in GATE_TYPES:
            return "gate"
        return "gated" if message_type in GATED_TYPES else ""

    def holds(self, message: Message, mode: Mode, settings: PendoSettings) -> float | None:
        return plan.hold_s(message, settings, mode)

    def batching(self, channel: str, settings: PendoSettings) -> Batching:
        """V4; a track request carries one event."""
        if channel == "track":
            return Batching(items_max=1, bytes_max=TRACK_BODY_BYTES_MAX)
        return Batching(settings.metadata_batch_max, METADATA_BATCH_MAX_BYTES, METADATA_LINGER_MS / 1000)

    def references(self, channel: str, settings: PendoSettings) -> Mapping[str, Call]:
        """V6: the fields of group custom must exist beforehand."""
        if channel != "metadata" or settings.metadata_group != "custom" or settings.integration_key is None:
            return {}
        return {
            "schema/visitor": calls.schema_call("visitor", settings),
            "schema/account": calls.schema_call("account", settings),
        }

    def read_reference(self, name: str, reply: Reply) -> Mapping[str, str] | None:
        return replies.read_schema(reply)

    def plan(
        self, message: Message, person: Person, settings: PendoSettings, known: Known
    ) -> Plan | Skipped | Rejected:
        return plan.plan(message, person, settings, known)

    def call(self, parts: Sequence[Part], settings: PendoSettings, now_s: float) -> Call:
        return calls.call(parts, settings)

    def read(self, reply: Reply, parts: Sequence[Part], settings: PendoSettings) -> Sequence[Outcome] | Split:
        return replies.read(reply, parts, settings)

    def probe(self, channel: str, settings: PendoSettings) -> Call | None:
        """token/verify for metadata; nothing harmless proves a track secret, so the oldest event is tried."""
        if channel == "metadata" and settings.integration_key is not None:
            return calls.verify_call(settings)
        return None

    def read_probe(self, reply: Reply, channel: str, settings: PendoSettings) -> Blocked | None:
        return replies.read_verify(reply, settings)

    def checks(self, settings: PendoSettings) -> Sequence[tuple[str, Call | None, str]]:
        return doctor.checks(settings)

    def read_check(self, name: str, reply: Reply, settings: PendoSettings) -> tuple[bool, str]:
        return doctor.read_check(name, reply, settings)

    def suspects(self, name: str, reply: Reply, settings: PendoSettings) -> Sequence[Suspect]:
        return doctor.suspects(name, reply, settings)

    def facts(self, settings: PendoSettings) -> Sequence[str]:
        return doctor.facts(settings)

    deletion_ids_max = people.DELETION_IDS_MAX
    deletion_every_s = people.DELETION_EVERY_S

    def deletion(
        self, user_ids: Sequence[str], anonymous_ids: Sequence[str], settings: PendoSettings
    ) -> Call | None:
        return people.deletion(user_ids, anonymous_ids, settings)

    def read_deletion(self, reply: Reply, settings: PendoSettings) -> tuple[str, str]:
        return people.read_deletion(reply)

    def deletion_status(self, identifier: str, settings: PendoSettings) -> Call | None:
        return people.deletion_status(identifier, settings)

    def read_deletion_status(self, reply: Reply) -> tuple[bool, str]:
        return people.read_deletion_status(reply)

    def read_back(
        self, kind: Literal["visitor", "account"], identifier: str, settings: PendoSettings
    ) -> Call | None:
        return people.read_back(kind, identifier, settings)

    def read_held(self, reply: Reply) -> tuple[Mapping[str, Any] | None, str]:
        return people.read_held(reply)

    def parent_traits(self, settings: PendoSettings) -> Sequence[str]:
        return (settings.parent_account_trait,) if settings.parent_account_trait else ()


PENDO = PendoDestination()
