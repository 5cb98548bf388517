"""A workspace document becomes a `Workspace`, or a list of everything that is wrong with it.

A document is data of JSON kinds: the content of a workspace file, of the store, or of a request to the API. `parse` is pure: the
environment, files, the key of sealed secrets and new write keys come in as arguments.

One run finds as many mistakes as it can, each with path, line and remedy, and nothing is applied unless there is none. A message never
repeats what could be a secret: values are quoted only where one of a few words is expected, and only short ones.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, MutableMapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast, get_args
from urllib.parse import urlsplit

from sternpost.destinations.base import Destination, Field, Spec
from sternpost.errors import Problem, WorkspaceError
from sternpost.limits import KEY_CHARS_MAX
from sternpost.model import (
    Connection,
    Consent,
    DestinationConfig,
    EventFiltering,
    Masking,
    Mode,
    PreviousKey,
    Secret,
    Source,
    SourceType,
    Workspace,
)
from sternpost.workspace.hints import either, near_miss
from sternpost.workspace.secrets import SEALED_PREFIX, SecretUnreadable
from sternpost.workspace.yaml import child

VERSION = 1
ID_CHARS_MAX = 64
NAME_CHARS_MAX = 200
MASKED_PATHS_MAX = 50  #: of one source: each costs a walk through every event
MASKED_PATH_CHARS_MAX = 200
#: Without them an event is none, or cannot be told apart or put in order.
UNMASKED = ("messageId", "type", "timestamp", "originalTimestamp", "sentAt", "batch", "*")
#: Whose they are must be known, by a hash at least.
IDENTITIES = ("userId", "anonymousId")
PREVIOUS_KEYS_MAX = 5  #: of a source; more rotations at a time than anybody can follow
QUOTED_CHARS_MAX = 32  #: a key of Pendo has thirty-six; what is longer than any of our words is not repeated

TOP_KEYS = ("version", "sources", "destinations", "connections")
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
DESTINATION_KEYS = ("id", "name", "type", "enabled", "settings")
CONNECTION_KEYS = ("source", "destination", "mode")
EVENT_FILTERING_KEYS = ("mode", "events")
CONSENT_KEYS = ("provider", "resolutionStrategy", "consents")

SOURCE_TYPES: tuple[str, ...] = get_args(SourceType)
MODES: tuple[str, ...] = get_args(Mode)
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

_ID = re.compile(r"[a-z0-9][a-z0-9_-]*")
_WRITE_KEY = re.compile(r"[!-9;-~]+")  # printable ASCII; a colon would end it in basic authorization
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/?#@]+")
_REFERENCE = re.compile(r"\$\{([^}]*)\}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def parse(
    data: Any,
    *,
    destinations: Mapping[str, Destination],
    lines: Mapping[str, int] | None = None,
    env: Mapping[str, str] | None = None,
    read_file: Callable[[str], str] | None = None,
    unseal: Callable[[str], str] | None = None,
    generated: MutableMapping[str, str] | None = None,
    new_write_key: Callable[[str], str] | None = None,
    secrets_required: bool = True,
    revision: int = 0,
    file: str = "",
) -> Workspace:
    """The workspace that a document describes. Raises WorkspaceError with every problem found.

    `destinations`       the registry, by type
    `lines`              path → line, from `yaml.load`, when the document is a file
    `env`, `read_file`   where `${NAME}` and `file:PATH` are read; read_file raises OSError or ValueError for what it cannot give
    `unseal`             opens secrets of a stored document (`sealed:…`); raises SecretUnreadable
    `generated`          write keys by source id that were made earlier; new ones are added, for the caller to keep
    `new_write_key`      makes a write key for a source id; without it a missing key is a problem
    `secrets_required`   True: a secret that cannot be read is a problem. False: its destination is blocked and says why
    """
    check = _Check(lines or {})
    secrets = _Secrets(env or {}, read_file, unseal)
    top = check.section("", data, TOP_KEYS)
    if top is None:
        raise WorkspaceError(check.problems, file)
    _version(check, top)
    sources = _sources(check, top, secrets, {} if generated is None else generated, new_write_key)
    configs = _destinations(check, top, secrets, destinations, secrets_required=secrets_required)
    connections = _connections(check, top, sources, configs, destinations)
    if check.problems:
        raise WorkspaceError(sorted(check.problems, key=lambda problem: problem.line or 0), file)
    return Workspace(
        revision=revision,
        sources={key: source for key, source in sources.items() if source},
        destinations={key: found.config for key, found in configs.items() if found.config},
        connections=tuple(connections),
        read_from=file,
    )


# --- the parts --------------------------------------------------------------------------------------------------------


def _version(check: _Check, top: _Section) -> None:
    version = top.values.get("version")
    if version is None:
        check.add("version", "The version is missing.", f"Begin with: version: {VERSION}")
    elif version is True or version != VERSION:
        check.add("version", "This Sternpost reads version 1 only.", f"Write: version: {VERSION}")


def _sources(
    check: _Check,
    top: _Section,
    secrets: _Secrets,
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
        write_key = _write_key(section, secrets)
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


def _masking(source: _Section) -> Masking | None:
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
        source.check.add(section.path, f"{_quote(min(both))} is dropped and hashed.", "Keep one of them.")
    return Masking(paths["drop"], paths["hash"]) if any(paths.values()) else None


def _path_problem(path: str, key: str) -> tuple[str, str] | None:
    names = path.split(".")
    if not all(names) or len(path) > MASKED_PATH_CHARS_MAX:
        return f"{_quote(path)} is not a path.", "Write keys with dots between them, such as traits.email."
    if names[0] in UNMASKED:
        return f"{names[0]} cannot be masked.", "Name the field that holds what is private."
    if key == "drop" and path in IDENTITIES:
        return f"Without {path} nobody knows whose event it is.", "Put it under hash."
    return None


def _previous_keys(section: _Section) -> list[PreviousKey]:
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


def _write_key(section: _Section, secrets: _Secrets) -> str | None:
    path = section.at("writeKey")
    text = section.text("writeKey", default="")
    if not text:
        return None
    try:
        write_key = secrets.resolve(text) if secrets.refers(text) else text
    except _Unresolved as error:
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


def _origin(check: _Check, path: str, origin: str) -> None:
    if origin == "*":
        check.add(path, "* is not an origin.", "Leave allowedOrigins out to allow any origin.")
    elif origin != "null" and not _ORIGIN.fullmatch(origin.lower()):
        check.add(
            path,
            "This is not an origin.",
            "Write scheme, host and port as the browser sends them, without a path: https://app.example.com",
        )


class _Found(NamedTuple):
    """A destination that was read: what connections need to know, also when its settings have problems."""

    spec: Spec | None
    config: DestinationConfig | None
    has_api_key: bool


def _destinations(
    check: _Check,
    top: _Section,
    secrets: _Secrets,
    registry: Mapping[str, Destination],
    *,
    secrets_required: bool,
) -> dict[str, _Found]:
    found: dict[str, _Found] = {}
    for section in top.sections("destinations", DESTINATION_KEYS):
        destination_id = section.identifier(found, "destination")
        name = section.text("name", default=destination_id)
        enabled = section.boolean("enabled", default=True)
        kind = section.choice("type", tuple(registry), required=True, noun="destination type")
        config: DestinationConfig | None = None
        spec: Spec | None = None
        has_api_key = True
        if kind:
            destination = registry[kind]
            spec = destination.spec
            # A destination that is switched off may wait for its keys.
            settings = _Settings(check, secrets, spec, secrets_required=secrets_required and enabled)
            config = settings.read(
                section, destination, destination_id=destination_id, name=name, enabled=enabled
            )
            given = section.values.get("settings", {})
            has_api_key = bool(given.get("apiKey")) if isinstance(given, Mapping) else given is not None
        if destination_id:
            found[destination_id] = _Found(spec, config, has_api_key)
    return found


class _Settings:
    """Reads the `settings` of one destination by the fields of its spec."""

    def __init__(self, check: _Check, secrets: _Secrets, spec: Spec, *, secrets_required: bool) -> None:
        self.check = check
        self.secrets = secrets
        self.secrets_required = secrets_required
        self.own = {field.name for field in spec.fields}
        self.fields = fields_of(spec)
        self.values: dict[str, Any] = {}
        self.secret_problem = ""

    def read(
        self, parent: _Section, destination: Destination, *, destination_id: str, name: str, enabled: bool
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

    def _refused(self, section: _Section, sentence: str) -> None:
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
                        text = self.secrets.resolve(text)
                    except _Unresolved as error:
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
            return Secret(self.secrets.resolve(text))
        except _Unresolved as error:
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
            if self.secrets.refers(text):
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


def fields_of(spec: Spec) -> dict[str, Field]:
    """The fields of a destination's `settings` by name, in the order in which people read them: its own, then the common ones."""
    fields = {field.name: field for field in spec.fields}
    for field in COMMON_FIELDS:
        fields.setdefault(field.name, field)
    return fields


def _connections(
    check: _Check,
    top: _Section,
    sources: Mapping[str, Source | None],
    destinations: Mapping[str, _Found],
    registry: Mapping[str, Destination],
) -> list[Connection]:
    found: dict[tuple[str, str], Connection] = {}
    places: dict[tuple[str, str], str] = {}
    for section in top.sections("connections", CONNECTION_KEYS):
        source_id = section.text("source", required=True)
        destination_id = section.text("destination", required=True)
        mode = cast("Mode", section.choice("mode", MODES, default="cloud"))
        known = _known(section, "source", source_id, sources)
        known = _known(section, "destination", destination_id, destinations) and known
        if not known or not mode:
            continue
        pair = (source_id, destination_id)
        if pair in places:
            check.add(
                section.path,
                f"{places[pair]} connects the same source and destination.",
                "Keep one of them.",
            )
            continue
        places[pair] = section.path
        found[pair] = Connection(source_id, destination_id, mode)
        source = sources[source_id]
        destination = destinations[destination_id]
        if source and destination.spec:
            _mode(section, mode, source, destination)
    return list(found.values())


def _known(section: _Section, key: str, identifier: str, known: Collection[str]) -> bool:
    if identifier in known:
        return True
    if identifier and not section.check.in_doubt(f"{key}s"):
        meant = near_miss(identifier, known)
        remedy = f'Did you mean "{meant}"?' if meant else f"Add it to {key}s, or remove the connection."
        section.check.add(section.at(key), f"No {key} {_quote(identifier)}.", remedy)
    return False


def _mode(section: _Section, mode: Mode, source: Source, destination: _Found) -> None:
    spec = destination.spec
    assert spec is not None
    possible = [candidate for candidate in MODES if candidate in spec.modes.get(source.type, frozenset())]
    if mode not in possible:
        section.check.add(
            section.at("mode"),
            f"{mode} is not possible from a source of type {source.type} to {spec.display_name}.",
            f"Use {either(possible)}." if possible else "Remove the connection.",
        )
    elif mode != "cloud" and not destination.has_api_key:
        section.check.add(
            section.at("mode"),
            f"{mode} needs the apiKey of the destination, and it has none.",
            "Set apiKey in its settings, or use mode cloud.",
        )


# --- secrets ----------------------------------------------------------------------------------------------------------


class _Unresolved(Exception):
    """A reference to a secret leads nowhere. Its message names the reference, never a value."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    @property
    def sentence(self) -> str:
        return f"{self.message} {self.remedy}"


class _Secrets:
    """Reads what `${NAME}`, `file:PATH` and `sealed:…` stand for."""

    def __init__(
        self,
        env: Mapping[str, str],
        read_file: Callable[[str], str] | None,
        unseal: Callable[[str], str] | None,
    ) -> None:
        self._env = env
        self._read_file = read_file
        self._unseal = unseal

    def refers(self, text: str) -> bool:
        return "${" in text or text.startswith(("file:", SEALED_PREFIX))

    def resolve(self, text: str) -> str:
        """The text that is meant, without white space around it. A text that refers to nothing is meant itself."""
        if text.startswith(SEALED_PREFIX):
            return self._sealed(text)
        if text.startswith("file:"):
            path = text.removeprefix("file:").strip()
            return _usable(self._file(path), path)
        if "${" not in text:
            return _usable(text, "The secret")
        names = _REFERENCE.findall(text)
        if not names or not all(_VARIABLE.fullmatch(name) for name in names):
            raise _Unresolved(
                "What stands in ${…} is not the name of a variable.",
                "Write ${NAME} with letters, digits and _.",
            )
        return _usable(_REFERENCE.sub(self._variable, text), either(names))

    def _variable(self, found: re.Match[str]) -> str:
        name = found[1]
        if name.startswith("STERNPOST_"):
            # Otherwise whoever may edit a destination could send the server's own token to it.
            raise _Unresolved(
                f"{name} belongs to the server itself.", "Use a variable whose name begins differently."
            )
        value = self._env.get(name, "")
        if not value:
            raise _Unresolved(f"{name} is not set.", "Set it, or use file:PATH.")
        return value

    def _file(self, path: str) -> str:
        if self._read_file is None:
            raise _Unresolved("Files are not read here.", "Use ${NAME}.")
        try:
            return self._read_file(path)
        except OSError as error:
            reason = (error.strerror or "it cannot be read").lower()
        except ValueError:
            reason = "it is not a short text"
        raise _Unresolved(f"Cannot read {path}: {reason}.", "Correct the path, or use ${NAME}.")

    def _sealed(self, text: str) -> str:
        if self._unseal is None:
            raise _Unresolved(
                "An encrypted secret is of use only in the store that made it.",
                "Write ${NAME} or file:PATH.",
            )
        try:
            return self._unseal(text)
        except SecretUnreadable as error:
            raise _Unresolved(str(error), "Enter the secret again, or bring the old key back.") from None


def _usable(value: str, name: str) -> str:
    value = value.strip()
    if not value:
        raise _Unresolved(f"{name} is empty.", "Put the secret there.")
    if _CONTROL.search(value):
        # It would end up in a header of HTTP.
        raise _Unresolved(f"{name} has more than one line.", "Keep the secret alone there.")
    return value


# --- kinds of values --------------------------------------------------------------------------------------------------


class _Check:
    """Collects problems, and checks single values. A value that is not acceptable is noted and read as None."""

    def __init__(self, lines: Mapping[str, int]) -> None:
        self.problems: list[Problem] = []
        self._lines = lines

    def add(self, path: str, message: str, remedy: str = "") -> None:
        self.problems.append(Problem(path=path, message=message, remedy=remedy, line=self._line(path)))

    def secret(self, path: str, error: _Unresolved) -> None:
        line = self._line(path)
        # With a line the sentence is short enough to be read aloud; the path would only repeat it.
        self.problems.append(Problem("" if line else path, error.message, error.remedy, line))

    def _line(self, path: str) -> int | None:
        """The line of a path, else of what it is part of: a missing key is reported where it should be."""
        while path and path not in self._lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self._lines.get(path)

    def in_doubt(self, key: str) -> bool:
        """Whether an entry of this list has no usable id; a reference may mean it, and would be a second problem of one mistake."""
        place = re.compile(rf"{key}(\[\d+\](\.id)?)?")
        return any(place.fullmatch(problem.path) for problem in self.problems)

    def section(self, path: str, value: Any, known: Sequence[str]) -> _Section | None:
        values = self.mapping(path, value)
        if values is None:
            return None
        for key in values:
            if key not in known:
                meant = near_miss(key, known)
                self.add(
                    child(path, key),
                    "This key is not known.",
                    f'Did you mean "{meant}"?' if meant else f"Known here: {', '.join(known)}.",
                )
        return _Section(self, path, values)

    def list_of_sections(self, path: str, value: Any, known: Sequence[str]) -> Iterable[_Section]:
        entries = None if value is None else self.entries(path, value)
        for index, entry in enumerate(entries or ()):
            section = self.section(child(path, index), entry, known)
            if section:
                yield section

    def mapping(self, path: str, value: Any) -> Mapping[str, Any] | None:
        if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
            return value
        if not path:
            self.add(path, "This is not a workspace.", f"Begin with: version: {VERSION}")
        else:
            self._wrong(path, value, "keys and values", "Write `key: value` below it, indented.")
        return None

    def entries(self, path: str, value: Any) -> Sequence[Any] | None:
        if isinstance(value, list | tuple):
            return value
        self._wrong(path, value, "a list", "Begin each entry with a dash.")
        return None

    def text(self, path: str, value: Any) -> str | None:
        if isinstance(value, str):
            return value
        number = isinstance(value, int | float)
        self._wrong(path, value, "text", "Put it in quotes." if number else "")
        return None

    def boolean(self, path: str, value: Any) -> bool | None:
        if isinstance(value, bool):
            return value
        self._wrong(path, value, "true or false", "Write true or false, without quotes.")
        return None

    def number(
        self, path: str, value: Any, *, minimum: float | None, maximum: float | None, integer: bool
    ) -> float | None:
        usable = isinstance(value, int if integer else int | float) and not isinstance(value, bool)
        if not usable or (isinstance(value, float) and not math.isfinite(value)):
            what = "a whole number" if integer else "a number"
            self._wrong(path, value, what, "Write it in digits, without quotes.")
            return None
        if (minimum is not None and value < minimum) or (maximum is not None and value > maximum):
            self.add(path, f"{value} is out of range.", _range(minimum, maximum))
            return None
        return cast("float", value)

    def choice(self, path: str, value: Any, choices: Sequence[str], noun: str) -> str | None:
        if isinstance(value, str) and value in choices:
            return value
        what = f"a {noun}" if noun.replace(" ", "").islower() else f"a value of {noun}"
        remedy = f"Use {either(choices)}."
        if isinstance(value, str):
            meant = near_miss(value, choices)
            if meant and len(choices) > 2 and meant.lower() == value.lower():
                remedy = f"Did you mean {meant}? {remedy}"
        self.add(path, f"{_quote(value)} is not {what}.", remedy)
        return None

    def texts(self, path: str, value: Any) -> list[str]:
        if value is None:
            return []
        if not isinstance(value, list | tuple):
            self._wrong(path, value, "a list", 'Write it in brackets: ["first", "second"].')
            return []
        found = []
        for index, entry in enumerate(value):
            text = self.text(child(path, index), entry)
            if text is not None and not text.strip():
                self.add(child(path, index), "This is empty.", "Remove it, or write what is meant.")
            elif text is not None:
                found.append(text)
        return found

    def _wrong(self, path: str, value: Any, expected: str, remedy: str) -> None:
        self.add(path, f"{_kind(value).capitalize()} stands where {expected} should be.", remedy)


class _Section:
    """One mapping of the document and its path."""

    def __init__(self, check: _Check, path: str, values: Mapping[str, Any]) -> None:
        self.check = check
        self.path = path
        self.values = values

    def at(self, key: str) -> str:
        return child(self.path, key)

    def sections(self, key: str, known: Sequence[str]) -> Iterable[_Section]:
        return self.check.list_of_sections(self.at(key), self.values.get(key), known)

    def identifier(self, taken: Collection[str], noun: str) -> str:
        """The id, "" when there is no usable one."""
        path = self.at("id")
        value = self.text("id", required=True)
        if not value:
            return ""
        if len(value) > ID_CHARS_MAX or not _ID.fullmatch(value):
            slug = re.sub(r"[^a-z0-9_-]+", "-", value.lower()[:ID_CHARS_MAX]).strip("-_")
            example = f", for example {slug}" if slug else ""
            self.check.add(
                path,
                f"{_quote(value)} cannot be an id.",
                f"Use lower-case letters, digits, - and _, at most {ID_CHARS_MAX}{example}.",
            )
            return ""
        if value in taken:
            self.check.add(path, f'Another {noun} has the id "{value}".', "Give each its own.")
            return ""
        return value

    def text(self, key: str, *, default: str = "", required: bool = False) -> str:
        value = self.values.get(key)
        if value is None:
            if required:
                self.check.add(self.at(key), f"{key} is missing.", f"Add {key}.")
            return default
        text = self.check.text(self.at(key), value)
        if text is not None and required and not text.strip():
            self.check.add(self.at(key), f"{key} is empty.", f"Write the {key}.")
            return default
        if text is not None and len(text) > NAME_CHARS_MAX:
            self.check.add(self.at(key), f"This is longer than {NAME_CHARS_MAX} characters.", "Shorten it.")
            return default
        return text or default

    def choice(
        self,
        key: str,
        choices: Sequence[str],
        *,
        default: str = "",
        required: bool = False,
        noun: str = "",
    ) -> str:
        value = self.values.get(key)
        if value is None:
            if required:
                self.check.add(self.at(key), f"{key} is missing.", f"Use {either(choices)}.")
            return default
        return self.check.choice(self.at(key), value, choices, noun or key) or ""

    def boolean(self, key: str, *, default: bool) -> bool:
        value = self.values.get(key)
        return default if value is None else bool(self.check.boolean(self.at(key), value))

    def texts(self, key: str) -> list[str]:
        return self.check.texts(self.at(key), self.values.get(key))

    def number(self, key: str, *, default: float, minimum: float, maximum: float) -> float:
        value = self.values.get(key)
        if value is None:
            return default
        read = self.check.number(self.at(key), value, minimum=minimum, maximum=maximum, integer=False)
        return default if read is None else float(read)


def _url(check: _Check, path: str, text: str) -> str | None:
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
    elif not usable or _CONTROL.search(text) or " " in text:
        check.add(path, "This is not an address.", "Write it in full: https://hooks.example.com/events")
    else:
        return text
    return None


def _kind(value: Any) -> str:
    if value is None or value == "":
        return "nothing"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "a list" if isinstance(value, list | tuple) else "a group of keys"


def _quote(value: Any) -> str:
    """The value as people wrote it, when it is short and simple; it may be a secret in the wrong place otherwise."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and len(value) <= QUOTED_CHARS_MAX and not _CONTROL.search(value):
        return f'"{value}"'
    if isinstance(value, int | float):
        return str(value)
    return "This"


def _range(minimum: float | None, maximum: float | None) -> str:
    low, high = (
        f"{bound:g}" if bound is not None and abs(bound) < 1e6 else str(bound) for bound in (minimum, maximum)
    )
    if minimum is None:
        return f"Use {high} or less."
    return f"Use {low} or more." if maximum is None else f"Use {low} to {high}."


def _example(field: Field) -> str:
    return f"Add it, for example {field.name}: {field.example}" if field.example else f"Add {field.name}."
