"""Bots are counted, never dropped (data plane contract 5.3)."""

from __future__ import annotations

BOT_WORDS = ("bot", "crawler", "spider")


def is_bot(user_agent: object) -> bool:
    """Whether a user agent, of any JSON type, is counted as a bot: it contains bot, crawler or spider in any case."""
    if not isinstance(user_agent, str):
        return False
    lower = user_agent.lower()
    return any(word in lower for word in BOT_WORDS)
