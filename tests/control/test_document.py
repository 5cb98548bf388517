"""The document tells no lies: every operation really answers as it says, every list is paged, every object is described to its last member.

Each answer that a test asks of a `Bench` is held against the document as well (`conforms`); here every operation is asked, so that none is
described without having been seen.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import jsonschema_rs
import pytest

from sternpost.control.auth import Principal
from sternpost.control.noticing import Noticing
from sternpost.control.operation import Operation
from sternpost.control.operations import OPERATIONS, document
from sternpost.limits import PAGE_ROWS_MAX

from . import conforms
from .bench import TOKEN, Bench, call
from .test_api import BODIES
from .test_paging import LISTS, filled

#: Operations whose answers are no single JSON value; their lines are checked below.
IN_LINES = {"live", "export_failures"}
#: Reading operations with lists that need no pages, and why.
NO_PAGES = {
    "event": "one event, once for each source that sent this id",
    "doctor": "one examination of all there is",
    "workspace": "one document",
    "revision": "one document, with what it changed",
    "diff_revisions": "one difference of two documents",
    "source": "one source with its connections",
    "destination": "one destination with its secrets and connections",
    "catalogue_entry": "one kind of destination with its fields",
    "stats_series": "slots, at most 1,500",
    "destination_health": "one destination, each list with its own bound",
    "alike_failures": "one comparison, its paths bounded",
    "destination_mapping": "one destination, each list with its own bound",
}


WHOLE = document()


def schema_of(operation: Operation) -> Mapping[str, Any]:
    whole = WHOLE
    described = whole["paths"][operation.shown_path][operation.method.lower()]
    schema: Mapping[str, Any] = described["responses"][str(operation.status)]["content"][
        operation.media_type
    ]["schema"]
    while "$ref" in schema:
        schema = whole["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def objects(value: Any, place: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every object that a schema describes."""
    if isinstance(value, Mapping):
        if value.get("type") in ("object", ["object", "null"]):
            yield place, value
        for name, member in value.items():
            yield from objects(member, f"{place}/{name}")
    elif isinstance(value, list):
        for number, member in enumerate(value):
            yield from objects(member, f"{place}/{number}")


@pytest.mark.parametrize(
    "operation", [one for one in OPERATIONS if one.method == "GET"], ids=lambda one: one.name
)
def test_every_list_is_paged(operation: Operation) -> None:
    """A reading operation with a list has `next`, and a `limit` with a bound; or it is one thing, which is said here."""
    lists = [
        name for name, member in schema_of(operation).get("properties", {}).items() if member.get("type") == "array"
    ]  # fmt: skip
    parameters = {parameter.name: parameter for parameter in operation.query}
    if operation.name in LISTS:
        names = LISTS[operation.name][1]
        assert set(names) <= set(lists)
        assert "next" in schema_of(operation)["required"]
        limit = parameters["limit"].schema
        assert (limit["type"], limit["minimum"], limit["maximum"]) == ("integer", 1, PAGE_ROWS_MAX)
        assert LISTS[operation.name][2] in parameters
    elif lists:
        assert operation.name in NO_PAGES, f"{lists} are neither paged nor said to be one thing"
    else:
        assert "limit" not in parameters


def test_every_answer_is_described_to_its_last_member() -> None:
    """No object is left open but those that hold what a client, a partner or a workspace put into them."""
    whole = document()
    open_objects = {
        place
        for place, found in objects({name: whole["components"][name] for name in ("schemas", "responses")}, "")
        if "additionalProperties" not in found
    }  # fmt: skip
    for path, methods in whole["paths"].items():
        for method, described in methods.items():
            for status, response in described["responses"].items():
                for place, found in objects(response, f"{method} {path} {status}"):
                    if "additionalProperties" not in found:
                        open_objects.add(place.replace("/content/application/json/schema", ""))
    assert open_objects == {
        "get /failures/{destination}/{reason}/alike 200/properties/same",
        "/schemas/Entry/properties/event",
        "/schemas/TriedEntry/properties/event",
        "/schemas/Fate/properties/event",
        "/schemas/AuditLine/properties/detail",
        "/schemas/Destination/properties/settings",
        "get /destinations/{destination}/held/{person} 200/properties/held",
        "get /destinations/{destination}/mapping 200/properties/preview/properties/account",
        "get /destinations/{destination}/mapping 200/properties/preview/properties/visitor",
        "get /openapi.json 200",
        "get /people/{person} 200/properties/traits",
        "get /workspace 200/properties/document",
        "get /workspace/revisions/{revision} 200/properties/document",
        *(
            f"{operation.method.lower()} {operation.shown_path} {status}/properties/destination/properties/settings"
            for operation in OPERATIONS
            for status in {200, operation.status}
            if "destination" in operation.members and "changes" in operation.members
        ),
    }


async def requests_of(bench: Bench) -> list[tuple[str, str, str, Any]]:
    """(operation, method, address, body) of each operation, so that it succeeds: what reads comes first, what deletes last."""
    token = (await bench.get("/tokens"))["tokens"][0]["id"]
    session = (await bench.get("/sessions"))["sessions"][0]["id"]
    replay = (await bench.get("/replays"))["replays"][0]["id"]
    places = {
        "messageId": "m0", "destination": "pendo", "reason": "bad_id", "source": "backend", "type": "pendo", "revision": "1", "other": "1",
        "user": "user0", "token": token, "session": session, "replay": replay, "person": "u1",
    }  # fmt: skip
    bodies = {**BODIES, "try_again": {"destination": "pendo", "source": "backend", "messageId": "m0"}}
    bodies["resume_replay"] = {"ratePerSecond": 5}
    order = {"GET": 0, "POST": 1, "PUT": 1, "PATCH": 1, "DELETE": 2}
    # A connection goes before what it connects; an event is tried again while it is a dead letter.
    last = ("cancel_replay", "delete_connection", "delete_destination", "delete_source")
    first = ("try_again", "create_connection")
    found = []
    for operation in sorted(
        OPERATIONS, key=lambda one: (order[one.method], one.name not in first, one.name in last, one.path)
    ):
        path = operation.shown_path
        for name, value in places.items():
            path = path.replace(f"{{{name}}}", quote(value, safe=""))
        found.append((operation.name, operation.method, path, bodies.get(operation.name)))
    return found


async def asked(bench: Bench, method: str, path: str, body: Any, token: str) -> int:
    content = json.dumps(body).encode() if body is not None else b""
    headers = [(b"authorization", f"Bearer {token}".encode()), (b"if-match", b"*")]
    answer = await call(bench.app, method, f"/api/v1{path}", headers=headers, body=content)
    conforms.check(method, path, answer.status, answer.headers, answer.body)
    return answer.status


async def test_every_operation_answers_as_described(bench: Bench) -> None:
    """Each of them, with something in every list, as an owner, and what reads also as somebody who sees no personal data."""
    await filled(bench)
    tokens = {}
    for role in ("viewer", "editor"):
        tokens[role], _ = await bench.people.add_token(
            f"{role} without data", role, personal_data=False, days=None, by=Principal("ann", "owner")
        )
    conforms.answered.clear()
    for name, method, path, body in await requests_of(bench):
        if name in IN_LINES:
            continue
        if method == "GET":
            for token in tokens.values():
                assert await asked(bench, method, path, body, token) in {200, 403}, name
        assert await asked(bench, method, path, body, TOKEN) in {200, 201}, (name, path)
        if "dryRun" in {parameter.name for one in OPERATIONS if one.name == name for parameter in one.query}:
            await asked(bench, method, f"{path}?dryRun=true", body, TOKEN)
    assert conforms.answered == {one.name for one in OPERATIONS} - IN_LINES


async def test_lines_are_entries(bench: Bench) -> None:
    """The export and the live stream have the entries that the document calls TriedEntry and Entry."""
    components = document()["components"]

    def check(name: str, value: Any) -> None:
        schema = {"$ref": f"#/components/schemas/{name}", "components": components}
        jsonschema_rs.validate(schema, value, validate_formats=True)

    listener = bench.live.listen()
    await filled(bench)
    answer = await bench.ask("GET", "/failures/pendo/bad_id/export")
    lines = answer.body.splitlines()
    assert len(lines) == 3
    for line in lines:
        check("TriedEntry", json.loads(line))
    bench.live.publish([(1, None), (1, "pendo")])
    messages: list[Any] = []
    async with asyncio.timeout(10):
        while len(messages) < 2:
            messages += await listener.take(5)
    for message in messages:
        check("Entry", json.loads(message))
    listener.close()


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("/stats", {"more": 1}),
        ("/me", {"role": "king"}),
        ("/me", {"personalData": "yes"}),
        ("/users", {"next": 3}),
        ("/reasons", {"notes": None}),
    ],
)
async def test_another_answer_is_found(bench: Bench, path: str, change: dict[str, Any]) -> None:
    """A member more, another type, a word that is not among the known ones."""
    value = await bench.get(path)
    headers = {"content-type": "application/json"}
    conforms.check("GET", path, 200, headers, json.dumps(value).encode())
    with pytest.raises(AssertionError):
        conforms.check("GET", path, 200, headers, json.dumps(value | change).encode())
    value.popitem()
    with pytest.raises(AssertionError):
        conforms.check("GET", path, 200, headers, json.dumps(value).encode())
    with pytest.raises(AssertionError):
        conforms.check("GET", path, 418, headers, b"{}")


async def test_what_a_source_sends_is_shown_to_all(bench: Bench) -> None:
    """Names and counts of properties are nobody's values: who sees no personal data was shown hashes in their place."""
    await filled(bench)
    await bench.accept(
        {"type": "track", "event": "Order", "userId": "u1", "messageId": "o1", "properties": {"total": 7}}
    )
    noticing = Noticing(bench.views, bench.store, busy=lambda: False)
    while await noticing.step():
        pass
    token, _ = await bench.people.add_token(
        "viewer", "viewer", personal_data=None, days=None, by=Principal("ann", "owner")
    )
    found = (await bench.ask("GET", "/sources/backend/seen", token=token)).json
    [order] = [one for one in found["events"] if one["name"] == "Order"]
    [total] = order["properties"]
    assert (total["path"], total["count"], total["types"], total["example"]) == (
        "properties.total",
        1,
        {"number": 1},
        None,
    )
    assert found["over"] == {"events": 0, "properties": 0}
