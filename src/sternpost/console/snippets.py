"""Lines to copy for a source, with the address and write key that are true here.

The lines stand in the folder `lines`, as the documentation shows them: tests/console/test_snippets.py holds them equal.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sternpost.limits import RETENTION_DAYS

LIBRARY = "sternpost-console"  #: context.library.name of the test event
OWN_LIBRARIES = frozenset({LIBRARY, "sternpost-cli"})  #: events of which say nothing about the app
LINES = Path(__file__).parent / "lines"
#: What stands in the lines for the real ones.
WRITE_KEY, ADDRESS = "WRITE_KEY", "https://events.example.com"


@dataclass(frozen=True, slots=True)
class Lines:
    """Text to copy, and what to do with it."""

    id: str  #: names the file, and the element of the page
    said: str  #: the sentence above it


@dataclass(frozen=True, slots=True)
class Way:
    """A way to send to a source: a tab of its page."""

    id: str
    title: str
    types: frozenset[str]  #: of sources that send in this way
    quoted: Callable[[str], str]  #: a text as the language writes it
    lines: tuple[Lines, ...]
    hint: str = ""


def _script(text: str) -> str:
    """A text inside <script>, which ends at `</script>` wherever that stands."""
    return json.dumps(text).replace("<", "\\u003c")


def _kotlin(text: str) -> str:
    return json.dumps(text).replace("$", "\\$")


WEB, MOBILE, SERVER = frozenset({"web"}), frozenset({"mobile"}), frozenset({"server"})
_CALLS = Lines("calls", "Then call, anywhere in the page:")
_PHONE = (
    "It asks this server for the source's configuration, too: the control plane. Without that line it would ask RudderStack, which does not "
    "know the write key, and send nothing."
)

#: In the order of the tabs.
WAYS: tuple[Way, ...] = (
    Way(
        "html",
        "HTML",
        WEB,
        _script,
        (Lines("html", "Into the page's <head>. The page waits for neither script:"), _CALLS),
        "One file from this server: the SDK, and Pendo in device mode.",
    ),
    Way(
        "npm",
        "npm",
        WEB,
        json.dumps,
        (
            Lines("module", "Our package: npm install ./sternpost/browser (a folder of the repository)"),
            Lines("bundled", "Or RudderStack's: npm install @rudderstack/analytics-js"),
        ),
        "RudderStack's package has its plugins inside with /bundled; without it the page would fetch them from RudderStack.",
    ),
    Way(
        "react",
        "React, Next.js",
        WEB,
        json.dumps,
        (
            Lines(
                "react", "npm install ./sternpost/browser, and <Analytics /> once, in the outermost layout:"
            ),
        ),
        'RudderStack\'s package works in the same place. Page calls of a router: "Single-page apps" in the documentation.',
    ),
    Way(
        "ios",
        "iOS (Swift)",
        MOBILE,
        json.dumps,
        (Lines("swift", "Swift package github.com/rudderlabs/rudder-sdk-swift. When the app starts:"),),
        _PHONE,
    ),
    Way(
        "android",
        "Android (Kotlin)",
        MOBILE,
        _kotlin,
        (Lines("kotlin", "Gradle: com.rudderstack.sdk.kotlin:android. When the app starts:"),),
        _PHONE,
    ),
    Way(
        "node",
        "Node.js",
        SERVER,
        json.dumps,
        (Lines("node", "npm install @rudderstack/rudder-sdk-node"),),
    ),
    Way("python", "Python", SERVER, json.dumps, (Lines("python", "pip install rudder-sdk-python"),)),
    Way(
        "java",
        "Java",
        SERVER,
        json.dumps,
        (Lines("java", "Gradle or Maven: com.rudderstack.sdk.java.analytics:analytics"),),
    ),
    Way("go", "Go", SERVER, json.dumps, (Lines("go", "go get github.com/rudderlabs/analytics-go/v4"),)),
    Way(
        "curl",
        "curl",
        WEB | MOBILE | SERVER,
        shlex.quote,
        (Lines("curl", "Anything that can post JSON:"),),
    ),
)


def ways(source: Mapping[str, Any], base: str) -> list[dict[str, Any]]:
    """The tabs of a source: how one of its type sends, with its write key and this server's address."""
    return [
        {
            "id": way.id,
            "title": way.title,
            "lines": [
                {"id": lines.id, "said": lines.said, "text": _filled(way, lines.id, source["writeKey"], base)}
                for lines in way.lines
            ],
            "hint": way.hint,
        }
        for way in WAYS
        if source["type"] in way.types
    ]


def _filled(way: Way, name: str, key: str, base: str) -> str:
    text = (LINES / f"{name}.txt").read_text(encoding="utf-8").rstrip("\n")
    if way.quoted is shlex.quote:  # a shell's words need no quotes where nothing needs quoting
        address = f"{ADDRESS}/v1/track"
        text = text.replace(address, shlex.quote(base + address.removeprefix(ADDRESS)))
        return text.replace(f"{WRITE_KEY}:", shlex.quote(f"{key}:"))
    return text.replace(ADDRESS, base).replace(f'"{WRITE_KEY}"', way.quoted(key))


def phone_hints(base: str) -> list[str]:
    """What keeps a phone from reaching this address."""
    parts = urlsplit(base)
    hints = []
    if parts.hostname in {"127.0.0.1", "localhost", "::1"}:
        hints.append(
            f"A phone cannot reach {parts.hostname}, which is the phone itself: use this machine's name or address in the network. "
            "In Android's emulator 10.0.2.2 is this machine; in Xcode's simulator the address works as it is."
        )
    if parts.scheme == "http":
        hints.append(
            "iOS and Android refuse plain HTTP unless the app allows it. In production put TLS in front."
        )
    return hints


def policy(base: str) -> str:
    """What a page's own content security policy has to allow."""
    return f"script-src {base}; connect-src {base};"


def first_pendo(source_id: str) -> str:
    """A workspace with Pendo, to be completed."""
    return f"""destinations:
  - id: pendo
    name: Pendo
    type: pendo
    settings:
      region: us                                   # us | us1 | eu | jp | au
      integrationKey: ${{PENDO_INTEGRATION_KEY}}     # Pendo: Settings → Integrations → Integration Keys
      trackEventSecret: ${{PENDO_TRACK_SECRET}}      # Pendo: Subscription settings → your app → App details
connections:
  - {{source: {source_id}, destination: pendo, mode: cloud}}"""


def retention_text(retention_s: float) -> str:
    days = retention_s / 86_400 or RETENTION_DAYS
    return f"{days:g} day" if days == 1 else f"{days:g} days"
