"""What is sent to Pendo for one event (mapping rules G, I, V, A, T and P of the contract)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sternpost.destinations.base import Known, Part, Plan
from sternpost.destinations.pendo.calls import Item, Kind, metadata_part, track_body
from sternpost.destinations.pendo.clean import clean_traits
from sternpost.destinations.pendo.constants import (
    EVENT_FUTURE_MAX_MS,
    EVENT_MAX_AGE_DAYS,
    FIELDS_MAX,
    METADATA_BATCH_MAX_BYTES,
    NOTES_MAX,
    SAME_MS,
    TRACK_BODY_BYTES_MAX,
)
from sternpost.destinations.pendo.flatten import size
from sternpost.destinations.pendo.ids import (
    BadId,
    account_of,
    anonymous_visitor,
    id_text,
    joined,
    number_text,
    parent_of,
    user_of,
)
from sternpost.destinations.pendo.properties import clean_properties, fit
from sternpost.destinations.pendo.settings import PendoSettings
from sternpost.model import Message, Mode, Note, Person, Rejected, Skipped

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

NOTHING: Mapping[str, Any] = {}


def plan(
    message: Message, person: Person, settings: PendoSettings, known: Known
) -> Plan | Skipped | Rejected:
    """The requests for one event, or why there are none. `key_missing` comes last: when a request would have been made (G7)."""
    notes: list[Note] = []
    try:
        match message.type:
            case "track" | "page" | "screen":
                made = _track(message, person, settings, known, notes)
            case "identify":
                made = _identify(message, person, settings, known, notes)
            case "group":
                made = _group(message, person, settings, known, notes)
            case "alias" | "merge":
                return _alias(person, settings, known)
            case other:
                return Skipped("type_not_supported", f"The type is {other[:60]}.")
    except BadId as bad:
        return bad.rejected
    except (UnicodeEncodeError, RecursionError) as error:
        return Rejected("encoding_impossible", _unwritable(error))
    return made


def hold_s(message: Message, settings: PendoSettings, mode: Mode) -> float | None:
    """Seconds that an anonymous event waits for its link (rules I6, I7), None when it does not wait.

    A group call writes its account at once (I7.7); page and screen calls that are switched off have nothing to wait for.
    """
    if settings.anonymous(mode) != "hold":
        return None
    waits = {
        "identify": True,
        "track": True,
        "page": settings.page_events,
        "screen": settings.screen_events,
    }
    return settings.anonymous_hold_days * 86_400.0 if waits.get(message.type, False) else None


# --- track, page, screen ----------------------------------------------------------------------------------------------


def _track(
    message: Message, person: Person, settings: PendoSettings, known: Known, notes: list[Note]
) -> Plan | Skipped | Rejected:
    body = message.body
    properties = body.get("properties")
    if not isinstance(properties, dict):
        if properties is not None:
            notes.append(Note("value_invalid", "properties", "no object"))
        properties = NOTHING
    match message.type:
        case "page":
            if not settings.page_events:
                return Skipped("page_off", "pageEvents is off.")
            name, properties = "Page Viewed", _with_names(body, properties, notes)
        case "screen":
            if not settings.screen_events:
                return Skipped("screen_off", "screenEvents is off.")
            name, properties = "Screen Viewed", _with_names(body, properties, notes)
        case _:
            read = _event_name(body.get("event"))
            if isinstance(read, Rejected):
                return read
            name = read
    visitor = _visitor(message, person, settings, known, notes)
    if isinstance(visitor, Skipped):
        return visitor
    account = account_of(message, person, settings.parent_account_trait, notes)
    if not account.id:
        notes.append(Note("no_account"))
    timestamp = message.event.at_ms
    _time_notes(timestamp, known.now_ms, notes)
    payload = track_body(
        event=name,
        visitor=visitor,
        account=account.id,
        timestamp=timestamp,
        properties=fit(clean_properties(properties, notes=notes, nested=settings.nested_traits), notes=notes),
        context=_context(message),
    )
    if len(payload) > TRACK_BODY_BYTES_MAX:
        return _too_large(len(payload), TRACK_BODY_BYTES_MAX, notes)
    if opted_out := _opted_out(f"visitor:{visitor}", known):
        return opted_out
    if settings.track_event_secret is None:
        return Skipped("key_missing", "trackEventSecret is not set.", _bounded(notes))
    stamp = f"{visitor}|{timestamp}|track" if SAME_MS == "warn" else ""
    return Plan((Part(payload, len(payload), ids=(f"visitor:{visitor}",), stamp=stamp),), _bounded(notes))


def _event_name(value: object) -> str | Rejected:
    """T2: a text as it came, a number as its decimal text."""
    if isinstance(value, str):
        return value if value.strip() else Rejected("event_name_missing", "`event` is blank.")
    if value is None:
        return Rejected("event_name_missing", "`event` is missing or null.")
    if isinstance(value, int | float) and not isinstance(value, bool) and (text := number_text(value)):
        return text
    return Rejected("event_name_not_text", f"`event` is {_json_type(value)}.")


def _with_names(
    body: Mapping[str, Any], properties: Mapping[str, Any], notes: list[Note]
) -> Mapping[str, Any]:
    """P1: `name` and `category` of the call before its own properties. Where the two differ the call's wins."""
    names = {
        key: body[key]
        for key in ("name", "category")
        if isinstance(body.get(key), str | int | float) and body[key] != ""
    }
    for key, value in names.items():
        if key in properties and properties[key] != value:
            notes.append(Note("key_collision", f"properties.{key}", f"properties.{key} ↔ {key}"))
    return {**names, **{key: value for key, value in properties.items() if key not in names}}


def _context(message: Message) -> dict[str, str]:
    """T4: what Pendo takes of the context. A server's own address is no visitor's."""
    body = message.body
    context = body.get("context")
    if not isinstance(context, dict):
        context = NOTHING
    page = context.get("page")
    if not isinstance(page, dict):
        page = NOTHING
    ip = context.get("ip")
    if not _is_text(ip) and message.source_type != "server":
        ip = body.get("request_ip") or message.event.request_ip
    found = {
        "ip": ip,
        "userAgent": context.get("userAgent"),
        "url": page.get("url"),
        "title": page.get("title"),
    }
    return {name: value for name, value in found.items() if isinstance(value, str) and value}


def _time_notes(timestamp: int, now_ms: int, notes: list[Note]) -> None:
    """T3: what Pendo answers with 200 and may not show. An event that is too old is past every hour, so one note is enough."""
    if now_ms - timestamp > EVENT_MAX_AGE_DAYS * DAY_MS:
        days = (now_ms - timestamp) // DAY_MS
        notes.append(Note("too_old", "timestamp", f"{days} days old"))
    elif timestamp < now_ms - now_ms % HOUR_MS:
        notes.append(Note("delayed_reprocess", "timestamp"))
    elif timestamp - now_ms > EVENT_FUTURE_MAX_MS:
        notes.append(Note("timestamp_future", "timestamp", f"{(timestamp - now_ms) // DAY_MS} days ahead"))


# --- identify ---------------------------------------------------------------------------------------------------------


def _identify(
    message: Message, person: Person, settings: PendoSettings, known: Known, notes: list[Note]
) -> Plan | Skipped | Rejected:
    visitor = _visitor(message, person, settings, known, notes)
    if isinstance(visitor, Skipped):
        return visitor
    body = message.body
    context = body.get("context")
    below = context.get("traits") if isinstance(context, dict) else None
    traits = {**_object(below, "context.traits", notes), **_object(body.get("traits"), "traits", notes)}
    if (too_many := _too_many(traits, settings)) is not None:
        return too_many
    values = _cleaned(traits, "visitor", visitor, settings, known, notes)
    if not values:
        return Skipped(
            "nothing_to_write",
            f"No trait is left to write; Pendo creates {_shown(visitor)} with its first event.",
            _bounded(notes),
        )
    part = metadata_part("visitor", visitor, values, settings)
    return _metadata((part,), "visitor metadata written", settings, known, notes)


# --- group ------------------------------------------------------------------------------------------------------------


def _group(
    message: Message, person: Person, settings: PendoSettings, known: Known, notes: list[Note]
) -> Plan | Skipped | Rejected:
    user = user_of(message, person, notes)
    child = id_text(message.body.get("groupId"), "groupId", notes)
    if not child:
        return Skipped("group_without_id", "groupId is missing, null or blank.", _bounded(notes))
    traits = _object(message.body.get("traits"), "traits", notes)
    if (too_many := _too_many(traits, settings)) is not None:
        return too_many
    trait = settings.parent_account_trait
    parent, parent_traits = "", NOTHING
    if trait:
        parent, parent_traits = parent_of(traits.get(trait), trait, notes)
        # A group call without the trait says nothing new about the parent.
        parent = parent or person.group_parents.get(child, NOTHING).get(trait, "")
    account = joined(parent, child, notes)
    parts: list[Part] = []
    if parent_traits and (values := _cleaned(parent_traits, "parentAccount", parent, settings, known, notes)):
        parts.append(metadata_part("parentAccount", parent, values, settings))
    left_out = frozenset({trait}) if trait else frozenset()
    if values := _cleaned(traits, "account", account.child, settings, known, notes, left_out=left_out):
        parts.append(metadata_part("account", account.id, values, settings))
    attached = _attached(message, user, account.id, settings, known)
    if not parts:
        return Skipped("nothing_to_write", f"association recorded; {attached}", _bounded(notes))
    written = " and ".join(
        "account metadata" if part.payload.kind == "account" else "parent account metadata" for part in parts
    )
    return _metadata(tuple(parts), f"{written} written; {attached}", settings, known, notes)


def _attached(message: Message, user: str, account: str, settings: PendoSettings, known: Known) -> str:
    """A2: how Pendo will learn who belongs to the account."""
    if user:
        return f"{_shown(user)} will be attached to {_shown(account)} by the next event"
    match settings.anonymous(known.mode):
        case "prefix":
            visitor = _shown(anonymous_visitor(message))
            return f"{visitor} will be attached to {_shown(account)} by the next event"
        case "hold":
            return f"the person will be attached to {_shown(account)} once identified, by the next event"
        case _:
            return f"the call names no user; who identifies later is attached to {_shown(account)} by the next event"


# --- alias, merge -----------------------------------------------------------------------------------------------------


def _alias(person: Person, settings: PendoSettings, known: Known) -> Skipped:
    """I8: a link under hold when the previous id was an anonymous one, else nothing that Pendo could do."""
    if person.linked and settings.anonymous(known.mode) == "hold":
        return Skipped(
            "nothing_to_write",
            f"Link recorded: the anonymous events of previousId are delivered under {_shown(person.user_id)}.",
        )
    return Skipped(
        "alias_unsupported",
        "Pendo has no merge of two identified visitors, and none from a server; its support offers an irreversible one.",
    )


# --- what they share --------------------------------------------------------------------------------------------------


def _visitor(
    message: Message, person: Person, settings: PendoSettings, known: Known, notes: list[Note]
) -> str | Skipped:
    """The visitor of an event (rules I1, I2, I6, I7)."""
    user = user_of(message, person, notes)
    if user:
        return user
    match settings.anonymous(known.mode):
        case "prefix":
            return anonymous_visitor(message)
        case "hold":
            # The store hands out a held event without a link only when its time is over, or when it never had to wait.
            days = settings.anonymous_hold_days
            if known.now_ms - message.event.at_ms > days * DAY_MS:
                return Skipped("anonymous_expired", f"No identify within {days} days (anonymousHoldDays).")
            return Skipped("anonymous", "No identify has named this person yet (anonymousVisitors: hold).")
        case _:
            automatic = ", which auto means here" if settings.anonymous_visitors == "auto" else ""
            return Skipped("anonymous", f"The event has no userId (anonymousVisitors: skip{automatic}).")


def _cleaned(
    traits: Mapping[str, Any],
    kind: Kind,
    id_value: str,
    settings: PendoSettings,
    known: Known,
    notes: list[Note],
    *,
    left_out: frozenset[str] = frozenset(),
) -> dict[str, Any]:
    return clean_traits(
        traits,
        notes=notes,
        group=settings.metadata_group,
        nested=settings.nested_traits,
        schema=known.references.get(f"schema/{kind}") if settings.metadata_group == "custom" else None,
        id_text=id_value,
        left_out=left_out,
    )


def _metadata(
    parts: tuple[Part, ...], detail: str, settings: PendoSettings, known: Known, notes: list[Note]
) -> Plan | Skipped | Rejected:
    for part in parts:
        if part.size_bytes > METADATA_BATCH_MAX_BYTES:
            return _too_large(part.size_bytes, METADATA_BATCH_MAX_BYTES, notes)
        item: Item = part.payload
        if opted_out := _opted_out(f"{item.kind}:{item.id}", known):
            return opted_out
    if settings.integration_key is None:
        return Skipped("key_missing", "integrationKey is not set.", _bounded(notes))
    return Plan(parts, _bounded(notes), detail)


def _opted_out(known_id: str, known: Known) -> Skipped | None:
    """An id that got 451 within DNP_REMEMBER_H is not asked about again."""
    if known.skip_ids and known.skip_ids.get(known_id, 0.0) * 1000 > known.now_ms:
        return Skipped(
            "do_not_process", f"Pendo answered 451 for {_shown(known_id)} within the last 24 hours."
        )
    return None


def _object(value: object, path: str, notes: list[Note]) -> Mapping[str, Any]:
    if isinstance(value, dict):
        return value
    if value is not None:
        notes.append(Note("value_invalid", path, "no object"))
    return NOTHING


def _too_many(traits: Mapping[str, Any], settings: PendoSettings) -> Rejected | None:
    """C9: whoever sends so many traits uses ids as names, and mapping them would hold up others."""
    if size(traits, FIELDS_MAX, nested=settings.nested_traits == "flatten") <= FIELDS_MAX:
        return None
    return Rejected(
        "too_large_to_send", f"There are more than {FIELDS_MAX:,} traits; at most so many are mapped."
    )


def _too_large(size_bytes: int, limit: int, notes: list[Note]) -> Rejected:
    return Rejected(
        "too_large_to_send",
        f"The request would have {size_bytes:,} bytes; at most {limit:,} are sent.",
        _bounded(notes),
    )


def _bounded(notes: list[Note]) -> tuple[Note, ...]:
    if len(notes) <= NOTES_MAX:
        return tuple(notes)
    more = len(notes) - NOTES_MAX + 1
    return (
        *notes[: NOTES_MAX - 1],
        Note(notes[NOTES_MAX - 1].code, "", f"and {more} more remarks of all kinds"),
    )


def _unwritable(error: UnicodeEncodeError | RecursionError) -> str:
    if isinstance(error, RecursionError):
        return "A value is nested too deep to be written."
    return "A text holds half of a surrogate pair, which UTF-8 cannot write."


def _json_type(value: object) -> str:
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, float):
        return "not a finite number"
    return "a list" if isinstance(value, list) else "an object"


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _shown(text: str) -> str:
    return text if len(text) <= 100 else f"{text[:100]}…"
