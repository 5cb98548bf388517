"""The data directory: its modes, its lock, and the two secrets that live in it.

    ./sternpost-data/           0700
        lock                    held by the one server that uses the directory; holds its process id
        api-token               0600, the token of the commands on this machine
        secret-key              0600, the key that encrypts stored secrets

Both secrets can come from the environment instead (STERNPOST_API_TOKEN, STERNPOST_SECRET_KEY); then no file is made. Files come into
being complete or not at all, and an existing one is never replaced: a new secret key would make every stored secret unreadable.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import fcntl
import getpass
import hashlib
import hmac
import os
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from sternpost.errors import CommandError, StoreInUse, UsageError

TOKEN_VARIABLE = "STERNPOST_API_TOKEN"  # noqa: S105 - a name
KEY_VARIABLE = "STERNPOST_SECRET_KEY"
NEW_KEY_VARIABLE = "STERNPOST_NEW_SECRET_KEY"
TOKEN_CHARS_MIN = 16  #: less could be guessed over HTTP
KEY_CHARS_MIN = 16
KEY_BYTES = 32  #: AES-256
SECRET_FILE_BYTES_MAX = 4_096

_LOCK = "lock"
_TOKEN = "api-token"  # noqa: S105 - a file's name
_KEY = "secret-key"
_NEW_KEY = "secret-key.new"  # while `sternpost rotate-key` is at work
# A text of people's own is stretched; 2^15 takes a tenth of a second, once per start. The salt is fixed: the same text must give the
# same key on another machine, after `restore`.
_SCRYPT_SALT = b"sternpost secret key v1"
_SCRYPT_N, _SCRYPT_R, _SCRYPT_P = 2**15, 8, 1
_SCRYPT_MEMORY_MAX = 64 * 1024 * 1024


def prepare_data_dir(path: Path) -> None:
    """Create the data directory when it is missing, and see that it can be written to. Raises CommandError."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except FileExistsError:
        raise CommandError(f"{shown(path)} is a file. Give --data-dir a directory.") from None
    except PermissionError:
        raise _not_writable(path, "permission denied") from None
    except OSError as error:
        raise _not_writable(path, (error.strerror or "unknown error").lower()) from None


class DataDirLock:
    """The lock of a data directory, held until `close`, or until the process and all its children have ended."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def lock_data_dir(path: Path) -> DataDirLock:
    """Take the operating system's lock of a data directory, which ends with the process however that ends.

    Raises StoreInUse when another process has it. The file is never removed: whoever removes a lock file may remove another's.
    """
    descriptor = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.read(descriptor, 20).decode("ascii", "replace").strip()
        os.close(descriptor)
        who = f"process {holder}" if holder.isdigit() else "another process"
        raise StoreInUse(
            f"{shown(path)} is in use by {who}. One Sternpost per SQLite store; use --store postgresql://… for several."
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return DataDirLock(descriptor)


def was_used(path: Path) -> bool:
    """Whether a server has run in a data directory before: then its secrets are there, unless all come from the environment."""
    return (path / _TOKEN).exists() or (path / _KEY).exists()


def locked_by(path: Path) -> int | None:
    """The process that holds the lock of a data directory; None when no server runs on it. Takes nothing, creates nothing."""
    try:
        descriptor = os.open(path / _LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        # A shared lock is refused exactly while somebody holds the exclusive one.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        holder = os.read(descriptor, 20).decode("ascii", "replace").strip()
        return int(holder) if holder.isdigit() else 0
    finally:
        os.close(descriptor)
    return None


def api_token(data_dir: Path, env: Mapping[str, str]) -> str:
    """The owner's API token: of the environment, else of the data directory, where it is made at the first start.

    Raises UsageError for a token that could be guessed, CommandError when the file cannot be read or written.
    """
    token = find_api_token(data_dir, env)
    return token if token is not None else _create(data_dir / _TOKEN, f"sp_{secrets.token_urlsafe(32)}")


def find_api_token(data_dir: Path, env: Mapping[str, str]) -> str | None:
    """The API token for a command on this machine, None when there is none yet. Creates nothing."""
    given = env.get(TOKEN_VARIABLE, "").strip()
    if not given:
        return _read(data_dir / _TOKEN)
    if len(given) < TOKEN_CHARS_MIN or not given.isascii() or not given.isprintable() or " " in given:
        raise UsageError(
            f"{TOKEN_VARIABLE} cannot be used: give at least {TOKEN_CHARS_MIN} ASCII characters without spaces."
        )
    return given


def read_token_file(path: Path) -> str:
    """The token of `--token-file`. Raises CommandError when there is none."""
    token = _read(path)
    if token is None:
        raise CommandError(
            f"Cannot read {path}: there is no such file, or it is empty. Give --token-file a file with a token."
        )
    return token


def token_matches(given: str, expected: str) -> bool:
    """Whether two tokens are the same, in a time that does not tell how much of them is."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())


def secret_key(data_dir: Path, env: Mapping[str, str]) -> bytes:
    """The 32 bytes that encrypt stored secrets: of the environment, else of the data directory, made at the first start.

    Raises UsageError for a key that could be guessed, CommandError when the file cannot be read or written.
    """
    given = env.get(KEY_VARIABLE, "").strip()
    if given:
        return _key_of(given, KEY_VARIABLE)
    path = data_dir / _KEY
    text = _read(path)
    if text is None:
        if path.exists():
            # Making a new one would give up every stored secret without a word.
            raise CommandError(
                f"{shown(path)} is empty. Bring it back from a backup, or remove it and enter all secrets again."
            )
        text = _create(path, base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode())
    return _key_of(text, shown(path))


def new_secret_key(data_dir: Path, env: Mapping[str, str]) -> bytes:
    """The key that `rotate-key` changes to: of the environment, else of an interrupted run, else a new one, kept beside the present one.

    Raises UsageError when the present key is set by the environment and no new one is.
    """
    given = env.get(NEW_KEY_VARIABLE, "").strip()
    if given:
        return _key_of(given, NEW_KEY_VARIABLE)
    if env.get(KEY_VARIABLE, "").strip():
        raise UsageError(f"{KEY_VARIABLE} holds the present key. Set {NEW_KEY_VARIABLE} to the new one.")
    path = data_dir / _NEW_KEY
    text = _read(path) or _create(path, base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode())
    return _key_of(text, shown(path))


def use_new_secret_key(data_dir: Path, aside: str) -> Path | None:
    """Put the file of the new key in the place of the present one, which is kept under a name that ends in `aside`; that path.

    None when the new key is the environment's.
    """
    new, present = data_dir / _NEW_KEY, data_dir / _KEY
    if not new.exists():
        return None
    kept = data_dir / f"{_KEY}.{aside}"
    if present.exists():
        os.link(present, kept)  # so that at every moment there is a key in its place
    new.replace(present)
    return kept


def derived_key(key: bytes, purpose: str) -> bytes:
    """A key for one purpose, from which the secret key cannot be told. 32 bytes."""
    return hmac.new(key, f"sternpost {purpose}".encode(), hashlib.sha256).digest()


def shown(path: Path) -> str:
    """A path as people type it: relative ones begin with a dot."""
    text = str(path)
    return text if path.is_absolute() or text.startswith((".", "~")) else f"./{text}"


def _key_of(text: str, place: str) -> bytes:
    """The same text gives the same key wherever it stands, so a key may move from the file to the environment."""
    with contextlib.suppress(binascii.Error, ValueError):
        raw = base64.b64decode(text, validate=True)
        if len(raw) == KEY_BYTES:
            return raw
    if len(text) < KEY_CHARS_MIN:
        raise UsageError(
            f"{place} is too short for a key: give at least {KEY_CHARS_MIN} characters, or remove it."
        )
    return hashlib.scrypt(
        text.encode(),
        salt=_SCRYPT_SALT,
        n=_SCRYPT_N,
        r=_SCRYPT_R,
        p=_SCRYPT_P,
        maxmem=_SCRYPT_MEMORY_MAX,
        dklen=KEY_BYTES,
    )


def _read(path: Path) -> str | None:
    """A secret file's text; None when there is none or it is empty."""
    try:
        with path.open("rb") as file:
            text = file.read(SECRET_FILE_BYTES_MAX).decode("ascii").strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        reason = (error.strerror or "unknown error").lower()
        raise CommandError(
            f"Cannot read {shown(path)}: {reason}. It belongs to the user who runs the server."
        ) from None
    except UnicodeDecodeError:
        raise CommandError(f"{shown(path)} is not text. Bring it back from a backup.") from None
    return text or None


def _create(path: Path, text: str) -> str:
    """Write a new secret file, complete or not at all; when another process was first, its text counts."""
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(f"{text}\n")
                file.flush()
                os.fsync(file.fileno())
            if path.exists() and path.stat().st_size == 0:
                path.unlink()
            os.link(name, path)
        except FileExistsError:
            return _read(path) or text
        finally:
            Path(name).unlink()
    except OSError as error:
        raise _not_writable(path.parent, (error.strerror or "unknown error").lower()) from None
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return text


def _not_writable(path: Path, reason: str) -> CommandError:
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = str(os.getuid())
    return CommandError(
        f'Cannot write to {shown(path)}: {reason}. Give --data-dir a place that user "{user}" may write to.'
    )
