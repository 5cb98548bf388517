"""Verify: asks a destination with harmless requests whether its settings work, and finds out what is wrong where that can be told.

A check that fails is looked into: the destination names suspects (another region, two keys exchanged), each with a request that proves
it. What cannot be reached at all is explained here, alike for every destination.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from sternpost.control import fate
from sternpost.control.context import Context
from sternpost.destinations.base import Field, Suspect
from sternpost.model import Call, DestinationConfig, Reply
from sternpost.workspace.settings import fields_of

CHECKED = "checked:"  #: with the id of a destination: what its last check said
CHECK_TIMEOUT_S = 10.0  #: of one request; commands wait for fifteen seconds
SUSPECTS_MAX = 10  #: requests that look into one failed check

#: What to say and to do when there is no answer at all, by the reply's error.
NO_ANSWER: Mapping[str, tuple[str, str]] = {
    "name_not_found": (
        "The name {host} cannot be resolved.",
        "Look for a typing error in the host, and check this machine's DNS.",
    ),
    "connection_refused": (
        "Nothing takes connections at {host}: {detail}",
        "Check host and port, and whether a firewall lets this machine out.",
    ),
    "certificate_not_trusted": (
        "The certificate of {host} is not trusted: {detail}",
        "Correct the host, or make the authority known to this machine (SSL_CERT_FILE).",
    ),
    "address_not_allowed": (
        "{host} is a private address, and a destination may not connect to those: {detail}",
        "Start the server with --allow-private-hosts and that network, or correct the host.",
    ),
    "timeout": (
        "{host} did not answer within {seconds:g} s.",
        "Check whether a firewall or proxy swallows the connection, then check again.",
    ),
}
OTHERWISE = (
    "The connection to {host} broke: {detail}",
    "Check the host and what lies between, then check again.",
)


async def examine(context: Context, config: DestinationConfig) -> tuple[list[dict[str, Any]], list[float]]:
    """The checks of settings, saved or not, and how far the destination's clock is from ours, in seconds."""
    destination = context.destinations[config.type]
    fields = fields_of(destination.spec)
    found: list[dict[str, Any]] = []
    if config.secret_problem:
        found.append(
            check(
                "secrets", "fail", config.secret_problem, remedy="Set it and restart.", destination=config.id
            )
        )
    found += [
        check("settings", "warning", fact, destination=config.id, field=_named(fact, tuple(fields)))
        for fact in destination.facts(config.settings)
    ]
    planned = list(destination.checks(config.settings))
    replies = iter(
        await asyncio.gather(*(_ask(context, config, call) for _, call, _ in planned if call is not None))
    )
    offsets = []
    for name, call, finding in planned:
        field = _field_of(name, fields)
        if call is None:
            if finding:
                found.append(check(name, "info", finding, destination=config.id, field=field))
            continue
        reply = next(replies)
        found.append(await _read(context, config, name, call, reply, field))
        if (offset := _offset_s(reply, context.clock())) is not None:
            offsets.append(offset)
    return found, offsets


async def verify(context: Context, config: DestinationConfig) -> dict[str, Any]:
    """The checks as an answer: ok, at, checks."""
    checks, _ = await examine(context, config)
    return {
        "ok": all(one["result"] != "fail" for one in checks),
        "at": fate.when(context.clock()),
        "checks": checks,
    }


async def keep(context: Context, destination_id: str, answer: Mapping[str, Any]) -> None:
    """Keep an answer as the destination's last check."""
    await context.facts.remember({f"{CHECKED}{destination_id}": json.dumps(answer)})


def check(
    name: str, result: str, message: str, *, remedy: str = "", destination: str | None = None, field: str = ""
) -> dict[str, Any]:
    """One line of an answer; `field` is the setting it is about, when it is about one."""
    return {
        "name": name,
        "destination": destination,
        "result": result,
        "message": message,
        "remedy": remedy,
        "field": field,
    }


async def _read(
    context: Context, config: DestinationConfig, name: str, call: Call, reply: Reply, field: str
) -> dict[str, Any]:
    destination = context.destinations[config.type]
    if reply.status is None:
        message, remedy = NO_ANSWER.get(reply.error or "", OTHERWISE)
        url = urlsplit(call.url)
        host, port = url.netloc, url.port or (443 if url.scheme == "https" else 80)
        # The sentence names the host already.
        detail = (reply.error_detail or str(reply.error or "no answer")).removeprefix(
            f"{url.hostname}:{port}: "
        )
        detail = detail.rstrip(".") + "."
        said = message.format(host=host, detail=detail, seconds=CHECK_TIMEOUT_S)
        return check(name, "fail", said, remedy=remedy, destination=config.id, field=field)
    fine, sentence = destination.read_check(name, reply, config.settings)
    if fine:
        return check(name, "ok", sentence, destination=config.id, field=field)
    proved = await _suspect(context, config, name, reply)
    if proved is not None:
        return check(name, "fail", proved.message, remedy=proved.remedy, destination=config.id, field=field)
    return check(name, "fail", sentence, destination=config.id, field=field)


async def _suspect(context: Context, config: DestinationConfig, name: str, reply: Reply) -> Suspect | None:
    """The first suspect that its request proves."""
    destination = context.destinations[config.type]
    suspects = list(destination.suspects(name, reply, config.settings))[:SUSPECTS_MAX]
    replies = await asyncio.gather(*(_ask(context, config, suspect.call) for suspect in suspects))
    for suspect, answer in zip(suspects, replies, strict=True):
        if answer.status is not None and destination.read_check(suspect.check, answer, suspect.settings)[0]:
            return suspect
    return None


async def _ask(context: Context, config: DestinationConfig, call: Call) -> Reply:
    try:
        return await asyncio.wait_for(context.ask(config, call), CHECK_TIMEOUT_S)
    except TimeoutError:
        detail = f"No answer within {CHECK_TIMEOUT_S:g} s."
        return Reply(None, {}, b"", int(CHECK_TIMEOUT_S * 1000), "timeout", detail)


def _field_of(name: str, fields: Mapping[str, Field]) -> str:
    """The setting that a check is called after: integrationKey for "integration key"."""
    plain = name.replace(" ", "").casefold()
    return next((field for field in fields if field.casefold() == plain), "")


def _named(fact: str, fields: Sequence[str]) -> str:
    """The setting that a sentence names first."""
    named = [(fact.index(field), field) for field in fields if field in fact]
    return min(named)[1] if named else ""


def _offset_s(reply: Reply, now: float) -> float | None:
    """How far the destination's clock is ahead of ours, by the Date of its answer."""
    try:
        return parsedate_to_datetime(reply.headers.get("date", "")).timestamp() - now
    except (TypeError, ValueError):
        return None
