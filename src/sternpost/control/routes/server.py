"""The server itself: counts, checks, reasons, refused requests."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from starlette.requests import Request

from sternpost.control import fate
from sternpost.control.context import Context
from sternpost.control.doctor import examine
from sternpost.control.operation import LIMIT, Operation
from sternpost.control.routes.common import PAGE_ROWS, limit_of, totals
from sternpost.reasons import NOTES, REASONS


async def stats(context: Context, request: Request) -> Any:
    return await totals(context)


async def doctor(context: Context, request: Request) -> Any:
    return await examine(context)


async def reasons(context: Context, request: Request) -> Any:
    return {
        "reasons": [asdict(reason) for reason in REASONS.values()],
        "notes": [asdict(note) for note in NOTES.values()],
    }


async def refused(context: Context, request: Request) -> Any:
    entries = []
    for entry in context.refused()[: limit_of(request, PAGE_ROWS)]:
        text, remedy, who = fate.explanation(entry.reason, entry.detail)
        entries.append(
            {
                "at": fate.when(entry.at),
                "firstAt": fate.when(entry.first_at),
                "count": entry.count,
                "path": entry.path,
                "status": entry.status,
                "reason": entry.reason,
                "explanation": text,
                "remedy": remedy,
                "who": who,
                "source": entry.source_id,
                "writeKey": entry.write_key,
                "library": entry.library,
                "origin": entry.origin,
                "addressHash": entry.address_hash,
                "sample": entry.sample,
            }
        )
    return {"refused": entries}


OPERATIONS = (
    Operation(stats, "GET", "/stats", "Counts", "destinations, sources, disk"),
    Operation(
        doctor,
        "GET",
        "/doctor",
        "Checks of the server and of every destination",
        "ok, checks",
        role="editor",
    ),
    Operation(reasons, "GET", "/reasons", "Every reason and note with its remedy", "reasons, notes"),
    Operation(
        refused,
        "GET",
        "/refused",
        "Requests that were turned away, the latest first",
        "refused",
        query=(LIMIT,),
    ),
)
