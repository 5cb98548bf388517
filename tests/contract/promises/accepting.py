"""Accepting: what is answered is kept, once, as a whole or not at all."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from sternpost.errors import StoreFull, StoreUnavailable
from sternpost.model import LaneKey, Retry, Route
from tests.contract.lab import DONE, GATE, HOLD, TRACK, WINDOW, Lab, entry, group, identify
from tests.contract.promise import promise


@promise
async def accepted_is_kept(lab: Lab) -> None:
    """When accept returns, every other process sees the event with all that was said about it, and so does the next start."""
    accepted = entry("m1", anon="a1", at=1, page=2, kind="page", body=b'{"x": "\xc3\xa9"}')
    receipt = await lab.accept(accepted)
    assert lab.rows("SELECT count(*) FROM events") == [(1,)]
    assert (receipt.stored, receipt.duplicates, len(receipt.seqs)) == (1, 0, 1)
    lab.reopen()
    run = await lab.one()
    assert run.events[0].event == replace(accepted.event, seq=receipt.seqs[0])
    assert run.key == LaneKey("pendo", "track", accepted.event.lane)


@promise
async def all_or_nothing(lab: Lab) -> None:
    """When one event of a list cannot be kept, nothing of the list is; what others accept at the same moment is."""
    impossible = entry("bad")
    impossible = replace(impossible, event=replace(impossible.event, at_ms=2**80))
    results = await asyncio.gather(
        lab.accept(entry("before")),
        lab.accept(entry("good", user="bob"), impossible),
        lab.accept(entry("after")),
        return_exceptions=True,
    )
    assert [isinstance(result, Exception) for result in results] == [False, True, False]
    assert lab.fate("good") == "unknown"
    assert await lab.deliver() == ["before", "after"]


@promise
async def nothing_is_ignored_silently(lab: Lab) -> None:
    """An event that the tables refuse raises; it is never taken for a duplicate and answered with success."""
    broken = entry("m1")
    broken = replace(broken, event=replace(broken.event, received_at=None))
    with pytest.raises(Exception, match="NOT NULL"):
        await lab.accept(broken)


@promise
async def duplicates_are_ignored_and_counted(lab: Lab) -> None:
    """A known (source, messageId) is ignored: in the same list, later, after delivery and after a restart; the first body wins."""
    receipt = await lab.accept(
        entry("m1", body=b"first"), entry("m1", body=b"second"), entry("m2", body=b"other")
    )
    assert (receipt.stored, receipt.duplicates) == (2, 1)
    assert receipt.seqs[1] == 0 < receipt.seqs[0] < receipt.seqs[2]
    assert (await lab.accept(entry("m1", user="bob"))).duplicates == 1
    run = await lab.one()
    assert [waiting.event.body for waiting in run.events] == [b"first", b"other"]
    await lab.settle(run, DONE)
    lab.reopen()
    receipt = await lab.accept(entry("m1"))
    assert (receipt.stored, receipt.duplicates, receipt.due) == (0, 1, ())
    assert lab.counters("s:web") == {"received": 2, "duplicates": 3}
    await lab.none()


@promise
async def ids_belong_to_their_source(lab: Lab) -> None:
    """The same messageId at another source is another event."""
    await lab.accept(entry("m1", source="web"), entry("m1", source="backend"))
    run = await lab.one()
    assert [waiting.event.source_id for waiting in run.events] == ["web", "backend"]


@promise
async def many_at_once(lab: Lab) -> None:
    """Ten thousand events in one accept are ten thousand events, in order."""
    receipt = await lab.accept(*(entry(f"m{i}", user=f"u{i % 10}") for i in range(10_000)))
    assert receipt.stored == 10_000
    assert list(receipt.seqs) == sorted(set(receipt.seqs))
    runs = (await lab.claim(run_max=10_000)).runs
    assert sorted(len(run.events) for run in runs) == [1_000] * 10
    assert all([w.event.seq for w in run.events] == sorted(w.event.seq for w in run.events) for run in runs)


@promise
async def hostile_ids(lab: Lab) -> None:
    """Ids of any length and content are kept apart: a megabyte, NUL, an id that looks like a digest of ours."""
    long = "x" * 1_000_000
    texts = [
        long,
        long + "y",
        "nul\0a",
        "nul\0b",
        "new\nline",
        "\u202e",
        " ",
        "",
        "'; DROP TABLE events; --",
        "💥",
    ]
    for text in texts:
        await lab.accept(entry(text, user="u" + text, anon=text))
        assert (await lab.accept(entry(text, user="u" + text, anon=text))).duplicates == 1
    digests = [key for (key,) in lab.rows("SELECT message_key FROM events WHERE message_id IS NOT NULL")]
    assert digests
    receipt = await lab.accept(*(entry(digest, user=digest) for digest in digests))
    assert receipt.stored == len(digests), "an id that looks like a digest was taken for another's"
    runs = (await lab.claim()).runs
    found = {w.event.message_id: w.event for run in runs for w in run.events}
    assert set(found) == {*texts, *digests}
    assert all(found[text].user_id == "u" + text and found[text].anonymous_id == text for text in texts)
    assert len(runs) == len(texts) + len(digests), "two people share a lane"


@promise
async def half_surrogates_are_mended(lab: Lab) -> None:
    """Text that UTF-8 cannot write breaks nothing: half a surrogate pair is kept as U+FFFD, a pair as its character."""
    half = "a\ud800b"
    await lab.accept(
        entry(half, user=half, anon=half, kind=half),
        replace(group("g", half, user=half, parents={half: half}), link=identify("", half, half).link),
    )
    assert (await lab.accept(entry(half))).duplicates == 1
    await lab.accept(entry("pair", user="\ud83d\ude00"))
    events = {w.event.message_id: w for run in (await lab.claim()).runs for w in run.events}
    assert set(events) == {"a�b", "pair"}
    assert events["a�b"].event.user_id == events["a�b"].event.anonymous_id == "a�b"
    assert [m.group_id for m in events["a�b"].person.memberships] == ["a�b"]
    assert events["pair"].event.user_id == "😀"
    run = await lab.one("metadata")
    assert not (await lab.settle(run, Retry("timeout", "\ud800"))).lost


@promise
async def one_destination_once(lab: Lab) -> None:
    """An event goes to each destination once: of two routes to one destination the first counts, and no lane gets stuck."""
    await lab.accept(entry("m1", Route("pendo", "metadata"), Route("pendo", "track"), Route("hook", "")))
    assert await lab.deliver("metadata") == ["m1"]
    assert (await lab.none()).next_due_at is None
    assert await lab.deliver("", destination="hook") == ["m1"]


@promise
async def events_without_routes_are_kept(lab: Lab) -> None:
    """An event of a source without connections is kept and counted, and waits nowhere."""
    accepted = entry("m1")
    receipt = await lab.accept(replace(accepted, routes=()))
    assert (receipt.stored, receipt.due) == (1, ())
    assert lab.counters("s:web") == {"received": 1}


@promise
async def accept_survives_a_full_disk(lab: Lab) -> None:
    """On a full disk accept raises StoreUnavailable and keeps nothing of the list; service returns by itself."""
    await lab.accept(entry("before"))
    remedy = lab.engine.run_out_of_space(lab.store)
    refused = 0
    for i in range(20):
        try:
            await lab.accept(*(entry(f"{i}-{n}", body=b"x" * 30_000) for n in range(5)))
        except StoreUnavailable as error:
            assert not isinstance(error, StoreFull)
            refused += 1
    assert refused >= 10
    assert lab.rows("SELECT (count(*) - 1) % 5 FROM events") == [(0,)]
    lab.check()
    remedy()
    assert (await lab.accept(entry("after"))).stored == 1
    sent = await lab.deliver()
    assert (sent[0], sent[-1]) == ("before", "after")


@promise
async def accept_wakes_who_must_act(lab: Lab) -> None:
    """The receipt names each (destination, channel) that got something to do, with the earliest time."""
    receipt = await lab.accept(
        entry("m1", GATE, Route("hook", "")), entry("m2", WINDOW, user="bob"), entry("m3", TRACK, user="eve")
    )
    assert sorted(receipt.due) == [
        ("hook", "", lab.now),
        ("pendo", "metadata", lab.now),
        ("pendo", "track", lab.now),
    ]
    receipt = await lab.accept(entry("m4", replace(WINDOW, channel="slow"), user="bob"))
    assert receipt.due == (("pendo", "slow", lab.now + 0.3),)
    assert (await lab.accept(entry("m5", HOLD, anon="a"))).due == ()
