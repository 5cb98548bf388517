"""Feedback: stored and echoed, a stand-in [A: feedback.stub]."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sternpost.sandbox import limits
from sternpost.sandbox.model import Reply, Request, json_reply, message_reply
from sternpost.sandbox.payload import NotJson, decode_json
from sternpost.sandbox.state import State

_ITEM_BYTES_MAX = limits.FEEDBACK_BYTES_MAX // limits.FEEDBACK_MAX


def list_items(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """All items."""
    return json_reply(200, list(state.kept.feedback.values()))


def create(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """Store an item under a new id and echo it."""
    item = _body(request)
    if isinstance(item, Reply):
        return item
    stored = item | {"id": state.new_id("feedback")}
    state.kept.feedback[stored["id"]] = stored
    if len(state.kept.feedback) > limits.FEEDBACK_MAX:
        del state.kept.feedback[next(iter(state.kept.feedback))]
        state.count_dropped("feedback")
    return json_reply(200, stored)


def get_item(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """One item."""
    item = state.kept.feedback.get(params["id"])
    return _unknown() if item is None else json_reply(200, item)


def change(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """Replace the named fields of an item and echo it."""
    changes, item = _body(request), state.kept.feedback.get(params["id"])
    if isinstance(changes, Reply):
        return changes
    if item is None:
        return _unknown()
    changed = item | changes | {"id": item["id"]}
    if len(json_reply(200, changed).body) > _ITEM_BYTES_MAX:
        return message_reply(413, f"The sandbox keeps {_ITEM_BYTES_MAX:,} bytes of an item.")
    state.kept.feedback[item["id"]] = changed
    return json_reply(200, changed)


def delete(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """Remove an item."""
    return _unknown() if state.kept.feedback.pop(params["id"], None) is None else Reply(200)


def _body(request: Request) -> dict[str, Any] | Reply:
    try:
        body = decode_json(request.body)
    except NotJson as error:
        return message_reply(400, str(error))
    if not isinstance(body, dict):
        return message_reply(400, "The body must be a JSON object.")
    if len(request.body) > _ITEM_BYTES_MAX:
        return message_reply(413, f"The sandbox keeps {_ITEM_BYTES_MAX:,} bytes of an item.")
    return body


def _unknown() -> Reply:
    return message_reply(404, "There is no feedback of that id.")
