"""People at Pendo: deletion in bulk, and what Pendo holds about a visitor or an account (pendo.md, "Do not process, bulk delete")."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal
from urllib.parse import quote

import msgspec

from sternpost.destinations.pendo.calls import SECRET_HEADERS, keyed_headers
from sternpost.destinations.pendo.constants import ANONYMOUS_PREFIX
from sternpost.destinations.pendo.settings import PendoSettings
from sternpost.model import Call, Reply

DELETION_IDS_MAX = 500  #: S: ids of one bulk delete
DELETION_EVERY_S = 1.1  #: S: more than one call a second is likely to fail
SAID_CHARS_MAX = 200

_PLAIN_ID = re.compile(r"[A-Za-z0-9_.@+-]{1,200}")


def deletion(user_ids: Sequence[str], anonymous_ids: Sequence[str], settings: PendoSettings) -> Call | None:
    """Ask for the deletion of visitors: users under their id, anonymous people under Pendo's prefix, as they were sent."""
    visitors = [*user_ids, *(f"{ANONYMOUS_PREFIX}{one}" for one in anonymous_ids)]
    body = msgspec.json.encode({"visitors": visitors})
    return _call("POST", "/api/v1/bulkdelete/visitor", settings, body)


def read_deletion(reply: Reply) -> tuple[str, str]:
    """(id, "") or ("", why not)."""
    answer = _object(reply)
    if reply.status == 200 and isinstance(answer.get("id"), str) and answer["id"]:
        return answer["id"], ""
    match reply.status:
        case None:
            return "", f"It did not answer: {reply.error_detail or reply.error}"
        case 401 | 403:
            return "", "Pendo refuses the integration key; it needs write access."
        case 429:
            return "", "Pendo takes one deletion a second; it is asked again."
        case status:
            return "", f"Pendo answered {status}: {_said(reply)}".strip()


def deletion_status(identifier: str, settings: PendoSettings) -> Call | None:
    return _call("GET", f"/api/v1/bulkdelete/{quote(identifier, safe='')}", settings)


def read_deletion_status(reply: Reply) -> tuple[bool, str]:
    """(done, what was said). How the state is called is not published [A: bulkdelete.statusShape]."""
    answer = _object(reply)
    status = str(answer.get("status") or answer.get("state") or "")[:SAID_CHARS_MAX]
    if reply.status == 200:
        return status.lower() in {"done", "completed", "complete", "finished"}, status or "no state was told"
    return False, f"It answered {reply.status}." if reply.status else f"It did not answer: {reply.error}."


def read_back(kind: Literal["visitor", "account"], identifier: str, settings: PendoSettings) -> Call | None:
    """What Pendo holds; an id that an address cannot hold goes in base64."""
    if _PLAIN_ID.fullmatch(identifier):
        return _call("GET", f"/api/v1/{kind}/{quote(identifier, safe='@')}", settings)
    encoded = quote(base64.b64encode(identifier.encode("utf-8", "replace")).decode(), safe="")
    return _call("GET", f"/api/v1/{kind}/{encoded}", settings, more={"x-pendo-base64-encoded-params": "true"})


def read_held(reply: Reply) -> tuple[Mapping[str, Any] | None, str]:
    """(metadata by group, "") or (None, why not)."""
    match reply.status:
        case 200:
            metadata = _object(reply).get("metadata")
            return (metadata, "") if isinstance(metadata, dict) else (None, "Pendo's answer cannot be read.")
        case 404:
            return None, "Pendo does not know this id (yet)."
        case 401 | 403:
            return None, "Pendo refuses the integration key."
        case None:
            return None, f"Pendo did not answer: {reply.error_detail or reply.error}"
        case status:
            return None, f"Pendo answered {status}: {_said(reply)}".strip()


def _call(
    method: str,
    path: str,
    settings: PendoSettings,
    body: bytes = b"",
    more: Mapping[str, str] | None = None,
) -> Call | None:
    if settings.integration_key is None:
        return None
    headers = keyed_headers(
        settings.integration_key, {**(more or {}), **({"content-type": "application/json"} if body else {})}
    )
    return Call(method, f"{settings.hosts.api}{path}", headers, body, SECRET_HEADERS)


def _object(reply: Reply) -> dict[str, Any]:
    try:
        answer = msgspec.json.decode(reply.body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _said(reply: Reply) -> str:
    return " ".join(reply.body[:SAID_CHARS_MAX].decode("utf-8", "replace").split())
