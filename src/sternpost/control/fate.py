"""The fate of an event in words: what the store knows, composed into the JSON of interface.md. Pure.

Every list of events, the live stream and the trace of one event come from `compose`, so that they say the same. Sentences come from
`reasons.py`; what was seen in the single case stands beside them as its detail.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sternpost.control.pace import Pace
from sternpost.model import Event, Mode, Workspace
from sternpost.notes import NOTES, NoteCode
from sternpost.reasons import REASONS
from sternpost.store.kept import Kept, Standing
from sternpost.wire import message as wire_message
from sternpost.wire import times

NAMED_TYPES = {"track": "event", "page": "name", "screen": "name"}  #: where each type has its name

MAY_NEVER_SHOW: frozenset[NoteCode] = frozenset({"too_old"})  #: notes that put the whole event in doubt

PACED_S = 0.2  #: a turn that is so far ahead means that the rate is what an event waits for

#: What happens to events of a destination that answers nobody (delivery/ailing.py).
LOOKED_AT = "A few of them are tried every half second; with the first that gets through, all go on."

PaceOf = Callable[[str], Pace | None]
#: What the request of a delivered try was: its records, or a sentence why they cannot be made again.
Rebuilt = Sequence[Mapping[str, Any]] | str


def compose(
    kept: Kept,
    workspace: Workspace,
    *,
    requests: Mapping[str, Rebuilt] | None = None,
    attempts: bool = True,
    pace: PaceOf = lambda destination_id: None,
) -> dict[str, Any]:
    """One entry of `events`. `requests` are those made again for delivered tries, by destination. `pace` tells what waits for a
    destination's rate.
    """
    event = kept.event
    kept = replace(kept, standings=tuple(_paced(standing, pace) for standing in kept.standings))
    body = wire_message.received(event)
    standings = [
        _standing(kept, standing, workspace, (requests or {}).get(standing.destination_id), attempts=attempts)
        for standing in kept.standings
    ]
    return {
        "messageId": event.message_id,
        "source": event.source_id,
        "type": event.type,
        "name": name_of(event, body),
        "userId": event.user_id,
        "anonymousId": event.anonymous_id,
        "receivedAt": when(event.received_at),
        "originalTimestamp": times.rfc3339(event.page_ms) if event.page_ms is not None else None,
        "timestamp": times.rfc3339(event.at_ms),
        "clockDifferenceS": _clock_difference_s(event),
        "seen": {
            "times": kept.seen,
            "path": event.path,
            "position": event.position,
            "library": _library(body),
        },
        "verdict": " ".join(standing["verdict"] for standing in standings)
        or "Kept. Its source was connected to no destination.",
        "event": body,
        "destinations": standings,
    }


def as_received(kept: Kept) -> Kept:
    """The event as it stood when it was received: nothing was tried yet. What is held was held at once."""
    standings = tuple(
        standing
        if standing.state in {"held", "blocked"}
        else Standing(standing.destination_id, standing.channel, "pending", "queued")
        for standing in kept.standings
    )
    return replace(kept, standings=standings)


def name_of(event: Event, body: Mapping[str, Any]) -> str:
    """The name that people know an event by; "" for types without one."""
    value = body.get(NAMED_TYPES.get(event.type.strip().lower(), ""))
    return str(value)[:200] if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def when(at: float | None) -> str | None:
    """A moment of our clock as text."""
    return times.rfc3339(int(at * 1000)) if at is not None else None


def explanation(reason: str | None, detail: str) -> tuple[str, str, str]:
    """(what was seen, what to do, who has to act) for a reason and the detail of a single case."""
    if reason is None:
        return detail, "", "nobody"
    known = REASONS.get(reason)  # type: ignore[call-overload]
    if known is None:
        # Written by another version, which had a reason that this one does not know.
        return f"{reason}. {detail}".strip(), "", "nobody"
    return f"{known.text} {detail}".strip(), known.remedy, known.who


def _paced(standing: Standing, pace: PaceOf) -> Standing:
    """What is in the queue because the destination may not be asked faster, or answers nobody, says so."""
    if standing.state != "retrying" and (standing.state != "pending" or standing.reason != "queued"):
        return standing
    found = pace(standing.destination_id)
    if found is not None and found.silent_since is not None:
        silent = f"Nothing of anybody gets through since {when(found.silent_since)}. {LOOKED_AT}"
        return replace(standing, detail=f"{standing.detail} {silent}".strip())
    if standing.state == "retrying" or found is None or found.wait_s < PACED_S:
        return standing
    if found.now < found.limit:
        detail = f"{found.now:.3g} of {found.limit:g} requests a second are let through for now."
        return replace(standing, reason="rate_limited", detail=detail)
    return replace(
        standing, reason="own_rate_limit", detail=f"It lets {found.limit:g} requests a second through."
    )


def _clock_difference_s(event: Event) -> float | None:
    """How far the client's clock was ahead of ours (negative: behind); None when it did not say its time."""
    return round((event.page_ms - event.at_ms) / 1000, 3) if event.page_ms is not None else None


def _standing(
    kept: Kept, standing: Standing, workspace: Workspace, rebuilt: Rebuilt | None, *, attempts: bool
) -> dict[str, Any]:
    config = workspace.destinations.get(standing.destination_id)
    connection = workspace.connection(kept.event.source_id, standing.destination_id)
    mode: Mode | None = connection.mode if connection else None
    detail = standing.detail
    if standing.state == "delivered" and not detail:
        detail = f"It answered {standing.status}." if standing.status is not None else "It was accepted."
    text, remedy, who = explanation(standing.reason, detail)
    entry: dict[str, Any] = {
        "destination": standing.destination_id,
        "channel": standing.channel,
        "mode": mode,
        "state": standing.state,
        "reason": standing.reason,
        "explanation": text,
        "remedy": remedy,
        "who": who,
        "verdict": _verdict(kept, standing, config.name if config else standing.destination_id, text),
        "diagnostics": [
            {"code": note.code, "path": note.path, "detail": note.detail} for note in standing.notes
        ],
        "tries": standing.attempts,
        "settledAt": when(standing.settled_at),
        "nextAttemptAt": when(standing.next_attempt_at),
        "waitsFor": standing.waits_for,
    }
    if standing.replay_no is not None:
        entry["replay"] = {"id": str(standing.replay_no), "before": _before(standing)}
    if attempts:
        entry["attempts"] = _attempts(standing, rebuilt)
    return entry


def _before(standing: Standing) -> dict[str, Any] | None:
    """What a replay ended: None when the event was never meant for the destination."""
    if standing.before is None:
        return None
    state, reason, at = standing.before
    return {"state": state, "reason": reason, "settledAt": when(at)}


def _verdict(kept: Kept, standing: Standing, name: str, text: str) -> str:
    match standing.state:
        case "delivered":
            after = f"after {standing.attempts} tries, " if standing.attempts > 1 else ""
            took = max(0.0, (standing.settled_at or 0.0) - kept.event.received_at)
            return f"Delivered to {name} {after}{took:.1f} s after it was received.{_doubt(standing)}"
        case "skipped":
            return f"Not sent to {name}: {text}"
        case "rejected":
            return f"Not delivered to {name}: {text}"
        case "held":
            return f"Kept for {name} until the person is identified."
        case "retrying":
            following = when(standing.next_attempt_at)
            then = f" Next try at {following}." if following else " It is being tried again now."
            return f"Not delivered yet to {name}: {text}{then}"
        case "blocked":
            return f"Not delivered yet to {name}, which waits for a person: {text} Nothing is lost."
        case "pending" if standing.waits_for is not None:
            return f"Waiting for {name} behind an earlier event of the same person ({standing.waits_for})."
        case "pending" if standing.reason in {"own_rate_limit", "rate_limited"}:
            return f"Waiting for its turn at {name}: {text}"
        case "pending" if standing.detail:
            return f"Waiting for its turn at {name}. {standing.detail}"
        case "pending":
            return f"Waiting for its turn at {name}."


def _doubt(standing: Standing) -> str:
    """A sentence when the destination took an event that it may never show: "delivered" alone would say too much."""
    for note in standing.notes:
        if note.code in MAY_NEVER_SHOW:
            seen = f" ({note.detail})" if note.detail else ""
            return f" {NOTES[note.code].text.rstrip('.')}{seen}."
    return ""


def _attempts(standing: Standing, rebuilt: Rebuilt | None) -> list[dict[str, Any]]:
    """The tries as kept, oldest first. A delivered one kept no request: it is made again where that is possible."""
    found = [_attempt(record) for record in standing.tries]
    if standing.state != "delivered" or standing.ms is None:
        return found
    if not found or found[-1]["outcome"] != "delivered":
        at = (standing.settled_at or 0.0) - standing.ms / 1000
        found.append(
            {
                "at": when(at),
                "ms": standing.ms,
                "request": None,
                "reply": {"status": standing.status, "headers": {}, "body": None},
                "error": None,
                "outcome": "delivered",
                "waitS": None,
            }
        )
    last = found[-1]
    if not rebuilt or isinstance(rebuilt, str):
        last["requestMissing"] = rebuilt or "Its request was not kept."
        return found
    last["request"] = {**rebuilt[-1], "rebuilt": True}
    # An event of several requests: the earlier ones had succeeded when the last was sent; their answers are not kept.
    earlier = [
        {**last, "ms": None, "request": {**request, "rebuilt": True}, "reply": None}
        for request in rebuilt[:-1]
    ]
    return [*found[:-1], *earlier, last]


def _attempt(record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "at": when(record.get("at")),
        "ms": record.get("ms"),
        "request": record.get("request"),
        "reply": record.get("reply"),
        "error": record.get("error"),
        "outcome": record.get("outcome", ""),
        "waitS": record.get("wait_s"),
    }


def _library(body: Mapping[str, Any]) -> str:
    context = body.get("context")
    library = context.get("library") if isinstance(context, Mapping) else None
    if not isinstance(library, Mapping):
        return ""
    parts = (library.get("name"), library.get("version"))
    return " ".join(part for part in parts if isinstance(part, str))[:200]
