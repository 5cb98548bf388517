"""The catalogue: what kinds of destinations there are, and everything a form needs to know about one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from starlette.requests import Request

from sternpost.control.context import Context
from sternpost.control.operation import AFTER, LIMIT, NEXT, Operation
from sternpost.control.routes.common import no_such, page_of
from sternpost.control.schema import TEXT, TEXTS, YES_NO, by_name, list_of, one_of, record
from sternpost.destinations.base import Destination, Field, FieldKind
from sternpost.workspace.document import MODES
from sternpost.workspace.settings import fields_of
from sternpost.workspace.sources import SOURCE_TYPES

GROUPS = ("Connect", "Identity", "What to send", "Limits")  #: of fields, in the order of a form

_FIELD: Mapping[str, Any] = {
    "name": TEXT,
    "label": {"type": "string", "description": "The partner's words."},
    "help": TEXT,
    "where": {"type": "string", "description": "Where to find it in the partner's product."},
    "kind": {
        "type": "string",
        "enum": list(get_args(FieldKind)),
    },
    "secret": {"type": "boolean", "description": "Never shown again once it is saved."},
    "required": {"type": "boolean"},
    "default": {},
    "choices": TEXTS,
    "choiceTexts": by_name(TEXT),
    "minimum": {"type": ["number", "null"]},
    "maximum": {"type": ["number", "null"]},
    "example": TEXT,
    "group": {"type": "string", "enum": list(GROUPS)},
    "members": list_of(
        {"$ref": "#/components/schemas/Field"},
        text="Of an object: what stands in it, as fields; none: any names and values.",
    ),
    "many": {"type": "boolean", "description": "It is a list of such objects."},
}
_ENTRY: Mapping[str, Any] = {
    "type": {"type": "string", "description": "As a destination's `type`."},
    "name": TEXT,
    "summary": TEXT,
    "needs": {"type": "string", "description": "What to have at hand before one starts."},
    "docs": TEXT,
    "eventTypes": {**TEXTS, "description": "Calls it takes; none: all."},
    "modes": list_of(
        record({"sourceType": one_of(*SOURCE_TYPES), "modes": by_name(YES_NO)}, title="ModesOfSourceType"),
        text="Which modes a source of each type may have.",
    ),
    "modeTexts": by_name(TEXT),
    "fields": list_of(record(_FIELD, title="Field")),
}
ENTRY = record(_ENTRY, title="CatalogueEntry")


async def catalogue(context: Context, request: Request) -> Any:
    page, following = page_of(request, list(context.destinations.values()))
    return {"catalogue": [entry(one) for one in page], "next": following}


async def catalogue_entry(context: Context, request: Request) -> Any:
    kind = request.path_params["type"]
    if kind not in context.destinations:
        raise no_such("kind of destination", kind, context.destinations)
    return entry(context.destinations[kind])


def entry(destination: Destination) -> dict[str, Any]:
    """What the catalogue says about one kind."""
    spec = destination.spec
    fields = sorted(fields_of(spec).values(), key=lambda field: GROUPS.index(field.group))
    return {
        "type": spec.type,
        "name": spec.display_name,
        "summary": spec.summary,
        "needs": spec.needs,
        "docs": spec.docs,
        "eventTypes": sorted(spec.types),
        "modes": [
            {
                "sourceType": source_type,
                "modes": {mode: mode in spec.modes.get(source_type, ()) for mode in MODES},
            }
            for source_type in SOURCE_TYPES
        ],
        "modeTexts": dict(spec.mode_texts),
        "fields": [_field(field) for field in fields],
    }


def _field(field: Field) -> dict[str, Any]:
    return {
        "name": field.name,
        "label": field.label,
        "help": field.help,
        "where": field.where,
        "kind": field.kind,
        "secret": field.kind in {"secret", "map"},
        "required": field.required,
        "default": field.default,
        "choices": list(field.choices),
        "choiceTexts": dict(field.choice_texts),
        "minimum": field.minimum,
        "maximum": field.maximum,
        "example": field.example,
        "group": field.group,
        "members": [_field(member) for member in field.members],
        "many": field.many,
    }


OPERATIONS = (
    Operation(
        catalogue,
        "GET",
        "/catalogue",
        "Kinds of destinations with their fields and modes",
        "catalogue, next",
        query=(LIMIT, AFTER),
        members={"catalogue": list_of(ENTRY), "next": NEXT},
    ),
    Operation(
        catalogue_entry,
        "GET",
        "/catalogue/{type}",
        "One kind of destination",
        "the entry itself",
        schema=ENTRY,
    ),
)
