"""The webhook destination: each event is posted as JSON to one address. Also the shortest complete example of a destination.

    POST <url>
    Content-Type: application/json
    Sternpost-Signature: t=<unix seconds>,v1=<hex HMAC-SHA256 of "<t>.<body>">      with signingSecret

Any 2xx is success. The body is the event as it was received, with what Sternpost adds to it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from sternpost import __version__
from sternpost.destinations.base import Batching, Field, Known, Part, Plan, Spec, Suspect
from sternpost.destinations.common import is_address, read_status
from sternpost.model import (
    Blocked,
    Call,
    Message,
    Mode,
    Outcome,
    Person,
    Rejected,
    Reply,
    Secret,
    Skipped,
    Split,
)

SPEC = Spec(
    type="webhook",
    sends_whole=True,
    display_name="Webhook",
    summary="Posts each event as JSON to an address of yours.",
    fields=(
        Field(
            "url",
            "Address",
            "Where events are posted, one a request. Any 2xx is success.",
            kind="url",
            required=True,
            example="https://hooks.example.com/events",
        ),
        Field(
            "headers",
            "Headers",
            "Sent with each request, e.g. an Authorization header. Values may be secrets.",
            kind="map",
            default={},
            example='{"Authorization": "${HOOK_TOKEN}"}',
        ),
        Field(
            "signingSecret",
            "Signing secret",
            "Signs each request: header Sternpost-Signature, t=<unix seconds>,v1=<hex HMAC-SHA256 of t, a dot and the body>. The receiver "
            "computes the same and refuses what differs or is old.",
            kind="secret",
            example="${HOOK_SECRET}",
        ),
    ),
    types=frozenset(),
    modes={
        "web": frozenset({"cloud"}),
        "mobile": frozenset({"cloud"}),
        "server": frozenset({"cloud"}),
    },
    docs="reference/webhook.md",
)

#: Members that Sternpost writes into an event; all others travel as the bytes that came in.
WRITTEN = frozenset(
    {"type", "messageId", "rudderId", "request_ip", "receivedAt", "originalTimestamp", "sentAt", "timestamp"}
)
#: The engine's or ours; a setting that changed them would break the request.
RESERVED_HEADERS = frozenset(
    {"content-length", "content-type", "transfer-encoding", "connection", "host", "sternpost-signature"}
)
#: Masked in fates although the setting may be plain text.
USUAL_SECRETS = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key"})

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")
_split = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """Where events go and how requests are marked."""

    url: str
    headers: Mapping[str, str | Secret] = field(default_factory=dict)
    signing_secret: Secret | None = None


class WebhookDestination:
    """`Destination` for any address; every function is pure."""

    spec = SPEC

    def parse(self, values: Mapping[str, Any]) -> WebhookSettings:
        secret = values.get("signingSecret")
        if isinstance(secret, str):
            secret = Secret(secret)
        return WebhookSettings(_url(values.get("url")), _headers(values.get("headers")), secret or None)

    def channel(self, message_type: str, settings: WebhookSettings) -> str:
        return ""

    def order(self, message_type: str, settings: WebhookSettings) -> Literal["", "gate", "gated"]:
        return ""

    def holds(self, message: Message, mode: Mode, settings: WebhookSettings) -> float | None:
        return None

    def batching(self, channel: str, settings: WebhookSettings) -> Batching:
        return Batching()

    def references(self, channel: str, settings: WebhookSettings) -> Mapping[str, Call]:
        return {}

    def read_reference(self, name: str, reply: Reply) -> Any | None:
        return None

    def plan(
        self, message: Message, person: Person, settings: WebhookSettings, known: Known
    ) -> Plan | Skipped | Rejected:
        try:
            body = msgspec.json.encode(_event(message))
        except (UnicodeEncodeError, RecursionError) as error:
            return Rejected(
                "encoding_impossible", f"The event cannot be written as JSON: {type(error).__name__}."
            )
        return Plan((Part(body, len(body)),))

    def call(self, parts: Sequence[Part], settings: WebhookSettings, now_s: float) -> Call:
        body: bytes = parts[0].payload
        headers: dict[str, str] = {}
        hidden = set(USUAL_SECRETS)
        for name, value in settings.headers.items():
            if isinstance(value, Secret):
                hidden.add(name.lower())
                value = value.reveal()  # noqa: PLW2901
            headers[name] = value
        if not any(name.lower() == "user-agent" for name in headers):
            headers["User-Agent"] = f"Sternpost/{__version__}"
        headers["Content-Type"] = "application/json"
        if settings.signing_secret is not None:
            headers["Sternpost-Signature"] = signature(body, settings.signing_secret, int(now_s))
        return Call("POST", settings.url, headers, body, frozenset(hidden))

    def read(
        self, reply: Reply, parts: Sequence[Part], settings: WebhookSettings
    ) -> Sequence[Outcome] | Split:
        outcome = read_status(reply)
        return (outcome,) * len(parts)

    def probe(self, channel: str, settings: WebhookSettings) -> Call | None:
        return None

    def read_probe(self, reply: Reply, channel: str, settings: WebhookSettings) -> Blocked | None:
        return None

    def checks(self, settings: WebhookSettings) -> Sequence[tuple[str, Call | None, str]]:
        """OPTIONS changes nothing by the rules of HTTP, and tells whether somebody is there."""
        return (
            ("address", Call("OPTIONS", settings.url, {"user-agent": f"Sternpost/{__version__}"}, b""), ""),
        )

    def read_check(self, name: str, reply: Reply, settings: WebhookSettings) -> tuple[bool, str]:
        if reply.status is None:
            return False, f"{settings.url} cannot be reached ({reply.error_detail or reply.error})."
        return (
            True,
            f"It can be reached (it answered {reply.status}). Whether it takes events, only an event tells.",
        )

    def suspects(self, name: str, reply: Reply, settings: WebhookSettings) -> Sequence[Suspect]:
        return ()

    def facts(self, settings: WebhookSettings) -> Sequence[str]:
        if settings.signing_secret is None:
            return ("signingSecret is not set: the receiver cannot tell our requests from others.",)
        return ()

    def parent_traits(self, settings: WebhookSettings) -> Sequence[str]:
        return ()


WEBHOOK = WebhookDestination()


def signature(body: bytes, secret: Secret, at_s: int) -> str:
    """The value of `Sternpost-Signature`: `t=<at_s>,v1=<hex HMAC-SHA256 of "<at_s>.<body>">`."""
    digest = hmac.new(secret.reveal().encode(), b"%d.%b" % (at_s, body), hashlib.sha256).hexdigest()
    return f"t={at_s},v1={digest}"


def _event(message: Message) -> Mapping[str, Any]:
    """The event with its values byte for byte as received, but for those that Sternpost writes.

    Decoding and encoding again would turn 1.10 into 1.1; whoever signs or compares values downstream would not find them again.
    """
    try:
        sent: Mapping[str, Any] = _split(message.event.body)
        message.event.body.decode()
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return message.body
    return {
        key: sent[key] if key in sent and key not in WRITTEN else value for key, value in message.body.items()
    }


def _url(value: object) -> str:
    if not is_address(value, query=True):
        raise ValueError(
            "url: must be an address like https://hooks.example.com/events, without user and password."
        )
    return str(value)


def _headers(value: object) -> Mapping[str, str | Secret]:
    headers: dict[str, str | Secret] = {}
    given = {} if value is None else value
    if not isinstance(given, Mapping):
        message = "headers: must be an object of names and texts."
        raise ValueError(message)  # noqa: TRY004 - `parse` promises ValueError
    for name, entry in given.items():
        text = entry.reveal() if isinstance(entry, Secret) else entry
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError(f"headers: {name!r} is no name of a header.")
        if name.lower() in RESERVED_HEADERS:
            raise ValueError(f"headers: {name} is set by Sternpost. Remove it.")
        if not isinstance(text, str) or not _VALUE.fullmatch(text):
            raise ValueError(f"headers.{name}: must be ASCII text on one line.")
        headers[name] = entry
    return headers
