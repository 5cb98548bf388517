"""The reference page tells every address, every answer and every limit of the gateway."""

from __future__ import annotations

from pathlib import Path

import pytest

from sternpost import limits
from sternpost.gateway.app import ROUTES
from sternpost.reasons import REASONS
from sternpost.wire.refused import ANSWERS

PAGE = (Path(__file__).parent.parent.parent / "docs" / "reference" / "data-plane.md").read_text(
    encoding="utf-8"
)


@pytest.mark.parametrize("path", ROUTES)
def test_every_address(path: str) -> None:
    """Stands on the page."""
    assert f"{path}`" in PAGE or f"{path}?writeKey=KEY`" in PAGE


@pytest.mark.parametrize("code", [code for code, reason in REASONS.items() if reason.stage == "refused"])
def test_every_refused_reason(code: str) -> None:
    """Stands on the page, and one that is answered stands beside its status and text."""
    assert f"`{code}`" in PAGE
    if code in ANSWERS and code != "event_name_empty":
        status, text = ANSWERS[code]  # type: ignore[index]
        assert any(
            line.startswith(f"| {status} |") and f"`{text}`" in line and f"`{code}`" in line
            for line in PAGE.splitlines()
        )


def test_every_answer_has_a_refused_reason() -> None:
    """The table of answers and the table of reasons name the same codes; a duplicate is no refusal."""
    refused = {code for code, reason in REASONS.items() if reason.stage == "refused"}
    assert set(ANSWERS) == refused - {"duplicate"}


@pytest.mark.parametrize(
    "shown",
    [
        f"{limits.REQUEST_BODY_BYTES_MAX:,} bytes",
        f"{limits.JSON_DEPTH_MAX} levels",
        f"| events in a batch | {limits.BATCH_EVENTS_MAX:,} |",
        f"| {limits.HEAD_BYTES_MAX:,} bytes, {limits.HEADERS_MAX} headers, {limits.HEAD_TIMEOUT_S:g} s;",
        f"| {limits.CONNECTIONS_MAX:,}, less where",
        f"(at least {limits.BODY_PATIENCE_S:g} s)",
        f"| an answer that is not read | {limits.UNREAD_TIMEOUT_S:g} s,",
        f"(pipelining) | {limits.PIPELINED_MAX} |",
        f"| members of a gzip body | {limits.GZIP_MEMBERS_MAX} |",
        f"| {limits.BODY_TIMEOUT_S:g} s |",
        f"| {limits.REQUESTS_IN_FLIGHT_MAX:,}; {limits.BODY_BYTES_IN_FLIGHT_MAX // 1024**2} MB. When they run out",
    ],
)
def test_every_limit(shown: str) -> None:
    """Stands on the page with the number that is in force."""
    assert shown in PAGE
