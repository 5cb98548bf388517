"""Events: the list, one event, the search."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from sternpost.console import words
from sternpost.console.inside import ApiProblem, part
from sternpost.console.pages.common import FOLLOWED, name_of, paged
from sternpost.console.surroundings import Elsewhere, Page, PageOf, Result, Surroundings, Visit
from sternpost.control import fate
from sternpost.store.selection import Selection

ROWS = 50  #: of a list before anything was streamed into it
LIVE_ROWS_MAX = 500  #: that a page keeps


async def events(around: Surroundings, visit: Visit) -> Result:
    line, before = visit.query("q").strip(), visit.query("before")
    span = await around.context.views.span()
    stats = await around.api.get("/stats")
    data: dict[str, Any] = {
        "refused_count": sum(entry.count for entry in around.context.refused()),
        "kept": sum(source["received"] for source in stats["sources"].values()),
        "kept_since": fate.when(span.oldest_received_at),
        "rows_max": LIVE_ROWS_MAX,
        "older": "",
        "problem": "",
        "events": [],
        "next": None,
        "filtered": bool(line),
        "paged": bool(before),
        "chips": _chips(around),
        "several": len(around.context.workspaces.current.destinations) > 1,
        "source": next(
            (one for one in around.context.workspaces.current.sources.values() if one.enabled), None
        ),
    }
    if visit.query("tab") == "refused":
        del data["source"]
        data.update(await paged(around, visit, "/refused"))
        return Page("refused.html", "Refused requests", data)
    status = 200
    try:
        found = await around.api.get("/events", {"q": line, "before": before, "limit": str(ROWS)})
        data.update(found)
    except ApiProblem as problem:
        if problem.status != 400:
            raise
        data["problem"], status = problem.message, 400
    if visit.request.headers.get("accept", "").startswith("application/json"):
        del data["source"]
    return Page("events.html", f"{line} · Events" if line else "Events", data, status)


def _chips(around: Surroundings) -> list[dict[str, str]]:
    workspace = around.context.workspaces.current
    found = [
        {"text": "All", "q": ""},
        {"text": "Last hour", "q": "since:1h"},
        {"text": "In trouble", "q": "state:rejected,blocked,retrying"},
        {"text": "Skipped", "q": "state:skipped"},
    ]
    some = list(workspace.sources.values())[:4] if len(workspace.sources) > 1 else []
    return [
        *found,
        *({"text": one.name, "q": f"source:{words.filter_value(one.id)}"} for one in some),
    ]


async def trace(around: Surroundings, visit: Visit) -> Result:
    message_id: str = visit.request.path_params["message_id"]
    try:
        found = await around.api.get(f"/events/{part(message_id)}", {"source": visit.query("source")})
    except ApiProblem as problem:
        if problem.status != 404:
            raise
        return Page(
            "unknown.html",
            "Unknown event",
            {"message_id": message_id, **problem.body},
            404,
        )
    events = found["events"]
    if FOLLOWED not in await around.facts.remembered(FOLLOWED):
        await around.facts.remember({FOLLOWED: fate.when(around.clock()) or ""})
    event = events[0]
    shown = [
        {
            **standing,
            "name": name_of(around, standing["destination"]),
            "folded": words.folded(standing["steps"]),
        }
        for standing in event["destinations"]
    ]
    chosen = _chosen(visit, event)
    attempt: Mapping[str, Any] | None = None
    number = 0
    if chosen is not None and (attempts := shown[chosen]["attempts"]):
        number = _between(visit.query("try"), 1, len(attempts))
        attempt = attempts[number - 1]
    standing = shown[chosen] if chosen is not None else None
    name = event["name"] or event["type"] or "Event"
    state = standing["state"] if standing else "kept"
    source = around.context.workspaces.current.sources.get(event["source"])
    return Page(
        "trace.html",
        f"{name} · {state}",
        {
            "events": events,
            "final": words.final(event),
            "event": event,
            "standings": shown,
            "chosen": standing,
            "attempt": attempt,
            "attempt_number": number,
            "source_name": source.name if source else event["source"],
            "clock_difference_s": words.clock_difference_s(event),
            "noted": [note["path"] for note in standing["diagnostics"]] if standing else [],
            "as_command": around.commands(words.follow(event["messageId"])),
            "api_path": f"/api/v1/events/{part(event['messageId'])}",
            "version_of_page": _digest(events),
        },
    )


async def try_again(around: Surroundings, visit: Visit) -> Result:
    """The button of one event: try it again, as far as that is possible."""
    message_id, source = visit.form.get("messageId", ""), visit.form.get("source", "")
    destination = visit.form.get("destination", "")
    address = f"/console/events/{part(message_id)}?source={part(source)}&dest={part(destination)}"
    try:
        answer = await around.api.post(
            "/again", {"messageId": message_id, "source": source, "destination": destination}
        )
    except ApiProblem as problem:
        return Elsewhere(address, f"{problem.message} {problem.remedy}".strip(), wrong=True)
    return Elsewhere(address, answer["said"])


async def search(around: Surroundings, visit: Visit) -> Result:
    """A messageId, a person, a source or a destination: straight to its page; else a list."""
    text = visit.query("q").strip()
    if not text:
        return Elsewhere("/console/events")
    workspace = around.context.workspaces.current
    for kind, known in (("sources", workspace.sources), ("destinations", workspace.destinations)):
        for identifier, one in known.items():
            if text.casefold() in {identifier.casefold(), one.name.casefold()}:
                return Elsewhere(f"/console/{kind}/{part(identifier)}")
    try:
        found = await around.api.get(f"/events/{part(text)}", {"prefix": "1"})
        return Elsewhere(f"/console/events/{part(found['events'][0]['messageId'])}")
    except ApiProblem:
        pass  # it is no messageId
    if re.match(r"-?[a-z]+:", text):
        return Elsewhere(f"/console/events?q={part(text)}")
    if not visit.who.personal_data:
        return Elsewhere(f"/console/events?q={part(words.filter_value(text))}")
    for key, selection in (
        ("user", Selection(user_ids=frozenset({text}))),
        ("anon", Selection(anonymous_ids=frozenset({text}))),
    ):
        if (await around.context.views.recent(1, selection)).kept:
            if visit.may("editor"):
                return Elsewhere(f"/console/people/{part(text)}")
            return Elsewhere(f"/console/events?q={part(f'{key}:{words.filter_value(text)}')}")
    return Elsewhere(f"/console/events?q={part(words.filter_value(text))}")


def _chosen(visit: Visit, event: Mapping[str, Any]) -> int | None:
    """Which destination's requests are shown."""
    wanted = visit.query("dest")
    for index, standing in enumerate(event["destinations"]):
        if standing["destination"] == wanted:
            return index
    return words.main_standing(event)


def _between(text: str, lowest: int, highest: int) -> int:
    """A number of an address; the highest when there is none."""
    if text.isascii() and text.isdigit() and len(text) < 9:
        return max(lowest, min(int(text), highest))
    return highest


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]


PAGES: tuple[PageOf, ...] = (
    ("GET", "/events", events),
    ("GET", "/events/{message_id:path}", trace),
    ("POST", "/again", try_again),
    ("GET", "/search", search),
)
