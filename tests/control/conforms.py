"""Answers against the OpenAPI document: whatever a test asks of a bench is held against what the document says about it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import jsonschema_rs

from sternpost.control.operation import MOUNT
from sternpost.control.operations import document

#: Operations of which an answer that was no error has been checked in this process.
answered: set[str] = set()


@cache
def _document() -> dict[str, Any]:
    return document()


@cache
def _paths() -> tuple[tuple[re.Pattern[str], str], ...]:
    """The paths of the document; those with fewer parameters win, as in the router."""
    found = []
    for path in _document()["paths"]:
        # What is a whole rest of an address, an id of any text, may hold slashes.
        words = re.sub(r"\\\{(messageId|person)\\\}", "(?:.+)", re.escape(path))
        found.append((re.compile(re.sub(r"\\\{\w+\\\}", "(?:[^/]+)", words)), path))
    return tuple(sorted(found, key=lambda one: one[1].count("{")))


@cache
def _validator(path: str, method: str, status: str) -> Any:
    """Checks a JSON answer; None where the document says that it is no JSON."""
    described = _document()["paths"][path][method]["responses"]
    assert status in described, f"{method} {path}: the document knows no {status}"
    response = described[status]
    if "$ref" in response:
        response = _document()["components"]["responses"][response["$ref"].rpartition("/")[2]]
    content = response["content"].get("application/json")
    if content is None:
        return None
    schema = {**content["schema"], "components": _document()["components"]}
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True)


def operation_of(method: str, address: str) -> tuple[str, str] | None:
    """The path and the method of the document that an address below the mount means, as it stands in a request."""
    plain = address.partition("?")[0]
    for pattern, path in _paths():
        if pattern.fullmatch(plain) and method.lower() in _document()["paths"][path]:
            return path, method.lower()
    return None


def check(method: str, address: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Raises AssertionError when an answer is not as the document says."""
    found = operation_of(method, address.removeprefix(MOUNT))
    if found is None or status == 405:
        return  # not one of ours, which has no description
    path, name = found
    validator = _validator(path, name, str(status))
    if validator is None:
        return
    assert headers["content-type"] == "application/json"
    value = json.loads(body)
    problems = [
        f"{'/'.join(map(str, error.instance_path))}: {error.message}"
        for error in validator.iter_errors(value)
    ]
    assert not problems, f"{method} {address} {status}: {problems[:5]}"
    if status < 400:
        answered.add(_document()["paths"][path][name]["operationId"])
