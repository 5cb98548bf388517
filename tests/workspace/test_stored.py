"""Documents in the store: sealed, masked, exported, compared; and the two ready ones."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from sternpost.destinations.registry import DESTINATIONS
from sternpost.errors import WorkspaceError
from sternpost.workspace import yaml
from sternpost.workspace.document import parse
from sternpost.workspace.secrets import SecretKey, unseal
from sternpost.workspace.stored import demo_document, diff, example_document, export, masked, seal_document

KEY = SecretKey(b"k" * 32)
URL = "http://127.0.0.1:8090"
SECRETS = (
    "33333333-3333-4333-8333-333333333333.us",
    "55555555-5555-4555-8555-555555555555",
    "hook-token-0815",
    "s1gning-hush",
)


def document() -> Any:
    made = demo_document(URL)
    made["destinations"].append(
        {
            "type": "webhook",
            "id": "hook",
            "settings": {
                "headers": {"X-Token": "hook-token-0815", "X-Other": "${OTHER}"},
                "url": "https://hooks.example.com/x",
                "signingSecret": "s1gning-hush",
                "consent": [],
            },
        }
    )
    return made


def test_stored_has_no_clear_text_and_parses() -> None:
    """The store keeps no secret in clear text, and its document is as good as the original."""
    stored = seal_document(document(), DESTINATIONS, KEY)
    text = json.dumps(stored)
    assert not any(secret in text for secret in SECRETS)
    assert "${OTHER}" in text
    options: dict[str, Any] = {"destinations": DESTINATIONS, "env": {"OTHER": "other-value"}}
    one = parse(stored, unseal=lambda sealed: unseal(sealed, KEY), **options)
    two = parse(document(), **options)
    assert one.destinations["pendo"] == two.destinations["pendo"]
    assert one.destinations["hook"].settings.headers["X-Token"].reveal() == "hook-token-0815"


def test_wrong_key_blocks_its_destinations() -> None:
    """A server with another key still starts; the destinations say what is wrong."""
    stored = seal_document(document(), DESTINATIONS, KEY)
    other = SecretKey(b"o" * 32)
    found = parse(
        stored, destinations=DESTINATIONS, unseal=lambda sealed: unseal(sealed, other), secrets_required=False
    )
    assert found.destinations["pendo"].secret_problem == (
        f"The secret was encrypted with another key ({KEY.id}, this server's is {other.id}). "
        "Enter the secret again, or bring the old key back."
    )


def test_masks_keep() -> None:
    """What is shown is masked, and written back it changes nothing."""
    stored = seal_document(document(), DESTINATIONS, KEY)
    shown = masked(stored, DESTINATIONS)
    text = json.dumps(shown)
    assert "sealed:" not in text
    assert not any(secret in text for secret in SECRETS)
    assert not any(secret in json.dumps(masked(document(), DESTINATIONS)) for secret in SECRETS)
    assert seal_document(shown, DESTINATIONS, KEY, previous=stored) == stored


def test_unchanged_secret_keeps_its_sealed_text() -> None:
    """The clear text again is no change; another one is."""
    stored = seal_document(document(), DESTINATIONS, KEY)
    assert seal_document(document(), DESTINATIONS, KEY, previous=stored) == stored
    changed = document()
    changed["destinations"][1]["settings"]["signingSecret"] = "another"
    again = seal_document(changed, DESTINATIONS, KEY, previous=stored)
    assert diff(stored, again, DESTINATIONS, key=KEY) == [
        "~ destination hook: settings.signingSecret changed"
    ]


def test_mask_without_a_secret() -> None:
    """A mask in a new place has nothing to keep; a sealed text from elsewhere is refused."""
    stored = seal_document(document(), DESTINATIONS, KEY)
    moved = copy.deepcopy(stored)
    moved["destinations"][1]["settings"]["headers"]["X-New"] = "••••"
    moved["destinations"][1]["settings"]["signingSecret"] = stored["destinations"][0]["settings"][
        "integrationKey"
    ]
    with pytest.raises(WorkspaceError) as caught:
        seal_document(moved, DESTINATIONS, KEY, previous=stored)
    assert [problem.path for problem in caught.value.problems] == [
        "destinations[1].settings.headers.X-New",
        "destinations[1].settings.signingSecret",
    ]


def test_another_destination_cannot_keep_a_secret() -> None:
    """A destination of another id or type does not inherit by a mask."""
    stored = seal_document(document(), DESTINATIONS, KEY)
    shown = masked(stored, DESTINATIONS)
    shown["destinations"][1]["id"] = "thief"
    with pytest.raises(WorkspaceError):
        seal_document(shown, DESTINATIONS, KEY, previous=stored)


def test_export() -> None:
    """A workspace file in the usual order, secrets as variables; it means the same once these are set."""
    text = export(seal_document(document(), DESTINATIONS, KEY), DESTINATIONS)
    assert not any(secret in text for secret in SECRETS)
    assert text.startswith("version: 1\nsources:\n- id: web\n  name: Demo shop\n  type: web\n")
    assert (
        "- id: hook\n  type: webhook\n  settings:\n    url: https://hooks.example.com/x\n    headers:\n"
        in text
    )
    env = {
        "PENDO_INTEGRATION_KEY": SECRETS[0],
        "PENDO_TRACK_EVENT_SECRET": SECRETS[1],
        "HOOK_HEADERS_X_TOKEN": SECRETS[2],
        "HOOK_SIGNING_SECRET": SECRETS[3],
        "OTHER": "other-value",
    }
    again = parse(yaml.load(text).data, destinations=DESTINATIONS, env=env)
    assert (
        again.destinations["pendo"]
        == parse(demo_document(URL), destinations=DESTINATIONS).destinations["pendo"]
    )
    assert again.destinations["hook"].settings.signing_secret.reveal() == "s1gning-hush"


def test_export_variables_can_be_set() -> None:
    """Ids that make no variable name, or one of the server's own, get another."""
    for identifier in ("2nd", "sternpost-x"):
        made = document()
        made["destinations"][0]["id"] = identifier
        assert f"${{SECRET_{identifier.upper().replace('-', '_')}_INTEGRATION_KEY}}" in export(
            made, DESTINATIONS
        )


def test_export_with_generated_keys() -> None:
    """A key that the store keeps for a source is part of the file."""
    assert "writeKey: wk-1" in export(example_document(), DESTINATIONS, generated={"first": "wk-1"})


def test_diff() -> None:
    """Every change is a line, and no line has a secret."""
    old, new = document(), document()
    del new["sources"][2]
    new["sources"].append({"id": "android", "type": "mobile", "writeKey": "wk-a"})
    new["sources"][0]["writeKey"] = "wk-other"
    new["sources"][0]["blockedEvents"] = ["Noise"]
    pendo = new["destinations"][0]["settings"]
    pendo["integrationKey"] = "x" * 40
    del pendo["trackEventSecret"]
    del pendo["pageEvents"]
    pendo["hosts"]["data"] = "http://127.0.0.1:9999"
    new["connections"][2] = {"source": "android", "destination": "pendo"}
    new["connections"][0]["mode"] = "device"
    assert diff(old, new, DESTINATIONS) == [
        "- source ios",
        "~ source web: writeKey changed",
        '~ source web: blockedEvents added: ["Noise"]',
        "+ source android",
        "~ destination pendo: settings.integrationKey changed",
        "~ destination pendo: settings.trackEventSecret removed",
        "~ destination pendo: settings.hosts.data http://127.0.0.1:8090 → http://127.0.0.1:9999",
        "~ destination pendo: settings.pageEvents removed (was track)",
        "- connection ios → pendo",
        "~ connection web → pendo: mode hybrid → device",
        "+ connection android → pendo",
    ]
    assert diff(old, old, DESTINATIONS) == []
    assert diff(example_document(), example_document(), DESTINATIONS) == []


def test_example() -> None:
    """`sternpost serve` begins with one source whose key is made."""
    found = parse(
        example_document(), destinations=DESTINATIONS, new_write_key=lambda source_id: f"wk-{source_id}"
    )
    assert found.sources["first"].name == "My first source"
    assert found.sources["first"].write_key == "wk-first"
    assert not found.destinations


def test_demo() -> None:
    """`sternpost demo` has a source of each type and a web source for each mode, all connected to the sandbox."""
    found = parse(demo_document(URL), destinations=DESTINATIONS)
    assert {source.type for source in found.sources.values()} == {"web", "server", "mobile"}
    pendo = found.destinations["pendo"].settings
    assert pendo.hosts.data == URL
    assert pendo.page_events
    modes = [connection.mode for connection in found.connections if connection.source_id.startswith("web")]
    assert modes == ["hybrid", "device", "cloud"]
    assert len(found.connections) == len(found.sources) == 5
