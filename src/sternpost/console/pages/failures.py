"""Dead letters: groups, retry, discard."""

from __future__ import annotations

import re
from typing import Any

from sternpost.console import snippets
from sternpost.console.inside import ApiProblem, part
from sternpost.console.pages.common import events_said, name_of
from sternpost.console.surroundings import Elsewhere, Page, PageOf, Result, Surroundings, Visit

RETRY_ROUNDS_MAX = 10  #: of 10,000 dead letters each, with one press of the button


async def failures(around: Surroundings, visit: Visit, *, problem: str = "") -> Result:
    found = (await around.api.get("/failures"))["failures"]
    for group in found:
        group["name"] = name_of(around, group["destination"])
    return Page(
        "failures.html",
        "Failures",
        {
            "failures": found,
            "problem": problem,
            "problem_of": (visit.form.get("destination", ""), visit.form.get("reason", "")),
            "note": visit.form.get("note", ""),
            "retention": snippets.retention_text(around.retention_s),
            "total": sum(group["count"] for group in found),
            "open": (visit.query("destination"), visit.query("reason")),
        },
        400 if problem else 200,
    )


async def retry(around: Surroundings, visit: Visit) -> Result:
    destination, reason = visit.form.get("destination", ""), visit.form.get("reason", "")
    wanted: dict[str, Any] = {"destination": destination, "reason": reason}
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
    for _ in range(RETRY_ROUNDS_MAX):
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
    destination, reason = visit.form.get("destination", ""), visit.form.get("reason", "")
    note = visit.form.get("note", "").strip()
    groups = (await around.api.get("/failures"))["failures"]
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
        return await failures(
            around, visit, problem=f"Nothing was discarded: type {count} to say that you mean all of them."
        )
    if not note:
        return await failures(
            around, visit, problem="Nothing was discarded: say why. The note is kept with the events."
        )
    try:
        answer = await around.api.post(
            "/failures/discard",
            {"destination": destination, "reason": reason, "note": note, "limit": min(count, 10_000)},
        )
    except ApiProblem as error:
        return await failures(around, visit, problem=f"Nothing was discarded: {error.message}")
    return Elsewhere(
        "/console/failures", f"{events_said(answer['discarded'])} ended as skipped, with your note."
    )


PAGES: tuple[PageOf, ...] = (
    ("GET", "/failures", failures),
    ("POST", "/failures/retry", retry),
    ("POST", "/failures/discard", discard),
)
