"""`sternpost replay`: kept events delivered again, as a job of the server that goes on by itself."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

import click

from sternpost.cli import client
from sternpost.cli.app import Command, Group
from sternpost.cli.output import count, day_and_clock, plain, remark, say, say_json, size, span, styled, table
from sternpost.errors import CommandError, UsageError

ESTIMATE_TIMEOUT_S = 120.0  #: a filter that needs bodies reads thousands of them
LOOK_S = 1.0  #: between two looks with --wait


class _Replay(Group):
    """Options of its own begin a replay; a word after them is one of its commands."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args:
            raise UsageError(
                "Say what to replay, e.g.: sternpost replay --from 2h --dry-run. See sternpost replay --help."
            )
        return super().parse_args(ctx, args)


@click.group(
    "replay",
    cls=_Replay,
    invoke_without_command=True,
    examples=(
        "sternpost replay --destination pendo --from 2026-11-20T09:00 --to 2026-11-20T12:00 --dry-run",
        "sternpost replay --destination pendo --type track --from 3d --rate 20 --wait",
        "sternpost replay list",
    ),
)
@click.option("--destination", metavar="ID", help="Where to; may be left out when there is only one.")
@click.option("--from", "since", metavar="TIME", help="Received since then: 2026-11-03T10:00, 2h, yesterday.")
@click.option("--to", "until", metavar="TIME", help="Received until then.")
@click.option("--source", metavar="ID", help="Only of this source; several with commas.")
@click.option("--type", "type_", metavar="TYPE", help="Only calls of this type; several with commas.")
@click.option("--user", metavar="ID", help="Only of this user; several with commas.")
@click.option(
    "--filter", "line", metavar="LINE", help="Filter as in the console, e.g. 'event:Checkout -user:test'."
)
@click.option(
    "--all", "everything", is_flag=True, help="Also what was delivered; default: only what was not."
)
@click.option(
    "--rate", type=float, metavar="N", help="Events per second at most; default: half of the destination's."
)
@click.option("--dry-run", is_flag=True, help="Say what it would be, and do nothing.")
@click.option("--yes", is_flag=True, help="Do not ask, although delivered events would arrive again.")
@click.option("--wait", is_flag=True, help="Stay until it has ended, and say how it stands.")
@click.option("--json", "as_json", is_flag=True, help="Print the API's answer.")
@client.server_options
@click.pass_context
def replay(
    ctx: click.Context,
    destination: str | None,
    since: str | None,
    until: str | None,
    source: str | None,
    type_: str | None,
    user: str | None,
    line: str | None,
    *,
    everything: bool,
    rate: float | None,
    dry_run: bool,
    yes: bool,
    wait: bool,
    as_json: bool,
) -> None:
    """Deliver kept events again: those not delivered, or with --all every one that fits."""
    if ctx.invoked_subcommand is not None:
        return
    server = client.find(client.address_of(ctx))
    wanted: dict[str, Any] = {"only": "all" if everything else "not_delivered"}
    given = {
        "destination": destination,
        "from": since,
        "to": until,
        "source": source,
        "type": type_,
        "user": user,
        "q": line,
        "ratePerSecond": rate,
    }
    wanted |= {name: value for name, value in given.items() if value is not None}
    estimate = server.call("POST", "/api/v1/replays/estimate", content=wanted, timeout_s=ESTIMATE_TIMEOUT_S)
    if dry_run:
        if as_json:
            say_json(estimate)
        else:
            _say_estimate(estimate)
            say("Nothing was done.")
        return
    if estimate["delivered"] and not yes:
        _ask(estimate)
    begun = server.call("POST", "/api/v1/replays", content=wanted, timeout_s=ESTIMATE_TIMEOUT_S)
    if wait:
        begun = _wait(server, begun)
    if as_json:
        say_json(begun)
    elif wait:
        _say_job(begun)
    else:
        _say_estimate(estimate, warnings=not sys.stdin.isatty() or yes or not estimate["delivered"])
        say(styled(f"Replay {begun['id']} runs.", bold=True))
        commands = client.commands(ctx)
        show, pause = commands(f"replay show {begun['id']}"), commands(f"replay pause {begun['id']}")
        remark(f"See how it stands: {show}   Stop it: {pause}")
    if wait and begun["state"] != "done":
        ctx.exit(1)


@replay.command("list", cls=Command, examples=("sternpost replay list",))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each replay.")
@client.server_options
@click.pass_context
def list_(ctx: click.Context, *, as_json: bool) -> None:
    """List the replays that run and those that have ended."""
    jobs = list(client.find(client.address_of(ctx)).every("/api/v1/replays", "replays"))
    if as_json:
        for job in jobs:
            say_json(job)
        return
    if not jobs:
        say("No replays yet.")
        return
    rows = [
        (
            job["id"],
            job["state"],
            job["destination"],
            day_and_clock(job["createdAt"]),
            f"{job['queued']:,} of {job['estimated']:,}",
            f"{job['delivered']:,}",
            f"{job['rejected'] + job['skipped']:,}",
            _which(job),
        )
        for job in jobs
    ]
    header = ("id", "state", "destination", "begun", "queued", "delivered", "not", "which")
    for line in table(header, rows):
        say(line)


@replay.command("show", cls=Command, examples=("sternpost replay show 3",))
@click.argument("replay_id", metavar="ID")
@click.option("--wait", is_flag=True, help="Stay until it has ended.")
@click.option("--json", "as_json", is_flag=True, help="Print the API's answer.")
@client.server_options
@click.pass_context
def show(ctx: click.Context, replay_id: str, *, wait: bool, as_json: bool) -> None:
    """Show how a replay stands."""
    server = client.find(client.address_of(ctx))
    job = server.get(f"/api/v1/replays/{client.segment(replay_id)}")
    if wait:
        job = _wait(server, job)
    if as_json:
        say_json(job)
    else:
        _say_job(job)


def _verb(name: str, said: str, text: str) -> None:
    @replay.command(name, cls=Command, help=text, examples=(f"sternpost replay {name} 3",))
    @click.argument("replay_id", metavar="ID")
    @client.server_options
    @click.pass_context
    def change(ctx: click.Context, replay_id: str) -> None:
        server = client.find(client.address_of(ctx))
        job = server.post(f"/api/v1/replays/{client.segment(replay_id)}/{name}", {})
        say(f"Replay {job['id']} {said}.")
        _say_job(job)


_verb("pause", "is paused", "Queue nothing more for now. What waits already is delivered.")
_verb("resume", "runs again", "Go on with a paused replay where it was.")
_verb("cancel", "is cancelled", "End a replay; what was not sent gets back the outcome it had.")


def _ask(estimate: Mapping[str, Any]) -> None:
    """A typed count where events would arrive twice. Raises UsageError where nobody can type one."""
    _say_estimate(estimate)
    if not sys.stdin.isatty():
        raise UsageError(
            f"{count(estimate['delivered'], 'event')} would be delivered again. Add --yes if that is meant."
        )
    typed = click.prompt(f"Type {estimate['count']} to go on", err=True)
    if str(typed).strip().replace(",", "") != str(estimate["count"]):
        raise CommandError("That is another number. Nothing was begun.")


def _say_estimate(estimate: Mapping[str, Any], *, warnings: bool = True) -> None:
    about = "" if estimate["exact"] else "about "
    times = (
        f", received {day_and_clock(estimate['firstAt'])} to {day_and_clock(estimate['lastAt'])}"
        if estimate["firstAt"]
        else ""
    )
    say(
        f"{about}{count(estimate['count'], 'event')} of {count(estimate['people'], 'person', 'people')} ({size(estimate['bytes'])}) to "
        f"{plain(estimate['destination'])}{times}; {about}{span(estimate['seconds'])} at {estimate['ratePerSecond']:g} a second."
    )
    for warning in estimate["warnings"] if warnings else ():
        say(f"  ! {plain(warning)}")
    for sample in estimate["samples"]:
        name = f' "{plain(sample["name"])}"' if sample["name"] else ""
        requests = ", ".join(f"{one['method']} {one['url']}" for one in sample["requests"])
        what = requests or f"not sent: {sample['explanation']}"
        say(f"  {plain(sample['messageId'])}  {plain(sample['type'])}{name}  {plain(what)}")


def _say_job(job: Mapping[str, Any]) -> None:
    say(
        styled(f"{plain(job['state'])}", bold=True)
        + f", {job['progress']:.0%} of about {count(job['estimated'], 'event')} to {plain(job['destination'])}; {_which(job)}."
    )
    if job["detail"]:
        say(f"  {plain(job['detail'])}")
    parts = [
        f"{job[name]:,} {label}"
        for name, label in (
            ("queued", "queued"),
            ("waiting", "waiting"),
            ("delivered", "delivered"),
            ("skipped", "skipped"),
            ("rejected", "rejected"),
            ("withdrawn", "put back"),
            ("underWay", "under way already"),
            ("notConnected", "not connected"),
        )
        if job[name] or name == "queued"
    ]
    say(f"  {', '.join(parts)}")


def _which(job: Mapping[str, Any]) -> str:
    parts = [plain(job["filter"])] if job["filter"] else []
    if job["from"]:
        parts.append(f"from {day_and_clock(job['from'])}")
    if job["to"]:
        parts.append(f"to {day_and_clock(job['to'])}")
    parts.append("all" if job["only"] == "all" else "not delivered")
    return ", ".join(parts)


def _wait(server: client.Server, job: Mapping[str, Any]) -> Mapping[str, Any]:
    """Look until it has ended or is paused; how it stands goes to standard error."""
    last = ""
    while job["state"] == "running":
        said = f"{job['progress']:.0%}, {job['waiting']:,} waiting, {job['delivered']:,} delivered"
        if said != last and sys.stderr.isatty():
            remark(said)
            last = said
        time.sleep(LOOK_S)
        job = server.get(f"/api/v1/replays/{client.segment(str(job['id']))}")
    return job
