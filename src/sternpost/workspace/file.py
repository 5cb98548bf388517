"""The workspace file, read from disk with everything it refers to."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from errno import EACCES
from pathlib import Path

from sternpost.destinations.base import Destination
from sternpost.errors import Problem, WorkspaceError
from sternpost.model import Workspace
from sternpost.workspace import yaml
from sternpost.workspace.document import parse

SECRET_FOLDER = Path("/run/secrets")  #: where containers put secrets
SECRET_FILE_BYTES_MAX = 64 * 1024  #: a key has a hundred bytes; a mistaken path may lead to a log file


def load(
    path: Path,
    *,
    destinations: Mapping[str, Destination],
    env: Mapping[str, str],
    generated: MutableMapping[str, str] | None = None,
    new_write_key: Callable[[str], str] | None = None,
    secrets_required: bool = True,
    revision: int = 0,
) -> Workspace:
    """The workspace of a file; `parse` explains the arguments. `file:PATH` is relative to the workspace file.

    Raises WorkspaceError, which names the file, also when the file cannot be read.
    """
    document = load_document(path)
    return parse(
        document.data,
        lines=document.lines,
        destinations=destinations,
        env=env,
        read_file=secret_files(path.parent),
        generated=generated,
        new_write_key=new_write_key,
        secrets_required=secrets_required,
        revision=revision,
        file=str(path),
    )


def load_document(path: Path) -> yaml.Document:
    """The data of a workspace file, not yet checked. Raises WorkspaceError, which names the file."""
    try:
        with path.open("rb") as file:
            content = file.read(yaml.YAML_BYTES_MAX + 1)
    except OSError as error:
        reason = (error.strerror or "unknown error").lower()
        problem = Problem("", f"The file cannot be read: {reason}.", "Correct the path or its permissions.")
        raise WorkspaceError([problem], str(path)) from None
    try:
        return yaml.load(content)
    except WorkspaceError as error:
        raise WorkspaceError(error.problems, str(path)) from None


def secret_files(base: Path, *, only: Sequence[Path] = ()) -> Callable[[str], str]:
    """Reads what `file:PATH` names, relative to `base`; OSError or ValueError for what is not there or not a short text.

    `only`: folders that it must lie in. A workspace file is written by whoever runs the server; a document that comes over the API must
    not make the server read whatever its user can.
    """

    def read(name: str) -> str:
        path = (base / name).resolve()
        if only and not any(path.is_relative_to(folder) for folder in only):
            raise PermissionError(
                EACCES, f"only files in {' or '.join(str(folder) for folder in only)} may be named here"
            )
        with path.open("rb") as file:
            content = file.read(SECRET_FILE_BYTES_MAX + 1)
        if len(content) > SECRET_FILE_BYTES_MAX:
            raise ValueError(name)
        return content.decode()

    return read


def new_write_key(source_id: str) -> str:
    """A random write key. 128 bits: it is public in a web page, yet must not be guessed for another source."""
    return f"wk-{secrets.token_hex(16)}"
