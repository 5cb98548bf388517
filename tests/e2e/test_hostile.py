"""Bad input over real HTTP: each request gets a defined answer, nobody else's event is touched, and everything accepted gets an end."""

from __future__ import annotations

import gzip
import json
import random
import socket
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.e2e.running import Connection, Sandbox, Server, basic, connected, pendo, request, source
from tests.waiting import until

KEY = "wk-backend"
#: Every answer that the door may give to a body (contract 3.2); 5xx other than 503 would be a defect.
DEFINED = {200, 400, 401, 404, 405, 413, 429, 503}
TEXTS = {
    b"ok",
    b"invalid json\n",
    b"event is not a valid rudder event\n",
    b"request neither has anonymousId nor userId\n",
    b"empty batch payload\n",
    b"request size exceeds max limit\n",
    b"failed to read body from request\n",
}
RSS_GROWTH_MB_MAX = 250  #: two large bodies are decoded at a time, some 100 MB of objects each


@pytest.fixture(scope="module")
def server(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("hostile"), connected([source("backend")], [pendo(sandbox)]))
    yield running
    running.end()


@pytest.fixture
def watched(server: Server, sandbox: Sandbox) -> Iterator[Server]:
    """Before and after the test an ordinary person sends events; at the end all of them are at Pendo as they were sent, everything that was
    accepted has an end, and the log holds no trace.
    """
    person = f"bystander-{time.time_ns()}"

    def send(number: int) -> None:
        name = f"{person}-{number}"
        server.accept(
            KEY,
            {
                "type": "track",
                "userId": person,
                "event": name,
                "properties": {"n": number},
                "messageId": name,
            },
        )

    send(1)
    yield server
    send(2)
    until(lambda: len(sandbox.events(visitorId=person)) == 2, what="the bystander's events are there")
    assert [(e["event"], e["properties"]) for e in sandbox.events(visitorId=person)] == [
        (f"{person}-{n}", {"n": n}) for n in (1, 2)
    ]
    until(lambda: server.idle(), within_s=40, what="no stuck lane")
    assert request(server.url, "GET", "/health").status == 200
    assert server.process.poll() is None
    assert not server.complaints()


def check(server: Server, body: bytes, path: str = "/v1/batch", **headers: str) -> int:
    """The answer to a body is a defined one, within seconds; its status."""
    began = time.monotonic()
    answer = request(server.url, "POST", path, body, {**basic(KEY), **headers})
    assert answer.status in DEFINED, (answer, body[:200])
    assert answer.body in TEXTS, (answer, body[:200])
    assert time.monotonic() - began < 10
    return answer.status


def track(**fields: Any) -> dict[str, Any]:
    return {"type": "track", "userId": "hostile", "event": "E", **fields}


# --- bodies --------------------------------------------------------------------------------------------------------------


BAD_BODIES: dict[str, tuple[bytes, int]] = {
    "nothing": (b"", 400),
    "white space": (b" \n\t ", 400),
    "half an object": (b'{"batch":[{"userId":"u"', 400),
    "two values": (b'{"batch":[{"userId":"u","type":"track"}]} {}', 400),
    "a bare word": (b"nope", 400),
    "a number": (b"12", 400),
    "an array": (b"[1]", 400),
    "single quotes": (b"{'batch': []}", 400),
    "a trailing comma": (b'{"batch":[{"userId":"u"},]}', 400),
    "NaN": (b'{"batch":[{"userId":"u","properties":{"x":NaN}}]}', 400),
    "UTF-16": ('{"batch":[{"userId":"u"}]}'.encode("utf-16"), 400),
    "raw NUL bytes": (b"\0" * 1_000, 400),
    "a raw NUL in a text": (b'{"batch":[{"userId":"a\0b"}]}', 400),
    "arrays 100,000 deep": (b'{"batch":[{"userId":"u","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}]}", 400),
    "objects 100,000 deep": (
        b'{"batch":[{"userId":"u","x":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}]}",
        400,
    ),
    "an unclosed array 1,000,000 deep": (b"[" * 1_000_000, 400),
    "entries that are no objects": (b'{"batch":[null,1,"x",[],true]}', 400),
    "one bad entry among good ones": (
        b'{"batch":[{"userId":"spoilt","type":"track","event":"E"},{"type":"track"}]}',
        400,
    ),
    "over the limit": (b'{"batch":[{"userId":"' + b"u" * 4_100_000 + b'"}]}', 413),
}


@pytest.mark.parametrize("name", list(BAD_BODIES))
def test_a_body_that_cannot_be_read(watched: Server, sandbox: Sandbox, name: str) -> None:
    """It is refused as a whole with the contract's words, plain and packed; nothing of it is kept."""
    body, status = BAD_BODIES[name]
    before = watched.kept()
    assert check(watched, body) == status
    assert check(watched, gzip.compress(body), **{"Content-Encoding": "gzip"}) == status
    assert watched.kept() == before
    assert sandbox.events(visitorId="spoilt") == []


def test_texts_that_are_no_text(watched: Server) -> None:
    """Bytes that are not UTF-8, halves of surrogate pairs and numbers beyond any float are accepted, as RudderStack accepts them, and each
    ends: at Pendo, or rejected with a reason.
    """
    run = f"no-text-{time.time_ns()}".encode()
    odd = [b"\xff\xfe", b"\xe2\x82", b"\xc0\x80", b"\xed\xa0\x80", b"\\ud800", b"\\udc00\\ud800", b"\\u0000"]
    bodies = [b'"userId":"%b","event":"E"' % text for text in odd]
    bodies += [b'"userId":"u","event":"%b"' % text for text in odd]
    bodies += [b'"userId":"u","event":"E","properties":{"%b":"%b"}' % (text, text) for text in odd]
    bodies += [
        b'"userId":"u","event":"E","properties":{"n":%b}' % number
        for number in (b"1e999", b"-1e999", b"9" * 5_000)
    ]
    accepted = []
    for number, body in enumerate(bodies):
        name = b"%b-%d" % (run, number)
        if check(watched, b'{"messageId":"%b",%b}' % (name, body), "/v1/track") == 200:
            accepted.append(name.decode())
    assert len(accepted) > len(bodies) // 2
    for known in accepted:
        fate = watched.reaches(known)
        assert fate["state"] in {"delivered", "rejected"}
        assert (fate["reason"] is None) is (fate["state"] == "delivered")


def test_packed_bodies_that_are_none(watched: Server) -> None:
    """Whatever stands behind Content-Encoding: gzip: a defined answer, and a bomb is not unpacked."""
    good = json.dumps({"batch": [track()]}).encode()
    packed = gzip.compress(good)
    damaged = bytearray(packed)
    damaged[len(packed) // 2] ^= 0xFF
    rss_before = watched.rss_mb
    for body, status in [
        (b"", 400),
        (good, 400),
        (packed[:-1], 400),
        (packed[: len(packed) // 2], 400),
        (packed[:9], 400),
        (bytes(damaged), 400),
        (packed + b"rest", 400),
        (zlib.compress(good), 400),
        # 2 GB of zeros in 2 MB; and gigabytes in layers, of which only the outermost counts.
        (gzip.compress(b"\0" * 200_000_000, 1) * 10, 413),
        (gzip.compress(gzip.compress(b"\0" * 10_000_000)), 400),
        (gzip.compress(b"") * 50_000, 400),
    ]:
        assert check(watched, body, **{"Content-Encoding": "gzip"}) in {status, 413}
    assert check(watched, packed, **{"Content-Encoding": "gzip"}) == 200
    for coding in ("deflate", "br", "gzip, gzip", "identity", "GZIP", "x" * 5_000):
        answer = request(watched.url, "POST", "/v1/batch", packed, {**basic(KEY), "Content-Encoding": coding})
        assert answer.status in {200, 400, 415}
    assert watched.rss_mb - rss_before < RSS_GROWTH_MB_MAX


def test_clients_that_go_away_or_lie(watched: Server) -> None:
    """Cut bodies, wrong lengths, no HTTP at all, headers without end: the server drops them and goes on; none of it is accepted."""
    before = watched.kept()
    address = urlsplit(watched.url)
    authorization = f"Authorization: {basic(KEY)['Authorization']}\r\n".encode()
    body = json.dumps({"batch": [track(messageId="cut")]}).encode()
    head = b"POST /v1/batch HTTP/1.1\r\nHost: x\r\n" + authorization
    for message in [
        head + b"Content-Length: 5000\r\n\r\n" + body,
        head + b"Content-Length: -5\r\n\r\n" + body,
        head + b"Content-Length: 99999999999999999999999\r\n\r\n" + body,
        head + b"Content-Length: five\r\n\r\n" + body,
        head + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\n" + body,
        head + b'Transfer-Encoding: chunked\r\n\r\n5\r\n{"bat\r\n',
        head + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + body,
        head + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n" + body,
        b"GET\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 200,
        b"POST /v1/batch HTTP/9.9\r\n\r\n",
        b"\0" * 5_000,
        head + b"X-Long: " + b"x" * 300_000 + b"\r\n\r\n",
        b"POST /v1/%00%ff%zz HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n",
    ]:
        with socket.create_connection((address.hostname, address.port or 0), timeout=5) as peer:
            try:
                peer.sendall(message)
                peer.shutdown(socket.SHUT_WR)
                while peer.recv(65_536):
                    pass
            except (ConnectionError, TimeoutError):
                pass
    assert watched.kept() == before


def test_headers_of_every_kind(watched: Server) -> None:
    """Keys, addresses and ids in headers may hold anything: a defined answer."""
    body = json.dumps(track()).encode()
    chance = random.Random(3)
    for authorization in (
        "Basic", "Basic ", "Basic =", "Basic 4", "Basic " + "A" * 20_000, "Basic //79", "basic d2stYmFja2VuZDo=", "Bearer x", "\xff\xfe",
    ):  # fmt: skip
        answer = request(watched.url, "POST", "/v1/track", body, {"Authorization": authorization})
        assert answer.status in {200, 401}, authorization
    for name in ("AnonymousId", "X-Forwarded-For", "Origin", "User-Agent", "SentAt", "Content-Type"):
        for value in (
            "",
            "a" * 10_000,
            "\xff" * 20,
            ",,,,",
            "".join(chr(chance.randint(0x80, 0xFF)) for _ in range(50)),
        ):
            answer = request(watched.url, "POST", "/v1/track", body, {**basic(KEY), name: value})
            assert answer.status == 200, (name, value)


# --- events --------------------------------------------------------------------------------------------------------------


MEGABYTE = "x" * 1_000_000
ODD_VALUES: list[Any] = [
    None, True, False, 0, -1, 1.5, 10**30, -(10**400), 1e308, "", " ", "\x00", "a\x00b", "\u202e", "\u200b", "\ufeff", "😀", "\ud800",
    "x" * 100_000, [], [1], [[["x"]]], {}, {"id": 1}, {"a": {"b": {"c": {}}}}, "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z",
    "10000-01-01T00:00:00Z", "1970-01-01", "not a date", "2026-02-30T25:61:61Z", 99999999999999999999, "-1", "1e400", "VISITOR-UNIQUE-ID", "::",
]  # fmt: skip
FIELDS = [
    "type", "userId", "anonymousId", "messageId", "groupId", "previousId", "event", "name", "category", "timestamp", "originalTimestamp",
    "sentAt", "receivedAt", "request_ip", "rudderId", "channel", "context", "traits", "properties", "integrations",
]  # fmt: skip
INNER = {
    "context": ["traits", "groupId", "ip", "userAgent", "page", "consentManagement", "library", "timezone"],
    "integrations": ["All", "Pendo", "pendo"],
    "traits": ["id", "createdAt", "email", "a b", "", "\x00", "x" * 5_000],
    "properties": ["revenue", "userId", "", "\x00", "__x__", "x" * 5_000],
}


def test_odd_values_in_every_field(watched: Server) -> None:
    """Each field of each type of call with each odd value: accepted or refused with the contract's words, and everything accepted ends."""
    batch: list[dict[str, Any]] = []
    for kind in ("identify", "track", "page", "screen", "group", "alias", "merge", "strange"):
        for field in FIELDS:
            for value in ODD_VALUES:
                event = {
                    "type": kind,
                    "userId": "odd",
                    "anonymousId": "odd-device",
                    "groupId": "odd-group",
                    "event": "E",
                }
                event[field] = value
                batch.append(event)
                if isinstance(value, str | int | float | bool | None) and field in INNER:
                    batch += [{**event, field: {inner: value}} for inner in INNER[field]]
    # All of them would take a minute; a third finds as much.
    batch = random.Random(5).sample(batch, len(batch) // 3)
    accepted = 0
    connection = Connection(watched.url)
    for start in range(0, len(batch), 200):
        part = batch[start : start + 200]
        answer = connection("POST", "/v1/batch", json.dumps({"batch": part}).encode(), basic(KEY))
        if answer.status == 200:
            accepted += len(part)
            continue
        # One that cannot be taken spoils its batch; so they are sent one by one, through the addresses for single events where there is one.
        for event in part:
            answer = connection("POST", "/v1/batch", json.dumps({"batch": [event]}).encode(), basic(KEY))
            assert answer.status in {200, 400}, (answer, str(event)[:300])
            assert answer.body in TEXTS
            accepted += answer.status == 200
    connection.close()
    assert accepted > len(batch) * 0.9


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20) | st.sampled_from(ODD_VALUES[:12]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=8), inner, max_size=6),
    max_leaves=12,
)  # fmt: skip
PATHS = [
    f"/v1/{call}"
    for call in ("identify", "track", "page", "screen", "group", "alias", "merge", "batch", "import")
]


def test_any_json_on_any_path(watched: Server) -> None:
    """Whatever JSON comes to whatever address: a defined answer, and whatever is accepted gets an end."""
    connection = Connection(watched.url)

    @settings(
        max_examples=150,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        path=st.sampled_from(PATHS),
        value=JSON_VALUES | st.fixed_dictionaries({"batch": st.lists(JSON_VALUES, max_size=5)}),
    )
    def post(path: str, value: Any) -> None:
        answer = connection("POST", path, json.dumps(value).encode(), basic(KEY))
        assert answer.status in {200, 400}
        assert answer.body in TEXTS

    post()
    connection.close()


def test_any_bytes_on_any_path(watched: Server) -> None:
    """Documents with random bytes changed, cut and doubled."""
    chance = random.Random(11)
    seed = json.dumps(
        {"batch": [track(properties={"a": [1, {"b": "ü"}]}, context={"traits": {"x": None}})]}
    ).encode()
    connection = Connection(watched.url)
    for _ in range(400):
        body = bytearray(seed)
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(body))
            what = chance.randint(0, 3)
            if what == 0:
                body[at] = chance.randrange(256)
            elif what == 1:
                del body[at : at + chance.randint(1, 20)]
            elif what == 2:
                body[at:at] = body[at : at + chance.randint(1, 20)]
            else:
                body[at:at] = chance.choice([b"\0", b"\xff", b'"', b"\\", b"[", b"{", b"\\ud800", b"1e999"])
            if not body:
                body = bytearray(b"x")
        answer = connection("POST", chance.choice(PATHS), bytes(body), basic(KEY))
        assert answer.status in {200, 400}, bytes(body)
        assert answer.body in TEXTS
    connection.close()


def test_any_query_on_pixels_and_beacons(watched: Server) -> None:
    """A pixel answers with its picture whatever its query holds; a beacon with one of the contract's words."""
    chance = random.Random(13)
    names = [
        *FIELDS,
        "properties.a",
        "context.traits.b",
        "a.b.c.d.e",
        ".",
        "..",
        "a..b",
        "__proto__",
        "x" * 500,
    ]
    alphabet = [
        "a",
        "1",
        "%00",
        "%ff",
        "%zz",
        "%",
        "+",
        "=",
        "&",
        ";",
        "%F0%9F%98%80",
        "%ED%A0%80",
        ".",
        "'",
        "%22",
        "{",
        "%7B%22id%22:1%7D",
    ]
    connection = Connection(watched.url)
    for _ in range(300):
        pairs = "&".join(
            f"{chance.choice(names)}={''.join(chance.choices(alphabet, k=chance.randint(0, 12)))}"
            for _ in range(chance.randint(0, 12))
        )
        key = chance.choice([KEY, KEY, KEY, "wk-wrong", ""])
        answer = connection("GET", f"/pixel/v1/{chance.choice(['track', 'page'])}?writeKey={key}&{pairs}")
        assert answer.status == 200, pairs
        assert answer.body.startswith(b"GIF89a")
        body = json.dumps({"batch": [track()]}).encode()
        answer = connection("POST", f"/beacon/v1/batch?{pairs}&writeKey={key}", body)
        assert answer.status in {200, 401}, pairs
    deep = ".".join("a" * 5_000)
    assert connection("GET", f"/pixel/v1/track?writeKey={KEY}&userId=u&event=E&{deep}=1").status == 200
    connection.close()


def test_values_of_a_megabyte(watched: Server, sandbox: Sandbox) -> None:
    """Ids, names and values of a million characters are accepted, as RudderStack accepts them, and end with a reason or at Pendo."""
    rss_before = watched.rss_mb
    kept = watched.kept()
    events = [
        track(userId=MEGABYTE),
        track(anonymousId=MEGABYTE),
        track(messageId=MEGABYTE),
        track(messageId=MEGABYTE),  # a duplicate
        track(event=MEGABYTE),
        track(properties={MEGABYTE: MEGABYTE}),
        track(properties={f"k{n}": "x" * 100 for n in range(20_000)}),
        track(context={"page": {"url": MEGABYTE, "title": MEGABYTE}, "userAgent": MEGABYTE}),
        {"type": "identify", "userId": MEGABYTE, "traits": {"a": 1}},
        {
            "type": "identify",
            "userId": "mega",
            "traits": {MEGABYTE: 1, "text": MEGABYTE, "list": ["x"] * 100_000},
        },
        {"type": "group", "userId": "mega", "groupId": MEGABYTE, "traits": {"a": 1}},
        {"type": "alias", "userId": "mega", "previousId": MEGABYTE},
        {"type": MEGABYTE, "userId": "mega"},
        track(type="track", integrations={MEGABYTE: True}),
    ]
    for event in events:
        assert check(watched, json.dumps({"batch": [event]}).encode()) == 200
    assert watched.kept() == kept + len(events) - 1
    until(lambda: watched.idle(), within_s=40)
    assert watched.rss_mb - rss_before < RSS_GROWTH_MB_MAX
    assert sandbox.get("summary")["visitors"] > 0


def test_a_message_id_with_two_bodies(watched: Server, sandbox: Sandbox) -> None:
    """The first body counts, in one batch and across requests; the second is answered 200, changes nothing and is counted."""
    run = f"twice-{time.time_ns()}"
    duplicates = watched.stats()["sources"]["backend"]["duplicates"]
    one = track(userId=run, event="first", messageId=run)
    other = track(userId=f"{run}-other", event="second", messageId=run)
    watched.accept(KEY, one, other)
    watched.accept(KEY, other)
    assert (
        watched.send(KEY, "/v1/identify", {"userId": run, "traits": {"a": 1}, "messageId": run}).status == 200
    )
    assert watched.reaches(run)["state"] == "delivered"
    (entry,) = watched.entries(run)
    assert (entry["event"]["event"], entry["event"]["userId"]) == ("first", run)
    assert [event["event"] for event in sandbox.events(visitorId=run)] == ["first"]
    assert sandbox.events(visitorId=f"{run}-other") == []
    assert watched.stats()["sources"]["backend"]["duplicates"] == duplicates + 3


def test_clocks_far_off(watched: Server, sandbox: Sandbox) -> None:
    """Events of the year 1, of the year 9999, and with clocks that are numbers or nonsense are accepted and end; an event with an ordinary
    clock behind them is not held up.
    """
    person = f"clock-{time.time_ns()}"
    times: list[Any] = [
        "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z", "1969-12-31T23:59:59Z", "2026-11-23T10:00:00+99:99", 0, -1, 1e308, 10**30,
        1_795_000_000_000, "1795000000", "yesterday", "", None, [], {},
    ]  # fmt: skip
    names = []
    for field in ("timestamp", "originalTimestamp", "sentAt", "receivedAt"):
        for number, value in enumerate(times):
            name = f"{person}-{field}-{number}"
            names.append(name)
            watched.accept(KEY, track(userId=person, event="E", messageId=name, **{field: value}))
    # Both ends at once: the correction of the clock goes far beyond any calendar.
    for number, (sent, original) in enumerate([(times[0], times[1]), (times[1], times[0])]):
        name = f"{person}-both-{number}"
        names.append(name)
        watched.accept(
            KEY, track(userId=person, event="E", messageId=name, sentAt=sent, originalTimestamp=original)
        )
    last = f"{person}-last"
    watched.accept(KEY, track(userId=person, event="last", messageId=last))
    assert watched.reaches(last)["state"] == "delivered"
    for name in names:
        assert watched.fate(name)["state"] in {"delivered", "rejected"}  # type: ignore[index]
    assert sandbox.events(visitorId=person, event="last")


def test_ten_thousand_events_in_one_batch(watched: Server, sandbox: Sandbox) -> None:
    """They are accepted as a whole, each is kept and each ends; memory stays bounded, and others are served meanwhile."""
    run = f"t{time.time_ns()}"
    rss_before = watched.rss_mb
    kept = watched.kept()
    batch = [{"type": "identify", "userId": f"{run}-{n % 5_000}", "traits": {"n": n}} for n in range(9_500)]
    batch += [track(userId=f"{run}-{n}", event="E") for n in range(500)]
    body = json.dumps({"batch": batch}, separators=(",", ":")).encode()
    assert len(body) < 4_000_000
    began = time.monotonic()
    assert check(watched, body) == 200
    assert time.monotonic() - began < 10
    # Somebody else's event is not behind all of them.
    other = f"{run}-bystander"
    watched.accept(KEY, track(userId=other, event="E", messageId=other))
    assert watched.reaches(other)["state"] == "delivered"
    until(lambda: watched.kept() == kept + 10_001)  # a large batch gets into its lanes in steps
    until(lambda: watched.idle(), within_s=60)
    state = sandbox.state()["visitors"]
    # The later identify of each visitor won.
    assert all(
        state[f"{run}-{n}"]["metadata"]["agent"] == {"n": n + 5_000 if n < 4_500 else n} for n in range(5_000)
    )
    assert watched.rss_mb - rss_before < RSS_GROWTH_MB_MAX


def test_many_large_bodies_at_once(serve: Callable[..., Server], sandbox: Sandbox) -> None:
    """Clients with bodies of as many of the smallest entries as are taken at once: taken or told to come again, and memory stays bounded."""
    import threading

    server = serve(connected([source("backend")], []))
    server.accept(KEY, track())
    rss_before = server.rss_mb
    body = b'{"batch":[' + b",".join([b'{"userId":1}'] * 20_000) + b"]}"
    answers: list[int] = []

    def send() -> None:
        answers.append(request(server.url, "POST", "/v1/batch", body, basic(KEY)).status)

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    peak = rss_before
    while any(thread.is_alive() for thread in threads):
        peak = max(peak, server.rss_mb)
        # Health answers while it works.
        assert request(server.url, "GET", "/version").status == 200
        threads[0].join(0.05)
    assert len(answers) == 4
    assert set(answers) <= {200, 503}
    assert 200 in answers
    # What was kept as it came is counted once it is in its lanes.
    until(lambda: server.stats()["arrivals"]["events"] == 0, within_s=60)
    assert server.stats()["sources"]["backend"]["received"] == 1 + 20_000 * answers.count(200)
    assert peak - rss_before < 400
