"""The banner: at most 12 lines of 100 columns, each to be copied as it stands."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path

import pytest

from sternpost.cli import banner
from sternpost.cli.banner import COLUMNS_MAX, LINES_MAX, Facts
from sternpost.cli.serve import data_dir_option, has_display
from sternpost.commandline import program_of
from sternpost.model import Source
from sternpost.sandbox.seed import APP_KEY_WEB, INTEGRATION_KEY, TRACK_SECRET_WEB
from sternpost.workspace.file import new_write_key

SOURCES = (
    Source("web", "Demo shop", "web", "wk-web"),
    Source("backend", "Backend", "server", "wk-backend"),
    Source("ios", "iOS app", "mobile", "wk-ios"),
)
FACTS = Facts(
    url="http://127.0.0.1:8080",
    data_dir=Path("sternpost-data"),
    store="SQLite in ./sternpost-data",
    sources=SOURCES,
    first_start=True,
    warnings=(),
    sandbox_url="http://127.0.0.1:8090",
    workspace_file="",
    data_dir_option="",
)
LONG = dataclasses.replace(
    FACTS,
    url="http://events.department.example:18080",
    sources=(Source("first", "My first source", "web", new_write_key("first")),),
    first_start=False,
    warnings=("one", "two"),
    workspace_file="workspace.yaml",
    command=".venv/bin/sternpost",
)


@pytest.mark.parametrize("facts", [FACTS, LONG, dataclasses.replace(FACTS, sources=())])
def test_size(facts: Facts) -> None:
    for lines in (banner.server(facts), banner.demo(facts)):
        assert len(lines) <= LINES_MAX, lines
        assert max(map(len, lines)) <= COLUMNS_MAX, lines


def test_server() -> None:
    text = "\n".join(banner.server(FACTS))
    assert "is ready · store: SQLite in ./sternpost-data" in text
    assert "http://127.0.0.1:8080        write key  wk-web" in text
    assert 'sternpost send track --event "Hello" --user-id me' in text
    assert "sternpost doctor" not in text


def test_later_start() -> None:
    """What needs a person is said, with the command that tells more."""
    text = "\n".join(banner.server(LONG))
    assert "sternpost doctor      2 remarks on destinations" in text
    assert "workspace.yaml, applied again whenever it changes" in text


def test_commands_can_be_copied() -> None:
    """A curl line that is too long is two lines that are one command."""
    for facts in (FACTS, LONG):
        for lines in (banner.server(facts), banner.demo(facts)):
            start = next(number for number, line in enumerate(lines) if "curl " in line)
            first = lines[start][lines[start].index("curl ") :]
            words = shlex.split(first.removesuffix("\\") + (lines[start + 1] if first.endswith("\\") else ""))
            assert words[:2] == ["curl", "-u"]
            assert words[2] == f"{facts.sources[0].write_key}:"
            assert words[3] == f"{facts.url}/v1/track"
            assert words[4:] == ["-d", '{"userId":"me","event":"Hello"}']


def test_demo() -> None:
    text = "\n".join(banner.demo(FACTS))
    assert "Nothing leaves this computer." in text
    assert "http://127.0.0.1:8080/demo/" in text
    assert "http://127.0.0.1:8090/__sandbox/" in text
    for source in SOURCES:
        assert source.write_key in text
    assert "sternpost serve" in text
    assert 'rudder.write_key, rudder.dataPlaneUrl = "wk-backend", "http://127.0.0.1:8080"' in text


def test_disabled_sources_are_not_offered() -> None:
    off = dataclasses.replace(SOURCES[0], enabled=False)
    text = "\n".join(banner.server(dataclasses.replace(FACTS, sources=(off, SOURCES[1]))))
    assert "wk-web" not in text
    assert "wk-backend" in text


def test_data_dir_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands need the directory only when they would not find the server by themselves."""
    monkeypatch.chdir(tmp_path)
    assert data_dir_option(Path("sternpost-data")) == ""
    assert data_dir_option(tmp_path / "sternpost-data") == ""
    assert data_dir_option(Path("sternpost-demo")) == ""
    assert data_dir_option(Path("my data")) == " --data-dir 'my data'"
    (tmp_path / "sternpost-data").mkdir()
    (tmp_path / "sternpost-data/server.json").touch()
    assert data_dir_option(Path("sternpost-demo")) == " --data-dir sternpost-demo"


def test_program_here(tmp_path: Path) -> None:
    """After `make demo` the command is in .venv/bin, and a line to copy must begin so."""
    nothing, somewhere = {"PATH": str(tmp_path)}, tmp_path / "bin/sternpost"
    assert program_of(".venv/bin/sternpost", nothing) == ".venv/bin/sternpost"
    assert program_of("/opt/my apps/sternpost", nothing) == "'/opt/my apps/sternpost'"
    assert program_of("/usr/lib/python3/site-packages/sternpost/__main__.py", nothing) == "sternpost"
    somewhere.parent.mkdir()
    somewhere.touch(mode=0o755)
    assert program_of(".venv/bin/sternpost", {"PATH": str(somewhere.parent)}) == "sternpost"
    text = "\n".join(banner.demo(dataclasses.replace(FACTS, command=".venv/bin/sternpost")))
    assert '.venv/bin/sternpost send track --event "Hello" --user-id me' in text


def test_sandbox_says_its_keys() -> None:
    """Whoever puts the sandbox in Pendo's place needs a host and keys, and nothing else."""
    lines = banner.sandbox("http://127.0.0.1:8090", region="eu", state_file=None)
    assert len(lines) <= LINES_MAX
    assert max(map(len, lines)) <= COLUMNS_MAX
    text = "\n".join(lines)
    for key in (INTEGRATION_KEY.removesuffix("us") + "eu", TRACK_SECRET_WEB, APP_KEY_WEB):
        assert key in text


@pytest.mark.parametrize(
    ("env", "terminal", "platform", "expected"),
    [
        ({"DISPLAY": ":0"}, True, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, True, "linux", True),
        ({}, True, "linux", False),
        ({"DISPLAY": ":0"}, False, "linux", False),
        ({}, True, "darwin", True),
        ({"SSH_CONNECTION": "x"}, True, "darwin", False),
        ({"CI": "true", "DISPLAY": ":0"}, True, "linux", False),
    ],
)
def test_browser_only_for_a_person(
    env: dict[str, str], *, terminal: bool, platform: str, expected: bool
) -> None:
    assert has_display(env, terminal=terminal, platform=platform) is expected
