"""The published SDKs behind one face: make some calls and return when they are acknowledged."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
SEND_S = 60.0

Call = tuple[str, dict[str, Any]]  #: type, and the message with the field names of the wire
Send = Callable[[str, str, Sequence[Call]], None]  #: url, write key, calls


def _python(client: Any, calls: Sequence[Call], *, each: bool) -> None:
    for kind, message in calls:
        given = dict(message)
        arguments = {
            "user_id": given.pop("userId", None),
            "anonymous_id": given.pop("anonymousId", None),
            "message_id": given.pop("messageId", None),
        }
        if "groupId" in given:
            arguments["group_id"] = given.pop("groupId")
        made = getattr(client, kind)(**arguments, **given)
        assert made is None or made[0] is not False
        if each:
            client.flush()
    client.flush()
    client.join()


def rudder_python(*, gzip: bool, each: bool = True) -> Send:
    def send(url: str, write_key: str, calls: Sequence[Call]) -> None:
        from rudderstack.analytics.client import Client

        failed: list[Any] = []
        client = Client(
            write_key,
            host=url,
            gzip=gzip,
            upload_interval=0.05,
            on_error=lambda error, _: failed.append(error),
        )
        _python(client, calls, each=each)
        assert not failed

    return send


def segment_python(*, gzip: bool, each: bool = True) -> Send:
    def send(url: str, write_key: str, calls: Sequence[Call]) -> None:
        from segment.analytics.client import Client

        # It logs each answer that it repeats a request for as an error.
        logging.getLogger("segment").setLevel(logging.CRITICAL)
        failed: list[Any] = []
        client = Client(
            write_key,
            host=url,
            gzip=gzip,
            upload_interval=0.05,
            on_error=lambda error, _: failed.append(error),
        )
        _python(client, calls, each=each)
        assert not failed

    return send


def _node(sdk: str, options: dict[str, Any], *, each: bool) -> Send:
    def send(url: str, write_key: str, calls: Sequence[Call]) -> None:
        node = shutil.which("node")
        if node is None or not (HERE / "node_modules").is_dir():
            pytest.skip("Node.js or the packages of tests/clients are not installed; make test does it")
        order = {
            "sdk": sdk,
            "url": url,
            "writeKey": write_key,
            "options": options,
            "each": each,
            "calls": calls,
        }
        done = subprocess.run(
            [node, str(HERE / "send.mjs")],
            input=json.dumps(order),
            capture_output=True,
            text=True,
            timeout=SEND_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    return send


def rudder_node(*, gzip: bool, each: bool = True) -> Send:
    return _node("rudder", {"gzip": gzip, "flushAt": 500}, each=each)


def segment_node(*, each: bool = True) -> Send:
    return _node("segment", {"maxEventsInBatch": 500, "flushInterval": 500}, each=each)


#: Each SDK in each way in which it can pack a body.
SDKS: dict[str, Callable[..., Send]] = {
    "rudder-sdk-python, gzip": lambda **how: rudder_python(gzip=True, **how),
    "rudder-sdk-python, plain": lambda **how: rudder_python(gzip=False, **how),
    "segment-analytics-python, plain": lambda **how: segment_python(gzip=False, **how),
    "segment-analytics-python, gzip": lambda **how: segment_python(gzip=True, **how),
    "rudder-sdk-node, gzip": lambda **how: rudder_node(gzip=True, **how),
    "rudder-sdk-node, plain": lambda **how: rudder_node(gzip=False, **how),
    "analytics-node": segment_node,
}
