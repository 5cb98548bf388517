"""Small reads of /api/v1: the key itself, and the lists that clients ask for [routes S: OpenAPI; content A: lists.content]."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from sternpost.sandbox import seed
from sternpost.sandbox.auth import KEY_HEADER
from sternpost.sandbox.model import Reply, Request, json_reply
from sternpost.sandbox.payload import query_of
from sternpost.sandbox.state import State


def verify_key(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """`GET /api/v1/token/verify` [S: w6w]; a wrong key never gets here, it got an empty 403."""
    return json_reply(
        200, {"valid": True, "writeAccess": seed.integration_keys(state.region)[request.header(KEY_HEADER)]}
    )


def track_types(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """`GET /api/v1/tracktype[?id=a,b][&appId=]`: one for each event name that was seen."""
    query = query_of(request.query)
    ids = set(query["id"].split(",")) if query.get("id") else None
    rows = [row for row in track_type_rows(state) if ids is None or row["id"] in ids]
    app_id = query.get("appId")
    if app_id and app_id != "expandAppIds":
        rows = [row for row in rows if str(row["appId"]) == app_id]
    return json_reply(200, rows)


def empty_list(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """Pages, features, guides and reports are made by people in Pendo; nobody makes them here."""
    return json_reply(200, [])


def track_type_rows(state: State) -> list[dict[str, Any]]:
    """The track types as lists and aggregation show them; a name counts once one of its events is kept and visible."""
    shown = {(event.app, event.event) for event in state.events if event.type == "track"}
    return [
        {
            "id": track_type_id(app, name),
            "name": name,
            "trackTypeName": name,
            "trackTypeRules": [name],
            "kind": "TrackType",
            "appId": seed.APP_IDS[app],
            "createdAt": first_ms,
            "lastUpdatedAt": first_ms,
        }
        for app, names in state.kept.event_names.items()
        for name, first_ms in names.items()
        if (app, name) in shown
    ]


def track_type_id(app: str, name: str) -> str:
    """An id that the name alone decides, so that it survives restarts."""
    return hashlib.sha256(f"{app}\0{name}".encode(errors="replace")).hexdigest()[:27]
