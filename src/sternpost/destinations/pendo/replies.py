"""What Pendo's answers mean (the table "What each HTTP outcome means" of the contract)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from sternpost.destinations.base import Part
from sternpost.destinations.common import TEXT_CHARS_MAX, read_status
from sternpost.destinations.pendo.calls import Item
from sternpost.destinations.pendo.constants import DNP_REMEMBER_H, UNREADABLE_TRIES_MAX
from sternpost.destinations.pendo.regions import other_region, suffix_of
from sternpost.destinations.pendo.settings import PendoSettings
from sternpost.model import (
    Blocked,
    Delivered,
    Outcome,
    Rejected,
    Reply,
    Retry,
    Skipped,
    Split,
)

REPORT_MEMBERS = frozenset({"total", "updated", "failed", "missing", "errors"})
ERROR_TEXT_KEYS = ("error", "message", "reason")  #: A
_WORDS = re.compile(r"""[\s"'`,;()\[\]{}<>]+""")


def read(reply: Reply, parts: Sequence[Part], settings: PendoSettings) -> Sequence[Outcome] | Split:
    """One outcome per part, or Split. Never raises, whatever came back."""
    if not parts:
        return ()
    status = reply.status
    # Parts of one id travel as one item (V4): halves would tell nothing about them.
    several = len({part.ids for part in parts}) > 1
    if status == 451:
        if several:
            return Split("do_not_process", "Pendo answered 451 for one of the items.")
        opted_out = Skipped("do_not_process", "Pendo answered 451.", remember_s=DNP_REMEMBER_H * 3600.0)
        return (opted_out,) * len(parts)
    outcome = read_status(reply)
    if status in {400, 413} and several and isinstance(outcome, Rejected):
        return Split(outcome.reason, outcome.detail)
    is_metadata = isinstance(parts[0].payload, Item)
    if isinstance(outcome, Delivered) and is_metadata:
        return _read_report(reply, parts, settings)
    if isinstance(outcome, Blocked):
        outcome = key_refused(outcome.detail, settings, is_metadata=is_metadata)
    elif isinstance(outcome, Rejected) and outcome.reason == "unexpected_redirect":
        outcome = Rejected(outcome.reason, f"{outcome.detail} Check region or hosts.")
    return (outcome,) * len(parts)


def key_refused(answered: str, settings: PendoSettings, *, is_metadata: bool) -> Blocked:
    """Why a key may be refused: Pendo does not say, so every cause is named."""
    key = settings.integration_key
    if key is not None and (named := other_region(key.reveal(), settings.region)):
        return Blocked(
            "region_differs",
            f"{answered} The integration key ends in .{suffix_of(key.reveal())}, which is region {named}; "
            f"the destination is set to {settings.region}.",
        )
    name = "integration key" if is_metadata else "track event secret"
    causes = (
        f"{answered} Three causes look alike: (1) the {name} is wrong or was revoked; (2) it belongs to another region than "
        f"{settings.region}; (3) trackEventSecret and integrationKey are exchanged."
    )
    if is_metadata:
        causes += " A key without write access is refused too."
    return Blocked("key_refused", causes)


def read_verify(reply: Reply, settings: PendoSettings) -> Blocked | None:
    """The answer of token/verify: None when the key is valid and may write."""
    if reply.status is None:
        return Blocked(
            "key_refused", f"token/verify did not answer: {reply.error_detail or reply.error or 'no reason'}."
        )
    report = _json_object(reply.body) if 200 <= reply.status < 300 else None
    if report is None or report.get("valid") is not True:
        return key_refused(f"token/verify answered {reply.status}.", settings, is_metadata=True)
    if report.get("writeAccess") is not True:
        return Blocked(
            "key_cannot_write",
            "token/verify answered writeAccess: false; writing needs a key with write access.",
        )
    return None


def read_schema(reply: Reply) -> Mapping[str, str] | None:
    """The fields of group custom and their types (rule V6), names in lower case; None when the answer cannot be used."""
    if reply.status is None or not 200 <= reply.status < 300:
        return None
    report = _json_object(reply.body)
    if report is None:
        return None
    custom = report.get("custom")
    if custom is None:
        # Only an answer that names groups at all says that there are no custom fields.
        return {} if report.keys() & {"auto", "agent"} else None
    if not isinstance(custom, dict):
        return None
    return {name.lower(): _type(field) for name, field in custom.items()}


def _type(field: object) -> str:
    if isinstance(field, dict):
        for name in ("Type", "type"):
            if isinstance(field.get(name), str):
                return str(field[name]).lower()
    return ""


# --- the report about a batch -----------------------------------------------------------------------------------------


def _read_report(reply: Reply, parts: Sequence[Part], settings: PendoSettings) -> Sequence[Outcome] | Split:
    report = _json_object(reply.body)
    if report is None or not report.keys() & REPORT_MEMBERS:
        unreadable = Retry(
            "unexpected_reply",
            f"Pendo answered {reply.status} with a body that is no report: {reply.body[:80]!r}.",
            tries_max=UNREADABLE_TRIES_MAX,
        )
        return (unreadable,) * len(parts)
    ids = {part.payload.id for part in parts}
    missing_said, errors_said = _list(report.get("missing")), _list(report.get("errors"))
    missing = {text for entry in missing_said if (text := _id(entry)) in ids}
    errors = _owners(errors_said, ids)
    failed = _count(report.get("failed"))
    if failed is None:
        failed = len(missing_said) + len(errors_said)
    if failed > len(missing | errors.keys()):
        if len(ids) > 1:
            return Split(
                "value_refused_by_pendo",
                f"Pendo refused {failed} items and named {len(missing | errors.keys())}.",
            )
        if not missing and not errors:
            # One item and a failure without an owner: it is the owner.
            said = "; ".join(_error_text(entry) for entry in errors_said[:5]) or "no reason was given"
            return (Rejected("value_refused_by_pendo", _short(said)),) * len(parts)
    return tuple(_of_item(part.payload, missing, errors, settings) for part in parts)


def _of_item(
    item: Item, missing: set[str], errors: Mapping[str, list[str]], settings: PendoSettings
) -> Outcome:
    if item.id in missing:
        detail = f"Pendo does not know {item.kind} {_short(item.id)}."
        return Rejected("missing_id", detail) if settings.create_missing else Skipped("missing_id", detail)
    if item.id in errors:
        return Rejected("value_refused_by_pendo", _short("; ".join(errors[item.id])))
    return Delivered()


def _owners(entries: Sequence[Any], ids: set[str]) -> dict[str, list[str]]:
    """The texts of `errors`, by the id that each names. The shape of an entry is not published (metadata.errorItem)."""
    found: dict[str, list[str]] = defaultdict(list)
    for entry in entries:
        owner = _owner_in_object(entry, ids) if isinstance(entry, dict) else _owner_in_text(entry, ids)
        if owner is not None:
            found[owner].append(_error_text(entry))
    return found


def _owner_in_object(entry: Mapping[str, Any], ids: set[str]) -> str | None:
    for name, value in entry.items():
        if name.lower() in {"id", "visitorid", "accountid", "parentaccountid"} and _id(value) in ids:
            return _id(value)
    return _owner_in_text(_error_text(entry), ids)


def _owner_in_text(text: object, ids: set[str]) -> str | None:
    """`<id>: <reason>`, the longest id that fits; else the only id that stands in the text as a word."""
    if not isinstance(text, str):
        return None
    for colon in reversed([place for place, char in enumerate(text) if char == ":"]):
        if text[:colon] in ids:
            return text[:colon]
    words: Iterable[str] = (word.strip(".:!?") for word in _WORDS.split(text))
    named = {word for word in words if word in ids}
    return named.pop() if len(named) == 1 else None


def _error_text(entry: object) -> str:
    if isinstance(entry, str):
        return entry
    if isinstance(entry, dict):
        for name in ERROR_TEXT_KEYS:
            if isinstance(entry.get(name), str):
                return str(entry[name])
    return msgspec.json.encode(entry).decode()


def _json_object(body: bytes) -> dict[str, Any] | None:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _id(value: object) -> str:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def _count(value: object) -> int | None:
    if isinstance(value, int):
        return int(value)
    return int(value) if isinstance(value, float) and value.is_integer() else None


def _short(text: str) -> str:
    return text if len(text) <= TEXT_CHARS_MAX else f"{text[:TEXT_CHARS_MAX]}…"
