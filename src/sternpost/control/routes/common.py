"""What the functions of several operations share: reading a request, and looking things up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import msgspec
from msgspec import structs
from starlette.requests import Request

from sternpost.control.answers import ApiError
from sternpost.control.auth import PRINCIPAL, Principal
from sternpost.control.context import Context
from sternpost.control.filters import Filter, parse
from sternpost.control.operation import MOUNT, PLACE_DIGITS_MAX
from sternpost.control.preview import Preview, accounts_of, preview
from sternpost.limits import PAGE_ROWS_MAX
from sternpost.model import DestinationConfig, Event, Person, Source, Workspace
from sternpost.workspace.hints import near_miss

BODY_BYTES_MAX = 1_000_000  #: of a request; a workspace or an event is far smaller
T = TypeVar("T")
C = TypeVar("C", bound=str)

PAGE_ROWS = 50  #: when no limit is given


async def totals(context: Context) -> dict[str, Any]:
    workspace = context.workspaces.current
    return await context.views.stats(
        destinations=workspace.destinations,
        sources=workspace.sources,
        bytes_max=context.bytes_max,
        now=context.clock(),
    )


def filter_of(context: Context, request: Request) -> Filter:
    """The filter of a request; who may not see personal data asks it of what is seen instead."""
    found = parse(request.query_params.get("q", ""), request.query_params, now=context.clock())
    return replace(found, hidden=not principal_of(request).personal_data)


def principal_of(request: Request) -> Principal:
    """Who asks."""
    found: Principal = request.scope[PRINCIPAL]
    return found


async def body_of(
    request: Request, required: set[str] | None = None, *, may_be_empty: bool = False
) -> dict[str, Any]:
    """The JSON object of a request, bounded while it is read; `may_be_empty`: no body is an empty one."""
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > BODY_BYTES_MAX:
            raise ApiError(413, "The body is larger than 1 MB.", "Send less at once.")
    if may_be_empty and not content:
        return {}
    try:
        body = msgspec.json.decode(bytes(content))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise ApiError(400, "The body is not JSON.", "Send a JSON object.") from None
    if not isinstance(body, dict):
        raise ApiError(400, "The body is JSON, but no object.", "Send a JSON object.")
    for name in sorted(required or ()):
        if name not in body:
            raise ApiError(400, f"`{name}` is missing.", f"{MOUNT}/openapi.json shows the body.")
    return body


async def preview_of(
    context: Context,
    event: Event,
    config: DestinationConfig,
    source: Source | None,
    *,
    user_id: str = "",
    linked: bool = False,
    at: float | None = None,
) -> tuple[Preview, Person]:
    destination = context.destinations[config.type]
    groups = accounts_of(event) if destination.parent_traits(config.settings) else ()
    person = await context.views.person(event, user_id, groups)
    previewed = preview(
        event,
        source=source,
        config=config,
        connection=context.workspaces.current.connection(event.source_id, config.id),
        destination=destination,
        person=structs.replace(person, linked=linked),
        now_ms=int((context.clock() if at is None else at) * 1000),
    )
    return previewed, person


def warnings(context: Context) -> list[dict[str, str]]:
    """What the workspace in force leaves to be desired."""
    return warnings_of(context, context.workspaces.current)


def warnings_of(context: Context, workspace: Workspace) -> list[dict[str, str]]:
    """What a workspace leaves to be desired, by destination."""
    found = []
    for config in workspace.destinations.values():
        facts = list(context.destinations[config.type].facts(config.settings))
        if config.secret_problem:
            facts.insert(0, config.secret_problem)
        found += [{"destination": config.id, "message": fact} for fact in facts]
    return found


def actor_of(request: Request) -> str:
    """Who asks, as records tell it: a user, or a token by its name."""
    return principal_of(request).name


def page_of(
    request: Request, entries: Sequence[T], usual: int = PAGE_ROWS_MAX
) -> tuple[Sequence[T], str | None]:
    """One page of a list that is in memory, and its `next`: where the one after it begins, None on the last.

    `usual` is how many rows it has when the request does not say.
    """
    begin = number_of(request, "after") or 0
    end = begin + limit_of(request, usual)
    return entries[begin:end], str(end) if end < len(entries) else None


def destination_of(context: Context, identifier: str) -> DestinationConfig:
    known = context.workspaces.current.destinations
    config = known.get(identifier)
    if config is None:
        raise no_such("destination", identifier, known)
    return config


def no_such(noun: str, identifier: str, known: Mapping[str, object]) -> ApiError:
    hint = near_miss(identifier, known)
    names = ", ".join(list(known)[:20])
    return ApiError(
        404,
        f'No {noun} "{identifier[:100]}".',
        f'Did you mean "{hint}"?'
        if hint
        else f"There are: {names}."
        if names
        else f"There is no {noun} yet.",
    )


def text_of(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise ApiError(400, f"`{name}` must be text.")
    return value


def limit_of(request: Request, usual: int) -> int:
    """Rows of a page, as asked for. Raises ApiError for a number that no page has."""
    if "limit" not in request.query_params:
        return usual
    number = number_of(request, "limit")
    if number is None or not 1 <= number <= PAGE_ROWS_MAX:
        raise ApiError(
            400, f"limit must be a number from 1 to {PAGE_ROWS_MAX}.", "Follow `next` for more than one page."
        )
    return number


def number_of(request: Request, name: str) -> int | None:
    text = request.query_params.get(name)
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= PLACE_DIGITS_MAX):
        raise ApiError(400, f"{name} must be a whole number.", "Take `next` of an earlier answer.")
    return int(text)


def cursor(seq: int | None) -> str | None:
    """Where the next page begins, as text: it means something to us only."""
    return str(seq) if seq is not None else None


def choice_of(request: Request, name: str, choices: Sequence[C]) -> C:
    """A parameter that is one of a few words; the first when it is not given. Raises ApiError for any other."""
    text = request.query_params.get(name)
    if text is None:
        return choices[0]
    for choice in choices:
        if text == choice:
            return choice
    raise ApiError(400, f'{name} cannot be "{text[:40]}".', f"Use one of: {', '.join(choices)}.")


def flag_of(request: Request, name: str) -> bool:
    """Whether a parameter says yes. Anything but a clear word is refused: a dry run that is none would change things."""
    text = request.query_params.get(name, "").lower()
    if text not in {"", "0", "1", "false", "true", "no", "yes"}:
        raise ApiError(400, f"{name} must be 1 or 0.")
    return text in {"1", "true", "yes"}
