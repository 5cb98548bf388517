"""No statement of the store reads a whole table: with ten million events each must still be quick."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest

from tests.contract.lab import SQLITE, lab_of
from tests.contract.promises import PROMISES

#: Tables with few rows whatever happens: a handful of sources, destinations, channels, revisions.
SMALL = {"names", "fanouts", "channels", "workspaces", "settings", "counters", "replays"}
#: Promises whose work makes the store run every statement it has.
WORK = [
    "settled_is_final",
    "retry_keeps_the_lane_waiting",
    "settling_part_of_a_run",
    "leases_can_be_renewed",
    "dead_letters_can_be_retried",
    "dead_letters_can_be_discarded",
    "gates_hold_back",
    "gates_open_at_the_first_try",
    "a_window_orders_by_the_pages_clock",
    "a_link_releases",
    "late_anonymous_events",
    "an_alias_links_only_whom_it_knows",
    "held_events_expire",
    "memberships_have_their_time",
    "an_anonymous_group_becomes_the_users",
    "parents_of_accounts",
    "replayed_events_come_again",
    "replays_gate_among_themselves",
    "replays_can_be_paused_and_cancelled",
    "prune_by_age",
    "full_of_what_waits",
    "idle_lanes_go",
    "profiles_outlive_the_retention",
]
_LITERAL = re.compile(r"'(?:[^']|'')*'|x'[0-9a-f]*'|\b-?\d+(?:\.\d+)?(?:e[+-]?\d+)?\b", re.IGNORECASE)


@pytest.mark.parametrize("name", WORK)
async def test_every_statement_uses_an_index(name: str, tmp_path: Path) -> None:
    """EXPLAIN QUERY PLAN shows no scan of a table that grows, and no search by its destination alone."""
    with lab_of(SQLITE, tmp_path) as lab:
        connection = lab.store._database.connection
        seen: dict[str, str] = {}
        # Statements come with their values in place; one of each form is enough.
        connection.set_trace_callback(lambda sql: seen.setdefault(_LITERAL.sub("?", sql), sql))
        await PROMISES[name](lab)
        assert len(seen) > 5
        connection = sqlite3.connect(lab.place)
        bad = []
        for form, sql in seen.items():
            if form.split()[0] in {"BEGIN", "COMMIT", "ROLLBACK", "PRAGMA", "--"}:
                continue
            for *_, detail in connection.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall():
                scan = re.match(r"SCAN (\w+)", detail)
                aliases = dict(re.findall(r"\b(\w+) (?:AS )?([a-z])\b(?! JOIN)", form))
                table = scan.group(1) if scan else ""
                table = {alias: full for full, alias in aliases.items()}.get(table, table)
                if scan and table not in SMALL and not detail.startswith(("SCAN (", "SCAN CONSTANT")):
                    bad.append((detail, form))
                # The least of an index is its first entry.
                if "min(" not in form and re.search(
                    r"SEARCH (lanes|l|deliveries|d|held|h)\b.*\((destination_no=\?)( AND channel_no=\?)?\)$",
                    detail,
                ):
                    bad.append((detail, form))
        connection.close()
        assert bad == []
