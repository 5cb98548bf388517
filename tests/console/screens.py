"""The console's pages, each with something on it, for the browser tests and for pictures of them.

`make screenshots` (python -m tests.console.screens) starts a demo, sends it some events, and writes each page as a picture, wide and narrow,
light and dark: whole into build/screenshots; of those that the documentation shows, what a window shows into docs/images.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cli.programs import fetch, running
from tests.demo import browser
from tests.waiting import until

ROOT = Path(__file__).parents[2]
ALL = ROOT / "build/screenshots"
SHOWN = ROOT / "docs/images"
WIDE, NARROW = 1280, 360


@dataclass(frozen=True, slots=True)
class Screen:
    """A page in a state worth looking at."""

    name: str
    path: str  #: below /console
    shown: bool = False  #: the documentation has its picture


#: Every page that can be read, once or more; tests/console/test_routes.py fails when one is missing.
SCREENS: tuple[Screen, ...] = (
    Screen("home", "/", shown=True),
    Screen("events", "/events", shown=True),
    Screen("events-refused", "/events?tab=refused"),
    Screen("events-rejected", "/events?q=state:rejected"),
    Screen("events-none", "/events?q=event:Nothing"),
    Screen("event-rejected", "/events/bad"),
    Screen("event", "/events/good", shown=True),
    Screen("event-unknown", "/events/nobody-sent-this"),
    Screen("failures", "/failures", shown=True),
    Screen("sources", "/sources"),
    Screen("source-new", "/sources/new"),
    Screen("source", "/sources/web", shown=True),
    Screen("source-server", "/sources/backend"),
    Screen("source-seen", "/sources/backend/seen"),
    Screen("source-settings", "/sources/web/settings"),
    Screen("destinations", "/destinations"),
    Screen("catalogue", "/destinations/new"),
    Screen("destination-new", "/destinations/new/pendo"),
    Screen("webhook-new", "/destinations/new/webhook"),
    Screen("destination", "/destinations/pendo", shown=True),
    Screen("destination-settings", "/destinations/pendo/settings"),
    Screen("destination-connect", "/destinations/pendo/connect"),
    Screen("mapping", "/destinations/pendo/mapping"),
    Screen("people", "/people"),
    Screen("person", "/people/ada"),
    Screen("replay", "/replay"),
    Screen("replay-look", "/replay?look=1&only=all&destination=pendo"),
    Screen("try", "/try"),
    Screen("rules", "/rules"),
    Screen("settings", "/settings"),
    Screen("settings-people", "/settings/people"),
    Screen("settings-tokens", "/settings/tokens"),
    Screen("settings-sessions", "/settings/sessions"),
    Screen("settings-audit", "/settings/audit"),
    Screen("settings-revisions", "/settings/revisions"),
    Screen("settings-revision", "/settings/revisions/1"),
    Screen("no-such-page", "/nothing-here"),
)
#: Addresses that answer something else than a page, and why.
NO_PAGES = {
    "/search": "leads to the page that was meant",
    "/failures/export": "a file",
    "/live": "a stream",
    "/static/{name}": "files",
    "/events/": "leads to /events",
    "": "leads to /",
}
#: Pages of those who are not signed in.
STRANGERS = (Screen("sign-in", "/sign-in"), Screen("setup-used", "/setup/used-already"))


def send(base: str, key: str, path: str, content: Any) -> int:
    """Post an event as a client does; the answer's status."""
    authorization = base64.b64encode(f"{key}:".encode()).decode()
    request = urllib.request.Request(
        f"{base}{path}", json.dumps(content).encode(), {"authorization": f"Basic {authorization}"}
    )
    try:
        with urllib.request.urlopen(request) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return error.code


PEOPLE = ("ada", "grace", "edsger", "barbara", "alan", "margaret")
ACTIONS = ("Report Exported", "Invoice Paid", "Member Invited", "Plan Changed", "Search Used")


def furnish(base: str, sandbox: str, key: str) -> None:
    """Events as a small business has them: people, accounts, actions, and some trouble."""
    for number, person in enumerate(PEOPLE):
        account = "acme" if number % 2 else "globex"
        traits = {
            "name": person.title(), "email": f"{person}@{account}.example", "plan": "pro" if number % 3 else "free", "Plan": "old",
            "address": {"city": "London", "zip": 12345 + number}, "signed up": "2026-03-24",
        }  # fmt: skip
        send(base, key, "/v1/identify", {"userId": person, "traits": traits})
        given = {"name": account.title(), "employees": 40 + number, "industry": "Software"}
        send(base, key, "/v1/group", {"userId": person, "groupId": account, "traits": given})
    for number in range(40):
        person = PEOPLE[number * 7 % len(PEOPLE)]
        properties = {"total": number * 3, "currency": "EUR", "unit price": 4.5}
        content = {"userId": person, "event": ACTIONS[number % len(ACTIONS)], "properties": properties}
        send(base, key, "/v1/track", content)
    good = {
        "messageId": "good",
        "userId": "ada",
        "event": "Order Completed",
        "properties": {"cart": {"id": 1}, "total": 42},
    }
    send(base, key, "/v1/track", good)
    send(
        base,
        key,
        "/v1/track",
        {"messageId": "bad", "userId": "VISITOR-UNIQUE-ID", "event": "Order Completed"},
    )
    for person in PEOPLE[3:5]:
        send(base, key, "/v1/track", {"userId": person, "event": "", "properties": {"total": 1}})
    for person in PEOPLE[:3]:
        send(base, key, "/v1/track", {"userId": person, "properties": {"total": 1}})
    send(base, key, "/v1/track", {"anonymousId": "a-visitor", "event": "Page Rated"})
    send(base, "wk-an-old-key", "/v1/track", {"userId": "u", "event": "Order Completed"})
    send(base, key, "/v1/track", {"event": "Nobody's"})
    fault = {"match": "/data/track", "status": 503, "body": "busy", "times": 30}
    fetch(f"{sandbox}/__sandbox/faults", content=fault, headers={"content-type": "application/json"})
    send(base, key, "/v1/track", {"messageId": "waits", "userId": "margaret", "event": "Report Exported"})


def state_of(base: str, message_id: str, headers: dict[str, str]) -> str:
    [event] = fetch(f"{base}/api/v1/events/{message_id}", headers=headers)["events"]
    return str(event["destinations"][0]["state"])


async def pictures(wanted: list[str]) -> None:
    """Write the pictures; only those of `wanted` names, when there are any."""
    ALL.mkdir(parents=True, exist_ok=True)
    SHOWN.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        running("demo", "--port", "0", "--sandbox-port", "0", "--no-open", cwd=Path(folder)) as demo,
    ):
        setup = demo.line(r"Set up +(\S+)")[1]
        sandbox = demo.line(r"Sandbox +(\S+)/__sandbox/")[1]
        base = setup.partition("/console/")[0]
        furnish(base, sandbox, "wk-backend")
        async with browser.page() as page:
            await page.size(WIDE, 900)
            await page.open(setup)
            await photograph(page, Screen("setup", "/setup"), wanted)
            await page.size(WIDE, 900)
            await page.run("document.querySelector('main button').click()")
            await page.until("location.pathname === '/console/'")
            token = (Path(folder) / "sternpost-demo/api-token").read_text().strip()
            headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
            fetch(f"{base}/api/v1/users", content={"name": "grace", "role": "editor"}, headers=headers)
            fetch(f"{base}/api/v1/tokens", content={"name": "dashboard", "role": "viewer"}, headers=headers)
            until(lambda: len(fetch(f"{base}/api/v1/failures", headers=headers)["failures"]) == 2)
            # What the documentation shows is an event that arrived.
            until(lambda: state_of(base, "good", headers) == "delivered", within_s=60)
            for screen in SCREENS:
                if not wanted or screen.name in wanted:
                    await page.open(f"{base}/console{screen.path}")
                    await photograph(page, screen, wanted)
            await page.call("Network.clearBrowserCookies")
            for screen in STRANGERS:
                if not wanted or screen.name in wanted:
                    await page.open(f"{base}/console{screen.path}")
                    await photograph(page, screen, wanted)


async def photograph(page: browser.Page, screen: Screen, wanted: list[str]) -> None:
    """One page in four pictures."""
    if wanted and screen.name not in wanted:
        return
    for width in (WIDE, NARROW):
        for dark in (False, True):
            how = f"{'wide' if width == WIDE else 'narrow'}-{'dark' if dark else 'light'}"
            name, height = f"{screen.name}-{how}.png", 900 if width == WIDE else 740
            await page.look(ALL / name, width=width, height=height, dark=dark)
            if screen.shown:
                await page.look(SHOWN / name, width=width, height=height, dark=dark, whole=False)


if __name__ == "__main__":
    asyncio.run(pictures(sys.argv[1:]))
