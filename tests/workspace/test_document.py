"""Documents become workspaces, and every mistake is named with its place and remedy."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sternpost.errors import WorkspaceError
from sternpost.model import Connection, Consent, EventFiltering, Secret
from sternpost.workspace import yaml
from sternpost.workspace.document import parse
from tests.workspace.fakes import DESTINATIONS

GOOD: dict[str, Any] = {
    "version": 1,
    "sources": [
        {"id": "web", "name": "Web app", "type": "web", "writeKey": "wk-web"},
        {"id": "backend", "type": "server", "writeKey": "wk-backend"},
    ],
    "destinations": [
        {
            "id": "main",
            "name": "Main",
            "type": "analytics",
            "settings": {"apiKey": "1111", "integrationKey": "${KEY}", "trackSecret": "file:track"},
        },
        {"id": "hook", "type": "hook", "settings": {"url": "https://hooks.example.com/x"}},
    ],
    "connections": [
        {"source": "web", "destination": "main", "mode": "device"},
        {"source": "backend", "destination": "main", "mode": "cloud"},
        {"source": "backend", "destination": "hook"},
    ],
}
FILES = {"track": "track-secret\n", "two": "a\nb", "empty": "\n"}


def read_file(path: str) -> str:
    if path not in FILES:
        raise FileNotFoundError(2, "No such file or directory", path)
    return FILES[path]


def read(data: Any, **more: Any) -> Any:
    options: dict[str, Any] = {
        "destinations": DESTINATIONS,
        "env": {"KEY": "integration-secret"},
        "read_file": read_file,
        **more,
    }
    return parse(data, **options)


def changed(path: str, value: Any) -> Any:
    """GOOD with one place replaced; `del` removes it."""
    data = copy.deepcopy(GOOD)
    at: Any = data
    *way, last = [int(step) if step.isdigit() else step for step in path.split("/")]
    for step in way:
        at = at[step]
    if value == "del":
        del at[last]
    elif isinstance(at, list) and last == len(at):
        at.append(value)
    else:
        at[last] = value
    return data


def problems(data: Any, **more: Any) -> list[str]:
    with pytest.raises(WorkspaceError) as caught:
        read(data, **more)
    return [problem.sentence() for problem in caught.value.problems]


def test_good() -> None:
    """A valid document becomes a frozen snapshot with defaults filled in and secrets resolved."""
    workspace = read(GOOD, revision=7, file="workspace.yaml")
    assert workspace.revision == 7
    assert workspace.read_from == "workspace.yaml"
    assert list(workspace.sources) == ["web", "backend"]
    assert workspace.sources["web"].write_key == "wk-web"
    assert workspace.sources["backend"].name == "backend"
    main = workspace.destinations["main"]
    assert main.settings["region"] == "us"
    assert main.settings["integrationKey"] == Secret("integration-secret")
    assert main.settings["trackSecret"].reveal() == "track-secret"
    assert "parentTrait" not in main.settings
    assert "ratePerSecond" not in main.settings
    assert (main.rate_per_second, main.concurrency) == (100.0, 64)
    assert main.event_filtering == EventFiltering()
    assert workspace.connections[2] == Connection("backend", "hook", "cloud")


def test_common_settings() -> None:
    """Rate, concurrency, filtering and consent are the pipeline's; names in lists lose the spaces around them."""
    data = changed(
        "destinations/1/settings",
        {
            "url": "https://hooks.example.com/x",
            "ratePerSecond": 2.5,
            "concurrency": 3,
            "eventFiltering": {"mode": "deny", "events": [" Noise "]},
            "consent": [{"provider": "oneTrust", "resolutionStrategy": "or", "consents": ["C1", "C2"]}],
        },
    )
    hook = read(data).destinations["hook"]
    assert (hook.rate_per_second, hook.concurrency) == (2.5, 3)
    assert hook.event_filtering == EventFiltering("deny", ("Noise",))
    assert hook.consent == (Consent("oneTrust", "or", ("C1", "C2")),)


def test_headers() -> None:
    """Values of a map may contain references, which makes them secrets; the others are plain text."""
    data = changed(
        "destinations/1/settings/headers",
        {"Authorization": "Bearer ${KEY}", "X-App": "shop", "X-F": "file:track"},
    )
    headers = read(data).destinations["hook"].settings["headers"]
    assert headers == {
        "Authorization": Secret("Bearer integration-secret"),
        "X-App": "shop",
        "X-F": Secret("track-secret"),
    }


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("version", "del", "version: The version is missing. Begin with: version: 1"),
        ("version", 2, "version: This Sternpost reads version 1 only. Write: version: 1"),
        ("version", True, "version: This Sternpost reads version 1 only. Write: version: 1"),
        ("desinations", [], 'desinations: This key is not known. Did you mean "destinations"?'),
        ("sources", "web", "sources: Text stands where a list should be. Begin each entry with a dash."),
        ("sources/0", "web", "sources[0]: Text stands where keys and values should be."),
        ("sources/0/writekey", "x", 'sources[0].writekey: This key is not known. Did you mean "writeKey"?'),
        ("sources/0/color", "x", "sources[0].color: This key is not known. Known here: id, name, type,"),
        ("sources/0/id", 5, "sources[0].id: A number stands where text should be. Put it in quotes."),
        ("sources/0/id", "Web App", 'sources[0].id: "Web App" cannot be an id.'),
        ("sources/0/id", "Web App", "for example web-app."),
        ("sources/0/id", "backend", 'sources[1].id: Another source has the id "backend". Give each its own.'),
        ("sources/0/type", "browser", 'sources[0].type: "browser" is not a type. Use web, mobile or server.'),
        ("sources/0/type", "del", "sources[0].type: type is missing. Use web, mobile or server."),
        ("sources/0/enabled", "yes", "sources[0].enabled: Text stands where true or false should be."),
        ("sources/0/writeKey", "del", "sources[0].writeKey: The write key is missing."),
        ("sources/0/writeKey", "a:b", "sources[0].writeKey: This cannot be a write key."),
        ("sources/0/writeKey", "wk-backend", "sources[1].writeKey: sources[0] has the same write key."),
        ("sources/0/writeKey", "${NOPE}", "sources[0].writeKey: NOPE is not set."),
        ("sources/0/allowedOrigins", "https://a.io", "sources[0].allowedOrigins: Text stands where a list should be."),
        ("sources/0/allowedOrigins", ["https://a.io/"], "sources[0].allowedOrigins[0]: This is not an origin."),
        ("sources/0/allowedOrigins", ["*"], "sources[0].allowedOrigins[0]: * is not an origin."),
        ("sources/0/blockedEvents", ["a", ""], "sources[0].blockedEvents[1]: This is empty."),
        ("sources/0/privacy", ["traits.email"], "sources[0].privacy: "),
        ("sources/0/privacy", {"drops": ["a"]}, 'sources[0].privacy.drops: This key is not known. Did you mean "drop"?'),
        ("sources/0/privacy", {"drop": ["traits..x"]}, "sources[0].privacy.drop[0]: \"traits..x\" is not a path."),
        ("sources/0/privacy", {"hash": ["messageId"]}, "sources[0].privacy.hash[0]: messageId cannot be masked."),
        ("sources/0/privacy", {"drop": ["userId"]}, "sources[0].privacy.drop[0]: Without userId nobody knows whose event it is."),
        ("sources/0/privacy", {"drop": ["a.b"], "hash": ["a.b"]}, "sources[0].privacy: \"a.b\" is dropped and hashed."),
        ("sources/0/privacy", {"drop": [f"a.{n}" for n in range(51)]}, "sources[0].privacy: There are too many paths."),
        ("sources/0/requestsPerSecond", -1, "sources[0].requestsPerSecond: -1 is out of range. Use 0 to 1000000."),
        ("destinations/0/type", "analytiks", 'destinations[0].type: "analytiks" is not a destination type.'),
        ("destinations/0/settings", [], "destinations[0].settings: A list stands where keys and values should be."),
        ("destinations/0/settings/region", "usa", 'destinations[0].settings.region: "usa" is not a region. Use us, eu, au or custom.'),
        ("destinations/0/settings/region", "EU", 'destinations[0].settings.region: "EU" is not a region. Did you mean eu?'),
        ("destinations/0/settings/region", "custom", "destinations[0].settings.hosts.api: A custom region needs hosts."),
        ("destinations/0/settings/pageEvents", True, "destinations[0].settings.pageEvents: true is not a value of pageEvents. Use off or track."),
        ("destinations/0/settings/holdDays", 8, "destinations[0].settings.holdDays: 8 is out of range. Use 1 to 7."),
        ("destinations/0/settings/holdDays", 1.5, "destinations[0].settings.holdDays: A number stands where a whole number should be."),
        ("destinations/0/settings/apiKey", 12, "destinations[0].settings.apiKey: A number stands where text should be. Put it in quotes."),
        ("destinations/0/settings/apiKey", "${NOPE}", "destinations[0].settings.apiKey: NOPE is not set."),
        ("destinations/0/settings/apikey", "x", 'destinations[0].settings.apikey: This key is not known. Did you mean "apiKey"?'),
        ("destinations/0/settings/concurrency", 0, "destinations[0].settings.concurrency: 0 is out of range. Use 1 to 1000."),
        ("destinations/0/settings/integrationKey", "${NOPE}", "destinations[0].settings.integrationKey: NOPE is not set. Set it, or use file:PATH."),
        ("destinations/0/settings/integrationKey", "${a b}", "destinations[0].settings.integrationKey: What stands in ${…} is not the name"),
        ("destinations/0/settings/integrationKey", "${STERNPOST_API_TOKEN}", "STERNPOST_API_TOKEN belongs to the server itself."),
        ("destinations/0/settings/integrationKey", "file:nope", "Cannot read nope: no such file or directory."),
        ("destinations/0/settings/integrationKey", "file:two", "two has more than one line."),
        ("destinations/0/settings/integrationKey", "file:empty", "empty is empty."),
        ("destinations/0/settings/integrationKey", "sealed:v1:x:y", "An encrypted secret is of use only in the store that made it."),
        ("destinations/1/settings", {}, "destinations[1].settings.url: url is missing. Add it, for example url: https://hooks.example.com"),
        ("destinations/1/settings/url", "hooks.example.com", "destinations[1].settings.url: This is not an address."),
        ("destinations/1/settings/url", "https://a:b@x.io", "An address with a name or password in it would show them."),
        ("destinations/1/settings/headers", {"X": 1}, "destinations[1].settings.headers.X: A number stands where text should be."),
        ("destinations/1/settings/eventFiltering", {"mode": "allowed"}, '"allowed" is not a mode. Use off, allow or deny.'),
        ("destinations/1/settings/consent", [{"provider": "onetrust", "consents": ["a"]}], "consent[0].provider: Providers are compared exactly"),
        ("destinations/1/settings/consent", [{"provider": "ketch"}], "consent[0].consents: An entry without consents stops nothing."),
        ("connections/0/source", "wep", 'connections[0].source: No source "wep". Did you mean "web"?'),
        ("connections/0/destination", "nothing", 'connections[0].destination: No destination "nothing". Add it to destinations'),
        ("connections/1/mode", "device", "connections[1].mode: device is not possible from a source of type server to Analytics. Use cloud."),
        ("connections/0/mode", "hibrid", 'connections[0].mode: "hibrid" is not a mode. Use device, cloud or hybrid.'),
        ("connections/2/mode", "hybrid", "connections[2].mode: hybrid is not possible from a source of type server to Hook. Use cloud."),
        ("destinations/0/settings/apiKey", "del", "connections[0].mode: device needs the apiKey of the destination, and it has none."),
        ("connections/3", {"source": "web", "destination": "main"}, "connections[3]: connections[0] connects the same source and destination."),
    ],
)  # fmt: skip
def test_mistakes(path: str, value: Any, expected: str) -> None:
    """Each mistake gives exactly one problem, with its path, a sentence and a remedy."""
    found = problems(changed(path, value))
    assert len(found) == 1, found
    assert expected in found[0]


@pytest.mark.parametrize("data", [None, [], "x", 1])
def test_no_workspace(data: Any) -> None:
    """Anything but a mapping is not a workspace."""
    assert problems(data) == ["This is not a workspace. Begin with: version: 1"]


def test_all_at_once() -> None:
    """One run tells every mistake, in the order of the file."""
    document = yaml.load(
        "version: 1\n"
        "sources:\n"
        "  - {id: web, type: wep, writeKey: a}\n"
        "destinations:\n"
        "  - id: main\n"
        "    type: analytics\n"
        "    settings:\n"
        "      region: usa\n"
        "      integrationKey: ${NOPE}\n"
        "connections:\n"
        "  - {source: web, destination: main, mode: device}\n"
        "  - {source: x, destination: main}\n"
    )
    with pytest.raises(WorkspaceError) as caught:
        read(document.data, lines=document.lines, file="workspace.yaml")
    assert str(caught.value).splitlines() == [
        'workspace.yaml line 3, sources[0].type: "wep" is not a type. Use web, mobile or server.',
        'workspace.yaml line 8, destinations[0].settings.region: "usa" is not a region. Use us, eu, au or custom.',
        "workspace.yaml line 9: NOPE is not set. Set it, or use file:PATH.",
        'workspace.yaml line 12, connections[1].source: No source "x". Add it to sources, or remove the connection.',
    ]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("sources/0/id", "Web App"),
        ("sources/0/id", "del"),
        ("sources/0/type", "browser"),
        ("sources/0/writeKey", "${NOPE}"),
        ("destinations/0/id", "Main one"),
        ("destinations/0/settings/region", "usa"),
        ("connections/0/mode", "hibrid"),
    ],
)
def test_unknown_names_beside_another_mistake(path: str, value: Any) -> None:
    """A connection to what nobody meant is told also when an entry of the list has no usable id; what may mean that one is not."""
    data = changed(path, value)
    data["connections"].append({"source": "nowhere", "destination": "hook"})
    found = problems(data)
    assert len(found) == 2, found
    assert 'connections[3].source: No source "nowhere".' in found[1]


def test_missing_key_has_a_line() -> None:
    """What is missing is reported at the line of what lacks it."""
    document = yaml.load("version: 1\nsources:\n  - name: a\n    id: web\n")
    with pytest.raises(WorkspaceError) as caught:
        read(document.data, lines=document.lines, new_write_key=str)
    assert caught.value.problems[0].line == 3


def test_write_keys_are_generated_once() -> None:
    """A missing write key is made, kept by its source's id, and the same the next time."""
    data = changed("sources/0/writeKey", "del")
    kept: dict[str, str] = {}
    first = read(data, generated=kept, new_write_key=lambda source_id: f"wk-new-{source_id}")
    assert kept == {"web": "wk-new-web"}
    second = read(data, generated=kept, new_write_key=lambda source_id: "wk-another")
    assert first.sources["web"].write_key == second.sources["web"].write_key == "wk-new-web"


def test_secret_may_wait() -> None:
    """Where secrets are not required, a destination without its secret is there and says what it lacks."""
    data = changed("destinations/0/settings/integrationKey", "${NOPE}")
    main = read(data, secrets_required=False).destinations["main"]
    assert main.secret_problem == "NOPE is not set. Set it, or use file:PATH."
    assert "integrationKey" not in main.settings


def test_a_document_of_the_api_names_the_servers_environment() -> None:
    """Whoever sends one sits elsewhere: a variable of theirs is of no use."""
    data = changed("destinations/0/settings/integrationKey", "${NOPE}")
    with pytest.raises(
        WorkspaceError, match=r"NOPE is not set in the server's environment\. Set it there and restart"
    ):
        read(data, by_server=True)


def test_switched_off_needs_no_secret() -> None:
    """A destination that is switched off may be configured before its keys exist."""
    data = changed("destinations/0/settings/integrationKey", "${NOPE}")
    data["destinations"][0]["enabled"] = False
    assert read(data).destinations["main"].secret_problem


SECRET = "s3cr3t-" + "z" * 40


@pytest.mark.parametrize(
    "path",
    [f"destinations/0/settings/{key}" for key in ("region", "pageEvents", "holdDays", "createMissing", "hosts", "trackSecret")]
    + ["destinations/0/type", "destinations/0/id", "destinations/1/settings/url", "connections/0/mode", "connections/0/source", "sources/0/type", "version"],
)  # fmt: skip
def test_secrets_stay_out_of_messages(path: str) -> None:
    """A secret in the wrong place is refused without being repeated."""
    try:
        workspace = read(changed(path, SECRET))
    except WorkspaceError as error:
        assert SECRET not in str(error)
    else:
        assert SECRET not in repr(workspace)


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["id", "type", "settings", "mode", "url", "headers", "consent", "eventFiltering", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
PLACES = [
    "version", "sources", "sources/0", "sources/0/id", "sources/0/type", "sources/0/allowedOrigins", "sources/0/writeKey",
    "destinations", "destinations/0", "destinations/0/type", "destinations/0/settings", "destinations/0/settings/hosts",
    "destinations/1/settings/headers", "destinations/1/settings/consent", "destinations/1/settings/eventFiltering",
    "destinations/1/settings/url", "destinations/1/settings/ratePerSecond", "connections", "connections/0", "connections/0/source",
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(place=st.sampled_from(PLACES), value=json)
def test_any_value_anywhere(place: str, value: Any) -> None:
    """Whatever stands in a document, it is a workspace or a WorkspaceError with a place and a sentence."""
    if value == "del":
        return
    try:
        read(changed(place, value), new_write_key=lambda source_id: f"wk-{source_id}")
    except WorkspaceError as error:
        assert error.problems
        assert all(problem.message.endswith((".", "?")) for problem in error.problems)
