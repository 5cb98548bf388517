"""Destinations that exist for these tests only, with a field of every kind."""

from __future__ import annotations

from typing import Any

from sternpost.destinations.base import Field, Spec
from sternpost.model import Mode

ALL_MODES: frozenset[Mode] = frozenset({"device", "cloud", "hybrid"})
CLOUD: frozenset[Mode] = frozenset({"cloud"})


class Analytics:
    spec = Spec(
        type="analytics",
        display_name="Analytics",
        summary="Takes everything.",
        fields=(
            Field("region", "Region", "", kind="choice", default="us", choices=("us", "eu", "au", "custom")),
            Field("apiKey", "App key", ""),
            Field("integrationKey", "Integration key", "", kind="secret"),
            Field("trackSecret", "Track secret", "", kind="secret"),
            Field("pageEvents", "Page calls", "", kind="choice", default="off", choices=("off", "track")),
            Field("createMissing", "Create", "", kind="boolean", default=True),
            Field("holdDays", "Days", "", kind="integer", default=6, minimum=1, maximum=7),
            Field("parentTrait", "Parent", ""),
            Field("options", "Options", "", kind="object", default={}),
            Field("hosts", "Hosts", "", kind="object"),
        ),
        types=frozenset(),
        modes={"web": ALL_MODES, "mobile": CLOUD, "server": CLOUD},
    )

    def parse(self, values: Any) -> Any:
        if values["region"] == "custom" and "hosts" not in values:
            raise ValueError("hosts.api: A custom region needs hosts.")
        return dict(values)


class Hook:
    spec = Spec(
        type="hook",
        display_name="Hook",
        summary="Posts.",
        fields=(
            Field("url", "Address", "", kind="url", required=True, example="https://hooks.example.com"),
            Field("headers", "Headers", "", kind="map", default={}),
            Field("signingSecret", "Secret", "", kind="secret"),
        ),
        types=frozenset(),
        modes={"web": CLOUD, "mobile": CLOUD, "server": CLOUD},
    )

    def parse(self, values: Any) -> Any:
        return dict(values)


DESTINATIONS: Any = {"analytics": Analytics(), "hook": Hook()}
