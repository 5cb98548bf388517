"""What somebody should be told of: facts in, conditions out. Pure.

A condition has a kind and a subject (a destination, a source, the server); it lasts for as long as the facts say so. Thresholds are
bounds with reasons here, the same as in `deploy/prometheus/alerts.yml`, so that both tell the same story.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from sternpost.model import Source
from sternpost.reasons import REASONS
from sternpost.store.letters import FailureGroup
from sternpost.store.views import BlockedChannel

Kind: TypeAlias = Literal[
    "cannot_accept",
    "store_damaged",
    "destination_blocked",
    "backlog_old",
    "many_rejected",
    "new_reason",
    "source_silent",
    "store_nearly_full",
    "disk_nearly_full",
]
#: Each kind with what it means, for the how-to page.
KINDS: Mapping[Kind, str] = {
    "cannot_accept": "events cannot be made durable; clients get 503",
    "store_damaged": "something in the store is damaged, or a request had to be set aside",
    "destination_blocked": "a channel of a destination waits for a person",
    "backlog_old": "the oldest event of a destination has waited for more than five minutes",
    "many_rejected": "more than 5 % of what was tried at a destination in the last ten minutes became dead letters",
    "new_reason": "events were rejected for a reason that was not among the failures before",
    "source_silent": "a source that sent in each of the last 24 hours has sent nothing for an hour",
    "store_nearly_full": "kept events use 80 % of --bytes-max",
    "disk_nearly_full": "less than 2 GB are free on the disk of the data directory",
}

OLDEST_S = 300.0  #: a destination that answers has nothing that is older
REJECTED_SHARE = 0.05
REJECTED_MIN = 5  #: fewer dead letters in ten minutes are single events, not a trend
SPAN_S = 600  #: over which rejections are compared with deliveries
NEW_REASON_S = 600.0  #: how long a reason is new
STEADY_HOURS = 24  #: in each of which a source must have sent to be missed
STORE_SHARE = 0.8
DISK_FREE_BYTES = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Facts:
    """What the store, the disk and the workspace say at a moment."""

    now: float
    accepting: bool
    problem: str = ""  #: why not
    notices: Sequence[str] = ()  #: what was found damaged in the store or was set aside, as sentences
    blocked: Sequence[BlockedChannel] = ()
    oldest_s: Mapping[str, float] = field(default_factory=dict)  #: by destination
    tried: Mapping[str, tuple[int, int]] = field(
        default_factory=dict
    )  #: by destination: delivered and rejected within SPAN_S
    failures: Sequence[FailureGroup] = ()
    sources: Sequence[Source] = ()
    last_hour: Mapping[str, int] = field(default_factory=dict)  #: events by source in the last 60 minutes
    hours: Mapping[str, int] = field(
        default_factory=dict
    )  #: by source: in how many of the STEADY_HOURS whole hours before that something came
    store_share: float = 0.0  #: of --bytes-max
    disk_free_bytes: int = DISK_FREE_BYTES


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that somebody should know."""

    kind: Kind
    subject: str  #: the id of a destination or source; "" for the server
    text: str  #: a sentence: what was seen
    remedy: str  #: what to do
    path: str  #: where to look in the console


def conditions(facts: Facts) -> Iterator[Condition]:
    """Everything that holds now, the most urgent first."""
    if not facts.accepting:
        yield Condition(
            "cannot_accept",
            "",
            f"Events cannot be accepted: {facts.problem}",
            "Run: sternpost doctor",
            "/console/",
        )
    if facts.notices:
        more = len(facts.notices) - 1
        yield Condition(
            "store_damaged",
            "",
            facts.notices[-1] + (f" And {more} more." if more else ""),
            "Events are accepted and delivered around it. Look after the disk, then run: sternpost doctor",
            "/console/",
        )
    blocked_now: set[str] = set()
    for channel in facts.blocked:
        if channel.destination_id not in blocked_now:
            blocked_now.add(channel.destination_id)
            reason = REASONS[channel.reason]
            which = f" ({channel.channel})" if channel.channel else ""
            yield Condition(
                "destination_blocked",
                channel.destination_id,
                f"{channel.destination_id}{which} is blocked: {reason.title}. Events wait; nothing is lost.",
                reason.remedy,
                f"/console/destinations/{channel.destination_id}",
            )
    for destination_id, oldest_s in facts.oldest_s.items():
        # Of a blocked one it is said already.
        if oldest_s > OLDEST_S and destination_id not in blocked_now:
            yield Condition(
                "backlog_old",
                destination_id,
                f"{destination_id} is {oldest_s / 60:.0f} minutes behind.",
                "See whether it answers with errors, or gets more than ratePerSecond lets out.",
                f"/console/destinations/{destination_id}",
            )
    for destination_id, (delivered, rejected) in facts.tried.items():
        if rejected >= REJECTED_MIN and rejected > REJECTED_SHARE * (delivered + rejected):
            yield Condition(
                "many_rejected",
                destination_id,
                f"{rejected:,} of {delivered + rejected:,} events tried at {destination_id} in ten minutes were rejected.",
                "They wait under Failures, grouped by reason.",
                f"/console/failures?destination={destination_id}",
            )
    for group in facts.failures:
        if facts.now - group.first_at < NEW_REASON_S:
            yield Condition(
                "new_reason",
                f"{group.destination_id}:{group.reason}",
                f"New among the failures of {group.destination_id}: {REASONS[group.reason].title}.",
                REASONS[group.reason].remedy,
                f"/console/failures?destination={group.destination_id}",
            )
    for source in facts.sources:
        if (
            source.enabled
            and not facts.last_hour.get(source.id)
            and facts.hours.get(source.id, 0) >= STEADY_HOURS
        ):
            yield Condition(
                "source_silent",
                source.id,
                f"{source.name} has sent nothing for an hour, and did in each of the 24 hours before.",
                "Look at refused requests; is the app up, was a key rotated?",
                f"/console/sources/{source.id}",
            )
    if facts.store_share > STORE_SHARE:
        yield Condition(
            "store_nearly_full",
            "",
            f"Kept events use {facts.store_share:.0%} of --bytes-max.",
            "Old ones go by themselves; what waits does not. Mend what is blocked or behind, or raise the bound.",
            "/console/settings",
        )
    if facts.disk_free_bytes < DISK_FREE_BYTES:
        yield Condition(
            "disk_nearly_full",
            "",
            f"{facts.disk_free_bytes / 1e6:,.0f} MB are left on the disk of the data directory.",
            "Make room: below 64 MB, or 5 % of a small disk, nothing is accepted.",
            "/console/settings",
        )
