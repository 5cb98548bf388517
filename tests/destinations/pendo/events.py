"""Events, people and answers for the tests of the Pendo destination."""

import json

from sternpost.destinations.base import Known, Plan
from sternpost.destinations.pendo import PENDO
from sternpost.model import Event, Message, Person, Reply, Secret

NOW = 1_700_000_100_000  #: 2023-11-14T22:15:00Z
HOUR = 3_600_000
DAY = 24 * HOUR
INTEGRATION = "33333333-3333-4333-8333-333333333333.us"
TRACK = "55555555-5555-4555-8555-555555555555"
APP = "11111111-1111-4111-8111-111111111111"


def settings(**values):
    return PENDO.parse(
        {"integrationKey": Secret(INTEGRATION), "trackEventSecret": Secret(TRACK), "apiKey": APP} | values
    )


SETTINGS = settings()


def message(type_, body, *, at=NOW, source="server", user=None, anonymous=None, ip="9.9.9.9", page_ms=None):
    """A message; identities are those of the body unless given (the door cleans them)."""

    def identity(name, given):
        value = body.get(name)
        text = value if isinstance(value, str) else "" if value is None else json.dumps(value)
        return text.strip() if given is None else given

    event = Event(
        "m1",
        "src",
        type_,
        False,
        at / 1000,
        ip,
        b"{}",
        user_id=identity("userId", user),
        anonymous_id=identity("anonymousId", anonymous),
        at_ms=at,
        page_ms=page_ms,
    )
    return Message(event, body, source)


def planned(type_, body, *, person=None, chosen=SETTINGS, known=None, mode="cloud", **event):
    sent = message(type_, body, **event)
    person = person or Person(sent.event.user_id)
    return PENDO.plan(sent, person, chosen, known or Known(NOW, mode))


def call(plan, chosen=SETTINGS):
    assert isinstance(plan, Plan), plan
    return PENDO.call(plan.parts, chosen, NOW / 1000)


def body_of(plan, chosen=SETTINGS):
    return json.loads(call(plan, chosen).body)


def values(plan, chosen=SETTINGS):
    return body_of(plan, chosen)[-1]["values"]


def codes(result):
    return [note.code for note in result.notes]


def reply(status, body=b"", **headers):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, data, 5)
