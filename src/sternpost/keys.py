"""Which source a write key belongs to, for one snapshot of the workspace."""

from __future__ import annotations

from sternpost.model import Source, Workspace


class SourceKeys:
    """Sources by write key; keys that were rotated out count until their time has come."""

    def __init__(self, workspace: Workspace | None = None) -> None:
        sources = workspace.sources.values() if workspace is not None else ()
        self._current = {source.write_key: source for source in sources}
        self._previous = {
            key.write_key: (source, key.until) for source in sources for key in source.previous_keys
        }

    def current(self, write_key: str) -> Source | None:
        """The source whose present key this is."""
        return self._current.get(write_key)

    def find(self, write_key: str, now: float) -> Source | None:
        """The source whose present key this is, or an earlier one that is still taken."""
        source = self._current.get(write_key)
        if source is None and write_key in self._previous:
            earlier, until = self._previous[write_key]
            return earlier if now < until else None
        return source
