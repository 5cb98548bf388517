"""`sternpost access`: the way back into the console."""

from __future__ import annotations

import click

from sternpost.cli import client
from sternpost.cli.app import command
from sternpost.cli.output import emit, remark, say_json


@command(
    "access",
    examples=("sternpost access", "sternpost access --user ann@example.com"),
    groups={"Which": ("user",), "Where from": client.SERVER_OPTIONS},
)
@click.option("--user", metavar="NAME", help="Whose address; default: the first owner's.")
@click.option("--json", "as_json", is_flag=True, help="The address and when it ends, as JSON.")
@client.server_options
@click.pass_context
def access(ctx: click.Context, /, *, user: str | None, as_json: bool) -> None:
    """Print a one-time address of the console of a running server.

    Whoever opens it within 30 minutes (with --user: 24 hours) chooses a new password and is signed in; the server and all who are
    signed in go on. It takes an owner's token, which whoever may read the data directory has.
    """
    server = client.find(client.address_of(ctx))
    path = "/api/v1/access" if user is None else f"/api/v1/users/{client.segment(user)}/address"
    answer = server.post(path, None)
    url = f"{server.url}{answer['path']}"
    if as_json:
        say_json({"url": url, "expiresAt": answer["expiresAt"]})
        return
    emit(url)
    remark(f"It works once, until {answer['expiresAt']}. Give it only to whom it is for.")
