"""What the Pendo destination declares: its settings in Pendo's words, the types it takes, where it can run."""

from __future__ import annotations

from sternpost.destinations.base import Field, Spec
from sternpost.destinations.pendo.constants import EVENT_MAX_AGE_DAYS, METADATA_BATCH_MAX, SETTLE_MS
from sternpost.destinations.pendo.regions import REGIONS

FIELDS: tuple[Field, ...] = (
    Field(
        "region",
        "Data center",
        "Where your Pendo subscription lives. A key of another region looks exactly like a wrong key. custom: the "
        "addresses are those given under Hosts, for a CNAME of yours, a restricted region or the sandbox.",
        where="In Pendo: the address bar tells (app.pendo.io is us, app.eu.pendo.io is eu).",
        kind="choice",
        default="us",
        choices=("us", "us1", "eu", "jp", "au", "custom"),
        choice_texts={
            **{region: hosts.api.removeprefix("https://") for region, hosts in REGIONS.items()},
            "custom": "the addresses under Hosts",
        },
        aliases={"jpn": "jp"},
    ),
    Field(
        "apiKey",
        "API key (app key)",
        "The public key of your app, used by the browser agent; needed for device and hybrid connections.",
        where="In Pendo: Subscription Settings → your app → App Details → API key; it also stands in the install snippet.",
        example="11111111-1111-4111-8111-111111111111",
    ),
    Field(
        "integrationKey",
        "Integration key",
        "Writes visitors and accounts (identify and group). It needs write access. Without it identify and group calls are skipped "
        "(key_missing).",
        where="In Pendo: Settings → Integrations → Integration Keys.",
        kind="secret",
        example="${PENDO_INTEGRATION_KEY}",
    ),
    Field(
        "trackEventSecret",
        "Track Event Shared Secret",
        "Sends track events. Each app has its own: a mobile app needs a destination with its own secret. Without it track events are "
        "skipped (key_missing).",
        where="In Pendo: Subscription Settings → your app → App Details → Track Event Shared Secret → Show.",
        kind="secret",
        example="${PENDO_TRACK_SECRET}",
    ),
    Field(
        "hosts",
        "Hosts",
        "Addresses with scheme, used with region custom only. api (/api/v1/*) and data (/data/*) are needed then; content (/agent/*) may be "
        "left out and is as data.",
        kind="object",
        address=True,
        example='{"api": "http://127.0.0.1:8090", "data": "http://127.0.0.1:8090", "content": "http://127.0.0.1:8090"}',
        members=(
            Field("api", "API", "Visitors and accounts.", example="http://127.0.0.1:8090"),
            Field("data", "Data", "Track events.", example="http://127.0.0.1:8090"),
            Field(
                "content",
                "Content",
                "Pendo's agent in the browser. Empty: as data.",
                example="http://127.0.0.1:8090",
            ),
        ),
    ),
    Field(
        "anonymousVisitors",
        "Anonymous visitors",
        "What happens to people who are not identified. skip: nothing is sent. prefix: sent at once as Pendo's own anonymous visitors "
        "(_PENDO_T_…), who may count for MAU; only Pendo's browser agent can merge them later. hold: kept until an identify names the "
        "person. auto: skip for cloud connections, prefix for device and hybrid.",
        kind="choice",
        default="auto",
        choices=("auto", "skip", "prefix", "hold"),
        group="Identity",
    ),
    Field(
        "anonymousHoldDays",
        "Days to hold",
        "With hold: how long an event waits for an identify, by its own time. Pendo may not process events older than 7 days, so 6 leaves "
        "a day for retries.",
        kind="integer",
        default=6,
        minimum=1,
        maximum=7,
        group="Identity",
    ),
    Field(
        "createMissing",
        "Create missing",
        "Create visitors and accounts that Pendo does not know yet. Switched off, their metadata is skipped (missing_id).",
        kind="boolean",
        default=True,
        group="Identity",
    ),
    Field(
        "metadataGroup",
        "Metadata group",
        "The group that traits are written to. agent: fields come into being by being written. custom: fields must be made beforehand in "
        "Pendo (Settings → Data Mappings); others are left out (unknown_field).",
        kind="choice",
        default="agent",
        choices=("agent", "custom"),
        group="What to send",
    ),
    Field(
        "nestedTraits",
        "Nested traits and properties",
        "Pendo ignores objects. flatten: sent as address_city. drop: left out. Both are noted.",
        kind="choice",
        default="flatten",
        choices=("flatten", "drop"),
        group="What to send",
    ),
    Field(
        "pageEvents",
        "Page calls",
        "track: page calls become track events named Page Viewed. off: they are skipped (page_off).",
        kind="choice",
        default="off",
        choices=("off", "track"),
        group="What to send",
    ),
    Field(
        "screenEvents",
        "Screen calls",
        "track: screen calls become track events named Screen Viewed. off: they are skipped (screen_off).",
        kind="choice",
        default="off",
        choices=("off", "track"),
        group="What to send",
    ),
    Field(
        "parentAccountTrait",
        "Parent account trait",
        "The trait of group calls that names the parent account. Account ids are then sent as parent::child everywhere. Parent accounts "
        "must be enabled by Pendo, and that cannot be undone.",
        example="parent",
        group="Identity",
    ),
    Field(
        "agentOptions",
        "Agent options",
        "Device and hybrid: handed to pendo.initialize (cookieDomain, disableGuides, excludeAllText, …).",
        kind="object",
        default={},
        example='{"disableGuides": true}',
        group="What to send",
    ),
    Field(
        "pageLoad",
        "Page loads",
        "Device and hybrid: page calls run pendo.pageLoad(), for single-page apps.",
        kind="boolean",
        default=False,
        group="What to send",
    ),
    Field(
        "metadataBatchMax",
        "Largest metadata batch",
        "The most visitors or accounts in one request. Pendo publishes no limit; a batch it refuses is sent again in halves.",
        kind="integer",
        default=METADATA_BATCH_MAX,
        minimum=1,
        maximum=10_000,
        group="Limits",
    ),
)

SPEC = Spec(
    type="pendo",
    display_name="Pendo",
    other_names=("PENDO", "pendo"),
    summary="Visitors, accounts and track events in Pendo, from the server, the browser or both.",
    fields=FIELDS,
    types=frozenset({"identify", "group", "track", "page", "screen", "alias", "merge"}),
    modes={
        "web": frozenset({"device", "cloud", "hybrid"}),
        "mobile": frozenset({"cloud"}),
        "server": frozenset({"cloud"}),
    },
    channels=("metadata", "track"),
    settle_s=SETTLE_MS / 1000,
    stale_s=EVENT_MAX_AGE_DAYS * 86_400.0,
    docs="reference/pendo.md",
    needs="The data center of your subscription, an integration key with write access, and your app's Track Event Shared Secret; for "
    "device and hybrid also the app's API key.",
    mode_texts={
        "cloud": "This server sends visitors, accounts and track events. Blockers in the browser stop nothing, and no script of Pendo's "
        "runs on your pages: no guides, no clicks and page views of its own.",
        "device": "Pendo's agent runs on your pages, started with the right visitor and account, and sends everything itself: track events, "
        "guides, its own clicks and page views. This server sends nothing to Pendo; where a blocker stops the agent, Pendo sees nothing.",
        "hybrid": "Pendo's agent runs on your pages for guides and its own clicks and page views; this server sends track events, visitors "
        "and accounts. Each event is counted once: the agent is not given what the server sends.",
    },
)
