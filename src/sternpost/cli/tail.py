"""`sternpost tail`: events as they come, and each change of their state."""

from __future__ import annotations

import http.client
import json
import sys
import time
from collections.abc import Mapping
from typing import Any

import click

from sternpost.cli import client
from sternpost.cli.app import command
from sternpost.cli.output import clock, columns, count, emit, fitted, plain, remark, state_word
from sternpost.console.words import MARKS
from sternpost.errors import CommandError

SILENCE_S = 45.0  #: three heartbeats; then the connection is taken for lost
RECONNECT_S = (0.2, 0.5, 1.0, 2.0, 5.0)


@command(
    "tail",
    examples=("sternpost tail", "sternpost tail --destination pendo --state rejected --json"),
    groups={"Which": ("source", "destination", "type", "state"), "Where from": client.SERVER_OPTIONS},
)
@click.option("--source", metavar="ID", help="Only events of this source.")
@click.option("--destination", metavar="ID", help="Only events for this destination.")
@click.option("--type", "type", metavar="TYPE", help="Only events of this type: track, identify …")
@click.option("--state", metavar="STATE", help="Only events that have this state: rejected, blocked …")
@click.option("--json", "as_json", is_flag=True, help="One entry a line, exactly as the API sends it.")
@client.server_options
@click.pass_context
def tail(ctx: click.Context, /, *, as_json: bool, **filters: str | None) -> None:
    """Show events as they come and what becomes of them, until Ctrl+C.

    A line for each event when it is received, and one for each change of its state.
    """
    address = client.address_of(ctx)
    server = client.find(address)
    losses = 0
    while True:
        try:
            for message in client.stream(server, "/api/v1/live", filters, silence_s=SILENCE_S):
                if message.kind == "open":
                    if losses:
                        remark("Live again.")
                    elif sys.stderr.isatty():
                        remark(f"Live from {server.url}. Stop with Ctrl+C.")
                    losses = 0
                elif message.kind:
                    remark(_aside(message))
                else:
                    emit(message.data if as_json else row(json.loads(message.data)))
        except (OSError, http.client.HTTPException):
            pass
        if not losses:
            remark("The connection was lost; trying again …")
        time.sleep(RECONNECT_S[min(losses, len(RECONNECT_S) - 1)])
        losses += 1
        server = _again(server, address)


def _again(server: client.Server, address: client.Address) -> client.Server:
    """The server after a lost connection: started anew, it may have another port and, after `restore`, another token."""
    try:
        return client.find(address)
    except CommandError:
        return server


def _aside(message: client.Message) -> str:
    """What the stream says about itself."""
    if message.kind == "lost":
        left_out = json.loads(message.data)["lost"]
        return f"{count(left_out, 'message')} left out: events come faster than they can be shown. Narrow the filter."
    return f"{message.kind}: {message.data}"


def row(entry: Mapping[str, Any]) -> str:
    """`10:02:11.204  web  track "Checkout"  u1  ✓ pendo delivered  5b0c7b1e-…`"""
    person = entry.get("userId") or entry.get("anonymousId") or "–"
    what = entry["type"] + (f' "{entry["name"]}"' if entry.get("name") else "")
    left = f"{clock(entry.get('receivedAt'))}  {plain(entry['source']):<10}  {plain(what):<28}  {plain(person):<16}  "
    destinations = entry.get("destinations") or []
    states = "  ".join(
        f"{MARKS.get(one['state'], '·')} {plain(one['destination'])} {one['state']}"
        + (f" ({plain(one['reason'])})" if one.get("reason") and one["state"] != "pending" else "")
        for one in destinations
    )
    text = f"{left}{states or 'no destination'}  {plain(entry['messageId'])}"
    shown = fitted(text, columns())
    # Colour after cutting, so that a cut never falls into a colour's code.
    for state in dict.fromkeys(one["state"] for one in destinations):
        shown = shown.replace(f" {state}", f" {state_word(state)}")
    return shown
