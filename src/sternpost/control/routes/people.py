"""Users, API tokens, sessions, the audit log: who may use the server, and who changed what."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, get_args

from starlette.requests import Request

from sternpost.control import audit, fate
from sternpost.control.answers import ApiError
from sternpost.control.auth import Via, allows
from sternpost.control.context import Context
from sternpost.control.operation import AFTER, BEFORE, LIMIT, NEXT, Operation, Parameter
from sternpost.control.people import INVITATION_VALID_S, session_id
from sternpost.control.routes.common import (
    PAGE_ROWS,
    body_of,
    cursor,
    limit_of,
    no_such,
    number_of,
    page_of,
    principal_of,
    text_of,
)
from sternpost.control.schema import (
    COUNT,
    OBJECT,
    TEXT,
    TIME,
    YES_NO,
    list_of,
    one_of,
    or_null,
    record,
    texted,
)
from sternpost.store.access import AuditRow, SessionRow, TokenRow, UserRow, audit_rows
from sternpost.wire import times

ADDRESS = "/console/setup/"  #: below it are one-time addresses
ROLE = {"type": "string", "enum": ["viewer", "editor", "owner"]}
PERSONAL_DATA = {
    "type": "boolean",
    "description": "Sees the values of events; else hashes. Default: all roles but viewer.",
}
USER = {
    "role": ROLE,
    "personalData": PERSONAL_DATA,
    "disabled": {"type": "boolean", "description": "Signed out, and cannot sign in."},
}


_USER: Mapping[str, Any] = {
    "name": TEXT,
    "role": ROLE,
    "personalData": YES_NO,
    "disabled": YES_NO,
    "hasPassword": YES_NO,
    "signedIn": texted(COUNT, "Browsers."),
    "createdAt": TIME,
}
_ADDRESS: Mapping[str, Any] = {
    "path": texted(TEXT, "A one-time address of the console; shown this once."),
    "expiresAt": TIME,
}
_TOKEN: Mapping[str, Any] = {
    "id": TEXT,
    "name": TEXT,
    "role": ROLE,
    "personalData": YES_NO,
    "createdAt": TIME,
    "createdBy": TEXT,
    "expiresAt": or_null(TIME),
    "expired": YES_NO,
    "usedAt": or_null(TIME),
}
_SESSION: Mapping[str, Any] = {
    "id": TEXT,
    "user": TEXT,
    "since": TIME,
    "expiresAt": TIME,
    "address": TEXT,
    "browser": TEXT,
}
_LINE: Mapping[str, Any] = {
    "at": TIME,
    "who": TEXT,
    "via": one_of(*get_args(Via)),
    "action": TEXT,
    "subject": TEXT,
    "detail": texted(OBJECT, "What changed as [before, after]."),
}


async def me(context: Context, request: Request) -> Any:
    who = principal_of(request)
    return {"name": who.name, "role": who.role, "personalData": who.personal_data}


# --- users ------------------------------------------------------------------------------------------------------------


async def users(context: Context, request: Request) -> Any:
    page, following = page_of(request, context.people.users)
    signed_in = Counter(one.user_key for one in context.people.sessions)
    return {"users": [_user(user, signed_in[user.key]) for user in page], "next": following}


async def add_user(context: Context, request: Request) -> Any:
    body = await body_of(request, {"name", "role"})
    name, role, personal_data = text_of(body, "name"), text_of(body, "role"), _flag(body, "personalData")
    audit.intend(request, name.strip(), role=role, personalData=personal_data)
    user = await context.people.add_user(name, role, personal_data=personal_data)
    audit.note(request, user.name, role=user.role, personalData=user.personal_data)
    return {"user": _user(user, 0), **await _address(context, user)}


async def change_user(context: Context, request: Request) -> Any:
    body = await body_of(request)
    user = _known_user(context, request)
    audit.intend(request, user.name, asked={name: value for name, value in body.items() if name in USER})
    changed = await context.people.change_user(
        user,
        role=text_of(body, "role") if "role" in body else None,
        disabled=_flag(body, "disabled"),
        personal_data=_flag(body, "personalData"),
    )
    audit.note(request, user.name, **audit.differences(_settings(user), _settings(changed)))
    signed_in = sum(one.user_key == changed.key for one in context.people.sessions)
    return {"user": _user(changed, signed_in)}


async def remove_user(context: Context, request: Request) -> Any:
    user = _known_user(context, request)
    audit.intend(request, user.name, role=user.role)
    await context.people.remove_user(user)
    audit.note(request, user.name, role=user.role)
    return {"removed": user.name}


async def invite_user(context: Context, request: Request) -> Any:
    user = _known_user(context, request)
    if user.disabled:
        raise ApiError(409, f'"{user.name}" is disabled.', "Enable the user first.")
    audit.note(request, user.name)
    return await _address(context, user)


async def fresh_address(context: Context, request: Request) -> Any:
    """For whoever can read the data directory: the way back in."""
    token, valid_s = await context.people.fresh_address()
    audit.note(request, "")
    return {"path": f"{ADDRESS}{token}", "expiresAt": fate.when(context.clock() + valid_s)}


# --- sessions ---------------------------------------------------------------------------------------------------------


async def sessions(context: Context, request: Request) -> Any:
    who = principal_of(request)
    seen = [
        one
        for one in reversed(context.people.sessions)
        if allows(who.role, "owner") or _name_of(context, one) == who.name
    ]
    page, following = page_of(request, seen)
    return {"sessions": [_session(context, one) for one in page], "next": following}


async def end_session(context: Context, request: Request) -> Any:
    who = principal_of(request)
    wanted: str = request.path_params["session"]
    for one in context.people.sessions:
        name = _name_of(context, one)
        if session_id(one) == wanted and (allows(who.role, "owner") or name == who.name):
            audit.intend(request, name, session=wanted)
            await context.people.end_sessions([one])
            audit.note(request, name, session=wanted)
            return {"ended": wanted}
    raise ApiError(404, "There is no such session.", "It may have ended already.")


# --- API tokens -------------------------------------------------------------------------------------------------------


async def tokens(context: Context, request: Request) -> Any:
    page, following = page_of(request, context.people.tokens)
    return {"tokens": [_token(context, token) for token in page], "next": following}


async def add_token(context: Context, request: Request) -> Any:
    body = await body_of(request, {"name", "role"})
    days = body.get("days")
    if days is not None and (not isinstance(days, int) or isinstance(days, bool)):
        raise ApiError(400, "`days` must be a whole number.")
    name, role, personal_data = text_of(body, "name"), text_of(body, "role"), _flag(body, "personalData")
    audit.intend(request, name.strip(), role=role, personalData=personal_data, days=days)
    text, token = await context.people.add_token(
        name,
        role,
        personal_data=personal_data,
        days=days,
        by=principal_of(request),
    )
    audit.note(request, token.name, role=token.role, personalData=token.personal_data, days=days)
    return {"token": text, **_token(context, token)}


async def remove_token(context: Context, request: Request) -> Any:
    wanted: str = request.path_params["token"]
    known = {token.id: token for token in context.people.tokens}
    if wanted not in known:
        raise no_such("token", wanted, known)
    token = known[wanted]
    audit.intend(request, token.name, role=token.role)
    await context.people.remove_token(token)
    audit.note(request, token.name, role=token.role)
    return {"removed": token.id}


# --- the audit log ----------------------------------------------------------------------------------------------------


async def audit_log(context: Context, request: Request) -> Any:
    limit = limit_of(request, PAGE_ROWS)
    since = None
    if text := request.query_params.get("since"):
        since_ms = times.parse_ms(text)
        if since_ms is None:
            raise ApiError(400, f'"{text[:40]}" is no time.', "Write 2026-11-03T10:00 (UTC).")
        since = since_ms / 1000
    rows = await context.views.read(
        audit_rows(
            limit=limit + 1,
            before=number_of(request, "before"),
            who=request.query_params.get("who", ""),
            what=request.query_params.get("what", ""),
            since=since,
        )
    )
    return {
        "audit": [_line(row) for row in rows[:limit]],
        "next": cursor(rows[limit - 1].no if len(rows) > limit else None),
    }


# --- below ------------------------------------------------------------------------------------------------------------


async def _address(context: Context, user: UserRow) -> dict[str, Any]:
    token = await context.people.new_address(user, valid_s=INVITATION_VALID_S)
    return {"path": f"{ADDRESS}{token}", "expiresAt": fate.when(context.clock() + INVITATION_VALID_S)}


def _known_user(context: Context, request: Request) -> UserRow:
    name: str = request.path_params["user"]
    user = context.people.user(name)
    if user is None:
        raise no_such("user", name, {one.name: one for one in context.people.users})
    return user


def _settings(user: UserRow) -> dict[str, Any]:
    return {"role": user.role, "personalData": user.personal_data, "disabled": user.disabled}


def _user(user: UserRow, signed_in: int) -> dict[str, Any]:
    return {
        "name": user.name,
        **_settings(user),
        "hasPassword": bool(user.password),
        "signedIn": signed_in,
        "createdAt": fate.when(user.created_at),
    }


def _name_of(context: Context, session: SessionRow) -> str:
    user = context.people.user(session.user_key)
    return user.name if user is not None else session.user_key


def _session(context: Context, session: SessionRow) -> dict[str, Any]:
    return {
        "id": session_id(session),
        "user": _name_of(context, session),
        "since": fate.when(session.created_at),
        "expiresAt": fate.when(session.expires_at),
        "address": session.address,
        "browser": session.agent,
    }


def _token(context: Context, token: TokenRow) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "role": token.role,
        "personalData": token.personal_data,
        "createdAt": fate.when(token.created_at),
        "createdBy": token.created_by,
        "expiresAt": fate.when(token.expires_at),
        "expired": context.people.expired(token),
        "usedAt": fate.when(token.used_at),
    }


def _line(row: AuditRow) -> dict[str, Any]:
    return {
        "at": fate.when(row.at),
        "who": row.actor,
        "via": row.via,
        "action": row.action,
        "subject": row.subject,
        "detail": json.loads(row.detail),
    }


def _flag(body: Any, name: str) -> bool | None:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise ApiError(400, f"`{name}` must be true or false.")
    return value


OPERATIONS = (
    Operation(
        me,
        "GET",
        "/me",
        "Who asks",
        "name, role, personalData",
        members={"name": TEXT, "role": ROLE, "personalData": YES_NO},
    ),
    Operation(
        users,
        "GET",
        "/users",
        "Users of the console",
        "users, next",
        role="owner",
        query=(LIMIT, AFTER),
        members={"users": list_of(record(_USER, title="User")), "next": NEXT},
    ),
    Operation(
        add_user,
        "POST",
        "/users",
        "Add a user",
        "user, path and expiresAt of a one-time address for choosing a password",
        role="owner",
        body={"name": {**TEXT, "maxLength": 64}, "role": ROLE, "personalData": PERSONAL_DATA},
        required=("name", "role"),
        members={"user": record(_USER, title="User"), **_ADDRESS},
    ),
    Operation(
        change_user,
        "PATCH",
        "/users/{user}",
        "Change a user",
        "user",
        role="owner",
        body=USER,
        members={"user": record(_USER, title="User")},
    ),
    Operation(
        remove_user,
        "DELETE",
        "/users/{user}",
        "Remove a user",
        "removed",
        role="owner",
        members={"removed": TEXT},
    ),
    Operation(
        invite_user,
        "POST",
        "/users/{user}/address",
        "A new one-time address for a user",
        "path, expiresAt",
        role="owner",
        members=_ADDRESS,
    ),
    Operation(
        fresh_address,
        "POST",
        "/access",
        "A one-time address for the first owner, or for making one",
        "path, expiresAt",
        role="owner",
        members=_ADDRESS,
    ),
    Operation(
        sessions,
        "GET",
        "/sessions",
        "Browsers that are signed in; other users' for owners",
        "sessions, next",
        query=(LIMIT, AFTER),
        members={"sessions": list_of(record(_SESSION, title="Session")), "next": NEXT},
    ),
    Operation(
        end_session,
        "DELETE",
        "/sessions/{session}",
        "Sign a browser out",
        "ended",
        members={"ended": TEXT},
    ),
    Operation(
        tokens,
        "GET",
        "/tokens",
        "API tokens",
        "tokens, next",
        role="owner",
        query=(LIMIT, AFTER),
        members={"tokens": list_of(record(_TOKEN, title="Token")), "next": NEXT},
    ),
    Operation(
        add_token,
        "POST",
        "/tokens",
        "Make an API token",
        "token, which is shown this once, id, name, role, personalData, createdAt, createdBy, expiresAt, expired, usedAt",
        role="owner",
        body={
            "name": {**TEXT, "maxLength": 64},
            "role": ROLE,
            "personalData": PERSONAL_DATA,
            "days": {"type": "integer", "minimum": 1, "maximum": 3650, "description": "Default: for ever."},
        },
        required=("name", "role"),
        members={"token": texted(TEXT, "The token itself; shown this once."), **_TOKEN},
    ),
    Operation(
        remove_token,
        "DELETE",
        "/tokens/{token}",
        "Revoke an API token",
        "removed",
        role="owner",
        members={"removed": TEXT},
    ),
    Operation(
        audit_log,
        "GET",
        "/audit",
        "Who changed what, the latest first",
        "audit, next",
        role="owner",
        query=(
            Parameter("who", "A part of the name of a user, a token or a file."),
            Parameter("what", "A part of the action or of its subject."),
            Parameter(
                "since",
                "From this time on (UTC).",
                {"type": "string", "maxLength": times.TEXT_CHARS_MAX, "examples": ["2026-11-03T10:00"]},
            ),
            LIMIT,
            BEFORE,
        ),
        members={"audit": list_of(record(_LINE, title="AuditLine")), "next": NEXT},
    ),
)
