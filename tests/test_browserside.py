"""What browsers fetch: /sourceConfig, /lib/*, /lib/health."""

from __future__ import annotations

import base64
import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from sternpost import builds
from sternpost.browserside import HEALTH_ENTRIES_MAX, AgentHealth, BrowserSide
from sternpost.destinations.registry import DESTINATIONS
from sternpost.workspace.document import parse

SECRETS = {
    "integrationKey": "33333333-3333-4333-8333-333333333333.us",
    "trackEventSecret": "55555555-5555-4555-8555-555555555555",
}


def document(mode="device", **settings):
    return {
        "version": 1,
        "sources": [
            {
                "id": "web",
                "name": "Web",
                "type": "web",
                "writeKey": "wk",
                "allowedOrigins": settings.pop("origins", []),
            },
            {"id": "off", "name": "Off", "type": "web", "writeKey": "wk-off", "enabled": False},
        ],
        "destinations": [
            {
                "id": "pendo",
                "name": "Pendo",
                "type": "pendo",
                "settings": {"apiKey": "key-1", "region": "eu", **SECRETS, **settings},
            },
            {"id": "hook", "name": "Hook", "type": "webhook", "settings": {"url": "http://hook.test/"}},
        ],
        "connections": [
            {"source": "web", "destination": "pendo", "mode": mode},
            {"source": "web", "destination": "hook", "mode": "cloud"},
            {"source": "off", "destination": "pendo", "mode": mode},
        ],
    }


class Answer:
    def __init__(self, messages: list[dict[str, Any]]) -> None:
        self.status = messages[0]["status"]
        self.headers = {name.decode().lower(): value.decode() for name, value in messages[0]["headers"]}
        self.body = b"".join(message.get("body", b"") for message in messages[1:])

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Page:
    def __init__(self, workspace, builds_dir: Path | None = None) -> None:
        self.workspace = workspace
        self.health = AgentHealth()
        self.app = BrowserSide(
            workspace=lambda: self.workspace,
            health=self.health,
            clock=lambda: 1_800_000_000.0,
            builds_dir=builds_dir,
        )

    async def __call__(
        self, method: str, path: str, body: bytes = b"", key: str | None = "wk", **headers: str
    ) -> Answer:
        path, _, query = path.partition("?")
        given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        if key is not None:
            given.append((b"authorization", b"Basic " + base64.b64encode(f"{key}:".encode())))
        sent: list[dict[str, Any]] = []

        async def receive():
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message):
            sent.append(message)

        await self.app(
            {
                "type": "http",
                "method": method,
                "path": path,
                "query_string": query.encode(),
                "headers": given,
            },
            receive,
            send,
        )
        return Answer(sent)


@pytest.fixture
def page():
    return Page(parse(document(), destinations=DESTINATIONS))


@pytest.mark.parametrize(
    "path", ["/sourceConfig", "/sourceConfig/", "/sourceConfig/?p=npm&v=3.34.1&writeKey=wk"]
)
async def test_the_configuration_has_what_the_sdks_read_and_no_secret(page, path):
    """Both spellings, no redirect; Pendo by both names; nothing that a page must not know."""
    answer = await page("GET", path, origin="https://x.example")
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == "https://x.example"
    source = answer.json["source"]
    assert (source["id"], source["enabled"], source["config"]) == (
        "web",
        True,
        {"statsCollection": {"errors": {"enabled": False}, "metrics": {"enabled": False}}},
    )
    (destination,) = source["destinations"]
    assert destination["destinationDefinition"] == {"name": "PENDO", "displayName": "Pendo"}
    assert destination["config"]["apiKey"] == "key-1"
    assert destination["config"]["region"] == "eu"
    assert destination["config"]["anonymousVisitors"] == "prefix"
    assert not any(secret.encode() in answer.body for secret in SECRETS.values())


async def test_cloud_connections_and_disabled_destinations_are_left_out():
    """v3 would load a cloud destination that stands beside a device one."""
    cloud = await Page(parse(document(mode="cloud"), destinations=DESTINATIONS))("GET", "/sourceConfig")
    assert cloud.json["source"]["destinations"] == []


async def test_a_disabled_source_is_told_by_its_flag(page):
    """200 and enabled: false; no destination."""
    answer = await page("GET", "/sourceConfig", key="wk-off")
    assert (answer.status, answer.json["source"]["enabled"], answer.json["source"]["destinations"]) == (
        200,
        False,
        [],
    )


async def test_an_unknown_key_is_401_with_a_message_and_cors(page):
    """The SDK logs status and body; without CORS headers it would see a network error."""
    answer = await page("GET", "/sourceConfig", key="nope", origin="https://x.example")
    assert (answer.status, answer.json["message"]) == (401, "No source has this write key.")
    assert answer.headers["access-control-allow-origin"] == "https://x.example"


async def test_a_changed_workspace_changes_the_answer_and_its_etag(page):
    """ETag with no-cache: an unchanged answer costs 304, a change is seen at once."""
    first = await page("GET", "/sourceConfig")
    assert first.headers["cache-control"] == "no-cache"
    assert (await page("GET", "/sourceConfig", if_none_match=first.headers["etag"])).status == 304
    page.workspace = parse(document(region="jp"), destinations=DESTINATIONS)
    second = await page("GET", "/sourceConfig", if_none_match=first.headers["etag"])
    assert (second.status, second.json["source"]["destinations"][0]["config"]["region"]) == (200, "jp")


async def test_head_and_preflight_are_answered(page):
    """HEAD as GET without a body; the ad-block probe is 200; preflights echo what is asked for."""
    for path in ("/sourceConfig", "/lib/sp.min.js"):
        asked, got = await page("HEAD", path), await page("GET", path)
        assert (asked.body, asked.headers) == (b"", got.headers)
    assert (await page("HEAD", "/sourceConfig?view=ad")).status == 200
    answer = await page(
        "OPTIONS",
        "/sourceConfig/",
        key=None,
        origin="https://x.example",
        access_control_request_method="GET",
        access_control_request_headers="authorization",
    )
    assert (answer.status, answer.headers["access-control-allow-headers"]) == (204, "authorization")


async def test_an_origin_that_is_not_on_the_list_gets_403():
    """allowedOrigins holds for the configuration too."""
    page = Page(parse(document(origins=["https://app.example"]), destinations=DESTINATIONS))
    assert (await page("GET", "/sourceConfig", origin="https://evil.example")).status == 403
    assert (await page("GET", "/sourceConfig", origin="https://app.example")).status == 200


async def test_event_lists_and_consent_are_said_in_rudderstacks_words():
    """eventFiltering and consent of the workspace become what the SDKs understand."""
    settings = {
        "eventFiltering": {"mode": "deny", "events": ["Noise"]},
        "consent": [{"provider": "oneTrust", "resolutionStrategy": "and", "consents": ["C1"]}],
    }
    answer = await Page(parse(document(**settings), destinations=DESTINATIONS))("GET", "/sourceConfig")
    config = answer.json["source"]["destinations"][0]["config"]
    assert (config["eventFilteringOption"], config["blacklistedEvents"], config["whitelistedEvents"]) == (
        "blacklistedEvents",
        [{"eventName": "Noise"}],
        [],
    )
    assert config["consentManagement"] == [
        {"provider": "oneTrust", "resolutionStrategy": "and", "consents": [{"consent": "C1"}]}
    ]


@pytest.mark.parametrize(
    ("consent", "strategies"),
    [
        ([], ["and", "and", "and"]),
        ([{"provider": "ketch", "resolutionStrategy": "or", "consents": ["ads"]}], ["and", "or", "and"]),
        ([{"provider": "ketch", "consents": ["ads"]}, {"provider": "iubenda", "resolutionStrategy": "or", "consents": ["4"]}], ["and", "and", "or"]),
    ],
)  # fmt: skip
async def test_the_strategy_of_a_provider_reaches_the_page(consent, strategies):
    """For these providers the SDKs hold to the source's strategy, and name it in the event: the one that the workspace says."""
    answer = await Page(parse(document(consent=consent), destinations=DESTINATIONS))("GET", "/sourceConfig")
    assert answer.json["consentManagementMetadata"]["providers"] == [
        {"provider": provider, "resolutionStrategy": strategy}
        for provider, strategy in zip(("oneTrust", "ketch", "iubenda"), strategies, strict=True)
    ]


async def test_of_two_strategies_the_stricter_one_holds():
    """Two destinations of the source, one in cloud mode, disagree: nobody's refusal is overlooked."""
    both = document(consent=[{"provider": "oneTrust", "resolutionStrategy": "or", "consents": ["C1"]}])
    hook = {"id": "own", "name": "Own", "type": "webhook", "settings": {"url": "https://x.example/", "consent": [{"provider": "oneTrust", "consents": ["C2"]}]}}  # fmt: skip
    both["destinations"].append(hook)
    both["connections"].append({"source": "web", "destination": "own", "mode": "cloud"})
    answer = await Page(parse(both, destinations=DESTINATIONS))("GET", "/sourceConfig")
    assert answer.json["consentManagementMetadata"]["providers"][0]["resolutionStrategy"] == "and"


async def test_the_members_of_rudderstacks_answer_are_there(page):
    """A reader that was written for its control plane finds each of them."""
    answer = await page("GET", "/sourceConfig")
    assert {"source", "updatedAt", "consentManagementMetadata"} <= answer.json.keys()
    source = answer.json["source"]
    assert {"id", "name", "writeKey", "config", "enabled", "workspaceId", "destinations", "updatedAt"} <= source.keys()  # fmt: skip
    (destination,) = source["destinations"]
    assert {
        "id", "name", "enabled", "config", "destinationDefinitionId", "destinationDefinition", "updatedAt",
        "shouldApplyDeviceModeTransformation", "propagateEventsUntransformedOnError",
    } <= destination.keys()  # fmt: skip


async def test_health_reports_are_counted_and_bounded(page):
    """A page tells once whether the agent loaded; alike reports are one entry, malformed ones are dropped, 204 always."""
    report = json.dumps({"destination": "pendo", "state": "blocked", "detail": "script error"}).encode()
    for _ in range(3):
        assert (
            await page("POST", "/lib/health?writeKey=wk", report, key=None, origin="https://x.example")
        ).status == 204
    (entry,) = page.health.of("pendo")
    assert (entry.state, entry.count, entry.page) == ("blocked", 3, "https://x.example")
    for body in (
        b"",
        b"[]",
        b"{",
        b"x" * 10_000,
        b'{"destination":"hook2","state":"blocked"}',
        b'{"destination":"pendo","state":"hacked"}',
    ):
        assert (await page("POST", "/lib/health?writeKey=wk", body, key=None)).status == 204
    for number in range(HEALTH_ENTRIES_MAX + 50):
        await page("POST", "/lib/health?writeKey=wk", report, key=None, origin=f"https://{number}.example")
    assert len(page.health.of("pendo")) == HEALTH_ENTRIES_MAX


async def test_scripts_are_served_packed_with_an_etag(page):
    """Whatever is built is served from memory, gzip when asked for, 404 for the rest."""
    assert (await page("GET", "/lib/../model.py")).status == 404
    assert (await page("GET", "/lib/none.js")).status == 404
    for name in page.app._files:
        plain = await page("GET", f"/lib/{name}")
        packed = await page("GET", f"/lib/{name}", accept_encoding="gzip, br")
        assert gzip.decompress(packed.body) == plain.body
        assert (await page("GET", f"/lib/{name}", if_none_match=plain.headers["etag"])).status == 304


#: bytes of /lib/sp.min.js as a page gets it: the documented snippet with Pendo in one request
SDK_BYTES_MAX = 9_216


async def test_the_sdk_is_within_its_bound(page):
    """As the server packs it, and as GNU gzip does, which puts the file's name into the header. Node's zlib packs otherwise and does not count."""
    packed = (await page("GET", "/lib/sp.min.js", accept_encoding="gzip")).body
    assert len(gzip.compress(gzip.decompress(packed), 9)) + len("sp.min.js\0") <= SDK_BYTES_MAX
    assert len(packed) <= SDK_BYTES_MAX


RECORDED = json.loads((Path(__file__).parent / "data" / "browser_captures.json").read_text(encoding="utf-8"))[
    "sourceConfig"
]


@pytest.mark.parametrize("slash", ["/", ""])
@pytest.mark.parametrize("request_", RECORDED, ids=lambda one: f"{one['recorded']}-{one['method']}")
async def test_what_genuine_sdks_ask_is_answered(page, request_, slash):
    """Their own requests, in both spellings and by GET and HEAD; never a redirect; what they read is there with its type."""
    path = (
        request_["url"]
        .replace("/sourceConfig/", f"/sourceConfig{slash}")
        .replace("writeKey=WK", "writeKey=wk")
    )
    headers = {name.replace("-", "_"): value for name, value in request_["headers"].items()}
    if request_["method"] == "OPTIONS":
        answer = await page("OPTIONS", path, key=None, **headers)
        assert answer.status == 204
        assert answer.headers["access-control-allow-origin"] == headers["origin"]
        assert "GET" in answer.headers["access-control-allow-methods"]
        asked = headers["access_control_request_headers"].split(",")
        assert set(asked) <= set(
            answer.headers["access-control-allow-headers"].lower().replace(" ", "").split(",")
        )
        return
    headers.pop("authorization")
    headers.setdefault("origin", "https://shop.example")
    answer = await page("GET", path, **headers)
    assert answer.status == 200
    assert "location" not in answer.headers
    assert answer.headers["access-control-allow-origin"] == headers["origin"]
    source = answer.json["source"]
    assert isinstance(source["id"], str)
    assert isinstance(source["config"], dict)
    assert source["enabled"] is True
    (destination,) = source["destinations"]
    assert destination["enabled"] is True
    assert destination["shouldApplyDeviceModeTransformation"] is False
    assert "dataplanes" not in source
    head = await page("HEAD", path, **headers)
    assert (head.status, head.body, head.headers["etag"]) == (200, b"", answer.headers["etag"])
    again = await page("GET", path, **headers, if_none_match=answer.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    assert again.headers["access-control-allow-origin"] == headers["origin"]


def second_file(mark: str, code: str = "();") -> bytes:
    return f"{code}\n//build {mark}\n".encode()


async def test_the_second_file_of_each_build_that_was_served_stays(tmp_path):
    """A page whose first file is of the build before the update gets its own second file, as does one that is open meanwhile."""
    folder = tmp_path / "browser"
    assert builds.keep(folder, second_file("old1")) == {"old1": second_file("old1")}
    page = Page(parse(document(), destinations=DESTINATIONS), folder)
    own = await page("GET", "/lib/sp.more.min.js", key=None)
    mark = builds.mark_of(own.body)
    assert own.headers["cache-control"] == "public, max-age=300"
    first = await page("GET", "/lib/sp.min.js", key=None)
    assert f'"{mark}"'.encode() in first.body
    same = await page("GET", f"/lib/sp.more.min.js?{mark}", key=None)
    old = await page("GET", "/lib/sp.more.min.js?old1", key=None)
    assert (same.body, old.body) == (own.body, second_file("old1"))
    for answer in (same, old):
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    unknown = await page("GET", "/lib/sp.more.min.js?none", key=None)
    assert (unknown.status, unknown.headers["cache-control"]) == (404, "no-store")


def test_kept_builds_are_bounded_and_the_latest(tmp_path):
    """As many as there are marks would fill memory over the years."""
    for count in range(builds.BUILDS_MAX + 5):
        kept = builds.keep(tmp_path, second_file(f"b{count:03}"))
        os.utime(tmp_path / f"b{count:03}.js", (count, count))
    assert sorted(kept) == [f"b{count:03}" for count in range(5, builds.BUILDS_MAX + 5)]
    assert len(list(tmp_path.iterdir())) == builds.BUILDS_MAX


def test_former_builds_are_served_where_nothing_can_be_written(tmp_path):
    """A full disk, at the very start that is an update, costs the next one only."""
    builds.keep(tmp_path, second_file("old1"))
    (tmp_path / "own.new").mkdir()
    kept = builds.keep(tmp_path, second_file("own1"))
    assert sorted(kept) == ["old1", "own1"]


def test_what_is_not_of_ours_is_not_served(tmp_path):
    """A file that another wrote there, half a file, one too large; and a folder that is none."""
    (tmp_path / "evil.js").write_bytes(b"alert(1)")
    (tmp_path / "half.js").write_bytes(second_file("half")[:-3])
    (tmp_path / "name.js").write_bytes(second_file("othr"))
    (tmp_path / "larg.js").write_bytes(second_file("larg", " " * builds.BYTES_MAX))
    own = second_file("own1")
    assert builds.keep(tmp_path, own) == {"own1": own}
    assert builds.keep(tmp_path / "evil.js", own) == {"own1": own}
