"""Where write keys are read from, and where not."""

from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sternpost.wire.auth import query_fields, write_key_of_header, write_key_of_query


@pytest.mark.parametrize(
    ("header", "key"),
    [
        (b"Basic " + b64encode(b"wk:"), "wk"),
        (b"basic " + b64encode(b"wk:password"), "wk"),
        (b"BASIC " + b64encode(b"wk:a:b"), "wk"),
        (b"Basic " + b64encode("clé:".encode()), "clé"),
        (b"Basic " + b64encode(b"wk"), ""),
        (b"Basic " + b64encode(b":password"), ""),
        (b"Basic " + b64encode(b"wk:").rstrip(b"=") + b"!", ""),
        (b"Basic wk:", ""),
        (b"Basic ", ""),
        (b"Basic", ""),
        (b"Bearer wk", ""),
        (b"", ""),
    ],
)
def test_basic_headers(header: bytes, key: str) -> None:
    """The user name; the password is ignored. Anything malformed is no key."""
    assert write_key_of_header(header) == key


@given(st.binary(max_size=60), st.sampled_from([b"", b"Basic "]))
def test_any_header_has_a_key_or_none(header: bytes, scheme: bytes) -> None:
    """No header raises."""
    assert isinstance(write_key_of_header(scheme + header), str)


@pytest.mark.parametrize(
    ("query", "key"),
    [
        (b"writeKey=wk", "wk"),
        (b"a=1&writeKey=w%6B&writeKey=other", "wk"),
        (b"writeKey=", ""),
        (b"writekey=wk", ""),
        (b"xwriteKey=wk", ""),
        (b"", ""),
        (b"writeKey=%ff", "\ufffd"),
    ],
)
def test_queries(query: bytes, key: str) -> None:
    """The first writeKey; the name's case matters."""
    assert write_key_of_query(query) == key


def test_query_fields_are_bounded() -> None:
    """A thousand fields are read, blank ones and strange bytes included; more are refused."""
    assert query_fields(b"a=&b=%ff&a=1") == [("a", ""), ("b", "\ufffd"), ("a", "1")]
    with pytest.raises(ValueError, match="fields"):
        query_fields(b"&".join([b"a=1"] * 1_001))
