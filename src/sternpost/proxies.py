"""Proxies in front of us: whose word about the client's address counts."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import TypeAlias

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


def is_trusted(address: str, networks: Iterable[Network]) -> bool:
    """Whether an address is a proxy whose word counts."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in networks)


def client_address(peer: str, forwarded_for: str, networks: Sequence[Network]) -> str:
    """Who asks: the peer, or what the nearest proxies that are trusted say about whom they serve.

    A client can write only what stands in X-Forwarded-For before that.
    """
    address = peer
    for entry in reversed([part.strip() for part in forwarded_for.split(",") if part.strip()]):
        if not is_trusted(address, networks):
            break
        address = entry
    return address
