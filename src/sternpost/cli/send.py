"""`sternpost send`: one event, built and sent as an SDK does it."""

from __future__ import annotations

import base64
import json
import re
import shlex
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from sternpost import __version__
from sternpost.cli import client
from sternpost.cli.app import command, unknown
from sternpost.cli.output import say, say_json
from sternpost.errors import CommandError, UsageError

TYPES = ("identify", "group", "track", "page", "screen", "alias")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")


class EventType(click.Choice[str]):
    """A call's type; a near miss is answered with the one that was meant."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            raise UsageError(unknown("type", str(value), self.choices)) from None


@command(
    "send",
    examples=(
        'sternpost send track --event "Checkout" --user-id u1 --property total=42',
        "sternpost send identify --user-id u1 --trait email=u1@example.com",
    ),
    groups={
        "The event": (
            "user_id",
            "anonymous_id",
            "previous_id",
            "group_id",
            "event",
            "name",
            "traits",
            "properties",
            "message_id",
        ),
        "Where to": ("url", "data_dir", "token_file", "write_key"),
    },
)
@click.argument("type_", metavar="|".join(TYPES), type=EventType(TYPES, case_sensitive=False))
@click.option("--user-id", metavar="ID", help="Who did it, known.")
@click.option("--anonymous-id", metavar="ID", help="Who did it, not yet known.")
@click.option("--previous-id", metavar="ID", help="alias: the id that becomes --user-id.")
@click.option("--group-id", metavar="ID", help="group: the account; else it goes into the context.")
@click.option("--event", metavar="NAME", help="track: the event's name.")
@click.option("--name", metavar="NAME", help="page, screen: its name.")
@click.option(
    "--trait",
    "traits",
    metavar="K=V",
    multiple=True,
    help='A trait of the person, with group of the account; 1.5 and true are values, "1.5" is text.',
)
@click.option("--property", "properties", metavar="K=V", multiple=True, help="A property of the event.")
@click.option("--message-id", metavar="ID", help="Default: a new UUID.")
@click.option(
    "--write-key",
    metavar="KEY",
    envvar="STERNPOST_WRITE_KEY",
    help="The source's key; default: the first enabled source's.",
)
@client.server_options
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object instead of a sentence.")
@click.pass_context
def send(
    ctx: click.Context,
    /,
    *,
    type_: str,
    traits: Sequence[str],
    properties: Sequence[str],
    write_key: str | None,
    message_id: str | None,
    as_json: bool,
    **ids: str | None,
) -> None:
    """Send one event to a running server and print its messageId."""
    event = build(
        type_.lower(),
        message_id=message_id or str(uuid.uuid4()),
        now=datetime.now(UTC),
        traits=pairs(traits, "--trait"),
        properties=pairs(properties, "--property"),
        **ids,
    )
    address = client.address_of(ctx)
    if address.url and write_key:
        # Nothing of the API is needed, so no token is looked for either.
        server = client.Server(client.checked_url(address.url), "")
    else:
        server = client.find(address)
    key = write_key or first_write_key(server)
    post(server.url, event, key)
    if as_json:
        say_json({"messageId": event["messageId"], "type": event["type"]})
        return
    follow = client.commands(ctx)(f"events get {shlex.quote(event['messageId'])}")
    say(f"sent  {event['messageId']}   follow it: {follow}")


def build(
    type_: str,
    *,
    message_id: str,
    now: datetime,
    traits: Mapping[str, Any],
    properties: Mapping[str, Any],
    user_id: str | None = None,
    anonymous_id: str | None = None,
    previous_id: str | None = None,
    group_id: str | None = None,
    event: str | None = None,
    name: str | None = None,
) -> dict[str, Any]:
    """The event as an SDK would send it. Raises UsageError for what would arrive and mean nothing."""
    if not user_id and not anonymous_id:
        raise UsageError(f"{type_} needs a person. Give --user-id or --anonymous-id.")
    if type_ == "track" and not event:
        raise UsageError("track needs a name. Give --event NAME.")
    if type_ == "group" and not group_id:
        raise UsageError("group needs an account. Give --group-id ID.")
    if type_ == "alias" and not (user_id and previous_id):
        raise UsageError("alias joins two ids. Give --previous-id OLD --user-id NEW.")
    if event and type_ != "track":
        raise UsageError(
            f"--event belongs to track. With {type_} leave it out, or use --name with page and screen."
        )
    if name and type_ not in {"page", "screen"}:
        raise UsageError(f"--name belongs to page and screen, not to {type_}.")
    if previous_id and type_ != "alias":
        raise UsageError(f"--previous-id belongs to alias, not to {type_}.")
    if properties and type_ not in {"track", "page", "screen"}:
        raise UsageError(f"--property belongs to track, page and screen. With {type_} use --trait.")
    moment = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    context: dict[str, Any] = {"library": {"name": "sternpost-cli", "version": __version__}}
    if traits and type_ != "group":
        context["traits"] = dict(traits)
    if group_id and type_ != "group":
        context["groupId"] = group_id
    built: dict[str, Any] = {
        "type": type_,
        "messageId": message_id,
        "channel": "server",
        "originalTimestamp": moment,
        "sentAt": moment,
        "context": context,
        "integrations": {"All": True},
    }
    if user_id:
        built["userId"] = user_id
    if anonymous_id:
        built["anonymousId"] = anonymous_id
    match type_:
        case "identify":
            built["traits"] = dict(traits)
        case "group":
            built |= {"groupId": group_id, "traits": dict(traits)}
        case "track":
            built |= {"event": event, "properties": dict(properties)}
        case "page" | "screen":
            built["properties"] = dict(properties)
            if name:
                built["name"] = name
        case "alias":
            built["previousId"] = previous_id
    return built


def pairs(texts: Sequence[str], option: str) -> dict[str, Any]:
    """`k=v` given several times. Raises UsageError."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UsageError(f'{option}: "{text}" is not a name, = and a value. Write {option} name=value.')
        found[name.strip()] = read_value(value)
    return found


def read_value(text: str) -> Any:
    """A number, true, false or text; in double quotes it is text whatever it looks like. 0123 is text: it would lose its zero."""
    if text in {"true", "false"}:
        return text == "true"
    if _NUMBER.fullmatch(text) and len(text) <= 32:
        number = json.loads(text)
        # 1e999 is a number to write, and none to send.
        return text if isinstance(number, float) and abs(number) == float("inf") else number
    if len(text) >= 2 and text[0] == text[-1] == '"':
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def first_write_key(server: client.Server) -> str:
    """The write key of the server's first enabled source. Raises CommandError when there is none."""
    for source in server.every("/api/v1/sources", "sources"):
        if source.get("enabled", True) and source.get("writeKey"):
            return str(source["writeKey"])
    raise CommandError(
        "The server has no enabled source. Add one to its workspace, or give --write-key the key of one."
    )


def post(url: str, event: Mapping[str, Any], write_key: str) -> None:
    """Send the event. Raises CommandError with the reason when it is refused."""
    answer = client.send(
        url,
        "POST",
        f"/v1/{event['type']}",
        headers={
            "Authorization": "Basic " + base64.b64encode(f"{write_key}:".encode()).decode(),
            "Content-Type": "application/json",
            "User-Agent": f"sternpost-cli/{__version__}",
        },
        body=json.dumps(event).encode(errors="replace"),
    )
    if answer.status == 200:
        return
    code = answer.headers.get("sternpost-reason", "")
    from sternpost.reasons import REASONS

    reason = next((found for found in REASONS.values() if found.code == code), None)
    if reason is not None:
        raise CommandError(f"Not accepted ({answer.status}, {code}): {reason.text} {reason.remedy}")
    shown = answer.body[:200].decode(errors="replace").strip()
    raise CommandError(f"Not accepted: {url} answered {answer.status}{f' ({shown})' if shown else ''}.")
