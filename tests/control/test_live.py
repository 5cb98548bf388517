"""Live events: order, loss that is counted, filters, and that nothing is done while nobody watches."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from sternpost.control import live as module
from sternpost.control.filters import Filter, parse
from sternpost.control.live import (
    PIECE_BYTES,
    Listener,
    LiveHub,
    LiveStream,
    Lost,
    TooManyListeners,
    frame,
    pieces,
)
from sternpost.control.personal import Personal
from sternpost.errors import StoreUnavailable
from sternpost.limits import LIVE_LISTENERS_MAX
from sternpost.model import Delivered
from sternpost.store.kept import Rows
from tests.control.bench import NOW, TOKEN, Bench, scope_of

TRACK = {"type": "track", "event": "Checkout", "userId": "u1"}


async def entries(listener: Listener, count: int) -> list[Any]:
    """So many messages, however they arrive."""
    found: list[Any] = []
    while len(found) < count:
        taken = await listener.take(5)
        assert taken, f"only {len(found)} of {count} came"
        found += [message if isinstance(message, Lost) else json.loads(message) for message in taken]
    assert len(found) == count
    return found


async def test_received_then_changed(bench: Bench) -> None:
    """Once when it was received, as it stood then, and again when its state changed; without attempts."""
    listener = bench.live.listen()
    [seq] = await bench.accept({**TRACK, "messageId": "m1"})
    await bench.settle("pendo", "track", Delivered())
    bench.live.publish([(seq, None)])
    bench.live.publish([(seq, "pendo")])
    first, second = await entries(listener, 2)
    assert [entry["state"] for entry in first["destinations"]] == ["pending", "pending"]
    assert [entry["state"] for entry in second["destinations"]] == ["delivered", "pending"]
    assert first["messageId"] == second["messageId"] == "m1"
    assert "attempts" not in second["destinations"][0]
    listener.close()


async def test_order(bench: Bench) -> None:
    """Messages come in the order in which things happened, over many look-ups."""
    listener = bench.live.listen()
    seqs = await bench.accept(*({**TRACK, "messageId": f"m{n}"} for n in range(250)))
    bench.live.publish([(seq, None) for seq in seqs])
    found = await entries(listener, 250)
    assert [entry["messageId"] for entry in found] == [f"m{n}" for n in range(250)]
    listener.close()


async def test_two_outcomes_at_once_are_one_message(bench: Bench) -> None:
    """An event that two destinations settled meanwhile is looked up once."""
    listener = bench.live.listen()
    [seq] = await bench.accept({**TRACK, "messageId": "m1"})
    await bench.settle("pendo", "track", Delivered())
    await bench.settle("hook", "", Delivered())
    bench.live.publish([(seq, "pendo"), (seq, "hook")])
    [entry] = await entries(listener, 1)
    assert [standing["state"] for standing in entry["destinations"]] == ["delivered", "delivered"]
    listener.close()


class Counting:
    """A look-up that counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.fails = 0

    async def by_seqs(self, seqs: Any, *, tries: bool = False) -> Rows:
        self.asked += 1
        if self.fails:
            self.fails -= 1
            raise StoreUnavailable("The store could not be read.")
        return Rows(())


async def test_nobody_listens() -> None:
    """Then nothing is looked up, no task is made, nothing is kept for later."""
    lookup = Counting()
    hub = LiveHub(lookup, lambda: pytest.fail("not asked"), personal=Personal(b""))
    hub.publish([(1, None)])
    assert hub._work is None
    assert not hub._changes
    listener = hub.listen()
    listener.close()
    hub.publish([(2, None)])
    assert (lookup.asked, hub.listeners) == (0, 0)


async def test_slow_listener_loses_the_oldest(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full queue drops its oldest, says how many, and others lose nothing."""
    monkeypatch.setattr(module, "LIVE_QUEUE_ENTRIES_MAX", 3)
    slow, quick = bench.live.listen(), bench.live.listen()
    seqs = await bench.accept(*({**TRACK, "messageId": f"m{n}"} for n in range(5)))
    got = []
    for seq in seqs:
        bench.live.publish([(seq, None)])
        got += [entry["messageId"] for entry in await entries(quick, 1)]
    assert got == [f"m{n}" for n in range(5)]
    lost, *rest = await entries(slow, 4)
    assert lost == Lost(2)
    assert [entry["messageId"] for entry in rest] == ["m2", "m3", "m4"]
    assert frame(lost) == b'event: lost\ndata: {"lost":2}\n\n'
    slow.close()
    quick.close()


async def test_queue_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large events fill a queue sooner; the newest always stays."""
    monkeypatch.setattr(module, "QUEUE_BYTES_MAX", 10)
    listener = Listener(Filter(), lambda _: None)
    for text in (b"aaaa", b"bbbb", b"cccc", b"d" * 50):
        listener.offer(text)
    assert await listener.take(1) == [Lost(3), b"d" * 50]


async def test_more_than_can_be_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is published faster than it is looked up is dropped and counted, also when the store cannot be read."""
    monkeypatch.setattr(module, "LIVE_QUEUE_ENTRIES_MAX", 10)
    lookup = Counting()
    hub = LiveHub(lookup, lambda: None, personal=Personal(b""))  # type: ignore[arg-type, return-value]
    listener = hub.listen()
    hub.publish([(seq, None) for seq in range(25)])
    assert await entries(listener, 1) == [Lost(15)]
    lookup.fails = 1
    hub.publish([(1, None), (2, None)])
    assert await entries(listener, 1) == [Lost(2)]
    listener.close()


async def test_a_flood_is_sampled(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """When more happens than can be told, the newest are told now and then, and the rest is counted; afterwards everything is again."""
    monkeypatch.setattr(module, "FLOOD_PAUSE_S", 0.001)
    now = 0.0
    hub = LiveHub(bench.views, lambda: bench.holder.current, personal=Personal(b""), timer=lambda: now)
    listener = hub.listen()
    seqs = await bench.accept(*({**TRACK, "messageId": f"f{number}"} for number in range(4_000)))
    now = 1.0
    hub.publish([(seq, None) for seq in seqs])
    taken: list[Any] = []
    while sum(one.count if isinstance(one, Lost) else 1 for one in taken) < 4_000:
        taken += await listener.take(5)
    told = [json.loads(one)["messageId"] for one in taken if not isinstance(one, Lost)]
    assert told == [f"f{number}" for number in range(3_950, 4_000)]
    now = 3.0
    hub.publish([(seq, None) for seq in seqs[:600]])
    assert len(await entries(listener, 600)) == 600
    hub.close()


async def test_filters(bench: Bench) -> None:
    """Each listener sees what it asked for."""
    listeners = {
        line: bench.live.listen(parse(line, {}, now=NOW))
        for line in ("type:page", "source:web", "dest:hook", "state:delivered", "dest:hook state:delivered", "event:checkout")
    }  # fmt: skip
    everything = bench.live.listen()
    [track] = await bench.accept({**TRACK, "messageId": "t"})
    [page] = await bench.accept({"type": "page", "userId": "u2", "messageId": "p"}, source="web")
    bench.live.publish([(track, None), (page, None)])
    bench.now += 60  # events of a page wait for their neighbours
    await bench.settle("pendo", "track", Delivered(), Delivered())
    bench.live.publish([(track, "pendo"), (page, "pendo")])
    await entries(everything, 4)
    seen = {
        line: [json.loads(message)["messageId"] for message in listener._queue if isinstance(message, bytes)]
        for line, listener in listeners.items()
    }
    assert seen == {
        "type:page": ["p", "p"],
        "source:web": ["p", "p"],
        "dest:hook": ["t", "t"],
        "state:delivered": ["t", "p"],
        "dest:hook state:delivered": [],
        "event:checkout": ["t", "t"],
    }


async def test_too_many_listeners(bench: Bench) -> None:
    """The number of listeners is bounded; the answer says what to do."""
    found = [bench.live.listen() for _ in range(LIVE_LISTENERS_MAX)]
    with pytest.raises(TooManyListeners):
        bench.live.listen()
    answer = await bench.ask("GET", "/live")
    assert (answer.status, bool(answer.json["error"]["remedy"])) == (503, True)
    found[0].close()
    bench.live.listen()


class Client:
    """One who reads a stream, at its own pace."""

    def __init__(self) -> None:
        self.sent: asyncio.Queue[Any] = asyncio.Queue()
        self.gone = asyncio.Event()
        self.asked = False

    async def receive(self) -> Any:
        if not self.asked:
            self.asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        await self.sent.put(message)

    async def next(self) -> Any:
        return await asyncio.wait_for(self.sent.get(), 5)


async def test_stream(bench: Bench) -> None:
    """`GET /live`: server-sent events; when the client goes, the listener goes."""
    client = Client()
    scope = scope_of("GET", "/api/v1/live?source=backend", [(b"authorization", f"Bearer {TOKEN}".encode())])
    task = asyncio.ensure_future(bench.app(scope, client.receive, client.send))
    start = await client.next()
    headers = dict(start["headers"])
    assert (start["status"], headers[b"content-type"]) == (200, b"text/event-stream; charset=utf-8")
    assert not any(name.startswith(b"access-control") for name in headers)
    assert (await client.next())["body"] == b"retry: 2000\n\n"
    [seq] = await bench.accept({**TRACK, "messageId": "m1"})
    bench.live.publish([(seq, None)])
    body = (await client.next())["body"]
    assert body.startswith(b"data: {")
    assert body.endswith(b"}\n\n")
    assert body.count(b"\n") == 2
    assert json.loads(body.removeprefix(b"data: "))["messageId"] == "m1"
    client.gone.set()
    await asyncio.wait_for(task, 5)
    assert bench.live.listeners == 0


async def test_stream_ends_with_the_server(bench: Bench) -> None:
    """A stop of the server ends streams by themselves; HEAD does not begin one."""
    client = Client()
    stream = LiveStream(bench.live.listen())
    task = asyncio.get_running_loop().create_task(
        stream(scope_of("GET", "/api/v1/live", []), client.receive, client.send)
    )
    await client.next()
    await client.next()
    bench.live.close()
    await asyncio.wait_for(task, 5)
    with pytest.raises(TooManyListeners):
        bench.live.listen()


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("source=nope", 'No source "nope". There are: web, backend, alone.'),
        ("destination=pendoo", 'No destination "pendoo". Did you mean "pendo"?'),
        ("q=dest:pendo,hok", 'No destination "hok". Did you mean "hook"?'),
    ],
)
async def test_nothing_will_ever_come(bench: Bench, query: str, said: str) -> None:
    """Whoever waits for what is not there is told so; to exclude it, or to ask what is kept of it, is no mistake."""
    answer = await asyncio.wait_for(bench.ask("GET", f"/live?{query}"), 5)
    assert answer.status == 400
    assert f"{answer.json['error']['message']} {answer.json['error']['remedy']}" == said
    assert (await bench.ask("HEAD", "/live?q=-source:nope")).status == 200
    assert (await bench.get("/events?source=nope"))["events"] == []


async def test_head(bench: Bench) -> None:
    """HEAD of the stream is answered and over."""
    answer = await asyncio.wait_for(bench.ask("HEAD", "/live"), 5)
    assert (answer.status, answer.body) == (200, b"")
    assert bench.live.listeners == 0


async def test_heartbeat() -> None:
    """A silent stream says that it is alive."""
    client = Client()
    listener = Listener(Filter(), lambda _: None)
    task = asyncio.get_running_loop().create_task(
        LiveStream(listener, heartbeat_s=0.01)(scope_of("GET", "/", []), client.receive, client.send)
    )
    await client.next()
    await client.next()
    assert (await client.next())["body"].startswith(b":")
    listener.close()
    await asyncio.wait_for(task, 5)


def test_a_stream_goes_out_in_pieces() -> None:
    """Joined they are the messages one after the other, however large; no piece is much larger than the bound."""
    messages: list[bytes | Lost] = [
        b"a" * 10,
        Lost(3),
        b"b" * 300_000,
        *[b"c" * 1_000] * 200,
        b"d" * PIECE_BYTES,
    ]
    parts = list(pieces(messages))
    assert b"".join(parts) == b"".join(map(frame, messages))
    assert max(map(len, parts)) <= 2 * PIECE_BYTES
    assert len(parts) < 20
