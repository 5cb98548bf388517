"""What a page's Pendo agent talks to: the script, its configuration, its events, its guides (pendo.md, "Agent side")."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from sternpost.sandbox import auth, jzb, limits, seed
from sternpost.sandbox.identity import arrive, is_anonymous, resolve, usable_id
from sternpost.sandbox.model import GIF_TYPE, JSON_TYPE, Reply, Request, json_reply, text_reply
from sternpost.sandbox.payload import NotJson, decode_json, query_of
from sternpost.sandbox.state import Arrival, State

#: A transparent pixel. The agent takes anything that is no image for a failure and sends the batch again [O].
GIF = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")
_GIF_REPLY = Reply(200, GIF, GIF_TYPE, ((b"cache-control", b"no-store"),))
_SCRIPT_TYPE = b"text/javascript; charset=utf-8"
_SCRIPT = (Path(__file__).parent / "static" / "pendo.js").read_text()
_CORS = ((b"access-control-allow-origin", b"*"),)
_encode = msgspec.json.Encoder().encode


class Unreadable(Exception):
    """The payload cannot be used; the message says why."""


# --- cross-origin requests ------------------------------------------------------------------------------------------


def preflight(state: State, request: Request) -> Reply:
    """`OPTIONS`: allowed, the requested headers echoed [A: cors.data]."""
    if state.switch("cors.data") == "off":
        return Reply(204)
    headers = [
        *_CORS,
        (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
        (b"access-control-max-age", b"600"),
    ]
    wanted = request.headers.get(b"access-control-request-headers")
    if wanted:
        headers.append((b"access-control-allow-headers", wanted))
    if b"access-control-request-private-network" in request.headers:
        # A page on a public host may reach a sandbox on this machine only when it is told so.
        headers.append((b"access-control-allow-private-network", b"true"))
    return Reply(204, headers=tuple(headers))


def with_cors(state: State, reply: Reply) -> Reply:
    """The reply as a page of any origin may read it."""
    if state.switch("cors.data") == "off":
        return reply
    return Reply(reply.status, reply.body, reply.content_type, reply.headers + _CORS)


# --- script and configuration ---------------------------------------------------------------------------------------


def script(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """`pendo.js`: a small stub agent of our own with the same wire format; the genuine one is never shipped."""
    key = params["key"]
    if key not in seed.APPS:
        return Reply(state.switch("static.unknownKeyStatus"))
    text = _SCRIPT.replace("__APP_KEY__", key).replace(
        "__CONFIG__", _encode(_config(state)).decode().replace("<", "\\u003c")
    )
    return Reply(200, text.encode(), _SCRIPT_TYPE, ((b"cache-control", b"no-store"),))


def config(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """`config.json`: `{}` and what switches add [A: app.config]."""
    if params["key"] not in seed.APPS:
        return Reply(state.switch("static.unknownKeyStatus"))
    return json_reply(200, _config(state))


def _config(state: State) -> dict[str, Any]:
    content = dict(state.switch("app.config"))
    if state.switch("app.signedMetadata") == "on":
        content["enableSignedMetadata"] = True
    if state.switch("app.blockAgentMetadata") == "on":
        content["blockAgentMetadata"] = True
    return content


# --- events ---------------------------------------------------------------------------------------------------------


def ptm_get(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """`GET /data/ptm.gif/{key}?jzb=…[&jwt=…&signingKeyName=…]` [S, O]."""
    query = query_of(request.query)
    return _ptm(
        state, request, params["key"], query.get("jzb"), query.get("jwt"), query.get("signingKeyName")
    )


def ptm_post(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """`POST /data/ptm.gif/{key}` with `{events, jwt, signingKeyName}` of any content type [S]."""
    try:
        body = decode_json(request.body)
    except NotJson as error:
        return _bad_payload(state, request, str(error))
    if not isinstance(body, dict):
        return _bad_payload(state, request, "The body must be a JSON object with events.")
    return _ptm(
        state, request, params["key"], body.get("events"), body.get("jwt"), body.get("signingKeyName")
    )


def _ptm(state: State, request: Request, key: str, packed: Any, token: Any, key_name: Any) -> Reply:
    app = seed.APPS.get(key)
    if app is None:
        return _unknown_key(state, request)
    try:
        events = _unpack(packed)
        if not isinstance(events, list) or len(events) > limits.JZB_EVENTS_MAX:
            raise Unreadable("The payload is not a list of events.")
        signed = _signed(token, key_name)
    except Unreadable as error:
        return _bad_payload(state, request, str(error))
    except auth.BadToken as error:
        state.note(request, "bad_jwt", f"{error} The batch was dropped.")
        return (
            _GIF_REPLY
            if state.switch("ptm.badJzbStatus") == 200
            else text_reply(state.switch("ptm.badJzbStatus"), str(error))
        )
    size = len(_encode(events)) // max(len(events), 1)
    for event in events:
        if not isinstance(event, dict):
            state.note(request, "bad_body", "An event of the batch is not an object.")
            continue
        if signed is not None:
            event = _as_signed(event, signed)  # noqa: PLW2901 - the token's word stands for the event's
        elif event.get("type") == "meta" and state.switch("app.signedMetadata") == "on":
            state.note(
                request,
                "bad_jwt",
                "The app takes metadata only with a signed token; a meta event without one was dropped.",
            )
            continue
        user_agent = request.header(b"user-agent")[:500]
        arrive(state, Arrival(request.id, request.path, request.at_ms, app, user_agent, size, agent=event))
    return _GIF_REPLY


def _signed(token: Any, key_name: Any) -> dict[str, Any] | None:
    """The token's payload, None without a token."""
    if token is None or token == "":
        return None
    if not isinstance(token, str) or not isinstance(key_name, str):
        raise auth.BadToken("jwt and signingKeyName are texts.")
    return auth.verify_token(token, key_name)


def _as_signed(event: dict[str, Any], payload: dict[str, Any]) -> dict[str, Any]:
    """The event with the ids and metadata of the token, which override those given in plain [S: hc/39616892, O].

    An empty id in the token means anonymous. Events made before the person was known keep their anonymous id: the
    token says who is there now, not who was.
    """
    visitor, account = _part(payload, "visitor"), _part(payload, "account")
    visitor_id, account_id = usable_id(visitor.get("id")), usable_id(account.get("id"))
    own_id = usable_id(event.get("visitor_id"))
    if visitor_id is None or (own_id is not None and is_anonymous(own_id)):
        signed = event
    else:
        signed = (
            event
            | {"visitor_id": visitor_id}
            | ({"account_id": account_id} if account_id is not None else {})
        )
    if event.get("type") == "meta":
        signed = signed | {
            "props": {
                "visitor": visitor,
                "account": account,
                "parentAccount": _part(payload, "parentAccount"),
            }
        }
    return signed


def _part(payload: dict[str, Any], name: str) -> dict[str, Any]:
    value = payload.get(name)
    return value if isinstance(value, dict) else {}


def _unpack(packed: Any) -> Any:
    if not isinstance(packed, str):
        raise Unreadable("There is no jzb.")
    try:
        return jzb.decode(packed)
    except jzb.BadJzb as error:
        raise Unreadable(str(error)) from None


def _bad_payload(state: State, request: Request, sentence: str) -> Reply:
    """A payload that cannot be decoded: never 500, and a GIF if the switch says 200 [A: ptm.badJzbStatus]."""
    state.note(request, "bad_jzb", sentence)
    status = state.switch("ptm.badJzbStatus")
    return _GIF_REPLY if status == 200 else text_reply(status, sentence)


def _unknown_key(state: State, request: Request) -> Reply:
    """An app key that this subscription does not have [A: data.unknownKeyStatus]; one of another region looks the same [S]."""
    state.note(
        request, "secret_mixup", "The address names no app key of this subscription; nothing was kept."
    )
    status = state.switch("data.unknownKeyStatus")
    return _GIF_REPLY if status == 200 else Reply(status)


# --- guides and flags -----------------------------------------------------------------------------------------------


def guide_json(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """`guide.json`: no guides; 451 for who is marked do not process, and the agent stops [S]."""
    return _guides(state, request, params["key"])


def guide_js(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """The same as a script."""
    reply = _guides(state, request, params["key"])
    if reply.content_type != JSON_TYPE:
        return reply
    return Reply(
        200, b"window.pendo&&pendo.guidesPayload&&pendo.guidesPayload(" + reply.body + b");", _SCRIPT_TYPE
    )


def _asked_by(state: State, request: Request, key: str) -> Mapping[str, Any] | Reply:
    """What the agent asks with, or the answer when it may not ask."""
    if key not in seed.APPS:
        return _unknown_key(state, request)
    try:
        asked = _asked(request)
    except Unreadable as error:
        return _bad_payload(state, request, str(error))
    return Reply(451) if _opted_out(state, request, asked) else asked


def _guides(state: State, request: Request, key: str) -> Reply:
    asked = _asked_by(state, request, key)
    if isinstance(asked, Reply):
        return asked
    content = dict(state.switch("guide.shape"))
    number = query_of(request.query).get("id", "")
    if number:
        # The agent finds its callback by that number; a text comes back as a text.
        content["id"] = (
            int(number) if number.isascii() and number.isdecimal() and len(number) < 16 else number
        )
    return json_reply(200, content)


def segment_flags(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """`segmentflag.json`: the segments of a visitor; 202 while it is not known, 451 when opted out [S: pendo-openfeature-provider-js]."""
    asked = _asked_by(state, request, params["key"])
    if isinstance(asked, Reply):
        return asked
    visitor_id = usable_id(asked.get("visitorId"))
    if visitor_id is None or resolve(state, visitor_id) not in state.kept.visitors:
        return json_reply(202, {"segmentFlags": []})
    visitor_id = resolve(state, visitor_id)
    return json_reply(
        200,
        {
            "segmentFlags": [
                segment.id for segment in state.kept.segments.values() if visitor_id in segment.visitors
            ]
        },
    )


def _asked(request: Request) -> dict[str, Any]:
    """Who asks: the jzb of the query or of the body; nothing at all is nobody."""
    packed = query_of(request.query).get("jzb")
    if packed is None and request.body.strip():
        try:
            body = decode_json(request.body)
        except NotJson as error:
            raise Unreadable(str(error)) from None
        packed = body.get("events", body.get("jzb")) if isinstance(body, dict) else None
    if packed is None:
        return {}
    value = _unpack(packed)
    return value if isinstance(value, dict) else {}


def _opted_out(state: State, request: Request, asked: dict[str, Any]) -> bool:
    visitor_id, account_id = usable_id(asked.get("visitorId")), usable_id(asked.get("accountId"))
    if (visitor_id is not None and state.do_not_process("visitor", resolve(state, visitor_id))) or (
        account_id is not None and state.do_not_process("account", account_id)
    ):
        state.note(
            request,
            "do_not_process",
            "The visitor or account is marked do not process; the agent is told to stop (451).",
        )
        return True
    return False


# --- recorded, not interpreted --------------------------------------------------------------------------------------


def gif(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """`guide.gif` (a probe for ad blockers) and `log.gif` [O]."""
    return _GIF_REPLY


def recorded(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """`errorlog`: to be read in `/__sandbox/requests` [S]."""
    return Reply(200)


def not_interpreted(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """Recordings and the like [A: misc.accept]."""
    status = state.switch("misc.accept")
    if status == 200 and request.path.startswith("/data/agentic.gif"):
        return _GIF_REPLY
    return Reply(status)
