"""Pendo's data centres: where each lives, and what the suffix of an integration key says about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hosts:
    """The three addresses of one data centre, without a slash at the end."""

    api: str  #: `/api/v1/*`
    data: str  #: `/data/*`
    content: str  #: `/agent/*`


#: The order of the words differs between regions: `us1.app`, but `app.eu`; Japan is `jpn` in host names.
REGIONS: Mapping[str, Hosts] = {
    "us": Hosts("https://app.pendo.io", "https://data.pendo.io", "https://cdn.pendo.io"),
    "us1": Hosts("https://us1.app.pendo.io", "https://us1.data.pendo.io", "https://us1.cdn.pendo.io"),
    "eu": Hosts("https://app.eu.pendo.io", "https://data.eu.pendo.io", "https://cdn.eu.pendo.io"),
    "jp": Hosts("https://app.jpn.pendo.io", "https://data.jpn.pendo.io", "https://cdn.jpn.pendo.io"),
    "au": Hosts("https://app.au.pendo.io", "https://data.au.pendo.io", "https://cdn.au.pendo.io"),
}

#: Suffix of an integration key → its region. Those of us1, jp and au are not known.
SUFFIX_REGIONS: Mapping[str, str] = {"us": "us", "eu": "eu"}


def suffix_of(key: str) -> str:
    """The part after the last dot of an integration key, in lower case; "" when it has none."""
    return key.rpartition(".")[2].lower() if "." in key else ""


def other_region(key: str, region: str) -> str | None:
    """The region that a key's suffix names, when it differs from the setting; None when nothing can be said.

    A key ending in `.us` says nothing against `us1`, whose own suffix is not known and may be the same.
    """
    named = SUFFIX_REGIONS.get(suffix_of(key))
    if named is None or region in {"custom", named} or (named == "us" and region == "us1"):
        return None
    return named
