"""`sternpost doctor`: what is wrong, and what to do about it.

With a server, the server looks: it knows its disk, its store and what its destinations answer. Without one, this command looks itself:
at the data directory, and at the workspace file and its destinations when one is given.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import click

from sternpost import access
from sternpost.cli import client
from sternpost.cli.app import command
from sternpost.cli.output import columns, count, plain, remark, say, say_json, size, styled
from sternpost.cli.serve import TOML
from sternpost.errors import CommandError, WorkspaceError
from sternpost.settings import Settings, resolve

if TYPE_CHECKING:
    from sternpost.model import Workspace

Result: TypeAlias = Literal["ok", "info", "warning", "fail"]

DISK_FREE_MIN_BYTES = 1_000_000_000  #: less is filled in hours by a busy server
CLOCK_OFF_MAX_S = 30.0  #: as on the console's Home
MARKS: Mapping[Result, tuple[str, str | None]] = {
    "ok": ("ok", "green"),
    "info": ("", None),
    "warning": ("note", "yellow"),
    "fail": ("FAIL", "red"),
}
CONCURRENT = 4  #: checks of destinations at once


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report, as the API has it."""

    result: Result
    name: str  #: what was looked at: disk, clock, store, integration key
    message: str  #: what was seen
    remedy: str = ""
    destination: str = ""  #: whose check it is, "" for the server's own

    @property
    def place(self) -> str:
        return self.destination or self.name

    @property
    def text(self) -> str:
        return f"{self.name}: {self.message}" if self.destination else self.message


@command(
    "doctor",
    examples=("sternpost doctor", "sternpost doctor --workspace workspace.yaml"),
    groups={"Where": client.SERVER_OPTIONS},
)
@click.option(
    "--workspace",
    "workspace_file",
    metavar="FILE",
    help="Check this workspace file and its destinations instead of a server's.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each finding.")
@client.server_options
@click.pass_context
def doctor(ctx: click.Context, workspace_file: str | None, *, as_json: bool) -> None:
    """Find out what is wrong and what to do about it. Exits with 1 when something is.

    Asks the running server. Without one, it looks at the data directory and the workspace file itself.
    """
    address = client.address_of(ctx)
    findings: Sequence[Finding]
    server = None if workspace_file else _server(address)
    if server is not None:
        findings = read_report(server.call("GET", "/api/v1/doctor", timeout_s=60))
    else:
        findings = look(address, workspace_file)
        if not workspace_file:
            remark(
                f"{client.none_runs(client.data_dirs(address, os.environ))} Looking at what can be seen without it."
            )
    for finding in findings:
        if as_json:
            say_json(
                {
                    "name": finding.name,
                    "destination": finding.destination or None,
                    "result": finding.result,
                    "message": finding.message,
                    "remedy": finding.remedy,
                }
            )
        else:
            for line in shown(finding, max(len(one.place) for one in findings)):
                say(line)
    if any(finding.result == "fail" for finding in findings):
        ctx.exit(1)


def shown(finding: Finding, place_width: int) -> Iterator[str]:
    """`FAIL  pendo  integration key: 403 …`, wrapped on a terminal."""
    import textwrap

    indent = " " * (6 + place_width + 2)
    width = columns()
    word, color = MARKS[finding.result]
    head = f"{styled(f'{word:<4}', color, bold=finding.result == 'fail')}  {plain(finding.place):<{place_width}}  "
    for number, text in enumerate(filter(None, (finding.text, finding.remedy))):
        lines = [plain(text)] if width is None else textwrap.wrap(plain(text), max(width - len(indent), 30))
        for position, line in enumerate(lines):
            yield f"{head}{line}" if number == position == 0 else f"{indent}{line}"


def _server(address: client.Address) -> client.Server | None:
    """The running server; None when there is none and none was asked for by its address."""
    try:
        return client.find(address)
    except CommandError:
        if address.url:
            raise
        return None


def read_report(answer: Any) -> list[Finding]:
    """The API's answer as findings."""
    return [
        Finding(
            check["result"] if check["result"] in MARKS else "warning",
            str(check["name"]),
            str(check.get("message") or ""),
            str(check.get("remedy") or ""),
            str(check.get("destination") or ""),
        )
        for check in answer["checks"]
    ]


# --- without a server -------------------------------------------------------------------------------------------------


def look(address: client.Address, workspace_file: str | None) -> list[Finding]:
    """What can be seen from here."""
    flags = {"workspace": workspace_file, "data-dir": str(address.data_dir) if address.data_dir else None}
    settings = resolve(flags, os.environ, TOML)
    place = next((one for one in client.data_dirs(address, os.environ) if one.exists()), settings.data_dir)
    findings = [*_directory(place), _disk(place), *_store(place)]
    if settings.workspace is not None:
        findings += _workspace(settings, place)
    return findings


def _directory(place: Path) -> Iterator[Finding]:
    name = "data dir"
    if not place.exists():
        yield Finding("ok", name, f"{access.shown(place)} does not exist yet; the first start makes it.")
        return
    if not place.is_dir():
        yield Finding("fail", name, f"{access.shown(place)} is a file.", "Give --data-dir a directory.")
        return
    if not os.access(place, os.W_OK | os.X_OK):
        yield Finding(
            "fail",
            name,
            f"{access.shown(place)} may not be written to by this user.",
            "Change its owner, or run as the user of the server.",
        )
        return
    mode = place.stat().st_mode & 0o777
    if mode & 0o077:
        yield Finding(
            "warning",
            name,
            f"{access.shown(place)} may be read by others (mode {mode:04o}); it holds keys and events.",
            f"chmod 700 {access.shown(place)}",
        )
        return
    yield Finding("ok", name, f"{access.shown(place)}, for this user only")


def _disk(place: Path) -> Finding:
    import shutil

    existing = next(one for one in (place, *place.absolute().parents) if one.is_dir())
    free = shutil.disk_usage(existing).free
    text = f"{size(free)} free"
    if free < DISK_FREE_MIN_BYTES:
        return Finding(
            "fail", "disk", text, "Free space, or move the data directory; without room nothing is accepted."
        )
    return Finding("ok", "disk", text)


def _store(place: Path) -> Iterator[Finding]:
    """Whether SQLite can read the store. It is only read, so that a look never changes a store."""
    from sternpost.store import logfile

    version = f"SQLite {sqlite3.sqlite_version}"
    for kept in logfile.kept_aside(place):
        yield Finding(
            "warning",
            "store",
            f"{access.shown(kept)} was set aside because it was damaged.",
            "Remove it once you need it no more.",
        )
    for path in sorted(place.glob("*.db")) if place.is_dir() else ():
        try:
            connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=2)
            try:
                problem = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
            finally:
                connection.close()
        except sqlite3.Error as error:
            problem = str(error)
        if problem == "ok":
            yield Finding("ok", "store", f"{version}, {path.name}, {size(path.stat().st_size)}")
        else:
            yield Finding(
                "fail",
                "store",
                f"{access.shown(path)} cannot be read: {problem}.",
                "Keep the file. `sternpost salvage` brings what can be read into a new store, `sternpost restore` a backup.",
            )


def _workspace(settings: Settings, place: Path) -> list[Finding]:
    import asyncio

    from sternpost.destinations.registry import DESTINATIONS
    from sternpost.workspace import file

    assert settings.workspace is not None
    try:
        workspace = file.load(
            settings.workspace,
            destinations=DESTINATIONS,
            env=os.environ,
            generated={},
            new_write_key=file.new_write_key,
        )
    except WorkspaceError as error:
        return [
            Finding("fail", "workspace", problem.sentence(str(settings.workspace)))
            for problem in error.problems
        ]
    text = (
        f"{settings.workspace}: {count(len(workspace.sources), 'source')}, "
        f"{count(len(workspace.destinations), 'destination')}, {count(len(workspace.connections), 'connection')}"
    )
    return [Finding("ok", "workspace", text), *asyncio.run(_destinations(workspace))]


async def _destinations(workspace: Workspace) -> list[Finding]:
    """What each enabled destination says about itself and answers to harmless requests."""
    import asyncio

    from sternpost.delivery.addresses import AddressRule
    from sternpost.delivery.sender import Sender
    from sternpost.destinations.registry import DESTINATIONS

    # The file was written by whoever runs this command, so it may name any address, as in the server.
    sender = Sender(AddressRule(everything=True), connections_max=CONCURRENT)
    clocks: list[float] = []

    async def check(config: Any) -> list[Finding]:
        if not config.enabled:
            return [Finding("info", "state", "Switched off.", destination=config.id)]
        destination = DESTINATIONS[config.type]
        found = [
            Finding("warning", "settings", fact, destination=config.id)
            for fact in destination.facts(config.settings)
        ]
        for name, call, told in destination.checks(config.settings):
            if call is None:
                if told:
                    found.append(Finding("info", name, told, destination=config.id))
                continue
            reply = await sender(call)
            fine, sentence = destination.read_check(name, reply, config.settings)
            found.append(Finding("ok" if fine else "fail", name, sentence, destination=config.id))
            if (off := clock_off(reply.headers)) is not None:
                clocks.append(off)
        return found

    try:
        reports = await asyncio.gather(*(check(config) for config in workspace.destinations.values()))
    finally:
        await sender.close()
    return [*_clock(clocks), *(finding for report in reports for finding in report)]


def clock_off(headers: Mapping[str, str]) -> float | None:
    """By how many seconds our clock is ahead of the `Date` of an answer."""
    try:
        there = parsedate_to_datetime(headers["date"])
    except (KeyError, ValueError, TypeError):
        return None
    return (datetime.now(UTC) - there).total_seconds()


def _clock(offs: Sequence[float]) -> Iterator[Finding]:
    """The middle of all clocks seen: one wrong clock elsewhere is not ours."""
    if not offs:
        return
    off = sorted(offs)[len(offs) // 2]
    if abs(off) > CLOCK_OFF_MAX_S:
        direction = "ahead of" if off > 0 else "behind"
        yield Finding(
            "fail",
            "clock",
            f"This machine is {abs(off):.0f} s {direction} the destinations.",
            "Synchronise the clock (NTP): times of events depend on it.",
        )
    else:
        yield Finding("ok", "clock", f"{abs(off):.0f} s off")
