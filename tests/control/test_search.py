"""What SQLite tells of a filter beforehand loses no event: every list is what comparing each event gives."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from sternpost.control import fate
from sternpost.control.filters import parse
from sternpost.model import Delivered, Note, Rejected, Retry, Skipped
from sternpost.store import selection
from tests.control.bench import Bench, make

NAMES: list[Any] = ["Order Placed", "order placed", "Größe", "Order/Placed", 'Say "hi"', 5, 1.50, "5", "Chekout", "été Checkout", "a_b-c.d:e"]  # fmt: skip
FILTERS = [
    "", 'event:"Order Placed"', "event:größe", 'event:"order/placed"', "event:5", "event:1.5", "checkout", "placed", "u1", "A1", "backend", "hook",
    "event:a_b-c.d:e", "account:Acme", "account:77", 'library:"sdk 3.1"', "library:SDK", "reason:bad_id", "reason:bad_id,anonymous",
    "reason:server_error", "reason:queued", "note:nested_property", "note:no_account,nested_property", "dest:hook reason:anonymous",
    "state:delivered", "state:skipped,delivered", "state:delivered,pending", "dest:hook state:delivered", "type:TRACK", "-type:track",
    "-checkout", "-reason:bad_id", 'placed -event:"Order Placed"', "user:u2 placed", "source:web", "checkout,größe", "m1", "since:1h", "until:1h",
    "state:skipped reason:bad_id",
]  # fmt: skip


@pytest.fixture
async def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    monkeypatch.setattr(selection, "SCAN_ROWS_MAX", 17)
    made = await make(tmp_path)
    rng = random.Random(4)
    for number in range(120):
        made.now += 60
        event: dict[str, Any] = {
            "type": rng.choice(["track", "TRACK ", "identify", "page", "Événement"]),
            "event": rng.choice(NAMES),
            "name": rng.choice(["Home", "Order Placed", None]),
            "userId": rng.choice(["u1", "u2", 7]),
            "anonymousId": rng.choice(["a1", "A1", "ü"]),
            "messageId": f"m{number}",
            "context": {"library": {"name": rng.choice(["sdk", "SDK", "other"]), "version": rng.choice(["3.1", 4])}, "groupId": rng.choice(["Acme", 77, None])},
        }  # fmt: skip
        await made.accept(
            json.dumps(event, ensure_ascii=rng.random() < 0.5).encode(),
            source=rng.choice(["web", "backend", "backend"]),
        )
        for destination, channel in (("pendo", "track"), ("pendo", "metadata"), ("hook", "")):
            outcome = rng.choice([None, Delivered(notes=(Note("nested_property", "properties.a"),)), Delivered(), Skipped("anonymous"), Rejected("bad_id"), Retry("server_error")])  # fmt: skip
            claim_due = made.now + 10
            made.now, before = claim_due, made.now
            try:
                if outcome is not None:
                    await made.settle(destination, channel, outcome, wait_s=30.0)
            except AssertionError:
                pass  # nothing was due
            made.now = before
    yield made
    made.close()


async def test_no_event_is_lost(bench: Bench) -> None:
    everything = (await bench.views.by_seqs(range(1, 121))).kept
    assert len(everything) == 120
    entries = [fate.compose(kept, bench.holder.current, attempts=False) for kept in reversed(everything)]
    for line in FILTERS:
        wanted = parse(line, {}, now=bench.now)
        expected = [entry["messageId"] for entry in entries if wanted.matches(entry)]
        found: list[str] = []
        before = ""
        for _ in range(300):
            page = await bench.get(f"/events?q={quote(line)}&limit=7{before}")
            found += [entry["messageId"] for entry in page["events"]]
            if page["next"] is None:
                break
            before = f"&before={page['next']}"
        assert found == expected, line
    assert (
        sum(1 for line in FILTERS if any(parse(line, {}, now=bench.now).matches(entry) for entry in entries))
        > 30
    )
