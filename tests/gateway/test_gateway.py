"""What the gateway does beyond the contract's cases: paths, write keys, CORS, the store, limits, addresses, pixels."""

from __future__ import annotations

import asyncio
import gzip
import ipaddress
import json
from pathlib import Path
from typing import Any

import pytest

from sternpost import limits
from sternpost.errors import StoreFull, StoreUnavailable
from sternpost.gateway.app import Gateway
from sternpost.model import Masking, Source
from sternpost.wire.privacy import hashed
from tests.gateway.door import EVENT, KEY, Door, basic

SDK: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent / "data" / "sdk_requests.json").read_text(encoding="utf-8")
)["requests"]


def batch(count: int) -> bytes:
    return b'{"batch":[' + b",".join([b'{"userId":"u1","type":"track"}'] * count) + b"]}"


# --- genuine clients ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("request_", SDK, ids=lambda r: f"{r['recorded']}-{r['method']}-{r['url'][:18]}")
async def test_requests_of_genuine_sdks_are_answered(request_: dict[str, Any]) -> None:
    """What genuine SDKs sent to RudderStack gets 200 and is kept byte for byte; their preflights are allowed what they ask for."""
    door = Door(sources=[Source("web", "Web", "web", "WK")])
    body = b"" if request_["body"] is None else json.dumps(request_["body"], ensure_ascii=False).encode()
    answer = await door.request(request_["method"], request_["url"], headers=request_["headers"], body=body)
    assert answer.header("access-control-allow-origin") == request_["headers"]["Origin"]
    if request_["method"] == "OPTIONS":
        wanted = request_["headers"]["Access-Control-Request-Headers"]
        assert (answer.status, answer.header("access-control-allow-headers")) == (204, wanted)
        return
    assert (answer.status, answer.body) == (200, b"ok")
    sent = request_["body"].get("batch", [request_["body"]])
    assert [json.loads(event.body) for event in door.events] == sent
    assert [event.message_id for event in door.events] == [event["messageId"] for event in sent]
    assert all(event.page_ms is not None for event in door.events)


# --- which paths ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "ours"),
    [
        ("/v1/track", True),
        ("/v1/foo", True),
        ("/beacon/v1/batch", True),
        ("/pixel/v1/page", True),
        ("/health", True),
        ("/version", True),
        ("/robots.txt", True),
        ("/", False),
        ("/health/", False),
        ("/metrics", False),
        ("/api/v1/events/x", False),
        ("/sourceConfig", False),
        ("/v10/track", False),
    ],
)
def test_which_paths_are_the_gateways(path: str, ours: bool) -> None:
    """Its own prefixes and three plain addresses; the rest belongs to others."""
    assert Gateway.handles(path) is ours


@pytest.mark.parametrize("path", ["/v1/track", "/v1/batch", "/beacon/v1/batch"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"])
async def test_only_post_carries_events(method: str, path: str) -> None:
    """Another method is 405 and names the right one; nothing is read."""
    door = Door()
    answer = await door.request(method, path, headers=basic(), body=EVENT)
    assert (answer.status, answer.header("allow")) == (405, "POST")
    assert not door.events


@pytest.mark.parametrize(
    "path", ["/v1/track/", "/v1/", "/v1/Track", "/beacon/v1/track", "/pixel/v1/identify"]
)
async def test_other_paths_are_unknown_and_never_redirected(path: str) -> None:
    """A path that differs, be it by a slash, is 404: an SDK would follow a redirect without its body."""
    answer = await Door().post(path, EVENT)
    assert answer.status == 404
    assert answer.header("location") is None


async def test_health_says_whether_events_can_be_accepted() -> None:
    """200 when they can, 503 when not, and 503 when the question itself fails; HEAD has no body."""
    door = Door()
    answer = await door.request("GET", "/health")
    assert (answer.status, json.loads(answer.body)) == (200, {"status": "ok"})
    assert (await door.request("HEAD", "/health")).body == b""
    door.healthy = False
    assert (await door.request("GET", "/health")).status == 503

    async def broken() -> tuple[bool, dict[str, Any]]:
        raise OSError("disk")

    door.gateway._health = broken
    answer = await door.request("GET", "/health")
    assert answer.status == 503
    assert b"disk" not in answer.body


async def test_version_and_robots() -> None:
    """/version is JSON with our name; /robots.txt keeps crawlers away from everything."""
    assert json.loads((await Door().request("GET", "/version")).body)["name"] == "sternpost"
    answer = await Door().request("GET", "/robots.txt")
    assert answer.body == b"User-agent: *\nDisallow: /\n"


# --- authentication -------------------------------------------------------------------------------------------------


async def test_a_changed_workspace_counts_from_the_next_request() -> None:
    """A rotated write key stops at once, also when its header was remembered; the new one works."""
    door = Door()
    assert (await door.post("/v1/track", EVENT)).status == 200
    door.use(Source("enabled-source", "Web", "web", "wk-new"))
    assert (await door.post("/v1/track", EVENT)).status == 401
    assert (await door.post("/v1/track", EVENT, basic("wk-new"))).status == 200


async def test_headers_are_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many passwords come with one key, few headers are remembered, and all work."""
    monkeypatch.setattr(limits, "AUTH_CACHE_ENTRIES_MAX", 3)
    door = Door()
    for n in range(10):
        assert (await door.post("/v1/track", EVENT, basic(password=str(n)))).status == 200
    assert len(door.gateway._keys._headers) <= 3


async def test_refused_says_why_in_a_header_and_a_metric() -> None:
    """The dialect's text stays as it is; our code is beside it, and never a write key."""
    door = Door()
    answer = await door.post("/v1/track", b"x")
    assert (answer.body, answer.header("sternpost-reason")) == (b"invalid json\n", "bad_json")
    await door.post("/v1/track", EVENT, basic("wk-old-secret"))
    name = "sternpost_requests_refused_total"
    assert door.metric(name, reason="bad_json", source="enabled-source") == 1
    assert door.metric(name, reason="write_key_unknown", source="") == 1


# --- origins and CORS -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 200),
        ("https://app.example.com", 200),
        ("HTTPS://APP.example.com", 200),
        ("https://evil.example.com", 403),
        ("https://app.example.com:8443", 403),
        ("null", 403),
    ],
)
@pytest.mark.parametrize("path", ["/v1/track", f"/beacon/v1/batch?writeKey={KEY}"])
async def test_a_source_may_restrict_its_origins(path: str, origin: str | None, status: int) -> None:
    """Another origin is 403 with CORS headers, or an SDK would take it for a network error and repeat; no origin passes."""
    source = Source("web", "Web", "web", KEY, allowed_origins=("https://app.example.com/",))
    door = Door(sources=[source])
    headers = basic() | ({} if origin is None else {"Origin": origin})
    answer = await door.post(path, batch(1) if "batch" in path else EVENT, headers)
    assert answer.status == status
    assert answer.header("access-control-allow-origin") == origin
    if status == 403:
        assert answer.body == b"origin is not allowed\n"
        assert not door.events


@pytest.mark.parametrize("status", [200, 400, 401, 404, 413, 429, 503])
async def test_cors_headers_are_on_every_answer(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the answer is, the page may read it, with Retry-After and Sternpost-Reason."""
    door = Door(sources=[Source("web", "Web", "web", KEY, requests_per_second=1)])
    headers = basic("other" if status == 401 else KEY) | {"Origin": "https://example.com"}
    body, path = EVENT, "/v1/track"
    if status == 400:
        body = b""
    elif status == 404:
        path = "/v1/nothing"
    elif status == 413:
        headers["Content-Length"] = "4096001"
    elif status == 429:
        await door.post(path, EVENT)
    elif status == 503:
        monkeypatch.setattr(limits, "REQUESTS_IN_FLIGHT_MAX", 0)
    answer = await door.request("POST", path, headers=headers, body=body, content_length=status != 413)
    assert answer.status == status
    assert answer.header("access-control-allow-origin") == "https://example.com"
    assert answer.header("access-control-allow-credentials") == "true"
    assert answer.header("vary") == "Origin"
    exposed = answer.header("access-control-expose-headers")
    assert exposed is not None
    assert {"Retry-After", "Sternpost-Reason"} == set(exposed.split(", "))


async def test_without_an_origin_there_are_no_allow_headers() -> None:
    """A server's request gets an answer without CORS headers, but caches are told that they vary."""
    answer = await Door().post("/v1/track", EVENT)
    assert answer.header("vary") == "Origin"
    assert not any(name.startswith("access-control-") for name, _ in answer.headers)


@pytest.mark.parametrize(
    ("wanted", "named"), [("POST", "POST"), ("get", "GET"), ("HEAD", "HEAD"), ("PUT", None), ("DELETE", None)]
)
@pytest.mark.parametrize("path", ["/v1/track", "/v1/unknown", "/beacon/v1/batch", "/health"])
async def test_preflights(path: str, wanted: str, named: str | None) -> None:
    """204 on every path; it names the method asked for, and allows nothing for a method outside the list."""
    headers = {"Origin": "https://example.com", "Access-Control-Request-Method": wanted}
    answer = await Door().request("OPTIONS", path, headers=headers, content_length=False)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.header("access-control-allow-methods") == named
    assert answer.header("access-control-allow-origin") == ("https://example.com" if named else None)
    assert answer.header("access-control-max-age") == ("900" if named else None)
    assert answer.header("access-control-allow-headers") is None


# --- the store ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "body"),
    [
        (StoreFull("disk /secret/path"), b"Service Unavailable\n"),
        (StoreUnavailable("disk /secret/path"), b"the events could not be stored, send them again\n"),
        (TimeoutError(), b"the events could not be stored, send them again\n"),
        (RuntimeError("defect"), b"the events could not be stored, send them again\n"),
    ],
)
async def test_what_could_not_be_stored_is_to_be_sent_again(error: Exception, body: bytes) -> None:
    """503 with Retry-After and a fixed sentence; the cause never goes to the client, and nothing counts as accepted."""

    async def failing(source: Source, events: list[Any]) -> None:
        raise error

    door = Door(accepting=failing)
    answer = await door.post("/v1/track", EVENT)
    assert (answer.status, answer.body) == (503, body)
    assert int(answer.header("retry-after") or 0) > 0
    assert answer.header("sternpost-reason") == "store_unavailable"
    assert door.metric("sternpost_events_accepted_total", source="enabled-source") == 0


async def test_accepted_events_are_counted() -> None:
    """Events, not requests."""
    door = Door()
    assert (
        await door.post("/v1/batch", b'{"batch":[' + EVENT + b"," + EVENT + b"," + EVENT + b"]}")
    ).status == 200
    assert door.metric("sternpost_events_accepted_total", source="enabled-source") == 3
    assert door.metric("sternpost_request_seconds_count", path="/v1/batch") == 1


async def test_a_client_that_sends_in_order_says_so() -> None:
    """The header of a batch is noted with its events; what was kept as it came waits as if nothing had been said."""
    for headers, expected in (
        ({}, False),
        ({"Sternpost-In-Order": "true"}, True),
        ({"Sternpost-In-Order": "1"}, False),
    ):
        door = Door(crowded=False)
        body = b'{"batch":[{"type":"track","event":"E","userId":"u"},{"type":"page","userId":"u"}]}'
        assert (await door.post("/v1/batch", body, {**basic(), **headers})).status == 200
        assert [event.in_order for event in door.events] == [expected, expected]


async def test_an_empty_import_stores_nothing() -> None:
    """/v1/import without events is 200, and the store is not asked."""
    door = Door()
    for body in (b"{}", b'{"batch":[]}', b'{"batch":null}', b"[]"):
        assert (await door.post("/v1/import", body)).status == 200
    assert door.accepts == 0


async def test_a_batch_is_all_or_nothing() -> None:
    """One event without identity refuses its 9,999 neighbours; without it, all are accepted in order, in one call."""
    door = Door()
    good = [b'{"userId":"u%d"}' % n for n in range(10_000)]
    bad = good[:5_000] + [b"{}"] + good[5_000:]
    assert (await door.post("/v1/batch", b'{"batch":[' + b",".join(bad) + b"]}")).status == 400
    assert not door.events
    assert (await door.post("/v1/batch", b'{"batch":[' + b",".join(good) + b"]}")).status == 200
    assert [event.body for event in door.events] == good
    assert door.accepts == 1


# --- rate limit -----------------------------------------------------------------------------------------------------


async def test_a_source_may_have_a_rate() -> None:
    """Each event costs one; above the rate it is 429 with Retry-After, and after that time it passes again."""
    door = Door(sources=[Source("web", "Web", "web", KEY, requests_per_second=10)])
    assert (await door.post("/v1/batch", batch(10))).status == 200
    answer = await door.post("/v1/batch", batch(5))
    assert (answer.status, answer.body) == (429, b"max requests limit reached\n")
    assert answer.header("retry-after") == "1"
    door.now += 0.4
    assert (await door.post("/v1/batch", batch(5))).status == 429
    door.now += 0.1
    assert (await door.post("/v1/batch", batch(5))).status == 200
    assert len(door.events) == 15


async def test_a_batch_larger_than_the_rate_can_pass() -> None:
    """It passes when nothing was sent for a while, and leaves a debt that the next ones wait for."""
    door = Door(sources=[Source("web", "Web", "web", KEY, requests_per_second=2)])
    assert (await door.post("/v1/batch", batch(100))).status == 200
    answer = await door.post("/v1/track", EVENT)
    assert (answer.status, answer.header("retry-after")) == (429, "50")
    door.now += 49.5
    assert (await door.post("/v1/track", EVENT)).status == 200


async def test_a_clock_that_goes_back_does_no_harm() -> None:
    """The bucket neither fills nor empties; a fraction of a request a second works too."""
    door = Door(sources=[Source("web", "Web", "web", KEY, requests_per_second=0.5)])
    assert (await door.post("/v1/track", EVENT)).status == 200
    door.now -= 3600
    assert (await door.post("/v1/track", EVENT)).header("retry-after") == "2"
    door.now += 2
    assert (await door.post("/v1/track", EVENT)).status == 200


async def test_refused_events_cost_nothing() -> None:
    """What is refused for another reason takes no tokens: JSON and identity are looked at first."""
    door = Door(sources=[Source("web", "Web", "web", KEY, requests_per_second=1)])
    for _ in range(5):
        assert (await door.post("/v1/track", b"{}")).status == 400
    assert (await door.post("/v1/track", EVENT)).status == 200


# --- addresses ------------------------------------------------------------------------------------------------------

NETWORKS = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8")]


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "address"),
    [
        ("192.0.2.7", [], None, "192.0.2.7"),
        ("192.0.2.7", [" 203.0.113.9 , 10.0.0.1"], None, "203.0.113.9"),
        ("192.0.2.7", ["203.0.113.9", "198.51.100.1"], None, "203.0.113.9"),
        ("192.0.2.7", [" , "], None, "192.0.2.7"),
        (None, [], None, ""),
        ("192.0.2.7", ["203.0.113.9"], [], "192.0.2.7"),
        ("192.0.2.7", ["203.0.113.9"], NETWORKS, "192.0.2.7"),
        ("10.0.0.5", ["203.0.113.9"], NETWORKS, "203.0.113.9"),
        ("10.0.0.5", ["6.6.6.6, 203.0.113.9, 10.0.0.4"], NETWORKS, "203.0.113.9"),
        ("10.0.0.5", ["10.0.0.4"], NETWORKS, "10.0.0.4"),
        ("fd00::1", ["2001:db8::1"], NETWORKS, "2001:db8::1"),
        ("10.0.0.5", ["unknown"], NETWORKS, "unknown"),
    ],
)
async def test_the_clients_address(
    peer: str | None, forwarded: list[str], trusted: Any, address: str
) -> None:
    """The first entry of X-Forwarded-For, else the peer; with trusted proxies, the last that none of them vouches for itself."""
    door = Door(trusted_proxies=trusted)
    headers = [*basic().items(), *(("X-Forwarded-For", value) for value in forwarded)]
    await door.request(
        "POST", "/v1/track", headers=headers, body=EVENT, peer=None if peer is None else (peer, 1)
    )
    assert door.events[0].request_ip == address


# --- pixel ----------------------------------------------------------------------------------------------------------


async def test_a_pixel_becomes_an_event() -> None:
    """Each field is a text, dots nest, the first of a repeated field counts; the picture is never kept by a cache."""
    door = Door()
    answer = await door.request(
        "GET",
        f"/pixel/v1/page?writeKey={KEY}&anonymousId=%22a%20b%22&name=&properties.plan=pro&properties.n=1"
        "&userId=u1&userId=u2&context.page.url=https%3A%2F%2Fx%2F%3Fa%26b",
        headers={"X-Forwarded-For": "203.0.113.9"},
    )
    assert answer.body.startswith(b"GIF89a\x01\x00\x01\x00")
    assert answer.header("cache-control") == "no-store"
    (event,) = door.shown()
    assert event["anonymousId"] == "a b"
    assert event["name"] == "Unknown Page"
    assert event["properties"] == {"plan": "pro", "n": "1"}
    assert event["userId"] == "u1"
    assert event["context"] == {"page": {"url": "https://x/?a&b"}}
    assert event["request_ip"] == "203.0.113.9"
    assert event["originalTimestamp"] == event["sentAt"] == "2026-09-21T14:13:20.250Z"
    assert "writeKey" not in event


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("anonymousId=a", "write_key_missing"),
        ("writeKey=other&anonymousId=a", "write_key_unknown"),
        (f"writeKey={KEY}&event=", "event_name_empty"),
        (f"writeKey={KEY}&event=e", "no_identity"),
        (f"writeKey={KEY}&anonymousId=a&{'a.' * 300}a=1", "bad_json"),
        (f"writeKey={KEY}&anonymousId=a&" + "&".join(f"k{n}=1" for n in range(2_000)), "bad_json"),
        ("writeKey=disabled-write-key&anonymousId=a", "source_disabled"),
    ],
)
async def test_a_refused_pixel_is_counted_and_shown(query: str, reason: str) -> None:
    """The client gets its picture whatever happened; people see the reason, and no write key."""
    door = Door()
    answer = await door.request("GET", f"/pixel/v1/track?{query}")
    assert (answer.status, answer.header("sternpost-reason")) == (200, reason)
    assert answer.body.startswith(b"GIF89a")
    (entry,) = door.refused.entries()
    assert (entry.reason, entry.status, entry.path) == (reason, 200, "/pixel/v1/track")
    assert KEY not in repr(entry)
    assert not door.events


async def test_a_large_batch_does_not_stop_the_others() -> None:
    """A body of megabytes is decoded beside the loop: small requests that come later are answered before it."""
    door = Door()
    many = b'{"batch":[' + b",".join([b'{"userId":"u","messageId":"m"}'] * limits.BATCH_EVENTS_MAX) + b"]}"
    large = asyncio.create_task(door.post("/v1/batch", many))
    await asyncio.sleep(0)
    assert (await door.post("/v1/track", EVENT)).status == 200
    assert not large.done()
    assert (await large).status == 200
    assert len(door.events) == limits.BATCH_EVENTS_MAX + 1


async def test_masked_before_it_is_kept() -> None:
    """A source's private fields are gone before the event is handed on, from batches, single events and refused samples alike."""
    masking = Masking(drop=("context.ip", "traits.phone"), hash=("traits.email", "userId"))
    door = Door(sources=[Source("web", "Web", "web", KEY, masking=masking)])
    event = {
        "userId": "u-secret",
        "context": {
            "ip": "198.51.100.9",
            "traits": {"email": "e-secret", "phone": "p-secret", "plan": "pro"},
        },
    }
    assert (await door.post("/v1/identify", json.dumps(event).encode())).status == 200
    batch = {"batch": [{"type": "identify", **event, "traits": {"email": "e-secret"}}]}
    assert (
        await door.post(
            "/v1/batch", gzip.compress(json.dumps(batch).encode()), {**basic(), "Content-Encoding": "gzip"}
        )
    ).status == 200
    assert len(door.events) == 2
    for kept in door.events:
        assert b"secret" not in kept.body
        assert b"198.51.100.9" not in kept.body
        assert kept.request_ip == ""
        assert kept.user_id == hashed("u-secret", door.gateway._masking_key)
        assert json.loads(kept.body)["context"]["traits"]["plan"] == "pro"
    assert (await door.post("/v1/identify", b'{"traits":{"email":"e-secret"}}')).status == 400
    assert door.refused.entries()[0].sample == ""
