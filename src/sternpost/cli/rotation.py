"""`sternpost rotate-key`: encrypt the stored secrets with a new key."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import click

from sternpost import access
from sternpost.cli.app import command
from sternpost.cli.backup import STORE_FILE, data_dir_of
from sternpost.cli.output import count, remark, say
from sternpost.errors import CommandError


@command("rotate-key", examples=("sternpost rotate-key",))
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Whose secrets.  [./sternpost-data]",
)
def rotate_key(data_dir: Path | None) -> None:
    """Encrypt the stored secrets with a new key, while the server is stopped.

    The key comes from STERNPOST_NEW_SECRET_KEY, else it is made. Run it again if it was interrupted: nothing is lost in between.
    """
    from sternpost.store.resealing import reseal
    from sternpost.workspace.secrets import SEALED_PREFIX, SecretKey, SecretUnreadable, seal, unseal

    directory = data_dir_of(data_dir, os.environ)
    if not (directory / STORE_FILE).exists():
        raise CommandError(
            f"There is no store in {access.shown(directory)}. Give --data-dir the data directory of a server."
        )
    with access.lock_data_dir(directory):
        old = SecretKey(access.secret_key(directory, os.environ))
        new = SecretKey(access.new_secret_key(directory, os.environ))
        if new == old:
            raise CommandError("The new key is the present one. Give another one.")

        def change(text: str) -> str:
            try:
                return seal(unseal(text, old), new)
            except SecretUnreadable:
                # Of an earlier run that was interrupted.
                unseal(text, new)
                return text

        try:
            changed = reseal(directory / STORE_FILE, SEALED_PREFIX, change)
        except SecretUnreadable as error:
            raise CommandError(
                f"Nothing was changed. {error} Bring the right key back, or enter the secret again."
            ) from None
        kept = access.use_new_secret_key(directory, f"before-{datetime.now(UTC):%Y%m%dT%H%M%S}")
    say(f"{count(changed, 'secret')} encrypted with the new key.")
    if kept is not None:
        say(
            f"The old key is {access.shown(kept)}: copies made before need it. Remove it when there are none."
        )
    if os.environ.get(access.NEW_KEY_VARIABLE):
        remark(f"Start the server with {access.KEY_VARIABLE} set to the new key from now on.")
    remark(
        "Hashes made with the old key (privacy of sources, people hidden from viewers) are different from new ones."
    )
