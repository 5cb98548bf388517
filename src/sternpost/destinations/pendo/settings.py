"""The settings of a Pendo destination, validated and frozen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, cast

from sternpost.destinations.common import is_address
from sternpost.destinations.pendo.constants import METADATA_BATCH_MAX
from sternpost.destinations.pendo.regions import REGIONS, Hosts
from sternpost.model import Mode, Secret

Anonymous: TypeAlias = Literal["skip", "prefix", "hold"]
KEY_CHARS_MAX = 200
HOST_NAMES = ("api", "data", "content")

_HEADER_SAFE = re.compile(r"[!-~]+")
_PATH_SAFE = re.compile(r"[A-Za-z0-9._~-]+")


@dataclass(frozen=True, slots=True)
class PendoSettings:
    """What `spec.fields` say, in our types. Secrets are revealed only where a request is made."""

    region: str
    hosts: Hosts
    api_key: str = ""
    integration_key: Secret | None = None
    track_event_secret: Secret | None = None
    anonymous_visitors: Literal["auto", "skip", "prefix", "hold"] = "auto"
    anonymous_hold_days: int = 6
    create_missing: bool = True
    metadata_group: Literal["agent", "custom"] = "agent"
    nested_traits: Literal["flatten", "drop"] = "flatten"
    page_events: bool = False
    screen_events: bool = False
    parent_account_trait: str = ""
    agent_options: Mapping[str, Any] = field(default_factory=dict)
    page_load: bool = False
    metadata_batch_max: int = METADATA_BATCH_MAX
    hints: tuple[str, ...] = ()  #: what was understood otherwise than written

    def anonymous(self, mode: Mode) -> Anonymous:
        """What `anonymousVisitors` means for a connection of this mode (rule I6)."""
        if self.anonymous_visitors == "auto":
            return "skip" if mode == "cloud" else "prefix"
        return self.anonymous_visitors


def parse(values: Mapping[str, Any]) -> PendoSettings:
    """The frozen settings; ValueError("<field>: <sentence>") for what cannot be (settings of every destination are not looked at)."""
    region, hints = _region(values)
    if region != "custom" and values.get("hosts"):
        # Not an error: a file may keep its sandbox's hosts beside the region that is in force.
        hints = (*hints, f"hosts are only used with region: custom; with region: {region} they are ignored.")
    return PendoSettings(
        region=region,
        hosts=_hosts(values, region),
        api_key=_api_key(values),
        integration_key=_secret(values, "integrationKey"),
        track_event_secret=_secret(values, "trackEventSecret"),
        anonymous_visitors=cast(
            'Literal["auto", "skip", "prefix", "hold"]',
            _choice(values, "anonymousVisitors", ("auto", "skip", "prefix", "hold")),
        ),
        anonymous_hold_days=_integer(values, "anonymousHoldDays", default=6, minimum=1, maximum=7),
        create_missing=_boolean(values, "createMissing", default=True),
        metadata_group=cast(
            'Literal["agent", "custom"]', _choice(values, "metadataGroup", ("agent", "custom"))
        ),
        nested_traits=cast(
            'Literal["flatten", "drop"]', _choice(values, "nestedTraits", ("flatten", "drop"))
        ),
        page_events=_choice(values, "pageEvents", ("off", "track")) == "track",
        screen_events=_choice(values, "screenEvents", ("off", "track")) == "track",
        parent_account_trait=_text(values, "parentAccountTrait"),
        agent_options=_agent_options(values),
        page_load=_boolean(values, "pageLoad", default=False),
        metadata_batch_max=_integer(
            values, "metadataBatchMax", default=METADATA_BATCH_MAX, minimum=1, maximum=10_000
        ),
        hints=hints,
    )


def _region(values: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    region = values.get("region")
    if region is None:
        return "us", ()
    if region == "jpn":
        # Pendo's own host names say `jpn`; refusing it would teach nobody anything.
        return "jp", ("region: jpn was understood as jp, the name of this setting for Japan.",)
    if region != "custom" and (not isinstance(region, str) or region not in REGIONS):
        raise ValueError(f"region: must be one of {', '.join(REGIONS)} or custom, not {region!r}.")
    return region, ()


def _hosts(values: Mapping[str, Any], region: str) -> Hosts:
    hosts = values.get("hosts")
    if region != "custom":
        return REGIONS[region]
    if not isinstance(hosts, Mapping) or not hosts:
        raise ValueError("hosts: with region: custom, api and data are required; content may be left out.")
    if unknown := [str(name) for name in hosts if name not in HOST_NAMES]:
        raise ValueError(
            f"hosts: unknown name {', '.join(sorted(unknown))}; there are api, data and content."
        )
    api, data = _url(hosts, "api"), _url(hosts, "data")
    # Only device and hybrid connections load the agent. A data host of the customer's own usually serves it too.
    return Hosts(api, data, _url(hosts, "content") if hosts.get("content") else data)


def _url(hosts: Mapping[str, Any], name: str) -> str:
    value = hosts.get(name)
    if not value:
        raise ValueError(f"hosts.{name}: required with region: custom, e.g. https://{name}.example.com.")
    if not is_address(value):
        raise ValueError(f"hosts.{name}: must be an address like https://data.example.com, not {value!r}.")
    return str(value).rstrip("/")


def _api_key(values: Mapping[str, Any]) -> str:
    key = _text(values, "apiKey").strip()
    if key and (len(key) > KEY_CHARS_MAX or not _PATH_SAFE.fullmatch(key)):
        raise ValueError(
            "apiKey: is part of addresses, so only letters, digits, -, ., _ and ~ can be in it. "
            "Copy it again from Pendo: Subscription Settings → your app → App Details."
        )
    return key


def _secret(values: Mapping[str, Any], name: str) -> Secret | None:
    value = values.get(name)
    if value is None:
        return None
    text = value.reveal() if isinstance(value, Secret) else value
    if not isinstance(text, str):
        raise _wrong(name, "must be text.")
    text = text.strip()
    if not text:
        return None
    if len(text) > KEY_CHARS_MAX or not _HEADER_SAFE.fullmatch(text):
        raise ValueError(
            f"{name}: has characters that cannot be in a header (a space, a line break?). Copy it again from Pendo."
        )
    return Secret(text)


def _agent_options(values: Mapping[str, Any]) -> Mapping[str, Any]:
    options = values.get("agentOptions")
    if options is None:
        return {}
    if not isinstance(options, Mapping):
        raise _wrong("agentOptions", "must be an object of options for pendo.initialize.")
    return dict(options)


def _choice(values: Mapping[str, Any], name: str, choices: tuple[str, ...]) -> str:
    value = values.get(name)
    if value is None:
        return choices[0]
    if value not in choices:
        raise ValueError(f"{name}: must be one of {', '.join(choices)}, not {value!r}.")
    return str(value)


def _integer(values: Mapping[str, Any], name: str, *, default: int, minimum: int, maximum: int) -> int:
    value = values.get(name)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or not minimum <= value <= maximum:
        raise ValueError(f"{name}: must be a whole number from {minimum} to {maximum}, not {value!r}.")
    return value


def _boolean(values: Mapping[str, Any], name: str, *, default: bool) -> bool:
    value = values.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise _wrong(name, f"must be true or false, not {value!r}.")
    return value


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _wrong(name, "must be text.")
    return value


def _wrong(name: str, sentence: str) -> ValueError:
    return ValueError(f"{name}: {sentence}")
