"""jzb: what was encoded is decoded, and nothing hostile gets further than 400."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sternpost.sandbox import jzb, limits, seed
from tests.sandbox.conftest import Client

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), inner, max_size=5)
    ),
    max_leaves=20,
)


def packed(raw: bytes) -> str:
    return base64.urlsafe_b64encode(zlib.compress(raw)).rstrip(b"=").decode()


@given(JSON)
@settings(max_examples=150, deadline=None)
def test_round_trip(value: Any) -> None:
    """Acceptance 4: decode(encode(x)) == x for any JSON."""
    assert jzb.decode(jzb.encode(value)) == value
    assert json.loads(zlib.decompress(base64.urlsafe_b64decode(jzb.encode(value) + "==="))) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("eJwFwIEIAAAAwDDQd3-N1QABFQC5", []),
        ("eJyLjgUAARUAuQ", []),
        ("eJyLjgUAARUAuQ==", []),
        ("eJyrVirLLM4syS_yTFGyUiotTi3SNVSqBQBcPweV", {"visitorId": "user-1"}),
        ("eJyLrlYqqSxIVbJSKilKTM5W0lEqBrIPr1SqjQUAfl8JFw", [{"type": "track", "s": "é"}]),
    ],
)
def test_known_pairs(text: str, value: Any) -> None:
    """Pairs that the genuine agent and its Go library agree on."""
    assert jzb.decode(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "!",
        "é",
        "eJyLjgUAARUAu",
        packed(b'[{"a":1}]')[:-4],
        packed(b"{"),
        packed(b"\xff"),
        packed(b"[" * 500 + b"]" * 500),
        packed(b"[" * 5000),
        packed(b" " * (limits.JZB_BYTES_MAX + 1)),
        packed(b'"' + b"x" * (50 * 1024 * 1024) + b'"'),
        base64.urlsafe_b64encode(b"not zlib").decode(),
    ],
    ids=lambda text: text[:12],
)
async def test_hostile_payloads(client: Client, text: str) -> None:
    """A bomb, a truncated stream, bad base64, bad or deep JSON: BadJzb, and 400 on every route that takes a jzb."""
    with pytest.raises(jzb.BadJzb):
        jzb.decode(text)
    key = seed.APP_KEY_WEB
    if len(text) < 10_000:
        assert (await client.get(f"/data/ptm.gif/{key}?jzb={text}")).status == 400
    assert (await client.post(f"/data/ptm.gif/{key}", {"events": text})).status == 400
    assert (await client.post(f"/data/guide.json/{key}", {"events": text})).status == 400
    assert (await client.post(f"/data/agenticsdk/{key}", text.encode())).status == 400
    assert (await client.get("/__sandbox/requests")).status == 200


@given(st.binary(max_size=200))
@settings(max_examples=150, deadline=None)
def test_any_bytes(raw: bytes) -> None:
    """Whatever the bytes, the decoder answers with a value or BadJzb."""
    for text in (raw.decode("latin-1"), base64.urlsafe_b64encode(raw).decode(), packed(raw)):
        try:
            jzb.decode(text)
        except jzb.BadJzb:
            continue


@given(value=JSON)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_batch_is_answered(client: Client, value: Any) -> None:
    """Any JSON in a valid jzb is answered with 200 or 400, and the state stays readable."""
    answer = await client.get(f"/data/ptm.gif/{seed.APP_KEY_WEB}?jzb={jzb.encode([value])}")
    assert answer.status in (200, 400)
    assert (await client.get("/__sandbox/state")).status == 200
