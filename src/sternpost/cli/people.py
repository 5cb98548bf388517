"""`sternpost people`: stop a person, allow again, forget one here and at the destinations that can."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from typing import Any

import click

from sternpost.cli import client
from sternpost.cli.app import Group
from sternpost.cli.output import count, day_and_clock, plain, remark, say, say_json, styled, table
from sternpost.errors import CommandError, UsageError


@click.group("people", cls=Group, examples=("sternpost people show u1",))
def people() -> None:
    """Show, stop, allow or forget a person; ids are user ids or anonymous ids."""


@people.command("show", examples=("sternpost people show u1",))
@click.argument("person_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print the API's answer.")
@client.server_options
@click.pass_context
def show(ctx: click.Context, person_id: str, *, as_json: bool) -> None:
    """Show what is known of a person: ids, accounts, what waits, the newest events."""
    found = client.find(client.address_of(ctx)).get(f"/api/v1/people/{client.segment(person_id)}")
    if as_json:
        say_json(found)
        return
    say(styled(plain(found["id"]), bold=True) + (" (stopped)" if found["stopped"] else ""))
    for one in found["ids"]:
        say(f"  {plain(one['anonymousId'])} is {plain(one['userId'])} since {day_and_clock(one['since'])}")
    for one in found["accounts"]:
        say(f"  account {plain(one['groupId'])} since {day_and_clock(one['since'])}")
    for one in found["lanes"]:
        say(
            f"  {count(one['waiting'], 'event')} wait for {plain(one['destination'])} since {day_and_clock(one['since'])}, "
            f"the first is {plain(one['behind'])}"
        )
    rows = [
        (
            day_and_clock(entry["receivedAt"]),
            entry["source"],
            f'{entry["type"]} "{entry["name"]}"' if entry["name"] else entry["type"],
            ", ".join(f"{one['destination']}: {one['state']}" for one in entry["destinations"]),
        )
        for entry in found["events"]
    ]
    for line in table(("received", "source", "event", "state"), rows) if rows else ():
        say(line)
    if found["deletion"]:
        _say_deletion(found["deletion"])


@people.command("stop", examples=('sternpost people stop u1 --note "asked on 3 May"',))
@click.argument("person_id", metavar="ID")
@click.option("--note", metavar="TEXT", required=True, help="Why; it is kept.")
@client.server_options
@click.pass_context
def stop(ctx: click.Context, person_id: str, note: str) -> None:
    """Accept further events of a person and skip them (suppressed_person)."""
    server = client.find(client.address_of(ctx))
    server.post(f"/api/v1/people/{client.segment(person_id)}/stop", {"note": note})
    say(f"{plain(person_id)} is stopped: events are accepted and not delivered.")
    remark(f"Lift it: {client.commands(ctx)(f'people allow {shlex.quote(person_id)}')}")


@people.command("allow", examples=("sternpost people allow u1",))
@click.argument("person_id", metavar="ID")
@client.server_options
@click.pass_context
def allow(ctx: click.Context, person_id: str) -> None:
    """Lift a stop. What was skipped meanwhile can be replayed."""
    server = client.find(client.address_of(ctx))
    answer = server.post(f"/api/v1/people/{client.segment(person_id)}/allow", {})
    if answer["changed"]:
        say(f"{plain(person_id)} is allowed again.")
        words = f"replay --user {shlex.quote(person_id)} --filter reason:suppressed_person --dry-run"
        remark(f"What was skipped: {client.commands(ctx)(words)}")
    else:
        say(f"{plain(person_id)} was not stopped.")


@people.command("forget", examples=('sternpost people forget u1 --note "request of 3 May" --yes',))
@click.argument("person_id", metavar="ID")
@click.option("--note", metavar="TEXT", help="Why; it stays with the receipt, so name nobody in it.")
@click.option("--status", is_flag=True, help="Only say how the deletion stands.")
@click.option("--yes", is_flag=True, help="Do not ask for the id to be typed again.")
@click.option("--json", "as_json", is_flag=True, help="Print the receipt.")
@client.server_options
@click.pass_context
def forget(
    ctx: click.Context, person_id: str, note: str | None, *, status: bool, yes: bool, as_json: bool
) -> None:
    """Delete a person from the store, and at Pendo by bulk deletion. This cannot be undone."""
    server = client.find(client.address_of(ctx))
    if status:
        receipt = server.get(f"/api/v1/people/{client.segment(person_id)}")["deletion"]
        if receipt is None:
            raise CommandError(f"Nobody asked to forget {plain(person_id)}.")
    else:
        if not note:
            raise UsageError("Say why with --note; it stays with the receipt.")
        if not yes:
            _ask(person_id)
        receipt = server.post(f"/api/v1/people/{client.segment(person_id)}/forget", {"note": note})
    if as_json:
        say_json(receipt)
    else:
        _say_deletion(receipt)
        if receipt["state"] != "done":
            words = f"people forget {shlex.quote(person_id)} --status"
            remark(f"See how it stands: {client.commands(ctx)(words)}")


@people.command("list", examples=("sternpost people list",))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each.")
@client.server_options
@click.pass_context
def list_(ctx: click.Context, *, as_json: bool) -> None:
    """List who is stopped, and how many deletions are under way."""
    server = client.find(client.address_of(ctx))
    stopped = server.every("/api/v1/stopped", "stopped")
    if as_json:
        for one in stopped:
            say_json(one)
        return
    rows = [(one["id"], day_and_clock(one["since"]), one["by"], one["note"]) for one in stopped]
    for line in table(("stopped", "since", "by", "why"), rows) if rows else ("Nobody is stopped by name.",):
        say(line)
    deletions = list(server.every("/api/v1/deletions", "deletions"))
    under_way = sum(one["state"] != "done" for one in deletions)
    say(f"{count(len(deletions), 'deletion')}, {under_way} under way.")


def _ask(person_id: str) -> None:
    """The id typed again, since this cannot be undone. Raises UsageError where nobody can type."""
    if not sys.stdin.isatty():
        raise UsageError("This deletes a person for good. Add --yes if that is meant.")
    typed = click.prompt("Events, profile and what Pendo holds will be gone. Type the id again", err=True)
    if str(typed).strip() != person_id:
        raise CommandError("That is another id. Nothing was deleted.")


def _say_deletion(receipt: Mapping[str, Any]) -> None:
    here = receipt["here"]
    say(
        styled(f"Deletion {receipt['id']}: {receipt['state']}", bold=True)
        + f", asked {day_and_clock(receipt['askedAt'])}"
    )
    if here["removedAt"]:
        rest = (
            ""
            if here["compacted"] is not False
            else "; the file is too large to be rewritten, see docs/how-to/people.md"
        )
        say(f"  here: {count(here['events'], 'event')} removed {day_and_clock(here['removedAt'])}{rest}")
    for one in receipt["destinations"]:
        said = f" ({plain(one['said'])})" if one["said"] else ""
        say(f"  {plain(one['destination'])}: {_STATES.get(one['state'], one['state'])}{said}")


_STATES = {
    "waiting": "will be asked",
    "asked": "asked; Pendo may take up to 21 days",
    "done": "done",
    "cannot": "cannot delete; ask whoever runs it",
    "removed": "the destination was removed",
}
