"""The sources of a document: their write keys, what pages may use them, and what of their events is masked."""

from __future__ import annotations

import re
from collections.abc import Callable, MutableMapping
from datetime import datetime
from typing import cast, get_args

from sternpost.limits import KEY_CHARS_MAX
from sternpost.model import Masking, PreviousKey, Source, SourceType
from sternpost.workspace.checking import Check, Section, quote
from sternpost.workspace.references import References, Unresolved
from sternpost.workspace.yaml import child

MASKED_PATHS_MAX = 50  #: of one source: each costs a walk through every event
MASKED_PATH_CHARS_MAX = 200
#: Without them an event is none, or cannot be told apart or put in order.
UNMASKED = ("messageId", "type", "timestamp", "originalTimestamp", "sentAt", "batch", "*")
#: Whose they are must be known, by a hash at least.
IDENTITIES = ("userId", "anonymousId")
PREVIOUS_KEYS_MAX = 5  #: of a source; more rotations at a time than anybody can follow

SOURCE_KEYS = (
    "id",
    "name",
    "type",
    "writeKey",
    "enabled",
    "allowedOrigins",
    "blockedEvents",
    "requestsPerSecond",
    "privacy",
    "previousWriteKeys",
)
PRIVACY_KEYS = ("drop", "hash")
PREVIOUS_KEY_KEYS = ("writeKey", "until")
SOURCE_TYPES: tuple[str, ...] = get_args(SourceType)

_WRITE_KEY = re.compile(r"[!-9;-~]+")  # printable ASCII; a colon would end it in basic authorization
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/?#@]+")


def read_sources(
    check: Check,
    top: Section,
    references: References,
    generated: MutableMapping[str, str],
    new_write_key: Callable[[str], str] | None,
) -> dict[str, Source | None]:
    """Sources by id; None for one that has an id and problems, so that references to it are not problems too."""
    found: dict[str, Source | None] = {}
    key_owners: dict[str, str] = {}
    for section in top.sections("sources", SOURCE_KEYS):
        problems_before = len(check.problems)
        source_id = section.identifier(found, "source")
        name = section.text("name", default=source_id)
        source_type = section.choice("type", SOURCE_TYPES, required=True)
        enabled = section.boolean("enabled", default=True)
        origins = section.texts("allowedOrigins")
        for index, origin in enumerate(origins):
            _origin(check, child(section.at("allowedOrigins"), index), origin)
        blocked = section.texts("blockedEvents")
        rate = section.number("requestsPerSecond", default=0.0, minimum=0, maximum=1_000_000)
        masking = _masking(section)
        write_key = _write_key(section, references)
        previous = _previous_keys(section)
        if write_key is None and source_id and len(check.problems) == problems_before:
            write_key = generated.get(source_id)
            if write_key is None and new_write_key:
                write_key = generated[source_id] = new_write_key(source_id)
            if write_key is None:
                check.add(section.at("writeKey"), "The write key is missing.", "Give the source a writeKey.")
        if write_key is not None:
            owner = key_owners.setdefault(write_key, section.path)
            if owner != section.path:
                check.add(
                    section.at("writeKey"),
                    f"{owner} has the same write key.",
                    "Give each source its own: it tells them apart.",
                )
        for index, key in enumerate(previous):
            place = child(child(section.at("previousWriteKeys"), index), "writeKey")
            if key_owners.setdefault(key.write_key, place) != place:
                check.add(place, "This key is in use.", "Remove it here: a key belongs to one source.")
        if not source_id:
            continue
        found[source_id] = None
        if len(check.problems) == problems_before:
            found[source_id] = Source(
                id=source_id,
                name=name,
                type=cast("SourceType", source_type),
                write_key=write_key or "",
                enabled=enabled,
                allowed_origins=tuple(origin.lower() for origin in origins),
                blocked_events=frozenset(blocked),
                masking=masking,
                requests_per_second=rate,
                previous_keys=tuple(previous),
            )
    return found


def _masking(source: Section) -> Masking | None:
    """`privacy` of a source: paths whose values are dropped or hashed before anything is stored."""
    if source.values.get("privacy") is None:
        return None
    section = source.check.section(source.at("privacy"), source.values["privacy"], PRIVACY_KEYS)
    if section is None:
        return None
    paths = {key: tuple(path.strip() for path in section.texts(key)) for key in PRIVACY_KEYS}
    if sum(map(len, paths.values())) > MASKED_PATHS_MAX:
        source.check.add(section.path, "There are too many paths.", f"Give at most {MASKED_PATHS_MAX}.")
    for key, listed in paths.items():
        for index, path in enumerate(listed):
            if problem := _path_problem(path, key):
                source.check.add(child(section.at(key), index), *problem)
    both = set(paths["drop"]) & set(paths["hash"])
    if both:
        source.check.add(section.path, f"{quote(min(both))} is dropped and hashed.", "Keep one of them.")
    return Masking(paths["drop"], paths["hash"]) if any(paths.values()) else None


def _path_problem(path: str, key: str) -> tuple[str, str] | None:
    names = path.split(".")
    if not all(names) or len(path) > MASKED_PATH_CHARS_MAX:
        return f"{quote(path)} is not a path.", "Write keys with dots between them, such as traits.email."
    if names[0] in UNMASKED:
        return f"{names[0]} cannot be masked.", "Name the field that holds what is private."
    if key == "drop" and path in IDENTITIES:
        return f"Without {path} nobody knows whose event it is.", "Put it under hash."
    return None


def _previous_keys(section: Section) -> list[PreviousKey]:
    """Write keys that were rotated out, each with the time until which it is taken."""
    check, place = section.check, section.at("previousWriteKeys")
    found = []
    for entry in section.sections("previousWriteKeys", PREVIOUS_KEY_KEYS):
        write_key = entry.text("writeKey", required=True)
        until = _moment(entry.text("until", required=True))
        if write_key and not _WRITE_KEY.fullmatch(write_key):
            check.add(entry.at("writeKey"), "This cannot be a write key.", "Remove the entry.")
        elif write_key and until is None:
            check.add(entry.at("until"), "This is not a moment.", "Write e.g. 2026-11-03T10:00:00Z.")
        elif write_key and until is not None:
            found.append(PreviousKey(write_key, until))
    if len(found) > PREVIOUS_KEYS_MAX:
        check.add(place, f"More than {PREVIOUS_KEYS_MAX} earlier keys.", "Remove the oldest.")
    return found


def _moment(text: str) -> float | None:
    """Unix seconds of an ISO 8601 text with a zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo is not None else None


def _write_key(section: Section, references: References) -> str | None:
    path = section.at("writeKey")
    text = section.text("writeKey", default="")
    if not text:
        return None
    try:
        write_key = references.resolve(text) if references.refers(text) else text
    except Unresolved as error:
        section.check.secret(path, error)
        return None
    if len(write_key) > KEY_CHARS_MAX or not _WRITE_KEY.fullmatch(write_key):
        section.check.add(
            path,
            "This cannot be a write key.",
            f"Use up to {KEY_CHARS_MAX} letters, digits and signs, without spaces and colons.",
        )
        return None
    return write_key


def _origin(check: Check, path: str, origin: str) -> None:
    if origin == "*":
        check.add(path, "* is not an origin.", "Leave allowedOrigins out to allow any origin.")
    elif origin != "null" and not _ORIGIN.fullmatch(origin.lower()):
        check.add(
            path,
            "This is not an origin.",
            "Write scheme, host and port as the browser sends them, without a path: https://app.example.com",
        )
