"""Commands that read lists of the API take every page of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sternpost.cli import client
from sternpost.cli.app import program
from sternpost.cli.send import first_write_key
from sternpost.store.persons import PersonIds, begin_forgetting, stop
from tests.control.bench import DOCUMENT, NOW, TOKEN, Bench
from tests.control.served import served

COUNT = 1_050  #: people: three pages of 500
SOURCES = 600  #: all but the last are switched off


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The options that lead a command to a server with more than one page of everything."""
    folder: Path = tmp_path_factory.mktemp("lists")
    (folder / "token").write_text(TOKEN)
    sources = [
        {
            "id": f"s{number}",
            "name": f"S{number}",
            "type": "server",
            "writeKey": f"wk-s{number}",
            "enabled": number == SOURCES - 1,
        }
        for number in range(SOURCES)
    ]
    document = {**DOCUMENT, "sources": sources, "connections": []}
    with served(folder, many, document) as url:
        yield ["--url", url, "--token-file", str(folder / "token")]


async def many(bench: Bench) -> None:
    def people(cx: Any) -> None:
        for number in range(COUNT):
            stop(cx, PersonIds(f"p{number}", ()), keep_id=True, by="ann", note="n", now=NOW + number)
            begin_forgetting(cx, PersonIds(f"f{number}", ()), by="ann", note="n", there={}, now=NOW)

    await bench.store.transaction(people)


def said(*words: str) -> str:
    answer = CliRunner().invoke(program, words, catch_exceptions=False)
    assert answer.exit_code == 0, answer.output
    return answer.output


def test_people(address: list[str]) -> None:
    lines = said("people", "list", *address)
    assert all(f"p{number} " in lines for number in (0, 549, 550, COUNT - 1))
    assert f"{COUNT:,} deletions, {COUNT} under way." in lines
    assert len(said("people", "list", "--json", *address).splitlines()) == COUNT


def test_sources(address: list[str]) -> None:
    """The one source that is enabled is on the second page."""
    server = client.find(client.Address(url=address[1], token_file=Path(address[3])))
    assert first_write_key(server) == f"wk-s{SOURCES - 1}"
    assert len(list(server.every("/api/v1/sources", "sources"))) == SOURCES
