"""The pages: each a function from a visit to the data of a template, made of answers of the control API."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import re
import sqlite3
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from sternpost import __version__
from sternpost.console import snippets, words
from sternpost.console.inside import ApiProblem, part, send_event
from sternpost.console.surroundings import AgentReport, Elsewhere, Page, Result, Surroundings, Visit
from sternpost.control import doctor, fate
from sternpost.reasons import REASONS
from sternpost.store.views import Kept, Selection
from sternpost.wire import times
from sternpost.workspace import yaml

ROWS = 50  #: of a list before anything was streamed into it
LIVE_ROWS_MAX = 500  #: that a page keeps
SAMPLE_EVENTS = 500  #: the newest ones, for what no counter says
RETRY_ROUNDS_MAX = 10  #: of 10,000 dead letters each, with one press of the button
OLDEST_WAITING_WARNING_S = 300
DISK_WARNING = 0.8
REFUSED_SHOWN_S = 86_400
AGENT_REPORTS_MIN = 20  #: fewer say little
AGENT_BLOCKED_WARNING = 0.2  #: of the pages that reported
TEST_EVENT = "Hello from the console"

FOLLOWED = "console:followed"
CHECKLIST_HIDDEN = "console:checklist-hidden"
CHECKED = "console:checked:"  #: with the id of a destination: what its last check said


class Pages:
    """Page functions by name; `app` has their addresses."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._api = around.api

    # --- home --------------------------------------------------------------------------------------------------------

    async def home(self, visit: Visit) -> Result:
        stats = await self._api.get("/stats")
        destinations = (await self._api.get("/destinations"))["destinations"]
        sources = (await self._api.get("/sources"))["sources"]
        failures = (await self._api.get("/failures"))["failures"]
        workspace = await self._api.get("/workspace")
        received, delivered = self._around.pulse.last_minute()
        minutes = self._around.pulse.minutes()
        oldest = max((one["counts"]["oldestPendingSeconds"] for one in destinations), default=0)
        names = {one["id"]: one for one in destinations}
        connections = [
            {"source": source, "mode": one["mode"], "destination": names[one["destination"]]}
            for source in sources
            for one in source["connections"]
        ]
        facts = await self._around.facts.remembered("console:")
        checklist = await self._checklist(facts, stats, destinations, sources)
        return Page(
            "home.html",
            "Home",
            {
                "attention": await self._attention(stats, destinations, failures, workspace),
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
        self,
        stats: Mapping[str, Any],
        destinations: Sequence[Mapping[str, Any]],
        failures: Sequence[Mapping[str, Any]],
        workspace: Mapping[str, Any],
    ) -> list[dict[str, str]]:
        """What needs a person, the worst first: a sentence, where to look, and what the link says."""
        found: list[dict[str, str]] = []

        def add(text: str, link: str, link_text: str, remedy: str = "") -> None:
            found.append({"text": text, "link": link, "link_text": link_text, "remedy": remedy})

        fine, health = await self._around.context.health()
        if not fine:
            add(
                f"Events cannot be accepted: {health.get('problem')}",
                "/console/settings",
                "Limits",
                "Senders are answered with 503 and try again by themselves.",
            )
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
        since = self._around.clock() - REFUSED_SHOWN_S
        rejected = sum(one["count"] for one in failures if _seconds(one["lastAt"]) >= since)
        if rejected:
            add(
                f"{_events(rejected)} will not arrive unless somebody acts.",
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
            for entry in self._around.context.refused()
            if entry.reason == "write_key_unknown" and entry.at >= since
        ]
        if unknown:
            count = sum(entry.count for entry in unknown)
            what = "1 request came" if count == 1 else f"{words.number(count)} requests came"
            keys = ", ".join(sorted({entry.write_key for entry in unknown})[:3])
            add(f"{what} with an unknown write key ({keys}).", "/console/events?tab=refused", "Refused")
        for one in destinations:
            agent = _agent(self._around.agents(one["id"]))
            if (
                agent["total"] >= AGENT_REPORTS_MIN
                and agent["missing"] > AGENT_BLOCKED_WARNING * agent["total"]
            ):
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
        self,
        facts: Mapping[str, str],
        stats: Mapping[str, Any],
        destinations: Sequence[Mapping[str, Any]],
        sources: Sequence[Mapping[str, Any]],
    ) -> list[dict[str, Any]]:
        """Questions about facts; nobody can tick a box by hand."""
        fine, health = await self._around.context.health()
        newest = (await self._around.context.views.recent(SAMPLE_EVENTS)).kept
        pendos = [one for one in destinations if one["type"] == "pendo"]
        connected = any(not _own(kept) for kept in newest)
        return [
            {
                "id": "ready",
                "title": "Ready to accept",
                "done": fine,
                "text": f"{self._around.store}, {words.size(health.get('diskFreeBytes', 0))} free."
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
                "done": any(_check_passed(facts, one["id"]) for one in pendos),
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

    async def checklist_shown(self, visit: Visit) -> Result:
        hidden = "1" if visit.form.get("show") != "1" else ""
        await self._around.facts.remember({CHECKLIST_HIDDEN: hidden})
        return Elsewhere("/console/")

    async def test_event(self, visit: Visit) -> Result:
        """Send an event through the same door as every client."""
        workspace = self._around.context.workspaces.current
        wanted = visit.form.get("source", "")
        source = next(
            (one for one in workspace.sources.values() if one.enabled and wanted in {"", one.id}), None
        )
        if source is None:
            return Elsewhere("/console/sources", "No source is switched on, so nothing was sent.", wrong=True)
        message_id = self._around.context.new_id()
        status = await send_event(
            self._around.gateway,
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

    # --- events ------------------------------------------------------------------------------------------------------

    async def events(self, visit: Visit) -> Result:
        line, before = visit.query("q").strip(), visit.query("before")
        refused = (await self._api.get("/refused"))["refused"]
        span = await self._around.context.views.span()
        stats = await self._api.get("/stats")
        data: dict[str, Any] = {
            "refused": refused,
            "refused_count": sum(entry["count"] for entry in refused),
            "kept": sum(source["received"] for source in stats["sources"].values()),
            "kept_since": fate.when(span.oldest_received_at),
            "rows_max": LIVE_ROWS_MAX,
            "older": "",
            "problem": "",
            "events": [],
            "next": None,
            "filtered": bool(line),
            "paged": bool(before),
            "chips": self._chips(),
            "several": len(self._around.context.workspaces.current.destinations) > 1,
            "source": next(
                (one for one in self._around.context.workspaces.current.sources.values() if one.enabled), None
            ),
        }
        if visit.query("tab") == "refused":
            del data["source"]
            return Page("refused.html", "Refused requests", data)
        status = 200
        try:
            found = await self._api.get("/events", {"q": line, "before": before, "limit": str(ROWS)})
            data.update(found)
        except ApiProblem as problem:
            if problem.status != 400:
                raise
            data["problem"], status = problem.message, 400
        if visit.request.headers.get("accept", "").startswith("application/json"):
            del data["source"]
        return Page("events.html", f"{line} · Events" if line else "Events", data, status)

    def _chips(self) -> list[dict[str, str]]:
        workspace = self._around.context.workspaces.current
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

    async def trace(self, visit: Visit) -> Result:
        message_id: str = visit.request.path_params["message_id"]
        try:
            found = await self._api.get(f"/events/{part(message_id)}", {"source": visit.query("source")})
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
        if FOLLOWED not in await self._around.facts.remembered(FOLLOWED):
            await self._around.facts.remember({FOLLOWED: fate.when(self._around.clock()) or ""})
        event = events[0]
        shown = [
            {
                **standing,
                "name": self._name(standing["destination"]),
                "steps": words.way(event, standing),
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
        source = self._around.context.workspaces.current.sources.get(event["source"])
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
                "command": words.command(event["messageId"]),
                "api_path": f"/api/v1/events/{part(event['messageId'])}",
                "version_of_page": _digest(events),
            },
        )

    async def search(self, visit: Visit) -> Result:
        """A messageId, a person, a source or a destination: straight to its page; else a list."""
        text = visit.query("q").strip()
        if not text:
            return Elsewhere("/console/events")
        workspace = self._around.context.workspaces.current
        for kind, known in (("sources", workspace.sources), ("destinations", workspace.destinations)):
            for identifier, one in known.items():
                if text.casefold() in {identifier.casefold(), one.name.casefold()}:
                    return Elsewhere(f"/console/{kind}/{part(identifier)}")
        try:
            found = await self._api.get(f"/events/{part(text)}", {"prefix": "1"})
            return Elsewhere(f"/console/events/{part(found['events'][0]['messageId'])}")
        except ApiProblem:
            pass  # it is no messageId
        if re.match(r"-?[a-z]+:", text):
            return Elsewhere(f"/console/events?q={part(text)}")
        for key, selection in (
            ("user", Selection(user_ids=frozenset({text}))),
            ("anon", Selection(anonymous_ids=frozenset({text}))),
        ):
            if (await self._around.context.views.recent(1, selection)).kept:
                return Elsewhere(f"/console/events?q={part(f'{key}:{words.filter_value(text)}')}")
        return Elsewhere(f"/console/events?q={part(words.filter_value(text))}")

    # --- destinations ------------------------------------------------------------------------------------------------

    async def destinations(self, visit: Visit) -> Result:
        found = (await self._api.get("/destinations"))["destinations"]
        workspace = self._around.context.workspaces.current
        for one in found:
            one["sources"] = [
                {"id": connection.source_id, "mode": connection.mode}
                for connection in workspace.connections
                if connection.destination_id == one["id"]
            ]
        first = next(iter(workspace.sources), "web")
        return Page(
            "destinations.html",
            "Destinations",
            {"destinations": found, "pendo_yaml": snippets.first_pendo(first)},
        )

    async def destination(self, visit: Visit) -> Result:
        identifier: str = visit.request.path_params["destination"]
        found = (await self._api.get("/destinations"))["destinations"]
        one = next((entry for entry in found if entry["id"] == identifier), None)
        if one is None:
            raise ApiProblem(
                404,
                {
                    "error": {
                        "message": f'There is no destination "{identifier[:100]}".',
                        "remedy": "See Destinations.",
                    }
                },
            )
        workspace = self._around.context.workspaces.current
        exact = await self._around.facts.reason_counts(identifier)
        groups = {
            group["reason"]: group
            for group in (await self._api.get("/failures"))["failures"]
            if group["destination"] == identifier
        }
        recent = (
            await self._around.context.views.recent(
                SAMPLE_EVENTS, Selection(destinations=frozenset({identifier}))
            )
        ).kept
        facts = await self._around.facts.remembered(f"{CHECKED}{identifier}")
        checked = facts.get(f"{CHECKED}{identifier}")
        config = workspace.destinations[identifier]
        return Page(
            "destination.html",
            one["name"],
            {
                "destination": one,
                "summary": self._around.context.destinations[config.type].spec.summary,
                "funnel": _funnel(one["counts"], exact, identifier),
                "reasons": _reasons(identifier, one, exact, groups, recent),
                "latency": _latency(identifier, recent),
                "sampled": len(recent),
                "checked": msgspec.json.decode(checked) if checked else None,
                "slowest": _slowest(identifier, recent, self._around.clock()),
                "sources": [
                    {
                        "id": connection.source_id,
                        "name": workspace.sources[connection.source_id].name,
                        "mode": connection.mode,
                    }
                    for connection in workspace.connections
                    if connection.destination_id == identifier
                ],
                "agent": _agent(self._around.agents(identifier)),
                "retention": snippets.retention_text(self._around.retention_s),
            },
        )

    async def check(self, visit: Visit) -> Result:
        """What doctor would say about this destination, kept for its page and the checklist."""
        identifier: str = visit.request.path_params["destination"]
        config = self._around.context.workspaces.current.destinations.get(identifier)
        if config is None:
            return Elsewhere("/console/destinations", "This destination was removed.", wrong=True)
        found = await doctor.examine_destination(self._around.context, config)
        kept = {"at": fate.when(self._around.clock()), **found}
        await self._around.facts.remember({f"{CHECKED}{identifier}": msgspec.json.encode(kept).decode()})
        said = "Every check passed." if found["ok"] else "Something is wrong; see below."
        return Elsewhere(f"/console/destinations/{part(identifier)}#check", said, wrong=not found["ok"])

    # --- failures ----------------------------------------------------------------------------------------------------

    async def failures(self, visit: Visit, *, problem: str = "") -> Result:
        found = (await self._api.get("/failures"))["failures"]
        for group in found:
            group["name"] = self._name(group["destination"])
        return Page(
            "failures.html",
            "Failures",
            {
                "failures": found,
                "problem": problem,
                "problem_of": (visit.form.get("destination", ""), visit.form.get("reason", "")),
                "note": visit.form.get("note", ""),
                "retention": snippets.retention_text(self._around.retention_s),
                "total": sum(group["count"] for group in found),
                "open": (visit.query("destination"), visit.query("reason")),
            },
            400 if problem else 200,
        )

    async def retry(self, visit: Visit) -> Result:
        destination, reason = visit.form.get("destination", ""), visit.form.get("reason", "")
        wanted: dict[str, Any] = {"destination": destination, "reason": reason}
        if message_id := visit.form.get("messageId", ""):
            answer = await self._api.post("/failures/retry", {**wanted, "messageIds": [message_id]})
            said = (
                "It is being tried again."
                if answer["retried"]
                else "Its source is not connected to this destination any more, or it was settled meanwhile; nothing was sent."
            )
            return Elsewhere(f"/console/events/{part(message_id)}", said, wrong=not answer["retried"])
        retried = unconnected = 0
        after: str | None = None
        for _ in range(RETRY_ROUNDS_MAX):
            more = {"after": after} if after else {}
            answer = await self._api.post("/failures/retry", {**wanted, "limit": 10_000, **more})
            retried += answer["retried"]
            unconnected += answer["notConnected"]
            after = answer["next"]
            if after is None:
                break
        said = f"{_events(retried)} went back into the queue, each behind earlier ones of its person."
        if unconnected:
            said += f" {_events(unconnected)} stayed: their source is not connected any more."
        return Elsewhere("/console/failures", said, wrong=not retried)

    async def discard(self, visit: Visit) -> Result:
        destination, reason = visit.form.get("destination", ""), visit.form.get("reason", "")
        note = visit.form.get("note", "").strip()
        groups = (await self._api.get("/failures"))["failures"]
        count = next(
            (
                group["count"]
                for group in groups
                if (group["destination"], group["reason"]) == (destination, reason)
            ),
            0,
        )
        if not count:
            return Elsewhere("/console/failures", "This group is gone: nothing was discarded.", wrong=True)
        typed = re.sub(r"[\s,.']", "", visit.form.get("count", ""))
        if typed != str(count):
            return await self.failures(
                visit, problem=f"Nothing was discarded: type {count} to say that you mean all of them."
            )
        if not note:
            return await self.failures(
                visit, problem="Nothing was discarded: say why. The note is kept with the events."
            )
        try:
            answer = await self._api.post(
                "/failures/discard",
                {"destination": destination, "reason": reason, "note": note, "limit": min(count, 10_000)},
            )
        except ApiProblem as error:
            return await self.failures(visit, problem=f"Nothing was discarded: {error.message}")
        return Elsewhere(
            "/console/failures", f"{_events(answer['discarded'])} ended as skipped, with your note."
        )

    # --- sources -----------------------------------------------------------------------------------------------------

    async def sources(self, visit: Visit) -> Result:
        found = (await self._api.get("/sources"))["sources"]
        refused = (await self._api.get("/refused", {"limit": "500"}))["refused"]
        for one in found:
            seen = await self._seen(one["id"])
            one["lastAt"] = seen["last_at"]
            one["libraries"] = seen["libraries"]
            one["refused"] = sum(entry["count"] for entry in refused if entry["source"] == one["id"])
        return Page("sources.html", "Sources", {"sources": found})

    async def source(self, visit: Visit) -> Result:
        identifier: str = visit.request.path_params["source"]
        found = (await self._api.get("/sources"))["sources"]
        one = next((entry for entry in found if entry["id"] == identifier), None)
        if one is None:
            raise ApiProblem(
                404,
                {"error": {"message": f'There is no source "{identifier[:100]}".', "remedy": "See Sources."}},
            )
        refused = (await self._api.get("/refused", {"limit": "500"}))["refused"]
        seen = await self._seen(identifier)
        for connection in one["connections"]:
            connection["name"] = self._name(connection["destination"])
        return Page(
            "source.html",
            one["name"],
            {
                "source": one,
                "snippets": snippets.snippets(one, visit.base),
                "policy": snippets.policy(visit.base),
                "last_at": seen["last_at"],
                "libraries": seen["libraries"],
                "from_app": seen["from_app"],
                "refused": [entry for entry in refused if entry["source"] == identifier],
                "unknown_keys": [entry for entry in refused if entry["reason"] == "write_key_unknown"],
                "without_key": [entry for entry in refused if entry["reason"] == "write_key_missing"],
            },
        )

    async def _seen(self, source_id: str) -> dict[str, Any]:
        """What the newest events of a source tell: when, and from which libraries."""
        selection = Selection(sources=frozenset({source_id}))
        newest = (await self._around.context.views.recent(100, selection)).kept
        workspace = self._around.context.workspaces.current
        entries = [fate.compose(kept, workspace, attempts=False) for kept in newest]
        libraries = dict.fromkeys(entry["seen"]["library"] for entry in entries if entry["seen"]["library"])
        return {
            "last_at": entries[0]["receivedAt"] if entries else None,
            "libraries": list(libraries)[:5],
            "from_app": any(not _own(kept) for kept in newest),
        }

    # --- settings ----------------------------------------------------------------------------------------------------

    async def settings(self, visit: Visit, *, problem: str = "") -> Result:
        workspace = await self._api.get("/workspace")
        return Page(
            "settings.html",
            "Settings",
            {
                "workspace": workspace,
                "yaml": yaml.dump(workspace["document"]),
                "limits": self._around.limits,
                "disk": (await self._api.get("/stats"))["disk"],
                "store": self._around.store,
                "sqlite": sqlite3.sqlite_version,
                "python": ".".join(map(str, sys.version_info[:3])),
                "dependencies": _dependencies(),
                "has_password": self._around.access.has_password,
                "on_loopback": self._around.on_loopback,
                "browsers": self._around.access.signed_in,
                "problem": problem,
            },
            400 if problem else 200,
        )

    async def password(self, visit: Visit) -> Result:
        new = visit.form.get("new", "")
        if new != visit.form.get("again", ""):
            return await self.settings(visit, problem="The two new passwords differ.")
        problem = await self._around.access.set_password(visit.form.get("current", ""), new, visit.address)
        if problem:
            return await self.settings(visit, problem=problem)
        return Elsewhere("/console/settings#access", "The password is set.")

    async def sign_out_others(self, visit: Visit) -> Result:
        assert visit.session is not None
        count = await self._around.access.sign_out_others(visit.session.token)
        said = "No other browser was signed in." if not count else f"Signed out elsewhere: {count}."
        return Elsewhere("/console/settings#access", said)

    def _name(self, destination_id: str) -> str:
        config = self._around.context.workspaces.current.destinations.get(destination_id)
        return config.name if config else destination_id


# --- below: what pages compute from answers --------------------------------------------------------------------------


def _funnel(
    counts: Mapping[str, int], exact: Mapping[tuple[str, str], int], destination_id: str
) -> dict[str, Any]:
    """From what was fanned out to a destination to what it accepted; every event in one row, or the page says that one is missing."""
    rejected = {code: n for (state, code), n in exact.items() if state == "rejected"}
    before = sum(n for code, n in rejected.items() if code in REASONS and REASONS[code].stage == "rejected")
    there = sum(rejected.values()) - before
    skipped = sum(n for (state, _), n in exact.items() if state == "skipped")
    total = sum(
        counts[state]
        for state in ("pending", "held", "retrying", "blocked", "delivered", "skipped", "rejected")
    )
    dest = f"dest:{words.filter_value(destination_id)}"
    rows = [
        ("Came for it", total, dest, "total"),
        ("Skipped on purpose", skipped, f"{dest} state:skipped", "skipped"),
        ("Rejected before sending", before, f"{dest} state:rejected", "rejected"),
        ("Waiting for its turn", counts["pending"] + counts["held"], f"{dest} state:pending,held", "pending"),
        ("Being tried again", counts["retrying"], f"{dest} state:retrying", "retrying"),
        ("Waiting for a person", counts["blocked"], f"{dest} state:blocked", "blocked"),
        ("Rejected by the destination", there, f"{dest} state:rejected", "rejected"),
        ("Delivered", counts["delivered"], f"{dest} state:delivered", "delivered"),
    ]
    difference = total - sum(n for _, n, _, kind in rows if kind != "total")
    return {
        "rows": [
            {
                "name": name,
                "count": n,
                "percent": round(100 * n / total, 1) if total else 0.0,
                "q": line,
                "kind": kind,
            }
            for name, n, line, kind in rows
        ],
        "total": total,
        "difference": difference,
    }


def _reasons(
    destination_id: str,
    destination: Mapping[str, Any],
    exact: Mapping[tuple[str, str], int],
    groups: Mapping[str, Mapping[str, Any]],
    recent: Sequence[Kept],
) -> list[dict[str, Any]]:
    """Why events of a destination are not (yet) delivered: what needs a person first, then by count."""
    seen: dict[tuple[str, str], list[Kept]] = {}
    for kept in recent:
        for standing in kept.standings:
            if (
                standing.destination_id == destination_id
                and standing.reason
                and standing.state != "delivered"
            ):
                seen.setdefault((standing.state, standing.reason), []).append(kept)
    counts: dict[tuple[str, str], int | None] = dict(exact)
    for pair in seen:
        counts.setdefault(pair, None)
    found = []
    for (state, code), count in counts.items():
        if code == "queued":
            continue  # its turn comes in moments
        samples = seen.get((state, code), [])
        known = REASONS.get(code)  # type: ignore[call-overload]
        group = groups.get(code) if state == "rejected" else None
        found.append(
            {
                "state": state,
                "code": code,
                "title": known.title if known else code,
                "text": known.text if known else "",
                "remedy": known.remedy if known else "",
                "who": known.who if known else "nobody",
                "count": count if count is not None else len(samples),
                "exact": count is not None,
                "lastAt": group["lastAt"]
                if group
                else fate.when(samples[0].event.received_at)
                if samples
                else None,
                "firstAt": group["firstAt"] if group else None,
                "samples": [kept.event.message_id for kept in samples[:3]],
                "failures": state == "rejected",
                "q": f"dest:{words.filter_value(destination_id)} state:{state} reason:{code}",
            }
        )
    urgency = {"blocked": 0, "rejected": 1, "retrying": 2, "held": 3, "pending": 4, "skipped": 5}
    return sorted(found, key=lambda reason: (urgency.get(reason["state"], 9), -reason["count"]))


def _latency(destination_id: str, recent: Sequence[Kept]) -> dict[str, float] | None:
    """From receipt to delivery, of the newest delivered ones."""
    took = sorted(
        max(0.0, standing.settled_at - kept.event.received_at)
        for kept in recent
        for standing in kept.standings
        if standing.destination_id == destination_id
        and standing.state == "delivered"
        and standing.settled_at is not None
    )
    if not took:
        return None
    return {
        name: took[min(len(took) - 1, int(len(took) * share))]
        for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
    }


def _slowest(destination_id: str, recent: Sequence[Kept], now: float) -> list[dict[str, Any]]:
    """Whose events wait longest, among the newest."""
    waiting: dict[str, dict[str, Any]] = {}
    for kept in recent:
        for standing in kept.standings:
            if standing.destination_id != destination_id or standing.state not in {
                "pending",
                "retrying",
                "blocked",
            }:
                continue
            name = kept.event.user_id or kept.event.anonymous_id
            entry = waiting.setdefault(name, {"person": name, "count": 0, "seconds": 0.0, "messageId": ""})
            entry["count"] += 1
            waited = now - kept.event.received_at
            if waited >= entry["seconds"]:
                entry.update(seconds=waited, messageId=kept.event.message_id)
    return sorted(waiting.values(), key=lambda entry: -entry["seconds"])[:10]


def _agent(reports: Sequence[AgentReport]) -> dict[str, Any]:
    """What pages reported about the partner's agent since the server started, by origin, the worst first."""
    total = sum(report.count for report in reports)
    missing = sum(report.count for report in reports if report.state in {"blocked", "failed"})
    rows = [
        {
            "state": report.state,
            "page": report.page,
            "detail": report.detail,
            "count": report.count,
            "lastAt": fate.when(report.last_at),
        }
        for report in sorted(reports, key=lambda report: (report.state == "loaded", -report.count))
    ]
    return {
        "total": total,
        "missing": missing,
        "percent": round(100 * missing / total) if total else 0,
        "rows": rows[:20],
    }


def _line(values: Sequence[int]) -> str:
    """The points of a line in a picture of 120 by 28."""
    highest = max(values, default=0) or 1
    step = 120 / max(1, len(values) - 1)
    return " ".join(
        f"{index * step:.1f},{27 - 25 * value / highest:.1f}" for index, value in enumerate(values)
    )


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


def _own(kept: Kept) -> bool:
    """Whether an event came from the console or the command line, and says nothing about the app."""
    return any(f'"{name}"'.encode() in kept.event.body for name in snippets.OWN_LIBRARIES)


def _last_id(newest: Sequence[Kept]) -> str:
    return newest[0].event.message_id if newest else ""


def _check_passed(facts: Mapping[str, str], destination_id: str) -> bool:
    kept = facts.get(f"{CHECKED}{destination_id}")
    return bool(kept and msgspec.json.decode(kept)["ok"])


def _events(count: int) -> str:
    return "1 event" if count == 1 else f"{words.number(count)} events"


def _seconds(text: str | None) -> float:
    return (times.parse_ms(text or "") or 0) / 1000


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _dependencies() -> list[tuple[str, str, str]]:
    """The packages that this program stands on: name, version, licence."""
    found = []
    for text in importlib.metadata.requires("sternpost") or ():
        name = re.match(r"[A-Za-z0-9._-]+", text)
        if name is None or "extra ==" in text:
            continue
        try:
            about = importlib.metadata.metadata(name[0])
        except importlib.metadata.PackageNotFoundError:
            continue  # of another platform
        fields = about.json
        licence = str(fields.get("license_expression") or fields.get("license") or "")
        found.append((about["Name"], about["Version"], licence.splitlines()[0][:40] if licence else ""))
    return sorted(found, key=lambda entry: entry[0].lower())
