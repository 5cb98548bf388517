"""What `serve`, `demo` and `sandbox` say once they accept: at most 12 lines of 100 columns, each to be copied as it stands.

Pure: facts in, lines out. Keys are shown on purpose (a write key is public in any web page); no secret is.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sternpost import __version__
from sternpost.access import shown
from sternpost.model import Source
from sternpost.sandbox.seed import APP_KEY_WEB, TRACK_SECRET_WEB, integration_keys

LINES_MAX = 12
COLUMNS_MAX = 100
COMMAND_COLUMNS_MAX = 20  #: of how the command is started; a longer path leaves no room for what follows
INDENT = "              "  #: below the words at the left


@dataclass(frozen=True, slots=True)
class Facts:
    """What a banner says."""

    url: str
    data_dir: Path
    store: str
    sources: tuple[Source, ...]
    first_start: bool
    warnings: tuple[str, ...]
    sandbox_url: str | None
    workspace_file: str
    data_dir_option: str  #: what commands need to find this server: "" or ` --data-dir DIR`
    command: str = (
        "sternpost"  #: how a shell here starts it: by its path where that is not on the search path
    )
    setup_url: str = ""  #: the one-time address of the console, "" once somebody owns the server


def server(facts: Facts) -> list[str]:
    """The banner of `sternpost serve`."""
    lines = [f"Sternpost {__version__} is ready · store: {facts.store}", "", _console(facts)]
    source = first_enabled(facts.sources)
    if source is None:
        lines += [f"  Send to     {facts.url}        no source is enabled yet; add one to the workspace", ""]
    else:
        lines += [*_send_to(facts.url, source), *_try_it(facts, source, f"{facts.command} send")]
    if facts.workspace_file:
        lines.append(f"  Workspace:  {facts.workspace_file}, applied again whenever it changes")
    if facts.warnings:
        lines.append(f"  Look at:    {_doctor(facts)}")
    return [*lines, "", "  Stop with Ctrl+C. Events you have received are safe on disk."]


def demo(facts: Facts) -> list[str]:
    """The banner of `sternpost demo`."""
    lines = [
        f"Sternpost {__version__} demo is ready. Nothing leaves this computer.",
        "",
        f"  Shop        {facts.url}/demo/",
        _console(facts),
        f"  Sandbox     {facts.sandbox_url}/__sandbox/     stands in for Pendo",
        f"  Write keys  {_keys(facts.sources)}",
    ]
    if facts.warnings and not facts.first_start:
        lines.append(f"  Look at     {_doctor(facts)}")
    source = first_enabled(facts.sources)
    if source is not None:
        lines += _try_it(facts, source, f"{facts.command} send")
        snippet = _snippet(facts.url, next((one for one in facts.sources if one.type == "server"), source))
        lines += snippet if len(lines) + len(snippet) < LINES_MAX else []
    if len(lines) < LINES_MAX - 1:
        lines.append("")
    return [
        *lines,
        f"  Stop with Ctrl+C; {shown(facts.data_dir)} keeps it all. Your own events: {facts.command} serve",
    ]


def sandbox(url: str, *, region: str, state_file: Path | None) -> list[str]:
    """The banner of `sternpost sandbox`."""
    integration_key = next(key for key, may_write in integration_keys(region).items() if may_write)
    kept = f"kept in {shown(state_file)}" if state_file else "in memory, gone when it stops"
    return [
        f"The Pendo sandbox {__version__} is ready · region {region} · {kept}",
        "",
        f"  Look at it  {url}/__sandbox/",
        f"  Hosts       {url}     for api, data and content, with region: custom",
        f"  Keys        {integration_key}    integration key",
        f"              {TRACK_SECRET_WEB}       track event secret",
        f"              {APP_KEY_WEB}       API key",
        "",
        "  Stop with Ctrl+C.",
    ]


def first_enabled(sources: Sequence[Source]) -> Source | None:
    return next((source for source in sources if source.enabled), None)


def _console(facts: Facts) -> str:
    if not facts.setup_url:
        return f"  Console     {facts.url}/console/"
    # The longest addresses leave no room for the remark.
    remark = "   works once, for 30 min"
    line = f"  Set up      {facts.setup_url}"
    return line + remark if len(line) + len(remark) <= COLUMNS_MAX else line


def _send_to(url: str, source: Source) -> list[str]:
    line = f"  Send to     {url}        write key  {source.write_key}"
    if len(line) <= COLUMNS_MAX:
        return [line]
    return [f"  Send to     {url}", f"  Write key   {source.write_key}"]


def _try_it(facts: Facts, source: Source, command: str) -> list[str]:
    lines = [f'  Try it:     {command} track --event "Hello" --user-id me{facts.data_dir_option}']
    curl = f"curl -u {shlex.quote(f'{source.write_key}:')} {facts.url}/v1/track"
    body = """-d '{"userId":"me","event":"Hello"}'"""
    if len(INDENT) + len(curl) + 1 + len(body) <= COLUMNS_MAX:
        return [*lines, f"  or:         {curl} {body}"]
    # A backslash keeps a long write key and its command within the columns, and the two lines one command.
    if len(INDENT) + len(curl) + 2 <= COLUMNS_MAX:
        return [*lines, f"  or:         {curl} \\", f"{INDENT}{body}"]
    start, _, address = curl.rpartition(" ")
    return [*lines, f"  or:         {start} \\", f"{INDENT}{address} {body}"]


def _snippet(url: str, source: Source) -> list[str]:
    return [
        "  In Python:  import rudderstack.analytics as rudder  # pip install rudder-sdk-python",
        f'{INDENT}rudder.write_key, rudder.dataPlaneUrl = "{source.write_key}", "{url}"',
        f'{INDENT}rudder.track("me", "Hello")',
    ]


def _keys(sources: Sequence[Source]) -> str:
    text = ""
    for source in sources:
        more = f"{'   ' if text else ''}{source.write_key} ({source.name})"
        if len(INDENT) + len(text) + len(more) > COLUMNS_MAX:
            return f"{text} …"
        text += more
    return text


def _doctor(facts: Facts) -> str:
    number = len(facts.warnings)
    about = "1 remark on a destination" if number == 1 else f"{number} remarks on destinations"
    return f"{facts.command} doctor{facts.data_dir_option}      {about}"
