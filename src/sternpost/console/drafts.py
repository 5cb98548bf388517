"""Secrets that were typed into a form which could not be saved yet.

They wait here, in memory, so that nobody has to type them again; the page gets a token for them, never the secret.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DRAFTS_MAX = 200  #: forms that wait to be corrected
DRAFT_VALID_S = 30 * 60.0  #: as long as people look for the right key


@dataclass(frozen=True, slots=True)
class Draft:
    """The secrets of a form, for the user who typed them."""

    owner: str
    until: float
    values: Mapping[str, Any]


class Drafts:
    """Secrets of forms that could not be saved yet."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Draft] = OrderedDict()

    def keep(self, owner: str, values: Mapping[str, Any], now: float) -> str:
        """A token for these secrets; "" when there are none."""
        if not values:
            return ""
        token = secrets.token_urlsafe(16)
        self._kept[token] = Draft(owner, now + DRAFT_VALID_S, dict(values))
        while len(self._kept) > DRAFTS_MAX:
            self._kept.popitem(last=False)
        return token

    def take(self, owner: str, token: str, now: float) -> Mapping[str, Any]:
        """The secrets of a token, once; nothing for another's, or when it is too old."""
        draft = self._kept.pop(token, None)
        return draft.values if draft is not None and draft.owner == owner and now < draft.until else {}
