"""Secrets of a stored workspace are encrypted, and a wrong key is named as such."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sternpost.workspace.secrets import SecretKey, SecretUnreadable, seal, unseal

ONE, TWO = SecretKey(b"1" * 32), SecretKey(b"2" * 32)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_round_trip(text: str) -> None:
    """What was sealed is unsealed the same, and is not in the sealed text."""
    sealed = seal(text, ONE)
    assert unseal(sealed, ONE) == text
    assert len(text) < 4 or text not in sealed


def test_nonces_differ() -> None:
    """The same secret twice looks different."""
    assert seal("a", ONE) != seal("a", ONE)


def test_another_key() -> None:
    """The error names both keys by their ids."""
    with pytest.raises(SecretUnreadable) as caught:
        unseal(seal("hush", ONE), TWO)
    assert str(caught.value) == (
        f"The secret was encrypted with another key ({ONE.id}, this server's is {TWO.id})."
    )


@pytest.mark.parametrize(
    "change", [lambda text: text[:-5], lambda text: text[:-6] + "AAAA==", lambda text: text + "!"]
)
def test_changed(change) -> None:
    """A changed or cut text is refused."""
    with pytest.raises(SecretUnreadable, match="changed or cut off"):
        unseal(change(seal("hush", ONE)), ONE)


@pytest.mark.parametrize("text", ["", "hush", "sealed:", "sealed:v2:abc:def", "sealed:v1:x"])
def test_no_sealed_text(text: str) -> None:
    """What was never sealed is no secret."""
    with pytest.raises(SecretUnreadable):
        unseal(text, ONE)


def test_key_is_not_shown() -> None:
    """A key has 32 bytes, and its text form has none of them."""
    assert "111" not in repr(ONE)
    with pytest.raises(ValueError):
        SecretKey(b"short")
