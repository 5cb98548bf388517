"""`sternpost backup` and `restore` as people type them: what they say, and what they say about the key of the secrets."""

from __future__ import annotations

import base64
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


def run(*arguments: str) -> Result:
    return CliRunner(env={"STERNPOST_SECRET_KEY": None}).invoke(program, list(arguments))


@pytest.fixture
async def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory whose workspace holds a secret, in the present directory."""
    monkeypatch.chdir(tmp_path)
    directory = Path("sternpost-data")
    access.prepare_data_dir(directory)
    store = SqliteStore(directory / "sternpost.db")
    holder = WorkspaceHolder(
        destinations=DESTINATIONS,
        keeper=store,
        key=SecretKey(access.secret_key(directory, {})),
        env={},
        clock=lambda: 1.0,
        path=None,
    )
    await holder.start(stored.demo_document("http://127.0.0.1:8090"))
    store.close()
    return directory


def test_and_back(data: Path) -> None:
    """Without options the store in ./sternpost-data is meant; restoring asks before it takes a store's place."""
    found = run("backup", "copy.db")
    assert found.exit_code == 0, found.output
    assert "0 events, 0 deliveries waiting, workspace revision 1" in found.output
    assert "./sternpost-data/secret-key, which is not in it" in found.output
    assert SECRET.encode() not in Path("copy.db").read_bytes()

    assert run("restore", "copy.db", "--dry-run").exit_code == 0
    refused = run("restore", "copy.db")
    assert refused.exit_code == 1
    assert "Give --yes" in refused.output

    done = run("restore", "copy.db", "--yes")
    assert done.exit_code == 0, done.output
    assert "What was there is ./sternpost-data/sternpost.db.before-" in done.output
    assert "secret" not in done.output
    assert "Go on with: sternpost serve\n" in done.stderr


def test_the_key(data: Path) -> None:
    """Elsewhere the key is missing, or another one: said before a server finds out."""
    assert run("backup", "copy.db").exit_code == 0
    missing = run("restore", "copy.db", "--data-dir", "other")
    assert missing.exit_code == 0, missing.output
    assert "their key is missing: bring it back as ./other/secret-key" in missing.output

    Path("other/secret-key").write_text(base64.b64encode(b"k" * 32).decode())
    wrong = run("restore", "copy.db", "--data-dir", "other", "--yes")
    assert "encrypted with another key" in wrong.output

    Path("other/secret-key").write_bytes((data / "secret-key").read_bytes())
    right = run("restore", "copy.db", "--data-dir", "other", "--yes")
    assert "encrypted" not in right.output


def test_nothing_to_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = run("backup", "copy.db")
    assert found.exit_code == 1
    assert "There is no store at sternpost-data/sternpost.db" in found.output
    absent = run("restore", "copy.db")
    assert absent.exit_code == 1
    assert "There is no file copy.db" in absent.output
