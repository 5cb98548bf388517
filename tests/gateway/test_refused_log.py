"""What people see of refused requests."""

from __future__ import annotations

import json
import re

import pytest

from sternpost.gateway.refused_log import RefusedLog, shorten
from tests.gateway.door import EVENT, KEY, Door, basic


async def test_refused_requests_are_shown_without_secrets() -> None:
    """Shortened key, hashed address, the library's name, and a sample only when the key was a source's."""
    door = Door()
    body = json.dumps({"context": {"library": {"name": "RudderLabs JS", "version": "3"}}, "k": KEY}).encode()
    await door.post("/v1/track", body, basic() | {"Origin": "https://x.example"})
    door.now += 5
    await door.post("/v1/track", b"secret", basic("wk-old-and-long") | {"User-Agent": "curl/8"})
    await door.post("/v1/track", b"secret", {})
    missing, unknown, anonymous = door.refused.entries()
    assert (missing.write_key, missing.source_id, missing.sample) == ("", None, "")
    assert (unknown.write_key, unknown.source_id, unknown.sample) == ("wk-o…", None, "")
    assert unknown.library == "curl/8"
    assert (anonymous.source_id, anonymous.reason) == ("enabled-source", "no_identity")
    assert (anonymous.library, anonymous.origin) == ("RudderLabs JS", "https://x.example")
    assert anonymous.sample.startswith('{"context"')
    for entry in door.refused.entries():
        assert KEY not in repr(entry)
        assert "192.0.2.7" not in repr(entry)
        assert entry.address_hash == missing.address_hash


async def test_equal_refusals_are_counted_together_and_few_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client in a loop is one line with a count; a thousand different ones push out the oldest."""
    door = Door()
    for n in range(3):
        door.now += 1
        await door.post("/v1/track", b"broken %d" % n)
    (entry,) = door.refused.entries()
    assert (entry.count, entry.sample, entry.at - entry.first_at) == (3, "broken 2", 2.0)
    log = RefusedLog(entries_max=2)
    for path in ("/a", "/b", "/c"):
        log.add(
            at=1.0,
            path=path,
            status=400,
            reason="bad_json",
            detail="",
            source_id="s",
            write_key="k",
            origin="",
            address="",
            agent="",
            body=b"x" * 10_000,
        )
    assert [entry.path for entry in log.entries()] == ["/c", "/b"]
    assert all(len(entry.sample) == 2_048 for entry in log.entries())


@pytest.mark.parametrize(("key", "shown"), [("", ""), ("a", "…"), ("abcd", "ab…"), ("abcdefghij", "abcd…")])
def test_a_write_key_is_never_shown_in_full(key: str, shown: str) -> None:
    """Four characters at most, and never more than half."""
    assert shorten(key) == shown


async def test_no_write_key_is_in_the_metrics() -> None:
    """Neither a source's nor an unknown one."""
    door = Door()
    await door.post("/v1/track", EVENT)
    await door.post("/v1/track", EVENT, basic("wk-unknown-key"))
    await door.request("GET", "/pixel/v1/track?writeKey=wk-unknown-key")
    text = door.gateway._metrics.render().decode()
    assert not re.search(rf"{KEY}|wk-unknown-key", text)
