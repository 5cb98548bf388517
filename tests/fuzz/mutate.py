"""Inputs by chance: good ones that were cut, doubled, spliced and changed."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

PIECES = [b"\0", b"\xff", b"{", b"}", b"[", b"]", b'"', b":", b",", b"\\ud800", b"1e999", b"-", b"null", b"\n", b"  ", b"!!", b"&a ", b"*a", b"<<: ", b"\xed\xa0\x80", b"9" * 30]  # fmt: skip


def mutated(random: Random, samples: Sequence[bytes]) -> bytes:
    """One of the samples, with some changes."""
    data = bytearray(random.choice(samples))
    for _ in range(random.choice((1, 1, 2, 4, 12))):
        at = random.randint(0, len(data))
        match random.randint(0, 5):
            case 0:
                data[at : at + random.randint(1, 8)] = b""
            case 1:
                data[at:at] = random.choice(PIECES)
            case 2:
                data[at : at + 1] = bytes([random.randrange(256)])
            case 3:
                end = random.randint(at, len(data))
                data[at:at] = data[at:end][:2_000]
            case 4:
                other = random.choice(samples)
                data[at:] = other[random.randint(0, len(other)) :]
            case _:
                data[at:] = random.randbytes(random.randint(0, 20))
    return bytes(data[:20_000])
