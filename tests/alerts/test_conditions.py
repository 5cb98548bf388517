"""Which facts somebody is told of, and how often."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sternpost.alerts.conditions import KINDS, Condition, Facts, conditions
from sternpost.alerts.notifier import REMIND_S, Told
from sternpost.model import Source
from sternpost.store.letters import FailureGroup
from sternpost.store.views import BlockedChannel

PAGE = Path(__file__).parent.parent.parent / "docs" / "how-to" / "monitoring.md"
WELL = Facts(now=100_000.0, accepting=True, sources=(Source("web", "Web app", "web", "wk-web"),))
GROUP = FailureGroup("pendo", "bad_id", 3, 99_900.0, 99_950.0, ())


def told(facts: Facts) -> list[tuple[str, str]]:
    return [(condition.kind, condition.subject) for condition in conditions(facts)]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, []),
        ({"accepting": False, "problem": "The disk is full."}, [("cannot_accept", "")]),
        (
            # Of a blocked destination its backlog says nothing more; two channels are one condition.
            {
                "blocked": [BlockedChannel("pendo", c, "key_refused", "", 1.0) for c in ("metadata", "track")],
                "oldest_s": {"pendo": 900.0},
            },
            [("destination_blocked", "pendo")],
        ),
        ({"notices": ["A page is damaged.", "Two events were set aside."]}, [("store_damaged", "")]),
        ({"oldest_s": {"pendo": 300.0, "hook": 301.0}}, [("backlog_old", "hook")]),
        ({"tried": {"a": (95, 5), "b": (94, 6), "c": (0, 4), "d": (0, 5)}}, [("many_rejected", "b"), ("many_rejected", "d")]),
        ({"failures": [GROUP, replace(GROUP, reason="gave_up", first_at=99_000.0)]}, [("new_reason", "pendo:bad_id")]),
        ({"hours": {"web": 24}}, [("source_silent", "web")]),
        ({"hours": {"web": 23}}, []),
        ({"hours": {"web": 24}, "last_hour": {"web": 1}}, []),
        ({"hours": {"web": 24}, "sources": (replace(WELL.sources[0], enabled=False),)}, []),
        ({"store_share": 0.81}, [("store_nearly_full", "")]),
        ({"disk_free_bytes": 1_999_999_999}, [("disk_nearly_full", "")]),
    ],
)  # fmt: skip
def test_conditions(changed: dict, expected: list) -> None:
    assert told(replace(WELL, **changed)) == expected


def test_page_has_every_kind() -> None:
    text = PAGE.read_text()
    for kind, meaning in KINDS.items():
        assert f"| `{kind}` | {meaning} |" in text


ONE = Condition("backlog_old", "pendo", "It is late.", "Look.", "/console/")


def states(*looks: tuple[float, bool]) -> list[tuple[float, str]]:
    memory = Told()
    return [
        (now, message.state) for now, holds in looks for message in memory.look([ONE] if holds else [], now)
    ]


def test_begin_remind_and_end() -> None:
    """Told at once, each hour while it lasts, and when it is over."""
    assert states((0, True), (10, True), (3600, True), (3700, True), (7300, True), (7400, False), (7500, False)) == [
        (0, "started"), (3600, "still"), (7300, "still"), (7400, "over"),
    ]  # fmt: skip


def test_comes_and_goes() -> None:
    """What comes back within the hour is told of when the hour is over, if it is still there; and nobody hears the end of what was not told."""
    assert states((0, True), (10, False), (20, True), (30, False), (40, True), (3600, True), (3700, False)) == [
        (0, "started"), (10, "over"), (3600, "started"), (3700, "over"),
    ]  # fmt: skip


def test_forgets() -> None:
    """An hour after its end a condition is news again; until then it is the only thing remembered."""
    memory = Told()
    memory.look([ONE], 0.0)
    memory.look([], 10.0)
    memory.look([], REMIND_S)
    assert not memory._known
    assert [message.state for message in memory.look([ONE], REMIND_S + 1)] == ["started"]
