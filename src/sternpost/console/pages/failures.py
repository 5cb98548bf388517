"""Dead letters: groups, retry, discard."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sternpost.console import snippets
from sternpost.console.inside import ApiProblem, part
from sternpost.console.pages.common import events_said, name_of
from sternpost.console.surroundings import Elsewhere, Page, PageOf, Result, Surroundings, Visit
from sternpost.control import fate
from sternpost.control.routes.failures import exported
from sternpost.wire import times

ROUNDS_MAX = 10  #: of 10,000 dead letters each, with one press of the button


async def failures(around: Surroundings, visit: Visit, *, problem: str = "") -> Result:
    found = (await around.api.get("/failures"))["failures"]
    wanted = (visit.query("destination"), visit.query("reason"))
    mine = (visit.form.get("destination", ""), visit.form.get("reason", ""))
    for group in found:
        key = (group["destination"], group["reason"])
        group["name"] = name_of(around, group["destination"])
        group["open"] = key in {wanted, mine} or (wanted == ("", "") and group is found[0])
        group["open"] |= wanted == (group["destination"], "")
        group["problem"] = problem if key == mine else ""
        config = around.context.workspaces.current.destinations.get(group["destination"])
        group["seconds"] = group["count"] / config.rate_per_second if config else 0.0
        group["alike"] = None
        if group["open"] and group["count"] > 1:
            group["alike"] = await around.api.get(f"/failures/{part(key[0])}/{part(key[1])}/alike")
        if group["oldestReceivedAt"]:
            received_at = (times.parse_ms(group["oldestReceivedAt"]) or 0) / 1000
            group["pruneAt"] = fate.when(received_at + around.retention_s)
        else:
            group["pruneAt"] = None
    return Page(
        "failures.html",
        "Failures",
        {
            "failures": found,
            "several": _several(found),
            "problem": problem,
            "note": visit.form.get("note", ""),
            "shape": visit.form.get("shape"),
            "retention": snippets.retention_text(around.retention_s),
            "total": sum(group["count"] for group in found),
        },
        400 if problem else 200,
    )


def _several(groups: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Destinations with more than one group: all of their dead letters can be retried at once."""
    found: dict[str, dict[str, Any]] = {}
    for group in groups:
        of = found.setdefault(group["destination"], {"destination": group["destination"], "name": group["name"], "count": 0, "groups": 0})  # fmt: skip
        of["count"] += group["count"]
        of["groups"] += 1
    return [of for of in found.values() if of["groups"] > 1]


async def retry(around: Surroundings, visit: Visit) -> Result:
    destination, reason = visit.form.get("destination", ""), visit.form.get("reason", "")
    wanted: dict[str, Any] = {"destination": destination, **({"reason": reason} if reason else {})}
    if visit.form.get("shape") is not None:
        wanted["shape"] = visit.form["shape"]
    if message_id := visit.form.get("messageId", ""):
        answer = await around.api.post("/failures/retry", {**wanted, "messageIds": [message_id]})
        said = (
            "It is being tried again."
            if answer["retried"]
            else "Its source is not connected to this destination any more, or it was settled meanwhile; nothing was sent."
        )
        return Elsewhere(f"/console/events/{part(message_id)}", said, wrong=not answer["retried"])
    retried = unconnected = 0
    after: str | None = None
    for _ in range(ROUNDS_MAX):
        more = {"after": after} if after else {}
        answer = await around.api.post("/failures/retry", {**wanted, "limit": 10_000, **more})
        retried += answer["retried"]
        unconnected += answer["notConnected"]
        after = answer["next"]
        if after is None:
            break
    said = f"{events_said(retried)} went back into the queue, each behind earlier ones of its person."
    if unconnected:
        said += f" {events_said(unconnected)} stayed: their source is not connected any more."
    return Elsewhere("/console/failures", said, wrong=not retried)


async def discard(around: Surroundings, visit: Visit) -> Result:
    """Give up a group, or with `shape` those of it of which the same was said."""
    destination, reason = visit.form.get("destination", ""), visit.form.get("reason", "")
    note, shape = visit.form.get("note", "").strip(), visit.form.get("shape")
    groups = await around.api.every("/failures", "failures")
    group = next(
        (one for one in groups if (one["destination"], one["reason"]) == (destination, reason)), None
    )
    count = 0
    if group is not None:
        same = {one["shape"]: one["count"] for one in group["shapes"]}
        count = group["count"] if shape is None else same.get(shape, 0)
    if not count:
        return Elsewhere("/console/failures", "This group is gone: nothing was discarded.", wrong=True)
    typed = re.sub(r"[\s,.']", "", visit.form.get("count", ""))
    if typed != str(count):
        return await failures(
            around, visit, problem=f"Nothing was discarded: type {count} to say that you mean all of them."
        )
    if not note:
        return await failures(
            around, visit, problem="Nothing was discarded: say why. The note is kept with the events."
        )
    discarded, after = 0, None
    try:
        for _ in range(ROUNDS_MAX):
            left = min(count - discarded, 10_000)
            body = {"destination": destination, "reason": reason, "note": note, "limit": left}
            if shape is not None:
                body["shape"] = shape
            answer = await around.api.post(
                "/failures/discard", {**body, **({"after": after} if after else {})}
            )
            discarded += answer["discarded"]
            after = answer["next"]
            # No more than were typed: what came meanwhile was not meant.
            if after is None or discarded >= count:
                break
    except ApiProblem as error:
        return await failures(
            around,
            visit,
            problem=f"Nothing was discarded: {error.message}"
            if not discarded
            else f"{events_said(discarded)} discarded, then: {error.message}",
        )
    return Elsewhere("/console/failures", f"{events_said(discarded)} ended as skipped, with your note.")


async def export(around: Surroundings, visit: Visit) -> Result:
    return exported(around.context, visit.query("destination"), visit.query("reason"), visit.who)


async def resume(around: Surroundings, visit: Visit) -> Result:
    """Go on with a destination that is blocked."""
    destination = visit.form.get("destination", "")
    content = {"channel": visit.form["channel"]} if visit.form.get("channel") else {}
    resumed = (await around.api.post(f"/destinations/{part(destination)}/resume", content))["resumed"]
    name = name_of(around, destination)
    said = f"{name} is tried again." if resumed else f"Nothing of {name} is blocked any more."
    return Elsewhere(f"/console/destinations/{part(destination)}", said)


PAGES: tuple[PageOf, ...] = (
    ("GET", "/failures", failures),
    ("GET", "/failures/export", export, "editor"),
    ("POST", "/failures/retry", retry),
    ("POST", "/failures/resume", resume),
    ("POST", "/failures/discard", discard),
)
