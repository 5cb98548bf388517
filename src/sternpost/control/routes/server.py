"""The server itself: counts, checks, reasons, refused requests."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, get_args

from starlette.requests import Request

from sternpost.control import fate
from sternpost.control.context import Context
from sternpost.control.doctor import examine
from sternpost.control.operation import AFTER, LIMIT, NEXT, Operation
from sternpost.control.routes.common import PAGE_ROWS, page_of, totals
from sternpost.control.schema import (
    CHECK,
    COUNT,
    COUNTS,
    NUMBER,
    TEXT,
    TIME,
    WHO,
    YES_NO,
    by_name,
    list_of,
    one_of,
    or_null,
    record,
    texted,
)
from sternpost.notes import NOTES, NoteText
from sternpost.reasons import REASONS, Reason, Stage

REFUSED = record(
    {
        "at": TIME,
        "firstAt": TIME,
        "count": COUNT,
        "path": TEXT,
        "status": {"type": "integer"},
        "reason": TEXT,
        "explanation": TEXT,
        "remedy": TEXT,
        "who": WHO,
        "source": or_null(TEXT),
        "writeKey": texted(TEXT, "Shortened."),
        "library": TEXT,
        "origin": TEXT,
        "addressHash": TEXT,
        "sample": texted(TEXT, "The beginning of its body."),
    },
    title="Refused",
)


async def stats(context: Context, request: Request) -> Any:
    return await totals(context)


async def doctor(context: Context, request: Request) -> Any:
    return await examine(context)


async def reasons(context: Context, request: Request) -> Any:
    every: list[Reason | NoteText] = [*REASONS.values(), *NOTES.values()]
    page, following = page_of(request, every)
    return {
        "reasons": [asdict(one) for one in page if isinstance(one, Reason)],
        "notes": [asdict(one) for one in page if isinstance(one, NoteText)],
        "next": following,
    }


async def refused(context: Context, request: Request) -> Any:
    entries = []
    page, following = page_of(request, context.refused(), PAGE_ROWS)
    for entry in page:
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
    return {"refused": entries, "next": following}


OPERATIONS = (
    Operation(
        stats,
        "GET",
        "/stats",
        "Counts",
        "destinations, sources, arrivals, disk",
        members={
            "destinations": by_name(COUNTS),
            "sources": by_name(record({"received": COUNT, "duplicates": COUNT}, title="SourceCounts")),
            "arrivals": record({"events": COUNT, "bytes": COUNT, "setAside": COUNT, "oldestSeconds": NUMBER}),
            "disk": record({"bytes": COUNT, "bytesMax": COUNT}),
        },
    ),
    Operation(
        doctor,
        "GET",
        "/doctor",
        "Checks of the server and of every destination",
        "ok, checks",
        role="editor",
        members={"ok": YES_NO, "checks": list_of(CHECK, text="Of the server, then of each destination.")},
    ),
    Operation(
        reasons,
        "GET",
        "/reasons",
        "Every reason, then every note, with its remedy",
        "reasons, notes, next",
        query=(LIMIT, AFTER),
        members={
            "reasons": list_of(
                record(
                    {
                        "code": TEXT,
                        "stage": one_of(*get_args(Stage)),
                        **dict.fromkeys(("title", "text", "remedy"), TEXT),
                        "who": WHO,
                    },
                    title="Reason",
                )
            ),
            "notes": list_of(
                record(dict.fromkeys(("code", "title", "text", "remedy"), TEXT), title="ReasonOfNote")
            ),
            "next": NEXT,
        },
    ),
    Operation(
        refused,
        "GET",
        "/refused",
        "Requests that were turned away, the latest first",
        "refused, next",
        query=(LIMIT, AFTER),
        members={"refused": list_of(REFUSED), "next": NEXT},
    ),
)
