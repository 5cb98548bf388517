"""`sternpost rotate-key`: every secret is readable with the new key and only with it, also after an interruption."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sternpost import access
from sternpost.cli.app import program
from sternpost.destinations.registry import DESTINATIONS
from sternpost.store.sqlite import SqliteStore
from sternpost.workspace import stored
from sternpost.workspace.holder import WorkspaceHolder
from sternpost.workspace.secrets import SecretKey

SECRET = "33333333-3333-4333-8333-333333333333.us"
DATA = Path("sternpost-data")


def run(**env: str) -> Result:
    none = {"STERNPOST_SECRET_KEY": None, "STERNPOST_NEW_SECRET_KEY": None}
    return CliRunner(env={**none, **env}).invoke(program, ["rotate-key"])


async def opened(key: bytes) -> tuple[str, str]:
    """The integration key as a server with this secret key reads it, and what it says is wrong."""
    store = SqliteStore(DATA / "sternpost.db")
    holder = WorkspaceHolder(
        destinations=DESTINATIONS, keeper=store, key=SecretKey(key), env={}, clock=lambda: 1.0, path=None
    )
    await holder.start(stored.demo_document("http://127.0.0.1:8090"))
    config = holder.current.destinations["pendo"]
    store.close()
    secret = config.settings.integration_key
    return (secret.reveal() if secret else ""), config.secret_problem


@pytest.fixture
async def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    monkeypatch.chdir(tmp_path)
    access.prepare_data_dir(DATA)
    made = access.secret_key(DATA, {})
    assert await opened(made) == (SECRET, "")
    return made


async def test_new_key(key: bytes) -> None:
    found = run()
    assert found.exit_code == 0, found.output
    assert "encrypted with the new key" in found.output
    new = access.secret_key(DATA, {})
    assert new != key
    assert await opened(new) == (SECRET, "")
    assert "another key" in (await opened(key))[1]
    kept = next(DATA.glob("secret-key.before-*"))
    assert access._key_of(kept.read_text().strip(), "") == key
    assert kept.stat().st_mode & 0o777 == 0o600
    assert not (DATA / "secret-key.new").exists()


async def test_interrupted(key: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between the store and the file: the next run finishes it."""
    with monkeypatch.context() as killed:
        killed.setattr(access, "use_new_secret_key", lambda *_: exit(9))
        assert run().exit_code == 9
    assert "another key" in (await opened(key))[1]
    found = run()
    assert found.exit_code == 0, found.output
    assert await opened(access.secret_key(DATA, {})) == (SECRET, "")


async def test_of_the_environment(key: bytes) -> None:
    new = "a new key of at least sixteen characters"
    found = run(STERNPOST_NEW_SECRET_KEY=new)
    assert found.exit_code == 0, found.output
    assert "STERNPOST_SECRET_KEY set to the new key" in found.output
    assert await opened(access.secret_key(DATA, {"STERNPOST_SECRET_KEY": new})) == (SECRET, "")
    missing = run(STERNPOST_SECRET_KEY=new)
    assert missing.exit_code == 2
    assert "Set STERNPOST_NEW_SECRET_KEY" in missing.output


async def test_wrong_key(key: bytes) -> None:
    """With a key that opens nothing, nothing is changed."""
    found = run(STERNPOST_SECRET_KEY="x" * 20, STERNPOST_NEW_SECRET_KEY="y" * 20)
    assert found.exit_code == 1
    assert "Nothing was changed" in found.output
    assert await opened(key) == (SECRET, "")


async def test_in_use(key: bytes) -> None:
    with access.lock_data_dir(DATA):
        found = run()
    assert found.exit_code == 1
    assert "in use" in found.output
