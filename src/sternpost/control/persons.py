"""The people of the events: stop one, allow again, forget one here and at the destinations that can.

**Stop**: further events of a person are accepted and end as skipped (`suppressed_person`), under every id that is known. Whether somebody
is stopped is asked for every event, so the digests of all stopped ids are in memory.

**Forget**: a job like a replay: events, profiles and what memory holds go at once, the file is rewritten so that no byte is left; then
destinations are asked, as often as it takes, until each has said that it is done. The receipt stays, without who it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog

from sternpost.control import fate
from sternpost.destinations.base import Destination, Forgets
from sternpost.errors import StoreError, StoreUnavailable
from sternpost.model import Call, Event, Reply, Workspace
from sternpost.store.persons import (
    FORGET_CHUNK_EVENTS,
    Deletion,
    PersonIds,
    PersonTables,
    digest_of,
    events_of,
)
from sternpost.store.views import Views

log = structlog.get_logger("sternpost.control")

IDLE_S = 3_600.0  #: without anything due it is looked at again so often
TROUBLE_PAUSE_S = 5.0  #: after a store that could not be written
CATCH_UP_S = 60.0  #: a person is forgotten once what came before is in its lanes; then it is tried again
ASK_AGAIN_S, ASK_AGAIN_MAX_S = (
    10.0,
    3_600.0,
)  #: a destination that did not take a deletion is asked again, ever later
LOOK_AGAIN_S, LOOK_AGAIN_MAX_S = 5.0, 3_600.0  #: one that has begun is asked whether it is done
ENDED = frozenset({"done", "cannot", "removed"})


class Persons:
    """Who is stopped, and who is being forgotten."""

    def __init__(
        self,
        tables: PersonTables,
        views: Views,
        *,
        workspace: Callable[[], Workspace],
        destinations: Mapping[str, Destination],
        clock: Callable[[], float],
        send: Callable[[str, Call], Awaitable[Reply]],
        caught_up: Callable[[float], Awaitable[bool]],
        forget_in_memory: Callable[[Iterable[str]], None],
    ) -> None:
        self.tables = tables
        self._views = views
        self._workspace = workspace
        self._destinations = destinations
        self._clock = clock
        self._send = send
        self._caught_up = caught_up
        self._forget_in_memory = forget_in_memory
        self._secret = b""
        self._stopped: set[bytes] = set()
        #: Who was stopped just now, by whom, with which note.
        self._to_complete: dict[str, tuple[str, str]] = {}
        self._something = asyncio.Event()

    async def start(self) -> None:
        """Read who is stopped."""
        self._secret, self._stopped = await self.tables.all_stopped()

    def is_stopped(self, event: Event, user_id: str = "") -> bool:
        """Whether the person of an event is stopped; `user_id` is what a link gave it. A user decides, else the anonymous id."""
        if not self._stopped:
            return False
        user = event.user_id or user_id
        return digest_of(f"u:{user}" if user else f"a:{event.anonymous_id}", self._secret) in self._stopped

    def knows(self, person_id: str) -> bool:
        """Whether an id is stopped, as a user or as an anonymous one."""
        return any(digest_of(f"{kind}:{person_id}", self._secret) in self._stopped for kind in "ua")

    def short(self, person_id: str) -> str:
        """A person as records may name it: the beginning of its digest."""
        return digest_of(f"u:{person_id}", self._secret).hex()[:12]

    async def stop(self, person_id: str, *, by: str, note: str) -> bool:
        """False: the list is full."""
        who, _ = await self.tables.ids_of(person_id)
        done = await self.tables.stop(who, keep_id=True, by=by, note=note, now=self._clock())
        await self.start()
        # What arrived before may link further anonymousIds to the person.
        self._to_complete[person_id] = (by, note)
        self._something.set()
        return done

    async def allow(self, person_id: str) -> bool:
        """Whether the person was stopped."""
        count = await self.tables.allow(person_id)
        await self.start()
        return count > 0

    async def forget(self, person_id: str, *, by: str, note: str) -> Deletion:
        """Begin to forget a person, who is stopped from now on; or the deletion that is under way already."""
        who, _ = await self.tables.ids_of(person_id)
        there = {
            config.id: {"state": "waiting" if self._forgets(config.type) else "cannot"}
            for config in self._workspace().destinations.values()
        }
        await self.tables.stop(who, keep_id=False, by=by, note="", now=self._clock())
        await self.start()
        await self.tables.begin_forgetting(who, by=by, note=note, there=there, now=self._clock())
        self._something.set()
        return (await self.tables.deletions(person_id=person_id))[0]

    def _forgets(self, kind: str) -> Forgets | None:
        destination: object = self._destinations.get(kind)
        return destination if isinstance(destination, Forgets) else None

    # --- the pump ----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Work for ever; rests while nothing is due."""
        while True:
            self._something.clear()
            try:
                wait_s = await self.step()
            except StoreError as error:
                log.warning("forgetting_waits", error=str(error))
                wait_s = TROUBLE_PAUSE_S
            except Exception:
                log.exception("forgetting_failed")
                wait_s = TROUBLE_PAUSE_S
            try:
                async with asyncio.timeout(wait_s):
                    await self._something.wait()
            except TimeoutError:
                continue

    async def step(self) -> float:
        """Everything that is due now; seconds until something is again."""
        for person_id, asked in list(self._to_complete.items()):
            await self._until_caught_up()
            if self.knows(person_id):
                who, _ = await self.tables.ids_of(person_id)
                by, note = asked
                await self.tables.stop(who, keep_id=True, by=by, note=note, now=self._clock())
                await self.start()
            # Only now: when the store had no room, it is tried again. Who was stopped anew meanwhile is completed anew.
            if self._to_complete[person_id] is asked:
                del self._to_complete[person_id]
        # One that was killed between the two steps is compacted by the next life.
        removed = [
            await self._remove(one) if one.state == "removing" else one
            for one in await self.tables.deletions()
            if one.state == "removing" or "compacted" not in one.here
        ]
        if removed:
            whole = await self.tables.compact()
            for one in removed:
                await self.tables.write_deletion(replace(one, here={**one.here, "compacted": whole}))
                log.info("person_forgotten_here", deletion=one.no, compacted=whole)
        wait_s = IDLE_S
        found = await self.tables.deletions()
        for destination_id in dict.fromkeys(name for one in found for name in one.there):
            wait_s = min(wait_s, await self._ask(destination_id, found))
        await self._conclude(found)
        return wait_s

    async def _remove(self, deletion: Deletion) -> Deletion:
        """Everything here, in steps. After a restart it begins anew: what is gone is gone."""
        # What arrived before may be the person's, or link a further anonymousId to it.
        await self._until_caught_up()
        if await self.tables.set_aside():
            raise StoreUnavailable(
                "Events that were set aside may be the person's.",
                "See /health; the next start tries them again.",
            )
        deletion = await self._completed(deletion)
        who = _ids(deletion)
        count = int(deletion.here.get("events", 0))
        after: int | None = 0
        while after is not None:
            seqs, after = await events_of(self._views, who, after=after)
            for start in range(0, len(seqs), FORGET_CHUNK_EVENTS):
                count += await self.tables.forget_events(seqs[start : start + FORGET_CHUNK_EVENTS])
            if seqs:
                deletion = replace(deletion, here={"events": count})
                await self.tables.write_deletion(deletion)
        profiles = await self.tables.forget_profile(who)
        self._forget_in_memory([who.user_id, *who.anonymous_ids])
        deletion = replace(
            deletion,
            state="asking",
            here={"events": count, "profiles": profiles, "removedAt": self._clock()},
        )
        await self.tables.write_deletion(deletion)
        return deletion

    async def _until_caught_up(self) -> None:
        if not await self._caught_up(CATCH_UP_S):
            raise StoreUnavailable("Events that came before are not in their lanes yet.")

    async def _completed(self, deletion: Deletion) -> Deletion:
        """With the anonymousIds that are known to be the person's by now."""
        assert deletion.ids is not None
        linked, _ = await self.tables.ids_of(deletion.ids["users"][0])
        anonymous = list(dict.fromkeys([*deletion.ids["anonymous"], *linked.anonymous_ids]))
        if anonymous == list(deletion.ids["anonymous"]):
            return deletion
        completed = replace(deletion, ids={**deletion.ids, "anonymous": anonymous})
        await self.tables.stop(
            _ids(completed), keep_id=False, by=deletion.asked_by, note="", now=self._clock()
        )
        await self.start()
        await self.tables.write_deletion(completed)
        return completed

    async def _ask(self, destination_id: str, found: list[Deletion]) -> float:
        """One request to a destination for those who wait for it, or to see how an earlier one stands; when to look again."""
        now = self._clock()
        config = self._workspace().destinations.get(destination_id)
        forgets = self._forgets(config.type) if config is not None else None
        concerned = [
            one for one in found if one.there.get(destination_id, {}).get("state") in {"waiting", "asked"}
        ]
        if config is None or forgets is None:
            await self._tell(
                found, concerned, destination_id, state="removed" if config is None else "cannot"
            )
            return IDLE_S
        due = [one for one in concerned if one.there[destination_id].get("next", 0.0) <= now]
        waiting: list[Deletion] = []
        for one in due:
            if one.there[destination_id]["state"] == "waiting" and one.ids is not None:
                size = sum(len(_visitors(other)) for other in (*waiting, one))
                if not waiting or size <= forgets.deletion_ids_max:
                    waiting.append(one)
        if waiting:
            users = [name for one in waiting for name in (one.ids or {})["users"]]
            anonymous = [name for one in waiting for name in (one.ids or {})["anonymous"]]
            call = forgets.deletion(
                users, anonymous[: forgets.deletion_ids_max - len(users)], config.settings
            )
            job, said = (
                forgets.read_deletion(await self._send(destination_id, call), config.settings)
                if call is not None
                else ("", "Its settings have no key for that.")
            )
            tries = max(int(one.there[destination_id].get("tries", 0)) for one in waiting) + 1
            if job:
                await self._tell(
                    found, waiting, destination_id,
                    state="asked", job=job, said="", at=now, tries=0, next=now + LOOK_AGAIN_S,
                )  # fmt: skip
            else:
                again = now + min(ASK_AGAIN_MAX_S, ASK_AGAIN_S * 2 ** min(tries - 1, 10))
                await self._tell(
                    found, waiting, destination_id, state="waiting", said=said, tries=tries, next=again
                )
        for job in dict.fromkeys(
            str(one.there[destination_id]["job"])
            for one in due
            if one not in waiting and one.there[destination_id]["state"] == "asked"
        ):
            same = [one for one in due if one.there[destination_id].get("job") == job]
            await self._look(found, same, destination_id, job, forgets, config.settings)
        left = [
            float(one.there[destination_id].get("next", 0.0))
            for one in found
            if one.there.get(destination_id, {}).get("state") in {"waiting", "asked"}
        ]
        return max(forgets.deletion_every_s, min(left) - self._clock()) if left else IDLE_S

    async def _look(
        self,
        found: list[Deletion],
        same: Sequence[Deletion],
        destination_id: str,
        job: str,
        forgets: Forgets,
        settings: Any,
    ) -> None:
        """Whether a deletion that was begun is done."""
        now = self._clock()
        call = forgets.deletion_status(job, settings)
        done, said = (
            forgets.read_deletion_status(await self._send(destination_id, call))
            if call is not None
            else (False, "Its settings have no key for that.")
        )
        looks = max(int(one.there[destination_id].get("tries", 0)) for one in same) + 1
        again = now + min(LOOK_AGAIN_MAX_S, LOOK_AGAIN_S * 2 ** min(looks, 10))
        more = {"state": "done", "doneAt": now} if done else {"tries": looks, "next": again}
        await self._tell(found, same, destination_id, said=said, **more)

    async def _tell(
        self, found: list[Deletion], which: Sequence[Deletion], destination_id: str, **changes: Any
    ) -> None:
        """Keep how a destination stands, also in the list that is worked on."""
        for one in which:
            there = {**one.there, destination_id: {**one.there[destination_id], **changes}}
            changed = replace(one, there=there)
            await self.tables.write_deletion(changed)
            found[found.index(one)] = changed

    async def _conclude(self, found: Sequence[Deletion]) -> None:
        """Who it was is forgotten as soon as nobody needs it; a job ends when every destination is done."""
        states = {one.no: {str(there["state"]) for there in one.there.values()} for one in found}
        known = [one for one in found if one.ids is not None and "waiting" not in states[one.no]]
        for one in known:
            await self.tables.write_deletion(replace(one, ids=None))
        if known:
            await self.tables.compact()
        for one in found:
            if states[one.no] <= ENDED:
                await self.tables.write_deletion(replace(one, ids=None, state="done"))
                log.info("person_forgotten", deletion=one.no)


def _ids(deletion: Deletion) -> PersonIds:
    assert deletion.ids is not None
    return PersonIds(deletion.ids["users"][0], tuple(deletion.ids["anonymous"]))


def _visitors(deletion: Deletion) -> list[str]:
    return [name for names in (deletion.ids or {}).values() for name in names]


def shown(deletion: Deletion) -> dict[str, Any]:
    """A deletion as the API tells of it: the receipt, without who it was."""
    return {
        "id": str(deletion.no),
        "person": deletion.digest.hex(),
        "state": deletion.state,
        "askedAt": fate.when(deletion.asked_at),
        "askedBy": deletion.asked_by,
        "note": deletion.note,
        "here": {
            "events": deletion.here.get("events", 0),
            "profiles": deletion.here.get("profiles", 0),
            "removedAt": fate.when(deletion.here.get("removedAt")),
            "compacted": deletion.here.get("compacted"),
        },
        "destinations": [
            {
                "destination": name,
                "state": there["state"],
                "job": there.get("job"),
                "askedAt": fate.when(there.get("at")),
                "doneAt": fate.when(there.get("doneAt")),
                "said": there.get("said", ""),
                "tries": there.get("tries", 0),
                "nextAt": fate.when(there.get("next")) if there["state"] in {"waiting", "asked"} else None,
            }
            for name, there in deletion.there.items()
        ],
    }
