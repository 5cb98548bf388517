"""The pages: what they say about every kind of fate, what their buttons do, and that nothing in an event becomes more than text."""

from __future__ import annotations

import copy
import html
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from sternpost.commandline import CommandLine
from sternpost.console.words import filter_value
from sternpost.model import Blocked, Delivered, Note, Rejected, Reply, Retry, Skipped
from sternpost.reasons import REASONS, ReasonCode
from tests.console.house import House, house, text_of
from tests.control.bench import (
    DOCUMENT,
    HEADER_SECRET,
    INTEGRATION_KEY,
    NOW,
    SIGNING_SECRET,
    TOKEN,
    TRACK_SECRET,
)

SECRETS = (INTEGRATION_KEY, TRACK_SECRET, HEADER_SECRET, SIGNING_SECRET, TOKEN)
TRACK = {
    "type": "track",
    "event": "Checkout",
    "userId": "u1",
    "messageId": "m1",
    "properties": {"cart": {"id": 3}},
}
PAGES = (
    "/console/", "/console/events", "/console/events?tab=refused", "/console/events/m1", "/console/failures", "/console/sources",
    "/console/sources/web", "/console/sources/backend/seen", "/console/rules", "/console/destinations", "/console/destinations/pendo", "/console/destinations/hook", "/console/settings",
    "/console/replay", "/console/replay?look=1&destination=pendo&only=all", "/console/people", "/console/try",
    "/console/try?example=identify", "/console/destinations/pendo/mapping",
)  # fmt: skip
HOSTILE = "<script>alert(1)</script>\"><img src=x onerror=alert(2)>'{{4567*7654}}"


def bare(text: str) -> str:
    """The letters of a text: what stands as code or in another size in a page is the same sentence."""
    return re.sub(r"\W+", "", text)


async def lived_in(home: House) -> None:
    """Some of everything."""
    bench = home.bench
    await bench.accept(
        TRACK, {**TRACK, "messageId": "m2", "userId": "u2"}, {**TRACK, "messageId": "m3", "userId": "u3"}
    )
    await bench.accept(
        {"type": "identify", "userId": "u4", "messageId": "m4", "traits": {"plan": "pro"}}, source="web"
    )
    await bench.settle("pendo", "track", Delivered(notes=(Note("nested_property", "properties.cart", "It was sent as cart_id."),)),
                       Rejected("bad_id", "userId is x."), Retry("server_error", "It answered 503."), wait_s=30)  # fmt: skip
    await bench.settle("hook", "", Skipped("filtered_by_deny_list", "Checkout is on the list."))
    bench.refused.add(at=bench.now, path="/v1/track", status=401, reason="write_key_unknown", detail="", source_id=None, write_key="wk-old-key",
                      origin="", address="203.0.113.9", agent="curl/8", body=b"")  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
async def test_every_page(home: House, path: str) -> None:
    """Empty and lived in, as HTML and as JSON; no secret in any of them."""
    browser = await home.owner()
    if path != "/console/events/m1":
        await browser.get(path)
        await browser.json(path)
    await lived_in(home)
    page = await browser.get(path)
    data = json.dumps(await browser.json(path))
    for secret in SECRETS:
        assert secret not in page
        assert secret not in data
    assert page.count("<h1") == 1
    assert "<html lang=" in page
    assert 'href="#main"' in page
    assert re.search(r"<title>[^<]+ · Sternpost</title>", page)
    assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son[a-z]+=", page)
    for found in re.findall(r'(?:href|src|action)="([^"]*)"', page):
        address = html.unescape(found)
        assert address.startswith(("/console/", "#", "?")), address
    # Every field has a label, every table a caption, every list row a way in.
    for field in re.findall(r'<input(?![^>]*type="(?:hidden|radio|checkbox)")[^>]* id="([^"]+)"', page):
        assert f'for="{field}"' in page, field
    assert page.count("<table") == page.count("<caption")
    assert len(re.findall(r' id="([^"]+)"', page)) == len(set(re.findall(r' id="([^"]+)"', page)))


@pytest.mark.parametrize("path", PAGES)
async def test_links_lead_somewhere(home: House, path: str) -> None:
    browser = await home.owner()
    await lived_in(home)
    page = await browser.get(path)
    for found in set(re.findall(r'href="(/console/[^"#]*)', page)):
        answer = await browser.ask("GET", html.unescape(found))
        assert answer.status == 200, found


async def test_slashes(home: House) -> None:
    browser = await home.owner()
    assert (await browser.ask("GET", "/console")).headers["location"] == "/console/"
    assert (await browser.ask("GET", "/console/events/")).headers["location"] == "/console/events"
    assert "There is no such page" in await browser.get("/console/nothing", 404)


async def test_commands_can_be_copied(tmp_path: Path) -> None:
    """After `make demo` plain `sternpost` is not on the search path, and a server may have a directory of its own."""
    home = await house(tmp_path, commands=CommandLine(".venv/bin/sternpost", " --data-dir here"))
    browser = await home.owner()
    await lived_in(home)
    for path in ("", "events", "events/m1", "failures", "replay", "people", "people/u1", "try", "settings"):
        page = await browser.get(f"/console/{path}")
        shown = re.findall(r"<code[^>]*>((?:\S*/)?sternpost [^<]+)</code>", page)
        assert any(one.startswith(".venv/bin/sternpost ") for one in shown), (path, shown)
        assert not [one for one in shown if one != "sternpost send" and not one.startswith(".venv/bin/")], (
            path
        )
        assert all(one.endswith((" --data-dir here", " sandbox")) for one in shown if "/" in one), shown
    home.bench.close()


async def test_a_write_key_is_one_word_of_a_command(tmp_path: Path) -> None:
    """An editor may choose it; whoever copies a line must not run what is in it."""
    document = copy.deepcopy(DOCUMENT)
    document["sources"][0]["writeKey"] = "wk-$(id)`id`;id"
    home = await house(tmp_path, document=document)
    browser = await home.owner()
    for path in ("", "events", "sources/web"):
        shown = html.unescape(await browser.get(f"/console/{path}"))
        assert "curl -u 'wk-$(id)`id`;id:' http" in shown, path
    home.bench.close()


# --- the event's page -------------------------------------------------------------------------------------------------


async def test_delivered(home: House) -> None:
    """Verdict, way, what was sent and answered, notes in words with their line marked, and the commands."""
    browser = await home.owner()
    await lived_in(home)
    home.bench.now += 5
    page = await browser.get("/console/events/m1?dest=pendo")
    words = text_of(page)
    assert "Delivered to Pendo production 0.0 s after it was received." in words
    for text in ("9 checks passed", "Connected in cloud mode", "Nested", "properties.cart", "It was sent as cart_id.", "sternpost events get m1",
                 "POST", "https://data.pendo.io/data/track", "Made again from the event"):  # fmt: skip
        assert text in words, text
    assert re.search(r"<mark>\s*&#34;cart&#34;: \{</mark>", page)
    assert 'data-final="yes"' in page
    assert "••••" in words
    assert "$X_PENDO_INTEGRATION_KEY" in words


async def test_each_state(home: House) -> None:
    browser = await home.owner()
    await lived_in(home)
    for message_id, sentence in (
        ("m1", "Not sent to Our endpoint: The event's name is on the destination's list"),
        ("m2", "Not delivered to Pendo production:"),
        ("m3", "Not delivered yet to Pendo production:"),
        ("m4", "Waiting for its turn at Pendo production."),
    ):
        words = text_of(await browser.get(f"/console/events/{message_id}"))
        assert sentence in words, words[:800]
    assert "This page follows the event" in words
    await home.bench.store.block("pendo", "metadata", "key_refused", "", now=home.bench.now)
    words = text_of(await browser.get("/console/events/m4"))
    assert "which waits for a person" in words
    assert bare(REASONS["key_refused"].remedy) in bare(words)


async def test_tries(home: House) -> None:
    """Each try has its own address; the newest is shown first; the wait is told."""
    browser = await home.owner()
    await home.bench.accept(TRACK)
    for status in (503, 502, 500):
        await home.bench.settle("pendo", "track", Retry("server_error", f"It answered {status}."), wait_s=2,
                                reply=Reply(status, {"x-id": str(status)}, b'{"why": "no"}', 7))  # fmt: skip
        home.bench.now += 10
    page = await browser.get("/console/events/m1?dest=pendo")
    assert text_of(page).count("Then waited 2.0 s.") == 3
    assert re.search(r'try=3#panes" aria-current="true">Try 3: 500', page)
    second = text_of(await browser.get("/console/events/m1?dest=pendo&try=2"))
    assert "502 after 7 ms" in second
    for odd in ("0", "99", "x", "-1", "²", "9" * 30):
        await browser.get(f"/console/events/m1?dest=pendo&try={odd}")
    await browser.get("/console/events/m1?dest=nothing")


@pytest.mark.parametrize(
    "code",
    [
        code
        for code, reason in sorted(REASONS.items())
        if reason.stage != "refused" and code not in {"queued", "behind_earlier_event", "held_for_identity"}
    ],
)
async def test_every_reason(home: House, code: ReasonCode) -> None:
    """For each reason that can end or delay an event the page has its sentence and what to do."""
    reason: Any = REASONS[code]
    outcome = {
        "skipped": Skipped, "rejected": Rejected, "waiting": Retry, "blocked": Blocked, "refused_there": Rejected,
    }[reason.stage](code, "Seen.")  # fmt: skip
    await home.bench.accept(TRACK)
    await home.bench.settle("pendo", "track", outcome, wait_s=5)
    if isinstance(outcome, Blocked):
        await home.bench.store.block("pendo", "track", code, "Seen.", now=NOW)
    browser = await home.owner()
    words = text_of(await browser.get("/console/events/m1?dest=pendo"))
    assert bare(f"{reason.text} Seen.") in bare(words)
    assert bare(reason.remedy) in bare(words)
    assert code in words


async def test_unknown(home: House) -> None:
    """Which of these is true: never seen, refused, or pruned."""
    browser = await home.owner()
    words = text_of(await browser.get("/console/events/nope", 404))
    assert "This event was never accepted" in words
    assert (await browser.json("/console/events/nope", 404))["known"] == "never_seen"


@pytest.mark.parametrize(
    "message_id", ["a/b", "a b", "ä€", "?x=1", "#", "%2F", HOSTILE, "x" * 900, "'; rm -rf /", "-abc"]
)
async def test_odd_ids(home: House, message_id: str) -> None:
    """Any text is an id: its row leads to its page, and the command quotes it."""
    browser = await home.owner()
    await home.bench.accept({**TRACK, "messageId": message_id})
    page = await browser.get("/console/events")
    [address] = re.findall(r'class="open" href="([^"]+)"', page)
    page = await browser.get(html.unescape(address))
    assert (
        f'id="message-id">{html.escape(message_id).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")}<'
        in page
    )


async def test_hostile_content_stays_text(home: House) -> None:
    """Ids, names, types, traits, properties, libraries, and what a destination answers."""
    browser = await home.owner()
    await home.bench.accept(
        {"type": "track", "event": HOSTILE, "userId": HOSTILE, "anonymousId": HOSTILE, "messageId": "m1",
         "properties": {HOSTILE: HOSTILE}, "context": {"library": {"name": HOSTILE, "version": HOSTILE}}},
        {"type": HOSTILE, "userId": "u2", "messageId": "m2"},
    )  # fmt: skip
    await home.bench.settle(
        "pendo",
        "track",
        Rejected("refused_by_destination", HOSTILE),
        reply=Reply(400, {"x": HOSTILE}, HOSTILE.encode(), 3),
    )
    home.bench.refused.add(at=NOW, path="/v1/track", status=400, reason="bad_json", detail=HOSTILE, source_id="web", write_key="wk-web",
                           origin=HOSTILE, address="", agent=HOSTILE, body=HOSTILE.encode())  # fmt: skip
    from urllib.parse import quote

    for path in (*PAGES, "/console/events/m1?dest=pendo", "/console/events/m2", f"/console/events?q={quote(HOSTILE)}",
                 f"/console/events/{quote(HOSTILE, safe='')}", f"/console/sources/{quote(HOSTILE, safe='')}",
                 f"/console/search?q={quote(HOSTILE)}", f"/console/{quote(HOSTILE, safe='')}"):  # fmt: skip
        answer = await browser.ask("GET", path)
        page = answer.body.decode()
        for danger in ("<script>alert", "<img", 'onerror=alert(2)>"'):
            assert danger not in page, path
        assert "34955818" not in re.sub(r"[0-9a-f]{10,}", "", text_of(page)) or "{{4567*7654}}" in text_of(
            page
        )


# --- lists ------------------------------------------------------------------------------------------------------------


async def test_events(home: House) -> None:
    browser = await home.owner()
    assert "No events yet" in await browser.get("/console/events")
    await lived_in(home)
    page = await browser.get("/console/events")
    assert page.count("<tr data-key=") == 4
    words = text_of(page)
    for state in ("✓ delivered", "✕ rejected", "↻ retrying", "○ pending", "⊘ skipped"):
        assert state in words, state
    assert (await browser.get("/console/events?q=state:rejected")).count("<tr data-key=") == 1
    assert "No event matches" in await browser.get("/console/events?q=user:nobody")
    assert "Did you mean" in await browser.get("/console/events?q=stat:rejected", 400)
    assert 'aria-invalid="true"' in browser.last
    assert (await browser.json("/console/events?q=type:identify"))["events"][0]["messageId"] == "m4"


async def test_older_events(home: House) -> None:
    browser = await home.owner()
    for number in range(120):
        await home.bench.accept({**TRACK, "messageId": f"n{number}"})
    page = await browser.get("/console/events?q=type:track")
    seen = re.findall(r'class="open" href="/console/events/(\w+)', page)
    while following := re.search(r'rel="next" href="([^"]+)"', page):
        page = await browser.get(html.unescape(following[1]))
        assert "live.js" not in page  # older pages stand still
        seen += re.findall(r'class="open" href="/console/events/(\w+)', page)
    assert seen == [f"n{number}" for number in reversed(range(120))]


async def test_refused(home: House) -> None:
    browser = await home.owner()
    assert "Nothing was refused" in await browser.get("/console/events?tab=refused")
    await lived_in(home)
    words = text_of(await browser.get("/console/events?tab=refused"))
    assert "No source has this write key." in words
    assert "wk-old-key" not in words
    assert "1 request came with an unknown write key (wk-o…)." in text_of(await browser.get("/console/"))


async def test_search(home: House) -> None:
    browser = await home.owner()
    await home.bench.accept(
        {**TRACK, "messageId": "5b0c7b1e-0000", "userId": "Ana Smith", "anonymousId": "anon-9"}
    )
    for text, address in (
        ("5b0c7b1e-0000", "/console/events/5b0c7b1e-0000"),
        ("5b0c7b1e", "/console/events/5b0c7b1e-0000"),
        ("Ana Smith", "/console/people/Ana%20Smith"),
        ("anon-9", "/console/people/anon-9"),
        ("web", "/console/sources/web"),
        ("web APP", "/console/sources/web"),
        ("pendo", "/console/destinations/pendo"),
        ("state:rejected", "/console/events?q=state%3Arejected"),
        ("nothing at all", "/console/events?q=%22nothing%20at%20all%22"),
        ("", "/console/events"),
    ):
        from urllib.parse import quote

        answer = await browser.ask("GET", f"/console/search?q={quote(text)}")
        assert answer.headers["location"] == address, text
        await browser.get(address)


@pytest.mark.parametrize(
    "text", ["u1", "a b", 'a"b', "a\\b", "a,b", "a:b", "-a", "", "ä", 'x" state:rejected']
)
def test_filter_values(text: str) -> None:
    """Any text can be a value of a filter, and stays that one value."""
    from sternpost.control.filters import parse

    if text:
        found = parse(f"user:{filter_value(text)}", {}, now=NOW)
        assert [term.values for term in found.terms] == [(text,)]


# --- home and the checklist -------------------------------------------------------------------------------------------


async def test_checklist_ticks_itself(home: House) -> None:
    """Each box is a question about facts: sent, followed, checked, connected, delivered."""
    browser = await home.owner()

    async def done() -> list[str]:
        return [step["id"] for step in (await browser.json("/console/"))["checklist"] if step["done"]]

    assert await done() == ["ready"]
    answer = await browser.post("/console/test-event", source="backend")
    assert answer.headers["location"] == "/console/events/tried"
    assert await done() == ["ready", "send"]
    page = await browser.follow(answer)
    assert "Sent to Backend. This is its way." in text_of(page)
    assert await done() == ["ready", "send", "follow"]
    home.bench.reply = lambda destination, call: Reply(200, {}, b'{"ok": true}', 5)
    await browser.get("/console/destinations/pendo")
    page = await browser.follow(await browser.post("/console/destinations/pendo/check"))
    assert "pendo" in await done() or "Something is wrong" in text_of(page)
    await home.bench.accept({**TRACK, "context": {"library": {"name": "sternpost-cli"}}})
    assert "connect" not in await done()
    await home.bench.accept(
        {**TRACK, "messageId": "m9", "context": {"library": {"name": "rudder-sdk-python"}}}
    )
    assert "connect" in await done()
    assert "delivered" not in await done()
    await home.bench.settle("pendo", "track", Delivered(), Delivered(), Delivered())
    assert "delivered" in await done()
    home.bench.healthy = False
    assert "ready" not in await done()
    assert "Events cannot be accepted: The disk is full." in text_of(await browser.get("/console/"))


async def test_checklist_folds(home: House) -> None:
    browser = await home.owner()
    assert re.search(r'class="setup" open', await browser.get("/console/"))
    assert not re.search(
        r'class="setup" open', await browser.follow(await browser.post("/console/checklist"))
    )
    assert re.search(
        r'class="setup" open', await browser.follow(await browser.post("/console/checklist", show="1"))
    )


async def test_nothing_needs_you(home: House) -> None:
    browser = await home.owner()
    assert "Nothing needs you" in await browser.get("/console/")
    await lived_in(home)
    await home.bench.store.block("hook", "", "address_not_allowed", "", now=NOW)
    words = text_of(await browser.get("/console/"))
    assert "Our endpoint: Blocked since" in words
    assert words.index("Our endpoint: Blocked") < words.index("will not arrive unless")


# --- destinations -----------------------------------------------------------------------------------------------------


async def test_health(home: House) -> None:
    """The numbers of the funnel lead to their events; pictures have a table; the longest waiting people have a way in."""
    browser = await home.owner()
    await lived_in(home)
    page = await browser.get("/console/destinations/pendo")
    data = await browser.json("/console/destinations/pendo")
    rows = {row["name"]: row for row in data["health"]["funnel"]["rows"]}
    assert {name: row["count"] for name, row in rows.items() if row["count"]} == {
        "received": 4, "rejectedBefore": 1, "waiting": 1, "retrying": 1, "delivered": 1,
    }  # fmt: skip
    for name, row in rows.items():
        if row["count"] and name != "received":
            link = f"/console/events?q={quote('dest:pendo state:' + row['filter'])}"
            assert html.escape(link) in page, name
            assert len((await browser.json(link))["events"]) >= row["count"], row
    assert len(re.findall(r'<path class="bars (delivered|rejected|retrying)"', page)) == 3
    assert '<path class="line p50"' in page
    words = text_of(page)
    assert "half within" in words
    assert "Nothing is missing" not in words
    assert 'href="/console/events/m3?dest=pendo"' in page
    assert "Retry all 1" in words
    for since in ("24h", "7d", "35d", "nonsense"):
        again = await browser.json(f"/console/destinations/pendo?since={since}")
        assert sum(again["health"]["series"]["delivered"]) == 1, since


async def test_funnel_that_does_not_add_up(home: House) -> None:
    """A count that went wrong is said in red: it is a defect of ours."""
    browser = await home.owner()
    await lived_in(home)
    assert "do not add up" not in await browser.get("/console/destinations/pendo")
    home.bench.store._database.connection.execute("UPDATE counters SET n = n + 2 WHERE name = 'rejected'")
    assert "These numbers do not add up: 2 events are missing." in text_of(
        await browser.get("/console/destinations/pendo")
    )


async def test_one_channel_is_blocked(home: House) -> None:
    """The page says which channel waits for whom, and that the other goes on."""
    browser = await home.owner()
    await lived_in(home)
    await home.bench.store.block("pendo", "metadata", "key_refused", "It answered 403.", now=home.bench.now)
    words = text_of(await browser.get("/console/destinations/pendo"))
    assert "Channel metadata , 1 waiting:" in words
    assert "What needs the other key goes on." in words


async def test_check(home: House) -> None:
    """The button asks as doctor does, this destination only; what was found stays on the page."""
    browser = await home.owner()
    home.bench.reply = lambda destination, call: Reply(403, {}, b"", 5)
    await browser.get("/console/destinations/pendo")
    page = await browser.follow(await browser.post("/console/destinations/pendo/check"))
    assert "Something is wrong; see below." in text_of(page)
    assert {destination for destination, _ in home.bench.sent} == {"pendo"}
    assert "integration key" in text_of(page)
    assert any(
        check["result"] == "fail"
        for check in (await browser.json("/console/destinations/pendo"))["checked"]["checks"]
    )
    gone = await browser.post("/console/destinations/nothing/check")
    assert "was removed" in text_of(await browser.follow(gone))
    await browser.get("/console/destinations/nothing", 404)


async def test_agent(home: House) -> None:
    """What pages report about the partner's agent: in the health of its destination, and on Home when many do without it."""
    browser = await home.owner()
    for state, count in (("loaded", 15), ("blocked", 3)):
        for _ in range(count):
            home.agents.add("web", "pendo", state, "https://app.example.com", HOSTILE, NOW)
    assert "did not load" not in await browser.get("/console/")
    for _ in range(4):
        home.agents.add("web", "pendo", "failed", "https://other.example.com", "", NOW)
    assert "the browser agent did not load on 32 % of the pages" in text_of(await browser.get("/console/"))
    page = await browser.get("/console/destinations/pendo")
    assert "22 pages reported" in text_of(page)
    assert "<script>alert" not in page
    assert "Browser agent" not in await browser.get("/console/destinations/hook")


async def test_scripts_take_no_sentence_away(home: House) -> None:
    """A page that looks for news in another tab leaves what is to be said to the page that is opened."""
    browser = await home.owner()
    answer = await browser.post("/console/settings/sign-out-others")
    assert "No other browser" not in await browser.get("/console/", sec_fetch_dest="empty")
    assert "No other browser" in await browser.follow(answer)
    assert "No other browser" not in await browser.get("/console/")


# --- failures ---------------------------------------------------------------------------------------------------------


async def rejected(home: House, count: int = 3) -> None:
    for number in range(count):
        await home.bench.accept({**TRACK, "messageId": f"r{number}", "userId": f"u{number}"})
    await home.bench.settle(
        "pendo", "track", *(Rejected("refused_by_destination", "It answered 400.") for _ in range(count))
    )


async def test_retry(home: House) -> None:
    browser = await home.owner()
    assert "No failures" in await browser.get("/console/failures")
    await rejected(home)
    page = await browser.get("/console/failures")
    assert "3 events will not arrive unless somebody acts." in text_of(page)
    form = {"destination": "pendo", "reason": "refused_by_destination"}
    answer = await browser.post("/console/failures/retry", **form, messageId="r2")
    assert answer.headers["location"] == "/console/events/r2"
    assert "It is being tried again." in text_of(await browser.follow(answer))
    page = await browser.follow(await browser.post("/console/failures/retry", **form))
    assert "2 events went back into the queue" in text_of(page)
    assert (await home.bench.fate("r0"))["state"] == "pending"
    assert home.bench.woken


async def test_discard_needs_count_and_note(home: House) -> None:
    browser = await home.owner()
    await rejected(home)
    await browser.get("/console/failures")
    form = {"destination": "pendo", "reason": "refused_by_destination"}
    for count, note in (
        ("", "test data"),
        ("2", "test data"),
        ("x", "test data"),
        ("3", ""),
        ("3", "  "),
        ("3", "x" * 501),
    ):
        answer = await browser.post("/console/failures/discard", **form, count=count, note=note)
        assert answer.status == 400
        assert "Nothing was discarded" in answer.body.decode()
    assert (await home.bench.fate("r0"))["state"] == "rejected"
    page = await browser.follow(
        await browser.post("/console/failures/discard", **form, count="3", note="test data")
    )
    assert "3 events ended as skipped" in text_of(page)
    fate = await home.bench.fate("r0")
    assert (fate["state"], fate["reason"]) == ("skipped", "discarded_by_operator")
    assert "test data" in fate["explanation"]
    again = await browser.post("/console/failures/discard", **form, count="3", note="test data")
    assert "This group is gone" in text_of(await browser.follow(again))


async def test_discard_what_was_said(home: House) -> None:
    """Those of which the same was said can be given up without the others of their reason."""
    browser = await home.owner()
    said = ("The name is empty.", "The id is too long.", "The name is empty.")
    await home.bench.accept(*({**TRACK, "messageId": f"r{n}", "userId": f"u{n}"} for n in range(3)))
    await home.bench.settle("pendo", "track", *(Rejected("refused_by_destination", one) for one in said))
    assert "Discard these …" in text_of(await browser.get("/console/failures"))
    form = {"destination": "pendo", "reason": "refused_by_destination", "shape": said[0], "note": "test data"}
    answer = await browser.post("/console/failures/discard", **form, count="3")
    assert (answer.status, "type 2 to say" in answer.body.decode()) == (400, True)
    page = await browser.follow(await browser.post("/console/failures/discard", **form, count="2"))
    assert "2 events ended as skipped" in text_of(page)
    assert [(await home.bench.fate(f"r{n}"))["state"] for n in range(3)] == ["skipped", "rejected", "skipped"]
    again = await browser.post("/console/failures/discard", **form, count="2")
    assert "This group is gone" in text_of(await browser.follow(again))


# --- sources and settings ---------------------------------------------------------------------------------------------


async def test_source(home: House) -> None:
    """Lines with this host and key; a wait that ends with the first event of an app, and says what it sees meanwhile."""
    browser = await home.owner()
    browser.headers["host"] = "events.example.com:8443"
    words = text_of(await browser.get("/console/sources/backend"))
    for text in ("curl -u wk-backend: http://events.example.com:8443/v1/track", 'rudder.dataPlaneUrl = "http://events.example.com:8443"',
                 'new RudderAnalytics("wk-backend", { dataPlaneUrl: "http://events.example.com:8443" })', "Waiting for the first event"):  # fmt: skip
        assert text in words, text
    assert "sp.min.js" not in words
    assert "sp.min.js" in text_of(await browser.get("/console/sources/web"))
    await lived_in(home)
    assert "Events of an app arrive." in text_of(await browser.get("/console/sources/backend"))
    assert "another write key (wk-o…)" in text_of(await browser.get("/console/sources/alone"))
    browser.headers["host"] = "evil<script>"
    assert "evil" not in await browser.get("/console/sources/web")
    await browser.get("/console/sources/nothing", 404)


async def test_settings(home: House) -> None:
    browser = await home.owner()
    page = await browser.get("/console/settings")
    words = text_of(page)
    for text in (
        "integrationKey: ••••",
        "signingSecret: ••••",
        "Retention",
        "Apache License 2.0",
        "starlette",
        "Revision 1",
    ):
        assert text in words, text


async def test_theme(home: House) -> None:
    browser = await home.owner()
    assert 'data-theme="dark"' in await browser.follow(
        await browser.post("/console/theme", theme="dark", next="/console/events")
    )
    assert "data-theme" not in await browser.follow(
        await browser.post("/console/theme", theme="", next="https://evil.example/")
    )


async def test_a_defect_is_told_with_a_number(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """No trace in the page; the number is in the log."""
    browser = await home.owner()

    async def broken() -> Any:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(home.bench.views, "span", broken)
    page = await browser.get("/console/events", 500)
    assert re.search(r"number [0-9a-f]{8}", text_of(page))
    assert "secret detail" not in page


async def test_a_secret_with_signs_is_masked_in_pages(tmp_path: Path) -> None:
    """What a page writes as &amp; or &lt; is found too: in an event, in an answer that repeats it, and in rows that come live."""
    secret = """key<of>&"that"'hook'"""
    document = copy.deepcopy(DOCUMENT)
    document["destinations"][1]["settings"]["headers"] = {"X-Key": secret}
    home = await house(tmp_path, document=document)
    browser = await home.owner()
    await home.bench.accept(
        {**TRACK, "messageId": "m1", "event": f"Order {secret}", "properties": {"oops": secret}}
    )
    await home.bench.settle(
        "hook", "", Rejected("bad_id", f"It said {secret}."), reply=Reply(400, {}, f"No {secret}".encode(), 3)
    )
    for path in ("events", "events/m1?dest=hook", "failures", "try?id=m1"):
        for accept in ("text/html", "application/json"):
            answer = await browser.ask("GET", f"/console/{path}", accept=accept)
            shown = html.unescape(answer.body.decode())
            assert "•••" in shown, path
            assert secret not in shown, path
            assert json.dumps(secret)[1:-1] not in shown, path
    home.bench.close()
