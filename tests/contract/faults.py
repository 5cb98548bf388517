"""Stores broken on purpose. Each fault is one mistake that somebody could make, and names the promise that must notice it.

A suite is finished when it notices them all (`test_faults.py`). A fault changes one statement or one function of the SQLite store; when a
statement is rewritten so that a fault no longer applies, `_statement` says so instead of passing in silence.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

from msgspec import structs

from sternpost.person import not_later
from sternpost.store import (
    accepting,
    arrivals,
    aside,
    claiming,
    profiles,
    replaying,
    retention,
    settling,
    sqlite,
)
from sternpost.store.accepting import Acceptor
from sternpost.store.base import Pruned
from sternpost.store.database import Database
from sternpost.store.names import Deltas
from sternpost.store.retention import Pruner

SetAttr = Callable[[Any, str, Any], None]
Break = Callable[[SetAttr], None]


@dataclass(frozen=True)
class Fault:
    break_it: Break
    noticed_by: str  #: the promise that fails


def _statement(module: ModuleType, name: str, old: str, new: str) -> Break:
    def break_it(put: SetAttr) -> None:
        statement = getattr(module, name)
        assert statement.count(old) == 1, f"{name} has no single {old!r} any more"
        put(module, name, statement.replace(old, new))

    return break_it


def _put(owner: Any, name: str, value: Any) -> Break:
    def break_it(put: SetAttr) -> None:
        assert hasattr(owner, name)
        put(owner, name, value)

    return break_it


def _around(owner: Any, name: str, wrap: Callable[[Any], Any]) -> Break:
    def break_it(put: SetAttr) -> None:
        put(owner, name, wrap(getattr(owner, name)))

    return break_it


# --- faults that need more than a word --------------------------------------------------------------------------------


async def _never_commit(self: Database, batch: Any) -> None:
    if not self.connection.in_transaction:
        await self._begin(asyncio.get_running_loop())
    for operation in batch:
        operation.done.set_result(operation.run(self.connection))


def _release_lost(original: Any) -> Any:
    def settle(cx: Any, names: Any, deltas: Any, settlements: Any, *, now: float) -> Any:
        settling = original(cx, names, deltas, settlements, now=now)
        for key in settling.lost:
            cx.execute("UPDATE lanes SET lease = NULL, ready_at = ? WHERE lane = ?", (now, key.lane))
        return settling

    return settle


def _keep_what_can_be_kept(original: Any) -> Any:
    def accept(self: Acceptor, entries: Any) -> Any:
        good = []
        for entry in entries:
            try:
                self.cx.execute("SELECT ?", (entry.event.at_ms,))
            except OverflowError:
                continue
            good.append(entry)
        original(self, good)
        raise OverflowError

    return accept


def _commit_anyway(put: SetAttr) -> None:
    """One statement fails, and what was done before it is committed all the same."""
    _around(Acceptor, "accept", _keep_what_can_be_kept)(put)
    put(Database, "_rollback", lambda self: self.connection.execute("COMMIT"))


def _last_link(links: Any, event: Any) -> Any:
    fitting = [link for link in links if not_later(event, link)]
    return fitting[-1] if fitting else None


def _without_window(original: Any) -> Any:
    def enqueue(self: Acceptor, event: Any, route: Any, seq: int, **rest: Any) -> None:
        original(self, event, structs.replace(route, settle_s=0.0), seq, **rest)

    return enqueue


def _out_of_order(original: Any) -> Any:
    def enqueue(self: Acceptor, event: Any, route: Any, seq: int, **rest: Any) -> None:
        original(self, event, structs.replace(route, in_order=False), seq, **rest)

    return enqueue


def _with(**fixed: Any) -> Callable[[Any], Any]:
    def wrap(original: Any) -> Any:
        return lambda *args, **named: original(*args, **{**named, **fixed})

    return wrap


def _result(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def wrap(original: Any) -> Any:
        return lambda *args, **named: change(original(*args, **named))

    return wrap


def _uncounted(original: Any) -> Any:
    return lambda cx, names, deltas, *args, **named: original(cx, names, Deltas(), *args, **named)


def _full_at_first_miss(original: Any) -> Any:
    def step(self: Pruner, *args: Any, **named: Any) -> Pruned:
        pruned = original(self, *args, **named)
        return replace(
            pruned,
            full=not pruned.events and named["used_bytes"] > named["bytes_max"],
            more=bool(pruned.events),
        )

    return step


def _conditions(**changed: str) -> Break:
    return _put(retention, "CONDITIONS", {**retention.CONDITIONS, **changed})


_NOT_HELD = retention.NOTHING_WAITS.split(" AND NOT EXISTS (SELECT 1 FROM held")[0]
_READY = "CASE WHEN pending = 0 AND lease IS NULL THEN excluded.ready_at ELSE ready_at END"


class _Anywhere(int):
    """A place that equals every other."""

    __hash__ = int.__hash__

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False

    @staticmethod
    def of(job: Any) -> Any:
        return replace(job, cursor=_Anywhere(job.cursor))


FAULTS: dict[str, Fault] = {
    # accept
    "answered before the commit": Fault(_put(Database, "_commit", _never_commit), "accepted_is_kept"),
    "half of a list is kept": Fault(_commit_anyway, "all_or_nothing"),
    "refused rows count as duplicates": Fault(
        _statement(accepting, "INSERT_EVENT", "INSERT INTO", "INSERT OR IGNORE INTO"),
        "nothing_is_ignored_silently",
    ),
    "no deduplication": Fault(
        _statement(accepting, "INSERT_EVENT", "VALUES (?, ?", "VALUES (?, ? || hex(randomblob(8))"),
        "duplicates_are_ignored_and_counted",
    ),
    "the last duplicate wins": Fault(
        _statement(accepting, "INSERT_EVENT", "DO NOTHING", "DO UPDATE SET body = excluded.body"),
        "duplicates_are_ignored_and_counted",
    ),
    "one id for all sources": Fault(
        _statement(accepting, "INSERT_EVENT", "VALUES (?,", "VALUES (min(1, ?),"),
        "ids_belong_to_their_source",
    ),
    "digests can be imitated": Fault(
        _around(accepting, "key", lambda key: lambda text: text if text[:1] == "#" else key(text)),
        "hostile_ids",
    ),
    "half surrogates break accept": Fault(
        _put(accepting, "_mended", lambda entry: entry), "half_surrogates_are_mended"
    ),
    "two deliveries to one destination": Fault(
        _put(accepting, "_once_each", lambda routes: routes), "one_destination_once"
    ),
    "pending not incremented": Fault(
        _statement(accepting, "COUNT_IN_LANE", "pending + 1", "pending + 0"), "order_within_a_lane"
    ),
    "pending not incremented by another process": Fault(
        _statement(accepting, "UPSERT_LANE", "pending + 1", "pending + 0"), "a_lane_is_one_whoever_writes_it"
    ),
    "a lane is known by its number alone": Fault(
        _statement(
            accepting,
            "COUNT_IN_LANE",
            "lane = ?3 AND channel_no = ?2 AND destination_no = ?1",
            "?3 > '' AND ?2 > 0 AND ?1 > 0",
        ),
        "a_row_used_again_is_another_lane",
    ),
    "pending not incremented in a window": Fault(
        _statement(accepting, "UPDATE_LANE", "pending + 1", "pending + 0"),
        "a_window_orders_by_the_pages_clock",
    ),
    "a new event ends a lease": Fault(
        _statement(accepting, "COUNT_IN_LANE", _READY.replace("excluded.ready_at", "?5"), "?5"),
        "no_younger_event_before_its_head",
    ),
    "an event of another process ends a lease": Fault(
        _statement(accepting, "UPSERT_LANE", _READY, "excluded.ready_at"), "a_lane_is_one_whoever_writes_it"
    ),
    "an emptied lane is free although leased": Fault(
        _statement(accepting, "COUNT_IN_LANE", " AND lease IS NULL", ""),
        "a_lane_settled_to_the_end_stays_leased_until_released",
    ),
    "an emptied lane is free for another process although leased": Fault(
        _statement(accepting, "UPSERT_LANE", " AND lease IS NULL", ""), "a_lane_is_one_whoever_writes_it"
    ),
    "accept wakes nobody": Fault(
        _around(Acceptor, "accept", _result(lambda receipt: structs.replace(receipt, due=()))),
        "accept_wakes_who_must_act",
    ),
    # claim
    "newest first": Fault(
        _statement(claiming, "SELECT_RUN", "d.pos, d.ord, d.seq", "d.pos DESC, d.ord DESC, d.seq DESC"),
        "order_within_a_lane",
    ),
    "by the event's own clock": Fault(
        _statement(claiming, "SELECT_RUN", "d.pos, d.ord, d.seq", "e.at_ms"), "order_within_a_lane"
    ),
    "lease not taken": Fault(
        _statement(claiming, "LEASE_LANE", "ready_at = ?", "ready_at = 0 * ?"), "a_lease_is_exclusive"
    ),
    "lease never expires": Fault(
        _statement(claiming, "LEASE_LANE", "ready_at = ?", "ready_at = ? + 1e9"),
        "a_crash_needs_no_recovery",
    ),
    "one lease for all": Fault(_put(secrets, "token_hex", lambda n: "same"), "a_zombie_changes_nothing"),
    "channels are mixed": Fault(
        _statement(claiming, "SELECT_DUE", "channel_no = ?", "channel_no > 0 * ?"), "lanes_are_apart"
    ),
    "any number of lanes": Fault(
        _statement(claiming, "SELECT_DUE", "LIMIT ?", "LIMIT 1000 + ?"), "claims_are_bounded"
    ),
    "not the longest due first": Fault(
        _statement(claiming, "SELECT_DUE", "ORDER BY ready_at", "ORDER BY ready_at DESC"),
        "claims_are_bounded",
    ),
    "any number of bytes": Fault(_put(claiming, "CLAIM_BYTES_MAX", 10**12), "claims_are_bounded"),
    "nobody knows when to look again": Fault(
        _put(claiming, "NEXT_DUE", "SELECT CASE WHEN ? + ? THEN NULL END"),
        "next_due_at_is_when_to_look_again",
    ),
    # settle
    "no fencing": Fault(
        _statement(settling, "LEASED_LANE", "lease = ?", "? IS NOT NULL"), "a_zombie_changes_nothing"
    ),
    "a lost settlement releases another's lease": Fault(
        _around(settling, "settle", _release_lost), "a_zombie_changes_nothing"
    ),
    "pending not decremented": Fault(
        _statement(settling, "RELEASE_LANE", "pending - ?", "pending - 0 * ?"), "settled_is_final"
    ),
    "release=False releases": Fault(
        _statement(settling, "KEEP_LANE", "ready_at = max(ready_at, ?)", "lease = NULL, ready_at = 0 * ?"),
        "settling_part_of_a_run",
    ),
    "release=False does not renew": Fault(
        _statement(settling, "KEEP_LANE", "max(ready_at, ?)", "max(ready_at, 0 * ?)"),
        "settling_part_of_a_run",
    ),
    "retry does not back off": Fault(
        _statement(settling, "RELEASE_LANE", "ready_at = ?", "ready_at = 0 * ?"),
        "retry_keeps_the_lane_waiting",
    ),
    "retry lets the others pass": Fault(
        _statement(settling, "RETRY_DELIVERY", "SET attempts", "SET pos = pos + 1000000, attempts"),
        "retry_keeps_the_lane_waiting",
    ),
    "tries are not counted": Fault(
        _statement(settling, "RETRY_DELIVERY", "attempts + 1", "attempts"), "retry_keeps_the_lane_waiting"
    ),
    "blocked tries count": Fault(
        _statement(settling, "BLOCK_DELIVERY", "SET parts_done", "SET attempts = attempts + 1, parts_done"),
        "blocked_tries_do_not_count",
    ),
    "settled is not counted": Fault(_around(settling, "settle", _uncounted), "settled_is_final"),
    "settle wakes nobody": Fault(
        _around(settling, "settle", _result(lambda settled: structs.replace(settled, due=()))),
        "retry_keeps_the_lane_waiting",
    ),
    "renew does nothing": Fault(
        _statement(sqlite, "RENEW_LANE", "ready_at = ?", "ready_at = ready_at + 0 * ?"),
        "leases_can_be_renewed",
    ),
    "renew extends another's lease": Fault(
        _statement(sqlite, "RENEW_LANE", "lease = ?", "? IS NOT NULL"), "leases_can_be_renewed"
    ),
    # rule G3
    "gates ignored": Fault(_statement(claiming, "SELECT_GATE", "LIMIT 1", "LIMIT 0"), "gates_hold_back"),
    "later gates hold back": Fault(
        _statement(claiming, "SELECT_GATE", "d.seq < ?3", "d.seq <> ?3"), "gates_hold_back"
    ),
    "gates do not reach across lanes": Fault(
        _statement(
            claiming,
            "SELECT_GATE",
            "d.gate = ?2",
            "d.gate = ?2 AND (SELECT l.lane FROM lanes l WHERE l.no = d.lane_no) = ?5",
        ),
        "gates_reach_across_lanes",
    ),
    "gates ignore the page's clock": Fault(
        _statement(claiming, "SELECT_GATE", "d.ord < ?4", "0"), "gates_in_a_window"
    ),
    "gates stay shut after a first try": Fault(
        _statement(settling, "OPEN_GATES", "lane_no = ?", "lane_no = -?"), "gates_open_at_the_first_try"
    ),
    "gates wake nobody": Fault(
        _statement(settling, "WAKE_GATED", "waits_for = ?", "waits_for = ? || 'x'"), "gates_hold_back"
    ),
    "gates cannot be opened by hand": Fault(
        _around(claiming, "claim", _with(open_gates=False)), "open_gates"
    ),
    # replays
    "replayed lanes among live ones": Fault(
        _statement(claiming, "SELECT_DUE", "AND behind = 0 ", ""), "replays_stand_behind_live_events"
    ),
    "replayed events in live lanes": Fault(
        _statement(replaying, "INSERT_LANE_BEHIND", "1, ?, ?, ?, 1)", "1, ?, ?, ?, 0)"),
        "replays_stand_behind_live_events",
    ),
    "nobody looks for replayed lanes": Fault(
        _statement(claiming, "SELECT_DUE_BEHIND", "LIMIT ?", "LIMIT 0 * ?"), "replayed_events_come_again"
    ),
    "replayed lanes wake nobody": Fault(
        _statement(claiming, "NEXT_DUE", "behind = 1", "behind = 2"), "replays_keep_the_order_of_a_person"
    ),
    "replays wait for live metadata": Fault(
        _put(replaying, "replayed_gate", lambda person: person), "replays_gate_among_themselves"
    ),
    "replays gate nobody": Fault(
        _put(claiming, "replayed_gate", lambda person: person), "replays_gate_among_themselves"
    ),
    "no window among replays": Fault(
        _put(replaying, "page_order", lambda event: 0), "replays_keep_the_order_of_a_person"
    ),
    "delivered ones are sent again unasked": Fault(
        _put(replaying, "DELIVERED", -1), "replays_leave_alone_what_is_under_way"
    ),
    "held ones are queued as well": Fault(
        _statement(
            replaying, "SELECT_UNDER_WAY", "SELECT 1 FROM held WHERE", "SELECT 1 FROM held WHERE 0 AND"
        ),
        "replays_leave_alone_what_is_under_way",
    ),
    "a replay forgets its place": Fault(
        _statement(replaying, "ADVANCE", "cursor = ?2", "cursor = cursor + 0 * ?2"),
        "a_replay_goes_on_where_it_was",
    ),
    "two pumps of one job": Fault(
        _around(replaying, "jobs", _result(lambda found: [_Anywhere.of(job) for job in found])),
        "a_replay_goes_on_where_it_was",
    ),
    "replayed ends are not counted": Fault(
        _put(replaying, "scope", lambda no: "r:0"), "replayed_events_come_again"
    ),
    "what it was before is forgotten": Fault(
        _put(replaying, "remembered", lambda no, before: {"no": no}), "replayed_events_come_again"
    ),
    "cancelling takes what is being sent": Fault(
        _statement(replaying, "SELECT_WITHDRAWN", "AND (l.lease IS NULL OR l.ready_at <= ?2)", "AND ?2 > 0"),
        "replays_can_be_paused_and_cancelled",
    ),
    "cancelling forgets outcomes": Fault(
        _statement(
            replaying,
            "INSERT_OUTCOME",
            "?, ?, ?, ?, ?, ?, ?, ?, ?)",
            "?, ?, ?, ?, ?, ?, ?, ? * 0, substr(?, 1, 0))",
        ),
        "replays_can_be_paused_and_cancelled",
    ),
    "cancelled jobs run again": Fault(
        _put(replaying, "NEXT_STATES", {**replaying.NEXT_STATES, "cancelled": ("running",)}),
        "replays_can_be_paused_and_cancelled",
    ),
    "any number of jobs": Fault(_put(replaying, "REPLAYS_OPEN_MAX", 10**6), "replays_are_bounded"),
    "jobs are remembered for ever": Fault(_put(replaying, "REPLAYS_KEPT_MAX", 10**6), "replays_are_bounded"),
    "replays wait for a dead server's lease": Fault(
        _put(sqlite, "TAKE_OVER", sqlite.TAKE_OVER[:1]), "a_killed_servers_replays_are_due_at_once"
    ),
    # arrivals
    "arrivals stay when they are spread": Fault(
        _statement(arrivals, "DELETE", "no <= ?", "no < ? - 1"), "arrivals_are_kept"
    ),
    "the newest arrival first": Fault(
        _statement(arrivals, "SELECT_OLDEST", "ORDER BY no", "ORDER BY no DESC"),
        "arrivals_are_spread_in_their_order",
    ),
    "arrivals that were rolled back count": Fault(
        _put(arrivals.Waiting, "rolled_back", lambda self: None),
        "arrivals_that_cannot_be_written_are_not_counted",
    ),
    "arrivals are counted anew after a start": Fault(
        _statement(arrivals, "SELECT_WAITING", "sum(n)", "sum(n) * 0"), "arrivals_are_kept"
    ),
    "what was set aside is forgotten by the next start": Fault(
        _put(aside, "take_back", lambda cx: None), "one_arrival_stops_no_others"
    ),
    "what was set aside comes back behind what came since": Fault(
        _statement(aside, "TAKE_BACK", "- (SELECT max(no) FROM aside) + no - 1", "+ no + 1000"),
        "one_arrival_stops_no_others",
    ),
    "more arrivals than are looked at go": Fault(
        _statement(arrivals, "DELETE", "no <= ?", "no <= ? + 1"), "arrivals_are_spread_in_their_order"
    ),
    # rule G4
    "window ignored": Fault(
        _around(Acceptor, "enqueue", _without_window), "a_window_orders_by_the_pages_clock"
    ),
    "what came in order opens a window": Fault(
        _around(Acceptor, "enqueue", _out_of_order), "what_was_sent_in_order_waits_for_nobody"
    ),
    "no order in a window": Fault(
        _statement(claiming, "SELECT_RUN", "d.pos, d.ord, d.seq", "d.pos, d.seq"),
        "a_window_orders_by_the_pages_clock",
    ),
    "ties by acceptance": Fault(_put(accepting, "_RANK", {}), "ties_in_a_window"),
    "a claim leaves its window open": Fault(
        _statement(claiming, "LEASE_LANE", "ELSE 0 END", "ELSE window_until END"), "a_claim_closes_its_window"
    ),
    # rules I7 and I8
    "a link releases nothing": Fault(
        _put(Acceptor, "_release", lambda self, link, seq: None), "a_link_releases"
    ),
    "released behind everything": Fault(
        _around(Acceptor, "enqueue", _with(link_seq=None)), "a_link_releases"
    ),
    "released under nobody": Fault(_around(Acceptor, "unhold", _with(person=None)), "a_link_releases"),
    "a link takes later events too": Fault(
        _put(accepting, "not_later", lambda event, link: True), "a_link_takes_only_what_is_not_later"
    ),
    "released under the last link": Fault(_put(accepting, "link_of", _last_link), "late_anonymous_events"),
    "the newest overflow": Fault(
        _statement(accepting, "SELECT_OVERFLOW", "at_ms DESC, seq DESC", "at_ms, seq"),
        "too_many_held",
    ),
    "expired for every destination": Fault(
        _statement(sqlite, "EXPIRED", "h.expires_at <= ?1 AND ", ""), "held_events_expire"
    ),
    "every alias links": Fault(_put(profiles, "seen", lambda *_: True), "an_alias_links_only_whom_it_knows"),
    "no alias links": Fault(_put(profiles, "seen", lambda *_: False), "an_alias_links_only_whom_it_knows"),
    # rule I3
    "only the last account": Fault(
        _around(profiles, "memberships", _result(lambda found: found[-1:])), "memberships_have_their_time"
    ),
    "an anonymous account is not inherited": Fault(
        _put(profiles, "_inherit", lambda *_, **__: None), "an_anonymous_group_becomes_the_users"
    ),
    # prune
    "prune removes what waits": Fault(_conditions(age="e.received_at < :before"), "prune_by_age"),
    "prune removes what is held": Fault(
        _conditions(age=f"e.received_at < :before AND {_NOT_HELD}"), "prune_by_age"
    ),
    "prune ignores the age": Fault(_conditions(age=retention.NOTHING_WAITS), "prune_by_age"),
    "dead letters go first": Fault(_conditions(bytes=retention.NOTHING_WAITS), "prune_by_bytes"),
    "prune does not count": Fault(_around(retention, "remove_events", _uncounted), "prune_by_age"),
    "space does not return": Fault(_put(retention, "GIVE_BACK", "SELECT 1"), "prune_by_bytes"),
    "never full": Fault(
        _around(Pruner, "step", _result(lambda pruned: replace(pruned, full=False))), "full_of_what_waits"
    ),
    "full too early": Fault(_around(Pruner, "step", _full_at_first_miss), "not_full_while_something_can_go"),
    "idle lanes go with what waits": Fault(
        _statement(retention, "DELETE_IDLE_LANES", "pending = 0 AND ", ""), "idle_lanes_go"
    ),
    "profiles go with the retention": Fault(
        _around(
            Pruner,
            "_sweep_profiles",
            lambda original: (
                lambda self, cx, *, before, kept_since: original(self, cx, before=before, kept_since=before)
            ),
        ),
        "profiles_outlive_the_retention",
    ),
}
