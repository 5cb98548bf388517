"""Connections: which source goes to which destination, and in which mode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from sternpost.control import changes
from sternpost.control.answers import Answered
from sternpost.control.changes import Document
from sternpost.control.context import Context
from sternpost.control.operation import AFTER, LIMIT, NEXT, Operation
from sternpost.control.routes.common import body_of, page_of, text_of
from sternpost.control.routes.resource import changing, remove, removing
from sternpost.control.schema import MODE, TEXT, list_of, record

CONNECTION = record({"source": TEXT, "destination": TEXT, "mode": MODE, "etag": TEXT}, title="Connection")


async def connections(context: Context, request: Request) -> Any:
    every = [changes.key_of("connection", entry) for entry in context.workspaces.document["connections"]]
    page, following = page_of(request, every)
    return {"connections": [_shown(context, key) for key in page], "next": following}


async def connection(context: Context, request: Request) -> Any:
    shown = _shown(context, _key(request))
    return Answered(shown, 200, {"etag": shown["etag"]})


async def create_connection(context: Context, request: Request) -> Any:
    body = await body_of(request, {"source", "destination"})
    entry = {name: value for name, value in body.items() if value is not None}
    key = changes.key_of(
        "connection", {"source": text_of(body, "source"), "destination": text_of(body, "destination")}
    )
    change = await changes.change(
        context,
        request,
        lambda document: changes.added(document, "connection", entry),
        kind="connection",
        key=None,
    )
    return _changed(context, change, key, entry, status=201)


async def change_connection(context: Context, request: Request) -> Any:
    body = await body_of(request, {"mode"})
    key = _key(request)

    def make(document: Document) -> Document:
        entry = {**changes.known(context, "connection", key), "mode": text_of(body, "mode")}
        return changes.replaced(document, "connection", key, entry)

    change = await changes.change(context, request, make, kind="connection", key=key)
    return _changed(context, change, key, {**changes.known(context, "connection", key), "mode": body["mode"]})


async def delete_connection(context: Context, request: Request) -> Any:
    return await remove(context, request, "connection", _key(request))


def _key(request: Request) -> str:
    return changes.key_of("connection", request.path_params)


def _shown(context: Context, key: str) -> dict[str, Any]:
    entry = changes.known(context, "connection", key)
    return {"mode": "cloud", **entry, "etag": changes.tag(context, entry)}


def _changed(
    context: Context, change: changes.Change, key: str, entry: Mapping[str, Any], *, status: int = 200
) -> Answered:
    if change.dry:
        return changes.made(
            context, change, "connection", {"mode": "cloud", **entry, "etag": ""}, "", status=200
        )
    shown = _shown(context, key)
    return changes.made(context, change, "connection", shown, shown["etag"], status=status)


_ADDRESS = "/connections/{source}/{destination}"

OPERATIONS = (
    Operation(
        connections,
        "GET",
        "/connections",
        "Connections",
        "connections, next",
        query=(LIMIT, AFTER),
        members={
            "connections": list_of(CONNECTION),
            "next": NEXT,
        },
    ),
    changing(
        create_connection,
        "POST",
        "/connections",
        "Connect a source with a destination",
        "connection",
        CONNECTION,
        body={"source": TEXT, "destination": TEXT, "mode": {**MODE, "default": "cloud"}},
        required=("source", "destination"),
        status=201,
    ),
    Operation(connection, "GET", _ADDRESS, "One connection", "the connection itself", schema=CONNECTION),
    changing(
        change_connection,
        "PATCH",
        _ADDRESS,
        "Change the mode of a connection",
        "connection",
        CONNECTION,
        body={"mode": MODE},
        required=("mode",),
    ),
    removing(delete_connection, _ADDRESS, "Remove a connection; what waits for delivery still goes"),
)
