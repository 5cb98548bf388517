"""Secrets of a stored workspace are encrypted: AES-256-GCM, a random nonce for each, the key's id beside it.

`sealed:v1:<key id>:<nonce and ciphertext, base64url>`. The id is a digest's beginning and says nothing about the key; it lets an error
name the mistake (another key) instead of its symptom. The key itself comes from `access.secret_key`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sternpost.errors import SternpostError

SEALED_PREFIX = "sealed:"
_VERSION = "v1"
_NONCE_BYTES = 12  #: what GCM is made for; random ones are safe for billions of secrets under one key


class SecretUnreadable(SternpostError):
    """An encrypted secret cannot be opened."""


@dataclass(frozen=True, slots=True)
class SecretKey:
    """The key of a data directory."""

    key: bytes = field(repr=False)  #: 32 bytes

    def __post_init__(self) -> None:
        if len(self.key) != 32:
            raise ValueError("A secret key has 32 bytes.")

    @property
    def id(self) -> str:
        """Eight characters that tell keys apart."""
        return hashlib.sha256(b"sternpost key id\0" + self.key).hexdigest()[:8]


def seal(text: str, key: SecretKey, *, random: Callable[[int], bytes] = os.urandom) -> str:
    """Encrypt a secret for the store."""
    nonce = random(_NONCE_BYTES)
    head = f"{SEALED_PREFIX}{_VERSION}:{key.id}:"
    sealed = AESGCM(key.key).encrypt(nonce, text.encode(), head.encode())
    return head + base64.urlsafe_b64encode(nonce + sealed).decode()


def unseal(text: str, key: SecretKey) -> str:
    """Decrypt what `seal` made. Raises SecretUnreadable when the key is another one or the text was changed."""
    head, _, body = text.rpartition(":")
    parts = head.split(":")
    if len(parts) != 3 or parts[0] + ":" != SEALED_PREFIX or parts[1] != _VERSION:
        raise SecretUnreadable("The secret is not in a form that this Sternpost reads.")
    if parts[2] != key.id:
        raise SecretUnreadable(
            f"The secret was encrypted with another key ({parts[2]}, this server's is {key.id})."
        )
    try:
        raw = base64.b64decode(body.encode(), altchars=b"-_", validate=True)
        return AESGCM(key.key).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], f"{head}:".encode()).decode()
    except (binascii.Error, InvalidTag, ValueError):
        raise SecretUnreadable("The encrypted secret was changed or cut off.") from None
