"""`sternpost salvage`: what can be read of a damaged store, in a new one."""

from __future__ import annotations

import json
import os
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sternpost import access
from sternpost.cli.app import command
from sternpost.cli.backup import DATA_DIR, STORE_FILE, data_dir_of
from sternpost.cli.output import count, remark, say
from sternpost.commandline import program_here
from sternpost.errors import CommandError

if TYPE_CHECKING:
    from sternpost.store.salvage import Salvaged


@command("salvage", examples=("sternpost salvage", "sternpost salvage --dry-run"))
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Whose store.  [./sternpost-data]",
)
@click.option("--dry-run", is_flag=True, help="Say what can be read and what cannot, and change nothing.")
def salvage(data_dir: Path | None, *, dry_run: bool) -> None:
    """Bring every row that can be read out of a damaged store into a new one. The server must be stopped.

    The damaged store is kept beside the new one. What could not be read is told by source, and named in a file as far as it can be. Where a
    backup is newer than the damage, `sternpost restore` loses less.
    """
    from sternpost.store import copying, logfile
    from sternpost.store import salvage as work

    directory = data_dir_of(data_dir, os.environ)
    store = directory / STORE_FILE
    if not store.is_file():
        raise CommandError(
            f"There is no store at {access.shown(store)}. Give --data-dir the data directory of a server."
        )
    now = time.time()
    with access.lock_data_dir(directory):
        new = store.with_name(f"{store.name}.salvaged")
        copying.remove(new)
        try:
            found = work.salvage(store, new, now=now)
            copying.examine(new)
            for line in told(found):
                say(line)
            if dry_run:
                return
            kept = logfile.aside(store, now)
            if found.lost:
                names = kept.with_name(f"{kept.name}.lost.jsonl")
                names.write_text(
                    "".join(
                        json.dumps({"source": source, "messageId": message_id}) + "\n"
                        for source, message_id in found.lost
                    )
                )
                names.chmod(0o600)
                say(f"Their names are in {access.shown(names)}.")
            copying.move(store, kept)
            new.rename(store)
        finally:
            copying.remove(new)
    say(f"{access.shown(store)} is the new store; the damaged one is {access.shown(kept)}.")
    option = "" if directory == DATA_DIR else f" --data-dir {shlex.quote(str(directory))}"
    remark(f"Go on with: {program_here()} serve{option}")


def told(found: Salvaged) -> list[str]:
    """What came out of it, in lines."""
    lines = [
        (
            f"Read: {count(found.rows['events'], 'event')}, {count(found.rows['deliveries'] + found.rows['held'], 'delivery', 'deliveries')} "
            f"waiting, {count(found.rows['outcomes'], 'fate')}, workspace revisions {found.rows['workspaces']}."
        )
    ]
    for source, n in sorted(found.lost_by_source.items()):
        lines.append(f"Lost: {count(n, 'event')} of the source {source or 'that cannot be read, too'}.")
    for destination, n in sorted(found.untold.items()):
        lines.append(
            f"Not known what became of {count(n, 'event')} at {destination}: they are failures with the reason unreadable, and can be retried."
        )
    hurt = ", ".join(f"{table} ({n})" for table, n in sorted(found.gaps.items()))
    lines.append(
        f"Places that could not be read: {hurt}." if hurt else "Nothing was found that could not be read."
    )
    return lines
