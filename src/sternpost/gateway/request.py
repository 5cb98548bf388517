"""What the gateway reads of a request's head."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.types import Scope

from sternpost.proxies import Network, client_address
from sternpost.wire.refused import Refused


class Request:
    """What the gateway reads of a request's head."""

    __slots__ = (
        "authorization",
        "body_bytes",
        "content_length",
        "forwarded",
        "given_up",
        "gzip",
        "in_order",
        "method",
        "origin",
        "path",
        "query",
        "scope",
        "wanted_headers",
        "wanted_method",
        "write_key",
    )

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: bytes = scope.get("query_string", b"")
        self.authorization = b""
        self.origin = b""
        self.content_length = 0
        self.forwarded = b""  #: X-Forwarded-For, its lines joined
        self.gzip = False
        self.in_order = False  #: the client sends one batch at a time: nothing before this one is on its way
        self.wanted_method = b""
        self.wanted_headers = b""
        self.write_key = ""
        self.body_bytes = 0
        self.given_up: Refused | None = None  #: why its body is not waited for any longer
        for name, value in scope["headers"]:
            if name == b"authorization":
                self.authorization = self.authorization or value
            elif name == b"origin":
                self.origin = value
            elif name == b"content-length":
                # The server has checked it; whoever sends something else is caught by the running count.
                self.content_length = int(value) if value.isdigit() and len(value) < 20 else 0
            elif name == b"x-forwarded-for":
                self.forwarded = self.forwarded + b"," + value if self.forwarded else value
            elif name == b"content-encoding":
                self.gzip = value.strip().lower() == b"gzip"
            elif name == b"sternpost-in-order":
                self.in_order = value == b"true"
            elif name == b"access-control-request-method":
                self.wanted_method = value
            elif name == b"access-control-request-headers":
                self.wanted_headers = value

    @property
    def preflight(self) -> bool:
        return self.method == "OPTIONS" and bool(self.wanted_method)

    def client(self, proxies: Sequence[Network] | None) -> str:
        """The client's address: the first entry of X-Forwarded-For, else the peer (contract 5.1)."""
        peer = self.scope.get("client")
        address = str(peer[0]) if peer else ""
        if not self.forwarded:
            return address
        forwarded = self.forwarded.decode("latin-1")
        if proxies is not None:
            return client_address(address, forwarded, proxies)
        return next((entry.strip() for entry in forwarded.split(",") if entry.strip()), address)

    def user_agent(self) -> str:
        agents = (value for name, value in self.scope["headers"] if name == b"user-agent")
        return b",".join(agents).decode("latin-1")
