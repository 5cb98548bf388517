"""A workspace document becomes a `Workspace`, or a list of everything that is wrong with it.

A document is data of JSON kinds: the content of a workspace file, of the store, or of a request to the API. `parse` is pure: the
environment, files, the key of sealed secrets and new write keys come in as arguments.

One run finds as many mistakes as it can, each with path, line and remedy, and nothing is applied unless there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, MutableMapping
from typing import Any, NamedTuple, cast, get_args

from sternpost.destinations.base import Destination, Spec
from sternpost.errors import WorkspaceError
from sternpost.model import Connection, DestinationConfig, Mode, Source, Workspace
from sternpost.workspace.checking import VERSION, Check, Section, quote
from sternpost.workspace.hints import either, near_miss
from sternpost.workspace.references import References
from sternpost.workspace.settings import SettingsReader
from sternpost.workspace.sources import read_sources

TOP_KEYS = ("version", "sources", "destinations", "connections")
DESTINATION_KEYS = ("id", "name", "type", "enabled", "settings")
CONNECTION_KEYS = ("source", "destination", "mode")
MODES: tuple[str, ...] = get_args(Mode)


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
    by_server: bool = False,
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
    `by_server`          the document came over the API: messages say whose environment is meant, since it is not the reader's
    """
    check = Check(lines or {})
    references = References(env or {}, read_file, unseal, by_server=by_server)
    top = check.section("", data, TOP_KEYS)
    if top is None:
        raise WorkspaceError(check.problems, file)
    _version(check, top)
    sources = read_sources(check, top, references, {} if generated is None else generated, new_write_key)
    configs = _destinations(check, top, references, destinations, secrets_required=secrets_required)
    connections = _connections(check, top, sources, configs)
    if check.problems:
        raise WorkspaceError(sorted(check.problems, key=lambda problem: problem.line or 0), file)
    return Workspace(
        revision=revision,
        sources={key: source for key, source in sources.items() if source},
        destinations={key: found.config for key, found in configs.items() if found.config},
        connections=tuple(connections),
        read_from=file,
    )


def _version(check: Check, top: Section) -> None:
    version = top.values.get("version")
    if version is None:
        check.add("version", "The version is missing.", f"Begin with: version: {VERSION}")
    elif version is True or version != VERSION:
        check.add("version", "This Sternpost reads version 1 only.", f"Write: version: {VERSION}")


class _Found(NamedTuple):
    """A destination that was read: what connections need to know, also when its settings have problems."""

    spec: Spec | None
    config: DestinationConfig | None
    has_api_key: bool


def _destinations(
    check: Check,
    top: Section,
    references: References,
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
            reader = SettingsReader(check, references, spec, secrets_required=secrets_required and enabled)
            config = reader.read(
                section, destination, destination_id=destination_id, name=name, enabled=enabled
            )
            given = section.values.get("settings", {})
            has_api_key = bool(given.get("apiKey")) if isinstance(given, Mapping) else given is not None
        if destination_id:
            found[destination_id] = _Found(spec, config, has_api_key)
    return found


def _connections(
    check: Check,
    top: Section,
    sources: Mapping[str, Source | None],
    destinations: Mapping[str, _Found],
) -> list[Connection]:
    found: dict[tuple[str, str], Connection] = {}
    places: dict[tuple[str, str], str] = {}
    doubts = {
        "source": _Doubt(top, "sources", sources),
        "destination": _Doubt(top, "destinations", destinations),
    }
    for section in top.sections("connections", CONNECTION_KEYS):
        source_id = section.text("source", required=True)
        destination_id = section.text("destination", required=True)
        mode = cast("Mode", section.choice("mode", MODES, default="cloud"))
        known = _known(section, "source", source_id, sources, doubts["source"])
        known = _known(section, "destination", destination_id, destinations, doubts["destination"]) and known
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


class _Doubt:
    """Entries of a list without a usable id. A reference may mean one of them, and would be a second problem of one mistake."""

    def __init__(self, top: Section, key: str, usable: Collection[str]) -> None:
        entries = top.values.get(key)
        self._is_no_list = entries is not None and not isinstance(entries, list | tuple)
        given = [
            one.get("id") if isinstance(one, Mapping) else None
            for one in ([] if self._is_no_list else entries or [])
        ]
        self._written = [one for one in given if isinstance(one, str) and one.strip() and one not in usable]
        #: What has no id, or another's, can be meant by any name, each by one.
        self._nameless = len(given) - len(usable) - len(self._written)
        self._meant: set[str] = set()

    def covers(self, identifier: str) -> bool:
        """Whether a reference to what is not there may mean one of them."""
        if self._is_no_list or identifier in self._meant or near_miss(identifier, self._written):
            return True
        if len(self._meant) < self._nameless:
            self._meant.add(identifier)
        return identifier in self._meant


def _known(section: Section, key: str, identifier: str, known: Collection[str], doubt: _Doubt) -> bool:
    if identifier in known:
        return True
    meant = near_miss(identifier, known)
    if identifier and (meant or not doubt.covers(identifier)):
        remedy = f'Did you mean "{meant}"?' if meant else f"Add it to {key}s, or remove the connection."
        section.check.add(section.at(key), f"No {key} {quote(identifier)}.", remedy)
    return False


def _mode(section: Section, mode: Mode, source: Source, destination: _Found) -> None:
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
