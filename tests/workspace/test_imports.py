"""A workspace of RudderStack becomes one of ours, and nothing is left out silently."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sternpost.cli.app import program
from sternpost.destinations.registry import DESTINATIONS
from sternpost.errors import WorkspaceError
from sternpost.workspace import yaml
from sternpost.workspace.document import parse
from sternpost.workspace.imports import DESTINATIONS_MAX, Imported, convert, read

API_KEY = "11111111-1111-4111-8111-111111111111"


def pendo(identifier: str = "2ENkYdst1", **config: Any) -> dict[str, Any]:
    return {
        "id": identifier,
        "name": "Pendo prod",
        "enabled": True,
        "config": {"apiKey": API_KEY, **config},
        "destinationDefinition": {"name": "PENDO", "displayName": "Pendo"},
        "transformations": [],
    }


def source(
    *destinations: Any, name: str = "Web app", product: str = "Javascript", **more: Any
) -> dict[str, Any]:
    return {
        "id": f"2ENk{name}",
        "name": name,
        "writeKey": f"wk-{name.replace(' ', '')}",
        "enabled": True,
        "sourceDefinition": {"name": product, "category": ""},
        "destinations": list(destinations),
        **more,
    }


def imported(*sources: Any, **more: Any) -> Imported:
    found = convert({"workspaceId": "ws", "sources": list(sources), **more}, DESTINATIONS)
    # What comes out is a workspace file that can be checked.
    env = dict.fromkeys(found.variables, "secret.us")
    parse(yaml.load(found.text()).data, destinations=DESTINATIONS, env=env, generated={}, new_write_key=str)
    return found


def remarks(found: Imported) -> str:
    return "\n".join(f"{one.fate}: {one.text}" for one in found.remarks)


def test_workspace() -> None:
    """Keys, filters and consent are kept, ids become slugs, and equal destinations one."""
    config: dict[str, Any] = {
        "connectionMode": {"web": "device"},
        "eventFilteringOption": "blacklistedEvents",
        "blacklistedEvents": [{"eventName": " Noise "}, {"eventName": ""}],
        "oneTrustCookieCategories": [{"oneTrustCookieCategory": "C0004"}],
        "consentManagement": {
            "web": [{"provider": "ketch", "resolutionStrategy": "or", "consents": [{"consent": "ads"}]}]
        },
    }
    flat = {**config, "consentManagement": config["consentManagement"]["web"], "connectionMode": "hybrid"}
    found = imported(
        source(pendo(**config)),
        source(pendo("other", **flat), name="Shop", enabled=False),
        settings={"eventBlocking": {"events": {"track": ["Debug"]}}},
    )
    web, shop = found.document["sources"]
    assert web == {
        "id": "web-app", "name": "Web app", "type": "web", "writeKey": "wk-Webapp", "blockedEvents": ["Debug"],
    }  # fmt: skip
    assert shop["enabled"] is False
    [one] = found.document["destinations"]
    assert one["id"] == "pendo-prod"
    assert one["settings"]["eventFiltering"] == {"mode": "deny", "events": ["Noise"]}
    assert one["settings"]["consent"] == [
        {"provider": "ketch", "resolutionStrategy": "or", "consents": ["ads"]},
        {"provider": "oneTrust", "resolutionStrategy": "and", "consents": ["C0004"]},
    ]
    assert [entry["mode"] for entry in found.document["connections"]] == ["device", "hybrid"]
    assert found.variables == ["PENDO_PROD_INTEGRATION_KEY", "PENDO_PROD_TRACK_EVENT_SECRET"]
    assert '"2ENkWeb app"' in found.text()


@pytest.mark.parametrize(
    ("config", "product", "mode"),
    [
        ({}, "Javascript", "device"),
        ({"connectionMode": "cloud"}, "Javascript", "cloud"),
        ({"connectionMode": "cloud", "useNativeSDK": {"web": True}}, "Javascript", "device"),
        ({"useNativeSDKToSend": True}, "Javascript", "hybrid"),
        ({"useNativeSDK": {"web": False}}, "Javascript", "cloud"),
        ({"connectionMode": "device"}, "Android", "cloud"),
        ({"connectionMode": "device", "apiKey": ""}, "Javascript", "cloud"),
    ],
)
def test_mode(config: dict[str, Any], product: str, mode: str) -> None:
    [connection] = imported(source(pendo(**config), product=product)).document["connections"]
    assert connection["mode"] == mode


def test_what_has_no_counterpart_is_named() -> None:
    amplitude = {
        "id": "a", "name": "Amp", "destinationDefinition": {"name": "AM", "displayName": "Amplitude"}, "config": {},
    }  # fmt: skip
    transformed = {**pendo(), "transformations": [{"versionId": "v77"}]}
    found = imported(
        source(amplitude, transformed, geoEnrichment={"enabled": True}),
        source(
            name="Sheet", product="GoogleSheets", sourceDefinition={"name": "Sheets", "category": "cloud"}
        ),
        source(name="Again", writeKey="wk-Webapp"),
    )
    text = remarks(found)
    assert "left out: destination “Amp” (Amplitude) of “Web app”: no such destination here" in text
    assert "transformation v77" in text
    assert "geoEnrichment" in text
    assert "category cloud" in text
    assert "has the same write key" in text
    assert len(found.document["sources"]) == 1


def test_webhook_hides_what_looks_secret() -> None:
    def hook(url: str, **config: Any) -> dict[str, Any]:
        definition = {"name": "WEBHOOK", "displayName": "Webhook"}
        return {
            "id": "hook",
            "name": "Hook",
            "destinationDefinition": definition,
            "config": {"webhookUrl": url, **config},
        }

    headers = [
        {"from": "Authorization", "to": "Bearer hush"},
        {"from": "X-Team", "to": "growth"},
        {"from": "Content-Type", "to": "text/plain"},
        {"from": "X-Sneaky", "to": "${HOME}"},
    ]
    found = imported(
        source(
            hook("https://hooks.example.com/x", headers=headers),
            hook("https://hooks.example.com/${AWS_KEY}"),
            hook("https://hooks.example.com/y", webhookMethod="PUT"),
            hook("nowhere"),
            product="Node",
        )
    )
    [one] = found.document["destinations"]
    assert one["settings"]["headers"] == {
        "Authorization": "${HOOK_AUTHORIZATION}", "X-Team": "growth", "X-Sneaky": "${HOOK_X_SNEAKY}",
    }  # fmt: skip
    assert "hush" not in found.text() + remarks(found)
    assert remarks(found).count("left out:") == 4


@pytest.mark.parametrize("by_id", [False, True])
def test_destinations_beside_the_sources(by_id: bool) -> None:
    """Destinations and connections of their own are taken, or named with the reason."""
    web, shop = source(name="Web app"), source(name="Shop", product="Node")
    links = [
        {"id": "c1", "sourceId": web["id"], "destinationId": "p1", "enabled": True},
        {"id": "c2", "sourceId": shop["id"], "destinationId": "p1", "enabled": True},
        {"id": "c3", "sourceId": shop["id"], "destinationId": "p2", "enabled": False},
        {"id": "c4", "sourceId": shop["id"], "destinationId": "gone"},
        {"id": "c5", "sourceId": "nobody", "destinationId": "p1"},
    ]
    found = imported(
        web,
        shop,
        destinations=[pendo("p1"), pendo("p2", other=1), {**pendo("p3"), "name": "Alone"}],
        connections={one["id"]: one for one in links} if by_id else links,
    )
    assert [one["id"] for one in found.document["destinations"]] == ["p1"]
    assert {(one["source"], one["mode"]) for one in found.document["connections"]} == {
        ("web-app", "device"),
        ("shop", "cloud"),
    }
    said = remarks(found)
    assert f"left out: connection {shop['id']} → p2: it was switched off" in said
    assert f"left out: connection {shop['id']} → gone: the file has no such destination" in said
    assert "left out: connection nobody → p1: the file has no such source" in said
    assert "left out: destination “Alone”: no source is connected to it" in said


def test_connections_of_what_stands_in_its_source() -> None:
    """They say nothing new, unless the connection was switched off."""
    one = source(pendo("p1"))
    on = {"sourceId": one["id"], "destinationId": "p1", "enabled": True}
    plain, linked = imported(one), imported(one, connections=[on])
    assert (plain.document, plain.remarks) == (linked.document, linked.remarks)
    assert "it was switched off, and is on here" in remarks(
        imported(one, connections=[{**on, "enabled": False}])
    )


def test_source_config() -> None:
    """An answer of /sourceConfig has one source and does not say what kind."""
    given = source(pendo())
    del given["sourceDefinition"]
    found = convert({"source": given, "updatedAt": "x"}, DESTINATIONS)
    assert found.document["sources"][0]["type"] == "web"
    assert "is assumed" in remarks(found)


@pytest.mark.parametrize("content", [b"", b"version: 1", b"\xff", b"[" * 100_000, b'"\\ud800"'])
def test_no_json(content: bytes) -> None:
    with pytest.raises(WorkspaceError, match="not JSON"):
        read(content)


@pytest.mark.parametrize("data", [None, [], {}, {"sources": {}}, {"source": {"id": "x"}}, {"sources": []}])
def test_of_another_kind(data: Any) -> None:
    with pytest.raises(WorkspaceError):
        convert(data, DESTINATIONS)


def test_too_many() -> None:
    with pytest.raises(WorkspaceError, match="more than"):
        convert({"sources": [{"destinations": [{}] * (DESTINATIONS_MAX + 1)}]}, DESTINATIONS)


def test_command(tmp_path: Path) -> None:
    """The file goes to standard output or a new file, remarks to standard error, and `check` accepts it."""
    file, made = tmp_path / "workspaceConfig.json", tmp_path / "workspace.yaml"
    file.write_text(json.dumps({"sources": [source(pendo())]}))
    command = ["workspace", "import-rudderstack", str(file)]
    found = CliRunner().invoke(program, command)
    assert found.exit_code == 0
    assert "wk-Webapp" in found.stdout
    assert "Taken: source “Web app” (Javascript) → web source web-app, write key kept." in found.stderr
    assert CliRunner().invoke(program, [*command, "--output", str(made)]).exit_code == 0
    assert CliRunner().invoke(program, ["workspace", "check", str(made)]).exit_code == 0
    assert CliRunner().invoke(program, [*command, "--output", str(made)]).exit_code == 1
    assert CliRunner().invoke(program, ["workspace", "import-rudderstack", str(made)]).exit_code == 1
