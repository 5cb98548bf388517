"""Keys, regions and tokens: who may ask, and how Pendo says no (403 with an empty body [S: w6w, verified live])."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Any

from sternpost.sandbox import seed
from sternpost.sandbox.limits import JWT_CHARS_MAX
from sternpost.sandbox.model import EMPTY_FORBIDDEN, Reply, Request
from sternpost.sandbox.payload import NotJson, decode_json
from sternpost.sandbox.state import State

KEY_HEADER = b"x-pendo-integration-key"  #: for integration keys and track secrets alike [S]
SECRET_HEADER = b"x-pendo-track-event-secret"  #: what Pendo's OpenFeature provider sends [S]
_FOREIGN = {
    region: {host for other, hosts in seed.REGION_HOSTS.items() if other != region for host in hosts}
    for region in seed.REGION_HOSTS
}


class BadToken(Exception):
    """The JWT is not accepted; the message says why."""


def foreign_host(state: State, request: Request) -> str | None:
    """The Pendo host of another region that the request was meant for; other names are neutral [S behaviour]."""
    host = request.headers.get(b"host", b"").partition(b":")[0].decode("latin-1").lower()
    return host if host in _FOREIGN[state.region] else None


def check_api_key(state: State, request: Request, *, writes: bool) -> Reply | None:
    """None when the integration key allows the call, else the refusal."""
    key = request.header(KEY_HEADER)
    may_write = seed.integration_keys(state.region).get(key)
    if may_write is None:
        if key:
            state.note(
                request,
                "secret_mixup",
                f"{_what_is(state, key)} Here Pendo takes an integration key of its region.",
            )
        return EMPTY_FORBIDDEN
    if writes and not may_write:
        return Reply(state.switch("auth.readOnlyWriteStatus"))
    return None


def app_of_secret(state: State, request: Request) -> str | None:
    """The app whose track secret the request carries under either header [S]; None is diagnosed."""
    app = seed.TRACK_SECRETS.get(request.header(KEY_HEADER)) or seed.TRACK_SECRETS.get(
        request.header(SECRET_HEADER)
    )
    if app is None:
        key = request.header(KEY_HEADER) or request.header(SECRET_HEADER)
        state.note(
            request,
            "secret_mixup",
            f"{_what_is(state, key)} Here Pendo takes the Track Event Shared Secret of an app.",
        )
    return app


def _what_is(state: State, key: str) -> str:
    """A sentence on what was used instead. The key itself is never repeated."""
    if not key:
        return "The request carries no key."
    if key in seed.TRACK_SECRETS:
        return "The key is a Track Event Shared Secret."
    if key in seed.APPS:
        return "The key is an app key."
    if key in seed.integration_keys(state.region):
        return "The key is an integration key."
    suffix = key.rpartition(".")[2]
    if "." in key and suffix != state.region:
        return f"The key ends in .{suffix[:10]}, and this subscription is in region {state.region}."
    return "The key is not known."


def verify_token(token: str, key_name: str) -> dict[str, Any]:
    """The payload of a JWT signed with the seed's key (HS256) [S: hc/360039616892]; raises BadToken.

    Only HS256 is taken: a token that names its own algorithm is how signatures are got round.
    """
    if key_name != seed.JWT_KEY_NAME:
        raise BadToken(
            f"The signing key {key_name[:50]!r} is not known; the sandbox has {seed.JWT_KEY_NAME!r}."
        )
    parts = token.split(".")
    if len(token) > JWT_CHARS_MAX or len(parts) != 3:
        raise BadToken("The token does not have three parts.")
    header, payload, signature = (_unpack(part) for part in parts)
    wanted = hmac.new(seed.JWT_SECRET.encode(), f"{parts[0]}.{parts[1]}".encode(), hashlib.sha256).digest()
    try:
        algorithm, content = decode_json(header), decode_json(payload)
    except NotJson:
        raise BadToken("The token's parts are not JSON.") from None
    if not isinstance(algorithm, dict) or algorithm.get("alg") != "HS256":
        raise BadToken("The token is not signed with HS256.")
    if not hmac.compare_digest(signature, wanted):
        raise BadToken("The token's signature is wrong.")
    if not isinstance(content, dict):
        raise BadToken("The token's payload is not an object.")
    return content


def sign_token(payload: bytes, secret: str = seed.JWT_SECRET) -> str:
    """A token as a backend of an app makes it; for tests and examples."""
    header = b'{"alg":"HS256","typ":"JWT"}'
    signed = f"{_pack(header)}.{_pack(payload)}"
    return f"{signed}.{_pack(hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest())}"


def _unpack(part: str) -> bytes:
    try:
        return base64.b64decode(
            part.translate(str.maketrans("-_", "+/")) + "=" * (-len(part) % 4), validate=True
        )
    except (binascii.Error, ValueError):
        raise BadToken("The token's parts are not base64url.") from None


def _pack(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
