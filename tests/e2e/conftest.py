"""One sandbox for all tests of a worker; servers of its own for each file that needs another workspace."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.running import Sandbox, Server


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    running = Sandbox(tmp_path_factory.mktemp("sandbox"))
    yield running
    running.end()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start servers that end with the test, and whose logs must hold no trace of a defect."""
    running: list[Server] = []

    def start(workspace: Mapping[str, Any], *flags: str, **options: Any) -> Server:
        server = Server(tmp_path / f"server-{len(running)}", workspace, *flags, **options)
        running.append(server)
        return server

    yield start
    for server in running:
        server.end()
    assert not [line for server in running for line in server.complaints()]
