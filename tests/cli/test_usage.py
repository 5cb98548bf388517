"""What every command has: help with examples, a place in the reference, errors as one sentence, an exit status."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from sternpost import __version__
from sternpost.cli import app
from sternpost.cli.app import COMMANDS, Command, Group, program
from sternpost.errors import CommandError, Problem, StoreInUse, UsageError, WorkspaceError
from tests.cli.programs import environment, sternpost

PAGES = Path(__file__).parent.parent.parent / "docs"
REFERENCE = PAGES / "reference/commands.md"
START = PAGES / "start.md"


def run(*arguments: str, **more: str) -> Result:
    return CliRunner().invoke(program, list(arguments), env=more)


def all_commands() -> Iterator[tuple[str, click.Command]]:
    """Every command with its full name, groups too."""
    ctx = click.Context(program, info_name="sternpost")
    for name in program.list_commands(ctx):
        command = program.get_command(ctx, name)
        assert command is not None
        yield name, command
        if isinstance(command, click.Group):
            for inner in command.list_commands(ctx):
                found = command.get_command(ctx, inner)
                assert found is not None
                yield f"{name} {inner}", found


ALL = list(all_commands())
NAMES = [name for name, _ in ALL]


def test_alone() -> None:
    """`sternpost` says in ten lines what it is and how to begin, and succeeds."""
    found = run()
    assert found.exit_code == 0
    lines = found.output.rstrip("\n").split("\n")
    assert len(lines) == 10
    assert max(map(len, lines)) <= 100
    assert "sternpost demo" in found.output
    assert "sternpost serve" in found.output
    assert "docs/start.md" in found.output


def test_version() -> None:
    assert run("--version").output.strip() == __version__


def test_overview_imports_no_command() -> None:
    """The list of commands is known without importing them; all of them are there under their names."""
    found = run("--help")
    assert found.exit_code == 0
    for name, _, summary in COMMANDS:
        assert name in found.output
        assert summary in found.output


@pytest.mark.parametrize(("name", "command"), ALL, ids=NAMES)
def test_help(name: str, command: click.Command) -> None:
    """Each command explains itself on a screen, with an example."""
    found = run(*name.split(), "--help")
    assert found.exit_code == 0, found.output
    assert "Example" in found.output
    assert found.output.count("\n") <= 64
    assert max(map(len, found.output.split("\n"))) <= 110
    assert isinstance(command, Command | Group)


@pytest.mark.parametrize(("name", "command"), ALL, ids=NAMES)
def test_examples_are_commands(name: str, command: click.Command) -> None:
    """A printed example names a command that exists and options that it has."""
    assert isinstance(command, Command | Group)
    assert command.examples
    for example in command.examples:
        check(example)


def check(line: str) -> None:
    """A line `sternpost …` of a page can be parsed by the program: nothing is run."""
    words = shlex.split(line.split(" #", maxsplit=1)[0])
    assert words[0] == "sternpost", line
    words = words[1:]
    found: click.Command = program
    ctx = click.Context(program, info_name="sternpost")
    while isinstance(found, click.Group) and words and not words[0].startswith("-"):
        inner = found.get_command(ctx, words[0])
        assert inner is not None, line
        found, words = inner, words[1:]
    if not isinstance(found, click.Group):
        found.make_context("sternpost", list(words))
    assert run(*line.split()[1:2], "--help").exit_code == 0


@pytest.mark.parametrize("page", [REFERENCE, START], ids=["reference", "start"])
def test_pages_show_commands_that_exist(page: Path) -> None:
    """Every `sternpost …` line in a code block parses."""
    blocks = re.findall(r"```(?:sh|console)\n(.*?)```", page.read_text(), re.DOTALL)
    lines = [
        line.removeprefix("$ ")
        for block in blocks
        for line in block.split("\n")
        if re.match(r"(\$ )?sternpost ", line)
    ]
    assert lines
    for line in lines:
        if "|" not in line and ">" not in line:
            check(line)


@pytest.mark.parametrize(("name", "command"), ALL, ids=NAMES)
def test_reference(name: str, command: click.Command) -> None:
    """Each command and each of its options stands in the reference, under the command's heading."""
    text = REFERENCE.read_text()
    heading = f"## `sternpost {name}`"
    assert heading in text
    if isinstance(command, click.Group):
        return
    section = re.split(r"\n## ", text.split(heading, 1)[1])[0]
    for param in command.params:
        if isinstance(param, click.Option) and not {"--debug", "--no-color"} & set(param.opts):
            assert any(f"`{option}" in section for option in param.opts), (name, param.opts)


def test_common_options_are_explained() -> None:
    text = REFERENCE.read_text()
    for option in ("--debug", "--no-color", "NO_COLOR", "STERNPOST_API_TOKEN", "--token-file"):
        assert option in text


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["sned"], 'No command "sternpost sned". Did you mean "sternpost send"?'),
        (["xyzzy"], 'No command "sternpost xyzzy". There are serve, demo, '),
        (["events", "gte", "x"], 'No command "sternpost events gte". Did you mean "sternpost events get"?'),
        (["send"], "Missing argument"),
        (["send", "trak"], 'No type "trak". Did you mean "track"?'),
        (["send", "xyzzy"], 'No type "xyzzy". There are identify, group, track, page, screen, alias.'),
        (["send", "track", "--evnt", "x"], "No such option"),
        (["send", "track", "--event", "x"], "track needs a person. Give --user-id or --anonymous-id."),
        (["serve", "--port", "x"], '--port: "x" is not a port. Give a number from 0 to 65535.'),
        (["sandbox", "--set", "nothing"], '--set: "nothing" has no value. Write NAME=VALUE.'),
        (["sandbox", "--region", "moon"], "There is no region 'moon'"),
        (["sandbox", "--port", "99999"], '--port: "99999" is not a port.'),
        (["events", "get"], "Missing argument"),
        (["tail", "--url", "ftp://x"], '--url: "ftp://x" is not the address of a server.'),
    ],
)
def test_wrong_usage(
    arguments: list[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Status 2, one sentence that names the mistake on standard error, nothing on standard output."""
    monkeypatch.chdir(tmp_path)
    found = run(*arguments)
    assert found.exit_code == 2
    assert sentence in found.stderr
    assert found.stderr.count("\n") == 1
    assert found.stdout == ""


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (CommandError("It broke. Do this."), 1, "It broke. Do this.\n"),
        (UsageError("Wrong. Do that."), 2, "Wrong. Do that.\n"),
        (StoreInUse("In use."), 1, "In use.\n"),
        (
            WorkspaceError([Problem("a", "One.", "Do.", 1), Problem("b", "Two.", "", 2)], "w.yaml"),
            1,
            "w.yaml line 1, a: One. Do.\nw.yaml line 2, b: Two.\n",
        ),
        (KeyboardInterrupt(), 130, ""),
        (PermissionError(13, "Permission denied", "some/file"), 1, "some/file: permission denied.\n"),
        (ValueError("odd"), 1, "This is a defect of Sternpost (ValueError: odd). "),
    ],
)
def test_failures_become_sentences(
    error: BaseException, status: int, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a command raises ends as a sentence and a status; the trace is shown only when asked for."""

    def broken(*arguments: object, **more: object) -> None:
        raise error

    monkeypatch.setattr("sternpost.cli.client.find", broken)
    found = run("tail")
    assert found.exit_code == status
    assert found.stderr.startswith(text)
    assert "Traceback" not in found.stderr
    if status != 130:
        assert "Traceback" in run("tail", "--debug").stderr


def test_no_server(tmp_path: Path) -> None:
    """Without a server the commands say so, and how to get one."""
    for arguments in (["tail"], ["events", "get", "x"], ["send", "track", "--event", "x", "--user-id", "y"]):
        found = sternpost(*arguments, cwd=tmp_path)
        assert found.status == 1
        assert found.err == (
            "No server runs on ./sternpost-data or ./sternpost-demo. Start one with: sternpost serve. "
            "Or give --url the address of one.\n"
        )
    found = sternpost("tail", "--data-dir", "elsewhere", cwd=tmp_path)
    assert "No server runs on ./elsewhere. Start one with: sternpost serve --data-dir elsewhere." in found.err


def test_closed_pipe(tmp_path: Path) -> None:
    """A reader that has enough ends a command quietly."""
    with subprocess.Popen(
        [sys.executable, "-m", "sternpost", "serve", "--help"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(20) == 0


HEAVY = ("aiohttp", "uvicorn", "starlette", "msgspec", "yaml", "jinja2", "cryptography", "structlog")


def test_a_command_that_finds_no_server_imports_nothing_heavy(tmp_path: Path) -> None:
    """So it ends in a fraction of a second."""
    script = (
        "import atexit, sys; from sternpost.cli import main; "
        f"atexit.register(lambda: print([name for name in {HEAVY} if name in sys.modules])); main()"
    )
    words = [sys.executable, "-c", script, "send", "track", "--event", "x", "--user-id", "y"]
    done = subprocess.run(words, cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert done.returncode == 1
    assert "No server" in done.stderr
    assert done.stdout == "[]\n"


def test_a_server_without_a_demo_does_not_load_the_sandbox(tmp_path: Path) -> None:
    """So it answers sooner."""
    script = "import sys, sternpost.cli.serve, sternpost.main; print('sternpost.sandbox.app' in sys.modules)"
    words = [sys.executable, "-c", script]
    done = subprocess.run(words, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_light_imports() -> None:
    """What the commands import at their top is the standard library, click, and small modules of ours."""
    for path in Path(app.__file__).parent.glob("*.py"):
        for node in ast.parse(path.read_text()).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert not [name for name in names if name.split(".")[0] in HEAVY], path
