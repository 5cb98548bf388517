"""What a person refused, against what a destination needs (data plane contract 6.6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sternpost.model import Consent

#: Providers whose older SDKs name no provider: their refusals are checked against the first such entry.
UNNAMED_PROVIDERS = frozenset({"oneTrust", "ketch"})
NAMES_SHOWN_MAX = 10  #: refused categories in an explanation


@dataclass(frozen=True, slots=True)
class ConsentInfo:
    """What an event says about consent. Malformed data count as none."""

    provider: str = ""
    resolution_strategy: str = ""
    denied: tuple[str, ...] = ()


NOTHING_SAID = ConsentInfo()


def consent_info(body: Mapping[str, Any]) -> ConsentInfo:
    """`context.consentManagement` of an event (contract 6.6).

    A member of the wrong type makes the whole object malformed. Entries of `deniedConsentIds` that are no texts are left out
    alone: the refusals beside them are plain, and ignoring a refusal is the worse mistake.
    """
    context = body.get("context")
    management = context.get("consentManagement") if isinstance(context, dict) else None
    if not isinstance(management, dict):
        return NOTHING_SAID
    provider = management.get("provider")
    strategy = management.get("resolutionStrategy")
    denied = management.get("deniedConsentIds")
    if not isinstance(provider, str | None) or not isinstance(strategy, str | None):
        return NOTHING_SAID
    if not isinstance(denied, list | None):
        return NOTHING_SAID
    ids = tuple(entry for entry in denied or () if isinstance(entry, str) and entry)
    return ConsentInfo(provider or "", strategy or "", ids)


def refused(body: Mapping[str, Any], consents: Sequence[Consent]) -> str | None:
    """Why consent stops the event for a destination with these settings; None when it does not (contract 6.6).

    An event that names no provider is checked against the first entry of provider oneTrust or ketch, with that entry's own strategy.
    """
    if not consents:
        return None
    info = consent_info(body)
    if not info.denied:
        return None
    entry = _entry(info, consents)
    if entry is None:
        return None
    own = not info.provider or info.provider == "custom"
    strategy = entry.resolution_strategy if own else info.resolution_strategy
    denied = [name for name in entry.consents if name in info.denied]
    stopped = len(denied) == len(entry.consents) if strategy == "or" else bool(denied)
    if not stopped:
        return None
    rule = "or: refusing all of them stops" if strategy == "or" else "and: any refusal stops"
    return (
        f"Provider {entry.provider}, strategy {rule}; refused: {_names(denied)}; "
        f"the destination needs {_names(entry.consents)}."
    )


def _entry(info: ConsentInfo, consents: Sequence[Consent]) -> Consent | None:
    for entry in consents:
        if not entry.consents:
            continue
        if entry.provider == info.provider or (not info.provider and entry.provider in UNNAMED_PROVIDERS):
            return entry
    return None


def _names(names: Sequence[str]) -> str:
    unique = list(dict.fromkeys(names))
    shown = ", ".join(unique[:NAMES_SHOWN_MAX])
    return shown if len(unique) <= NAMES_SHOWN_MAX else f"{shown} and {len(unique) - NAMES_SHOWN_MAX} more"
