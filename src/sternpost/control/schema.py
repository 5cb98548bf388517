"""The forms of answers as JSON Schema: a few words to write them with, and those that several operations share.

An object has the members that are named and no other, so that the document says all of an answer or the tests fail. A form with a title is
described once, in the document's components (`hoisted`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from sternpost.model import STATES

Schema: TypeAlias = Mapping[str, Any]

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
COUNT: Schema = {"type": "integer", "minimum": 0}
YES_NO: Schema = {"type": "boolean"}
TIME: Schema = {"type": "string", "format": "date-time"}
OBJECT: Schema = {"type": "object"}  #: of any members: what a client sent, or a partner's
TEXTS: Schema = {"type": "array", "items": TEXT}


def one_of(*words: str | None, text: str = "") -> Schema:
    """One of a few words; None among them is null."""
    kind: Any = ["string", "null"] if None in words else "string"
    return {"type": kind, "enum": list(words), **({"description": text} if text else {})}


def or_null(schema: Schema) -> Schema:
    """The same, or null."""
    if "$ref" in schema or "title" in schema or not isinstance(schema.get("type"), str):
        return {"anyOf": [schema, {"type": "null"}]}
    return {**schema, "type": [schema["type"], "null"]}


def list_of(schema: Schema, *, most: int | None = None, text: str = "") -> Schema:
    """A list; with `most` it never has more, and needs no pages."""
    return {
        "type": "array",
        "items": schema,
        **({"maxItems": most} if most is not None else {}),
        **({"description": text} if text else {}),
    }


def by_name(schema: Schema, text: str = "") -> Schema:
    """An object whose members have names that are not known before."""
    return {
        "type": "object",
        "additionalProperties": schema,
        **({"description": text} if text else {}),
    }


def record(
    members: Mapping[str, Schema],
    optional: Mapping[str, Schema] | None = None,
    *,
    title: str = "",
    text: str = "",
) -> Schema:
    """An object with these members and no other; `optional` ones may be missing."""
    return {
        **({"title": title} if title else {}),
        "type": "object",
        **({"description": text} if text else {}),
        "required": list(members),
        "properties": {**members, **(optional or {})},
        "additionalProperties": False,
    }


def without(schema: Schema, *names: str) -> Schema:
    """An object of which some members may be missing."""
    left = [name for name in schema["required"] if name not in names]
    return {name: value for name, value in schema.items() if name != "title"} | {"required": left}


def texted(schema: Schema, text: str) -> Schema:
    """The same with a description."""
    return {**schema, "description": text}


def hoisted(value: Any, components: dict[str, Any]) -> Any:
    """A document in which every form with a title is a reference to `components`, which it fills."""
    if isinstance(value, Mapping):
        found = {name: hoisted(member, components) for name, member in value.items()}
        title = found.get("title")
        if isinstance(title, str) and "type" in found:
            del found["title"]
            assert components.setdefault(title, found) == found, f"two forms are called {title}"
            return {"$ref": f"#/components/schemas/{title}"}
        return found
    if isinstance(value, list | tuple):
        return [hoisted(member, components) for member in value]
    return value


# --- what several operations share ------------------------------------------------------------------------------------

WHO = one_of("developer", "owner", "operator", "time", "nobody", text="Who has to act.")
MODE = one_of("device", "cloud", "hybrid")
STATE = one_of(*STATES)
STATE_OR_NULL = one_of(*STATES, None)
NOTE = record({"code": TEXT, "path": TEXT, "detail": TEXT}, title="Note")
REQUEST = record(
    {
        "method": TEXT,
        "url": TEXT,
        "headers": by_name(TEXT, "Secrets masked."),
        "body": TEXT,
    },
    {"rebuilt": texted(YES_NO, "It was not kept, but made again from the event and the settings of now.")},
    title="Request",
)
REPLY = record(
    {"status": or_null({"type": "integer"}), "headers": by_name(TEXT), "body": or_null(TEXT)}, title="Reply"
)
ATTEMPT = record(
    {
        "at": or_null(TIME),
        "ms": or_null(NUMBER),
        "request": or_null(REQUEST),
        "reply": or_null(REPLY),
        "error": or_null(TEXT),
        "outcome": one_of("delivered", "skipped", "rejected", "retry", "blocked", ""),
        "waitS": or_null(texted(NUMBER, "How long until the next one, in seconds.")),
    },
    {"requestMissing": texted(TEXT, "Why there is no request.")},
    title="Attempt",
)
_STANDING: Schema = {
    "destination": TEXT,
    "channel": TEXT,
    "mode": one_of("device", "cloud", "hybrid", None),
    "state": STATE,
    "reason": or_null(TEXT),
    "explanation": TEXT,
    "remedy": TEXT,
    "who": WHO,
    "verdict": TEXT,
    "diagnostics": list_of(NOTE),
    "tries": COUNT,
    "settledAt": or_null(TIME),
    "nextAttemptAt": or_null(TIME),
    "waitsFor": or_null(texted(TEXT, "The messageId of the event that goes first.")),
}
_REPLAYED: Schema = {
    "replay": record(
        {
            "id": TEXT,
            "before": or_null(
                record({"state": STATE, "reason": or_null(TEXT), "settledAt": or_null(TIME)}, title="Before")
            ),
        },
        text="The replay that put it where it is, and the outcome that this ended.",
    )
}
STEP = record(
    {
        "name": TEXT,
        "result": one_of(
            "passed", "stopped", "ahead", "noted", "sent", "waits", "delivered", "skipped", "rejected"
        ),
        "detail": TEXT,
        "at": or_null(TIME),
        "ms": or_null(NUMBER),
        "items": TEXTS,
    },
    {"waitS": or_null(NUMBER)},
    title="Step",
)
_ENTRY: Schema = {
    "messageId": TEXT,
    "source": TEXT,
    "type": TEXT,
    "name": TEXT,
    "userId": TEXT,
    "anonymousId": TEXT,
    "receivedAt": TIME,
    "originalTimestamp": or_null(TIME),
    "timestamp": TIME,
    "clockDifferenceS": or_null(NUMBER),
    "seen": record({"times": COUNT, "path": TEXT, "position": COUNT, "library": TEXT}),
    "verdict": TEXT,
    "event": texted(OBJECT, "As received, with what was added to it."),
}


def _entry(standing: Schema, more: Schema, title: str) -> Schema:
    there = record(standing, _REPLAYED, title=f"{title}Destination")
    return record({**_ENTRY, "destinations": list_of(there), **more}, title=title)


#: An event as lists and the live stream have it; with its tries; and with its whole way.
ENTRY = _entry(_STANDING, {}, "Entry")
TRIED_ENTRY = _entry({**_STANDING, "attempts": list_of(ATTEMPT)}, {}, "TriedEntry")
FATE = _entry(
    {
        **_STANDING,
        "attempts": list_of(ATTEMPT),
        "steps": list_of(STEP),
        "again": record({"how": one_of("retry", "now", "ask", "replay", ""), "why": TEXT}, title="Again"),
    },
    {"notFor": list_of(record({"destination": TEXT, "name": TEXT, "why": TEXT}, title="NotFor"))},
    "Fate",
)
COUNTS = record(
    {**dict.fromkeys(STATES, COUNT), "oldestPendingSeconds": {"type": "number", "minimum": 0}}, title="Counts"
)
BLOCKED = record(
    {
        "channel": TEXT,
        "reason": TEXT,
        "explanation": TEXT,
        "remedy": TEXT,
        "who": WHO,
        "since": or_null(TIME),
    },
    title="Blocked",
)
WARNINGS = list_of(
    record({"destination": TEXT, "message": TEXT}, title="Warning"),
    text="What the workspace leaves to be desired.",
)


CHECK = record(
    {
        "name": TEXT,
        "destination": or_null(TEXT),
        "result": one_of("ok", "warning", "fail", "info"),
        "message": TEXT,
        "remedy": TEXT,
        "field": texted(TEXT, "The setting it is about, when it is about one."),
    },
    title="Check",
)
PROBLEMS = list_of(
    record(
        {
            "path": TEXT,
            "message": TEXT,
            "remedy": TEXT,
            "line": or_null(texted(COUNT, "Of the file or text that it came from.")),
        },
        title="Problem",
    ),
    text="Every mistake in the workspace that would be.",
)
