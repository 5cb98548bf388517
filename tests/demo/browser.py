"""A headless Chromium through its DevTools protocol: enough to open a page, press a button and look."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome")
PROGRAM = next((found for name in NAMES if (found := shutil.which(name))), None)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--remote-debugging-port=0",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)  # fmt: skip


@dataclass
class Request:
    """What the page asked the network for."""

    url: str
    method: str
    is_preflight: bool
    bytes: int = 0  #: received, as they came over the network


class Page:
    """One open page, what it asked the network for and what it complained about."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self.requests: list[Request] = []
        self._by_id: dict[str, Request] = {}
        self.complaints: list[str] = []

    async def listen(self) -> None:
        async for message in self._socket:
            found = json.loads(message.data)
            if (future := self._waiting.pop(found.get("id", 0), None)) is not None:
                future.set_result(found)
            elif found.get("method") == "Network.requestWillBeSent":
                self._requested(found["params"])
            elif found.get("method") == "Network.loadingFinished":
                if (request := self._by_id.get(found["params"]["requestId"])) is not None:
                    request.bytes = int(found["params"]["encodedDataLength"])
            elif found.get("method") == "Runtime.exceptionThrown":
                self.complaints.append(str(found["params"]["exceptionDetails"]))
            elif (
                found.get("method") == "Log.entryAdded"
                and found["params"]["entry"]["source"] != "deprecation"
            ):
                self.complaints.append(str(found["params"]["entry"]))

    def _requested(self, told: dict[str, Any]) -> None:
        request = Request(
            told["request"]["url"], told["request"]["method"], told["request"]["method"] == "OPTIONS"
        )
        self._by_id[told["requestId"]] = request
        self.requests.append(request)

    @property
    def requested(self) -> list[str]:
        """The addresses, in order."""
        return [request.url for request in self.requests]

    async def call(self, method: str, *, seconds: float = 20, **params: Any) -> Any:
        number = next(self._numbers)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        future = self._waiting[number]
        await self._socket.send_json({"id": number, "method": method, "params": params})
        found = await asyncio.wait_for(future, seconds)
        assert "error" not in found, found
        return found["result"]

    async def open(self, url: str) -> None:
        await self.call("Page.navigate", url=url)
        await self.until(f"document.readyState === 'complete' && location.href === {json.dumps(url)}")

    async def run(self, script: str, seconds: float = 20) -> Any:
        found = await self.call(
            "Runtime.evaluate", seconds=seconds, expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def until(self, condition: str, seconds: float = 15) -> None:
        for _ in range(int(seconds / 0.05)):
            with contextlib.suppress(AssertionError):  # between two pages there is none
                if await self.run(condition):
                    return
            await asyncio.sleep(0.05)
        raise AssertionError(f"never true: {condition}; {await self.run('document.body.innerText')}")

    async def look(
        self, path: Path, *, width: int, height: int, dark: bool = False, whole: bool = True
    ) -> None:
        """Write a screenshot: of the whole page, or of what a window of this size shows."""
        await self.size(width, height, dark=dark)
        await self.call("Emulation.setScrollbarsHidden", hidden=True)
        found = await self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(found["data"]))

    async def size(self, width: int, height: int, *, dark: bool = False) -> None:
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        await self.call("Emulation.setEmulatedMedia", features=scheme)


@contextlib.asynccontextmanager
async def page() -> AsyncIterator[Page]:
    """A fresh browser with an empty page."""
    assert PROGRAM is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            PROGRAM, *FLAGS, f"--user-data-dir={profile}", "about:blank", stderr=asyncio.subprocess.DEVNULL
        )
        try:
            port = await _port(Path(profile))
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{port}/json") as reply:
                    targets = await reply.json()
                address = next(target for target in targets if target["type"] == "page")
                async with session.ws_connect(address["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                    opened = Page(socket)
                    listening = asyncio.create_task(opened.listen())
                    for domain in ("Page", "Network", "Runtime", "Log"):
                        await opened.call(f"{domain}.enable")
                    yield opened
                    listening.cancel()
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _port(profile: Path) -> int:
    for _ in range(400):
        with contextlib.suppress(OSError, IndexError, ValueError):
            return int((profile / "DevToolsActivePort").read_text().splitlines()[0])
        await asyncio.sleep(0.05)
    raise AssertionError("the browser does not start")
