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

from aiohttp import AddrInfoType, ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

#: IPv6 addresses whose last 32 bits are an IPv4 address that a gateway, or an old stack, goes to.
_COMPATIBLE = ipaddress.IPv6Network("::/96")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_NAT64_LOCAL = ipaddress.IPv6Network(
    "64:ff9b:1::/48"
)  #: of a network's own gateways; older Pythons take it for public


class AddressNotAllowed(OSError):
    """The destination's host points to an address that it may not go to."""


@dataclass(frozen=True, slots=True)
class AddressRule:
    """Which addresses are allowed beyond the public ones."""

    loopback: bool = False  #: the server itself listens on loopback only
    everything: bool = False  #: the host was named by a workspace file, which only the operator writes
    networks: Sequence[Network] = ()  #: --allow-private-hosts

    def allows(self, address: str) -> bool:
        """Whether a destination may connect to this address. What is no address in its usual spelling is not allowed."""
        if self.everything:
            return True
        try:
            ip = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            # Such as 127.1 or 2130706433, which the system would understand.
            return False
        inner = _inner(ip)
        if ip.is_loopback or (inner.is_loopback and _is_mapped(ip)):
            return self.loopback or self._named(inner)
        return _is_public(inner) or self._named(inner)

    def _named(self, ip: Address) -> bool:
        return any(ip.version == network.version and ip in network for network in self.networks)


def literal(host: str) -> str | None:
    """The address that a host is, None when it is a name. aiohttp asks nobody about what is made of digits and dots, or holds a colon."""
    looks_like_one = ":" in host or host.replace(".", "").isdigit()
    return host if looks_like_one else None


def _inner(ip: Address) -> Address:
    """The IPv4 address that an IPv6 address leads to: mapped, compatible, by NAT64, by 6to4; else the address itself."""
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    if ip in _COMPATIBLE or ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
    return ip.sixtofour or ip


def _is_mapped(ip: Address) -> bool:
    return isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None


def _is_public(ip: Address) -> bool:
    if isinstance(ip, ipaddress.IPv6Address) and (ip.is_site_local or ip in _NAT64_LOCAL):
        return False
    return ip.is_global and not ip.is_multicast


class GuardedSockets:
    """Makes the sockets of connections, and refuses to for addresses that the rule does not allow: whatever way they came here."""

    def __init__(self, rule: AddressRule) -> None:
        self._rule = rule

    def __call__(self, address: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, where = address
        host = str(where[0])
        if not self._rule.allows(host):
            raise AddressNotAllowed(f"{host} is a private address, or none in its usual spelling")
        return socket.socket(family=family, type=kind, proto=protocol)


class GuardedResolver(AbstractResolver):
    """Resolves names and refuses addresses that the rule does not allow."""

    def __init__(self, rule: AddressRule, names: AbstractResolver | None = None) -> None:
        self._rule = rule
        self._inner = names or ThreadedResolver()

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
