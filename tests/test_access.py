"""The data directory: modes, lock, token and key."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sternpost.access import (
    api_token,
    find_api_token,
    lock_data_dir,
    locked_by,
    prepare_data_dir,
    read_token_file,
    secret_key,
    shown,
    token_matches,
)
from sternpost.errors import CommandError, StoreInUse, UsageError


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_directory(tmp_path: Path) -> None:
    """It is made for its owner only, and an existing one is taken."""
    path = tmp_path / "a" / "data"
    prepare_data_dir(path)
    prepare_data_dir(path)
    assert mode(path) == 0o700
    assert list(path.iterdir()) == []


def test_directory_is_a_file(tmp_path: Path) -> None:
    """A file in its place is named as what it is."""
    path = tmp_path / "data"
    path.write_text("")
    with pytest.raises(CommandError, match="is a file. Give --data-dir a directory"):
        prepare_data_dir(path)
    with pytest.raises(
        CommandError, match="Cannot write to .*/data/below: not a directory. Give --data-dir a place"
    ):
        prepare_data_dir(path / "below")


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_directory_not_writable(tmp_path: Path) -> None:
    """The sentence names the directory and the user."""
    tmp_path.chmod(0o500)
    with pytest.raises(CommandError, match='permission denied. Give --data-dir a place that user "'):
        prepare_data_dir(tmp_path / "data")


def test_lock(tmp_path: Path) -> None:
    """A second server is refused, with the first one's process id, until the first lets go."""
    assert locked_by(tmp_path) is None
    with lock_data_dir(tmp_path):
        assert locked_by(tmp_path) == os.getpid()
        with pytest.raises(StoreInUse) as caught:
            lock_data_dir(tmp_path)
        assert str(caught.value) == (
            f"{tmp_path} is in use by process {os.getpid()}. "
            "One Sternpost per SQLite store; use --store postgresql://… for several."
        )
    assert locked_by(tmp_path) is None
    lock_data_dir(tmp_path).close()


def test_killed_server_blocks_nothing(tmp_path: Path) -> None:
    """The lock ends with the process, however it ends."""
    code = (
        "import sys, time, pathlib\n"
        "from sternpost.access import lock_data_dir\n"
        "handle = lock_data_dir(pathlib.Path(sys.argv[1]))\n"
        "print('locked', flush=True)\n"
        "time.sleep(60)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent / "src")}
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout
    assert process.stdout.readline() == "locked\n"
    with pytest.raises(StoreInUse, match=f"process {process.pid}"):
        lock_data_dir(tmp_path)
    process.kill()
    process.communicate()
    lock_data_dir(tmp_path).close()


def test_token_is_made_once(tmp_path: Path) -> None:
    """The first start makes the token, later ones and the commands read it."""
    assert find_api_token(tmp_path, {}) is None
    token = api_token(tmp_path, {})
    assert len(token) > 40
    assert mode(tmp_path / "api-token") == 0o600
    assert api_token(tmp_path, {}) == find_api_token(tmp_path, {}) == token
    assert read_token_file(tmp_path / "api-token") == token
    assert [path.name for path in tmp_path.iterdir()] == ["api-token"]


def test_empty_token_file_is_made_anew(tmp_path: Path) -> None:
    """A token can always be replaced; an empty one lets nobody in."""
    (tmp_path / "api-token").write_text("\n"[:0])
    assert api_token(tmp_path, {}) == find_api_token(tmp_path, {})


def test_token_from_environment(tmp_path: Path) -> None:
    """The environment's token wins, makes no file, and must not be guessable."""
    env = {"STERNPOST_API_TOKEN": "a-token-of-my-own\n"}
    assert api_token(tmp_path, env) == find_api_token(tmp_path, env) == "a-token-of-my-own"
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UsageError) as caught:
        api_token(tmp_path, {"STERNPOST_API_TOKEN": "short"})
    assert "at least 16" in str(caught.value)
    assert "short" not in str(caught.value)


def test_token_file_missing(tmp_path: Path) -> None:
    """`--token-file` must lead to a token."""
    with pytest.raises(CommandError, match="no such file, or it is empty"):
        read_token_file(tmp_path / "nope")


def test_token_matches() -> None:
    """The same text matches, anything else does not, and nothing raises."""
    assert token_matches("abc", "abc")
    assert not token_matches("abd", "abc")
    assert not token_matches("", "abc")
    assert not token_matches("é\ud800", "abc")


def test_key_is_made_once(tmp_path: Path) -> None:
    """The key survives restarts, and means the same when its text is moved into the environment."""
    key = secret_key(tmp_path, {})
    assert len(key) == 32
    assert mode(tmp_path / "secret-key") == 0o600
    assert secret_key(tmp_path, {}) == key
    text = (tmp_path / "secret-key").read_text()
    assert secret_key(tmp_path / "elsewhere", {"STERNPOST_SECRET_KEY": text}) == key


def test_key_from_environment(tmp_path: Path) -> None:
    """32 bytes in base64 are the key; another long text is stretched to one, always the same; a short one is refused."""
    raw = bytes(range(32))
    assert secret_key(tmp_path, {"STERNPOST_SECRET_KEY": base64.b64encode(raw).decode()}) == raw
    one = secret_key(tmp_path, {"STERNPOST_SECRET_KEY": "correct horse battery"})
    assert len(one) == 32
    assert one == secret_key(tmp_path, {"STERNPOST_SECRET_KEY": "correct horse battery"})
    assert one != secret_key(tmp_path, {"STERNPOST_SECRET_KEY": "correct horse batterz"})
    with pytest.raises(UsageError, match="STERNPOST_SECRET_KEY is too short"):
        secret_key(tmp_path, {"STERNPOST_SECRET_KEY": "hunter2"})
    assert list(tmp_path.iterdir()) == []


def test_empty_key_is_never_replaced(tmp_path: Path) -> None:
    """A new key would give up all stored secrets without a word."""
    (tmp_path / "secret-key").write_text("")
    with pytest.raises(CommandError, match="secret-key is empty. Bring it back from a backup"):
        secret_key(tmp_path, {})


def test_no_directory(tmp_path: Path) -> None:
    """A missing directory is a sentence, not a trace."""
    with pytest.raises(CommandError, match="Cannot write to"):
        api_token(tmp_path / "nope", {})


def test_shown() -> None:
    """Paths look as people type them."""
    assert shown(Path("./sternpost-data")) == "./sternpost-data"
    assert shown(Path("/var/lib/x")) == "/var/lib/x"
    assert shown(Path("../x")) == "../x"
