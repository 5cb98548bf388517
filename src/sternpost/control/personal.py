"""Personal data for eyes that may not see it: each value becomes a keyed hash, the same for the same value, so that lines can be compared.

What is hidden is everything of an event but its structure: ids, traits, properties, context, addresses; and what of it got into requests,
answers and sentences. The names of events, traits and properties stay, as do messageIds, times, states and reasons. The key comes from
the server's secret key: nobody who only sees hashes can try values out.

Filters of such a reader are asked of the hidden entries, so `user:hidden:5f1d…` finds a person and `user:ann@example.com` does not.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec

PREFIX = "hidden:"
HASH_CHARS = 16  #: 64 bits: a million people give no two alike
FOUND_CHARS_MIN = 3  #: a shorter value would be found in innocent words
VALUES_PER_ENTRY_MAX = 2_000  #: looked for in the sentences about an event; more have no business in them
#: Of a request that is read to hide its values one by one; a longer one becomes one hash.
BODY_CHARS_MAX = 100_000

#: Members of an event that say nothing about a person.
OPEN = frozenset(
    {"type", "event", "name", "channel", "messageId", "originalTimestamp", "sentAt", "receivedAt", "timestamp", "version", "integrations"}
)  # fmt: skip
OPEN_CONTEXT = frozenset({"library", "app"})
#: Members of any answer whose value is somebody's.
VALUES = frozenset(
    {"userId", "anonymousId", "groupId", "previousId", "rudderId", "person", "sample", "visitorId", "accountId", "email", "ip", "traits", "properties"}
)  # fmt: skip
ENTRY = frozenset({"messageId", "event", "destinations"})
_HIDDEN = re.compile(rf"{PREFIX}[0-9a-f]{{{HASH_CHARS}}}")
_OF_A_PERSON = re.compile(r'((?:user|anon|account):)("[^"]*"|\S+)')  #: in a filter line
_QUOTED = re.compile(r'"[^"]*"|“[^”]*”')


class Personal:
    """Hides personal data."""

    def __init__(self, secret_key: bytes) -> None:
        """`secret_key` is the server's (`access.secret_key`)."""
        self._key = hmac.digest(secret_key, b"sternpost personal data v1", "sha256")

    def hidden(self, value: object) -> str:
        """The hash of a value; of a hash itself."""
        text = value if isinstance(value, str) else json.dumps(value, default=str)
        if _HIDDEN.fullmatch(text):
            return text
        found = hmac.new(self._key, text.encode("utf-8", "replace"), hashlib.sha256).hexdigest()
        return f"{PREFIX}{found[:HASH_CHARS]}"

    def answer(self, value: Any) -> Any:
        """A copy of an answer without personal data. What was hidden before stays as it is."""
        return _Hiding(self).scope(value)

    def page(self, title: str, data: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        """The same for a page's title and data."""
        found = self.answer({"title": title, "data": dict(data)})
        return found["title"], found["data"]


class _Hiding:
    """One walk through an answer. Values that were hidden are then looked for in the sentences beside them."""

    def __init__(self, personal: Personal, *, within: bool = False) -> None:
        self._personal = personal
        self._within = within  #: an entry
        self._known: dict[str, str] = {}

    def scope(self, value: Any) -> Any:
        """Hide within an entry, or an answer: sentences are searched for the values of it, not for those of its neighbours."""
        return self._said(self._hide(value, ""))

    def _hide(self, value: Any, name: str) -> Any:
        if name == "properties" and not isinstance(value, Mapping):
            name = ""  # properties that are counted or listed, as what a source sends: nobody's values
        if name in VALUES:
            return self._every(value)
        if isinstance(value, Mapping):
            if value.keys() >= ENTRY:
                return _Hiding(self._personal, within=True)._entry(value)
            if name in {"request", "reply"}:
                return self._message(value)
            return {key: self._hide(member, key) for key, member in value.items()}
        if isinstance(value, list | tuple):
            return [self._hide(member, name) for member in value]
        if name in {"detail", "shape"} and isinstance(value, str) and value:
            # Within an entry its own values are looked for; elsewhere nothing says what in a sentence is somebody's.
            return (
                _QUOTED.sub(lambda found: f'"{self._value(found[0][1:-1])}"', value)
                if self._within
                else self._value(value)
            )
        if name == "filter" and isinstance(value, str):
            return _OF_A_PERSON.sub(lambda found: f"{found[1]}{self._value(found[2].strip(chr(34)))}", value)
        return value

    def _entry(self, entry: Mapping[str, Any]) -> Any:
        event = entry["event"]
        found = {name: self._hide(value, name) for name, value in entry.items() if name != "event"}
        found["event"] = self._body(event) if isinstance(event, Mapping) else self._every(event)
        return self._said({name: found[name] for name in entry})

    def _body(self, body: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in body.items():
            if name == "context" and isinstance(value, Mapping):
                found[name] = {
                    key: member if key in OPEN_CONTEXT else self._every(member)
                    for key, member in value.items()
                }
            else:
                found[name] = value if name in OPEN else self._every(value)
        return found

    def _message(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """A request or a reply: what travelled as JSON keeps its structure."""
        found = {name: self._hide(value, name) for name, value in message.items()}
        body = message.get("body")
        if isinstance(body, str) and body:
            found["body"] = self._json(body)
        return found

    def _json(self, text: str) -> str:
        if len(text) <= BODY_CHARS_MAX:
            try:
                return json.dumps(self._every(msgspec.json.decode(text)), ensure_ascii=False)
            except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
                pass  # it was cut, or is no JSON
        return self._value(text)

    def _every(self, value: Any) -> Any:
        """Hide every value of a structure; its names stay."""
        if isinstance(value, Mapping):
            return {name: self._every(member) for name, member in value.items()}
        if isinstance(value, list | tuple):
            return [self._every(member) for member in value]
        return value if value is None or value == "" else self._value(value)

    def _value(self, value: object) -> str:
        found = self._personal.hidden(value)
        text = value if isinstance(value, str) else str(value)
        if found != text and len(text) >= FOUND_CHARS_MIN and len(self._known) < VALUES_PER_ENTRY_MAX:
            self._known[text] = found
        return found

    def _said(self, value: Any) -> Any:
        """Values of this scope that stand in its sentences, plain or as a part of an address."""
        if not self._known:
            return value
        known = dict(self._known)
        known.update({quote(text, safe="", errors="replace"): found for text, found in self._known.items()})
        words = "|".join(map(re.escape, sorted(known, key=len, reverse=True)))
        pattern = re.compile(f"{_HIDDEN.pattern}|{words}")

        def replaced(value: Any, name: str) -> Any:
            if isinstance(value, str):
                return (
                    value if name in OPEN else pattern.sub(lambda found: known.get(found[0], found[0]), value)
                )
            if isinstance(value, Mapping):
                return {key: replaced(member, key) for key, member in value.items()}
            if isinstance(value, list | tuple):
                return [replaced(member, name) for member in value]
            return value

        return replaced(value, "")
