"""`sternpost try`: the requests that an event would cause at a destination; with --send, what comes back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import click

from sternpost.cli import client
from sternpost.cli.app import command
from sternpost.cli.output import count, note_line, plain, say, say_json, styled
from sternpost.cli.reading import content_of, name_of
from sternpost.errors import CommandError, UsageError

TRY_TIMEOUT_S = 60.0  #: a destination may take its time to answer


@command(
    "try",
    examples=("sternpost try pendo event.json", "sternpost try pendo event.json --send"),
    groups={"What": ("source", "send", "as_json"), "Where": client.SERVER_OPTIONS},
)
@click.argument("destination")
@click.argument("file", metavar="EVENT.json")
@click.option(
    "--source", metavar="ID", help="As if this source had sent it; default: the first connected one."
)
@click.option("--send", is_flag=True, help="Really send the requests. The event itself is not kept.")
@click.option("--json", "as_json", is_flag=True, help="Print the API's answer.")
@client.server_options
@click.pass_context
def attempt(
    ctx: click.Context, destination: str, file: str, source: str | None, *, send: bool, as_json: bool
) -> None:
    """Show the requests that an event would cause, without sending them.

    EVENT.json holds one event as a client sends it, with its "type"; - reads it from standard input.
    """
    event = read_event(file)
    server = client.find(client.address_of(ctx))
    content: dict[str, Any] = {"destination": destination, "event": event, "send": send}
    if source:
        content["source"] = source
    answer = server.call("POST", "/api/v1/try", content=content, timeout_s=TRY_TIMEOUT_S)
    if as_json:
        say_json(answer)
    else:
        for line in described(answer, sent=send):
            say(line)
    if send and answer.get("state") in {"rejected", "retrying", "blocked"}:
        ctx.exit(1)


def read_event(file: str) -> dict[str, Any]:
    """The event of a file, or of standard input. Raises CommandError with line and column of a mistake."""
    name = name_of(file)
    content = content_of(file, remedy="Give one event.")
    try:
        event = json.loads(content)
    except json.JSONDecodeError as error:
        raise CommandError(
            f"{name} line {error.lineno}, column {error.colno}: this is not JSON ({error.msg})."
        ) from None
    except (UnicodeDecodeError, RecursionError):
        raise CommandError(f"{name} is not JSON in UTF-8.") from None
    if not isinstance(event, dict):
        raise CommandError(
            f'{name} holds no event. Write an object: {{"type": "track", "event": "Hello", "userId": "u1"}}.'
        )
    if not isinstance(event.get("type"), str):
        raise UsageError(f'{name}: the event has no "type". Add "type": "track", or what it is.')
    return event


def described(answer: Mapping[str, Any], *, sent: bool) -> Iterator[str]:
    """The lines of an answer."""
    name, requests = plain(answer["destination"]), answer.get("requests") or []
    steps = answer.get("steps") or []
    if not requests:
        yield styled(
            f"Nothing would be sent to {name}: {plain(answer.get('explanation') or '')}".rstrip(": "),
            bold=True,
        )
    elif sent:
        yield styled(f"Sent to {name}: {answer.get('state')}.", bold=True)
    else:
        yield styled(f"To {name} would go {count(len(requests), 'request')}. Nothing was sent.", bold=True)
    passed = [step for step in steps if step["result"] == "passed"]
    if passed:
        yield f"  {count(len(passed), 'check')} passed: {', '.join(plain(step['name']) for step in passed)}"
    for step in steps:
        if step["result"] != "passed":
            why = f": {plain(step['detail'])}" if step.get("detail") else ""
            yield f"  stopped by {plain(step['name'])}{why}"
    replies = answer.get("replies") or []
    for number, request in enumerate(requests):
        yield ""
        yield styled(f"{plain(request['method'])} {plain(request['url'])}", bold=True)
        for header, value in (request.get("headers") or {}).items():
            yield f"{plain(header)}: {plain(value)}"
        if request.get("body"):
            yield ""
            yield from _body(request["body"])
        if number < len(replies):
            yield ""
            yield from _reply(replies[number])
    if requests and answer.get("explanation"):
        yield ""
        yield plain(answer["explanation"])
    for note in answer.get("diagnostics") or []:
        yield note_line(note)
    if answer.get("remedy") and answer["remedy"] != "Nothing.":
        yield f"Do this: {plain(answer['remedy'])}"


def _body(body: str) -> Iterator[str]:
    """A body, readable when it is JSON."""
    try:
        text = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        text = body
    for line in text.split("\n"):
        yield plain(line)


def _reply(reply: Mapping[str, Any]) -> Iterator[str]:
    found = reply.get("reply")
    if not found:
        yield f"No reply: {plain(reply.get('error') or '')}, {reply.get('ms')} ms"
        return
    yield f"Reply {found['status']}, {reply.get('ms')} ms"
    if found.get("body"):
        yield from _body(found["body"])
