"""What can be told about the settings of a Pendo destination, before and after asking Pendo."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from sternpost.destinations.base import Suspect
from sternpost.destinations.common import read_status
from sternpost.destinations.pendo.calls import agent_call, empty_track_call, verify_call
from sternpost.destinations.pendo.regions import REGIONS, other_region, suffix_of
from sternpost.destinations.pendo.replies import key_refused, read_verify
from sternpost.destinations.pendo.settings import PendoSettings
from sternpost.model import Call, Delivered, Reply

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


def facts(settings: PendoSettings) -> Sequence[str]:
    """Warnings about these settings, most important first."""
    return (*_missing(settings), *settings.hints, *_shapes(settings), *_identity(settings))


def checks(settings: PendoSettings) -> Sequence[tuple[str, Call | None, str]]:
    """What `doctor` looks at. The empty track request stores nothing: it has no event, visitor or time."""
    integration = verify_call(settings) if settings.integration_key else None
    track = empty_track_call(settings) if settings.track_event_secret else None
    found: list[tuple[str, Call | None, str]] = [
        ("region", None, _region(settings)),
        ("integration key", integration, "" if integration else "integrationKey is not set."),
        ("track event secret", track, "" if track else "trackEventSecret is not set."),
    ]
    if settings.api_key:
        found.append(("browser agent", agent_call(settings), ""))
    found.append(
        (
            "mobile apps",
            None,
            (
                "Each app in Pendo has its own Track Event Shared Secret: a mobile source needs a destination of its own with the mobile "
                "app's secret, or its events appear under this app."
            ),
        )
    )
    return found


def read_check(name: str, reply: Reply, settings: PendoSettings) -> tuple[bool, str]:
    """(fine, what an answer to one of `checks` means and what to do)."""
    if reply.status is None:
        host = {"track event secret": settings.hosts.data, "browser agent": settings.hosts.content}.get(
            name, settings.hosts.api
        )
        why = reply.error_detail or reply.error or "no answer"
        return False, f"{host} cannot be reached ({why}). Check region, hosts, DNS, firewall and proxy."
    if name == "integration key":
        blocked = read_verify(reply, settings)
        if blocked is None:
            return True, "Pendo accepts the integration key, and it may write."
        return False, blocked.detail
    if name == "track event secret":
        return _read_track(reply, settings)
    if isinstance(read_status(reply), Delivered):
        return True, "The browser agent can be loaded with this apiKey."
    return False, f"The address of the browser agent answered {reply.status}. Check apiKey and region."


def suspects(name: str, reply: Reply, settings: PendoSettings) -> Sequence[Suspect]:
    """A refused key may be the other one of the two, or of another region: each can be asked for, harmlessly."""
    integration, track = settings.integration_key, settings.track_event_secret
    is_integration = name == "integration key"
    if name not in {"integration key", "track event secret"} or reply.status is None:
        return ()
    found = []
    other = track if is_integration else integration
    if other is not None and other != (integration if is_integration else track):
        exchanged = replace(settings, integration_key=other, track_event_secret=other)
        what = "integration key" if is_integration else "Track Event Shared Secret"
        place = "trackEventSecret" if is_integration else "integrationKey"
        found.append(
            Suspect(
                name,
                verify_call(exchanged) if is_integration else empty_track_call(exchanged),
                exchanged,
                f"The two keys are exchanged: Pendo takes what stands in {place} as {what}.",
                "Put each key into the other's field.",
            )
        )
    for region, hosts in REGIONS.items():
        if settings.region in {"custom", region}:
            continue
        there = replace(settings, region=region, hosts=hosts)
        found.append(
            Suspect(
                name,
                verify_call(there) if is_integration else empty_track_call(there),
                there,
                f"This key is of the data center {region}; the destination is set to {settings.region}.",
                f"Set Data center to {region}.",
            )
        )
    return found


def _read_track(reply: Reply, settings: PendoSettings) -> tuple[bool, str]:
    status = reply.status
    if status in {401, 403}:
        return False, key_refused(f"/data/track answered {status}.", settings, is_metadata=False).detail
    if status == 400 or isinstance(read_status(reply), Delivered):
        return (
            True,
            (
                "/data/track is reachable and does not refuse the secret. Only an event that shows in Pendo proves that it is the "
                "right app's."
            ),
        )
    return False, f"/data/track answered {status}. Check region and hosts."


def _missing(settings: PendoSettings) -> list[str]:
    found = []
    if settings.track_event_secret is None:
        found.append(
            "trackEventSecret is not set: track events are skipped (key_missing). In Pendo: Subscription Settings → your app → "
            "App Details → Track Event Shared Secret → Show. They can be replayed once it is set."
        )
    if settings.integration_key is None:
        found.append(
            "integrationKey is not set: identify and group are skipped (key_missing). In Pendo: Settings → Integrations → "
            "Integration Keys, with write access. They can be replayed once it is set."
        )
    return found


def _shapes(settings: PendoSettings) -> list[str]:
    """Hints only (KEY_SHAPE): an integration key usually has a suffix, a track secret none."""
    found = []
    integration = settings.integration_key.reveal() if settings.integration_key else ""
    track = settings.track_event_secret.reveal() if settings.track_event_secret else ""
    if named := other_region(integration, settings.region):
        found.append(
            f"The integration key ends in .{suffix_of(integration)}, which is region {named}, and region is {settings.region}. "
            "Keys of another region are refused."
        )
    if integration and integration == track:
        found.append("integrationKey and trackEventSecret are the same; Pendo has one of each.")
    else:
        if _is_uuid(track) and suffix_of(track):
            found.append("trackEventSecret looks like an integration key: it has a region suffix.")
        if _is_uuid(integration) and not suffix_of(integration):
            found.append(
                "integrationKey looks like a track event secret: integration keys usually end in a region, e.g. .us."
            )
    if settings.api_key:
        if settings.api_key == track:
            found.append("trackEventSecret is the public apiKey; the secret is another value in App Details.")
        if settings.api_key == integration:
            found.append(
                "integrationKey is the public apiKey; make a key in Settings → Integrations → Integration Keys."
            )
    return found


def _identity(settings: PendoSettings) -> list[str]:
    match settings.anonymous_visitors:
        case "prefix":
            return [
                "anonymousVisitors: prefix: each anonymous visitor may count for MAU.",
                (
                    "anonymousVisitors: prefix: only Pendo's browser agent can merge an anonymous visitor into an identified one; without it "
                    "on your pages the events stay with the anonymous visitor."
                ),
            ]
        case "hold":
            days = settings.anonymous_hold_days
            return [
                (
                    f"anonymousVisitors: hold: events of people who do not identify within {days} days are skipped "
                    "(anonymous_expired), and later ones appear in Pendo after its daily or weekly run."
                )
            ]
        case _:
            return []


def _region(settings: PendoSettings) -> str:
    if settings.region == "custom":
        return f"custom: {settings.hosts.api} and {settings.hosts.data}."
    integration = settings.integration_key.reveal() if settings.integration_key else ""
    if named := other_region(integration, settings.region):
        return f"region is {settings.region}, but the integration key's suffix names {named}. Set region: {named}, or change the key."
    return f"{settings.region}: {settings.hosts.api} and {settings.hosts.data}."


def _is_uuid(key: str) -> bool:
    return UUID.fullmatch(key.partition(".")[0]) is not None
