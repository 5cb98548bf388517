"""Change every encrypted secret of a store that no server uses: for a new secret key. One transaction, so all or none."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from sternpost.errors import StoreError
from sternpost.store.database import connect, migrate


def reseal(path: Path, prefix: str, change: Callable[[str], str]) -> int:
    """Replace each text that begins with `prefix`, in all kept revisions of the workspace; how many were changed.

    What `change` raises undoes everything. Raises StoreError when the store cannot be read or written.
    """
    if not path.is_file():
        raise StoreError(f"There is no store at {path}. Give --data-dir the data directory of a server.")
    try:
        with closing(connect(path)) as connection:
            migrate(connection, str(path))
            connection.execute("BEGIN IMMEDIATE")
            try:
                changed = _reseal(connection, prefix, change)
                connection.execute("COMMIT")
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            # The old texts are in no page and no log any more.
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return changed
    except sqlite3.Error as error:
        raise StoreError(f"The store {path} could not be written: {error}.") from error


def _reseal(connection: sqlite3.Connection, prefix: str, change: Callable[[str], str]) -> int:
    connection.execute("PRAGMA secure_delete = ON")
    changed = 0

    def walked(value: Any) -> Any:
        nonlocal changed
        if isinstance(value, dict):
            return {key: walked(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [walked(inner) for inner in value]
        if isinstance(value, str) and value.startswith(prefix):
            new = change(value)
            changed += new != value
            return new
        return value

    for revision, document in connection.execute("SELECT revision, document FROM workspaces").fetchall():
        found = json.loads(document)
        new = walked(found)
        if new != found:
            text = json.dumps(new, ensure_ascii=False, separators=(",", ":"))
            connection.execute(
                "UPDATE workspaces SET document = ? WHERE revision = ?",
                (text.encode() if isinstance(document, bytes) else text, revision),
            )
    return changed
