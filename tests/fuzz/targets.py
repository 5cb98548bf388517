"""What is fuzzed: functions that take bytes of strangers. Each raises when a promise is broken, and nothing else; what is refused in order
returns. `test_fuzz.py` gives them some hundred inputs, `python -m tests.fuzz` as many as there is time for.
"""

from __future__ import annotations

import gzip
import json
import zlib
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sternpost.destinations.registry import DESTINATIONS
from sternpost.errors import WorkspaceError
from sternpost.model import Message, Rejected
from sternpost.sandbox import jzb
from sternpost.wire import message
from sternpost.wire.decode import decode_batch, decode_single
from sternpost.wire.refused import Refused
from sternpost.wire.unpack import Gzip
from sternpost.workspace import document, yaml

UNPACKED_BYTES_MAX = 10_000


@dataclass(frozen=True)
class Target:
    run: Callable[[bytes], None]
    samples: tuple[bytes, ...]  #: good inputs; the search begins with them


def decode(data: bytes) -> None:
    """A body becomes events of somebody, each of which can be read again, or is refused as a whole."""
    common: dict[str, Any] = {
        "source_id": "src",
        "received_at": 1_800_000_000.0,
        "request_ip": "",
        "new_id": lambda: "new",
    }
    for read in (
        lambda: decode_batch(data, allow_empty=False, **common),
        lambda: decode_single("track", data, **common),
    ):
        try:
            events = read()
        except Refused as refused:
            assert 400 <= refused.status < 500, refused
            continue
        assert events
        for event in events:
            assert event.user_id or event.anonymous_id
            assert event.message_id
            assert isinstance(message.read(event, "server"), Message | Rejected)
            json.dumps(message.received(event))


def unpack(data: bytes) -> None:
    """However a packed body is cut into pieces, it unpacks to the same, and never to more than the limit."""

    def fed(size: int) -> bytes | str:
        stream, unpacked = Gzip(UNPACKED_BYTES_MAX), b""
        try:
            for start in range(0, len(data), size):
                unpacked += stream.feed(data[start : start + size])
                assert len(unpacked) <= UNPACKED_BYTES_MAX
            stream.finish()
        except Refused as refused:
            return refused.reason
        return unpacked

    whole = fed(len(data) + 1)
    if isinstance(whole, bytes):
        assert whole == fed(1) == fed(7)
        assert whole == gzip.decompress(data)
    else:
        # Which of two reasons comes first may depend on the pieces; that it is refused may not.
        assert isinstance(fed(7), str)


def payload(data: bytes) -> None:
    """A jzb is a value, which survives being packed again, or is refused."""
    text = data.decode("latin-1")
    try:
        value = jzb.decode(text, bytes_max=UNPACKED_BYTES_MAX)
    except jzb.BadJzb:
        return
    assert jzb.decode(jzb.encode(value)) == value


def workspace(data: bytes) -> None:
    """A workspace file becomes a workspace, or an error that names the problem."""
    try:
        loaded = yaml.load(data)
        document.parse(loaded.data, destinations=DESTINATIONS, lines=loaded.lines)
    except WorkspaceError as error:
        assert error.problems
        assert str(error)


_BATCH = b'{"batch":[{"type":"track","userId":"u","event":"E","messageId":"m","properties":{"a":[1,{"b":"\xc3\xbc"}]}}],"sentAt":"2026-01-01T00:00:00Z"}'
_YAML = b"""version: 1
sources:
  - {id: web, name: Web, type: web, writeKey: wk-web, allowedOrigins: ["https://a.example"]}
  - {id: srv, name: "Back end", type: server, writeKey: wk}
destinations:
  - id: hook
    name: Hook
    type: webhook
    settings: {url: "https://hooks.example.com/e", headers: {X-A: "1"}, ratePerSecond: 5}
connections:
  - {source: srv, destination: hook, mode: cloud}
"""

TARGETS: dict[str, Target] = {
    "decode": Target(
        decode, (_BATCH, b'{"userId":"u","event":"E","traits":{}}', b'{"batch":[]}', b'{"anonymousId":5}')
    ),
    "gzip": Target(unpack, (gzip.compress(_BATCH), gzip.compress(b"") * 3, gzip.compress(b"0" * 20_000))),
    "jzb": Target(
        payload,
        tuple(
            urlsafe_b64encode(zlib.compress(raw)).rstrip(b"=")
            for raw in (b'[{"a":1}]', b'"x"', b"0" * 20_000)
        ),
    ),
    "yaml": Target(workspace, (_YAML, b"version: 1\n", b"a: &x [1]\nb: *x\n", b"? [1]\n: {}\n--- 2\n")),
}
