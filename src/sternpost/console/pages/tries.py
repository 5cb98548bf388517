"""Try: what would be sent for an event, as one types; and sending it once for real."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sternpost import __version__
from sternpost.console import snippets
from sternpost.console.inside import ApiProblem, part, send_event
from sternpost.console.surroundings import Elsewhere, Page, PageOf, Result, Surroundings, Visit
from sternpost.store.selection import Selection
from sternpost.wire import message as wire_message

DESTINATIONS_MAX = 10  #: tried at once
EVENT_CHARS_MAX = 60_000  #: a form's bound, less what stands around it
#: What the gateway adds by itself is not shown as if the app had sent it.
ADDED = ("messageId", "receivedAt", "rudderId", "request_ip")
EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "identify": {"type": "identify", "userId": "u1", "traits": {"name": "Ann", "plan": "pro", "address": {"city": "London"}}},
    "group": {"type": "group", "userId": "u1", "groupId": "acme", "traits": {"name": "Acme", "employees": 42}},
    "track": {"type": "track", "userId": "u1", "event": "Checkout", "properties": {"total": 42.5, "currency": "EUR"}},
    "page": {"type": "page", "userId": "u1", "name": "Pricing", "properties": {"path": "/pricing"}},
    "screen": {"type": "screen", "userId": "u1", "name": "Cart", "properties": {"items": 3}},
    "alias": {"type": "alias", "userId": "u1", "previousId": "anonymous-1"},
}  # fmt: skip


async def attempt(around: Surroundings, visit: Visit) -> Result:
    """The page. A GET takes the event from a source or an example; a POST is what somebody typed."""
    workspace = around.context.workspaces.current
    source = visit.form.get("source", "") or visit.query("source") or next(iter(workspace.sources), "")
    text = visit.form.get("event", "") if visit.form else await _from(around, visit, source)
    sent_to = visit.form.get("send", "")
    if sent_to == "source":
        return await _through_the_source(around, source, text)
    data = await _tried(around, source, text, sent_to)
    page = "try_result.html" if visit.request.headers.get("sec-fetch-dest") == "empty" else "try.html"
    return Page(
        page,
        "Try",
        {
            **data,
            "event": text,
            "source": source,
            "sources": [{"id": one.id, "name": one.name} for one in workspace.sources.values()],
            "examples": list(EXAMPLES),
            "form_action": "/console/try",
        },
    )


async def _from(around: Surroundings, visit: Visit, source: str) -> str:
    """The last real event of a source (of that name, when one is given), else an example."""
    example = visit.query("example")
    if example in EXAMPLES:
        return _written(EXAMPLES[example])
    wanted = visit.query("name").strip().casefold()
    message_id = visit.query("id")
    kept = (
        await around.context.views.events_by_message_id(message_id, None)
        if message_id
        else (
            await around.context.views.recent(
                200, Selection(sources=frozenset({source}) if source else frozenset())
            )
        ).kept
    )
    for one in kept:
        body = {name: value for name, value in wire_message.received(one.event).items() if name not in ADDED}
        named = str(body.get("event") or body.get("name") or "").casefold()
        if not wanted or wanted in {named, one.event.type.casefold()}:
            event = {"type": one.event.type, **body}
            if not visit.who.personal_data:
                # As text it would pass what hides values in a page's data.
                event = around.context.personal.answer({"messageId": "", "event": event, "destinations": []})[
                    "event"
                ]
            return _written(event)
    return _written(EXAMPLES["track"])


def _written(event: Mapping[str, Any]) -> str:
    return json.dumps(event, indent=2, ensure_ascii=False)


async def _tried(around: Surroundings, source: str, text: str, sent_to: str) -> dict[str, Any]:
    """What each destination would be sent."""
    workspace = around.context.workspaces.current
    try:
        event = json.loads(text[:EVENT_CHARS_MAX])
    except (ValueError, RecursionError) as error:
        where = (
            f" in line {error.lineno}, column {error.colno}"
            if isinstance(error, json.JSONDecodeError)
            else ""
        )
        return {"problem": f"This is not JSON yet{where}.", "results": []}
    if not isinstance(event, dict):
        return {"problem": "An event is an object: {…}.", "results": []}
    results = []
    for config in list(workspace.destinations.values())[:DESTINATIONS_MAX]:
        if workspace.connection(source, config.id) is None:
            continue
        wanted = {"destination": config.id, "event": event, "source": source, "send": config.id == sent_to}
        try:
            found = await around.api.post("/try", wanted)
        except ApiProblem as error:
            return {"problem": f"{error.message} {error.remedy}".strip(), "results": []}
        results.append({"replies": [], **found, "name": config.name, "sent": config.id == sent_to})
    problem = "" if results else "This source is connected to no destination, so nothing would be sent."
    return {"problem": problem, "results": results}


async def _through_the_source(around: Surroundings, source: str, text: str) -> Result:
    """Send it as an app would, marked as a test, so that it is kept and can be followed."""
    workspace = around.context.workspaces.current
    found = workspace.sources.get(source)
    try:
        event = json.loads(text)
    except ValueError:
        event = None
    if found is None or not isinstance(event, dict):
        return Elsewhere("/console/try", "Nothing was sent: it is no event yet.", wrong=True)
    message_id = around.context.new_id()
    given = event.get("context")
    context: Mapping[str, Any] = given if isinstance(given, dict) else {}
    marked = {
        **event,
        "messageId": message_id,
        "context": {**context, "library": {"name": snippets.LIBRARY, "version": __version__}, "test": True},
    }
    status = await send_event(around.gateway, found.write_key, "/v1/batch", {"batch": [marked]})
    if status != 200:
        return Elsewhere("/console/events?tab=refused", f"It was refused with status {status}.", wrong=True)
    return Elsewhere(
        f"/console/events/{part(message_id)}", f"Sent to {found.name}, marked as a test. This is its way."
    )


PAGES: tuple[PageOf, ...] = (("GET", "/try", attempt, "editor"), ("POST", "/try", attempt, "editor"))
