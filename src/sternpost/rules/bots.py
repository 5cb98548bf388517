"""Bots are counted, never dropped (data plane contract 5.3)."""

from __future__ import annotations

BOT_WORDS = ("bot", "crawler", "spider")


def is_bot(user_agent: object) -> bool:
    """Whether a user agent, of any JSON type, is counted as a bot: it contains bot, crawler or spider in any case."""
    if not isinstance(user_agent, str):
        return False
    lower = user_agent.lower()
    return any(word in lower for word in BOT_WORDS)


def may_name_bot(body: bytes) -> bool:
    """Whether it is worth the reading: False when no text in a JSON body can be a bot's user agent. Costs less than reading it."""
    agent = body.find(b"userAgent")
    if agent < 0:
        return False
    lower = body[agent:].lower()
    # Escaped, letters of the name may stand before it: its key may be written so, and another one as itself behind it.
    return b"bot" in lower or b"crawler" in lower or b"spider" in lower or b"\\u00" in body
