"""Verify: whether the settings of a destination work, saved or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from sternpost.control import audit, changes, verify
from sternpost.control.context import Context
from sternpost.control.operation import Operation
from sternpost.control.routes.common import body_of, destination_of, text_of
from sternpost.control.schema import CHECK, TIME, list_of
from sternpost.model import DestinationConfig

ANSWER: Mapping[str, Any] = {
    "ok": {"type": "boolean", "description": "No check failed."},
    "at": TIME,
    "checks": list_of(CHECK),
}


async def verify_destination(context: Context, request: Request) -> Any:
    audit.nothing_changed(request)
    await body_of(request, may_be_empty=True)
    config = destination_of(context, request.path_params["destination"])
    answer = await verify.verify(context, config)
    await verify.keep(context, config.id, answer)
    return answer


async def verify_settings(context: Context, request: Request) -> Any:
    audit.nothing_changed(request)
    body = await body_of(request, {"type", "settings"})
    return await verify.verify(context, _config(context, request, body))


def _config(context: Context, request: Request, body: Mapping[str, Any]) -> DestinationConfig:
    """The destination that these settings would make; nothing is kept. Raises ApiError, WorkspaceError."""
    document = context.workspaces.document
    entry = {"type": text_of(body, "type"), "settings": body["settings"]}
    if "id" in body:
        identifier = text_of(body, "id")
        known = changes.known(context, "destination", identifier)
        entry = changes.merged(known, {**entry, "enabled": None})
        changed = changes.replaced(document, "destination", identifier, entry)
    else:
        identifier = changes.free_id(document, "destination", "unsaved")
        changed = changes.added(document, "destination", {"id": identifier, **changes.merged({}, entry)})
    workspace = changes.previewed(context, request, changed, "destination", identifier)[1]
    return workspace.destinations[identifier]


OPERATIONS = (
    Operation(
        verify_destination,
        "POST",
        "/destinations/{destination}/verify",
        "Ask a destination with harmless requests whether its settings work; the answer is kept as its last check",
        "ok, at, checks",
        role="editor",
        members=ANSWER,
    ),
    Operation(
        verify_settings,
        "POST",
        "/verify",
        "The same for settings that are not saved; nothing is kept",
        "ok, at, checks",
        role="editor",
        body={
            "type": {"type": "string", "description": "One of the catalogue."},
            "settings": {"type": "object", "description": "With id: what differs from the saved ones."},
            "id": {"type": "string", "description": "A saved destination, whose masked secrets are taken."},
        },
        required=("type", "settings"),
        members=ANSWER,
    ),
)
