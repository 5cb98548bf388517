"""Lines to copy for a source, with the address and write key that are true here."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sternpost.limits import RETENTION_DAYS

LIBRARY = "sternpost-console"  #: context.library.name of the test event
OWN_LIBRARIES = frozenset({LIBRARY, "sternpost-cli"})  #: events of which say nothing about the app


@dataclass(frozen=True, slots=True)
class Snippet:
    """A way to send, as text to copy."""

    id: str
    title: str
    text: str
    hint: str = ""


def snippets(source: Mapping[str, Any], base: str) -> list[Snippet]:
    """The ways to send to a source, the likeliest for its type first."""
    key: str = source["writeKey"]
    event = json.dumps({"userId": "u1", "event": "Hello"}, separators=(",", ":"))
    made = {
        "html": Snippet(
            "html",
            "HTML",
            f"""<script src="{base}/lib/sp.min.js"></script>
<script>
  rudderanalytics.load({json.dumps(key)}, {json.dumps(base)}, {{ configUrl: {json.dumps(base)} }});
  rudderanalytics.page();
  // after login:
  rudderanalytics.identify("u1", {{ email: "u1@example.com" }});
  rudderanalytics.track("Hello");
</script>""",
            "One file from this server: the SDK, and Pendo in device mode. A page with RudderStack's own SDK keeps it and changes the "
            "write key and both addresses.",
        ),
        "curl": Snippet(
            "curl", "curl", f"curl -u {shlex.quote(key)}: {base}/v1/track \\\n  -d {shlex.quote(event)}"
        ),
        "python": Snippet(
            "python",
            "Python",
            f"""# pip install rudder-sdk-python
import rudderstack.analytics as rudder

rudder.write_key = {json.dumps(key)}
rudder.dataPlaneUrl = {json.dumps(base)}
rudder.track("u1", "Hello")
rudder.flush()  # before the program ends""",
        ),
        "node": Snippet(
            "node",
            "Node.js",
            f"""// npm install @rudderstack/rudder-sdk-node
import RudderAnalytics from "@rudderstack/rudder-sdk-node";

const rudder = new RudderAnalytics({json.dumps(key)}, {{ dataPlaneUrl: {json.dumps(base)} }});
rudder.track({{ userId: "u1", event: "Hello" }});
await rudder.flush(); // before the program ends""",
        ),
    }
    order = ("html", "curl", "python", "node") if source["type"] == "web" else ("curl", "python", "node")
    return [made[name] for name in order]


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
