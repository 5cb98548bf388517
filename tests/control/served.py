"""The control API of a bench on a free port, in a thread with a loop of its own, for clients that do not wait in ours."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import uvicorn

from .bench import Bench, make


@contextlib.contextmanager
def served(
    folder: Path, prepare: Callable[[Bench], Awaitable[None]], document: dict[str, Any] | None = None
) -> Iterator[str]:
    """The address of the API over a real store in `folder`, once `prepare` has filled it."""
    ready: list[str] = []
    started = threading.Event()
    server: list[uvicorn.Server] = []

    async def serve() -> None:
        bench = await make(folder, document)
        try:
            await prepare(bench)
            one = uvicorn.Server(uvicorn.Config(bench.app, port=0, log_level="error", lifespan="off"))
            server.append(one)
            task = asyncio.create_task(one.serve())
            while not one.started:
                await asyncio.sleep(0.01)
            ready.append(f"http://127.0.0.1:{one.servers[0].sockets[0].getsockname()[1]}")
            started.set()
            await task
        finally:
            bench.close()
            started.set()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    started.wait()
    try:
        yield ready[0]
    finally:
        server[0].should_exit = True
        thread.join()
