"""Where a destination may connect to: private and link-local addresses only when the operator says so.

The check is on the address that the connection is made to, after the name was resolved, so that a name that changes its address
between check and use (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from aiohttp import ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


class AddressNotAllowed(OSError):
    """The destination's host points to an address that it may not go to."""


@dataclass(frozen=True, slots=True)
class AddressRule:
    """Which addresses are allowed beyond the public ones."""

    loopback: bool = False  #: the server itself listens on loopback only
    everything: bool = False  #: the host was named by a workspace file, which only the operator writes
    networks: Sequence[Network] = ()  #: --allow-private-hosts

    def allows(self, address: str) -> bool:
        """Whether a destination may connect to this address."""
        ip = ipaddress.ip_address(address.partition("%")[0])
        if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        if self.everything or (ip.is_global and not ip.is_multicast):
            return True
        if ip.is_loopback and self.loopback:
            return True
        return any(ip.version == network.version and ip in network for network in self.networks)


class GuardedResolver(AbstractResolver):
    """Resolves names and refuses addresses that the rule does not allow."""

    def __init__(self, rule: AddressRule) -> None:
        self._rule = rule
        self._inner = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        allowed = [result for result in found if self._rule.allows(result["host"])]
        if not allowed:
            raise AddressNotAllowed(
                f"{host} points to {', '.join(sorted({result['host'] for result in found}))}"
            )
        return allowed

    async def close(self) -> None:
        await self._inner.close()
