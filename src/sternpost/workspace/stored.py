"""Workspace documents outside of a file: in the store, shown to people, exported, compared, and the two ready ones.

A stored document is the document itself with every secret sealed. `parse` reads it as it is, given a way to unseal. Nothing here
returns a secret in clear text: shown it is masked, exported it is the name of a variable to set. References (`${NAME}`, `file:PATH`)
are no secrets and stay as they are. Values of a `map` field (headers) are treated as secrets, since any of them may be one.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sternpost.destinations.base import Destination
from sternpost.errors import Problem, WorkspaceError
from sternpost.workspace import yaml
from sternpost.workspace.checking import VERSION
from sternpost.workspace.document import CONNECTION_KEYS, DESTINATION_KEYS, TOP_KEYS
from sternpost.workspace.secrets import SEALED_PREFIX, SecretKey, SecretUnreadable, seal, unseal
from sternpost.workspace.settings import fields_of
from sternpost.workspace.sources import SOURCE_KEYS

MASK = "••••"  #: stands for a secret that is there; written back, it means "keep it"
SECRET_TAIL_CHARS = 2  #: of a secret that are shown, so that people can tell two apart
SECRET_SHOWN_CHARS_MIN = 16  #: of a shorter secret, two characters would say too much
SHOWN_CHARS_MAX = 60  #: of a value in a difference

Document = dict[str, Any]


def seal_document(
    document: Mapping[str, Any],
    destinations: Mapping[str, Destination],
    key: SecretKey,
    *,
    previous: Mapping[str, Any] | None = None,
) -> Document:
    """A copy for the store, with the secrets sealed.

    A masked secret keeps what `previous` (the stored document) has in its place; one that did not change keeps its sealed text. Raises
    WorkspaceError for a mask without an earlier secret, and for sealed texts that are not the earlier ones of their place: these could
    only have been taken from elsewhere.
    """
    stored = copy.deepcopy(dict(document))
    earlier = {place.name: place.value for place in _secrets(previous or {}, destinations)}
    problems = []
    for place in _secrets(stored, destinations):
        before = earlier.get(place.name)
        if place.value == before:
            continue
        if place.value.startswith(MASK):
            if before is None:
                problems.append(
                    Problem(
                        place.path,
                        "This is a mask, and there is no earlier secret to keep.",
                        "Enter the secret.",
                    )
                )
            else:
                place.set(before)
        elif place.value.startswith(SEALED_PREFIX):
            problems.append(
                Problem(
                    place.path, "An encrypted secret cannot be brought from elsewhere.", "Enter the secret."
                )
            )
        elif not refers(place.value) and place.value.strip():
            unchanged = before is not None and _opened(before, key) == place.value
            place.set(before if before is not None and unchanged else seal(place.value, key))
    if problems:
        raise WorkspaceError(problems)
    return stored


def masked(document: Mapping[str, Any], destinations: Mapping[str, Destination]) -> Document:
    """A copy to show, with masks in the place of secrets. Written back through `seal_document`, it changes nothing."""
    shown = copy.deepcopy(dict(document))
    for place in _secrets(shown, destinations):
        if not refers(place.value):
            place.set(MASK)
    return shown


def export(
    document: Mapping[str, Any],
    destinations: Mapping[str, Destination],
    *,
    generated: Mapping[str, str] | None = None,
) -> str:
    """The document as a workspace file in a stable order, secrets as `${DESTINATION_FIELD}`; complete once these variables are set.

    `generated` are write keys by source id that the store keeps for sources without one.
    """
    copied = copy.deepcopy(dict(document))
    for place in _secrets(copied, destinations):
        if not refers(place.value):
            place.set(f"${{{variable(place.name)}}}")
    for source in copied.get("sources") or []:
        if not source.get("writeKey") and source["id"] in (generated or {}):
            source["writeKey"] = (generated or {})[source["id"]]
    ordered = _in_order({"version": VERSION, **copied}, TOP_KEYS)
    ordered["sources"] = [_in_order(source, SOURCE_KEYS) for source in copied.get("sources") or []]
    ordered["destinations"] = [
        _in_order(destination, DESTINATION_KEYS) for destination in copied.get("destinations") or []
    ]
    for destination in ordered["destinations"]:
        if destination.get("settings") and destination["type"] in destinations:
            names = tuple(fields_of(destinations[destination["type"]].spec))
            destination["settings"] = _in_order(destination["settings"], names)
    ordered["connections"] = [
        _in_order(connection, CONNECTION_KEYS) for connection in copied.get("connections") or []
    ]
    return yaml.dump(_in_order(ordered, TOP_KEYS))


def diff(
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    destinations: Mapping[str, Destination],
    *,
    key: SecretKey | None = None,
) -> list[str]:
    """What changes from one valid document to another, a line each: `+` added, `-` removed, `~` changed. [] when nothing does.

    Secrets are said to have changed, never shown; with `key`, a sealed one equals its clear text.
    """
    lines: list[str] = []
    for kind, was, now in (
        ("source", _by_id(old, "sources"), _by_id(new, "sources")),
        ("destination", _by_id(old, "destinations"), _by_id(new, "destinations")),
        ("connection", _by_pair(old), _by_pair(new)),
    ):
        lines += [f"- {kind} {name}" for name in was if name not in now]
        for name, entry in now.items():
            if name not in was:
                lines.append(f"+ {kind} {name}")
                continue
            hidden = {"writeKey", "previousWriteKeys"} if kind == "source" else set()
            if kind == "destination":
                hidden = {
                    place.path.split(".", 1)[1]
                    for document in ({"destinations": [was[name]]}, {"destinations": [entry]})
                    for place in _secrets(document, destinations)
                }
            before, after = dict(_leaves(was[name])), dict(_leaves(entry))
            for path in [*before, *(path for path in after if path not in before)]:
                change = _change(before.get(path), after.get(path), key, hidden=path in hidden)
                if change:
                    lines.append(f"~ {kind} {name}: {path} {change}")
    return lines


@dataclass(frozen=True, slots=True)
class SecretState:
    """What may be said about a secret that is there."""

    path: str  #: `settings.integrationKey`, `settings.headers.X-Team`
    reference: str  #: `${NAME}` or `file:PATH`, "" when the secret itself is kept
    ends_in: str  #: its last two characters, "" when it is short or cannot be read
    name: str  #: the same for every revision: destination, field, and the key within a map


def secret_states(
    document: Mapping[str, Any], destination_id: str, destinations: Mapping[str, Destination], key: SecretKey
) -> list[SecretState]:
    """The secrets of one destination, as far as people may know them."""
    found = []
    for place in _secrets(document, destinations):
        if place.name[0] != destination_id or not place.value.strip():
            continue
        reference = place.value if refers(place.value) else ""
        opened = "" if reference else _opened(place.value, key) or ""
        ends = opened[-SECRET_TAIL_CHARS:] if len(opened) >= SECRET_SHOWN_CHARS_MIN else ""
        found.append(SecretState(place.path.split(".", 1)[1], reference, ends, place.label))
    return found


def changed_secrets(
    old: Mapping[str, Any], new: Mapping[str, Any], destinations: Mapping[str, Destination]
) -> list[str]:
    """Names of the secrets whose kept text is another one than before, or new."""
    before = {place.label: place.value for place in _secrets(old, destinations)}
    return [
        place.label
        for place in _secrets(new, destinations)
        if place.value.strip() and before.get(place.label) != place.value
    ]


def redirected(
    old: Mapping[str, Any], new: Mapping[str, Any], destinations: Mapping[str, Destination]
) -> list[str]:
    """Destinations whose address changes while a secret is kept, by mask or as it was: it would be sent where nobody who knows it sent it.

    Kept is also a reference that moves to another field, or a secret of an earlier revision that is brought back.
    """
    earlier = {place.name: place.value for place in _secrets(old, destinations)}
    known = {(name[0], value) for name, value in earlier.items() if value.strip()}
    keeping = {
        place.name[0]
        for place in _secrets(new, destinations)
        if (place.name in earlier and place.value.startswith(MASK)) or (place.name[0], place.value) in known
    }
    before, after = _addresses(old, destinations), _addresses(new, destinations)
    return sorted(one for one in keeping if before.get(one) != after.get(one))


def elsewhere(
    old: Mapping[str, Any], new: Mapping[str, Any], destinations: Mapping[str, Destination], key: SecretKey
) -> list[str]:
    """Destinations to which events would go that went nowhere, to another address, or with another key. Masked secrets are those of `old`."""
    earlier = {place.label: place.value for place in _secrets(old, destinations)}
    whither = []
    for document in (old, new):
        keys = {}
        for place in _secrets(document, destinations):
            value = earlier.get(place.label, "") if place.value.startswith(MASK) else place.value
            keys[place.label] = _opened(value, key) or value
        whither.append(
            {
                identifier: (
                    address,
                    {label: value for label, value in keys.items() if label.startswith(f"{identifier}/")},
                )
                for identifier, address in _addresses(document, destinations).items()
            }
        )
    before, after = whither
    return [one for one in after if after[one] != before.get(one)]


def refers(value: str) -> bool:
    """Whether a text only says where a secret is."""
    return "${" in value or value.startswith("file:")


def example_document() -> Document:
    """What `sternpost serve` begins with: one source, whose write key is generated."""
    return {
        "version": VERSION,
        "sources": [{"id": "first", "name": "My first source", "type": "web"}],
        "destinations": [],
        "connections": [],
    }


def demo_document(sandbox_url: str) -> Document:
    """What `sternpost demo` shows: sources of each type and a Pendo destination that is the sandbox, with the keys of its fixed seed.

    A web source for each mode, so that the shop can be looked at in all three; in hybrid mode also what comes from elsewhere with the
    shop's write key is delivered.
    """
    return {
        "version": VERSION,
        "sources": [
            {"id": "web", "name": "Demo shop", "type": "web", "writeKey": "wk-web"},
            {"id": "backend", "name": "Backend", "type": "server", "writeKey": "wk-backend"},
            {"id": "ios", "name": "iOS app", "type": "mobile", "writeKey": "wk-ios"},
            {
                "id": "web-device",
                "name": "Demo shop, device mode",
                "type": "web",
                "writeKey": "wk-web-device",
            },
            {"id": "web-cloud", "name": "Demo shop, cloud mode", "type": "web", "writeKey": "wk-web-cloud"},
        ],
        "destinations": [
            {
                "id": "pendo",
                "name": "Pendo sandbox",
                "type": "pendo",
                "settings": {
                    "region": "custom",
                    "apiKey": "11111111-1111-4111-8111-111111111111",
                    "integrationKey": "33333333-3333-4333-8333-333333333333.us",
                    "trackEventSecret": "55555555-5555-4555-8555-555555555555",
                    "hosts": {"api": sandbox_url, "data": sandbox_url, "content": sandbox_url},
                    "anonymousVisitors": "prefix",
                    "pageEvents": "track",
                },
            }
        ],
        "connections": [
            {"source": "web", "destination": "pendo", "mode": "hybrid"},
            {"source": "backend", "destination": "pendo", "mode": "cloud"},
            {"source": "ios", "destination": "pendo", "mode": "cloud"},
            {"source": "web-device", "destination": "pendo", "mode": "device"},
            {"source": "web-cloud", "destination": "pendo", "mode": "cloud"},
        ],
    }


# --- below ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a secret is in a document, and how to replace it there."""

    name: tuple[str, ...]  #: destination id, type, field, and the key within a map
    path: str
    holder: dict[str, Any]
    key: str

    @property
    def value(self) -> str:
        return str(self.holder[self.key])

    @property
    def label(self) -> str:
        return "/".join(self.name)

    def set(self, value: str) -> None:
        self.holder[self.key] = value


def _secrets(document: Mapping[str, Any], destinations: Mapping[str, Destination]) -> Iterator[_Place]:
    """Every secret of a document that may still be invalid elsewhere: what has not the expected shape is passed over."""
    entries = document.get("destinations")
    for index, entry in enumerate(entries if isinstance(entries, list) else []):
        settings = entry.get("settings") if isinstance(entry, dict) else None
        if not isinstance(settings, dict) or entry.get("type") not in destinations:
            continue
        owner = (str(entry.get("id")), str(entry["type"]))
        path = f"destinations[{index}].settings"
        for field in destinations[entry["type"]].spec.fields:
            value = settings.get(field.name)
            if field.kind == "secret" and isinstance(value, str):
                yield _Place((*owner, field.name), f"{path}.{field.name}", settings, field.name)
            elif field.kind == "map" and isinstance(value, dict):
                for key, member in value.items():
                    if isinstance(member, str):
                        yield _Place((*owner, field.name, key), f"{path}.{field.name}.{key}", value, key)


def _addresses(
    document: Mapping[str, Any], destinations: Mapping[str, Destination]
) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """Where the requests of each destination go, as its settings say it: its type, and the fields that are addresses."""
    found: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for identifier, entry in _by_id(document, "destinations").items():
        fields = destinations[entry["type"]].spec.fields if entry["type"] in destinations else ()
        settings = entry.get("settings")
        settings = settings if isinstance(settings, Mapping) else {}
        names = [field.name for field in fields if field.address or field.kind == "url"]
        found[identifier] = (entry["type"], {name: settings.get(name) for name in names})
    return found


def _opened(value: str, key: SecretKey | None) -> str | None:
    if key is None or not value.startswith(SEALED_PREFIX):
        return value
    try:
        return unseal(value, key)
    except SecretUnreadable:
        return None


def variable(name: tuple[str, ...]) -> str:
    """`PENDO_INTEGRATION_KEY` for integrationKey of the destination pendo."""
    words = [re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", word) for word in (name[0], *name[2:])]
    variable = re.sub(r"[^A-Z0-9]+", "_", "_".join(words).upper())
    # Such names cannot be variables, or are not read because they are the server's own.
    return f"SECRET_{variable}" if variable[0].isdigit() or variable.startswith("STERNPOST_") else variable


def _in_order(values: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    ordered = {name: values[name] for name in names if name in values}
    return ordered | {name: value for name, value in values.items() if name not in ordered}


def _by_id(document: Mapping[str, Any], key: str) -> dict[str, Mapping[str, Any]]:
    return {entry["id"]: entry for entry in document.get(key) or []}


def _by_pair(document: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {
        f"{entry['source']} → {entry['destination']}": entry for entry in document.get("connections") or []
    }


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Paths and values; lists are values, since most are sets of names."""
    if isinstance(value, Mapping) and value:
        for key, member in value.items():
            yield from _leaves(member, yaml.child(path, key))
    elif value is not None:
        yield path, value


def _change(before: Any, after: Any, key: SecretKey | None, *, hidden: bool) -> str:
    """The end of a line of `diff`, "" when nothing changed."""
    if hidden and isinstance(before, str) and isinstance(after, str):
        same = before == after or _opened(before, key) == _opened(after, key) is not None
        return "" if same else "changed"
    if before == after:
        return ""
    if hidden:
        return "removed" if after is None else "added" if before is None else "changed"
    if before is None:
        return f"added: {_shown(after)}"
    return f"removed (was {_shown(before)})" if after is None else f"{_shown(before)} → {_shown(after)}"


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN_CHARS_MAX else f"{text[: SHOWN_CHARS_MAX - 1]}…"
