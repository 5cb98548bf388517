"""`sternpost workspace`: the configuration as a file: checked without a server, compared with one, applied to one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from sternpost.cli import client
from sternpost.cli.app import Group
from sternpost.cli.output import count, plain, remark, say, say_json, styled
from sternpost.cli.reading import content_of, name_of
from sternpost.errors import CommandError, Problem, UsageError, WorkspaceError

COLORS = {"+": "green", "-": "red", "~": "yellow"}


@click.group(
    "workspace",
    cls=Group,
    examples=("sternpost workspace check workspace.yaml", "sternpost workspace diff workspace.yaml"),
)
def workspace() -> None:
    """Check, show, compare, apply or export the configuration."""


@workspace.command("check", examples=("sternpost workspace check workspace.yaml",))
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--without-secrets",
    is_flag=True,
    help="Do not ask whether variables and files with secrets are there, e.g. in continuous integration.",
)
def check(file: Path, *, without_secrets: bool) -> None:
    """Check a workspace file; needs no server. Exits with 1 when something is wrong, and names all of it."""
    from sternpost.destinations.registry import DESTINATIONS
    from sternpost.workspace import file as workspace_file

    found = workspace_file.load(
        file,
        destinations=DESTINATIONS,
        env=os.environ,
        generated={},
        new_write_key=workspace_file.new_write_key,
        secrets_required=not without_secrets,
    )
    say(
        f"{file} is valid: {count(len(found.sources), 'source')}, {count(len(found.destinations), 'destination')}, "
        f"{count(len(found.connections), 'connection')}."
    )
    for config in found.destinations.values():
        # Without its secrets, what a destination says about them is not about the file.
        for fact in () if config.secret_problem else DESTINATIONS[config.type].facts(config.settings):
            remark(f"Note: {config.id}: {fact}")


@workspace.command("show", examples=("sternpost workspace show",))
@click.option("--json", "as_json", is_flag=True, help="Print the API's answer.")
@client.server_options
@click.pass_context
def show(ctx: click.Context, *, as_json: bool) -> None:
    """Show the workspace in force as YAML, with secrets masked and generated write keys filled in."""
    from sternpost.workspace import yaml

    server = client.find(client.address_of(ctx))
    answer = server.get("/api/v1/workspace")
    if as_json:
        say_json(answer)
        return
    place = answer.get("readFrom") or "the store"
    remark(f"Revision {answer['revision']}, from {place}.")
    document = answer["document"]
    keys = _write_keys(server)
    for source in document.get("sources") or []:
        if not source.get("writeKey") and source.get("id") in keys:
            source["writeKey"] = keys[source["id"]]
    say(yaml.dump(document).rstrip("\n"))
    if answer.get("problem"):
        remark(f"A newer version of the file is not in force: {answer['problem']}")
    for warning in answer.get("warnings") or []:
        remark(f"Note: {warning['destination']}: {warning['message']}")


@workspace.command("diff", examples=("sternpost workspace diff workspace.yaml",))
@click.argument("file", metavar="FILE")
@click.option("--exit-code", is_flag=True, help="Exit with 1 when there is a difference.")
@click.option("--json", "as_json", is_flag=True, help="Print the API's answer.")
@client.server_options
@click.pass_context
def diff(ctx: click.Context, file: str, *, exit_code: bool, as_json: bool) -> None:
    """Say what applying a file would change; - reads it from standard input. Secrets are never shown."""
    content = _read(file)
    answer = _ask(client.find(client.address_of(ctx)), "POST", "/api/v1/workspace/diff", content, file)
    if as_json:
        say_json(answer)
    else:
        _say_changes(answer, "No difference.")
    if exit_code and answer["changes"]:
        ctx.exit(1)


@workspace.command(
    "apply",
    examples=(
        "sternpost workspace apply workspace.yaml --dry-run",
        "sternpost workspace apply workspace.yaml",
    ),
)
@click.argument("file", metavar="FILE")
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the API's answer.")
@client.server_options
@click.pass_context
def apply(ctx: click.Context, file: str, *, dry_run: bool, as_json: bool) -> None:
    """Bring a file into force; - reads it from standard input. All of it is applied, or nothing."""
    content = _read(file)
    server = client.find(client.address_of(ctx))
    if dry_run:
        answer = _ask(server, "POST", "/api/v1/workspace/diff", content, file)
    else:
        answer = _ask(server, "PUT", "/api/v1/workspace", content, file)
    if as_json:
        say_json(answer)
        return
    _say_changes(answer, "Nothing changes.")
    if dry_run:
        remark("Nothing was applied.")
        return
    remark(f"In force as revision {answer['revision']}.")
    for warning in answer.get("warnings") or []:
        remark(f"Note: {warning['destination']}: {warning['message']}")


@workspace.command(
    "export",
    examples=("sternpost workspace export", "sternpost workspace export --output workspace.yaml"),
)
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file; it must be new."
)
@client.server_options
@click.pass_context
def export(ctx: click.Context, output: Path | None) -> None:
    """Write the workspace in force as a workspace file, with secrets as ${VARIABLES} to set."""
    import re

    from sternpost.destinations.registry import DESTINATIONS
    from sternpost.workspace import stored

    server = client.find(client.address_of(ctx))
    answer = server.get("/api/v1/workspace")
    text = stored.export(answer["document"], DESTINATIONS, generated=_write_keys(server))
    _write(text, output)
    variables = sorted(set(re.findall(r"\$\{([^}]+)\}", text)))
    if variables:
        remark(f"It needs these variables: {', '.join(variables)}")


@workspace.command(
    "import-rudderstack",
    examples=(
        "sternpost workspace import-rudderstack workspaceConfig.json",
        "sternpost workspace import-rudderstack workspaceConfig.json --output workspace.yaml",
    ),
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file; it must be new."
)
def import_rudderstack(file: Path, output: Path | None) -> None:
    """Make a workspace file of RudderStack's workspaceConfig.json, or of a saved answer of /sourceConfig; needs no server."""
    from sternpost.destinations.registry import DESTINATIONS
    from sternpost.workspace import imports

    try:
        with file.open("rb") as opened:
            content = opened.read(imports.FILE_BYTES_MAX + 1)
    except OSError as error:
        reason = (error.strerror or "unknown error").lower()
        raise CommandError(f"{file} cannot be read: {reason}. Correct the path.") from None
    try:
        found = imports.convert(imports.read(content), DESTINATIONS)
    except WorkspaceError as error:
        raise WorkspaceError(error.problems, str(file)) from None
    _write(found.text(), output)
    for one in found.remarks:
        remark(plain(f"{one.fate.capitalize()}: {one.text}."))
    if found.variables:
        remark(f"It needs these variables: {', '.join(found.variables)}")


def _write(text: str, output: Path | None) -> None:
    """Print a workspace file, or put it into a new one. Raises CommandError."""
    if output is None:
        say(text.rstrip("\n"))
        return
    try:
        with output.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise CommandError(f"{output} exists. Give --output another name, or remove it.") from None
    except OSError as error:
        reason = (error.strerror or "unknown error").lower()
        raise CommandError(f"{output} cannot be written: {reason}. Correct the path.") from None
    remark(f"Written to {output}.")


def _read(file: str) -> str:
    """The text of a workspace file. Raises CommandError."""
    content = content_of(file, remedy="Is it a workspace file?")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CommandError(f"{name_of(file)} is not text in UTF-8. Save it as UTF-8.") from None


def _ask(server: client.Server, method: str, path: str, text: str, file: str) -> Any:
    """What the API answers about a workspace. Raises WorkspaceError with every problem when it is not valid."""
    if not text.strip():
        raise UsageError(f"{file} is empty. A workspace begins with version: 1.")
    answer = server.ask(method, path, content={"yaml": text}, timeout_s=60)
    if answer.status == 422:
        problems = client.decoded(answer, server.url).get("problems") or []
        if problems:
            raise WorkspaceError([_problem(problem) for problem in problems], "" if file == "-" else file)
    if answer.status >= 300:
        raise CommandError(client.refusal(answer, server.url))
    return client.decoded(answer, server.url)


def _problem(problem: Mapping[str, Any]) -> Problem:
    return Problem(
        str(problem.get("path") or ""),
        str(problem.get("message") or ""),
        str(problem.get("remedy") or ""),
        problem.get("line"),
    )


def _write_keys(server: client.Server) -> dict[str, str]:
    return {source["id"]: source["writeKey"] for source in server.every("/api/v1/sources", "sources")}


def _say_changes(answer: Mapping[str, Any], nothing: str) -> None:
    for change in answer["changes"]:
        say(styled(plain(change), COLORS.get(change[:1])))
    if not answer["changes"]:
        say(nothing)
    for consequence in answer["consequences"]:
        remark(f"Note: {plain(consequence)}")
