"""The answers of the door that are not `ok`: one table of status and text per reason (contract 3.2)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from sternpost.reasons import ReasonCode

#: Status and body (without its line feed) of each reason to refuse. SDKs drop events on a 4xx other than 429 and repeat everything
#: else, so a 4xx stands only where repeating cannot help.
ANSWERS: Mapping[ReasonCode, tuple[int, str]] = MappingProxyType(
    {
        "write_key_missing": (401, "failed to read writekey from header"),
        "write_key_unknown": (401, "invalid write key"),
        "source_disabled": (404, "source is disabled"),
        "origin_not_allowed": (403, "origin is not allowed"),
        "bad_encoding": (400, "failed to read body from request"),
        "bad_json": (400, "invalid json"),
        "not_an_event": (400, "event is not a valid rudder event"),
        "no_identity": (400, "request neither has anonymousId nor userId"),
        "empty_batch": (400, "empty batch payload"),
        "event_name_empty": (400, "event name is empty"),
        "request_too_large": (413, "request size exceeds max limit"),
        "too_many_requests": (429, "max requests limit reached"),
        "overloaded": (503, "Service Unavailable"),
        "store_unavailable": (503, "the events could not be stored, send them again"),
        "body_not_read": (500, "failed to read body from request"),
    }
)


class Refused(Exception):
    """A request that is turned away as a whole: nothing of it was kept."""

    def __init__(
        self,
        reason: ReasonCode,
        *,
        text: str = "",
        detail: str = "",
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        status, usual = ANSWERS[reason]
        self.reason: ReasonCode = reason
        self.status = status  #: HTTP status
        self.text = text or usual  #: the dialect's body, without its line feed
        self.detail = detail  #: for people: what was seen; never goes to the client
        self.headers = headers  #: such as Retry-After
        super().__init__(detail or self.text)
