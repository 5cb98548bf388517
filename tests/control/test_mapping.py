"""The mapping page's rows: each trait mapped by the code that delivers."""

from __future__ import annotations

import json

from sternpost.control.mapping import blocks
from sternpost.model import Event

NOW = 1_760_000_000.0


def test_a_call_that_cannot_be_sent_tells_nothing() -> None:
    """The newest call with a property has no event name, so nothing is sent of it: an older one tells what the property becomes."""

    def event(number: int, name: str) -> Event:
        body = json.dumps({"type": "track", "event": name, "properties": {"total": number}}).encode()
        return Event(f"m{number}", "web", "track", False, NOW, "", body, user_id="u1")

    def mapped(one: Event) -> tuple[dict[str, int] | None, tuple[()]]:
        sent = json.loads(one.body)
        return (sent["properties"] if sent["event"] else None), ()

    track = blocks([event(3, ""), event(2, ""), event(1, "Order")], mapped)[2]
    assert [(row["path"], row["fields"], row["count"]) for row in track["rows"]] == [("properties.total", ["total"], 3)]  # fmt: skip
    nothing = blocks([event(number, "") for number in range(9)], mapped)[2]
    assert nothing["rows"][0]["fields"] == []
