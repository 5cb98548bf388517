"""The rules between an accepted event and a destination: pure functions, no clock, no I/O.

`decide` runs them in the order of the contract and says which rule, with which values, decided. It is used by the intake, by the
delivery worker when an event's turn comes, and by every preview. Event bodies may hold any JSON; no rule raises because of it.
"""

from __future__ import annotations

from sternpost.destinations.base import Spec
from sternpost.model import Connection, DestinationConfig, Message, Rejected, Skipped, Source
from sternpost.rules.bots import is_bot
from sternpost.rules.consent import refused
from sternpost.rules.integrations import excluded
from sternpost.rules.modes import left_to_browser
from sternpost.rules.names import blocked_at_source, name_filtered
from sternpost.rules.types import type_refused

__all__ = ["decide", "is_bot"]


def decide(
    message: Message,
    source: Source | None,
    destination: DestinationConfig,
    connection: Connection | None,
    spec: Spec,
) -> Skipped | Rejected | None:
    """The first rule that stops this event for this destination; None when the destination is to plan it (contract 6.1, rule G7)."""
    message_type, body = message.type, message.body
    if source is not None and (blocked := blocked_at_source(message_type, body, source.blocked_events)):
        return blocked
    if source is None or connection is None:
        return Skipped(
            "not_connected",
            f"The source {message.event.source_id} no longer exists."
            if source is None
            else f"There is no connection from {source.id} to {destination.id} any more.",
        )
    if not destination.enabled:
        return Skipped("destination_disabled", f"The destination {destination.id} is switched off.")
    if why := excluded(body, spec.display_name, spec.other_names):
        return Skipped("filtered_by_integrations", why)
    if why := refused(body, destination.consent):
        return Skipped("filtered_by_consent", why)
    if stopped := type_refused(message_type, spec.types):
        return stopped
    if why := left_to_browser(message_type, connection.mode):
        return Skipped("sent_by_browser", why)
    return name_filtered(message_type, body, destination.event_filtering)
