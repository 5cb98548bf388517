"""How a destination is, as JSON: its state in a sentence, a funnel that adds up, reasons, latency, what waits and for how long. Pure.

Counts of the funnel are those of the kept events, exact at any moment; what happened in a span of time comes from the series.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sternpost.control import fate
from sternpost.control.context import AgentReport
from sternpost.control.pace import Pace
from sternpost.model import DestinationConfig, State
from sternpost.reasons import REASONS
from sternpost.store import series
from sternpost.store.kept import Kept
from sternpost.store.series import ReasonSeen, Slot
from sternpost.store.standing import Lane
from sternpost.store.views import BlockedChannel

SAMPLES_PER_REASON = 3
RATE_WINDOW_S = 300  #: what was settled in the last minutes says how fast a backlog drains
AGENT_PAGES = 20  #: origins shown, the worst first
KINDS = ("delivered", "retrying", "skipped", "rejected", "blocked")
SHARES = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
URGENCY: Mapping[str, int] = {
    "blocked": 0,
    "rejected": 1,
    "retrying": 2,
    "held": 3,
    "pending": 4,
    "skipped": 5,
}


def sentence(
    config: DestinationConfig,
    blocked: Sequence[BlockedChannel],
    counts: Mapping[str, Any],
    pace: Pace | None = None,
) -> str:
    """The state of a destination as a sentence."""
    if not config.enabled:
        return "Switched off. Events that come are skipped."
    if config.secret_problem:
        return f"Blocked: {config.secret_problem}"
    if blocked:
        since = min(channel.since for channel in blocked)
        text, _, _ = fate.explanation(blocked[0].reason, blocked[0].detail)
        what = f" ({', '.join(channel.channel for channel in blocked if channel.channel)})"
        return f"Blocked since {fate.when(since)}{what if what != ' ()' else ''}: {text}"
    if pace is not None and pace.silent_since is not None:
        waiting = counts["retrying"] + counts["pending"]
        return f"Nothing gets through since {fate.when(pace.silent_since)}; {waiting} {'event waits' if waiting == 1 else 'events wait'}. {fate.LOOKED_AT}"
    if counts["retrying"]:
        waiting = counts["retrying"]
        return f"Delivering; {waiting} {'event is' if waiting == 1 else 'events are'} being tried again."
    if counts["pending"]:
        return f"Delivering, {counts['oldestPendingSeconds']:.1f} s behind."
    return "Nothing waits."


def funnel(counts: Mapping[str, int], counters: Mapping[str, int]) -> dict[str, Any]:
    """From what was fanned out to a destination to what it accepted. Each kept event is in one row; `missing` says when one is not."""
    reasons = {name: n for name, n in counters.items() if name.partition(":")[0] in {"skipped", "rejected"}}
    rejected = {name[9:]: n for name, n in reasons.items() if name.startswith("rejected:")}
    before = sum(n for code, n in rejected.items() if code in REASONS and REASONS[code].stage == "rejected")
    there = sum(rejected.values()) - before
    skipped = sum(n for name, n in reasons.items() if name.startswith("skipped:"))
    total = sum(counts[state] for state in ("pending", "held", "retrying", "blocked", "delivered", "skipped", "rejected"))  # fmt: skip
    waiting = counts["pending"] + counts["held"]
    rows: list[tuple[str, str, int, State | None, str]] = [
        ("received", "Came for it", total, None, ""),
        ("skipped", "Skipped on purpose", skipped, "skipped", "skipped"),
        ("rejectedBefore", "Rejected before sending", before, "rejected", "rejected"),
        ("waiting", "Waiting for its turn", waiting, "pending", "pending,held"),
        ("retrying", "Being tried again", counts["retrying"], "retrying", "retrying"),
        ("blocked", "Waiting for a person", counts["blocked"], "blocked", "blocked"),
        ("rejectedThere", "Rejected by the destination", there, "rejected", "rejected"),
        ("delivered", "Delivered", counts["delivered"], "delivered", "delivered"),
    ]
    return {
        "rows": [
            {
                "name": name,
                "title": title,
                "count": n,
                "percent": round(100 * n / total, 1) if total else 0.0,
                "state": state,
                "filter": states,
            }
            for name, title, n, state, states in rows
        ],
        "total": total,
        "missing": total - sum(n for name, _, n, _, _ in rows if name != "received"),
    }


def reasons(
    destination_id: str,
    counters: Mapping[str, int],
    seen: Mapping[tuple[str, str], ReasonSeen],
    groups: Mapping[str, Sequence[str]],
    recent: Sequence[Kept],
) -> list[dict[str, Any]]:
    """Why events of a destination are not (yet) delivered: what needs a person first, then by count.

    `groups` are samples of dead letters by reason; `recent` are the newest events, which give samples and the counts of what waits.
    """
    samples: dict[tuple[str, str], list[Kept]] = {}
    for kept in recent:
        for standing in kept.standings:
            if (
                standing.destination_id == destination_id
                and standing.reason
                and standing.state != "delivered"
            ):
                samples.setdefault((standing.state, standing.reason), []).append(kept)
    counts: dict[tuple[str, str], int | None] = {}
    for name, n in counters.items():
        state, colon, code = name.partition(":")
        if colon and state in {"skipped", "rejected"}:
            counts[state, code] = n
    for pair in samples:
        counts.setdefault(pair, None)
    found = []
    for (state, code), count in counts.items():
        if code == "queued":
            continue  # its turn comes in moments
        newest = samples.get((state, code), [])
        known = REASONS.get(code)  # type: ignore[call-overload]
        times = seen.get((state, code))
        ids = [kept.event.message_id for kept in newest] or list(
            groups.get(code, ()) if state == "rejected" else ()
        )
        found.append(
            {
                "state": state,
                "reason": code,
                "title": known.title if known else code,
                "explanation": known.text if known else "",
                "remedy": known.remedy if known else "",
                "who": known.who if known else "nobody",
                "count": count if count is not None else len(newest),
                "exact": count is not None,
                "firstAt": fate.when(times.first_at) if times else None,
                "lastAt": fate.when(times.last_at) if times else None,
                "samples": ids[:SAMPLES_PER_REASON],
            }
        )
    return sorted(found, key=lambda reason: (URGENCY.get(str(reason["state"]), 9), -int(reason["count"])))


def latency(slots: Mapping[int, Slot]) -> dict[str, Any]:
    """From receipt to delivery in a span, in seconds; null when nothing was delivered in it."""
    whole = series.merged(slots.values())
    return {
        "count": sum(whole.late.values()),
        **{name: _rounded(series.percentile(whole.late, share)) for name, share in SHARES},
    }


def points(slots: Mapping[int, Slot], *, step: int, since: int, until: int) -> dict[str, list[Any]]:
    """One list per kind with a number for each slot of a span, and the percentiles of each slot."""
    found: dict[str, list[Any]] = {kind: [] for kind in (*KINDS, *(name for name, _ in SHARES))}
    for at in range(since, until, step):
        slot = slots.get(at)
        counts = slot.kinds() if slot is not None else {}
        for kind in KINDS:
            found[kind].append(counts.get(kind, 0))
        for name, share in SHARES:
            late = series.percentile(slot.late, share) if slot is not None and slot.late else None
            found[name].append(_rounded(late))
    return found


def channels(
    names: Sequence[str], counters: Mapping[str, int], blocked: Sequence[BlockedChannel]
) -> list[dict[str, Any]]:
    """Each channel of a destination by itself: a refused key stops only what needs it."""
    stopped = {channel.channel: channel for channel in blocked}
    found = []
    for name in names:
        entry: dict[str, Any] = {
            "channel": name,
            "waiting": counters.get(f"waiting:{name}", 0),
            "retrying": counters.get(f"retrying:{name}", 0),
            "blocked": None,
        }
        if name in stopped:
            entry["blocked"] = blocked_entry(stopped[name])
        found.append(entry)
    return found


def blocked_entry(channel: BlockedChannel) -> dict[str, Any]:
    """A channel that waits for a person, in words."""
    text, remedy, who = fate.explanation(channel.reason, channel.detail)
    return {
        "channel": channel.channel,
        "reason": channel.reason,
        "explanation": text,
        "remedy": remedy,
        "who": who,
        "since": fate.when(channel.since),
    }


def drain(waiting: int, settled: int, pace: Pace | None) -> dict[str, Any]:
    """How long what waits takes at the rate of the last minutes; when nothing was settled in them, at the rate that is allowed."""
    measured = settled / RATE_WINDOW_S
    rate = measured or (pace.now if pace else 0.0)
    return {
        "waiting": waiting,
        "perSecond": round(rate, 3),
        "measured": bool(measured),
        "seconds": round(waiting / rate, 1) if waiting and rate else (0 if not waiting else None),
    }


def pace_entry(pace: Pace | None) -> dict[str, Any] | None:
    """The rate of a destination against its limit."""
    if pace is None:
        return None
    return {
        "limitPerSecond": pace.limit,
        "nowPerSecond": round(pace.now, 3),
        "waitS": round(pace.wait_s, 3),
        "silentSince": fate.when(pace.silent_since),
    }


def lane(entry: Lane, now: float) -> dict[str, Any]:
    """A lane that waits."""
    text, _, _ = fate.explanation(entry.reason, "") if entry.reason else ("", "", "")
    return {
        "channel": entry.channel,
        "userId": entry.user_id,
        "anonymousId": entry.anonymous_id,
        "waiting": entry.waiting,
        "since": fate.when(entry.since),
        "seconds": round(max(0.0, now - entry.since), 1),
        "messageId": entry.message_id,
        "reason": entry.reason,
        "explanation": text,
    }


def settled_since(slots: Mapping[int, Slot], at: float) -> int:
    """How many events got their end in slots that began at or after a moment."""
    return sum(
        slot.total(kind)
        for begin, slot in slots.items()
        if begin >= at
        for kind in ("delivered", "skipped", "rejected")
    )


def tries_per_delivery(whole: Slot) -> float | None:
    """Tries in a span for each delivery in it."""
    delivered = whole.total("delivered")
    return round((delivered + whole.total("retrying")) / delivered, 2) if delivered else None


def _rounded(seconds: float | None) -> float | None:
    return round(seconds, 4) if seconds is not None else None


def agent(reports: Sequence[AgentReport]) -> dict[str, Any]:
    """What pages reported about the partner's agent since the server started, by origin, the worst first."""
    total = sum(report.count for report in reports)
    missing = sum(report.count for report in reports if report.state in {"blocked", "failed"})
    worst = sorted(reports, key=lambda report: (report.state == "loaded", -report.count))
    return {
        "total": total,
        "missing": missing,
        "percent": round(100 * missing / total) if total else 0,
        "pages": [
            {
                "state": report.state,
                "page": report.page,
                "detail": report.detail,
                "count": report.count,
                "lastAt": fate.when(report.last_at),
            }
            for report in worst[:AGENT_PAGES]
        ],
    }
