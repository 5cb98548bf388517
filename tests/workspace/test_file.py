"""The workspace file: read with what it refers to, errors that name it, and watched while editors rewrite it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sternpost.destinations.registry import DESTINATIONS
from sternpost.errors import WorkspaceError
from sternpost.workspace.file import load, new_write_key
from sternpost.workspace.watch import FileWatch
from tests.workspace.fakes import DESTINATIONS as FAKES

TEXT = "version: 1\nsources:\n  - {id: web, type: web, writeKey: KEY}\n"


def read(path: Path, **more: Any) -> Any:
    return load(path, destinations=FAKES, env={}, **more)


def test_secret_file_is_relative_to_the_workspace(tmp_path: Path) -> None:
    """`file:PATH` is looked for beside the workspace file."""
    (tmp_path / "key").write_text("the-secret\n")
    path = tmp_path / "workspace.yaml"
    path.write_text(
        "version: 1\ndestinations:\n  - {id: a, type: analytics, settings: {integrationKey: 'file:key'}}\n"
    )
    found = read(path)
    assert found.destinations["a"].settings["integrationKey"].reveal() == "the-secret"
    assert found.read_from == str(path)
    (tmp_path / "key").write_bytes(b"x" * 70_000)
    with pytest.raises(WorkspaceError, match="line 3: Cannot read key: it is not a short text"):
        read(path)


def test_missing_file(tmp_path: Path) -> None:
    """A file that cannot be read is a WorkspaceError too."""
    with pytest.raises(WorkspaceError) as caught:
        read(tmp_path / "nope.yaml")
    assert str(caught.value) == (
        f"{tmp_path / 'nope.yaml'}: The file cannot be read: no such file or directory. Correct the path or its permissions."
    )


def test_broken_yaml_names_the_file(tmp_path: Path) -> None:
    """So do mistakes of YAML itself."""
    (tmp_path / "w.yaml").write_text("version: 1\nversion: 1\n")
    with pytest.raises(
        WorkspaceError, match="w.yaml line 2, version: This key is given twice, in lines 1 and 2"
    ):
        read(tmp_path / "w.yaml")


def test_the_sentences_of_the_product_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong region and a missing secret read as the product page promises."""
    (tmp_path / "workspace.yaml").write_text(
        "version: 1\ndestinations:\n  - id: pendo\n    type: pendo\n    settings:\n      region: usa\n      integrationKey: ${PENDO_INTEGRATION_KEY}\n"
    )
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WorkspaceError) as caught:
        load(Path("workspace.yaml"), destinations=DESTINATIONS, env={})
    assert str(caught.value).splitlines() == [
        'workspace.yaml line 6, destinations[0].settings.region: "usa" is not a region. Use us, us1, eu, jp, au or custom.',
        "workspace.yaml line 7: PENDO_INTEGRATION_KEY is not set. Set it, or use file:PATH.",
    ]


def test_new_write_keys_differ() -> None:
    """Write keys are random."""
    assert new_write_key("a") != new_write_key("a")
    assert new_write_key("a").startswith("wk-")


class Script:
    """Stands for time: each sleep does the next step; after the last one the watch is stopped."""

    def __init__(self, *steps: Any) -> None:
        self.steps = list(steps)

    async def sleep(self, seconds: float) -> None:
        if not self.steps:
            raise StopAsyncIteration
        step = self.steps.pop(0)
        if step:
            step()


async def seen(path: Path, *steps: Any) -> list[str]:
    """The first write key of each new workspace, or the error's message."""
    found = []
    watch = FileWatch(path, lambda: read(path), sleep=Script(*steps).sleep)
    try:
        async for change in watch.changes():
            if isinstance(change, WorkspaceError):
                found.append(change.problems[0].message)
            else:
                found.append(change.sources["web"].write_key)
    except RuntimeError:
        # What a StopAsyncIteration becomes inside an asynchronous generator.
        pass
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "workspace.yaml"
    made.write_text(TEXT)
    return made


def write(path: Path, key: str) -> Any:
    return lambda: path.write_text(TEXT.replace("KEY", key))


def rename(path: Path, key: str) -> Any:
    def step() -> None:
        new = path.with_suffix(".new")
        new.write_text(TEXT.replace("KEY", key))
        new.rename(path)

    return step


async def test_unchanged_file(path: Path) -> None:
    """Nothing happens while nothing changes."""
    assert await seen(path, None, None, None) == []


async def test_changes(path: Path) -> None:
    """A change is seen once, when the file has been the same for two looks."""
    assert await seen(path, write(path, "one"), None, None, None, write(path, "three"), None) == [
        "one",
        "three",
    ]


async def test_rename(path: Path) -> None:
    """Editors that write a new file and rename it are seen, also when size and time stay the same."""
    assert await seen(path, rename(path, "abc"), None, rename(path, "abd"), None) == ["abc", "abd"]


async def test_half_written(path: Path) -> None:
    """A file that is still being written, or away for a moment, is left alone."""
    assert await seen(path, lambda: path.write_text("version: 1\nsources:\n"), write(path, "x"), None) == [
        "x"
    ]
    assert await seen(path, path.unlink, write(path, "y"), None) == ["y"]


async def test_invalid_and_repaired(path: Path) -> None:
    """An invalid version is reported once, and the repaired one is applied."""
    assert await seen(path, lambda: path.write_text("version: 2\n"), None, None, write(path, "z"), None) == [
        "This Sternpost reads version 1 only.",
        "z",
    ]


async def test_gone_for_good(path: Path) -> None:
    """A file that stays away is reported once."""
    assert await seen(path, path.unlink, None, None, None) == [
        "The file cannot be read: no such file or directory."
    ]
