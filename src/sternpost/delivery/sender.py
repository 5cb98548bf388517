"""The only place that sends: a `Call` goes out, a `Reply` comes back, whatever happens. Bounded in time and size."""

from __future__ import annotations

import os
import socket
import ssl
import time
from functools import lru_cache
from typing import Protocol
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from sternpost.delivery.addresses import (
    AddressNotAllowed,
    AddressRule,
    GuardedResolver,
    GuardedSockets,
    literal,
)
from sternpost.limits import CONNECT_TIMEOUT_S, REPLY_BODY_BYTES_MAX, REQUEST_TIMEOUT_S
from sternpost.model import Call, Reply
from sternpost.reasons import ReasonCode

#: Shorter than usual idle limits of load balancers (60 s), so that few connections are found closed.
KEEPALIVE_S = 30.0


TARGETS_CACHED_MAX = 64  #: addresses whose reading is remembered


class Send(Protocol):
    """Sends a request and always answers with a reply; without a status the reply's `error` says why."""

    async def __call__(self, call: Call) -> Reply: ...


class Client(Send, Protocol):
    """A `Send` that holds connections."""

    async def close(self) -> None: ...


class Sender:
    """An HTTP client for one destination: keep-alive, no redirects, no cookies, no proxies, bounded replies."""

    def __init__(
        self, rule: AddressRule, *, connections_max: int, names: AbstractResolver | None = None
    ) -> None:
        """Must be made inside a running event loop. `names` resolves names, None: as the system does."""
        self._rule = rule
        #: A destination asks at few addresses, again and again.
        self._target = lru_cache(maxsize=TARGETS_CACHED_MAX)(self._checked)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=connections_max,
                keepalive_timeout=KEEPALIVE_S,
                resolver=GuardedResolver(rule, names),
                socket_factory=GuardedSockets(rule),
                ttl_dns_cache=60,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
            trust_env=False,
            skip_auto_headers=("User-Agent", "Accept-Encoding"),
        )

    async def __call__(self, call: Call) -> Reply:
        started = time.perf_counter()

        def failed(error: ReasonCode, detail: str) -> Reply:
            return Reply(None, {}, b"", _ms_since(started), error, detail)

        try:
            target = self._target(call.url)
            if target is None:
                host = urlsplit(call.url).hostname
                return failed(
                    "address_not_allowed", f"{host} is a private address, or none in its usual spelling."
                )
            async with self._session.request(
                call.method, target, data=call.body or None, headers=call.headers, allow_redirects=False
            ) as response:
                body = await _read_bounded(response)
                headers = {name.lower(): value for name, value in response.headers.items()}
                return Reply(response.status, headers, body, _ms_since(started))
        except TimeoutError:
            return failed("timeout", f"No answer within {REQUEST_TIMEOUT_S:g} s.")
        except aiohttp.ClientConnectorCertificateError as error:
            return failed("certificate_not_trusted", str(error.certificate_error))
        except aiohttp.ClientConnectorDNSError as error:
            if isinstance(error.os_error, AddressNotAllowed):
                return failed("address_not_allowed", f"{error.os_error}.")
            return failed("name_not_found", f"The name {error.host} cannot be resolved.")
        except aiohttp.ClientConnectorError as error:
            if isinstance(error.os_error, AddressNotAllowed):
                return failed("address_not_allowed", f"{error.os_error}.")
            reason: ReasonCode = _connect_reason(error.os_error)
            return failed(reason, f"{error.host}:{error.port}: {_connect_detail(error.os_error)}.")
        except AddressNotAllowed as error:
            return failed("address_not_allowed", f"{error}.")
        except (aiohttp.ClientError, OSError, ssl.SSLError, ValueError) as error:
            # ValueError: an answer that is no HTTP, or an address that is none; the text names no secret, headers are not in it.
            return failed("connection_lost", f"{type(error).__name__}: {error}"[:300])

    def _checked(self, url: str) -> URL | None:
        """Where a request goes; None when it may not. A host that is an address is not resolved, so the resolver does not see it."""
        target = URL(url)
        host = literal(target.host or "")
        return target if host is None or self._rule.allows(host) else None

    async def close(self) -> None:
        await self._session.close()


def _connect_reason(error: OSError) -> ReasonCode:
    if isinstance(error, ssl.SSLCertVerificationError):
        return "certificate_not_trusted"
    if isinstance(error, socket.gaierror):
        return "name_not_found"
    return "connection_refused"


def _connect_detail(error: OSError) -> str:
    # asyncio's own text names the address once more, in Python's notation; the number says what the system said.
    if error.errno and not isinstance(error, socket.gaierror | ssl.SSLError):
        return os.strerror(error.errno)
    return error.strerror or str(error)


async def _read_bounded(response: aiohttp.ClientResponse) -> bytes:
    """The body, cut at the bound; what lies behind it is not read, and the connection is not used again."""
    body = bytearray()
    async for chunk in response.content.iter_chunked(65_536):
        body += chunk
        if len(body) > REPLY_BODY_BYTES_MAX:
            response.close()
            return bytes(body[:REPLY_BODY_BYTES_MAX])
    return bytes(body)


def _ms_since(started: float) -> int:
    return round((time.perf_counter() - started) * 1000)
