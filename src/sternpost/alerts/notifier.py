"""Tells a webhook what somebody should know: once when it begins, each hour while it lasts, and when it is over.

Messages are JSON with a `text`, which chat tools show as it is. What cannot be sent waits, in order, and is tried at each look; of more
than `WAITING_MAX` the oldest are given up and counted in the log. Nothing is kept over a restart: what still holds is told again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import msgspec
import structlog

from sternpost.alerts.conditions import Condition, Facts, conditions
from sternpost.errors import StoreError
from sternpost.model import Call, Reply

log = structlog.get_logger("sternpost.alerts")

EVERY_S = 10.0  #: between two looks
REMIND_S = 3_600.0  #: one message per kind and subject an hour, however often it comes and goes
WAITING_MAX = 100  #: messages that could not be sent yet
PER_LOOK_MAX = 20  #: messages sent at one look, so that a storm does not drown whoever reads them

State: TypeAlias = Literal["started", "still", "over"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message."""

    state: State
    condition: Condition
    since: float  #: unix seconds


@dataclass(slots=True)
class _Known:
    condition: Condition
    since: float
    told_at: float  #: before `since` when it came back too soon to be told of
    holds: bool = True


class Told:
    """What was told, and what is to be told now. Pure but for its memory, which is bounded by what can be wrong at once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], _Known] = {}

    def look(self, present: Iterable[Condition], now: float) -> list[Message]:
        """The messages of this moment."""
        messages: list[Message] = []
        holding: set[tuple[str, str]] = set()
        for condition in present:
            key: tuple[str, str] = (condition.kind, condition.subject)
            holding.add(key)
            known = self._known.get(key)
            if known is None:
                self._known[key] = _Known(condition, now, now)
                messages.append(Message("started", condition, now))
                continue
            if not known.holds:
                known.holds, known.since = True, now
            known.condition = condition
            if now - known.told_at >= REMIND_S:
                state: State = "started" if known.since > known.told_at else "still"
                known.told_at = now
                messages.append(Message(state, condition, known.since))
        for key, known in list(self._known.items()):
            if key in holding:
                continue
            if known.holds:
                known.holds = False
                if known.told_at >= known.since:
                    messages.append(Message("over", known.condition, known.since))
            elif now - known.told_at >= REMIND_S:
                del self._known[key]
        return messages


class Notifier:
    """The loop around it."""

    def __init__(
        self,
        url: str,
        *,
        facts: Callable[[], Awaitable[Facts]],
        send: Callable[[Call], Awaitable[Reply]],
        console: str,
    ) -> None:
        """`console` is the server's address, for links."""
        self._url = url
        self._facts = facts
        self._send = send
        self._console = console
        self._told = Told()
        self._waiting: deque[Message] = deque()
        self._failing = False

    async def run(self) -> None:
        """Look every few seconds, for ever."""
        while True:
            try:
                await self.once()
            except StoreError as error:
                log.warning("alerts_not_known", error=str(error))
            await asyncio.sleep(EVERY_S)

    async def once(self) -> None:
        """Look once, and send what is to be told."""
        facts = await self._facts()
        self._waiting.extend(self._told.look(conditions(facts), facts.now))
        given_up = 0
        while len(self._waiting) > WAITING_MAX:
            self._waiting.popleft()
            given_up += 1
        if given_up:
            log.error("alerts_given_up", count=given_up)
        for _ in range(min(len(self._waiting), PER_LOOK_MAX)):
            reply = await self._send(self._call(self._waiting[0]))
            well = reply.status is not None and reply.status < 300
            if not well and not self._failing:
                # Said once; the address may hold a secret, so it is not.
                log.error("alert_not_sent", status=reply.status, error=reply.error)
            self._failing = not well
            if not well:
                return
            self._waiting.popleft()

    def _call(self, message: Message) -> Call:
        condition = message.condition
        mark = {"started": "Sternpost", "still": "Sternpost, still", "over": "Sternpost, over"}[message.state]
        remedy = "" if message.state == "over" else f" {condition.remedy}"
        link = f"{self._console}{condition.path}"
        body = {
            "text": f"{mark}: {condition.text}{remedy} {link}",
            "kind": condition.kind,
            "subject": condition.subject,
            "state": message.state,
            "since": message.since,
            "remedy": condition.remedy,
            "link": link,
        }
        headers = {"content-type": "application/json", "user-agent": "Sternpost"}
        return Call("POST", self._url, headers, msgspec.json.encode(body))
