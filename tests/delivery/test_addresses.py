"""Where destinations may connect to, in every spelling of an address, through names, and with answers of every kind: the rule in docs/security.md.

Requests go out through the real client to real sockets on loopback; only the resolver of names is the test's.
"""

from __future__ import annotations

import asyncio
import gzip
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from sternpost.delivery import sender as module
from sternpost.delivery.addresses import AddressRule
from sternpost.delivery.sender import Sender
from sternpost.limits import REPLY_BODY_BYTES_MAX
from sternpost.model import Call, Reply

PUBLIC_ONLY = AddressRule()
LOOPBACK = AddressRule(loopback=True)

#: Addresses that lead, or may lead, into somebody's own network.
PRIVATE = [
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1",
    "255.255.255.255", "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:7f00:1", "::ffff:169.254.169.254", "::127.0.0.1",
    "::7f00:1", "::10.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::a00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2002:a00:1::1",
    "2002:c0a8:101::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "fe80::1", "fe80::1%lo", "fe80::1%25lo", "fec0::1", "fc00::1",
    "fd12:3456::1", "ff02::1", "100::1", "2001:db8::1",
]  # fmt: skip
PUBLIC = [
    "8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8",
    "2002:808:808::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses(address: str) -> None:
    """None of them is allowed by itself, in whatever form of IPv6 an IPv4 address travels; the operator may allow all."""
    assert not PUBLIC_ONLY.allows(address)
    assert AddressRule(everything=True).allows(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address: str) -> None:
    """They need no permission."""
    assert PUBLIC_ONLY.allows(address)


@pytest.mark.parametrize("address", [*PRIVATE, *PUBLIC])
def test_loopback_only(address: str) -> None:
    """A server on loopback may deliver to loopback, in whatever form it is written, and to nothing else that is private."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(parsed, "ipv4_mapped", None) or parsed
    assert LOOPBACK.allows(address) is (address in PUBLIC or mapped.is_loopback)


def test_networks_of_the_operator() -> None:
    """What --allow-private-hosts names and nothing beside it; an IPv4 network counts for its addresses in IPv6 clothes."""
    rule = AddressRule(networks=(ipaddress.ip_network("10.1.0.0/16"), ipaddress.ip_network("fd00:1::/32")))
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3", "fd00:1::5"):
        assert rule.allows(address)
    for address in ("10.2.2.3", "::ffff:10.2.2.3", "fd00:2::5", "127.0.0.1", "169.254.169.254"):
        assert not rule.allows(address)


# --- through the real client -----------------------------------------------------------------------------------------------


class Names(AbstractResolver):
    """Answers with these addresses, one list after the other for the same name; the last stays."""

    def __init__(self, **names: list[list[str]]) -> None:
        self._names = {name.replace("_", "."): list(lists) for name, lists in names.items()}
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked += 1
        lists = self._names.get(host)
        if lists is None:
            raise OSError(f"no {host}")
        addresses = lists.pop(0) if len(lists) > 1 else lists[0]
        return [
            {
                "hostname": host,
                "host": address,
                "port": port,
                "family": socket.AF_INET6 if ":" in address else socket.AF_INET,
                "proto": 0,
                "flags": socket.AI_NUMERICHOST,
            }
            for address in addresses
        ]

    async def close(self) -> None:
        pass


class Peer:
    """A server on loopback that answers each connection with what `answer` writes, and keeps what was sent to it."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.port = 0
        self.written = 0

    async def write(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        writer.write(data)
        await writer.drain()
        self.written += len(data)


Answering = Callable[[Peer, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def peer(
    answer: Answering | bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Peer]:
    found = Peer()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                (
                    int(line[15:])
                    for line in head.split(b"\r\n")
                    if line.lower().startswith(b"content-length:")
                ),
                0,
            )
            found.heard.append(head + await reader.readexactly(length))
            if isinstance(answer, bytes):
                await found.write(writer, answer)
            else:
                await answer(found, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()


async def ask(
    url: str,
    rule: AddressRule = LOOPBACK,
    *,
    names: AbstractResolver | None = None,
    headers: Mapping[str, str] = {},
    body: bytes = b"{}",
    times: int = 1,
) -> Reply:
    client = Sender(rule, connections_max=2, names=names)
    try:
        for _ in range(times):
            reply = await client(Call("POST", url, dict(headers), body))
        return reply
    finally:
        await client.close()


SPELLINGS = [
    "127.0.0.1", "127.1", "127.0.1", "2130706433", "017700000001", "0177.0.0.1", "0177.0.0.01", "0x7f000001", "0x7f.0.0.1", "0x7f.1",
    "127.0.0.1.", "127.1.", "2130706433.", "localhost", "localhost.", "LOCALHOST", "ip6-localhost", "0", "0.0.0.0", "0x0", "000.0.0.0",
    "[::]", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:127.0.0.1]", "[::127.0.0.1]", "[64:ff9b::127.0.0.1]",
    "１２７.0.0.1", "127。0。0。1", "①②⑦.0.0.1", "%31%32%37.0.0.1",
]  # fmt: skip


@pytest.mark.parametrize("host", SPELLINGS)
async def test_loopback_in_every_spelling(host: str) -> None:
    """Decimal, octal, hexadecimal, shortened, with a dot at its end, in other digits, inside IPv6: nobody hears of us, and the reply says why."""
    async with peer() as somebody:
        reply = await ask(f"http://{host}:{somebody.port}/", PUBLIC_ONLY)
        assert reply.status is None
        assert reply.error in {"address_not_allowed", "name_not_found"}, reply
        assert somebody.heard == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_loopback_where_it_is_allowed(host: str) -> None:
    """The ordinary spellings reach it."""
    async with peer() as somebody:
        assert (await ask(f"http://{host}:{somebody.port}/")).status == 200
        assert len(somebody.heard) == 1


@pytest.mark.parametrize("address", [address for address in PRIVATE if "%" not in address])
async def test_every_private_literal(address: str) -> None:
    """Refused before a socket is made, so at once, wherever it would lead."""
    host = f"[{address}]" if ":" in address else address
    assert (await ask(f"http://{host}:9/", PUBLIC_ONLY)).error == "address_not_allowed"


async def test_a_name_that_points_inside() -> None:
    """The fate says which address it is."""
    reply = await ask("http://inside.test/", PUBLIC_ONLY, names=Names(inside_test=[["10.0.0.5", "fe80::1"]]))
    assert reply.error == "address_not_allowed"
    assert "10.0.0.5" in reply.error_detail


async def test_a_name_with_public_and_private_addresses() -> None:
    """Only the public one is connected to: here nobody is there, and loopback hears nothing."""
    async with peer() as somebody:
        client = Sender(
            AddressRule(networks=(ipaddress.ip_network("127.0.0.2/32"),)),
            connections_max=1,
            names=Names(both_test=[["127.0.0.1", "127.0.0.2", "::1"]]),
        )
        # 127.0.0.2 stands for the public address: it is allowed, and nobody listens there.
        reply = await client(Call("POST", f"http://both.test:{somebody.port}/", {}, b"{}"))
        await client.close()
        assert reply.error == "connection_refused"
        assert reply.error_detail.endswith(": Connection refused.")
        assert somebody.heard == []


async def test_a_name_that_changes_its_address() -> None:
    """DNS rebinding: what is looked at is what is connected to, whatever the name says a moment later, and again at each connection."""
    async with peer(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n") as somebody:
        rule = AddressRule(networks=(ipaddress.ip_network("127.0.0.1/32"),))
        names = Names(moving_test=[["127.0.0.1"], ["127.0.0.2"]])
        client = Sender(rule, connections_max=1, names=names)
        url = f"http://moving.test:{somebody.port}/"
        assert (await client(Call("POST", url, {}, b"{}"))).status == 200
        client._session.connector.clear_dns_cache()  # type: ignore[union-attr]  # as after its time
        assert (await client(Call("POST", url, {}, b"{}"))).error == "address_not_allowed"
        await client.close()
        assert (names.asked, len(somebody.heard)) == (2, 1)


async def test_the_resolver_is_not_trusted() -> None:
    """Even an address that no resolver of ours looked at is looked at when the connection is made."""

    class Blind(Sender):
        def _literal_allowed(self, url: str) -> bool:
            return True

    async with peer() as somebody:
        client = Blind(PUBLIC_ONLY, connections_max=1)
        for host in ("127.0.0.1", "127.1", "2130706433"):
            reply = await client(Call("POST", f"http://{host}:{somebody.port}/", {}, b"{}"))
            assert reply.error in {"address_not_allowed", "connection_lost"}, host
        await client.close()
        assert somebody.heard == []


# --- answers ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
async def test_redirects_are_never_followed(status: int) -> None:
    """Not to another host, not to a private one, not to the same: neither body nor secret goes anywhere else."""
    async with peer() as other:
        for target in (
            f"http://127.0.0.1:{other.port}/",
            "http://169.254.169.254/latest/meta-data",
            "/elsewhere",
            "//evil.test/",
        ):
            head = f"HTTP/1.1 {status} Moved\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode()
            async with peer(head) as first:
                reply = await ask(
                    f"http://127.0.0.1:{first.port}/",
                    headers={"Authorization": "Bearer s3cret"},
                    body=b'{"a":1}',
                )
                assert reply.status == status
                assert len(first.heard) == 1
        assert other.heard == []


async def _endless_body(found: Peer, writer: asyncio.StreamWriter) -> None:
    await found.write(writer, b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        await found.write(writer, b"x" * 65_536)


async def _endless_chunks(found: Peer, writer: asyncio.StreamWriter) -> None:
    await found.write(writer, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        await found.write(writer, b"10000\r\n" + b"x" * 65_536 + b"\r\n")


async def _gzip_bomb(found: Peer, writer: asyncio.StreamWriter) -> None:
    bomb = gzip.compress(b"\0" * 200_000_000, 1)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    await found.write(writer, head + bomb)


@pytest.mark.parametrize("answer", [_endless_body, _endless_chunks, _gzip_bomb])
async def test_bodies_without_end(answer: Answering) -> None:
    """Cut at the bound, and the connection closed; what is packed counts unpacked."""
    async with peer(answer) as somebody:
        reply = await ask(f"http://127.0.0.1:{somebody.port}/")
        assert reply.status == 200
        assert len(reply.body) == REPLY_BODY_BYTES_MAX
        # What lies in the sockets' buffers on the way.
        assert somebody.written < REPLY_BODY_BYTES_MAX + 16_000_000


def _heads(begin: bytes, more: bytes) -> Answering:
    async def answer(found: Peer, writer: asyncio.StreamWriter) -> None:
        await found.write(writer, begin)
        while True:
            await found.write(writer, more)
            await asyncio.sleep(0)

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        _heads(b"HTTP/1.1 200 OK\r\n", b"a: b\r\n" * 1_000),
        _heads(b"HTTP/1.1 200 OK\r\na: ", b"b" * 10_000),
        _heads(b"HTTP/1.1 200 ", b"O" * 10_000),
        _heads(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"a: b\r\n" * 1_000),
        _heads(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"a" * 10_000),
        _heads(b"", b"\0" * 10_000),
        _heads(b"SSH-2.0-OpenSSH_9.2\r\n", b"\r\n"),
        _heads(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000),
    ],
    ids=["headers", "one header", "a reason", "trailers", "an extension", "no HTTP", "another protocol", "interim answers"],
)  # fmt: skip
async def test_heads_without_end(answer: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are no answer: the event is tried again later, and little of it is read."""
    monkeypatch.setattr(module, "REQUEST_TIMEOUT_S", 2.0)
    async with peer(answer) as somebody:
        reply = await ask(f"http://127.0.0.1:{somebody.port}/")
        assert reply.status is None
        assert reply.error in {"connection_lost", "timeout"}


async def test_slow_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte now and then does not hold a request for ever: the time is for the whole answer."""

    async def slow(found: Peer, writer: asyncio.StreamWriter) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000:
            await found.write(writer, bytes([byte]))
            await asyncio.sleep(0.01)

    monkeypatch.setattr(module, "REQUEST_TIMEOUT_S", 0.5)
    async with peer(slow) as somebody:
        assert (await ask(f"http://127.0.0.1:{somebody.port}/")).error == "timeout"


async def test_cookies_and_other_leftovers_do_not_travel() -> None:
    """What an answer tells us to keep is not sent back, and proxies of the environment are not used."""
    head = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 0\r\n\r\n"
    async with peer(head) as somebody:
        await ask(f"http://127.0.0.1:{somebody.port}/", times=2)
        assert somebody.heard
        assert not any(b"ookie" in heard for heard in somebody.heard)


# --- TLS ----------------------------------------------------------------------------------------------------------------------


def _certificate(folder: Path, name: str = "localhost") -> ssl.SSLContext:
    """A certificate that nobody has signed but itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "peer.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


async def test_certificates_are_verified(tmp_path: Path) -> None:
    """A certificate that nobody known has signed: the request, with its secrets, is not sent."""
    async with peer(tls=_certificate(tmp_path)) as somebody:
        reply = await ask(f"https://localhost:{somebody.port}/", headers={"Authorization": "s3cret"})
        assert reply.error == "certificate_not_trusted"
        assert somebody.heard == []


async def test_plain_answers_where_tls_was_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server without TLS at an https address gets nothing of the request."""
    monkeypatch.setattr(module, "CONNECT_TIMEOUT_S", 0.5)
    async with peer() as somebody:
        reply: Any = await ask(f"https://127.0.0.1:{somebody.port}/")
        assert reply.status is None
        assert somebody.heard == []
