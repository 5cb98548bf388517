"""`sternpost backup` and `sternpost restore`: a consistent copy of a store that is in use, and back."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sternpost import access
from sternpost.cli.app import command
from sternpost.cli.output import count, remark, say, say_json, size
from sternpost.commandline import program_here
from sternpost.errors import CommandError

if TYPE_CHECKING:
    from sternpost.store.copying import Copied

STORE_FILE = "sternpost.db"
DATA_DIR = Path("sternpost-data")

_FILE = click.Path(path_type=Path, dir_okay=False)
_DIRECTORY = click.Path(path_type=Path, file_okay=False)


@command("backup", examples=("sternpost backup sternpost-2026-11-25.db",))
@click.argument("file", type=_FILE)
@click.option("--data-dir", type=_DIRECTORY, metavar="DIR", help="Whose store.  [./sternpost-data]")
@click.option("--json", "as_json", is_flag=True, help="Print what the copy holds as one JSON object.")
def backup(file: Path, data_dir: Path | None, *, as_json: bool) -> None:
    """Copy a store to a new file, while its server runs or not.

    The copy holds events, their fates, people and the workspace of one moment. Stored secrets stay encrypted in it: keep the key
    (secret-key of the data directory, or STERNPOST_SECRET_KEY) in another place.
    """
    from sternpost.store import copying

    directory = data_dir_of(data_dir, os.environ)
    began = time.perf_counter()
    copied = copying.back_up(directory / STORE_FILE, file)
    took_s = time.perf_counter() - began
    if as_json:
        say_json({**_facts(copied), "file": str(file), "seconds": round(took_s, 3)})
        return
    say(f"{file}: {_sentence(copied)}, {size(copied.bytes)}, copied and checked in {took_s:.1f} s.")
    if copied.key_ids and not os.environ.get(access.KEY_VARIABLE):
        remark(
            f"Its secrets are encrypted with {access.shown(directory)}/secret-key, which is not in it. Keep that file elsewhere."
        )


@command("restore", examples=("sternpost restore sternpost-2026-11-25.db --data-dir ./sternpost-data",))
@click.argument("file", type=_FILE)
@click.option("--data-dir", type=_DIRECTORY, metavar="DIR", help="Where to.  [./sternpost-data]")
@click.option(
    "--yes", is_flag=True, help="Put it in the place of a store that is there; that one is kept beside it."
)
@click.option("--dry-run", is_flag=True, help="Check the copy and say what it holds, and change nothing.")
def restore(file: Path, data_dir: Path | None, *, yes: bool, dry_run: bool) -> None:
    """Make a copy the store of a data directory whose server is stopped.

    What waited at the moment of the copy is delivered again once a server runs, also what was delivered since then.
    """
    from sternpost.store import copying

    copied = copying.examine(file)
    say(f"{file}: {_sentence(copied)}, {size(copied.bytes)}.")
    directory = data_dir_of(data_dir, os.environ)
    store = directory / STORE_FILE
    if dry_run:
        return
    if store.exists() and not yes:
        raise CommandError(
            f"{access.shown(store)} exists. Give --yes to put the copy in its place (the present one is kept beside it), "
            "or --data-dir another directory."
        )
    access.prepare_data_dir(directory)
    with access.lock_data_dir(directory):
        moved = copying.put_back(file, store, aside=_moment)
    say(f"{access.shown(store)} is that copy now.")
    if moved is not None:
        say(f"What was there is {access.shown(moved)}; remove it when it is not needed any more.")
    if problem := _key_problem(copied, directory, os.environ):
        remark(problem)
    option = "" if directory == DATA_DIR else f" --data-dir {shlex.quote(str(directory))}"
    remark(f"Go on with: {program_here()} serve{option}")


def _key_problem(copied: Copied, directory: Path, env: Mapping[str, str]) -> str:
    """What has to be done so that the secrets in the copy can be read; "" when they can."""
    if not copied.key_ids:
        return ""
    from sternpost.workspace.secrets import SecretKey

    place = f"{access.shown(directory)}/secret-key"
    if not env.get(access.KEY_VARIABLE) and not (directory / "secret-key").exists():
        return (
            f"The secrets in it are encrypted, and their key is missing: bring it back as {place} before the server starts "
            f"(or set {access.KEY_VARIABLE}); else they must be entered again."
        )
    if copied.key_ids == {SecretKey(access.secret_key(directory, env)).id}:
        return ""
    return (
        f"The secrets in it are encrypted with another key than {place} or {access.KEY_VARIABLE}: bring the right one back, "
        "or enter the secrets again."
    )


def data_dir_of(given: Path | None, env: Mapping[str, str]) -> Path:
    """The data directory that is meant: the option, else that of the settings."""
    if given is not None:
        return given
    from sternpost.settings import resolve

    return resolve({}, env, Path("sternpost.toml")).data_dir


def _sentence(copied: Copied) -> str:
    newest = ""
    if copied.newest_at is not None:
        newest = f", the newest of {datetime.fromtimestamp(copied.newest_at, UTC):%Y-%m-%d %H:%M:%S} UTC"
    return (
        f"{count(copied.events, 'event')}{newest}, {count(copied.waiting, 'delivery', 'deliveries')} waiting, "
        f"workspace revision {copied.revision}"
    )


def _facts(copied: Copied) -> dict[str, object]:
    return {
        "events": copied.events,
        "waiting": copied.waiting,
        "newestAt": (
            datetime.fromtimestamp(copied.newest_at, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z")
            if copied.newest_at is not None
            else None
        ),
        "revision": copied.revision,
        "bytes": copied.bytes,
    }


def _moment() -> str:
    return f"before-{datetime.now(UTC):%Y%m%dT%H%M%S}"
