"""Destinations: the list, and how one is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from sternpost.console import snippets, words
from sternpost.console.inside import ApiProblem, part
from sternpost.console.pages.common import CHECKED, SAMPLE_EVENTS, agent_of
from sternpost.console.surroundings import Elsewhere, Page, PageOf, Result, Surroundings, Visit
from sternpost.control import doctor, fate
from sternpost.reasons import REASONS
from sternpost.store.views import Kept, Selection


async def destinations(around: Surroundings, visit: Visit) -> Result:
    found = (await around.api.get("/destinations"))["destinations"]
    workspace = around.context.workspaces.current
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


async def destination(around: Surroundings, visit: Visit) -> Result:
    identifier: str = visit.request.path_params["destination"]
    found = (await around.api.get("/destinations"))["destinations"]
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
    workspace = around.context.workspaces.current
    exact = await around.facts.reason_counts(identifier)
    groups = {
        group["reason"]: group
        for group in (await around.api.get("/failures"))["failures"]
        if group["destination"] == identifier
    }
    recent = (
        await around.context.views.recent(SAMPLE_EVENTS, Selection(destinations=frozenset({identifier})))
    ).kept
    facts = await around.facts.remembered(f"{CHECKED}{identifier}")
    checked = facts.get(f"{CHECKED}{identifier}")
    config = workspace.destinations[identifier]
    return Page(
        "destination.html",
        one["name"],
        {
            "destination": one,
            "summary": around.context.destinations[config.type].spec.summary,
            "funnel": _funnel(one["counts"], exact, identifier),
            "reasons": _reasons(identifier, one, exact, groups, recent),
            "latency": _latency(identifier, recent),
            "sampled": len(recent),
            "checked": msgspec.json.decode(checked) if checked else None,
            "slowest": _slowest(identifier, recent, around.clock()),
            "sources": [
                {
                    "id": connection.source_id,
                    "name": workspace.sources[connection.source_id].name,
                    "mode": connection.mode,
                }
                for connection in workspace.connections
                if connection.destination_id == identifier
            ],
            "agent": agent_of(around.agents(identifier)),
            "retention": snippets.retention_text(around.retention_s),
        },
    )


async def check(around: Surroundings, visit: Visit) -> Result:
    """What doctor would say about this destination, kept for its page and the checklist."""
    identifier: str = visit.request.path_params["destination"]
    config = around.context.workspaces.current.destinations.get(identifier)
    if config is None:
        return Elsewhere("/console/destinations", "This destination was removed.", wrong=True)
    found = await doctor.examine_destination(around.context, config)
    kept = {"at": fate.when(around.clock()), **found}
    await around.facts.remember({f"{CHECKED}{identifier}": msgspec.json.encode(kept).decode()})
    said = "Every check passed." if found["ok"] else "Something is wrong; see below."
    return Elsewhere(f"/console/destinations/{part(identifier)}#check", said, wrong=not found["ok"])


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


PAGES: tuple[PageOf, ...] = (
    ("GET", "/destinations", destinations),
    ("GET", "/destinations/{destination}", destination),
    ("POST", "/destinations/{destination}/check", check),
)
