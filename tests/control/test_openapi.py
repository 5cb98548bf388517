"""The OpenAPI document against the API: schemathesis asks every operation what the document allows, and what it does not.

What operations ask of destinations goes to a function of the bench, so nothing calls out and none is left out for that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import Case
from schemathesis.config import GenerationConfig, ProjectConfig, ProjectsConfig, SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from sternpost.control.operation import Operation
from sternpost.control.operations import OPERATIONS, document
from tests.control.bench import DOCUMENT, TOKEN, Bench
from tests.control.served import served

#: Operations that are not asked, and why.
LEFT_OUT = {
    "live": "a stream that does not end by itself",
}
#: Requests of each operation: the suite stays quick, and finds the same each time.
EXAMPLES = 6

config = SchemathesisConfig(
    projects=ProjectsConfig(
        default=ProjectConfig(
            generation=GenerationConfig(
                max_examples=EXAMPLES,
                deterministic=True,
                no_shrink=True,
                with_security_parameters=False,
            )
        )
    )
)
# Coverage makes hundreds of requests an operation.
config.projects.default.phases.coverage.enabled = False
config.projects.default.phases.examples.enabled = False
config.projects.default.checks.negative_data_rejection.expected_statuses = ["4xx"]
#: What is there to be asked for, so that answers come that are no errors. Elsewhere any text is taken.
THERE = {
    "destination": ["pendo", "hook", "spare", "gone"],
    "source": ["web", "backend", "alone", "gone"],
    "messageId": ["m0", "m1", "gone"],
    "type": ["pendo", "webhook", "gone"],
    "revision": ["1", "999"],
    "If-Match": ["*", "old"],
    "dryRun": ["1"],  # else the operations would take from each other what they ask for
}


def narrowed() -> dict[str, Any]:
    """The document as it is, with the names of what this server has."""
    narrowed = document()
    for methods in narrowed["paths"].values():
        for described in methods.values():
            for parameter in described["parameters"]:
                if parameter["name"] in THERE and (
                    parameter["in"] != "query" or parameter["name"] == "dryRun"
                ):
                    parameter["schema"] = {"type": "string", "enum": THERE[parameter["name"]]}
                    parameter["required"] = True
    return narrowed


schema = schemathesis.openapi.from_dict(narrowed(), config=config)
asked = schema.exclude(operation_id=list(LEFT_OUT))


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the API with a real store, on a free port."""
    with served(tmp_path_factory.mktemp("api"), some_events) as found:
        yield f"{found}/api/v1"


async def some_events(bench: Bench) -> None:
    await bench.accept(
        *(
            {
                "type": "track",
                "event": "Checkout",
                "userId": f"u{number}",
                "messageId": f"m{number}",
                "originalTimestamp": "2027-01-15T08:00:00Z",
            }
            for number in range(3)
        )
    )


@asked.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_operation_does_what_the_document_says(case: Case, address: str) -> None:
    """No 500, no status, type or form of an answer that the document does not tell, and no body that it forbids is taken."""
    answer = case.call(base_url=address, headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code != 500, answer.text
    case.validate_response(
        answer,
        checks=[
            status_code_conformance,
            content_type_conformance,
            response_schema_conformance,
            negative_data_rejection,
        ],
    )


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_without_a_token(operation: Operation, address: str) -> None:
    """Nothing is answered without a token, not even that there is no such thing."""
    path = operation.shown_path.replace("{", "").replace("}", "")
    answer = requests.request(operation.method, f"{address}{path}", timeout=10)
    assert answer.status_code == 401
    assert set(answer.json()["error"]) == {"message", "remedy"}


def test_document_is_valid() -> None:
    """By the rules of OpenAPI 3.1."""
    schemathesis.openapi.from_dict(document()).validate()


async def test_what_it_found(bench: Bench) -> None:
    """A revision that is no number was a 500, and a dry run by another word really changed things."""
    answer = await bench.ask("PUT", "/workspace", {"document": DOCUMENT, "revision": {}})
    assert answer.status == 409
    answer = await bench.ask("POST", "/sources/web/disable?dryRun=on")
    assert answer.status == 400
    assert bench.holder.current.sources["web"].enabled
