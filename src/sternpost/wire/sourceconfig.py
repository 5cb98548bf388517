"""`/sourceConfig`: what a page may know of its source (contract rudderstack-browser-sdk.md 1). Pure; never an integration key or secret.

The genuine SDKs read the same fields as ours. Unknown keys of a destination's `config` are handed to its integration untouched: so region,
hosts and agent options reach our bundle.
"""

from __future__ import annotations

from typing import Any

from sternpost.model import Connection, DestinationConfig, Source, Workspace

#: RudderStack's words for eventFiltering.mode.
_FILTERING = {"off": "disable", "allow": "whitelistedEvents", "deny": "blacklistedEvents"}
#: Providers whose strategy the SDKs take from the source, not from the destination.
_PROVIDERS = ("oneTrust", "ketch", "iubenda")


def source_config(source: Source, workspace: Workspace, *, updated_at: str) -> dict[str, Any]:
    """The answer for one source. A disabled one is told by `enabled: false` and names no destination.

    Destinations in cloud mode are left out: beside any device-mode destination v3 would load a cloud one as well. Of several enabled
    Pendo destinations the first counts: two would be two instances over one agent, every call doubled (D12).
    """
    destinations: list[dict[str, Any]] = []
    for connection in workspace.connections if source.enabled else ():
        config = workspace.destinations[connection.destination_id]
        if (
            connection.source_id != source.id
            or connection.mode == "cloud"
            or config.type != "pendo"
            or not config.enabled
        ):
            continue
        if not destinations:
            destinations.append(_destination(config, connection, updated_at, source.write_key))
    return {
        "source": {
            "id": source.id,
            "name": source.name,
            "writeKey": source.write_key,
            "workspaceId": "sternpost",
            "enabled": source.enabled,
            "updatedAt": updated_at,
            "config": {"statsCollection": {"errors": {"enabled": False}, "metrics": {"enabled": False}}},
            "destinations": destinations,
        },
        "updatedAt": updated_at,
        "consentManagementMetadata": {"providers": _strategies(source, workspace)},
    }


def _strategies(source: Source, workspace: Workspace) -> list[dict[str, str]]:
    """How consents of a provider combine, for all destinations of the source: `or` where each that needs some says so."""
    said: dict[str, set[str]] = {}
    for connection in workspace.connections:
        if connection.source_id == source.id:
            for entry in workspace.destinations[connection.destination_id].consent:
                said.setdefault(entry.provider, set()).add(entry.resolution_strategy or "and")
    return [
        {"provider": provider, "resolutionStrategy": "or" if said.get(provider) == {"or"} else "and"}
        for provider in _PROVIDERS
    ]


def _destination(
    config: DestinationConfig, connection: Connection, updated_at: str, write_key: str
) -> dict[str, Any]:
    settings = config.settings
    names = [{"eventName": name.strip()} for name in config.event_filtering.events if name.strip()]
    mode = config.event_filtering.mode
    return {
        "id": config.id,
        "name": config.name,
        "enabled": True,
        "updatedAt": updated_at,
        "destinationDefinitionId": "pendo",
        # v3 looks for the display name, v2 for the name.
        "destinationDefinition": {"name": "PENDO", "displayName": "Pendo"},
        "shouldApplyDeviceModeTransformation": False,
        "propagateEventsUntransformedOnError": False,
        "config": {
            "apiKey": settings.api_key,
            "writeKey": write_key,  # for the health that our bundle reports from a genuine SDK's page
            "useNativeSDK": True,
            "connectionMode": connection.mode,
            "eventFilteringOption": _FILTERING[mode],
            "whitelistedEvents": names if mode == "allow" else [],
            "blacklistedEvents": names if mode == "deny" else [],
            "consentManagement": [
                {
                    "provider": entry.provider,
                    **(
                        {"resolutionStrategy": entry.resolution_strategy} if entry.resolution_strategy else {}
                    ),
                    "consents": [{"consent": consent} for consent in entry.consents],
                }
                for entry in config.consent
            ],
            "region": settings.region,
            "hosts": {"data": settings.hosts.data, "content": settings.hosts.content},
            "anonymousVisitors": settings.anonymous(connection.mode),
            "metadataGroup": settings.metadata_group,
            "nestedTraits": settings.nested_traits,
            "parentAccountTrait": settings.parent_account_trait or None,
            "agentOptions": dict(settings.agent_options),
            "pageLoad": settings.page_load,
        },
    }
