"""The servers and the sandbox of the end-to-end tests; this folder has a sandbox of its own, since its tests reset it."""

from tests.e2e.conftest import sandbox, serve

__all__ = ["sandbox", "serve"]
