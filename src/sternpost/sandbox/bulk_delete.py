"""Bulk deletion of visitors and accounts (pendo.md, "Do not process, bulk delete")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sternpost.sandbox import limits
from sternpost.sandbox.model import BulkDelete, Reply, Request, json_reply, message_reply
from sternpost.sandbox.payload import NotJson, decode_json
from sternpost.sandbox.state import State


def request_delete(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """`POST /api/v1/bulkdelete/{visitor|account}`: queued; the ids are marked do not process at once [S: hc/13857784403611]."""
    kind = params["kind"]
    if kind not in ("visitor", "account"):
        return message_reply(404, "Not Found")
    try:
        body = decode_json(request.body)
    except NotJson as error:
        return message_reply(400, str(error))
    ids = body.get(f"{kind}s") if isinstance(body, dict) else None
    if (
        not isinstance(ids, list)
        or not ids
        or not all(
            isinstance(record_id, str) and 0 < len(record_id) <= limits.ID_CHARS_MAX for record_id in ids
        )
    ):
        return message_reply(400, f'The body must be {{"{kind}s": [ids]}}.')
    if len(ids) > limits.BULK_DELETE_IDS_MAX:
        state.note(
            request,
            "bulk_delete_limit",
            f"{len(ids)} ids in one call; at most {limits.BULK_DELETE_IDS_MAX} are taken.",
        )
        return message_reply(
            state.switch("bulkdelete.overLimitStatus"), f"At most {limits.BULK_DELETE_IDS_MAX} ids a call."
        )
    last_ms = state.kept.bulk_delete_last_ms
    if last_ms is not None and 0 <= request.at_ms - last_ms < limits.BULK_DELETE_INTERVAL_MS:
        state.note(request, "bulk_delete_limit", "A second bulk delete within one second.")
        return message_reply(state.switch("bulkdelete.tooSoonStatus"), "At most one bulk delete a second.")
    state.kept.bulk_delete_last_ms = request.at_ms
    job = BulkDelete(
        state.new_id("bulkdelete"), kind, ids, request.at_ms, request.at_ms + state.switch("bulkdelete.lagMs")
    )
    state.kept.bulk_deletes[job.id] = job
    if len(state.kept.bulk_deletes) > limits.BULK_DELETES_MAX:
        del state.kept.bulk_deletes[next(iter(state.kept.bulk_deletes))]
        state.count_dropped("bulk deletes")
    for record_id in ids:
        state.set_do_not_process("visitor" if kind == "visitor" else "account", record_id, on=True)
        record = state.records("visitor" if kind == "visitor" else "account").get(record_id)
        if record is not None:
            record.group("pendo")["donotprocess"] = True
    complete_due(state, request.at_ms)
    return json_reply(200, {"id": job.id})


def list_deletes(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """`GET /api/v1/bulkdelete`."""
    return json_reply(200, [_view(state, job) for job in state.kept.bulk_deletes.values()])


def get_delete(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """`GET /api/v1/bulkdelete/{id}`."""
    job = state.kept.bulk_deletes.get(params["id"])
    return (
        message_reply(404, "There is no bulk delete of that id.")
        if job is None
        else json_reply(200, _view(state, job))
    )


def complete_due(state: State, now_ms: int) -> None:
    """Carry out the deletions whose time has come by the sandbox's clock [A: bulkdelete.lagMs]."""
    if state.kept.bulk_delete_last_ms is None:
        return
    waiting = False
    for job in state.kept.bulk_deletes.values():
        if job.completed_ms is None and job.due_ms <= now_ms:
            job.completed_ms = now_ms
            state.erase("visitor" if job.kind == "visitor" else "account", set(job.ids))
        waiting = waiting or job.completed_ms is None
    if not waiting and now_ms - state.kept.bulk_delete_last_ms >= limits.BULK_DELETE_INTERVAL_MS:
        # Nothing is left to look at with every request, until the next call.
        state.kept.bulk_delete_last_ms = None


def _view(state: State, job: BulkDelete) -> dict[str, Any]:
    """The state of a job; its names are not published [A: bulkdelete.statusShape]."""
    facts: dict[str, Any] = {
        "id": job.id,
        "status": "pending" if job.completed_ms is None else "done",
        "kind": job.kind,
        "requested": job.requested_ms,
        "completed": job.completed_ms,
        "ids": job.ids,
    }
    return {name: facts[fact] for name, fact in state.switch("bulkdelete.statusShape").items()}
