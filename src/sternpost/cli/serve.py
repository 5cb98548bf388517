"""`sternpost serve` and `sternpost demo`: settings in, the server, the banner."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sternpost.cli import banner
from sternpost.cli.app import command
from sternpost.cli.client import DATA_DIRS
from sternpost.cli.output import discard_output, remark, say
from sternpost.commandline import CommandLine, program_here
from sternpost.settings import SETTINGS, Setting, Settings, resolve

if TYPE_CHECKING:
    from sternpost.main import DemoOptions, Ready

TOML = Path("sternpost.toml")
DEMO_DEFAULTS: Mapping[str, Any] = {"data-dir": "./sternpost-demo"}
DEMO_SETTINGS = ("port", "sandbox-port", "data-dir", "no-open", "log-level", "log-format")


def _option(setting: Setting, default: Any) -> click.Option:
    """A setting as an option. Its value is read by `resolve`, which knows the environment and the file, too."""
    if setting.kind == "switch":
        return click.Option([setting.flag], is_flag=True, default=None, help=f"{setting.help}")
    shown = "" if default == "" else f"  [{default:g}]" if isinstance(default, float) else f"  [{default}]"
    return click.Option(
        [setting.flag], metavar=_METAVARS.get(setting.kind, "TEXT"), help=f"{setting.help}{shown}"
    )


_METAVARS = {
    "port": "PORT",
    "path": "PATH",
    "days": "DAYS",
    "hours": "HOURS",
    "bytes": "SIZE",
    "networks": "CIDR,…",
    "roles": "ROLE,…",
    "level": "LEVEL",
    "format": "FORMAT",
}


def _options(names: tuple[str, ...], defaults: Mapping[str, Any]) -> list[click.Parameter]:
    by_name = {setting.name: setting for setting in SETTINGS}
    return [_option(by_name[name], defaults.get(name, by_name[name].default)) for name in names]


@command(
    "serve",
    examples=("sternpost serve", "sternpost serve --port 9000 --workspace workspace.yaml"),
    groups={
        "Where": ("host", "port", "data_dir", "workspace", "store", "roles", "no_open"),
        "What is kept": ("retention_days", "bytes_max", "give_up_hours"),
        "Networks": ("allow_private_hosts", "trusted_proxies"),
        "Log": ("log_level", "log_format"),
    },
    params=_options(tuple(setting.name for setting in SETTINGS if setting.name != "sandbox-port"), {}),
)
def serve(**flags: Any) -> None:
    """Run the server: accept events, keep them safe, and deliver them.

    Each option can also be set as STERNPOST_<NAME> in the environment, or in ./sternpost.toml.
    """
    settings = resolve(flags, os.environ, TOML)
    _run(settings, None, banner.server)


@command(
    "demo",
    examples=("sternpost demo", "sternpost demo --port 8081 --sandbox-port 8091"),
    params=_options(DEMO_SETTINGS, DEMO_DEFAULTS),
)
def demo(**flags: Any) -> None:
    """Run the server with a Pendo sandbox, a ready workspace and a shop to click in.

    Nothing leaves this computer. Server and sandbox keep their state in the data directory.
    """
    settings = resolve(flags, os.environ, TOML, defaults=DEMO_DEFAULTS)
    # The demo brings its own workspace, and must not reach for the one of a real server that is set up here.
    settings = replace(settings, workspace=None, store="")
    from sternpost.main import DemoOptions

    _run(settings, DemoOptions(settings.sandbox_port), banner.demo)


def _run(settings: Settings, demo: DemoOptions | None, lines: Callable[[banner.Facts], list[str]]) -> None:
    from sternpost.main import serve as run_server

    # Before the server says where it listens: then commands find it without being told its directory.
    commands = CommandLine(program_here(), data_dir_option(settings.data_dir))

    def ready(found: Ready) -> None:
        facts = banner.Facts(
            url=found.url,
            data_dir=found.data_dir,
            store=found.store,
            sources=found.sources,
            first_start=found.first_start,
            warnings=found.warnings,
            sandbox_url=found.sandbox_url,
            workspace_file=found.workspace_file,
            command=commands.program if len(commands.program) <= banner.COMMAND_COLUMNS_MAX else "sternpost",
            setup_url=found.setup_url,
            data_dir_option=commands.option,
        )
        try:
            say("\n".join(lines(facts)))
            sys.stdout.flush()
        except BrokenPipeError:
            discard_output()  # nobody reads the banner; that must not stop a server
        for warning in found.warnings if demo is None else ():
            remark(f"Note: {warning}")
        if demo is not None and not settings.no_open:
            open_browser(f"{found.url}/demo/")
        elif found.setup_url and found.first_start and not settings.no_open:
            open_browser(found.setup_url)

    run_async(run_server(settings, env=os.environ, demo=demo, ready=ready, commands=commands))


def run_async(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end on the fastest loop there is: the one that uvicorn would choose."""
    import uvicorn

    factory = uvicorn.Config(app="", loop="auto", log_config=None).get_loop_factory()
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(work)


def data_dir_option(data_dir: Path) -> str:
    """What a command needs beside its own options to find the server of this directory: nothing for a default one."""
    import shlex

    here = data_dir.resolve()
    for place in DATA_DIRS:
        if place.resolve() == here:
            return ""
        if place.exists() and (place / "server.json").exists():
            break  # commands would find that server first
    return f" --data-dir {shlex.quote(str(data_dir))}"


def open_browser(url: str) -> None:
    """Open a page where a person sits at this machine; quietly nothing elsewhere."""
    if not has_display(os.environ, terminal=sys.stdout.isatty(), platform=sys.platform):
        return
    import threading
    import webbrowser

    # Some launchers wait for the browser to end.
    threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()


def has_display(env: Mapping[str, str], *, terminal: bool, platform: str) -> bool:
    """Whether a browser window would be seen by whoever typed the command."""
    if not terminal or env.get("CI") or env.get("SSH_CONNECTION"):
        return False
    return platform == "darwin" or bool(env.get("DISPLAY") or env.get("WAYLAND_DISPLAY"))
