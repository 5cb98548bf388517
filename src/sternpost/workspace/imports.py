"""A workspace of RudderStack becomes one of ours: as much of it as has a counterpart here, with a remark for each part that has none.

Two documents are read: `workspaceConfig.json`, as rudder-server reads it and its control plane serves it, and a saved answer of
`/sourceConfig`, which has a single source. Destinations stand within their sources, or beside them with `connections` that name both. Keys are matched without regard to case, as rudder-server does. `convert` is pure: data in,
document and remarks out. What it returns is accepted by `document.parse`; what would not be is left out, and the remark says why.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from sternpost.destinations.base import Destination
from sternpost.destinations.webhook import RESERVED_HEADERS, USUAL_SECRETS
from sternpost.errors import Problem, WorkspaceError
from sternpost.workspace import yaml
from sternpost.workspace.checking import ID_CHARS_MAX, NAME_CHARS_MAX, VERSION
from sternpost.workspace.document import parse
from sternpost.workspace.settings import CONSENT_PROVIDERS
from sternpost.workspace.stored import variable

#: Definitions of destinations are repeated in it; a large workspace has a few megabytes.
FILE_BYTES_MAX = 20_000_000
SOURCES_MAX = 1_000  #: as many as a workspace file of 1 MB can hold with their destinations
DESTINATIONS_MAX = 5_000  #: occurrences under sources, all together; each is checked on its own
ENTRIES_MAX = 1_000  #: names of a filter, consents, headers of one destination

MOBILE = frozenset(
    {"android", "androidkotlin", "ios", "iosswift", "flutter", "reactnative", "cordova", "unity"}
)
WEB = frozenset({"web", "javascript", "reactjs"})
KINDS: Mapping[str, str] = {"PENDO": "pendo", "WEBHOOK": "webhook"}  #: destinationDefinition.name → ours

_SLUG = re.compile(r"[a-z0-9][a-z0-9_-]*")
_SECRET_HEADER = re.compile(r"auth|token|secret|key|pass|sign|cookie|credential|session", re.IGNORECASE)
_SECRET_VALUE = re.compile(r"(?i:bearer|basic|token)\s+\S|[A-Za-z0-9+/_.=-]{20}")
_REFERS = re.compile(r"\$\{|^\s*(file|sealed):")


class Remark(NamedTuple):
    """What became of one part of the file."""

    fate: Literal["taken", "left out", "note"]
    text: str


@dataclass(slots=True)
class Imported:
    """A workspace that was made of another product's."""

    document: dict[str, Any]  #: valid for `parse`, once the variables are set
    remarks: list[Remark]
    originals: dict[str, str]  #: `source web` → the id it had
    variables: list[str] = field(default_factory=list)  #: to set in the environment of the server

    def text(self) -> str:
        """The workspace file, with the earlier ids in a comment."""
        lines = [f"#   {name}: {json.dumps(was)}" for name, was in self.originals.items()]
        head = ["# Made from a workspace of RudderStack. The ids there:", *lines] if lines else []
        return "\n".join([*head, yaml.dump(self.document)])


def read(content: bytes) -> Any:
    """The data of a file. Raises WorkspaceError for what is no JSON text of a bearable size."""
    if len(content) > FILE_BYTES_MAX:
        raise _error(f"The file is larger than {FILE_BYTES_MAX // 1_000_000} MB.", "Is it RudderStack's?")
    try:
        data = json.loads(content.decode("utf-8-sig"))
        json.dumps(data, ensure_ascii=False).encode()  # half of a surrogate pair cannot be written again
    except (ValueError, RecursionError):
        raise _error("The file is not JSON.", "Give workspaceConfig.json as it was exported.") from None
    return data


def convert(data: Any, destinations: Mapping[str, Destination]) -> Imported:
    """The workspace that RudderStack's file describes.

    Raises WorkspaceError when the file is of another kind, too large, or has nothing that can be taken.
    """
    import_ = _Import(destinations)
    single = _at(data, "source")
    listed = _at(data, "sources")
    if isinstance(single, Mapping) and "destinations" in {key.lower() for key in single}:
        # Only browsers ask for it, and it does not say what kind of source it is.
        import_.kind_unknown = "web"
        listed = [single]
    if not isinstance(listed, list):
        raise _error(
            "This is neither RudderStack's workspaceConfig.json nor an answer of /sourceConfig.",
            'The first has "sources", the second "source" with "destinations".',
        )
    found = [entry for entry in listed if isinstance(entry, Mapping)]
    flat = _list(_at(data, "destinations"))
    links = _links(_at(data, "connections"))
    occurrences = len(flat) + len(links) + sum(len(_list(_at(entry, "destinations"))) for entry in found)
    if len(found) > SOURCES_MAX or occurrences > DESTINATIONS_MAX:
        raise _error(
            f"The file has more than {SOURCES_MAX} sources or {DESTINATIONS_MAX} destinations.",
            "Divide it.",
        )
    blocking = _at(_at(_at(_at(data, "settings"), "eventBlocking"), "events"), "track")
    import_.blocked = list(
        dict.fromkeys(_text(name) for name in _list(blocking)[:ENTRIES_MAX] if _text(name))
    )
    beside = import_.beside(found, [one for one in flat if isinstance(one, Mapping)], links)
    for source, more in zip(found, beside, strict=True):
        import_.source(source, more)
    if not import_.sources:
        reasons = "; ".join(remark.text for remark in import_.remarks[:3])
        raise _error("No source of the file can be taken.", reasons and f"{reasons}.")
    return import_.result()


class _Import:
    """Collects what is taken, and remarks."""

    def __init__(self, destinations: Mapping[str, Destination]) -> None:
        self.registry = destinations
        self.kind_unknown = "server"
        self.blocked: list[str] = []
        self.sources: dict[str, dict[str, Any]] = {}
        self.destinations: dict[str, dict[str, Any]] = {}
        self.connections: dict[tuple[str, str], dict[str, str]] = {}
        self.remarks: list[Remark] = []
        self.originals: dict[str, str] = {}
        self._key_owners: dict[str, str] = {}
        self._same: dict[str, str] = {}  #: what a destination does → its id here
        self._modes: dict[str, set[str]] = {}

    def note(self, text: str) -> None:
        self.remarks.append(Remark("note", text))

    def leave(self, text: str) -> None:
        self.remarks.append(Remark("left out", text))

    def beside(
        self,
        sources: list[Mapping[str, Any]],
        destinations: list[Mapping[str, Any]],
        links: list[Mapping[str, Any]],
    ) -> list[list[Mapping[str, Any]]]:
        """For each source the destinations beside the sources that connections lead to; a remark for what leads nowhere."""
        known = {_text(_at(one, "id")): one for one in destinations}
        places = {_text(_at(one, "id")): index for index, one in enumerate(sources)}
        within = [
            {_text(_at(one, "id")): one for one in _list(_at(source, "destinations"))} for source in sources
        ]
        found: list[list[Mapping[str, Any]]] = [[] for _ in sources]
        used: set[str] = set()
        for link in links:
            source_id, wanted = _text(_at(link, "sourceId")), _text(_at(link, "destinationId"))
            label = f"connection {source_id[:NAME_CHARS_MAX]} → {wanted[:NAME_CHARS_MAX]}"
            place = places.get(source_id)
            if place is None:
                self.leave(f"{label}: the file has no such source")
                continue
            used.add(wanted)
            if wanted in within[place]:
                # It stands in its source, which says all of it but this.
                if _at(link, "enabled") is False:
                    self.note(f"{label}: it was switched off, and is on here: remove the connection")
            elif wanted not in known:
                self.leave(f"{label}: the file has no such destination")
            elif _at(link, "enabled") is False:
                self.leave(f"{label}: it was switched off")
            else:
                processor = _at(link, "processorEnabled")
                more = {} if processor is None else {"isProcessorEnabled": processor}
                found[place].append({**known[wanted], **more})
        inside = {identifier for one in within for identifier in one}
        for identifier, one in known.items():
            if identifier not in used | inside:
                self.leave(f"destination “{_name(one)}”: no source is connected to it")
        return found

    def source(self, given: Mapping[str, Any], beside: list[Mapping[str, Any]]) -> None:
        name = _name(given)
        definition = _at(given, "sourceDefinition")
        product = _text(_at(definition, "name")) or _text(_at(definition, "type"))
        label = f"source “{name}”" + (f" ({product})" if product else "")
        if category := _text(_at(definition, "category")):
            self.leave(f"{label}: sources of category {category} are not supported")
            return
        if _at(given, "originalId"):
            self.leave(f"{label}: it replays another source; here replay needs none")
            return
        kind_given = _folded(_at(definition, "type")) or _folded(product)
        kind = _kind(kind_given) if kind_given else self.kind_unknown
        identifier = self._identifier(given, name, self.sources)
        made: dict[str, Any] = {"id": identifier, "name": name, "type": kind}
        write_key = _text(_at(given, "writeKey"))
        if write_key:
            made["writeKey"] = write_key
        if _at(given, "enabled") is False:
            made["enabled"] = False
        if self.blocked:
            made["blockedEvents"] = self.blocked
        if problem := self._problem({"sources": [made]}):
            self.leave(f"{label}: {problem}")
            return
        if write_key and write_key in self._key_owners:
            self.leave(f"{label}: source “{self._key_owners[write_key]}” has the same write key")
            return
        self._key_owners[write_key] = name
        self.sources[identifier] = made
        self._remember("source", identifier, given)
        key_text = "write key kept" if write_key else "no write key in the file: a new one is made"
        off = ", switched off as it was" if "enabled" in made else ""
        self.remarks.append(Remark("taken", f"{label} → {kind} source {identifier}, {key_text}{off}"))
        if not kind_given:
            self.note(f"source “{name}”: the file does not say what sends to it; type {kind} is assumed")
        for key, what in (
            ("geoEnrichment", "adding the place of an address"),
            ("dgSourceTrackingPlanConfig", "tracking plans"),
            ("transient", "not keeping events"),
        ):
            if _is_on(_at(given, key)):
                self.leave(f"source “{name}”: {key}: {what} is not supported")
        for destination in [*_list(_at(given, "destinations")), *beside]:
            if isinstance(destination, Mapping):
                self._destination(destination, made, kind_given or kind)

    def _destination(self, given: Mapping[str, Any], source: Mapping[str, Any], platform: str) -> None:
        name = _name(given)
        definition = _at(given, "destinationDefinition")
        product = _text(_at(definition, "displayName")) or _text(_at(definition, "name")) or "of no kind"
        kind = KINDS.get(_text(_at(definition, "name")).upper())
        label = f"destination “{name}” ({product})"
        if kind is None:
            self.leave(f"{label} of “{source['name']}”: no such destination here")
            return
        config = _Config(_at(given, "config"), platform)
        settings, losses, refusal = _pendo(config) if kind == "pendo" else _webhook(config)
        if refusal:
            self.leave(f"{label}: {refusal}")
            return
        if filtering := _filtering(config):
            settings["eventFiltering"] = filtering
        if consent := _consent(config):
            settings["consent"] = consent
        is_enabled = _at(given, "enabled") is not False
        same = json.dumps([kind, is_enabled, settings], sort_keys=True)
        identifier = self._same.get(same)
        if identifier is None:
            identifier = self._identifier(given, name, self.destinations)
            made: dict[str, Any] = {"id": identifier, "name": name, "type": kind}
            if not is_enabled:
                made["enabled"] = False
            made["settings"] = settings
            secrets = self._hide_headers(made)
            if problem := self._problem({"destinations": [made]}):
                self.leave(f"{label}: {problem}")
                return
            self._same[same] = identifier
            self.destinations[identifier] = made
            self._remember("destination", identifier, given)
            off = ", switched off as it was" if not is_enabled else ""
            self.remarks.append(Remark("taken", f"{label} → {kind} destination {identifier}{off}"))
            for loss in losses:
                self.leave(f"{label}: {loss}")
            for header, name_ in secrets:
                self.note(f"{label}: header {header} looks secret and is not written down: set {name_}")
            if kind == "pendo":
                self.note(
                    f"{label}: RudderStack keeps no region: us is assumed, change it where it is another"
                )
        elif (source["id"], identifier) not in self.connections:
            self.remarks.append(Remark("taken", f"{label} → {identifier} again: its settings are the same"))
        for transformation in _list(_at(given, "transformations")):
            which = next(
                (
                    _text(_at(transformation, key))
                    for key in ("name", "versionId", "id")
                    if _at(transformation, key)
                ),
                "without a name",
            )
            self.leave(f"{label}: transformation {which[:NAME_CHARS_MAX]}: its code is not in the file")
        self._connect(source, identifier, kind, config, _at(given, "isProcessorEnabled"))

    def _connect(
        self, source: Mapping[str, Any], identifier: str, kind: str, config: _Config, processor: Any
    ) -> None:
        destination = self.destinations[identifier]
        label = f"“{source['name']}” → “{destination['name']}”"
        if (source["id"], identifier) in self.connections:
            self.leave(f"{label}: they are connected already")
            return
        wanted = _mode(config, processor) if kind == "pendo" else "cloud"
        mode = wanted
        if wanted not in self.registry[kind].spec.modes[source["type"]]:
            mode = "cloud"
            self.note(f"{label}: {wanted} is for pages only: cloud")
        elif wanted != "cloud" and not destination["settings"].get("apiKey"):
            mode = "cloud"
            self.note(f"{label}: {wanted} needs an apiKey, and the file has none: cloud")
        self.connections[source["id"], identifier] = {
            "source": source["id"],
            "destination": identifier,
            "mode": mode,
        }
        self._modes.setdefault(identifier, set()).add(mode)
        self.remarks.append(Remark("taken", f"{label}: {mode}"))

    def result(self) -> Imported:
        for identifier, made in self.destinations.items():
            if made["type"] == "pendo" and self._modes.get(identifier, set()) - {"device"}:
                names = []
                for setting in ("integrationKey", "trackEventSecret"):
                    name = variable((identifier, "settings", setting))
                    made["settings"][setting] = f"${{{name}}}"
                    names.append(name)
                self.note(
                    f"Pendo “{made['name']}”: RudderStack keeps no integration key and no track event secret: "
                    f"set {' and '.join(names)}"
                )
        document: dict[str, Any] = {
            "version": VERSION,
            "sources": list(self.sources.values()),
            "destinations": list(self.destinations.values()),
            "connections": list(self.connections.values()),
        }
        text = yaml.dump(document)
        yaml.load(text)  # it must also be small enough to be read as a file
        self._parse(document)
        variables = sorted(set(re.findall(r"\$\{(\w+)\}", json.dumps(document["destinations"]))))
        return Imported(document, self.remarks, self.originals, variables)

    def _hide_headers(self, made: dict[str, Any]) -> list[tuple[str, str]]:
        """Put references in the place of values that look secret; header and variable of each."""
        hidden = []
        taken: set[str] = set()
        for header, value in made["settings"].get("headers", {}).items():
            if (
                header.lower() in USUAL_SECRETS
                or _SECRET_HEADER.search(header)
                or _SECRET_VALUE.match(value)
                or _REFERS.search(value)
            ):
                name = variable((made["id"], "settings", header))
                while name in taken:
                    name += "_2"
                taken.add(name)
                made["settings"]["headers"][header] = f"${{{name}}}"
                hidden.append((header, name))
        return hidden

    def _identifier(self, given: Mapping[str, Any], name: str, taken: Mapping[str, Any]) -> str:
        """The id that it has, if it can be one here; else one made of the name."""
        identifier = _text(_at(given, "id"))
        if len(identifier) > ID_CHARS_MAX or not _SLUG.fullmatch(identifier):
            slug = re.sub(r"[^a-z0-9_]+", "-", name.lower()).strip("-_")
            identifier = slug[: ID_CHARS_MAX - 5].rstrip("-_") or "unnamed"
        number, candidate = 1, identifier
        while candidate in taken:
            number += 1
            candidate = f"{identifier[: ID_CHARS_MAX - 5]}-{number}"
        return candidate

    def _remember(self, kind: str, identifier: str, given: Mapping[str, Any]) -> None:
        was = _text(_at(given, "id"))[:NAME_CHARS_MAX]
        if was and was != identifier:
            self.originals[f"{kind} {identifier}"] = was

    def _problem(self, part: Mapping[str, Any]) -> str:
        """Why a part cannot be taken; "" when it can."""
        try:
            self._parse({"version": VERSION, **part})
        except WorkspaceError as error:
            first = error.problems[0]
            place = first.path.split(".", 1)[-1]
            return f"{place}: {first.message} {first.remedy}".rstrip().rstrip(".")
        return ""

    def _parse(self, document: Mapping[str, Any]) -> None:
        parse(
            document,
            destinations=self.registry,
            env={},
            generated={},
            new_write_key=lambda source_id: f"wk-{source_id}",
            secrets_required=False,
        )


class _Config:
    """The `config` of a destination. A value may be given by kind of source: `{"web": …}`."""

    def __init__(self, given: Any, platform: str) -> None:
        self._given = given
        self._platform = _platform(platform)

    def __getitem__(self, key: str) -> Any:
        value = _at(self._given, key)
        if isinstance(value, Mapping):
            return next((value[one] for one in value if _folded(one) == self._platform), None)
        return value

    def entries(self, key: str) -> list[Any]:
        return _list(self[key])[:ENTRIES_MAX]

    def too_many(self) -> str:
        """The first list that is longer than what is read."""
        for key in ("whitelistedEvents", "blacklistedEvents", "consentManagement", "headers"):
            if len(_list(self[key])) > ENTRIES_MAX:
                return f"{key}: more than {ENTRIES_MAX} entries"
        return ""


def _pendo(config: _Config) -> tuple[dict[str, Any], list[str], str]:
    """Settings, what is lost of them, and why it cannot be taken at all."""
    api_key = _text(config["apiKey"])
    if _REFERS.search(api_key):
        return {}, [], "apiKey: this is not a key"
    return ({"apiKey": api_key} if api_key else {}), [], config.too_many()


def _webhook(config: _Config) -> tuple[dict[str, Any], list[str], str]:
    url = _text(config["webhookUrl"])
    method = _text(config["webhookMethod"]).upper() or "POST"
    if not url:
        return {}, [], "webhookUrl is missing"
    if _REFERS.search(url):
        # A reference would put a variable of the server into an address that somebody else wrote.
        return {}, [], "webhookUrl: an address with ${…} is not taken"
    if method != "POST":
        return {}, [], f"it sends with {method[:20]}; here a webhook always posts"
    headers: dict[str, str] = {}
    losses = []
    for entry in config.entries("headers"):
        header, value = _text(_at(entry, "from")), _text(_at(entry, "to"))
        if header.lower() in RESERVED_HEADERS:
            losses.append(f"header {header}: Sternpost sets it")
        elif header and value:
            headers[header] = value
    return {"url": url} | ({"headers": headers} if headers else {}), losses, config.too_many()


def _filtering(config: _Config) -> dict[str, Any] | None:
    option = _text(config["eventFilteringOption"])
    mode = {"whitelistedEvents": "allow", "blacklistedEvents": "deny"}.get(option)
    if mode is None:
        return None
    names = (_text(_at(entry, "eventName")) for entry in config.entries(option))
    events = list(dict.fromkeys(name for name in names if name))
    # An empty list lets nothing through when it allows, and stops nothing when it denies.
    return {"mode": mode, "events": events} if events or mode == "allow" else None


def _consent(config: _Config) -> list[dict[str, Any]]:
    spelling = {name.lower(): name for name in CONSENT_PROVIDERS}
    found: dict[str, dict[str, Any]] = {}
    for entry in config.entries("consentManagement"):
        provider = _text(_at(entry, "provider"))
        provider = spelling.get(provider.lower(), provider)
        consents = _consents(_list(_at(entry, "consents")), "consent")
        strategy = "or" if _text(_at(entry, "resolutionStrategy")).lower() == "or" else "and"
        if provider and consents:
            found.setdefault(
                provider, {"provider": provider, "resolutionStrategy": strategy, "consents": consents}
            )
    for key, member, provider, strategy in (
        ("oneTrustCookieCategories", "oneTrustCookieCategory", "oneTrust", "and"),
        ("ketchConsentPurposes", "purpose", "ketch", "or"),
    ):
        if consents := _consents(config.entries(key), member):
            found.setdefault(
                provider, {"provider": provider, "resolutionStrategy": strategy, "consents": consents}
            )
    return list(found.values())


def _consents(entries: list[Any], member: str) -> list[str]:
    return list(dict.fromkeys(text for entry in entries[:ENTRIES_MAX] if (text := _text(_at(entry, member)))))


def _mode(config: _Config, processor: Any) -> str:
    """As RudderStack's SDK decides; it takes for device mode whatever is not plainly cloud."""
    given = _text(config["connectionMode"]).lower()
    if given == "hybrid" or config["useNativeSDKToSend"] is True:
        return "hybrid"
    if given == "cloud" and config["useNativeSDK"] is not True:
        return "cloud"
    # Without a mode, what only the server processes is cloud.
    if not given and config["useNativeSDK"] is False and processor is not False:
        return "cloud"
    return "device"


def _kind(platform: str) -> str:
    return "web" if platform in WEB else "mobile" if platform in MOBILE else "server"


def _platform(platform: str) -> str:
    return "web" if platform in WEB else platform


def _name(given: Mapping[str, Any]) -> str:
    name = "".join(character for character in _text(_at(given, "name")) if character.isprintable())
    return name[:NAME_CHARS_MAX].strip() or _text(_at(given, "id"))[:NAME_CHARS_MAX] or "unnamed"


def _at(given: Any, key: str) -> Any:
    """A member, whatever the case of its key; None when there is none."""
    if not isinstance(given, Mapping):
        return None
    if key in given:
        return given[key]
    return next((given[other] for other in given if other.lower() == key.lower()), None)


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _folded(value: Any) -> str:
    return re.sub(r"[^a-z0-9]+", "", _text(value).lower())


def _links(given: Any) -> list[Mapping[str, Any]]:
    """Connections as a list, or by their ids."""
    entries = list(given.values()) if isinstance(given, Mapping) else _list(given)
    return [one for one in entries if isinstance(one, Mapping)]


def _is_on(value: Any) -> bool:
    """Whether an addition is in use: true, or an object that is not empty and not switched off."""
    if isinstance(value, Mapping):
        return bool(value) and _at(value, "enabled") is not False
    return value is True


def _error(message: str, remedy: str) -> WorkspaceError:
    return WorkspaceError([Problem("", message, remedy)])
