"""Every kind of destination, by the `type` that a workspace names."""

from __future__ import annotations

from collections.abc import Mapping

from sternpost.destinations.base import Destination
from sternpost.destinations.pendo import PENDO
from sternpost.destinations.webhook import WEBHOOK

DESTINATIONS: Mapping[str, Destination] = {
    destination.spec.type: destination for destination in (PENDO, WEBHOOK)
}
