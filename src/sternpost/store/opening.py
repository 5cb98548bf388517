"""What is looked at before a store is opened, by the one process that holds its data directory: what SQLite would pass over in silence."""

from __future__ import annotations

from pathlib import Path

from sternpost.errors import StoreError
from sternpost.store import logfile


def before_opening(path: Path, *, used: bool, now: float) -> list[str]:
    """Set aside what is damaged in the log of a store; what somebody should know, as sentences.

    used: a server has run in this directory, so that an empty file is no new one. Raises StoreError when the server must not start.
    """
    log_path = path.with_name(f"{path.name}-wal")
    try:
        if not path.exists() or not path.stat().st_size:
            if (path.exists() and used) or (log_path.exists() and log_path.stat().st_size):
                # SQLite would begin anew, and remove the log as the leftover of another store.
                what = "is empty" if path.exists() else "is missing"
                raise StoreError(
                    f"{path} {what} although it was in use. Keep {path.parent}, bring the store back with `sternpost restore`, or remove "
                    f"{path.name} and its log to begin anew."
                )
            return _known(path.parent)
        log = logfile.look(path)
        if log is None or not log.damaged:
            return _known(path.parent)
        earlier = _known(path.parent)
        return [*earlier, logfile.set_aside(log, now=now)]
    except OSError as error:
        raise StoreError(
            f"Cannot look at the log of {path}: {(error.strerror or str(error)).lower()}. Nothing was changed."
        ) from error


def _known(directory: Path) -> list[str]:
    return [logfile.told(kept) for kept in logfile.kept_aside(directory)]
