"""Home: what needs a person, the first-run checklist, the test event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sternpost import __version__
from sternpost.console import snippets, words
from sternpost.console.inside import part, send_event
from sternpost.console.pages.common import FOLLOWED, SAMPLE_EVENTS, check_passed, events_said, is_own
from sternpost.console.surroundings import Elsewhere, Page, PageOf, Result, Surroundings, Visit
from sternpost.control.health import agent as agent_health
from sternpost.control.verify import CHECKED
from sternpost.store.kept import Kept
from sternpost.wire import times

OLDEST_WAITING_WARNING_S = 300
DISK_WARNING = 0.8
REFUSED_SHOWN_S = 86_400
AGENT_REPORTS_MIN = 20  #: fewer say little
AGENT_BLOCKED_WARNING = 0.2  #: of the pages that reported
TEST_EVENT = "Hello from the console"
CHECKLIST_HIDDEN = "console:checklist-hidden"


async def home(around: Surroundings, visit: Visit) -> Result:
    stats = await around.api.get("/stats")
    destinations = await around.api.every("/destinations", "destinations")
    sources = await around.api.every("/sources", "sources")
    failures = await around.api.every("/failures", "failures")
    workspace = await around.api.get("/workspace")
    received, delivered = around.pulse.last_minute()
    minutes = around.pulse.minutes()
    oldest = max((one["counts"]["oldestPendingSeconds"] for one in destinations), default=0)
    names = {one["id"]: one for one in destinations}
    connections = [
        {"source": source, "mode": one["mode"], "destination": names[one["destination"]]}
        for source in sources
        for one in source["connections"]
    ]
    facts = await around.facts.remembered("console:") | await around.facts.remembered(CHECKED)
    checklist = await _checklist(around, facts, stats, destinations, sources)
    return Page(
        "home.html",
        "Home",
        {
            "attention": await _attention(around, stats, destinations, failures, workspace),
            "remarks": [
                {"id": one["id"], "name": one["name"], "text": warning}
                for one in destinations
                for warning in one["warnings"]
            ],
            "received_per_minute": received,
            "delivered_per_minute": delivered,
            "received_line": _line([one for one, _ in minutes]),
            "delivered_line": _line([one for _, one in minutes]),
            "received_hour": sum(one for one, _ in minutes),
            "delivered_hour": sum(one for _, one in minutes),
            "oldest_seconds": oldest,
            "disk": stats["disk"],
            "connections": connections,
            "unconnected": [source for source in sources if not source["connections"]],
            "checklist": checklist,
            "checklist_open": CHECKLIST_HIDDEN not in facts or not facts[CHECKLIST_HIDDEN],
            "checklist_done": all(step["done"] for step in checklist),
            "source": next((source for source in sources if source["enabled"]), None),
            "pendo_yaml": snippets.first_pendo(sources[0]["id"] if sources else "web"),
            "writable": workspace["writable"],
        },
    )


async def _attention(
    around: Surroundings,
    stats: Mapping[str, Any],
    destinations: Sequence[Mapping[str, Any]],
    failures: Sequence[Mapping[str, Any]],
    workspace: Mapping[str, Any],
) -> list[dict[str, str]]:
    """What needs a person, the worst first: a sentence, where to look, and what the link says."""
    found: list[dict[str, str]] = []

    def add(text: str, link: str, link_text: str, remedy: str = "") -> None:
        found.append({"text": text, "link": link, "link_text": link_text, "remedy": remedy})

    fine, health = await around.context.health()
    if not fine:
        add(
            f"Events cannot be accepted: {health.get('problem')}",
            "/console/settings",
            "Limits",
            "Senders are answered with 503 and try again by themselves.",
        )
    for notice in health.get("notices", ()):
        add(notice, "/console/settings", "Limits")
    for one in destinations:
        if one["enabled"] and (one["blocked"] or one["state"].startswith("Blocked")):
            remedy = one["blocked"][0]["remedy"] if one["blocked"] else ""
            add(
                f"{one['name']}: {words.sentences(one['state'])[0]}",
                f"/console/destinations/{part(one['id'])}",
                "Look",
                remedy,
            )
    if workspace["problem"]:
        add(
            f"The newest version of the workspace file is not in force: {workspace['problem']}",
            "/console/settings#workspace",
            "Workspace",
        )
    since = around.clock() - REFUSED_SHOWN_S
    rejected = sum(one["count"] for one in failures if _seconds(one["lastAt"]) >= since)
    if rejected:
        add(
            f"{events_said(rejected)} will not arrive unless somebody acts.",
            "/console/failures",
            "Failures",
        )
    for one in destinations:
        counts = one["counts"]
        if counts["oldestPendingSeconds"] > OLDEST_WAITING_WARNING_S and not one["blocked"]:
            add(
                f"{one['name']} is {words.seconds(counts['oldestPendingSeconds'])} behind.",
                f"/console/destinations/{part(one['id'])}",
                "Look",
            )
    unknown = [
        entry
        for entry in around.context.refused()
        if entry.reason == "write_key_unknown" and entry.at >= since
    ]
    if unknown:
        count = sum(entry.count for entry in unknown)
        what = "1 request came" if count == 1 else f"{words.number(count)} requests came"
        keys = ", ".join(sorted({entry.write_key for entry in unknown})[:3])
        add(f"{what} with an unknown write key ({keys}).", "/console/events?tab=refused", "Refused")
    for one in destinations:
        agent = agent_health(around.context.agents(one["id"]))
        if agent["total"] >= AGENT_REPORTS_MIN and agent["missing"] > AGENT_BLOCKED_WARNING * agent["total"]:
            add(
                f"{one['name']}: the browser agent did not load on {agent['percent']} % of the pages that reported.",
                f"/console/destinations/{part(one['id'])}#agent",
                "Look",
                "Blockers stop it; cloud mode delivers without it.",
            )
    used, limit = stats["disk"]["bytes"], stats["disk"]["bytesMax"]
    if limit and used > DISK_WARNING * limit:
        add(
            f"Kept events use {words.size(used)} of {words.size(limit)}.",
            "/console/settings#limits",
            "Limits",
            "Above the limit the oldest that are done go first. Raise --bytes-max to keep them longer.",
        )
    return found


async def _checklist(
    around: Surroundings,
    facts: Mapping[str, str],
    stats: Mapping[str, Any],
    destinations: Sequence[Mapping[str, Any]],
    sources: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Questions about facts; nobody can tick a box by hand."""
    fine, health = await around.context.health()
    newest = (await around.context.views.recent(SAMPLE_EVENTS)).kept
    pendos = [one for one in destinations if one["type"] == "pendo"]
    connected = any(not is_own(kept) for kept in newest)
    return [
        {
            "id": "ready",
            "title": "Ready to accept",
            "done": fine,
            "text": f"{around.store}, {words.size(health.get('diskFreeBytes', 0))} free."
            if fine
            else str(health.get("problem")),
        },
        {
            "id": "send",
            "title": "Send a test event",
            "done": any(source["received"] for source in stats["sources"].values()),
        },
        {"id": "follow", "title": "Follow it", "done": FOLLOWED in facts, "last": _last_id(newest)},
        {
            "id": "pendo",
            "title": "Add Pendo",
            "done": any(check_passed(facts, one["id"]) for one in pendos),
            "pendo": pendos[0]["id"] if pendos else "",
        },
        {
            "id": "connect",
            "title": "Connect your app",
            "done": connected,
            "source": next((source["id"] for source in sources if source["enabled"]), ""),
        },
        {
            "id": "delivered",
            "title": "Delivered to Pendo",
            "done": any(one["counts"]["delivered"] for one in pendos),
            "pendo": pendos[0]["id"] if pendos else "",
        },
    ]


async def checklist_shown(around: Surroundings, visit: Visit) -> Result:
    hidden = "1" if visit.form.get("show") != "1" else ""
    await around.facts.remember({CHECKLIST_HIDDEN: hidden})
    return Elsewhere("/console/")


async def test_event(around: Surroundings, visit: Visit) -> Result:
    """Send an event through the same door as every client."""
    workspace = around.context.workspaces.current
    wanted = visit.form.get("source", "")
    source = next((one for one in workspace.sources.values() if one.enabled and wanted in {"", one.id}), None)
    if source is None:
        return Elsewhere("/console/sources", "No source is switched on, so nothing was sent.", wrong=True)
    message_id = around.context.new_id()
    status = await send_event(
        around.gateway,
        source.write_key,
        "/v1/track",
        {
            "messageId": message_id,
            "userId": "test-user",
            "event": TEST_EVENT,
            "properties": {"sentBy": "the console's test button"},
            "context": {"library": {"name": snippets.LIBRARY, "version": __version__}},
        },
    )
    if status != 200:
        return Elsewhere(
            "/console/events?tab=refused", f"The test event was refused with status {status}.", wrong=True
        )
    return Elsewhere(f"/console/events/{part(message_id)}", f"Sent to {source.name}. This is its way.")


def _line(values: Sequence[int]) -> str:
    """The points of a line in a picture of 120 by 28."""
    highest = max(values, default=0) or 1
    step = 120 / max(1, len(values) - 1)
    return " ".join(
        f"{index * step:.1f},{27 - 25 * value / highest:.1f}" for index, value in enumerate(values)
    )


def _last_id(newest: Sequence[Kept]) -> str:
    return newest[0].event.message_id if newest else ""


def _seconds(text: str | None) -> float:
    return (times.parse_ms(text or "") or 0) / 1000


PAGES: tuple[PageOf, ...] = (
    ("GET", "/", home),
    ("POST", "/test-event", test_event),
    ("POST", "/checklist", checklist_shown),
)
