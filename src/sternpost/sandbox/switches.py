"""The assumed behaviours of Pendo, each behind a named switch (pendo.md, "Switches and constants").

One table: name, default, allowed values, why it is assumed. Whoever learns how Pendo really behaves corrects one row.
A value may come as text (command line, form) or as JSON; both end as the same typed value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from sternpost.sandbox.limits import JSON_DEPTH_MAX
from sternpost.sandbox.payload import NotJson, decode_json

OBJECT_BYTES_MAX = 65_536  #: of a switch that takes an object: answers carry it


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words or numbers."""

    values: tuple[str | int, ...]

    def describe(self) -> str:
        return " or ".join(str(value) for value in self.values)

    def parse(self, value: Any) -> Any:
        if isinstance(value, bool):
            value = "on" if value else "off"
        for allowed in self.values:
            if value == allowed or (isinstance(value, str) and _word(value) == str(allowed)):
                return allowed
        raise ValueError


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number within bounds; some may be off."""

    low: int
    high: int
    may_be_off: bool = False

    def describe(self) -> str:
        numbers = f"a whole number from {self.low} to {self.high}"
        return f"off, or {numbers}" if self.may_be_off else numbers

    def parse(self, value: Any) -> Any:
        if self.may_be_off and (value is False or value == "off"):
            return "off"
        if isinstance(value, str):
            value = float(_word(value).replace("_", ""))
        if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
            raise ValueError
        if not self.low <= value <= self.high:
            raise ValueError
        return int(value)


@dataclass(frozen=True, slots=True)
class Object:
    """Any JSON object, or one whose values are of a closed list."""

    members: tuple[str, ...] = ()

    def describe(self) -> str:
        if self.members:
            return f"a JSON object whose values are of {', '.join(self.members)}"
        return "any JSON object"

    def parse(self, value: Any) -> Any:
        if isinstance(value, str):
            try:
                value = decode_json(value.encode(), depth_max=JSON_DEPTH_MAX)
            except NotJson:
                raise ValueError from None
        if not isinstance(value, dict) or len(msgspec.json.encode(value)) > OBJECT_BYTES_MAX:
            raise ValueError
        if self.members and not all(
            isinstance(item, str) and item in self.members for item in value.values()
        ):
            raise ValueError
        return value


@dataclass(frozen=True, slots=True)
class Switch:
    """One assumed behaviour."""

    default: Any
    allowed: Choice | Integer | Object
    note: str  #: what it changes, and why it is assumed


_STATUS = Integer(200, 599)
_ON_OFF = Choice(("on", "off"))
_STAND_IN = Choice(("specified",))
_GUIDES = {"guides": [], "lastGuideStepSeen": {}, "guideWidget": {}, "throttling": {"enabled": False}}
_BULK_DELETE = {"id": "id", "status": "status", "requested": "requested", "completed": "completed"}

SWITCHES: dict[str, Switch] = {
    "track.wrongSecretStatus": Switch(
        403,
        Choice((403, 400, 401)),
        "Status of /data/track for a missing or wrong secret, body empty; only /api/v1 was verified.",
    ),
    "track.badBodyStatus": Switch(
        400, Choice((400, 200)), "Status of /data/track for a body it cannot use; never documented."
    ),
    "track.unknownVisitor": Switch(
        "create",
        Choice(("create", "drop")),
        "A track event of a visitor Pendo has never seen; creating is documented for agent events only.",
    ),
    "track.sameMs": Switch(
        "keep",
        Choice(("keep", "collapse")),
        "Two track events of one visitor in one millisecond; collapsing is documented for /data/agentic only.",
    ),
    "track.secondsBelow": Switch(
        100_000_000_000,
        Integer(0, 10**15),
        "Timestamps below it are taken for seconds in the diagnostics; our threshold.",
    ),
    "track.futureMaxMs": Switch(
        86_400_000, Integer(0, 10**15), "Timestamps further ahead are diagnosed; our threshold."
    ),
    "track.nested": Switch(
        "keep",
        Choice(("keep", "drop")),
        "Objects and lists as property values: kept and diagnosed, or dropped; loss is not documented for this route.",
    ),
    "metadata.agentGroup": Switch(
        "writable",
        Choice(("writable", "refused")),
        "Whether the group agent may be written by REST; Pendo's pages contradict each other.",
    ),
    "meta.language": Switch(
        "auto",
        Choice(("auto", "agent")),
        "The group that keeps the language which the agent adds by itself; not documented.",
    ),
    "metadata.maxItems": Switch(1_000, Integer(1, 1_000_000), "Largest metadata batch; not published."),
    "metadata.overLimitStatus": Switch(413, Choice((413, 400)), "Status for a larger batch; not published."),
    "metadata.errorItem": Switch(
        "text",
        Choice(("text", "object")),
        'Shape of an item of `errors`: text "<id>: <reason>" or {"id","error"}; not published.',
    ),
    "metadata.nullValue": Switch(
        "clear", Choice(("clear", "ignore", "store")), "What null does to a field; not published."
    ),
    "metadata.typeMismatch": Switch(
        "keep",
        Choice(("keep", "refuse")),
        "A value of another type than the field's: kept and diagnosed, or refused; not published.",
    ),
    "metadata.emptyValues": Switch(
        "accepted",
        Choice(("accepted", "error")),
        "An item without values: accepted (creates with create=true), or an error; not published.",
    ),
    "metadata.duplicateId": Switch(
        "last",
        Choice(("last", "error")),
        "One id twice in a batch: the last wins, or an error; not published.",
    ),
    "metadata.autoStatus": Switch(
        400, Choice((400, 403)), "Status for a write to the group auto; not published."
    ),
    "auth.readOnlyWriteStatus": Switch(
        403, Choice((403, 401)), "Status for a write with the read-only key, body empty; not published."
    ),
    "single.unknownIdStatus": Switch(
        404, Choice((404, 400)), "Status of the single-value routes for an unknown id; not published."
    ),
    "ptm.badJzbStatus": Switch(
        400,
        Choice((400, 200)),
        "Status for a payload that cannot be decoded (200 with the GIF); not published.",
    ),
    "static.unknownKeyStatus": Switch(
        404, Choice((404, 403)), "Status of /agent/static for an unknown app key; not published."
    ),
    "data.unknownKeyStatus": Switch(
        404,
        Choice((404, 403, 200)),
        "Status of the agent's /data routes for an unknown app key, nothing is kept; not published.",
    ),
    "app.config": Switch({}, Object(), "Further content of the app's config.json; not published."),
    "app.blockAgentMetadata": Switch(
        "off", _ON_OFF, "The agent sends no metadata, and what comes is ignored; set per subscription."
    ),
    "app.signedMetadata": Switch(
        "off", _ON_OFF, "Metadata of the agent counts only with a valid JWT; set per subscription."
    ),
    "cors.data": Switch(
        "allowed",
        Choice(("allowed", "off")),
        "Cross-origin requests to /data and /agent: allowed with the requested headers echoed, or not; not published.",
    ),
    "guide.shape": Switch(
        _GUIDES,
        Object(),
        "Content of guide.json; the agent accepts this minimal object, what Pendo sends is not published.",
    ),
    "misc.accept": Switch(
        200,
        Choice((200, 404)),
        "Status of agent routes that are recorded and not interpreted (rec, recordingconf, devlog, agentic.gif).",
    ),
    "segmentio.status": Switch(
        200, _STATUS, "Status of /data/segmentio; other than 2xx nothing is kept. Not published."
    ),
    "segmentio.track": Switch(
        "off", _ON_OFF, "Whether Pendo has switched track on for that route; set per subscription."
    ),
    "bulkdelete.overLimitStatus": Switch(
        400, _STATUS, "Status of a bulk delete with more than 500 ids; not published."
    ),
    "bulkdelete.tooSoonStatus": Switch(
        429, _STATUS, "Status of a second bulk delete within a second; not published."
    ),
    "bulkdelete.statusShape": Switch(
        _BULK_DELETE,
        Object(("id", "status", "kind", "requested", "completed", "ids")),
        "Names in the state of a bulk delete, each with the fact it carries; not published.",
    ),
    "bulkdelete.lagMs": Switch(
        60_000,
        Integer(0, 10**12),
        "How long a bulk delete is pending by the sandbox's clock; Pendo says up to 21 days.",
    ),
    "dnp.serverData": Switch(
        "drop",
        Choice(("drop", "keep")),
        "Server data of visitors and accounts marked do not process: dropped and diagnosed, or kept; documented for the agent only.",
    ),
    "segment.lagMs": Switch(
        0, Integer(0, 10**12), "How long a segment write is under way; a second one gets 409 meanwhile."
    ),
    "segment.emptyUploadStatus": Switch(
        400, _STATUS, "Status of an upload without a visitor; code not published."
    ),
    "segment.overLimitStatus": Switch(
        400, _STATUS, "Status of a PATCH above 10 operations or 1,000 ids; code not published."
    ),
    "segment.foreignStatus": Switch(
        403, _STATUS, "Status of a write to a segment that was not made by the API; code not published."
    ),
    "identity.mapping": Switch(
        "on",
        _ON_OFF,
        "Identity mapping: anonymous history is joined to the identified visitor; set per subscription.",
    ),
    "identity.lateEvents": Switch(
        "follow",
        Choice(("follow", "stay")),
        "Events that arrive for an anonymous id after its merge: follow it, or stay; not published.",
    ),
    "identity.anonymousTracking": Switch(
        "on", _ON_OFF, "Whether anonymous visitors count towards MAU; set per subscription."
    ),
    "parentAccounts": Switch(
        "on", _ON_OFF, "`parent::child` account ids make parent accounts; enabled by Pendo."
    ),
    "lists.content": Switch(
        "specified",
        _STAND_IN,
        "Content of tracktype (from the events seen), page, feature, guide and report (empty): a stand-in.",
    ),
    "aggregation.subset": Switch(
        "specified",
        _STAND_IN,
        "The subset of aggregation that is understood: a stand-in; the rest answers 400.",
    ),
    "feedback.stub": Switch("specified", _STAND_IN, "Feedback is stored and echoed: a stand-in."),
    "rate.perSecond": Switch(
        "off",
        Integer(1, 1_000_000, may_be_off=True),
        "Requests a second before 429 with an empty body; no limit is published.",
    ),
    "rate.retryAfter": Switch(1, Integer(0, 86_400), "Retry-After of that 429, in seconds; not published."),
    "visibility": Switch(
        "instant",
        Choice(("instant", "hourly")),
        "Events show at once, or after the hourly processing; the mechanism is ours.",
    ),
}


def defaults() -> dict[str, Any]:
    """Every switch with its default."""
    return {name: switch.default for name, switch in SWITCHES.items()}


def parse(changes: Mapping[str, Any]) -> dict[str, Any]:
    """The changes as typed values; raises ValueError with a clear sentence for an unknown switch or value."""
    parsed = {}
    for name, value in changes.items():
        switch = SWITCHES.get(name)
        if switch is None:
            raise ValueError(
                f"There is no switch named {name[:100]!r}. The switches are: {', '.join(SWITCHES)}."
            )
        try:
            parsed[name] = switch.allowed.parse(value)
        except (ValueError, OverflowError):
            raise ValueError(
                f"The switch {name} cannot be {str(value)[:100]!r}; it takes {switch.allowed.describe()}."
            ) from None
    return parsed


def describe(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The table with the present values, as `GET /__sandbox/switches?describe=1` answers it."""
    return {
        name: {
            "value": values[name],
            "default": switch.default,
            "allowed": switch.allowed.describe(),
            "note": switch.note,
        }
        for name, switch in SWITCHES.items()
    }


def _word(text: str) -> str:
    """The value in a text as the table of the contract writes it: `403, empty`, `keep and diagnose`, `last wins`."""
    return text.strip().split(",")[0].split(" ")[0]
