"""The reference page says everything that exists, and its examples run."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

import sternpost.sandbox
from sternpost.sandbox import diagnostics, seed
from sternpost.sandbox.core import ROUTES
from sternpost.sandbox.switches import SWITCHES
from tests.sandbox.conftest import Client

SOURCE = Path(sternpost.sandbox.__file__).parent
PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "sandbox.md").read_text()


@pytest.mark.parametrize("name", SWITCHES)
def test_every_switch_is_documented(name: str) -> None:
    """Name, default, allowed values and note stand in the page as they are in the table."""
    switch = SWITCHES[name]
    default = switch.default if isinstance(switch.default, str) else json.dumps(switch.default)
    assert f"| `{name}` | `{default}` | {switch.allowed.describe()} | {switch.note} |" in PAGE


def test_every_control_path_is_documented() -> None:
    """Each control path stands in the page with its method; and no path that does not exist."""
    documented = set(re.findall(r"`(GET|POST) (/__sandbox/[a-z]*)", PAGE))
    assert documented == {
        (route.method, route.path) for route in ROUTES if route.path.startswith("/__sandbox")
    } | {("GET", "/__sandbox/")}


def test_every_key_of_the_seed_is_documented() -> None:
    """The keys of the page are the keys of the code."""
    for key in (
        *seed.APPS,
        *seed.TRACK_SECRETS,
        *seed.integration_keys("us"),
        seed.JWT_KEY_NAME,
        seed.JWT_SECRET,
    ):
        assert f"`{key}`" in PAGE


def test_the_codes_of_the_page_are_those_the_sandbox_gives() -> None:
    """Every code that some line of the sandbox records is explained, and no other."""
    text = "".join(path.read_text() for path in SOURCE.glob("*.py"))
    recorded = {
        code
        for code in diagnostics.codes()
        if re.search(rf'note\(\s*\w[^"]*?"{code}"|Diagnostic\("{code}"|"code": "{code}"', text)
    }
    table = PAGE.partition("## Diagnostics")[2].partition("## Switches")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == recorded
    assert all(diagnostics.title(code) != code for code in diagnostics.codes())


async def test_the_examples_run(client: Client) -> None:
    """The three curl examples give what the page says."""
    answers = []
    for line in re.findall(r"```sh\n(curl .*)\n```", PAGE):
        words = shlex.split(line)[1:]
        headers, body, url = {}, None, ""
        while words:
            word = words.pop(0)
            if word == "-H":
                name, _, value = words.pop(0).partition(": ")
                headers[name] = value
            elif word == "-d":
                body = words.pop(0).encode()
            elif word != "-i":
                url = word.removeprefix("http://127.0.0.1:8090")
        answers.append(await client.request("GET" if body is None else "POST", url, body, headers))
    assert [answer.status for answer in answers] == [200, 200, 200]
    assert answers[1].text in PAGE
    assert [entry["code"] for entry in answers[2].json()] == [
        "too_old",
        "bad_property_key",
        "unknown_visitor",
        "object_dropped",
    ]
    assert all(f"`{entry['code']}`" in PAGE.partition("## The seed")[0] for entry in answers[2].json())


def test_the_sandbox_stands_alone() -> None:
    """It shares no mapping code with the destination: of ours it imports limits, errors, reasons and notes only."""
    for path in SOURCE.glob("*.py"):
        for module in re.findall(r"^\s*(?:from|import) (sternpost[.\w]*)", path.read_text(), re.MULTILINE):
            assert module.startswith("sternpost.sandbox") or module in (
                "sternpost.limits",
                "sternpost.errors",
                "sternpost.reasons",
                "sternpost.notes",
            ), (path, module)
