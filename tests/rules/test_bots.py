"""What is not read for a user agent cannot hold a bot's."""

from __future__ import annotations

import json

import pytest

from sternpost.model import Event
from sternpost.rules.bots import is_bot, may_name_bot
from sternpost.wire import facts

AGENTS = (
    "Googlebot/2.1",
    "a CRAWLER",
    "Spider",
    "B\u006ft",
    "Mozilla/5.0 (X11; Linux x86_64)",
    "Cubot phone",
    "",
)


def _bot_of(body: bytes) -> bool:
    return is_bot(facts.user_agent(Event("m1", "web", "track", True, 0.0, "", body)))


OTHERS: tuple[dict[str, object], ...] = (
    {},
    {"event": 'robot "userAgent": sold'},
    {"properties": {"userAgent": "none"}},
)


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("before", OTHERS)
@pytest.mark.parametrize("after", OTHERS)
def test_every_bot_is_read(agent: str, before: dict[str, object], after: dict[str, object]) -> None:
    """Wherever in the body a bot's user agent stands, and however its letters and its name are written, the body is worth reading."""
    context = json.dumps({"userAgent": agent})
    body = f'{{"first": {json.dumps(before)}, "context": {context}, "last": {json.dumps(after)}}}'.encode()
    value = body.replace(b"bot", b"b\\u006ft").replace(b"Spider", b"\\u0053pider")
    name = body.replace(b'"context": {"userAgent"', b'"context": {"user\\u0041gent"')
    for written in (body, value, name):
        assert may_name_bot(written) or not _bot_of(written)
    assert _bot_of(body) == is_bot(agent)


def test_a_body_without_a_user_agent_is_not_read() -> None:
    """A bot's name elsewhere says nothing."""
    assert not may_name_bot(b'{"event": "Bought a robot", "properties": {"crawler": "spider"}}')
    assert not may_name_bot(b'{"event": "Bought a robot", "context": {"userAgent": "curl/8.0"}}')
