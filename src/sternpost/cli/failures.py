"""`sternpost failures`: what was rejected, grouped by reason; tried again or given up by a person."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from sternpost.cli import client
from sternpost.cli.app import Group
from sternpost.cli.output import count, day_and_clock, plain, remark, say, say_json, styled, table
from sternpost.errors import CommandError, UsageError

PER_REQUEST = 2_000  #: dead letters per request: each a few seconds at most
ROWS = 50
EXPORT_ROWS = 200  #: per request


@click.group("failures", cls=Group, examples=("sternpost failures list",))
def failures() -> None:
    """List, show, retry or discard what was rejected; resume a destination that is blocked."""


@failures.command("list", examples=("sternpost failures list",))
@click.option("--destination", metavar="ID", help="Only those of this destination.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each group.")
@client.server_options
@click.pass_context
def list_(ctx: click.Context, destination: str | None, *, as_json: bool) -> None:
    """List the groups of rejected events: one for each destination and reason."""
    groups = _groups(client.find(client.address_of(ctx)), destination, None)
    if as_json:
        for group in groups:
            say_json(group)
        return
    if not groups:
        say("No failures. Rejected events would wait here for you.")
        return
    rows = [
        (
            group["destination"],
            group["reason"],
            f"{group['count']:,}",
            day_and_clock(group.get("lastAt")),
            group.get("title") or "",
        )
        for group in groups
    ]
    for line in table(("destination", "reason", "events", "last", "what it is"), rows):
        say(line)
    words = f"failures show {groups[0]['destination']} {groups[0]['reason']}"
    remark(f"See one: {client.commands(ctx)(words)}")


@failures.command("show", examples=("sternpost failures show pendo bad_id",))
@click.argument("destination")
@click.argument("reason")
@click.option("--limit", type=click.IntRange(1, 500), default=ROWS, show_default=True, help="So many events.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each event.")
@client.server_options
@click.pass_context
def show(ctx: click.Context, destination: str, reason: str, limit: int, *, as_json: bool) -> None:
    """Show one group: what happened, what to do, and its events."""
    server = client.find(client.address_of(ctx))
    answer = server.get(
        f"/api/v1/failures/{client.segment(destination)}/{client.segment(reason)}", limit=str(limit)
    )
    entries = answer.get("events") or []
    if as_json:
        for entry in entries:
            say_json(entry)
        return
    groups = _groups(server, destination, reason)
    if not entries or not groups:
        say(f"No failures of {plain(destination)} with the reason {plain(reason)}.")
        return
    group = groups[0]
    say(styled(f"{count(group['count'], 'event')} rejected: {plain(group['explanation'])}", bold=True))
    say(f"Do this: {plain(group['remedy'])}")
    if len(group["shapes"]) > 1:
        said = [(f"{one['count']:,}", f"{one['people']:,}", one["shape"] or "–") for one in group["shapes"]]
        for line in table(("events", "people", "what was said (numbers as #, ids as …)"), said):
            say(line)
        say()
    rows = [
        (
            entry["messageId"],
            day_and_clock(entry.get("receivedAt")),
            entry["source"],
            f'{entry["type"]} "{entry["name"]}"' if entry.get("name") else entry["type"],
            entry.get("userId") or entry.get("anonymousId") or "–",
        )
        for entry in entries
    ]
    for line in table(("messageId", "received", "source", "event", "person"), rows):
        say(line)
    if answer.get("next"):
        remark(f"The first {limit}; more with --limit, at most 500.")
    remark(f"When it is corrected: {client.commands(ctx)(f'failures retry {destination} {reason}')}")


@failures.command(
    "retry",
    examples=("sternpost failures retry pendo bad_id", "sternpost failures retry pendo --dry-run"),
)
@click.argument("destination")
@click.argument("reason", required=False)
@click.option("--id", "ids", metavar="MESSAGE_ID", multiple=True, help="Only this event; may be repeated.")
@click.option(
    "--shape", metavar="TEXT", help="Only those of which this was said, as `failures show` prints it."
)
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@client.server_options
@click.pass_context
def retry(
    ctx: click.Context,
    destination: str,
    reason: str | None,
    ids: Sequence[str],
    shape: str | None,
    *,
    dry_run: bool,
) -> None:
    """Deliver rejected events again, each in the order of its person: those of a reason, or all."""
    server = client.find(client.address_of(ctx))
    if dry_run:
        say(
            f"Would retry {count(_number(server, destination, reason, ids, shape), 'event')}. Nothing was done."
        )
        return
    done = _all_pages(server, "/api/v1/failures/retry", destination, reason, ids, shape)
    say(
        f"{count(done['retried'], 'event')} put back into the lanes. Watch them: {client.commands(ctx)('tail')}"
    )
    if done["notConnected"]:
        remark(
            f"{count(done['notConnected'], 'event')} stayed: their sources are not connected to {destination} any more. "
            "Connect them and retry."
        )
    _explain_nothing(ctx, done["retried"] + done["notConnected"], destination, reason)


@failures.command("discard", examples=('sternpost failures discard pendo bad_id --note "test data" --yes',))
@click.argument("destination")
@click.argument("reason", required=False)
@click.option("--note", metavar="TEXT", required=True, help="Why; it is kept with the events.")
@click.option("--id", "ids", metavar="MESSAGE_ID", multiple=True, help="Only this event; may be repeated.")
@click.option(
    "--shape", metavar="TEXT", help="Only those of which this was said, as `failures show` prints it."
)
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.option("--yes", is_flag=True, help="Do not ask for the count.")
@client.server_options
@click.pass_context
def discard(
    ctx: click.Context,
    destination: str,
    reason: str | None,
    note: str,
    ids: Sequence[str],
    shape: str | None,
    *,
    dry_run: bool,
    yes: bool,
) -> None:
    """Give rejected events up: they will not be delivered. They stay kept as skipped (discarded_by_operator)."""
    server = client.find(client.address_of(ctx))
    number = _number(server, destination, reason, ids, shape)
    if dry_run:
        say(f"Would discard {count(number, 'event')}. Nothing was done.")
        return
    if number and not yes:
        _ask(number, destination)
    done = _all_pages(server, "/api/v1/failures/discard", destination, reason, ids, shape, note=note)
    say(f"{count(done['discarded'], 'event')} discarded.")
    _explain_nothing(ctx, done["discarded"], destination, reason)


@failures.command("export", examples=("sternpost failures export pendo bad_id",))
@click.argument("destination")
@click.argument("reason")
@client.server_options
@click.pass_context
def export(ctx: click.Context, destination: str, reason: str) -> None:
    """Print the events of a group as JSON lines, oldest first, each with its fate."""
    server = client.find(client.address_of(ctx))
    after: str | None = None
    while True:
        answer = server.get(
            f"/api/v1/failures/{client.segment(destination)}/{client.segment(reason)}",
            limit=str(EXPORT_ROWS),
            after=after,
        )
        for entry in answer["events"]:
            say_json(entry)
        after = answer.get("next")
        if not after:
            return


@failures.command("resume", examples=("sternpost failures resume pendo",))
@click.argument("destination")
@click.option(
    "--channel", metavar="NAME", help="Only this channel, e.g. track; default: all that are blocked."
)
@client.server_options
@click.pass_context
def resume(ctx: click.Context, destination: str, channel: str | None) -> None:
    """Go on with a destination that is blocked, e.g. since too many events were rejected (too_many_rejected)."""
    server = client.find(client.address_of(ctx))
    content = {"channel": channel} if channel is not None else {}
    resumed = server.post(f"/api/v1/destinations/{client.segment(destination)}/resume", content)["resumed"]
    if not resumed:
        say(f"Nothing of {plain(destination)} is blocked.")
        return
    names = ", ".join(plain(name) for name in resumed if name)
    say(
        f"{plain(destination)}{f' ({names})' if names else ''} is tried again. See: {client.commands(ctx)('doctor')}"
    )


def _ask(number: int, destination: str) -> None:
    """A typed count, since this cannot be undone. Raises UsageError where nobody can type one."""
    if not sys.stdin.isatty():
        raise UsageError(f"This discards {count(number, 'event')} for good. Add --yes if that is meant.")
    typed = click.prompt(
        f"{count(number, 'event')} will never be delivered to {destination}. Type {number} to go on",
        err=True,
    )
    if str(typed).strip() != str(number):
        raise CommandError("That is another number. Nothing was discarded.")


def _groups(server: client.Server, destination: str | None, reason: str | None) -> list[Mapping[str, Any]]:
    return [
        group
        for group in server.every("/api/v1/failures", "failures")
        if destination in {None, group["destination"]} and reason in {None, group["reason"]}
    ]


def _number(
    server: client.Server, destination: str, reason: str | None, ids: Sequence[str], shape: str | None
) -> int:
    """How many events are meant; ids count as they were given."""
    if ids:
        return len(ids)
    groups = _groups(server, destination, reason)
    if shape is None:
        return sum(int(group["count"]) for group in groups)
    return sum(int(one["count"]) for group in groups for one in group["shapes"] if one["shape"] == shape)


def _all_pages(
    server: client.Server,
    path: str,
    destination: str,
    reason: str | None,
    ids: Sequence[str],
    shape: str | None,
    **more: str,
) -> dict[str, int]:
    """Ask page by page until nothing is left; the sums of what was done."""
    content: dict[str, Any] = {"destination": destination, "limit": PER_REQUEST, **more}
    if reason:
        content["reason"] = reason
    if ids:
        content["messageIds"] = list(ids)
    if shape is not None:
        content["shape"] = shape
    sums = {"retried": 0, "discarded": 0, "notConnected": 0}
    while True:
        answer = server.call("POST", path, content=content, timeout_s=120)
        for name in sums:
            sums[name] += int(answer.get(name) or 0)
        if not answer.get("next") or answer["next"] == content.get("after"):
            return sums
        content["after"] = answer["next"]


def _explain_nothing(ctx: click.Context, done: int, destination: str, reason: str | None) -> None:
    if not done:
        which = f" with the reason {reason}" if reason else ""
        remark(
            f"Nothing of {destination}{which} waits in failures. See: {client.commands(ctx)('failures list')}"
        )
