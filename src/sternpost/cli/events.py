"""`sternpost events get`: the fate of one event, as a verdict, the way it took, and what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import click

from sternpost.cli import client
from sternpost.cli.app import Group
from sternpost.cli.output import clock, count, note_line, plain, say, say_json, span, state_word, styled
from sternpost.errors import CommandError

BODY_CHARS_MAX = 400  #: of a request or reply in the timeline; --json gives it whole
DIRECTION = {"delivered": "Delivered", "skipped": "Not sent", "rejected": "Rejected"}


@click.group("events", cls=Group, examples=("sternpost events get 5b0c7b1e-0f3f-4a35-9a57-0a9cbb0d8a1c",))
def events() -> None:
    """Show the fate of one event."""


@events.command("get", examples=("sternpost events get 5b0c7b1e-0f3f-4a35-9a57-0a9cbb0d8a1c",))
@click.argument("message_id")
@click.option("--source", metavar="ID", help="Only the event of this source, where several sent the id.")
@click.option("--json", "as_json", is_flag=True, help="Print the API's answer.")
@client.server_options
@click.pass_context
def get(ctx: click.Context, message_id: str, source: str | None, *, as_json: bool) -> None:
    """Show the fate of one event: its destinations, tries, requests and replies.

    The beginning of an id is enough, from six characters, where only one event has it.
    """
    server = client.find(client.address_of(ctx))
    answer = server.get(f"/api/v1/events/{client.segment(message_id)}", source=source, prefix="1")
    found = answer.get("events") or []
    if not found:
        raise CommandError(f'No event "{plain(message_id)}" is kept. It was never seen, refused or pruned.')
    if as_json:
        say_json(answer)
        return
    for number, entry in enumerate(found):
        if number:
            say()
        for line in described(entry):
            say(line)
    blocked = {
        one["destination"] for entry in found for one in entry["destinations"] if one["state"] == "blocked"
    }
    if blocked:
        counts = server.get("/api/v1/stats")["destinations"]
        for destination in sorted(blocked & set(counts)):
            say(waiting(destination, counts[destination]))


def described(entry: Mapping[str, Any]) -> Iterator[str]:
    """The lines about one event."""
    destinations = entry.get("destinations") or []
    for destination in destinations:
        text = destination.get("verdict") or f"{destination['destination']}: {destination['state']}."
        yield f"{styled(plain(text), bold=True)}"
    if not destinations:
        yield styled(
            plain(entry.get("verdict") or "Kept. Its source was connected to no destination."), bold=True
        )
    yield _step(entry.get("receivedAt"), "received", _what(entry))
    for destination in destinations:
        if len(destinations) > 1:
            yield f"  {styled(plain(destination['destination']), bold=True)}"
        yield from _way(destination)
    for destination in destinations:
        for note in destination.get("diagnostics") or []:
            yield f"  {note_line(note)}"
    remedies = dict.fromkeys(
        plain(destination["remedy"])
        for destination in destinations
        if destination.get("remedy") and destination["state"] != "delivered"
    )
    for remedy in remedies:
        if remedy != "Nothing.":
            yield f"Do this: {remedy}"


def waiting(destination: str, counts: Mapping[str, Any]) -> str:
    """What else waits for a blocked destination, so that nobody fears for the rest."""
    number = sum(int(counts[state]) for state in ("pending", "retrying", "blocked"))
    oldest = span(float(counts["oldestPendingSeconds"]))
    verb = "waits" if number == 1 else "wait"
    return (
        f"{count(number, 'event')} {verb} for {plain(destination)}, the oldest for {oldest}. Nothing is lost."
    )


def _what(entry: Mapping[str, Any]) -> str:
    parts = [entry["source"], entry["type"]]
    if entry.get("name"):
        parts.append(f'"{entry["name"]}"')
    if person := entry.get("userId") or entry.get("anonymousId"):
        parts.append(f"of {person}" if entry.get("userId") else f"of anonymous {person}")
    text = ", ".join(plain(part) for part in parts[:2]) + "".join(f" {plain(part)}" for part in parts[2:])
    seen = (entry.get("seen") or {}).get("times") or 1
    return text + (f"; came {count(seen, 'time')}, the first was kept" if seen > 1 else "")


def _way(destination: Mapping[str, Any]) -> Iterator[str]:
    for attempt in destination.get("attempts") or []:
        request = attempt.get("request")
        if request:
            again = "  (made again from the event)" if request.get("rebuilt") else ""
            yield _step(
                attempt.get("at"), "request", f"{request.get('method', '')} {request.get('url', '')}{again}"
            )
        elif attempt.get("requestMissing"):
            yield _step(attempt.get("at"), "request", attempt["requestMissing"])
        took = f", {attempt['ms']} ms" if attempt.get("ms") is not None else ""
        reply = attempt.get("reply")
        if reply and reply.get("status") is not None:
            yield _step(None, "reply", f"{reply['status']}{took}{_body(reply.get('body'))}")
        elif attempt.get("error"):
            yield _step(None, "no reply", f"{attempt['error']}{took}")
        if attempt.get("waitS"):
            yield _step(None, "waits", span(float(attempt["waitS"])))
    state = destination["state"]
    when = destination.get("settledAt") if state in DIRECTION else None
    details = [destination["reason"]] if destination.get("reason") else []
    if state == "retrying" and destination.get("nextAttemptAt"):
        details.append(f"next try at {clock(destination['nextAttemptAt'])}")
    if destination.get("waitsFor"):
        details.append(f"behind {destination['waitsFor']}")
    where = destination["destination"] + (f"/{destination['channel']}" if destination.get("channel") else "")
    yield _step(when, state, ", ".join([where, *details]))


def _body(body: object) -> str:
    if body in (None, ""):
        return ", no body" if body == "" else ""
    text = plain(body if isinstance(body, str) else json.dumps(body, ensure_ascii=False))
    return f", {text[:BODY_CHARS_MAX]}{'…' if len(text) > BODY_CHARS_MAX else ''}"


def _step(at: str | None, word: str, text: str) -> str:
    when = clock(at) if at else " " * 12
    return f"  {when}  {state_word(word, 11)}  {plain(text)}".rstrip()
