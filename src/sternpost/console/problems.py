"""What went wrong, as a page says it: what happened, whether anything was lost, what to do."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from starlette.exceptions import HTTPException

from sternpost.console.inside import ApiProblem
from sternpost.control.answers import ApiError
from sternpost.control.filters import FilterError
from sternpost.control.live import TooManyListeners
from sternpost.errors import StoreError

log = structlog.get_logger("sternpost.console")


@dataclass(frozen=True, slots=True)
class Told:
    """An error in words."""

    heading: str
    text: str
    remedy: str
    status: int
    body: Mapping[str, Any]  #: what the API answered; empty when it was not the API


def told(error: Exception, path: str) -> Told:
    """The words for an error; one that nobody thought of gets a number that is in the log, with `path`."""
    heading, text, remedy, status = "Something went wrong here", "", "", 500
    more: Mapping[str, Any] = {}
    match error:
        case ApiProblem():
            heading = "There is no such thing" if error.status == 404 else "This could not be done"
            text, remedy, status = error.message, error.remedy, error.status
            more = error.body
        case ApiError():
            heading = "You may not do this" if error.status == 403 else "This could not be done"
            text, remedy, status, more = error.message, error.remedy, error.status, error.body
        case FilterError():
            heading, text, status = "This filter cannot be understood", str(error), 400
        case HTTPException(status_code=403):
            heading, status = "Nothing was changed", 403
            text = "The form did not come from a page of this console, or the page was too old."
            remedy = "Go back, load the page again, and press the button once more."
        case HTTPException(status_code=413):
            heading, text, status = "Nothing was changed", "The form was too large.", 413
        case HTTPException(status_code=405):
            heading, status = "Nothing was changed", 405
            text, remedy = "This address takes a form of another page.", "Use the console's buttons."
        case HTTPException():
            heading, status = "There is no such page", error.status_code
            text = "The console has no page at this address."
            remedy = "Use the navigation, or search."
        case TooManyListeners():
            heading, text, status = "Too many are watching", str(error), 503
            remedy = "Close another live view and try again."
        case StoreError():
            heading, text, status = "The store does not answer", str(error), 503
            remedy = "Try again; if it stays, run: sternpost doctor"
        case _:
            number = secrets.token_hex(4)
            log.error("console_failed", path=path, number=number, exc_info=error)
            text = f"No event was lost by this; the page could not be made (number {number})."
            remedy = f"Look for {number} in the server's log."
    return Told(heading, text, remedy, status, more)
