"""Requests that are kept as they came, and the events in them: the same checks at the door, and the same events later."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sternpost.limits import ARRIVAL_BYTES_MAX, BATCH_STRAIGHT_EVENTS_MAX
from sternpost.model import Arrival, Event
from sternpost.wire.decode import check_batch, check_single, decode_batch, decode_single

_NOBODY = {""}
_HEAD, _TAIL = b'{"batch":[', b"]}"


def arrivals(
    body: bytes,
    *,
    call: str,
    allow_empty: bool,
    source_id: str,
    received_at: float,
    request_ip: str,
    path: str,
) -> list[Arrival]:
    """A request, in parts where it is large; [] for a batch that may be empty and is. `call`: a single event's type, "" = a batch.

    Raises Refused where the decoder would, and never else: what is kept as it came can be decoded later.
    """
    if call:
        people = check_single(body) - _NOBODY
        return [Arrival(source_id, received_at, request_ip, path, call, 1, 0, body, people)]
    entries, people = check_batch(body, allow_empty=allow_empty)
    people -= _NOBODY
    if not entries:
        return []
    if len(body) <= ARRIVAL_BYTES_MAX and len(entries) <= BATCH_STRAIGHT_EVENTS_MAX:
        return [Arrival(source_id, received_at, request_ip, path, "", len(entries), 0, body, people)]
    found = []
    before = 0
    for part in _parts(entries):
        text = _HEAD + b",".join(part) + _TAIL
        # Parts are kept together, so the first says for all of them who is in them.
        who = people if not before else ()
        found.append(Arrival(source_id, received_at, request_ip, path, "", len(part), before, text, who))
        before += len(part)
    return found


def events(arrival: Arrival, new_id: Callable[[], str]) -> list[Event]:
    """The events of an arrival, as the decoder of the door makes them."""
    if arrival.call:
        return decode_single(
            arrival.call,
            arrival.body,
            source_id=arrival.source_id,
            received_at=arrival.received_at,
            request_ip=arrival.request_ip,
            new_id=new_id,
            path=arrival.path,
        )
    return decode_batch(
        arrival.body,
        allow_empty=False,
        source_id=arrival.source_id,
        received_at=arrival.received_at,
        request_ip=arrival.request_ip,
        new_id=new_id,
        path=arrival.path,
        before=arrival.before,
    )


def _parts(entries: Sequence[bytes]) -> list[list[bytes]]:
    parts: list[list[bytes]] = []
    room = 0
    for own in entries:
        room -= len(own) + 1
        if room < 0 or len(parts[-1]) >= BATCH_STRAIGHT_EVENTS_MAX:
            parts.append([])
            room = ARRIVAL_BYTES_MAX - len(_HEAD) - len(_TAIL) - len(own)
        parts[-1].append(own)
    return parts
