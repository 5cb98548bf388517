"""The way of an event to a destination, step by step, from received to where it stands. Pure.

What a check saw is told from the event itself, and from the workspace of now: settings that were changed since may have read
otherwise when the check was made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sternpost.control.preview import CHECKS, MAPPING
from sternpost.model import Connection, DestinationConfig, Source, Workspace
from sternpost.notes import NOTES
from sternpost.rules.consent import consent_info

#: Ends that no check and no mapping gives.
AFTER_HOLDING = frozenset({"anonymous_expired", "anonymous_overflow"})
BY_A_PERSON = frozenset({"discarded_by_operator"})
FINAL = frozenset({"delivered", "skipped", "rejected"})
LIST_SHOWN_MAX = 10

Step = dict[str, Any]


def steps(entry: Mapping[str, Any], standing: Mapping[str, Any], workspace: Workspace) -> list[Step]:
    """The steps of one standing of an entry (`fate.compose`) that carries its attempts."""
    return [
        _received(entry, workspace),
        *_checks(entry, standing, workspace),
        *(_try(number, attempt) for number, attempt in enumerate(standing["attempts"], 1)),
        _end(standing),
    ]


def not_for(entry: Mapping[str, Any], workspace: Workspace) -> list[dict[str, str]]:
    """Destinations that the event was not fanned out to, each with the reason."""
    known = {standing["destination"] for standing in entry["destinations"]}
    source = workspace.sources.get(entry["source"])
    found = []
    for config in workspace.destinations.values():
        if config.id in known:
            continue
        if workspace.connection(entry["source"], config.id) is not None:
            why = "It was connected after this event came."
        elif source is None:
            why = f"The source {entry['source']} was removed since."
        else:
            why = f"{source.name} is not connected to it."
        found.append({"destination": config.id, "name": config.name, "why": why})
    return found


def _step(name: str, result: str, detail: str = "", **more: Any) -> Step:
    return {"name": name, "result": result, "detail": detail, "at": None, "ms": None, "items": [], **more}


def _received(entry: Mapping[str, Any], workspace: Workspace) -> Step:
    source, seen = workspace.sources.get(entry["source"]), entry["seen"]
    said = f"By {source.name if source else entry['source']}"
    if seen["path"]:
        said += f" at {seen['path']}"
    if seen["position"]:
        said += f", event {seen['position']} of its batch"
    said += ", safe on disk before it was answered."
    if seen["library"]:
        said += f" Sent by {seen['library']}."
    if seen["times"] > 1:
        said += f" The same id came {seen['times']} times; the first was kept."
    return _step("received", "passed", said, at=entry["receivedAt"])


def _checks(entry: Mapping[str, Any], standing: Mapping[str, Any], workspace: Workspace) -> list[Step]:
    state, reason = standing["state"], standing["reason"]
    if not standing["attempts"] and state not in FINAL:
        if state == "held":
            return [_step("checks", "passed", "No rule stops it; the destination holds anonymous events.")]
        return [_step("checks", "ahead", "They are made when its turn comes, by the rules of then.")]
    config = workspace.destinations.get(standing["destination"])
    source = workspace.sources.get(entry["source"])
    connection = workspace.connection(entry["source"], standing["destination"])
    passed: list[Step] = []
    for name, reasons in CHECKS:
        if state in {"skipped", "rejected"} and reason in reasons:
            return [*passed, _step(name, "stopped", standing["explanation"])]
        passed.append(_step(name, "passed", _seen(name, entry, standing, source, config, connection)))
    if reason in AFTER_HOLDING:
        return [*passed, _step("held", "stopped", standing["explanation"])]
    if state in {"skipped", "rejected"} and not standing["attempts"] and reason not in BY_A_PERSON:
        return [*passed, _step(MAPPING, "stopped", standing["explanation"], items=_noted(standing))]
    items = _noted(standing)
    if items:
        said = f"{len(items)} {'note' if len(items) == 1 else 'notes'}: what was changed on the way, or may not show."
        return [*passed, _step(MAPPING, "noted", said, items=items)]
    return [*passed, _step(MAPPING, "passed", "Nothing had to be changed.")]


def _noted(standing: Mapping[str, Any]) -> list[str]:
    found = []
    for note in standing["diagnostics"]:
        known = NOTES.get(note["code"])
        title = known.title if known else note["code"]
        found.append(f"{note['path'] or 'event'}: {title}. {note['detail']}".strip())
    return found


def _seen(
    check: str,
    entry: Mapping[str, Any],
    standing: Mapping[str, Any],
    source: Source | None,
    config: DestinationConfig | None,
    connection: Connection | None,
) -> str:
    """What a check saw that let the event pass."""
    body = entry["event"]
    match check:
        case "readable":
            return "It can be read, and written as JSON again."
        case "blocked events of the source":
            if source is None or not source.blocked_events:
                return "The source blocks no events."
            return f"Its name is not among the {len(source.blocked_events)} that the source blocks."
        case "connection":
            if connection is None:
                return "Connected when it came; the connection was removed since."
            channel = f", channel {standing['channel']}" if standing["channel"] else ""
            return f"Connected in {connection.mode} mode{channel}."
        case "destination switched on":
            return "The destination was switched on."
        case "integrations object":
            named = body.get("integrations")
            return (
                f"integrations: {_short(named)}" if named is not None else "The call excludes no destination."
            )
        case "consent":
            return _consent(body, config)
        case "type":
            return f"It takes {entry['type'].strip().lower() or 'this type of'} calls."
        case "mode":
            mode = connection.mode if connection else standing["mode"]
            return f"In {mode} mode the server sends it." if mode else "The server sends it."
        case "event filter":
            mode = config.event_filtering.mode if config else "off"
            if mode == "off":
                return "No list of events is in force."
            return "Its name is on the list of allowed events." if mode == "allow" else "Its name is not on the list of denied events."  # fmt: skip
        case _:
            return ""


def _consent(body: Mapping[str, Any], config: DestinationConfig | None) -> str:
    if config is None or not config.consent:
        return "The destination needs no consent."
    info = consent_info(body)
    needed = "; ".join(
        f"{entry.provider} ({entry.resolution_strategy or 'and'}): {_names(entry.consents)}"
        for entry in config.consent
    )
    refused = _names(info.denied) if info.denied else "nothing"
    return f"Refused: {refused}. Needed: {needed}."


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(names[:LIST_SHOWN_MAX])
    return shown if len(names) <= LIST_SHOWN_MAX else f"{shown} and {len(names) - LIST_SHOWN_MAX} more"


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        shown = [f"{name}: {_short(member)}" for name, member in list(value.items())[:LIST_SHOWN_MAX]]
        return ", ".join(shown) or "{}"
    if isinstance(value, bool):
        return str(value).lower()
    return "…" if isinstance(value, list) else str(value)[:60]


def _try(number: int, attempt: Mapping[str, Any]) -> Step:
    request, reply = attempt["request"], attempt["reply"]
    asked = f"{request['method']} {request['url']}" if request else attempt.get("requestMissing", "")
    if reply is not None:
        said = f"Answered {reply['status']}."
    else:
        said = f"No answer: {attempt['error']}." if attempt["error"] else "Answered; not kept."
    result = "delivered" if attempt["outcome"] == "delivered" else "sent"
    return _step(
        f"try {number}",
        result,
        f"{asked}\n{said}".strip(),
        at=attempt["at"],
        ms=attempt["ms"],
        waitS=attempt["waitS"],
    )


def _end(standing: Mapping[str, Any]) -> Step:
    state = standing["state"]
    return _step(
        state,
        state if state in FINAL else "waits",
        standing["explanation"],
        at=standing["settledAt"] or standing["nextAttemptAt"],
    )
