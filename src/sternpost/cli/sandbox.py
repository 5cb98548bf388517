"""`sternpost sandbox`: the stand-in for Pendo on its own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import click

from sternpost.cli import banner
from sternpost.cli.app import command
from sternpost.cli.output import say
from sternpost.cli.serve import TOML, run_async
from sternpost.errors import CommandError, UsageError


@command(
    "sandbox",
    examples=("sternpost sandbox", "sternpost sandbox --port 8091 --set rate.perSecond=100"),
)
@click.option(
    "--port",
    metavar="PORT",
    help="Port to listen on; 0 takes a free one.  [8090, or sandbox-port of the settings]",
)
@click.option("--host", metavar="HOST", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--region", default="us", show_default=True, help="Region of the subscription: us, us1, eu, jp or au."
)
@click.option(
    "--set",
    "switches",
    metavar="NAME=VALUE",
    multiple=True,
    help="Set an assumed behaviour; may be repeated. The sandbox's page lists them.",
)
@click.option(
    "--state-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Keep its state in this file; without one it is in memory.",
)
def sandbox(
    port: str | None, host: str, region: str, switches: tuple[str, ...], state_file: Path | None
) -> None:
    """Run the local stand-in for Pendo: it answers as Pendo does, and says what Pendo would silently lose."""
    from sternpost.sandbox.app import create_app
    from sternpost.server import Listener, bind, shown_host
    from sternpost.settings import resolve

    if port is None:
        number = resolve({}, os.environ, TOML).sandbox_port
    else:
        number = resolve({"port": port}, {}, TOML).port
    pairs = {}
    for text in switches:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f'--set: "{text}" has no value. Write NAME=VALUE.')
        pairs[name.strip()] = value
    try:
        app = create_app(region=region, switches=pairs, state_file=state_file)
    except ValueError as error:
        # A state file that cannot be used is a failure; a region or switch that does not exist, a wrong usage.
        kind = CommandError if state_file is not None and str(state_file) in str(error) else UsageError
        raise kind(str(error)) from None

    async def run() -> None:
        stopped = asyncio.Event()
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(signal_number, stopped.set)
        listener = Listener(app, bind(host, number))
        task = await listener.listen()
        say(
            "\n".join(
                banner.sandbox(
                    f"http://{shown_host(host)}:{listener.port}", region=region, state_file=state_file
                )
            )
        )
        sys.stdout.flush()
        await stopped.wait()
        listener.should_exit = True
        await task

    try:
        run_async(run())
    finally:
        app.close()
