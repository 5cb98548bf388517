"""What becomes of an event before anything is sent: it is decoded, the rules of now decide, and its destination plans its requests."""

from __future__ import annotations

import asyncio

import msgspec
import structlog
from msgspec.structs import replace

from sternpost import rules
from sternpost.delivery.desk import Desk, NotKnown
from sternpost.delivery.surroundings import Surroundings
from sternpost.destinations.base import Plan
from sternpost.model import Final, Person, Rejected, Skipped, Waiting
from sternpost.wire import message as wire_message

log = structlog.get_logger("sternpost.delivery")

#: Larger events are decoded and mapped beside the loop, one at a time of a channel.
PLAN_INLINE_BYTES_MAX = 64 * 1024


class Ready(msgspec.Struct, frozen=True, gc=False):
    """An event that is to be sent."""

    waiting: Waiting
    plan: Plan


class Preparer:
    """Prepares the events of one channel of one destination."""

    def __init__(self, around: Surroundings, desk: Desk, channel: str) -> None:
        self._around = around
        self._desk = desk
        self._channel = channel
        #: Who maps a large event: threads that map share Python's lock with the loop.
        self._large = asyncio.Semaphore(1)

    async def prepare(self, waiting: Waiting) -> Ready | Final | NotKnown:
        """Rules and plan: what is to be sent for this event, or why nothing is."""
        event = waiting.event
        if self._around.stopped(event, waiting.person.user_id):
            return Skipped("suppressed_person")
        workspace = self._around.workspace()
        config, destination = self._desk.config, self._desk.destination
        source = workspace.sources.get(event.source_id)
        # A body of megabytes takes long to decode and to map; the others must not wait for it.
        large = len(event.body) > PLAN_INLINE_BYTES_MAX
        kind = source.type if source else "server"
        whole = destination.spec.sends_whole
        if large:
            async with self._large:
                message = await asyncio.to_thread(wire_message.read, event, kind, whole=whole)
        else:
            message = wire_message.read(event, kind, whole=whole)
        if isinstance(message, Rejected):
            return message
        connection = workspace.connection(event.source_id, config.id)
        stopped = rules.decide(message, source, config, connection, destination.spec)
        if stopped is not None:
            return stopped
        assert connection is not None
        known = await self._desk.known(self._channel, connection.mode)
        if isinstance(known, NotKnown):
            return known
        person = waiting.person
        if destination.parent_traits(config.settings):
            person = await self._with_parents(person, message.body)
        try:
            if large:
                async with self._large:
                    plan = await asyncio.to_thread(destination.plan, message, person, config.settings, known)
            else:
                plan = destination.plan(message, person, config.settings, known)
        except Exception as error:
            # A defect of ours costs this event, with a fate that says so, and nobody else's.
            log.exception("plan_failed", destination=config.id, seq=event.seq)
            return Rejected("internal_error", f"{type(error).__name__} while the event was mapped.")
        if not isinstance(plan, Plan):
            return plan
        for part in plan.parts[waiting.parts_done :]:
            if self._desk.remembered_skip(part):
                return Skipped("do_not_process", "Pendo said so when it was asked before.", plan.notes)
        return Ready(waiting, plan)

    async def _with_parents(self, person: Person, body: object) -> Person:
        groups = [membership.group_id for membership in person.memberships]
        if isinstance(body, dict):
            context = body.get("context")
            for value in (body.get("groupId"), context.get("groupId") if isinstance(context, dict) else None):
                if isinstance(value, str | int) and not isinstance(value, bool):
                    groups += [str(value).strip()]
        return replace(person, group_parents=await self._around.store.parents(list(dict.fromkeys(groups))))
