"""Links and memberships: what an event says about people."""

from __future__ import annotations

from typing import Any

import pytest

from sternpost.model import Event, Link, Membership
from sternpost.wire.decode import decode_single
from sternpost.wire.facts import link, membership, user_agent


def event(kind: str, body: str) -> Event:
    (decoded,) = decode_single(
        kind,
        body.encode(),
        source_id="s",
        received_at=1_790_000_000.0,
        request_ip="",
        new_id=lambda: "n",
    )
    return decoded


@pytest.mark.parametrize(
    ("kind", "body", "found"),
    [
        ("identify", '{"userId":"u","anonymousId":"a"}', ("a", "u", False)),
        (" Identify ", '{"userId":7,"anonymousId":" a "}', ("a", "7", False)),
        ("identify", '{"userId":"u"}', None),
        ("identify", '{"anonymousId":"a"}', None),
        ("track", '{"userId":"u","anonymousId":"a"}', None),
        ("alias", '{"userId":"u","previousId":" a\\u0000"}', ("a", "u", True)),
        ("merge", '{"userId":"u","previousId":5}', ("5", "u", True)),
        ("alias", '{"userId":"u","previousId":"u"}', None),
        ("alias", '{"userId":"u","previousId":{"a":1}}', None),
        ("alias", '{"userId":"u","previousId":true}', None),
        ("alias", '{"userId":"u"}', None),
        ("alias", '{"anonymousId":"u","previousId":"a"}', None),
        ("alias", '{"userId":"u","previousId":"a","p":"\\ud800"}', ("a", "u", True)),
    ],
)
def test_links(kind: str, body: str, found: Any) -> None:
    """identify with both ids; alias and merge with a previousId, which count only when it was seen as an anonymousId."""
    got = link(event(kind, body))
    at_ms = 1_790_000_000_000
    assert got == (found and Link(found[0], found[1], at_ms, None, if_seen=found[2]))


@pytest.mark.parametrize(
    ("body", "group_id", "parents"),
    [
        ('{"userId":"u","groupId":"g","traits":{"parent":"p"}}', "g", {"parent": "p"}),
        (
            '{"anonymousId":"a","groupId":7,"traits":{"parent":8,"holding":{"id":9}}}',
            "7",
            {"parent": "8", "holding": "9"},
        ),
        ('{"userId":"u","groupId":" g ","traits":{"parent":true,"holding":{"id":null}}}', "g", {}),
        ('{"userId":"u","groupId":"g","traits":[1],"p":1e400}', "g", {}),
        ('{"userId":"u","groupId":"g","traits":{"parent":""}}', "g", {}),
    ],
)
def test_memberships(body: str, group_id: str, parents: dict[str, str]) -> None:
    """group with a groupId, also of an anonymous person; parents are texts, numbers, or the id of an object."""
    group = event("group", body)
    got = membership(group, ["parent", "holding"])
    assert got == Membership(group_id, group.at_ms, None, group.anonymous_id, parents)
    assert membership(group, []) == Membership(group_id, group.at_ms, None, group.anonymous_id, {})


@pytest.mark.parametrize("group_id", ["null", '""', '" "', "true", "{}", "[1]"])
def test_a_group_without_a_usable_id(group_id: str) -> None:
    """Says nothing: a mistake must not become the account of the events that follow."""
    assert membership(event("group", f'{{"userId":"u","groupId":{group_id}}}'), []) is None
    assert membership(event("track", '{"userId":"u","groupId":"g"}'), []) is None


@pytest.mark.parametrize(
    ("body", "agent"),
    [
        ('{"userId":"u","context":{"userAgent":"Googlebot"}}', "Googlebot"),
        ('{"userId":"u","context":{"userAgent":5}}', ""),
        ('{"userId":"u","context":"userAgent"}', ""),
        ('{"userId":"u","userAgent":"Googlebot"}', ""),
        ('{"userId":"u"}', ""),
        ('{"userId":"u","context":{"userAgent":"Googlebot"},"p":"\\ud800"}', ""),
    ],
)
def test_user_agent(body: str, agent: str) -> None:
    """That of the context; "" when it cannot be read quickly, for it is only counted."""
    assert user_agent(event("track", body)) == agent
