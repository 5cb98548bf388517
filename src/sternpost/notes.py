"""The closed list of notes: what was changed of a delivered event, or what the destination may do with it that nobody expects.

Like the reasons, one table for console, CLI, API and documentation; the sandbox says the same of what it is sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

NoteCode: TypeAlias = Literal[
    "too_old",
    "delayed_reprocess",
    "timestamp_future",
    "timestamp_seconds",
    "before_definition",
    "props_trimmed",
    "props_dropped",
    "props_too_large",
    "property_count",
    "bad_property_key",
    "key_renamed",
    "key_unusable",
    "key_collision",
    "nested_trait_flattened",
    "nested_property",
    "object_dropped",
    "null_dropped",
    "value_invalid",
    "value_long",
    "value_converted",
    "type_mismatch",
    "list_in_custom",
    "unknown_field",
    "bad_metadata_key",
    "date_assumed_utc",
    "date_ambiguous",
    "date_unparsed",
    "id_trimmed",
    "trait_id_ignored",
    "account_parent_syntax",
    "no_account",
    "unknown_visitor",
    "same_ms",
    "reply_lost_retry",
    "identity_mapping_off",
    "event_limit",
    "property_key_limit",
    "secret_mixup",
    "bulk_delete_limit",
    "segment_in_progress",
    "segmentio_off",
    "bad_jzb",
    "wrong_id_key",
    "do_not_process_data",
]


@dataclass(frozen=True, slots=True)
class NoteText:
    """What a note on a delivery means."""

    code: NoteCode
    title: str
    text: str
    remedy: str


NOTES: dict[NoteCode, NoteText] = {
    note.code: note
    for note in (
        NoteText(
            "too_old",
            "Older than 7 days",
            "Pendo may never process events older than 7 days.",
            "Replay earlier next time.",
        ),
        NoteText(
            "delayed_reprocess",
            "In a past hour",
            "The event lies in a past hour; Pendo shows it after a later daily or weekly run.",
            "Wait.",
        ),
        NoteText(
            "timestamp_future",
            "In the future",
            "The event's time is more than a day ahead.",
            "Correct the device's clock, or send sentAt.",
        ),
        NoteText(
            "timestamp_seconds",
            "Seconds, not milliseconds",
            "The time looks like seconds; Pendo expects milliseconds.",
            "Seen only with raw calls; Sternpost sends milliseconds.",
        ),
        NoteText(
            "before_definition",
            "Before definition",
            "The event lies before its name was defined in Pendo.",
            "Nothing.",
        ),
        NoteText(
            "props_trimmed",
            "Properties trimmed",
            "The properties were larger than the 512 bytes that Pendo shows; a text was cut.",
            "Send fewer or shorter properties.",
        ),
        NoteText(
            "props_dropped",
            "Property dropped",
            "The properties were larger than the 512 bytes that Pendo shows; some were left out.",
            "Send fewer properties.",
        ),
        NoteText(
            "props_too_large",
            "Properties too large",
            "Pendo shows at most 512 bytes of properties.",
            "Send fewer properties.",
        ),
        NoteText(
            "property_count",
            "Many properties",
            "Pendo advises about 20 properties an event.",
            "Send fewer properties.",
        ),
        NoteText(
            "bad_property_key",
            "Unusable property name",
            "Pendo does not display a property of this name.",
            "Use letters, digits and _; not a leading digit; at most 32 characters.",
        ),
        NoteText(
            "key_renamed",
            "Name changed",
            "The name is not one that Pendo displays; it was sent under another.",
            "Rename it in the app.",
        ),
        NoteText(
            "key_unusable",
            "Name not usable",
            "The name has no letter or digit that Pendo could display; it was left out.",
            "Rename it in the app.",
        ),
        NoteText(
            "key_collision",
            "Two names became one",
            "Two names become one field in Pendo; one of them won.",
            "Use one spelling.",
        ),
        NoteText(
            "nested_trait_flattened",
            "Nested trait flattened",
            "A trait holds an object; it was sent as flat fields.",
            "Nothing, or choose nestedTraits: drop.",
        ),
        NoteText(
            "nested_property",
            "Nested property",
            "A property holds an object; Pendo shows flat values only.",
            "Nothing, or choose nestedTraits.",
        ),
        NoteText(
            "object_dropped",
            "Object dropped",
            "An object that Pendo ignores was left out.",
            "Send flat values.",
        ),
        NoteText("null_dropped", "Null dropped", "A null was not sent.", "Nothing."),
        NoteText(
            "value_invalid",
            "Not a number",
            "A value that is not a finite number was left out.",
            "Correct the value in the app.",
        ),
        NoteText(
            "value_long",
            "Text cut",
            "A text was longer than 1,500 characters and was cut.",
            "Send shorter texts.",
        ),
        NoteText(
            "value_converted",
            "Value converted",
            "A text was converted to the field's type in Pendo.",
            "Send the right type.",
        ),
        NoteText(
            "type_mismatch",
            "Type differs",
            "The value's type differs from the field's type in Pendo; it was sent as it is.",
            "Correct the type.",
        ),
        NoteText(
            "list_in_custom",
            "List joined",
            "A list was joined to one text: only agent metadata takes lists.",
            "Nothing.",
        ),
        NoteText(
            "unknown_field",
            "Unknown field",
            "The field does not exist in the custom group and was left out.",
            "Create the field in Pendo.",
        ),
        NoteText(
            "bad_metadata_key",
            "Unusable field name",
            "Pendo makes no segments or reports of a field of this name.",
            "Use letters, digits and _.",
        ),
        NoteText(
            "date_assumed_utc",
            "Time zone assumed",
            "A date without a time zone was taken as UTC.",
            "Send a time zone.",
        ),
        NoteText(
            "date_ambiguous",
            "Ambiguous date",
            "A date could be read in two ways and was sent unchanged.",
            "Send dates as 2026-01-31 or with a full timestamp.",
        ),
        NoteText(
            "date_unparsed",
            "Unreadable date",
            "A value of a date-like name could not be read as a date and was sent unchanged.",
            "Send dates as RFC 3339.",
        ),
        NoteText(
            "id_trimmed",
            "Id trimmed",
            "White space around an id was removed.",
            "Send the id without it.",
        ),
        NoteText(
            "trait_id_ignored",
            "Trait id ignored",
            "A trait named id differs from the call's id; the call's id is used.",
            "Do not send a trait named id.",
        ),
        NoteText(
            "account_parent_syntax",
            "Account id contains ::",
            "Pendo reads parent::child in an account id.",
            "Nothing if that is meant.",
        ),
        NoteText(
            "no_account",
            "No account",
            "The event carries no account; account reports will miss it.",
            "Call group first, or send groupId in the context.",
        ),
        NoteText(
            "unknown_visitor",
            "New visitor",
            "Pendo had not seen this visitor before.",
            "Send identify first, with the same id as in the browser.",
        ),
        NoteText(
            "same_ms",
            "Same millisecond",
            "Two events of this person share a millisecond; Pendo may keep one.",
            "Send exact times.",
        ),
        NoteText(
            "reply_lost_retry",
            "Reply was lost",
            "A try ended without an answer and a later one succeeded; the event may be counted twice.",
            "Nothing.",
        ),
        NoteText(
            "identity_mapping_off",
            "Identity mapping off",
            "The anonymous history is merged only if identity mapping is switched on in Pendo.",
            "Ask for it in Pendo's settings.",
        ),
        NoteText(
            "event_limit",
            "Many event names",
            "Pendo keeps at most 5,000 event names per app.",
            "Put variable parts into properties.",
        ),
        NoteText(
            "property_key_limit",
            "Many property names",
            "Pendo keeps at most 10,000 property names per subscription.",
            "Use fewer names.",
        ),
        NoteText(
            "secret_mixup",
            "Key of another kind",
            "A key of another kind or region was used.",
            "Compare the keys with Pendo's settings.",
        ),
        NoteText(
            "bulk_delete_limit",
            "Bulk delete limit",
            "More than 500 ids, or more than one call a second.",
            "Send fewer.",
        ),
        NoteText(
            "segment_in_progress",
            "Segment busy",
            "Another change of the segment is under way.",
            "Try again.",
        ),
        NoteText(
            "segmentio_off",
            "Segment route off",
            "Track events on the Segment route must be switched on by Pendo.",
            "Use /data/track.",
        ),
        NoteText(
            "bad_jzb",
            "Unreadable jzb",
            "The compressed payload could not be decoded.",
            "Check the client.",
        ),
        NoteText(
            "wrong_id_key",
            "Wrong id key",
            "A metadata item names its id under another key than visitorId or accountId.",
            "Use visitorId or accountId.",
        ),
        NoteText(
            "do_not_process_data",
            "Data of an opted-out person",
            "Data of a person who is marked as do not process was dropped.",
            "Nothing.",
        ),
    )
}
