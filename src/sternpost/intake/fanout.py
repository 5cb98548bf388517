"""Where an event goes: pure, from the workspace snapshot. What stops it on the way is decided at delivery, by the rules of then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sternpost import rules
from sternpost.destinations.base import Destination
from sternpost.model import (
    Accepted,
    Connection,
    DestinationConfig,
    Event,
    Rejected,
    Route,
    Source,
    Workspace,
)
from sternpost.wire import facts
from sternpost.wire import message as wire_message

#: Routes depend on nothing but source and type for these; types are the client's words, so that only known ones are remembered.
KNOWN_TYPES = frozenset({"identify", "track", "page", "screen", "group", "alias", "merge"})
PROFILE_TYPES = frozenset({"identify", "group", "alias", "merge"})


class Fanout:
    """The routes of one workspace snapshot."""

    def __init__(self, workspace: Workspace, destinations: Mapping[str, Destination]) -> None:
        self.workspace = workspace
        self._lines: dict[str, list[tuple[DestinationConfig, Destination, Connection]]] = {}
        for connection in workspace.connections:
            config = workspace.destinations[connection.destination_id]
            self._lines.setdefault(connection.source_id, []).append(
                (config, destinations[config.type], connection)
            )
        self._parent_traits: Sequence[str] = tuple(
            dict.fromkeys(
                trait
                for config in workspace.destinations.values()
                for trait in destinations[config.type].parent_traits(config.settings)
            )
        )
        self._routes: dict[tuple[str, str, bool], tuple[Route, ...]] = {}

    def accepted(self, event: Event, source: Source) -> Accepted:
        """The event with what `Store.accept` writes beside it."""
        kind = event.type.strip().lower()
        routes = self._plain(source, kind, in_order=event.in_order)
        if not event.user_id:
            routes = self._held(event, source, routes)
        if kind not in PROFILE_TYPES:
            return Accepted(event, routes)
        return Accepted(event, routes, facts.link(event), facts.membership(event, self._parent_traits))

    def route(self, event: Event, destination_id: str) -> Route | None:
        """The route of an event that was accepted earlier; None when its source is not connected to the destination any more."""
        source = self.workspace.sources.get(event.source_id)
        if source is None:
            return None
        for route in self._plain(source, event.type.strip().lower()):
            if route.destination_id == destination_id:
                return route
        return None

    def replayed(self, event: Event, destination_id: str) -> Route | None:
        """As `route`; `held` where the destination would hold the event for a link, so that a link that is known by now counts."""
        source = self.workspace.sources.get(event.source_id)
        route = self.route(event, destination_id)
        if source is None or route is None or event.user_id:
            return route
        held = self._held(event, source, self._plain(source, event.type.strip().lower()))
        return next(found for found in held if found.destination_id == destination_id)

    def _plain(self, source: Source, kind: str, *, in_order: bool = False) -> tuple[Route, ...]:
        known = self._routes.get((source.id, kind, in_order))
        if known is not None:
            return known
        routes = tuple(
            Route(
                config.id,
                destination.channel(kind, config.settings),
                settle_s=destination.spec.settle_s if source.type == "web" else 0.0,
                in_order=in_order,
                gate=destination.order(kind, config.settings) == "gate",
                gated=destination.order(kind, config.settings) == "gated",
            )
            for config, destination, _ in self._lines.get(source.id, ())
        )
        if kind in KNOWN_TYPES:
            self._routes[source.id, kind, in_order] = routes
        return routes

    def _held(self, event: Event, source: Source, routes: tuple[Route, ...]) -> tuple[Route, ...]:
        """The routes of an anonymous event: where the destination holds it, it waits for a link, unless a rule stops it anyway."""
        held: list[Route] = []
        for route, (config, destination, connection) in zip(
            routes, self._lines.get(source.id, ()), strict=True
        ):
            hold_s: float | None = None
            if getattr(config.settings, "anonymous_visitors", "") == "hold":
                message = wire_message.read(event, source.type, whole=False)
                if not isinstance(message, Rejected) and not rules.decide(
                    message, source, config, connection, destination.spec
                ):
                    hold_s = destination.holds(message, connection.mode, config.settings)
            if hold_s is None:
                held.append(route)
            else:
                held.append(
                    Route(
                        route.destination_id,
                        route.channel,
                        held=True,
                        hold_s=hold_s,
                        gate=route.gate,
                        gated=route.gated,
                    )
                )
        return tuple(held)
