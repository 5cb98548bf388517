"""The `settings` of a destination: its own fields and those that every destination has, checked one by one."""

from __future__ import annotations

import re
from typing import Any, cast
from urllib.parse import urlsplit

from sternpost.destinations.base import Destination, Field, Spec
from sternpost.model import Consent, DestinationConfig, EventFiltering, Secret
from sternpost.workspace.checking import Check, Section
from sternpost.workspace.references import CONTROL, References, Unresolved
from sternpost.workspace.yaml import child

EVENT_FILTERING_KEYS = ("mode", "events")
CONSENT_KEYS = ("provider", "resolutionStrategy", "consents")
FILTER_MODES = ("off", "allow", "deny")
STRATEGIES = ("and", "or")
#: Providers are compared exactly, so another spelling of these would silently never apply.
CONSENT_PROVIDERS = ("oneTrust", "ketch", "iubenda", "custom")

COMMON_FIELDS: tuple[Field, ...] = (
    Field(
        "ratePerSecond",
        "Requests per second",
        "At most so many requests a second, all channels together.",
        kind="number",
        default=100,
        minimum=0.01,
        maximum=100_000,
        group="Limits",
    ),
    Field(
        "concurrency",
        "Requests at the same time",
        "At most so many requests are on their way at once.",
        kind="integer",
        default=64,
        minimum=1,
        maximum=1_000,
        group="Limits",
    ),
    Field(
        "eventFiltering",
        "Event filtering",
        "Track events by name: off lets all pass, allow only the listed ones, deny all but these. Names are compared exactly, "
        "without spaces around them; with allow and no list, no track event passes.",
        kind="object",
        default={"mode": "off", "events": []},
        example='{"mode": "deny", "events": ["Debug"]}',
        group="What to send",
        members=(
            Field(
                "mode", "Mode", "Which track events pass.", kind="choice", default="off", choices=FILTER_MODES
            ),
            Field("events", "Events", "Names, a line each.", kind="texts", default=[], example="Debug"),
        ),
    ),
    Field(
        "consent",
        "Consent",
        "An entry for each provider. An event whose context.consentManagement denies any of its consents (with or: all of them) is "
        "skipped. For other providers than custom the event's own strategy counts.",
        kind="object",
        default=[],
        example='[{"provider": "oneTrust", "resolutionStrategy": "and", "consents": ["C0004"]}]',
        group="What to send",
        many=True,
        members=(
            Field(
                "provider",
                "Provider",
                "As SDKs spell it: oneTrust, ketch, iubenda, custom.",
                required=True,
                example="oneTrust",
            ),
            Field(
                "resolutionStrategy",
                "Strategy",
                "and: one refusal stops the event. or: all must be refused.",
                kind="choice",
                default="and",
                choices=STRATEGIES,
            ),
            Field(
                "consents",
                "Consents",
                "Ids of consents or categories, a line each.",
                kind="texts",
                required=True,
                default=[],
                example="C0004",
            ),
        ),
    ),
)
"""Settings that every destination has besides those of its `spec`. A field of the same name there sets its own default and range."""


def fields_of(spec: Spec) -> dict[str, Field]:
    """The fields of a destination's `settings` by name, in the order in which people read them: its own, then the common ones."""
    fields = {field.name: field for field in spec.fields}
    for field in COMMON_FIELDS:
        fields.setdefault(field.name, field)
    return fields


class SettingsReader:
    """Reads the `settings` of one destination by the fields of its spec."""

    def __init__(self, check: Check, references: References, spec: Spec, *, secrets_required: bool) -> None:
        self.check = check
        self.references = references
        self.secrets_required = secrets_required
        self.own = {field.name for field in spec.fields}
        self.fields = fields_of(spec)
        self.values: dict[str, Any] = {}
        self.secret_problem = ""

    def read(
        self, parent: Section, destination: Destination, *, destination_id: str, name: str, enabled: bool
    ) -> DestinationConfig | None:
        check = self.check
        problems_before = len(check.problems)
        path = parent.at("settings")
        given = parent.values.get("settings")
        section = check.section(path, {} if given is None else given, tuple(self.fields))
        if section is None:
            return None
        for field in self.fields.values():
            value = section.values.get(field.name)
            if value is None:
                value = field.default
                if value is None:
                    if field.required:
                        check.add(section.at(field.name), f"{field.name} is missing.", _example(field))
                    continue
            read = self._value(section.at(field.name), field, value)
            if read is not None:
                self.values[field.name] = read
        filtering = self._event_filtering(section.at("eventFiltering"))
        consent = self._consent(section.at("consent"))
        if len(check.problems) > problems_before:
            return None
        try:
            settings = destination.parse(
                {key: value for key, value in self.values.items() if key in self.own}
            )
        except ValueError as error:
            self._refused(section, str(error))
            return None
        return DestinationConfig(
            id=destination_id,
            name=name,
            type=destination.spec.type,
            enabled=enabled,
            settings=settings,
            event_filtering=filtering,
            consent=consent,
            rate_per_second=float(self.values["ratePerSecond"]),
            concurrency=int(self.values["concurrency"]),
            secret_problem=self.secret_problem,
        )

    def _refused(self, section: Section, sentence: str) -> None:
        """A destination's own objection: "<field>: <sentence>", the field possibly with a path into it."""
        place, separator, message = sentence.partition(": ")
        field = re.split(r"[.\[]", place)[0]
        if separator and field in self.fields:
            self.check.add(section.at(place), message)
        else:
            self.check.add(section.path, sentence)

    def _value(self, path: str, field: Field, value: Any) -> Any:
        check = self.check
        match field.kind:
            case "text" | "url":
                text = check.text(path, value)
                if text is None:
                    return None
                if "${" in text:
                    try:
                        text = self.references.resolve(text)
                    except Unresolved as error:
                        check.secret(path, error)
                        return None
                return _url(check, path, text) if field.kind == "url" else text
            case "choice":
                if isinstance(value, str) and value in field.aliases:
                    return value  # its destination understands it, and says so among its facts
                return check.choice(path, value, field.choices, field.name)
            case "boolean":
                return check.boolean(path, value)
            case "integer" | "number":
                return check.number(
                    path,
                    value,
                    minimum=field.minimum,
                    maximum=field.maximum,
                    integer=field.kind == "integer",
                )
            case "object":
                # Consent is a list; its shape is checked where it is read.
                return value if field.name == "consent" else check.mapping(path, value)
            case "secret":
                text = check.text(path, value)
                return None if text is None else self._secret(path, field, text)
            case "map":
                return self._map(path, field, value)
            case "texts":
                return check.texts(path, value)

    def _secret(self, path: str, field: Field, text: str) -> Secret | None:
        try:
            return Secret(self.references.resolve(text))
        except Unresolved as error:
            if self.secrets_required:
                self.check.secret(path, error)
            elif not self.secret_problem:
                self.secret_problem = error.sentence
            # A required one must be there for the destination to read its settings; it is blocked anyway.
            return Secret("") if field.required else None

    def _map(self, path: str, field: Field, value: Any) -> dict[str, Any] | None:
        given = self.check.mapping(path, value)
        if given is None:
            return None
        values: dict[str, Any] = {}
        for key, member in given.items():
            place = child(path, key)
            text = self.check.text(place, member)
            if text is None:
                continue
            if self.references.refers(text):
                secret = self._secret(place, field, text)
                if secret is not None:
                    values[key] = secret
            else:
                values[key] = text
        return values

    def _event_filtering(self, path: str) -> EventFiltering:
        given = self.values.get("eventFiltering")
        section = None if given is None else self.check.section(path, given, EVENT_FILTERING_KEYS)
        if section is None:
            return EventFiltering()
        mode = section.choice("mode", FILTER_MODES, default="off")
        events = section.texts("events")
        return EventFiltering(cast("Any", mode), tuple(event.strip() for event in events))

    def _consent(self, path: str) -> tuple[Consent, ...]:
        entries: list[Consent] = []
        for section in self.check.list_of_sections(path, self.values.get("consent"), CONSENT_KEYS):
            provider = section.text("provider", required=True).strip()
            meant = {name.lower(): name for name in CONSENT_PROVIDERS}.get(provider.lower())
            if meant and meant != provider:
                self.check.add(
                    section.at("provider"),
                    "Providers are compared exactly, and SDKs send another spelling.",
                    f"Write {meant}.",
                )
            if any(entry.provider == provider for entry in entries):
                self.check.add(
                    section.at("provider"), "An earlier entry is for the same provider.", "Keep one of them."
                )
            strategy = section.choice("resolutionStrategy", STRATEGIES, default="and")
            consents = tuple(text.strip() for text in section.texts("consents"))
            if not consents:
                self.check.add(
                    section.at("consents"),
                    "An entry without consents stops nothing.",
                    "List at least one, or remove the entry.",
                )
            entries.append(Consent(provider, strategy, consents))
        return tuple(entries)


def _url(check: Check, path: str, text: str) -> str | None:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        signed_in = "@" in parts.netloc
    except ValueError:
        usable = signed_in = False
    if signed_in:
        check.add(
            path,
            "An address with a name or password in it would show them.",
            "Put them into a header that reads ${NAME}.",
        )
    elif not usable or CONTROL.search(text) or " " in text:
        check.add(path, "This is not an address.", "Write it in full: https://hooks.example.com/events")
    else:
        return text
    return None


def _example(field: Field) -> str:
    return f"Add it, for example {field.name}: {field.example}" if field.example else f"Add {field.name}."
