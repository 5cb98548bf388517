"""Sources."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from sternpost.control.context import Context
from sternpost.control.operation import Operation
from sternpost.control.routes.common import totals


async def sources(context: Context, request: Request) -> Any:
    workspace = context.workspaces.current
    counts = (await totals(context))["sources"]
    return {
        "sources": [
            {
                "id": source.id,
                "name": source.name,
                "type": source.type,
                "enabled": source.enabled,
                "writeKey": source.write_key,
                "connections": [
                    {"destination": connection.destination_id, "mode": connection.mode}
                    for connection in workspace.connections
                    if connection.source_id == source.id
                ],
                **counts[source.id],
            }
            for source in workspace.sources.values()
        ]
    }


OPERATIONS = (
    Operation(
        sources, "GET", "/sources", "Sources with their write keys and counts", "sources", role="owner"
    ),
)
