"""Events as genuine SDKs shape them, as templates that both wrk's script and Python fill in.

A template is compact JSON with markers: @MESSAGE@ (unique messageId), @USER@ (one of the people), @ACCOUNT@, @NOW@ (RFC 3339), @N@ (the
number of the event, to find it again where it was delivered). Sizes of the track templates: 0.7 to 1.4 KB.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PEOPLE = 1_000
ACCOUNTS = 50

_MARKER = re.compile(r"@([A-Z]+)@")
_TIMES = {"originalTimestamp": "@NOW@", "timestamp": "@NOW@", "sentAt": "@NOW@"}


def _node() -> dict[str, Any]:
    return {
        "userId": "@USER@",
        "event": "Order Completed",
        "properties": {
            "n": "@N@",
            "orderId": "50314b8e9bcf000000000000",
            "revenue": 30.5,
            "currency": "USD",
            "products": 3,
        },
        "context": {
            "groupId": "@ACCOUNT@",
            "library": {"name": "analytics-node", "version": "3.0.9"},
            "ip": "203.0.113.7",
            "page": {
                "path": "/checkout/complete",
                "url": "https://shop.example.com/checkout/complete?step=4",
                "title": "Thank you for your order",
                "referrer": "https://shop.example.com/",
            },
        },
        "_metadata": {"nodeVersion": "22.11.0"},
        "integrations": {"All": True},
        "channel": "server",
        "type": "track",
        "messageId": "@MESSAGE@",
        **_TIMES,
    }


def _python() -> dict[str, Any]:
    return {
        "userId": "@USER@",
        "anonymousId": None,
        "event": "Report Exported",
        "properties": {
            "n": "@N@",
            "format": "xlsx",
            "rows": 18_250,
            "filters": "region=EMEA;quarter=Q3;status=open",
            "duration_ms": 1_843,
            "scheduled": False,
        },
        "context": {
            "groupId": "@ACCOUNT@",
            "library": {"name": "rudder-analytics-python", "version": "2.1.4"},
            "traits": {
                "email": "someone@example.com",
                "plan": "enterprise",
                "createdAt": "2024-03-24T17:46:45.000Z",
                "locale": "en-GB",
            },
            "userAgent": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
            "ip": "198.51.100.23",
            "locale": "en-GB",
            "timezone": "Europe/London",
        },
        "integrations": {"All": True},
        "channel": "server",
        "type": "track",
        "messageId": "@MESSAGE@",
        **_TIMES,
    }


def _mobile() -> dict[str, Any]:
    return {
        "userId": "@USER@",
        "event": "Screen Item Selected",
        "properties": {
            "n": "@N@",
            "item": "playlist",
            "position": 7,
            "source": "recommendations",
            "experiment": "carousel-b",
        },
        "context": {
            "groupId": "@ACCOUNT@",
            "app": {
                "build": "4711",
                "name": "Example",
                "namespace": "com.example.app",
                "version": "5.12.0",
            },
            "device": {
                "id": "8a5f9e6d7c3b2a10",
                "manufacturer": "Google",
                "model": "Pixel 9 Pro",
                "name": "caiman",
                "type": "Android",
                "adTrackingEnabled": False,
            },
            "library": {"name": "com.rudderstack.android.sdk.core", "version": "1.26.0"},
            "locale": "de-DE",
            "network": {"carrier": "Example Mobile", "bluetooth": False, "cellular": True, "wifi": False},
            "os": {"name": "Android", "version": "15"},
            "screen": {"density": 480, "height": 2_856, "width": 1_280},
            "consentManagement": {
                "provider": "custom",
                "allowedConsentIds": ["analytics", "marketing"],
                "deniedConsentIds": [],
            },
            "sessionId": 1_795_470_511,
            "timezone": "Europe/Berlin",
            "traits": {
                "userId": "@USER@",
                "email": "someone@example.com",
                "firstName": "Some",
                "lastName": "One",
                "plan": "team",
                "createdAt": "2023-11-02T09:15:00.000Z",
                "preferences": {"newsletter": True, "theme": "dark", "language": "de"},
            },
            "userAgent": "Dalvik/2.1.0 (Linux; U; Android 15; Pixel 9 Pro Build/AP4A.250105.002)",
        },
        "integrations": {"All": True},
        "channel": "mobile",
        "type": "track",
        "messageId": "@MESSAGE@",
        **_TIMES,
    }


def _identify() -> dict[str, Any]:
    return {
        "userId": "@USER@",
        "context": {
            "library": {"name": "analytics-node", "version": "3.0.9"},
            "traits": {
                "email": "someone@example.com",
                "first_name": "Some",
                "last_name": "One",
                "name": "Some One",
                "plan": "enterprise",
                "logins": "@N@",
                "createdAt": "2024-03-24T17:46:45.000Z",
                "company": {"id": "@ACCOUNT@", "name": "Example Ltd", "employees": 450},
            },
            "ip": "203.0.113.7",
            "userAgent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
        },
        "integrations": {"All": True},
        "channel": "server",
        "type": "identify",
        "messageId": "@MESSAGE@",
        **_TIMES,
    }


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


TRACK: tuple[str, ...] = tuple(_compact(make()) for make in (_node, _python, _mobile))
IDENTIFY: tuple[str, ...] = (_compact(_identify()),)


def write_templates(path: Path, templates: tuple[str, ...]) -> None:
    """One template a line, for wrk's script."""
    path.write_text("\n".join(templates) + "\n")


class Filler:
    """Fills templates in turn."""

    def __init__(self, templates: tuple[str, ...], run: str, *, people: int = PEOPLE) -> None:
        """`run` (8 characters) is part of every messageId."""
        self._pieces = [_MARKER.split(template) for template in templates]
        self._run = run
        self._people = people

    def event(self, n: int) -> bytes:
        """Event number n."""
        pieces = self._pieces[n % len(self._pieces)]
        values = {
            "MESSAGE": message_id(self._run, n),
            "USER": f"user-{n % self._people:06d}",
            "ACCOUNT": f"account-{n % ACCOUNTS:03d}",
            "NOW": rfc3339(time.time()),
            "N": str(n),
        }
        return "".join(values[piece] if place % 2 else piece for place, piece in enumerate(pieces)).encode()

    def batches(self, count: int, size: int) -> Iterator[bytes]:
        """Bodies of /v1/batch with `count` events in all."""
        for first in range(0, count, size):
            events = (self.event(n) for n in range(first, min(count, first + size)))
            yield b'{"batch":[' + b",".join(events) + b"]}"


def message_id(run: str, n: int) -> str:
    """As long as the UUIDs of the SDKs, and beginning as much at random as they do."""
    return f"{n * 2_654_435_761 % 2**32:08x}-{run}-00-{n:010d}-0000"


def rfc3339(now: float) -> str:
    """The time as SDKs write it."""
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now * 1000) % 1000:03d}Z"
