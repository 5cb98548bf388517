"""A front before a server that makes the first requests fail, as networks and busy servers do, and remembers what went through."""

from __future__ import annotations

import gzip
import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import urlsplit

Trouble = Literal["503", "reply lost"]


class Front:
    """`bodies` are the decoded bodies of all requests, the failed ones first."""

    def __init__(self, server_url: str, trouble: Trouble, times: int) -> None:
        front = self
        self.bodies: list[Any] = []
        self.encodings: list[str | None] = []
        self._left = times
        self._lock = threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                encoding = self.headers.get("Content-Encoding")
                with front._lock:
                    front.bodies.append(json.loads(gzip.decompress(body) if encoding == "gzip" else body))
                    front.encodings.append(encoding)
                    failing = front._left > 0
                    front._left -= 1
                if failing and trouble == "503":
                    # What the gateway says when it cannot accept at the moment.
                    self._answer(
                        503,
                        {"Content-Type": "text/plain; charset=utf-8", "Retry-After": "1"},
                        b"Service Unavailable\n",
                    )
                    return
                onward = http.client.HTTPConnection(urlsplit(server_url).netloc, timeout=30)
                onward.request("POST", self.path, body, dict(self.headers.items()))
                reply = onward.getresponse()
                content = reply.read()
                onward.close()
                if failing:
                    self.close_connection = True
                    return  # the events are on disk, and the client does not hear of it
                self._answer(reply.status, {"Content-Type": reply.getheader("Content-Type", "")}, content)

            def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None: ...

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    @contextmanager
    def open(self) -> Iterator[Front]:
        thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._http.shutdown()
            self._http.server_close()
            thread.join(10)
