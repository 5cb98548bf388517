"""What a killed server had in hand is due again at once for the one that takes its place."""

from __future__ import annotations

from sternpost.model import Accepted, Event, Retry, Route, Settled, Settlement
from sternpost.store.sqlite import SqliteStore


def accepted(number: int) -> Accepted:
    event = Event(f"m{number}", "src", "track", True, 1.0, "", b"{}", user_id=f"u{number}", at_ms=1000)
    return Accepted(event, (Route("hook", ""),))


async def test_leases_end_and_backoffs_stay(tmp_path):
    """Leased lanes are handed out at once, a lane that backs off waits as before, and the old holder's settlement is lost."""
    store = SqliteStore(tmp_path / "store.db")
    await store.accept([accepted(1), accepted(2)], now=10.0)
    first = await store.claim("hook", "", now=10.0, lanes_max=1, run_max=10, lease_s=60.0)
    backing_off = [Settled(run.events[0].event.seq, Retry("server_error"), 10.0) for run in first.runs]
    await store.settle(
        [Settlement(run.key, run.lease, backing_off, ready_at=40.0, backing_off=True) for run in first.runs],
        now=10.0,
    )
    held = await store.claim("hook", "", now=10.0, lanes_max=10, run_max=10, lease_s=60.0)
    assert len(held.runs) == 1
    assert not (await store.claim("hook", "", now=11.0, lanes_max=10, run_max=10, lease_s=60.0)).runs

    assert await store.take_over(now=11.0) == 1

    again = await store.claim("hook", "", now=11.0, lanes_max=10, run_max=10, lease_s=60.0)
    assert [run.key for run in again.runs] == [held.runs[0].key]
    assert again.next_due_at == 40.0
    lost = await store.settle([Settlement(held.runs[0].key, held.runs[0].lease)], now=11.0)
    assert lost.lost == (held.runs[0].key,)
    store.close()


async def test_many_waiting_lanes_are_not_looked_at(tmp_path):
    """The statement goes by the index of due lanes, not through the table."""
    store = SqliteStore(tmp_path / "store.db")
    await store.accept([accepted(number) for number in range(50)], now=10.0)
    assert await store.take_over(now=11.0) == 0
    store.close()
