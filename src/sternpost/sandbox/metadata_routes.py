"""The metadata routes of /api/v1: values of many, one value, schema, dependencies (pendo.md, "Metadata")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from sternpost.sandbox import limits
from sternpost.sandbox.identity import opted_out, resolve, usable_account_id, usable_id
from sternpost.sandbox.metadata import Refused, write_fields
from sternpost.sandbox.model import Field, Reply, Request, json_reply, message_reply
from sternpost.sandbox.payload import NotJson, base64_text, decode_json, query_of
from sternpost.sandbox.state import Kind, State

_ID_KEYS: dict[Kind, tuple[str, ...]] = {
    "visitor": ("visitorId",),
    "account": ("accountId",),
    "parentAccount": ("parentAccountId", "accountId"),
}
_OTHER_ID_KEYS = ("visitorId", "accountId", "parentAccountId", "groupId", "userId", "id")
_TYPES = ("string", "number", "time", "boolean")
_PENDO_FIELDS = ("donotprocess", "blacklistguides")


class ItemError(Exception):
    """An item of a batch fails; `id` and the message make the entry of `errors`."""

    def __init__(self, record_id: str, reason: str) -> None:
        self.id = record_id
        super().__init__(reason)


# --- writing many ----------------------------------------------------------------------------------------------------


def write_values(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """`POST /api/v1/metadata/{kind}/{group}/value[?create=true]` [report and create S: hc/9320635116315; NextThought's clients]."""
    kind, group = params["kind"], params["group"]
    refusal = _check_target(state, kind, group)
    if refusal is not None:
        return refusal
    try:
        items = decode_json(request.body)
    except NotJson as error:
        return message_reply(400, str(error))
    if not isinstance(items, list):
        return message_reply(400, "The body must be a list of items.")
    if len(items) > state.switch("metadata.maxItems"):
        return message_reply(
            state.switch("metadata.overLimitStatus"),
            f"A batch has at most {state.switch('metadata.maxItems')} items.",
        )
    create = query_of(request.query).get("create") == "true" if request.query else False
    updated, missing, errors = 0, [], []
    seen: set[str] = set()
    for number, item in enumerate(items):
        try:
            record_id = _write_item(state, request, kind, group, item, number, seen, create=create)  # type: ignore[arg-type]
        except ItemError as error:
            errors.append(_error_item(state, error.id, str(error)))
        else:
            if record_id is None:
                updated += 1
            else:
                missing.append(record_id)
    return json_reply(
        200,
        {
            "total": len(items),
            "updated": updated,
            "failed": len(missing) + len(errors),
            "missing": missing,
            "errors": errors,
        },
    )


def _check_target(state: State, kind: str, group: str) -> Reply | None:
    if kind not in get_args(Kind):
        return message_reply(404, f"There is no metadata of kind {kind[:50]!r}.")
    if kind == "parentAccount" and state.switch("parentAccounts") == "off":
        return message_reply(400, "Parent accounts are not enabled for this subscription.")
    if group == "auto":
        return message_reply(state.switch("metadata.autoStatus"), "The group auto is read only.")
    if group not in ("agent", "custom"):
        return message_reply(400, f"The group {group[:50]!r} cannot be written; use agent or custom.")
    if group == "agent" and state.switch("metadata.agentGroup") == "refused":
        return message_reply(400, "Agent metadata cannot be modified through the API.")
    return None


def _write_item(
    state: State,
    request: Request,
    kind: Kind,
    group: str,
    item: Any,
    number: int,
    seen: set[str],
    *,
    create: bool,
) -> str | None:
    """Write one item; answers None, or the id when it is unknown and not to be created."""
    record_id = _item_id(state, request, kind, item, number)
    values = item.get("values")
    if not isinstance(values, dict):
        raise ItemError(record_id, "values must be an object")
    if not values and state.switch("metadata.emptyValues") == "error":
        raise ItemError(record_id, "no values")
    if record_id in seen and state.switch("metadata.duplicateId") == "error":
        raise ItemError(record_id, "the id is in the batch twice")
    seen.add(record_id)
    if kind == "visitor":
        record_id = resolve(state, record_id)
    ids = (record_id, None) if kind == "visitor" else (None, record_id)
    if state.switch("dnp.serverData") == "drop" and opted_out(state, request, *ids):
        return None
    if record_id not in state.records(kind) and not create:
        state.note(
            request, "missing_id", f"The {kind} {record_id!r} is not known and was skipped (no create=true)."
        )
        return record_id
    is_new = record_id not in state.records(kind)
    record = state.record(kind, record_id, request.at_ms)
    try:
        write_fields(state, request, kind, group, record_id, record, values)
    except Refused as error:
        if is_new:
            state.erase_record(kind, record_id)
        raise ItemError(record_id, str(error)) from None
    if kind == "account" and is_new and "::" in record_id and state.switch("parentAccounts") == "on":
        state.record("parentAccount", record_id.partition("::")[0], request.at_ms)
    return None


def _item_id(state: State, request: Request, kind: Kind, item: Any, number: int) -> str:
    label = f"item {number + 1}"
    if not isinstance(item, dict):
        raise ItemError(label, "not an object")
    sent = next((item[key] for key in _ID_KEYS[kind] if key in item), None)
    if sent is None:
        wrong = next((key for key in _OTHER_ID_KEYS if key in item and key not in _ID_KEYS[kind]), None)
        if wrong is None:
            raise ItemError(label, f"{_ID_KEYS[kind][0]} is missing")
        state.note(
            request,
            "wrong_id_key",
            f"{label} of kind {kind} names its id under {wrong!r} instead of {_ID_KEYS[kind][0]!r}.",
        )
        raise ItemError(
            usable_id(item[wrong]) or label, f"{wrong} is not an id of kind {kind}, use {_ID_KEYS[kind][0]}"
        )
    record_id = usable_id(sent) if kind == "visitor" else usable_account_id(state, sent)
    if record_id is None or not isinstance(sent, str):
        state.note(request, "bad_id", f"{label}: {str(sent)[:100]!r} cannot be an id.")
        raise ItemError(label, f"{_ID_KEYS[kind][0]} is not usable")
    return record_id


def _error_item(state: State, record_id: str, reason: str) -> Any:
    if state.switch("metadata.errorItem") == "object":
        return {"id": record_id, "error": reason}
    return f"{record_id}: {reason}"


# --- one value -------------------------------------------------------------------------------------------------------


def decoded_id(request: Request, record_id: str) -> str:
    """The id in a path; base64 when the header says so, for ids that are not URL-safe [S]."""
    if request.headers.get(b"x-pendo-base64-encoded-params", b"false").lower() not in (b"false", b"0", b""):
        return base64_text(record_id) or record_id
    return record_id


def get_value(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """`GET …/value/{id}/{field}`: the bare value [S]."""
    kind, record_id = params["kind"], decoded_id(request, params["id"])
    if kind not in get_args(Kind):
        return message_reply(404, f"There is no metadata of kind {kind[:50]!r}.")
    record = state.records(kind).get(record_id)  # type: ignore[arg-type]
    if record is None:
        return message_reply(state.switch("single.unknownIdStatus"), f"There is no {kind} of that id.")
    fields = record.metadata().get(params["group"], {})
    field = params["field"] if params["field"] in fields else params["field"].lower()
    if field not in fields:
        return message_reply(404, "The field has no value.")
    return json_reply(200, fields[field])


def put_value(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """`PUT …/value/{id}/{field}` with a bare scalar as body [S]."""
    kind, group, record_id = params["kind"], params["group"], decoded_id(request, params["id"])
    if group == "pendo":
        return _put_pendo_value(state, request, kind, record_id, params["field"])
    refusal = _check_target(state, kind, group)
    if refusal is not None:
        return refusal
    try:
        value = decode_json(request.body)
    except NotJson as error:
        return message_reply(400, str(error))
    if isinstance(value, dict | list):
        return message_reply(400, "The body must be a bare JSON scalar.")
    record = state.records(kind).get(record_id)  # type: ignore[arg-type]
    if record is None:
        return message_reply(state.switch("single.unknownIdStatus"), f"There is no {kind} of that id.")
    try:
        write_fields(state, request, kind, group, record_id, record, {params["field"]: value})  # type: ignore[arg-type]
    except Refused as error:
        return message_reply(400, f"{str(error)[:1].upper()}{str(error)[1:]}.")
    return _one_updated()


def _put_pendo_value(state: State, request: Request, kind: str, record_id: str, field: str) -> Reply:
    """Do not process, and no guides; the body is true or false [S: OpenAPI, hc/19310195851931]."""
    if field not in _PENDO_FIELDS or kind not in ("visitor", "account"):
        return message_reply(
            400, f"The group pendo has {' and '.join(_PENDO_FIELDS)} of visitors and accounts."
        )
    if request.body.strip() not in (b"true", b"false"):
        return message_reply(400, "The body must be true or false.")
    record = state.records(kind).get(record_id)  # type: ignore[arg-type]
    if record is None:
        return message_reply(state.switch("single.unknownIdStatus"), f"There is no {kind} of that id.")
    on = request.body.strip() == b"true"
    record.group("pendo")[field] = on
    record.updated_ms = request.at_ms
    if field == "donotprocess":
        state.set_do_not_process(kind, record_id, on=on)  # type: ignore[arg-type]
    return _one_updated()


def _one_updated() -> Reply:
    return json_reply(200, {"total": 1, "updated": 1, "failed": 0, "missing": [], "errors": []})


# --- schema ----------------------------------------------------------------------------------------------------------


def get_schema(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """`GET /api/v1/metadata/schema/{kind}` [S: OpenAPI]."""
    groups = state.kept.fields.get(params["kind"])
    if groups is None:
        return message_reply(404, f"There is no metadata of kind {params['kind'][:50]!r}.")
    return json_reply(200, {group: _schema_of(fields) for group, fields in groups.items()})


def post_schema(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """`POST …/schema/{kind}/{group}`: create or undelete fields [S: OpenAPI]."""
    groups, group = state.kept.fields.get(params["kind"]), params["group"]
    if groups is None or group not in ("agent", "custom"):
        return message_reply(
            400, "Fields are made in the groups agent and custom of visitor, account and parentAccount."
        )
    try:
        items = decode_json(request.body)
    except NotJson as error:
        return message_reply(400, str(error))
    if not isinstance(items, list):
        return message_reply(400, "The body must be a list of fields.")
    fields = groups[group]
    made: dict[str, Field] = {}
    for item in items:
        name = item.get("name") if isinstance(item, dict) else None
        field_type = item.get("type") if isinstance(item, dict) else None
        if (
            not isinstance(name, str)
            or not name
            or len(name) > limits.ID_CHARS_MAX
            or field_type not in _TYPES
        ):
            return message_reply(400, f"A field has a name and a type of {', '.join(_TYPES)}.")
        label = item.get("displayname")
        key = name.lower() if group == "agent" else name
        made[key] = Field(field_type, label if isinstance(label, str) else name)
    if len(fields.keys() | made.keys()) > limits.FIELDS_PER_GROUP_MAX:
        return message_reply(400, f"The sandbox keeps {limits.FIELDS_PER_GROUP_MAX} fields of a group.")
    fields.update(made)
    return json_reply(200, _schema_of(fields))


def delete_schema(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """`DELETE …/schema/{kind}/{group}/{field}`; values stay and come back when the field is undeleted."""
    field = state.kept.fields.get(params["kind"], {}).get(params["group"], {}).get(params["field"])
    if field is None or field.deleted:
        return message_reply(404, "There is no such field.")
    if params["group"] == "auto":
        return message_reply(state.switch("metadata.autoStatus"), "The group auto is read only.")
    field.deleted = True
    return Reply(200)


def dependencies(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """What uses a field; nothing in a sandbox does."""
    return json_reply(200, [])


def _schema_of(fields: Mapping[str, Field]) -> dict[str, Any]:
    return {
        name: {"Type": field.type, "DisplayName": field.name or name, "isCalculated": False}
        for name, field in fields.items()
        if not field.deleted
    }
